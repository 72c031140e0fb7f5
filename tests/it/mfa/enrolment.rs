//! Enrolling and removing factors: by whom, with what proof, and what a change ends.

use std::time::Duration;

use axum::http::Method;
use countersign::{db::sql, flows::Cx};
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, PASSWORD, World,
    factors::{Authenticator, Enrolled, STEP, texts},
    together,
};

const ALICE: &str = "alice@example.com";
const EVE: &str = "eve@example.com";
/// What changes factors or begins to.
const CHANGES: [(&str, &str); 9] = [
    ("POST", "mfa/totp/setup"),
    ("POST", "mfa/totp/disable"),
    ("POST", "mfa/email/enable"),
    ("POST", "mfa/email/disable"),
    ("POST", "mfa/webauthn/register/begin"),
    ("POST", "mfa/backup-codes/regenerate"),
    ("DELETE", "mfa/webauthn/psk_01kdvdp79gea3rpk3ced6tqx00"),
    ("POST", "mfa/totp/confirm"),
    ("POST", "mfa/email/confirm"),
];

async fn call(client: &mut Client, (method, endpoint): (&str, &str), body: &Value) -> Answer {
    let path = format!("/api/v1/me/{endpoint}");
    let method = method.parse::<Method>().unwrap();
    client.request(method, &path, Some("application/json"), &body.to_string()).await
}

/// A world with Alice, who has no factor and has signed in just now.
async fn with_alice(settings: &str) -> (World, Cx, Client) {
    let world = World::new().await;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    (world, acme, client)
}

/// A world with Alice, whose app was enrolled by an enrolment step, and her session.
async fn with_enrolled_alice(settings: &str) -> (World, Cx, Client, Enrolled) {
    let (world, acme, mut client) = with_alice(settings).await;
    let alice = world.enrol_totp(&acme, &mut client).await;
    world.advance(STEP);
    (world, acme, client, alice)
}

#[tokio::test]
async fn the_list_tells_what_is_enrolled_and_what_may_be() {
    let (world, acme, mut client) = with_alice("{}").await;
    assert_eq!(
        client.factors().await,
        json!({"enabled": false, "required": false,
               "allowed_methods": ["webauthn", "totp", "email", "backup_code"],
               "default_method": null, "methods": [],
               "backup_codes": {"remaining": 0, "created_at": null}})
    );
    world.enrol_totp(&acme, &mut client).await;
    world.advance(Duration::from_secs(61));
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    assert_eq!(
        client.factors().await["methods"],
        json!([
            {"method": "email", "destination": "a***@example.com",
             "created_at": "2026-01-01T00:01:01.000000Z", "last_used_at": null},
            {"method": "totp", "destination": null,
             "created_at": "2026-01-01T00:00:00.000000Z", "last_used_at": null},
        ])
    );
}

