//! Refresh tokens of applications: good once, and no longer than what they rest on.

use std::time::Duration;

use countersign::{
    domain::{application::Owner, user::UserStatus},
    flows::{Cx, users},
};
use serde_json::{Value, json};

use super::code::{said, world};
use crate::support::{
    Answer, Client, World,
    applications::{Made, challenge, request},
    together,
};

const GRACE: &str = "grace@example.com";

async fn tokens(browser: &mut Client, made: &Made, scope: &str) -> Value {
    let challenge = challenge();
    let mut pairs = request(made, &challenge);
    pairs[3].1 = scope;
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    browser.redeem("acme", made, &code).await.json()
}

async fn refresh(world: &World, made: &Made, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    pairs.extend(more);
    world.client().post_as("acme", "token", made, &pairs).await
}

fn token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn oau_05_a_token_leads_to_one_successor_and_is_never_taken_again() {
    let (world, _, made, mut browser) = world().await;
    let first = tokens(&mut browser, &made, "openid profile").await;
    let tries = (0..50).map(|_| {
        let (mut client, made, token) = (world.client(), made.clone(), token(&first));
        async move {
            let pairs = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
            client.post_as("acme", "token", &made, &pairs).await
        }
    });
    let answers = together(tries).await;
    let good: Vec<Value> = answers.iter().filter(|it| it.status == 200).map(Answer::json).collect();
    assert!(!good.is_empty());
    let next = token(&good[0]);
    assert!(good.iter().all(|it| token(it) == next), "one successor");
    assert!(good[0]["id_token"].is_string());
    assert_eq!(said(&good[0]["id_token"])["auth_time"], said(&first["id_token"])["auth_time"]);

    world.advance(Duration::from_secs(11));
    assert_eq!(refresh(&world, &made, &token(&first), &[]).await.denied(400), "invalid_grant");
    // Somebody has a copy: the whole family is over.
    assert_eq!(refresh(&world, &made, &next, &[]).await.denied(400), "invalid_grant");
}

#[tokio::test]
async fn oau_06_a_refresh_may_ask_for_less_and_never_for_more() {
    let (world, _, made, mut browser) = world().await;
    let first = tokens(&mut browser, &made, "openid profile").await;
    let more = refresh(&world, &made, &token(&first), &[("scope", "openid email")]).await;
    assert_eq!(more.denied(400), "invalid_scope");
    let less = refresh(&world, &made, &token(&first), &[("scope", "profile")]).await.json();
    assert_eq!(less["scope"], "profile");
    assert!(less.get("id_token").is_none());
    // What was granted is granted still.
    let all = refresh(&world, &made, &token(&less), &[]).await.json();
    assert_eq!(all["scope"], "openid profile");
}

#[tokio::test]
async fn oau_02_a_refresh_token_is_its_applications_alone() {
    let (world, acme, made, mut browser) = world().await;
    let other = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let first = tokens(&mut browser, &made, "openid").await;
    assert_eq!(refresh(&world, &other, &token(&first), &[]).await.denied(400), "invalid_grant");
    // SES-06: only as it was spelt.
    for spelling in
        [token(&first)[1..].to_owned(), format!("{}=", token(&first)), token(&first).to_uppercase()]
    {
        assert_eq!(refresh(&world, &made, &spelling, &[]).await.denied(400), "invalid_grant");
    }
    // It is no use at the portal's door either, and the portal's is none here.
    let body = json!({"refresh_token": token(&first)});
    let portal = world.client().post_json("/api/v1/auth/refresh", &body.to_string()).await;
    assert_eq!(portal.status, 401);
    assert_eq!(refresh(&world, &made, &token(&first), &[]).await.status, 200);
}

async fn ends_with(end: impl AsyncFnOnce(&World, &Cx, &mut Client)) {
    let (world, acme, made, mut browser) = world().await;
    let bound = tokens(&mut browser, &made, "openid").await;
    let offline = tokens(&mut browser, &made, "openid offline_access").await;
    end(&world, &acme, &mut browser).await;
    for tokens in [bound, offline] {
        let answer = refresh(&world, &made, &token(&tokens), &[]).await;
        assert_eq!(answer.denied(400), "invalid_grant");
    }
}

#[tokio::test]
async fn oau_07_ses_05_it_ends_with_the_right_to_sign_in() {
    ends_with(async |_, acme, _| {
        let grace = users::show(acme, GRACE).await.unwrap();
        users::set_status(acme, &grace, UserStatus::Suspended).await.unwrap();
    })
    .await;
    ends_with(async |_, acme, _| {
        let grace = users::show(acme, GRACE).await.unwrap();
        users::delete(acme, &grace).await.unwrap();
    })
    .await;
    ends_with(async |_, acme, _| {
        let grace = users::show(acme, GRACE).await.unwrap();
        let password = countersign::domain::password::Password::parse("another horse battery");
        users::set_password(acme, &grace, &password.unwrap(), false).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn only_what_was_granted_offline_outlives_the_session() {
    let (world, acme, made, mut browser) = world().await;
    let bound = tokens(&mut browser, &made, "openid").await;
    let offline = tokens(&mut browser, &made, "openid offline_access").await;
    let (session, _) = browser.session().unwrap();
    countersign::flows::session::end(&acme, session).await.unwrap();
    assert_eq!(refresh(&world, &made, &token(&bound), &[]).await.denied(400), "invalid_grant");
    let refreshed = refresh(&world, &made, &token(&offline), &[]).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    let refreshed = refreshed.json();
    assert!(said(&refreshed["access_token"]).get("sid").is_none());
    // Not for ever: thirty days from the sign-in on.
    world.advance(Duration::from_hours(30 * 24));
    assert_eq!(refresh(&world, &made, &token(&refreshed), &[]).await.denied(400), "invalid_grant");
}

#[tokio::test]
async fn a_session_that_takes_anothers_place_takes_its_tokens_over() {
    let (world, _, made, mut browser) = world().await;
    let first = tokens(&mut browser, &made, "openid").await;
    let (old, _) = browser.session().unwrap();
    browser.login("acme", GRACE, crate::support::PASSWORD).await.data();
    let (new, _) = browser.session().unwrap();
    assert_ne!(old, new, "SES-02");
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 1);
    let refreshed = refresh(&world, &made, &token(&first), &[]).await.json();
    assert_eq!(said(&refreshed["access_token"])["sid"], new.to_string());
}
