//! Mail: putting it into the outbox with the change that it tells of, and sending what waits.

use std::time::Duration;

use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque::digest_text,
    db::{Query, Tx},
    domain::limits::Limit,
    error::{Context, Error, Result},
    flows::{Cx, brand, tenants},
    id::MailId,
    mail::{
        SendFault,
        compose::{Envelope, Mail, compose},
        message::Message,
    },
    store::{self, outbox::Claimed},
    text::Locale,
};

const SEAL: &str = "outbox";
const HOUR: Duration = Duration::from_hours(1);

/// Whom a mail goes to.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The address, exactly as stored with the account or the registration.
    pub email: &'a str,
    /// The language.
    pub locale: Locale,
}

/// The row that puts a mail into the outbox.
///
/// # Errors
/// Where there is no randomness to seal it with.
pub fn mail(cx: &Cx, to: Recipient<'_>, message: &Message) -> Result<Query> {
    Ok(store::outbox::insert(cx.tenant.id, new(cx, to, message)?))
}

/// The rows that count a mail as [`may_mail`] does, and put it into the outbox where it may go out:
/// for a transaction that waits for no answer in between.
///
/// # Errors
/// As [`mail`].
pub fn mail_within(
    cx: &Cx,
    (limit, key): (Limit, &str),
    to: Recipient<'_>,
    message: &Message,
) -> Result<[Query; 2]> {
    let policy = limit.policy();
    let (tenant, subject) = (cx.tenant.id, digest_text(&["mail", policy.name, key]));
    Ok([
        store::attempts::add_in_window(tenant, subject, policy.window, cx.now),
        store::outbox::insert_within(tenant, new(cx, to, message)?, subject, policy.amount),
    ])
}

fn new(cx: &Cx, to: Recipient<'_>, message: &Message) -> Result<store::outbox::New> {
    let id: MailId = cx.id()?;
    let plain = serde_json::to_vec(message).doing("writing a mail")?;
    let aad = [cx.tenant.id.to_string(), id.to_string()];
    Ok(store::outbox::New {
        id,
        kind: message.kind(),
        recipient: to.email.to_owned(),
        locale: to.locale.as_str().to_owned(),
        payload: cx.app.master_key.seal(SEAL, &aad.each_ref().map(String::as_str), &plain)?,
        now: cx.now,
        give_up_at: cx.now + cx.app.config.mail.give_up_after,
    })
}

/// Counts one more mail to an address, and says whether it may go out. The count is atomic over all
/// nodes.
///
/// # Errors
/// Where the database fails.
pub async fn may_mail(tx: &mut Tx, cx: &Cx, limit: Limit, key: &str) -> Result<bool> {
    Ok(mail_wait(tx, cx, limit, key).await?.is_none())
}

/// As [`may_mail`], and how long the next mail has to wait; `None`: this one may go out.
///
/// # Errors
/// Where the database fails.
pub async fn mail_wait(tx: &mut Tx, cx: &Cx, limit: Limit, key: &str) -> Result<Option<Duration>> {
    let policy = limit.policy();
    let subject = digest_text(&["mail", policy.name, key]);
    let count = store::attempts::add_in_window(cx.tenant.id, subject, policy.window, cx.now)
        .one::<crate::domain::guessing::Count>(tx)
        .await?;
    Ok((count.failures > policy.amount).then(|| (count.first_at + policy.window).since(cx.now)))
}

/// How many mails are claimed at once.
const BATCH: i64 = 20;
/// How long a claim holds: longer than a mail may take, and how long mail is late when a node dies.
const CLAIM: Duration = Duration::from_secs(60);
/// How long one mail may take in all.
const PATIENCE: Duration = Duration::from_secs(50);
/// How often it is tried to write down what became of a mail.
const SETTLE_TRIES: u32 = 20;
/// How long between two of these tries.
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// Sends what is due; how many mails were claimed.
///
/// # Errors
/// Where the database fails. A mail that cannot be sent is no error: it waits or is given up.
pub async fn send_due(app: &App) -> Result<usize> {
    if !app.mailer.is_ready() {
        return Ok(0);
    }
    let now = app.clock.now();
    let claimed = app
        .db
        .write(now, |tx, now| {
            Box::pin(store::outbox::claim_all_tenants(tx, BATCH, *now + CLAIM, *now))
        })
        .await?;
    let count = claimed.len();
    futures_util::future::join_all(claimed.into_iter().map(|mail| deliver(app, mail, now + CLAIM)))
        .await
        .into_iter()
        .collect::<Result<Vec<()>>>()?;
    Ok(count)
}

