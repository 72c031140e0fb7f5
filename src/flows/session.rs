//! Sessions: opening, finding by the cookie, listing, ending.

pub mod open;

use std::time::Duration;

use crate::{
    crypto::opaque::Token,
    domain::{
        audit::{Action, Actor, Event, Target},
        session::{Expiry, Persistence, Session, expiry, extended},
    },
    error::{Error, Result},
    flows::Cx,
    id::{SessionId, UserId},
    store,
};

/// A session just opened, with the secret that only its cookie ever holds.
#[derive(Debug)]
pub struct Opened {
    /// The public handle.
    pub id: SessionId,
    /// The cookie's secret.
    pub secret: Token,
    /// Whether it outlives the browser.
    pub persistence: Persistence,
    /// When it ends.
    pub expiry: Expiry,
}

/// A new session of a user, yet to be written; `auth_methods` say how he proved who he is.
///
/// # Errors
/// Where there is no randomness.
fn prepare(
    cx: &Cx,
    user: UserId,
    epoch: i64,
    persistence: Persistence,
    auth_methods: String,
) -> Result<(store::sessions::New, Opened)> {
    let secret = Token::generate(&cx.app.entropy)?;
    let expiry = expiry(&cx.tenant.settings.session, persistence, cx.now);
    let id = cx.id()?;
    let new = store::sessions::New {
        id,
        user,
        secret_digest: *secret.digest().as_bytes(),
        epoch,
        persistence,
        auth_methods,
        address: cx.caller.address.text(),
        agent: cx.caller.agent.clone(),
        now: cx.now,
        expiry,
    };
    Ok((new, Opened { id, secret, persistence, expiry }))
}

/// How stale "last seen" may be: use within it writes nothing.
const COARSE: Duration = Duration::from_mins(1);

/// The live session of a cookie; use extends its idle limit.
///
/// # Errors
/// Where the database fails.
pub async fn find(cx: &Cx, id: SessionId, secret: &Token) -> Result<Option<Session>> {
    let input = (cx.tenant.id, id, *secret.digest().as_bytes(), cx.now);
    let found = cx
        .app
        .db
        .read(input, |tx, (tenant, id, digest, now)| {
            Box::pin(store::sessions::live(tx, *tenant, *id, *digest, *now))
        })
        .await?;
    if let Some(session) = &found {
        touch(cx, session).await?;
    }
    Ok(found)
}

/// Extends the idle limit of a session that is in use.
pub(super) async fn touch(cx: &Cx, session: &Session) -> Result<()> {
    if cx.now.since(session.last_seen_at) < COARSE {
        return Ok(());
    }
    let lifetimes = &cx.tenant.settings.session;
    let idle = extended(lifetimes, session.persistence, session.expiry.absolute, cx.now);
    cx.app
        .db
        .write((cx.tenant.id, session.id, idle, cx.now), |tx, (tenant, id, idle, now)| {
            Box::pin(store::sessions::touch(tx, *tenant, *id, *idle, *now))
        })
        .await
}

/// The live sessions of a user, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx, user: UserId) -> Result<Vec<Session>> {
    cx.app
        .db
        .read((cx.tenant.id, user, cx.now), |tx, (tenant, user, now)| {
            Box::pin(store::sessions::of_user(tx, *tenant, *user, *now))
        })
        .await
}

/// Ends a session, as an operator.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn end(cx: &Cx, id: SessionId) -> Result<()> {
    let event = Event::success(Action::SessionEnded, Actor::Operator, Target::Session(id));
    let audit = cx.record(event)?;
    cx.app
        .db
        .write((cx.tenant.id, id, audit), |tx, (tenant, id, audit)| {
            Box::pin(async move {
                if !store::sessions::end(tx, *tenant, *id).await? {
                    return Err(Error::NotFound);
                }
                audit.clone().execute(tx).await?;
                Ok(())
            })
        })
        .await
}
