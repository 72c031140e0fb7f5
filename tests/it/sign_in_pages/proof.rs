//! What forms prove themselves with before anybody has signed in.

use countersign::{config::Config, domain::application::Owner};
use serde_json::json;

use super::{GRACE, SIGN_IN, acme, is_in, path};
use crate::support::{
    PASSWORD, World,
    applications::{challenge, encoded, request},
};

#[tokio::test]
async fn web_01_without_its_proof_no_form_signs_anybody_in_but_comes_once_more() {
    let world = World::new().await;
    acme(&world).await;
    let mut browser = world.client();
    let page = browser.get("/t/acme/login").await;
    let good = page.hidden("form_token");
    let mut other = world.client();
    let foreign = other.get("/t/acme/login").await.hidden("form_token");
    world.tenant("other", "{}").await;
    let neighbour = browser.get("/t/other/login").await.hidden("form_token");
    let platform = browser.get("/login").await.hidden("form_token");
    for token in ["", "nonsense", &foreign, &neighbour, &platform] {
        let mut form = SIGN_IN.to_vec();
        form.extend([("form_token", token), ("remember_me", "true")]);
        let again = browser.post_form("/t/acme/login", &encoded(&form)).await;
        assert_eq!(again.status, 403, "{token}");
        assert!(again.has("login") && again.text.contains("too old"), "{}", again.text);
        assert!(again.text.contains(&format!("value=\"{GRACE}\"")), "the address is kept");
        assert!(again.text.contains("value=\"true\" checked"), "so is the wish to stay");
        assert!(!again.text.contains(PASSWORD), "the password is not");
        assert!(browser.session().is_none());
        // What is sent once more goes through.
        assert_eq!(again.hidden("form_token"), good);
    }
    let mut form = SIGN_IN.to_vec();
    form.push(("form_token", &good));
    assert_eq!(path(&browser.post_form("/t/acme/login", &encoded(&form)).await), "/t/acme");
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn web_01_every_form_before_a_sign_in_needs_its_proof() {
    let world = World::new().await;
    let acme = acme(&world).await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let mut browser = world.client();
    let before = world.dump().await;
    for (page, fields) in [
        ("register", encoded(&[("email", "new@example.com"), ("password", PASSWORD)])),
        ("forgot-password", encoded(&[("email", GRACE)])),
        ("verify-email/again", encoded(&[("email", GRACE)])),
    ] {
        browser.get(&format!("/t/acme/{page}")).await;
        let refused = browser.post_form(&format!("/t/acme/{page}"), &fields).await;
        assert_eq!(refused.status, 403, "{page}");
        assert!(refused.has("email") && refused.text.contains("too old"), "{page}");
    }
    assert_eq!(world.dump().await, before, "nothing has happened");
    let refused = browser.post_form("/login", &encoded(&SIGN_IN)).await;
    assert_eq!(refused.status, 403);
    // Within a request, giving up needs it, too.
    let challenge = challenge();
    let sent = browser.authorize("acme", &request(&made, &challenge)).await;
    let handle = sent.sent("request").unwrap();
    browser.follow(&sent).await;
    let cancel = encoded(&[("request", &handle), ("action", "cancel")]);
    assert_eq!(browser.post_form("/t/acme/login", &cancel).await.status, 403);
    assert_eq!(browser.follow(&sent).await.status, 200, "it is still pending");
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookies_is_told_so() {
    let world = World::new().await;
    acme(&world).await;
    let mut browser = world.client();
    let page = browser.get("/t/acme/login").await;
    browser.cookies.clear();
    let mut form = SIGN_IN.to_vec();
    let token = page.hidden("form_token");
    form.push(("form_token", &token));
    let again = browser.post_form("/t/acme/login", &encoded(&form)).await;
    assert_eq!(again.status, 403);
    assert!(again.text.contains("allow cookies"), "{}", again.text);
    assert!(again.text.contains(&format!("value=\"{GRACE}\"")));
    // It was merely lost: the page has brought a new one.
    let mut form = SIGN_IN.to_vec();
    let token = again.hidden("form_token");
    form.push(("form_token", &token));
    assert_eq!(browser.post_form("/t/acme/login", &encoded(&form)).await.status, 303);
}

#[tokio::test]
async fn the_cookie_of_forms_is_the_hosts_own_and_no_script_reads_it() {
    let https = |config: &mut Config| {
        config.public_url = "https://id.example.com".parse().unwrap();
    };
    let world = World::with(https).await;
    acme(&world).await;
    let mut browser = world.client();
    let page = browser.get("/t/acme/login").await;
    let cookie = page.set_cookie("form").unwrap();
    for part in ["__Host-cs_form=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Domain"), "{cookie}");
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(!page.text.contains(value), "the page has a digest of it and not itself");
    assert!(browser.get("/t/acme/login").await.set_cookie("form").is_none(), "one is enough");
}
