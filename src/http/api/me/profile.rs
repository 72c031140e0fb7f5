//! `GET` and `PATCH /api/v1/me`, and asking for the proof of one's address.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ApiResponse, ClassName, HTTPValidationError, Reply, Said, maybe_moment, moment, said};
use crate::{
    clock::Timestamp,
    domain::{factor::Method, user::Name},
    error::{Error, Fault, Result},
    flows::{
        me::Me,
        profile::{self, Profile},
    },
    http::{extract::Body, signed_in::SignedIn},
    text::Locale,
};

/// What is known about the one who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProfileResponse {
    id: String,
    /// The address, as it was given.
    email: String,
    /// Whether the address was proved.
    email_verified: bool,
    first_name: String,
    last_name: String,
    /// Both names.
    display_name: String,
    /// The language that was chosen, if any.
    locale: Option<String>,
    /// `active`.
    status: &'static str,
    tenant: TenantView,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    custom_data: Map<String, Value>,
    mfa: MfaView,
    /// When the account is deleted, where its owner has given it up.
    #[serde(serialize_with = "maybe_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deletion_due_at: Option<Timestamp>,
    /// A new address that waits for its proof.
    pending_email_change: Option<PendingEmailChange>,
}

impl ClassName for ProfileResponse {
    const CLASS_NAME: &'static str = "ProfileResponse";
}

/// The tenant of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantView {
    id: String,
    slug: String,
    name: String,
}

/// The second factors of an account, in short.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MfaView {
    /// Whether there is a factor to be asked for.
    enabled: bool,
    /// `webauthn`, `totp`, `email`, `backup_code`: those that are enrolled.
    methods: Vec<&'static str>,
    /// The one to be asked for first, where one was chosen.
    default_method: Option<&'static str>,
}

/// A new address that waits for its proof.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendingEmailChange {
    /// The new address.
    email: String,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// Until when it may be proved.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl ProfileResponse {
    pub(super) fn of(me: &Me, found: Profile) -> Self {
        let Profile { user, custom_data, details, email_change } = found;
        let tenant = &me.cx().tenant;
        let methods = &details.methods;
        Self {
            id: user.id.to_string(),
            display_name: format!("{} {}", user.first_name, user.last_name).trim().to_owned(),
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            first_name: user.first_name,
            last_name: user.last_name,
            locale: user.locale,
            status: user.status.as_str(),
            tenant: TenantView {
                id: tenant.id.to_string(),
                slug: tenant.slug.as_str().to_owned(),
                name: tenant.name.clone(),
            },
            created_at: user.created_at,
            custom_data,
            mfa: MfaView {
                enabled: methods.iter().any(|method| *method != Method::BackupCode),
                methods: methods.iter().map(|method| method.as_str()).collect(),
                default_method: details.default_method.map(Method::as_str),
            },
            deletion_due_at: details.deletion_due_at,
            pending_email_change: email_change.map(|it| PendingEmailChange {
                email: it.new_email,
                requested_at: it.created_at,
                expires_at: it.expires_at,
            }),
        }
    }
}

type ProfileReply = ApiResponse<ProfileResponse>;

/// Get Profile
///
/// What is known about the one who asks.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "Self-service",
    operation_id = "get_profile_api_v1_me_get",
    responses((status = 200, description = "Successful Response", body = ProfileReply))
)]
pub(super) async fn show(SignedIn(me): SignedIn) -> Result<Reply<ProfileResponse>> {
    let found = profile::show(&me).await?;
    Ok(Reply::new(me.cx(), ProfileResponse::of(&me, found)))
}

/// Update profile request: only fields that are given change.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct UpdateProfileRequest {
    /// Given name.
    #[schema(max_length = 1024)]
    first_name: Option<String>,
    /// Family name.
    #[schema(max_length = 1024)]
    last_name: Option<String>,
    /// The language: `en`, `de`, `fr`, `es`, `ja` or `ar`; `null` takes the choice back.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 64)]
    #[expect(clippy::option_option, reason = "null is not the same as a field that is not there")]
    locale: Option<Option<String>>,
}

/// Tells `null` from a field that is not there.
#[expect(clippy::option_option, reason = "null is not the same as a field that is not there")]
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Update Profile
///
/// Changes names and language.
#[utoipa::path(
    patch,
    path = "/api/v1/me",
    tag = "Self-service",
    operation_id = "update_profile_api_v1_me_patch",
    request_body = UpdateProfileRequest,
    responses(
        (status = 200, description = "Successful Response", body = ProfileReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn update(
    SignedIn(me): SignedIn,
    Body(body): Body<UpdateProfileRequest>,
) -> Result<Reply<ProfileResponse>> {
    let found = profile::update(&me, parse(&body)?).await?;
    Ok(Reply::new(me.cx(), ProfileResponse::of(&me, found)))
}

fn parse(body: &UpdateProfileRequest) -> Result<profile::Change> {
    let mut faults = Vec::new();
    let mut name = |field: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(Name::parse).transpose();
        parsed.unwrap_or_else(|fault| {
            faults.push(Fault::at_field(field, fault));
            None
        })
    };
    let first_name = name("first_name", &body.first_name);
    let last_name = name("last_name", &body.last_name);
    let locale = body.locale.as_ref().map(|chosen| {
        let parsed = chosen.as_deref().map(str::parse::<Locale>).transpose();
        parsed.unwrap_or_else(|unknown| {
            faults.push(Fault::at_field("locale", unknown.to_string()));
            None
        })
    });
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    Ok(profile::Change { first_name, last_name, locale })
}

/// Send Verification Email
///
/// Sends the mail that proves the address once more, where it is not proved yet.
#[utoipa::path(
    post,
    path = "/api/v1/me/verify-email",
    tag = "Self-service",
    operation_id = "send_verification_email_api_v1_me_verify_email_post",
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn ask_for_proof(SignedIn(me): SignedIn) -> Result<Reply<Said>> {
    profile::ask_for_proof(&me).await?;
    Ok(said(me.cx(), "accepted", "answer.proof_requested"))
}
