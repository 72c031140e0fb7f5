//! New accounts and forgotten passwords.

use serde_json::json;

use super::{Scene, path};
use crate::support::{Client, PASSWORD, token_in};

const NEW: [(&str, &str); 4] = [
    ("first_name", "Ada"),
    ("last_name", "Lovelace"),
    ("email", "ada@example.com"),
    ("password", PASSWORD),
];

#[tokio::test]
async fn prompt_create_leads_over_a_new_account_to_the_application() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[("prompt", "create")]).await;
    assert_eq!(path(&sent), "/t/acme/register");
    let form = browser.follow(&sent).await;
    for id in ["first_name", "last_name", "email", "password", "submit"] {
        assert!(form.text.contains(&format!("id=\"{id}\"")), "{id}");
    }
    let mut short = NEW;
    short[3].1 = "short";
    let refused = browser.fill(&form, "/t/acme/register", &short).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("value=\"Lovelace\"") && !refused.text.contains("\"short\""));
    let bare = browser.fill(&form, "/t/acme/register", &[]).await;
    let faults = bare.text.split("id=\"faults\"").nth(1).unwrap().split("</ul>").next().unwrap();
    assert!(faults.matches("<li>").count() >= 3, "{}", bare.text);
    let mail = browser.fill(&form, "/t/acme/register", &NEW).await;
    assert_eq!(mail.status, 200, "{}", mail.text);
    let token = token_in(&scene.world.inbox("ada@example.com").await[0]);
    browser.post_form("/t/acme/verify-email", &format!("token={token}")).await;
    let login = mail.text.split("id=\"login\" class=\"button\" href=\"").nth(1).unwrap();
    let login = browser.get(&login.split('"').next().unwrap().replace("&amp;", "&")).await;
    let entered = browser.fill_in(&login, "ada@example.com", PASSWORD).await;
    Client::code(&browser.follow(&entered).await);
}

#[tokio::test]
async fn an_address_that_has_an_account_is_told_nothing_else() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    let form = browser.get("/t/acme/register").await;
    let new = browser.fill(&form, "/t/acme/register", &NEW).await;
    let mut known = NEW;
    known[2].1 = "grace@example.com";
    let known = browser.fill(&form, "/t/acme/register", &known).await;
    let known_main = known.main().replace("g***@", "a***@");
    assert_eq!((new.status, new.main()), (known.status, known_main));
}

#[tokio::test]
async fn where_registration_is_closed_one_signs_in() {
    let scene = Scene::with(json!({})).await;
    scene.world.set_settings(&scene.acme, r#"{"registration": {"enabled": false}}"#).await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[("prompt", "create")]).await;
    let sent = browser.follow(&sent).await;
    assert_eq!(path(&sent), "/t/acme/login");
    let login = browser.follow(&sent).await;
    assert!(login.text.contains("cannot be created") && !login.text.contains("id=\"register\""));
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    Client::code(&browser.follow(&entered).await);
}

#[tokio::test]
async fn a_tenant_with_a_captcha_hands_out_a_puzzle() {
    let scene = Scene::with(json!({})).await;
    let settings = r#"{"registration": {"enabled": true, "captcha": "proof_of_work"}}"#;
    scene.world.set_settings(&scene.acme, settings).await;
    let mut browser = scene.world.client();
    let form = browser.get("/t/acme/register").await;
    assert!(form.text.contains("data-captcha=\"{&quot;algorithm&quot;"), "{}", form.text);
    let refused = browser.fill(&form, "/t/acme/register", &NEW).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("captcha"), "{}", refused.text);
}

#[tokio::test]
async fn a_forgotten_password_is_asked_for_alike_for_every_address() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    let form = browser.get("/t/acme/forgot-password").await;
    assert!(form.text.contains("id=\"email\""));
    let mut texts = Vec::new();
    for email in ["grace@example.com", "nobody@example.com"] {
        let page = browser.fill(&form, "/t/acme/forgot-password", &[("email", email)]).await;
        assert_eq!(page.status, 200);
        texts.push(page.main().replace("n***@", "g***@"));
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(scene.world.inbox("grace@example.com").await.len(), 1);
    let bad = browser.fill(&form, "/t/acme/forgot-password", &[("email", "x")]).await;
    assert_eq!(bad.status, 400);
}
