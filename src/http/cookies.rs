//! Cookies: names, flags, lifetimes. One name for each tenant, since tenants share a host.

use axum::http::HeaderMap;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::{
    app::App,
    crypto::opaque::Token,
    domain::{factor::STEP_LIFETIME, session::Persistence, tenant::Tenant},
    flows::{Cx, forms, session::Opened},
    id::{Realm, SessionId, TenantId},
    secret::Secret,
};

/// A device stays known for 400 days, the longest that browsers keep a cookie.
const DEVICE_SECONDS: i64 = 400 * 86_400;

fn is_https(cx: &Cx) -> bool {
    cx.app.config.public_url.scheme() == "https"
}

/// With `__Host-` a browser takes the cookie only from this very host, over TLS, for all paths, so
/// that no neighbour host can plant one.
fn name(kind: &str, tenant: &Tenant, is_https: bool) -> String {
    let id = tenant.id.to_string();
    let id = id.trim_start_matches("tnt_");
    if is_https { format!("__Host-cs_{kind}_{id}") } else { format!("cs_{kind}_{id}") }
}

fn cookie(cx: &Cx, kind: &str, value: String, seconds: Option<i64>) -> Cookie<'static> {
    let https = is_https(cx);
    let mut cookie = Cookie::new(name(kind, &cx.tenant, https), value);
    cookie.set_http_only(true);
    cookie.set_secure(https);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    if let Some(seconds) = seconds {
        cookie.set_max_age(time::Duration::seconds(seconds));
    }
    cookie
}

/// The cookie of a session just opened: its handle and its secret.
#[must_use]
pub fn session(cx: &Cx, opened: &Opened) -> Cookie<'static> {
    let seconds = match opened.persistence {
        Persistence::Browser => None,
        Persistence::Remembered => {
            i64::try_from(opened.expiry.absolute.since(cx.now).as_secs()).ok()
        }
    };
    cookie(cx, "session", format!("{}.{}", opened.id, opened.secret.expose()), seconds)
}

/// What takes the session's cookie away.
#[must_use]
pub fn no_session(cx: &Cx) -> Cookie<'static> {
    cookie(cx, "session", String::new(), Some(0))
}

/// The cookie by which a device is known again.
#[must_use]
pub fn device(cx: &Cx, token: &Token) -> Cookie<'static> {
    cookie(cx, "device", token.expose().to_owned(), Some(DEVICE_SECONDS))
}

/// The device's cookie in a request. Of several of one name the last counts.
#[must_use]
pub fn device_of(cx: &Cx, headers: &HeaderMap) -> Option<Token> {
    let jar = CookieJar::from_headers(headers);
    let cookie = jar.get(&name("device", &cx.tenant, is_https(cx)))?;
    Token::parse(cookie.value())
}

/// The cookie of a sign-in between its first and its second step.
#[must_use]
pub fn step(cx: &Cx, token: &Token) -> Cookie<'static> {
    let seconds = i64::try_from(STEP_LIFETIME.as_secs()).ok();
    cookie(cx, "step", token.expose().to_owned(), seconds)
}

/// What takes the step's cookie away.
#[must_use]
pub fn no_step(cx: &Cx) -> Cookie<'static> {
    cookie(cx, "step", String::new(), Some(0))
}

/// The token of the step that a browser is at, as it came.
#[must_use]
pub fn step_of(cx: &Cx, headers: &HeaderMap) -> Option<Secret<String>> {
    value(cx, "step", headers)
}

/// How long a browser may take to sign in on its way to a page of the portal.
const WANTED_SECONDS: i64 = 600;

/// The cookie of a browser that goes on to a page of the portal once somebody has signed in: the
/// page's name.
#[must_use]
pub fn wanted_page(cx: &Cx, page: &str) -> Cookie<'static> {
    cookie(cx, "wanted", page.to_owned(), Some(WANTED_SECONDS))
}

/// What takes that cookie away.
#[must_use]
pub fn no_wanted_page(cx: &Cx) -> Cookie<'static> {
    cookie(cx, "wanted", String::new(), Some(0))
}

