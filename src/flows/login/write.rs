//! What a right password leaves behind, one method for each decision.

use super::{Outcome, Step, event};
use crate::{
    crypto::{hasher::Class, opaque::Token},
    db::{Query, Written},
    domain::{audit::Action, factor::STEP_LIFETIME, limits::Limit, ticket::Purpose, user::User},
    error::{Code, Error, Result},
    flows::{
        Cx, outbox, password, register, second_factor,
        session::open::{Grounds, Opening, Visitor, overtaken},
    },
    mail::message::Message,
    store,
};

/// Second-factor steps of one user that may be under way; the newest pushes out the oldest.
const MAX_STEPS: i64 = 5;

impl Step<'_> {
    /// Opens a session, if what it rests on still holds.
    pub(super) async fn grant(&self, user: &User, stale: bool) -> Result<Outcome> {
        let (cx, tenant) = (self.cx, self.cx.tenant.id);
        let hash = self.found.password.as_ref().map(|(hash, _)| hash.as_str());
        let visitor = Visitor {
            device: self.found.device,
            place: self.search.place.clone(),
            place_known: self.found.place_known,
        };
        let mut opening = Opening::new(
            cx,
            Grounds {
                user,
                epoch: self.found.epoch,
                auth_methods: "pwd".to_owned(),
                persistence: self.input.persistence,
                checked_hash: hash,
                visitor: &visitor,
            },
        )?;
        let mut done = event(user, Action::LoginPassword).with("session", opening.id().to_string());
        if let Some(trusted) = self.found.trusted_device {
            opening.must(store::trusted_devices::used(tenant, trusted.id, cx.now));
            done = done.with("trusted_device", trusted.id.to_string());
        }
        opening.also([
            store::attempts::clear(tenant, self.subject()),
            cx.record(done)?,
            self.assessed.row(cx, Some(user.id), "success")?,
        ]);
        if let Some(hash) = hash.filter(|_| stale) {
            self.rehash(user, hash, &mut opening).await?;
        }
        opening.mint(cx, self.input.client_id.as_deref()).await?;
        opening.write(cx).await.map(Outcome::SignedIn)
    }

    /// Replaces a hash that is out of date; whoever is second in that looks again. Where too many
    /// wait it can be done another time: who is in must not be turned away for that.
    async fn rehash(&self, user: &User, hash: &str, opening: &mut Opening) -> Result<()> {
        let cx = self.cx;
        let order = cx.hashing(Class::Known);
        let fresh = match cx.app.passwords.hash(order, &self.input.password).await {
            Ok(fresh) => fresh,
            Err(Error::Busy { .. }) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        opening.must(store::credentials::rehash(cx.tenant.id, user.id, hash, fresh.expose()));
        opening.also([cx.record(event(user, Action::PasswordRehashed))?]);
        Ok(())
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
            subject: second_factor::subject(
                user.id,
                self.input.device.as_ref().filter(|_| self.found.device.is_some()),
            ),
            client_id: self.input.client_id.clone(),
            now: cx.now,
            expires_at: cx.now + STEP_LIFETIME,
        };
        let must = vec![store::challenges::insert(cx.tenant.id, &new)];
        let also = vec![
            store::challenges::push_out(cx.tenant.id, user.id, new.id, MAX_STEPS),
            store::attempts::clear(cx.tenant.id, self.subject()),
            cx.record(event(user, Action::LoginChallenged).with("purpose", purpose))?,
            self.assessed.row(cx, Some(user.id), "challenged")?,
        ];
        // Inserts only while the facts hold; where they do not, the caller looks again.
        match cx.app.db.write_all(must, also).await? {
            Written::All => Ok(token),
            Written::Nothing => Err(overtaken()),
        }
    }

    /// Mails the link to a new password, which is due.
    pub(super) async fn change_password(&self, user: &User) -> Result<Outcome> {
        let clear = store::attempts::clear(self.cx.tenant.id, self.subject());
        let row = self.assessed.row(self.cx, Some(user.id), "password_change_required")?;
        change_password(self.cx, user, vec![clear, row]).await
    }

    /// Mails the link that proves the address, and says that it has to be proved.
    pub(super) async fn ask_for_proof(&self, user: &User) -> Result<Error> {
        let cx = self.cx;
        let token = Token::generate(&cx.app.entropy)?;
        let queries = vec![
            store::attempts::clear(cx.tenant.id, self.subject()),
            self.refusal(user, Code::EmailNotVerified)?,
            self.assessed.row(cx, Some(user.id), Code::EmailNotVerified.as_str())?,
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
            self.assessed.row(self.cx, Some(user.id), Code::AccountSuspended.as_str())?,
        ];
        self.cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
        Ok(Error::refused(Code::AccountSuspended))
    }
}

/// Mails the link to a new password, which is due, and writes `rows` with it.
pub(super) async fn change_password(cx: &Cx, user: &User, mut rows: Vec<Query>) -> Result<Outcome> {
    let token = Token::generate(&cx.app.entropy)?;
    let message = Message::PasswordExpired {
        link: cx.page_url("reset-password", Some(token.expose())),
        expires_minutes: password::minutes(Purpose::ResetPassword),
    };
    let mut mail = password::reset_ticket(cx, user, &token, None)?;
    mail.push(outbox::mail(cx, password::recipient(cx, user), &message)?);
    rows.push(cx.record(event(user, Action::LoginPasswordChangeRequired))?);
    let input = (cx.clone(), user.email_key.clone(), rows, mail);
    cx.app
        .db
        .write(input, |tx, (cx, key, rows, mail)| {
            Box::pin(async move {
                let mut rows = rows.clone();
                if outbox::may_mail(tx, cx, Limit::ExpiredPasswordMails, key).await? {
                    rows.extend(mail.iter().cloned());
                }
                tx.pipeline(rows).await
            })
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(Outcome::ChangePassword { user: user.id })
}
