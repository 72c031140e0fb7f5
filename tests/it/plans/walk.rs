//! What people and applications do all day, and what is done about it in the background.

use std::{sync::Arc, time::Duration};

use axum::http::Method;
use countersign::{
    domain::application::{ApplicationType, DEVICE_CODE, Owner, TOKEN_EXCHANGE},
    flows::Cx,
    jobs,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{
    Client, PASSWORD, World,
    applications::{Made, challenge, encoded, endpoint, request},
    authenticator::Authenticator,
    factors::{step_path, texts},
    token_in,
};

const GRACE: &str = "grace@example.com";
const NEW: &str = "new@example.com";
const OTHER: &str = "another horse battery staple";
const THIRD: &str = "a third horse battery staple";
const WRONG: &str = "wrong horse battery staple";
const ORIGIN: &str = "http://localhost:8080";
const SETTINGS: &str = r#"{
    "registration": {"enabled": true},
    "notices": {"new_place": true},
    "password_policy": {"history": 3},
    "account": {"self_deletion": true, "deletion_grace_days": 14}
}"#;

/// All of it, on a fresh server.
pub(super) async fn a_day(world: Arc<World>) {
    let acme = world.tenant("acme", SETTINGS).await;
    let mut client = registered(&world).await;
    Box::pin(passwords(&world, &mut client)).await;
    Box::pin(portal(&world)).await;
    Box::pin(applications(&world, &acme, &mut client)).await;
    Box::pin(device(&world, &acme, &mut client)).await;
    Box::pin(passkeys(&world, &acme, &mut client)).await;
    Box::pin(factors(&world, &acme, &mut client)).await;
    Box::pin(self_service(&world, &acme, &mut client)).await;
    Box::pin(background(&world)).await;
    world.advance(Duration::from_hours(24 * 401));
    Box::pin(background(&world)).await;
}

/// The token in the newest mail to an address whose text holds `page`.
async fn mailed(world: &World, address: &str, page: &str) -> String {
    let mails = world.inbox(address).await;
    token_in(mails.iter().find(|mail| mail.text.contains(page)).expect("a mail"))
}

/// Registers, proves the address, signs in.
async fn registered(world: &World) -> Client {
    let mut client = world.client();
    let body =
        json!({"email": GRACE, "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"});
    client.api("acme", "register", &body).await.data();
    let token = mailed(world, GRACE, "verify-email").await;
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    client.get(&path).await.data();
    // Who has an account is told so by mail.
    client.api("acme", "register", &body).await.data();
    client.login("acme", GRACE, PASSWORD).await.data();
    client
}

/// Right, wrong, of nobody, from elsewhere, forgotten.
async fn passwords(world: &World, client: &mut Client) {
    let mut elsewhere = world.client_at("198.51.100.7");
    for email in [GRACE, "nobody@example.com"] {
        elsewhere.login("acme", email, WRONG).await.refused(401);
        elsewhere.api("acme", "password/forgot", &json!({"email": email})).await.data();
    }
    elsewhere.login("acme", GRACE, PASSWORD).await.data();
    let token = mailed(world, GRACE, "/not-me?").await;
    elsewhere.get(&format!("/t/acme/not-me?token={token}")).await;
    let token = mailed(world, GRACE, "reset-password").await;
    elsewhere.get(&format!("/t/acme/reset-password?token={token}")).await;
    let body = json!({"token": token, "new_password": OTHER});
    elsewhere.api("acme", "password/reset", &body).await.data();
    client.login("acme", GRACE, OTHER).await.data();
    client.get("/t/acme/login").await;
}

/// The sign-in that names no tenant.
async fn portal(world: &World) {
    let mut client = world.client_at("198.51.100.8");
    for password in [WRONG, OTHER] {
        let body = json!({"email": GRACE, "password": password}).to_string();
        let answer = client.post_json("/api/v1/auth/login", &body).await;
        if answer.status == 200 {
            let tokens = answer.data();
            let body = json!({"refresh_token": tokens["refresh_token"]}).to_string();
            let refreshed = client.post_json("/api/v1/auth/refresh", &body).await.data();
            bearer(&mut client, &refreshed["access_token"]);
            client.get("/api/v1/me").await.data();
        }
    }
    let body = json!({"email": "nobody@example.com", "password": WRONG}).to_string();
    client.post_json("/api/v1/auth/login", &body).await;
}

fn bearer(client: &mut Client, token: &Value) {
    let header = format!("Bearer {}", token.as_str().unwrap());
    client.headers.insert("authorization", header.parse().unwrap());
}

