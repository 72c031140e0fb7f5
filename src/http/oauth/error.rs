//! How the protocol says no: RFC 6749 §5.2, and RFC 6750 §3 where a token was shown.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::Unread;
use crate::{
    domain::oauth::{Denial, ErrorCode},
    flows::oauth::Failure,
    http::error::AsProtocol,
};

/// The answer of a token-like endpoint. `by_basic`: whether the application authenticated by
/// header, and so is told by header that it did not.
#[must_use]
pub fn refusal(failure: Failure, by_basic: bool) -> Response {
    match failure {
        Failure::Denied(denial) => said(&denial, by_basic),
        Failure::NeedsNonce(nonce) => {
            let sentence = "a nonce of ours is needed in the proof";
            let denial = Denial::new(ErrorCode::UseDpopNonce, sentence);
            let mut response = said(&denial, false);
            if let Ok(nonce) = HeaderValue::from_str(&nonce) {
                response.headers_mut().insert("dpop-nonce", nonce);
            }
            response
        }
        Failure::Fault(fault) => {
            let mut response = fault.into_response();
            response.extensions_mut().insert(AsProtocol);
            response
        }
    }
}

fn said(denial: &Denial, by_basic: bool) -> Response {
    let status = match denial.code {
        ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    };
    tracing::info!(code = denial.code.as_str(), "denied");
    let body = json!({"error": denial.code.as_str(), "error_description": denial.description});
    let mut response = super::json(status, &body);
    if status == StatusCode::UNAUTHORIZED && by_basic {
        let challenge = HeaderValue::from_static("Basic realm=\"countersign\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The answer where parameters could not be read.
pub(super) fn unread(unread: Unread) -> Response {
    match unread {
        Unread::Denied(denial) => said(&denial, false),
        Unread::Fault(fault) => refusal(Failure::Fault(fault), false),
    }
}

/// The answer of an endpoint that a token was shown to (RFC 6750 §3, RFC 9449 §7.1). Without a
/// token, nothing is told but what is wanted.
#[must_use]
pub fn challenge(failure: Failure, by_dpop: bool, had_token: bool) -> Response {
    let (denial, nonce) = match failure {
        Failure::Denied(denial) => (denial, None),
        Failure::NeedsNonce(nonce) => {
            let sentence = "a nonce of ours is needed in the proof";
            (Denial::new(ErrorCode::UseDpopNonce, sentence), Some(nonce))
        }
        fault @ Failure::Fault(_) => return refusal(fault, false),
    };
    let status = match denial.code {
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNAUTHORIZED,
    };
    let scheme = if by_dpop { "DPoP" } else { "Bearer" };
    let text = if had_token {
        format!(
            "{scheme} error=\"{}\", error_description=\"{}\"",
            denial.code.as_str(),
            denial.description
        )
    } else {
        scheme.to_owned()
    };
    tracing::info!(code = denial.code.as_str(), "denied");
    let body = json!({"error": denial.code.as_str(), "error_description": denial.description});
    let mut response = super::json(status, &body);
    let headers = response.headers_mut();
    if let Ok(text) = HeaderValue::from_str(&text) {
        headers.insert(header::WWW_AUTHENTICATE, text);
    }
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
        headers.insert("dpop-nonce", nonce);
    }
    response
}
