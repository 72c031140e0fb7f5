//! The session that asks, its proof, the other sessions, and who is let in at all.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request},
};
use countersign::flows::users;
use serde_json::{Value, json};

use super::{EVE, GRACE, call, carry, delete, get, grace, post, prove, signed_in};
use crate::support::{Client, PASSWORD, World, together};

const READS: [&str; 6] = ["", "/session", "/sessions", "/trusted-devices", "/activity", "/export"];
const WRITES: [(&str, &str); 13] = [
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/reauthenticate/begin"),
    ("POST", "/reauthenticate"),
    ("POST", "/password"),
    ("POST", "/email"),
    ("POST", "/verify-email"),
    ("POST", "/sessions/revoke-others"),
    ("DELETE", "/sessions/ses_00000000000000000000000000"),
    ("POST", "/logout"),
    ("DELETE", "/trusted-devices"),
    ("DELETE", "/trusted-devices/tdv_00000000000000000000000000"),
    ("POST", "/deletion/cancel"),
];

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

#[tokio::test]
async fn nobody_is_let_in_without_a_session() {
    let world = World::new().await;
    let (_, _, signed) = grace(&world).await;
    let mut anonymous = world.client();
    let mut altered = signed.clone();
    altered.cookies.iter_mut().for_each(|(_, value)| value.push('A'));
    let mut bearer = signed.clone();
    bearer.headers.insert("authorization", HeaderValue::from_static("Bearer nonsense"));
    for client in [&mut anonymous, &mut altered, &mut bearer] {
        for path in READS {
            assert_eq!(get(client, path).await.refused(401), "not_authenticated", "{path}");
        }
        for (name, path) in WRITES {
            let answer = call(client, method(name), path, &json!({})).await;
            assert_eq!(answer.refused(401), "not_authenticated", "{name} {path}");
        }
    }
}

/// WEB-01: a request that only a browser's cookie speaks for changes nothing.
#[tokio::test]
async fn web_01_a_change_by_cookie_needs_the_proof_of_our_own_page() {
    let world = World::new().await;
    let (_, _, client) = grace(&world).await;
    let of_another = signed_in(&world, "acme", GRACE, PASSWORD).await;
    let before = world.count("SELECT COUNT(*) FROM sessions").await;
    let another = of_another.headers["x-csrf-token"].clone();
    let mut missing = client.clone();
    missing.headers.remove("x-csrf-token");
    let mut wrong = client.clone();
    wrong.headers.insert("x-csrf-token", HeaderValue::from_static("wrong"));
    let mut empty = client.clone();
    empty.headers.insert("x-csrf-token", HeaderValue::from_static(""));
    let mut foreign = client.clone();
    foreign.headers.insert("x-csrf-token", another);
    for client in [&mut missing, &mut wrong, &mut empty, &mut foreign] {
        for (name, path) in WRITES {
            let answer = call(client, method(name), path, &json!({})).await;
            assert_eq!(answer.refused(403), "invalid_csrf_token", "{name} {path}");
        }
        // Looking needs none.
        get(client, "").await.data();
    }
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let mut client = client.clone();
        client.headers.insert(header, HeaderValue::from_static(value));
        let answer = post(&mut client, "/logout", Value::Null).await;
        assert_eq!(answer.refused(403), "cross_site_request", "{header}: {value}");
    }
    let mut plain = missing.clone();
    let body = json!({"email": EVE}).to_string();
    let answer = plain.request(Method::POST, "/api/v1/me/email", Some("text/plain"), &body).await;
    assert_eq!(answer.refused(403), "invalid_csrf_token");
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, before);
}

