//! The portal's sign-in: `POST identify`, `authenticate`, `login`, `logout`, `refresh` under
//! `/api/v1/auth`.
//!
//! The answers come without the envelope, as the reference names them. The portal keeps its tokens itself, so none of these sets or reads a session's cookie; only a
//! device is known again by its own.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Answer, Said};
use crate::{
    app::App,
    domain::{
        email::Email, factor::Method, password::Password, session::Persistence, tenant::Tenant,
        token::PORTAL,
    },
    error::{Code, Error, Fault, Result},
    flows::{
        login,
        portal::{self, FLOW_LIFETIME, Input, Outcome, Visit},
    },
    http::{
        cookies,
        door::Door,
        error::with_field,
        extract::Body,
        wire::{HTTPValidationError, TokenFields, named_only},
    },
    secret::Secret,
};

/// Somebody at the portal's door, not sent here by another site.
#[derive(Debug)]
pub(super) struct Visitor {
    door: Door,
    visit: Visit,
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let door = Door::unnamed(parts, app);
        door.refuse_cross_site()?;
        let visit = Visit {
            trusted: Vec::new(),
            app: Arc::clone(app),
            caller: Arc::new(door.caller()),
            now: door.now(),
            devices: cookies::devices(app, &parts.headers),
            sessions: Vec::new(),
            wants_second_factor: false,
        };
        Ok(Self { door, visit })
    }
}

/// A tenant to choose.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantChoice {
    /// Its id.
    id: String,
    /// Its name in addresses.
    slug: String,
    /// Its name for people.
    name: String,
}

fn choices(tenants: &[Arc<Tenant>]) -> Vec<TenantChoice> {
    let choice = |tenant: &Arc<Tenant>| TenantChoice {
        id: tenant.id.to_string(),
        slug: tenant.slug.as_str().to_owned(),
        name: tenant.branding.display_name.clone().unwrap_or_else(|| tenant.name.clone()),
    };
    tenants.iter().map(choice).collect()
}

/// Who wants to sign in.
#[derive(Debug, Deserialize, ToSchema)]
pub struct IdentifyRequest {
    /// The address of the account.
    #[schema(format = "email")]
    email: String,
}

/// The first step's answer: of the same form for every address.
#[derive(Serialize, ToSchema)]
pub struct IdentifyResponse {
    /// What the second step goes on from.
    flow_token: String,
    /// The tenants in which this device has signed in with the address before. To any other device
    /// nothing is told.
    tenants: Vec<TenantChoice>,
    /// For how many seconds the flow token is good.
    expires_in: u64,
}

