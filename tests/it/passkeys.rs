//! Passkeys and security keys through the router: enrolled, as a second factor, alone, and as a
//! proof of whose a session is. The authenticator is one of our own, of which every byte can be
//! changed. Names such as WAN-05 are those of the security catalogue.

mod ceremonies;
mod enrolment;
mod hostile;
mod party;
mod reauthentication;
mod second_factor;
mod sign_in;

use axum::http::{HeaderValue, Method};
use countersign::{
    db::sql,
    domain::{session::Session, user::User},
    flows::{Cx, session},
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, authenticator::Authenticator};

const GRACE: &str = "grace@example.com";
const EVE: &str = "eve@example.com";
/// The one page of the tests' server where passkeys work.
const ORIGIN: &str = "http://localhost:8080";
const MFA: &str = "/api/v1/me/mfa";

/// A ceremony that has begun.
struct Begun {
    id: String,
    options: Value,
}

impl Begun {
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        let data = answer.data();
        Self {
            id: data["challenge_id"].as_str().unwrap().to_owned(),
            options: data["options"].clone(),
        }
    }
}

/// A client that has signed in with its password, on a page of ours.
async fn signed_in(world: &World, slug: &str, email: &str) -> Client {
    let mut client = world.client();
    assert_eq!(client.login(slug, email, PASSWORD).await.data()["status"], "success");
    vouch(world, slug, &mut client).await;
    client
}

/// Has the client send what shows that its requests come from a page of ours.
async fn vouch(world: &World, slug: &str, client: &mut Client) {
    let token = world.csrf(&world.cx(slug).await, client).await;
    client.headers.insert("x-csrf-token", token.parse().unwrap());
    client.headers.insert("x-tenant", slug.parse().unwrap());
}

/// The live session of a client's cookie.
async fn live_session(world: &World, slug: &str, client: &Client) -> Option<Session> {
    let (id, secret) = client.session()?;
    session::find(&world.cx(slug).await, id, &secret).await.unwrap()
}

async fn begin_enrolment(client: &mut Client) -> Answer {
    client.post_json(&format!("{MFA}/webauthn/register/begin"), "").await
}

async fn finish_enrolment(client: &mut Client, ceremony: &str, answer: &Value) -> Answer {
    let body = json!({"challenge_id": ceremony, "credential": answer});
    client.post_json(&format!("{MFA}/webauthn/register/finish"), &body.to_string()).await
}

/// Enrols a device; which passkey it is.
async fn enrol(client: &mut Client, device: &mut Authenticator) -> String {
    let begun = Begun::of(&begin_enrolment(client).await);
    let answer = device.create(&begun.options, ORIGIN).answer();
    let data = finish_enrolment(client, &begun.id, &answer).await.data();
    data["id"].as_str().unwrap().to_owned()
}

/// Somebody with a session and one passkey.
struct Owner {
    user: User,
    client: Client,
    device: Authenticator,
    passkey: String,
}

/// Somebody of the tenant who enrols `device`.
async fn owner_of(world: &World, cx: &Cx, email: &str, mut device: Authenticator) -> Owner {
    let user = world.user(cx, email).await;
    let mut client = signed_in(world, cx.tenant.slug.as_str(), email).await;
    let passkey = enrol(&mut client, &mut device).await;
    Owner { user, client, device, passkey }
}

async fn owner(world: &World, cx: &Cx, email: &str) -> Owner {
    owner_of(world, cx, email, Authenticator::new()).await
}

/// A world in which Grace of `acme`, a tenant with `settings`, has a passkey.
async fn grace(settings: &str) -> (World, Cx, Owner) {
    let world = World::new().await;
    let acme = world.tenant("acme", settings).await;
    let grace = owner(&world, &acme, GRACE).await;
    (world, acme, grace)
}

/// The second step of a sign-in.
#[derive(Clone)]
struct Step {
    token: String,
    user: String,
}

/// Shows the password; the step that follows.
async fn step(client: &mut Client, slug: &str, email: &str) -> Step {
    let data = client.login(slug, email, PASSWORD).await.data();
    assert_eq!(data["status"], "mfa_required");
    Step {
        token: data["mfa_token"].as_str().unwrap().to_owned(),
        user: data["user_id"].as_str().unwrap().to_owned(),
    }
}

async fn begin_step(client: &mut Client, slug: &str, step: &Step) -> Answer {
    let path = format!(
        "/api/v1/auth/tenants/{slug}/mfa/webauthn/begin?mfa_token={}&user_id={}",
        step.token, step.user
    );
    client.post_json(&path, "").await
}

fn verification(step: &Step, ceremony: &str, answer: &Value) -> Value {
    json!({
        "mfa_token": step.token, "user_id": step.user, "method": "webauthn",
        "challenge_id": ceremony, "credential": answer,
    })
}

async fn verify(
    client: &mut Client,
    slug: &str,
    step: &Step,
    (ceremony, answer): (&str, &Value),
) -> Answer {
    client.api(slug, "mfa/verify", &verification(step, ceremony, answer)).await
}

/// That a step was answered wrongly, as every bad answer of an authenticator is.
#[track_caller]
fn assert_failed(answer: &Answer, case: &str) {
    let data = answer.data();
    assert_eq!(data["status"], "failed", "{case}");
    assert_eq!(data["error"], "invalid_credential", "{case}");
    assert!(data["session_id"].is_null() && answer.set_cookie("session").is_none(), "{case}");
}

async fn begin_sign_in(client: &mut Client, slug: &str) -> Answer {
    client.api(slug, "passkey/begin", &json!({})).await
}

async fn finish_sign_in(client: &mut Client, slug: &str, ceremony: &str, answer: &Value) -> Answer {
    let body = json!({"challenge_id": ceremony, "credential": answer});
    client.api(slug, "passkey/finish", &body).await
}

/// Signs in with a passkey alone, by all the rules.
async fn sign_in(world: &World, slug: &str, device: &Authenticator) -> (Client, Answer) {
    let mut client = world.client();
    let begun = Begun::of(&begin_sign_in(&mut client, slug).await);
    let answer = device.get(&begun.options, ORIGIN).answer();
    let answer = finish_sign_in(&mut client, slug, &begun.id, &answer).await;
    (client, answer)
}

/// What is enrolled, as its owner sees it.
async fn methods(client: &mut Client) -> Value {
    client.get(MFA).await.data()
}

async fn delete(client: &mut Client, passkey: &str) -> Answer {
    client.request(Method::DELETE, &format!("{MFA}/webauthn/{passkey}"), None, "").await
}

/// Forgets the failures that were counted, so that a test can go on failing.
async fn forget_failures(world: &World) {
    world.execute(sql("DELETE FROM attempts")).await;
}

/// A header that a test sets by hand.
fn header(text: &str) -> HeaderValue {
    text.parse().unwrap()
}

/// Why refusals of `action` were recorded, newest first.
async fn reasons(world: &World, cx: &Cx, action: &str) -> Vec<String> {
    let trail = world.trail(cx).await;
    let failed = trail.into_iter().filter(|row| row.0 == action && row.1 == "failure");
    failed
        .map(|row| {
            let detail: Value = serde_json::from_str(&row.2).unwrap();
            detail["reason"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}
