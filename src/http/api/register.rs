//! `POST register`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Reply, login, say};
use crate::{
    domain::user::Name,
    error::{Error, Fault, Result},
    flows::register::{Input, State, register as sign_up},
    http::{
        door::{Door, with_captcha},
        extract::Body,
        wire::{ApiResponse, ClassName, HTTPValidationError},
    },
};

/// Self-registration request.
#[derive(Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// The address; unique in the tenant.
    #[schema(format = "email")]
    email: String,
    /// The password; what it must be is the tenant's policy.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: String,
    /// Given name.
    #[schema(min_length = 1, max_length = 256)]
    first_name: String,
    /// Family name.
    #[schema(min_length = 1, max_length = 256)]
    last_name: String,
    /// The captcha's answer, where the tenant asks for one.
    #[schema(max_length = 8192)]
    captcha_token: Option<String>,
    /// Where the person goes after the address was confirmed.
    #[schema(max_length = 2048)]
    redirect_uri: Option<String>,
    /// Free data, at most 16 KiB.
    custom_data: Option<Map<String, Value>>,
}

impl std::fmt::Debug for RegisterRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegisterRequest")
    }
}

/// Self-registration response.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterResponse {
    /// The id that the account will have.
    user_id: String,
    /// `pending_verification`, `pending_approval` or `active`.
    status: &'static str,
    /// What comes next, in a sentence.
    message: String,
}

impl ClassName for RegisterResponse {
    const CLASS_NAME: &'static str = "RegisterResponse";
}

type RegisterReply = ApiResponse<RegisterResponse>;

/// Register
///
/// Self-registration endpoint.
/// Creates a new user account (if self-registration is enabled for tenant).
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/register",
    tag = "Authentication",
    operation_id = "register_api_v1_auth_tenants__tenant_slug__register_post",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = RegisterRequest,
    responses(
        (status = 200, description = "Successful Response", body = RegisterReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn register(
    door: Door,
    Body(body): Body<RegisterRequest>,
) -> Result<Reply<RegisterResponse>> {
    let answer = body.captcha_token.clone().unwrap_or_default();
    let input = parse(body)?;
    let cx = with_captcha(&door.open().await?, &answer);
    let registered = sign_up(&cx, input).await?;
    let (status, key) = match registered.state {
        State::PendingVerification => ("pending_verification", "answer.registration_pending"),
        State::PendingApproval => ("pending_approval", "answer.registration_approval"),
        State::Active => ("active", "answer.registration_active"),
    };
    Ok(Reply::new(
        &cx,
        RegisterResponse { user_id: registered.user.to_string(), status, message: say(&cx, key) },
    ))
}

fn parse(body: RegisterRequest) -> Result<Input> {
    let mut faults = Vec::new();
    let credentials = login::parse(&body.email, &body.password);
    let mut name = |field, text: &str| {
        Name::parse(text).map_err(|why| faults.push(Fault::at_field(field, why))).ok()
    };
    let names = (name("first_name", &body.first_name), name("last_name", &body.last_name));
    match (credentials, names) {
        (Ok((email, password)), (Some(first_name), Some(last_name))) => Ok(Input {
            email,
            password,
            first_name,
            last_name,
            redirect_uri: body.redirect_uri,
            custom_data: body.custom_data.unwrap_or_default(),
        }),
        (Err(Error::Invalid(mut first)), _) => {
            first.append(&mut faults);
            Err(Error::Invalid(first))
        }
        (Err(other), _) => Err(other),
        (Ok(_), _) => Err(Error::Invalid(faults)),
    }
}