/// Identify
///
/// The first step of a sign-in by an address alone. It tells nobody whether the address has an
/// account.
#[utoipa::path(
    post,
    path = "/api/v1/auth/identify",
    tag = "Portal Auth",
    operation_id = "identify_api_v1_auth_identify_post",
    request_body = IdentifyRequest,
    responses(
        (status = 200, description = "Successful Response", body = IdentifyResponse),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn identify(
    visitor: Visitor,
    Body(body): Body<IdentifyRequest>,
) -> Result<Answer<IdentifyResponse>> {
    let email = Email::parse(&body.email)
        .map_err(|fault| Error::Invalid(vec![Fault::at_field("email", fault.reason())]))?;
    let identified = portal::identify(&visitor.visit, &email).await?;
    let data = IdentifyResponse {
        flow_token: identified.flow_token.expose().clone(),
        tenants: choices(&identified.tenants),
        expires_in: FLOW_LIFETIME.as_secs(),
    };
    Ok(Answer::bare(data))
}

/// The second step: the password.
#[derive(Deserialize, ToSchema)]
pub struct AuthenticateRequest {
    /// What the first step answered.
    #[schema(max_length = 1024)]
    flow_token: String,
    /// The password, compared exactly as sent.
    #[schema(format = Password, max_length = 1024)]
    password: String,
    /// The tenant, by id or slug. Without one, the tenant in which address and password fit.
    #[schema(max_length = 128)]
    tenant_id: Option<String>,
    /// Whether the session has the long lifetime.
    #[serde(default)]
    #[schema(default = false)]
    remember_me: bool,
    /// The token of a device that the user has trusted.
    #[schema(max_length = 1024)]
    trusted_device_token: Option<String>,
}

/// What a right password led to.
#[derive(Default, Serialize, ToSchema)]
pub struct AuthenticateResponse {
    /// `success`, `mfa_required`, `mfa_enrollment_required` or `password_change_required`.
    status: &'static str,
    /// The user.
    user_id: Option<String>,
    /// The tenant.
    tenant_id: Option<String>,
    /// The tenant's name in addresses: where a second step goes.
    tenant_slug: Option<String>,
    /// The session's public handle.
    session_id: Option<String>,
    /// A signed token, for an hour at most.
    access_token: Option<String>,
    /// `Bearer`.
    token_type: Option<&'static str>,
    /// For how many seconds the access token is good.
    expires_in: Option<i64>,
    /// What the next access token is had by: opaque, and good once.
    refresh_token: Option<String>,
    /// What the tokens are good for.
    scope: Option<String>,
    /// Whether a second factor is due.
    #[schema(required = false, default = false)]
    mfa_required: bool,
    /// What the second step is proved by; lives ten minutes.
    mfa_token: Option<String>,
    /// The methods the user may use: `webauthn`, `totp`, `email`, `backup_code`.
    available_methods: Option<Vec<&'static str>>,
    /// The method to offer first.
    default_method: Option<&'static str>,
}

/// Authenticate
///
/// The second step: the password. Where it fits accounts in several tenants, the answer is 400
/// `tenant_required` with these as `tenants`. A second factor is shown at the tenant's own
/// `mfa/verify`, which then answers with the tokens.
#[utoipa::path(
    post,
    path = "/api/v1/auth/authenticate",
    tag = "Portal Auth",
    operation_id = "authenticate_api_v1_auth_authenticate_post",
    request_body = AuthenticateRequest,
    responses(
        (status = 200, description = "Successful Response", body = AuthenticateResponse),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn authenticate(
    visitor: Visitor,
    Body(body): Body<AuthenticateRequest>,
) -> Result<Response> {
    let password = Password::parse(&body.password)
        .map_err(|fault| Error::Invalid(vec![Fault::at_field("password", fault.to_string())]))?;
    let input = Input {
        email: portal::recall(&visitor.visit, &body.flow_token)?,
        password,
        tenant: body.tenant_id,
        persistence: Persistence::from_flag(body.remember_me),
        trusted_device: body.trusted_device_token.map(Secret::new),
        client_id: Some(PORTAL.to_owned()),
    };
    visitor.sign_in(&input, |data| data).await
}

/// Address and password at once.
#[derive(Deserialize, ToSchema)]
#[schema(as = scaikey__api__v1__me__auth__LoginRequest)]
pub struct PortalLoginRequest {
    /// The address of the account.
    #[schema(format = "email")]
    email: String,
    /// The password, compared exactly as sent.
    #[schema(format = Password, max_length = 1024)]
    password: String,
    /// The tenant, by id or slug. Without one, the tenant in which address and password fit.
    #[schema(max_length = 128)]
    tenant_id: Option<String>,
    /// Whether the session has the long lifetime.
    #[serde(default)]
    #[schema(default = false)]
    remember_me: bool,
    /// The token of a device that the user has trusted.
    #[schema(max_length = 1024)]
    trusted_device_token: Option<String>,
}

/// What a right password led to, as `authenticate` answers it.
#[derive(Serialize, ToSchema)]
#[schema(as = scaikey__api__v1__me__auth__LoginResponse)]
#[serde(transparent)]
pub struct PortalLoginResponse(AuthenticateResponse);

/// Portal Login
///
/// Address and password at once, for older clients. Where they fit accounts in several tenants,
/// the answer is 400 `tenant_required` with these as `tenants`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "Portal Auth",
    operation_id = "login_api_v1_auth_login_post",
    request_body = PortalLoginRequest,
    responses(
        (status = 200, description = "Successful Response", body = PortalLoginResponse),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn portal_login(
    visitor: Visitor,
    Body(body): Body<PortalLoginRequest>,
) -> Result<Response> {
    let (email, password) = super::login::parse(&body.email, &body.password)?;
    let input = Input {
        email,
        password,
        tenant: body.tenant_id,
        persistence: Persistence::from_flag(body.remember_me),
        trusted_device: body.trusted_device_token.map(Secret::new),
        client_id: Some(PORTAL.to_owned()),
    };
    visitor.sign_in(&input, PortalLoginResponse).await
}

/// Portal Logout
///
/// Ends the session of the access token, with all its tokens. An access token that has run out
/// will do, and so will one whose session has ended already.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "Portal Auth",
    operation_id = "logout_api_v1_auth_logout_post",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn portal_logout(visitor: Visitor) -> Result<Answer<Said>> {
    let token = visitor.door.bearer().ok_or_else(|| Error::refused(Code::NotAuthenticated))?;
    portal::sign_out(&visitor.visit, token).await?;
    let message = visitor.say("answer.signed_out");
    Ok(Answer::bare(Said { status: "signed_out", message }))
}

/// A refresh token to be exchanged.
#[derive(Deserialize, ToSchema)]
pub struct RefreshRequest {
    /// The newest refresh token.
    #[schema(max_length = 1024)]
    refresh_token: String,
}

/// The next tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = scaikey__api__v1__me__auth__RefreshResponse)]
#[serde(transparent)]
pub struct RefreshResponse(TokenFields);

/// Portal Refresh
///
/// Exchanges a refresh token for the next one and a new access token. A refresh token is good
/// once; one that is shown again later than ten seconds after its exchange ends the session.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "Portal Auth",
    operation_id = "refresh_api_v1_auth_refresh_post",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "Successful Response", body = RefreshResponse),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn portal_refresh(
    visitor: Visitor,
    Body(body): Body<RefreshRequest>,
) -> Result<Answer<RefreshResponse>> {
    let refreshed = portal::refresh(&visitor.visit, &body.refresh_token).await?;
    Ok(Answer::bare(RefreshResponse(TokenFields::of(&refreshed.minted))))
}

impl Visitor {
    fn say(&self, key: &str) -> String {
        self.visit.app.view.texts().say(self.visit.caller.locale, key, minijinja::context! {})
    }

    async fn sign_in<T: Serialize>(
        &self,
        input: &Input,
        wrap: impl FnOnce(AuthenticateResponse) -> T,
    ) -> Result<Response> {
        let (cx, outcome) = match portal::sign_in(&self.visit, input).await? {
            Outcome::Entered(cx, outcome) => (cx, outcome),
            Outcome::Choose(tenants) => {
                let error = Error::refused(Code::TenantRequired);
                return Ok(with_field(error, "tenants", json!(choices(&tenants))));
            }
        };
        let mut data = answer(&outcome);
        data.tenant_id = Some(cx.tenant.id.to_string());
        data.tenant_slug = Some(cx.tenant.slug.as_str().to_owned());
        let reply = Answer::bare(wrap(data));
        Ok(match &outcome {
            login::Outcome::SignedIn(signed_in) => match &signed_in.device {
                Some(device) => reply.with_cookie(cookies::device(&cx, device)),
                None => reply,
            },
            _ => reply,
        }
        .into_response())
    }
}

fn answer(outcome: &login::Outcome) -> AuthenticateResponse {
    let nothing = AuthenticateResponse::default;
    match outcome {
        login::Outcome::SignedIn(signed_in) => {
            let tokens = signed_in.tokens.as_deref().map(TokenFields::of);
            AuthenticateResponse {
                status: "success",
                user_id: Some(signed_in.user.to_string()),
                session_id: Some(signed_in.session.id.to_string()),
                token_type: tokens.as_ref().map(|it| it.token_type),
                expires_in: tokens.as_ref().map(|it| it.expires_in),
                access_token: tokens.as_ref().map(|it| it.access_token.clone()),
                refresh_token: tokens.as_ref().and_then(|it| it.refresh_token.clone()),
                scope: tokens.map(|it| it.scope),
                ..nothing()
            }
        }
        login::Outcome::Challenge { user, token, methods, default } => AuthenticateResponse {
            status: "mfa_required",
            user_id: Some(user.to_string()),
            mfa_required: true,
            mfa_token: Some(token.expose().to_owned()),
            available_methods: Some(methods.iter().map(|it: &Method| it.as_str()).collect()),
            default_method: Some(default.as_str()),
            ..nothing()
        },
        login::Outcome::Enrol { user, token } => AuthenticateResponse {
            status: "mfa_enrollment_required",
            user_id: Some(user.to_string()),
            mfa_required: true,
            mfa_token: Some(token.expose().to_owned()),
            ..nothing()
        },
        login::Outcome::ChangePassword { user } => AuthenticateResponse {
            status: "password_change_required",
            user_id: Some(user.to_string()),
            ..nothing()
        },
    }
}

named_only!(
    AuthenticateRequest,
    PortalLoginRequest,
    RefreshRequest,
    IdentifyResponse,
    AuthenticateResponse,
    PortalLoginResponse,
    RefreshResponse
);
