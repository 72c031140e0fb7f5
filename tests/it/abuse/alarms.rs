//! Lists of passwords are noticed, strangers are asked for more, and nobody else is bothered.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::email::Email,
    flows::{alarms, risk},
};
use serde_json::{Value, json};

use super::{GRACE, WRONG, solved_login};
use crate::support::{PASSWORD, World};

fn form(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"})
}

/// THR-12: one try for each of many accounts, each from a network of its own.
#[tokio::test]
async fn a_tenant_that_is_tried_with_a_list_asks_strangers_for_a_captcha() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let globex = world.tenant("globex", "{}").await;
    world.user(&globex, GRACE).await;
    let mut owner = world.client_at("192.0.2.77");
    owner.login("acme", GRACE, PASSWORD).await.data();
    world.stuff("acme", 49).await;
    world.look_around().await;
    let mut stranger = world.client_at("192.0.2.5");
    stranger.login("acme", "somebody@example.com", WRONG).await.refused(401);
    world.advance(Duration::from_secs(5));
    world.look_around().await;
    for password in [PASSWORD, WRONG] {
        let answer = stranger.login("acme", GRACE, password).await;
        assert_eq!(answer.refused(400), "captcha_required", "whatever the password");
    }
    assert_eq!(
        stranger.login("acme", "no@example.com", WRONG).await.refused(400),
        "captcha_required"
    );
    solved_login(&mut stranger, "acme", WRONG).await.refused(401);
    assert_eq!(solved_login(&mut stranger, "acme", PASSWORD).await.data()["status"], "success");
    // The owner's device is not asked, nor is anybody in another tenant.
    assert_eq!(owner.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    world.client().login("globex", GRACE, PASSWORD).await.data();
    // It is over a quarter of an hour after the last sign of it.
    world.advance(Duration::from_mins(16));
    world.look_around().await;
    world.client_at("192.0.2.6").login("acme", "no@example.com", WRONG).await.refused(401);
}

#[tokio::test]
async fn an_alarm_is_recorded_and_told_once_however_many_nodes_look() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    world.stuff("acme", 60).await;
    for _ in 0..4 {
        world.look_around().await;
        second.look_around().await;
        world.advance(Duration::from_secs(6));
    }
    assert_eq!(world.recorded(&acme, "tenant.alarm.raised", "success").await, 1);
    let told: Vec<String> = world.rows(sql("SELECT payload FROM events")).await;
    assert_eq!(told.len(), 1);
    let payload: Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!(
        (&payload["alarm"], &payload["failures"]),
        (&"credential_stuffing".into(), &60.into())
    );
    // Both nodes know, though only one has seen the sign-ins.
    let mut stranger = second.client_at("192.0.2.5");
    assert_eq!(stranger.login("acme", GRACE, WRONG).await.refused(400), "captcha_required");
    let raised = alarms::list(&acme).await.unwrap();
    assert_eq!(raised.len(), 1, "{raised:?}");
    let now = world.cx("acme").await;
    assert_eq!(alarms::end(&now).await.unwrap(), 1);
    assert_eq!(world.recorded(&acme, "tenant.alarms.ended", "success").await, 1);
}

#[tokio::test]
async fn people_who_mistype_raise_no_alarm() {
    let world = World::new().await;
    let acme = world.acme().await;
    for number in 0..60 {
        let email = format!("user{number}@example.com");
        world.user(&acme, &email).await;
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        client.login("acme", &email, WRONG).await.refused(401);
        client.login("acme", &email, PASSWORD).await.data();
    }
    world.look_around().await;
    assert!(alarms::list(&acme).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_network_that_fails_with_many_accounts_is_asked_and_its_neighbour_is_not() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut eve = world.client_at("2001:db8:0:1::1");
    for number in 0..10 {
        eve.login("acme", &format!("user{number}@example.com"), WRONG).await.refused(401);
    }
    world.look_around().await;
    let mut near = world.client_at("2001:db8:0:1::2");
    assert_eq!(near.login("acme", GRACE, PASSWORD).await.refused(400), "captcha_required");
    world.client_at("2001:db8:0:2::1").login("acme", GRACE, PASSWORD).await.data();
    let raised = alarms::list(&acme).await.unwrap();
    assert_eq!(raised[0].name, "2001:db8:0:1::/64");
    assert_eq!(world.recorded(&acme, "tenant.alarm.raised", "success").await, 0);
}

#[tokio::test]
async fn the_same_wrong_pair_from_another_network_is_suspicious() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut first = world.client_at("192.0.2.1");
    first.login("acme", GRACE, WRONG).await.refused(401);
    first.login("acme", GRACE, WRONG).await.refused(401);
    // Once it may be an old password that is still stored somewhere.
    let mut other = world.client_at("192.0.2.2");
    other.login("acme", GRACE, WRONG).await.refused(401);
    assert_eq!(other.login("acme", GRACE, WRONG).await.refused(400), "captcha_required");
    other.login("acme", GRACE, "quite another horse battery").await.refused(401);
    other.login("acme", GRACE, PASSWORD).await.data();
}

