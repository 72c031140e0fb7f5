//! What a judged answer leaves behind.

use super::{Answer, Failure, Outcome, Uses, event};
use crate::{
    crypto::opaque::{Token, digest_text},
    db::Query,
    domain::{
        agent,
        audit::{Action, Actor, Event, Target},
        factor::{Method, STEP_FAILURES, TRUSTED_DEVICES},
        guessing::Count,
        session::Persistence,
        user::User,
    },
    error::{Error, Result},
    flows::{
        Cx, outbox, password,
        session::open::{Grounds, Opening, Visitor},
    },
    mail::message::Message,
    store::{self, challenges::Step},
};

/// Failures in a row after which the owner is told that somebody knows the password.
const TELLING: [u32; 3] = [5, 20, 100];

/// A judged answer that is about to be written down.
pub(super) struct Judged<'a> {
    pub(super) cx: &'a Cx,
    pub(super) step: &'a Step,
    pub(super) answer: &'a Answer,
}

impl Judged<'_> {
    /// Spends the step and opens a session.
    pub(super) async fn sign_in(&self, spent: Uses) -> Result<Outcome> {
        let (cx, step) = (self.cx, self.step);
        let (tenant, user) = (cx.tenant.id, step.user.id);
        let remember = step.remember || self.answer.remember_device;
        let visitor =
            Visitor { device: step.device, place: super::place(cx), place_known: step.place_known };
        let mut opening = Opening::new(
            cx,
            Grounds {
                user: &step.user,
                epoch: step.epoch,
                auth_methods: format!("pwd {}", self.answer.method.references()).trim().to_owned(),
                persistence: Persistence::from_flag(remember),
                checked_hash: None,
                visitor: &visitor,
            },
        )?;
        opening.must(store::challenges::consume(tenant, step.id, STEP_FAILURES, cx.now));
        for query in spent {
            opening.must(query);
        }
        let trusted_device = self.trust(&mut opening)?;
        let method = self.answer.method;
        let done = event(user, Action::LoginSecondFactor)
            .with("method", method.as_str())
            .with("session", opening.id().to_string());
        opening.also([store::attempts::clear(tenant, step.subject), cx.record(done)?]);
        if method == Method::Email {
            opening.also([store::factors::mail_used(tenant, user, cx.now)]);
        }
        let client_id = cx.minting_for(step.client_id.as_deref())?;
        opening.mint(cx, client_id.as_deref()).await?;
        let signed_in = opening.write(cx).await?;
        Ok(Outcome::SignedIn { signed_in: Box::new(signed_in), trusted_device })
    }

    /// Trusts the device, where that is asked for and the tenant has trusted devices.
    fn trust(&self, opening: &mut Opening) -> Result<Option<Token>> {
        let (cx, step) = (self.cx, self.step);
        let lifetime = cx.tenant.settings.trusted_device_lifetime;
        if !self.answer.trust_device || lifetime.is_zero() {
            return Ok(None);
        }
        let token = Token::generate(&cx.app.entropy)?;
        let fingerprint = self.answer.fingerprint.as_deref().filter(|text| !text.is_empty());
        let new = store::trusted_devices::New {
            id: cx.id()?,
            user: step.user.id,
            digest: *token.digest().as_bytes(),
            epoch: step.epoch,
            fingerprint: fingerprint.map(|text| digest_text(&["fingerprint", text])),
            label: agent::label(&cx.caller.agent),
            address: cx.caller.address.text(),
            now: cx.now,
            expires_at: cx.now + lifetime,
        };
        opening.also(store::trusted_devices::trust(cx.tenant.id, &new, TRUSTED_DEVICES));
        let done = event(step.user.id, Action::DeviceTrusted).with("device", new.id.to_string());
        opening.also([cx.record(done)?]);
        Ok(Some(token))
    }

    /// Counts a wrong answer, and tells the owner when there are many.
    pub(super) async fn fail(&self, failure: Failure) -> Result<Failure> {
        let (cx, step) = (self.cx, self.step);
        let user = step.user.id;
        let target = Target::User(Some(user));
        let event =
            Event::failure(Action::LoginSecondFactor, Actor::User(user), target, failure.as_str());
        let queries = vec![
            store::challenges::fail(cx.tenant.id, step.id),
            cx.record(event.with("method", self.answer.method.as_str()))?,
        ];
        count_failure(cx, &step.user, step.subject, queries).await?;
        Ok(failure)
    }
}

/// Counts a wrong second factor of a user, at whatever door, writes `queries` with it, and tells
/// the owner when there are many.
///
/// # Errors
/// Where the database fails.
pub(in crate::flows) async fn count_failure(
    cx: &Cx,
    user: &User,
    subject: [u8; 32],
    queries: Vec<Query>,
) -> Result<()> {
    let count = store::attempts::add(cx.tenant.id, subject, Some(user.id), cx.now);
    let notice = outbox::mail(
        cx,
        password::recipient(cx, user),
        &Message::FactorFailures {
            at: cx.now.micros(),
            device: agent::label(&cx.caller.agent),
            address: cx.caller.address.text(),
        },
    )?;
    let told = cx
        .app
        .db
        .write((queries, count, notice), |tx, (queries, count, notice)| {
            Box::pin(async move {
                let mut queries = queries.clone();
                let count: Count = count.clone().one(tx).await?;
                let told = TELLING.contains(&count.failures);
                if told {
                    queries.push(notice.clone());
                }
                tx.pipeline(queries).await?;
                Ok::<_, Error>(told)
            })
        })
        .await?;
    if told {
        cx.app.mail_due.notify_one();
    }
    Ok(())
}
