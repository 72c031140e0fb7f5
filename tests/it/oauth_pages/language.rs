//! In which language a page speaks, and how its reader changes it.

use serde_json::json;

use super::{Scene, hidden};
use crate::support::{Answer, Client, PASSWORD, World};

const LANGUAGES: [&str; 6] = ["en", "de", "fr", "es", "ja", "ar"];

/// The language that a page says it is in.
#[track_caller]
fn language(page: &Answer) -> &str {
    let rest = page.text.split("<html lang=\"").nth(1);
    rest.unwrap_or_else(|| panic!("no page: {}", page.text)).split('"').next().unwrap()
}

/// Does what a browser does when a button of the switcher is pressed.
async fn switch(browser: &mut Client, page: &Answer, path: &str, to: &str) -> Answer {
    let form = page.text.split("<form id=\"languages\"").nth(1).expect("a switcher");
    let form = form.split("</form>").next().unwrap();
    assert!(form.contains("method=\"get\"") && !form.contains("action="), "{form}");
    assert!(form.contains(&format!("name=\"ui_locales\" value=\"{to}\"")), "{form}");
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        format!("{name}={}&", rest.split('"').next().unwrap())
    });
    let query: String = fields.collect();
    browser.get(&format!("{path}?{query}ui_locales={to}")).await
}

#[tokio::test]
async fn every_page_has_a_switcher_that_stays_and_is_remembered() {
    let world = World::new().await;
    world.acme().await;
    let mut browser = world.client();
    for path in ["/t/acme/login", "/t/acme/register", "/t/acme/forgot-password", "/login", "/"] {
        let mut page = browser.get(path).await;
        for tag in LANGUAGES {
            page = switch(&mut browser, &page, path, tag).await;
            assert_eq!((page.status.as_u16(), language(&page)), (200, tag), "{path}");
            let current = format!("lang=\"{tag}\" aria-current=\"true\"");
            assert_eq!(page.text.matches("aria-current").count(), 1, "{path}");
            assert!(page.text.contains(&current), "{path}");
            assert!(page.text.contains(&format!("dir=\"{}\"", direction(tag))), "{path}");
            assert_eq!(language(&browser.get("/t/acme/login").await), tag, "it is remembered");
        }
    }
    let cookie = browser.get("/t/acme/login?ui_locales=fr").await.set_cookie("language").unwrap();
    assert!(cookie.starts_with("cs_language=fr.1767225600;"), "{cookie}");
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
}

fn direction(tag: &str) -> &'static str {
    if tag == "ar" { "rtl" } else { "ltr" }
}

#[tokio::test]
async fn over_tls_the_cookie_is_of_this_host_alone() {
    let world = World::with(|config| {
        config.public_url = "https://id.example.com".parse().unwrap();
    })
    .await;
    world.acme().await;
    let page = world.client().get("/t/acme/login?ui_locales=ja").await;
    let cookie = page.set_cookie("language").unwrap();
    assert!(cookie.starts_with("__Host-cs_language=ja.") && cookie.contains("Secure"), "{cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn whoever_switches_within_a_request_keeps_the_request_and_the_language() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let sent = scene.begin(&mut browser, &[("ui_locales", "zh de")]).await;
    let login = browser.follow(&sent).await;
    assert_eq!(language(&login), "de");
    let handle = hidden(&login, "request");
    let french = switch(&mut browser, &login, "/t/acme/login", "fr").await;
    assert_eq!((language(&french), hidden(&french, "request")), ("fr", handle));
    let wrong = browser.fill_in(&french, "grace@example.com", "wrong password").await;
    assert!(wrong.text.contains("le mot de passe est incorrect"), "{}", wrong.text);
    let entered = browser.fill_in(&wrong, "grace@example.com", PASSWORD).await;
    let resumed = browser.follow(&entered).await;
    let consent = browser.follow(&resumed).await;
    assert!(consent.text.contains("savoir qui vous êtes"), "{}", consent.text);
    let back = browser.fill(&consent, "/t/acme/consent", &[("action", "allow")]).await;
    assert!(back.sent("code").is_some());
    // The next request says once more what it wishes for, later than the footer.
    scene.world.advance(std::time::Duration::from_secs(60));
    let more = [("ui_locales", "de"), ("prompt", "login")];
    let sent = scene.begin(&mut browser, &more).await;
    assert_eq!(language(&browser.follow(&sent).await), "de");
    let sent = scene.begin(&mut browser, &[("prompt", "login")]).await;
    assert_eq!(language(&browser.follow(&sent).await), "fr", "and one that wishes for nothing");
}

#[tokio::test]
async fn who_is_signed_in_is_spoken_to_as_the_account_says() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    browser.headers.insert("accept-language", "es".parse().unwrap());
    let login = browser.get("/t/acme/login").await;
    assert_eq!(language(&login), "es");
    browser.fill_in(&login, "grace@example.com", PASSWORD).await;
    let sent = scene.begin(&mut browser, &[]).await;
    assert_eq!(language(&browser.follow(&sent).await), "es");
    let chosen = "UPDATE users SET locale = 'ja' WHERE email = 'grace@example.com'";
    scene.world.execute(countersign::db::sql(chosen)).await;
    let consent = browser.follow(&sent).await;
    assert_eq!(language(&consent), "ja");
    let sent = scene.begin(&mut browser, &[("ui_locales", "ar")]).await;
    assert_eq!(language(&browser.follow(&sent).await), "ar", "the application's wish comes first");
}

