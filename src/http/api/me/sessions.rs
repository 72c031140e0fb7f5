//! One's own sessions and trusted devices.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ApiResponse, ClassName, HTTPValidationError, Reply, Said, SessionView, maybe_moment, moment,
    said,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    flows::{
        me::Me,
        own_sessions::{self, TrustedDevice},
    },
    http::{cookies, extract::Path, signed_in::SignedIn},
};

/// The sessions of the one who asks, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionsResponse {
    sessions: Vec<SessionView>,
}

impl ClassName for SessionsResponse {
    const CLASS_NAME: &'static str = "SessionsResponse";
}

type SessionsReply = ApiResponse<SessionsResponse>;

/// List Sessions
///
/// The live sessions, newest first; the one that asks is marked.
#[utoipa::path(
    get,
    path = "/api/v1/me/sessions",
    tag = "Self-service",
    operation_id = "list_sessions_api_v1_me_sessions_get",
    responses((status = 200, description = "Successful Response", body = SessionsReply))
)]
pub(super) async fn list(SignedIn(me): SignedIn) -> Result<Reply<SessionsResponse>> {
    Ok(Reply::new(me.cx(), SessionsResponse { sessions: views(&me).await? }))
}

/// The sessions as their owner sees them.
pub(super) async fn views(me: &Me) -> Result<Vec<SessionView>> {
    let sessions = own_sessions::list(me).await?;
    Ok(sessions.iter().map(|session| SessionView::of(me, session)).collect())
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SessionPath {
    #[schema(max_length = 1024)]
    session_id: String,
}

/// End Session
///
/// Ends one session. One of somebody else is not there.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions/{session_id}",
    tag = "Self-service",
    operation_id = "end_session_api_v1_me_sessions__session_id__delete",
    params(("session_id" = String, Path, description = "The session's handle.")),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn end(
    SignedIn(me): SignedIn,
    Path(path): Path<SessionPath>,
) -> Result<Reply<Ended>> {
    let id = path.session_id.parse().map_err(|_| Error::NotFound)?;
    own_sessions::end(&me, id).await?;
    let reply = Reply::new(me.cx(), Ended { status: "ended", ended: 1 });
    let is_own = id == me.session.id;
    Ok(if is_own { reply.with_cookie(cookies::no_session(me.cx())) } else { reply })
}

/// How many of something have ended.
#[derive(Debug, Serialize)]
pub(super) struct Ended {
    status: &'static str,
    ended: u64,
}

/// End Other Sessions
///
/// Ends all sessions but the one that asks, and the trust in all devices.
#[utoipa::path(
    post,
    path = "/api/v1/me/sessions/revoke-others",
    tag = "Self-service",
    operation_id = "end_other_sessions_api_v1_me_sessions_revoke_others_post",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn end_others(SignedIn(me): SignedIn) -> Result<Reply<Ended>> {
    let ended = own_sessions::end_others(&me).await?;
    Ok(Reply::new(me.cx(), Ended { status: "ended", ended }))
}

/// Logout
///
/// Ends the session that asks, and takes its cookie away.
#[utoipa::path(
    post,
    path = "/api/v1/me/logout",
    tag = "Self-service",
    operation_id = "logout_api_v1_me_logout_post",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn log_out(SignedIn(me): SignedIn) -> Result<Reply<Said>> {
    match own_sessions::end(&me, me.session.id).await {
        // Somebody was faster; it has ended either way.
        Ok(()) | Err(Error::NotFound) => {}
        Err(other) => return Err(other),
    }
    let reply = said(me.cx(), "signed_out", "answer.signed_out");
    Ok(reply.with_cookie(cookies::no_session(me.cx())))
}

/// A device on which a second factor is not asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrustedDeviceView {
    id: String,
    /// The device, such as `Firefox on Linux`.
    device: String,
    /// The network address that it was trusted from.
    address: String,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last spared its user a second factor.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The trusted devices of the one who asks, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrustedDevicesResponse {
    trusted_devices: Vec<TrustedDeviceView>,
}

impl ClassName for TrustedDevicesResponse {
    const CLASS_NAME: &'static str = "TrustedDevicesResponse";
}

type TrustedDevicesReply = ApiResponse<TrustedDevicesResponse>;

/// The trusted devices as their owner sees them.
pub(super) fn device_views(devices: Vec<TrustedDevice>) -> Vec<TrustedDeviceView> {
    let view = |it: TrustedDevice| TrustedDeviceView {
        id: it.id.to_string(),
        device: it.label,
        address: it.address,
        created_at: it.created_at,
        last_used_at: it.last_used_at,
        expires_at: it.expires_at,
    };
    devices.into_iter().map(view).collect()
}

/// List Trusted Devices
///
/// Devices on which a second factor is not asked for, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/me/trusted-devices",
    tag = "Self-service",
    operation_id = "list_trusted_devices_api_v1_me_trusted_devices_get",
    responses((status = 200, description = "Successful Response", body = TrustedDevicesReply))
)]
pub(super) async fn trusted_devices(
    SignedIn(me): SignedIn,
) -> Result<Reply<TrustedDevicesResponse>> {
    let trusted_devices = device_views(own_sessions::trusted_devices(&me).await?);
    Ok(Reply::new(me.cx(), TrustedDevicesResponse { trusted_devices }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct DevicePath {
    #[schema(max_length = 1024)]
    device_id: String,
}

/// Revoke Trusted Device
///
/// Ends the trust in one device. One of somebody else is not there.
#[utoipa::path(
    delete,
    path = "/api/v1/me/trusted-devices/{device_id}",
    tag = "Self-service",
    operation_id = "revoke_trusted_device_api_v1_me_trusted_devices__device_id__delete",
    params(("device_id" = String, Path, description = "The device.")),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn distrust(
    SignedIn(me): SignedIn,
    Path(path): Path<DevicePath>,
) -> Result<Reply<Ended>> {
    let id = path.device_id.parse().map_err(|_| Error::NotFound)?;
    own_sessions::distrust(&me, id).await?;
    Ok(Reply::new(me.cx(), Ended { status: "revoked", ended: 1 }))
}

/// Revoke Trusted Devices
///
/// Ends the trust in all devices.
#[utoipa::path(
    delete,
    path = "/api/v1/me/trusted-devices",
    tag = "Self-service",
    operation_id = "revoke_trusted_devices_api_v1_me_trusted_devices_delete",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn distrust_all(SignedIn(me): SignedIn) -> Result<Reply<Ended>> {
    let ended = own_sessions::distrust_all(&me).await?;
    Ok(Reply::new(me.cx(), Ended { status: "revoked", ended }))
}
