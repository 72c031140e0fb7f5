//! What happened to one's own account, taking everything along, and giving the account up.

use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ApiResponse, ClassName, HTTPValidationError, Reply, Said, SessionView, attached, maybe_moment,
    moment,
    profile::ProfileResponse,
    said, say,
    sessions::{TrustedDeviceView, device_views},
};
use crate::{
    clock::Timestamp,
    error::Result,
    flows::{
        account_deletion::{self, Deletion},
        activity::{self, Happening},
        export::{self, Export},
        me::Me,
    },
    http::{cookies, extract::Query, signed_in::SignedIn},
};

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PageQuery {
    #[serde(default = "first")]
    #[schema(default = 1, minimum = 1, maximum = 10_000)]
    page: i64,
    #[serde(default = "usual")]
    #[schema(default = 20, minimum = 1, maximum = 100)]
    per_page: i64,
}

fn first() -> i64 {
    1
}

fn usual() -> i64 {
    20
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Activity {
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What, such as `auth.login.password`.
    event: String,
    /// `success` or `failure`.
    result: String,
    /// `you`, `somebody` who has not proved who he is, or `operator`.
    by: &'static str,
    /// The network address; not told of operators.
    address: Option<String>,
    /// The device, such as `Firefox on Linux`; not told of operators.
    device: Option<String>,
    /// `password`, `webauthn`, `totp`, `email` or `backup_code`, where one was used.
    method: Option<String>,
    /// The code that says why it did not come to pass.
    reason: Option<String>,
}

impl From<Happening> for Activity {
    fn from(it: Happening) -> Self {
        Self {
            at: it.at,
            event: it.what,
            result: it.result,
            by: it.by,
            address: it.address,
            device: it.device,
            method: it.method,
            reason: it.reason,
        }
    }
}

/// What happened, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActivityResponse {
    activity: Vec<Activity>,
    page: i64,
    per_page: i64,
    /// Whether there is a further page.
    has_more: bool,
}

impl ClassName for ActivityResponse {
    const CLASS_NAME: &'static str = "ActivityResponse";
}

type ActivityReply = ApiResponse<ActivityResponse>;

