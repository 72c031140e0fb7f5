//! What surrounds the pages: the parts, who is signed in, the way in and back.

use super::{EVE, GRACE, LATER, Room, assert_ids, signed_in, to};
use crate::support::{PASSWORD, World, applications::encoded};

const SECTIONS: [(&str, &str); 7] = [
    ("overview", ""),
    ("profile", "/profile"),
    ("security", "/security"),
    ("devices", "/devices"),
    ("applications", "/applications"),
    ("activity", "/activity"),
    ("data", "/data"),
];

const GRACES: [(&str, &str); 2] = [("email", GRACE), ("password", PASSWORD)];

#[tokio::test]
async fn every_part_names_who_is_signed_in_and_where_one_is() {
    let mut room = Room::new().await;
    for (id, path) in SECTIONS {
        let page = room.see(path).await;
        assert_ids(&page, &["main", "account", "account-name", "sign-out", "sign_out"]);
        assert!(page.text.contains(GRACE) && page.text.contains("Grace Hopper"), "{path}");
        assert_eq!(page.text.matches("aria-current=\"page\"").count(), 1, "{path}");
        let current = format!("id=\"section-{id}\" href=\"/t/acme/account{path}\" aria-current");
        assert!(page.text.contains(&current), "{path}: {}", page.text);
        assert_eq!(page.text.matches("<h1>").count(), 1, "{path}");
        assert!(page.text.contains("<a class=\"skip\" href=\"#main\">"), "{path}");
    }
    let page = room.see("/password").await;
    assert!(page.text.contains("/account/security\" aria-current=\"true\""), "{}", page.text);
}

/// WEB-03 to WEB-05: nothing is kept, framed, told to others or run in place.
#[tokio::test]
async fn web_03_to_05_the_pages_are_kept_nowhere_and_stand_in_no_frame() {
    let mut room = Room::new().await;
    for (_, path) in SECTIONS {
        let page = room.see(path).await;
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        assert_eq!(page.headers["referrer-policy"], "no-referrer", "{path}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("form-action 'self';"), "{policy}");
        assert!(!page.text.contains("<script>") && !page.text.contains(" style="), "{path}");
        let (_, secret) = room.browser.session().unwrap();
        assert!(!page.text.contains(secret.expose()), "{path} shows the cookie");
    }
}

#[tokio::test]
async fn the_front_page_leads_to_the_portal_or_to_the_sign_in() {
    let mut room = Room::new().await;
    assert_eq!(to(&room.browser.get("/t/acme").await), "/t/acme/account");
    assert_eq!(to(&room.world.client().get("/t/acme").await), "/t/acme/login");
    assert_eq!(room.world.client().get("/t/nobody").await.status, 404);
}

#[tokio::test]
async fn who_has_to_sign_in_first_comes_back_to_where_he_wanted_to() {
    let room = Room::new().await;
    let pages = ["", "/profile", "/authenticator-app/remove", "/data", "/delete"];
    for path in pages {
        let mut browser = room.world.client();
        let wanted = format!("/t/acme/account{path}");
        let sent = browser.get(&wanted).await;
        assert_eq!(to(&sent), "/t/acme/login", "{path}");
        let cookie = sent.set_cookie("wanted").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("Max-Age=600"), "{cookie}");
        let entered = browser.fill_page("/t/acme/login", &GRACES).await;
        assert_eq!(entered.location().path(), wanted);
        // It is good once: the page takes it away.
        let there = browser.follow(&entered).await;
        assert!(there.set_cookie("wanted").unwrap().contains("Max-Age=0"), "{path}");
    }
}

