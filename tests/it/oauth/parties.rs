//! People and applications that have come as far as a test begins.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{domain::application::Owner, flows::Cx};
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{CALLBACK, Made, VERIFIER, challenge, encoded, endpoint, request},
};

pub(super) const GRACE: &str = "grace@example.com";

/// A tenant with a user who has signed in, and an application with `metadata`.
pub(super) async fn party(world: &World, metadata: Value) -> (Cx, Client, Made) {
    let cx = world.acme().await;
    world.user(&cx, GRACE).await;
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let made = world.web(Owner::Tenant(cx.tenant.id), metadata).await;
    (cx, browser, made)
}

/// What the token endpoint hands to an application for a person, asked with `more` parameters.
pub(super) async fn tokens(
    browser: &mut Client,
    tenant: &str,
    made: &Made,
    more: &[(&str, &str)],
) -> Value {
    let challenge = challenge();
    let mut pairs = request(made, &challenge);
    for (name, value) in more {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    let answer = browser.authorize(tenant, &pairs).await;
    let code = Client::code(&answer);
    let redeemed = browser.redeem(tenant, made, &code).await;
    assert_eq!(redeemed.status.as_u16(), 200, "{}", redeemed.text);
    redeemed.json()
}

/// What a signed token says, unverified.
#[track_caller]
pub(super) fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Whether an application is told that a token is good.
pub(super) async fn is_active(
    client: &mut Client,
    tenant: &str,
    made: &Made,
    token: &Value,
) -> bool {
    let pairs = [("token", token.as_str().unwrap())];
    let answer = client.post_as(tenant, "introspect", made, &pairs).await;
    answer.json() != json!({"active": false}) && answer.json()["active"] == true
}

/// What the platform's token endpoint hands to an application for a person of a tenant.
pub(super) async fn platform_tokens(browser: &mut Client, made: &Made) -> Value {
    let challenge = challenge();
    let query = encoded(&request(made, &challenge));
    let answer = browser.get(&format!("/api/v1/platform/oauth/authorize?{query}")).await;
    let code = Client::code(&answer);
    let form = encoded(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &made.client_id),
        ("client_secret", &made.secret),
    ]);
    let redeemed = browser.post_form("/api/v1/platform/oauth/token", &form).await;
    assert_eq!(redeemed.status.as_u16(), 200, "{}", redeemed.text);
    redeemed.json()
}

/// The path of an endpoint with a query.
pub(super) fn at(tenant: &str, name: &str, pairs: &[(&str, &str)]) -> String {
    format!("{}?{}", endpoint(tenant, name), encoded(pairs))
}

/// The value of a hidden field, or of any other, by its name.
#[track_caller]
pub(super) fn field(page: &Answer, name: &str) -> String {
    let start = format!("name=\"{name}\"");
    let rest = page.text.split(&start).nth(1).unwrap_or_else(|| panic!("{name}: {}", page.text));
    let value = rest.split("value=\"").nth(1).unwrap();
    value.split('"').next().unwrap().to_owned()
}
