//! The applications that act for the one who asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiResponse, ClassName, HTTPValidationError, Reply, maybe_moment, moment};
use crate::{
    clock::Timestamp,
    error::Result,
    flows::authorized_apps::{self, AuthorizedApp},
    http::{extract::Path, signed_in::SignedIn},
};

/// An application, and what it may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorizedAppView {
    client_id: String,
    name: String,
    logo_uri: Option<String>,
    /// What it was allowed, or has tokens for.
    scopes: Vec<String>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    granted_at: Timestamp,
    /// When it last got tokens.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// Applications as their user sees them.
pub(super) fn views(all: Vec<AuthorizedApp>) -> Vec<AuthorizedAppView> {
    let view = |it: AuthorizedApp| AuthorizedAppView {
        client_id: it.application.client_id.clone(),
        name: it.application.name.clone(),
        logo_uri: it.application.metadata.logo_uri.clone(),
        scopes: it.scope.iter().map(str::to_owned).collect(),
        granted_at: it.granted_at,
        last_used_at: it.last_used_at,
    };
    all.into_iter().map(view).collect()
}

/// The applications that act for the one who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorizedAppsResponse {
    authorized_apps: Vec<AuthorizedAppView>,
}

impl ClassName for AuthorizedAppsResponse {
    const CLASS_NAME: &'static str = "AuthorizedAppsResponse";
}

type AuthorizedAppsReply = ApiResponse<AuthorizedAppsResponse>;

/// List Authorized Apps
///
/// The applications that were allowed something, or have tokens that still live.
#[utoipa::path(
    get,
    path = "/api/v1/me/authorized-apps",
    tag = "Self-service",
    operation_id = "list_authorized_apps_api_v1_me_authorized_apps_get",
    responses((status = 200, description = "Successful Response", body = AuthorizedAppsReply))
)]
pub(super) async fn list(SignedIn(me): SignedIn) -> Result<Reply<AuthorizedAppsResponse>> {
    let authorized_apps = views(authorized_apps::list(&me).await?);
    Ok(Reply::new(me.cx(), AuthorizedAppsResponse { authorized_apps }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AppPath {
    #[schema(max_length = 2048)]
    client_id: String,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    status: &'static str,
}

/// Revoke App Authorization
///
/// Takes back what an application was allowed, and ends all its tokens. One that was allowed
/// nothing is not there.
#[utoipa::path(
    delete,
    path = "/api/v1/me/authorized-apps/{client_id}",
    tag = "Self-service",
    operation_id = "revoke_app_authorization_api_v1_me_authorized_apps__client_id__delete",
    params(("client_id" = String, Path, description = "The application.")),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn revoke(
    SignedIn(me): SignedIn,
    Path(path): Path<AppPath>,
) -> Result<Reply<Revoked>> {
    authorized_apps::revoke(&me, &path.client_id).await?;
    Ok(Reply::new(me.cx(), Revoked { status: "revoked" }))
}
