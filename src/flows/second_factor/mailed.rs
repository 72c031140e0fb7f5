//! Mailing a code for a second step.

use std::time::Duration;

use super::{Named, check_available, enter, event, find, mailed_digest};
use crate::{
    crypto::{codes, opaque::Token},
    domain::{
        audit::Action,
        factor::{MAILED_CODE_INTERVAL, MAILED_CODE_LIFETIME, MAILED_CODES, Method, masked_email},
        limits::Limit,
    },
    error::{Error, Result},
    flows::{Cx, outbox, password},
    mail::message::Message,
    store::{self, challenges::Step},
};

/// A code that is on its way.
#[derive(Debug)]
pub struct Sent {
    /// Where to, so that only its owner knows which address it is.
    pub destination: String,
    /// How long it is good.
    pub expires_in: Duration,
}

/// Mails a code; the newest replaces the older one. A refused one leaves the older one good.
///
/// # Errors
/// `invalid_mfa_token`, `method_not_available`, `too_many_attempts`, or where the database fails.
pub async fn send(cx: &Cx, named: &Named) -> Result<Sent> {
    let token = Token::parse(named.token.expose()).ok_or_else(super::bad_step)?;
    let _turn = enter(cx, &token, named).await?;
    let step = find(cx, &token, named, None).await?;
    check_available(cx, &step, Method::Email)?;
    if let Some(retry) = wait(cx, &step) {
        return Err(Error::Throttled { retry });
    }
    let code = codes::mailed(&cx.app.entropy)?;
    let minutes = u32::try_from(MAILED_CODE_LIFETIME.as_secs() / 60).unwrap_or(10);
    let message = Message::MfaCode { code: code.expose().clone(), expires_minutes: minutes };
    let set = store::challenges::set_email_code(
        cx.tenant.id,
        step.id,
        mailed_digest(cx, &step.id.to_string(), code.expose())?,
        (MAILED_CODES, cx.now - MAILED_CODE_INTERVAL),
        cx.now,
    );
    let rows = vec![
        cx.record(event(step.user.id, Action::CodeMailed))?,
        outbox::mail(cx, password::recipient(cx, &step.user), &message)?,
    ];
    let input = (cx.clone(), step.user.email_key.clone(), set, rows);
    cx.app
        .db
        .write(input, |tx, (cx, key, set, rows)| {
            Box::pin(async move {
                let wait = outbox::mail_wait(tx, cx, Limit::SecondFactorMails, key).await?;
                if let Some(retry) = wait {
                    return Err(Error::Throttled { retry });
                }
                if set.clone().execute(tx).await? != 1 {
                    return Err(Error::Throttled { retry: MAILED_CODE_INTERVAL });
                }
                tx.pipeline(rows.clone()).await
            })
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(Sent { destination: masked_email(&step.user.email), expires_in: MAILED_CODE_LIFETIME })
}

/// How long the next code must wait; the step's whole rest where it has had all of them.
pub(super) fn wait(cx: &Cx, step: &Step) -> Option<Duration> {
    if step.email_sends >= MAILED_CODES {
        return Some(step.expires_at.since(cx.now));
    }
    Some((step.email_sent_at + MAILED_CODE_INTERVAL).since(cx.now)).filter(|it| !it.is_zero())
}
