//! Changes of an address: waiting for the new one's proof, and open to the old one's veto.
//!
//! The veto outlives whatever happens to the account's credentials in between: whoever took the
//! account over can change its password, too.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{EmailChangeId, TenantId, UserId},
};

/// A change that is asked for.
#[derive(Debug, Clone)]
pub struct New {
    /// Which one.
    pub id: EmailChangeId,
    /// Whose.
    pub user: UserId,
    /// The address the account has.
    pub old_email: String,
    /// The address it is to have.
    pub new_email: String,
    /// The same, as identity.
    pub new_email_key: String,
    /// The digest of the token that was mailed to the new address.
    pub confirm_digest: [u8; 32],
    /// The digest of the token that was mailed to the old one.
    pub stop_digest: [u8; 32],
    /// The epoch of the credentials it was asked for with.
    pub epoch: i64,
    /// When.
    pub now: Timestamp,
    /// Until when the new address may be proved.
    pub expires_at: Timestamp,
    /// Until when the old address may say no.
    pub stop_expires_at: Timestamp,
}

/// A change as it was found by a mailed token.
#[derive(Debug, Clone)]
pub struct EmailChange {
    /// Which one.
    pub id: EmailChangeId,
    /// Whose.
    pub user: UserId,
    /// The address the account had.
    pub old_email: String,
    /// The address it is to have.
    pub new_email: String,
    /// The epoch of the credentials it was asked for with.
    pub epoch: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the new address was proved.
    pub confirmed_at: Option<Timestamp>,
}

impl FromRow for EmailChange {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            old_email: row.get("old_email")?,
            new_email: row.get("new_email")?,
            epoch: row.get("epoch")?,
            created_at: row.get("created_at")?,
            confirmed_at: row.get("confirmed_at")?,
        })
    }
}

/// Records a change that is asked for.
pub fn insert(tenant: TenantId, new: &New) -> Query {
    sql("INSERT INTO email_changes (tenant_id, id, user_id, old_email, new_email, new_email_key, \
                                    confirm_digest, stop_digest, epoch, created_at, expires_at, \
                                    stop_expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
    .bind(tenant)
    .bind(new.id)
    .bind(new.user)
    .bind(new.old_email.as_str())
    .bind(new.new_email.as_str())
    .bind(new.new_email_key.as_str())
    .bind(new.confirm_digest)
    .bind(new.stop_digest)
    .bind(new.epoch)
    .bind(new.now)
    .bind(new.expires_at)
    .bind(new.stop_expires_at)
}

/// Lets no change of a user wait for its proof any longer. The old address can still say no.
pub fn withdraw(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE email_changes SET expires_at = $3 \
         WHERE tenant_id = $1 AND user_id = $2 AND confirmed_at IS NULL AND expires_at > $3")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// The change that a token of the new address is for, proved or not; until its time is over.
pub async fn by_confirm(
    tx: &mut Tx,
    tenant: TenantId,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<EmailChange>> {
    sql("SELECT id, user_id, old_email, new_email, epoch, created_at, confirmed_at \
         FROM email_changes WHERE tenant_id = $1 AND confirm_digest = $2 \
           AND stopped_at IS NULL AND expires_at > $3")
    .bind(tenant)
    .bind(digest)
    .bind(now)
    .optional(tx)
    .await
}

/// The change that a token of the old address is for, until its time is over.
pub async fn by_stop(
    tx: &mut Tx,
    tenant: TenantId,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<EmailChange>> {
    sql("SELECT id, user_id, old_email, new_email, epoch, created_at, confirmed_at \
         FROM email_changes WHERE tenant_id = $1 AND stop_digest = $2 \
           AND stopped_at IS NULL AND stop_expires_at > $3")
    .bind(tenant)
    .bind(digest)
    .bind(now)
    .optional(tx)
    .await
}

/// Takes the proof of a new address; 0 rows where that was done, stopped, or came too late.
pub fn confirm(tenant: TenantId, id: EmailChangeId, now: Timestamp) -> Query {
    sql("UPDATE email_changes SET confirmed_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND confirmed_at IS NULL AND stopped_at IS NULL \
           AND expires_at > $3")
    .bind(tenant)
    .bind(id)
    .bind(now)
}

/// Stops a change; 0 rows where it was stopped before.
pub fn stop(tenant: TenantId, id: EmailChangeId, now: Timestamp) -> Query {
    sql("UPDATE email_changes SET stopped_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND stopped_at IS NULL")
    .bind(tenant)
    .bind(id)
    .bind(now)
}

/// Stops every change of a user that was asked for at `since` or later. Earlier ones can still be
/// stopped by their own old addresses.
pub fn stop_since(tenant: TenantId, user: UserId, since: Timestamp, now: Timestamp) -> Query {
    sql("UPDATE email_changes SET stopped_at = $4 \
         WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3 AND stopped_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(since)
    .bind(now)
}

/// A change that waits for its proof.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The address the account is to have.
    pub new_email: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it may be proved.
    pub expires_at: Timestamp,
}

impl FromRow for Waiting {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            new_email: row.get("new_email")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// The change of a user that waits for its proof.
pub async fn waiting(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Waiting>> {
    sql("SELECT c.new_email, c.created_at, c.expires_at FROM email_changes c \
         JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id AND u.epoch = c.epoch \
         WHERE c.tenant_id = $1 AND c.user_id = $2 AND c.confirmed_at IS NULL \
           AND c.stopped_at IS NULL AND c.expires_at > $3 ORDER BY c.id DESC LIMIT 1")
    .bind(tenant)
    .bind(user)
    .bind(now)
    .optional(tx)
    .await
}

/// Forgets a user's changes.
pub fn forget_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM email_changes WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}