#[tokio::test]
async fn ten_01_a_session_counts_in_its_own_tenant_and_nowhere_else() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let named = |slug: &'static str, client: &Client| {
        let mut client = client.clone();
        client.headers.insert("x-tenant", HeaderValue::from_static(slug));
        client
    };
    let answer = get(&mut named("other", &client), "").await;
    assert_eq!(answer.refused(401), "not_authenticated");
    // The other tenant's name over this tenant's secret.
    let mut forged = client.clone();
    let id = other.tenant.id.to_string();
    for (name, _) in &mut forged.cookies {
        if name.contains("cs_session_") {
            *name = format!("cs_session_{}", id.trim_start_matches("tnt_"));
        }
    }
    assert_eq!(get(&mut forged, "").await.refused(401), "not_authenticated");
    // With sessions in both, nobody guesses which one is meant.
    client.login("other", GRACE, PASSWORD).await.data();
    assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
    for slug in ["acme", "other"] {
        let data = get(&mut named(slug, &client), "").await.data();
        assert_eq!(data["tenant"]["slug"], slug);
    }
    // The proof of a page of one tenant is none in the other.
    let answer = post(&mut named("other", &client), "/logout", Value::Null).await;
    assert_eq!(answer.refused(403), "invalid_csrf_token");
}

#[tokio::test]
async fn a_session_tells_how_long_its_proof_is_recent() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let data = get(&mut client, "/session").await.data();
    assert_eq!(data["recent"], true);
    assert_eq!(data["proved_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(data["recent_until"], "2026-01-01T00:05:00.000000Z");
    assert_eq!(data["session"]["current"], true);
    assert_eq!(data["session"]["methods"], json!(["pwd"]));
    world.advance(Duration::from_secs(300));
    assert_eq!(get(&mut client, "/session").await.data()["recent"], false);
}

/// SES-02: after a proof the session has another secret, and the old one is dead.
#[tokio::test]
async fn ses_02_a_new_proof_makes_a_new_secret() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    world.advance(Duration::from_secs(600));
    let mut old = client.clone();
    let answer = post(&mut client, "/reauthenticate", json!({"password": PASSWORD})).await;
    let data = answer.data();
    assert_eq!(data["recent_until"], "2026-01-01T00:15:00.000000Z");
    assert_eq!(data["recent"], true);
    assert!(answer.set_cookie("cs_session").unwrap().contains("HttpOnly"));
    assert_eq!(get(&mut old, "").await.refused(401), "not_authenticated");
    // The old proof of the page is dead with the old secret.
    let stale = post(&mut client, "/logout", Value::Null).await;
    assert_eq!(stale.refused(403), "invalid_csrf_token");
    carry(&mut client, &data);
    assert_eq!(get(&mut client, "/session").await.data()["csrf_token"], data["csrf_token"]);
    assert_eq!(world.recorded(&acme, "auth.reauthenticated", "success").await, 1);
}

#[tokio::test]
async fn a_wrong_proof_is_told_from_a_missing_one() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let answer = post(&mut client, "/reauthenticate", json!({"password": "wrong one"})).await;
    assert_eq!(answer.refused(401), "invalid_credentials");
    for body in [json!({}), json!({"password": PASSWORD, "method": "totp", "code": "123456"})] {
        let faults = post(&mut client, "/reauthenticate", body).await.faults();
        assert_eq!(faults[0].0, "body.password");
    }
    let faults = post(&mut client, "/reauthenticate", json!({"method": "totp"})).await.faults();
    assert_eq!(faults, [("body.code".to_owned(), "missing".to_owned())]);
    let body = json!({"method": "carrier pigeon", "code": "1"});
    assert_eq!(post(&mut client, "/reauthenticate", body).await.refused(400), "unknown_method");
    let body = json!({"method": "totp", "code": "123456"});
    let answer = post(&mut client, "/reauthenticate", body).await;
    assert_eq!(answer.refused(400), "method_not_available");
    let answer = post(&mut client, "/reauthenticate/begin", Value::Null).await;
    assert_eq!(answer.refused(400), "method_not_available");
}

