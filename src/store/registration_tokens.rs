//! What somebody registers applications with (initial access tokens, RFC 7591 §1.2).

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{RegistrationTokenId, TenantId},
};

/// A token, as it is known after it was made.
#[derive(Debug, Clone)]
pub struct RegistrationToken {
    /// Which.
    pub id: RegistrationTokenId,
    /// What it is for, for people.
    pub label: String,
    /// How many applications more.
    pub uses_left: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl FromRow for RegistrationToken {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            label: row.get("label")?,
            uses_left: row.get("uses_left")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// Adds a token.
pub fn insert(tenant: TenantId, token: &RegistrationToken, digest: [u8; 32]) -> Query {
    sql("INSERT INTO registration_tokens (tenant_id, id, digest, label, uses_left, created_at, \
                expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(tenant)
    .bind(token.id)
    .bind(digest)
    .bind(token.label.as_str())
    .bind(token.uses_left)
    .bind(token.created_at)
    .bind(token.expires_at)
}

/// The tokens of a tenant, in the order they were made.
pub async fn of_tenant(tx: &mut Tx, tenant: TenantId) -> Result<Vec<RegistrationToken>> {
    sql("SELECT id, label, uses_left, created_at, expires_at FROM registration_tokens \
         WHERE tenant_id = $1 ORDER BY id")
    .bind(tenant)
    .all(tx)
    .await
}

/// Whether a token is good at `now`.
pub async fn is_good(
    tx: &mut Tx,
    tenant: TenantId,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<bool> {
    let found: Option<i64> = sql("SELECT CAST(1 AS BIGINT) FROM registration_tokens \
         WHERE tenant_id = $1 AND digest = $2 AND uses_left > 0 AND expires_at > $3")
    .bind(tenant)
    .bind(digest)
    .bind(now)
    .optional(tx)
    .await?;
    Ok(found.is_some())
}

/// Takes one use of a token; 0 rows where it has none left.
pub fn spend(tenant: TenantId, digest: [u8; 32], now: Timestamp) -> Query {
    sql("UPDATE registration_tokens SET uses_left = uses_left - 1 \
         WHERE tenant_id = $1 AND digest = $2 AND uses_left > 0 AND expires_at > $3")
    .bind(tenant)
    .bind(digest)
    .bind(now)
}

/// Takes a token out of use; 0 rows where there is none.
pub fn revoke(tenant: TenantId, id: RegistrationTokenId) -> Query {
    sql("DELETE FROM registration_tokens WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id)
}
