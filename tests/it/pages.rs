//! The pages behind the mailed links, without a browser.

use axum::http::Method;
use serde_json::json;

use crate::support::{PASSWORD, World, token_in};

async fn registered(world: &World) -> String {
    world.tenant("acme", r#"{"registration": {"enabled": true}}"#).await;
    let body = json!({"email": "grace@example.com", "password": PASSWORD,
        "first_name": "Grace", "last_name": "<i>Hopper</i>"});
    world.client().api("acme", "register", &body).await.data();
    token_in(&world.inbox("grace@example.com").await[0])
}

#[tokio::test]
async fn b01_b02_a_scanner_that_opens_the_link_confirms_nothing() {
    let world = World::new().await;
    let token = registered(&world).await;
    let link = format!("/t/acme/verify-email?token={token}");
    let mut scanner = world.client_at("198.51.100.77");
    for method in [Method::HEAD, Method::GET, Method::GET] {
        assert_eq!(scanner.request(method, &link, None, "").await.status, 200);
    }
    assert!(scanner.cookies.is_empty());
    let mut client = world.client();
    let page = client.get(&link).await;
    assert!(page.text.contains("&lt;i&gt;Hopper&lt;") && page.text.contains("1 January 2026"));
    assert!(!page.text.contains("<i>Hopper"));
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(401),
        "invalid_credentials"
    );
    let done = client.post_form("/t/acme/verify-email", &format!("token={token}")).await;
    assert_eq!(done.status, 200);
    assert!(client.cookies.is_empty());
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.data()["status"],
        "success"
    );
    assert_eq!(client.get(&link).await.status, 200, "a second look says that all is well");
}

#[tokio::test]
async fn web_03_to_05_a_page_loads_only_what_is_ours_and_tells_nobody_where_it_was() {
    let world = World::new().await;
    let token = registered(&world).await;
    let page = world.client().get(&format!("/t/acme/verify-email?token={token}")).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe-inline"));
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(page.text.contains(&format!("<style nonce=\"{nonce}\">")));
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(!page.text.contains("onclick") && !page.text.contains("<script>"));
    let mut client = world.client();
    for asset in page.text.split('"').filter(|text| text.starts_with("/static/")) {
        let answer = client.get(asset).await;
        assert_eq!(answer.status, 200, "{asset}");
        assert!(answer.headers["cache-control"].to_str().unwrap().contains("immutable"));
    }
    let again = client.get(&format!("/t/acme/verify-email?token={token}")).await;
    assert!(!again.text.contains(nonce), "a nonce is used once");
}

#[tokio::test]
async fn a_dead_link_says_what_to_do_in_the_readers_language() {
    let world = World::new().await;
    registered(&world).await;
    for page in ["verify-email", "reset-password"] {
        let mut client = world.client();
        let answer = client.get(&format!("/t/acme/{page}?token=nonsense")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains("<html lang=\"en\""), "{}", answer.text);
        client.headers.insert("accept-language", "de".parse().unwrap());
        let answer = client.get(&format!("/t/acme/{page}")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains("<html lang=\"de\""));
    }
    let unknown = world.client().get("/t/nope/verify-email?token=x").await;
    assert_eq!(unknown.status, 404);
    let id = unknown.headers["x-request-id"].to_str().unwrap();
    assert!(unknown.text.contains(id), "the page tells the request's id");
}

#[tokio::test]
async fn the_reset_form_names_the_reasons_keeps_the_link_and_then_changes_the_password() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    client.api("acme", "forgot-password", &json!({"email": "grace@example.com"})).await.data();
    let token = token_in(&world.inbox("grace@example.com").await[0]);
    let link = format!("/t/acme/reset-password?token={token}");
    let form = client.get(&link).await;
    assert!(
        form.text.contains("autocomplete=\"new-password\"")
            && form.text.contains("g***@example.com")
    );
    for (password, word) in [
        ("", "15"),
        ("short", "15"),
        ("passwordpassword", "common"),
        ("acme+acme+acme+acme", "organisation"),
    ] {
        let body = format!("token={token}&password={}", password.replace('+', "%20"));
        let refused = client.post_form("/t/acme/reset-password", &body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text.contains(word), "{password}: {}", refused.text);
        assert!(password.len() < 8 || !refused.text.contains(&format!("value=\"{password}\"")));
    }
    let body = format!("token={token}&password=an+entirely+different+phrase");
    assert_eq!(client.post_form("/t/acme/reset-password", &body).await.status, 200);
    assert!(client.cookies.is_empty());
    assert_eq!(client.get(&link).await.status, 400);
    let signed_in = client.login("acme", "grace@example.com", "an entirely different phrase").await;
    assert_eq!(signed_in.data()["status"], "success");
}

#[tokio::test]
async fn the_mailbox_is_there_in_development_only() {
    let world = World::new().await;
    registered(&world).await;
    let mut client = world.client();
    let list = client.get("/dev/mailbox.json?to=GRACE@example.com").await.json();
    let mail = &list.as_array().unwrap()[0];
    let names: Vec<&String> = mail.as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "to", "subject", "text", "html", "created_at"]);
    assert!(client.get("/dev/mailbox").await.text.contains("grace@example.com"));
    let live = World::with(|config| config.mode = countersign::config::Mode::Production).await;
    for path in ["/dev/mailbox", "/dev/mailbox.json"] {
        assert_eq!(live.client().get(path).await.refused(404), "not_found");
    }
}

#[tokio::test]
async fn a_tenants_looks_are_shown_and_escaped() {
    let world = World::new().await;
    let token = registered(&world).await;
    let change = countersign::flows::tenants::Change {
        branding: Some(
            serde_json::from_value(json!({
                "display_name": "Acme <script>alert(1)</script> & Sons",
                "primary_color": "#aa3300",
                "logo_url": "https://cdn.example.com/logo.svg?a=\"b",
            }))
            .unwrap(),
        ),
        ..countersign::flows::tenants::Change::default()
    };
    let slug = countersign::domain::tenant::Slug::parse("acme").unwrap();
    let operator = crate::support::operator();
    countersign::flows::tenants::update(&world.app, &operator, &slug, change).await.unwrap();
    let page = world.client().get(&format!("/t/acme/verify-email?token={token}")).await;
    assert!(page.text.contains("#aa3300"));
    assert!(page.text.contains("&lt;script&gt;") && !page.text.contains("<script>alert"));
    assert!(!page.text.contains("a=\"b"));
}
