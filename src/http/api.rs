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

use super::{
    cookies,
    wire::{ApiResponse, MetaResponse},
};
use crate::{
    app::App,
    flows::{Cx, session::open::SignedIn},
};

pub mod captcha;
pub mod factors;
pub mod jwks;
pub mod login;
pub mod me;
pub mod mfa;
pub mod passkey;
pub mod password;
pub mod portal;
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
        .routes(routes!(portal::identify))
        .routes(routes!(portal::authenticate))
        .routes(routes!(portal::portal_login))
        .routes(routes!(portal::portal_logout))
        .routes(routes!(portal::portal_refresh))
        .routes(routes!(passkey::begin))
        .routes(routes!(passkey::finish))
        .routes(routes!(factors::list))
        .routes(routes!(factors::totp_setup))
        .routes(routes!(factors::totp_confirm))
        .routes(routes!(factors::totp_disable))
        .routes(routes!(factors::email_enable))
        .routes(routes!(factors::email_confirm))
        .routes(routes!(factors::email_disable))
        .routes(routes!(factors::webauthn_begin))
        .routes(routes!(factors::webauthn_finish))
        .routes(routes!(factors::webauthn_rename, factors::webauthn_delete))
        .routes(routes!(factors::backup_codes))
        .routes(routes!(factors::set_default))
        .routes(routes!(jwks::tenant_jwks))
        .routes(routes!(jwks::platform_jwks))
        .merge(me::routes())
}

/// A successful answer, with the cookies it sets.
#[derive(Debug)]
pub struct Answer<B> {
    body: B,
    cookies: Vec<Cookie<'static>>,
}

/// A successful answer in the envelope.
pub type Reply<T> = Answer<ApiResponse<T>>;

impl<T> Reply<T> {
    /// An answer to the request of `cx`.
    pub fn new(cx: &Cx, data: T) -> Self {
        let meta = MetaResponse::new(&cx.caller.request_id, cx.now);
        Self::bare(ApiResponse { data, meta })
    }
}

impl<B> Answer<B> {
    /// An answer without the envelope.
    pub fn bare(body: B) -> Self {
        Self { body, cookies: Vec::new() }
    }

    /// The same, setting a cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Cookie<'static>) -> Self {
        self.cookies.push(cookie);
        self
    }
}

impl<B: Serialize> IntoResponse for Answer<B> {
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

/// An answer that sets the cookies of a session just opened. A client that is handed tokens is
/// handed no session cookie: what it does not need could only be used against it.
fn signed_in_reply<T>(cx: &Cx, data: T, signed_in: &SignedIn) -> Reply<T> {
    let mut reply = Reply::new(cx, data);
    if signed_in.tokens.is_none() {
        reply = reply.with_cookie(cookies::session(cx, &signed_in.session));
    }
    match &signed_in.device {
        Some(token) => reply.with_cookie(cookies::device(cx, token)),
        None => reply,
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
