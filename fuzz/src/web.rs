//! Requests: bodies against a schema, forms, and whole requests into the router.

use axum::{
    body::Body,
    extract::FromRequest as _,
    http::{HeaderName, HeaderValue, Method, Request, header},
};
use countersign::{
    error::Error,
    http::{extract::Form, schema},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::node::NODE;

/// A body with a field of each form that our endpoints have.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "only that it can be read counts")]
pub struct Sample {
    #[schema(format = "email", max_length = 320)]
    email: String,
    #[serde(default)]
    #[schema(required = false, min_length = 2, max_length = 8)]
    name: Option<String>,
    #[serde(default)]
    #[schema(required = false, default = false)]
    remember: bool,
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 100)]
    count: Option<u32>,
    #[serde(default)]
    #[schema(required = false)]
    inner: Option<Inner>,
    #[serde(default)]
    #[schema(required = false)]
    list: Option<Vec<String>>,
}

/// A body within a body.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "only that it can be read counts")]
pub struct Inner {
    #[schema(format = "uuid")]
    id: String,
    #[serde(default)]
    #[schema(required = false, no_recursion)]
    inner: Option<Box<Inner>>,
}

/// What is refused is refused for what it is, not for a fault of ours.
fn is_said<T>(outcome: Result<T, Error>) {
    match outcome {
        Err(Error::Internal(fault)) => panic!("{fault:?}"),
        Err(Error::Invalid(faults)) => {
            assert!(!faults.is_empty() && faults.iter().all(|it| !it.message.is_empty()));
        }
        Ok(_) | Err(_) => {}
    }
}

pub fn json_body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match schema::parse_json(text) {
        Ok(value) => is_said(schema::read::<Sample>(schema::Part::Body, value)),
        Err(error) => is_said::<()>(Err(error)),
    }
}

pub fn form_body(data: &[u8]) {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(data.to_vec()))
        .expect("a request");
    let read = NODE.runtime.block_on(Form::<Sample>::from_request(request, &()));
    is_said(read.map(|Form(sample)| sample));
}

/// Where requests go: none of these hashes a password for anything that can be guessed here.
const PLACES: [(&str, &str); 32] = [
    ("GET", "/t/acme/login"),
    ("GET", "/t/acme/verify-email"),
    ("POST", "/t/acme/reset-password"),
    ("GET", "/t/acme/account"),
    ("GET", "/api/v1/auth/tenants/acme/oauth/authorize"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/token"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/par"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/introspect"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/register"),
    ("GET", "/api/v1/auth/tenants/acme/oauth/userinfo"),
    ("GET", "/api/v1/auth/tenants/acme/oauth/logout"),
    ("POST", "/t/acme/device"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/auth/tenants/acme/verify-email"),
    ("POST", "/api/v1/auth/tenants/acme/mfa/verify"),
    ("POST", "/api/v1/platform/oauth/token"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/authorize"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/device_authorization"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/revoke"),
    ("POST", "/api/v1/auth/tenants/acme/passkey/finish"),
    ("POST", "/api/v1/auth/refresh"),
    ("GET", "/t/acme/not-me"),
    ("POST", "/t/acme/stop-email-change"),
    ("GET", "/login"),
    ("PATCH", "/api/v1/me"),
    ("POST", "/api/v1/me/email"),
    ("POST", "/api/v1/me/mfa/webauthn/register/finish"),
    ("POST", "/api/v1/me/mfa/totp/confirm"),
    ("GET", "/api/v1/me/activity"),
    ("POST", "/t/acme/account/profile"),
    ("POST", "/api/v1/me/reauthenticate"),
    ("PUT", "/api/v1/me/mfa/default"),
];

/// The first byte says where; then a line each for the query, and for the headers below; then the
/// body. The names that [`NODE`] knows stand for what they are called.
pub fn request(data: &[u8]) {
    let Some((place, rest)) = data.split_first() else { return };
    let (method, path) = PLACES[usize::from(*place) % PLACES.len()];
    let headers = [
        header::COOKIE,
        header::AUTHORIZATION,
        HeaderName::from_static("dpop"),
        header::ACCEPT_LANGUAGE,
        HeaderName::from_static("x-certificate"),
        header::CONTENT_TYPE,
        HeaderName::from_static("x-forwarded-for"),
        header::ORIGIN,
    ];
    let mut lines = rest.splitn(headers.len() + 2, |byte| *byte == b'\n').map(|it| NODE.named(it));
    let mut line = || lines.next().unwrap_or_default();
    let query = line().into_iter().map(char::from).filter(char::is_ascii_graphic);
    let query: String = query.filter(|it| *it != '#').collect();
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("a method"))
        .uri(format!("{path}?{query}"));
    for name in headers {
        let value = line();
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_bytes(&value)) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(Body::from(line())) else { return };
    let response = NODE.answer(request);
    assert!(!response.status().is_server_error(), "{} at {path}", response.status());
}
