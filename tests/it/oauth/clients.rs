//! Applications that act for themselves, and how they prove who they are.

use countersign::{
    db::sql,
    domain::application::{ApplicationType, Owner},
};
use serde_json::json;

use super::code::said;
use crate::support::{
    Client, World,
    applications::{Made, encoded, endpoint},
};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn service(world: &World, owner: Owner) -> Made {
    let metadata = json!({"allowed_scopes": ["files:read", "files:write"]});
    world.application(owner, ApplicationType::Service, metadata).await
}

fn basic(client: &mut Client, made: &Made) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let pair = STANDARD.encode(format!("{}:{}", made.client_id, made.secret));
    client.headers.insert("authorization", format!("Basic {pair}").parse().unwrap());
}

#[tokio::test]
async fn a_service_gets_a_token_for_itself() {
    let world = World::new().await;
    let acme = world.acme().await;
    let made = service(&world, Owner::Tenant(acme.tenant.id)).await;
    let answer = world.client().post_as("acme", "token", &made, &[GRANT]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let tokens = answer.json();
    assert_eq!(tokens["scope"], "files:read files:write");
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let token = said(&tokens["access_token"]);
    for (claim, value) in [
        ("sub", json!(made.client_id)),
        ("aud", json!(made.client_id)),
        ("client_id", json!(made.client_id)),
        ("token_type", json!("client_credentials")),
        ("tenant_id", json!(acme.tenant.id.to_string())),
    ] {
        assert_eq!(token[claim], value, "{claim}");
    }
    assert!(token.get("platform_token").is_none());
    let narrow = [GRANT, ("scope", "files:read")];
    let tokens = world.client().post_as("acme", "token", &made, &narrow).await.json();
    assert_eq!(tokens["scope"], "files:read");
    // By header as well.
    let mut client = world.client();
    basic(&mut client, &made);
    let by_basic = client.post_form(&endpoint("acme", "token"), &encoded(&[GRANT])).await;
    assert_eq!(by_basic.status, 200, "{}", by_basic.text);
}

#[tokio::test]
async fn a_global_application_gets_a_platform_token() {
    let world = World::new().await;
    let acme = world.acme().await;
    let metadata = json!({"allowed_scopes": ["admin:read", "admin:write"]});
    let made = world.application(Owner::Platform, ApplicationType::Service, metadata).await;
    let form = encoded(&[
        GRANT,
        ("client_id", &made.client_id),
        ("client_secret", &made.secret),
        ("scope", "admin:read"),
    ]);
    let answer = world.client().post_form("/api/v1/platform/oauth/token", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let token = said(&answer.json()["access_token"]);
    assert_eq!(token["iss"], "http://127.0.0.1:8080");
    assert_eq!((&token["platform_token"], &token["app_scope"]), (&json!(true), &json!("GLOBAL")));
    assert_eq!(token["scope"], "admin:read");
    assert!(token.get("tenant_id").is_none());
    // Each at its own endpoints.
    let elsewhere = world.client().post_form(&endpoint("acme", "token"), &form).await;
    assert_eq!(elsewhere.denied(401), "invalid_client");
    let own = service(&world, Owner::Tenant(acme.tenant.id)).await;
    let form = encoded(&[GRANT, ("client_id", &own.client_id), ("client_secret", &own.secret)]);
    let elsewhere = world.client().post_form("/api/v1/platform/oauth/token", &form).await;
    assert_eq!(elsewhere.denied(401), "invalid_client");
}

#[tokio::test]
async fn oau_06_scope_never_grows() {
    let world = World::new().await;
    let acme = world.acme().await;
    let made = service(&world, Owner::Tenant(acme.tenant.id)).await;
    for scope in ["admin:write", "files:read admin:read", "FILES:READ", "\u{e9}", "a\"b"] {
        let pairs = [GRANT, ("scope", scope)];
        let answer = world.client().post_as("acme", "token", &made, &pairs).await;
        assert_eq!(answer.denied(400), "invalid_scope", "{scope}");
    }
}

#[tokio::test]
async fn oau_10_oau_11_who_does_not_prove_it_gets_nothing() {
    let world = World::new().await;
    let acme = world.acme().await;
    let other = world.tenant("other", "{}").await;
    let made = service(&world, Owner::Tenant(acme.tenant.id)).await;
    let theirs = service(&world, Owner::Tenant(other.tenant.id)).await;
    let form = |pairs: &[(&str, &str)]| encoded(&[&[GRANT], pairs].concat());
    let (id, secret) = (made.client_id.as_str(), made.secret.as_str());
    let cut = &secret[..secret.len() - 1];
    let padded = format!("{secret}=");
    let attempts = [
        form(&[]),
        form(&[("client_id", id)]),
        form(&[("client_secret", secret)]),
        form(&[("client_id", id), ("client_secret", "")]),
        form(&[("client_id", id), ("client_secret", cut)]),
        form(&[("client_id", id), ("client_secret", &padded)]),
        form(&[("client_id", id), ("client_secret", &theirs.secret)]),
        form(&[("client_id", &theirs.client_id), ("client_secret", &theirs.secret)]),
        form(&[("client_id", "app_01h455vb4pex5vsknk084sn02q"), ("client_secret", secret)]),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for attempt in &attempts {
        let answer = world.client().post_form(&endpoint("acme", "token"), attempt).await;
        assert_eq!(answer.denied(401), "invalid_client", "{attempt}");
        bodies.insert(answer.text);
    }
    assert_eq!(bodies.len(), 1, "the reason is not told");
    // Two ways at once, and the header that was wrong.
    let mut client = world.client();
    basic(&mut client, &made);
    let both = form(&[("client_id", id), ("client_secret", secret)]);
    let answer = client.post_form(&endpoint("acme", "token"), &both).await;
    assert_eq!(answer.denied(401), "invalid_client");
    assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    // A secret in an address is in somebody's log.
    let path = format!("{}?client_secret={secret}", endpoint("acme", "token"));
    let answer = world.client().post_form(&path, &form(&[("client_id", id)])).await;
    assert_eq!(answer.denied(400), "invalid_request");
    let disable = sql("UPDATE applications SET status = 'disabled' WHERE id = $1").bind(made.id);
    world.execute(disable).await;
    let answer = world.client().post_as("acme", "token", &made, &[GRANT]).await;
    assert_eq!(answer.denied(401), "invalid_client");
}

#[tokio::test]
async fn what_is_no_token_request_is_told_so() {
    let world = World::new().await;
    let acme = world.acme().await;
    let made = service(&world, Owner::Tenant(acme.tenant.id)).await;
    for (pairs, error) in [
        (vec![], "invalid_request"),
        (
            vec![("grant_type", "password"), ("username", "x"), ("password", "y")],
            "unsupported_grant_type",
        ),
        (vec![("grant_type", "implicit")], "unsupported_grant_type"),
        (vec![GRANT, GRANT], "invalid_request"),
        (vec![("grant_type", "authorization_code")], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
    ] {
        let answer = world.client().post_as("acme", "token", &made, &pairs).await;
        assert_eq!(answer.denied(400), error, "{pairs:?}");
    }
    let json = json!({"grant_type": "client_credentials"}).to_string();
    let answer = world.client().post_json(&endpoint("acme", "token"), &json).await;
    assert_eq!(answer.denied(400), "invalid_request");
    assert_eq!(world.client().get(&endpoint("acme", "token")).await.status, 405);
    assert_eq!(world.client().post_as("nope", "token", &made, &[GRANT]).await.status, 404);
    // What keeps no secret does not act for itself.
    let owner = Owner::Tenant(acme.tenant.id);
    let spa = world.application(owner, ApplicationType::Spa, json!({})).await;
    let form = encoded(&[GRANT, ("client_id", &spa.client_id)]);
    let answer = world.client().post_form(&endpoint("acme", "token"), &form).await;
    assert_eq!(answer.denied(400), "unauthorized_client");
}

#[tokio::test]
async fn of_two_secrets_both_are_good_until_the_older_ends() {
    use countersign::crypto::opaque::Token;
    let world = World::new().await;
    let acme = world.acme().await;
    let mut made = service(&world, Owner::Tenant(acme.tenant.id)).await;
    let fresh = Token::generate(&world.app.entropy).unwrap();
    let until = world.app.clock.now() + std::time::Duration::from_secs(60);
    let rotate = sql("UPDATE applications SET previous_secret_digest = secret_digest, \
                      previous_secret_expires_at = $2, secret_digest = $3 WHERE id = $1")
    .bind(made.id)
    .bind(until)
    .bind(*fresh.digest().as_bytes());
    world.execute(rotate).await;
    let old = made.clone();
    fresh.expose().clone_into(&mut made.secret);
    for made in [&old, &made] {
        let answer = world.client().post_as("acme", "token", made, &[GRANT]).await;
        assert_eq!(answer.status, 200);
    }
    world.advance(std::time::Duration::from_secs(60));
    let answer = world.client().post_as("acme", "token", &old, &[GRANT]).await;
    assert_eq!(answer.denied(401), "invalid_client");
    let answer = world.client().post_as("acme", "token", &made, &[GRANT]).await;
    assert_eq!(answer.status, 200);
}