async fn token(client: &mut Client, made: &Made, pairs: &[(&str, &str)]) -> Value {
    let answer = client.post_as("acme", "token", made, pairs).await;
    assert_eq!(answer.status, 200, "{pairs:?}: {}", answer.text);
    answer.json()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}"))
}

/// Codes, tokens, and what is asked about them.
async fn applications(world: &World, acme: &Cx, browser: &mut Client) {
    let metadata = json!({"backchannel_logout_uri": "http://127.0.0.1:1/out"});
    let made = world.web(Owner::Tenant(acme.tenant.id), metadata).await;
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs[3].1 = "openid profile offline_access";
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    browser.redeem("acme", &made, &code).await.json();
    browser.redeem("acme", &made, &code).await.denied(400);
    pairs[3].1 = "openid profile email";
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let tokens = browser.redeem("acme", &made, &code).await.json();

    let mut back = world.client();
    let old = text(&tokens, "refresh_token").to_owned();
    let pair = [("grant_type", "refresh_token"), ("refresh_token", &*old)];
    let tokens = token(&mut back, &made, &pair).await;
    // Once more, as a request that crossed the first.
    token(&mut back, &made, &pair).await;
    let pair = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("scope", "profile"),
    ];
    let tokens = token(&mut back, &made, &pair).await;
    token(&mut back, &made, &[("grant_type", "client_credentials")]).await;
    let mut asking = world.client();
    bearer(&mut asking, &tokens["access_token"]);
    assert_eq!(asking.get(&endpoint("acme", "userinfo")).await.status, 403, "no openid in it");
    for name in ["introspect", "revoke", "introspect"] {
        for kind in ["access_token", "refresh_token"] {
            let answer = back.post_as("acme", name, &made, &[("token", text(&tokens, kind))]).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    let pushed: Vec<_> = pairs.iter().copied().filter(|(name, _)| *name != "client_id").collect();
    let pushed = back.post_as("acme", "par", &made, &pushed).await.json();
    let by_name = [("client_id", &*made.client_id), ("request_uri", text(&pushed, "request_uri"))];
    Client::code(&browser.authorize("acme", &by_name).await);
    // Somebody who has not signed in yet.
    let mut stranger = world.client();
    let page = stranger.authorize("acme", &pairs).await;
    stranger.follow(&page).await;
    reuse(world, browser, &made, &pairs).await;
}

/// A refresh token that was used before comes back too late, and ends what came of it.
async fn reuse(world: &World, browser: &mut Client, made: &Made, pairs: &[(&str, &str)]) {
    let code = Client::code(&browser.authorize("acme", pairs).await);
    let tokens = browser.redeem("acme", made, &code).await.json();
    let pair = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    let next = token(browser, made, &pair).await;
    let mut asking = world.client();
    bearer(&mut asking, &next["access_token"]);
    assert_eq!(asking.get(&endpoint("acme", "userinfo")).await.status, 200);
    world.advance(Duration::from_secs(11));
    browser.post_as("acme", "token", made, &pair).await.denied(400);
}

/// A television, which a person lets in; and a service that goes on in the person's name.
async fn device(world: &World, acme: &Cx, browser: &mut Client) {
    let owner = Owner::Tenant(acme.tenant.id);
    let metadata = json!({"allowed_scopes": ["openid", "files:read"], "first_party": false});
    let made = world.application(owner, ApplicationType::Native, metadata).await;
    let mut television = world.client_at("198.51.100.9");
    let form = encoded(&[("client_id", &made.client_id), ("scope", "openid files:read")]);
    let codes = television.post_form(&endpoint("acme", "device_authorization"), &form).await.json();
    let poll = encoded(&[
        ("grant_type", DEVICE_CODE),
        ("client_id", &made.client_id),
        ("device_code", text(&codes, "device_code")),
    ]);
    let path = endpoint("acme", "token");
    assert_eq!(television.post_form(&path, &poll).await.denied(400), "authorization_pending");
    let code = text(&codes, "user_code");
    let page = browser.get("/t/acme/device").await;
    let form = encoded(&[("proof", &page.hidden("proof")), ("user_code", code)]);
    let page = browser.post_form("/t/acme/device", &form).await;
    let (proof, session) = (page.hidden("proof"), page.hidden("session"));
    let form = [("proof", &*proof), ("session", &*session), ("user_code", code), ("word", "allow")];
    browser.post_form("/t/acme/device", &encoded(&form)).await;
    world.advance(Duration::from_secs(6));
    let answer = television.post_form(&path, &poll).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let metadata = json!({"allowed_scopes": ["openid", "files:read"], "allowed_audiences": ["https://api.example.com"]});
    let service = world.application(owner, ApplicationType::Service, metadata).await;
    let pairs = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", text(&answer.json(), "access_token")),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let pairs = pairs.each_ref().map(|(name, value)| (*name, value.as_str()));
    television.post_as("acme", "token", &service, &pairs).await;
}

/// Enrolled, alone, and as a second step.
async fn passkeys(world: &World, acme: &Cx, client: &mut Client) {
    client.login("acme", GRACE, OTHER).await.data();
    let mut device = Authenticator::new();
    let begun = client.me(world, acme, "mfa/webauthn/register/begin", &json!({})).await.data();
    let answer = device.create(&begun["options"], ORIGIN).answer();
    let body = json!({"challenge_id": begun["challenge_id"], "credential": answer});
    client.me(world, acme, "mfa/webauthn/register/finish", &body).await.data();
    let mut alone = world.client();
    let begun = alone.api("acme", "passkey/begin", &json!({})).await.data();
    let answer = device.get(&begun["options"], ORIGIN).answer();
    let body = json!({"challenge_id": begun["challenge_id"], "credential": answer});
    alone.api("acme", "passkey/finish", &body).await.data();
    let mut second = world.client();
    let step = second.login("acme", GRACE, OTHER).await.data();
    let begun = second.post_json(&step_path("mfa/webauthn/begin", &step), "").await.data();
    let answer = device.get(&begun["options"], ORIGIN).answer();
    let fields = json!({
        "method": "webauthn", "challenge_id": begun["challenge_id"], "credential": answer,
        "remember_device": true,
    });
    second.verify_with(&step, fields).await.accepted();
    // The device is trusted from now on.
    second.login("acme", GRACE, OTHER).await.data();
}

/// An authenticator app, mailed codes and backup codes: enrolled, wrong and right.
async fn factors(world: &World, acme: &Cx, client: &mut Client) {
    let enrolled = world.enrol_totp(acme, client).await;
    world.enrol_email(acme, client, GRACE).await;
    let mut other = world.client();
    let step = other.login("acme", GRACE, OTHER).await.data();
    other.verify(&step, "totp", &enrolled.app.wrong(world)).await.failed();
    let code = enrolled.app.next(world);
    other.verify(&step, "totp", &code).await.accepted();
    let step = world.client().login("acme", GRACE, OTHER).await.data();
    let path = "mfa/backup-codes/regenerate";
    let codes = client.me(world, acme, path, &json!({})).await.data();
    other.verify(&step, "backup_code", &texts(&codes["backup_codes"])[0]).await.accepted();
    let step = world.client().login("acme", GRACE, OTHER).await.data();
    other.ask_for_code(&step).await.data();
    other.verify(&step, "email", &world.mailed_code(GRACE).await).await.accepted();
    client.me(world, acme, "mfa/email/disable", &json!({})).await;
}

/// Everything that an owner can look at, and what he does about it.
async fn self_service(world: &World, acme: &Cx, client: &mut Client) {
    for page in [
        "",
        "/session",
        "/sessions",
        "/activity",
        "/authorized-apps",
        "/export",
        "/mfa",
        "/trusted-devices",
    ] {
        client.get(&format!("/api/v1/me{page}")).await.data();
    }
    for page in ["", "/security", "/sessions", "/devices", "/applications", "/activity", "/profile"]
    {
        client.get(&format!("/t/acme/account{page}")).await;
    }
    let proof = json!({"password": OTHER});
    client.me(world, acme, "reauthenticate", &proof).await.data();
    client.me(world, acme, "email", &json!({"email": NEW})).await.data();
    let token = mailed(world, NEW, "change-email").await;
    client.get(&format!("/t/acme/change-email?token={token}")).await;
    client.post_form("/t/acme/change-email", &format!("token={token}")).await;
    let change = json!({"current_password": OTHER, "new_password": THIRD});
    client.me(world, acme, "password", &change).await.data();
    client.me(world, acme, "sessions/revoke-others", &json!({})).await.data();
    let csrf = world.csrf(acme, client).await;
    client.headers.insert("x-csrf-token", csrf.parse().unwrap());
    client.request(Method::DELETE, "/api/v1/me", Some("application/json"), "").await.data();
    client.headers.remove("x-csrf-token");
    client.login("acme", NEW, THIRD).await.data();
    client.me(world, acme, "logout", &json!({})).await;
}

/// One round of each job that runs in the background.
async fn background(world: &World) {
    let (stop, stopped) = watch::channel(false);
    let work = jobs::run(Arc::clone(&world.app), stopped);
    // All jobs have begun their round before the second of the two is looked at; what has begun is
    // done to its end.
    tokio::join!(work, async { stop.send(true).unwrap() });
}
