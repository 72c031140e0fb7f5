//! Prompts: signing in again, and choosing an account.

use std::time::Duration;

use serde_json::json;

use super::{Scene, path};
use crate::support::{Client, PASSWORD};

/// Somebody who is signed in since a while.
async fn signed_in(scene: &Scene) -> Client {
    let mut browser = scene.world.client();
    browser.login("acme", "grace@example.com", PASSWORD).await.data();
    scene.world.advance(Duration::from_secs(100));
    browser
}

#[tokio::test]
async fn prompt_login_asks_even_somebody_who_is_signed_in_and_then_no_more() {
    let scene = Scene::with(json!({})).await;
    let mut browser = signed_in(&scene).await;
    Client::code(&scene.begin(&mut browser, &[]).await);
    let sent = scene.begin(&mut browser, &[("prompt", "login")]).await;
    assert_eq!(path(&sent), "/t/acme/login");
    let login = browser.follow(&sent).await;
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    Client::code(&browser.follow(&entered).await);
    let sent = scene.begin(&mut browser, &[("max_age", "3600")]).await;
    Client::code(&sent);
}

#[tokio::test]
async fn prompt_select_account_lets_somebody_choose_who_he_is() {
    let scene = Scene::with(json!({})).await;
    let mut browser = signed_in(&scene).await;
    let sent = scene.begin(&mut browser, &[("prompt", "select_account")]).await;
    assert_eq!(path(&sent), "/t/acme/select-account");
    let page = browser.follow(&sent).await;
    assert!(page.text.contains("grace@example.com") && page.text.contains("id=\"another\""));
    let (session, _) = browser.session().unwrap();
    let stranger = "ses_00000000000000000000000000";
    let again = browser.fill(&page, "/t/acme/select-account", &[("session", stranger)]).await;
    assert_eq!(again.status, 200, "not one of this browser: {}", again.text);
    let session = session.to_string();
    let chosen = browser.fill(&page, "/t/acme/select-account", &[("session", &session)]).await;
    Client::code(&browser.follow(&chosen).await);
}

#[tokio::test]
async fn another_account_takes_the_place_of_the_one_that_was_chosen() {
    let scene = Scene::with(json!({})).await;
    scene.world.user(&scene.acme, "ada@example.com").await;
    let mut browser = signed_in(&scene).await;
    // The chosen session is too old, so that a sign-in comes all the same: its session counts.
    let more = [("prompt", "select_account"), ("max_age", "10")];
    let sent = scene.begin(&mut browser, &more).await;
    let page = browser.follow(&sent).await;
    let session = browser.session().unwrap().0.to_string();
    let chosen = browser.fill(&page, "/t/acme/select-account", &[("session", &session)]).await;
    let resumed = browser.follow(&chosen).await;
    assert_eq!(path(&resumed), "/t/acme/login");
    let login = browser.follow(&resumed).await;
    let entered = browser.fill_in(&login, "ada@example.com", PASSWORD).await;
    Client::code(&browser.follow(&entered).await);
}

#[tokio::test]
async fn where_nobody_is_signed_in_there_is_nobody_to_choose() {
    let scene = Scene::with(json!({})).await;
    let mut browser = signed_in(&scene).await;
    let sent = scene.begin(&mut browser, &[("prompt", "select_account")]).await;
    scene.world.advance(Duration::from_secs(2 * 3600));
    assert_eq!(browser.follow(&sent).await.status, 400, "by then the request has expired, too");
    let sent = scene.begin(&mut browser, &[]).await;
    let url = sent.location();
    let handle = url.query().unwrap();
    let page = browser.get(&format!("/t/acme/select-account?{handle}")).await;
    assert_eq!(path(&page), "/t/acme/login");
}
