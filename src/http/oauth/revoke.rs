//! `POST revoke` (RFC 7009).

use axum::{extract::Request, http::StatusCode, response::Response};
use serde_json::json;

use super::{Protocol, credentials, error, in_form};
use crate::flows::oauth::shown_token;

pub(super) async fn revoke(Protocol { ox, door }: Protocol, request: Request) -> Response {
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return error::unread(unread),
    };
    let shown = credentials::shown(&door);
    match shown_token::revoke(&ox, shown, &given).await {
        Ok(()) => super::json(StatusCode::OK, &json!({})),
        Err(failure) => error::refusal(failure, credentials::by_basic(&door.headers)),
    }
}
