//! Changing one's own address: the new one has to be proved before it counts, and the old one may
//! say no, before and for some time after.
//!
//! Nothing here tells whether the new address has an account: the answer, what is kept and what
//! waits are the same, and only its owner hears of it.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    crypto::opaque::{Token, TokenDigest, digest_text},
    db::Tx,
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        limits::Limit,
        registration::takes_domain,
        ticket::Purpose,
        user::{IdentitySource, User, UserStatus},
    },
    error::{Code, Context, Error, Result},
    flows::{
        Cx,
        me::Me,
        outbox::{self, Recipient},
        password::{self, Kept},
    },
    mail::message::Message,
    store::{
        self,
        email_changes::{EmailChange, New},
    },
};

/// How long the new address may be proved.
const PROOF: Duration = Duration::from_hours(24);
/// How long the old address may say no.
const VETO: Duration = Duration::from_hours(24 * 7);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A change that is asked for, with the tokens of its two links.
#[derive(Debug, Clone)]
struct Wish {
    email: Email,
    confirm: Token,
    stop: Token,
}

/// Asks for another address. An earlier wish that still waits is withdrawn.
///
/// # Errors
/// `method_not_available` where an identity provider vouches for the address,
/// `reauthentication_required`, a fault of `email` where it is the present one,
/// `email_domain_not_allowed`, `too_many_attempts`, `not_authenticated` where the account's
/// credentials have changed meanwhile, or where the database fails.
pub async fn request(me: &Me, email: Email) -> Result<()> {
    let (cx, user) = (me.cx(), me.user());
    if user.source != IdentitySource::Local {
        return Err(Error::refused(Code::MethodNotAvailable));
    }
    me.check_recent()?;
    if email.key() == user.email_key {
        return Err(Error::invalid_field("email", "this is the address that the account has"));
    }
    if !takes_domain(&cx.tenant.settings, &email) {
        return Err(Error::refused(Code::EmailDomainNotAllowed));
    }
    let (confirm, stop) = (Token::generate(&cx.app.entropy)?, Token::generate(&cx.app.entropy)?);
    let wish = Wish { email, confirm, stop };
    cx.app.db.write((me.clone(), wish), |tx, (me, wish)| Box::pin(record(tx, me, wish))).await?;
    cx.app.mail_due.notify_one();
    Ok(())
}

async fn record(tx: &mut Tx, me: &Me, wish: &Wish) -> Result<()> {
    let (cx, user) = (me.cx(), me.user());
    let (tenant, now) = (cx.tenant.id, cx.now);
    if store::users::hold(tenant, user.id, me.person.epoch, now).execute(tx).await? == 0 {
        return Err(Error::refused(Code::NotAuthenticated));
    }
    let asker = user.id.to_string();
    if !outbox::may_mail(tx, cx, Limit::AddressChanges, &asker).await? {
        return Err(Error::Throttled { retry: HOUR });
    }
    let new = New {
        id: cx.id()?,
        user: user.id,
        old_email: user.email.clone(),
        new_email: wish.email.as_str().to_owned(),
        new_email_key: wish.email.key().to_owned(),
        confirm_digest: *wish.confirm.digest().as_bytes(),
        stop_digest: *wish.stop.digest().as_bytes(),
        epoch: me.person.epoch,
        now,
        expires_at: now + PROOF,
        stop_expires_at: now + VETO,
    };
    let notice = Message::EmailChangeRequested {
        at: now.micros(),
        new_email: wish.email.masked(),
        stop_link: cx.page_url("stop-email-change", Some(wish.stop.expose())),
        days: days(VETO),
    };
    let mut queries = vec![
        store::email_changes::withdraw(tenant, user.id, now),
        store::email_changes::insert(tenant, &new),
        cx.record(me.person.event(Action::EmailChangeRequested))?,
        outbox::mail(cx, password::recipient(cx, user), &notice)?,
    ];
    queries.extend(mail_to_new(tx, me, wish).await?);
    tx.pipeline(queries).await?;
    Ok(())
}

/// The link, or the notice that somebody else wants the address of an account; nothing where the
/// address has had enough of either.
async fn mail_to_new(tx: &mut Tx, me: &Me, wish: &Wish) -> Result<Option<crate::db::Query>> {
    let cx = me.cx();
    let owner = store::users::by_email(tx, cx.tenant.id, wish.email.key()).await?;
    if !outbox::may_mail(tx, cx, Limit::AddressChangeMails, wish.email.key()).await? {
        return Ok(None);
    }
    let mail = if let Some(owner) = &owner {
        let message = Message::AddressWanted { at: cx.now.micros() };
        outbox::mail(cx, password::recipient(cx, owner), &message)?
    } else {
        let message = Message::ConfirmEmailChange {
            at: cx.now.micros(),
            link: cx.page_url("change-email", Some(wish.confirm.expose())),
            expires_hours: u32::try_from(PROOF.as_secs() / 3600).unwrap_or(u32::MAX),
        };
        let locale = cx.mail_locale(me.user().locale.as_deref());
        outbox::mail(cx, Recipient { email: wish.email.as_str(), locale }, &message)?
    };
    Ok(Some(mail))
}

