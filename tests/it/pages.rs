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

const NEW: &str = "an+entirely+different+phrase";

/// A tenant with an account, and the token of its reset mail.
async fn forgotten(world: &World) -> String {
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let body = json!({"email": "grace@example.com"});
    world.client().api("acme", "forgot-password", &body).await.data();
    token_in(&world.inbox("grace@example.com").await[0])
}

#[tokio::test]
async fn b01_a_scanner_that_opens_the_reset_link_spends_nothing() {
    let world = World::new().await;
    let token = forgotten(&world).await;
    let link = format!("/t/acme/reset-password?token={token}");
    let before = world.dump().await;
    let mut scanner = world.client_at("198.51.100.77");
    for method in [Method::HEAD, Method::GET, Method::HEAD, Method::GET] {
        assert_eq!(scanner.request(method, &link, None, "").await.status, 200);
    }
    assert!(scanner.cookies.is_empty());
    assert_eq!(world.dump().await, before, "not a row has changed");
    world.advance(std::time::Duration::from_secs(60));
    let form = format!("token={token}&password={NEW}");
    let done = world.client().post_form("/t/acme/reset-password", &form).await;
    assert_eq!(done.status, 200);
    assert!(done.text.contains("Password saved"));
}

#[tokio::test]
async fn b01_looking_at_a_proof_writes_nothing_before_and_after() {
    let world = World::new().await;
    let token = registered(&world).await;
    let link = format!("/t/acme/verify-email?token={token}");
    let mut client = world.client();
    for word in ["Confirm address", "Already confirmed"] {
        let before = world.dump().await;
        for method in [Method::HEAD, Method::GET] {
            assert_eq!(client.request(method, &link, None, "").await.status, 200);
        }
        assert!(client.get(&link).await.text.contains(word));
        assert_eq!(world.dump().await, before, "not a row has changed");
        client.post_form("/t/acme/verify-email", &format!("token={token}")).await;
    }
    let acme = world.cx("acme").await;
    assert_eq!(world.recorded(&acme, "user.email.verified", "success").await, 1);
}

#[tokio::test]
async fn b07_a_click_in_a_web_mail_needs_no_cookie_and_the_form_neither() {
    let world = World::new().await;
    let verify = registered(&world).await;
    let acme = world.cx("acme").await;
    world.user(&acme, "alice@example.com").await;
    let body = json!({"email": "alice@example.com"});
    world.client().api("acme", "forgot-password", &body).await.data();
    let reset = token_in(&world.inbox("alice@example.com").await[0]);
    for (page, token) in [("verify-email", verify), ("reset-password", reset)] {
        let mut client = world.client();
        client.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        client.headers.insert("sec-fetch-mode", "navigate".parse().unwrap());
        client.headers.insert("referer", "https://webmail.example/".parse().unwrap());
        let shown = client.get(&format!("/t/acme/{page}?token={token}")).await;
        assert_eq!(shown.status, 200, "{page}");
        client.headers.clear();
        client.headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
        let form = format!("token={token}&password={NEW}");
        let done = client.post_form(&format!("/t/acme/{page}"), &form).await;
        assert_eq!(done.status, 200, "{page}: {}", done.text);
        assert!(client.cookies.is_empty(), "no page needs or sets a cookie");
    }
}

#[tokio::test]
async fn b08_a_link_opened_by_whoever_is_signed_in_is_about_its_owner() {
    let world = World::new().await;
    let acme = world.acme().await;
    for email in ["alice@example.com", "bob@example.com"] {
        world.user(&acme, email).await;
        world.client().api("acme", "forgot-password", &json!({"email": email})).await.data();
    }
    let mut browser = world.client();
    browser.login("acme", "alice@example.com", PASSWORD).await.data();
    let (id, secret) = browser.session().unwrap();
    let lives =
        async || countersign::flows::session::find(&acme, id, &secret).await.unwrap().is_some();
    for (email, masked, stays) in [
        ("bob@example.com", "b***@example.com", true),
        ("alice@example.com", "a***@example.com", false),
    ] {
        let mails = world.inbox(email).await;
        let mail = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
        let token = token_in(mail);
        let form = browser.get(&format!("/t/acme/reset-password?token={token}")).await;
        assert_eq!(form.status, 200);
        assert!(form.text.contains(masked) && !form.text.contains(email), "{}", form.text);
        let body = format!("token={token}&password={NEW}");
        let done = browser.post_form("/t/acme/reset-password", &body).await;
        assert_eq!(done.status, 200, "{}", done.text);
        assert_eq!(lives().await, stays, "{email}");
        let mut fresh = world.client();
        fresh.login("acme", email, "an entirely different phrase").await.data();
    }
}

