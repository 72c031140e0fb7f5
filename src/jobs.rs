//! Work in the background: each kind in a loop of its own, claimed row by row, so that any number
//! of nodes may run it.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    app::App,
    error::{Error, Result},
    flows::{account_deletion, alarms, audit, keys, notes, oauth::backchannel, outbox, pictures},
    id::Realm,
    store::{self, expiry::Dead},
};

/// Dead rows dropped in one transaction.
const PURGE_BATCH: i64 = 200;
/// How long work that keeps failing waits at most, unless its own pause is longer.
const LONGEST: Duration = Duration::from_secs(15);

/// Runs all background work until `stop` says so, then returns when what is under way is done.
pub async fn run(app: Arc<App>, stop: watch::Receiver<bool>) {
    tokio::join!(
        every(&app, stop.clone(), Duration::from_secs(1), Job::Mail),
        every(&app, stop.clone(), Duration::from_secs(1), Job::Notices),
        every(&app, stop.clone(), Duration::from_secs(1), Job::Audit),
        every(&app, stop.clone(), Duration::from_secs(30), Job::Expiry),
        every(&app, stop.clone(), Duration::from_mins(1), Job::Keys),
        every(&app, stop.clone(), Duration::from_mins(1), Job::Deletion),
        every(&app, stop.clone(), Duration::from_mins(1), Job::Pictures),
        every(&app, stop.clone(), Duration::from_secs(5), Job::Alarms),
        every(&app, stop, Duration::from_secs(1), Job::Notes),
    );
}

#[derive(Debug, Clone, Copy)]
enum Job {
    Mail,
    Notices,
    Audit,
    Expiry,
    Keys,
    Deletion,
    Pictures,
    Alarms,
    Notes,
}

async fn every(app: &Arc<App>, mut stop: watch::Receiver<bool>, pause: Duration, job: Job) {
    let mut failures: u32 = 0;
    while !*stop.borrow() {
        let rest = match step(app, job).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => pause,
            Err(error) => {
                report(job, &error, failures);
                failures = failures.saturating_add(1);
                pause
                    .saturating_mul(2_u32.saturating_pow(failures.min(6)))
                    .min(LONGEST)
                    .max(pause * 2)
            }
        };
        if rest <= pause {
            failures = 0;
        }
        let mail = async {
            match job {
                Job::Mail => app.mail_due.notified().await,
                Job::Notices => app.logout_due.notified().await,
                Job::Audit
                | Job::Expiry
                | Job::Keys
                | Job::Deletion
                | Job::Pictures
                | Job::Alarms
                | Job::Notes => {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = mail => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// One round of a job; whether there may be more to do at once.
async fn step(app: &Arc<App>, job: Job) -> Result<bool> {
    match job {
        Job::Mail => Ok(outbox::send_due(app).await? > 0),
        Job::Notices => Ok(backchannel::send_due(app).await? > 0),
        Job::Audit => Ok(audit::chain(app).await? > 0),
        Job::Expiry => {
            outbox::observe(app).await?;
            purge(app).await
        }
        // Made before anybody waits for them: an RSA key takes a while.
        Job::Keys => {
            keys::published(app, Realm::Platform).await?;
            keys::rotation::due(app).await
        }
        Job::Deletion => account_deletion::delete_due(app).await,
        Job::Pictures => pictures::fetch_missing(app).await.map(|()| false),
        Job::Alarms => alarms::watch(app).await.map(|()| false),
        Job::Notes => notes::write(app).await,
    }
}

/// Drops a batch of each kind of dead row; whether there may be more.
///
/// # Errors
/// Where the database fails.
pub async fn purge(app: &App) -> Result<bool> {
    let mut more = false;
    for &dead in Dead::ALL {
        let dropped = app
            .db
            .write((dead, app.clock.now()), |tx, (dead, now)| {
                Box::pin(store::expiry::purge_all_tenants(tx, *dead, *now, PURGE_BATCH))
            })
            .await?;
        more |= i64::try_from(dropped).is_ok_and(|dropped| dropped == PURGE_BATCH);
    }
    Ok(more)
}

fn report(job: Job, error: &Error, failures: u32) {
    match error {
        Error::Internal(fault) => {
            tracing::error!(?job, failures, cause = fault.chain(), "background work failed");
        }
        other => tracing::warn!(?job, failures, cause = ?other, "background work waits"),
    }
}
