//! The session that asks and its proof; changing password and address.

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    ApiResponse, ClassName, HTTPValidationError, Reply, Said, SessionView, moment, said, say,
};
use crate::{
    clock::Timestamp,
    domain::{
        email::Email,
        factor::{RECENT, is_recent},
        password::Password,
    },
    error::{Code, Error, Fault, Result},
    flows::{
        email_change,
        me::{Me, ShownBy},
        password_change::{self, Change},
        reauthentication::{self, Proof},
    },
    http::{
        api::mfa::{CeremonyBegun, proof},
        cookies,
        extract::Body,
        signed_in::SignedIn,
    },
};

/// The session that asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnSessionResponse {
    session: SessionView,
    /// When its owner last proved who he is.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    proved_at: Timestamp,
    /// Until when that proof is recent enough for what asks for one.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    recent_until: Timestamp,
    /// Whether it is recent now.
    recent: bool,
    /// What goes into the header `X-CSRF-Token`; only for a session shown by its cookie. Another
    /// one after each new proof.
    csrf_token: Option<String>,
}

impl ClassName for OwnSessionResponse {
    const CLASS_NAME: &'static str = "OwnSessionResponse";
}

impl OwnSessionResponse {
    fn of(me: &Me) -> Result<Self> {
        let proved_at = me.session.proved_at;
        Ok(Self {
            session: SessionView::of(me, &me.session),
            proved_at,
            recent_until: proved_at + RECENT,
            recent: is_recent(proved_at, me.cx().now),
            csrf_token: match me.shown_by {
                ShownBy::Cookie => Some(me.csrf_token()?),
                ShownBy::Token => None,
            },
        })
    }
}

type OwnSessionReply = ApiResponse<OwnSessionResponse>;

/// Get Session
///
/// The session that asks, how long its proof is recent, and its CSRF token.
#[utoipa::path(
    get,
    path = "/api/v1/me/session",
    tag = "Self-service",
    operation_id = "get_session_api_v1_me_session_get",
    responses((status = 200, description = "Successful Response", body = OwnSessionReply))
)]
pub(super) async fn session(SignedIn(me): SignedIn) -> Result<Reply<OwnSessionResponse>> {
    Ok(Reply::new(me.cx(), OwnSessionResponse::of(&me)?))
}

/// Begin Reauthentication
///
/// Begins a WebAuthn ceremony with one of the user's passkeys or security keys.
#[utoipa::path(
    post,
    path = "/api/v1/me/reauthenticate/begin",
    tag = "Self-service",
    operation_id = "begin_reauthentication_api_v1_me_reauthenticate_begin_post",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn begin_reauthentication(SignedIn(me): SignedIn) -> Result<Reply<CeremonyBegun>> {
    let begun = reauthentication::begin(&me).await?;
    Ok(Reply::new(me.cx(), begun.into()))
}

/// A proof of who asks: the password, or a second factor.
#[derive(Deserialize, ToSchema)]
pub(super) struct ReauthenticateRequest {
    /// The password.
    #[schema(format = Password, max_length = 1024)]
    password: Option<String>,
    /// `totp`, `webauthn` or `backup_code`, where no password is given.
    #[schema(max_length = 1024)]
    method: Option<String>,
    /// The code, for `totp` and `backup_code`.
    #[schema(max_length = 1024)]
    code: Option<String>,
    /// The ceremony, for `webauthn`.
    #[schema(max_length = 1024)]
    challenge_id: Option<String>,
    /// The browser's `PublicKeyCredential.toJSON()`, for `webauthn`.
    credential: Option<Map<String, Value>>,
}

impl std::fmt::Debug for ReauthenticateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReauthenticateRequest")
    }
}

fn shown(body: ReauthenticateRequest) -> Result<Proof> {
    match (body.password, body.method) {
        (Some(password), None) => parse_password("password", &password).map(Proof::Password),
        (None, Some(method)) => {
            let method = method.parse().map_err(|_| Error::refused(Code::UnknownMethod))?;
            let proof = proof(method, body.code, body.challenge_id, body.credential)?;
            Ok(Proof::Factor(method, proof))
        }
        _ => Err(Error::invalid_field("password", "either this or method must be given")),
    }
}

fn parse_password(field: &str, text: &str) -> Result<Password> {
    Password::parse(text).map_err(|fault| Error::invalid_field(field, fault.to_string()))
}

