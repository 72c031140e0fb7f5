//! Counters of failures and of mails, shared by all nodes.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::guessing::{Count, MEMORY},
    error::Result,
    id::{TenantId, UserId},
};

impl FromRow for Count {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            failures: u32::try_from(row.get::<i64>("failures")?).unwrap_or(u32::MAX),
            first_at: row.get("first_at")?,
            last_at: row.get("last_at")?,
        })
    }
}

/// What was counted for a subject.
pub async fn count(tx: &mut Tx, tenant: TenantId, subject: [u8; 32]) -> Result<Option<Count>> {
    sql("SELECT failures, first_at, last_at FROM attempts WHERE tenant_id = $1 AND subject = $2")
        .bind(tenant)
        .bind(subject)
        .optional(tx)
        .await
}

/// Counts one more failure in a row. `user` is the account it concerns, where there is one, so
/// that a reset finds the counts of all its devices.
pub fn add(tenant: TenantId, subject: [u8; 32], user: Option<UserId>, now: Timestamp) -> Query {
    sql("INSERT INTO attempts (tenant_id, subject, user_id, failures, first_at, last_at, \
                               expires_at) \
         VALUES ($1, $2, $3, 1, $4, $4, $5) \
         ON CONFLICT (tenant_id, subject) DO UPDATE SET failures = attempts.failures + 1, \
             user_id = excluded.user_id, last_at = excluded.last_at, \
             expires_at = excluded.expires_at \
         RETURNING failures, first_at, last_at")
    .bind(tenant)
    .bind(subject)
    .bind(user)
    .bind(now)
    .bind(now + MEMORY)
}

/// Counts one more within a window of time; the first after its end opens a new window.
pub fn add_in_window(
    tenant: TenantId,
    subject: [u8; 32],
    window: Duration,
    now: Timestamp,
) -> Query {
    sql("INSERT INTO attempts (tenant_id, subject, failures, first_at, last_at, expires_at) \
         VALUES ($1, $2, 1, $3, $3, $5) \
         ON CONFLICT (tenant_id, subject) DO UPDATE SET \
             failures = CASE WHEN attempts.first_at <= $4 THEN 1 ELSE attempts.failures + 1 END, \
             first_at = CASE WHEN attempts.first_at <= $4 THEN excluded.first_at \
                             ELSE attempts.first_at END, \
             last_at = excluded.last_at, expires_at = excluded.expires_at \
         RETURNING failures, first_at, last_at")
    .bind(tenant)
    .bind(subject)
    .bind(now)
    .bind(now - window)
    .bind(now + window)
}

/// Forgets what was counted for a subject.
pub fn clear(tenant: TenantId, subject: [u8; 32]) -> Query {
    sql("DELETE FROM attempts WHERE tenant_id = $1 AND subject = $2").bind(tenant).bind(subject)
}

/// Forgets what was counted for an account and all its devices.
pub fn clear_user(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM attempts WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}
