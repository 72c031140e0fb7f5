//! Trusted and remembered devices: what spares a second factor, whom, and how long.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::password::Password,
    flows::{Cx, users},
};
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, START, World,
    factors::{Enrolled, STEP},
};

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const OTHER: &str = "another horse battery staple";
const DAY: Duration = Duration::from_hours(24);
const TRUSTED: &str = "SELECT COUNT(*) FROM trusted_devices";

async fn with_alice() -> (World, Cx, Enrolled) {
    let world = World::new().await;
    let acme = world.acme().await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    (world, acme, alice)
}

/// A sign-in by the app with what `fields` ask for; the answer.
async fn sign_in(world: &World, client: &mut Client, alice: &Enrolled, fields: Value) -> Value {
    let step = client.challenge("acme", ALICE).await;
    let mut all = json!({"method": "totp", "code": alice.app.next(world)});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    client.verify_with(&step, all).await.accepted()
}

/// The token of a device that Alice trusts.
async fn trust(world: &World, client: &mut Client, alice: &Enrolled) -> String {
    let data = sign_in(world, client, alice, json!({"trust_device": true})).await;
    data["trusted_device_token"].as_str().unwrap().to_owned()
}

/// What a right password with a device's token leads to.
async fn status(client: &mut Client, tenant: &str, email: &str, token: &str) -> String {
    status_with(client, tenant, (email, PASSWORD), token).await
}

async fn status_with(
    client: &mut Client,
    tenant: &str,
    (email, password): (&str, &str),
    token: &str,
) -> String {
    let body = json!({"email": email, "password": password, "trusted_device_token": token});
    let answer = client.api(tenant, "login", &body).await;
    let status = answer.data()["status"].as_str().unwrap().to_owned();
    assert_eq!(answer.set_cookie("session").is_some(), status == "success");
    status
}

#[tokio::test]
async fn a_trusted_device_is_not_asked_again_on_whatever_network() {
    let (world, acme, alice) = with_alice().await;
    let token = trust(&world, &mut world.client(), &alice).await;
    assert_eq!(token.len(), 43, "256 bits");
    let mut elsewhere = world.client_at("203.0.113.7");
    elsewhere.agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".to_owned();
    let mails = world.inbox(ALICE).await.len();
    // Sessions of one moment have no order.
    world.advance(std::time::Duration::from_secs(1));
    assert_eq!(status(&mut elsewhere, "acme", ALICE, &token).await, "success");
    // DEV-05: a new network and browser are told, although nothing was asked.
    assert_eq!(world.inbox(ALICE).await.len(), mails + 1);
    let methods = "SELECT auth_methods FROM sessions ORDER BY id DESC LIMIT 1";
    assert_eq!(world.rows::<String>(sql(methods)).await, ["pwd"], "no factor was shown");
    // It is good as often as it is needed, and its use is noted.
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    let used = "SELECT COUNT(*) FROM trusted_devices WHERE last_used_at IS NOT NULL";
    assert_eq!(world.count(used).await, 1);
    assert_eq!(world.recorded(&acme, "user.device.trusted", "success").await, 1);
    let trail = format!("{:?}", world.trail(&acme).await);
    assert!(trail.contains("trusted_device") && !trail.contains(&token));
}

/// DEV-01: a bad token is as good as none, and the answer does not tell.
#[tokio::test]
async fn a_bad_token_is_as_good_as_none() {
    let (world, _, alice) = with_alice().await;
    let token = trust(&world, &mut world.client(), &alice).await;
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
    let step = world.client().challenge("acme", ALICE).await;
    let edited = format!("{}{}", &token[..42], if token.ends_with('A') { 'E' } else { 'A' });
    for bad in
        ["", jwt, &token[..42], &edited, &token.to_lowercase(), &"A".repeat(43), &"x".repeat(1024)]
    {
        let mut client = world.client();
        let body = json!({"email": ALICE, "password": PASSWORD, "trusted_device_token": bad});
        let mut data = client.api("acme", "login", &body).await.data();
        assert_eq!(data["status"], "mfa_required", "{bad}");
        data["mfa_token"] = step["mfa_token"].clone();
        assert_eq!(data, step);
    }
    let body =
        json!({"email": ALICE, "password": PASSWORD, "trusted_device_token": "x".repeat(1025)});
    let answer = world.client().api("acme", "login", &body).await;
    assert_eq!(answer.faults()[0].0, "body.trusted_device_token");
    let body = json!({"email": ALICE, "password": OTHER, "trusted_device_token": token});
    let answer = world.client().api("acme", "login", &body).await;
    assert_eq!(answer.refused(401), "invalid_credentials", "it stands for no password");
}

