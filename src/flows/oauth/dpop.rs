//! DPoP.

use super::{Answered, Ox};

/// Where a proof is shown.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// The method.
    pub method: &'a str,
    /// The address.
    pub url: &'a str,
}

/// Checks a proof.
pub async fn check(
    _ox: &Ox,
    _proof: Option<&str>,
    _at: &Endpoint<'_>,
    _access_token: Option<&str>,
) -> Answered<Option<String>> {
    Ok(None)
}