/// The name of the page that is wanted, as it came.
#[must_use]
pub fn wanted_page_of(cx: &Cx, headers: &HeaderMap) -> Option<String> {
    value(cx, "wanted", headers).map(|name| name.expose().clone())
}

/// The cookie of a device that its user trusts.
#[must_use]
pub fn trusted(cx: &Cx, token: &Token) -> Cookie<'static> {
    let seconds = cx.tenant.settings.trusted_device_lifetime.as_secs();
    cookie(cx, "trusted", token.expose().to_owned(), i64::try_from(seconds).ok())
}

/// The token of a trusted device, as it came.
#[must_use]
pub fn trusted_of(cx: &Cx, headers: &HeaderMap) -> Option<Secret<String>> {
    value(cx, "trusted", headers)
}

/// The cookie of what was typed on the first page of a sign-in, sealed: for the second step, and
/// for the way back where that is over.
#[must_use]
pub fn typed(cx: &Cx, sealed: &Secret<String>) -> Cookie<'static> {
    let seconds = i64::try_from(forms::TYPED_LIFETIME.as_secs()).ok();
    cookie(cx, "typed", sealed.expose().to_owned(), seconds)
}

/// What takes that cookie away.
#[must_use]
pub fn no_typed(cx: &Cx) -> Cookie<'static> {
    cookie(cx, "typed", String::new(), Some(0))
}

/// What was typed, as it came.
#[must_use]
pub fn typed_of(cx: &Cx, headers: &HeaderMap) -> Option<Secret<String>> {
    value(cx, "typed", headers)
}

fn form_name(app: &App) -> &'static str {
    if app.config.public_url.scheme() == "https" { "__Host-cs_form" } else { "cs_form" }
}

/// The cookie that the forms of hosted pages are bound to before anybody has signed in. It lives
/// as long as the browser, and says nothing about anybody.
#[must_use]
pub fn form(app: &App, browser: &Token) -> Cookie<'static> {
    let mut cookie = Cookie::new(form_name(app), browser.expose().to_owned());
    cookie.set_http_only(true);
    cookie.set_secure(app.config.public_url.scheme() == "https");
    // The first page after a click in a mail or an application gets it along.
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    cookie
}

/// What a browser's forms are bound to.
#[must_use]
pub fn form_of(app: &App, headers: &HeaderMap) -> Option<Token> {
    Token::parse(CookieJar::from_headers(headers).get(form_name(app))?.value())
}

fn value(cx: &Cx, kind: &str, headers: &HeaderMap) -> Option<Secret<String>> {
    let jar = CookieJar::from_headers(headers);
    let cookie = jar.get(&name(kind, &cx.tenant, is_https(cx)))?;
    Some(cookie.value().to_owned()).filter(|text| !text.is_empty()).map(Secret::new)
}

/// All cookies of devices in a request, each with its tenant.
#[must_use]
pub fn devices(app: &App, headers: &HeaderMap) -> Vec<(TenantId, Token)> {
    let device = |(tenant, value): (TenantId, String)| Some((tenant, Token::parse(&value)?));
    of_all_tenants(app, "device", headers).into_iter().filter_map(device).collect()
}

/// All cookies of trusted devices in a request, each with its tenant.
#[must_use]
pub fn trusted_devices(app: &App, headers: &HeaderMap) -> Vec<(TenantId, Secret<String>)> {
    let trusted = of_all_tenants(app, "trusted", headers).into_iter();
    trusted.map(|(tenant, value)| (tenant, Secret::new(value))).collect()
}

/// The cookies of one kind in a request, each with its tenant.
fn of_all_tenants(app: &App, kind: &str, headers: &HeaderMap) -> Vec<(TenantId, String)> {
    let prefix = if app.config.public_url.scheme() == "https" { "__Host-" } else { "" };
    let prefix = format!("{prefix}cs_{kind}_");
    let of_kind = |cookie: &Cookie<'_>| {
        let id = cookie.name().strip_prefix(&prefix)?;
        Some((format!("tnt_{id}").parse().ok()?, cookie.value().to_owned()))
    };
    CookieJar::from_headers(headers).iter().filter_map(of_kind).collect()
}

