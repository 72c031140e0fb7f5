//! Passkeys and security keys as a second factor.

use serde_json::Value;

use super::{Failure, Named, Uses, check_available, enter, find};
use crate::{
    crypto::{opaque::Token, webauthn::Verification},
    domain::factor::Method,
    error::Result,
    flows::{
        Cx,
        ceremonies::{self, Begun, Kind, Refused},
    },
    id::CeremonyId,
    store::{self, challenges::Step},
};

/// Begins a ceremony for a step.
///
/// # Errors
/// `invalid_mfa_token`, `method_not_available`, `too_many_attempts` where too many are under way,
/// or where the database fails.
pub async fn begin(cx: &Cx, named: &Named) -> Result<Begun> {
    let token = Token::parse(named.token.expose()).ok_or_else(super::bad_step)?;
    let _turn = enter(cx, &token, named).await?;
    let step = find(cx, &token, named, None).await?;
    check_available(cx, &step, Method::Webauthn)?;
    let keys = cx
        .app
        .db
        .read((cx.tenant.id, step.user.id), |tx, (tenant, user)| {
            Box::pin(store::passkeys::of_user(tx, *tenant, *user))
        })
        .await?;
    let kind = Kind::SecondFactor(step.id);
    ceremonies::begin_assertion(cx, &kind, &keys, verification(cx)).await
}

/// Whether the device has to verify its user although a password was asked for before.
fn verification(cx: &Cx) -> Verification {
    if cx.tenant.settings.passkeys.user_verification {
        Verification::Required
    } else {
        Verification::Preferred
    }
}

/// Judges what an authenticator answered. The ceremony is used up, whatever comes of it.
pub(super) async fn judge(
    cx: &Cx,
    step: &Step,
    ceremony: Option<CeremonyId>,
    credential: &Value,
) -> Result<std::result::Result<Uses, Failure>> {
    let Some(ceremony) = ceremony else { return Ok(Err(Failure::InvalidCredential)) };
    let kind = Kind::SecondFactor(step.id);
    match ceremonies::finish_assertion(cx, &kind, ceremony, credential).await? {
        Ok(proved) if proved.user == step.user.id => Ok(Ok(proved.spent.to_vec())),
        Ok(_) | Err(Refused) => Ok(Err(Failure::InvalidCredential)),
    }
}