/// DEV-03: for this user and this tenant.
#[tokio::test]
async fn a_token_is_good_for_its_user_and_tenant_only() {
    let (world, acme, alice) = with_alice().await;
    let other = world.tenant("other", "{}").await;
    world.user_with_totp(&acme, BOB).await;
    world.user_with_totp(&other, ALICE).await;
    let token = trust(&world, &mut world.client(), &alice).await;
    assert_eq!(status(&mut world.client(), "acme", BOB, &token).await, "mfa_required");
    assert_eq!(status(&mut world.client(), "other", ALICE, &token).await, "mfa_required");
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    // And for nothing else.
    let verify = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    assert_eq!(world.client().get(&verify).await.refused(400), "invalid_token");
    let as_step = json!({"mfa_token": token, "user_id": null});
    let answer = world.client().verify(&as_step, "totp", &alice.app.next(&world)).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
}

/// DEV-02: a remembered session is no trusted device, and its cookie skips no factor.
#[tokio::test]
async fn a_remembered_device_is_asked_again() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let body = json!({"email": ALICE, "password": PASSWORD, "remember_me": true});
    let answer = client.api("acme", "login", &body).await;
    assert!(answer.set_cookie("").is_none());
    let step = answer.data();
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.accepted()["trusted_device_token"], Value::Null);
    let cookie = answer.set_cookie("session").unwrap();
    assert!(cookie.contains("Max-Age=2592000"), "{cookie}");
    // Not with the device's cookie, nor with all of them, nor with a session's secret as a token.
    client.challenge("acme", ALICE).await;
    let (id, secret) = client.session().unwrap();
    client.cookies.retain(|(name, _)| name.contains("device"));
    client.challenge("acme", ALICE).await;
    for token in [secret.expose(), id.to_string().as_str(), client.cookies[0].1.as_str()] {
        assert_eq!(status(&mut world.client(), "acme", ALICE, token).await, "mfa_required");
    }
    assert_eq!(world.count(TRUSTED).await, 0);
}

#[tokio::test]
async fn remembering_a_device_makes_the_session_outlive_the_browser() {
    let (world, acme, alice) = with_alice().await;
    for (fields, remembered) in [
        (json!({}), false),
        (json!({"remember_device": false, "trust_device": true}), false),
        (json!({"remember_device": true}), true),
    ] {
        let mut client = world.client();
        let step = client.challenge("acme", ALICE).await;
        let mut all = json!({"method": "totp", "code": alice.app.next(&world)});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = client.verify_with(&step, all).await;
        answer.accepted();
        let cookie = answer.set_cookie("session").unwrap();
        assert_eq!(cookie.contains("Max-Age"), remembered, "{fields}");
        let newest = "SELECT COUNT(*) FROM sessions WHERE remember = TRUE \
                      AND id = (SELECT MAX(id) FROM sessions)";
        assert_eq!(world.count(newest).await, i64::from(remembered), "{fields}");
    }
    assert_eq!(world.recorded(&acme, "user.device.trusted", "success").await, 1);
}

