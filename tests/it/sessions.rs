//! Sessions: how long they live, what ends them, and that nothing but their own cookie is one.

use std::time::Duration;

use countersign::{
    crypto::opaque::Token,
    db::sql,
    domain::{
        password::Password,
        session::Session,
        tenant::{Slug, Status},
        user::UserStatus,
    },
    error::Error,
    flows::{Cx, session, tenants, users},
    http::cookies,
    id::SessionId,
    jobs,
};
use serde_json::json;

use crate::support::{Client, PASSWORD, START, World, operator};

const GRACE: &str = "grace@example.com";
const MICRO: Duration = Duration::from_micros(1);

/// The sessions live for ten minutes idle and an hour in all; remembered, for two hours and four.
const SHORT: &str = r#"{"session": {"idle_minutes": 10, "absolute_minutes": 60,
    "remember_idle_minutes": 120, "remember_absolute_minutes": 240}}"#;

/// A world in which Grace is signed in.
async fn signed_in(remember: bool) -> (World, Client) {
    let world = World::new().await;
    let acme = world.tenant("acme", SHORT).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let body = json!({"email": GRACE, "password": PASSWORD, "remember_me": remember});
    client.api("acme", "login", &body).await.data();
    (world, client)
}

/// The session of a client as of now, if it lives. Looking is use.
async fn found(world: &World, client: &Client) -> Option<Session> {
    let (id, secret) = client.session().unwrap();
    session::find(&world.cx("acme").await, id, &secret).await.unwrap()
}

#[tokio::test]
async fn an_idle_session_ends_exactly_at_its_limit() {
    for (remember, limit) in [(false, Duration::from_mins(10)), (true, Duration::from_hours(2))] {
        let (world, client) = signed_in(remember).await;
        world.advance(limit);
        assert!(found(&world, &client).await.is_none(), "at the limit");
        let (world, client) = signed_in(remember).await;
        world.advance(limit - MICRO);
        assert!(found(&world, &client).await.is_some(), "a microsecond before");
        let (world, client) = signed_in(remember).await;
        world.advance(limit + MICRO);
        assert!(found(&world, &client).await.is_none(), "a microsecond after");
    }
}

#[tokio::test]
async fn use_prolongs_a_session_but_never_past_its_absolute_limit() {
    for (remember, limit) in [(false, Duration::from_hours(1)), (true, Duration::from_hours(4))] {
        let (world, client) = signed_in(remember).await;
        let step = Duration::from_mins(5);
        let mut spent = Duration::ZERO;
        while spent + step < limit {
            world.advance(step);
            spent += step;
            assert!(found(&world, &client).await.is_some(), "after {spent:?}");
        }
        world.advance(limit - spent - MICRO);
        assert!(found(&world, &client).await.is_some(), "a microsecond before");
        world.advance(MICRO);
        assert!(found(&world, &client).await.is_none(), "at the limit");
        let limits = "SELECT MAX(idle_expires_at - expires_at) FROM sessions";
        assert!(world.rows::<i64>(sql(limits)).await[0] <= 0);
    }
}

#[tokio::test]
async fn frequent_use_writes_once_a_minute_at_most() {
    let (world, client) = signed_in(false).await;
    world.advance(Duration::from_mins(1) - MICRO);
    found(&world, &client).await.unwrap();
    assert_eq!(found(&world, &client).await.unwrap().last_seen_at, START);
    world.advance(MICRO);
    found(&world, &client).await.unwrap();
    let seen = found(&world, &client).await.unwrap();
    assert_eq!(seen.last_seen_at, START + Duration::from_mins(1));
    assert_eq!(seen.expiry.idle, START + Duration::from_mins(11));
}

#[tokio::test]
async fn a_clock_that_goes_back_prolongs_nothing() {
    let (world, client) = signed_in(false).await;
    world.advance(Duration::from_mins(5));
    let before = found(&world, &client).await.unwrap();
    found(&world, &client).await.unwrap();
    if let countersign::clock::Clock::Fixed(at) = &world.app.clock {
        at.fetch_sub(3_600_000_000, std::sync::atomic::Ordering::SeqCst);
    }
    let after = found(&world, &client).await.unwrap();
    assert_eq!(after.expiry.absolute, before.expiry.absolute);
    assert!(after.expiry.idle <= START + Duration::from_mins(15));
    world.advance(Duration::from_hours(2));
    assert!(found(&world, &client).await.is_none());
}