#[tokio::test]
async fn a_german_reader_gets_every_page_and_every_reason_in_german() {
    let world = World::new().await;
    let verify = registered(&world).await;
    let acme = world.cx("acme").await;
    world.user(&acme, "alice@example.com").await;
    let body = json!({"email": "alice@example.com"});
    world.client().api("acme", "forgot-password", &body).await.data();
    let reset = token_in(&world.inbox("alice@example.com").await[0]);
    let mut client = world.client();
    client.headers.insert("accept-language", "de-AT, en;q=0.3".parse().unwrap());
    let verify_form = format!("token={verify}");
    let weak = format!("token={reset}&password=passwordpassword");
    let good = format!("token={reset}&password={NEW}");
    let pages = [
        (client.get(&format!("/t/acme/verify-email?token={verify}")).await, 200, "1. Januar 2026"),
        (client.post_form("/t/acme/verify-email", &verify_form).await, 200, "Adresse bestätigt"),
        (client.post_form("/t/acme/verify-email", &verify_form).await, 200, "Schon bestätigt"),
        (client.get(&format!("/t/acme/reset-password?token={reset}")).await, 200, "Neues Passwort"),
        (client.post_form("/t/acme/reset-password", &weak).await, 400, "häufigsten"),
        (client.post_form("/t/acme/reset-password", &good).await, 200, "Passwort gespeichert"),
        (client.post_form("/t/acme/reset-password", &good).await, 400, "schon verwendet"),
        (client.get("/t/nope/verify-email").await, 404, "Diesen Mandanten gibt es nicht"),
    ];
    for (page, status, words) in pages {
        assert_eq!(page.status.as_u16(), status, "{words}: {}", page.text);
        assert!(page.text.contains("<html lang=\"de\""), "{words}");
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
}

#[tokio::test]
async fn a_reader_who_asks_for_nothing_gets_the_tenants_language() {
    let world = World::new().await;
    world.tenant("acme", r#"{"default_locale": "de"}"#).await;
    for (asked, lang) in [
        (None, "de"),
        (Some("pt"), "de"),
        (Some("ar-EG"), "ar"),
        (Some("en"), "en"),
        (Some("%%"), "de"),
    ] {
        let mut client = world.client();
        if let Some(asked) = asked {
            client.headers.insert("accept-language", asked.parse().unwrap());
        }
        let page = client.get("/t/acme/verify-email?token=x").await;
        assert!(page.text.contains(&format!("<html lang=\"{lang}\"")), "{asked:?}");
    }
}

#[tokio::test]
async fn every_dead_link_is_the_same_page_with_a_way_on_and_repeats_nothing() {
    let world = World::new().await;
    let spent = forgotten(&world).await;
    let mut client = world.client();
    let form = format!("token={spent}&password={NEW}");
    client.post_form("/t/acme/reset-password", &form).await;
    let body = json!({"email": "grace@example.com"});
    client.api("acme", "forgot-password", &body).await.data();
    let mails = world.inbox("grace@example.com").await;
    let late = token_in(mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap());
    assert_ne!(late, spent);
    world.advance(std::time::Duration::from_secs(1800));
    let odd = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for (page, way) in [
        ("verify-email", ["open the newest mail", "register again"]),
        ("reset-password", ["open the newest mail", "ask for a new password once more"]),
    ] {
        let link = format!("/t/acme/{page}");
        let mut shown = std::collections::BTreeSet::new();
        for token in [&spent, &late, "nonsense", "", odd, "%00", "%ff"] {
            for answer in [
                client.get(&format!("{link}?token={token}")).await,
                client.post_form(&link, &format!("token={token}&password={NEW}")).await,
            ] {
                if token == "%00" && answer.status == 422 {
                    continue;
                }
                assert_eq!(answer.status, 400, "{page} {token}: {}", answer.text);
                assert!(!answer.text.contains("alert(1)") && !answer.text.contains(&late));
                let policy = answer.headers["content-security-policy"].to_str().unwrap();
                let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
                shown.insert(answer.text.replace(nonce, "NONCE"));
            }
        }
        assert_eq!(shown.len(), 1, "one page for all of them: {shown:#?}");
        let text = shown.first().unwrap();
        assert!(way.iter().all(|words| text.contains(words)), "{text}");
    }
}

#[tokio::test]
async fn web_06_no_page_holds_a_script_of_its_own_or_loads_what_is_not_ours() {
    let world = World::new().await;
    let verify = registered(&world).await;
    let acme = world.cx("acme").await;
    world.user(&acme, "alice@example.com").await;
    let body = json!({"email": "alice@example.com"});
    world.client().api("acme", "forgot-password", &body).await.data();
    let reset = token_in(&world.inbox("alice@example.com").await[0]);
    let mut client = world.client();
    let verify_form = format!("token={verify}");
    let weak = format!("token={reset}&password=passwordpassword");
    let good = format!("token={reset}&password={NEW}");
    let pages = [
        client.get(&format!("/t/acme/verify-email?token={verify}")).await,
        client.post_form("/t/acme/verify-email", &verify_form).await,
        client.get(&format!("/t/acme/reset-password?token={reset}")).await,
        client.post_form("/t/acme/reset-password", &weak).await,
        client.post_form("/t/acme/reset-password", &good).await,
        client.get("/t/acme/reset-password?token=x").await,
        client.get("/t/acme/login").await,
        client.get("/t/nope/reset-password").await,
        client.get("/").await,
    ];
    let mut nonces = std::collections::BTreeSet::new();
    for page in &pages {
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self';",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{rule}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(nonces.insert(nonce.to_owned()), "a nonce is used once");
        let lower = page.text.to_lowercase();
        assert_eq!(lower.matches("<script").count(), lower.matches("<script src=\"/").count());
        assert_eq!(lower.matches("<style").count(), lower.matches("<style nonce=\"").count());
        for inline in [" onclick=", " onload=", " onerror=", " onsubmit=", " style=", "javascript:"]
        {
            assert!(!lower.contains(inline), "{inline}");
        }
        for loads in ["src=\"", "href=\"", "action=\""] {
            for target in page.text.split(loads).skip(1) {
                let own = target.starts_with('/') && !target.starts_with("//");
                assert!(own || target.starts_with("data:,"), "{target}");
            }
        }
        for form in page.text.split("<form ").skip(1) {
            let tag = form.split('>').next().unwrap();
            // The switcher of languages asks for the page itself, and for nothing else.
            let is_switcher = tag == "id=\"languages\" class=\"languages\" method=\"get\"";
            let is_ours = tag.contains("method=\"post\" action=\"/t/acme/");
            assert!(is_ours || is_switcher, "{tag}");
        }
    }
}

#[tokio::test]
async fn where_programs_need_a_token_people_still_reach_their_links() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, "alice@example.com").await;
    let registration = json!({"email": "grace@example.com", "password": PASSWORD,
        "first_name": "Grace", "last_name": "Hopper"});
    let mut client = world.client();
    client.api("acme", "register", &registration).await.data();
    client.api("acme", "forgot-password", &json!({"email": "alice@example.com"})).await.data();
    let verify = token_in(&world.inbox("grace@example.com").await[0]);
    let reset = token_in(&world.inbox("alice@example.com").await[0]);
    let strict = countersign::flows::tenants::Change {
        settings: Some(
            serde_json::from_value(json!({"auth_api": {"require_client_token": true}})).unwrap(),
        ),
        ..countersign::flows::tenants::Change::default()
    };
    let operator = crate::support::operator();
    let slug = &acme.tenant.slug;
    countersign::flows::tenants::update(&world.app, &operator, slug, strict).await.unwrap();
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={verify}");
    assert_eq!(client.get(&path).await.refused(401), "invalid_client_token");
    for (page, token) in [("verify-email", verify), ("reset-password", reset)] {
        assert_eq!(client.get(&format!("/t/acme/{page}?token={token}")).await.status, 200);
        let form = format!("token={token}&password={NEW}");
        assert_eq!(client.post_form(&format!("/t/acme/{page}"), &form).await.status, 200);
    }
}

