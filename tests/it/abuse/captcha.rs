//! When a captcha is asked for, and what it is worth.

use std::time::Duration;

use countersign::domain::{guessing::MAX_FAILURES, limits::Limit};

use super::{GRACE, WRONG, login_with, solved_login};
use crate::support::{Client, PASSWORD, World, captcha::solve};

async fn fail(world: &World, client: &mut Client, count: u32) {
    for _ in 0..count {
        let mut answer = client.login("acme", GRACE, WRONG).await;
        if answer.status == 429 {
            world.advance(Duration::from_secs(answer.retry_after()));
            answer = client.login("acme", GRACE, WRONG).await;
        }
        assert_eq!(answer.refused(401), "invalid_credentials");
    }
}

/// THR-08: whoever is locked out by a stranger's guesses gets in by a captcha.
#[tokio::test]
async fn after_ten_failures_a_captcha_stands_in_for_the_minutes() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    fail(&world, &mut world.client_at("198.51.100.1"), 12).await;
    let mut owner = world.client();
    let answer = owner.login("acme", GRACE, PASSWORD).await;
    assert_eq!(answer.refused(429), "too_many_attempts");
    assert!(answer.retry_after() > 60);
    // The last seconds are waited all the same, and the answer is not used up by that.
    let token = solve(&mut owner, "acme", 0).await;
    let answer = login_with(&mut owner, "acme", PASSWORD, &token).await;
    assert_eq!(answer.refused(429), "too_many_attempts");
    assert_eq!(answer.retry_after(), 16);
    world.advance(Duration::from_secs(16));
    owner.login("acme", GRACE, PASSWORD).await.refused(429);
    let answer = login_with(&mut owner, "acme", PASSWORD, &token).await;
    assert_eq!(answer.data()["status"], "success");
    let again = login_with(&mut world.client_at("192.0.2.9"), "acme", PASSWORD, &token).await;
    again.data();
}

#[tokio::test]
async fn a_captcha_is_good_once_for_a_guess_and_never_after_a_hundred() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut eve = world.client_at("198.51.100.1");
    fail(&world, &mut eve, 10).await;
    world.advance(Duration::from_secs(16));
    let token = solve(&mut eve, "acme", 0).await;
    login_with(&mut eve, "acme", WRONG, &token).await.refused(401);
    world.advance(Duration::from_secs(16));
    let answer = login_with(&mut eve, "acme", WRONG, &token).await;
    assert_eq!(answer.refused(400), "captcha_failed");
    let set =
        countersign::db::sql("UPDATE attempts SET failures = $1").bind(i64::from(MAX_FAILURES));
    world.execute(set).await;
    world.advance(Duration::from_hours(1));
    solved_login(&mut world.client(), "acme", PASSWORD).await.refused(429);
}

#[tokio::test]
async fn a_network_of_many_people_goes_on_by_captcha() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut office = world.client();
    for number in 0..Limit::WrongPasswords.policy().amount {
        let email = format!("user{number}@example.com");
        office.login("acme", &email, WRONG).await.refused(401);
    }
    assert_eq!(office.login("acme", GRACE, PASSWORD).await.refused(429), "too_many_attempts");
    assert_eq!(solved_login(&mut office, "acme", PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_tenant_may_ask_always_or_never() {
    let world = World::new().await;
    let always = world.tenant("always", r#"{"captcha": {"sign_in": "always"}}"#).await;
    let never = world.tenant("never", r#"{"captcha": {"sign_in": "off"}}"#).await;
    for cx in [&always, &never] {
        world.user(cx, GRACE).await;
    }
    let mut client = world.client();
    assert_eq!(client.login("always", GRACE, PASSWORD).await.refused(400), "captcha_required");
    solved_login(&mut client, "always", PASSWORD).await.data();
    let page = client.get("/t/always/login").await;
    assert!(page.text.contains("data-captcha"), "{}", page.text);
    world.stuff("never", 60).await;
    world.look_around().await;
    world.client_at("192.0.2.9").login("never", GRACE, PASSWORD).await.data();
}

#[tokio::test]
async fn a_puzzle_takes_longer_under_attack() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let most = async |client: &mut Client| {
        let puzzle = client.get("/api/v1/auth/tenants/acme/captcha").await;
        puzzle.json()["maxnumber"].as_u64().unwrap()
    };
    let before = most(&mut client).await;
    world.stuff("acme", 60).await;
    world.look_around().await;
    assert!(most(&mut client).await > 2 * before);
}
