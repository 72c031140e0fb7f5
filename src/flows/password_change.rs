//! Changing one's own password, by the present one.

use crate::{
    crypto::{hasher::Class, opaque::Token, password::PasswordHash},
    domain::{
        audit::Action,
        email::Email,
        password::{Password, PasswordFault},
        session::Persistence,
        user::IdentitySource,
    },
    error::{Code, Error, Result},
    flows::{
        login,
        me::{Me, ShownBy},
        outbox,
        password::{self, Kept, Owner},
        session::Opened,
    },
    mail::message::Message,
    store,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Change {
    /// The present password.
    pub current: Password,
    /// The new one.
    pub new: Password,
    /// Whether the own session is to end with the others.
    pub end_all_sessions: bool,
    /// The device's cookie, where it sent one.
    pub device: Option<Token>,
}

/// Changes the password. Everything that rested on the old one ends but the own session, which
/// gets a new secret, to be set where the session was shown by its cookie; on request it ends, too.
///
/// # Errors
/// `method_not_available` for who has no password here, `invalid_credentials`,
/// `too_many_attempts`, `password_rejected`, `not_authenticated` where the account's credentials
/// have changed meanwhile; or where the database or the hash queue fails.
pub async fn change(me: &Me, change: &Change) -> Result<Option<Opened>> {
    let (cx, user) = (me.cx(), me.user());
    if user.source != IdentitySource::Local {
        return Err(Error::refused(Code::MethodNotAvailable));
    }
    if !login::check(cx, &input(me, change)?).await? {
        return Err(Error::refused(Code::InvalidCredentials));
    }
    if change.current == change.new {
        return Err(password::rejected(cx, &[PasswordFault::Reused]));
    }
    let owner = Owner {
        email: &user.email,
        names: [&user.first_name, &user.last_name],
        user: Some(user.id),
    };
    password::check(cx, &change.new, owner).await?;
    let hash = cx.app.passwords.hash(cx.hashing(Class::Known), &change.new).await?;
    let opened = write(me, change, &hash).await?;
    cx.app.mail_due.notify_one();
    Ok(opened)
}

fn input(me: &Me, change: &Change) -> Result<login::Input> {
    let email = Email::parse(&me.user().email);
    Ok(login::Input {
        email: email.map_err(|_| Error::refused(Code::InvalidCredentials))?,
        password: change.current.clone(),
        persistence: Persistence::Browser,
        device: change.device.clone(),
        trusted_device: None,
        client_id: None,
    })
}

/// Writes the change, if the credentials are still those that the session was opened with: of two
/// changes at once with one present password, one is made.
async fn write(me: &Me, change: &Change, hash: &PasswordHash) -> Result<Option<Opened>> {
    let (cx, user, session) = (me.cx(), me.user(), &me.session);
    let (tenant, now) = (cx.tenant.id, cx.now);
    let secret = Token::generate(&cx.app.entropy)?;
    let new = match me.shown_by {
        ShownBy::Cookie => *secret.digest().as_bytes(),
        ShownBy::Token => me.secret_digest,
    };
    let digests = (me.secret_digest, new);
    let kept = Kept {
        session: (!change.end_all_sessions).then_some(session.id),
        device: change.device.as_ref().map(|token| *token.digest().as_bytes()),
    };
    let mut queries = vec![
        store::users::hold(tenant, user.id, me.person.epoch, now),
        store::sessions::prove(tenant, session.id, digests, &session.auth_methods, now),
    ];
    queries.extend(password::replace(cx, user, hash, kept));
    let notice = Message::PasswordChanged { at: now.micros(), others: kept.session.is_some() };
    queries.push(cx.record(me.person.event(Action::PasswordChanged))?);
    queries.push(outbox::mail(cx, password::recipient(cx, user), &notice)?);
    cx.app
        .db
        .write(queries, |tx, queries| {
            Box::pin(async move {
                let counts = tx.pipeline(queries.clone()).await?;
                let held = counts.iter().take(2).all(|changed| *changed == 1);
                if held { Ok(()) } else { Err(Error::refused(Code::NotAuthenticated)) }
            })
        })
        .await?;
    let is_new = me.shown_by == ShownBy::Cookie && !change.end_all_sessions;
    Ok(is_new.then(|| Opened {
        id: session.id,
        secret,
        persistence: session.persistence,
        expiry: session.expiry,
    }))
}
