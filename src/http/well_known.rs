//! `GET /.well-known/webauthn`: the origins on which passkeys of a domain may be used although
//! they lie outside it (related origin requests, WebAuthn L3 §5.11).
//!
//! Browsers ask for it at the relying party's own domain. Where that is not this server, whoever
//! runs the domain serves the same list there.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::door::text;
use crate::{
    app::App,
    error::{Error, Result},
    flows::ceremonies::related_origins,
};

/// `/.well-known/webauthn`.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/.well-known/webauthn", get(webauthn))
}

async fn webauthn(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response> {
    let host = text(&headers, header::HOST).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    let origins = related_origins(&app, &name).await?;
    if origins.is_empty() {
        return Err(Error::NotFound);
    }
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    Ok((headers, json!({ "origins": origins }).to_string()).into_response())
}
