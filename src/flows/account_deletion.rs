//! Deleting one's own account: at once, or after a time in which one may think better of it.
//!
//! What goes with an account is decided here for operators too.

use crate::{
    app::App,
    clock::Timestamp,
    db::{Query, Tx},
    domain::{
        audit::{Action, Actor, Event, Target},
        user::User,
    },
    error::{Code, Error, Result},
    flows::{Caller, Cx, disavowal, fresh_id, me::Me, outbox, password, tenants},
    id::{RequestId, TenantId, UserId},
    mail::message::Message,
    store,
};

/// Accounts deleted in one round of the background work.
const BATCH: i64 = 50;

/// What came of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The account is gone.
    Done,
    /// It will be, unless its owner keeps it.
    Due(Timestamp),
}

/// The rows that go with an account, but for the account's own, and `event`.
///
/// # Errors
/// Where there is no randomness.
pub fn rows(cx: &Cx, user: &User, event: Event) -> Result<Vec<Query>> {
    let (tenant, id) = (cx.tenant.id, user.id);
    let mut rows = password::end_everything(cx, user, password::Kept::default());
    rows.extend(store::factors::remove_all(tenant, id));
    rows.extend(store::credentials::forget(tenant, id));
    rows.extend([
        store::grants::end_all(tenant, id),
        store::consents::forget_all(tenant, id),
        store::email_changes::forget_all(tenant, id),
        store::sign_ins::forget(tenant, id),
        store::disavowals::forget_all(tenant, id),
        store::disavowals::forget_networks(tenant, id),
        store::tickets::void_of_user(tenant, id, cx.now),
        store::attempts::clear_user(tenant, id),
        cx.record(event)?,
    ]);
    rows.extend(disavowal::codes(cx, id));
    Ok(rows)
}

/// Gives up one's own account. Where the tenant keeps it for a time, other sessions end and the
/// owner is told how to keep it; a second wish changes nothing.
///
/// # Errors
/// `deletion_not_allowed`, `reauthentication_required`, `not_authenticated`, or where the database
/// fails.
pub async fn request(me: &Me) -> Result<Deletion> {
    let cx = me.cx();
    let Some(grace) = cx.tenant.settings.self_deletion else {
        return Err(Error::Forbidden(Code::DeletionNotAllowed));
    };
    me.check_recent()?;
    let done = if grace.is_zero() {
        let event = me.person.event(Action::UserDeleted).with("by", "owner");
        let rows = farewell(cx, me.user(), event)?;
        let input = (cx.clone(), me.user().id, me.person.epoch, rows);
        cx.app
            .db
            .write(input, |tx, (cx, user, epoch, rows)| {
                Box::pin(async move {
                    let held = store::users::hold(cx.tenant.id, *user, *epoch, cx.now);
                    if held.execute(tx).await? == 0 {
                        return Err(Error::refused(Code::NotAuthenticated));
                    }
                    delete(tx, cx, *user, rows).await
                })
            })
            .await?;
        Deletion::Done
    } else {
        let input = (me.clone(), cx.now + grace);
        let due = cx.app.db.write(input, |tx, (me, due)| Box::pin(schedule(tx, me, *due))).await?;
        Deletion::Due(due)
    };
    cx.app.mail_due.notify_one();
    Ok(done)
}

/// [`rows`] with the mail that says good-bye.
fn farewell(cx: &Cx, user: &User, event: Event) -> Result<Vec<Query>> {
    let mut rows = rows(cx, user, event)?;
    let message = Message::AccountDeleted { at: cx.now.micros() };
    rows.push(outbox::mail(cx, password::recipient(cx, user), &message)?);
    Ok(rows)
}

async fn delete(tx: &mut Tx, cx: &Cx, user: UserId, rows: &[Query]) -> Result<()> {
    if store::users::delete(tx, cx.tenant.id, user, cx.now).await? {
        tx.pipeline(rows.to_vec()).await?;
    }
    Ok(())
}

