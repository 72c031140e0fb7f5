//! What a mailed link brings along.

use serde::Deserialize;
use utoipa::ToSchema;

/// The token of a mailed link, in the address or in the form behind it.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Token {
    #[serde(default)]
    #[schema(required = false)]
    pub(super) token: String,
}
