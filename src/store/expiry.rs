//! Dropping what is past its time, over all tenants, in small batches so that nobody waits.

use crate::{
    clock::Timestamp,
    db::{Tx, sql},
    error::Result,
};

/// One kind of thing that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// Sessions past their absolute or idle limit.
    Sessions,
    /// Sessions past their idle limit.
    IdleSessions,
    /// Families of refresh tokens past their time.
    Grants,
    /// Registrations that nobody proved.
    Registrations,
    /// Mailed tokens past their time.
    Tickets,
    /// Second-factor steps past their time.
    Challenges,
    /// Captcha answers past their time.
    Captchas,
    /// Counts of failures and of mails that no rule looks at any more.
    Attempts,
    /// The same, of the portal.
    PortalAttempts,
    /// Devices not seen for 400 days.
    Devices,
    /// Mails sent a day ago, and mails given up 30 days ago.
    Mails,
}

impl Dead {
    /// Every kind.
    pub const ALL: [Dead; 11] = [
        Self::Sessions,
        Self::IdleSessions,
        Self::Grants,
        Self::Registrations,
        Self::Tickets,
        Self::Challenges,
        Self::Captchas,
        Self::Attempts,
        Self::PortalAttempts,
        Self::Devices,
        Self::Mails,
    ];
}

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// Drops up to `limit` rows of one kind that are dead at `now`; how many.
pub async fn purge_all_tenants(tx: &mut Tx, dead: Dead, now: Timestamp, limit: i64) -> Result<u64> {
    let (text, before) = match dead {
        Dead::Sessions => (
            "DELETE FROM sessions WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM sessions WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::IdleSessions => (
            "DELETE FROM sessions WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM sessions WHERE idle_expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Grants => (
            "DELETE FROM grants WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM grants WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Registrations => (
            "DELETE FROM registrations WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM registrations WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Tickets => (
            "DELETE FROM tickets WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM tickets WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Challenges => (
            "DELETE FROM challenges WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM challenges WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Captchas => (
            "DELETE FROM spent_captchas WHERE (tenant_id, digest) IN \
             (SELECT tenant_id, digest FROM spent_captchas WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Attempts => (
            "DELETE FROM attempts WHERE (tenant_id, subject) IN \
             (SELECT tenant_id, subject FROM attempts WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::PortalAttempts => (
            "DELETE FROM portal_attempts WHERE subject IN \
             (SELECT subject FROM portal_attempts WHERE expires_at <= $1 LIMIT $2)",
            now,
        ),
        Dead::Devices => (
            "DELETE FROM devices WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM devices WHERE last_seen_at <= $1 LIMIT $2)",
            now - DAY * 400,
        ),
        Dead::Mails => (
            "DELETE FROM outbox WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM outbox WHERE done_at IS NOT NULL \
                 AND ((state = 'sent' AND done_at <= $1) OR done_at <= $3) LIMIT $2)",
            now - DAY,
        ),
    };
    let query = sql(text).bind(before).bind(limit);
    let query = if dead == Dead::Mails { query.bind(now - DAY * 30) } else { query };
    query.execute(tx).await
}
