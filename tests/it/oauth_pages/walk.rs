//! From a request over the sign-in to a code, and the ways that do not lead there.

use std::time::Duration;

use serde_json::json;

use super::{Scene, hidden, path};
use crate::support::{Client, PASSWORD, applications::CALLBACK};

#[tokio::test]
async fn a_browser_signs_in_agrees_and_goes_back_with_a_code() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[("login_hint", "grace@example.com")]).await;
    assert_eq!(path(&sent), "/t/acme/login");
    let login = browser.follow(&sent).await;
    assert_eq!(login.status, 200);
    for id in ["email", "password", "remember_me", "submit", "cancel"] {
        assert!(login.text.contains(&format!("id=\"{id}\"")), "{id}: {}", login.text);
    }
    assert!(login.text.contains("value=\"grace@example.com\""), "the hint is filled in");
    assert!(login.text.contains("Test application"), "who asks is named");
    let policy = login.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https:;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    assert_eq!(login.headers["referrer-policy"], "no-referrer");
    assert_eq!(login.headers["cache-control"], "no-store");
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    assert_eq!(entered.status, 303);
    assert!(entered.set_cookie("session").unwrap().contains("HttpOnly"));
    let resumed = browser.follow(&entered).await;
    assert_eq!(path(&resumed), "/t/acme/consent");
    let consent = browser.follow(&resumed).await;
    assert_eq!(consent.status, 200);
    let back = browser.fill(&consent, "/t/acme/consent", &[("action", "allow")]).await;
    assert_eq!(back.sent("state").as_deref(), Some("a state"));
    let code = Client::code(&back);
    let tokens = scene.world.client().redeem("acme", &scene.app, &code).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    // Next time nobody is asked anything.
    let again = scene.begin(&mut browser, &[]).await;
    Client::code(&again);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_place_and_the_address_stays() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let login = browser.follow(&scene.begin(&mut browser.clone(), &[]).await).await;
    assert_eq!(login.status, 400, "the cookie is the other clone's");
    let sent = scene.begin(&mut browser, &[]).await;
    let login = browser.follow(&sent).await;
    for (email, password, words) in [
        ("grace@example.com", "wrong password", "wrong"),
        ("grace@example.com", "", "Please enter"),
        ("no address", PASSWORD, "Please enter"),
    ] {
        let page = browser.fill_in(&login, email, password).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("id=\"fault\"") && page.text.contains(words), "{}", page.text);
        assert!(page.text.contains(&format!("value=\"{email}\"")), "the address is kept");
        assert!(password.is_empty() || !page.text.contains(password), "the password is not");
        assert!(browser.session().is_none());
    }
    for _ in 0..4 {
        browser.fill_in(&login, "grace@example.com", "wrong password").await;
    }
    let page = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    assert_eq!(page.status, 429);
    assert!(page.text.contains("Please wait 1 second and"), "{}", page.text);
    scene.world.advance(Duration::from_secs(2));
    assert_eq!(browser.fill_in(&login, "grace@example.com", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_password_that_is_due_and_an_address_that_is_not_proved_are_told() {
    let scene = Scene::new().await;
    scene.world.user_with(&scene.acme, "new@example.com", Some(password()), false).await;
    let due = "UPDATE users SET must_change_password = TRUE WHERE email = 'grace@example.com'";
    scene.world.execute(countersign::db::sql(due)).await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[]).await;
    let login = browser.follow(&sent).await;
    let page = browser.fill_in(&login, "new@example.com", PASSWORD).await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("not confirmed"), "{}", page.text);
    let page = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("set a new password"), "{}", page.text);
    assert!(browser.session().is_none());
}

fn password() -> countersign::flows::users::Credential {
    let password = countersign::domain::password::Password::parse(PASSWORD).unwrap();
    countersign::flows::users::Credential::Password(password)
}

