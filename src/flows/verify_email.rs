//! Proving an address by a mailed token: it makes the account of a pending registration, or marks
//! the address of an account as proved. It never signs anybody in.

use crate::{
    crypto::opaque::{Token, TokenDigest},
    db::Tx,
    domain::{
        audit::{Action, Actor, Event, Target},
        ticket::Purpose,
        user::{IdentitySource, User, UserStatus},
    },
    error::{Code, Error, Result},
    flows::{Cx, password},
    store::{self, registrations::Registration, tickets::Good},
};

const PURPOSES: [Purpose; 2] = [Purpose::Register, Purpose::VerifyEmail];

/// What came of a token.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Whether the token had been used before; nothing was changed then.
    pub already: bool,
    /// Where the person goes afterwards.
    pub redirect_uri: Option<String>,
}

/// Proves an address. The same token answers again until it expires.
///
/// # Errors
/// `invalid_token` for expired, unknown and foreign ones, `too_many_attempts`, or where the
/// database fails.
pub async fn verify(cx: &Cx, token: &str) -> Result<Verified> {
    password::check_token_guessing(cx).await?;
    let Some(token) = Token::parse(token) else { return Err(password::wrong_token(cx).await?) };
    let done = cx
        .app
        .db
        .write((cx.clone(), token.digest()), |tx, (cx, digest)| Box::pin(spend(tx, cx, digest)))
        .await?;
    match done {
        Some(verified) => Ok(verified),
        None => Err(password::wrong_token(cx).await?),
    }
}

/// The account's row is taken first and its tokens after it, so that two links of one address that
/// are followed at once wait for each other and never in a circle.
async fn spend(tx: &mut Tx, cx: &Cx, digest: &TokenDigest) -> Result<Option<Verified>> {
    let (tenant, digest) = (cx.tenant.id, *digest.as_bytes());
    let known = store::tickets::peek(tx, tenant, PURPOSES, digest, cx.now).await?;
    let Some(ticket) = known else { return Ok(None) };
    let done = match (ticket.registration_id, ticket.user_id) {
        _ if ticket.is_used => false,
        (Some(_), _) => settle(tx, cx, &ticket, digest).await?,
        (None, Some(_)) => confirm(tx, cx, &ticket, digest).await?,
        (None, None) => false,
    };
    if done {
        return Ok(Some(Verified { already: false, redirect_uri: ticket.redirect_uri }));
    }
    // It was used before, or by a request that was faster; otherwise it is void.
    let known = store::tickets::peek(tx, tenant, PURPOSES, digest, cx.now).await?;
    Ok(known
        .filter(|ticket| ticket.is_used)
        .map(|ticket| Verified { already: true, redirect_uri: ticket.redirect_uri }))
}

/// Makes the account of a registration; `false` where the address has one by now.
async fn settle(tx: &mut Tx, cx: &Cx, ticket: &Good, digest: [u8; 32]) -> Result<bool> {
    let tenant = cx.tenant.id;
    let Some(id) = ticket.registration_id else { return Ok(false) };
    let Some(pending) = store::registrations::by_id(tx, tenant, id).await? else {
        return Ok(false);
    };
    let user = account(cx, &pending);
    if !store::users::insert(tx, tenant, &user, &pending.custom_data).await? {
        return Ok(false);
    }
    if store::tickets::consume(tx, tenant, PURPOSES, digest, cx.now).await?.is_none() {
        return Err(Error::refused(Code::InvalidToken));
    }
    let target = || Target::User(Some(user.id));
    let actor = Actor::User(user.id);
    tx.pipeline(vec![
        store::credentials::set(tenant, user.id, &pending.password_hash, pending.created_at),
        store::tickets::settle(tenant, ticket.id, user.id),
        store::tickets::void_all(tenant, Purpose::Register, &user.email_key, cx.now),
        store::registrations::drop_all(tenant, &user.email_key),
        cx.record(Event::success(Action::UserCreated, actor, target()).with("by", "registration"))?,
        cx.record(Event::success(Action::EmailVerified, actor, target()))?,
    ])
    .await?;
    Ok(true)
}

