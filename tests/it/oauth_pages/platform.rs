//! The platform's pages, which find the tenant of whoever signs in.

use countersign::domain::application::Owner;
use serde_json::json;

use super::{hidden, path};
use crate::support::{
    Client, PASSWORD, World,
    applications::{CALLBACK, Made, challenge, encoded, request},
};

async fn begin(browser: &mut Client, app: &Made, more: &[(&str, &str)]) -> crate::support::Answer {
    let challenge = challenge();
    let mut pairs = request(app, &challenge);
    pairs.extend_from_slice(more);
    browser.get(&format!("/api/v1/platform/oauth/authorize?{}", encoded(&pairs))).await
}

async fn sign_in(
    browser: &mut Client,
    page: &crate::support::Answer,
    more: &[(&str, &str)],
) -> crate::support::Answer {
    let mut fields = vec![("email", "grace@example.com"), ("password", PASSWORD)];
    fields.extend_from_slice(more);
    browser.fill(page, "/login", &fields).await
}

#[tokio::test]
async fn the_one_tenant_of_an_address_is_found_and_its_page_asks() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.tenant("other", "{}").await;
    world.user(&acme, "grace@example.com").await;
    let app = world.web(Owner::Platform, json!({"first_party": false})).await;
    let mut browser = world.client();
    let sent = begin(&mut browser, &app, &[]).await;
    assert_eq!(path(&sent), "/login");
    let login = browser.follow(&sent).await;
    assert!(login.text.contains("Test application") && login.text.contains("id=\"email\""));
    let wrong = browser
        .fill(&login, "/login", &[("email", "grace@example.com"), ("password", "wrong password")])
        .await;
    assert_eq!(wrong.status, 400);
    let entered = sign_in(&mut browser, &login, &[]).await;
    assert!(entered.set_cookie("session").unwrap().contains("HttpOnly"));
    let resumed = browser.follow(&entered).await;
    assert_eq!(path(&resumed), "/t/acme/consent");
    let consent = browser.follow(&resumed).await;
    assert_eq!(hidden(&consent, "realm"), "platform");
    assert!(consent.text.contains("href=\"/login?request="), "not you?");
    let back = browser.fill(&consent, "/t/acme/consent", &[("action", "allow")]).await;
    Client::code(&back);
    assert!(back.sent("iss").is_some_and(|iss| !iss.contains("/tenants/")));
    // The handle is the platform's: at the tenant's own realm nothing is pending.
    world.advance(std::time::Duration::from_secs(10));
    let sent = begin(&mut browser, &app, &[("prompt", "login")]).await;
    let url = sent.location();
    let page = browser.get(&format!("/t/acme/login?{}", url.query().unwrap())).await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn of_several_tenants_one_is_chosen_and_the_password_stands_in_no_page() {
    let world = World::new().await;
    for slug in ["acme", "other"] {
        let cx = world.tenant(slug, "{}").await;
        world.user(&cx, "grace@example.com").await;
    }
    let app = world.web(Owner::Platform, json!({})).await;
    let mut browser = world.client();
    let sent = begin(&mut browser, &app, &[]).await;
    let login = browser.follow(&sent).await;
    let choice = sign_in(&mut browser, &login, &[]).await;
    assert_eq!(choice.status, 200, "{}", choice.text);
    assert!(choice.text.contains("value=\"acme\"") && choice.text.contains("value=\"other\""));
    assert!(!choice.text.contains(PASSWORD));
    assert!(browser.session().is_none());
    let entered = sign_in(&mut browser, &choice, &[("tenant", "other")]).await;
    Client::code(&browser.follow(&entered).await);
    // In both at once: the person says who he is.
    browser.login("acme", "grace@example.com", PASSWORD).await.data();
    world.advance(std::time::Duration::from_secs(10));
    let sent = begin(&mut browser, &app, &[]).await;
    assert_eq!(path(&sent), "/select-account");
    let page = browser.follow(&sent).await;
    assert_eq!(page.text.matches("class=\"account\"").count(), 2, "{}", page.text);
    let session = page.text.split("name=\"session\" value=\"").nth(1).unwrap();
    let session = session.split('"').next().unwrap();
    let chosen = browser.fill(&page, "/select-account", &[("session", session)]).await;
    Client::code(&browser.follow(&chosen).await);
    let cancelled = begin(&mut browser, &app, &[]).await;
    let page = browser.follow(&cancelled).await;
    let back = browser.fill(&page, "/select-account", &[("action", "cancel")]).await;
    assert!(back.location().as_str().starts_with(CALLBACK));
    assert_eq!(back.sent("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_second_step_at_the_tenants_page_leads_back_to_the_platform() {
    let world = World::new().await;
    let acme = world.acme().await;
    let enrolled = world.user_with_totp(&acme, "grace@example.com").await;
    let app = world.web(Owner::Platform, json!({})).await;
    let mut browser = world.client();
    let sent = begin(&mut browser, &app, &[]).await;
    let login = browser.follow(&sent).await;
    let entered = sign_in(&mut browser, &login, &[]).await;
    assert_eq!(path(&entered), "/t/acme/mfa");
    assert_eq!(entered.sent("realm").as_deref(), Some("platform"));
    let page = browser.follow(&entered).await;
    let code = enrolled.app.next(&world);
    let done = browser.fill(&page, "/t/acme/mfa", &[("code", &code)]).await;
    assert!(done.location().path().starts_with("/api/v1/platform/oauth/"));
    Client::code(&browser.follow(&done).await);
}

#[tokio::test]
async fn a_step_up_at_the_platform_needs_a_second_factor_too() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let app = world.web(Owner::Platform, json!({})).await;
    let mut browser = world.client();
    let sent = begin(&mut browser, &app, &[("acr_values", "aal2")]).await;
    let login = browser.follow(&sent).await;
    let entered = sign_in(&mut browser, &login, &[]).await;
    assert_eq!(path(&entered), "/t/acme/mfa/enrol");
}

#[tokio::test]
async fn without_an_application_the_way_leads_to_the_tenants_front_page() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut browser = world.client();
    let login = browser.get("/login").await;
    let entered = sign_in(&mut browser, &login, &[]).await;
    assert_eq!(path(&entered), "/t/acme");
    let home = browser.follow(&entered).await;
    assert_eq!(path(&home), "/t/acme/account");
    assert!(browser.follow(&home).await.text.contains("grace@example.com"));
    browser.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(sign_in(&mut browser, &login, &[]).await.status, 403);
}

#[tokio::test]
async fn nobody_registers_at_the_platform() {
    let world = World::new().await;
    let app = world.web(Owner::Platform, json!({})).await;
    let mut browser = world.client();
    let sent = begin(&mut browser, &app, &[("prompt", "create")]).await;
    let sent = browser.follow(&sent).await;
    assert_eq!(path(&sent), "/login");
    assert!(browser.follow(&sent).await.text.contains("cannot be created"));
}
