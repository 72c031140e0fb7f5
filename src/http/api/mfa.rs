//! The second step of a sign-in: `POST mfa/email/send`, `mfa/webauthn/begin`, `mfa/verify`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Reply, say, signed_in_reply};
use crate::{
    domain::factor::Method,
    error::{Code, Error, Fault, Loc, Result},
    flows::{
        Cx,
        ceremonies::Begun,
        second_factor::{self, Answer, Named, Outcome, Proof},
    },
    http::{
        cookies,
        door::Door,
        extract::{Body, QueryOrForm},
        wire::{ApiResponse, ClassName, HTTPValidationError, TokenFields, named_only},
    },
    secret::Secret,
};

#[derive(Deserialize, ToSchema)]
pub(super) struct StepQuery {
    #[schema(max_length = 1024)]
    mfa_token: String,
    #[schema(max_length = 1024)]
    user_id: String,
}

impl StepQuery {
    fn named(self, cx: &Cx, door: &Door) -> Named {
        Named {
            token: Secret::new(self.mfa_token),
            user: Some(self.user_id),
            device: cookies::device_of(cx, &door.headers),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct CodeSent {
    status: &'static str,
    message: String,
    destination: String,
    expires_in: u64,
}

/// Send Email Mfa
///
/// Send MFA code via email.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/mfa/email/send",
    tag = "Authentication",
    operation_id = "send_email_mfa_api_v1_auth_tenants__tenant_slug__mfa_email_send_post",
    params(
        ("tenant_slug" = String, Path, description = "The tenant's name in addresses."),
        ("mfa_token" = String, Query, description = "What the step is proved by."),
        ("user_id" = String, Query, description = "Whose step it is."),
    ),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn send_email_mfa(
    door: Door,
    QueryOrForm(query): QueryOrForm<StepQuery>,
) -> Result<Reply<CodeSent>> {
    let cx = door.open().await?;
    let sent = second_factor::mailed::send(&cx, &query.named(&cx, &door)).await?;
    Ok(Reply::new(
        &cx,
        CodeSent {
            status: "sent",
            message: say(&cx, "answer.code_sent"),
            destination: sent.destination,
            expires_in: sent.expires_in.as_secs(),
        },
    ))
}

/// A WebAuthn ceremony that has begun.
#[derive(Debug, Serialize)]
pub(super) struct CeremonyBegun {
    challenge_id: String,
    options: Value,
}

impl From<Begun> for CeremonyBegun {
    fn from(begun: Begun) -> Self {
        Self { challenge_id: begun.id.to_string(), options: begun.options }
    }
}

/// Begin Webauthn Auth
///
/// Begin WebAuthn authentication challenge.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/mfa/webauthn/begin",
    tag = "Authentication",
    operation_id = "begin_webauthn_auth_api_v1_auth_tenants__tenant_slug__mfa_webauthn_begin_post",
    params(
        ("tenant_slug" = String, Path, description = "The tenant's name in addresses."),
        ("mfa_token" = String, Query, description = "What the step is proved by."),
        ("user_id" = String, Query, description = "Whose step it is."),
    ),
    responses(
        (status = 200, description = "Successful Response", body = serde_json::Value),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn begin_webauthn_auth(
    door: Door,
    QueryOrForm(query): QueryOrForm<StepQuery>,
) -> Result<Reply<CeremonyBegun>> {
    let cx = door.open().await?;
    let begun = second_factor::webauthn::begin(&cx, &query.named(&cx, &door)).await?;
    Ok(Reply::new(&cx, begun.into()))
}

/// MFA verification request.
#[derive(Deserialize, ToSchema)]
pub struct MFAChallengeRequest {
    /// What the step is proved by.
    #[schema(max_length = 1024)]
    mfa_token: String,
    /// Whose step it is; checked where it is given.
    #[schema(max_length = 1024)]
    user_id: Option<String>,
    /// `totp`, `email`, `webauthn` or `backup_code`.
    #[schema(max_length = 1024)]
    method: String,
    /// The code, for all methods but `webauthn`. Blanks and dashes do not matter.
    #[schema(max_length = 1024)]
    code: Option<String>,
    /// The ceremony, for `webauthn`.
    #[schema(max_length = 1024)]
    challenge_id: Option<String>,
    /// The browser's `PublicKeyCredential.toJSON()`, for `webauthn`.
    credential: Option<Map<String, Value>>,
    /// Whether the session is to outlive the browser.
    #[serde(default)]
    #[schema(default = false)]
    remember_device: bool,
    /// Whether the second factor is not to be asked for again on this device.
    #[serde(default)]
    #[schema(default = false)]
    trust_device: bool,
    /// The name that the device gives itself; the same one replaces its older entry.
    #[schema(max_length = 1024)]
    device_fingerprint: Option<String>,
}

/// MFA challenge response.
#[derive(Default, Serialize, ToSchema)]
pub struct MFAChallengeResponse {
    /// `success` or `failed`.
    status: &'static str,
    /// The session's public handle. Its secret is in the cookie.
    session_id: Option<String>,
    /// Where a pending authorization request goes on.
    redirect_uri: Option<String>,
    /// What spares this device the second factor from now on; told only this once.
    trusted_device_token: Option<String>,
    /// `invalid_code`, `expired_code` or `invalid_credential`.
    error: Option<&'static str>,
    /// What a client is handed: the portal, or an application that calls with its own token.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    tokens: Option<TokenFields>,
}

impl ClassName for MFAChallengeResponse {
    const CLASS_NAME: &'static str = "MFAChallengeResponse";
}

type MfaReply = ApiResponse<MFAChallengeResponse>;

/// Verify Mfa
///
/// Verify MFA challenge.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/mfa/verify",
    tag = "Authentication",
    operation_id = "verify_mfa_api_v1_auth_tenants__tenant_slug__mfa_verify_post",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = MFAChallengeRequest,
    responses(
        (status = 200, description = "Successful Response", body = MfaReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn verify_mfa(
    door: Door,
    Body(body): Body<MFAChallengeRequest>,
) -> Result<Reply<MFAChallengeResponse>> {
    let method = body.method.parse().map_err(|_| Error::refused(Code::UnknownMethod))?;
    let answer = Answer {
        method,
        proof: proof(method, body.code, body.challenge_id, body.credential)?,
        remember_device: body.remember_device,
        trust_device: body.trust_device,
        fingerprint: body.device_fingerprint,
    };
    let cx = door.open_for_sign_in().await?;
    let device = cookies::device_of(&cx, &door.headers);
    let named = Named { token: Secret::new(body.mfa_token), user: body.user_id, device };
    Ok(match second_factor::verify(&cx, &named, &answer).await? {
        Outcome::Failed(failure) => Reply::new(
            &cx,
            MFAChallengeResponse {
                status: "failed",
                error: Some(failure.as_str()),
                ..MFAChallengeResponse::default()
            },
        ),
        Outcome::SignedIn { signed_in, trusted_device } => {
            let data = MFAChallengeResponse {
                status: "success",
                session_id: Some(signed_in.session.id.to_string()),
                redirect_uri: door.goes_on(&cx).await?,
                trusted_device_token: trusted_device.map(|token| token.expose().to_owned()),
                tokens: signed_in.tokens.as_deref().map(TokenFields::of),
                ..MFAChallengeResponse::default()
            };
            signed_in_reply(&cx, data, &signed_in)
        }
    })
}

/// The proof that a method needs; what is missing of it is a fault of the form.
pub(super) fn proof(
    method: Method,
    code: Option<String>,
    ceremony: Option<String>,
    credential: Option<Map<String, Value>>,
) -> Result<Proof> {
    if method != Method::Webauthn {
        let code = code.ok_or_else(|| Error::Invalid(vec![missing("code")]))?;
        return Ok(Proof::Code(code));
    }
    match (ceremony, credential) {
        (Some(id), Some(credential)) => Ok(Proof::Assertion {
            ceremony: id.parse().ok(),
            credential: Value::Object(credential),
        }),
        (ceremony, credential) => {
            let absent =
                [("challenge_id", ceremony.is_none()), ("credential", credential.is_none())];
            let faults = absent.into_iter().filter(|(_, is_absent)| *is_absent);
            Err(Error::Invalid(faults.map(|(name, _)| missing(name)).collect()))
        }
    }
}

fn missing(field: &str) -> Fault {
    Fault {
        loc: vec![Loc::Name("body".to_owned()), Loc::Name(field.to_owned())],
        kind: "missing",
        message: "Field required".to_owned(),
    }
}

named_only!(MFAChallengeRequest, MFAChallengeResponse);