/// The account that a registration makes.
#[must_use]
pub fn account(cx: &Cx, pending: &Registration) -> User {
    User {
        id: pending.user_id,
        tenant: cx.tenant.id,
        email: pending.email.clone(),
        email_key: pending.email_key.clone(),
        email_verified_at: cx.tenant.settings.email_verification.then_some(cx.now),
        status: if cx.tenant.settings.approval {
            UserStatus::PendingApproval
        } else {
            UserStatus::Active
        },
        first_name: pending.first_name.clone(),
        last_name: pending.last_name.clone(),
        locale: Some(pending.locale.clone()),
        source: IdentitySource::Local,
        must_change_password: false,
        created_at: cx.now,
    }
}

/// Marks an account's address as proved, if it is still the one the token was for.
async fn confirm(tx: &mut Tx, cx: &Cx, ticket: &Good, digest: [u8; 32]) -> Result<bool> {
    let tenant = cx.tenant.id;
    let Some(id) = ticket.user_id else { return Ok(false) };
    let user = store::users::by_id(tx, tenant, id).await?;
    let Some(user) = user.filter(|user| user.email_key == ticket.email_key) else {
        return Ok(false);
    };
    store::users::touch(tenant, user.id, cx.now).execute(tx).await?;
    if store::tickets::consume(tx, tenant, PURPOSES, digest, cx.now).await?.is_none() {
        return Ok(false);
    }
    let event =
        Event::success(Action::EmailVerified, Actor::User(user.id), Target::User(Some(user.id)));
    tx.pipeline(vec![
        store::users::verify_email(tenant, user.id, cx.now),
        store::tickets::void_all(tenant, Purpose::VerifyEmail, &user.email_key, cx.now),
        cx.record(event)?,
    ])
    .await?;
    Ok(true)
}

/// What a person should see before pressing the button.
#[derive(Debug, Clone)]
pub enum Preview {
    /// Who is said to have registered, and when.
    Registration(Box<Registration>),
    /// An account's address, to be proved.
    Account(Box<User>),
    /// The token has done its work.
    Done(Verified),
}

/// Looks at a token without spending it.
///
/// # Errors
/// As [`verify`].
pub async fn preview(cx: &Cx, token: &str) -> Result<Preview> {
    password::check_token_guessing(cx).await?;
    let Some(token) = Token::parse(token) else { return Err(password::wrong_token(cx).await?) };
    let found = cx
        .app
        .db
        .read((cx.clone(), token.digest()), |tx, (cx, digest)| Box::pin(look(tx, cx, digest)))
        .await?;
    match found {
        Some(preview) => Ok(preview),
        None => Err(password::wrong_token(cx).await?),
    }
}

async fn look(tx: &mut Tx, cx: &Cx, digest: &TokenDigest) -> Result<Option<Preview>> {
    let tenant = cx.tenant.id;
    let found = store::tickets::peek(tx, tenant, PURPOSES, *digest.as_bytes(), cx.now).await?;
    let Some(ticket) = found else { return Ok(None) };
    if ticket.is_used {
        let done = Verified { already: true, redirect_uri: ticket.redirect_uri };
        return Ok(Some(Preview::Done(done)));
    }
    if let Some(id) = ticket.registration_id {
        let pending = store::registrations::by_id(tx, tenant, id).await?;
        return Ok(pending.map(|it| Preview::Registration(Box::new(it))));
    }
    let Some(id) = ticket.user_id else { return Ok(None) };
    let user = store::users::by_id(tx, tenant, id).await?;
    Ok(user.filter(|it| it.email_key == ticket.email_key).map(|it| Preview::Account(Box::new(it))))
}
