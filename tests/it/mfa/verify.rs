//! The second step as such: what it answers, what it is bound to, and every way to do without it.

use std::time::Duration;

use axum::http::{Method, header};
use countersign::{
    db::sql,
    domain::user::UserStatus,
    flows::{Cx, users},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, PASSWORD, World,
    factors::{Enrolled, answer_to, step_path},
};

const ALICE: &str = "alice@example.com";
const EVE: &str = "eve@example.com";
const OTHER: &str = "another horse battery staple";

/// A world in which Alice has an authenticator app.
async fn with_alice() -> (World, Cx, Enrolled) {
    let world = World::new().await;
    let acme = world.acme().await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    (world, acme, alice)
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

const LOGIN_FIELDS: [&str; 8] = [
    "status",
    "user_id",
    "mfa_required",
    "mfa_token",
    "available_methods",
    "default_method",
    "session_id",
    "redirect_uri",
];
const VERIFY_FIELDS: [&str; 5] =
    ["status", "session_id", "redirect_uri", "trusted_device_token", "error"];

fn sessions_text() -> &'static str {
    "SELECT COUNT(*) FROM sessions"
}

#[tokio::test]
async fn a_step_and_its_end_have_exactly_the_documented_fields() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let answer = client.login("acme", ALICE, PASSWORD).await;
    let step = answer.data();
    assert_eq!(fields(&step), LOGIN_FIELDS);
    assert!(answer.set_cookie("").is_none(), "no cookie before the second factor");
    assert_eq!(step["mfa_required"], true);
    assert_eq!(step["available_methods"], json!(["totp", "backup_code"]));
    assert_eq!(step["default_method"], "totp");
    assert_eq!((&step["session_id"], &step["redirect_uri"]), (&Value::Null, &Value::Null));
    assert_eq!(step["mfa_token"].as_str().unwrap().len(), 43, "256 bits");

    let wrong = client.verify(&step, "totp", &alice.app.wrong(&world)).await;
    assert_eq!(fields(&wrong.json()), ["data", "meta"]);
    assert_eq!(
        wrong.data(),
        json!({"status": "failed", "session_id": null, "redirect_uri": null,
               "trusted_device_token": null, "error": "invalid_code"})
    );

    let right = client.verify(&step, "totp", &alice.app.code(&world)).await;
    let data = right.accepted();
    assert_eq!(fields(&data), VERIFY_FIELDS);
    assert!(data["session_id"].as_str().unwrap().starts_with("ses_"));
    for empty in ["redirect_uri", "trusted_device_token", "error"] {
        assert_eq!(data[empty], Value::Null, "{empty}");
    }
    let meta = &right.json()["meta"];
    assert_eq!(meta["request_id"], right.headers["x-request-id"].to_str().unwrap());
    for answer in [&answer, &wrong, &right] {
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    assert!(right.set_cookie("session").unwrap().contains("HttpOnly"));
    assert_eq!(client.session().unwrap().0.to_string(), data["session_id"].as_str().unwrap());
    let text = "SELECT auth_methods FROM sessions ORDER BY id DESC LIMIT 1";
    assert_eq!(world.rows::<String>(sql(text)).await, ["pwd otp mfa"]);
}

#[tokio::test]
async fn blanks_and_dashes_in_a_code_do_not_matter() {
    let (world, _, alice) = with_alice().await;
    for spell in [
        |code: &str| format!(" {code}"),
        |code: &str| format!("{code}\n"),
        |code: &str| format!("{} {}", &code[..3], &code[3..]),
        |code: &str| format!("{}-{}", &code[..3], &code[3..]),
    ] {
        let mut client = world.client();
        let step = client.challenge("acme", ALICE).await;
        client.verify(&step, "totp", &spell(&alice.app.next(&world))).await.accepted();
    }
}

