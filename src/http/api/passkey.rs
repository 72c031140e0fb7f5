//! Sign-in with a passkey alone.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Reply,
    login::{LoginReply, LoginResponse, rendered},
    mfa::CeremonyBegun,
};
use crate::{
    domain::session::Persistence,
    error::Result,
    flows::passkey_login::{self, Input},
    http::{cookies, door::Door, extract::Body, wire::HTTPValidationError},
};

/// Begin Passkey Sign In
///
/// Begins a sign-in with whatever passkey of this tenant the device has, for a button as well as
/// for autofill.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/passkey/begin",
    tag = "Passkeys",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    responses((status = 200, description = "Successful Response", body = serde_json::Value))
)]
pub(super) async fn begin(door: Door) -> Result<Reply<CeremonyBegun>> {
    let cx = door.open().await?;
    let begun = passkey_login::begin(&cx).await?;
    Ok(Reply::new(&cx, begun.into()))
}

/// What a browser answers to a passkey sign-in.
#[derive(Deserialize, ToSchema)]
pub(super) struct PasskeySignIn {
    /// The ceremony, as its begin named it.
    #[schema(max_length = 64)]
    challenge_id: String,
    /// The browser's `PublicKeyCredential.toJSON()`.
    credential: Map<String, Value>,
    /// Whether the session outlives the browser.
    #[serde(default)]
    #[schema(default = false)]
    remember_me: bool,
}

/// Finish Passkey Sign In
///
/// Signs in. Counts as multi-factor: the device has verified its user.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tenants/{tenant_slug}/passkey/finish",
    tag = "Passkeys",
    params(("tenant_slug" = String, Path, description = "The tenant's name in addresses.")),
    request_body = PasskeySignIn,
    responses(
        (status = 200, description = "Successful Response", body = LoginReply),
        (status = 422, description = "Validation Error", body = HTTPValidationError),
    )
)]
pub(super) async fn finish(
    door: Door,
    Body(body): Body<PasskeySignIn>,
) -> Result<Reply<LoginResponse>> {
    let cx = door.open().await?;
    let input = Input {
        ceremony: body.challenge_id.parse().ok(),
        credential: Value::Object(body.credential),
        persistence: Persistence::from_flag(body.remember_me),
        device: cookies::device_of(&cx, &door.headers),
    };
    let outcome = passkey_login::finish(&cx, &input).await?;
    rendered(&door, &cx, outcome).await
}