#[tokio::test]
async fn oau_login_csrf_a_request_is_good_only_in_the_browser_that_brought_it() {
    let scene = Scene::new().await;
    let mut attacker = scene.world.client();
    let sent = scene.begin(&mut attacker, &[]).await;
    let page = attacker.follow(&sent).await;
    let handle = hidden(&page, "request");
    // Without any cookie, and with one of a request of its own.
    let mut victim = scene.world.client();
    for _ in 0..2 {
        for at in ["login", "consent", "mfa", "select-account", "register"] {
            let page = victim.get(&format!("/t/acme/{at}?request={handle}")).await;
            assert_eq!(page.status, 400, "{at}");
            assert!(page.text.contains("expired"), "{at}: {}", page.text);
        }
        let answer = victim.fill_in(&page, "grace@example.com", PASSWORD).await;
        assert_eq!(answer.status, 400);
        assert!(victim.session().is_none(), "nobody is signed in for it");
        scene.begin(&mut victim, &[]).await;
    }
    // Nor does another site get anybody signed in.
    attacker.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let answer = attacker.fill_in(&page, "grace@example.com", PASSWORD).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.starts_with("<!doctype html>"));
}

#[tokio::test]
async fn an_expired_request_says_so_and_is_sent_nowhere() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[]).await;
    let login = browser.follow(&sent).await;
    scene.world.advance(Duration::from_secs(3601));
    browser.headers.insert("accept-language", "de".parse().unwrap());
    let page = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("abgelaufen") && page.text.contains("<html lang=\"de\""));
    assert!(!page.headers.contains_key("location"));
    assert!(browser.session().is_none());
}

#[tokio::test]
async fn giving_up_tells_the_application_and_ends_the_request() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[]).await;
    let login = browser.follow(&sent).await;
    let back = browser.fill(&login, "/t/acme/login", &[("action", "cancel")]).await;
    assert!(back.location().as_str().starts_with(CALLBACK));
    assert_eq!(back.sent("error").as_deref(), Some("access_denied"));
    assert_eq!(back.sent("state").as_deref(), Some("a state"));
    assert_eq!(browser.follow(&sent).await.status, 400);
}

#[tokio::test]
async fn red_a_page_sends_a_browser_only_where_the_application_has_said() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[("redirect_uri", "https://evil.example.com/")]).await;
    assert_eq!(sent.status, 400);
    let sent = scene.begin(&mut browser, &[]).await;
    let login = browser.follow(&sent).await;
    // Nothing that a form says moves the answer.
    let fields = [
        ("email", "grace@example.com"),
        ("password", PASSWORD),
        ("redirect_uri", "https://evil.example.com/"),
        ("continue", "https://evil.example.com/"),
        ("return_to", "//evil.example.com/"),
    ];
    let entered = browser.fill(&login, "/t/acme/login", &fields).await;
    assert_eq!(entered.location().host_str(), Some("127.0.0.1"));
    let resumed = browser.follow(&entered).await;
    let consent = browser.follow(&resumed).await;
    let fields = [("action", "allow"), ("redirect_uri", "https://evil.example.com/")];
    let back = browser.fill(&consent, "/t/acme/consent", &fields).await;
    assert!(back.location().as_str().starts_with(CALLBACK));
}

#[tokio::test]
async fn web_xss_names_and_states_stay_text() {
    let scene = Scene::new().await;
    let hostile = "\"><script>alert(1)</script><img src=x onerror=y>";
    scene.rename_application(hostile).await;
    let mut browser = scene.world.client();
    let more = [("state", hostile), ("login_hint", hostile), ("ui_locales", hostile)];
    let sent = scene.begin(&mut browser, &more).await;
    let login = browser.follow(&sent).await;
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let resumed = browser.follow(&entered).await;
    let consent = browser.follow(&resumed).await;
    for page in [&login, &consent] {
        assert_eq!(page.status, 200);
        assert!(!page.text.contains("<script>") && !page.text.contains("<img src=x"));
        assert!(page.text.contains("&lt;script&gt;"), "the name is shown");
    }
    let back = browser.fill(&consent, "/t/acme/consent", &[("action", "allow")]).await;
    assert_eq!(back.sent("state").as_deref(), Some(hostile));
}