/// Without session, without proof of our own page, with those of somebody else.
#[tokio::test]
async fn only_a_session_with_its_own_proof_gets_in() {
    let (world, acme, mut alice) = with_alice("{}").await;
    let eve = world.user(&acme, EVE).await;
    let mut other = world.client();
    other.login("acme", EVE, PASSWORD).await.data();
    let own = world.csrf(&acme, &alice).await;
    let hers = world.csrf(&acme, &other).await;
    let body = json!({"code": "123456"});
    for change in CHANGES {
        let answer = call(&mut world.client(), change, &body).await;
        assert_eq!(answer.refused(401), "not_authenticated", "{change:?}");
        for proof in [None, Some(""), Some("x"), Some(hers.as_str()), Some(&own[..own.len() - 1])] {
            match proof {
                Some(proof) => alice.headers.insert("x-csrf-token", proof.parse().unwrap()),
                None => alice.headers.remove("x-csrf-token"),
            };
            let answer = call(&mut alice, change, &body).await;
            assert_eq!(answer.refused(403), "invalid_csrf_token", "{change:?} {proof:?}");
        }
        alice.headers.insert("x-csrf-token", own.parse().unwrap());
        alice.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(call(&mut alice, change, &body).await.refused(403), "cross_site_request");
        alice.headers.clear();
    }
    let default = ("PUT", "mfa/default");
    let answer = call(&mut alice, default, &json!({"method": null})).await;
    assert_eq!(answer.refused(403), "invalid_csrf_token");
    for table in ["SELECT COUNT(*) FROM setups", "SELECT COUNT(*) FROM factors"] {
        assert_eq!(world.count(table).await, 0);
    }
    // A session of one's own is never another's, whatever is put together.
    let (id, _) = alice.session().unwrap();
    let (_, secret) = other.session().unwrap();
    let name = alice.cookies.iter().find(|it| it.0.contains("session")).unwrap().0.clone();
    alice.cookies = vec![(name, format!("{id}.{}", secret.expose()))];
    assert_eq!(alice.get("/api/v1/me/mfa").await.refused(401), "not_authenticated");
    assert!(!alice.get("/api/v1/me/mfa").await.text.contains(&eve.id.to_string()));
}

/// A browser that has sessions in two tenants says which it means; neither's cookie is the other's.
#[tokio::test]
async fn a_session_is_of_its_tenant() {
    let (world, acme, mut client) = with_alice("{}").await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, ALICE).await;
    let before = client.clone();
    client.login("other", ALICE, PASSWORD).await.data();
    let answer = client.get("/api/v1/me/mfa").await;
    assert_eq!(answer.refused(401), "not_authenticated", "which of the two?");
    world.enrol_totp(&acme, &mut before.clone()).await;
    for (slug, enabled) in [("acme", true), ("other", false), ("ACME", true)] {
        client.headers.insert("x-tenant", slug.parse().unwrap());
        assert_eq!(client.get("/api/v1/me/mfa").await.data()["enabled"], enabled, "{slug}");
    }
    client.headers.insert("x-tenant", "nowhere".parse().unwrap());
    assert_eq!(client.get("/api/v1/me/mfa").await.refused(404), "tenant_not_found");
    // The value of one tenant's cookie under the name of the other's.
    let mut moved = before;
    let id = other.tenant.id.to_string();
    for (name, _) in &mut moved.cookies {
        *name = format!("cs_session_{}", &id[4..]);
    }
    assert_eq!(moved.get("/api/v1/me/mfa").await.refused(401), "not_authenticated");
    moved.headers.insert("x-tenant", "other".parse().unwrap());
    assert_eq!(moved.get("/api/v1/me/mfa").await.refused(401), "not_authenticated");
}

/// MFA-18: five minutes after the last proof of who it is, nothing is changed without a new one.
#[tokio::test]
async fn a_change_needs_a_proof_of_less_than_five_minutes_ago() {
    let (world, acme, mut client, alice) = with_enrolled_alice("{}").await;
    client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    world.advance(Duration::from_mins(5) - STEP - Duration::from_micros(1));
    client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    world.advance(Duration::from_micros(1));
    for change in CHANGES.iter().take(7) {
        let csrf = world.csrf(&acme, &client).await;
        client.headers.insert("x-csrf-token", csrf.parse().unwrap());
        let answer = call(&mut client, *change, &json!({})).await;
        assert_eq!(answer.refused(403), "reauthentication_required", "{change:?}");
        client.headers.clear();
    }
    // A code that comes along is a proof, and it is for this session.
    let mut second = world.client();
    let step = second.challenge("acme", ALICE).await;
    second.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    world.advance(Duration::from_mins(5));
    let body = json!({"code": alice.app.code(&world)});
    second.me(&world, &acme, "mfa/backup-codes/regenerate", &body).await.data();
    let answer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await;
    assert_eq!(answer.refused(403), "reauthentication_required", "of another session");
    second.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
}

