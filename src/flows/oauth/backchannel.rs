//! Telling applications that a session has ended (OpenID Connect Back-Channel Logout 1.0), however
//! it did: the database turns the note of an application into a notice that is due as soon as the
//! session is gone.
//!
//! Each notice is on its own, so that an application which does not answer keeps nobody waiting.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use url::Url;

use super::{
    issuer,
    mint::{id_algorithm, token_id},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::application::Application,
    error::Result,
    fetch::Unfetched,
    flows::{applications, keys, tokens::claims::seconds},
    secret::Secret,
    store::{self, session_clients::Notice},
};

/// Notices that are claimed at once.
const BATCH: i64 = 64;
/// Notices that are under way at the same time.
const TOGETHER: usize = 16;
/// How long a claim holds: longer than a batch may take, and how late a notice is when a node dies.
const CLAIM: Duration = Duration::from_secs(60);
/// How long a logout token is good, in seconds (§2.4: two minutes at most).
const LIFETIME: i64 = 120;
/// The event that a logout token tells of (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Tries in all: with the pauses between them, the last one comes after a day.
const TRIES: u32 = 28;

/// Sends what is due; how many notices were claimed.
///
/// # Errors
/// Where the database fails. An application that does not answer is no error: its notice waits, or
/// is given up.
pub async fn send_due(app: &Arc<App>) -> Result<usize> {
    let now = app.clock.now();
    let claimed = app
        .db
        .write(now, |tx, now| {
            Box::pin(store::session_clients::claim_all_tenants(tx, BATCH, *now + CLAIM, *now))
        })
        .await?;
    let count = claimed.len();
    let sent: Vec<Result<()>> = stream::iter(claimed)
        .map(|notice| deliver(app, notice))
        .buffer_unordered(TOGETHER)
        .collect()
        .await;
    sent.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(count)
}

/// How long a notice waits after so many tries.
fn pause(tries: u32) -> Duration {
    Duration::from_secs(match tries {
        0 | 1 => 1,
        2 => 10,
        3 => 60,
        4 => 600,
        _ => 3_600,
    })
}

async fn deliver(app: &Arc<App>, notice: Notice) -> Result<()> {
    let Notice { tenant, sid, application, tries, .. } = notice;
    let done = store::session_clients::done(tenant, sid, application);
    let told = tell(app, &notice).await?;
    let (query, result) = match told {
        Told::Done => (done, "done"),
        Told::Nobody => (done, "nobody"),
        Told::Failed(why) if tries >= TRIES => {
            tracing::error!(client = notice.client_id, why, "a logout notice is given up");
            (done, "dead")
        }
        Told::Failed(why) => {
            tracing::warn!(client = notice.client_id, tries, why, "a logout notice waits");
            let next = app.clock.now() + pause(tries);
            (store::session_clients::postpone(tenant, sid, application, next), "postponed")
        }
    };
    metrics::counter!("countersign_logout_notices_total", "result" => result).increment(1);
    app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    Ok(())
}

/// What came of a notice.
enum Told {
    /// The application knows.
    Done,
    /// There is nobody to tell.
    Nobody,
    /// It did not take it, and why.
    Failed(&'static str),
}

async fn tell(app: &App, notice: &Notice) -> Result<Told> {
    let found = applications::by_id(app, notice.application).await?;
    let Some(found) = found.filter(|it| it.application.is_active) else { return Ok(Told::Nobody) };
    let uri = found.application.metadata.backchannel_logout_uri.as_deref();
    let Some(url) = uri.and_then(|uri| Url::parse(uri).ok()) else { return Ok(Told::Nobody) };
    let token = token(app, notice, &found.application, app.clock.now()).await?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token.expose())
        .finish();
    Ok(match app.fetcher.post_form(&url, form).await {
        // 204 is what some frameworks answer with (§2.8).
        Ok(200 | 204) => Told::Done,
        Ok(_) => Told::Failed("it refused"),
        Err(Unfetched::Forbidden) => Told::Failed("its address is not one that is asked"),
        Err(Unfetched::TooLong | Unfetched::NoAnswer) => Told::Failed("it did not answer"),
    })
}

/// A logout token (§2.4).
async fn token(
    app: &App,
    notice: &Notice,
    application: &Application,
    now: Timestamp,
) -> Result<Secret<String>> {
    let iat = seconds(now);
    let claims = json!({
        "iss": issuer(app, notice.realm),
        "aud": notice.client_id,
        "iat": iat,
        "exp": iat + LIFETIME,
        "jti": token_id(app, None, now)?,
        "events": {EVENT: {}},
        "sub": notice.sub,
        "sid": notice.sid.to_string(),
    });
    let key = keys::signing(app, notice.realm, id_algorithm(application)).await?;
    key.sign("logout+jwt", &claims)
}
