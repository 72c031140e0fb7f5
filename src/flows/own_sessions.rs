//! One's own sessions and trusted devices: looking at them, and ending them.
//!
//! Whatever is named by an id is looked for among one's own things only, so that somebody else's
//! is not there.

use crate::{
    db::Query,
    domain::{
        audit::{Action, Event},
        session::Session,
    },
    error::{Error, Result},
    flows::{me::Me, session},
    id::{SessionId, TrustedDeviceId},
    store,
};

pub use crate::store::trusted_devices::TrustedDevice;

/// The live sessions, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(me: &Me) -> Result<Vec<Session>> {
    session::list(me.cx(), me.user().id).await
}

/// Ends one session.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn end(me: &Me, id: SessionId) -> Result<()> {
    let query = store::sessions::end_own(me.cx().tenant.id, me.user().id, id);
    let event = me.person.event(Action::SessionEnded).with("session", id.to_string());
    if run(me, query, event).await? == 0 {
        return Err(Error::NotFound);
    }
    me.cx().app.logout_due.notify_one();
    Ok(())
}

/// Ends all sessions but this one, and the trust in all devices; how many sessions.
///
/// # Errors
/// Where the database fails.
pub async fn end_others(me: &Me) -> Result<u64> {
    let (cx, user) = (me.cx(), me.user().id);
    let others = store::sessions::end_others(cx.tenant.id, user, me.session.id);
    let rest = vec![
        store::trusted_devices::revoke_all(cx.tenant.id, user),
        store::challenges::end_all(cx.tenant.id, user),
        cx.record(me.person.event(Action::SessionEnded).with("session", "others"))?,
    ];
    cx.app
        .db
        .write((others, rest), |tx, (others, rest)| {
            Box::pin(async move {
                let ended = others.clone().execute(tx).await?;
                tx.pipeline(rest.clone()).await?;
                Ok(ended)
            })
        })
        .await
}

/// The trusted devices, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn trusted_devices(me: &Me) -> Result<Vec<TrustedDevice>> {
    let cx = me.cx();
    cx.app
        .db
        .read((cx.tenant.id, me.user().id, cx.now), |tx, (tenant, user, now)| {
            Box::pin(store::trusted_devices::of_user(tx, *tenant, *user, *now))
        })
        .await
}

/// Ends the trust in one device.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn distrust(me: &Me, id: TrustedDeviceId) -> Result<()> {
    let query = store::trusted_devices::revoke(me.cx().tenant.id, me.user().id, id);
    let event = me.person.event(Action::DeviceRevoked).with("device", id.to_string());
    if run(me, query, event).await? == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Ends the trust in all devices; in how many.
///
/// # Errors
/// Where the database fails.
pub async fn distrust_all(me: &Me) -> Result<u64> {
    let query = store::trusted_devices::revoke_all(me.cx().tenant.id, me.user().id);
    run(me, query, me.person.event(Action::DeviceRevoked).with("device", "all")).await
}

/// Runs a statement and records `event`, where it changed something; how many rows.
async fn run(me: &Me, query: Query, event: Event) -> Result<u64> {
    let cx = me.cx();
    cx.app
        .db
        .write((query, cx.record(event)?), |tx, (query, audit)| {
            Box::pin(async move {
                let changed = query.clone().execute(tx).await?;
                if changed > 0 {
                    audit.clone().execute(tx).await?;
                }
                Ok(changed)
            })
        })
        .await
}