#[tokio::test]
async fn a_form_of_another_type_or_with_odd_fields_changes_nothing() {
    let world = World::new().await;
    let token = forgotten(&world).await;
    let before = world.dump().await;
    let mut client = world.client();
    let link = "/t/acme/reset-password";
    let json = json!({"token": token, "password": "an entirely different phrase"}).to_string();
    for (kind, body, statuses) in [
        (Some("application/json"), json.as_str(), [400, 422]),
        (Some("text/plain"), &format!("token={token}\r\npassword={NEW}"), [400, 422]),
        (None, &format!("token={token}&password={NEW}"), [400, 422]),
        (Some("application/x-www-form-urlencoded"), "", [400, 422]),
        (Some("application/x-www-form-urlencoded"), &format!("token={token}"), [400, 422]),
        (Some("application/x-www-form-urlencoded"), &format!("password={NEW}"), [400, 422]),
        (
            Some("application/x-www-form-urlencoded"),
            &format!("token={token}&password={NEW}{}", "&x=1".repeat(100)),
            [422, 422],
        ),
        (
            Some("application/x-www-form-urlencoded"),
            &format!("token={token}&password={}", "x".repeat(1025)),
            [400, 422],
        ),
    ] {
        let answer = client.request(Method::POST, link, kind, body).await;
        let status = answer.status.as_u16();
        assert!(statuses.contains(&status), "{kind:?} {body:.60}: {}", answer.text);
        assert!(!answer.text.contains("entirely"), "{kind:?}");
    }
    // Counting wrong tokens is all that came of it.
    let rows = |dump: &str| {
        let kept = dump.lines().filter(|line| !line.starts_with("attempts "));
        kept.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rows(&world.dump().await), rows(&before));
    client.login("acme", "grace@example.com", PASSWORD).await.data();
}

