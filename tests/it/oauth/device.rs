//! Devices without a browser (RFC 8628).

use std::time::Duration;

use countersign::{
    db::sql,
    domain::application::{ApplicationType, DEVICE_CODE, Owner},
    flows::Cx,
};
use serde_json::{Value, json};

use super::parties::{GRACE, claims, field, is_active};
use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{Made, encoded, endpoint},
    together,
};

const PAGE: &str = "/t/acme/device";

/// A tenant with a user who has signed in, and an application on a television.
async fn scene(world: &World) -> (Cx, Client, Made) {
    let cx = world.acme().await;
    world.user(&cx, GRACE).await;
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let made = television(world, Owner::Tenant(cx.tenant.id)).await;
    (cx, browser, made)
}

async fn television(world: &World, owner: Owner) -> Made {
    let metadata = json!({
        "allowed_scopes": ["openid", "profile", "offline_access", "files:read", "admin:read"],
        "first_party": false,
    });
    world.application(owner, ApplicationType::Native, metadata).await
}

async fn begin(device: &mut Client, made: &Made, scope: &str) -> Value {
    let form = encoded(&[("client_id", &made.client_id), ("scope", scope)]);
    let answer = device.post_form(&endpoint("acme", "device_authorization"), &form).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

async fn poll(device: &mut Client, made: &Made, codes: &Value) -> Answer {
    let form = encoded(&[
        ("grant_type", DEVICE_CODE),
        ("client_id", &made.client_id),
        ("device_code", codes["device_code"].as_str().unwrap()),
    ]);
    device.post_form(&endpoint("acme", "token"), &form).await
}

/// Types a code in; the page that comes then.
async fn enter(browser: &mut Client, page: &str, code: &str) -> Answer {
    let entry = browser.get(page).await;
    assert_eq!(entry.status.as_u16(), 200, "{} {}", entry.status, entry.text);
    let proof = field(&entry, "proof");
    browser.post_form(page, &encoded(&[("proof", &proof), ("user_code", code)])).await
}

/// Types a code in and says a word.
async fn say(browser: &mut Client, code: &str, word: &str) -> Answer {
    let question = enter(browser, PAGE, code).await;
    let (proof, session) = (field(&question, "proof"), field(&question, "session"));
    let form = [("proof", &*proof), ("session", &*session), ("user_code", code), ("word", word)];
    browser.post_form(PAGE, &encoded(&form)).await
}

fn code_of(codes: &Value) -> String {
    codes["user_code"].as_str().unwrap().to_owned()
}

fn is_question(page: &Answer) -> bool {
    page.text.contains("id=\"allow\"")
}

#[tokio::test]
async fn a_person_lets_a_device_in() {
    let world = World::new().await;
    let (cx, mut browser, made) = scene(&world).await;
    let mut device = world.client_at("198.51.100.7");
    let codes = begin(&mut device, &made, "openid profile offline_access admin:read").await;
    assert_eq!(codes["expires_in"], 600);
    assert_eq!(codes["interval"], 5);
    assert_eq!(codes["verification_uri"], "http://127.0.0.1:8080/t/acme/device");
    let code = code_of(&codes);
    let letters = code.bytes().filter(|it| b"BCDFGHJKLMNPQRSTVWXZ".contains(it)).count();
    assert_eq!((code.len(), letters, &code[4..5]), (9, 8, "-"), "{code}");
    let complete = format!("http://127.0.0.1:8080/t/acme/device?user_code={code}");
    assert_eq!(codes["verification_uri_complete"], complete);
    // Neither is kept as it is.
    let dump = world.dump().await;
    let plain = code.replace('-', "");
    let device_code = codes["device_code"].as_str().unwrap();
    assert!(![&code, &plain, device_code].iter().any(|it| dump.contains(*it)));

    assert_eq!(poll(&mut device, &made, &codes).await.denied(400), "authorization_pending");
    let question = enter(&mut browser, PAGE, &code.to_lowercase()).await;
    assert!(is_question(&question), "{}", question.text);
    for said in ["Test application", &code, "offline_access", GRACE] {
        assert!(question.text.contains(said), "{said}");
    }
    assert!(!question.text.contains("admin:read"));
    let done = say(&mut browser, &code, "allow").await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text);
    let answer = poll(&mut device, &made, &codes).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let tokens = answer.json();
    assert_eq!(tokens["scope"], "openid profile offline_access");
    assert!(tokens["refresh_token"].is_string());
    let (session, _) = browser.session().unwrap();
    let said = claims(&tokens["id_token"]);
    assert_eq!(said["sid"], session.to_string());
    assert_eq!(said["amr"], json!(["pwd"]));
    assert!(said.get("nonce").is_none());
    assert_eq!(said["auth_time"], 1_767_225_600);
    assert_eq!(world.recorded(&cx, "oauth.device.allowed", "success").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM consents").await, 1);
}

#[tokio::test]
async fn a_device_that_comes_too_soon_is_slowed_down() {
    let world = World::new().await;
    let (_, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    for (wait, said) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (15, "authorization_pending"),
        (15, "authorization_pending"),
        (14, "slow_down"),
    ] {
        world.advance(Duration::from_secs(wait));
        assert_eq!(poll(&mut device, &made, &codes).await.denied(400), said, "{wait}");
    }
    say(&mut browser, &code_of(&codes), "allow").await;
    // It has its answer all the same.
    assert_eq!(poll(&mut device, &made, &codes).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_no_and_the_end_of_time_are_told() {
    let world = World::new().await;
    let (_, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    let done = say(&mut browser, &code_of(&codes), "deny").await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text);
    assert_eq!(poll(&mut device, &made, &codes).await.denied(400), "access_denied");
    // Nothing more to be said about it.
    assert!(!is_question(&enter(&mut browser, PAGE, &code_of(&codes)).await));
    let late = begin(&mut device, &made, "openid").await;
    let allowed = begin(&mut device, &made, "openid").await;
    say(&mut browser, &code_of(&allowed), "allow").await;
    world.advance(Duration::from_mins(10));
    assert_eq!(poll(&mut device, &made, &late).await.denied(400), "expired_token");
    assert_eq!(poll(&mut device, &made, &allowed).await.denied(400), "expired_token");
    assert!(!is_question(&enter(&mut browser, PAGE, &code_of(&late)).await));
}

#[tokio::test]
async fn of_fifty_that_redeem_at_once_one_wins_and_a_second_use_ends_it_all() {
    let world = World::new().await;
    let (cx, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    say(&mut browser, &code_of(&codes), "allow").await;
    let answers = together((0..50).map(|_| {
        let (mut device, made, codes) = (device.clone(), made.clone(), codes.clone());
        async move { poll(&mut device, &made, &codes).await }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|it| it.status.as_u16() == 200);
    assert_eq!(won.len(), 1);
    for answer in &lost {
        assert_eq!(answer.denied(400), "invalid_grant");
    }
    // Somebody has come twice, and one of the two had no right to it.
    let watcher = world.web(Owner::Tenant(cx.tenant.id), json!({})).await;
    let token = won[0].json()["access_token"].clone();
    assert!(!is_active(&mut world.client(), "acme", &watcher, &token).await);
    assert_eq!(world.recorded(&cx, "oauth.code.reused", "failure").await, 1);
}

#[tokio::test]
async fn a_code_is_good_for_its_own_application_and_as_long_as_what_it_rests_on() {
    let world = World::new().await;
    let (cx, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    say(&mut browser, &code_of(&codes), "allow").await;
    let other = television(&world, Owner::Tenant(cx.tenant.id)).await;
    assert_eq!(poll(&mut device, &other, &codes).await.denied(400), "invalid_grant");
    let (session, _) = browser.session().unwrap();
    world.execute(sql("DELETE FROM sessions WHERE id = $1").bind(session)).await;
    assert_eq!(poll(&mut device, &made, &codes).await.denied(400), "invalid_grant");
    let nonsense = json!({"device_code": "x"});
    assert_eq!(poll(&mut device, &made, &nonsense).await.denied(400), "invalid_grant");
}

#[tokio::test]
async fn only_applications_that_may_get_codes() {
    let world = World::new().await;
    let (cx, _, _) = scene(&world).await;
    let owner = Owner::Tenant(cx.tenant.id);
    let metadata = json!({"allowed_scopes": ["openid"]});
    let page = world.application(owner, ApplicationType::Spa, metadata).await;
    let mut device = world.client();
    let path = endpoint("acme", "device_authorization");
    let form = encoded(&[("client_id", &page.client_id)]);
    assert_eq!(device.post_form(&path, &form).await.denied(400), "unauthorized_client");
    assert_eq!(device.post_form(&path, "client_id=app_x").await.denied(401), "invalid_client");
    // Whoever keeps a secret shows it.
    let web = world.web(owner, json!({})).await;
    let form = encoded(&[("client_id", &web.client_id)]);
    assert_eq!(device.post_form(&path, &form).await.denied(401), "invalid_client");
    let shown = device.post_as("acme", "device_authorization", &web, &[]).await;
    assert_eq!(shown.status.as_u16(), 200, "{}", shown.text);
}

#[tokio::test]
async fn nobody_sees_the_page_before_he_has_signed_in() {
    let world = World::new().await;
    scene(&world).await;
    let mut stranger = world.client();
    let sent = stranger.get("/t/acme/device?user_code=wdjb-mjht").await;
    assert_eq!(sent.location().path(), "/t/acme/login");
    // He comes back with the code, once he has signed in, and not again after that.
    let form = [("email", GRACE), ("password", crate::support::PASSWORD)];
    let mut grace = stranger.clone();
    let back = grace.fill_page("/t/acme/login", &form).await;
    assert_eq!(back.location().path(), "/t/acme/device");
    assert_eq!(back.sent("user_code").as_deref(), Some("WDJB-MJHT"));
    grace.follow(&back).await;
    grace.cookies.retain(|(name, value)| !name.contains("usercode") || !value.is_empty());
    assert_eq!(grace.fill_page("/t/acme/login", &form).await.location().path(), "/t/acme");
    let planted = stranger.cookies.iter_mut().find(|(name, _)| name.contains("usercode"));
    planted.unwrap().1 = "//evil.test?".to_owned();
    let mut eve = stranger.clone();
    let back = eve.fill_page("/t/acme/login", &form).await;
    assert_eq!((back.location().path(), back.sent("user_code")), ("/t/acme/device", None));
    let sent = stranger.post_form(PAGE, "user_code=WDJB-MJHT&word=allow").await;
    assert_eq!(sent.location().path(), "/t/acme/login");
    let sent = stranger.get("/device").await;
    assert_eq!(sent.location().path(), "/login");
    let none = stranger.get("/t/nobody/device").await;
    assert_eq!(none.status.as_u16(), 404);
    assert!(none.text.starts_with("<!doctype html>"), "{}", none.text);
}

#[tokio::test]
async fn a_link_alone_lets_nobody_in() {
    let world = World::new().await;
    let (_, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    let code = code_of(&codes);
    let filled = browser.get(&format!("{PAGE}?user_code={code}")).await;
    assert!(!is_question(&filled));
    assert_eq!(field(&filled, "user_code"), code);
    // Nor does a form that is not from the page, or of another session.
    let mut other = world.client();
    other.login("acme", GRACE, PASSWORD).await.data();
    let foreign = field(&other.get(PAGE).await, "proof");
    for proof in ["", "x", &foreign] {
        let form = encoded(&[("user_code", &*code), ("word", "allow"), ("proof", proof)]);
        let answer = browser.post_form(PAGE, &form).await;
        assert_eq!(answer.status.as_u16(), 403, "{proof}");
    }
    let proof = field(&filled, "proof");
    let form = encoded(&[("user_code", &*code), ("word", "allow"), ("proof", &*proof)]);
    let mut crossing = browser.clone();
    crossing.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(crossing.post_form(PAGE, &form).await.status.as_u16(), 403);
    assert_eq!(poll(&mut device, &made, &codes).await.denied(400), "authorization_pending");
}

#[tokio::test]
async fn oau_12_guessing_codes_is_limited_and_tells_nothing() {
    let world = World::new().await;
    let (_, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    world.advance(Duration::from_mins(10));
    // Too old, unknown and none at all look alike.
    let mut pages = Vec::new();
    for code in [&*code_of(&codes), "BBBB-BBBB", "nonsense"] {
        let page = enter(&mut browser, PAGE, code).await;
        assert_eq!(page.status.as_u16(), 200);
        let text = page.text.lines().filter(|line| !line.contains("nonce"));
        pages.push(text.collect::<Vec<_>>().join("\n"));
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
    let fresh = begin(&mut device, &made, "openid").await;
    let tries = together((0..50).map(|_| {
        let mut browser = browser.clone();
        async move { enter(&mut browser, PAGE, "BBBB-BBBB").await.status.as_u16() }
    }))
    .await;
    assert_eq!(tries.iter().filter(|status| **status == 200).count(), 17);
    assert_eq!(tries.iter().filter(|status| **status == 429).count(), 33);
    // The right one is not found either, until the window is over.
    let refused = enter(&mut browser, PAGE, &code_of(&fresh)).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert!(refused.retry_after() > 0);
    world.advance(Duration::from_mins(15));
    let fresh = begin(&mut device, &made, "openid").await;
    assert!(is_question(&enter(&mut browser, PAGE, &code_of(&fresh)).await));
}

#[tokio::test]
async fn ones_own_codes_buy_no_guesses() {
    let world = World::new().await;
    let (_, mut browser, made) = scene(&world).await;
    let mut device = world.client();
    for _ in 0..20 {
        let codes = begin(&mut device, &made, "openid").await;
        assert!(is_question(&enter(&mut browser, PAGE, &code_of(&codes)).await));
    }
    let refused = enter(&mut browser, PAGE, "BBBB-BBBB").await;
    assert_eq!(refused.status.as_u16(), 429);
}

#[tokio::test]
async fn a_code_of_one_realm_is_none_in_another() {
    let world = World::new().await;
    let (_, mut browser, made) = scene(&world).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let mut stranger = world.client();
    stranger.login("other", GRACE, PASSWORD).await.data();
    let mut device = world.client();
    let codes = begin(&mut device, &made, "openid").await;
    for page in ["/t/other/device", "/device"] {
        assert!(!is_question(&enter(&mut stranger, page, &code_of(&codes)).await), "{page}");
    }
    assert!(is_question(&enter(&mut browser, PAGE, &code_of(&codes)).await));
    // A device code neither.
    let form = encoded(&[
        ("grant_type", DEVICE_CODE),
        ("client_id", &made.client_id),
        ("device_code", codes["device_code"].as_str().unwrap()),
    ]);
    let answer = device.post_form("/api/v1/platform/oauth/token", &form).await;
    assert_eq!(answer.denied(401), "invalid_client");
}

#[tokio::test]
async fn at_the_platform_the_person_says_in_whose_name() {
    let world = World::new().await;
    let (_, mut browser, _) = scene(&world).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, "grace@other.example").await;
    browser.login("other", "grace@other.example", PASSWORD).await.data();
    let made = television(&world, Owner::Platform).await;
    let base = "/api/v1/platform/oauth";
    let mut device = world.client();
    let form = encoded(&[("client_id", &made.client_id), ("scope", "openid")]);
    let codes = device.post_form(&format!("{base}/device_authorization"), &form).await.json();
    assert_eq!(codes["verification_uri"], "http://127.0.0.1:8080/device", "{codes}");
    let code = code_of(&codes);
    let question = enter(&mut browser, "/device", &code).await;
    assert!(question.text.contains(GRACE) && question.text.contains("grace@other.example"));
    let proof = field(&question, "proof");
    let unsaid = [("proof", &*proof), ("user_code", &code), ("word", "allow")];
    let again = browser.post_form("/device", &encoded(&unsaid)).await;
    assert!(is_question(&again) && again.text.contains("role=\"alert\""), "{}", again.text);
    let row = question.text.lines().find(|line| line.contains("grace@other.example")).unwrap();
    let session = row.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut said = unsaid.to_vec();
    said.push(("session", session));
    let done = browser.post_form("/device", &encoded(&said)).await;
    assert!(!is_question(&done), "{}", done.text);
    let form = encoded(&[
        ("grant_type", DEVICE_CODE),
        ("client_id", &made.client_id),
        ("device_code", codes["device_code"].as_str().unwrap()),
    ]);
    let tokens = device.post_form(&format!("{base}/token"), &form).await.json();
    let said = claims(&tokens["id_token"]);
    assert_eq!(said["iss"], "http://127.0.0.1:8080", "{tokens}");
    assert_eq!(said["tenant_id"], other.tenant.id.to_string());
}
