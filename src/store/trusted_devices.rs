//! Devices on which a second factor is not asked for again.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{TenantId, TrustedDeviceId, UserId},
};

/// A device about to be trusted.
#[derive(Debug, Clone)]
pub struct New {
    /// Which one.
    pub id: TrustedDeviceId,
    /// Whose.
    pub user: UserId,
    /// The digest of its token.
    pub digest: [u8; 32],
    /// The epoch of the credentials that were shown.
    pub epoch: i64,
    /// The digest of the name the device gave itself.
    pub fingerprint: Option<[u8; 32]>,
    /// Its name for people.
    pub label: String,
    /// From where.
    pub address: String,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A trusted device as it is listed.
#[derive(Debug, Clone)]
pub struct TrustedDevice {
    /// Which one.
    pub id: TrustedDeviceId,
    /// Its name for people.
    pub label: String,
    /// From where it was trusted.
    pub address: String,
    /// When.
    pub created_at: Timestamp,
    /// When it last spared its user a second factor.
    pub last_used_at: Option<Timestamp>,
    /// Until when.
    pub expires_at: Timestamp,
}

impl FromRow for TrustedDevice {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            label: row.get("label")?,
            address: row.get("address")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// Trusts a device. The same device replaces its older entry, and the newest pushes out the oldest
/// of more than `keep`.
pub fn trust(tenant: TenantId, new: &New, keep: i64) -> [Query; 3] {
    [
        sql("DELETE FROM trusted_devices \
             WHERE tenant_id = $1 AND user_id = $2 AND fingerprint = $3")
        .bind(tenant)
        .bind(new.user)
        .bind(new.fingerprint),
        sql("INSERT INTO trusted_devices (tenant_id, id, user_id, digest, epoch, fingerprint, \
                                          label, address, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(tenant)
        .bind(new.id)
        .bind(new.user)
        .bind(new.digest)
        .bind(new.epoch)
        .bind(new.fingerprint)
        .bind(new.label.as_str())
        .bind(new.address.as_str())
        .bind(new.now)
        .bind(new.expires_at),
        // The clocks of two nodes may differ: the new one stays in any case.
        sql("DELETE FROM trusted_devices WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 \
             AND id NOT IN (SELECT id FROM trusted_devices WHERE tenant_id = $1 AND user_id = $2 \
               ORDER BY id DESC LIMIT $4)")
        .bind(tenant)
        .bind(new.user)
        .bind(new.id)
        .bind(keep),
    ]
}

/// Notes that a device spared its user a second factor; 0 rows where the trust has ended.
pub fn used(tenant: TenantId, id: TrustedDeviceId, now: Timestamp) -> Query {
    sql("UPDATE trusted_devices SET last_used_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND expires_at > $3")
    .bind(tenant)
    .bind(id)
    .bind(now)
}

/// The live trusted devices of a user, newest first.
pub async fn of_user(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<TrustedDevice>> {
    sql("SELECT d.id, d.label, d.address, d.created_at, d.last_used_at, d.expires_at \
         FROM trusted_devices d \
         JOIN users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id AND u.epoch = d.epoch \
         WHERE d.tenant_id = $1 AND d.user_id = $2 AND d.expires_at > $3 ORDER BY d.id DESC")
    .bind(tenant)
    .bind(user)
    .bind(now)
    .all(tx)
    .await
}

/// Ends the trust in one device of a user; 0 rows where the user has none of that id.
pub fn revoke(tenant: TenantId, user: UserId, id: TrustedDeviceId) -> Query {
    sql("DELETE FROM trusted_devices WHERE tenant_id = $1 AND user_id = $2 AND id = $3")
        .bind(tenant)
        .bind(user)
        .bind(id)
}

/// Ends the trust in all devices of a user.
pub fn revoke_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM trusted_devices WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}
