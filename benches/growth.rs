//! What a refresh costs beside very many others: the same families, spread over a table that holds
//! few rows and over one that holds many.
//!
//! Each family has a session and every tenth a user of its own, so that a row is no smaller than a
//! real one; ids are ordered by time, over thirty days, as they would be. One in so many can be
//! refreshed, since only digests are in the table.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request};
use countersign::{
    app::App,
    clock::{Clock, Timestamp},
    crypto::{opaque::digest_text, refresh::RefreshToken},
    db::{Query, sql},
    domain::tenant::Slug,
    entropy::Entropy,
    flows::{Caller, fresh_id, tenants},
    http,
    id::{GrantId, Id as _, SessionId, TenantId, UserId},
};
use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{OWN, config, cpu, percentile, to_f64};

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const MONTH: Duration = Duration::from_hours(24 * 30);
/// Families that are refreshed, and those that are refreshed at once.
const SAMPLE: usize = 3_200;
const LANES: usize = 64;
/// Families written in one transaction.
const BATCH: usize = 1_000;

/// Measures a table of `rows` beside one of as many as are refreshed.
pub(super) async fn growth(folder: &Path, rows: usize) {
    for rows in [SAMPLE, rows.max(SAMPLE)] {
        let folder = folder.join(rows.to_string());
        std::fs::create_dir(&folder).unwrap();
        let app = App::open_with(config(&folder), Clock::fixed(START), Entropy::Os).await.unwrap();
        let slug = Slug::parse("acme").unwrap();
        let caller = Caller::operator("bench".to_owned());
        let made = tenants::create(&app, &caller, slug, tenants::Change::default()).await;
        let watch = Instant::now();
        let mut tokens = fill(&app, made.unwrap().id, rows).await;
        // The log beside it, too.
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().metadata());
        let size = files.map(|it| it.unwrap().len()).sum::<u64>() >> 20;
        println!("{rows:>11} families              {size} MiB, {:.0?} to fill", watch.elapsed());
        // In no order that the table has: each is far from the one before it.
        tokens = (0..SAMPLE).map(|place| tokens[place * 1_009 % SAMPLE].clone()).collect();
        let router = http::router(Arc::clone(&app));
        for lanes in [1, LANES] {
            tokens = refresh(&router, tokens, (rows, lanes)).await;
        }
        app.close().await;
    }
}

/// Exchanges each token once, so many at once; the next ones.
async fn refresh(
    router: &Router,
    tokens: Vec<String>,
    (rows, lanes): (usize, usize),
) -> Vec<String> {
    let (before, watch) = (cpu(OWN), Instant::now());
    let (mut next, mut times) = (Vec::new(), Vec::new());
    for some in tokens.chunks(lanes) {
        for (token, time) in join_all(some.iter().map(|token| exchange(router, token))).await {
            next.push(token);
            times.push(time);
        }
    }
    let number = to_f64(times.len());
    println!(
        "refresh, {rows:>10} rows, {lanes:>2} at once  p50 {:.2} p99 {:.2} ms; {:.0} /CPU-s; {:.0}/s",
        percentile(&mut times, 50),
        percentile(&mut times, 99),
        number / (cpu(OWN) - before),
        number / watch.elapsed().as_secs_f64(),
    );
    next
}

async fn exchange(router: &Router, token: &str) -> (String, Duration) {
    let request = Request::post("/api/v1/auth/refresh")
        .header("content-type", "application/json")
        .body(Body::from(json!({"refresh_token": token}).to_string()))
        .unwrap();
    let watch = Instant::now();
    let answer = router.clone().oneshot(request).await.unwrap();
    let time = watch.elapsed();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body));
    let body: Value = serde_json::from_slice(&body).unwrap();
    (body["refresh_token"].as_str().unwrap().to_owned(), time)
}

/// Writes `rows` families; the tokens of [`SAMPLE`] of them, spread evenly.
async fn fill(app: &App, tenant: TenantId, rows: usize) -> Vec<String> {
    let (mut tokens, mut user) = (Vec::new(), None);
    for first in (0..rows).step_by(BATCH) {
        let mut queries = Vec::new();
        for number in first..(first + BATCH).min(rows) {
            let age = MONTH.mul_f64(to_f64(rows - number) / to_f64(rows));
            let at = START - age;
            if number % 10 == 0 {
                let id: UserId = fresh_id(&app.entropy, at).unwrap();
                queries.push(user_row(tenant, id, number, at));
                user = Some(id);
            }
            let session: SessionId = fresh_id(&app.entropy, at).unwrap();
            let grant: GrantId = fresh_id(&app.entropy, at).unwrap();
            let family = (tenant.uuid(), grant.uuid());
            let token = RefreshToken::generate(&app.master_key, &app.entropy, family).unwrap();
            queries.push(session_row(tenant, (session, user.unwrap()), token.digest(), at));
            queries.push(grant_row((tenant, grant, session), user.unwrap(), token.digest(), at));
            if number * SAMPLE / rows == tokens.len() && tokens.len() < SAMPLE {
                tokens.push(token.text().expose().clone());
            }
        }
        let write = app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone())));
        write.await.unwrap();
    }
    tokens
}

fn user_row(tenant: TenantId, id: UserId, number: usize, at: Timestamp) -> Query {
    sql("INSERT INTO users (tenant_id, id, email, email_key, email_verified_at, status, \
             first_name, last_name, identity_source, custom_data, must_change_password, epoch, \
             created_at, updated_at) \
         VALUES ($1, $2, $3, $3, $4, 'active', 'Grace', 'Hopper', 'local', '{}', FALSE, 0, $4, $4)")
    .bind(tenant)
    .bind(id)
    .bind(format!("user{number}@example.com"))
    .bind(at)
}

fn session_row(
    tenant: TenantId,
    (id, user): (SessionId, UserId),
    digest: [u8; 32],
    at: Timestamp,
) -> Query {
    sql("INSERT INTO sessions (tenant_id, id, user_id, secret_digest, epoch, remember, \
             auth_methods, address, agent, created_at, last_seen_at, proved_at, idle_expires_at, \
             expires_at) \
         VALUES ($1, $2, $3, $4, 0, TRUE, 'pwd', '192.0.2.1', \
             'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0', \
             $5, $5, $5, $6, $6)")
    .bind(tenant)
    .bind(id)
    .bind(user)
    .bind(digest)
    .bind(at)
    .bind(at + MONTH * 2)
}

fn grant_row(
    (tenant, id, session): (TenantId, GrantId, SessionId),
    user: UserId,
    digest: [u8; 32],
    at: Timestamp,
) -> Query {
    sql("INSERT INTO grants (tenant_id, id, user_id, session_id, client_id, scope, epoch, \
             auth_methods, authenticated_at, digest, created_at, expires_at, holder) \
         VALUES ($1, $2, $3, $4, 'portal', 'account', 0, 'pwd', $5, $6, $5, $7, $8)")
    .bind(tenant)
    .bind(id)
    .bind(user)
    .bind(session)
    .bind(at)
    .bind(digest)
    .bind(at + MONTH * 2)
    .bind(digest_text(&["holder", "portal"]))
}
