//! Profile, address, password, and the proof that comes before what is worth more.

use serde_json::json;

use super::{EVE, GRACE, LATER, Room, assert_ids, signed_in, to};
use crate::support::{PASSWORD, World, factors::STEP};

const NEW: &str = "an entirely different phrase";

#[tokio::test]
async fn names_and_language_are_saved_and_the_page_says_so() {
    let mut room = Room::new().await;
    let page = room.see("/profile").await;
    assert_ids(&page, &["first_name", "last_name", "locale", "submit", "change-email", "email"]);
    assert!(page.text.contains("lang=\"de\"") && page.text.contains(">Deutsch<"));
    let fields = [("first_name", " Ada "), ("last_name", "Lovelace"), ("locale", "de")];
    let saved = room.send("/profile", &fields).await;
    assert_eq!(to(&saved), "/t/acme/account/profile?note=profile_saved");
    let page = room.follow(&saved).await;
    assert!(page.text.contains("id=\"note\"") && page.text.contains("value=\"Ada\""));
    assert!(page.text.contains("<html lang=\"de\""), "{}", page.text);
    let me = room.browser.get("/api/v1/me").await.data();
    assert_eq!((&me["locale"], &me["last_name"]), (&json!("de"), &json!("Lovelace")));
    // And back to what the browser asks for.
    let fields = [("first_name", "Ada"), ("last_name", "Lovelace"), ("locale", "")];
    let saved = room.send("/profile", &fields).await;
    assert_eq!(room.browser.get("/api/v1/me").await.data()["locale"], json!(null));
    assert!(room.follow(&saved).await.text.contains("<html lang=\"en\""));
}

#[tokio::test]
async fn a_name_that_is_none_is_told_of_at_its_field_and_the_rest_is_kept() {
    let mut room = Room::new().await;
    let long = "x".repeat(257);
    for (first, words) in [("", "enter a name"), ("   ", "enter a name"), (&long, "too long")] {
        let fields = [("first_name", first), ("last_name", "Lovelace"), ("locale", "de")];
        let page = room.send("/profile", &fields).await;
        assert_eq!(page.status, 400);
        let described = "aria-invalid=\"true\" aria-describedby=\"first_name-fault\"";
        assert!(page.text.contains(described), "{}", page.text);
        assert!(page.text.contains("id=\"first_name-fault\"") && page.text.contains(words));
        assert!(!page.text.contains("last_name-fault") && page.text.contains("value=\"Lovelace\""));
        assert!(page.text.contains("<title>Error:"));
    }
    assert_eq!(room.browser.get("/api/v1/me").await.data()["first_name"], "Grace");
}

#[tokio::test]
async fn an_address_that_is_not_proved_gets_its_link_once_more() {
    let mut room = Room::new().await;
    let page = room.see("/profile").await;
    assert!(!page.text.contains("id=\"verify-email\""));
    let text = "UPDATE users SET email_verified_at = NULL WHERE email = 'grace@example.com'";
    room.world.execute(countersign::db::sql(text)).await;
    assert_ids(&room.see("/profile").await, &["verify-email"]);
    let sent = room.send("/profile/verify-email", &[]).await;
    assert_eq!(to(&sent), "/t/acme/account/profile?note=proof_requested");
    assert_eq!(room.world.mails_with(GRACE, "/verify-email?token=").await, 1);
}

#[tokio::test]
async fn a_new_password_needs_the_present_one_and_signs_others_out() {
    let mut room = Room::new().await;
    let mut elsewhere = signed_in(&room.world, "acme", GRACE).await;
    let page = room.see("/password").await;
    assert_ids(&page, &["current_password", "new_password", "end_all_sessions", "submit"]);
    for (current, new, fault) in [
        ("", NEW, "id=\"current_password-fault\""),
        ("wrong password", NEW, "id=\"current_password-fault\""),
        (PASSWORD, "", "id=\"new_password-faults\""),
        (PASSWORD, "short", "id=\"new_password-faults\""),
        (PASSWORD, PASSWORD, "id=\"new_password-faults\""),
    ] {
        let fields = [("current_password", current), ("new_password", new)];
        let page = room.send("/password", &fields).await;
        assert_eq!(page.status, 400, "{current} {new}");
        assert!(page.text.contains(fault), "{current} {new}: {}", page.text);
        assert!(page.text.contains("aria-invalid=\"true\""));
        assert!(
            !page.text.contains(PASSWORD) && !page.text.contains(NEW),
            "no password comes back"
        );
    }
    let old = room.browser.clone();
    let fields = [("current_password", PASSWORD), ("new_password", NEW)];
    let changed = room.send("/password", &fields).await;
    assert_eq!(to(&changed), "/t/acme/account/security?note=password_changed");
    assert!(room.follow(&changed).await.text.contains("new password is set"));
    // Others are out, and so is a copy of the cookie of before.
    for other in [&mut elsewhere, &mut old.clone()] {
        assert!(to(&other.get("/t/acme/account").await).starts_with("/t/acme/login"));
    }
    assert_eq!(room.world.client().login("acme", GRACE, NEW).await.status, 200);
}

