//! Templates: the engine, and one typed context for each page.
//!
//! Templates are compiled in, and read when they are needed for the first time, so that a server
//! holds only what it shows; a test renders each. An undefined variable is an error, everything printed into HTML is escaped, and an amount of fuel bounds
//! what a template may do. What the pages say is in `locales/`; what they hold is decided by
//! `http::pages` and the flows.

use std::{fmt, sync::Arc};

use minijinja::{
    AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use serde::Serialize;

pub use self::{
    assets::{Asset, Coding},
    brand::{Brand, RawBrand, SafeStyle, Shown, Words},
};
use crate::{
    clock::Timestamp,
    error::{Context, Result},
    text::{Locale, Texts, number},
};

mod assets;
mod brand;
pub mod pages;
pub mod qr;
#[cfg(test)]
mod tests;

macro_rules! templates {
    ($($name:literal,)*) => {
        /// Every template: its name, from `templates/` on, and its text.
        pub(crate) const TEMPLATES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../templates/", $name))),)*];
    };
}

templates! {
    "account/activity.html",
    "account/applications.html",
    "account/backup_codes.html",
    "account/confirm.html",
    "account/data.html",
    "account/delete.html",
    "account/devices.html",
    "account/email.html",
    "account/layout.html",
    "account/mailed_codes.html",
    "account/overview.html",
    "account/parts.html",
    "account/passkey.html",
    "account/password.html",
    "account/profile.html",
    "account/question.html",
    "account/rename.html",
    "account/security.html",
    "account/told.html",
    "account/totp.html",
    "layout.html",
    "languages.html",
    "parts.html",
    "sign_in/application.html",
    "sign_in/caps.html",
    "sign_in/field_fault.html",
    "sign_in/new_password.html",
    "sign_in/password_hint.html",
    "sign_in/request.html",
    "sign_in/captcha.html",
    "sign_in/said.html",
    "sign_in/wait.html",
    "pages/ask_mail.html",
    "pages/backup_codes.html",
    "pages/change_email.html",
    "pages/check_mail.html",
    "pages/consent.html",
    "pages/device.html",
    "pages/device_confirm.html",
    "pages/done.html",
    "pages/embedded.html",
    "pages/enrol.html",
    "pages/form_post.html",
    "pages/login.html",
    "pages/logout.html",
    "pages/lost.html",
    "pages/mailbox.html",
    "pages/message.html",
    "pages/mfa.html",
    "pages/not_me.html",
    "pages/protocol_error.html",
    "pages/register.html",
    "pages/reset_done.html",
    "pages/reset_password.html",
    "pages/select_account.html",
    "pages/signed_out.html",
    "pages/stop_email_change.html",
    "pages/verified.html",
    "pages/verify_email.html",
    "mail/layout.html",
    "mail/layout.txt",
    "mail/parts.html",
    "mail/account_deleted.html",
    "mail/account_deleted.txt",
    "mail/account_exists.html",
    "mail/account_exists.txt",
    "mail/address_wanted.html",
    "mail/address_wanted.txt",
    "mail/confirm_email_change.html",
    "mail/confirm_email_change.txt",
    "mail/deletion_scheduled.html",
    "mail/deletion_scheduled.txt",
    "mail/email_change_requested.html",
    "mail/email_change_requested.txt",
    "mail/email_changed.html",
    "mail/email_changed.txt",
    "mail/factor_changed.html",
    "mail/factor_changed.txt",
    "mail/factor_failures.html",
    "mail/factor_failures.txt",
    "mail/factors_reset.html",
    "mail/factors_reset.txt",
    "mail/mfa_code.html",
    "mail/mfa_code.txt",
    "mail/new_device.html",
    "mail/new_device.txt",
    "mail/new_place.html",
    "mail/new_place.txt",
    "mail/password_changed.html",
    "mail/password_changed.txt",
    "mail/password_expired.html",
    "mail/password_expired.txt",
    "mail/reset_federated.html",
    "mail/reset_federated.txt",
    "mail/reset_password.html",
    "mail/reset_password.txt",
    "mail/verify_email.html",
    "mail/verify_email.txt",
}

/// What a template may do before it is stopped: far more than ours need.
const FUEL: u64 = 200_000;

/// A page: a context that knows its template.
pub trait Page: Serialize {
    /// The template's name, from `templates/` on.
    const TEMPLATE: &'static str;
    /// Whether a tenant's own style sheet counts: on the pages by which people sign in, and never
    /// where they agree to something or look after their account.
    const IS_DRESSED: bool = false;

    /// What it loads from other hosts: sources of a content security policy. None but the captcha
    /// of a provider that the tenant has chosen.
    fn foreign_sources(&self) -> &'static str {
        ""
    }
}

/// What every page has around it.
#[derive(Debug, Clone, Copy)]
pub struct PageFrame<'a> {
    /// The language of the page.
    pub locale: Locale,
    /// Whose page it is.
    pub brand: &'a Brand,
    /// The nonce that the answer's `Content-Security-Policy` allows for `style-src`: the tenant's
    /// colours are in a style element.
    pub nonce: &'a str,
}

