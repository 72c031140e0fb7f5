//! What an operator does while an account, or a tenant, is under attack: lets its owner try again
//! at once, or throws everybody out.
//!
//! All of it is in the database, so it counts at once on every node; applications that want to hear
//! of ended sessions are told as after any other end.

use crate::{
    clock::Timestamp,
    db::Tx,
    domain::{
        audit::{Action, Actor, Event, Target},
        user::{User, UserStatus},
    },
    error::{Error, Result},
    flows::{
        Cx, disavowal, login,
        password::{self, Kept},
    },
    id::Realm,
    store,
};

/// Rows of a table that one transaction ends.
const BATCH: i64 = 500;

/// Forgets the failed tries of an account: of its password from anywhere, from each of its devices,
/// and of its second factor. Those of networks stay. How many counts there were.
///
/// # Errors
/// Where the database fails.
pub async fn unlock(cx: &Cx, user: &User) -> Result<u64> {
    let tenant = cx.tenant.id;
    let target = Target::User(Some(user.id));
    let event = Event::success(Action::UserUnlocked, Actor::Operator, target);
    let queries = vec![
        store::attempts::clear_user(tenant, user.id),
        // Failures of before there was the account are nobody's.
        store::attempts::clear(tenant, login::account_subject(&user.email_key)),
        cx.record(event)?,
    ];
    let counts =
        cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    Ok(counts.iter().take(2).sum())
}

/// What becomes of an account that was locked down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// Nobody signs in until it is activated.
    Suspended,
    /// Its owner may sign in anew.
    AsBefore,
}

/// What was ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: u64,
    /// Families of refresh tokens, each with what was minted from it.
    pub grants: u64,
}

/// Ends at once all that was opened or begun in the name of an account: sessions, grants and their
/// tokens, trusted and known devices, steps under way, codes, mailed links. Consents stay.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn account(cx: &Cx, user: &User, afterwards: Afterwards) -> Result<Ended> {
    let ended = cx
        .app
        .db
        .write((cx.clone(), user.clone(), afterwards), |tx, (cx, user, afterwards)| {
            Box::pin(end_account(tx, cx, user, *afterwards))
        })
        .await?;
    cx.app.logout_due.notify_one();
    Ok(ended)
}

async fn end_account(tx: &mut Tx, cx: &Cx, user: &User, afterwards: Afterwards) -> Result<Ended> {
    let (tenant, id, now) = (cx.tenant.id, user.id, cx.now);
    let is_there = match afterwards {
        Afterwards::Suspended => {
            store::users::set_status(tx, tenant, id, UserStatus::Suspended, now).await?
        }
        // Whatever rests on the present epoch is dead with it, also what is just being written.
        Afterwards::AsBefore => store::users::renew_epoch(tenant, id, now).execute(tx).await? == 1,
    };
    if !is_there {
        return Err(Error::NotFound);
    }
    let ended = Ended {
        sessions: store::sessions::end_all(tenant, id).execute(tx).await?,
        grants: store::grants::end_all(tenant, id).execute(tx).await?,
    };
    let mut queries = password::end_everything(cx, user, Kept::default());
    queries.extend([
        store::tickets::void_of_user(tenant, id, now),
        store::disavowals::forget_all(tenant, id),
    ]);
    queries.extend(disavowal::codes(cx, id));
    let event = Event::success(Action::UserLockedDown, Actor::Operator, Target::User(Some(id)))
        .with("sessions", ended.sessions)
        .with("grants", ended.grants)
        .with("suspended", afterwards == Afterwards::Suspended);
    queries.push(cx.record(event)?);
    tx.pipeline(queries).await?;
    Ok(ended)
}

/// Ends all sessions, grants and steps under way of everybody in a tenant, a batch in each
/// transaction. What is opened while it runs is not touched, so that it comes to an end.
///
/// # Errors
/// Where the database fails; what was ended until then stays so.
pub async fn tenant(cx: &Cx) -> Result<Ended> {
    let mut ended = Ended::default();
    loop {
        let batch = cx
            .app
            .db
            .write((cx.clone(), cx.now), |tx, (cx, now)| Box::pin(end_batch(tx, cx, *now)))
            .await?;
        ended.sessions += batch.ended.sessions;
        ended.grants += batch.ended.grants;
        cx.app.logout_due.notify_one();
        if !batch.may_be_more {
            break;
        }
    }
    let target = Target::Tenant(cx.tenant.id);
    let event = Event::success(Action::TenantLockedDown, Actor::Operator, target)
        .with("sessions", ended.sessions)
        .with("grants", ended.grants);
    let audit = cx.record(event)?;
    cx.app.db.write(audit, |tx, audit| Box::pin(audit.clone().execute(tx))).await?;
    Ok(ended)
}

struct Batch {
    ended: Ended,
    may_be_more: bool,
}

async fn end_batch(tx: &mut Tx, cx: &Cx, until: Timestamp) -> Result<Batch> {
    let tenant = cx.tenant.id;
    let steps = store::challenges::end_batch(tenant, until, BATCH).execute(tx).await?;
    let sessions = store::sessions::end_batch(tenant, until, BATCH).execute(tx).await?;
    let grants = store::grants::end_batch(tenant, until, BATCH).execute(tx).await?;
    let mut counts = vec![steps, sessions, grants];
    for realm in [Realm::Tenant(tenant), Realm::Platform] {
        counts.extend([
            store::authorization_codes::forget_batch(tenant, realm, BATCH).execute(tx).await?,
            store::device_codes::forget_batch(tenant, realm, BATCH).execute(tx).await?,
        ]);
    }
    // Codes go on being made meanwhile: only a full batch may have left some of before.
    let may_be_more = counts.iter().any(|count| i64::try_from(*count) == Ok(BATCH));
    Ok(Batch { ended: Ended { sessions, grants }, may_be_more })
}