/// Sends a mail that is claimed until `until`.
async fn deliver(app: &App, mail: Claimed, until: Timestamp) -> Result<()> {
    let outcome = match prepare(app, &mail).await {
        Ok(None) => Err(SendFault::never("its tenant was deleted")),
        Ok(Some(ready)) => tokio::time::timeout(PATIENCE, app.mailer.send(&ready))
            .await
            .unwrap_or_else(|_| Err(SendFault::later("it took too long"))),
        Err(Error::Internal(fault)) => {
            tracing::error!(mail = %mail.id, cause = fault.chain(), "a mail cannot be composed");
            Err(SendFault::later("it cannot be composed; see the log"))
        }
        Err(other) => return Err(other),
    };
    let now = app.clock.now();
    let (query, result) = match outcome {
        Ok(()) => (store::outbox::sent(mail.tenant, mail.id, now), "sent"),
        Err(SendFault::Never(why)) => (dead(&mail, &why, now), "dead"),
        Err(SendFault::Later(why)) => {
            let next = now + wait(app, mail.tries)?;
            if next >= mail.give_up_at {
                (dead(&mail, &why, now), "dead")
            } else {
                tracing::warn!(mail = %mail.id, tries = mail.tries, why, "mail waits");
                (store::outbox::postpone(mail.tenant, mail.id, &why, next), "postponed")
            }
        }
    };
    metrics::counter!("countersign_mails_total", "result" => result).increment(1);
    settle(app, &query, until).await
}

/// Writes down what became of a mail. The mail has left by then: given up too early, this would
/// have the next node send it once more, so a database that is away for a moment is waited for, as
/// long as the mail is ours.
async fn settle(app: &App, query: &Query, until: Timestamp) -> Result<()> {
    let mut tries = 1;
    loop {
        let result =
            app.db.write(query.clone(), |tx, query| Box::pin(query.clone().execute(tx))).await;
        match result {
            Err(Error::Busy { .. }) if tries < SETTLE_TRIES && app.clock.now() < until => {
                tries += 1;
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
            other => return other.map(|_| ()),
        }
    }
}

fn dead(mail: &Claimed, why: &str, now: Timestamp) -> Query {
    tracing::error!(mail = %mail.id, tries = mail.tries, why, "mail is given up");
    store::outbox::give_up(mail.tenant, mail.id, why, now)
}

/// 5 s, doubled with each try up to an hour, and up to a quarter more so that nodes spread.
fn wait(app: &App, tries: u32) -> Result<Duration> {
    let base = Duration::from_secs(5 << tries.saturating_sub(1).min(10)).min(HOUR);
    let quarter = u64::try_from(base.as_millis() / 4).unwrap_or(0);
    Ok(base + Duration::from_millis(app.entropy.up_to(quarter)?))
}

/// The mail as it is sent; `None` where its tenant was deleted.
async fn prepare(app: &App, mail: &Claimed) -> Result<Option<Mail>> {
    let Some(tenant) = tenants::by_id(app, mail.tenant).await? else { return Ok(None) };
    let aad = [mail.tenant.to_string(), mail.id.to_string()];
    let plain = app.master_key.open(SEAL, &aad.each_ref().map(String::as_str), &mail.payload)?;
    let message: Message = serde_json::from_slice(plain.expose()).doing("reading a mail")?;
    let envelope = Envelope {
        id: mail.id,
        from: &app.config.mail.from,
        to: &mail.recipient,
        created_at: mail.created_at,
    };
    let locale = mail.locale.parse().unwrap_or(Locale::En);
    compose(&app.view, locale, &brand(app, &tenant), &envelope, &message).map(Some)
}

/// The newest mails of a tenant, of one state or of all.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx, state: Option<String>) -> Result<Vec<store::outbox::Listed>> {
    cx.app
        .db
        .read((cx.tenant.id, state), |tx, (tenant, state)| {
            Box::pin(store::outbox::list(tx, *tenant, state.clone(), 200))
        })
        .await
}

/// Lets a tenant's dead mails be tried again; how many.
///
/// # Errors
/// Where the database fails.
pub async fn revive(cx: &Cx) -> Result<u64> {
    let give_up_at = cx.now + cx.app.config.mail.give_up_after;
    cx.app
        .db
        .write((cx.tenant.id, give_up_at, cx.now), |tx, (tenant, give_up_at, now)| {
            Box::pin(store::outbox::revive(tx, *tenant, *give_up_at, *now))
        })
        .await
}

/// Publishes how many mails wait and how many are dead.
///
/// # Errors
/// Where the database fails.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^52")]
pub async fn observe(app: &App) -> Result<()> {
    let (waiting, dead) =
        app.db.read((), |tx, ()| Box::pin(store::outbox::totals_all_tenants(tx))).await?;
    metrics::gauge!("countersign_mails_waiting").set(waiting as f64);
    metrics::gauge!("countersign_mails_dead").set(dead as f64);
    Ok(())
}