#[tokio::test]
async fn ses_01_a_sign_in_gives_a_session_that_nobody_could_have_planted() {
    let scene = Scene::with(json!({})).await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[]).await;
    let login = browser.follow(&sent).await;
    assert!(browser.session().is_none(), "no session before anybody is known");
    // Somebody has planted a session of his own, and what a step is known by.
    scene.world.user(&scene.acme, "eve@example.com").await;
    let mut eve = scene.world.client();
    eve.login("acme", "eve@example.com", PASSWORD).await.data();
    let planted = eve.session().unwrap();
    browser.cookies.extend(eve.cookies.iter().cloned());
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let first = browser.session().unwrap();
    assert!(first.0 != planted.0 && first.1.expose() != planted.1.expose());
    assert_eq!(eve.get("/api/v1/me/mfa").await.status, 401, "the planted one is over");
    Client::code(&browser.follow(&entered).await);
    scene.world.advance(Duration::from_secs(10));
    let sent = scene.begin(&mut browser, &[("prompt", "login")]).await;
    let login = browser.follow(&sent).await;
    assert!(login.text.contains("id=\"email\""), "{}", login.text);
    let before = browser.clone();
    browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let second = browser.session().unwrap();
    assert!(first.0 != second.0 && first.1.expose() != second.1.expose());
    let mut stale = before;
    let silent = scene.begin(&mut stale, &[("prompt", "none")]).await;
    assert_eq!(silent.sent("error").as_deref(), Some("login_required"), "the old one is over");
}

#[tokio::test]
async fn the_language_is_the_one_that_the_application_asks_for() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    browser.headers.insert("accept-language", "en".parse().unwrap());
    let sent = scene.begin(&mut browser, &[("ui_locales", "pt-BR de-AT en")]).await;
    let login = browser.follow(&sent).await;
    assert!(login.text.contains("<html lang=\"de\"") && login.text.contains("Anmelden"));
    let wrong = browser.fill_in(&login, "grace@example.com", "wrong password").await;
    assert!(wrong.text.contains("Passwort ist falsch"), "{}", wrong.text);
    let entered = browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let resumed = browser.follow(&entered).await;
    let consent = browser.follow(&resumed).await;
    assert!(consent.text.contains("Zulassen") && consent.text.contains("wissen, wer Sie sind"));
}

#[tokio::test]
async fn without_an_application_one_signs_in_and_out_at_the_tenants_front_page() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let login = browser.get("/t/acme/login").await;
    assert!(!login.text.contains("id=\"cancel\""));
    let policy = login.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self';"), "{policy}");
    let fields = [("email", "grace@example.com"), ("password", PASSWORD), ("remember_me", "true")];
    let entered = browser.fill(&login, "/t/acme/login", &fields).await;
    assert_eq!(path(&entered), "/t/acme");
    assert!(entered.set_cookie("session").unwrap().contains("Max-Age="), "it is remembered");
    let sent = browser.follow(&entered).await;
    assert_eq!(path(&sent), "/t/acme/account");
    let home = browser.follow(&sent).await;
    assert!(home.text.contains("grace@example.com"), "{}", home.text);
    let refused = browser.post_form("/t/acme", "proof=nonsense").await;
    assert_eq!(refused.status, 403);
    let left = browser.fill(&home, "/t/acme", &[]).await;
    assert_eq!(path(&left), "/t/acme/login");
    assert!(browser.follow(&left).await.text.contains("signed out"));
    assert_eq!(path(&browser.get("/t/acme").await), "/t/acme/login");
}

#[tokio::test]
async fn a_custom_scheme_may_be_the_end_of_a_form() {
    let scene = Scene::with(json!({"redirect_uris": ["com.example.app:/back"]})).await;
    let kind = "UPDATE applications SET application_type = 'NATIVE'";
    scene.world.execute(countersign::db::sql(kind)).await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[("redirect_uri", "com.example.app:/back")]).await;
    let login = browser.follow(&sent).await;
    let policy = login.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' com.example.app:;"), "{policy}");
}