/// MFA-01: a step belongs to the person of the first one.
#[tokio::test]
async fn a_step_is_bound_to_its_user() {
    let (world, acme, alice) = with_alice().await;
    let eve = world.user_with_totp(&acme, EVE).await;
    let (mut client, sessions) = (world.client(), world.count(sessions_text()).await);
    let hers = client.challenge("acme", EVE).await;
    let victim = client.challenge("acme", ALICE).await;
    for (token, user, code) in [
        (&hers, &victim, eve.app.code(&world)),
        (&hers, &victim, alice.app.code(&world)),
        (&victim, &hers, eve.app.code(&world)),
        (&victim, &hers, alice.app.code(&world)),
    ] {
        let crossed = json!({"mfa_token": token["mfa_token"], "user_id": user["user_id"]});
        let answer = client.verify(&crossed, "totp", &code).await;
        assert_eq!(answer.refused(401), "invalid_mfa_token");
        assert!(answer.set_cookie("").is_none());
        for endpoint in ["mfa/email/send", "mfa/webauthn/begin"] {
            let answer = client.post_form(&step_path(endpoint, &crossed), "").await;
            assert_eq!(answer.refused(401), "invalid_mfa_token");
        }
    }
    assert_eq!(world.count(sessions_text()).await, sessions);
    assert!(world.mailed_codes(ALICE).await.is_empty());
    assert!(world.mailed_codes(EVE).await.is_empty());
    // Six such tries ended each of the two steps, for whoever has its token.
    for (step, code) in [(&hers, eve.app.code(&world)), (&victim, alice.app.code(&world))] {
        assert_eq!(client.verify(step, "totp", &code).await.refused(401), "invalid_mfa_token");
    }
}

/// MFA-02, MFA-03, MFA-17: nothing but a token of a live step gets on, and no answer tells why.
#[tokio::test]
async fn every_bad_step_is_answered_alike() {
    let (world, acme, alice) = with_alice().await;
    world.tenant("other", "{}").await;
    let mut client = world.client();
    let code = alice.app.code(&world);
    let step = client.challenge("acme", ALICE).await;
    let (token, user) = (step["mfa_token"].as_str().unwrap(), step["user_id"].clone());
    let bad = |token: &str| json!({"mfa_token": token, "user_id": user});
    let reference = client.verify(&bad(&"A".repeat(43)), "totp", &code).await;
    assert_eq!(reference.refused(401), "invalid_mfa_token");
    let mut seen = vec![
        client.verify(&bad(""), "totp", &code).await,
        client.verify(&bad("x"), "totp", &code).await,
        client.verify(&bad(&"A".repeat(1024)), "totp", &code).await,
        client.verify(&bad(&format!("{token}=")), "totp", &code).await,
        client.verify(&bad(&format!(" {token}")), "totp", &code).await,
        client.verify(&bad(&token[..42]), "totp", &code).await,
        client.verify(&bad(&token.to_uppercase()), "totp", &code).await,
        client
            .verify_with(&bad(token), json!({"user_id": "usr_1", "method": "totp", "code": code}))
            .await,
        client
            .api("other", "mfa/verify", &answer_to(&step, json!({"method": "totp", "code": code})))
            .await,
    ];
    // A session's secret, an invented cookie or a header is no step (MFA-17).
    let mut forged = world.client();
    forged.cookies.push(("mfa_done".to_owned(), "true".to_owned()));
    forged
        .cookies
        .push((format!("cs_session_{}", &acme.tenant.id.to_string()[4..]), "x.y".to_owned()));
    forged.headers.insert("x-forwarded-for", "a".parse().unwrap());
    seen.push(forged.verify(&bad("x"), "totp", &code).await);
    // Used up.
    client.verify(&step, "totp", &code).await.accepted();
    seen.push(client.verify(&step, "totp", &alice.app.next(&world)).await);
    // Expired: ten minutes, to the microsecond.
    let late = client.challenge("acme", ALICE).await;
    world.advance(Duration::from_mins(10));
    seen.push(client.verify(&late, "totp", &alice.app.code(&world)).await);
    // Ended by five wrong answers.
    let spent = client.challenge("acme", ALICE).await;
    for _ in 0..5 {
        client.verify(&spent, "totp", &alice.app.wrong(&world)).await.failed();
    }
    world.advance(Duration::from_mins(1));
    seen.push(client.verify(&spent, "totp", &alice.app.code(&world)).await);
    for (place, answer) in seen.iter().enumerate() {
        assert_eq!(answer.masked(), reference.masked(), "{place}");
    }
    let begin = step_path("mfa/webauthn/begin", &step);
    for path in [step_path("mfa/email/send", &step), begin] {
        assert_eq!(client.post_form(&path, "").await.masked(), reference.masked());
    }
}

