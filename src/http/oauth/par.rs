//! `POST par`: pushed authorization requests (RFC 9126).

use axum::{extract::Request, http::StatusCode, response::Response};
use serde_json::json;

use super::{Protocol, credentials, error, in_form, proof};
use crate::flows::oauth::pushed;

pub(super) async fn push(Protocol { ox, door }: Protocol, request: Request) -> Response {
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return error::unread(unread),
    };
    let proof = match proof(&door.headers) {
        Ok(proof) => proof,
        Err(denial) => return error::refusal(denial.into(), false),
    };
    let shown = credentials::shown(&door);
    match pushed::push(&ox, shown, given, proof.as_deref()).await {
        Ok(pushed) => {
            let body = json!({"request_uri": pushed.request_uri.expose(), "expires_in": pushed.expires_in});
            super::json(StatusCode::CREATED, &body)
        }
        Err(failure) => error::refusal(failure, credentials::by_basic(&door.headers)),
    }
}
