//! Proving again who the owner of a session is: before factors, password or address are changed.
//!
//! A session found open on somebody's desk proves little. The proof is bound to the session, gives
//! it a new secret, and is recent for five minutes. Its guesses count as those of a sign-in do.

use serde_json::Value;

use super::second_factor::{self, BACKUP, answer::count_failure, open_key};
use crate::{
    crypto::{codes, opaque::Token, webauthn::Verification},
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        factor::{Method, canonical_code},
        guessing,
        password::Password,
        session::Persistence,
    },
    error::{Code, Error, Result},
    flows::{
        ceremonies::{self, Begun, Kind},
        login,
        me::{Me, ShownBy},
        second_factor::Proof as FactorProof,
        session::{
            Opened,
            open::{is_overtaken, overtaken},
        },
    },
    store,
};

/// What is shown as proof.
#[derive(Debug)]
pub enum Proof {
    /// The password.
    Password(Password),
    /// A second factor; a mailed code is none here.
    Factor(Method, FactorProof),
}

/// Begins a ceremony with one of the user's passkeys.
///
/// # Errors
/// `method_not_available`, `too_many_attempts`, or where the database fails.
pub async fn begin(me: &Me) -> Result<Begun> {
    let cx = me.cx();
    let keys = cx
        .app
        .db
        .read((cx.tenant.id, me.user().id), |tx, (tenant, user)| {
            Box::pin(store::passkeys::of_user(tx, *tenant, *user))
        })
        .await?;
    if keys.is_empty() {
        return Err(Error::refused(Code::MethodNotAvailable));
    }
    let kind = Kind::Reauthenticate(me.session.id);
    ceremonies::begin_assertion(cx, &kind, &keys, Verification::Preferred).await
}

/// Judges a proof. A right one makes the session's proof recent; a session that was shown by its
/// cookie gets a new one.
///
/// # Errors
/// `invalid_credentials`, `invalid_code`, `method_not_available`, `too_many_attempts`, or where
/// the database or the hash queue fails.
pub async fn prove(me: &Me, proof: &Proof, device: Option<Token>) -> Result<Option<Opened>> {
    match proof {
        Proof::Password(password) => {
            let right = login::check(me.cx(), &input(me, password, device)?).await?;
            if !right {
                return Err(Error::refused(Code::InvalidCredentials));
            }
            // Somebody else has given the session a new secret meanwhile.
            write(me, "pwd", Vec::new(), Vec::new()).await.map_err(|error| {
                if is_overtaken(&error) { Error::refused(Code::NotAuthenticated) } else { error }
            })
        }
        Proof::Factor(method, proof) => factor(me, *method, proof, device.as_ref()).await,
    }
}

fn input(me: &Me, password: &Password, device: Option<Token>) -> Result<login::Input> {
    let email = Email::parse(&me.user().email);
    Ok(login::Input {
        email: email.map_err(|_| Error::refused(Code::InvalidCredentials))?,
        password: password.clone(),
        persistence: Persistence::Browser,
        device,
        trusted_device: None,
        client_id: None,
    })
}

async fn factor(
    me: &Me,
    method: Method,
    proof: &FactorProof,
    device: Option<&Token>,
) -> Result<Option<Opened>> {
    let (cx, user) = (me.cx(), me.user().id);
    let _turn = cx.app.gates.enter(second_factor::subject(user, None)).await?;
    let device = known_device(me, device).await?;
    let subject = second_factor::subject(user, device);
    let count = cx
        .app
        .db
        .read((cx.tenant.id, subject), |tx, (tenant, subject)| {
            Box::pin(store::attempts::count(tx, *tenant, *subject))
        })
        .await?;
    if let Some(retry) = guessing::account_wait(count, cx.now) {
        return Err(Error::Throttled { retry });
    }
    let written = match judge(me, method, proof).await? {
        Some(spent) => {
            let clear = store::attempts::clear(cx.tenant.id, subject);
            write(me, method.references(), spent, vec![clear]).await
        }
        None => Err(overtaken()),
    };
    match written {
        Err(error) if is_overtaken(&error) => Err(refuse(me, method, subject).await?),
        other => other,
    }
}

/// The device's cookie, where it is one of a device the user has signed in from.
async fn known_device<'a>(me: &Me, device: Option<&'a Token>) -> Result<Option<&'a Token>> {
    let Some(token) = device else { return Ok(None) };
    let cx = me.cx();
    let input = (cx.tenant.id, me.user().id, *token.digest().as_bytes());
    let known = cx
        .app
        .db
        .read(input, |tx, (tenant, user, digest)| {
            Box::pin(store::devices::is_known(tx, *tenant, *user, *digest))
        })
        .await?;
    Ok(known.then_some(token))
}

