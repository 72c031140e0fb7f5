//! "This was not me": the notice of a sign-in from somewhere strange, and what its link does.
//!
//! The link is mailed to the address that the account has at the sign-in, so whoever presses its
//! button has that mailbox. It ends everything that the sign-in could have led to and mails a link
//! for a new password; it signs nobody in. A mailbox alone must not undo more than that: where a
//! factor or the address has changed since, two people claim the account, and nobody gets it until
//! an operator has looked.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    crypto::opaque::{Token, TokenDigest, digest_text},
    db::{Query, Tx},
    domain::{
        agent,
        audit::{Action, Actor, Event, Target},
        limits::Limit,
        user::{IdentitySource, User, UserStatus},
    },
    error::Result,
    flows::{
        Cx, outbox,
        password::{self, Kept},
    },
    id::{Realm, SessionId, UserId},
    mail::message::Message,
    store::{
        self,
        disavowals::{Disavowal, New},
    },
};

/// How long the link is good.
const LIFETIME: Duration = Duration::from_hours(24 * 7);
/// How long a sign-in may take that enrols a factor on its way.
const SIGN_IN: Duration = Duration::from_mins(15);

/// What may be strange about a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strange {
    /// The device.
    Device,
    /// The network that a known device is in.
    Place,
}

/// A notice that may be due, as it would be written.
#[derive(Debug, Clone)]
pub struct Notice {
    strange: Strange,
    user: UserId,
    rows: [Query; 3],
}

impl Notice {
    /// Whether the database has to be looked at before it is known whether the notice is due.
    #[must_use]
    pub fn looks(&self, cx: &Cx) -> bool {
        cx.tenant.settings.notices_of_places
    }

    /// The rows of a notice that is due unless there are too many already.
    pub fn into_rows(self) -> [Query; 3] {
        self.rows
    }
}

/// The notice of a sign-in; `None`: there is nothing to tell whatever comes.
///
/// # Errors
/// Where there is no randomness.
pub fn notice(
    cx: &Cx,
    user: &User,
    session: SessionId,
    device: KnownDevice,
) -> Result<Option<Notice>> {
    let strange = match device {
        KnownDevice::No => Strange::Device,
        KnownDevice::Yes if cx.tenant.settings.notices_of_places => Strange::Place,
        KnownDevice::Yes => return Ok(None),
    };
    let token = Token::generate(&cx.app.entropy)?;
    let (device, address) = (agent::label(&cx.caller.agent), cx.caller.address.text());
    let link = Some(cx.page_url("not-me", Some(token.expose())));
    let (at, days) = (cx.now.micros(), u32::try_from(LIFETIME.as_secs() / 86_400).unwrap_or(7));
    let message = match strange {
        Strange::Device => {
            Message::NewDevice { at, device: device.clone(), address: address.clone(), link, days }
        }
        Strange::Place => {
            Message::NewPlace { at, device: device.clone(), address: address.clone(), link, days }
        }
    };
    let new = New {
        id: cx.id()?,
        user: user.id,
        session,
        email_key: user.email_key.clone(),
        device,
        address,
        now: cx.now,
        expires_at: cx.now + LIFETIME,
    };
    let limit = match strange {
        Strange::Device => Limit::NewDeviceMails,
        Strange::Place => Limit::NewPlaceMails,
    };
    let to = password::recipient(cx, user);
    let [count, mail] = outbox::mail_within(cx, (limit, &user.email_key), to, &message)?;
    let link = store::disavowals::insert(cx.tenant.id, &new, *token.digest().as_bytes());
    Ok(Some(Notice { strange, user: user.id, rows: [link, count, mail] }))
}

/// Whether a sign-in comes from a device that the user is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownDevice {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// The rows of a notice in a tenant that tells of new networks, where it is due.
///
/// # Errors
/// Where the database fails.
pub async fn due(tx: &mut Tx, cx: &Cx, notice: &Notice) -> Result<Vec<Query>> {
    let is_new_place = note_network(tx, cx, notice.user).await?;
    let is_due = notice.strange == Strange::Device || is_new_place;
    Ok(if is_due { notice.rows.to_vec() } else { Vec::new() })
}

/// Notes the caller's network; whether it is new for a user who is known from others.
async fn note_network(tx: &mut Tx, cx: &Cx, user: UserId) -> Result<bool> {
    let (tenant, now) = (cx.tenant.id, cx.now);
    let digest = digest_text(&["place", &cx.caller.address.neighbourhood()]);
    let is_known_elsewhere = store::disavowals::has_networks(tx, tenant, user).await?;
    let is_new = store::disavowals::note_network(tenant, user, digest, now).execute(tx).await? == 1;
    if !is_new {
        store::disavowals::see_network(tenant, user, digest, now).execute(tx).await?;
    }
    Ok(is_new && is_known_elsewhere)
}

/// What a person should see before pressing the button.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What was signed in from.
    pub device: String,
    /// From which network address.
    pub address: String,
    /// When.
    pub at: Timestamp,
    /// Whether the button was pressed before.
    pub is_used: bool,
}

