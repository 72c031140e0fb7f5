//! Hosted pages: what a person sees who follows a mailed link. Each calls the flow that the API
//! calls; none has rules of its own.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::Engine as _;

use self::portal::AtPlatform;
use super::{
    dev::house_look,
    door::Door,
    error::{AsPage, code},
    frame::Facts,
    headers, language,
};
use crate::{
    app::App,
    entropy::Entropy,
    error::{Code, Error, Result},
    flows::{Cx, brand},
    text::Locale,
    view::{
        Brand, Page, PageFrame, View,
        pages::{Link, MessagePage, lost::LostPage},
    },
};

mod account;
mod asked_for;
mod captcha;
mod change_email;
mod check_mail;
mod consent;
mod device;
mod enrol;
mod home;
mod login;
mod mailed;
mod mfa;
mod not_me;
pub mod portal;
pub mod protocol;
mod register;
mod reset_password;
mod select_account;
mod verify_email;
mod visit;

/// What surrounds a page: its language and whose it is.
#[derive(Debug, Clone)]
pub struct Look {
    /// The language.
    pub locale: Locale,
    /// Whose page it is.
    pub brand: Brand,
}

/// The pages and the files they load.
pub fn routes() -> Router<Arc<App>> {
    let router = Router::new()
        .route("/t/{tenant_slug}", get(home::show).post(account::sign_out))
        .route("/t/{tenant_slug}/verify-email", get(verify_email::show).post(verify_email::submit))
        .route(
            "/t/{tenant_slug}/reset-password",
            get(reset_password::show).post(reset_password::submit),
        )
        .route("/t/{tenant_slug}/change-email", get(change_email::show).post(change_email::submit))
        .route(
            "/t/{tenant_slug}/stop-email-change",
            get(change_email::show_stop).post(change_email::submit_stop),
        )
        .route("/t/{tenant_slug}/not-me", get(not_me::show).post(not_me::submit));
    router.merge(sign_in_routes()).merge(device::routes())
}

/// The pages by which people sign in, alone or for an application.
fn sign_in_routes() -> Router<Arc<App>> {
    let of_tenant = Router::new()
        .route("/login", get(login::show).post(login::submit))
        .route("/login/passkey", post(login::begin_passkey))
        .route("/mfa", get(mfa::show).post(mfa::submit))
        .route("/mfa/passkey", post(mfa::begin_passkey))
        .route("/mfa/enrol", get(enrol::show).post(enrol::submit))
        .route("/mfa/enrol/passkey", post(enrol::begin_passkey))
        .route("/consent", get(consent::show).post(consent::submit))
        .route("/select-account", get(select_account::show).post(select_account::submit))
        .route("/register", get(register::show).post(register::submit))
        .route(
            "/forgot-password",
            get(check_mail::show_forgotten).post(check_mail::submit_forgotten),
        )
        .route(
            "/verify-email/again",
            get(check_mail::show_unproved).post(check_mail::submit_unproved),
        );
    Router::new()
        .nest("/t/{tenant_slug}", of_tenant.merge(account::routes()))
        .route("/login", get(portal::show).post(portal::submit))
        .route("/register", get(portal::no_registration))
        .route(
            "/select-account",
            get(select_account::show_at_platform).post(select_account::submit_at_platform),
        )
}

/// The pages of the platform; those of tenants are below `/t/`.
const AT_PLATFORM: [&str; 4] = ["/login", "/register", "/select-account", "/device"];

/// What the scripts of pages call, below a tenant's path.
const CALLED: [&str; 5] = [
    "/login/passkey",
    "/mfa/passkey",
    "/mfa/enrol/passkey",
    "/account/confirm/passkey",
    "/account/passkey/begin",
];

/// Whether an address is one of a page, or would be: people go there, not programs. What a page's
/// script calls is none.
#[must_use]
pub fn is_page(path: &str) -> bool {
    let is_called = || CALLED.iter().any(|called| path.ends_with(called));
    (path.starts_with("/t/") && !is_called()) || AT_PLATFORM.contains(&path)
}

/// The look of a page that no handler of ours has had a word in.
#[must_use]
pub fn stray_look(app: &App, headers: &HeaderMap) -> Look {
    let locale = language::of_headers(app, headers, (app.clock.now(), Locale::En)).choose();
    Look { locale, ..house_look(app) }
}

/// The front page: a line for whoever opens the bare address.
pub async fn home(State(app): State<Arc<App>>, AtPlatform(door): AtPlatform) -> Result<Response> {
    let look = Look { locale: door.locale(Locale::En), ..house_look(&app) };
    let texts = app.view.texts();
    let say = |key| texts.say(look.locale, key, minijinja::context! {});
    let page = MessagePage {
        title: say("page.home.title"),
        text: say("page.home.text"),
        request_id: None,
    };
    answer(&app.view, &look, &page, &app.entropy)
}

/// Renders a page with the policy that its nonce needs.
///
/// # Errors
/// Where the template fails or there is no randomness.
pub fn answer<P: Page>(view: &View, look: &Look, page: &P, entropy: &Entropy) -> Result<Response> {
    let nonce = base64::engine::general_purpose::STANDARD.encode(entropy.bytes::<16>()?);
    let frame = PageFrame { locale: look.locale, brand: &look.brand, nonce: &nonce };
    let mut response = Html(view.page(frame, page)?).into_response();
    if let Ok(policy) = HeaderValue::from_str(&headers::page_policy(&nonce)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers::part_from_opener(response.headers_mut());
    Ok(response)
}

/// The page of an error.
pub(super) fn error_page(app: &App, look: &Look, facts: &Facts, error: &Error) -> Response {
    let page =
        MessagePage::error(app.view.texts(), look.locale, code(error), Some(facts.id.clone()));
    answer(&app.view, look, &page, &app.entropy)
        .unwrap_or_else(|_| Html("The page cannot be shown.").into_response())
}

/// The look of a tenant's pages.
fn look(cx: &Cx) -> Look {
    Look { locale: cx.caller.locale, brand: brand(&cx.app, &cx.tenant) }
}

/// Runs a page's handler; its errors are shown as pages too, in the tenant's look where there is
/// one.
async fn shown<F>(app: &App, door: &Door, handler: F) -> Response
where
    F: AsyncFnOnce(&Cx) -> Result<Response>,
{
    let fallback = Look { locale: door.locale(Locale::En), ..house_look(app) };
    let (look, result) = match door.open_page().await {
        Ok(cx) => (look(&cx), handler(&cx).await),
        Err(error) => (fallback, Err(error)),
    };
    result.unwrap_or_else(|error| {
        let mut response = error.into_response();
        response.extensions_mut().insert(AsPage(look));
        response
    })
}

/// A mailed link that does not work is no error of the person's: say what to do.
fn dead_link(cx: &Cx, link: Link, error: Error) -> Result<Response> {
    match error {
        Error::Refused(no) if no.code == Code::InvalidToken => {
            let look = look(cx);
            let base = &look.brand.base_path;
            let page = LostPage::dead_link(cx.app.view.texts(), cx.caller.locale, link, base);
            let mut response = answer(&cx.app.view, &look, &page, &cx.app.entropy)?;
            *response.status_mut() = axum::http::StatusCode::BAD_REQUEST;
            Ok(response)
        }
        other => Err(other),
    }
}
