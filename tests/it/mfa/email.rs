//! Mailed codes: what is answered, which code is good and how long, how many go out.

use std::time::Duration;

use countersign::{db::sql, flows::Cx};
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, World,
    factors::{STEP, step_path},
};

const ALICE: &str = "alice@example.com";
const MINUTE: Duration = Duration::from_mins(1);
const MICRO: Duration = Duration::from_micros(1);
/// A setting by which whoever has no factor is mailed a code unasked.
const REQUIRED: &str = r#"{"mfa": {"required": true}}"#;

/// A world in which Alice is about to be mailed a code.
async fn with_step() -> (World, Cx, Client, Value) {
    let world = World::new().await;
    let acme = world.tenant("acme", REQUIRED).await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    (world, acme, client, step)
}

/// A six-digit code that is not `code`.
fn other_than(code: &str) -> String {
    if code == "000000" { "000001".to_owned() } else { "000000".to_owned() }
}

/// MFA-16: the code is in the mail and nowhere else.
#[tokio::test]
async fn a_code_is_sent_to_a_destination_that_only_its_owner_knows() {
    let (world, acme, mut client, step) = with_step().await;
    assert_eq!(step["available_methods"], json!(["email"]));
    assert_eq!(step["default_method"], "email");
    let answer = client.ask_for_code(&step).await;
    let data = answer.data();
    let names: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["status", "message", "destination", "expires_in"]);
    assert_eq!(data["status"], "sent");
    assert!(!data["message"].as_str().unwrap().is_empty());
    assert_eq!(data["destination"], "a***@example.com");
    assert_eq!(data["expires_in"], 600);
    let code = world.mailed_code(ALICE).await;
    assert!(!answer.text.contains(&code));
    for (name, value) in &answer.headers {
        assert!(!value.to_str().unwrap().contains(&code), "{name}");
    }
    let trail = format!("{:?}", world.trail(&acme).await);
    assert!(trail.contains("auth.mfa.code_mailed") && !trail.contains(&code));
    // Ids, digests and times have digits too; a code of its own stands between other marks.
    let dump = world.dump().await;
    let words = dump.split(|c: char| !c.is_alphanumeric());
    assert!(!words.into_iter().any(|word| word == code), "the code is in the database");
    let done = client.verify(&step, "email", &code).await.accepted();
    assert_eq!(done["trusted_device_token"], Value::Null);
    // A mailed code is no strong factor, so the session does not claim one.
    let methods = "SELECT auth_methods FROM sessions";
    assert_eq!(world.rows::<String>(sql(methods)).await, ["pwd"]);
}

#[tokio::test]
async fn the_mail_of_a_code_is_in_the_outbox_with_the_code_and_gone_with_a_fault() {
    let (world, _, mut client, step) = with_step().await;
    world.execute(sql("ALTER TABLE outbox RENAME TO lost")).await;
    assert!(client.ask_for_code(&step).await.status.is_server_error());
    world.execute(sql("ALTER TABLE lost RENAME TO outbox")).await;
    let codes = "SELECT COUNT(*) FROM challenges WHERE email_code IS NOT NULL OR email_sends > 0";
    assert_eq!(world.count(codes).await, 0, "no code without its mail");
    client.ask_for_code(&step).await.data();
}

#[tokio::test]
async fn only_the_newest_code_is_good() {
    let (world, _, mut client, step) = with_step().await;
    client.ask_for_code(&step).await.data();
    let first = world.mailed_code(ALICE).await;
    world.advance(MINUTE);
    client.ask_for_code(&step).await.data();
    let second = world.mailed_code(ALICE).await;
    assert_ne!(first, second);
    assert_eq!(client.verify(&step, "email", &first).await.failed(), "invalid_code");
    client.verify(&step, "email", &second).await.accepted();
    let again = client.verify(&step, "email", &second).await;
    assert_eq!(again.refused(401), "invalid_mfa_token", "a step is used once");
}

#[tokio::test]
async fn a_code_is_good_for_its_own_step_only() {
    let (world, _, mut client, step) = with_step().await;
    client.ask_for_code(&step).await.data();
    let code = world.mailed_code(ALICE).await;
    let other = client.challenge("acme", ALICE).await;
    assert_eq!(client.verify(&other, "email", &code).await.failed(), "expired_code");
    client.ask_for_code(&other).await.data();
    let newer = world.mailed_codes(ALICE).await.into_iter().find(|it| *it != code).unwrap();
    assert_eq!(client.verify(&other, "email", &code).await.failed(), "invalid_code");
    client.verify(&step, "email", &code).await.accepted();
    client.verify(&other, "email", &newer).await.accepted();
}

