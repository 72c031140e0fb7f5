//! How an error is said: the only table of statuses. JSON for programs here, pages in
//! `http::pages`.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::Cookie;
use serde_json::{Value, json};

use super::{frame::Facts, pages, wire::HTTPValidationError};
use crate::{
    app::App,
    error::{Code, Error},
    text::Locale,
};

/// An error on its way out. Its body is written in [`render`], where the request is known.
#[derive(Clone, Debug)]
struct Pending(Arc<Error>);

/// Marks an answer whose errors are shown as a page, with the page's language.
#[derive(Clone, Debug)]
pub struct AsPage(pub pages::Look);

/// Marks an answer to a person, unless its handler has: limits, time-outs and addresses that nobody
/// handles come without any.
pub fn at_page(response: &mut Response, look: impl FnOnce() -> pages::Look) {
    let extensions = response.extensions_mut();
    if extensions.get::<Pending>().is_some() && extensions.get::<AsPage>().is_none() {
        extensions.insert(AsPage(look()));
    }
}

/// Marks an answer of a protocol endpoint, whose errors have the protocol's form (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug)]
pub struct AsProtocol;

/// A field that an error's body has beside its own.
#[derive(Clone, Debug)]
struct More(&'static str, Value);

/// An error whose body has one more field.
#[must_use]
pub fn with_field(error: Error, name: &'static str, value: Value) -> Response {
    let mut response = error.into_response();
    response.extensions_mut().insert(More(name, value));
    response
}

/// An error that sets a cookie all the same.
#[must_use]
pub fn with_cookie(error: Error, cookie: &Cookie<'static>) -> Response {
    let mut response = error.into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = status(&self).into_response();
        response.extensions_mut().insert(Pending(Arc::new(self)));
        response
    }
}

/// Headers of an error that stay when its body is written.
const KEPT: [header::HeaderName; 5] = [
    header::ALLOW,
    header::SET_COOKIE,
    header::VARY,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
];

/// Writes the body of an error; leaves every other answer as it is. The one place that logs it.
pub(super) fn render(app: &App, facts: &Facts, response: Response) -> Response {
    let Some(Pending(error)) = response.extensions().get::<Pending>().cloned() else {
        return response;
    };
    log(&error);
    let look = response.extensions().get::<AsPage>().cloned();
    let more = response.extensions().get::<More>().cloned();
    let kept = KEPT.map(|name| (response.headers().get(&name).cloned(), name));
    let mut rendered = match look {
        Some(AsPage(look)) => pages::error_page(app, &look, facts, &error),
        None if response.extensions().get::<AsProtocol>().is_some() => {
            as_protocol(app, facts, &error)
        }
        None => as_json(app, facts, &error, more),
    };
    *rendered.status_mut() = status(&error);
    let headers = rendered.headers_mut();
    if let Some(wait) = retry_after(&error) {
        // Rounded up: who waits that long must not come too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    for (value, name) in kept {
        headers.extend(value.map(|value| (name, value)));
    }
    if matches!(&*error, Error::Refused(no) if no.code == Code::InvalidClientToken) {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    rendered
}

fn as_protocol(app: &App, facts: &Facts, error: &Error) -> Response {
    let code = code(error);
    let name = match error {
        Error::Busy { .. } | Error::Throttled { .. } => "temporarily_unavailable",
        Error::Internal(_) => "server_error",
        _ => "invalid_request",
    };
    let key = format!("error.{}", code.as_str());
    let text = app.view.texts().say(Locale::En, &key, minijinja::context! {});
    let body = json!({"error": name, "error_description": text, "request_id": facts.id});
    let mut response = Response::new(Body::from(body.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn as_json(app: &App, facts: &Facts, error: &Error, more: Option<More>) -> Response {
    let body = match error {
        Error::Invalid(faults) => json!(HTTPValidationError::from(faults.clone())),
        other => {
            let code = code(other);
            let key = format!("error.{}", code.as_str());
            let detail = app.view.texts().say(Locale::En, &key, minijinja::context! {});
            let mut body = json!({
                "detail": detail,
                "code": code.as_str(),
                "meta": {"request_id": facts.id, "timestamp": facts.now.rfc3339()},
            });
            if let Error::Refused(no) = other
                && let (false, Value::Object(fields)) = (no.reasons.is_empty(), &mut body)
            {
                fields.insert("reasons".to_owned(), json!(no.reasons));
            }
            if let (Some(More(name, value)), Value::Object(fields)) = (more, &mut body) {
                fields.insert(name.to_owned(), value);
            }
            body
        }
    };
    let mut response = Response::new(Body::from(body.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The code that stands for an error.
#[must_use]
pub fn code(error: &Error) -> Code {
    match error {
        Error::Invalid(_) => Code::InvalidRequest,
        Error::Internal(_) => Code::InternalError,
        Error::Refused(no) => no.code,
        Error::NotFound => Code::NotFound,
        Error::Throttled { .. } => Code::TooManyAttempts,
        Error::Taken(code) | Error::Forbidden(code) | Error::Busy { code, .. } => *code,
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::Throttled { retry } | Error::Busy { retry, .. } => Some(*retry),
        _ => None,
    }
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Refused(no) => refused(no.code),
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Taken(_) => StatusCode::CONFLICT,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refused(code: Code) -> StatusCode {
    match code {
        Code::InvalidCredentials
        | Code::InvalidClientToken
        | Code::InvalidMfaToken
        | Code::InvalidRefreshToken
        | Code::NotAuthenticated => StatusCode::UNAUTHORIZED,
        Code::AccountSuspended
        | Code::CrossSiteRequest
        | Code::EmailNotVerified
        | Code::InsufficientScope
        | Code::RegistrationDisabled
        | Code::TenantSuspended
        | Code::DeletionNotAllowed
        | Code::InvalidCsrfToken
        | Code::PasskeySignInDisabled
        | Code::ReauthenticationRequired => StatusCode::FORBIDDEN,
        Code::CaptchaFailed
        | Code::CaptchaRequired
        | Code::EmailDomainNotAllowed
        | Code::InvalidFlowToken
        | Code::InvalidRedirectUri
        | Code::InvalidRequest
        | Code::InvalidToken
        | Code::PasswordRejected
        | Code::TenantRequired
        | Code::UnreadableBody
        | Code::InvalidCode
        | Code::MethodNotAvailable
        | Code::PasskeyRejected
        | Code::SetupNotFound
        | Code::UnknownMethod => StatusCode::BAD_REQUEST,
        Code::ApplicationNotFound | Code::NotFound | Code::TenantNotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::SlugTaken
        | Code::UserExists
        | Code::CredentialInUse
        | Code::LastFactor
        | Code::TooManyFactors => StatusCode::CONFLICT,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        Code::CaptchaUnavailable
        | Code::DatabaseUnavailable
        | Code::Overloaded
        | Code::StorageFull => StatusCode::SERVICE_UNAVAILABLE,
        Code::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn log(error: &Error) {
    match error {
        Error::Internal(fault) => tracing::error!(cause = fault.chain(), "a fault of ours"),
        Error::Busy { code, .. } => tracing::warn!(code = code.as_str(), "busy"),
        Error::Invalid(faults) => tracing::debug!(faults = faults.len(), "invalid form"),
        other => tracing::info!(code = code(other).as_str(), "refused"),
    }
}