#[tokio::test]
async fn a_flood_of_registrations_asks_for_captchas_where_accounts_and_mails_are_asked_for() {
    let world = World::new().await;
    let acme = world.acme().await;
    for number in 0..100 {
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        client.api("acme", "register", &form(&format!("user{number}@example.com"))).await.data();
    }
    world.look_around().await;
    let mut client = world.client();
    let answer = client.api("acme", "register", &form("another@example.com")).await;
    assert_eq!(answer.refused(400), "captcha_required");
    let forgot = json!({"email": GRACE});
    let answer = client.api("acme", "forgot-password", &forgot).await;
    assert_eq!(answer.refused(400), "captcha_required");
    let token = crate::support::captcha::solve(&mut client, "acme", 0).await;
    client.headers.insert("x-captcha-token", token.parse().unwrap());
    client.api("acme", "forgot-password", &forgot).await.data();
    assert_eq!(world.recorded(&acme, "tenant.alarm.raised", "success").await, 1);
    assert!(client.get("/t/acme/register").await.text.contains("data-captcha"));
    assert!(client.get("/t/acme/forgot-password").await.text.contains("data-captcha"));
}

#[tokio::test]
async fn an_operator_sees_why_something_was_asked() {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    world.stuff("acme", 60).await;
    world.look_around().await;
    let mut stranger = world.client_at("192.0.2.5");
    let asked = stranger.login("acme", GRACE, PASSWORD).await;
    asked.refused(400);
    let request = asked.headers["x-request-id"].to_str().unwrap().to_owned();
    let wanted = risk::Wanted { request: Some(request.clone()), ..risk::Wanted::default() };
    let found = world.sign_ins(&acme, wanted).await;
    assert_eq!(found.len(), 1);
    let it = &found[0];
    assert_eq!((it.verdict.as_str(), it.outcome.as_str()), ("captcha_required", "stopped"));
    assert_eq!((it.network.as_str(), it.score), ("192.0.2.5", 60));
    let signals: Value = serde_json::from_str(&it.signals).unwrap();
    assert_eq!(signals["tenant_alarm"], true);
    world.advance(Duration::from_secs(1));
    solved_login(&mut stranger, "acme", PASSWORD).await.data();
    let email = Some(Email::parse("GRACE@example.com").unwrap());
    let of_grace = world.sign_ins(&acme, risk::Wanted { email, ..risk::Wanted::default() }).await;
    let told: Vec<_> =
        of_grace.iter().map(|it| (it.outcome.as_str(), it.verdict.as_str(), it.user)).collect();
    assert_eq!(
        told,
        [
            ("success", "captcha_solved", Some(grace.id)),
            ("stopped", "captcha_required", Some(grace.id))
        ]
    );
    let of_network = risk::Wanted { network: Some("198.51.0.7".into()), ..risk::Wanted::default() };
    assert_eq!(world.sign_ins(&acme, of_network).await.len(), 1);
    // No password and no address is among what is kept.
    let kept = world.dump().await;
    assert!(!kept.contains(WRONG) && !kept.contains("user7@example.com"));
}

/// What an application asks for its users comes from its own network.
#[tokio::test]
async fn the_failures_of_an_applications_users_do_not_hold_it_back() {
    use countersign::domain::application::{ApplicationType, Owner};
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let metadata = json!({"allowed_scopes": ["openid"]});
    let owner = Owner::Tenant(acme.tenant.id);
    let made = world.application(owner, ApplicationType::Service, metadata).await;
    let form = crate::support::applications::encoded(&[
        ("grant_type", "client_credentials"),
        ("client_id", &made.client_id),
        ("client_secret", &made.secret),
    ]);
    let mut client = world.client();
    let answer = client.post_form("/api/v1/auth/tenants/acme/oauth/token", &form).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    client.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    for number in 0..70 {
        client.login("acme", &format!("user{number}@example.com"), WRONG).await.refused(401);
    }
    client.login("acme", GRACE, PASSWORD).await.data();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
}
