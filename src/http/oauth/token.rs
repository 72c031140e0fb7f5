//! `POST token`.

use axum::{extract::Request, http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;

use super::{Protocol, credentials, error, in_form, json, proof};
use crate::{
    flows::oauth::token::{Asked, Issued, token as issue},
    http::wire::{TokenFields, named_only},
};

/// The answer (RFC 6749 §5.1).
#[derive(Serialize)]
struct TokenResponse {
    #[serde(flatten)]
    tokens: TokenFields,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_details: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

named_only!(TokenResponse);

pub(super) async fn token(Protocol { ox, door }: Protocol, request: Request) -> Response {
    let by_basic = credentials::by_basic(&door.headers);
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return error::unread(unread),
    };
    let proof = match proof(&door.headers) {
        Ok(proof) => proof,
        Err(denial) => return error::refusal(denial.into(), false),
    };
    let asked = Asked { shown: credentials::shown(&door), given, proof };
    match issue(&ox, asked).await {
        Ok(Issued { minted, issued_token_type }) => {
            let body = TokenResponse {
                tokens: TokenFields::of(&minted),
                authorization_details: minted.authorization_details,
                issued_token_type,
            };
            json(StatusCode::OK, &body)
        }
        Err(failure) => error::refusal(failure, by_basic),
    }
}
