//! `POST forgot-password` and `password/forgot` (one operation, two spellings), and
//! `POST password/reset`.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Reply, Said, say};
use crate::{
    domain::{email::Email, password::Password},
    error::{Error, Result},
    flows::password::{forgot, reset},
    http::{door::Door, extract::Body, wire::HTTPValidationError},
};

/// Forgot password request.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ForgotPasswordRequest {
    /// The address of the account.
    #[schema(format = "email")]
    email: String,
    /// Where the person goes after the password was reset.
    #[schema(max_length = 2048)]
    redirect_uri: Option<String>,
}

/// Reset password with token.
#[derive(Deserialize, ToSchema)]
pub struct ResetPasswordRequest {
    /// The mailed token.
    #[schema(max_length = 1024)]
    token: String,
    /// The new password; what it must be is the tenant's policy.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
}

impl std::fmt::Debug for ResetPasswordRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResetPasswordRequest")
    }
}

/// Forgot Password
///
/// Initiate password reset flow.
/// Sends password reset email to the user.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/forgot-password",
    tag = "Authentication",
    operation_id = "forgot_password_api_v1_auth_tenants__tenant_slug__forgot_password_post",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = ForgotPasswordRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn forgot_password(
    door: Door,
    Body(body): Body<ForgotPasswordRequest>,
) -> Result<Reply<Said>> {
    ask(door, body).await
}

/// Forgot Password
///
/// Initiate password reset flow.
/// Sends password reset email to the user.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/password/forgot",
    tag = "Authentication",
    operation_id = "forgot_password_api_v1_auth_tenants__tenant_slug__password_forgot_post",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = ForgotPasswordRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn password_forgot(
    door: Door,
    Body(body): Body<ForgotPasswordRequest>,
) -> Result<Reply<Said>> {
    ask(door, body).await
}

async fn ask(door: Door, body: ForgotPasswordRequest) -> Result<Reply<Said>> {
    let email =
        Email::parse(&body.email).map_err(|fault| Error::invalid_field("email", fault.reason()))?;
    let cx = door.open().await?;
    forgot(&cx, email, body.redirect_uri).await?;
    let message = say(&cx, "answer.reset_accepted");
    Ok(Reply::new(&cx, Said { status: "accepted", message }))
}

/// Reset Password
///
/// Complete password reset with token.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/password/reset",
    tag = "Authentication",
    operation_id = "reset_password_api_v1_auth_tenants__tenant_slug__password_reset_post",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = ResetPasswordRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn reset_password(
    door: Door,
    Body(body): Body<ResetPasswordRequest>,
) -> Result<Reply<Said>> {
    let password = Password::parse(&body.new_password)
        .map_err(|fault| Error::invalid_field("new_password", fault.to_string()))?;
    let cx = door.open().await?;
    reset(&cx, &body.token, &password).await?;
    let message = say(&cx, "answer.password_reset");
    Ok(Reply::new(&cx, Said { status: "password_reset", message }))
}