/// DEV-06: nothing is trusted by a wrong code, nor unasked, nor against the tenant's rule.
#[tokio::test]
async fn trust_comes_with_a_right_answer_only() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let wrong = json!({"method": "totp", "code": alice.app.wrong(&world),
                       "trust_device": true, "remember_device": true});
    let answer = client.verify_with(&step, wrong).await;
    answer.failed();
    assert_eq!(answer.data()["trusted_device_token"], Value::Null);
    assert!(answer.set_cookie("").is_none());
    assert_eq!(world.count(TRUSTED).await, 0);
    let data = sign_in(&world, &mut client, &alice, json!({"remember_device": true})).await;
    assert_eq!(data["trusted_device_token"], Value::Null);
    world.set_settings(&acme, r#"{"mfa": {"trusted_device_days": 0}}"#).await;
    let data = sign_in(&world, &mut client, &alice, json!({"trust_device": true})).await;
    assert_eq!(data["trusted_device_token"], Value::Null);
    assert_eq!(world.count(TRUSTED).await, 0);
}

/// A tenant that turns trusted devices off, or shortens their time, means those there are, too.
#[tokio::test]
async fn a_stricter_rule_holds_for_devices_trusted_before_it() {
    let (world, acme, alice) = with_alice().await;
    let token = trust(&world, &mut world.client(), &alice).await;
    world.set_settings(&acme, r#"{"mfa": {"trusted_device_days": 0}}"#).await;
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "mfa_required");
    world.set_settings(&acme, r#"{"mfa": {"trusted_device_days": 2}}"#).await;
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    world.advance(DAY * 2 - Duration::from_secs(1));
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    world.advance(Duration::from_secs(1));
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "mfa_required");
}

/// DEV-08: thirty days, to the microsecond; use prolongs nothing.
#[tokio::test]
async fn trust_ends_after_thirty_days_whatever_its_use() {
    let (world, _, alice) = with_alice().await;
    let token = trust(&world, &mut world.client(), &alice).await;
    for _ in 0..29 {
        world.advance(DAY);
        assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    }
    world.advance(DAY - Duration::from_micros(1));
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    world.advance(Duration::from_micros(1));
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "mfa_required");
}

/// DEV-08: twenty devices; the newest pushes out the oldest.
#[tokio::test]
async fn twenty_devices_are_trusted_and_the_oldest_goes_first() {
    let (world, acme, alice) = with_alice().await;
    world.user_with_totp(&acme, BOB).await;
    let mut tokens = Vec::new();
    let mut client = world.client();
    for number in 0..22 {
        let name = format!("device {number}");
        let fields = json!({"trust_device": true, "device_fingerprint": name});
        let data = sign_in(&world, &mut client, &alice, fields).await;
        tokens.push(data["trusted_device_token"].as_str().unwrap().to_owned());
    }
    assert_eq!(world.count(TRUSTED).await, 20);
    for (number, token) in tokens.iter().enumerate() {
        let expected = if number < 2 { "mfa_required" } else { "success" };
        assert_eq!(status(&mut world.client(), "acme", ALICE, token).await, expected, "{number}");
    }
}

/// Where one node's clock is behind, the device just trusted is not the one that goes.
#[tokio::test]
async fn a_device_just_trusted_is_never_pushed_out() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    world.advance(DAY);
    for _ in 0..20 {
        trust(&world, &mut client, &alice).await;
    }
    if let countersign::clock::Clock::Fixed(at) = &world.app.clock {
        at.store((START + STEP * 5).micros(), std::sync::atomic::Ordering::SeqCst);
    }
    world.execute(sql("UPDATE factors SET last_step = 0")).await;
    let token = trust(&world, &mut client, &alice).await;
    assert_eq!(status(&mut client, "acme", ALICE, &token).await, "success");
}