/// The template engine with all templates. Cheap to clone.
#[derive(Clone)]
pub struct View(Arc<Engine>);

struct Engine {
    templates: Environment<'static>,
    texts: Texts,
}

impl View {
    /// The engine, with every template in reach.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) where the syntax that templates are
    /// written in cannot be set up.
    pub fn new(texts: Texts) -> Result<Self> {
        let mut templates = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        templates.set_syntax(syntax.doing("preparing the template engine")?);
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_auto_escape_callback(|name| match name.rsplit('.').next() {
            Some("txt") => AutoEscape::None,
            _ => AutoEscape::Html,
        });
        templates.set_formatter(print);
        templates.set_fuel(Some(FUEL));
        templates.add_global("css_url", Asset::css().path.as_str());
        templates.add_global("js_url", Asset::js().path.as_str());
        templates.add_global("languages", Value::from_iter(Locale::ALL.map(Locale::as_str)));
        let said = texts.clone();
        templates.add_function("t", move |state: &State, key: &str, args: Kwargs| {
            said.fill(locale(state)?, key, args.into())
        });
        let said = texts.clone();
        templates.add_filter("moment", move |state: &State, micros: i64| {
            Ok::<_, minijinja::Error>(moment(&said, locale(state)?, Timestamp::from_micros(micros)))
        });
        templates.add_filter("number", |state: &State, n: i64| {
            Ok::<_, minijinja::Error>(number(locale(state)?, n))
        });
        templates.set_loader(|name| {
            let known = TEMPLATES.iter().find(|(known, _)| *known == name);
            Ok(known.map(|(_, source)| (*source).to_owned()))
        });
        Ok(Self(Arc::new(Engine { templates, texts })))
    }

    /// The texts that the templates speak with.
    #[must_use]
    pub fn texts(&self) -> &Texts {
        &self.0.texts
    }

    /// A whole page of HTML.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) where the template and its context do
    /// not fit; a test renders every page to keep that from happening.
    pub fn page<P: Page>(&self, frame: PageFrame<'_>, page: &P) -> Result<String> {
        let style = frame.brand.style.as_ref().filter(|_| P::IS_DRESSED);
        let style = style.map(SafeStyle::as_str).unwrap_or_default();
        let page = context! { style, ..Value::from(Serde(page)) };
        self.render(P::TEMPLATE, frame, page)
    }

    /// Any template, with what `frame` holds and `values` (a map) in reach.
    pub(crate) fn render(&self, name: &str, frame: PageFrame<'_>, values: Value) -> Result<String> {
        let lang = frame.locale.as_str();
        let silent = Words::default();
        let words = frame.brand.words_in(lang).unwrap_or(&silent);
        let context = context! {
            lang,
            dir => frame.locale.direction(),
            nonce => frame.nonce,
            brand => Value::from(Serde(frame.brand)),
            words => Value::from(Serde(words)),
            ..values
        };
        let template = self.0.templates.get_template(name).doing("finding a template")?;
        template.render(context).doing("rendering a template")
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

/// A moment as people write it, in UTC: `25 November 2026, 09:30 UTC`.
///
/// Whoever reads may sit in any time zone, which we do not know; so the zone is always said, and
/// the hours run to 24. The order and the names are in the catalogues, after CLDR's long form.
#[must_use]
pub fn moment(texts: &Texts, locale: Locale, at: Timestamp) -> String {
    let Ok(at) = jiff::Timestamp::from_microsecond(at.micros()) else { return String::new() };
    let at = jiff::tz::Offset::UTC.to_datetime(at);
    let month = texts.say(locale, &format!("time.month.{}", at.month()), context! {});
    texts.say(
        locale,
        "time.moment",
        context! {
            day => at.day(),
            month,
            year => at.year(),
            time => format!("{:02}:{:02}", at.hour(), at.minute()),
        },
    )
}

/// Prints a value, escaped in HTML.
///
/// The engine's own way escapes `/` too, which nothing asks for where every attribute is quoted,
/// and which makes the links in a mail unreadable to the simpler mail programs.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if matches!(state.auto_escape(), AutoEscape::Html) && !value.is_safe() => {
            escape(out, text).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn escape(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some((before, special)) = rest
        .find(['&', '<', '>', '"', '\''])
        .and_then(|at| Some((rest.get(..at)?, rest.get(at..)?)))
    {
        out.write_str(before)?;
        let mut after = special.chars();
        out.write_str(match after.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('"') => "&quot;",
            _ => "&#39;",
        })?;
        rest = after.as_str();
    }
    out.write_str(rest)
}

/// The language of the page that is being rendered.
fn locale(state: &State) -> Result<Locale, minijinja::Error> {
    state
        .lookup("lang")
        .and_then(|lang| lang.as_str().and_then(|tag| tag.parse().ok()))
        .ok_or_else(|| minijinja::Error::new(ErrorKind::UndefinedError, "the page has no language"))
}