#[tokio::test]
async fn a_step_lives_until_ten_minutes_are_over() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    world.advance(Duration::from_mins(10) - Duration::from_micros(1));
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
}

/// MFA-02, MFA-04: what is asked of a form and of a method.
#[tokio::test]
async fn an_unknown_method_and_one_that_the_user_lacks_are_refused_without_being_counted() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    for method in ["password", "backup", "EMAIL", "totp ", "none", "sms", "", "webauthn,totp"] {
        let answer = client.verify(&step, method, &alice.app.code(&world)).await;
        assert_eq!(answer.refused(400), "unknown_method", "{method}");
    }
    assert_eq!(client.verify(&step, "email", "123456").await.refused(400), "method_not_available");
    let passkey = json!({"method": "webauthn", "challenge_id": "x", "credential": {}});
    let answer = client.verify_with(&step, passkey).await;
    assert_eq!(answer.refused(400), "method_not_available");
    assert_eq!(client.ask_for_code(&step).await.refused(400), "method_not_available");
    let answer = client.post_form(&step_path("mfa/webauthn/begin", &step), "").await;
    assert_eq!(answer.refused(400), "method_not_available");
    assert!(world.mailed_codes(ALICE).await.is_empty());
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "failure").await, 0);
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
}

#[tokio::test]
async fn what_a_method_needs_is_asked_for_at_its_field() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let missing = |names: &[&str]| -> Vec<(String, String)> {
        names.iter().map(|name| (format!("body.{name}"), "missing".to_owned())).collect()
    };
    for method in ["totp", "email", "backup_code"] {
        for fields in [json!({"method": method}), json!({"method": method, "code": null})] {
            assert_eq!(client.verify_with(&step, fields).await.faults(), missing(&["code"]));
        }
    }
    let answer = client.verify_with(&step, json!({"method": "webauthn", "code": "123456"})).await;
    assert_eq!(answer.faults(), missing(&["challenge_id", "credential"]));
    let half = json!({"method": "webauthn", "challenge_id": "x"});
    assert_eq!(client.verify_with(&step, half).await.faults(), missing(&["credential"]));
    let empty = client.api("acme", "mfa/verify", &json!({})).await;
    assert_eq!(empty.faults(), missing(&["mfa_token", "method"]));
    for odd in [json!(["totp"]), json!(1), json!(null), json!({})] {
        let answer = client.verify_with(&step, json!({"method": odd, "code": "1"})).await;
        assert_eq!(answer.faults(), [("body.method".to_owned(), "string_type".to_owned())]);
    }
    let token = json!({"mfa_token": "A".repeat(1025), "method": "totp", "code": "1"});
    let answer = client.verify_with(&step, token).await;
    assert_eq!(answer.faults(), [("body.mfa_token".to_owned(), "string_too_long".to_owned())]);
    assert!(!answer.text.contains("AAAA"), "what is rejected is not repeated");
    let huge = json!({"method": "totp", "code": "1".repeat(70_000)});
    assert_eq!(client.verify_with(&step, huge).await.refused(413), "payload_too_large");
    for endpoint in ["mfa/email/send", "mfa/webauthn/begin"] {
        let path = format!("/api/v1/auth/tenants/acme/{endpoint}");
        let answer = client.post_form(&path, "").await;
        let both = ["query.mfa_token", "query.user_id"];
        assert_eq!(answer.faults(), both.map(|it| (it.to_owned(), "missing".to_owned())));
        let wrong = client.request(Method::GET, &step_path(endpoint, &step), None, "").await;
        assert_eq!(wrong.status, 405);
    }
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
}

