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
    /// Devices not seen for 400 days.
    Devices,
    /// Factors that waited too long for their first code.
    Setups,
    /// WebAuthn ceremonies past their time.
    Ceremonies,
    /// Trust in devices past its time.
    TrustedDevices,
    /// Changes of an address that nobody can stop any more.
    EmailChanges,
    /// Mails sent a day ago, and mails given up 30 days ago.
    Mails,
}

impl Dead {
    /// Every kind.
    pub const ALL: [Dead; 13] = [
        Self::Sessions,
        Self::IdleSessions,
        Self::Registrations,
        Self::Tickets,
        Self::Challenges,
        Self::Captchas,
        Self::Attempts,
        Self::Devices,
        Self::Setups,
        Self::Ceremonies,
        Self::TrustedDevices,
        Self::EmailChanges,
        Self::Mails,
    ];
}

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// Drops up to `limit` rows of one kind that are dead at `now`; how many.
pub async fn purge_all_tenants(tx: &mut Tx, dead: Dead, now: Timestamp, limit: i64) -> Result<u64> {
    let query = sql(statement_all_tenants(dead)).bind(before(dead, now)).bind(limit);
    let query = if dead == Dead::Mails { query.bind(now - DAY * 30) } else { query };
    query.execute(tx).await
}

/// Before when a row of a kind has to have ended, to be dead at `now`.
fn before(dead: Dead, now: Timestamp) -> Timestamp {
    match dead {
        Dead::Devices => now - DAY * 400,
        Dead::Mails => now - DAY,
        _ => now,
    }
}

fn statement_all_tenants(dead: Dead) -> &'static str {
    match dead {
        Dead::Sessions => {
            "DELETE FROM sessions WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM sessions WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::IdleSessions => {
            "DELETE FROM sessions WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM sessions WHERE idle_expires_at <= $1 LIMIT $2)"
        }
        Dead::Registrations => {
            "DELETE FROM registrations WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM registrations WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::Tickets => {
            "DELETE FROM tickets WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM tickets WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::Challenges => {
            "DELETE FROM challenges WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM challenges WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::Captchas => {
            "DELETE FROM spent_captchas WHERE (tenant_id, digest) IN \
             (SELECT tenant_id, digest FROM spent_captchas WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::Attempts => {
            "DELETE FROM attempts WHERE (tenant_id, subject) IN \
             (SELECT tenant_id, subject FROM attempts WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::Devices => {
            "DELETE FROM devices WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM devices WHERE last_seen_at <= $1 LIMIT $2)"
        }
        Dead::Setups => {
            "DELETE FROM setups WHERE (tenant_id, user_id, kind) IN \
             (SELECT tenant_id, user_id, kind FROM setups WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::Ceremonies => {
            "DELETE FROM ceremonies WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM ceremonies WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::TrustedDevices => {
            "DELETE FROM trusted_devices WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM trusted_devices WHERE expires_at <= $1 LIMIT $2)"
        }
        Dead::EmailChanges => {
            "DELETE FROM email_changes WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM email_changes WHERE stop_expires_at <= $1 LIMIT $2)"
        }
        Dead::Mails => {
            "DELETE FROM outbox WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM outbox WHERE done_at IS NOT NULL \
                 AND ((state = 'sent' AND done_at <= $1) OR done_at <= $3) LIMIT $2)"
        }
    }
}