/// MFA-18: what needs a recent proof is refused without one, and another session's is none.
#[tokio::test]
async fn mfa_18_a_proof_counts_for_its_own_session_and_for_five_minutes() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"account": {"self_deletion": true}}"#).await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    let mut another = signed_in(&world, "acme", GRACE, PASSWORD).await;
    world.advance(Duration::from_secs(300));
    prove(&mut another).await;
    let email = json!({"email": "new@example.com"});
    for (name, path, body) in
        [("POST", "/email", &email), ("GET", "/export", &Value::Null), ("DELETE", "", &Value::Null)]
    {
        let answer = call(&mut client, method(name), path, body).await;
        assert_eq!(answer.refused(403), "reauthentication_required", "{name} {path}");
    }
    assert!(world.inbox("new@example.com").await.is_empty());
    prove(&mut client).await;
    post(&mut client, "/email", email).await.data();
    world.advance(Duration::from_secs(299));
    get(&mut client, "/export").await.data();
    world.advance(Duration::from_secs(1));
    let answer = get(&mut client, "/export").await;
    assert_eq!(answer.refused(403), "reauthentication_required");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    let mut phone = world.client_at("198.51.100.7");
    phone.agent = "Mozilla/5.0 (iPhone) Safari/605".to_owned();
    // What was opened at one moment has no order.
    world.advance(Duration::from_secs(1));
    phone.login("acme", GRACE, PASSWORD).await.data();
    let sessions = get(&mut client, "/sessions").await.data()["sessions"].clone();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(sessions[0]["device"], "Safari on iPhone");
    assert_eq!(sessions[0]["address"], "198.51.100.7");
    assert!(!sessions[0].to_string().contains("secret"));
    let id = sessions[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(delete(&mut client, &format!("/sessions/{id}")).await.data()["ended"], 1);
    assert_eq!(get(&mut phone, "").await.refused(401), "not_authenticated");
    assert_eq!(delete(&mut client, &format!("/sessions/{id}")).await.refused(404), "not_found");
    // Its own, by its id.
    let own = sessions[1]["id"].as_str().unwrap();
    let answer = delete(&mut client, &format!("/sessions/{own}")).await;
    answer.data();
    assert!(answer.set_cookie("cs_session").unwrap().contains("Max-Age=0"));
    assert_eq!(world.recorded(&acme, "session.ended", "success").await, 2);
}

/// SES-12: somebody else's session is not there.
#[tokio::test]
async fn ses_12_the_handle_of_somebody_elses_session_is_unknown() {
    let world = World::new().await;
    let (acme, _, client) = grace(&world).await;
    world.user(&acme, EVE).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let mut foreign = world.client();
    foreign.login("other", GRACE, PASSWORD).await.data();
    let mut eve = signed_in(&world, "acme", EVE, PASSWORD).await;
    let (graces, _) = client.session().unwrap();
    let (others, _) = foreign.session().unwrap();
    let ids =
        [graces.to_string(), others.to_string(), "ses_x".to_owned(), "%27%20OR%201".to_owned()];
    for id in ids {
        let answer = delete(&mut eve, &format!("/sessions/{id}")).await;
        assert_eq!(answer.refused(404), "not_found", "{id}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 3);
}

#[tokio::test]
async fn the_others_end_at_once_and_this_one_lives_on() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(signed_in(&world, "acme", GRACE, PASSWORD).await);
    }
    let data = post(&mut client, "/sessions/revoke-others", Value::Null).await.data();
    assert_eq!(data["ended"], 3);
    for other in &mut others {
        assert_eq!(get(other, "").await.refused(401), "not_authenticated");
    }
    get(&mut client, "").await.data();
}

/// SES-03: a request under way does not write an ended session back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ses_03_a_session_that_was_left_stays_dead() {
    let world = World::new().await;
    let (_, _, client) = grace(&world).await;
    world.advance(Duration::from_secs(120));
    let statuses = together((0..100).map(|number| {
        let mut client = client.clone();
        async move {
            let answer = match number {
                50 => post(&mut client, "/logout", Value::Null).await,
                _ if number % 10 == 0 => {
                    post(&mut client, "/reauthenticate", json!({"password": PASSWORD})).await
                }
                _ => get(&mut client, "/session").await,
            };
            answer.status.as_u16()
        }
    }))
    .await;
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    let mut client = client;
    if statuses[50] == 200 {
        assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
        assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
    }
}