#[tokio::test]
async fn whatever_suspends_or_deletes_ends_the_session_at_once() {
    let (world, client) = signed_in(true).await;
    let cx = world.cx("acme").await;
    let slug = Slug::parse("acme").unwrap();
    let operator = operator();

    // A suspended tenant's sessions rest; so do those of its partner's tenants.
    tenants::set_status(&world.app, &operator, &slug, Status::Suspended).await.unwrap();
    assert!(found(&world, &client).await.is_none());
    tenants::set_status(&world.app, &operator, &slug, Status::Active).await.unwrap();
    assert!(found(&world, &client).await.is_some());
    world.execute(sql("UPDATE partners SET status = 'suspended'")).await;
    assert!(found(&world, &client).await.is_none());
    world.execute(sql("UPDATE partners SET status = 'active'")).await;
    assert!(found(&world, &client).await.is_some());

    // A suspended user's are gone for good.
    let grace = users::show(&cx, GRACE).await.unwrap();
    users::set_status(&cx, &grace, UserStatus::Suspended).await.unwrap();
    assert!(found(&world, &client).await.is_none());
    users::set_status(&cx, &grace, UserStatus::Active).await.unwrap();
    assert!(found(&world, &client).await.is_none());

    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    users::delete(&cx, &grace).await.unwrap();
    assert!(found(&world, &client).await.is_none());
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn a_deleted_tenants_sessions_are_dead() {
    let (world, client) = signed_in(true).await;
    let cx = world.cx("acme").await;
    tenants::delete(&world.app, &operator(), &cx.tenant.slug).await.unwrap();
    let (id, secret) = client.session().unwrap();
    assert!(session::find(&cx, id, &secret).await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let (world, first) = signed_in(true).await;
    let mut second = world.client_at("192.0.2.2");
    second.login("acme", GRACE, PASSWORD).await.data();
    let cx = world.cx("acme").await;
    let grace = users::show(&cx, GRACE).await.unwrap();
    assert_eq!(session::list(&cx, grace.id).await.unwrap().len(), 2);
    let password = Password::parse("another horse battery staple").unwrap();
    users::set_password(&cx, &grace, &password, false).await.unwrap();
    assert!(found(&world, &first).await.is_none());
    assert!(found(&world, &second).await.is_none());
    assert!(session::list(&cx, grace.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_operator_ends_one_session_and_no_other() {
    let (world, first) = signed_in(false).await;
    let mut second = world.client_at("192.0.2.2");
    second.login("acme", GRACE, PASSWORD).await.data();
    let cx = world.cx("acme").await;
    session::end(&cx, first.session().unwrap().0).await.unwrap();
    assert!(found(&world, &first).await.is_none());
    assert!(found(&world, &second).await.is_some());
    let again = session::end(&cx, first.session().unwrap().0).await;
    assert!(matches!(again, Err(Error::NotFound)));
    assert_eq!(world.recorded(&cx, "session.ended", "success").await, 1);
}

#[tokio::test]
async fn a_handle_without_its_secret_is_nothing() {
    let (world, client) = signed_in(false).await;
    let mut other = world.client_at("192.0.2.2");
    other.login("acme", GRACE, PASSWORD).await.data();
    let cx = world.cx("acme").await;
    let ((id, _), (_, secret)) = (client.session().unwrap(), other.session().unwrap());
    assert!(session::find(&cx, id, &secret).await.unwrap().is_none());
    let made_up = Token::generate(&world.app.entropy).unwrap();
    assert!(session::find(&cx, id, &made_up).await.unwrap().is_none());
}

/// What the cookie parser makes of a session cookie with this value.
fn parsed(cx: &Cx, name: &str, value: &str) -> Option<(SessionId, Token)> {
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("cookie", format!("{name}={value}").parse().unwrap());
    cookies::session_of(cx, &headers)
}

#[tokio::test]
async fn a_cut_lengthened_or_altered_cookie_is_no_session() {
    let (world, client) = signed_in(false).await;
    let cx = world.cx("acme").await;
    let (name, value) =
        client.cookies.iter().find(|(name, _)| name.contains("session")).unwrap().clone();
    let (id, secret) = value.split_once('.').unwrap();
    let (read, token) = parsed(&cx, &name, &value).unwrap();
    assert!(session::find(&cx, read, &token).await.unwrap().is_some());

    let mut forms: Vec<String> = (1..value.len()).map(|end| value[..end].to_owned()).collect();
    forms.extend([
        format!("{value}="),
        format!("{value}A"),
        format!("{value}.x"),
        format!("{value}%3D"),
        format!("{id}.{}", secret.to_lowercase()),
        format!("{id}.{}", secret.to_uppercase()),
        format!("{}.{secret}", id.to_uppercase()),
        format!("{id}{secret}"),
        format!("{id}:{secret}"),
        format!(".{secret}"),
        secret.to_owned(),
    ]);
    for place in id.len() + 1..value.len() {
        let other = if value.as_bytes()[place] == b'B' { "C" } else { "B" };
        forms.push(format!("{}{other}{}", &value[..place], &value[place + 1..]));
    }
    for form in forms {
        if let Some((id, secret)) = parsed(&cx, &name, &form) {
            let found = session::find(&cx, id, &secret).await.unwrap();
            assert!(found.is_none(), "{form}");
        }
    }
}

#[tokio::test]
async fn another_tenants_session_is_none_here() {
    let (world, client) = signed_in(false).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let (id, secret) = client.session().unwrap();
    assert!(session::find(&other, id, &secret).await.unwrap().is_none());
    assert!(matches!(session::end(&other, id).await, Err(Error::NotFound)));
    let acme = world.cx("acme").await;
    let grace = users::show(&acme, GRACE).await.unwrap();
    assert!(session::list(&other, grace.id).await.unwrap().is_empty());
    assert!(session::find(&acme, id, &secret).await.unwrap().is_some());
    // A cookie of one tenant is not even read by the other.
    let (name, value) = client.cookies.iter().find(|(name, _)| name.contains("session")).unwrap();
    assert!(parsed(&acme, name, value).is_some());
    assert!(parsed(&other, name, value).is_none());
}

#[tokio::test]
async fn no_secret_of_a_session_is_stored() {
    let (world, client) = signed_in(false).await;
    let (_, secret) = client.session().unwrap();
    let stored = world.rows::<Vec<u8>>(sql("SELECT secret_digest FROM sessions")).await;
    assert_eq!(stored, [secret.digest().as_bytes().to_vec()]);
}

#[tokio::test]
async fn the_dead_are_dropped_in_batches_and_the_living_stay() {
    let (world, client) = signed_in(true).await;
    let copy = "INSERT INTO sessions (tenant_id, id, user_id, secret_digest, epoch, remember, \
                    auth_methods, address, agent, created_at, last_seen_at, idle_expires_at, \
                    expires_at) \
                SELECT tenant_id, $1, user_id, secret_digest, epoch, remember, auth_methods, \
                    address, agent, created_at, last_seen_at, $2, $3 FROM sessions LIMIT 1";
    for number in 0..450_i64 {
        // A third past both limits, a third idle, a third past the absolute limit alone.
        let (past, ahead) = (START.micros(), START.micros() + 1);
        let limits = [(past, past), (past, ahead), (ahead, past)];
        let (idle, absolute) = limits[usize::try_from(number % 3).unwrap()];
        let id: SessionId =
            countersign::flows::fresh_id(&world.app.entropy, world.app.clock.now()).unwrap();
        world.execute(sql(copy).bind(id).bind(idle).bind(absolute)).await;
    }
    let count = "SELECT COUNT(*) FROM sessions";
    assert_eq!(world.count(count).await, 451);
    assert!(jobs::purge(&world.app).await.unwrap(), "there is more");
    assert!((51..=251).contains(&world.count(count).await));
    while jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count(count).await, 1);
    assert!(found(&world, &client).await.is_some());
    world.advance(Duration::from_hours(3));
    while jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count(count).await, 0);
}