/// The rows that a right proof uses up; `None` for a wrong one.
async fn judge(me: &Me, method: Method, proof: &FactorProof) -> Result<Option<Vec<Query>>> {
    let (cx, tenant, user) = (me.cx(), me.cx().tenant.id, me.user().id);
    match (method, proof) {
        (Method::Totp, FactorProof::Code(code)) => {
            let sealed = cx
                .app
                .db
                .read((tenant, user), |tx, (tenant, user)| {
                    Box::pin(store::factors::totp_secret(tx, *tenant, *user))
                })
                .await?
                .ok_or_else(|| Error::refused(Code::MethodNotAvailable))?;
            let step = open_key(cx, user, &sealed)?.check(&canonical_code(code), cx.now)?;
            Ok(step.map(|step| vec![store::factors::use_step(tenant, user, &sealed, step, cx.now)]))
        }
        (Method::BackupCode, FactorProof::Code(code)) => {
            let parts = tenant.to_string();
            let digest =
                codes::digest(&cx.app.master_key, BACKUP, &[&parts], &canonical_code(code))?;
            Ok(Some(vec![store::factors::use_backup_code(tenant, user, digest, cx.now)]))
        }
        (Method::Webauthn, FactorProof::Assertion { ceremony: Some(id), credential }) => {
            let kind = Kind::Reauthenticate(me.session.id);
            let proved = assertion(me, &kind, *id, credential).await?;
            Ok(proved)
        }
        (Method::Webauthn, FactorProof::Assertion { ceremony: None, .. }) => Ok(None),
        _ => Err(Error::refused(Code::MethodNotAvailable)),
    }
}

async fn assertion(
    me: &Me,
    kind: &Kind,
    id: crate::id::CeremonyId,
    credential: &Value,
) -> Result<Option<Vec<Query>>> {
    let proved = ceremonies::finish_assertion(me.cx(), kind, id, credential).await?;
    Ok(proved.ok().filter(|proved| proved.user == me.user().id).map(|proved| proved.spent.to_vec()))
}

async fn refuse(me: &Me, method: Method, subject: [u8; 32]) -> Result<Error> {
    let (cx, user) = (me.cx(), me.user().id);
    let target = Target::User(Some(user));
    let event = Event::failure(Action::Reauthenticated, Actor::User(user), target, "invalid_code");
    let row = cx.record(event.with("method", method.as_str()))?;
    count_failure(cx, me.user(), subject, vec![row]).await?;
    Ok(Error::refused(Code::InvalidCode))
}

/// Makes the proof recent. What is spent has to be there.
async fn write(
    me: &Me,
    references: &str,
    spent: Vec<Query>,
    rows: Vec<Query>,
) -> Result<Option<Opened>> {
    let cx = me.cx();
    let secret = Token::generate(&cx.app.entropy)?;
    let new = match me.shown_by {
        ShownBy::Cookie => *secret.digest().as_bytes(),
        ShownBy::Token => me.secret_digest,
    };
    let methods = united(&me.session.auth_methods, references);
    let must = spent.len() + 1;
    let proved = store::sessions::prove(
        cx.tenant.id,
        me.session.id,
        (me.secret_digest, new),
        &methods,
        cx.now,
    );
    let mut queries = vec![proved];
    queries.extend(spent);
    queries.extend(rows);
    queries.push(cx.record(me.person.event(Action::Reauthenticated).with("by", references))?);
    cx.app
        .db
        .write((queries, must), |tx, (queries, must)| {
            Box::pin(async move {
                let counts = tx.pipeline(queries.clone()).await?;
                let held = counts.iter().take(*must).all(|changed| *changed == 1);
                if held { Ok(()) } else { Err(overtaken()) }
            })
        })
        .await?;
    Ok((me.shown_by == ShownBy::Cookie).then(|| Opened {
        id: me.session.id,
        secret,
        persistence: me.session.persistence,
        expiry: me.session.expiry,
    }))
}

/// Both lists of references without repeats, in the order they came.
fn united(known: &str, new: &str) -> String {
    let mut all: Vec<&str> = known.split_whitespace().collect();
    let fresh: Vec<&str> = new.split_whitespace().filter(|it| !all.contains(it)).collect();
    all.extend(fresh);
    all.join(" ")
}
