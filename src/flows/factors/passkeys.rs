//! Enrolling passkeys and security keys.

use serde_json::Value;

use super::{Enrolled, Enrolment, check_allowed, enrol, overview};
use crate::{
    crypto::webauthn::Credential,
    domain::{
        audit::{Action, Event},
        factor::{Method, PASSKEYS},
        user::Name,
    },
    error::{Code, Error, Result},
    flows::{
        ceremonies::{self, Begun, rp_id},
        me::{Enroller, Me},
    },
    id::{CeremonyId, PasskeyId},
    store::{self, passkeys::Passkey},
};

/// Begins an enrolment.
///
/// # Errors
/// `reauthentication_required`, `method_not_available`, `too_many_factors`, `too_many_attempts`,
/// or where the database fails.
pub async fn begin(by: &Enroller) -> Result<Begun> {
    by.check_recent()?;
    check_allowed(&by.person.cx, Method::Webauthn)?;
    let known = overview(&by.person).await?.passkeys;
    if i64::try_from(known.len()).is_ok_and(|count| count >= PASSKEYS) {
        return Err(Error::Taken(Code::TooManyFactors));
    }
    ceremonies::begin_registration(&by.person.cx, &by.person.user, &known).await
}

/// Enrols what an authenticator answered.
///
/// # Errors
/// `passkey_rejected`, `credential_in_use`, `too_many_factors`, or where the database fails.
pub async fn finish(
    by: &Enroller,
    id: Option<CeremonyId>,
    answer: &Value,
    name: Option<Name>,
) -> Result<(PasskeyId, Enrolled)> {
    let (person, cx) = (&by.person, &by.person.cx);
    check_allowed(cx, Method::Webauthn)?;
    let rejected = || Error::refused(Code::PasskeyRejected);
    let id = id.ok_or_else(rejected)?;
    let judged = ceremonies::finish_registration(cx, person.user.id, id, answer).await?;
    let credential = match judged {
        Ok(credential) => credential,
        Err(fault) => {
            let event = Event {
                outcome: crate::domain::audit::Outcome::Failure,
                ..person.event(Action::FactorAdded)
            };
            let row = cx.record(
                event.with("method", "webauthn").with("reason", ceremonies::reason(fault)),
            )?;
            cx.app.db.write(row, |tx, row| Box::pin(row.clone().execute(tx))).await?;
            return Err(rejected());
        }
    };
    let before = overview(person).await?;
    if i64::try_from(before.passkeys.len()).is_ok_and(|count| count >= PASSKEYS) {
        return Err(Error::Taken(Code::TooManyFactors));
    }
    let new = passkey(by, &credential, name)?;
    let id = new.id;
    let insert = store::passkeys::insert(cx.tenant.id, &new, PASSKEYS);
    let new = Enrolment { method: Method::Webauthn, replaces: false, must: vec![insert] };
    match enrol(by, &before, new).await {
        Ok(enrolled) => Ok((id, enrolled)),
        // The ceremony was good, so only the insert can have found no place.
        Err(Error::Refused(no)) if no.code == Code::SetupNotFound => {
            Err(Error::Taken(Code::CredentialInUse))
        }
        Err(other) => Err(other),
    }
}

fn passkey(by: &Enroller, credential: &Credential, name: Option<Name>) -> Result<Passkey> {
    let cx = &by.person.cx;
    let label = || crate::domain::agent::label(&cx.caller.agent);
    Ok(Passkey {
        id: cx.id()?,
        user: by.person.user.id,
        rp_id: rp_id(cx),
        credential_id: credential.id().as_bytes().to_vec(),
        credential: credential.to_json()?,
        counter: i64::from(credential.counter()),
        name: name.map_or_else(label, |name| name.as_str().to_owned()),
        aaguid: credential.aaguid().map(|id| id.to_string()),
        user_verified: credential.user_verified(),
        backed_up: credential.backed_up(),
        created_at: cx.now,
        last_used_at: None,
    })
}

/// Renames one.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn rename(me: &Me, id: PasskeyId, name: &Name) -> Result<()> {
    let cx = me.cx();
    let rows = vec![
        store::passkeys::rename(cx.tenant.id, me.user().id, id, name.as_str()),
        cx.record(me.person.event(Action::FactorChanged).with("passkey", id.to_string()))?,
    ];
    cx.app
        .db
        .write(rows, |tx, rows| {
            Box::pin(async move {
                match tx.pipeline(rows.clone()).await?.first() {
                    Some(1) => Ok(()),
                    _ => Err(Error::NotFound),
                }
            })
        })
        .await
}