#[tokio::test]
async fn a_new_password_can_sign_out_everywhere() {
    let mut room = Room::new().await;
    let fields =
        [("current_password", PASSWORD), ("new_password", NEW), ("end_all_sessions", "true")];
    let changed = room.send("/password", &fields).await;
    assert_eq!(to(&changed), "/t/acme/login?note=password_changed");
    let login = room.follow(&changed).await;
    assert!(login.text.contains("all devices have been signed out"), "{}", login.text);
    assert!(to(&room.open("").await).starts_with("/t/acme/login"));
}

/// THR: guesses at the present password wait as those at a sign-in do.
#[tokio::test]
async fn guessing_the_present_password_has_to_wait() {
    let mut room = Room::new().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let fields = [("current_password", "wrong password"), ("new_password", NEW)];
        let page = room.send("/password", &fields).await;
        statuses.push(page.status.as_u16());
        if page.status == 429 {
            assert!(page.text.contains("id=\"fault\"") && page.text.contains("Please wait"));
        }
    }
    assert_eq!((statuses[0], statuses[7]), (400, 429), "{statuses:?}");
}

#[tokio::test]
async fn another_address_waits_for_its_mail_and_the_page_tells() {
    let mut room = Room::new().await;
    room.see("/email").await;
    for (email, words) in [
        ("no address", "not an e-mail address"),
        ("", "not an e-mail address"),
        ("GRACE@example.com", "that your account has"),
    ] {
        let page = room.send("/email", &[("email", email)]).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("id=\"email-fault\"") && page.text.contains(words), "{email}");
        assert!(page.text.contains(&format!("value=\"{email}\"")), "what was typed is kept");
    }
    let asked = room.send("/email", &[("email", "ada@example.com")]).await;
    assert_eq!(to(&asked), "/t/acme/account/email?note=email_requested");
    let page = room.follow(&asked).await;
    assert_ids(&page, &["pending", "note"]);
    assert!(page.text.contains("ada@example.com"), "{}", page.text);
    assert!(room.see("/profile").await.text.contains("id=\"pending-email\""));
    assert_ids(&room.see("").await, &["advice-email"]);
    let token = room.world.mailed_token("ada@example.com").await;
    let body = format!("token={token}");
    assert_eq!(room.world.client().post_form("/t/acme/change-email", &body).await.status, 200);
    assert!(room.see("/profile").await.text.contains("ada@example.com"));
}

/// ENU-10: the page is the same for an address that has an account.
#[tokio::test]
async fn enu_10_the_address_of_somebody_else_is_answered_like_any_other() {
    let mut room = Room::new().await;
    room.world.user(&room.acme, EVE).await;
    let mut shown = Vec::new();
    for email in [EVE, "eva@example.com"] {
        let asked = room.send("/email", &[("email", email)]).await;
        assert_eq!(to(&asked), "/t/acme/account/email?note=email_requested");
        let page = room.follow(&asked).await.text.replace(email, "x");
        shown.push(page.split("<main").nth(1).unwrap().to_owned());
    }
    assert_eq!(shown[0], shown[1]);
}

