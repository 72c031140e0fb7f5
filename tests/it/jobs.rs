//! Work in the background: what is dropped and when, and that the loops run and stop.

use std::{sync::Arc, time::Duration};

use countersign::{
    clock::Clock,
    db::sql,
    domain::password::Password,
    flows::{audit, users},
    id::Realm,
    jobs, store,
};
use serde_json::json;
use tokio::sync::watch;

use crate::support::{PASSWORD, World};

const GRACE: &str = "grace@example.com";
const WRONG: &str = "wrong horse battery staple";
const MICRO: Duration = Duration::from_micros(1);

async fn purge(world: &World) {
    while jobs::purge(&world.app).await.unwrap() {}
}

/// That `table` keeps its one row for `lifetime`, to the microsecond.
async fn lives_for(world: &World, table: &str, lifetime: Duration) {
    let text: &'static str = format!("SELECT COUNT(*) FROM {table}").leak();
    assert_eq!(world.count(text).await, 1, "{table}");
    world.advance(lifetime - MICRO);
    purge(world).await;
    assert_eq!(world.count(text).await, 1, "{table}: too early");
    world.advance(MICRO);
    purge(world).await;
    assert_eq!(world.count(text).await, 0, "{table}: too late");
}

#[tokio::test]
async fn a_registration_and_its_token_are_kept_for_a_day() {
    let registration = json!({
        "email": GRACE,
        "password": PASSWORD,
        "first_name": "Grace",
        "last_name": "Hopper",
    });
    for table in ["registrations", "tickets"] {
        let world = World::new().await;
        world.acme().await;
        world.client().api("acme", "register", &registration).await.data();
        lives_for(&world, table, Duration::from_hours(24)).await;
    }
}

#[tokio::test]
async fn a_reset_token_is_kept_for_half_an_hour() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    lives_for(&world, "tickets", Duration::from_mins(30)).await;
}

#[tokio::test]
async fn a_second_factor_step_is_kept_for_ten_minutes() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    world.user(&acme, GRACE).await;
    world.client().login("acme", GRACE, PASSWORD).await.data();
    lives_for(&world, "challenges", Duration::from_mins(10)).await;
}

#[tokio::test]
async fn what_waits_for_a_factor_or_an_address_is_kept_for_its_time() {
    for (table, lifetime) in [
        ("setups", Duration::from_mins(10)),
        ("ceremonies", Duration::from_mins(5)),
        ("email_changes", Duration::from_hours(24 * 7)),
    ] {
        let world = World::new().await;
        let acme = world.acme().await;
        world.user(&acme, GRACE).await;
        let mut client = world.client();
        client.login("acme", GRACE, PASSWORD).await.data();
        let (endpoint, body) = match table {
            "setups" => ("mfa/totp/setup", json!({})),
            "ceremonies" => ("mfa/webauthn/register/begin", json!({})),
            _ => ("email", json!({"email": "new@example.com"})),
        };
        client.me(&world, &acme, endpoint, &body).await.data();
        lives_for(&world, table, lifetime).await;
    }
}

#[tokio::test]
async fn a_device_is_kept_for_400_days() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.client().login("acme", GRACE, PASSWORD).await.data();
    lives_for(&world, "devices", Duration::from_hours(24 * 400)).await;
}

#[tokio::test]
async fn a_notice_of_a_sign_in_counts_for_a_week_and_a_network_is_kept_for_400_days() {
    for (table, days) in [("disavowals", 7), ("known_networks", 400)] {
        let world = World::new().await;
        let acme = world.tenant("acme", r#"{"notices": {"new_place": true}}"#).await;
        world.user(&acme, GRACE).await;
        world.client().login("acme", GRACE, PASSWORD).await.data();
        lives_for(&world, table, Duration::from_hours(24 * days)).await;
    }
}

#[tokio::test]
async fn a_sent_mail_is_kept_for_a_day() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    world.deliver().await;
    lives_for(&world, "outbox", Duration::from_hours(24)).await;
}

