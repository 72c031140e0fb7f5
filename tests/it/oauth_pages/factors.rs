//! The second step, and setting one up.

use std::time::Duration;

use serde_json::json;

use super::{Scene, path};
use crate::support::{Answer, Client, PASSWORD, factors::Authenticator};

/// Gives the right password, and opens the page that follows.
async fn first_step(
    scene: &Scene,
    browser: &mut Client,
    more: &[(&str, &str)],
) -> (String, Answer) {
    let sent = scene.begin(browser, more).await;
    let login = browser.follow(&sent).await;
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    assert!(!entered.location().as_str().contains("token"), "the step's token is in no address");
    let cookie = entered.set_cookie("step").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("Max-Age=600"), "{cookie}");
    assert!(browser.session().is_none());
    (path(&entered), browser.follow(&entered).await)
}

async fn with_app(scene: &Scene) -> crate::support::factors::Enrolled {
    let mut client = scene.world.client();
    client.login("acme", "grace@example.com", PASSWORD).await.data();
    let enrolled = scene.world.enrol_totp(&scene.acme, &mut client).await;
    scene.world.advance(crate::support::factors::STEP);
    enrolled
}

#[tokio::test]
async fn a_code_of_the_app_completes_the_sign_in() {
    let scene = Scene::with(json!({})).await;
    let enrolled = with_app(&scene).await;
    let mut browser = scene.world.client();
    let (at, page) = first_step(&scene, &mut browser, &[]).await;
    assert_eq!(at, "/t/acme/mfa");
    for id in ["code", "submit", "trust_device", "method-backup_code", "cancel"] {
        assert!(page.text.contains(&format!("id=\"{id}\"")), "{id}: {}", page.text);
    }
    let wrong = enrolled.app.wrong(&scene.world);
    let again = browser.fill(&page, "/t/acme/mfa", &[("code", &wrong)]).await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("id=\"fault\"") && browser.session().is_none());
    let code = enrolled.app.next(&scene.world);
    let done = browser.fill(&again, "/t/acme/mfa", &[("code", &code)]).await;
    Client::code(&browser.follow(&done).await);
}

#[tokio::test]
async fn a_trusted_device_is_not_asked_again_and_a_backup_code_does_too() {
    let scene = Scene::with(json!({})).await;
    let enrolled = with_app(&scene).await;
    let mut browser = scene.world.client();
    let (_, page) = first_step(&scene, &mut browser, &[]).await;
    let query = page.text.split("/t/acme/mfa?").nth(1).unwrap().split('"').next().unwrap();
    let query = query.replace("&amp;", "&");
    let other = browser.get(&format!("/t/acme/mfa?{query}")).await;
    assert!(other.text.contains("backup codes"), "{}", other.text);
    let fields = [("code", enrolled.backup_codes[0].as_str()), ("trust_device", "true")];
    let done = browser.fill(&other, "/t/acme/mfa", &fields).await;
    let cookie = done.set_cookie("trusted").unwrap();
    assert!(cookie.contains("HttpOnly"), "{cookie}");
    Client::code(&browser.follow(&done).await);
    scene.world.advance(Duration::from_secs(10));
    let sent = scene.begin(&mut browser, &[("prompt", "login")]).await;
    let login = browser.follow(&sent).await;
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    Client::code(&browser.follow(&entered).await);
    // Who wants a second factor wants one now.
    scene.world.advance(Duration::from_secs(10));
    let sent = scene.begin(&mut browser, &[("prompt", "login"), ("acr_values", "aal2")]).await;
    let login = browser.follow(&sent).await;
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    assert_eq!(path(&entered), "/t/acme/mfa");
    assert!(!browser.follow(&entered).await.text.contains("trust_device"));
}

#[tokio::test]
async fn a_mailed_code_is_asked_for_sent_again_and_waited_for() {
    let scene = Scene::with(json!({})).await;
    let mut client = scene.world.client();
    client.login("acme", "grace@example.com", PASSWORD).await.data();
    scene.world.enrol_email(&scene.acme, &mut client, "grace@example.com").await.data();
    scene.world.advance(Duration::from_secs(61));
    let mut browser = scene.world.client();
    let (_, page) = first_step(&scene, &mut browser, &[]).await;
    assert!(page.text.contains("g***@example.com") && page.text.contains("id=\"send\""));
    assert!(!page.text.contains("id=\"code\""), "nothing to enter yet");
    let sent = browser.fill(&page, "/t/acme/mfa", &[("action", "send")]).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let sent = browser.follow(&sent).await;
    assert!(sent.text.contains("id=\"code\"") && sent.text.contains("id=\"note\""));
    let soon = browser.fill(&sent, "/t/acme/mfa", &[("action", "send")]).await;
    assert_eq!(soon.status, 429);
    assert!(soon.text.contains("Please wait 60 seconds"), "{}", soon.text);
    let code = scene.world.mailed_code("grace@example.com").await;
    let done = browser.fill(&soon, "/t/acme/mfa", &[("code", &code)]).await;
    Client::code(&browser.follow(&done).await);
}

