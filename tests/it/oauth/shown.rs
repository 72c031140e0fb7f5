//! Tokens that come back: introspection, revocation, the UserInfo endpoint.

use countersign::domain::application::{ApplicationType, Owner};
use serde_json::{Value, json};

use super::code::world;
use crate::support::{
    Answer, Client, World,
    applications::{Made, challenge, encoded, endpoint, request},
};

async fn tokens(browser: &mut Client, made: &Made) -> Value {
    let challenge = challenge();
    let code = Client::code(&browser.authorize("acme", &request(made, &challenge)).await);
    browser.redeem("acme", made, &code).await.json()
}

async fn introspect(world: &World, tenant: &str, made: &Made, token: &Value) -> Answer {
    let pairs = [("token", token.as_str().unwrap())];
    world.client().post_as(tenant, "introspect", made, &pairs).await
}

async fn revoke(world: &World, tenant: &str, made: &Made, token: &Value) -> Answer {
    let pairs = [("token", token.as_str().unwrap())];
    world.client().post_as(tenant, "revoke", made, &pairs).await
}

async fn userinfo(world: &World, tenant: &str, token: &Value) -> Answer {
    let mut client = world.client();
    let value = format!("Bearer {}", token.as_str().unwrap());
    client.headers.insert("authorization", value.parse().unwrap());
    client.get(&endpoint(tenant, "userinfo")).await
}

#[tokio::test]
async fn a_live_token_is_told_to_an_application_that_proves_itself() {
    let (world, acme, made, mut browser) = world().await;
    let tokens = tokens(&mut browser, &made).await;
    let api =
        world.application(Owner::Tenant(acme.tenant.id), ApplicationType::Service, json!({})).await;
    for caller in [&made, &api] {
        let told = introspect(&world, "acme", caller, &tokens["access_token"]).await.json();
        assert_eq!(told["active"], true);
        assert_eq!(told["client_id"], made.client_id.as_str());
        assert_eq!(told["scope"], "openid profile email");
        assert_eq!(told["tenant_id"], acme.tenant.id.to_string());
        assert!(told["sub"].as_str().unwrap().starts_with("usr_"));
    }
    let own = introspect(&world, "acme", &made, &tokens["refresh_token"]).await.json();
    assert_eq!((&own["active"], &own["client_id"]), (&json!(true), &json!(made.client_id)));
    // OAU-18
    let foreign = introspect(&world, "acme", &api, &tokens["refresh_token"]).await;
    assert_eq!(foreign.json(), json!({"active": false}));
    let none = introspect(&world, "acme", &made, &tokens["id_token"]).await;
    assert_eq!(none.json(), json!({"active": false}), "JWT-09");
    let path = endpoint("acme", "introspect");
    let form = encoded(&[("token", tokens["access_token"].as_str().unwrap())]);
    assert_eq!(world.client().post_form(&path, &form).await.denied(401), "invalid_client");
    let owner = Owner::Tenant(acme.tenant.id);
    let spa = world.application(owner, ApplicationType::Spa, json!({})).await;
    let form = format!("{form}&client_id={}", spa.client_id);
    assert_eq!(world.client().post_form(&path, &form).await.denied(401), "invalid_client");
}

#[tokio::test]
async fn ten_01_a_token_of_one_tenant_is_nothing_in_another() {
    let (world, _, made, mut browser) = world().await;
    let tokens = tokens(&mut browser, &made).await;
    let other = world.tenant("other", "{}").await;
    let theirs = world.web(Owner::Tenant(other.tenant.id), json!({})).await;
    for kind in ["access_token", "refresh_token", "id_token"] {
        let told = introspect(&world, "other", &theirs, &tokens[kind]).await;
        assert_eq!(told.json(), json!({"active": false}));
        assert_eq!(userinfo(&world, "other", &tokens[kind]).await.denied(401), "invalid_token");
        assert_eq!(revoke(&world, "other", &theirs, &tokens[kind]).await.status, 200);
        assert_eq!(userinfo(&world, "nope", &tokens[kind]).await.status, 404);
    }
    assert_eq!(userinfo(&world, "acme", &tokens["access_token"]).await.status, 200);
}