#[tokio::test]
async fn a_revoked_token_is_noted_until_it_would_have_ended() {
    let world = World::new().await;
    let acme = world.acme().await;
    let ends = acme.now + Duration::from_mins(5);
    let revoke = store::seen::revoke(Realm::Tenant(acme.tenant.id), [7; 32], ends);
    assert_eq!(world.execute(revoke).await, 1);
    lives_for(&world, "revoked_tokens", Duration::from_mins(5)).await;
}

#[tokio::test]
async fn mail_that_waits_is_never_dropped() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    world.advance(Duration::from_hours(24 * 365));
    purge(&world).await;
    assert_eq!(world.count("SELECT COUNT(*) FROM outbox").await, 1);
}

#[tokio::test]
async fn failures_are_kept_for_30_days_whether_there_is_an_account_or_not() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.client().login("acme", GRACE, WRONG).await.refused(401);
    world.client().login("acme", "nobody@example.com", WRONG).await.refused(401);
    let counts = "SELECT COUNT(*) FROM attempts";
    assert_eq!(world.count(counts).await, 3, "two accounts and the network");
    world.advance(Duration::from_hours(24 * 30) - MICRO);
    purge(&world).await;
    assert_eq!(world.count(counts).await, 2, "the network's window is long over");
    world.advance(MICRO);
    purge(&world).await;
    assert_eq!(world.count(counts).await, 0);
}

#[tokio::test]
async fn a_clock_that_leaps_a_year_and_returns_loses_nothing_that_lives() {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    world.deliver().await;
    while audit::chain(&world.app).await.unwrap() > 0 {}
    let year = Duration::from_hours(24 * 365);
    world.advance(year);
    purge(&world).await;
    let Clock::Fixed(at) = &world.app.clock else { panic!("a fixed clock") };
    at.fetch_sub(i64::try_from(year.as_micros()).unwrap(), std::sync::atomic::Ordering::SeqCst);
    purge(&world).await;
    // What was past its time stays gone, and everybody gets in.
    let cx = world.cx("acme").await;
    let (id, secret) = client.session().unwrap();
    assert!(countersign::flows::session::find(&cx, id, &secret).await.unwrap().is_none());
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    let password = Password::parse("another horse battery staple").unwrap();
    users::set_password(&cx, &grace, &password, false).await.unwrap();
    while audit::chain(&world.app).await.unwrap() > 0 {}
    assert_eq!(audit::verify(&world.app, cx.tenant.id, None).await.unwrap().broken, None);
}

/// Waits until `fact` holds, for ten seconds at most.
async fn until(mut fact: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while !fact().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience.await.expect("it never came to pass");
}

#[tokio::test]
async fn the_loops_send_and_chain_until_they_are_told_to_stop() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let (stop, stopped) = watch::channel(false);
    let work = jobs::run(Arc::clone(&world.app), stopped);
    let test = async {
        let mut client = world.client();
        client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
        until(async || world.count("SELECT COUNT(*) FROM outbox WHERE state = 'sent'").await == 1)
            .await;
        until(async || world.count("SELECT COUNT(*) FROM audit WHERE seq IS NULL").await == 0)
            .await;
        stop.send(true).unwrap();
    };
    let both = Box::pin(async { tokio::join!(work, test) });
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("the loops stop");
}

#[tokio::test]
async fn the_loops_outlive_a_database_that_fails_for_a_while() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    world.execute(sql("ALTER TABLE outbox RENAME TO outbox_gone")).await;
    let (stop, stopped) = watch::channel(false);
    let work = jobs::run(Arc::clone(&world.app), stopped);
    let test = async {
        until(async || world.count("SELECT COUNT(*) FROM audit WHERE seq IS NULL").await == 0)
            .await;
        world.execute(sql("ALTER TABLE outbox_gone RENAME TO outbox")).await;
        until(async || world.count("SELECT COUNT(*) FROM outbox WHERE state = 'sent'").await == 1)
            .await;
        stop.send(true).unwrap();
    };
    let both = Box::pin(async { tokio::join!(work, test) });
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("the loops stop");
}