async fn schedule(tx: &mut Tx, me: &Me, due: Timestamp) -> Result<Timestamp> {
    let (cx, user) = (me.cx(), me.user().id);
    let (tenant, now) = (cx.tenant.id, cx.now);
    if store::users::hold(tenant, user, me.person.epoch, now).execute(tx).await? == 0 {
        return Err(Error::refused(Code::NotAuthenticated));
    }
    if store::users::schedule_deletion(tenant, user, due, now).execute(tx).await? == 0 {
        let known = store::users::details(tx, tenant, user).await?;
        return Ok(known.and_then(|known| known.deletion_due_at).unwrap_or(due));
    }
    let message = Message::DeletionScheduled { at: now.micros(), due_at: due.micros() };
    tx.pipeline(vec![
        store::sessions::end_others(tenant, user, me.session.id),
        store::challenges::end_all(tenant, user),
        store::trusted_devices::revoke_all(tenant, user),
        cx.record(me.person.event(Action::DeletionRequested).with("due_at", due.rfc3339()))?,
        outbox::mail(cx, password::recipient(cx, me.user()), &message)?,
    ])
    .await?;
    Ok(due)
}

/// Keeps one's own account after all; whether it was to be deleted.
///
/// # Errors
/// Where the database fails.
pub async fn cancel(me: &Me) -> Result<bool> {
    let cx = me.cx();
    let keep = store::users::keep(cx.tenant.id, me.user().id, cx.now);
    let audit = cx.record(me.person.event(Action::DeletionCancelled))?;
    cx.app
        .db
        .write((keep, audit), |tx, (keep, audit)| {
            Box::pin(async move {
                let was_due = keep.clone().execute(tx).await? == 1;
                if was_due {
                    audit.clone().execute(tx).await?;
                }
                Ok(was_due)
            })
        })
        .await
}

/// Deletes a batch of the accounts whose time is over, of all tenants; whether there may be more.
///
/// # Errors
/// Where the database fails.
pub async fn delete_due(app: &std::sync::Arc<App>) -> Result<bool> {
    let now = app.clock.now();
    let due = app
        .db
        .read(now, |tx, now| Box::pin(store::users::due_all_tenants(tx, *now, BATCH)))
        .await?;
    let more = i64::try_from(due.len()).is_ok_and(|count| count == BATCH);
    for (tenant, user) in due {
        delete_one(app, now, tenant, user).await?;
    }
    Ok(more)
}

async fn delete_one(
    app: &std::sync::Arc<App>,
    now: Timestamp,
    tenant: TenantId,
    user: UserId,
) -> Result<()> {
    let Some(tenant) = tenants::by_id(app, tenant).await? else { return Ok(()) };
    let request: RequestId = fresh_id(&app.entropy, now)?;
    let caller = std::sync::Arc::new(Caller::operator(request.to_string()));
    let cx = Cx { app: std::sync::Arc::clone(app), tenant, caller, now };
    cx.app
        .db
        .write((cx.clone(), user), |tx, (cx, user)| Box::pin(delete_if_due(tx, cx, *user)))
        .await?;
    app.mail_due.notify_one();
    Ok(())
}

/// The owner may keep the account at this very moment: whoever takes its row first is right.
async fn delete_if_due(tx: &mut Tx, cx: &Cx, user: UserId) -> Result<()> {
    let tenant = cx.tenant.id;
    if store::users::hold_due(tenant, user, cx.now).execute(tx).await? == 0 {
        return Ok(());
    }
    let Some(known) = store::users::by_id(tx, tenant, user).await? else { return Ok(()) };
    let event = Event::success(Action::UserDeleted, Actor::User(user), Target::User(Some(user)));
    let rows = farewell(cx, &known, event.with("by", "owner"))?;
    delete(tx, cx, user, &rows).await
}