#[tokio::test]
async fn what_is_worth_more_asks_first_who_it_is_and_goes_on_there() {
    for (path, name) in [
        ("/email", "email"),
        ("/authenticator-app", "authenticator-app"),
        ("/mailed-codes", "mailed-codes"),
        ("/passkey", "passkey"),
        ("/delete", "delete"),
    ] {
        let settings = r#"{"account": {"self_deletion": true}}"#;
        let mut room = Room::with(settings).await;
        room.grow_old();
        let sent = room.open(path).await;
        assert_eq!(to(&sent), format!("/t/acme/account/confirm?to={name}"));
        let page = room.follow(&sent).await;
        assert_ids(&page, &["password", "submit", "back"]);
        assert!(!page.text.contains("method-totp"), "there is no app");
        let wrong = [("to", name), ("method", "password"), ("password", "wrong password")];
        let page = room.send("/confirm", &wrong).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("aria-describedby=\"fault\"") && page.text.contains("is wrong"));
        assert!(!page.text.contains("wrong password"), "it does not come back");
        let before = room.browser.session().unwrap();
        let right = [("to", name), ("method", "password"), ("password", PASSWORD)];
        let done = room.send("/confirm", &right).await;
        assert_eq!(to(&done), format!("/t/acme/account{path}"));
        let after = room.browser.session().unwrap();
        assert!(before.0 == after.0 && before.1.expose() != after.1.expose(), "a new secret");
        assert_eq!(room.follow(&done).await.status, 200);
        // Who has just done it is not asked again.
        assert_eq!(to(&room.open(&format!("/confirm?to={name}")).await), to(&done));
    }
}

#[tokio::test]
async fn a_form_that_comes_too_late_asks_first_as_well() {
    let mut room = Room::new().await;
    for (path, fields) in [
        ("/email", vec![("email", "ada@example.com")]),
        ("/authenticator-app", vec![("action", "begin")]),
        ("/mailed-codes", vec![("action", "send")]),
        ("/data/export", vec![]),
    ] {
        room.world.advance(LATER);
        let sent = room.send(path, &fields).await;
        assert!(to(&sent).starts_with("/t/acme/account/confirm?to="), "{path}");
    }
    assert!(room.browser.get("/api/v1/me").await.data()["pending_email_change"].is_null());
}

#[tokio::test]
async fn a_second_factor_shows_who_it_is_too_but_a_mailed_code_does_not() {
    let mut room = Room::new().await;
    let enrolled = room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.world.enrol_email(&room.acme, &mut room.browser, GRACE).await.data();
    room.grow_old();
    let page = room.see("/confirm?to=data&method=totp").await;
    assert_ids(&page, &["code", "method-password", "method-backup_code"]);
    assert!(!page.text.contains("method-email") && !page.text.contains("method-webauthn"));
    let wrong = enrolled.app.wrong(&room.world);
    let fields = [("to", "data"), ("method", "totp"), ("code", wrong.as_str())];
    let page = room.send("/confirm", &fields).await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("id=\"code\"") && page.text.contains("This code is wrong"));
    room.world.advance(STEP);
    let code = enrolled.app.next(&room.world);
    let fields = [("to", "data"), ("method", "totp"), ("code", code.as_str())];
    assert_eq!(to(&room.send("/confirm", &fields).await), "/t/acme/account/data");
    room.grow_old();
    let code = enrolled.backup_codes[0].clone();
    let fields = [("to", "data"), ("method", "backup_code"), ("code", code.as_str())];
    assert_eq!(to(&room.send("/confirm", &fields).await), "/t/acme/account/data");
    room.grow_old();
    let again = room.send("/confirm", &fields).await;
    assert_eq!(again.status, 400, "a backup code is good once");
    for method in ["email", "nonsense", ""] {
        let fields = [("to", "data"), ("method", method), ("code", "123456")];
        assert_eq!(room.send("/confirm", &fields).await.status, 400, "{method}");
    }
}

#[tokio::test]
async fn whose_account_somebody_else_vouches_for_has_nothing_to_change_here() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let browser = signed_in(&world, "acme", GRACE).await;
    let text = "UPDATE users SET identity_source = 'oidc', identity_provider = 'Example <b>ID</b>'";
    world.execute(countersign::db::sql(text)).await;
    let mut room = Room { world, acme, browser };
    let page = room.see("/security").await;
    assert!(page.text.contains("Example &lt;b&gt;ID&lt;/b&gt;"), "{}", page.text);
    assert!(!page.text.contains("id=\"change-password\""));
    assert_eq!(room.open("/password").await.status, 404);
    assert_eq!(room.open("/email").await.status, 404);
    room.grow_old();
    let page = room.see("/confirm?to=data").await;
    assert_ids(&page, &["login"]);
    assert!(page.set_cookie("wanted").is_some(), "and comes back after the sign-in");
}
