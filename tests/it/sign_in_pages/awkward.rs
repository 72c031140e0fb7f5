//! The back button, a second tab, requests that are over.

use std::time::Duration;

use countersign::domain::application::Owner;
use serde_json::json;

use super::{GRACE, SIGN_IN, acme, path};
use crate::support::{
    PASSWORD, World,
    applications::{challenge, request},
};

#[tokio::test]
async fn whoever_is_signed_in_already_is_offered_to_go_on_or_to_be_somebody_else() {
    let world = World::new().await;
    let cx = acme(&world).await;
    world.user(&cx, "ada@example.com").await;
    let mut browser = world.client();
    assert!(!browser.get("/t/acme/login").await.has("present"));
    browser.fill_page("/t/acme/login", &SIGN_IN).await;
    let page = browser.get("/t/acme/login").await;
    assert!(page.has("present") && page.text.contains(GRACE) && page.has("email"), "{}", page.text);
    assert!(page.text.contains("/t/acme\">"), "the way on: {}", page.text);
    let at_platform = browser.get("/login").await;
    assert!(at_platform.has("present") && at_platform.text.contains(GRACE));
    let form = [("email", "ada@example.com"), ("password", PASSWORD)];
    assert_eq!(path(&browser.fill_page("/t/acme/login", &form).await), "/t/acme");
    assert!(browser.get("/t/acme/login").await.text.contains("ada@example.com"));
}

#[tokio::test]
async fn an_expired_request_has_a_way_back_to_its_application() {
    let world = World::new().await;
    let cx = acme(&world).await;
    let metadata = json!({"client_uri": "https://app.example.com/start?a=1&b=2"});
    let made = world.web(Owner::Tenant(cx.tenant.id), metadata).await;
    let mut browser = world.client();
    let challenge = challenge();
    let sent = browser.authorize("acme", &request(&made, &challenge)).await;
    world.advance(Duration::from_secs(3601));
    let page = browser.follow(&sent).await;
    assert_eq!(page.status, 400);
    let way = "id=\"back\" class=\"button\" href=\"https://app.example.com/start?a=1&amp;b=2\"";
    assert!(page.text.contains(way), "{}", page.text);
    assert!(page.text.contains("href=\"/t/acme/login\""), "and to the sign-in");
    // In another browser nothing is told of the application.
    let stranger = world.client().follow(&sent).await;
    assert!(!stranger.text.contains("app.example.com") && stranger.has("login"));
    // One that nobody here has looked at is linked to by nobody.
    let unknown = "UPDATE applications SET origin = 'registration'";
    world.execute(countersign::db::sql(unknown)).await;
    assert!(!browser.follow(&sent).await.text.contains("app.example.com"));
}

#[tokio::test]
async fn a_form_of_another_tab_still_works_after_the_first_has_signed_in() {
    let world = World::new().await;
    let cx = acme(&world).await;
    let made = world.web(Owner::Tenant(cx.tenant.id), json!({})).await;
    let mut browser = world.client();
    let challenge = challenge();
    let first = browser.authorize("acme", &request(&made, &challenge)).await;
    let second = browser.authorize("acme", &request(&made, &challenge)).await;
    let tab = browser.follow(&second).await;
    let url = first.location();
    let page = format!("{}?{}", url.path(), url.query().unwrap());
    let handle = first.sent("request").unwrap();
    let mut form = SIGN_IN.to_vec();
    form.push(("request", &handle));
    let entered = browser.fill_page(&page, &form).await;
    crate::support::Client::code(&browser.follow(&entered).await);
    // The other one, which was there before.
    let (token, handle) = (tab.hidden("form_token"), tab.hidden("request"));
    let mut form = SIGN_IN.to_vec();
    form.extend([("form_token", token.as_str()), ("request", handle.as_str())]);
    let form = crate::support::applications::encoded(&form);
    let entered = browser.post_form("/t/acme/login", &form).await;
    crate::support::Client::code(&browser.follow(&entered).await);
    // Back, and once more: it is done, and the page says so.
    let again = browser.post_form("/t/acme/login", &form).await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("finished already") && again.has("login"), "{}", again.text);
}

#[tokio::test]
async fn a_consent_of_a_page_that_is_stale_is_asked_for_once_more() {
    let world = World::new().await;
    let cx = acme(&world).await;
    let made = world.web(Owner::Tenant(cx.tenant.id), json!({"first_party": false})).await;
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let challenge = challenge();
    let sent = browser.authorize("acme", &request(&made, &challenge)).await;
    assert_eq!(path(&sent), "/t/acme/consent");
    let handle = sent.sent("request").unwrap();
    browser.follow(&sent).await;
    let form = format!("request={handle}&proof=nonsense&action=allow");
    let again = browser.post_form("/t/acme/consent", &form).await;
    assert_eq!(again.status, 403);
    assert!(again.has("fault") && again.has("allow"), "{}", again.text);
    let form = format!("request={handle}&proof={}&action=allow", again.hidden("proof"));
    crate::support::Client::code(&browser.post_form("/t/acme/consent", &form).await);
}

/// Who is signed in at one tenant is not told at the page of another, whatever its address says.
#[tokio::test]
async fn ten_a_page_of_one_tenant_names_nobody_of_another() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.tenant("other", "{}").await;
    world.user(&acme, GRACE).await;
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    assert!(browser.get("/t/acme/login").await.text.contains(GRACE));
    for page in ["/t/other/login", "/t/other/login?realm=platform"] {
        let page = browser.get(page).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(!page.has("present") && !page.text.contains(GRACE), "{}", page.text);
    }
}