/// MFA-24: asking for a code enrols nothing.
#[tokio::test]
async fn mailed_codes_are_no_factor_before_one_was_entered() {
    let (world, acme, mut client) = with_alice("{}").await;
    let sent = client.me(&world, &acme, "mfa/email/enable", &json!({})).await.data();
    assert_eq!(sent["status"], "sent");
    assert_eq!(sent["destination"], "a***@example.com");
    assert_eq!(sent["expires_in"], 600);
    let code = world.mailed_code(ALICE).await;
    assert!(!sent.to_string().contains(&code));
    assert_eq!(world.client().login("acme", ALICE, PASSWORD).await.data()["status"], "success");
    assert_eq!(client.factors().await["enabled"], false);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let confirm = "mfa/email/confirm";
    for _ in 0..4 {
        let answer = client.me(&world, &acme, confirm, &json!({"code": wrong})).await;
        assert_eq!(answer.refused(400), "invalid_code");
    }
    let spelt = json!({"code": format!(" {}-{} ", &code[..3], &code[3..])});
    let enabled = client.me(&world, &acme, confirm, &spelt).await.data();
    assert_eq!(enabled["status"], "enabled");
    assert_eq!(enabled["method"], "email");
    assert_eq!(texts(&enabled["backup_codes"]).len(), 10, "the first factor");
    let again = client.me(&world, &acme, confirm, &json!({"code": code})).await;
    assert_eq!(again.refused(400), "setup_not_found");
    world.client().challenge("acme", ALICE).await;
}

#[tokio::test]
async fn five_wrong_codes_end_a_setup_and_so_do_ten_minutes() {
    let (world, acme, mut client) = with_alice("{}").await;
    for method in ["totp", "email"] {
        let (begin, confirm) = match method {
            "totp" => ("mfa/totp/setup", "mfa/totp/confirm"),
            _ => ("mfa/email/enable", "mfa/email/confirm"),
        };
        let answer = client.me(&world, &acme, confirm, &json!({"code": "123456"})).await;
        assert_eq!(answer.refused(400), "setup_not_found", "{method}: none waits");
        let offer = client.me(&world, &acme, begin, &json!({})).await.data();
        let right = async || match offer["secret"].as_str() {
            Some(secret) => Authenticator::typed(secret).code(&world),
            None => world.mailed_code(ALICE).await,
        };
        for _ in 0..5 {
            let answer = client.me(&world, &acme, confirm, &json!({"code": "x"})).await;
            assert_eq!(answer.refused(400), "invalid_code", "{method}");
        }
        let answer = client.me(&world, &acme, confirm, &json!({"code": right().await})).await;
        assert_eq!(answer.refused(400), "setup_not_found", "{method}: five were wrong");
    }
    let offer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    let app = Authenticator::typed(offer["secret"].as_str().unwrap());
    world.advance(Duration::from_mins(10));
    let answer =
        client.me(&world, &acme, "mfa/totp/confirm", &json!({"code": app.code(&world)})).await;
    assert_eq!(answer.refused(400), "setup_not_found", "ten minutes are over");
    assert_eq!(world.count("SELECT COUNT(*) FROM factors").await, 0);
}

/// A change tells its owner and ends everything older but the session it was made in.
#[tokio::test]
async fn a_change_is_told_and_ends_other_sessions_and_steps() {
    let (world, acme, mut client) = with_alice("{}").await;
    let mut second = world.client();
    second.login("acme", ALICE, PASSWORD).await.data();
    let alice = world.enrol_totp(&acme, &mut client).await;
    assert_eq!(second.get("/api/v1/me/mfa").await.status, 401);
    assert_eq!(client.get("/api/v1/me/mfa").await.status, 200);
    let step = second.challenge("acme", ALICE).await;
    second.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
    let pending = second.challenge("acme", ALICE).await;
    client.me(&world, &acme, "mfa/totp/disable", &json!({})).await.data();
    assert_eq!(second.get("/api/v1/me/mfa").await.status, 401);
    let answer = second.verify(&pending, "backup_code", &alice.backup_codes[0]).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
    let mails = world.inbox(ALICE).await;
    for word in ["added", "removed"] {
        let count = mails.iter().filter(|mail| mail.text.contains(word)).count();
        assert_eq!(count, 1, "{word}");
    }
    assert_eq!(world.recorded(&acme, "user.mfa.added", "success").await, 1);
    assert_eq!(world.recorded(&acme, "user.mfa.removed", "success").await, 1);
    let answer = client.me(&world, &acme, "mfa/totp/disable", &json!({})).await;
    assert_eq!(answer.refused(400), "method_not_available", "there is none any more");
}

