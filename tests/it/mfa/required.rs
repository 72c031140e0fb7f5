//! What a tenant demands: enrolment steps, mailed codes unasked, and methods that do not count.

use axum::http::Method;
use countersign::flows::Cx;
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, World,
    factors::{Authenticator, Enrolled, STEP, texts},
};

const ALICE: &str = "alice@example.com";
/// Everybody needs a factor, and a mailed code is none.
const REQUIRED: &str =
    r#"{"mfa": {"required": true, "methods": ["webauthn", "totp", "backup_code"]}}"#;

/// A world with Alice, who has no factor and has signed in just now.
async fn with_alice(settings: &str) -> (World, Cx, Client) {
    let world = World::new().await;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    (world, acme, client)
}

/// The same with an app.
async fn with_enrolled_alice(settings: &str) -> (World, Cx, Client, Enrolled) {
    let (world, acme, mut client) = with_alice(settings).await;
    let alice = world.enrol_totp(&acme, &mut client).await;
    world.advance(STEP);
    (world, acme, client, alice)
}

/// MFA-07: who needs a factor and has none gets no further than to its enrolment.
#[tokio::test]
async fn an_enrolment_step_enrols_a_first_factor_and_nothing_else() {
    let world = World::new().await;
    let acme = world.tenant("acme", REQUIRED).await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    let answer = client.login("acme", ALICE, PASSWORD).await;
    assert!(answer.set_cookie("").is_none());
    let step = answer.data();
    assert_eq!(step["status"], "mfa_enrollment_required");
    assert_eq!(step["mfa_required"], true);
    for empty in ["session_id", "redirect_uri", "available_methods", "default_method"] {
        assert_eq!(step[empty], Value::Null, "{empty}");
    }
    let token = step["mfa_token"].as_str().unwrap();

    for method in ["totp", "email", "backup_code"] {
        let answer = client.verify(&step, method, "123456").await;
        assert_eq!(answer.refused(401), "invalid_mfa_token", "{method}");
    }
    assert_eq!(client.ask_for_code(&step).await.refused(401), "invalid_mfa_token");
    for endpoint in ["totp/disable", "email/disable", "backup-codes/regenerate"] {
        let answer = client.enrolling(token, &format!("mfa/{endpoint}"), &json!({})).await;
        assert_eq!(answer.refused(401), "not_authenticated", "{endpoint}");
    }
    client.headers.insert("x-mfa-token", token.parse().unwrap());
    client.headers.insert("x-tenant", "acme".parse().unwrap());
    assert_eq!(client.get("/api/v1/me/mfa").await.refused(401), "not_authenticated");
    let json = Some("application/json");
    let default = client.request(Method::PUT, "/api/v1/me/mfa/default", json, "{}").await;
    assert_eq!(default.refused(401), "not_authenticated");
    client.headers.clear();

    // The tenant has to be named, and to be the right one.
    client.headers.insert("x-mfa-token", token.parse().unwrap());
    let setup = "/api/v1/me/mfa/totp/setup";
    assert_eq!(client.post_json(setup, "").await.refused(401), "invalid_mfa_token");
    world.tenant("other", REQUIRED).await;
    client.headers.insert("x-tenant", "other".parse().unwrap());
    assert_eq!(client.post_json(setup, "").await.refused(401), "invalid_mfa_token");
    client.headers.clear();

    let offer = client.enrolling(token, "mfa/totp/setup", &json!({})).await.data();
    let app = Authenticator::typed(offer["secret"].as_str().unwrap());
    let wrong =
        client.enrolling(token, "mfa/totp/confirm", &json!({"code": app.wrong(&world)})).await;
    assert_eq!(wrong.refused(400), "invalid_code");
    assert!(wrong.set_cookie("").is_none());
    let code = json!({"code": app.code(&world)});
    let answer = client.enrolling(token, "mfa/totp/confirm", &code).await;
    let data = answer.data();
    assert_eq!(data["status"], "enabled");
    assert_eq!(texts(&data["backup_codes"]).len(), 10);
    assert!(data["session_id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(client.factors().await["enabled"], true, "signed in");

    // MFA-19: a second use enrols nobody else's factor.
    for endpoint in ["mfa/totp/setup", "mfa/totp/confirm", "mfa/webauthn/register/begin"] {
        let answer = world.client().enrolling(token, endpoint, &code).await;
        assert_eq!(answer.refused(401), "invalid_mfa_token", "{endpoint}");
    }
    let step = world.client().challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["totp", "backup_code"]));
    world.client().verify(&step, "totp", &app.next(&world)).await.accepted();
}

/// An enrolment step of somebody who knows the password ends with the owner's first factor.
#[tokio::test]
async fn no_older_enrolment_step_outlives_the_first_factor() {
    let world = World::new().await;
    let acme = world.tenant("acme", REQUIRED).await;
    world.user(&acme, ALICE).await;
    let (mut thief, mut owner) = (world.client_at("198.51.100.7"), world.client());
    let stolen = thief.login("acme", ALICE, PASSWORD).await.data();
    let stolen = stolen["mfa_token"].as_str().unwrap();
    let own = owner.login("acme", ALICE, PASSWORD).await.data();
    let own = own["mfa_token"].as_str().unwrap();
    let offer = owner.enrolling(own, "mfa/totp/setup", &json!({})).await.data();
    let app = Authenticator::typed(offer["secret"].as_str().unwrap());
    owner.enrolling(own, "mfa/totp/confirm", &json!({"code": app.code(&world)})).await.data();
    let answer = thief.enrolling(stolen, "mfa/totp/setup", &json!({})).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
    let step = world.client().challenge("acme", ALICE).await;
    world.client().verify(&step, "totp", &app.next(&world)).await.accepted();
}

