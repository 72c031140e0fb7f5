//! Reading and changing the profile, and asking for the proof of one's address.

use axum::http::Method;
use countersign::{domain::password::Password, flows::users::Credential};
use serde_json::{Value, json};

use super::{GRACE, call, carry, get, grace, post};
use crate::support::{PASSWORD, World};

#[tokio::test]
async fn a_profile_tells_what_is_known() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    let data = get(&mut client, "").await.data();
    assert_eq!(data["id"], user.id.to_string());
    assert_eq!(data["email"], GRACE);
    assert_eq!(data["email_verified"], true);
    assert_eq!(data["display_name"], "Grace Hopper");
    assert_eq!(data["status"], "active");
    assert_eq!(data["tenant"]["id"], acme.tenant.id.to_string());
    assert_eq!(data["tenant"]["slug"], "acme");
    assert_eq!(data["mfa"], json!({"enabled": false, "methods": [], "default_method": null}));
    assert_eq!(data["locale"], Value::Null);
    assert_eq!(data["custom_data"], json!({}));
    assert_eq!(data["deletion_due_at"], Value::Null);
    assert_eq!(data["pending_email_change"], Value::Null);
    super::enrol(&world, &user).await;
    let data = get(&mut client, "").await.data();
    assert_eq!(data["mfa"]["methods"], json!(["email"]));
    assert_eq!(data["mfa"]["enabled"], true);
}

#[tokio::test]
async fn only_fields_that_are_given_change() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    let patch = async |client: &mut _, body: Value| call(client, Method::PATCH, "", &body).await;
    let data = patch(&mut client, json!({"first_name": " Ada "})).await.data();
    assert_eq!((&data["first_name"], &data["last_name"]), (&json!("Ada"), &json!("Hopper")));
    let data = patch(&mut client, json!({"locale": "de"})).await.data();
    assert_eq!((&data["first_name"], &data["locale"]), (&json!("Ada"), &json!("de")));
    let data = patch(&mut client, json!({"last_name": "Lovelace"})).await.data();
    assert_eq!((&data["last_name"], &data["locale"]), (&json!("Lovelace"), &json!("de")));
    let data = patch(&mut client, json!({"locale": "ar-EG"})).await.data();
    assert_eq!(data["locale"], "ar", "the language is kept, without the region");
    let data = patch(&mut client, json!({"locale": null})).await.data();
    assert_eq!(data["locale"], Value::Null);
    assert_eq!(world.recorded(&acme, "user.updated", "success").await, 5);
    // What is no field of it changes nothing, and neither does nothing.
    let fields = json!({"email": "x@example.com", "status": "suspended", "id": "usr_1"});
    let data = patch(&mut client, fields).await.data();
    assert_eq!((&data["email"], &data["status"]), (&json!(GRACE), &json!("active")));
    assert_eq!(world.recorded(&acme, "user.updated", "success").await, 5);
    let trail = world.trail(&acme).await;
    assert!(!trail.iter().any(|row| row.2.contains("Lovelace")), "no value is recorded");
}

#[tokio::test]
async fn every_fault_of_a_change_is_told_and_nothing_changes() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let body = json!({"first_name": "", "last_name": "a\nb", "locale": "tlh"});
    let faults = call(&mut client, Method::PATCH, "", &body).await.faults();
    let places: Vec<&str> = faults.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["body.first_name", "body.last_name", "body.locale"]);
    let long = json!({"first_name": "x".repeat(2000), "locale": 7});
    let faults = call(&mut client, Method::PATCH, "", &long).await.faults();
    assert_eq!(faults[0], ("body.first_name".to_owned(), "string_too_long".to_owned()));
    assert_eq!(faults[1].0, "body.locale");
    assert_eq!(get(&mut client, "").await.data()["first_name"], "Grace");
}

#[tokio::test]
async fn a_proof_of_the_address_is_mailed_again_and_not_without_end() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"registration": {"email_verification": false}}"#).await;
    let password = Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, GRACE, Some(password), false).await;
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    let session = get(&mut client, "/session").await.data();
    carry(&mut client, &session);
    assert_eq!(get(&mut client, "").await.data()["email_verified"], false);
    for _ in 0..12 {
        let data = post(&mut client, "/verify-email", Value::Null).await.data();
        assert_eq!(data["status"], "accepted");
    }
    let mails = world.inbox(GRACE).await;
    let links: Vec<_> = mails.iter().filter(|it| it.text.contains("verify-email")).collect();
    assert_eq!(links.len(), 3, "THR-16: an address gets so many and no more");
    let token = crate::support::token_in(links[0]);
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    client.get(&path).await.data();
    assert_eq!(get(&mut client, "").await.data()["email_verified"], true);
    world.advance(std::time::Duration::from_secs(7200));
    let data = post(&mut client, "/verify-email", Value::Null).await;
    assert_eq!(data.status.as_u16(), 401, "the short session has gone idle by now: {}", data.text);
}