fn days(span: Duration) -> u32 {
    u32::try_from(span.as_secs() / 86_400).unwrap_or(u32::MAX)
}

/// What a person should see before pressing a button.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The address that the account had when the change was asked for, masked.
    pub old_email: String,
    /// The address it is to have, masked.
    pub new_email: String,
    /// Whether the change has been made.
    pub is_made: bool,
}

impl Preview {
    fn of(change: &EmailChange) -> Self {
        let masked = |text: &str| Email::parse(text).map(|it| it.masked()).unwrap_or_default();
        Self {
            old_email: masked(&change.old_email),
            new_email: masked(&change.new_email),
            is_made: change.confirmed_at.is_some(),
        }
    }
}

/// The user of a change, where its proof would count.
async fn changed_user(tx: &mut Tx, cx: &Cx, change: &EmailChange) -> Result<Option<User>> {
    let user = store::users::by_id(tx, cx.tenant.id, change.user).await?;
    Ok(user.filter(|user| user.status == UserStatus::Active))
}

/// Looks at the token of a new address without spending it.
///
/// # Errors
/// `invalid_token`, `too_many_attempts`, or where the database fails.
pub async fn preview(cx: &Cx, token: &str) -> Result<Preview> {
    let digest = password::token_digest(cx, token).await?;
    let found = cx
        .app
        .db
        .read((cx.clone(), digest), |tx, (cx, digest)| {
            Box::pin(async move {
                let digest = *digest.as_bytes();
                let found =
                    store::email_changes::by_confirm(tx, cx.tenant.id, digest, cx.now).await?;
                let Some(change) = found else { return Ok(None) };
                let user = changed_user(tx, cx, &change).await?;
                Ok(user.map(|_| Preview::of(&change)))
            })
        })
        .await?;
    match found {
        Some(preview) => Ok(preview),
        None => Err(password::wrong_token(cx).await?),
    }
}

/// Makes the change, by the token of the new address. The same token answers again in its time;
/// sessions and trusted devices live on.
///
/// # Errors
/// `invalid_token` for every kind of bad token, and where the address has got an account
/// meanwhile; `too_many_attempts`, or where the database fails.
pub async fn confirm(cx: &Cx, token: &str) -> Result<()> {
    let digest = password::token_digest(cx, token).await?;
    let is_made = cx
        .app
        .db
        .write((cx.clone(), digest), |tx, (cx, digest)| Box::pin(make(tx, cx, digest)))
        .await?;
    if !is_made {
        return Err(password::wrong_token(cx).await?);
    }
    cx.app.mail_due.notify_one();
    Ok(())
}

async fn make(tx: &mut Tx, cx: &Cx, digest: &TokenDigest) -> Result<bool> {
    let (tenant, now) = (cx.tenant.id, cx.now);
    let digest = *digest.as_bytes();
    let found = store::email_changes::by_confirm(tx, tenant, digest, now).await?;
    let Some(change) = found else { return Ok(false) };
    let new = Email::parse(&change.new_email).doing("reading a stored address")?;
    // Two accounts that take one address at once wait here for each other, so that the second
    // finds it taken. Then the account's row: two links of it never wait in a circle.
    let turn = digest_text(&["address", new.key()]);
    store::attempts::add_in_window(tenant, turn, HOUR, now).execute(tx).await?;
    if store::users::hold(tenant, change.user, change.epoch, now).execute(tx).await? == 0 {
        return Ok(change.confirmed_at.is_some());
    }
    let Some(user) = changed_user(tx, cx, &change).await? else { return Ok(false) };
    if store::email_changes::confirm(tenant, change.id, now).execute(tx).await? == 0 {
        // It was made before, or by a request that was faster; otherwise it was stopped.
        let found = store::email_changes::by_confirm(tx, tenant, digest, now).await?;
        return Ok(found.is_some_and(|change| change.confirmed_at.is_some()));
    }
    let address = (new.as_str(), new.key());
    if store::users::change_email(tenant, user.id, address, now).execute(tx).await? == 0 {
        // The address has an account by now. An error, so that the proof counts as not given.
        return Err(Error::refused(Code::InvalidToken));
    }
    let event =
        Event::success(Action::EmailChanged, Actor::User(user.id), Target::User(Some(user.id)));
    let notice = Message::EmailChanged { at: now.micros(), new_email: new.masked() };
    tx.pipeline(vec![
        store::tickets::void_of_user(tenant, user.id, now),
        store::tickets::void_all(tenant, Purpose::Register, new.key(), now),
        store::registrations::drop_all(tenant, new.key()),
        store::email_changes::withdraw(tenant, user.id, now),
        cx.record(event)?,
        outbox::mail(cx, password::recipient(cx, &user), &notice)?,
    ])
    .await?;
    Ok(true)
}