#[tokio::test]
async fn the_way_on_is_a_link_to_press_and_its_address_is_escaped() {
    let world = World::new().await;
    let url = "https://app.example.com/cb?a=1&b='2'";
    let settings =
        json!({"registration": {"enabled": true}, "allowed_return_urls": [url]}).to_string();
    world.tenant("acme", &settings).await;
    let body = json!({"email": "grace@example.com", "password": PASSWORD, "first_name": "Grace",
        "last_name": "Hopper", "redirect_uri": url});
    let mut client = world.client();
    client.api("acme", "register", &body).await.data();
    let token = token_in(&world.inbox("grace@example.com").await[0]);
    let shown = client.get(&format!("/t/acme/verify-email?token={token}")).await;
    assert!(!shown.text.contains("app.example.com"), "not before the proof");
    let link = "href=\"https://app.example.com/cb?a=1&amp;b=&#39;2&#39;\"";
    for _ in 0..2 {
        let done = client.post_form("/t/acme/verify-email", &format!("token={token}")).await;
        assert_eq!(done.status, 200);
        assert!(done.text.contains(link), "{}", done.text);
        assert!(!done.headers.contains_key("location") && !done.text.contains("http-equiv"));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_to_a_person_as_a_page() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for page in ["verify-email", "reset-password"] {
        let link = format!("/t/acme/{page}");
        let many = format!("token=x{}", "&x=1".repeat(100));
        let large = format!("token={}", "x".repeat(64 * 1024));
        for (answer, status) in [
            (client.get(&format!("{link}?token=%00")).await, 422),
            (client.get(&format!("{link}?{many}")).await, 422),
            (client.post_form(&link, "token=%00").await, 422),
            (client.post_form(&link, &many).await, 422),
            (client.post_form(&link, &large).await, 413),
        ] {
            assert_eq!(answer.status.as_u16(), status, "{page}: {}", answer.text);
            assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8", "{page}");
            let id = answer.headers["x-request-id"].to_str().unwrap();
            assert!(answer.text.contains(id), "{}", answer.text);
        }
    }
}
