//! In which language a page speaks: what is known of its reader's wishes, and the one function that
//! decides. With it the cookie of the switcher in the footer (`templates/layout.html`).
//!
//! What is said last and most expressly wins. The switcher asks for the same page once more with
//! `ui_locales` in its address, so that it works without a script and leads nowhere else; the answer
//! sets the cookie.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::Response,
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use url::form_urlencoded;

use super::{
    door::{Door, speaking, text},
    frame::Facts,
};
use crate::{
    app::App,
    clock::Timestamp,
    flows::{Cx, me::Me},
    text::Locale,
};

#[cfg(test)]
mod tests;

/// The parameter of a page's address, with the meaning that it has in an authorization request
/// (OpenID Connect Core 1.0 §3.1.2.1).
pub const PARAMETER: &str = "ui_locales";
/// The choice stays for 400 days, the longest that browsers keep a cookie.
const SECONDS: i64 = 400 * 86_400;

/// What a reader has chosen in the footer, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switched {
    /// The language.
    pub locale: Locale,
    /// When, in seconds since 1970.
    pub at: i64,
}

impl Switched {
    /// The value of a cookie. A moment that is not yet, or no moment, is long ago.
    #[must_use]
    pub fn parse(value: &str, now: Timestamp) -> Option<Self> {
        let (tag, at) = value.split_once('.').unwrap_or((value, ""));
        let locale = Locale::ALL.into_iter().find(|it| it.as_str() == tag)?;
        let at = at.parse().ok().filter(|at| *at <= seconds(now)).unwrap_or_default();
        Some(Self { locale, at })
    }

    fn text(self) -> String {
        format!("{}.{}", self.locale, self.at)
    }
}

fn seconds(moment: Timestamp) -> i64 {
    moment.micros().div_euclid(1_000_000)
}

/// What is known of the language that a reader wishes for.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// `ui_locales` in the page's address.
    pub address: Option<&'a str>,
    /// `ui_locales` of the authorization request that the page serves, and when it came.
    pub request: Option<(&'a str, Timestamp)>,
    /// The choice of who is signed in, and when he has signed in.
    pub account: Option<(&'a str, Timestamp)>,
    /// The choice in the footer.
    pub switched: Option<Switched>,
    /// The header `Accept-Language`.
    pub accepted: Option<&'a str>,
    /// The tenant's language, or the house's.
    pub fallback: Locale,
}

impl Wishes<'_> {
    /// The language of the page: the address, the application's wish, the account's choice, the
    /// choice in the footer, the browser's, the tenant's.
    ///
    /// A choice in the footer that is younger than the application's wish or the sign-in comes
    /// before it: whoever switches while a request is pending or within a session means it.
    #[must_use]
    pub fn choose(&self) -> Locale {
        let since = |moment: Timestamp| {
            self.switched.filter(|it| it.at >= seconds(moment)).map(|it| it.locale)
        };
        let younger = |wish: Option<(&str, Timestamp)>| {
            let (tags, at) = wish?;
            let wanted = Locale::first_of(tags)?;
            Some(since(at).unwrap_or(wanted))
        };
        self.address
            .and_then(Locale::first_of)
            .or_else(|| younger(self.request))
            .or_else(|| younger(self.account))
            .or_else(|| self.switched.map(|it| it.locale))
            .or_else(|| self.accepted.and_then(Locale::accepted))
            .unwrap_or(self.fallback)
    }
}

/// What the headers alone say.
#[must_use]
pub fn of_headers<'a>(
    app: &App,
    headers: &'a HeaderMap,
    (now, fallback): (Timestamp, Locale),
) -> Wishes<'a> {
    Wishes {
        address: None,
        request: None,
        account: None,
        switched: switched(app, headers, now),
        accepted: text(headers, header::ACCEPT_LANGUAGE),
        fallback,
    }
}

/// The language of a page of who is signed in: his own choice among what else the request says.
#[must_use]
pub fn of_account(me: &Me, wishes: Wishes<'_>) -> Locale {
    let account = me.user().locale.as_deref().map(|tag| (tag, me.session.created_at));
    Wishes { account, ..wishes }.choose()
}

/// Who is signed in, with surroundings in his language: what a handler calls once it knows him,
/// before it draws its page.
#[must_use]
pub fn spoken_to(door: &Door, mut me: Me) -> Me {
    let cx = me.cx().clone();
    let locale = of_account(&me, door.wishes(cx.mail_locale(None)));
    me.person.cx = Cx { caller: Arc::new(speaking((*cx.caller).clone(), locale)), ..cx };
    me
}

/// `ui_locales` of an address, as it came.
#[must_use]
pub fn in_address(uri: &Uri) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(name, _)| name == PARAMETER).map(|(_, tags)| tags.into_owned())
}

fn name(app: &App) -> &'static str {
    if is_https(app) { "__Host-cs_language" } else { "cs_language" }
}

fn is_https(app: &App) -> bool {
    app.config.public_url.scheme() == "https"
}

/// The cookie of a choice: the language and the moment, which are no secret. It belongs to the
/// browser and to no tenant.
#[must_use]
pub fn cookie(app: &App, locale: Locale, now: Timestamp) -> Cookie<'static> {
    let value = Switched { locale, at: seconds(now) }.text();
    let mut cookie = Cookie::new(name(app), value);
    cookie.set_http_only(true);
    cookie.set_secure(is_https(app));
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    cookie.set_max_age(time::Duration::seconds(SECONDS));
    cookie
}

/// What takes a choice away: the browser decides again.
#[must_use]
pub fn no_cookie(app: &App) -> Cookie<'static> {
    let mut cookie = cookie(app, Locale::En, Timestamp::from_micros(0));
    cookie.set_value("");
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}

/// The choice of a request's cookie.
#[must_use]
pub fn switched(app: &App, headers: &HeaderMap, now: Timestamp) -> Option<Switched> {
    Switched::parse(CookieJar::from_headers(headers).get(name(app))?.value(), now)
}

/// Keeps what a reader has chosen by a page's address. What another site links to counts for the
/// page alone.
pub async fn remember(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_chosen = request.method() == Method::GET && !is_foreign(request.headers());
    let tags = in_address(request.uri()).filter(|_| is_chosen);
    let chosen = tags.as_deref().and_then(Locale::first_of);
    let now = request.extensions().get::<Facts>().map(|facts| facts.now);
    let mut response = next.run(request).await;
    if let (Some(locale), Some(now)) = (chosen, now)
        && is_page(&response)
        && let Ok(value) = HeaderValue::from_str(&cookie(&app, locale, now).to_string())
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn is_foreign(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-site").is_some_and(|it| it == "cross-site" || it == "same-site")
}

fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}