#[tokio::test]
async fn a_step_that_is_over_begins_anew_for_the_same_request() {
    let scene = Scene::with(json!({})).await;
    let enrolled = with_app(&scene).await;
    let mut browser = scene.world.client();
    let (_, page) = first_step(&scene, &mut browser, &[]).await;
    scene.world.advance(Duration::from_secs(601));
    let code = enrolled.app.code(&scene.world);
    let over = browser.fill(&page, "/t/acme/mfa", &[("code", &code)]).await;
    assert_eq!(path(&over), "/t/acme/login");
    let login = browser.follow(&over).await;
    assert!(login.text.contains("id=\"note\"") && login.text.contains("took too long"));
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let page = browser.follow(&entered).await;
    let code = enrolled.app.next(&scene.world);
    let done = browser.fill(&page, "/t/acme/mfa", &[("code", &code)]).await;
    Client::code(&browser.follow(&done).await);
    // A step of nobody.
    let lost = scene.world.client().get("/t/acme/mfa").await;
    assert_eq!(path(&lost), "/t/acme/login");
}

#[tokio::test]
async fn oau_step_up_somebody_without_a_second_factor_sets_one_up() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    browser.login("acme", "grace@example.com", PASSWORD).await.data();
    scene.world.advance(Duration::from_secs(100));
    Client::code(&scene.begin(&mut browser, &[]).await);
    browser.cookies.retain(|(name, _)| !name.contains("session"));
    let (at, page) = first_step(&scene, &mut browser, &[("acr_values", "aal2")]).await;
    assert_eq!(at, "/t/acme/mfa/enrol");
    assert!(page.text.contains("<svg") && page.text.contains("id=\"secret\""), "{}", page.text);
    assert!(!page.text.contains("method-email"), "a mailed code proves too little");
    let secret = page.text.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap();
    let app = Authenticator::typed(&secret.replace(' ', ""));
    let wrong = app.wrong(&scene.world);
    let again = browser.fill(&page, "/t/acme/mfa/enrol", &[("code", &wrong)]).await;
    assert_eq!(again.status, 400);
    assert!(!again.text.contains(secret) && again.text.contains("id=\"new-key\""));
    let code = app.code(&scene.world);
    let codes = browser.fill(&again, "/t/acme/mfa/enrol", &[("code", &code)]).await;
    assert_eq!(codes.status, 200, "{}", codes.text);
    assert!(codes.text.contains("id=\"backup-codes\""));
    let onward = codes.text.split("id=\"continue\" class=\"button\" href=\"").nth(1).unwrap();
    let onward = onward.split('"').next().unwrap();
    let onward = &onward[onward.find("/api/").unwrap()..];
    Client::code(&browser.get(onward).await);
}

#[tokio::test]
async fn an_enrolment_step_is_good_only_for_enrolment() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    first_step(&scene, &mut browser, &[("acr_values", "aal2")]).await;
    let lost = browser.get("/t/acme/mfa").await;
    assert_eq!(path(&lost), "/t/acme/login");
    assert!(
        !browser.cookies.iter().any(|(name, value)| name.contains("step") && !value.is_empty())
    );
}

#[tokio::test]
async fn a_ceremony_begins_for_the_script_of_the_page() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    let begun = browser.post_form("/t/acme/login/passkey", "").await.data();
    assert!(begun["challenge_id"].is_string() && begun["options"]["challenge"].is_string());
    let sent = scene.begin(&mut browser, &[("acr_values", "aal2")]).await;
    let login = browser.follow(&sent).await;
    assert!(login.text.contains("id=\"passkey\"") && login.text.contains("data-passkey=\"get\""));
    let fields = [("challenge_id", begun["challenge_id"].as_str().unwrap()), ("credential", "{}")];
    let refused = browser.fill(&login, "/t/acme/login", &fields).await;
    assert_eq!(refused.status, 400);
    let (_, page) = first_step(&scene, &mut browser, &[("acr_values", "aal2")]).await;
    let at = page.text.split("href=\"/t/acme/mfa/enrol?").nth(1).unwrap();
    let at = at.split('"').next().unwrap().replace("&amp;", "&");
    let page = browser.get(&format!("/t/acme/mfa/enrol?{at}")).await;
    let url = page.text.split("data-begin=\"").nth(1).unwrap().split('"').next().unwrap();
    let begun = browser.post_form(&url.replace("&amp;", "&"), "").await.data();
    assert!(begun["options"]["challenge"].is_string());
    browser.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(browser.post_form("/t/acme/login/passkey", "").await.status, 403);
}
