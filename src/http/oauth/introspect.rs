//! `POST introspect` (RFC 7662).

use axum::{extract::Request, http::StatusCode, response::Response};
use serde_json::json;

use super::{Protocol, credentials, error, in_form};
use crate::flows::oauth::shown_token;

pub(super) async fn introspect(Protocol { ox, door }: Protocol, request: Request) -> Response {
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return error::unread(unread),
    };
    let shown = credentials::shown(&door);
    match shown_token::introspect(&ox, shown, &given).await {
        Ok(Some(said)) => super::json(StatusCode::OK, &said),
        Ok(None) => super::json(StatusCode::OK, &json!({"active": false})),
        Err(failure) => error::refusal(failure, credentials::by_basic(&door.headers)),
    }
}
