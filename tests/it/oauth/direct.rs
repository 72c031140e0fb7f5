//! Applications that call the Authentication API with a token of their own.

use countersign::domain::application::{ApplicationType, Owner};
use serde_json::{Value, json};

use super::code::said;
use crate::support::{
    Client, PASSWORD, World,
    applications::{Made, encoded},
};

const GRACE: &str = "grace@example.com";

async fn token_of(world: &World, path: &str, made: &Made) -> Value {
    let form = encoded(&[
        ("grant_type", "client_credentials"),
        ("client_id", &made.client_id),
        ("client_secret", &made.secret),
    ]);
    let answer = world.client().post_form(path, &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].clone()
}

fn bearing(world: &World, token: &Value) -> Client {
    let mut client = world.client();
    let value = format!("Bearer {}", token.as_str().unwrap());
    client.headers.insert("authorization", value.parse().unwrap());
    client
}

fn metadata() -> Value {
    json!({"allowed_scopes": ["openid", "email", "files:read", "admin:write"]})
}

const TENANT: &str = "/api/v1/auth/tenants/acme/oauth/token";
const PLATFORM: &str = "/api/v1/platform/oauth/token";

#[tokio::test]
async fn whoever_signs_in_there_brings_the_application_tokens() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let tenant = Owner::Tenant(acme.tenant.id);
    let partner = Owner::Partner(acme.tenant.partner_id);
    for (owner, path) in [(tenant, TENANT), (partner, TENANT), (Owner::Platform, PLATFORM)] {
        let made = world.application(owner, ApplicationType::Service, metadata()).await;
        let token = token_of(&world, path, &made).await;
        let mut client = bearing(&world, &token);
        let answer = client.login("acme", GRACE, PASSWORD).await;
        let data = answer.data();
        assert_eq!(data["status"], "success");
        assert!(answer.set_cookie("session").is_none(), "the application has no use for a cookie");
        assert_eq!((&data["token_type"], &data["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let access = said(&data["access_token"]);
        assert_eq!(
            (&access["sub"], &access["client_id"]),
            (&json!(user.id.to_string()), &json!(made.client_id))
        );
        assert_eq!(access["scope"], "openid email files:read", "and no admin:write");
        assert_eq!(said(&data["id_token"])["email"], GRACE);
        // They are refreshed where the application is at home.
        let form = encoded(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", data["refresh_token"].as_str().unwrap()),
            ("client_id", &made.client_id),
            ("client_secret", &made.secret),
        ]);
        let refreshed = world.client().post_form(path, &form).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    }
    // Without one, the answer has the documented fields and no more.
    let plain = world.client().login("acme", GRACE, PASSWORD).await.data();
    assert_eq!(plain.as_object().unwrap().len(), 8, "{plain}");
}

#[tokio::test]
async fn a_bad_token_is_never_ignored() {
    let world = World::new().await;
    let acme = world.acme().await;
    let other = world.tenant("other", "{}").await;
    world.user(&acme, GRACE).await;
    let service = ApplicationType::Service;
    let own = world.application(Owner::Tenant(acme.tenant.id), service, metadata()).await;
    let theirs = world.application(Owner::Tenant(other.tenant.id), service, metadata()).await;
    let good = token_of(&world, TENANT, &own).await;
    let foreign = token_of(&world, "/api/v1/auth/tenants/other/oauth/token", &theirs).await;
    let personal = bearing(&world, &good).login("acme", GRACE, PASSWORD).await.data();
    let bad = [
        json!("x"),
        json!(format!("{}x", good.as_str().unwrap())),
        foreign,
        personal["access_token"].clone(),
        personal["id_token"].clone(),
        personal["refresh_token"].clone(),
    ];
    for token in bad {
        let answer = bearing(&world, &token).login("acme", GRACE, PASSWORD).await;
        assert_eq!(answer.refused(401), "invalid_client_token");
        let forgot = json!({"email": GRACE});
        let answer = bearing(&world, &token).api("acme", "password/forgot", &forgot).await;
        assert_eq!(answer.refused(401), "invalid_client_token");
    }
    let disabled = countersign::db::sql("UPDATE applications SET status = 'disabled'");
    world.execute(disabled).await;
    let answer = bearing(&world, &good).login("acme", GRACE, PASSWORD).await;
    assert_eq!(answer.refused(401), "invalid_client_token");
}

#[tokio::test]
async fn a_tenant_may_demand_a_token() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"auth_api": {"require_client_token": true}}"#).await;
    world.user(&acme, GRACE).await;
    let answer = world.client().login("acme", GRACE, PASSWORD).await;
    assert_eq!(answer.refused(401), "invalid_client_token");
    let owner = Owner::Tenant(acme.tenant.id);
    let made = world.application(owner, ApplicationType::Service, metadata()).await;
    let token = token_of(&world, TENANT, &made).await;
    let data = bearing(&world, &token).login("acme", GRACE, PASSWORD).await.data();
    assert!(data["access_token"].is_string());
}
