//! `GET captcha`: what has to be solved where a captcha is asked for.

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
/// What has to be solved where an answer says `captcha_required`. By default a puzzle for a browser,
/// in the form that the ALTCHA widget (version 1) reads; its answer is good once, for ten minutes.
/// Where the tenant has chosen another provider: `provider` and `site_key` for that one's widget.
/// The answer goes into `captcha_token` of a registration, and everywhere into the header
/// `X-Captcha-Token`.
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
    let body = serde_json::to_string(&captcha::ask(&cx)?).doing("writing a captcha")?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
