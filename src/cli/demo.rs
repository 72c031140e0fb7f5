//! What `serve --demo` prepares and tells.

use std::sync::Arc;

use crate::{app::App, error::Result};

/// Prepares the demo, once the database is open and before requests are taken.
///
/// # Errors
/// Where the database fails.
#[expect(clippy::unused_async, reason = "the demo's tenant and user are still to be made here")]
pub(super) async fn prepare(_app: &Arc<App>) -> Result<()> {
    Ok(())
}
