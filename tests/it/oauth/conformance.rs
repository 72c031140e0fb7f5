//! What the OpenID Foundation's plans look at and no other test of ours does. `docs/conformance.md`
//! names a test for every module.

use std::time::Duration;

use countersign::{db::sql, domain::application::Owner};
use serde_json::{Value, json};

use super::code::{said, world};
use crate::support::{
    Answer, Client, World,
    applications::{Made, challenge, encoded, endpoint, request},
};

async fn asked(browser: &mut Client, made: &Made, more: &[(&str, &str)]) -> Answer {
    let challenge = challenge();
    let mut pairs = request(made, &challenge);
    for (name, value) in more {
        pairs.retain(|(it, _)| it != name);
        pairs.push((name, value));
    }
    browser.authorize("acme", &pairs).await
}

async fn tokens(browser: &mut Client, made: &Made, more: &[(&str, &str)]) -> Value {
    let code = Client::code(&asked(browser, made, more).await);
    browser.redeem("acme", made, &code).await.json()
}

async fn userinfo(world: &World, tokens: &Value) -> Value {
    let mut client = world.client();
    let value = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    client.headers.insert("authorization", value.parse().unwrap());
    client.get(&endpoint("acme", "userinfo")).await.json()
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let (_world, _, made, mut browser) = world().await;
    let tokens = tokens(&mut browser, &made, &[("nonce", "")]).await;
    assert!(said(&tokens["id_token"]).get("nonce").is_none());
}

#[tokio::test]
async fn oidcc_display_and_locales_disturb_nobody() {
    let (_world, _, made, mut browser) = world().await;
    for more in [
        ("display", "page"),
        ("display", "popup"),
        ("ui_locales", "se de"),
        ("claims_locales", "se"),
        ("acr_values", "aal1 aal2"),
        ("login_hint", "buffy@example.com"),
    ] {
        assert!(asked(&mut browser, &made, &[more]).await.sent("code").is_some(), "{more:?}");
    }
}

#[tokio::test]
async fn oidcc_scope_all_releases_the_claims_of_each_scope() {
    let (world, _, made, mut browser) = world().await;
    let custom = json!({
        "phone_number": "+1 555 0100", "address": {"country": "GB"}, "nickname": "Amazing",
        "picture": "https://example.com/grace.png", "zoneinfo": 7, "secret": "mine alone",
    });
    let told = sql("UPDATE users SET custom_data = $1").bind(custom.to_string());
    world.execute(told).await;
    let claims = [
        (
            "profile",
            vec![
                "name",
                "given_name",
                "family_name",
                "preferred_username",
                "nickname",
                "picture",
                "updated_at",
            ],
        ),
        ("email", vec!["email", "email_verified"]),
        ("address", vec!["address"]),
        ("phone", vec!["phone_number", "phone_number_verified"]),
        ("groups", vec!["groups"]),
    ];
    let everything: Vec<&str> = claims.iter().flat_map(|(_, names)| names.clone()).collect();
    for (scope, names) in &claims {
        let tokens = tokens(&mut browser, &made, &[("scope", &format!("openid {scope}"))]).await;
        let (info, id) = (userinfo(&world, &tokens).await, said(&tokens["id_token"]));
        for claim in &everything {
            let released = names.contains(claim);
            assert_eq!(info.get(claim).is_some(), released, "{scope} {claim}");
            assert_eq!(id.get(claim).is_some(), released, "{scope} {claim}");
        }
    }
    let all = [("scope", "openid profile email address phone groups")];
    let info = userinfo(&world, &tokens(&mut browser, &made, &all).await).await;
    assert_eq!(info["address"], json!({"country": "GB"}));
    // What is not of a claim's type, or no claim at all, stays where it is.
    assert!(info.get("zoneinfo").is_none() && info.get("secret").is_none());
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    let (world, _, made, mut browser) = world().await;
    let code = Client::code(&asked(&mut browser, &made, &[]).await);
    let tokens = browser.redeem("acme", &made, &code).await.json();
    world.advance(Duration::from_secs(30));
    assert_eq!(browser.redeem("acme", &made, &code).await.denied(400), "invalid_grant");
    assert_eq!(userinfo(&world, &tokens).await["error"], "invalid_token");
}

