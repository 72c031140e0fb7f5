//! Devices that a user has signed in from.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{DeviceId, TenantId, UserId},
};

/// A device at a sign-in.
#[derive(Debug, Clone)]
pub struct Device {
    /// Which one.
    pub id: DeviceId,
    /// Whose.
    pub user: UserId,
    /// The digest of its cookie.
    pub digest: [u8; 32],
    /// The kind of device and its network, as one digest.
    pub place: String,
    /// Its name for people.
    pub label: String,
}

/// Records a new device; one of the same kind from the same network takes its place.
pub fn remember(tenant: TenantId, device: &Device, now: Timestamp) -> Query {
    sql("INSERT INTO devices (tenant_id, id, user_id, digest, place, label, created_at, last_seen_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
         ON CONFLICT (tenant_id, user_id, place) DO UPDATE SET digest = excluded.digest, \
             label = excluded.label, last_seen_at = excluded.last_seen_at")
        .bind(tenant)
        .bind(device.id)
        .bind(device.user)
        .bind(device.digest)
        .bind(device.place.as_str())
        .bind(device.label.as_str())
        .bind(now)
}

/// Notes that a known device was used again.
pub fn seen(tenant: TenantId, id: DeviceId, now: Timestamp) -> Query {
    sql("UPDATE devices SET last_seen_at = $3 WHERE tenant_id = $1 AND id = $2 AND last_seen_at < $3")
        .bind(tenant)
        .bind(id)
        .bind(now)
}

/// Forgets a user's devices.
pub fn forget_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM devices WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// Whether a cookie's digest is one of a device of the user.
pub async fn is_known(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    digest: [u8; 32],
) -> Result<bool> {
    let found: Option<String> =
        sql("SELECT id FROM devices WHERE tenant_id = $1 AND user_id = $2 AND digest = $3")
            .bind(tenant)
            .bind(user)
            .bind(digest)
            .optional(tx)
            .await?;
    Ok(found.is_some())
}

/// Forgets a user's devices but the one whose cookie has this digest.
pub fn forget_others(tenant: TenantId, user: UserId, keep: [u8; 32]) -> Query {
    sql("DELETE FROM devices WHERE tenant_id = $1 AND user_id = $2 AND digest <> $3")
        .bind(tenant)
        .bind(user)
        .bind(keep)
}

/// A device as it is listed.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name for people.
    pub label: String,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
}

impl FromRow for Known {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            label: row.get("label")?,
            created_at: row.get("created_at")?,
            last_seen_at: row.get("last_seen_at")?,
        })
    }
}

/// The devices that a user has signed in from, newest first.
pub async fn of_user(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Vec<Known>> {
    sql("SELECT label, created_at, last_seen_at FROM devices \
         WHERE tenant_id = $1 AND user_id = $2 ORDER BY last_seen_at DESC, id LIMIT 1000")
    .bind(tenant)
    .bind(user)
    .all(tx)
    .await
}