#[tokio::test]
async fn oau_08_a_token_that_is_given_up_is_dead_at_once() {
    let (world, acme, made, mut browser) = world().await;
    let other = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let given = tokens(&mut browser, &made).await;
    assert_eq!(revoke(&world, "acme", &other, &given["access_token"]).await.status, 200);
    assert_eq!(revoke(&world, "acme", &other, &given["refresh_token"]).await.status, 200);
    assert_eq!(userinfo(&world, "acme", &given["access_token"]).await.status, 200);

    assert_eq!(revoke(&world, "acme", &made, &given["access_token"]).await.status, 200);
    assert_eq!(userinfo(&world, "acme", &given["access_token"]).await.status, 401);
    let told = introspect(&world, "acme", &made, &given["access_token"]).await;
    assert_eq!(told.json(), json!({"active": false}));
    // The family lives, until its refresh token goes.
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", given["refresh_token"].as_str().unwrap()),
    ];
    let next = world.client().post_as("acme", "token", &made, &pairs).await.json();
    assert_eq!(revoke(&world, "acme", &made, &next["refresh_token"]).await.status, 200);
    assert_eq!(userinfo(&world, "acme", &next["access_token"]).await.status, 401);
    for text in ["x", "", "a.b.c"] {
        let answer = revoke(&world, "acme", &made, &json!(text)).await;
        assert_eq!(answer.status.as_u16(), if text.is_empty() { 400 } else { 200 });
    }
    // What keeps no secret may give up its tokens, too.
    let metadata = json!({"redirect_uris": ["https://app.example.com/callback"],
                          "allowed_scopes": ["openid", "offline_access"]});
    let owner = Owner::Tenant(acme.tenant.id);
    let spa = world.application(owner, ApplicationType::Spa, metadata).await;
    let challenge = challenge();
    let mut pairs = request(&spa, &challenge);
    pairs[3].1 = "openid offline_access";
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let form = encoded(&[
        ("grant_type", "authorization_code"),
        ("client_id", &spa.client_id),
        ("code", &code),
        ("redirect_uri", "https://app.example.com/callback"),
        ("code_verifier", crate::support::applications::VERIFIER),
    ]);
    let given = browser.post_form(&endpoint("acme", "token"), &form).await.json();
    let form = encoded(&[
        ("client_id", &spa.client_id),
        ("token", given["refresh_token"].as_str().unwrap()),
    ]);
    assert_eq!(browser.post_form(&endpoint("acme", "revoke"), &form).await.status, 200);
    assert_eq!(userinfo(&world, "acme", &given["access_token"]).await.status, 401);
}

#[tokio::test]
async fn the_token_comes_in_the_header_or_the_form_and_never_in_the_address() {
    let (world, acme, made, mut browser) = world().await;
    let given = tokens(&mut browser, &made).await;
    let token = given["access_token"].as_str().unwrap();
    let path = endpoint("acme", "userinfo");
    let form = encoded(&[("access_token", token)]);
    assert_eq!(world.client().post_form(&path, &form).await.status, 200);
    let mut client = world.client();
    client.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    assert_eq!(client.request(axum::http::Method::POST, &path, None, "").await.status, 200);
    assert_eq!(client.post_form(&path, &form).await.denied(400), "invalid_request");
    let bare = world.client().get(&format!("{path}?access_token={token}")).await;
    assert_eq!(bare.status, 401);
    let challenge_header = bare.headers["www-authenticate"].to_str().unwrap().to_owned();
    let named = challenge_header.strip_prefix("Bearer resource_metadata=\"http://127.0.0.1:8080");
    let resource = world.client().get(named.unwrap().trim_end_matches('"')).await.json();
    assert_eq!(resource["resource"], format!("http://127.0.0.1:8080{path}"));
    let issuer = format!("http://127.0.0.1:8080/tenants/{}", acme.tenant.id);
    assert_eq!(resource["authorization_servers"], json!([issuer]), "RFC 9728");
    // A token without openid has nothing to ask here.
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs[3].1 = "files:read";
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let plain = browser.redeem("acme", &made, &code).await.json();
    assert!(plain.get("id_token").is_none());
    let answer = userinfo(&world, "acme", &plain["access_token"]).await;
    assert_eq!(answer.denied(403), "insufficient_scope");
    let owner = Owner::Tenant(acme.tenant.id);
    let service = world.application(owner, ApplicationType::Service, json!({})).await;
    let pairs = [("grant_type", "client_credentials")];
    let own = world.client().post_as("acme", "token", &service, &pairs).await.json();
    assert_eq!(userinfo(&world, "acme", &own["access_token"]).await.status, 401);
    // Signing out ends what the session handed out.
    let (session, _) = browser.session().unwrap();
    countersign::flows::session::end(&acme, session).await.unwrap();
    assert_eq!(userinfo(&world, "acme", &given["access_token"]).await.status, 401);
}

#[tokio::test]
async fn a_program_may_look_at_and_give_up_its_own_token() {
    let (world, acme, _, _) = world().await;
    let owner = Owner::Tenant(acme.tenant.id);
    let service = world.application(owner, ApplicationType::Service, json!({})).await;
    let pairs = [("grant_type", "client_credentials")];
    let own = world.client().post_as("acme", "token", &service, &pairs).await.json();
    let told = introspect(&world, "acme", &service, &own["access_token"]).await.json();
    assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(service.client_id)));
    revoke(&world, "acme", &service, &own["access_token"]).await;
    let told = introspect(&world, "acme", &service, &own["access_token"]).await.json();
    assert_eq!(told["active"], false);
}