/// RED-04, RED-09: what a cookie or a parameter says is a name of ours or nothing.
#[tokio::test]
async fn red_04_no_cookie_and_no_parameter_leads_to_another_site() {
    let mut room = Room::new().await;
    let sent = room.world.client().get("/t/acme/account/profile").await;
    let cookie = sent.set_cookie("wanted").unwrap();
    let name = cookie.split('=').next().unwrap().to_owned();
    for hostile in ["//evil.example", "https://evil.example/", "/\\evil.example", "..", ""] {
        let mut browser = room.world.client();
        browser.cookies.push((name.clone(), hostile.to_owned()));
        browser.headers.insert("referer", "https://evil.example/".parse().unwrap());
        let entered = browser.fill_page("/t/acme/login", &GRACES).await;
        assert_eq!(to(&entered), "/t/acme", "{hostile}");
        let query = encoded(&[("to", hostile)]);
        assert_eq!(to(&room.open(&format!("/confirm?{query}")).await), "/t/acme/account");
    }
    room.grow_old();
    let proof = [("to", "//evil.example"), ("method", "password"), ("password", PASSWORD)];
    assert_eq!(to(&room.send("/confirm", &proof).await), "/t/acme/account");
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_of_a_form_is_told_of_and_come_back_from() {
    let mut room = Room::new().await;
    room.see("/profile").await;
    room.world.advance(LATER * 24 * 365);
    let fields = encoded(&[("first_name", "Ada"), ("last_name", "Lovelace"), ("proof", "old")]);
    let sent = room.browser.post_form("/t/acme/account/profile", &fields).await;
    assert_eq!(to(&sent), "/t/acme/login?note=session_over");
    let login = room.browser.follow(&sent).await;
    assert!(login.text.contains("id=\"note\"") && login.text.contains("had ended"));
    let entered = room.browser.fill_page("/t/acme/login", &GRACES).await;
    assert_eq!(to(&entered), "/t/acme/account/profile");
    let page = room.browser.follow(&entered).await;
    assert!(page.text.contains("value=\"Grace\""), "nothing was changed");
}

#[tokio::test]
async fn a_session_of_another_tenant_is_none_here() {
    let room = Room::new().await;
    let other = room.world.tenant("other", "{}").await;
    room.world.user(&other, EVE).await;
    let mut eve = signed_in(&room.world, "other", EVE).await;
    assert_eq!(eve.get("/t/other/account").await.status, 200);
    assert_eq!(to(&eve.get("/t/acme/account").await), "/t/acme/login");
    // Nor is one that was only called so.
    let (name, value) = eve.cookies.iter().find(|(name, _)| name.contains("session")).unwrap();
    let foreign = name.replace(
        other.tenant.id.to_string().trim_start_matches("tnt_"),
        room.acme.tenant.id.to_string().trim_start_matches("tnt_"),
    );
    let mut forged = room.world.client();
    forged.cookies.push((foreign, value.clone()));
    assert_eq!(to(&forged.get("/t/acme/account").await), "/t/acme/login?note=session_over");
}

#[tokio::test]
async fn the_overview_says_what_wants_to_be_looked_at() {
    let mut room = Room::new().await;
    let page = room.see("").await;
    assert_ids(&page, &["advice-factor", "card-devices", "card-data"]);
    assert!(page.text.contains("Signed in on 1 device"), "{}", page.text);
    assert!(!page.text.contains("advice-email") && !page.text.contains("advice-deletion"));
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    let page = room.see("").await;
    assert!(!page.text.contains("id=\"advice\""), "{}", page.text);
    let drop = "DELETE FROM backup_codes WHERE used_at IS NULL";
    room.world.execute(countersign::db::sql(drop)).await;
    assert_ids(&room.see("").await, &["advice-codes"]);
}

#[tokio::test]
async fn the_pages_speak_the_language_that_the_browser_asks_for() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut browser = signed_in(&world, "acme", GRACE).await;
    browser.headers.insert("accept-language", "de".parse().unwrap());
    let page = browser.get("/t/acme/account/security").await;
    assert!(page.text.contains("<html lang=\"de\"") && page.text.contains("Zweiter Schritt"));
}