/// RED: another site neither chooses for a browser, nor is anybody sent to it.
#[tokio::test]
async fn what_another_site_links_to_counts_for_its_page_alone() {
    let world = World::new().await;
    world.acme().await;
    let mut browser = world.client();
    browser.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let page = browser.get("/t/acme/login?ui_locales=fr&to=https://evil.example.com").await;
    assert_eq!(language(&page), "fr");
    assert!(!page.headers.contains_key("location") && !page.text.contains("evil"));
    assert!(page.set_cookie("language").is_none());
    assert_eq!(language(&browser.get("/t/acme/login").await), "en");
}

/// WEB-06, DOS-08.
#[tokio::test]
async fn hostile_wishes_are_neither_repeated_nor_kept() {
    let world = World::new().await;
    world.acme().await;
    let markup = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let long = "x".repeat(2000);
    for hostile in [markup, "fr%0d%0aset-cookie:%20a=b", "%ff%fe", "..%2f..%2fen.toml", &*long] {
        let mut browser = world.client();
        browser.cookies.push(("cs_language".to_owned(), hostile.to_owned()));
        let page = browser.get(&format!("/t/acme/login?ui_locales={hostile}")).await;
        let known = if hostile.starts_with("fr%0d") { "fr" } else { "en" };
        assert_eq!((page.status.as_u16(), language(&page)), (200, known), "{hostile}");
        assert!(!page.text.contains("<script>alert") && !page.text.contains("set-cookie"));
        let cookie = page.set_cookie("language");
        assert!(cookie.is_none_or(|it| it.starts_with("cs_language=fr.")), "{hostile}");
    }
}

#[tokio::test]
async fn pages_that_cannot_be_had_again_have_no_switcher() {
    let scene = Scene::new().await;
    let mut browser = scene.world.client();
    let page = browser.get("/t/nope/login").await;
    assert!(!page.text.contains("id=\"languages\""), "an error: {}", page.text);
    let form = browser.get("/t/acme/forgot-password").await;
    assert!(form.text.contains("id=\"languages\""));
    let said = browser.fill(&form, "/t/acme/forgot-password", &[("email", "a@b.example")]).await;
    assert_eq!(said.status, 200);
    assert!(!said.text.contains("id=\"languages\""), "{}", said.text);
}

#[tokio::test]
async fn an_account_made_on_a_page_gets_its_mail_in_the_pages_language() {
    let scene = Scene::with(json!({})).await;
    let greetings = ["Hello Ada", "Guten Tag Ada", "Bonjour Ada", "Hola, Ada", "Ada 様", "مرحبًا"];
    for (tag, greeting) in LANGUAGES.into_iter().zip(greetings) {
        let mut browser = scene.world.client();
        browser.headers.insert("accept-language", "pt".parse().unwrap());
        let form = browser.get(&format!("/t/acme/register?ui_locales={tag}")).await;
        let email = format!("{tag}@example.com");
        let fields = [
            ("first_name", "Ada"),
            ("last_name", "Lovelace"),
            ("email", &*email),
            ("password", PASSWORD),
        ];
        let sent = browser.fill(&form, "/t/acme/register", &fields).await;
        assert_eq!((sent.status.as_u16(), language(&sent)), (200, tag), "{}", sent.text);
        let mail = &scene.world.inbox(&email).await[0];
        assert!(mail.text.starts_with(greeting), "{tag}: {}", mail.text);
        assert!(mail.html.contains(&format!("dir=\"{}\"", direction(tag))), "{tag}");
    }
}
