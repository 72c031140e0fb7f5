//! `POST register` (RFC 7591 §3), and `GET`, `PUT` and `DELETE register/{client_id}` (RFC 7592).

use axum::{
    extract::{RawPathParams, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{Protocol, error};
use crate::{
    domain::oauth::{Denial, ErrorCode},
    flows::oauth::{
        Answered, Failure,
        registration::{self, Told},
    },
    http::extract,
};

pub(super) async fn register(Protocol { ox, door }: Protocol, request: Request) -> Response {
    let document = match document(request).await {
        Ok(document) => document,
        Err(failure) => return error::refusal(failure, false),
    };
    let done = registration::register(&ox, &document, door.bearer()).await;
    answer(done, StatusCode::CREATED, door.bearer().is_some())
}

pub(super) async fn read(Protocol { ox, door }: Protocol, path: RawPathParams) -> Response {
    let done = registration::read(&ox, client_id(&path), door.bearer()).await;
    answer(done, StatusCode::OK, door.bearer().is_some())
}

pub(super) async fn replace(
    Protocol { ox, door }: Protocol,
    path: RawPathParams,
    request: Request,
) -> Response {
    let document = match document(request).await {
        Ok(document) => document,
        Err(failure) => return error::refusal(failure, false),
    };
    let done = registration::replace(&ox, client_id(&path), door.bearer(), &document).await;
    answer(done, StatusCode::OK, door.bearer().is_some())
}

pub(super) async fn remove(Protocol { ox, door }: Protocol, path: RawPathParams) -> Response {
    match registration::remove(&ox, client_id(&path), door.bearer()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(failure) => refused(failure, door.bearer().is_some()),
    }
}

fn client_id(path: &RawPathParams) -> &str {
    path.iter().find(|(name, _)| *name == "client_id").map_or("", |(_, value)| value)
}

/// The description in a body: a JSON object, of whatever type it says it is.
async fn document(request: Request) -> Answered<Map<String, Value>> {
    let text = extract::body_text(request).await?;
    serde_json::from_str(&text).map_err(|_| {
        let sentence = "the body has to be a JSON object";
        Denial::new(ErrorCode::InvalidClientMetadata, sentence).into()
    })
}

fn answer(done: Answered<Told>, status: StatusCode, had_token: bool) -> Response {
    let Told { mut document, secret, token, uri } = match done {
        Ok(told) => told,
        Err(failure) => return refused(failure, had_token),
    };
    if let Some(secret) = secret {
        document.insert("client_secret".to_owned(), json!(secret.expose()));
    }
    let method = document.get("token_endpoint_auth_method").and_then(Value::as_str);
    if method.is_some_and(|method| method.starts_with("client_secret_")) {
        // It never does.
        document.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    document.insert("registration_access_token".to_owned(), json!(token.expose()));
    document.insert("registration_client_uri".to_owned(), json!(uri));
    super::json(status, &document)
}

fn refused(failure: Failure, had_token: bool) -> Response {
    match failure.code() {
        ErrorCode::InvalidToken => error::challenge(failure, false, had_token),
        _ => error::refusal(failure, false),
    }
}