/// Looks at the token of an old address without spending it.
///
/// # Errors
/// `invalid_token`, `too_many_attempts`, or where the database fails.
pub async fn preview_stop(cx: &Cx, token: &str) -> Result<Preview> {
    let digest = password::token_digest(cx, token).await?;
    let found = cx
        .app
        .db
        .read((cx.clone(), digest), |tx, (cx, digest)| {
            Box::pin(async move {
                let digest = *digest.as_bytes();
                store::email_changes::by_stop(tx, cx.tenant.id, digest, cx.now).await
            })
        })
        .await?;
    match found {
        Some(change) => Ok(Preview::of(&change)),
        None => Err(password::wrong_token(cx).await?),
    }
}

/// What came of a no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The change was not made.
    InTime,
    /// The change had been made and is undone: everybody is signed out, and a new password is due.
    Undone,
    /// The change had been made, and the old address has another account by now: the account is
    /// suspended until an operator decides.
    Suspended,
}

/// Stops a change by the token of the old address, or undoes it, with all that were asked for
/// after it.
///
/// # Errors
/// `invalid_token`, `too_many_attempts`, or where the database fails.
pub async fn stop(cx: &Cx, token: &str) -> Result<Stopped> {
    let digest = password::token_digest(cx, token).await?;
    let stopped = cx
        .app
        .db
        .write((cx.clone(), digest), |tx, (cx, digest)| Box::pin(undo(tx, cx, digest)))
        .await?;
    match stopped {
        Some(stopped) => Ok(stopped),
        None => Err(password::wrong_token(cx).await?),
    }
}

async fn undo(tx: &mut Tx, cx: &Cx, digest: &TokenDigest) -> Result<Option<Stopped>> {
    let (tenant, now) = (cx.tenant.id, cx.now);
    let found = store::email_changes::by_stop(tx, tenant, *digest.as_bytes(), now).await?;
    let Some(change) = found else { return Ok(None) };
    let old = Email::parse(&change.old_email).doing("reading a stored address")?;
    let turn = digest_text(&["address", old.key()]);
    store::attempts::add_in_window(tenant, turn, HOUR, now).execute(tx).await?;
    store::users::touch(tenant, change.user, now).execute(tx).await?;
    let Some(user) = store::users::by_id(tx, tenant, change.user).await? else { return Ok(None) };
    if store::email_changes::stop(tenant, change.id, now).execute(tx).await? == 0 {
        return Ok(None);
    }
    store::email_changes::stop_since(tenant, user.id, change.created_at, now).execute(tx).await?;
    let stopped = if user.email_key == old.key() {
        Stopped::InTime
    } else {
        put_back(tx, cx, &user, (&old, change.created_at)).await?
    };
    let event = Event::success(
        Action::EmailChangeStopped,
        Actor::User(user.id),
        Target::User(Some(user.id)),
    );
    let said = match stopped {
        Stopped::InTime => "in_time",
        Stopped::Undone => "undone",
        Stopped::Suspended => "suspended",
    };
    cx.record(event.with("outcome", said))?.execute(tx).await?;
    Ok(Some(stopped))
}

/// Gives the account back to whoever owns the old address. Who took it knows its password, so it
/// opens nothing any more; nor do the factors that were enrolled from the day before on, which
/// would let the taker in again and keep the owner out.
async fn put_back(
    tx: &mut Tx,
    cx: &Cx,
    user: &User,
    (old, asked_at): (&Email, Timestamp),
) -> Result<Stopped> {
    let (tenant, now) = (cx.tenant.id, cx.now);
    let removed = store::factors::remove_since(tenant, user.id, asked_at - DAY);
    tx.pipeline(removed.to_vec()).await?;
    let mut queries = vec![
        store::users::start_epoch(tenant, user.id, now),
        store::users::set_must_change_password(tenant, user.id, true, now),
        store::users::keep(tenant, user.id, now),
        store::tickets::void_of_user(tenant, user.id, now),
        // The taker's mailbox has a say no longer.
        store::disavowals::forget_since(tenant, user.id, asked_at),
    ];
    queries.extend(password::end_everything(cx, user, Kept::default()));
    tx.pipeline(queries).await?;
    let address = (old.as_str(), old.key());
    if store::users::change_email(tenant, user.id, address, now).execute(tx).await? == 1 {
        store::registrations::drop_all(tenant, old.key()).execute(tx).await?;
        return Ok(Stopped::Undone);
    }
    store::users::set_status(tx, tenant, user.id, UserStatus::Suspended, now).await?;
    Ok(Stopped::Suspended)
}
