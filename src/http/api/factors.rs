//! Second factors of the account that has signed in: `/api/v1/me/mfa`.
//!
//! Enrolment also takes the token of a sign-in that cannot go on without a first factor, in the
//! header `X-MFA-Token`, with the tenant's slug in `X-Tenant`.

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Reply, mfa::CeremonyBegun};
use crate::{
    clock::Timestamp,
    domain::{
        factor::{Method, masked_email},
        user::Name,
    },
    error::{Code, Error, Result},
    flows::{
        Cx,
        factors::{self, Enrolled, Overview, Removal, mailed, passkeys, totp},
        me::Me,
        reauthentication::{self, Proof},
        second_factor::Proof as FactorProof,
        session::Opened,
    },
    http::{
        cookies,
        error::with_cookie,
        extract::{Body, Path},
        signed_in::{Enrolling, SignedIn},
        wire::{HTTPValidationError, TokenFields},
    },
    id::PasskeyId,
};

fn at(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| json!(time.rfc3339()))
}

/// List Mfa Methods
///
/// The second factors that are enrolled, with when they were enrolled and last used.
#[utoipa::path(
    get,
    path = "/api/v1/me/mfa",
    tag = "MFA",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn list(SignedIn(me): SignedIn) -> Result<Reply<Value>> {
    let overview = factors::overview(&me.person).await?;
    Ok(Reply::new(me.cx(), shown(&me, &overview)))
}

fn shown(me: &Me, overview: &Overview) -> Value {
    let settings = &me.cx().tenant.settings;
    let mut methods: Vec<Value> = Vec::new();
    for key in &overview.passkeys {
        methods.push(json!({
            "method": "webauthn", "id": key.id.to_string(), "name": key.name,
            "aaguid": key.aaguid, "backed_up": key.backed_up,
            "user_verified": key.user_verified,
            "created_at": at(Some(key.created_at)), "last_used_at": at(key.last_used_at),
        }));
    }
    for factor in &overview.factors {
        let is_mail = factor.kind == Method::Email.as_str();
        methods.push(json!({
            "method": factor.kind,
            "destination": is_mail.then(|| masked_email(&me.user().email)),
            "created_at": at(Some(factor.created_at)), "last_used_at": at(factor.last_used_at),
        }));
    }
    let (left, made) = overview.backup_codes;
    json!({
        "enabled": overview.has_factor(),
        "required": settings.mfa_required,
        "allowed_methods": settings.mfa_methods.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        "default_method": overview.default_method.map(Method::as_str),
        "methods": methods,
        "backup_codes": {"remaining": left, "created_at": at(made)},
    })
}

/// A code that completes something.
#[derive(Deserialize, ToSchema)]
pub(super) struct CodeRequest {
    /// The code. Blanks and dashes do not matter.
    #[schema(max_length = 64)]
    code: String,
}

/// A proof for a change, where the session's last one lies more than five minutes back.
#[derive(Deserialize, ToSchema)]
pub(super) struct ProofRequest {
    /// A current code of the authenticator app.
    #[schema(max_length = 64)]
    code: Option<String>,
}

/// What is answered when a factor is in use.
#[derive(Serialize)]
struct Enabled {
    status: &'static str,
    method: &'static str,
    /// The passkey that was enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Shown only this once, with the first factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_codes: Option<Vec<String>>,
    /// The session, where this was a step of a sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Where the sign-in began in the portal: what the portal is handed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tokens: Option<TokenFields>,
}

fn enabled(cx: &Cx, method: Method, id: Option<PasskeyId>, enrolled: &Enrolled) -> Reply<Value> {
    let signed_in = enrolled.signed_in.as_ref();
    let data = json!(Enabled {
        status: "enabled",
        method: method.as_str(),
        id: id.map(|id| id.to_string()),
        backup_codes: enrolled.backup_codes.as_ref().map(factors::BackupCodes::shown),
        session_id: signed_in.map(|signed_in| signed_in.session.id.to_string()),
        tokens: signed_in.and_then(|it| it.tokens.as_deref()).map(TokenFields::of),
    });
    match signed_in {
        Some(signed_in) => super::signed_in_reply(cx, data, signed_in),
        None => Reply::new(cx, data),
    }
}

/// Setup Totp
///
/// Draws a key for an authenticator app. It is in use once its first code was confirmed.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/totp/setup",
    tag = "MFA",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn totp_setup(Enrolling(by): Enrolling) -> Result<Reply<Value>> {
    let offer = totp::setup(&by).await?;
    let png = base64::engine::general_purpose::STANDARD.encode(offer.qr.png()?);
    let data = json!({
        "secret": offer.secret.expose(),
        "otpauth_uri": offer.uri.expose(),
        "qr_svg": offer.qr.svg(),
        "qr_png": format!("data:image/png;base64,{png}"),
        "expires_in": offer.expires_in.as_secs(),
    });
    Ok(Reply::new(&by.person.cx, data))
}

