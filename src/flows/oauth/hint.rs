//! ID tokens that come back to us as hints (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2):
//! our own signature counts, their age does not.

use serde::Deserialize;

use super::Ox;
use crate::{
    error::Result,
    flows::{keys, tokens::claims::Audience},
    id::{SessionId, TenantId},
};

/// What an ID token of ours says.
#[derive(Debug, Clone, Deserialize)]
pub struct Hint {
    iss: String,
    /// Whom it was made for.
    pub aud: Audience,
    /// Whom it speaks of, as the application knows him.
    pub sub: String,
    /// The session that it was made in.
    pub sid: Option<SessionId>,
    /// The tenant of that session.
    pub tenant_id: Option<TenantId>,
    /// When it ends, in seconds since 1970.
    pub exp: Option<i64>,
}

/// Reads an ID token of this realm; `None` where it is none.
///
/// # Errors
/// Where the database fails.
pub async fn read(ox: &Ox, text: &str) -> Result<Option<Hint>> {
    let Some((realm, key)) = keys::verifying(&ox.app, text).await? else { return Ok(None) };
    if realm != ox.realm() {
        return Ok(None);
    }
    let hint: Option<Hint> = key.verify("JWT", text);
    Ok(hint.filter(|hint| hint.iss == ox.issuer()))
}
