//! Dropping what is past its time, over all tenants, in small batches so that nobody waits.

use crate::{
    clock::Timestamp,
    db::{Tx, sql},
    error::Result,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One kind of thing that passes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Dead { $($(#[$doc])* $name,)* }

        impl Dead {
            /// Every kind: what is not dropped from time to time grows for ever.
            pub const ALL: &'static [Dead] = &[$(Dead::$name,)*];
        }
    };
}

kinds! {
    /// Sessions past their absolute or idle limit.
    Sessions,
    /// Sessions past their idle limit.
    IdleSessions,
    /// Families of refresh tokens past their time.
    Grants,
    /// Registrations that nobody proved.
    Registrations,
    /// Tokens to register applications with, past their time.
    RegistrationTokens,
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
    /// Factors that waited too long for their first code.
    Setups,
    /// WebAuthn ceremonies past their time.
    Ceremonies,
    /// Trust in devices past its time.
    TrustedDevices,
    /// Changes of an address that nobody can stop any more.
    EmailChanges,
    /// Links of notices of sign-ins past their time.
    Disavowals,
    /// Networks that nobody was in for 400 days.
    Networks,
    /// Signed statements that would not be taken any more anyway.
    Statements,
    /// Authorization requests that nobody came back to.
    AuthorizationRequests,
    /// Authorization codes, a day after their time: until then a second use ends what came of it.
    AuthorizationCodes,
    /// Codes of devices, a day after their time: until then a device is told so.
    DeviceCodes,
    /// Revoked access tokens that have ended anyway.
    RevokedTokens,
    /// What was made of sign-ins 30 days ago.
    SignIns,
    /// Alarms that were over 30 days ago.
    Alarms,
    /// What outsiders could be told 30 days ago.
    Events,
    /// Mails sent a day ago, and mails given up 30 days ago.
    Mails,
}

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// The statement that drops rows of a table, by its key, whose time has come.
macro_rules! past {
    ($table:literal, $key:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE (",
            $key,
            ") IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $time,
            " <= $1 LIMIT $2)"
        )
    };
}

/// Drops up to `limit` rows of one kind that are dead at `now`; how many.
pub async fn purge_all_tenants(tx: &mut Tx, dead: Dead, now: Timestamp, limit: i64) -> Result<u64> {
    let text = match dead {
        Dead::Sessions => past!("sessions", "tenant_id, id", "expires_at"),
        Dead::IdleSessions => past!("sessions", "tenant_id, id", "idle_expires_at"),
        Dead::Grants => past!("grants", "tenant_id, id", "expires_at"),
        Dead::Registrations => past!("registrations", "tenant_id, id", "expires_at"),
        Dead::RegistrationTokens => past!("registration_tokens", "tenant_id, id", "expires_at"),
        Dead::Tickets => past!("tickets", "tenant_id, id", "expires_at"),
        Dead::Challenges => past!("challenges", "tenant_id, id", "expires_at"),
        Dead::Captchas => past!("spent_captchas", "tenant_id, digest", "expires_at"),
        Dead::Attempts => past!("attempts", "tenant_id, subject", "expires_at"),
        Dead::PortalAttempts => past!("portal_attempts", "subject", "expires_at"),
        Dead::Devices => past!("devices", "tenant_id, id", "last_seen_at"),
        Dead::Setups => past!("setups", "tenant_id, user_id, kind", "expires_at"),
        Dead::Ceremonies => past!("ceremonies", "tenant_id, id", "expires_at"),
        Dead::TrustedDevices => past!("trusted_devices", "tenant_id, id", "expires_at"),
        Dead::EmailChanges => past!("email_changes", "tenant_id, id", "stop_expires_at"),
        Dead::Disavowals => past!("disavowals", "tenant_id, id", "expires_at"),
        Dead::Networks => past!("known_networks", "tenant_id, user_id, digest", "last_seen_at"),
        Dead::Statements => past!("seen_statements", "realm, digest", "expires_at"),
        Dead::AuthorizationRequests => {
            past!("authorization_requests", "realm, digest", "expires_at")
        }
        Dead::AuthorizationCodes => past!("authorization_codes", "realm, digest", "expires_at"),
        Dead::DeviceCodes => past!("device_codes", "realm, digest", "expires_at"),
        Dead::RevokedTokens => past!("revoked_tokens", "realm, digest", "expires_at"),
        Dead::SignIns => past!("sign_ins", "tenant_id, id", "at"),
        Dead::Alarms => past!("alarms", "tenant_id, kind, subject", "until"),
        Dead::Events => past!("events", "tenant_id, id", "at"),
        Dead::Mails => {
            "DELETE FROM outbox WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM outbox WHERE done_at <= $1 \
                 AND (state = 'sent' OR done_at <= $3) LIMIT $2)"
        }
    };
    let before = match dead {
        Dead::Devices | Dead::Networks => now - DAY * 400,
        Dead::SignIns | Dead::Alarms | Dead::Events => now - DAY * 30,
        Dead::Mails | Dead::DeviceCodes | Dead::AuthorizationCodes => now - DAY,
        _ => now,
    };
    let query = sql(text).bind(before).bind(limit);
    let query = if dead == Dead::Mails { query.bind(now - DAY * 30) } else { query };
    query.execute(tx).await
}
