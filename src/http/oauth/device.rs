//! `POST device_authorization` (RFC 8628 §3.1).

use axum::{extract::Request, http::StatusCode, response::Response};
use serde::Serialize;

use super::{Protocol, credentials, error, in_form, json};
use crate::{
    flows::oauth::device::{self, Codes},
    http::wire::named_only,
};

/// The answer (RFC 8628 §3.2).
#[derive(Serialize)]
struct CodesResponse {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

named_only!(CodesResponse);

impl CodesResponse {
    fn of(codes: Codes) -> Self {
        Self {
            device_code: codes.device_code.expose().clone(),
            user_code: codes.user_code.expose().clone(),
            verification_uri: codes.verification_uri,
            verification_uri_complete: codes.verification_uri_complete.expose().clone(),
            expires_in: codes.expires_in,
            interval: codes.interval,
        }
    }
}

pub(super) async fn authorize(Protocol { ox, door }: Protocol, request: Request) -> Response {
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return error::unread(unread),
    };
    let shown = credentials::shown(&door);
    match device::authorize(&ox, shown, &given).await {
        Ok(codes) => json(StatusCode::OK, &CodesResponse::of(codes)),
        Err(failure) => error::refusal(failure, credentials::by_basic(&door.headers)),
    }
}
