//! Exchanging tokens (RFC 8693).

use std::time::Duration;

use countersign::{
    domain::application::{ApplicationType, Owner, TOKEN_EXCHANGE},
    flows::Cx,
};
use serde_json::{Value, json};

use super::parties::{GRACE, claims, is_active, party, platform_tokens, tokens};
use crate::support::{Answer, Client, PASSWORD, World, applications::Made};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const API: &str = "https://api.example.com";

/// A service of a tenant that may exchange tokens.
async fn service(world: &World, cx: &Cx) -> Made {
    let metadata = json!({
        "allowed_scopes": ["openid", "files:read", "offline_access", "admin:read"],
        "allowed_audiences": [API],
    });
    world.application(Owner::Tenant(cx.tenant.id), ApplicationType::Service, metadata).await
}

/// A person's tokens of an application, for use at a service.
async fn scene(world: &World) -> (Cx, Client, Made, Made, Value) {
    let (cx, mut browser, front) = party(world, json!({})).await;
    let back = service(world, &cx).await;
    allow(world, &front, &back.client_id).await;
    let more = [
        ("resource", back.client_id.as_str()),
        ("scope", "openid profile files:read offline_access"),
        ("prompt", "login"),
    ];
    let had = tokens(&mut browser, "acme", &front, &more[..2]).await;
    (cx, browser, front, back, had)
}

/// Lets an application ask for tokens for an audience.
async fn allow(world: &World, made: &Made, audience: &str) {
    let text = "UPDATE applications SET metadata = REPLACE(metadata, $2, $3) WHERE id = $1";
    let query = countersign::db::sql(text)
        .bind(made.id)
        .bind("\"allowed_scopes\"")
        .bind(format!("\"allowed_audiences\":[\"{audience}\"],\"allowed_scopes\""));
    assert_eq!(world.execute(query).await, 1);
}