/// MFA-09: a step's token is good for nothing else.
#[tokio::test]
async fn a_step_is_no_session() {
    let (world, acme, _) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let token = step["mfa_token"].as_str().unwrap().to_owned();
    let session = world.rows::<String>(sql("SELECT id FROM sessions")).await.remove(0);
    let id = acme.tenant.id.to_string();
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("cookie", format!("cs_session_{}={session}.{token}", &id[4..])),
        ("cookie", format!("cs_session_{}={token}", &id[4..])),
        ("x-mfa-token", token.clone()),
    ] {
        let mut client = world.client();
        client.headers.insert(name, value.parse().unwrap());
        client.headers.insert("x-tenant", "acme".parse().unwrap());
        client.headers.insert("x-csrf-token", "x".parse().unwrap());
        assert_eq!(client.get("/api/v1/me/mfa").await.status, 401, "{name}");
        for endpoint in [
            "totp/setup",
            "email/enable",
            "webauthn/register/begin",
            "totp/confirm",
            "backup-codes/regenerate",
        ] {
            let path = format!("/api/v1/me/mfa/{endpoint}");
            let answer = client.post_json(&path, r#"{"code": "123456"}"#).await;
            assert_eq!(answer.status, 401, "{name} {endpoint} {}", answer.text);
        }
    }
    let verify = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    assert_eq!(client.get(&verify).await.refused(400), "invalid_token");
    let reset = json!({"token": token, "new_password": OTHER});
    assert_eq!(client.api("acme", "password/reset", &reset).await.refused(400), "invalid_token");
}

/// MFA-05: a new password opens nothing, and the second factor stays due.
#[tokio::test]
async fn a_password_reset_leaves_the_second_factor_due_and_ends_the_steps_under_way() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.api("acme", "password/forgot", &json!({"email": ALICE})).await.data();
    let token = world.mailed_token(ALICE).await;
    let body = json!({"token": token, "new_password": OTHER});
    let answer = client.api("acme", "password/reset", &body).await;
    answer.data();
    assert!(answer.set_cookie("").is_none());
    assert_eq!(world.count(sessions_text()).await, 0);
    let old = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(old.refused(401), "invalid_mfa_token");
    let data = client.login("acme", ALICE, OTHER).await.data();
    assert_eq!(data["status"], "mfa_required");
    client.verify(&data, "totp", &alice.app.code(&world)).await.accepted();
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "success").await, 1);
}

/// MFA-06: where the factors cannot be read, nobody is let in.
#[tokio::test]
async fn a_fault_of_the_store_lets_nobody_in() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let sessions = world.count(sessions_text()).await;
    world.execute(sql("ALTER TABLE factors RENAME TO lost")).await;
    for answer in [
        client.login("acme", ALICE, PASSWORD).await,
        client.verify(&step, "totp", &alice.app.code(&world)).await,
        client.verify(&step, "backup_code", &alice.backup_codes[0]).await,
        client.ask_for_code(&step).await,
    ] {
        assert!(answer.status.is_server_error(), "{}", answer.status);
        assert!(answer.set_cookie("").is_none());
    }
    assert_eq!(world.count(sessions_text()).await, sessions);
    world.execute(sql("ALTER TABLE lost RENAME TO factors")).await;
    world.execute(sql("ALTER TABLE backup_codes RENAME TO lost")).await;
    assert!(client.login("acme", ALICE, PASSWORD).await.status.is_server_error());
    world.execute(sql("ALTER TABLE lost RENAME TO backup_codes")).await;
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "success").await, 1);
}

/// THR-15: whoever is suspended between the steps is not let in by the second.
#[tokio::test]
async fn a_suspension_ends_the_steps_under_way() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let user = users::show(&acme, ALICE).await.unwrap();
    let suspended = users::set_status(&acme, &user, UserStatus::Suspended).await;
    suspended.unwrap();
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
    users::set_status(&acme, &user, UserStatus::Active).await.unwrap();
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token", "the password is asked for again");
    // Even a step that outlived the suspension is of no use while it lasts.
    let step = client.challenge("acme", ALICE).await;
    world.execute(sql("UPDATE users SET status = 'suspended'")).await;
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
}

