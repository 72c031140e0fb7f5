//! Self-service: what people who are signed in do about themselves.

use axum::http::{HeaderValue, Method};
use countersign::{
    clock::Timestamp,
    crypto::opaque::Token,
    domain::{factor::Method as Factor, user::User},
    entropy::Entropy,
    flows::{Cx, fresh_id},
    id::TrustedDeviceId,
    store::{factors, trusted_devices},
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, START, World};

mod account;
mod devices;
mod disavowal;
mod email;
mod password;
mod profile;
mod sessions;

const GRACE: &str = "grace@example.com";
const EVE: &str = "eve@example.com";
const OTHER: &str = "another horse battery staple";

/// A browser that is signed in and sends the proof that its requests come from our own page.
async fn signed_in(world: &World, tenant: &str, email: &str, password: &str) -> Client {
    let mut client = world.client();
    let answer = client.login(tenant, email, password).await;
    assert_eq!(answer.data()["status"], "success");
    let session = client.get("/api/v1/me/session").await.data();
    carry(&mut client, &session);
    client
}

/// Takes the CSRF token of an answer along from now on.
fn carry(client: &mut Client, data: &Value) {
    let token = data["csrf_token"].as_str().expect("a token");
    client.headers.insert("x-csrf-token", HeaderValue::from_str(token).unwrap());
}

async fn grace(world: &World) -> (Cx, User, Client) {
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let client = signed_in(world, "acme", GRACE, PASSWORD).await;
    (acme, user, client)
}

/// A request to `/api/v1/me…`; `null`: without a body.
async fn call(client: &mut Client, method: Method, path: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/me{path}");
    if body.is_null() {
        return client.request(method, &path, None, "").await;
    }
    client.request(method, &path, Some("application/json"), &body.to_string()).await
}

async fn get(client: &mut Client, path: &str) -> Answer {
    call(client, Method::GET, path, &Value::Null).await
}

async fn post(client: &mut Client, path: &str, body: Value) -> Answer {
    call(client, Method::POST, path, &body).await
}

async fn delete(client: &mut Client, path: &str) -> Answer {
    call(client, Method::DELETE, path, &Value::Null).await
}

/// Proves again who it is.
async fn prove(client: &mut Client) {
    let data = post(client, "/reauthenticate", json!({"password": PASSWORD})).await.data();
    carry(client, &data);
}

/// Gives a user a second factor, so that a sign-in asks for one.
async fn enrol(world: &World, user: &User) {
    let query = factors::put(user.tenant, user.id, Factor::Email, (None, 0), START);
    assert_eq!(world.execute(query).await, 1);
}

/// Trusts a device of a user until `expires_at`; its id and token.
async fn trust(world: &World, user: &User, expires_at: Timestamp) -> (TrustedDeviceId, Token) {
    let token = Token::generate(&Entropy::Os).unwrap();
    let epochs = "SELECT epoch FROM users WHERE tenant_id = $1 AND id = $2";
    let epoch = countersign::db::sql(epochs).bind(user.tenant).bind(user.id);
    let new = trusted_devices::New {
        id: fresh_id(&Entropy::Os, world.app.clock.now()).unwrap(),
        user: user.id,
        digest: *token.digest().as_bytes(),
        epoch: world.rows::<i64>(epoch).await[0],
        fingerprint: None,
        label: "Firefox on Linux".to_owned(),
        address: "192.0.2.1".to_owned(),
        now: world.app.clock.now(),
        expires_at,
    };
    let id = new.id;
    for query in trusted_devices::trust(user.tenant, &new, 20) {
        world.execute(query).await;
    }
    (id, token)
}

/// Whether a sign-in with the token of a trusted device is spared the second factor.
async fn is_spared(world: &World, email: &str, password: &str, token: &Token) -> bool {
    let body =
        json!({"email": email, "password": password, "trusted_device_token": token.expose()});
    let answer = world.client().api("acme", "login", &body).await.data();
    match answer["status"].as_str().unwrap() {
        "success" => true,
        "mfa_required" => false,
        other => panic!("{other}"),
    }
}
