//! `GET captcha`: a puzzle for tenants that ask for one at registration.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    error::{Context, Result},
    flows::captcha,
    http::door::Door,
};

/// Captcha
///
/// A puzzle for a browser to solve, in the form that the ALTCHA widget (version 1) reads. The
/// answer goes into `captcha_token` of the registration and is good once, for ten minutes.
#[utoipa::path(
    get,
    path = "/api/v1/auth/tenants/{tenant_slug}/captcha",
    tag = "Captcha",
    operation_id = "captcha_api_v1_auth_tenants__tenant_slug__captcha_get",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn challenge(door: Door) -> Result<Response> {
    let cx = door.open().await?;
    let body = serde_json::to_string(&captcha::challenge(&cx)?).doing("writing a captcha")?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