#[tokio::test]
async fn oidcc_request_uri_and_unsigned_object_are_refused_as_not_supported() {
    let (_world, _, made, mut browser) = world().await;
    let uri = [("request_uri", "https://app.example.com/request.jwt")];
    let answer = asked(&mut browser, &made, &uri).await;
    assert_eq!(answer.sent("error").unwrap(), "request_uri_not_supported", "OAU-14");
    // {"alg":"none"} . {"scope":"openid"} .
    let unsigned = [("request", "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.")];
    let answer = asked(&mut browser, &made, &unsigned).await;
    assert_eq!(answer.sent("error").unwrap(), "invalid_request_object");
    assert_eq!(answer.sent("state").unwrap(), "a state");
    let registration = [("registration", "{}")];
    let answer = asked(&mut browser, &made, &registration).await;
    assert_eq!(answer.sent("error").unwrap(), "registration_not_supported");
}

#[tokio::test]
async fn oidcc_idtoken_unsigned_is_had_by_nobody() {
    let bad = json!({"id_token_signed_response_alg": "none"});
    let read = serde_json::from_value::<countersign::domain::application::Metadata>(bad);
    assert!(read.is_err());
}

#[tokio::test]
async fn oidcc_form_post_answers_and_errors_travel_in_a_form() {
    let (_world, _, made, mut browser) = world().await;
    let page = asked(&mut browser, &made, &[("response_mode", "form_post")]).await;
    let code = page.text.split("name=\"code\" value=\"").nth(1).unwrap();
    let code = code.split('"').next().unwrap();
    assert!(page.text.contains("name=\"iss\"") && page.text.contains("name=\"state\""));
    assert_eq!(browser.redeem("acme", &made, code).await.status, 200);
    let wrong = [("response_mode", "form_post"), ("response_type", "")];
    let page = asked(&mut browser, &made, &wrong).await;
    assert!(page.text.contains("value=\"invalid_request\""), "{}", page.text);
    let unknown = asked(&mut browser, &made, &[("response_mode", "fragment")]).await;
    assert_eq!(unknown.sent("error").unwrap(), "invalid_request");
}

#[tokio::test]
async fn fapi2_demands_pushed_requests_bound_tokens_and_a_strong_client() {
    let (world, acme, _, mut browser) = world().await;
    let fapi = json!({
        "profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": []}, "require_pkce": false,
    });
    let made = world.web(Owner::Tenant(acme.tenant.id), fapi).await;
    let answer = asked(&mut browser, &made, &[]).await;
    assert_eq!(answer.sent("error").unwrap(), "invalid_request", "not pushed");
    let challenge = challenge();
    let pairs = request(&made, &challenge);
    let pushed = browser.post_form(&endpoint("acme", "par"), &encoded(&pairs)).await;
    assert_eq!(pushed.denied(401), "invalid_client", "no proof");
    // The secret that it happens to have is none of its ways.
    let pushed = browser.post_as("acme", "par", &made, &pairs[..1]).await;
    assert_eq!(pushed.denied(401), "invalid_client");
    for weak in [
        json!({"profile": "fapi2", "token_endpoint_auth_method": "client_secret_basic"}),
        json!({"profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt",
               "jwks": {"keys": []}, "id_token_signed_response_alg": "RS256"}),
    ] {
        let read: countersign::domain::application::Metadata =
            serde_json::from_value(weak).unwrap();
        let kind = countersign::domain::application::ApplicationType::Web;
        assert!(!read.faults(kind).is_empty());
    }
}