async fn exchange(
    client: &mut Client,
    made: &Made,
    subject: &Value,
    more: &[(&str, &str)],
) -> Answer {
    let mut pairs = vec![
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", subject.as_str().unwrap()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    for (name, value) in more {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    client.post_as("acme", "token", made, &pairs).await
}

#[tokio::test]
async fn a_service_goes_on_in_a_persons_name_and_says_that_it_does() {
    let world = World::new().await;
    let (_, mut client, _, back, had) = scene(&world).await;
    let before = claims(&had["access_token"]);
    world.advance(Duration::from_mins(10));
    let answer = exchange(&mut client, &back, &had["access_token"], &[("audience", API)]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "openid files:read");
    assert!(body.get("refresh_token").is_none_or(Value::is_null), "{body}");
    assert!(body.get("id_token").is_none_or(Value::is_null), "{body}");
    let after = claims(&body["access_token"]);
    assert_eq!(after["sub"], before["sub"]);
    assert_eq!(after["sid"], before["sid"]);
    assert_eq!(after["auth_time"], before["auth_time"]);
    assert_eq!(after["aud"], API);
    assert_eq!(after["client_id"], back.client_id.as_str());
    assert_eq!(after["act"], json!({"sub": back.client_id, "client_id": back.client_id}));
    // Never later than the one that it came of.
    assert_eq!(after["exp"], before["exp"]);
    assert_eq!(body["expires_in"], 3_000);
}

#[tokio::test]
async fn whoever_acted_before_stands_behind_whoever_acts_now() {
    let world = World::new().await;
    let (cx, mut client, _, back, had) = scene(&world).await;
    let next = service(&world, &cx).await;
    let text = "UPDATE applications SET metadata = REPLACE(metadata, $2, $3) WHERE id = $1";
    let query = countersign::db::sql(text).bind(back.id).bind(API).bind(next.client_id.as_str());
    world.execute(query).await;
    let to_next = [("audience", next.client_id.as_str())];
    let first = exchange(&mut client, &back, &had["access_token"], &to_next).await.json();
    let second = exchange(&mut client, &next, &first["access_token"], &[]).await.json();
    let act = claims(&second["access_token"])["act"].clone();
    let before = json!({"sub": back.client_id, "client_id": back.client_id});
    let now = json!({"sub": next.client_id, "client_id": next.client_id, "act": before});
    assert_eq!(act, now);
    // Whoever wrote none of this may look at it, and finds the chain again.
    let pairs = [("token", second["access_token"].as_str().unwrap())];
    let said = client.post_as("acme", "introspect", &next, &pairs).await.json();
    assert_eq!(said["act"], act);
    // The chain does not grow for ever.
    let mut token = second["access_token"].clone();
    for _ in 0..6 {
        let answer = exchange(&mut client, &next, &token, &[]).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        token = answer.json()["access_token"].clone();
    }
    let answer = exchange(&mut client, &next, &token, &[]).await;
    assert_eq!(answer.denied(400), "invalid_request");
}

#[tokio::test]
async fn an_actor_is_named_by_a_token_of_his_own() {
    let world = World::new().await;
    let (_, mut client, _, back, had) = scene(&world).await;
    let own = [("grant_type", "client_credentials")];
    let own = client.post_as("acme", "token", &back, &own).await.json();
    let actor = own["access_token"].as_str().unwrap();
    let pairs = [("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)];
    let body = exchange(&mut client, &back, &had["access_token"], &pairs).await.json();
    let act = json!({"sub": back.client_id, "client_id": back.client_id});
    assert_eq!(claims(&body["access_token"])["act"], act);
    for bad in [
        vec![("actor_token", actor)],
        vec![("actor_token_type", ACCESS_TOKEN)],
        vec![("actor_token", "no token"), ("actor_token_type", ACCESS_TOKEN)],
        vec![("actor_token", actor), ("actor_token_type", ID_TOKEN)],
    ] {
        let answer = exchange(&mut client, &back, &had["access_token"], &bad).await;
        assert_eq!(answer.denied(400), "invalid_request", "{bad:?}");
    }
}

#[tokio::test]
async fn an_exchanged_token_ends_with_the_family_that_it_came_of() {
    let world = World::new().await;
    let (_, mut client, front, back, had) = scene(&world).await;
    let body = exchange(&mut client, &back, &had["access_token"], &[]).await.json();
    assert!(is_active(&mut client, "acme", &back, &body["access_token"]).await);
    let pairs = [("token", had["refresh_token"].as_str().unwrap())];
    let revoked = client.post_as("acme", "revoke", &front, &pairs).await;
    assert_eq!(revoked.status.as_u16(), 200);
    assert!(!is_active(&mut client, "acme", &back, &body["access_token"]).await);
    let answer = exchange(&mut client, &back, &had["access_token"], &[]).await;
    assert_eq!(answer.denied(400), "invalid_request");
}

#[tokio::test]
async fn an_exchanged_token_ends_with_the_application_that_acts() {
    let world = World::new().await;
    let (cx, mut client, _, back, had) = scene(&world).await;
    let body = exchange(&mut client, &back, &had["access_token"], &[]).await.json();
    let other = service(&world, &cx).await;
    assert!(is_active(&mut client, "acme", &other, &body["access_token"]).await);
    let text = "UPDATE applications SET status = 'disabled' WHERE id = $1";
    world.execute(countersign::db::sql(text).bind(back.id)).await;
    assert!(!is_active(&mut client, "acme", &other, &body["access_token"]).await);
}

#[tokio::test]
async fn oau_17_no_more_scope_no_other_audience_no_dead_subject() {
    let world = World::new().await;
    let (cx, mut client, front, back, had) = scene(&world).await;
    let subject = &had["access_token"];
    // Neither what the token does not have, nor what the service may not ask for, nor what no
    // person's token ever has, nor what only makes sense with a refresh token.
    for scope in ["openid profile", "admin:read", "files:write", "offline_access", "a\"b"] {
        let answer = exchange(&mut client, &back, subject, &[("scope", scope)]).await;
        assert_eq!(answer.denied(400), "invalid_scope", "{scope}");
    }
    for name in ["audience", "resource"] {
        let answer = exchange(&mut client, &back, subject, &[(name, "https://x.test")]).await;
        assert_eq!(answer.denied(400), "invalid_target", "{name}");
    }
    // Not meant for this one.
    let stranger = service(&world, &cx).await;
    let answer = exchange(&mut client, &stranger, subject, &[]).await;
    assert_eq!(answer.denied(400), "invalid_request");
    // Not a token that we have signed so.
    let text = subject.as_str().unwrap();
    let (header, rest) = text.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let last = if signature.ends_with('A') { 'Q' } else { 'A' };
    let cut = &signature[..signature.len() - 1];
    for forged in [
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{header}.{body}."),
        format!("{header}.{body}.{cut}{last}"),
        had["refresh_token"].as_str().unwrap().to_owned(),
        had["id_token"].as_str().unwrap().to_owned(),
        String::from("x"),
    ] {
        let answer = exchange(&mut client, &back, &json!(forged), &[]).await;
        assert_eq!(answer.denied(400), "invalid_request", "{forged}");
    }
    for (name, value) in [
        ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
        ("requested_token_type", ID_TOKEN),
    ] {
        let answer = exchange(&mut client, &back, subject, &[(name, value)]).await;
        assert_eq!(answer.denied(400), "invalid_request", "{name}");
    }
    // Too old.
    assert_eq!(exchange(&mut client, &front, subject, &[]).await.status.as_u16(), 200);
    world.advance(Duration::from_hours(1));
    let answer = exchange(&mut client, &back, subject, &[]).await;
    assert_eq!(answer.denied(400), "invalid_request");
}

#[tokio::test]
async fn what_keeps_no_secret_exchanges_nothing() {
    let world = World::new().await;
    let (cx, mut client, _, _, had) = scene(&world).await;
    let metadata = json!({"grant_types": [TOKEN_EXCHANGE], "allowed_scopes": ["openid"]});
    let owner = Owner::Tenant(cx.tenant.id);
    for kind in [ApplicationType::Spa, ApplicationType::Native] {
        let made = world.application(owner, kind, metadata.clone()).await;
        let form = crate::support::applications::encoded(&[
            ("grant_type", TOKEN_EXCHANGE),
            ("client_id", &made.client_id),
            ("subject_token", had["access_token"].as_str().unwrap()),
            ("subject_token_type", ACCESS_TOKEN),
        ]);
        let path = crate::support::applications::endpoint("acme", "token");
        let answer = client.post_form(&path, &form).await;
        assert_eq!(answer.denied(400), "unauthorized_client");
    }
}

#[tokio::test]
async fn ten_05_a_token_of_another_realm_is_no_token_here() {
    let world = World::new().await;
    let (_, mut client, front, back, _) = scene(&world).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let mut stranger = world.client();
    stranger.login("other", GRACE, PASSWORD).await.data();
    let theirs = world.web(Owner::Tenant(other.tenant.id), json!({})).await;
    allow(&world, &theirs, &back.client_id).await;
    let to_us = [("resource", back.client_id.as_str())];
    let had = tokens(&mut stranger, "other", &theirs, &to_us).await;
    let answer = exchange(&mut client, &back, &had["access_token"], &[]).await;
    assert_eq!(answer.denied(400), "invalid_request");
    let as_id = [("subject_token_type", ID_TOKEN)];
    let answer = exchange(&mut client, &front, &had["id_token"], &as_id).await;
    assert_eq!(answer.denied(400), "invalid_request");
    // The platform's, of the very same person.
    let global = world.web(Owner::Platform, json!({})).await;
    let had = platform_tokens(&mut client, &global).await;
    let answer = exchange(&mut client, &back, &had["access_token"], &[]).await;
    assert_eq!(answer.denied(400), "invalid_request");
}

#[tokio::test]
async fn an_id_token_stands_for_the_family_that_it_was_made_in() {
    let world = World::new().await;
    let (_, mut client, front) = party(&world, json!({})).await;
    let had = tokens(&mut client, "acme", &front, &[("scope", "openid files:read")]).await;
    let as_id = [("subject_token_type", ID_TOKEN)];
    let body = exchange(&mut client, &front, &had["id_token"], &as_id).await.json();
    assert_eq!(body["scope"], "openid files:read", "{body}");
    let (before, after) = (claims(&had["access_token"]), claims(&body["access_token"]));
    for same in ["sub", "sid", "exp", "amr", "acr", "tenant_id"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let answer = exchange(&mut client, &front, &had["access_token"], &as_id).await;
    assert_eq!(answer.denied(400), "invalid_request");
    world.advance(Duration::from_hours(1));
    let answer = exchange(&mut client, &front, &had["id_token"], &as_id).await;
    assert_eq!(answer.denied(400), "invalid_request");
}

#[tokio::test]
async fn a_program_goes_on_in_another_programs_name_without_its_powers() {
    let world = World::new().await;
    let (cx, mut client, _) = party(&world, json!({})).await;
    let back = service(&world, &cx).await;
    let front = service(&world, &cx).await;
    let text = "UPDATE applications SET metadata = REPLACE(metadata, $2, $3) WHERE id = $1";
    let query = countersign::db::sql(text).bind(front.id).bind(API).bind(back.client_id.as_str());
    world.execute(query).await;
    let pairs = [
        ("grant_type", "client_credentials"),
        ("resource", back.client_id.as_str()),
        ("scope", "files:read"),
    ];
    let had = client.post_as("acme", "token", &front, &pairs).await.json();
    let answer = exchange(&mut client, &back, &had["access_token"], &[("scope", "admin:read")]);
    assert_eq!(answer.await.denied(400), "invalid_scope");
    let body = exchange(&mut client, &back, &had["access_token"], &[]).await.json();
    let after = claims(&body["access_token"]);
    assert_eq!(after["sub"], front.client_id.as_str(), "{body}");
    assert_eq!(after["client_id"], back.client_id.as_str());
    assert_eq!(after["scope"], "files:read");
    assert!(is_active(&mut client, "acme", &back, &body["access_token"]).await);
    let text = "UPDATE applications SET status = 'disabled' WHERE id = $1";
    world.execute(countersign::db::sql(text).bind(front.id)).await;
    assert!(!is_active(&mut client, "acme", &back, &body["access_token"]).await);
}
