//! The links by which people say that a sign-in was not theirs, and the networks they are known
//! from.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{DisavowalId, SessionId, TenantId, UserId},
};

/// A link in the notice of a sign-in.
#[derive(Debug, Clone)]
pub struct New {
    /// Which one.
    pub id: DisavowalId,
    /// Whose account was signed in to.
    pub user: UserId,
    /// The session that was opened.
    pub session: SessionId,
    /// The address that the notice goes to.
    pub email_key: String,
    /// What was signed in from, for people.
    pub device: String,
    /// From which network address.
    pub address: String,
    /// When.
    pub now: Timestamp,
    /// Until when the link is good.
    pub expires_at: Timestamp,
}

/// A link that was found.
#[derive(Debug, Clone)]
pub struct Disavowal {
    /// Which one.
    pub id: DisavowalId,
    /// Whose account was signed in to.
    pub user: UserId,
    /// The session that was opened.
    pub session: SessionId,
    /// The address that the notice went to.
    pub email_key: String,
    /// What was signed in from, for people.
    pub device: String,
    /// From which network address.
    pub address: String,
    /// When.
    pub created_at: Timestamp,
    /// Whether the link was used.
    pub is_used: bool,
}

impl FromRow for Disavowal {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            session: row.get("session_id")?,
            email_key: row.get("email_key")?,
            device: row.get("device")?,
            address: row.get("address")?,
            created_at: row.get("created_at")?,
            is_used: row.get::<Option<Timestamp>>("used_at")?.is_some(),
        })
    }
}

/// Records a link by the digest of its secret.
pub fn insert(tenant: TenantId, new: &New, digest: [u8; 32]) -> Query {
    sql("INSERT INTO disavowals (tenant_id, id, digest, user_id, session_id, email_key, device, address, \
                             created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind(tenant)
    .bind(new.id)
    .bind(digest)
    .bind(new.user)
    .bind(new.session)
    .bind(new.email_key.as_str())
    .bind(new.device.as_str())
    .bind(new.address.as_str())
    .bind(new.now)
    .bind(new.expires_at)
}

/// The link of a digest, used or not, until its time is over.
pub async fn by_digest(
    tx: &mut Tx,
    tenant: TenantId,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<Disavowal>> {
    sql("SELECT id, user_id, session_id, email_key, device, address, created_at, used_at \
         FROM disavowals WHERE tenant_id = $1 AND digest = $2 AND expires_at > $3")
    .bind(tenant)
    .bind(digest)
    .bind(now)
    .optional(tx)
    .await
}

/// Uses a link; 0 rows where that was done before.
pub fn spend(tenant: TenantId, id: DisavowalId, now: Timestamp) -> Query {
    sql("UPDATE disavowals SET used_at = $3 WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL")
        .bind(tenant)
        .bind(id)
        .bind(now)
}

/// Forgets the links that were mailed about a user's sign-ins at `since` or later.
pub fn forget_since(tenant: TenantId, user: UserId, since: Timestamp) -> Query {
    sql("DELETE FROM disavowals WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3")
        .bind(tenant)
        .bind(user)
        .bind(since)
}

/// Forgets all links that were mailed about a user's sign-ins.
pub fn forget_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM disavowals WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// Whether a factor of any kind was added to an account at `since` or later.
pub async fn has_new_factor(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    since: Timestamp,
) -> Result<bool> {
    let found: Option<i64> = sql("SELECT created_at FROM factors \
         WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3 \
         UNION ALL SELECT created_at FROM passkeys \
         WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3 \
         UNION ALL SELECT created_at FROM backup_codes \
         WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3 LIMIT 1")
    .bind(tenant)
    .bind(user)
    .bind(since)
    .optional(tx)
    .await?;
    Ok(found.is_some())
}

/// Whether any network is known that a user was in.
pub async fn has_networks(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<bool> {
    let found: Option<i64> = sql(
        "SELECT last_seen_at FROM known_networks WHERE tenant_id = $1 AND user_id = $2 LIMIT 1",
    )
    .bind(tenant)
    .bind(user)
    .optional(tx)
    .await?;
    Ok(found.is_some())
}

/// Notes a network that a user is in; 0 rows where it is known.
pub fn note_network(tenant: TenantId, user: UserId, digest: [u8; 32], now: Timestamp) -> Query {
    sql("INSERT INTO known_networks (tenant_id, user_id, digest, last_seen_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, user_id, digest) DO NOTHING")
    .bind(tenant)
    .bind(user)
    .bind(digest)
    .bind(now)
}

/// Notes that a user is in a network that is known.
pub fn see_network(tenant: TenantId, user: UserId, digest: [u8; 32], now: Timestamp) -> Query {
    sql("UPDATE known_networks SET last_seen_at = $4 \
         WHERE tenant_id = $1 AND user_id = $2 AND digest = $3 AND last_seen_at < $4")
    .bind(tenant)
    .bind(user)
    .bind(digest)
    .bind(now)
}

/// Forgets the networks that a user was in.
pub fn forget_networks(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM known_networks WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}
