//! Self-service under `/api/v1/me`: what people who are signed in do about themselves.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Reply, Said, say};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{agent, session::Session},
    flows::{Cx, me::Me},
    http::wire::{ApiResponse, ClassName, HTTPValidationError},
};

mod account;
mod authorized_apps;
mod credentials;
mod profile;
mod sessions;

pub(in crate::http) use account::exported;

/// The endpoints.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(profile::show, profile::update, account::delete))
        .routes(routes!(profile::ask_for_proof))
        .routes(routes!(credentials::session))
        .routes(routes!(credentials::begin_reauthentication))
        .routes(routes!(credentials::reauthenticate))
        .routes(routes!(credentials::change_password))
        .routes(routes!(credentials::change_email))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::end_others))
        .routes(routes!(sessions::log_out))
        .routes(routes!(sessions::trusted_devices, sessions::distrust_all))
        .routes(routes!(sessions::distrust))
        .routes(routes!(authorized_apps::list))
        .routes(routes!(authorized_apps::revoke))
        .routes(routes!(account::activity))
        .routes(routes!(account::export))
        .routes(routes!(account::keep))
}

/// A moment as it is written in answers: RFC 3339.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls it in")]
fn moment<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.rfc3339())
}

/// The same, where there may be none.
#[expect(clippy::ref_option, reason = "the form that serde calls it in")]
fn maybe_moment<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => moment(at, to),
        None => to.serialize_none(),
    }
}

/// A session as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    /// Its public handle.
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// The device, such as `Firefox on Linux`.
    device: String,
    /// The network address that it was opened from.
    address: String,
    /// When it was opened.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used; up to a minute late.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// When it ends without further use.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    idle_expires_at: Timestamp,
    /// When it ends whatever happens.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// How its owner proved who he is (RFC 8176), such as `pwd` and `otp`.
    methods: Vec<String>,
    /// Whether it outlives the browser.
    remember_me: bool,
}

impl SessionView {
    fn of(me: &Me, session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            current: session.id == me.session.id,
            device: agent::label(&session.agent),
            address: session.address.clone(),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            idle_expires_at: session.expiry.idle,
            expires_at: session.expiry.absolute,
            methods: session.auth_methods.split_whitespace().map(str::to_owned).collect(),
            remember_me: session.persistence.is_remembered(),
        }
    }
}

/// An answer that says what came of it and nothing else.
fn said(cx: &Cx, status: &'static str, key: &str) -> Reply<Said> {
    Reply::new(cx, Said { status, message: say(cx, key) })
}

/// An answer that a browser keeps as a file.
fn attached<T: Serialize>(reply: Reply<T>, name: &str) -> Response {
    let mut response = reply.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
