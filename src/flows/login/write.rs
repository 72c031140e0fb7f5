//! What a right password leaves behind, one method for each decision.

use super::{Outcome, SignedIn, Step, event};
use crate::{
    crypto::opaque::Token,
    db::Query,
    domain::{agent, audit::Action, factor::STEP_LIFETIME, ticket::Purpose, user::User},
    error::{Code, Error, Result},
    flows::{outbox, password, register, session},
    mail::message::Message,
    store,
};

/// Notices of new devices to one account in an hour.
const NOTICES_PER_HOUR: u32 = 5;
/// Reset links mailed to one account in an hour because its password has expired.
const LINKS_PER_HOUR: u32 = 3;
/// Second-factor steps of one user that may be under way; the newest pushes out the oldest.
const MAX_STEPS: i64 = 5;

impl Step<'_> {
    /// Opens a session, if what it rests on still holds.
    pub(super) async fn grant(&self, user: &User, stale: bool) -> Result<Outcome> {
        let cx = self.cx;
        let hash = self.found.password.as_ref().map(|(hash, _)| hash.as_str()).unwrap_or_default();
        let (new, opened) =
            session::prepare(cx, user.id, self.found.epoch, self.input.persistence)?;
        let mut queries = vec![
            store::sessions::insert(cx.tenant.id, &new, hash),
            store::attempts::clear(cx.tenant.id, self.subject()),
            cx.record(event(user, Action::LoginPassword).with("session", opened.id.to_string()))?,
        ];
        if stale {
            let fresh = cx.app.passwords.hash(&self.input.password).await?;
            queries.push(store::credentials::rehash(cx.tenant.id, user.id, hash, fresh.expose()));
            queries.push(cx.record(event(user, Action::PasswordRehashed))?);
        }
        let (device, device_query) = self.device(user)?;
        queries.push(device_query);
        let stranger = device.is_some() && !self.found.place_known;
        let notice = if stranger { Some(self.notice(user)?) } else { None };
        let input = (cx.clone(), user.email_key.clone(), queries, notice);
        cx.app
            .db
            .write(input, |tx, (cx, key, queries, notice)| {
                Box::pin(async move {
                    let mut queries = queries.clone();
                    if let Some(notice) = notice
                        && outbox::may_mail(tx, cx, "new_device", key, NOTICES_PER_HOUR).await?
                    {
                        queries.push(notice.clone());
                    }
                    holds(&tx.pipeline(queries).await?)
                })
            })
            .await?;
        if stranger {
            cx.app.mail_due.notify_one();
        }
        Ok(Outcome::SignedIn(SignedIn { user: user.id, session: opened, device }))
    }

    /// The device's row, and a cookie where it is new.
    fn device(&self, user: &User) -> Result<(Option<Token>, Query)> {
        let cx = self.cx;
        if let Some(known) = self.found.device {
            return Ok((None, store::devices::seen(cx.tenant.id, known, cx.now)));
        }
        let token = Token::generate(&cx.app.entropy)?;
        let device = store::devices::Device {
            id: cx.id()?,
            user: user.id,
            digest: *token.digest().as_bytes(),
            place: self.search.place.clone(),
            label: agent::label(&cx.caller.agent),
        };
        Ok((Some(token), store::devices::remember(cx.tenant.id, &device, cx.now)))
    }

    /// Begins a second-factor step.
    pub(super) async fn challenge(&self, user: &User, purpose: &'static str) -> Result<Token> {
        let cx = self.cx;
        let token = Token::generate(&cx.app.entropy)?;
        let new = store::challenges::New {
            id: cx.id()?,
            user: user.id,
            digest: *token.digest().as_bytes(),
            purpose,
            epoch: self.found.epoch,
            remember: self.input.persistence.is_remembered(),
            now: cx.now,
            expires_at: cx.now + STEP_LIFETIME,
        };
        let queries = vec![
            store::challenges::insert(cx.tenant.id, &new),
            store::challenges::push_out(cx.tenant.id, user.id, MAX_STEPS),
            store::attempts::clear(cx.tenant.id, self.subject()),
            cx.record(event(user, Action::LoginChallenged).with("purpose", purpose))?,
        ];
        cx.app
            .db
            .write(queries, |tx, queries| {
                Box::pin(async move { holds(&tx.pipeline(queries.clone()).await?) })
            })
            .await?;
        Ok(token)
    }

    /// Mails the link to a new password, which is due.
    pub(super) async fn change_password(&self, user: &User) -> Result<Outcome> {
        let cx = self.cx;
        let token = Token::generate(&cx.app.entropy)?;
        let message = Message::PasswordExpired {
            link: cx.page_url("reset-password", Some(token.expose())),
            expires_minutes: password::minutes(Purpose::ResetPassword),
        };
        let mut mail = password::reset_ticket(cx, user, &token, None)?;
        mail.push(outbox::mail(cx, password::recipient(cx, user), &message)?);
        let queries = vec![
            store::attempts::clear(cx.tenant.id, self.subject()),
            cx.record(event(user, Action::LoginPasswordChangeRequired))?,
        ];
        let input = (cx.clone(), user.email_key.clone(), queries, mail);
        cx.app
            .db
            .write(input, |tx, (cx, key, queries, mail)| {
                Box::pin(async move {
                    let mut queries = queries.clone();
                    if outbox::may_mail(tx, cx, "password_expired", key, LINKS_PER_HOUR).await? {
                        queries.extend(mail.iter().cloned());
                    }
                    tx.pipeline(queries).await
                })
            })
            .await?;
        cx.app.mail_due.notify_one();
        Ok(Outcome::ChangePassword { user: user.id })
    }

    /// Mails the link that proves the address, and says that it has to be proved.
    pub(super) async fn ask_for_proof(&self, user: &User) -> Result<Error> {
        let cx = self.cx;
        let token = Token::generate(&cx.app.entropy)?;
        let queries = vec![
            store::attempts::clear(cx.tenant.id, self.subject()),
            self.refusal(user, Code::EmailNotVerified)?,
        ];
        let input = (cx.clone(), user.clone(), queries, token);
        cx.app
            .db
            .write(input, |tx, (cx, user, queries, token)| {
                Box::pin(async move {
                    let mut queries = queries.clone();
                    queries.extend(register::ask_for_proof(tx, cx, user, token).await?);
                    tx.pipeline(queries).await
                })
            })
            .await?;
        cx.app.mail_due.notify_one();
        Ok(Error::refused(Code::EmailNotVerified))
    }

    /// Says that the account is suspended.
    pub(super) async fn suspended(&self, user: &User) -> Result<Error> {
        let queries = vec![
            store::attempts::clear(self.cx.tenant.id, self.subject()),
            self.refusal(user, Code::AccountSuspended)?,
        ];
        self.cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
        Ok(Error::refused(Code::AccountSuspended))
    }
}

/// The first statement of a grant inserts only while the facts hold. Nothing of it may stay where
/// they do not, so this is an error; the caller looks again.
fn holds(counts: &[u64]) -> Result<()> {
    match counts.first() {
        Some(1) => Ok(()),
        _ => Err(Error::refused(Code::InvalidToken)),
    }
}
