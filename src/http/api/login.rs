//! `POST login`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Reply, signed_in_reply};
use crate::{
    domain::{email::Email, factor::Method, password::Password, session::Persistence},
    error::{Error, Fault, Result},
    flows::{
        Cx,
        login::{Input, Outcome, login as sign_in},
    },
    http::{
        cookies,
        door::Door,
        extract::Body,
        wire::{ApiResponse, ClassName, HTTPValidationError, TokenFields, named_only},
    },
    secret::Secret,
};

/// Direct login request (for hosted login page).
#[derive(Deserialize, ToSchema)]
#[schema(as = scaikey__schemas__auth__LoginRequest)]
pub struct LoginRequest {
    /// The address of the account.
    #[schema(format = "email")]
    email: String,
    /// The password, compared exactly as sent.
    #[schema(format = Password, max_length = 1024)]
    password: String,
    /// Whether the session outlives the browser.
    #[serde(default)]
    #[schema(default = false)]
    remember_me: bool,
    /// The token of a device that the user has trusted.
    #[schema(max_length = 1024)]
    trusted_device_token: Option<String>,
}

/// Login response.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = scaikey__schemas__auth__LoginResponse)]
pub struct LoginResponse {
    /// `success`, `mfa_required`, `mfa_enrollment_required` or `password_change_required`.
    status: &'static str,
    /// The user; told only after the right password.
    user_id: Option<String>,
    /// Whether a second factor is due.
    #[schema(required = false, default = false)]
    mfa_required: bool,
    /// What the second step is proved by; lives ten minutes.
    mfa_token: Option<String>,
    /// The methods the user may use: `webauthn`, `totp`, `email`, `backup_code`.
    available_methods: Option<Vec<&'static str>>,
    /// The method to offer first.
    default_method: Option<&'static str>,
    /// The session's public handle. Its secret is in the cookie.
    session_id: Option<String>,
    /// Where a pending authorization request goes on.
    redirect_uri: Option<String>,
    /// What an application is handed that calls with a token of its own.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    tokens: Option<TokenFields>,
}

impl ClassName for LoginResponse {
    const CLASS_NAME: &'static str = "LoginResponse";
}

pub(super) type LoginReply = ApiResponse<LoginResponse>;

/// Login
///
/// Direct login endpoint for hosted login page.
/// Returns MFA challenge if MFA is required, otherwise creates session and tokens.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/login",
    tag = "Authentication",
    operation_id = "login_api_v1_auth_tenants__tenant_slug__login_post",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Successful Response", body = LoginReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn login(
    door: Door,
    Body(body): Body<LoginRequest>,
) -> Result<Reply<LoginResponse>> {
    let (email, password) = parse(&body.email, &body.password)?;
    let cx = door.open_for_sign_in().await?;
    let input = Input {
        email,
        password,
        persistence: Persistence::from_flag(body.remember_me),
        device: cookies::device_of(&cx, &door.headers),
        trusted_device: body.trusted_device_token.map(Secret::new),
        client_id: cx.caller.client_id.clone(),
    };
    let outcome = sign_in(&cx, &input).await?;
    rendered(&door, &cx, outcome).await
}

/// The documented answer to what a sign-in came to.
pub(super) async fn rendered(
    door: &Door,
    cx: &Cx,
    outcome: Outcome,
) -> Result<Reply<LoginResponse>> {
    Ok(match outcome {
        Outcome::SignedIn(signed_in) => {
            let data = LoginResponse {
                status: "success",
                user_id: Some(signed_in.user.to_string()),
                session_id: Some(signed_in.session.id.to_string()),
                redirect_uri: door.goes_on(cx).await?,
                tokens: signed_in.tokens.as_deref().map(TokenFields::of),
                ..LoginResponse::default()
            };
            signed_in_reply(cx, data, &signed_in)
        }
        Outcome::Challenge { user, token, methods, default } => Reply::new(
            cx,
            LoginResponse {
                status: "mfa_required",
                user_id: Some(user.to_string()),
                mfa_required: true,
                mfa_token: Some(token.expose().to_owned()),
                available_methods: Some(methods.into_iter().map(Method::as_str).collect()),
                default_method: Some(default.as_str()),
                ..LoginResponse::default()
            },
        ),
        Outcome::Enrol { user, token } => Reply::new(
            cx,
            LoginResponse {
                status: "mfa_enrollment_required",
                user_id: Some(user.to_string()),
                mfa_required: true,
                mfa_token: Some(token.expose().to_owned()),
                ..LoginResponse::default()
            },
        ),
        Outcome::ChangePassword { user } => Reply::new(
            cx,
            LoginResponse {
                status: "password_change_required",
                user_id: Some(user.to_string()),
                ..LoginResponse::default()
            },
        ),
    })
}

/// Address and password, with the faults of both at once.
pub(super) fn parse(email: &str, password: &str) -> Result<(Email, Password)> {
    let mut faults = Vec::new();
    let email = Email::parse(email)
        .map_err(|fault| faults.push(Fault::at_field("email", fault.reason())))
        .ok();
    let password = Password::parse(password)
        .map_err(|fault| faults.push(Fault::at_field("password", fault.to_string())))
        .ok();
    match (email, password) {
        (Some(email), Some(password)) => Ok((email, password)),
        _ => Err(Error::Invalid(faults)),
    }
}

named_only!(LoginRequest, LoginResponse);
