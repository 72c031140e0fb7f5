//! `GET .well-known/jwks.json`: the public keys that verify our tokens.
//!
//! Each tenant has its own set, and so has the platform. Everybody may read them, scripts of other
//! sites too, and keep them for five minutes.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{app::App, error::Result, flows::keys, http::door::Door, id::Realm};

/// JWKS
///
/// The public keys that verify this tenant's tokens (RFC 7517), those to come included. Keep it
/// for as long as `Cache-Control` says, and read it again where a token names a key that
/// is not in it.
#[utoipa::path(
    get,
    path = "/api/v1/auth/tenants/{tenant_slug}/.well-known/jwks.json",
    tag = "OIDC",
    operation_id = "jwks_api_v1_auth_tenants__tenant_slug___well_known_jwks_json_get",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn tenant_jwks(door: Door) -> Result<Response> {
    let cx = door.open_to_all().await?;
    answer(&cx.app, Realm::Tenant(cx.tenant.id)).await
}

/// Platform JWKS
///
/// The public keys that verify the platform's tokens.
#[utoipa::path(
    get,
    path = "/api/v1/platform/.well-known/jwks.json",
    tag = "Platform OAuth",
    operation_id = "platform_jwks_api_v1_platform__well_known_jwks_json_get",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn platform_jwks(State(app): State<Arc<App>>) -> Result<Response> {
    answer(&app, Realm::Platform).await
}

async fn answer(app: &App, realm: Realm) -> Result<Response> {
    let keys = keys::published(app, realm).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Ok((headers, keys.to_string()).into_response())
}
