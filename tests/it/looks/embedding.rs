//! Who may show a page in a frame (WEB-03).

use countersign::domain::{application::Owner, settings::SettingsLayer};
use serde_json::json;

use crate::support::{
    Answer, World,
    applications::{challenge, request},
};

const SETTINGS: &str = r#"{"registration": {"enabled": true},
    "pages": {"embed_origins": ["https://portal.example.com", "http://localhost:3000"]}}"#;

#[track_caller]
fn policy(answer: &Answer) -> &str {
    answer.headers["content-security-policy"].to_str().unwrap()
}

#[tokio::test]
async fn web_03_by_default_no_page_stands_in_a_frame() {
    let world = World::new().await;
    world.acme().await;
    for path in ["/t/acme/login", "/login", "/t/acme", "/t/acme/register", "/t/acme/device"] {
        let page = world.client().get(path).await;
        assert!(policy(&page).contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(page.headers["x-frame-options"], "DENY", "{path}");
    }
}

#[tokio::test]
async fn web_03_the_sign_in_stands_in_frames_of_those_whom_the_tenant_names_and_nothing_else_does()
{
    let world = World::new().await;
    let acme = world.tenant("acme", SETTINGS).await;
    world.tenant("other", "{}").await;
    world.user(&acme, "grace@example.com").await;
    let app = world.web(Owner::Tenant(acme.tenant.id), json!({"first_party": false})).await;
    let mut browser = world.client();
    let framed = "frame-ancestors https://portal.example.com http://localhost:3000";
    let login = browser.get("/t/acme/login").await;
    assert!(policy(&login).ends_with(framed), "{}", policy(&login));
    assert!(!login.headers.contains_key("x-frame-options"));
    for path in [
        "/t/acme",
        "/t/acme/register",
        "/t/acme/forgot-password",
        "/t/acme/device",
        "/t/acme/consent",
        "/t/other/login",
        "/login",
        "/t/acme/login?request=nonsense",
    ] {
        let page = browser.get(path).await;
        assert!(policy(&page).contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(page.headers["x-frame-options"], "DENY", "{path}");
    }
    let challenge = challenge();
    let sent = browser.authorize("acme", &request(&app, &challenge)).await;
    let login = browser.follow(&sent).await;
    assert!(policy(&login).ends_with(framed));
    let handle = login.text.split("name=\"request\" value=\"").nth(1).unwrap();
    let handle = handle.split('"').next().unwrap();
    let fields = [
        ("request", handle),
        ("email", "grace@example.com"),
        ("password", crate::support::PASSWORD),
    ];
    let entered = browser.fill_page(&format!("/t/acme/login?request={handle}"), &fields).await;
    let resumed = browser.follow(&entered).await;
    let consent = browser.follow(&resumed).await;
    assert!(consent.text.contains("id=\"allow\""), "{}", consent.text);
    assert!(policy(&consent).contains("frame-ancestors 'none'"));
    assert_eq!(consent.headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn in_a_frame_of_another_site_there_is_no_form_but_a_way_out() {
    let world = World::new().await;
    world.tenant("acme", SETTINGS).await;
    world.tenant("plain", "{}").await;
    let mut browser = world.client();
    browser.headers.insert("sec-fetch-dest", "iframe".parse().unwrap());
    browser.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let page = browser.get("/t/acme/login").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("id=\"password\"") && page.text.contains("id=\"open\""));
    assert!(page.text.contains("href=\"/t/acme/login\" target=\"_blank\" rel=\"noopener\""));
    assert!(policy(&browser.get("/t/plain/login").await).contains("frame-ancestors 'none'"));
    browser.headers.insert("sec-fetch-site", "same-site".parse().unwrap());
    assert!(browser.get("/t/acme/login").await.text.contains("id=\"password\""));
}

#[test]
fn only_origins_that_browsers_know_as_such_are_named() {
    for origin in [
        "http://portal.example.com",
        "https://*.example.com",
        "https://portal.example.com/",
        "https://portal.example.com/a",
        "https://u@portal.example.com",
        "https://PORTAL.example.com",
        "https://a.example; script-src *",
        "https://a.example https://b.example",
        "*",
        "'self'",
        "null",
        "",
    ] {
        let layer = json!({"pages": {"embed_origins": [origin]}});
        let layer: SettingsLayer = serde_json::from_value(layer).unwrap();
        assert_eq!(layer.faults().len(), 1, "{origin}");
    }
}