#[tokio::test]
async fn leaving_takes_the_cookie_away() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let mut copy = client.clone();
    let answer = post(&mut client, "/logout", Value::Null).await;
    assert_eq!(answer.data()["status"], "signed_out");
    let cookie = answer.set_cookie("cs_session").unwrap();
    assert!(cookie.contains("Max-Age=0") && cookie.contains("Path=/"), "{cookie}");
    assert!(client.session().is_none());
    assert_eq!(get(&mut copy, "").await.refused(401), "not_authenticated");
}

/// SES-07: a deleted or suspended user's session is over.
#[tokio::test]
async fn ses_07_an_account_that_is_gone_has_no_session() {
    use countersign::domain::user::UserStatus;
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    users::set_status(&acme, &user, UserStatus::Suspended).await.unwrap();
    assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
    users::set_status(&acme, &user, UserStatus::Active).await.unwrap();
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    users::delete(&acme, &user).await.unwrap();
    assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
    let path = "/api/v1/me/logout";
    let request = Request::builder().method("POST").uri(path).body(Body::empty()).unwrap();
    assert_eq!(client.send(request).await.refused(401), "not_authenticated");
}

/// A token stands for its session: no proof of a page is asked for, and none is told.
#[tokio::test]
async fn an_access_token_opens_self_service_too() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let body = json!({"email": GRACE, "password": PASSWORD, "tenant_id": "acme"});
    let tokens = client.post_json("/api/v1/auth/login", &body.to_string()).await.data();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    client.headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    assert!(client.session().is_none());
    let data = get(&mut client, "/session").await.data();
    assert_eq!(data["csrf_token"], Value::Null);
    let id = data["session"]["id"].clone();
    let answer = post(&mut client, "/reauthenticate", json!({"password": PASSWORD})).await;
    assert_eq!(answer.data()["csrf_token"], Value::Null);
    assert!(answer.set_cookie("cs_session").is_none());
    let other = signed_in(&world, "acme", GRACE, PASSWORD).await;
    let change = json!({"current_password": PASSWORD, "new_password": super::OTHER});
    let answer = post(&mut client, "/password", change).await;
    assert_eq!(answer.data()["csrf_token"], Value::Null);
    assert!(answer.set_cookie("cs_session").is_none());
    assert_eq!(get(&mut other.clone(), "").await.refused(401), "not_authenticated");
    // The session lives on, and so do the tokens that follow from it.
    assert_eq!(get(&mut client, "/session").await.data()["session"]["id"], id);
    client.headers.remove("authorization");
    let body = json!({"refresh_token": tokens["refresh_token"]}).to_string();
    let next = client.post_json("/api/v1/auth/refresh", &body).await.data();
    let bearer = format!("Bearer {}", next["access_token"].as_str().unwrap());
    client.headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    post(&mut client, "/logout", Value::Null).await.data();
    assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
    client.headers.remove("authorization");
    let body = json!({"refresh_token": next["refresh_token"]}).to_string();
    assert_eq!(client.post_json("/api/v1/auth/refresh", &body).await.status.as_u16(), 401);
}

/// A second factor proves as well as the password, once.
#[tokio::test]
async fn a_second_factor_is_a_proof_and_its_code_is_good_once() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    let factor = world.enrol_totp(&acme, &mut client).await;
    let session = get(&mut client, "/session").await.data();
    carry(&mut client, &session);
    let mut code = factor.app.next(&world);
    let body = |code: &str| json!({"method": "totp", "code": code});
    let data = post(&mut client, "/reauthenticate", body(&code)).await.data();
    assert_eq!(data["session"]["methods"], json!(["pwd", "otp", "mfa"]));
    carry(&mut client, &data);
    let again = post(&mut client, "/reauthenticate", body(&code)).await;
    assert_eq!(again.refused(400), "invalid_code");
    code = factor.backup_codes[0].clone();
    let backup = json!({"method": "backup_code", "code": code});
    let data = post(&mut client, "/reauthenticate", backup.clone()).await.data();
    carry(&mut client, &data);
    let again = post(&mut client, "/reauthenticate", backup).await;
    assert_eq!(again.refused(400), "invalid_code");
}
