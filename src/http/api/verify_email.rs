//! `GET verify-email`.

use axum::{
    http::{HeaderValue, Method, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Reply, Said, say};
use crate::{
    error::{Code, Error, Result},
    flows::verify_email::verify,
    http::{door::Door, extract::Query, wire::HTTPValidationError},
};

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct VerifyEmailQuery {
    #[schema(max_length = 1024)]
    token: String,
}

/// Verify Email
///
/// Verify email address with token from email.
#[utoipa::path(
    get,
    path = "/api/v1/auth/tenants/{tenant_slug}/verify-email",
    tag = "Authentication",
    operation_id = "verify_email_api_v1_auth_tenants__tenant_slug__verify_email_get",
    params(
        ("tenant_slug" = String, Path, description = "The tenant's name in addresses."),
        ("token" = String, Query, description = "The mailed token."),
    ),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn verify_email(
    method: Method,
    door: Door,
    Query(query): Query<VerifyEmailQuery>,
) -> Response {
    // The router sends HEAD here too. Mail scanners send it; it must prove nobody's address.
    if method != Method::GET {
        let mut no = Error::refused(Code::MethodNotAllowed).into_response();
        no.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return no;
    }
    answer(&door, &query.token).await.into_response()
}

async fn answer(door: &Door, token: &str) -> Result<Reply<Said>> {
    let cx = door.open().await?;
    let verified = verify(&cx, token).await?;
    let (status, key) = if verified.already {
        ("already_verified", "answer.email_already_verified")
    } else {
        ("verified", "answer.email_verified")
    };
    Ok(Reply::new(&cx, Said { status, message: say(&cx, key) }))
}
