//! Second factors of somebody else, for operators: to see what there is, and to help somebody who
//! has lost his.

use crate::{
    clock::Timestamp,
    domain::{
        audit::{Action, Actor, Event, Target},
        user::User,
    },
    error::Result,
    flows::{Cx, outbox, password},
    mail::message::Message,
    store::{self, factors::Factor, passkeys::Passkey},
};

/// The factors of a user.
#[derive(Debug)]
pub struct Listing {
    /// App and mail factors.
    pub factors: Vec<Factor>,
    /// Passkeys and security keys.
    pub passkeys: Vec<Passkey>,
    /// Backup codes left, and when the set was made.
    pub backup_codes: (i64, Option<Timestamp>),
}

/// The factors of a user.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx, user: &User) -> Result<Listing> {
    cx.app
        .db
        .read((cx.tenant.id, user.id), |tx, (tenant, user)| {
            Box::pin(async move {
                Ok(Listing {
                    factors: store::factors::of_user(tx, *tenant, *user).await?,
                    passkeys: store::passkeys::of_user(tx, *tenant, *user).await?,
                    backup_codes: store::factors::backup_codes_left(tx, *tenant, *user).await?,
                })
            })
        })
        .await
}

/// Takes all factors of a user away. Whatever was opened or begun ends, and the user is told.
///
/// # Errors
/// Where the database fails.
pub async fn reset(cx: &Cx, user: &User) -> Result<()> {
    let (tenant, id) = (cx.tenant.id, user.id);
    let event = Event::success(Action::FactorRemoved, Actor::Operator, Target::User(Some(id)));
    let notice = Message::FactorsReset { at: cx.now.micros() };
    // The account's row comes first, so that nothing else of it changes meanwhile.
    let mut queries = vec![store::factors::set_default(tenant, id, None, cx.now)];
    queries.extend(store::factors::remove_all(tenant, id));
    queries.extend(password::end_everything(cx, user, password::Kept::default()));
    queries.push(store::attempts::clear_user(tenant, id));
    queries.push(cx.record(event.with("method", "all"))?);
    queries.push(outbox::mail(cx, password::recipient(cx, user), &notice)?);
    cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    cx.app.mail_due.notify_one();
    Ok(())
}