/// Reauthenticate
///
/// Proves again who asks. A session shown by its cookie gets a new cookie and a new CSRF token.
#[utoipa::path(
    post,
    path = "/api/v1/me/reauthenticate",
    tag = "Self-service",
    operation_id = "reauthenticate_api_v1_me_reauthenticate_post",
    request_body = ReauthenticateRequest,
    responses(
        (status = 200, description = "Successful Response", body = OwnSessionReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn reauthenticate(
    SignedIn(me): SignedIn,
    headers: HeaderMap,
    Body(body): Body<ReauthenticateRequest>,
) -> Result<Reply<OwnSessionResponse>> {
    let proof = shown(body)?;
    let device = cookies::device_of(me.cx(), &headers);
    let opened = Box::pin(reauthentication::prove(&me, &proof, device)).await?;
    let me = me.again(opened.as_ref()).await?;
    let reply = Reply::new(me.cx(), OwnSessionResponse::of(&me)?);
    Ok(match opened {
        Some(opened) => reply.with_cookie(cookies::session(me.cx(), &opened)),
        None => reply,
    })
}

/// Change password request.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChangePasswordRequest {
    /// The present password.
    #[schema(format = Password, max_length = 1024)]
    current_password: String,
    /// The new password; what it must be is the tenant's policy.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
    /// Whether the session that asks is to end with the others.
    #[serde(default)]
    #[schema(default = false)]
    end_all_sessions: bool,
}

impl std::fmt::Debug for ChangePasswordRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChangePasswordRequest")
    }
}

/// Change Password
///
/// Sets a new password by the present one. All other sessions and all trusted devices end; the
/// session that asks gets a new cookie, or ends, too.
#[utoipa::path(
    post,
    path = "/api/v1/me/password",
    tag = "Self-service",
    operation_id = "change_password_api_v1_me_password_post",
    request_body = ChangePasswordRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn change_password(
    SignedIn(me): SignedIn,
    headers: HeaderMap,
    Body(body): Body<ChangePasswordRequest>,
) -> Result<Reply<PasswordChanged>> {
    let cx = me.cx().clone();
    let change = Change {
        current: parse_password("current_password", &body.current_password)?,
        new: parse_password("new_password", &body.new_password)?,
        end_all_sessions: body.end_all_sessions,
        device: cookies::device_of(&cx, &headers),
    };
    let opened = Box::pin(password_change::change(&me, &change)).await?;
    let is_cookie = me.shown_by == ShownBy::Cookie;
    let csrf_token = match &opened {
        Some(opened) => Some(me.again(Some(opened)).await?.csrf_token()?),
        None => None,
    };
    let key =
        if change.end_all_sessions { "answer.password_reset" } else { "answer.password_changed" };
    let reply = Reply::new(
        &cx,
        PasswordChanged { status: "password_changed", message: say(&cx, key), csrf_token },
    );
    Ok(match opened {
        Some(opened) => reply.with_cookie(cookies::session(&cx, &opened)),
        None if is_cookie => reply.with_cookie(cookies::no_session(&cx)),
        None => reply,
    })
}

/// What came of a change of the password.
#[derive(Debug, Serialize)]
pub(super) struct PasswordChanged {
    status: &'static str,
    message: String,
    /// The CSRF token of the session with its new cookie.
    csrf_token: Option<String>,
}

/// Change e-mail request.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChangeEmailRequest {
    /// The new address.
    #[schema(format = "email")]
    email: String,
}

/// Change Email
///
/// Asks for another address: a link goes to the new one, a notice with a way to stop it to the old
/// one. Needs a recent proof of who asks. The answer does not tell whether the new address has an
/// account.
#[utoipa::path(
    post,
    path = "/api/v1/me/email",
    tag = "Self-service",
    operation_id = "change_email_api_v1_me_email_post",
    request_body = ChangeEmailRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn change_email(
    SignedIn(me): SignedIn,
    Body(body): Body<ChangeEmailRequest>,
) -> Result<Reply<Said>> {
    let email = Email::parse(&body.email)
        .map_err(|fault| Error::Invalid(vec![Fault::at_field("email", fault.reason())]))?;
    email_change::request(&me, email).await?;
    Ok(said(me.cx(), "accepted", "answer.email_change_requested"))
}
