//! The JSON API under `/api/v1`: one file for each group of endpoints.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::Cookie;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{ApiResponse, MetaResponse};
use crate::{app::App, flows::Cx};

pub mod captcha;
pub mod login;
pub mod me;
pub mod mfa;
pub mod password;
pub mod register;
pub mod verify_email;

/// Every endpoint that is in the API document.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(password::forgot_password))
        .routes(routes!(login::login))
        .routes(routes!(mfa::send_email_mfa))
        .routes(routes!(mfa::verify_mfa))
        .routes(routes!(mfa::begin_webauthn_auth))
        .routes(routes!(password::password_forgot))
        .routes(routes!(password::reset_password))
        .routes(routes!(register::register))
        .routes(routes!(verify_email::verify_email))
        .routes(routes!(captcha::challenge))
        .merge(me::routes())
}

/// A successful answer in the envelope, with the cookies it sets.
#[derive(Debug)]
pub struct Reply<T> {
    body: ApiResponse<T>,
    cookies: Vec<Cookie<'static>>,
}

impl<T> Reply<T> {
    /// An answer to the request of `cx`.
    pub fn new(cx: &Cx, data: T) -> Self {
        let meta = MetaResponse::new(&cx.caller.request_id, cx.now);
        Self { body: ApiResponse { data, meta }, cookies: Vec::new() }
    }

    /// The same, setting a cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Cookie<'static>) -> Self {
        self.cookies.push(cookie);
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let body = match serde_json::to_vec(&self.body) {
            Ok(body) => body,
            Err(fault) => {
                return crate::error::Error::internal("writing an answer", fault).into_response();
            }
        };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for cookie in self.cookies {
            if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
                headers.append(header::SET_COOKIE, value);
            }
        }
        response
    }
}

/// What the endpoints answer that the contract leaves free: a status and a sentence.
#[derive(Debug, Serialize)]
pub struct Said {
    /// What came of it.
    pub status: &'static str,
    /// A sentence for a person.
    pub message: String,
}

/// The sentence of `key` in the caller's language.
fn say(cx: &Cx, key: &str) -> String {
    cx.app.view.texts().say(cx.caller.locale, key, minijinja::context! {})
}