/// List Activity
///
/// Sign-ins and whatever else concerns the safety of the own account, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/me/activity",
    tag = "Self-service",
    operation_id = "list_activity_api_v1_me_activity_get",
    params(
        ("page" = inline(Option<i64>), Query, description = "Which page: 1 to 10,000; 1 by default."),
        ("per_page" = inline(Option<i64>), Query, description = "How many on a page: 1 to 100; 20 by default."),
    ),
    responses(
        (status = 200, description = "Successful Response", body = ActivityReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn activity(
    SignedIn(me): SignedIn,
    Query(PageQuery { page, per_page }): Query<PageQuery>,
) -> Result<Reply<ActivityResponse>> {
    let mut found = activity::list(&me, (page - 1) * per_page, per_page + 1).await?;
    let limit = usize::try_from(per_page).unwrap_or_default();
    let has_more = found.len() > limit;
    found.truncate(limit);
    let activity = found.into_iter().map(Activity::from).collect();
    Ok(Reply::new(me.cx(), ActivityResponse { activity, page, per_page, has_more }))
}

/// Everything about an account, without secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportResponse {
    profile: ProfileResponse,
    factors: Vec<FactorView>,
    passkeys: Vec<PasskeyView>,
    /// Backup codes that are left.
    backup_codes_left: i64,
    sessions: Vec<SessionView>,
    trusted_devices: Vec<TrustedDeviceView>,
    /// Devices that were signed in from.
    devices: Vec<DeviceView>,
    /// What happened; the newest 10,000.
    authorized_apps: Vec<super::authorized_apps::AuthorizedAppView>,
    activity: Vec<Activity>,
}

impl ClassName for ExportResponse {
    const CLASS_NAME: &'static str = "ExportResponse";
}

/// An authenticator app, or codes by mail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactorView {
    /// `totp` or `email`.
    method: String,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A passkey or security key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PasskeyView {
    id: String,
    name: String,
    /// The model of the authenticator, where it tells.
    aaguid: Option<String>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A device that was signed in from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceView {
    /// The device, such as `Firefox on Linux`.
    device: String,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
}

impl ExportResponse {
    fn of(me: &Me, all: Export) -> Self {
        let factors = all.factors.into_iter().map(|it| FactorView {
            method: it.kind,
            created_at: it.created_at,
            last_used_at: it.last_used_at,
        });
        let passkeys = all.passkeys.into_iter().map(|it| PasskeyView {
            id: it.id.to_string(),
            name: it.name,
            aaguid: it.aaguid,
            created_at: it.created_at,
            last_used_at: it.last_used_at,
        });
        let devices = all.devices.into_iter().map(|it| DeviceView {
            device: it.label,
            created_at: it.created_at,
            last_seen_at: it.last_seen_at,
        });
        Self {
            profile: ProfileResponse::of(me, all.profile),
            factors: factors.collect(),
            passkeys: passkeys.collect(),
            backup_codes_left: all.backup_codes.0,
            sessions: all.sessions.iter().map(|it| SessionView::of(me, it)).collect(),
            trusted_devices: device_views(all.trusted_devices),
            devices: devices.collect(),
            authorized_apps: super::authorized_apps::views(all.authorized_apps),
            activity: all.activity.into_iter().map(Activity::from).collect(),
        }
    }
}

type ExportReply = ApiResponse<ExportResponse>;

/// Export Data
///
/// Everything that is kept about the one who asks, as one file. Needs a recent proof of who asks.
#[utoipa::path(
    get,
    path = "/api/v1/me/export",
    tag = "Self-service",
    operation_id = "export_data_api_v1_me_export_get",
    responses((status = 200, description = "Successful Response", body = ExportReply))
)]
pub(super) async fn export(SignedIn(me): SignedIn) -> Result<Response> {
    exported(&me).await
}

/// The file with everything, for self-service and the account portal.
pub(in crate::http) async fn exported(me: &Me) -> Result<Response> {
    let all = Box::pin(export::take(me)).await?;
    let name = format!("{}.json", me.user().id);
    Ok(attached(Reply::new(me.cx(), ExportResponse::of(me, all)), &name))
}

/// What came of giving an account up.
#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    status: &'static str,
    message: String,
    #[serde(serialize_with = "maybe_moment")]
    deletion_due_at: Option<Timestamp>,
}

/// Delete Account
///
/// Gives the own account up, where the tenant lets people do so. Needs a recent proof of who asks.
/// Where the tenant keeps accounts for some days, it can be taken back until then.
#[utoipa::path(
    delete,
    path = "/api/v1/me",
    tag = "Self-service",
    operation_id = "delete_account_api_v1_me_delete",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn delete(SignedIn(me): SignedIn) -> Result<Reply<Deleted>> {
    let cx = me.cx();
    Ok(match Box::pin(account_deletion::request(&me)).await? {
        Deletion::Done => {
            let message = say(cx, "answer.account_deleted");
            let data = Deleted { status: "deleted", message, deletion_due_at: None };
            Reply::new(cx, data).with_cookie(cookies::no_session(cx))
        }
        Deletion::Due(at) => {
            let message = say(cx, "answer.deletion_scheduled");
            let status = "deletion_scheduled";
            Reply::new(cx, Deleted { status, message, deletion_due_at: Some(at) })
        }
    })
}

/// Cancel Deletion
///
/// Keeps an account that was given up.
#[utoipa::path(
    post,
    path = "/api/v1/me/deletion/cancel",
    tag = "Self-service",
    operation_id = "cancel_deletion_api_v1_me_deletion_cancel_post",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn keep(SignedIn(me): SignedIn) -> Result<Reply<Said>> {
    account_deletion::cancel(&me).await?;
    Ok(said(me.cx(), "active", "answer.deletion_cancelled"))
}
