//! One key follows another: published before it signs, and kept until its last token has ended.
//!
//! Every node does the same at its own time. What counts is a conditional statement, so that one
//! of them does it, and whichever it is does not matter.

use std::{collections::BTreeSet, time::Duration};

use super::{ensure, make, refresh};
pub use crate::store::keys::Standing;
use crate::{
    app::App,
    clock::Timestamp,
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        token::{KeyState, SigningAlgorithm},
    },
    error::{Error, Result},
    flows::{Caller, fresh_id, record},
    id::{Realm, RequestId},
    store,
};

/// How long a key is published before it signs, unless half of its time is less.
const LEAD: Duration = Duration::from_hours(7 * 24);
/// The same, where an operator does not want to wait: as long as whoever keeps a key set may keep
/// it, and more.
const SHORT_LEAD: Duration = Duration::from_hours(1);
/// How long a key is published after it has signed: the longest life of a token, and an hour in
/// which other nodes notice.
const KEPT: Duration = Duration::from_hours(25);
/// Keys that are looked at in one round.
const BATCH: i64 = 20;

/// How another key is to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is published now and signs in an hour.
    Announced,
    /// It signs at once; the old one stays published until its tokens have ended.
    AtOnce,
    /// It signs at once, and the others are dropped: whatever they signed is refused.
    Compromised,
}

/// What is due: keys that outlived their tokens are dropped, next ones are put to use, and those
/// that grow old get a successor. Whether there may be more to do.
///
/// # Errors
/// Where the database or the making of a key fails.
pub async fn due(app: &App) -> Result<bool> {
    let now = app.clock.now();
    let request: RequestId = fresh_id(&app.entropy, now)?;
    let caller = Caller::operator(request.to_string());
    app.db.write(now, |tx, now| Box::pin(store::keys::drop_dead(*now).execute(tx))).await?;
    let due = app.db.read(now, |tx, now| Box::pin(store::keys::due(tx, *now, BATCH))).await?;
    for next in &due {
        promote(app, &caller, next).await?;
    }
    let ageing = match lead(app) {
        None => Vec::new(),
        Some((period, lead)) => {
            let before = now - period.saturating_sub(lead);
            let read =
                app.db.read(before, |tx, before| Box::pin(store::keys::ageing(tx, *before, BATCH)));
            let ageing = read.await?;
            for old in &ageing {
                let planned = old.activated_at.unwrap_or(now) + period;
                announce(app, old.realm, old.algorithm, planned.max(now + lead)).await?;
            }
            ageing
        }
    };
    Ok([due.len(), ageing.len()].iter().any(|count| i64::try_from(*count) == Ok(BATCH)))
}

/// How long a key signs, and how long before its end the next one is published.
fn lead(app: &App) -> Option<(Duration, Duration)> {
    let days = u64::from(app.config.oauth.key_rotation_days);
    let period = Duration::from_hours(24 * days);
    (days > 0).then(|| (period, LEAD.min(period / 2)))
}

/// Publishes the next key of an algorithm, unless there is one already.
async fn announce(
    app: &App,
    realm: Realm,
    algorithm: SigningAlgorithm,
    at: Timestamp,
) -> Result<()> {
    let key = make(app, realm, algorithm).await?;
    let kid = key.kid.clone();
    let query = store::keys::announce(realm, &key, (app.clock.now(), at));
    let won = app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    if won == 1 {
        tracing::info!(%realm, algorithm = algorithm.as_str(), kid, "the next signing key");
    }
    refresh(app, realm).await
}

/// Puts a next key to use, unless another node has.
async fn promote(app: &App, caller: &Caller, next: &Standing) -> Result<()> {
    let (realm, now) = (next.realm, app.clock.now());
    let queries = (
        store::keys::retire(realm, next.algorithm, &next.kid, (now, now + KEPT)),
        store::keys::promote(realm, &next.kid, now),
        told(app, caller, Action::KeyRotated, (realm, next.algorithm, &next.kid))?,
    );
    let won = app
        .db
        .write(queries, |tx, (retire, promote, told)| {
            Box::pin(async move {
                let retired = retire.clone().execute(tx).await?;
                let promoted = promote.clone().execute(tx).await?;
                if promoted == 0 && retired > 0 {
                    let doing = "putting a signing key to use";
                    return Err(Error::internal(doing, "another node was here in between"));
                }
                if let (1, Some(told)) = (promoted, told) {
                    told.clone().execute(tx).await?;
                }
                Ok(promoted == 1)
            })
        })
        .await?;
    if won {
        let algorithm = next.algorithm.as_str();
        tracing::info!(%realm, algorithm, kid = next.kid, "a signing key was put to use");
    }
    refresh(app, realm).await
}

