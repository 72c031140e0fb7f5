//! What the portal looks for before it knows a tenant: over all tenants, by an address.

use std::time::Duration;

use super::tenants::TenantRow;
use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::guessing::{Count, MEMORY},
    error::Result,
    id::TenantId,
};

/// A tenant in which an address has an account.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name in addresses.
    pub slug: String,
    /// The tenant.
    pub tenant: TenantRow,
}

impl FromRow for Candidate {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { slug: row.get("slug")?, tenant: TenantRow::from_row(row)? })
    }
}

/// Up to `limit` tenants in use in which the address has an account, the one where it was used
/// last first.
pub async fn candidates_all_tenants(
    tx: &mut Tx,
    email_key: &str,
    limit: i64,
) -> Result<Vec<Candidate>> {
    sql("SELECT t.slug, t.id, t.partner_id, t.name, t.status, t.settings, t.branding, \
                p.status AS partner_status, p.settings AS partner_settings, \
                p.branding AS partner_branding \
         FROM users u \
         JOIN tenants t ON t.id = u.tenant_id JOIN partners p ON p.id = t.partner_id \
         WHERE u.email_key = $1 AND u.deleted_at IS NULL \
           AND t.status = 'active' AND t.deleted_at IS NULL \
           AND p.status = 'active' AND p.deleted_at IS NULL \
         ORDER BY COALESCE((SELECT MAX(d.last_seen_at) FROM devices d \
                             WHERE d.tenant_id = u.tenant_id AND d.user_id = u.id), 0) DESC, \
                  u.created_at DESC, u.id \
         LIMIT $2")
    .bind(email_key)
    .bind(limit)
    .all(tx)
    .await
}

/// The tenant in use, if the address has an account there and the device is one it has signed in
/// from.
pub async fn known(
    tx: &mut Tx,
    tenant: TenantId,
    email_key: &str,
    device: [u8; 32],
) -> Result<Option<Candidate>> {
    sql("SELECT t.slug, t.id, t.partner_id, t.name, t.status, t.settings, t.branding, \
                p.status AS partner_status, p.settings AS partner_settings, \
                p.branding AS partner_branding \
         FROM users u \
         JOIN devices d ON d.tenant_id = u.tenant_id AND d.user_id = u.id \
         JOIN tenants t ON t.id = u.tenant_id JOIN partners p ON p.id = t.partner_id \
         WHERE u.tenant_id = $1 AND u.email_key = $2 AND u.deleted_at IS NULL AND d.digest = $3 \
           AND t.status = 'active' AND t.deleted_at IS NULL \
           AND p.status = 'active' AND p.deleted_at IS NULL")
    .bind(tenant)
    .bind(email_key)
    .bind(device)
    .optional(tx)
    .await
}

/// What was counted for a subject.
pub async fn count(tx: &mut Tx, subject: [u8; 32]) -> Result<Option<Count>> {
    sql("SELECT failures, first_at, last_at FROM portal_attempts WHERE subject = $1")
        .bind(subject)
        .optional(tx)
        .await
}

/// Counts one more failure in a row.
pub fn add(subject: [u8; 32], now: Timestamp) -> Query {
    sql("INSERT INTO portal_attempts (subject, failures, first_at, last_at, expires_at) \
         VALUES ($1, 1, $2, $2, $3) \
         ON CONFLICT (subject) DO UPDATE SET failures = portal_attempts.failures + 1, \
             last_at = excluded.last_at, expires_at = excluded.expires_at")
    .bind(subject)
    .bind(now)
    .bind(now + MEMORY)
}

/// Counts one more within a window of time; the first after its end opens a new window.
pub fn add_in_window(subject: [u8; 32], window: Duration, now: Timestamp) -> Query {
    sql("INSERT INTO portal_attempts (subject, failures, first_at, last_at, expires_at) \
         VALUES ($1, 1, $2, $2, $4) \
         ON CONFLICT (subject) DO UPDATE SET \
             failures = CASE WHEN portal_attempts.first_at <= $3 THEN 1 \
                             ELSE portal_attempts.failures + 1 END, \
             first_at = CASE WHEN portal_attempts.first_at <= $3 THEN excluded.first_at \
                             ELSE portal_attempts.first_at END, \
             last_at = excluded.last_at, expires_at = excluded.expires_at")
    .bind(subject)
    .bind(now)
    .bind(now - window)
    .bind(now + window)
}

/// Forgets what was counted for a subject.
pub fn clear(subject: [u8; 32]) -> Query {
    sql("DELETE FROM portal_attempts WHERE subject = $1").bind(subject)
}
