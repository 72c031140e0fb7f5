//! Everything that is kept about oneself, to take along. No secret is in it.

use crate::{
    clock::Timestamp,
    domain::{audit::Action, session::Session},
    error::Result,
    flows::{
        activity::{self, Happening},
        authorized_apps::{self, AuthorizedApp},
        me::Me,
        own_sessions,
        profile::{self, Profile},
    },
    store::{
        self, devices::Known, factors::Factor, passkeys::Passkey, trusted_devices::TrustedDevice,
    },
};

/// Events in an export: the newest.
const EVENTS: i64 = 10_000;

/// Everything about one account.
#[derive(Debug)]
pub struct Export {
    /// The profile.
    pub profile: Profile,
    /// App and mail factors.
    pub factors: Vec<Factor>,
    /// Passkeys and security keys.
    pub passkeys: Vec<Passkey>,
    /// Backup codes left, and when the set was made.
    pub backup_codes: (i64, Option<Timestamp>),
    /// Live sessions.
    pub sessions: Vec<Session>,
    /// Trusted devices.
    pub trusted_devices: Vec<TrustedDevice>,
    /// Devices that were signed in from.
    pub devices: Vec<Known>,
    /// Applications that act for the owner.
    pub authorized_apps: Vec<AuthorizedApp>,
    /// What happened.
    pub activity: Vec<Happening>,
}

/// Gathers everything. The taking is recorded, and part of what is taken.
///
/// # Errors
/// `reauthentication_required`, or where the database fails.
pub async fn take(me: &Me) -> Result<Export> {
    me.check_recent()?;
    let cx = me.cx();
    let record = cx.record(me.person.event(Action::DataExported))?;
    cx.app.db.write(record, |tx, record| Box::pin(record.clone().execute(tx))).await?;
    let input = (cx.tenant.id, me.user().id);
    let (factors, passkeys, backup_codes, devices) = cx
        .app
        .db
        .read(input, |tx, (tenant, user)| {
            Box::pin(async move {
                Ok((
                    store::factors::of_user(tx, *tenant, *user).await?,
                    store::passkeys::of_user(tx, *tenant, *user).await?,
                    store::factors::backup_codes_left(tx, *tenant, *user).await?,
                    store::devices::of_user(tx, *tenant, *user).await?,
                ))
            })
        })
        .await?;
    Ok(Export {
        profile: profile::show(me).await?,
        factors,
        passkeys,
        backup_codes,
        sessions: own_sessions::list(me).await?,
        trusted_devices: own_sessions::trusted_devices(me).await?,
        devices,
        authorized_apps: authorized_apps::list(me).await?,
        activity: activity::list(me, 0, EVENTS).await?,
    })
}
