//! Who is asked again, and what a person's token is never good for.

use std::time::Duration;

use countersign::domain::application::{ApplicationType, Owner};
use serde_json::json;

use super::code::world;
use crate::support::{
    Client, PASSWORD,
    applications::{challenge, endpoint, request},
};

const GRACE: &str = "grace@example.com";

#[tokio::test]
async fn an_applications_token_is_no_key_to_the_account() {
    let (world, acme, _, mut browser) = world().await;
    let scopes = json!({"allowed_scopes": ["openid", "account"]});
    let made = world.web(Owner::Tenant(acme.tenant.id), scopes).await;
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs[3].1 = "openid account";
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let tokens = browser.redeem("acme", &made, &code).await.json();
    assert_eq!(tokens["scope"], "openid account");
    let mut bearer = world.client();
    let value = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    bearer.headers.insert("authorization", value.parse().unwrap());
    assert_eq!(bearer.get("/api/v1/me").await.refused(403), "insufficient_scope");
    assert_eq!(bearer.get("/api/v1/me/mfa").await.refused(403), "insufficient_scope");
}

/// RFC 8252 §8.6: another program on the device could have taken the same scheme.
#[tokio::test]
async fn oau_13_a_scheme_that_others_could_claim_is_asked_about_each_time() {
    let (world, acme, _, mut browser) = world().await;
    let owner = Owner::Tenant(acme.tenant.id);
    let metadata = json!({
        "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"],
        "allowed_scopes": ["openid", "profile", "email"],
        "first_party": false,
    });
    let made = world.application(owner, ApplicationType::Native, metadata).await;
    let user = countersign::flows::users::show(&acme, GRACE).await.unwrap();
    let consent = countersign::store::consents::Consent {
        application: made.id,
        scope: "openid profile email".to_owned(),
        details: "[]".to_owned(),
        granted_at: world.app.clock.now(),
        updated_at: world.app.clock.now(),
    };
    world.execute(countersign::store::consents::put(acme.tenant.id, user.id, &consent)).await;
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs[2].1 = "http://127.0.0.1:4711/cb";
    assert!(browser.authorize("acme", &pairs).await.sent("code").is_some());
    pairs[2].1 = "com.example.app:/cb";
    let asked = browser.authorize("acme", &pairs).await;
    assert_eq!(asked.location().path(), "/t/acme/consent");
    pairs.push(("prompt", "none"));
    let silent = browser.authorize("acme", &pairs).await;
    assert_eq!(silent.sent("error").unwrap(), "consent_required");
}

#[tokio::test]
async fn a_sign_in_by_the_api_takes_the_place_of_a_chosen_account() {
    let (world, _, made, mut browser) = world().await;
    world.advance(Duration::from_secs(100));
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs.extend([("prompt", "select_account"), ("max_age", "50")]);
    let asked = browser.authorize("acme", &pairs).await;
    assert_eq!(asked.location().path(), "/t/acme/select-account");
    let handle = asked.sent("request").unwrap();
    let (session, _) = browser.session().unwrap();
    let page = format!("/t/acme/select-account?request={handle}");
    let form = [("request", handle.as_str()), ("session", &session.to_string())];
    let chosen = browser.fill_page(&page, &form).await;
    // The chosen session is too old for the request.
    assert_eq!(browser.follow(&chosen).await.location().path(), "/t/acme/login");
    world.advance(Duration::from_secs(1));
    let login = browser.login("acme", GRACE, PASSWORD).await.data();
    let path = login["redirect_uri"].as_str().unwrap().replace("http://127.0.0.1:8080", "");
    assert!(path.starts_with(&endpoint("acme", "authorize")), "{path}");
    assert!(browser.get(&path).await.sent("code").is_some());
}