/// Confirm Totp
///
/// Takes the authenticator app into use by its first code.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/totp/confirm",
    tag = "MFA",
    request_body = CodeRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn totp_confirm(
    Enrolling(by): Enrolling,
    Body(body): Body<CodeRequest>,
) -> Result<Reply<Value>> {
    let enrolled = totp::confirm(&by, &body.code).await?;
    Ok(enabled(&by.person.cx, Method::Totp, None, &enrolled))
}

/// Disable Totp
///
/// Takes the authenticator app out of use.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/totp/disable",
    tag = "MFA",
    request_body = ProofRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn totp_disable(
    SignedIn(me): SignedIn,
    headers: axum::http::HeaderMap,
    Body(body): Body<ProofRequest>,
) -> Result<Response> {
    let (me, opened) = proved(me, &headers, body.code).await?;
    let removed = factors::remove(&me, Removal::Factor(Method::Totp)).await;
    Ok(concluded(&me, opened, removed.map(|()| disabled(Method::Totp))))
}

/// Enable Email Mfa
///
/// Mails a first code. Mailed codes are in use once it was confirmed.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/email/enable",
    tag = "MFA",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn email_enable(Enrolling(by): Enrolling) -> Result<Reply<Value>> {
    let sent = mailed::enable(&by).await?;
    let cx = &by.person.cx;
    let data = json!({
        "status": "sent",
        "message": super::say(cx, "answer.code_sent"),
        "destination": sent.destination,
        "expires_in": sent.expires_in.as_secs(),
    });
    Ok(Reply::new(cx, data))
}

/// Confirm Email Mfa
///
/// Takes mailed codes into use by the first one.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/email/confirm",
    tag = "MFA",
    request_body = CodeRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn email_confirm(
    Enrolling(by): Enrolling,
    Body(body): Body<CodeRequest>,
) -> Result<Reply<Value>> {
    let enrolled = mailed::confirm(&by, &body.code).await?;
    Ok(enabled(&by.person.cx, Method::Email, None, &enrolled))
}

/// Disable Email Mfa
///
/// Takes mailed codes out of use.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/email/disable",
    tag = "MFA",
    request_body = ProofRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn email_disable(
    SignedIn(me): SignedIn,
    headers: axum::http::HeaderMap,
    Body(body): Body<ProofRequest>,
) -> Result<Response> {
    let (me, opened) = proved(me, &headers, body.code).await?;
    let removed = factors::remove(&me, Removal::Factor(Method::Email)).await;
    Ok(concluded(&me, opened, removed.map(|()| disabled(Method::Email))))
}

/// Begin Webauthn Registration
///
/// Begins the enrolment of a passkey or security key.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/webauthn/register/begin",
    tag = "MFA",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn webauthn_begin(Enrolling(by): Enrolling) -> Result<Reply<CeremonyBegun>> {
    let begun = passkeys::begin(&by).await?;
    Ok(Reply::new(&by.person.cx, begun.into()))
}

/// What a browser answers to an enrolment.
#[derive(Deserialize, ToSchema)]
pub(super) struct WebauthnRegistration {
    /// The ceremony, as its begin named it.
    #[schema(max_length = 64)]
    challenge_id: String,
    /// The browser's `PublicKeyCredential.toJSON()`.
    credential: Map<String, Value>,
    /// A name by which its owner knows it.
    #[schema(max_length = 1024)]
    name: Option<String>,
}

/// Finish Webauthn Registration
///
/// Takes a passkey or security key into use.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/webauthn/register/finish",
    tag = "MFA",
    request_body = WebauthnRegistration,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn webauthn_finish(
    Enrolling(by): Enrolling,
    Body(body): Body<WebauthnRegistration>,
) -> Result<Reply<Value>> {
    let name = body.name.as_deref().map(name).transpose()?;
    let (ceremony, answer) = (body.challenge_id.parse().ok(), Value::Object(body.credential));
    let (id, enrolled) = passkeys::finish(&by, ceremony, &answer, name).await?;
    Ok(enabled(&by.person.cx, Method::Webauthn, Some(id), &enrolled))
}