#[tokio::test]
async fn the_default_method_is_one_that_is_enrolled_and_goes_with_it() {
    let (world, acme, mut client, alice) = with_enrolled_alice("{}").await;
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    let set = async |client: &mut Client, method: Value| {
        client.me_by(&world, &acme, (Method::PUT, "mfa/default"), &json!({"method": method})).await
    };
    assert_eq!(world.client().challenge("acme", ALICE).await["default_method"], "totp");
    assert_eq!(set(&mut client, json!("email")).await.data(), json!({"default_method": "email"}));
    let step = world.client().challenge("acme", ALICE).await;
    assert_eq!(step["default_method"], "email");
    assert_eq!(step["available_methods"], json!(["totp", "email", "backup_code"]));
    for absent in ["webauthn", "backup_code"] {
        let answer = set(&mut client, json!(absent)).await;
        assert_eq!(answer.refused(400), "method_not_available", "{absent}");
    }
    assert_eq!(set(&mut client, json!("sms")).await.refused(400), "unknown_method");
    client.me(&world, &acme, "mfa/email/disable", &json!({})).await.data();
    assert_eq!(client.factors().await["default_method"], Value::Null);
    assert_eq!(set(&mut client, json!("totp")).await.data(), json!({"default_method": "totp"}));
    assert_eq!(set(&mut client, Value::Null).await.data(), json!({"default_method": null}));
    let step = world.client().challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["totp", "backup_code"]));
    world.client().verify(&step, "totp", &alice.app.code(&world)).await.accepted();
}