/// MFA-20: between the steps the password is nowhere, nor is any token or code.
#[tokio::test]
async fn nothing_secret_is_in_the_database_between_the_steps() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    let step = client.challenge("acme", ALICE).await;
    let mut secrets = vec![
        PASSWORD.to_owned(),
        step["mfa_token"].as_str().unwrap().to_owned(),
        alice.app.code(&world),
        countersign::crypto::opaque::hex(alice.app.key()),
    ];
    secrets.extend(alice.backup_codes.iter().cloned());
    secrets.extend(alice.backup_codes.iter().map(|code| code.replace('-', "")));
    let dump = world.dump().await;
    assert!(dump.contains("alice@example.com"), "the dump holds something");
    for secret in &secrets {
        assert!(!dump.contains(secret.as_str()), "{secret}");
        for (_, cookie) in &client.cookies {
            assert!(!cookie.contains(secret.as_str()));
        }
    }
    let trust = json!({"method": "totp", "code": alice.app.code(&world), "trust_device": true,
                       "device_fingerprint": "my own laptop"});
    let done = client.verify_with(&step, trust).await.accepted();
    let dump = world.dump().await;
    let trusted = done["trusted_device_token"].as_str().unwrap();
    let (_, secret) = client.session().unwrap();
    for secret in [trusted, secret.expose(), "my own laptop"] {
        assert!(!dump.contains(secret), "{secret}");
    }
    let trail = format!("{:?}", world.trail(&acme).await);
    for secret in secrets.iter().map(String::as_str).chain([trusted]) {
        assert!(!trail.contains(secret), "{secret}");
    }
}

/// SES-01, SES-02: the session after the second step is always a new one with a new secret.
#[tokio::test]
async fn a_planted_cookie_is_never_promoted() {
    let (world, acme, alice) = with_alice().await;
    let mut eve = world.client();
    world.user(&acme, EVE).await;
    eve.login("acme", EVE, PASSWORD).await.data();
    let planted = eve.session().unwrap();
    let mut victim = world.client();
    victim.cookies.clone_from(&eve.cookies);
    let answer = victim.login("acme", ALICE, PASSWORD).await;
    assert!(answer.set_cookie("session").is_none());
    assert_eq!(victim.session().unwrap().0, planted.0, "the step leaves the cookie alone");
    let step = answer.data();
    victim.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    let fresh = victim.session().unwrap();
    assert_ne!(fresh.0, planted.0);
    assert_ne!(fresh.1.expose(), planted.1.expose());
    // Eve's own session ended in the browser that had its cookie.
    assert_eq!(eve.get("/api/v1/me/mfa").await.status, 401);
    assert_eq!(victim.factors().await["enabled"], true);
}

/// SES-11: leaving with a cookie that is none changes nothing about a step.
#[tokio::test]
async fn a_step_that_a_newer_one_follows_stays_good_up_to_five() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let mut steps = Vec::new();
    for _ in 0..6 {
        world.advance(Duration::from_secs(1));
        steps.push(client.challenge("acme", ALICE).await);
    }
    let oldest = client.verify(&steps[0], "totp", &alice.app.code(&world)).await;
    assert_eq!(oldest.refused(401), "invalid_mfa_token");
    client.verify(&steps[1], "totp", &alice.app.code(&world)).await.accepted();
    client.verify(&steps[5], "totp", &alice.app.next(&world)).await.accepted();
}

/// The form body in the place of the query; the user need not be named at `verify`.
#[tokio::test]
async fn a_step_may_come_in_a_form_and_without_its_user() {
    let (world, acme, alice) = with_alice().await;
    let mut signed_in = world.client();
    let step = signed_in.challenge("acme", ALICE).await;
    signed_in.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    world.enrol_email(&acme, &mut signed_in, ALICE).await.data();
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let (token, user) = (step["mfa_token"].as_str().unwrap(), step["user_id"].as_str().unwrap());
    let path = "/api/v1/auth/tenants/acme/mfa/email/send";
    let form = format!("mfa_token={token}&user_id={user}");
    assert_eq!(client.post_form(path, &form).await.data()["status"], "sent");
    let code = world.mailed_code(ALICE).await;
    let body = json!({"mfa_token": token, "method": "email", "code": code});
    client.api("acme", "mfa/verify", &body).await.accepted();
    let null = json!({"user_id": null, "method": "totp", "code": alice.app.next(&world)});
    let step = client.challenge("acme", ALICE).await;
    client.verify_with(&step, null).await.accepted();
}

/// What another site makes a browser send is refused before anything is looked at.
#[tokio::test]
async fn no_other_site_can_answer_a_step() {
    let (world, _, alice) = with_alice().await;
    let mut client: Client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let answer: Answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(403), "cross_site_request");
    assert_eq!(client.ask_for_code(&step).await.refused(403), "cross_site_request");
    client.headers.clear();
    client.headers.insert("authorization", "Bearer x".parse().unwrap());
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(401), "invalid_client_token");
}