/// Looks at a link without using it.
///
/// # Errors
/// `invalid_token`, `too_many_attempts`, or where the database fails.
pub async fn preview(cx: &Cx, token: &str) -> Result<Preview> {
    let digest = password::token_digest(cx, token).await?;
    let found = cx
        .app
        .db
        .read((cx.clone(), digest), |tx, (cx, digest)| Box::pin(find(tx, cx, digest)))
        .await?;
    match found {
        None => Err(password::wrong_token(cx).await?),
        Some((disavowal, _)) => Ok(Preview {
            device: disavowal.device,
            address: disavowal.address,
            at: disavowal.created_at,
            is_used: disavowal.is_used,
        }),
    }
}

async fn find(tx: &mut Tx, cx: &Cx, digest: &TokenDigest) -> Result<Option<(Disavowal, User)>> {
    let tenant = cx.tenant.id;
    let found = store::disavowals::by_digest(tx, tenant, *digest.as_bytes(), cx.now).await?;
    let Some(disavowal) = found else { return Ok(None) };
    let user = store::users::by_id(tx, tenant, disavowal.user).await?;
    Ok(user.map(|user| (disavowal, user)))
}

/// What came of pressing the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disowned {
    /// Everything has ended, and a link for a new password is mailed.
    Ended,
    /// Everything has ended, and nobody gets in until an operator has looked.
    Frozen,
    /// Everything has ended; the account was suspended already.
    Closed,
    /// That was done before.
    Before,
}

/// Says that the sign-in was not the owner's.
///
/// # Errors
/// `invalid_token`, `too_many_attempts`, or where the database fails.
pub async fn disown(cx: &Cx, token: &str) -> Result<Disowned> {
    let digest = password::token_digest(cx, token).await?;
    let reset = Token::generate(&cx.app.entropy)?;
    let disowned = cx
        .app
        .db
        .write((cx.clone(), digest, reset), |tx, (cx, digest, reset)| {
            Box::pin(act(tx, cx, digest, reset))
        })
        .await?;
    let Some(disowned) = disowned else { return Err(password::wrong_token(cx).await?) };
    cx.app.mail_due.notify_one();
    cx.app.logout_due.notify_one();
    Ok(disowned)
}

async fn act(
    tx: &mut Tx,
    cx: &Cx,
    digest: &TokenDigest,
    reset: &Token,
) -> Result<Option<Disowned>> {
    let (tenant, now) = (cx.tenant.id, cx.now);
    let found = store::disavowals::by_digest(tx, tenant, *digest.as_bytes(), now).await?;
    let Some(disavowal) = found else { return Ok(None) };
    // The account's row before its link's: whatever else ends its sessions waits here, too.
    store::users::touch(tenant, disavowal.user, now).execute(tx).await?;
    let Some(user) = store::users::by_id(tx, tenant, disavowal.user).await? else {
        return Ok(None);
    };
    if store::disavowals::spend(tenant, disavowal.id, now).execute(tx).await? == 0 {
        return Ok(Some(Disowned::Before));
    }
    let since = disavowal.created_at - SIGN_IN;
    let is_contested = user.email_key != disavowal.email_key
        || store::disavowals::has_new_factor(tx, tenant, user.id, since).await?;
    tx.pipeline(ended(cx, &user)).await?;
    let disowned = if user.status != UserStatus::Active {
        Disowned::Closed
    } else if is_contested {
        freeze(tx, cx, &user).await?;
        Disowned::Frozen
    } else {
        tx.pipeline(password::reset_mail(cx, &user, reset, None)?).await?;
        Disowned::Ended
    };
    let outcome = match disowned {
        Disowned::Ended => "ended",
        Disowned::Frozen => "frozen",
        Disowned::Closed | Disowned::Before => "closed",
    };
    let (actor, target) = (Actor::User(user.id), Target::Session(disavowal.session));
    let event = Event::success(Action::SignInDisowned, actor, target).with("outcome", outcome);
    cx.record(event)?.execute(tx).await?;
    Ok(Some(disowned))
}

/// The rows that end whatever the sign-in may have led to.
fn ended(cx: &Cx, user: &User) -> Vec<Query> {
    let (tenant, id, now) = (cx.tenant.id, user.id, cx.now);
    let mut rows = vec![store::users::start_epoch(tenant, id, now)];
    if user.source == IdentitySource::Local {
        rows.push(store::users::set_must_change_password(tenant, id, true, now));
    }
    rows.extend(password::end_everything(cx, user, Kept::default()));
    rows.extend([
        // Whoever signed in may have asked for it.
        store::users::keep(tenant, id, now),
        store::tickets::void_of_user(tenant, id, now),
        store::grants::end_all(tenant, id),
    ]);
    rows.extend(codes(cx, id));
    rows
}

/// The rows that forget what applications could still redeem for a user.
pub(super) fn codes(cx: &Cx, user: UserId) -> impl Iterator<Item = Query> {
    let tenant = cx.tenant.id;
    [Realm::Tenant(tenant), Realm::Platform].into_iter().flat_map(move |realm| {
        [
            store::authorization_codes::forget(tenant, realm, user, None),
            store::device_codes::forget(tenant, realm, user, None),
        ]
    })
}

async fn freeze(tx: &mut Tx, cx: &Cx, user: &User) -> Result<()> {
    store::users::set_status(tx, cx.tenant.id, user.id, UserStatus::Suspended, cx.now).await?;
    let target = Target::User(Some(user.id));
    let event = Event::success(Action::UserSuspended, Actor::User(user.id), target);
    cx.record(event.with("reason", "contested"))?.execute(tx).await?;
    Ok(())
}