#[tokio::test]
async fn without_a_code_under_way_every_code_is_too_late_and_counted() {
    let (world, acme, mut client, step) = with_step().await;
    for _ in 0..5 {
        assert_eq!(client.verify(&step, "email", "123456").await.failed(), "expired_code");
    }
    client.verify(&step, "email", "123456").await.refused(401);
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "failure").await, 5);
}

#[tokio::test]
async fn a_code_lives_as_long_as_its_step_at_most() {
    let (world, _, mut client, step) = with_step().await;
    world.advance(Duration::from_mins(4));
    assert_eq!(client.ask_for_code(&step).await.data()["expires_in"], 600, "the code's own time");
    let code = world.mailed_code(ALICE).await;
    world.advance(Duration::from_mins(6) - MICRO);
    let mut late = client.clone();
    client.verify(&step, "email", &code).await.accepted();
    world.advance(MICRO);
    assert_eq!(late.verify(&step, "email", &code).await.refused(401), "invalid_mfa_token");
}

/// The lifetime of a code by itself, with a step that lives longer.
#[tokio::test]
async fn a_right_code_that_is_ten_minutes_old_is_told_from_a_wrong_one() {
    let (world, _, mut client, step) = with_step().await;
    client.ask_for_code(&step).await.data();
    let code = world.mailed_code(ALICE).await;
    world.execute(sql("UPDATE challenges SET expires_at = expires_at + 3600000000")).await;
    world.advance(Duration::from_mins(10));
    assert_eq!(client.verify(&step, "email", &code).await.failed(), "expired_code");
    let wrong = client.verify(&step, "email", &other_than(&code)).await;
    assert_eq!(wrong.failed(), "invalid_code");
}

/// THR-16: one a minute and five for a step; what is refused leaves the older code good.
#[tokio::test]
async fn one_code_a_minute_and_five_for_a_step_are_sent() {
    let (world, _, mut client, step) = with_step().await;
    for number in 1..=5 {
        client.ask_for_code(&step).await.data();
        let answer = client.ask_for_code(&step).await;
        assert_eq!(answer.refused(429), "too_many_attempts");
        if number == 5 {
            // Four minutes of ten are over.
            assert_eq!(answer.retry_after(), 360);
            break;
        }
        assert_eq!(answer.retry_after(), 60);
        world.advance(MINUTE - MICRO);
        assert_eq!(client.ask_for_code(&step).await.retry_after(), 1);
        world.advance(MICRO);
        world.deliver().await;
    }
    assert_eq!(world.mailed_codes(ALICE).await.len(), 5);
    world.advance(MINUTE);
    client.ask_for_code(&step).await.refused(429);
    let newest = world.mailed_code(ALICE).await;
    client.verify(&step, "email", &newest).await.accepted();
}

/// THR-16: over all steps of an account.
#[tokio::test]
async fn ten_codes_an_hour_are_mailed_to_one_account_whatever_the_number_of_steps() {
    let (world, _, mut client, _) = with_step().await;
    let (mut sent, mut refused) = (0, 0);
    for number in 0..50 {
        let mut client = client.moved_to(&format!("198.51.100.{number}"));
        let step = client.challenge("acme", ALICE).await;
        let answer = client.ask_for_code(&step).await;
        if answer.status == 429 {
            refused += 1;
            assert!((1..=3600).contains(&answer.retry_after()));
        } else {
            sent += 1;
            answer.data();
        }
        world.advance(Duration::from_secs(1));
    }
    assert_eq!((sent, refused), (10, 40));
    assert_eq!(world.mailed_codes(ALICE).await.len(), 10);
    world.advance(Duration::from_hours(1));
    let step = client.challenge("acme", ALICE).await;
    client.ask_for_code(&step).await.data();
}

/// How long to wait is told as it is: until the hour of the first mail is over.
#[tokio::test]
async fn the_hour_of_mails_ends_when_its_refusal_says() {
    let (world, _, mut client, _) = with_step().await;
    for _ in 0..10 {
        let step = client.challenge("acme", ALICE).await;
        client.ask_for_code(&step).await.data();
        world.advance(MINUTE);
    }
    let step = client.challenge("acme", ALICE).await;
    let wait = client.ask_for_code(&step).await.retry_after();
    assert_eq!(wait, 50 * 60);
    world.advance(Duration::from_secs(wait));
    let step = client.challenge("acme", ALICE).await;
    client.ask_for_code(&step).await.data();
}