/// The tenants that a browser has a session cookie of.
#[must_use]
pub fn session_tenants(headers: &HeaderMap) -> Vec<TenantId> {
    let of_name = |name: &str| {
        let name = name.strip_prefix("__Host-").unwrap_or(name);
        format!("tnt_{}", name.strip_prefix("cs_session_")?).parse().ok()
    };
    CookieJar::from_headers(headers).iter().filter_map(|cookie| of_name(cookie.name())).collect()
}

/// All sessions in a request, each with its tenant and its cookie's secret.
#[must_use]
pub fn sessions(app: &App, headers: &HeaderMap) -> Vec<(TenantId, SessionId, Token)> {
    let prefix = if app.config.public_url.scheme() == "https" {
        "__Host-cs_session_"
    } else {
        "cs_session_"
    };
    let session = |cookie: &Cookie<'_>| {
        let tenant = format!("tnt_{}", cookie.name().strip_prefix(prefix)?).parse().ok()?;
        let (id, secret) = cookie.value().split_once('.')?;
        Some((tenant, id.parse().ok()?, Token::parse(secret)?))
    };
    CookieJar::from_headers(headers).iter().filter_map(session).collect()
}

fn realm_name(app: &App, kind: &str, realm: Realm) -> String {
    let realm = realm.to_string();
    let realm = realm.trim_start_matches("tnt_");
    let prefix = if app.config.public_url.scheme() == "https" { "__Host-" } else { "" };
    format!("{prefix}cs_{kind}_{realm}")
}

fn realm_cookie(app: &App, (kind, realm): (&str, Realm), value: String) -> Cookie<'static> {
    let mut cookie = Cookie::new(realm_name(app, kind, realm), value);
    cookie.set_http_only(true);
    cookie.set_secure(app.config.public_url.scheme() == "https");
    // A browser comes back to us from other sites, by address.
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    cookie
}

/// A device waits while its person signs in, as long as its code lives.
const WAITING_SECONDS: i64 = 600;

/// The cookie of a browser that goes on to a device's page once somebody has signed in: the code
/// that is shown there, where it is known.
#[must_use]
pub fn waiting_device(app: &App, realm: Realm, user_code: &str) -> Cookie<'static> {
    let mut cookie = realm_cookie(app, ("usercode", realm), user_code.to_owned());
    cookie.set_max_age(time::Duration::seconds(WAITING_SECONDS));
    cookie
}

/// What takes that cookie away.
#[must_use]
pub fn no_waiting_device(app: &App, realm: Realm) -> Cookie<'static> {
    let mut cookie = realm_cookie(app, ("usercode", realm), String::new());
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}

/// The code of the device that waits; empty where it is not known, `None` where none waits.
#[must_use]
pub fn waiting_device_of(app: &App, realm: Realm, headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    Some(jar.get(&realm_name(app, "usercode", realm))?.value().to_owned())
}

/// The cookie that a browser's pending authorization requests are bound to.
#[must_use]
pub fn request(app: &App, realm: Realm, browser: &Token) -> Cookie<'static> {
    realm_cookie(app, ("request", realm), browser.expose().to_owned())
}

/// What a browser's pending authorization requests are bound to.
#[must_use]
pub fn request_of(app: &App, realm: Realm, headers: &HeaderMap) -> Option<Token> {
    let jar = CookieJar::from_headers(headers);
    Token::parse(jar.get(&realm_name(app, "request", realm))?.value())
}

/// The session's handle and secret in a request.
#[must_use]
pub fn session_of(cx: &Cx, headers: &HeaderMap) -> Option<(SessionId, Token)> {
    let jar = CookieJar::from_headers(headers);
    let cookie = jar.get(&name("session", &cx.tenant, is_https(cx)))?;
    let (id, secret) = cookie.value().split_once('.')?;
    Some((id.parse().ok()?, Token::parse(secret)?))
}