#[tokio::test]
async fn the_same_device_replaces_its_older_entry() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let named = |name: &str| json!({"trust_device": true, "device_fingerprint": name});
    let token = async |client: &mut Client, name: &str| {
        let data = sign_in(&world, client, &alice, named(name)).await;
        data["trusted_device_token"].as_str().unwrap().to_owned()
    };
    let first = token(&mut client, "laptop").await;
    let phone = token(&mut client, "phone").await;
    let second = token(&mut client, "laptop").await;
    let (unnamed, empty) = (trust(&world, &mut client, &alice).await, token(&mut client, "").await);
    assert_eq!(world.count(TRUSTED).await, 4);
    assert_eq!(status(&mut world.client(), "acme", ALICE, &first).await, "mfa_required");
    for alive in [&phone, &second, &unnamed, &empty] {
        assert_eq!(status(&mut world.client(), "acme", ALICE, alive).await, "success");
    }
    // Another user's device of that name is another device.
    let bob = world.user_with_totp(&acme, BOB).await;
    let step = client.challenge("acme", BOB).await;
    let mut fields = named("laptop");
    fields["method"] = json!("totp");
    fields["code"] = json!(bob.app.code(&world));
    client.verify_with(&step, fields).await.accepted();
    assert_eq!(status(&mut world.client(), "acme", ALICE, &second).await, "success");
}

/// DEV-04: whatever changes password or factors ends the trust.
#[tokio::test]
async fn a_new_password_ends_the_trust() {
    let (world, acme, alice) = with_alice().await;
    let token = trust(&world, &mut world.client(), &alice).await;
    let mut client = world.client();
    client.api("acme", "password/forgot", &json!({"email": ALICE})).await.data();
    let link = world.mailed_token(ALICE).await;
    let body = json!({"token": link, "new_password": OTHER});
    client.api("acme", "password/reset", &body).await.data();
    let mut client = world.client();
    let after = status_with(&mut client, "acme", (ALICE, OTHER), &token).await;
    assert_eq!(after, "mfa_required", "after a reset");

    let user = users::show(&acme, ALICE).await.unwrap();
    let step = client.login("acme", ALICE, OTHER).await.data();
    let fields = json!({"method": "totp", "code": alice.app.next(&world), "trust_device": true});
    let data = client.verify_with(&step, fields).await.accepted();
    let token = data["trusted_device_token"].as_str().unwrap().to_owned();
    let acme = world.cx("acme").await;
    let password = Password::parse(PASSWORD).unwrap();
    users::set_password(&acme, &user, &password, false).await.unwrap();
    let after = status(&mut client, "acme", ALICE, &token).await;
    assert_eq!(after, "mfa_required", "after an administrator's change");
}

/// DEV-04: the removal of any method ends it, and so does a new app in the place of the old one.
#[tokio::test]
async fn a_removed_or_replaced_method_ends_the_trust() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    trust(&world, &mut client, &alice).await;
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    let token = trust(&world, &mut client, &alice).await;
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    client.me(&world, &acme, "mfa/email/disable", &json!({})).await.data();
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "mfa_required");

    let token = trust(&world, &mut client, &alice).await;
    let offer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    let new = crate::support::factors::Authenticator::typed(offer["secret"].as_str().unwrap());
    let code = json!({"code": new.code(&world)});
    client.me(&world, &acme, "mfa/totp/confirm", &code).await.data();
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "mfa_required");
}

/// THR-08: a stranger's wrong passwords do not lock out a device that its token makes known.
#[tokio::test]
async fn a_trusted_device_is_not_locked_out_by_strangers() {
    let (world, _, alice) = with_alice().await;
    let token = trust(&world, &mut world.client(), &alice).await;
    let mut stranger = world.client_at("198.51.100.7");
    for _ in 0..11 {
        let answer = stranger.login("acme", ALICE, OTHER).await;
        if answer.status == 429 {
            world.advance(Duration::from_secs(answer.retry_after()));
            stranger.login("acme", ALICE, OTHER).await.refused(401);
        }
    }
    stranger.login("acme", ALICE, PASSWORD).await.refused(429);
    assert_eq!(status(&mut world.client(), "acme", ALICE, &token).await, "success");
    // Its own failures are counted on their own.
    let wrong = json!({"email": ALICE, "password": OTHER, "trusted_device_token": token});
    for _ in 0..5 {
        world.client().api("acme", "login", &wrong).await.refused(401);
    }
    world.client().api("acme", "login", &wrong).await.refused(429);
    // However its caller dresses up.
    let mut dressed = world.client();
    dressed.cookies.push(("cs_device_x".to_owned(), "A".repeat(43)));
    dressed.api("acme", "login", &wrong).await.refused(429);
}
