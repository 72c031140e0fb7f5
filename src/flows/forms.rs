//! What the forms of hosted pages prove themselves with before anybody has signed in, and what they
//! remember from one page to the next.
//!
//! A form is bound to the browser by a random cookie, and to the realm whose page it is on. Forms of
//! people who have signed in are bound to their sessions instead (`flows::me`, `oauth::guest`,
//! `oauth::asking`); those behind mailed links need neither, since the token is the authority.
//! Nothing here is stored: what is remembered is sealed and lies with the browser.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque::Token,
    error::{Context, Result},
    flows::Cx,
    id::Realm,
    secret::Secret,
};

/// What the keyed digests are for that forms prove themselves with.
const FORM: &str = "form of a browser";
/// What the first page of a sign-in is sealed for.
const TYPED: &str = "typed at a sign-in";
/// What a wish for a mail is sealed for.
const MAIL: &str = "mail that was asked for";
/// How long the first page of a sign-in is remembered: longer than a second step lives, so that a
/// step that is over can begin anew.
pub const TYPED_LIFETIME: Duration = Duration::from_mins(30);
/// How long a page that tells of a mail may ask for it once more.
const MAIL_LIFETIME: Duration = Duration::from_hours(24);
/// How long the same page waits until it asks once more.
pub const MAIL_INTERVAL: Duration = Duration::from_mins(1);
/// No sealed text of ours is as long: an address and two names.
const LONGEST: usize = 8192;

/// What a browser's forms are bound to: the value of its cookie.
pub type Browser = Token;

/// A fresh value for a browser's cookie.
///
/// # Errors
/// Where there is no randomness.
pub fn browser(app: &App) -> Result<Browser> {
    Token::generate(&app.entropy)
}

/// What the forms of a realm's pages prove themselves with in the browser of a cookie.
///
/// # Errors
/// Only through a fault of the library.
pub fn proof(app: &App, realm: Realm, browser: &Browser) -> Result<Secret<String>> {
    let realm = realm.to_string();
    let mac = app.master_key.mac(FORM, &[realm.as_bytes(), browser.digest().as_bytes()])?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(mac)))
}

/// What the first page of a sign-in was sent with, without the password.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Typed {
    /// The address, as it was typed.
    pub email: String,
    /// Whether the session is to outlive the browser.
    pub remember: bool,
}

/// The address is nobody's business.
impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(…)")
    }
}

/// Seals what was typed, for the browser to keep.
///
/// # Errors
/// Only through a fault of the library.
pub fn keep(cx: &Cx, typed: &Typed) -> Result<Secret<String>> {
    seal(cx, TYPED, typed)
}

/// What a browser has kept; `None` where it is not ours or too old.
#[must_use]
pub fn kept(cx: &Cx, sealed: &str) -> Option<Typed> {
    let (at, typed) = open(cx, TYPED, sealed)?;
    (cx.now < at + TYPED_LIFETIME).then_some(typed)
}

/// A mail that a page has asked for, and can ask for once more.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Wish {
    /// The address, as it was typed.
    pub email: String,
    /// The names that were typed with it.
    pub names: Option<(String, String)>,
}

/// The address is nobody's business.
impl std::fmt::Debug for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wish(…)")
    }
}

/// Seals a wish for the page that tells of the mail: its form holds no address, and no page of
/// ours has one in its own.
///
/// # Errors
/// Only through a fault of the library.
pub fn note_wish(cx: &Cx, wish: &Wish) -> Result<Secret<String>> {
    seal(cx, MAIL, wish)
}

/// The wish of a page, and how long it has to wait; `None` where it is not ours or too old.
///
/// The wait is the same for every address: it is counted from the page and not from an account.
#[must_use]
pub fn wish(cx: &Cx, sealed: &str) -> Option<(Wish, Option<Duration>)> {
    let (at, wish) = open(cx, MAIL, sealed)?;
    let wait = Some((at + MAIL_INTERVAL).since(cx.now)).filter(|wait| !wait.is_zero());
    (cx.now < at + MAIL_LIFETIME).then_some((wish, wait))
}

fn seal<T: Serialize>(cx: &Cx, purpose: &'static str, value: &T) -> Result<Secret<String>> {
    let text = serde_json::to_vec(&(cx.now.micros(), value)).doing("writing what a page keeps")?;
    let sealed = cx.app.master_key.seal(purpose, &[&cx.tenant.id.to_string()], &text)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(sealed)))
}

fn open<T: DeserializeOwned>(
    cx: &Cx,
    purpose: &'static str,
    sealed: &str,
) -> Option<(Timestamp, T)> {
    if sealed.len() > LONGEST {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let place = cx.tenant.id.to_string();
    let opened = cx.app.master_key.open(purpose, &[&place], &sealed).ok()?;
    let (at, value) = serde_json::from_slice::<(i64, T)>(opened.expose()).ok()?;
    Some((Timestamp::from_micros(at), value))
}