/// The last factor stays where one is demanded, whatever else is enrolled that does not count.
#[tokio::test]
async fn the_last_factor_cannot_be_removed_where_one_is_demanded() {
    let (world, acme, mut client, _) = with_enrolled_alice("{}").await;
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    let acme = world.set_settings(&acme, r#"{"mfa": {"required": true}}"#).await;
    client.me(&world, &acme, "mfa/email/disable", &json!({})).await.data();
    let answer = client.me(&world, &acme, "mfa/totp/disable", &json!({})).await;
    assert_eq!(answer.refused(409), "last_factor");
    assert_eq!(client.factors().await["backup_codes"]["remaining"], 10, "nothing is gone");
    assert_eq!(world.recorded(&acme, "user.mfa.removed", "success").await, 1);

    world.advance(Duration::from_mins(1));
    world.enrol_email(&acme, &mut client, ALICE).await.data();
    let only_totp = r#"{"mfa": {"required": true, "methods": ["totp", "backup_code"]}}"#;
    let acme = world.set_settings(&acme, only_totp).await;
    let answer = client.me(&world, &acme, "mfa/totp/disable", &json!({})).await;
    assert_eq!(answer.refused(409), "last_factor", "mail is enrolled and does not count");
    client.me(&world, &acme, "mfa/email/disable", &json!({})).await.data();
}

/// A refused change with a code leaves its caller signed in.
#[tokio::test]
async fn a_refused_change_does_not_cost_the_session() {
    let (world, acme, mut client, alice) = with_enrolled_alice("{}").await;
    let acme = world.set_settings(&acme, r#"{"mfa": {"required": true}}"#).await;
    let body = json!({"code": alice.app.code(&world)});
    let answer = client.me(&world, &acme, "mfa/totp/disable", &body).await;
    assert_eq!(answer.refused(409), "last_factor");
    assert_eq!(client.get("/api/v1/me/mfa").await.status, 200, "still signed in");
    let body = json!({"code": alice.app.next(&world)});
    let answer = client.me(&world, &acme, "mfa/email/disable", &body).await;
    assert_eq!(answer.refused(400), "method_not_available");
    assert_eq!(client.get("/api/v1/me/mfa").await.status, 200, "still signed in");
}

/// Two removals at once do not each think that the other's factor stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_removals_at_once_leave_one_factor_where_one_is_demanded() {
    for round in 0..5 {
        let (world, acme, mut client, _) = with_enrolled_alice("{}").await;
        world.enrol_email(&acme, &mut client, ALICE).await.data();
        let acme = world.set_settings(&acme, r#"{"mfa": {"required": true}}"#).await;
        let second = world.second_node().await;
        let csrf = world.csrf(&acme, &client).await;
        let removals = ["totp", "email", "totp", "email"].into_iter().enumerate();
        let removals = removals.map(|(number, method)| {
            let mut one = if number < 2 { world.client() } else { second.client() };
            one.cookies.clone_from(&client.cookies);
            one.headers.insert("x-csrf-token", csrf.parse().unwrap());
            let path = format!("/api/v1/me/mfa/{method}/disable");
            async move { one.post_json(&path, "{}").await.status.as_u16() }
        });
        let answers = together(removals).await;
        assert_eq!(answers.iter().filter(|it| **it == 200).count(), 1, "{round} {answers:?}");
        assert_eq!(world.count("SELECT COUNT(*) FROM factors").await, 1);
        assert_eq!(world.recorded(&acme, "user.mfa.removed", "success").await, 1);
    }
}

/// What belongs to somebody else is not there.
#[tokio::test]
async fn no_factor_of_another_account_is_within_reach() {
    let (world, acme, _, _) = with_enrolled_alice("{}").await;
    world.user(&acme, EVE).await;
    let mut eve = world.client();
    eve.login("acme", EVE, PASSWORD).await.data();
    for endpoint in ["mfa/totp/disable", "mfa/email/disable"] {
        let answer = eve.me(&world, &acme, endpoint, &json!({})).await;
        assert_eq!(answer.refused(400), "method_not_available");
    }
    let passkey = (Method::DELETE, "mfa/webauthn/psk_01kdvdp79gea3rpk3ced6tqx00");
    assert_eq!(eve.me_by(&world, &acme, passkey, &json!({})).await.refused(404), "not_found");
    let nonsense = (Method::DELETE, "mfa/webauthn/x");
    assert_eq!(eve.me_by(&world, &acme, nonsense, &json!({})).await.refused(404), "not_found");
    assert_eq!(eve.factors().await["methods"], json!([]));
    assert_eq!(world.count("SELECT COUNT(*) FROM factors").await, 1);
}

/// A setup belongs to its account: nobody confirms it for another.
#[tokio::test]
async fn a_setup_is_confirmed_by_its_own_account_only() {
    let (world, acme, mut alice) = with_alice("{}").await;
    world.user(&acme, EVE).await;
    let mut eve = world.client();
    eve.login("acme", EVE, PASSWORD).await.data();
    let offer = alice.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    let app = Authenticator::typed(offer["secret"].as_str().unwrap());
    let code = json!({"code": app.code(&world)});
    let answer = eve.me(&world, &acme, "mfa/totp/confirm", &code).await;
    assert_eq!(answer.refused(400), "setup_not_found");
    alice.me(&world, &acme, "mfa/totp/confirm", &code).await.data();
    let users = "SELECT COUNT(DISTINCT user_id) FROM factors";
    assert_eq!(world.rows::<i64>(sql(users)).await, [1]);
}
