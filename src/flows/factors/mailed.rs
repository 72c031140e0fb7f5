//! Enrolling mailed codes: nobody gets them before a first one was entered.

use super::{Enrolled, Enrolment, check_allowed, enrol, overview};
use crate::{
    crypto::codes,
    domain::{
        audit::Action,
        factor::{
            MAILED_CODE_LIFETIME, Method, SETUP_LIFETIME, STEP_FAILURES, canonical_code,
            masked_email,
        },
        limits::Limit,
    },
    error::{Code, Error, Result},
    flows::{
        me::Enroller,
        outbox, password,
        second_factor::{is_same, mailed::Sent, mailed_digest},
    },
    mail::message::Message,
    store::{self, factors::Setup},
};

/// Mails a first code to the account's address.
///
/// # Errors
/// `reauthentication_required`, `method_not_available`, `too_many_attempts`, or where the database
/// fails.
pub async fn enable(by: &Enroller) -> Result<Sent> {
    by.check_recent()?;
    let (cx, user) = (&by.person.cx, &by.person.user);
    check_allowed(cx, Method::Email)?;
    let code = codes::mailed(&cx.app.entropy)?;
    let minutes = u32::try_from(MAILED_CODE_LIFETIME.as_secs() / 60).unwrap_or(10);
    let message = Message::MfaCode { code: code.expose().clone(), expires_minutes: minutes };
    let digest = mailed_digest(cx, &user.id.to_string(), code.expose())?;
    let setup = Setup { secret: None, code: Some(digest.to_vec()) };
    let times = (cx.now, cx.now + SETUP_LIFETIME);
    let rows = vec![
        store::factors::begin_setup(cx.tenant.id, user.id, Method::Email, setup, times),
        cx.record(by.person.event(Action::CodeMailed))?,
        outbox::mail(cx, password::recipient(cx, user), &message)?,
    ];
    let input = (cx.clone(), user.email_key.clone(), rows);
    cx.app
        .db
        .write(input, |tx, (cx, key, rows)| {
            Box::pin(async move {
                let wait = outbox::mail_wait(tx, cx, Limit::SecondFactorMails, key).await?;
                if let Some(retry) = wait {
                    return Err(Error::Throttled { retry });
                }
                tx.pipeline(rows.clone()).await
            })
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(Sent { destination: masked_email(&user.email), expires_in: SETUP_LIFETIME })
}

/// Takes mailed codes into use by the first right one, which also proves the address.
///
/// # Errors
/// `setup_not_found` where none waits or too many codes were wrong, `invalid_code`, or where the
/// database fails.
pub async fn confirm(by: &Enroller, code: &str) -> Result<Enrolled> {
    let (cx, user) = (&by.person.cx, by.person.user.id);
    check_allowed(cx, Method::Email)?;
    let tenant = cx.tenant.id;
    let setup = cx
        .app
        .db
        .write((tenant, user, cx.now), |tx, (tenant, user, now)| {
            let limit = (STEP_FAILURES, *now);
            Box::pin(store::factors::try_setup(tx, *tenant, *user, Method::Email, limit))
        })
        .await?;
    let known = setup.and_then(|setup| <[u8; 32]>::try_from(setup.code?).ok());
    let known = known.ok_or_else(|| Error::refused(Code::SetupNotFound))?;
    let digest = mailed_digest(cx, &user.to_string(), &canonical_code(code))?;
    if !is_same(&known, &digest) {
        return Err(Error::refused(Code::InvalidCode));
    }
    let before = overview(&by.person).await?;
    let waiting = Setup { secret: None, code: Some(digest.to_vec()) };
    let new = Enrolment {
        method: Method::Email,
        replaces: false,
        must: vec![
            store::factors::end_setup(tenant, user, Method::Email, &waiting),
            store::factors::put(tenant, user, Method::Email, (None, 0), cx.now),
        ],
    };
    enrol(by, &before, new).await
}