/// The row of the trail, where the realm has one.
fn told(
    app: &App,
    caller: &Caller,
    action: Action,
    (realm, algorithm, kid): (Realm, SigningAlgorithm, &str),
) -> Result<Option<Query>> {
    let Realm::Tenant(tenant) = realm else { return Ok(None) };
    let event = Event::success(action, Actor::Operator, Target::Tenant(tenant))
        .with("algorithm", algorithm.as_str())
        .with("kid", kid);
    record(app, (tenant, app.clock.now()), caller, event).map(Some)
}

/// Has another key take over in a realm: for one algorithm, or for each that the realm has. Where
/// the realm stands then.
///
/// # Errors
/// Where the database or the making of a key fails.
pub async fn rotate(
    app: &App,
    caller: &Caller,
    realm: Realm,
    (algorithm, how): (Option<SigningAlgorithm>, How),
) -> Result<Vec<Standing>> {
    let before = standing(app, realm).await?;
    let all: BTreeSet<SigningAlgorithm> = match algorithm {
        Some(one) => BTreeSet::from([one]),
        None => before.iter().map(|key| key.algorithm).collect(),
    };
    for algorithm in all {
        let mut of_it = before.iter().filter(|key| key.algorithm == algorithm);
        let next = of_it.clone().any(|key| key.state == KeyState::Next);
        let is_used = of_it.any(|key| key.state == KeyState::Active);
        match how {
            How::Compromised => replace(app, caller, realm, algorithm).await?,
            // There is nothing to take over from.
            _ if !is_used && !next => drop(ensure(app, realm, &[algorithm]).await?),
            How::Announced if next => hasten(app, realm, algorithm).await?,
            How::Announced => {
                announce(app, realm, algorithm, app.clock.now() + SHORT_LEAD).await?;
            }
            How::AtOnce => at_once(app, caller, realm, algorithm).await?,
        }
    }
    standing(app, realm).await
}

async fn hasten(app: &App, realm: Realm, algorithm: SigningAlgorithm) -> Result<()> {
    let query = store::keys::hasten(realm, algorithm, app.clock.now() + SHORT_LEAD);
    app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await.map(drop)
}

async fn at_once(
    app: &App,
    caller: &Caller,
    realm: Realm,
    algorithm: SigningAlgorithm,
) -> Result<()> {
    let now = app.clock.now();
    let next = async || {
        let all = standing(app, realm).await?;
        let is_next = |it: &Standing| it.algorithm == algorithm && it.state == KeyState::Next;
        Ok::<_, Error>(all.into_iter().find(is_next))
    };
    let mut found = next().await?;
    if found.is_none() {
        announce(app, realm, algorithm, now).await?;
        found = next().await?;
    }
    // Where it is gone again, another node has put it to use.
    match found {
        Some(found) => promote(app, caller, &found).await,
        None => Ok(()),
    }
}

async fn replace(
    app: &App,
    caller: &Caller,
    realm: Realm,
    algorithm: SigningAlgorithm,
) -> Result<()> {
    let key = make(app, realm, algorithm).await?;
    let queries = (
        store::keys::drop_all(realm, algorithm),
        store::keys::activate(realm, &key, app.clock.now()),
        told(app, caller, Action::KeyCompromised, (realm, algorithm, &key.kid))?,
    );
    app.db
        .write(queries, |tx, (drop_all, activate, told)| {
            Box::pin(async move {
                drop_all.clone().execute(tx).await?;
                if activate.clone().execute(tx).await? != 1 {
                    let doing = "replacing a signing key";
                    return Err(Error::internal(doing, "another node made one meanwhile"));
                }
                if let Some(told) = told {
                    told.clone().execute(tx).await?;
                }
                Ok(())
            })
        })
        .await?;
    tracing::warn!(%realm, algorithm = algorithm.as_str(), kid = key.kid, "signing keys dropped");
    refresh(app, realm).await
}

/// Where the keys of a realm stand, oldest first.
///
/// # Errors
/// Where the database fails.
pub async fn standing(app: &App, realm: Realm) -> Result<Vec<Standing>> {
    app.db.read(realm, |tx, realm| Box::pin(store::keys::standing(tx, *realm))).await
}

/// Where some of the keys of all realms stand that follow `after`; none where that was the last.
///
/// # Errors
/// Where the database fails.
pub async fn page(app: &App, after: Option<&Standing>) -> Result<Vec<Standing>> {
    let after = after.map(|it| (it.realm.to_string(), it.kid.clone())).unwrap_or_default();
    app.db.read(after, |tx, (realm, kid)| Box::pin(store::keys::page(tx, (realm, kid), 500))).await
}
