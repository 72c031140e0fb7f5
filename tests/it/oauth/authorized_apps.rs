//! The applications that act for somebody.

use countersign::domain::application::Owner;
use serde_json::{Value, json};

use super::parties::{party, tokens};
use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{Made, challenge, request},
};

const PATH: &str = "/api/v1/me/authorized-apps";
const OFFLINE: (&str, &str) = ("scope", "openid profile offline_access");

async fn apps(browser: &mut Client) -> Vec<Value> {
    let data = browser.get(PATH).await.data();
    data["authorized_apps"].as_array().unwrap().clone()
}

async fn revoke(browser: &mut Client, client_id: &str) -> Answer {
    let session = browser.get("/api/v1/me/session").await.data();
    let token = session["csrf_token"].as_str().unwrap().parse().unwrap();
    let mut own = browser.clone();
    own.headers.insert("x-csrf-token", token);
    let path = format!("{PATH}/{client_id}");
    own.request(axum::http::Method::DELETE, &path, None, "").await
}

async fn refresh(client: &mut Client, made: &Made, had: &Value) -> Answer {
    let token = had["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
    client.post_as("acme", "token", made, &pairs).await
}

#[tokio::test]
async fn people_see_what_acts_for_them() {
    let world = World::new().await;
    let (cx, mut browser, made) =
        party(&world, json!({"logo_uri": "https://app.example.com/logo.png"})).await;
    assert!(apps(&mut browser).await.is_empty());
    tokens(&mut browser, "acme", &made, &[OFFLINE]).await;
    tokens(&mut browser, "acme", &made, &[("scope", "openid email")]).await;
    let all = apps(&mut browser).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["client_id"], made.client_id.as_str());
    assert_eq!(all[0]["name"], "Test application");
    assert_eq!(all[0]["logo_uri"], "https://app.example.com/logo.png");
    assert_eq!(all[0]["scopes"], json!(["openid", "profile", "offline_access", "email"]));
    assert_eq!(all[0]["granted_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(all[0]["last_used_at"], "2026-01-01T00:00:00.000000Z");
    // Nobody else's.
    world.user(&cx, "bob@example.com").await;
    let mut bob = world.client();
    bob.login("acme", "bob@example.com", PASSWORD).await.data();
    assert!(apps(&mut bob).await.is_empty());
    assert_eq!(revoke(&mut bob, &made.client_id).await.refused(404), "not_found");
    assert_eq!(revoke(&mut browser, "app_none").await.refused(404), "not_found");
    // It is part of what one can take along.
    let export = browser.get("/api/v1/me/export").await.data();
    assert_eq!(export["authorized_apps"], json!(all));
}

#[tokio::test]
async fn oau_07_what_was_sent_away_gets_no_more_tokens() {
    let world = World::new().await;
    let (cx, mut browser, made) = party(&world, json!({})).await;
    let other = world.web(Owner::Tenant(cx.tenant.id), json!({})).await;
    let offline = tokens(&mut browser, "acme", &made, &[OFFLINE]).await;
    let online = tokens(&mut browser, "acme", &made, &[]).await;
    let kept = tokens(&mut browser, "acme", &other, &[OFFLINE]).await;
    assert_eq!(revoke(&mut browser, &made.client_id).await.status.as_u16(), 200);
    for had in [&offline, &online] {
        assert_eq!(refresh(&mut browser, &made, had).await.denied(400), "invalid_grant");
        let pairs = [("token", had["access_token"].as_str().unwrap())];
        let said = browser.post_as("acme", "introspect", &made, &pairs).await.json();
        assert_eq!(said, json!({"active": false}));
    }
    assert_eq!(refresh(&mut browser, &other, &kept).await.status.as_u16(), 200);
    assert_eq!(apps(&mut browser).await.len(), 1);
    assert_eq!(world.recorded(&cx, "oauth.consent.revoked", "success").await, 1);
    assert_eq!(revoke(&mut browser, &made.client_id).await.refused(404), "not_found");
    // Nor does a code that was on its way.
    let challenge = challenge();
    let answer = browser.authorize("acme", &request(&made, &challenge)).await;
    let code = Client::code(&answer);
    tokens(&mut browser, "acme", &made, &[]).await;
    revoke(&mut browser, &made.client_id).await;
    assert_eq!(browser.redeem("acme", &made, &code).await.denied(400), "invalid_grant");
}

#[tokio::test]
async fn oau_13_whoever_took_it_back_is_asked_again() {
    let world = World::new().await;
    let (cx, mut browser, made) = party(&world, json!({"first_party": false})).await;
    let user: Vec<String> = world.rows(countersign::db::sql("SELECT id FROM users")).await;
    let consent = countersign::store::consents::Consent {
        application: made.id,
        scope: "openid profile email".to_owned(),
        details: "[]".to_owned(),
        granted_at: crate::support::START,
        updated_at: crate::support::START,
    };
    let user = user[0].parse().unwrap();
    world.execute(countersign::store::consents::put(cx.tenant.id, user, &consent)).await;
    tokens(&mut browser, "acme", &made, &[]).await;
    assert_eq!(revoke(&mut browser, &made.client_id).await.status.as_u16(), 200);
    let challenge = challenge();
    let asked = browser.authorize("acme", &request(&made, &challenge)).await;
    assert_eq!(asked.location().path(), "/t/acme/consent");
    assert_eq!(world.count("SELECT COUNT(*) FROM consents").await, 0);
}
