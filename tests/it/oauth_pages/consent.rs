//! Whether an application may have what it asks for.

use serde_json::json;

use super::{Scene, hidden, path};
use crate::support::{
    Answer, Client, PASSWORD,
    applications::{CALLBACK, encoded},
};

/// Signs a browser in and brings it to the question.
async fn asked(scene: &Scene, browser: &mut Client, more: &[(&str, &str)]) -> Answer {
    let sent = scene.begin(browser, more).await;
    let login = browser.follow(&sent).await;
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let resumed = browser.follow(&entered).await;
    assert_eq!(path(&resumed), "/t/acme/consent");
    browser.follow(&resumed).await
}

#[tokio::test]
async fn what_is_asked_for_is_said_in_plain_words_and_what_is_not_known_by_its_name() {
    let scene = Scene::with(json!({
        "first_party": false,
        "authorization_details_types": ["payment"],
        "policy_uri": "https://app.example.com/privacy",
        "tos_uri": "https://app.example.com/terms",
        "logo_uri": "https://app.example.com/logo.png",
    }))
    .await;
    let details = json!([{"type": "payment", "amount": {"currency": "EUR", "value": "12.50"},
        "creditors": ["<b>Ann</b>", "Ben"]}]);
    let details = details.to_string();
    let more = [
        ("scope", "openid profile email address phone groups offline_access files:read"),
        ("authorization_details", details.as_str()),
    ];
    let page = asked(&scene, &mut scene.world.client(), &more).await;
    for words in [
        "know who you are",
        "see your name",
        "see your e-mail address",
        "postal address",
        "telephone",
        "groups",
        "while you are not there",
        "<code>files:read</code>",
        "payment",
        "currency: EUR; value: 12.50",
        "&lt;b&gt;Ann&lt;/b&gt;, Ben",
        "grace@example.com",
        "app.example.com",
        "href=\"https://app.example.com/privacy\"",
        "href=\"https://app.example.com/terms\"",
        "id=\"allow\"",
        "id=\"deny\"",
        "id=\"not-you\"",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(!page.text.contains("unknown-application"));
    assert!(!page.text.contains("logo.png"), "a picture comes from us or not at all");
}

#[tokio::test]
async fn an_application_that_registered_itself_is_told_as_such_and_shows_no_picture() {
    let scene = Scene::with(json!({"logo_uri": "https://evil.example.com/bank.png"})).await;
    let text = "UPDATE applications SET origin = 'registration'";
    scene.world.execute(countersign::db::sql(text)).await;
    let page = asked(&scene, &mut scene.world.client(), &[]).await;
    assert!(page.text.contains("id=\"unknown-application\""), "{}", page.text);
    assert!(!page.text.contains("bank.png"));
}

#[tokio::test]
async fn a_no_goes_back_to_the_application() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let page = asked(&scene, &mut browser, &[]).await;
    let back = browser.fill(&page, "/t/acme/consent", &[("action", "deny")]).await;
    assert!(back.location().as_str().starts_with(CALLBACK));
    assert_eq!(back.sent("error").as_deref(), Some("access_denied"));
    let again = scene.begin(&mut browser, &[]).await;
    assert_eq!(path(&again), "/t/acme/consent", "nothing was noted");
}

#[tokio::test]
async fn oau_13_nobody_agrees_but_by_the_page_itself() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let page = asked(&scene, &mut browser, &[]).await;
    let (handle, proof) = (hidden(&page, "request"), hidden(&page, "proof"));
    let form =
        |proof: &str| encoded(&[("request", &handle), ("action", "allow"), ("proof", proof)]);
    // Of another request of the same browser.
    let sent = scene.begin(&mut browser, &[]).await;
    let other = hidden(&browser.follow(&sent).await, "proof");
    for wrong in ["", "nonsense", &other] {
        let refused = browser.post_form("/t/acme/consent", &form(wrong)).await;
        assert_eq!(refused.status, 403, "{wrong}");
    }
    let mut foreign = browser.clone();
    foreign.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(foreign.post_form("/t/acme/consent", &form(&proof)).await.status, 403);
    let mut stranger = scene.world.client();
    assert_eq!(stranger.post_form("/t/acme/consent", &form(&proof)).await.status, 400);
    // Of the session of somebody else.
    scene.world.user(&scene.acme, "eve@example.com").await;
    let mut eve = browser.clone();
    let login = eve.get(&format!("/t/acme/login?request={handle}")).await;
    assert_eq!(eve.fill_in(&login, "eve@example.com", PASSWORD).await.status, 303);
    assert_eq!(eve.post_form("/t/acme/consent", &form(&proof)).await.status, 403);
    assert_eq!(scene.world.count("SELECT COUNT(*) FROM consents").await, 0);
}

#[tokio::test]
async fn prompt_consent_asks_again_and_a_wider_scope_too() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let page = asked(&scene, &mut browser, &[("scope", "openid")]).await;
    let back = browser.fill(&page, "/t/acme/consent", &[("action", "allow")]).await;
    Client::code(&back);
    Client::code(&scene.begin(&mut browser, &[("scope", "openid")]).await);
    let wider = scene.begin(&mut browser, &[]).await;
    assert_eq!(path(&wider), "/t/acme/consent");
    let again = scene.begin(&mut browser, &[("scope", "openid"), ("prompt", "consent")]).await;
    assert_eq!(path(&again), "/t/acme/consent");
    let page = browser.follow(&again).await;
    let back = browser.fill(&page, "/t/acme/consent", &[("action", "allow")]).await;
    Client::code(&back);
}

#[tokio::test]
async fn somebody_else_can_sign_in_from_the_question() {
    let scene = Scene::new().await;
    scene.world.user(&scene.acme, "ada@example.com").await;
    let mut browser = scene.world.client();
    let page = asked(&scene, &mut browser, &[]).await;
    let handle = hidden(&page, "request");
    let login = browser.get(&format!("/t/acme/login?request={handle}")).await;
    let entered = browser.fill_in(&login, "ada@example.com", PASSWORD).await;
    let resumed = browser.follow(&entered).await;
    let page = browser.follow(&resumed).await;
    assert!(page.text.contains("ada@example.com") && !page.text.contains("grace@example.com"));
}
