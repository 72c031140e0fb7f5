//! What clients find out by themselves.

use countersign::domain::application::{ApplicationType, Owner};
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn every_address_of_a_document_tells_the_same() {
    let world = World::new().await;
    let acme = world.acme().await;
    let tenant = acme.tenant.id;
    let mut client = world.client();
    for (issuer, addresses) in [
        (
            format!("http://127.0.0.1:8080/tenants/{tenant}"),
            vec![
                "/api/v1/auth/tenants/acme/.well-known/openid-configuration".to_owned(),
                format!("/tenants/{tenant}/.well-known/openid-configuration"),
                format!("/.well-known/openid-configuration/tenants/{tenant}"),
                format!("/.well-known/oauth-authorization-server/tenants/{tenant}"),
                "/.well-known/oauth-authorization-server/api/v1/auth/tenants/acme".to_owned(),
            ],
        ),
        (
            "http://127.0.0.1:8080".to_owned(),
            vec![
                "/api/v1/platform/oauth/.well-known/openid-configuration".to_owned(),
                "/.well-known/openid-configuration".to_owned(),
                "/.well-known/oauth-authorization-server".to_owned(),
            ],
        ),
    ] {
        let mut documents = Vec::new();
        for address in addresses {
            let answer = client.get(&address).await;
            assert_eq!(answer.status, 200, "{address}");
            assert_eq!(answer.headers["access-control-allow-origin"], "*");
            assert_eq!(answer.json()["issuer"], issuer.as_str(), "{address}");
            documents.push(answer.json());
        }
        assert!(documents.windows(2).all(|two| two[0] == two[1]));
    }
    assert_eq!(client.get("/tenants/nonsense/.well-known/openid-configuration").await.status, 404);
}

#[tokio::test]
async fn every_endpoint_of_a_document_is_there() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for address in [
        "/api/v1/auth/tenants/acme/.well-known/openid-configuration",
        "/.well-known/openid-configuration",
    ] {
        let document = client.get(address).await.json();
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["response_types_supported"], json!(["code"]));
        let endpoints: Vec<String> = document
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
            .map(|(_, value)| value.as_str().unwrap().replace("http://127.0.0.1:8080", ""))
            .collect();
        assert!(endpoints.len() >= 9, "{endpoints:?}");
        for endpoint in endpoints {
            let answer = client.get(&endpoint).await;
            assert_ne!(answer.status, 404, "{endpoint}");
        }
    }
}

#[tokio::test]
async fn oau_15_a_pushed_request_is_used_once_by_whom_it_is_of() {
    let world = World::new().await;
    let acme = world.acme().await;
    let owner = Owner::Tenant(acme.tenant.id);
    let metadata = json!({
        "redirect_uris": [crate::support::applications::CALLBACK],
        "allowed_scopes": ["openid"],
        "require_pushed_authorization_requests": true,
    });
    let made = world.application(owner, ApplicationType::Web, metadata).await;
    let challenge = crate::support::applications::challenge();
    let pairs = crate::support::applications::request(&made, &challenge);
    let answer = world.client().authorize("acme", &pairs).await;
    assert_eq!(answer.sent("error").unwrap(), "invalid_request");
    let mut pushed_pairs = pairs.clone();
    pushed_pairs.retain(|(name, _)| *name != "client_id");
    let pushed = world.client().post_as("acme", "par", &made, &pushed_pairs).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text);
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let named = [("client_id", made.client_id.as_str()), ("request_uri", &uri)];
    // OAU-15: what stands beside it is not looked at.
    let beside = [&named[..], &[("redirect_uri", "https://evil.test/"), ("scope", "x")]].concat();
    let mut browser = world.client();
    let asked = browser.authorize("acme", &beside).await;
    assert_eq!(asked.location().path(), "/t/acme/login", "{}", asked.location());
    // Once.
    assert_eq!(browser.authorize("acme", &named).await.status, 400);
    // Another application's is nothing.
    let other = world.web(owner, json!({})).await;
    let pushed = world.client().post_as("acme", "par", &made, &pushed_pairs).await.json();
    let uri = pushed["request_uri"].as_str().unwrap();
    let theirs = [("client_id", other.client_id.as_str()), ("request_uri", uri)];
    assert_eq!(browser.authorize("acme", &theirs).await.status, 400);
    world.advance(std::time::Duration::from_secs(91));
    let late = [("client_id", made.client_id.as_str()), ("request_uri", uri)];
    assert_eq!(browser.authorize("acme", &late).await.status, 400);
    // What is wrong is told when it is pushed.
    let mut wrong = pushed_pairs.clone();
    wrong.push(("prompt", "none login"));
    let pushed = world.client().post_as("acme", "par", &made, &wrong).await;
    assert_eq!(pushed.denied(400), "invalid_request");
}