/// The same where the first factor came by a session of before the demand.
#[tokio::test]
async fn no_enrolment_step_outlives_a_factor_enrolled_in_a_session() {
    let (world, acme, mut owner) = with_alice("{}").await;
    world.set_settings(&acme, REQUIRED).await;
    let mut thief = world.client_at("198.51.100.7");
    let step = thief.login("acme", ALICE, PASSWORD).await.data();
    assert_eq!(step["status"], "mfa_enrollment_required");
    let token = step["mfa_token"].as_str().unwrap();
    thief.enrolling(token, "mfa/totp/setup", &json!({})).await.data();
    let acme = world.cx("acme").await;
    world.enrol_totp(&acme, &mut owner).await;
    let answer = thief.enrolling(token, "mfa/totp/setup", &json!({})).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
}

/// And a first factor by a step ends the sessions of before it.
#[tokio::test]
async fn a_factor_enrolled_by_a_step_ends_older_sessions() {
    let (world, acme, mut old) = with_alice("{}").await;
    world.set_settings(&acme, REQUIRED).await;
    let mut client = world.client();
    let step = client.login("acme", ALICE, PASSWORD).await.data();
    let token = step["mfa_token"].as_str().unwrap();
    let offer = client.enrolling(token, "mfa/totp/setup", &json!({})).await.data();
    let app = Authenticator::typed(offer["secret"].as_str().unwrap());
    client.enrolling(token, "mfa/totp/confirm", &json!({"code": app.code(&world)})).await.data();
    assert_eq!(client.get("/api/v1/me/mfa").await.status, 200);
    assert_eq!(old.get("/api/v1/me/mfa").await.status, 401);
}

/// A mailed code is offered unasked where a factor is demanded and the address is proved.
#[tokio::test]
async fn a_mailed_code_is_offered_to_whoever_has_nothing_else() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["email"]));
    client.ask_for_code(&step).await.data();
    client.verify(&step, "email", &world.mailed_code(ALICE).await).await.accepted();
    assert_eq!(client.factors().await["enabled"], false, "it is not enrolled by that");
    assert_eq!(client.factors().await["required"], true);
    // Whoever has something else is not offered it: that would be the weaker way.
    let alice = world.enrol_totp(&acme, &mut client).await;
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["totp", "backup_code"]));
    assert_eq!(client.ask_for_code(&step).await.refused(400), "method_not_available");
    client.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
}

/// MFA-22: a tenant's list of methods holds for what was enrolled before it, too.
#[tokio::test]
async fn a_method_that_the_tenant_does_not_count_is_neither_offered_nor_taken_nor_enrolled() {
    let (world, acme, mut client, alice) = with_enrolled_alice("{}").await;
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    let pending = client.challenge("acme", ALICE).await;
    let acme = world.set_settings(&acme, r#"{"mfa": {"methods": ["email"]}}"#).await;
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["email"]));
    for step in [&step, &pending] {
        for (method, code) in
            [("totp", alice.app.code(&world)), ("backup_code", alice.backup_codes[0].clone())]
        {
            let answer = client.verify(step, method, &code).await;
            assert_eq!(answer.refused(400), "method_not_available", "{method}");
        }
    }
    for endpoint in ["mfa/totp/setup", "mfa/webauthn/register/begin"] {
        let answer = client.me(&world, &acme, endpoint, &json!({})).await;
        assert_eq!(answer.refused(400), "method_not_available", "{endpoint}");
    }
    assert_eq!(client.factors().await["allowed_methods"], json!(["email"]));
}

/// MFA-22: where nothing gets in without a passkey, nothing else stands in for one.
#[tokio::test]
async fn where_a_passkey_is_demanded_nothing_else_is_offered_or_taken() {
    let (world, acme, mut client, alice) = with_enrolled_alice("{}").await;
    let pending = client.challenge("acme", ALICE).await;
    let acme = world.set_settings(&acme, r#"{"passkeys": {"sign_in": "required"}}"#).await;
    let listed = client.factors().await;
    assert_eq!(listed["allowed_methods"], json!(["webauthn"]));
    assert_eq!(listed["required"], true);
    for (method, code) in
        [("totp", alice.app.code(&world)), ("backup_code", alice.backup_codes[0].clone())]
    {
        let answer = client.verify(&pending, method, &code).await;
        assert_eq!(answer.refused(400), "method_not_available", "{method}");
    }
    assert_eq!(client.ask_for_code(&pending).await.refused(400), "method_not_available");
    let answer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await;
    assert_eq!(answer.refused(400), "method_not_available");
    let data = world.client().login("acme", ALICE, PASSWORD).await.data();
    assert_eq!(data["status"], "mfa_enrollment_required");
    let token = data["mfa_token"].as_str().unwrap();
    let begun = client.enrolling(token, "mfa/webauthn/register/begin", &json!({})).await.data();
    assert!(begun["options"]["challenge"].is_string(), "{begun}");
}

/// Whose only factor counts no longer has none; a proved address is asked before a password alone
/// may enrol a new one.
#[tokio::test]
async fn whose_factors_count_no_longer_is_mailed_a_code_where_mail_counts() {
    let (world, acme, _, _) = with_enrolled_alice("{}").await;
    world.set_settings(&acme, r#"{"mfa": {"methods": ["webauthn", "email"]}}"#).await;
    let step = world.client().challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["email"]));
}
