//! Sign-in with a password.

use serde_json::json;

use crate::support::{PASSWORD, World};

#[tokio::test]
async fn the_right_password_opens_a_session() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    let body = json!({"email": "Grace@EXAMPLE.com", "password": PASSWORD});
    let answer = client.api("acme", "login", &body).await;
    let data = answer.data();
    assert_eq!(data["status"], "success");
    assert_eq!(data["user_id"], user.id.to_string());
    assert_eq!(data["mfa_required"], false);
    assert!(data["session_id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(client.cookies.len(), 2);
}