/// MFA-23: a code or link for one purpose is none for another.
#[tokio::test]
async fn a_mailed_code_proves_no_address_and_a_link_answers_no_step() {
    let (world, acme, mut client, step) = with_step().await;
    client.ask_for_code(&step).await.data();
    let code = world.mailed_code(ALICE).await;
    let verify = format!("/api/v1/auth/tenants/acme/verify-email?token={code}");
    assert_eq!(client.get(&verify).await.refused(400), "invalid_token");
    let reset = json!({"token": code, "new_password": "another horse battery staple"});
    assert_eq!(client.api("acme", "password/reset", &reset).await.refused(400), "invalid_token");
    client.api("acme", "password/forgot", &json!({"email": ALICE})).await.data();
    let link = world.mailed_token(ALICE).await;
    assert_eq!(client.verify(&step, "email", &link).await.failed(), "invalid_code");
    let as_step = json!({"mfa_token": link, "user_id": step["user_id"]});
    let answer = client.verify(&as_step, "email", &code).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
    // Nor is the code of an enrolment one of a step, or the other way round.
    client.verify(&step, "email", &code).await.accepted();
    world.advance(MINUTE);
    client.me(&world, &acme, "mfa/email/enable", &json!({})).await.data();
    let mut codes = world.mailed_codes(ALICE).await;
    codes.retain(|it| *it != code);
    let enrolment = codes.remove(0);
    let step = client.challenge("acme", ALICE).await;
    client.ask_for_code(&step).await.data();
    assert_eq!(client.verify(&step, "email", &enrolment).await.failed(), "invalid_code");
    let mut others = world.mailed_codes(ALICE).await;
    others.retain(|it| *it != code && *it != enrolment);
    let answer = client.me(&world, &acme, "mfa/email/confirm", &json!({"code": others[0]})).await;
    assert_eq!(answer.refused(400), "invalid_code");
}

/// A tenant that does not count mailed codes never sends one.
#[tokio::test]
async fn a_tenant_may_switch_mailed_codes_off() {
    for settings in [
        r#"{"mfa": {"required": true, "email_allowed": false}}"#,
        r#"{"mfa": {"required": true, "methods": ["totp", "webauthn"]}}"#,
        r#"{"passkeys": {"sign_in": "required"}}"#,
    ] {
        let world = World::new().await;
        let acme = world.tenant("acme", settings).await;
        world.user(&acme, ALICE).await;
        let mut client = world.client();
        let data = client.login("acme", ALICE, PASSWORD).await.data();
        assert_eq!(data["status"], "mfa_enrollment_required", "{settings}");
        assert_eq!(data["available_methods"], Value::Null);
        assert_eq!(client.ask_for_code(&data).await.refused(401), "invalid_mfa_token");
        let token = data["mfa_token"].as_str().unwrap();
        let answer = client.enrolling(token, "mfa/email/enable", &json!({})).await;
        assert_eq!(answer.refused(400), "method_not_available");
        assert!(world.mailed_codes(ALICE).await.is_empty());
    }
}

/// Nobody is mailed a code for an address that he has not proved.
#[tokio::test]
async fn an_unproved_address_is_not_offered_unasked() {
    let world = World::new().await;
    let settings = r#"{"mfa": {"required": true}, "registration": {"email_verification": false}}"#;
    let acme = world.tenant("acme", settings).await;
    let password = countersign::domain::password::Password::parse(PASSWORD).unwrap();
    let credential = countersign::flows::users::Credential::Password(password);
    world.user_with(&acme, ALICE, Some(credential), false).await;
    let data = world.client().login("acme", ALICE, PASSWORD).await.data();
    assert_eq!(data["status"], "mfa_enrollment_required");
}

/// MFA-16, D3: a step's token in the query is not in what the server logs or counts.
#[tokio::test]
async fn tokens_in_an_address_are_not_in_the_answers() {
    let (_, _, mut client, step) = with_step().await;
    let path = step_path("mfa/email/send", &step);
    let sent = client.post_form(&path, "").await;
    let again = client.post_form(&path, "").await;
    let token = step["mfa_token"].as_str().unwrap();
    for answer in [sent, again] {
        assert!(!answer.text.contains(token));
    }
}

/// An e-mail factor that is enrolled is used like one that is offered, and told when it was.
#[tokio::test]
async fn the_last_use_of_an_enrolled_mail_factor_is_told() {
    let world = World::new().await;
    let acme = world.tenant("acme", "{}").await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    assert_eq!(client.factors().await["methods"][0]["last_used_at"], Value::Null);
    world.advance(MINUTE + STEP);
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["email", "backup_code"]));
    client.ask_for_code(&step).await.data();
    let mut codes = world.mailed_codes(ALICE).await;
    assert_eq!(codes.len(), 2);
    client.verify(&step, "email", &codes.remove(0)).await.accepted();
    let method = client.factors().await["methods"][0].clone();
    assert_eq!(method["method"], "email");
    assert_eq!(method["destination"], "a***@example.com");
    assert_eq!(method["last_used_at"], "2026-01-01T00:01:30.000000Z");
}