fn name(text: &str) -> Result<Name> {
    Name::parse(text).map_err(|why| Error::invalid_field("name", why))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PasskeyPath {
    passkey_id: String,
}

impl PasskeyPath {
    fn id(&self) -> Result<PasskeyId> {
        self.passkey_id.parse().map_err(|_| Error::NotFound)
    }
}

/// A new name.
#[derive(Deserialize, ToSchema)]
pub(super) struct PasskeyName {
    /// A name by which its owner knows it.
    #[schema(max_length = 1024)]
    name: String,
}

/// Rename Webauthn Credential
///
/// Renames a passkey or security key.
#[utoipa::path(
    patch,
    path = "/api/v1/me/mfa/webauthn/{passkey_id}",
    tag = "MFA",
    params(("passkey_id" = String, Path, description = "Which one.")),
    request_body = PasskeyName,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn webauthn_rename(
    SignedIn(me): SignedIn,
    Path(path): Path<PasskeyPath>,
    Body(body): Body<PasskeyName>,
) -> Result<Reply<Value>> {
    let (id, name) = (path.id()?, name(&body.name)?);
    passkeys::rename(&me, id, &name).await?;
    Ok(Reply::new(me.cx(), json!({"status": "renamed", "id": id.to_string()})))
}

/// Delete Webauthn Credential
///
/// Takes a passkey or security key out of use.
#[utoipa::path(
    delete,
    path = "/api/v1/me/mfa/webauthn/{passkey_id}",
    tag = "MFA",
    params(("passkey_id" = String, Path, description = "Which one.")),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn webauthn_delete(
    SignedIn(me): SignedIn,
    Path(path): Path<PasskeyPath>,
) -> Result<Reply<Value>> {
    factors::remove(&me, Removal::Passkey(path.id()?)).await?;
    Ok(Reply::new(me.cx(), disabled(Method::Webauthn)))
}

/// Regenerate Backup Codes
///
/// Ten new backup codes, shown only this once, in the place of all older ones.
#[utoipa::path(
    post,
    path = "/api/v1/me/mfa/backup-codes/regenerate",
    tag = "MFA",
    request_body = ProofRequest,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn backup_codes(
    SignedIn(me): SignedIn,
    headers: axum::http::HeaderMap,
    Body(body): Body<ProofRequest>,
) -> Result<Response> {
    let (me, opened) = proved(me, &headers, body.code).await?;
    let made = factors::regenerate_backup_codes(&me).await.map(|codes| codes.shown());
    let data = made.map(|codes| json!({"remaining": codes.len(), "backup_codes": codes}));
    Ok(concluded(&me, opened, data))
}

/// Which method to offer first.
#[derive(Deserialize, ToSchema)]
pub(super) struct DefaultMethod {
    /// `webauthn`, `totp`, `email`, or null for the strongest.
    #[schema(max_length = 64)]
    method: Option<String>,
}

/// Set Default Method
///
/// Says which method is to be asked for first.
#[utoipa::path(
    put,
    path = "/api/v1/me/mfa/default",
    tag = "MFA",
    request_body = DefaultMethod,
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn set_default(
    SignedIn(me): SignedIn,
    Body(body): Body<DefaultMethod>,
) -> Result<Reply<Value>> {
    let parse = |text: &str| text.parse().map_err(|_| Error::refused(Code::UnknownMethod));
    let method: Option<Method> = body.method.as_deref().map(parse).transpose()?;
    factors::set_default(&me, method).await?;
    Ok(Reply::new(me.cx(), json!({"default_method": method.map(Method::as_str)})))
}

/// A current code of the authenticator app that comes with a change is a proof like any other.
async fn proved(
    mut me: Me,
    headers: &axum::http::HeaderMap,
    code: Option<String>,
) -> Result<(Me, Option<Opened>)> {
    let Some(code) = code else { return Ok((me, None)) };
    let proof = Proof::Factor(Method::Totp, FactorProof::Code(code));
    let device = cookies::device_of(me.cx(), headers);
    let opened = reauthentication::prove(&me, &proof, device).await?;
    me.session.proved_at = me.cx().now;
    Ok((me, opened))
}

fn disabled(method: Method) -> Value {
    json!({"status": "disabled", "method": method.as_str()})
}

/// What came of a change. The proof before it has given the session a new secret, so the cookie
/// goes out even where the change is refused.
fn concluded(me: &Me, opened: Option<Opened>, outcome: Result<Value>) -> Response {
    let cookie = opened.map(|opened| cookies::session(me.cx(), &opened));
    match (outcome, cookie) {
        (Ok(data), Some(cookie)) => Reply::new(me.cx(), data).with_cookie(cookie).into_response(),
        (Ok(data), None) => Reply::new(me.cx(), data).into_response(),
        (Err(error), Some(cookie)) => with_cookie(error, &cookie),
        (Err(error), None) => error.into_response(),
    }
}
