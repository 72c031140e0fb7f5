//! Which pages of other origins may read our answers (the Fetch standard, CORS): those of an
//! origin that an application of the realm has named, to the letter. Cookies never count there, so
//! that a page gets nothing but what it shows a credential for.
//!
//! At the endpoints that a browser is sent to, no page reads anything.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::Protocol;
use crate::{app::App, error::Result, flows::applications};

const METHODS: &str = "GET, POST, PUT, DELETE";
const HEADERS: &str = "Authorization, Content-Type, DPoP";
const EXPOSED: &str = "DPoP-Nonce, WWW-Authenticate";
/// Seconds that a browser may keep what it was told.
const KEPT: &str = "600";

/// Answers a preflight, and lets a page read the answer, where its origin is one that counts.
pub(super) async fn allow(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_preflight = request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = headers.get(header::ORIGIN).cloned();
    let (mut parts, body) = request.into_parts();
    let allowed = match origin {
        None => None,
        Some(origin) => match is_known(&app, &mut parts, &origin).await {
            Ok(is_known) => is_known.then_some(origin),
            Err(fault) => return fault.into_response(),
        },
    };
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(Request::from_parts(parts, body)).await
    };
    let headers = response.headers_mut();
    // Said to everybody, or a cache in between would give one origin's answer to another.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        tell(headers, is_preflight);
    }
    response
}

fn tell(headers: &mut HeaderMap, is_preflight: bool) {
    let said: &[_] = if is_preflight {
        &[
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, KEPT),
        ]
    } else {
        &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)]
    };
    for (name, value) in said {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
}

/// Whether an application of the realm has named the origin. A realm that is not there has none.
async fn is_known(
    app: &Arc<App>,
    parts: &mut axum::http::request::Parts,
    origin: &HeaderValue,
) -> Result<bool> {
    let Ok(origin) = origin.to_str() else { return Ok(false) };
    let Ok(protocol) = Protocol::from_request_parts(parts, app).await else { return Ok(false) };
    let owners = protocol.ox.owners();
    // For the handler, which would look for the tenant once more.
    parts.extensions.insert(protocol.ox.flavour);
    applications::knows_origin(app, origin, owners).await
}
