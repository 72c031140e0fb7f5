//! What counts once, and what counts no more: statements that were seen, tokens that were revoked.

use crate::{
    clock::Timestamp,
    db::{Query, Tx, sql},
    error::Result,
    id::Realm,
};

/// Notes a statement; of several at the same time, one adds a row, and the others have seen it.
pub fn note(realm: Realm, digest: [u8; 32], expires_at: Timestamp) -> Query {
    sql("INSERT INTO seen_statements (realm, digest, expires_at) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING")
    .bind(realm)
    .bind(digest)
    .bind(expires_at)
}

/// Revokes an access token until it would have ended anyway.
pub fn revoke(realm: Realm, digest: [u8; 32], expires_at: Timestamp) -> Query {
    sql("INSERT INTO revoked_tokens (realm, digest, expires_at) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING")
    .bind(realm)
    .bind(digest)
    .bind(expires_at)
}

/// Whether an access token was revoked.
pub async fn is_revoked(tx: &mut Tx, realm: Realm, digest: [u8; 32]) -> Result<bool> {
    let found: Option<i64> = sql("SELECT CAST(1 AS BIGINT) FROM revoked_tokens \
         WHERE realm = $1 AND digest = $2")
    .bind(realm)
    .bind(digest)
    .optional(tx)
    .await?;
    Ok(found.is_some())
}
