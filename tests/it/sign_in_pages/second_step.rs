//! The second step between two tabs, after a reload, and when it is over.

use std::time::Duration;

use super::{GRACE, SIGN_IN, acme, is_in, path};
use crate::support::{Client, PASSWORD, World};

/// An account whose second factor is mailed, and a browser at its second step.
async fn at_mailed_step(world: &World) -> Client {
    let cx = acme(world).await;
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    world.enrol_email(&cx, &mut client, GRACE).await.data();
    world.advance(Duration::from_secs(61));
    let mut browser = world.client();
    let entered = browser.fill_page("/t/acme/login", &SIGN_IN).await;
    assert_eq!(path(&entered), "/t/acme/mfa");
    browser
}

async fn codes(world: &World) -> usize {
    let mails = world.inbox(GRACE).await;
    mails.iter().filter(|mail| mail.subject.contains("code")).count()
}

#[tokio::test]
async fn b15_only_a_press_of_the_button_mails_a_code_and_the_wait_is_told() {
    let world = World::new().await;
    let mut browser = at_mailed_step(&world).await;
    let before = codes(&world).await;
    for _ in 0..3 {
        browser.get("/t/acme/mfa").await;
    }
    assert_eq!(codes(&world).await, before, "looking mails nothing");
    let sent = browser.fill_page("/t/acme/mfa", &[("action", "send")]).await;
    assert_eq!(path(&sent), "/t/acme/mfa", "a reload asks for nothing");
    for _ in 0..3 {
        let page = browser.follow(&sent).await;
        assert!(page.has("code") && page.text.contains("data-wait=\"60\""), "{}", page.text);
        assert!(page.text.contains("1:00"), "{}", page.text);
    }
    assert_eq!(codes(&world).await, before + 1);
    world.advance(Duration::from_secs(18));
    let page = browser.get("/t/acme/mfa?method=email").await;
    assert!(page.text.contains("data-wait=\"42\"") && page.text.contains("0:42"));
    let soon = browser.fill_page("/t/acme/mfa", &[("action", "send")]).await;
    assert_eq!(soon.status, 429);
    assert_eq!(codes(&world).await, before + 1);
    world.advance(Duration::from_secs(43));
    assert!(!browser.get("/t/acme/mfa?method=email").await.has("wait"));
}

#[tokio::test]
async fn b17_b18_blanks_do_no_harm_and_an_older_code_is_told_from_the_newest() {
    let world = World::new().await;
    let mut browser = at_mailed_step(&world).await;
    browser.fill_page("/t/acme/mfa", &[("action", "send")]).await;
    let first = world.mailed_code(GRACE).await;
    world.advance(Duration::from_secs(61));
    browser.fill_page("/t/acme/mfa", &[("action", "send")]).await;
    let second = world.mailed_code(GRACE).await;
    if first != second {
        let fields = [("method", "email"), ("code", first.as_str())];
        let old = browser.fill_page("/t/acme/mfa", &fields).await;
        assert_eq!(old.status, 400);
        assert!(old.text.contains("newest mail") && old.text.contains("aria-invalid"));
    }
    let spaced = format!(" {}\u{a0}{} ", &second[..3], &second[3..]);
    let fields = [("method", "email"), ("code", spaced.as_str())];
    let done = browser.fill_page("/t/acme/mfa", &fields).await;
    assert_eq!(path(&done), "/t/acme");
}

#[tokio::test]
async fn b09_a_step_that_is_over_begins_anew_with_the_address_that_was_typed() {
    let world = World::new().await;
    let mut browser = at_mailed_step(&world).await;
    let page = browser.get("/t/acme/mfa").await;
    let token = page.hidden("form_token");
    world.advance(Duration::from_secs(601));
    let form = format!("form_token={token}&method=email&code=123456");
    let over = browser.post_form("/t/acme/mfa", &form).await;
    assert_eq!(path(&over), "/t/acme/login");
    assert!(!over.location().as_str().contains("example.com"), "no address in an address");
    let login = browser.follow(&over).await;
    assert!(login.has("note") && login.text.contains(&format!("value=\"{GRACE}\"")));
    // Whoever comes to the page by himself is shown nothing of it.
    assert!(!browser.get("/t/acme/login").await.text.contains(GRACE));
    // What the browser keeps tells nobody who it was.
    let kept = browser.cookies.iter().find(|(name, _)| name.contains("typed")).unwrap();
    assert!(!kept.1.contains("grace") && !kept.1.is_empty());
}

#[tokio::test]
async fn a_second_tab_goes_on_where_the_first_has_signed_in() {
    let world = World::new().await;
    let cx = world.acme().await;
    let enrolled = world.user_with_totp(&cx, GRACE).await;
    let mut browser = world.client();
    browser.fill_page("/t/acme/login", &SIGN_IN).await;
    let tab = browser.get("/t/acme/mfa").await;
    let code = enrolled.app.next(&world);
    let fields = [("method", "totp"), ("code", code.as_str())];
    assert_eq!(path(&browser.fill_page("/t/acme/mfa", &fields).await), "/t/acme");
    browser.cookies.retain(|(_, value)| !value.is_empty());
    // Both ways of the other tab: a reload, and its form.
    assert_eq!(path(&browser.get("/t/acme/mfa").await), "/t/acme");
    let form = format!("form_token={}&method=totp&code={code}", tab.hidden("form_token"));
    assert_eq!(path(&browser.post_form("/t/acme/mfa", &form).await), "/t/acme");
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn setting_up_a_mailed_code_outlives_a_reload_and_leads_in() {
    let world = World::new().await;
    let settings = r#"{"mfa": {"required": true, "methods": ["email"]},
        "registration": {"email_verification": false}}"#;
    let cx = world.tenant("acme", settings).await;
    // B14: only mailed codes are allowed, and the address is not proved yet.
    let password = countersign::domain::password::Password::parse(PASSWORD).unwrap();
    let credential = countersign::flows::users::Credential::Password(password);
    world.user_with(&cx, GRACE, Some(credential), false).await;
    let mut browser = world.client();
    let entered = browser.fill_page("/t/acme/login", &SIGN_IN).await;
    assert_eq!(path(&entered), "/t/acme/mfa/enrol");
    let sent = browser.fill_page("/t/acme/mfa/enrol", &[("action", "send")]).await;
    assert_eq!(path(&sent), "/t/acme/mfa/enrol");
    for _ in 0..2 {
        assert!(browser.follow(&sent).await.has("code"), "a reload keeps the field");
    }
    assert_eq!(codes(&world).await, 1);
    let code = world.mailed_code(GRACE).await;
    let fields = [("method", "email"), ("code", code.as_str())];
    let done = browser.fill_page("/t/acme/mfa/enrol", &fields).await;
    assert!(done.has("backup-codes") || path(&done) == "/t/acme", "{}", done.text);
    assert!(is_in(&mut browser).await);
}
