//! The address first, the password next; and passkeys in the address field.

use super::{GRACE, SIGN_IN, acme, path};
use crate::support::{PASSWORD, World};

const EMAIL_FIRST: &str =
    r#"{"registration": {"enabled": true}, "sign_in": {"form": "email_first"}}"#;

#[tokio::test]
async fn enu_08_the_first_page_answers_alike_for_every_address_and_looks_nothing_up() {
    let world = World::new().await;
    let cx = acme(&world).await;
    world.set_settings(&cx, EMAIL_FIRST).await;
    let mut browser = world.client();
    let first = browser.get("/t/acme/login").await;
    assert!(first.has("email") && !first.has("password"), "{}", first.text);
    let before = world.dump().await;
    let mut shown = Vec::new();
    for email in [GRACE, "nobody@example.com"] {
        let fields = [("email", email), ("action", "email"), ("remember_me", "true")];
        let second = browser.fill_page("/t/acme/login", &fields).await;
        assert_eq!(second.status, 200, "{}", second.text);
        assert!(second.has("password") && second.has("not-you"));
        // A password manager finds the address in a field of its own.
        assert!(second.text.contains("autocomplete=\"username\""), "{}", second.text);
        assert!(second.text.contains(&format!("value=\"{email}\" readonly")));
        assert!(second.text.contains("value=\"true\" checked"), "the wish to stay is kept");
        shown.push(second.main().replace(email, "ADDRESS"));
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn what_is_wrong_on_the_second_page_is_said_there() {
    let world = World::new().await;
    let cx = acme(&world).await;
    world.set_settings(&cx, EMAIL_FIRST).await;
    let mut browser = world.client();
    let bad = browser.fill_page("/t/acme/login", &[("email", "x"), ("action", "email")]).await;
    assert_eq!(bad.status, 400);
    assert!(bad.has("email") && !bad.has("password") && bad.text.contains("aria-invalid"));
    for password in ["", "a wrong password"] {
        let fields = [("email", GRACE), ("password", password)];
        let again = browser.fill_page("/t/acme/login", &fields).await;
        assert_eq!(again.status, 400);
        assert!(again.has("password") && again.text.contains("readonly"), "{}", again.text);
        assert!(again.has("fault"));
    }
    let entered = browser.fill_page("/t/acme/login", &SIGN_IN).await;
    assert_eq!(path(&entered), "/t/acme");
}

#[tokio::test]
async fn passkeys_are_offered_in_the_address_field_where_they_sign_in() {
    let world = World::new().await;
    let cx = acme(&world).await;
    let mut browser = world.client();
    let page = browser.get("/t/acme/login").await;
    assert!(page.text.contains("autocomplete=\"username webauthn\""), "{}", page.text);
    assert!(page.text.contains("data-autofill"));
    world.set_settings(&cx, r#"{"passkeys": {"sign_in": "off"}}"#).await;
    let page = browser.get("/t/acme/login").await;
    assert!(!page.text.contains("webauthn") && !page.text.contains("passkey"), "{}", page.text);
}

#[tokio::test]
async fn the_platform_shows_the_way_to_passkeys_only_of_accounts_known_on_the_device() {
    let world = World::new().await;
    acme(&world).await;
    let mut browser = world.client();
    let fields = [("email", GRACE), ("action", "passkey")];
    let stranger = browser.fill_page("/login", &fields).await;
    assert!(!stranger.text.contains("/t/acme/login"), "{}", stranger.text);
    assert!(stranger.text.contains("action=\"/login\""), "its form goes to the platform");
    let unknown = [("email", "nobody@example.com"), ("action", "passkey")];
    let unknown = browser.fill_page("/login", &unknown).await;
    assert_eq!(stranger.main().replace(GRACE, "nobody@example.com"), unknown.main());
    browser.login("acme", GRACE, PASSWORD).await.data();
    let known = browser.fill_page("/login", &fields).await;
    assert_eq!(known.status, 200);
    assert!(known.text.contains("/t/acme/login\""), "{}", known.text);
}

#[tokio::test]
async fn the_platform_keeps_to_trusted_devices_and_the_wish_to_stay() {
    let world = World::new().await;
    let cx = world.acme().await;
    let enrolled = world.user_with_totp(&cx, GRACE).await;
    let mut browser = world.client();
    let mut form = SIGN_IN.to_vec();
    form.push(("remember_me", "true"));
    let entered = browser.fill_page("/login", &form).await;
    assert_eq!(path(&entered), "/t/acme/mfa");
    let code = enrolled.app.next(&world);
    let fields = [("method", "totp"), ("code", code.as_str()), ("trust_device", "true")];
    let done = browser.fill_page("/t/acme/mfa", &fields).await;
    let cookie = done.set_cookie("session").unwrap();
    assert!(cookie.contains("Max-Age="), "the wish of the first page holds: {cookie}");
    world.advance(std::time::Duration::from_secs(60));
    let again = browser.fill_page("/login", &SIGN_IN).await;
    assert_eq!(path(&again), "/t/acme", "the device is trusted");
}
