//! Self-registration: what it tells, what it keeps, and what it lets nobody do.

use std::time::Duration;

use base64::Engine as _;
use countersign::crypto::opaque::{hex, sha256};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, together, token_in};

const HOUR: Duration = Duration::from_secs(3600);
const MICRO: Duration = Duration::from_micros(1);

fn form(email: &str, password: &str, first_name: &str) -> Value {
    json!({"email": email, "password": password, "first_name": first_name, "last_name": "Hopper"})
}

async fn register(client: &mut Client, email: &str) -> Answer {
    client.api("acme", "register", &form(email, PASSWORD, "Grace")).await
}

async fn verify(client: &mut Client, tenant: &str, token: &str) -> Answer {
    client.get(&format!("/api/v1/auth/tenants/{tenant}/verify-email?token={token}")).await
}

/// An answer without what differs from one to the next.
fn masked(answer: &Answer) -> (u16, Vec<String>, Value) {
    let mut body = answer.json();
    body["meta"] = Value::Null;
    if let Some(id) = body.pointer_mut("/data/user_id") {
        assert!(id.as_str().unwrap().starts_with("usr_"));
        *id = Value::Null;
    }
    (answer.status.as_u16(), answer.headers.keys().map(ToString::to_string).collect(), body)
}

#[tokio::test]
async fn off_by_default() {
    let world = World::new().await;
    world.tenant("acme", "{}").await;
    let answer = register(&mut world.client(), "grace@example.com").await;
    assert_eq!(answer.refused(403), "registration_disabled");
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
    assert!(world.inbox("grace@example.com").await.is_empty());
}

#[tokio::test]
async fn a_registration_is_proved_by_its_mail_and_makes_the_account_it_named() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let data = register(&mut client, "Grace@Example.COM").await.data();
    assert_eq!(data["status"], "pending_verification");
    assert_eq!(world.count("SELECT COUNT(*) FROM users").await, 0);
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(401),
        "invalid_credentials"
    );
    // The mail goes to the address as it was given, its domain in small letters.
    let mails = world.inbox("Grace@example.com").await;
    assert_eq!(mails.last().unwrap().to, "Grace@example.com");
    let answer = verify(&mut client, "acme", &token_in(&mails[0])).await;
    assert_eq!(answer.data()["status"], "verified");
    assert!(client.cookies.is_empty(), "proving an address must sign nobody in");
    let signed_in = client.login("acme", "grace@example.com", PASSWORD).await.data();
    assert_eq!(signed_in["user_id"], data["user_id"]);
}

#[tokio::test]
async fn enu_09_enu_10_an_address_with_an_account_gets_the_same_answer_and_its_owner_one_mail() {
    let world = World::new().await;
    let acme = world.acme().await;
    let owner = world.user(&acme, "alice@example.com").await;
    let before = world.stored_hash(&owner).await;
    let mut client = world.client();
    let fresh = masked(&register(&mut client, "nobody@example.com").await);
    let mut ids = Vec::new();
    for name in ["Eve", "Mallory", "Trudy"] {
        let other = form("ALICE@example.com", "another long password", name);
        let answer = client.api("acme", "register", &other).await;
        assert_eq!(masked(&answer), fresh);
        ids.push(answer.data()["user_id"].as_str().unwrap().to_owned());
    }
    ids.push(owner.id.to_string());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each answer has an id of its own, none the owner's");
    let mails = world.inbox("alice@example.com").await;
    assert_eq!(mails.len(), 1, "one mail, however often");
    assert!(!mails[0].text.contains("token="));
    assert!(!mails[0].text.contains("Eve"));
    assert_eq!(world.stored_hash(&owner).await, before);
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 1);
}

#[tokio::test]
async fn pre_01_whoever_registered_first_gains_nothing_when_the_owner_proves_the_address() {
    let world = World::new().await;
    world.acme().await;
    let mut eve = world.client_at("198.51.100.1");
    eve.api("acme", "register", &form("victim@example.com", "the password of eve", "Eve"))
        .await
        .data();
    let eves = token_in(&world.inbox("victim@example.com").await[0]);
    let mut owner = world.client_at("203.0.113.1");
    let id = register(&mut owner, "victim@example.com").await.data()["user_id"].clone();
    let owners = token_in(&world.inbox("victim@example.com").await[0]);
    verify(&mut owner, "acme", &owners).await.data();
    assert_eq!(
        eve.login("acme", "victim@example.com", "the password of eve").await.refused(401),
        "invalid_credentials"
    );
    assert_eq!(verify(&mut eve, "acme", &eves).await.refused(400), "invalid_token");
    let signed_in = owner.login("acme", "victim@example.com", PASSWORD).await.data();
    assert_eq!(signed_in["user_id"], id);
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
}

#[tokio::test]
async fn three_wait_from_one_network_and_ten_in_all_and_the_newest_push_out_the_oldest() {
    let world = World::new().await;
    world.acme().await;
    let mut first = world.client_at("192.0.2.7");
    register(&mut first, "grace@example.com").await.data();
    let oldest = token_in(&world.inbox("grace@example.com").await[0]);
    for _ in 0..3 {
        world.advance(Duration::from_secs(1200));
        register(&mut first, "grace@example.com").await.data();
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 3);
    assert_eq!(verify(&mut first, "acme", &oldest).await.refused(400), "invalid_token");
    for host in 1..=9 {
        world.advance(Duration::from_secs(1));
        let mut client = world.client_at(&format!("198.51.100.{host}"));
        register(&mut client, "grace@example.com").await.data();
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 10);
}

#[tokio::test]
async fn thr_16_one_network_cannot_fill_a_mailbox_nor_keep_the_owners_mail_away() {
    let world = World::new().await;
    world.acme().await;
    for _ in 0..20 {
        world.advance(Duration::from_secs(1));
        register(&mut world.client_at("198.51.100.66"), "grace@example.com").await.data();
    }
    assert_eq!(world.inbox("grace@example.com").await.len(), 3);
    register(&mut world.client_at("203.0.113.5"), "grace@example.com").await.data();
    assert_eq!(world.inbox("grace@example.com").await.len(), 4, "the owner's own mail arrives");
    for host in 1..=50 {
        register(&mut world.client_at(&format!("203.0.113.{host}")), "grace@example.com")
            .await
            .data();
    }
    assert_eq!(world.inbox("grace@example.com").await.len(), 10);
    world.advance(HOUR);
    register(&mut world.client_at("203.0.113.200"), "grace@example.com").await.data();
    assert_eq!(world.inbox("grace@example.com").await.len(), 11);
}

#[tokio::test]
async fn a_registration_dies_after_a_day_to_the_microsecond() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    register(&mut client, "early@example.com").await.data();
    register(&mut client, "late@example.com").await.data();
    let early = token_in(&world.inbox("early@example.com").await[0]);
    let late = token_in(&world.inbox("late@example.com").await[0]);
    world.advance(24 * HOUR - MICRO);
    assert_eq!(verify(&mut client, "acme", &early).await.data()["status"], "verified");
    world.advance(MICRO);
    assert_eq!(verify(&mut client, "acme", &late).await.refused(400), "invalid_token");
    // What has done its work has expired as well.
    assert_eq!(verify(&mut client, "acme", &early).await.refused(400), "invalid_token");
}

#[tokio::test]
async fn the_password_of_a_pending_registration_sends_its_mail_again_and_no_other_does() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    register(&mut client, "grace@example.com").await.data();
    assert_eq!(world.inbox("grace@example.com").await.len(), 1);
    let wrong = client.login("acme", "grace@example.com", "not the password of it").await;
    assert_eq!(world.inbox("grace@example.com").await.len(), 1);
    let right = client.login("acme", "grace@example.com", PASSWORD).await;
    assert_eq!(masked(&right), masked(&wrong), "a stranger learns nothing");
    let mails = world.inbox("grace@example.com").await;
    assert_eq!(mails.len(), 2);
    assert_eq!(
        verify(&mut client, "acme", &token_in(&mails[0])).await.data()["status"],
        "verified"
    );
    for _ in 0..5 {
        client.login("acme", "grace@example.com", PASSWORD).await;
    }
}

#[tokio::test]
async fn con_01_parallel_registrations_in_two_spellings_make_one_account() {
    let world = World::new().await;
    world.acme().await;
    let answers = together((0..20).map(|number| {
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        let email = if number % 2 == 0 { "grace@example.com" } else { "GRACE@EXAMPLE.COM" };
        async move { register(&mut client, email).await.status.as_u16() }
    }))
    .await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let mut mails = world.inbox("grace@example.com").await;
    mails.dedup_by_key(|mail| mail.id);
    let verdicts = together(mails.iter().map(|mail| {
        let (mut client, token) = (world.client_at("203.0.113.9"), token_in(mail));
        async move { verify(&mut client, "acme", &token).await.status.as_u16() }
    }))
    .await;
    assert_eq!(verdicts.iter().filter(|status| **status == 200).count(), 1, "{verdicts:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM users").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM passwords").await, 1);
}

#[tokio::test]
async fn without_proof_demanded_the_account_is_there_at_once_and_still_nothing_is_told() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "email_verification": false}}"#;
    world.tenant("acme", settings).await;
    let mut client = world.client();
    let first = register(&mut client, "grace@example.com").await;
    assert_eq!(first.data()["status"], "active");
    let other = form("grace@example.com", "another long password", "Eve");
    let again = client.api("acme", "register", &other).await;
    assert_eq!(masked(&again), masked(&first));
    assert_eq!(
        client.login("acme", "grace@example.com", "another long password").await.refused(401),
        "invalid_credentials"
    );
    let signed_in = client.login("acme", "grace@example.com", PASSWORD).await.data();
    assert_eq!(signed_in["user_id"], first.data()["user_id"]);
}

#[tokio::test]
async fn an_account_that_needs_a_yes_waits_for_it() {
    let world = World::new().await;
    let acme =
        world.tenant("acme", r#"{"registration": {"enabled": true, "approval": true}}"#).await;
    let mut client = world.client();
    register(&mut client, "grace@example.com").await.data();
    let token = token_in(&world.inbox("grace@example.com").await[0]);
    verify(&mut client, "acme", &token).await.data();
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(403),
        "account_suspended"
    );
    let user = countersign::flows::users::show(&acme, "grace@example.com").await.unwrap();
    let active = countersign::domain::user::UserStatus::Active;
    countersign::flows::users::set_status(&acme, &user, active).await.unwrap();
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.data()["status"],
        "success"
    );
}

#[tokio::test]
async fn red_12_a_return_address_is_compared_exactly_and_before_anything_else() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true}, "allowed_return_urls": ["https://app.example.com/cb"]}"#;
    world.tenant("acme", settings).await;
    let mut client = world.client();
    let with = |uri: &str| {
        let mut body = form("grace@example.com", PASSWORD, "Grace");
        body["redirect_uri"] = json!(uri);
        body
    };
    for uri in [
        "https://app.example.com/cb/",
        "https://app.example.com/cb?x=1",
        "https://app.example.com/cb#f",
        "HTTPS://app.example.com/cb",
        "https://app.example.com:443/cb",
        "https://app.example.com.evil.example/cb",
        "https://app.example.com@evil.example/cb",
        "https://evilapp.example.com/cb",
        "https://app.example.com/cb/../x",
        "https://app.example.com/CB",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "https://app.example.com/cb\r\nSet-Cookie: x=1",
        " https://app.example.com/cb",
        "",
    ] {
        for endpoint in ["register", "forgot-password", "password/forgot"] {
            let answer = client.api("acme", endpoint, &with(uri)).await;
            assert_eq!(answer.refused(400), "invalid_redirect_uri", "{endpoint} {uri:?}");
        }
    }
    assert!(world.inbox("grace@example.com").await.is_empty());
    client.api("acme", "register", &with("https://app.example.com/cb")).await.data();
    let token = token_in(&world.inbox("grace@example.com").await[0]);
    let page = client.post_form("/t/acme/verify-email", &format!("token={token}")).await;
    assert!(page.text.contains("https://app.example.com/cb"), "{}", page.text);
}

#[tokio::test]
async fn domains_are_allowed_and_blocked_in_any_spelling() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true,
        "allowed_email_domains": ["example.com", "xn--bcher-kva.example"],
        "blocked_email_domains": ["bad.example"]}}"#;
    world.tenant("acme", settings).await;
    let mut client = world.client();
    for good in ["a@example.com", "b@EXAMPLE.com", "c@bücher.example", "d@xn--bcher-kva.example"] {
        register(&mut client, good).await.data();
    }
    for bad in ["a@sub.example.com", "a@example.org", "a@bad.example", "a@notexample.com"] {
        assert_eq!(
            register(&mut client, bad).await.refused(400),
            "email_domain_not_allowed",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn dos_03_custom_data_has_limits_and_fits_the_tenants_schema() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "custom_data_schema": {"type": "object",
        "properties": {"age": {"type": "integer", "minimum": 18}}, "required": ["age"]}}}"#;
    world.tenant("acme", settings).await;
    let mut client = world.client();
    let with = |data: Value| {
        let mut body = form("grace@example.com", PASSWORD, "Grace");
        body["custom_data"] = data;
        body
    };
    let many: serde_json::Map<String, Value> =
        (0..65).map(|number| (format!("k{number}"), json!(1))).collect();
    for bad in [
        json!({"age": 20, "x": "y".repeat(16 * 1024)}),
        Value::Object(many),
        json!({"age": 20, "__proto__": 1}),
        json!({"age": 20, "$where": 1}),
        json!({"age": 20, "x": "a\u{0}b"}),
        json!({"age": 17}),
        json!({}),
    ] {
        let faults = client.api("acme", "register", &with(bad.clone())).await.faults();
        assert!(faults[0].0.starts_with("body.custom_data"), "{bad} {faults:?}");
    }
    client.api("acme", "register", &with(json!({"age": 18}))).await.data();
}

#[tokio::test]
async fn thr_19_a_captcha_is_demanded_solved_once_and_only_here() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "captcha": "proof_of_work"}}"#;
    world.tenant("acme", settings).await;
    world.tenant("other", settings).await;
    let mut client = world.client();
    let with = |token: Option<&str>| {
        let mut body = form("grace@example.com", PASSWORD, "Grace");
        body["captcha_token"] = json!(token);
        body
    };
    let none = client.api("acme", "register", &with(None)).await;
    assert_eq!(none.refused(400), "captcha_required");
    let solved = solve(&mut client, "acme", 0).await;
    let wrong = solve(&mut client, "acme", 1).await;
    let foreign = solve(&mut client, "other", 0).await;
    for bad in [wrong.as_str(), foreign.as_str(), "nonsense", "e30="] {
        assert_eq!(
            client.api("acme", "register", &with(Some(bad))).await.refused(400),
            "captcha_failed"
        );
    }
    // A password that is refused does not use the answer up.
    let mut weak = with(Some(&solved));
    weak["password"] = json!("password");
    assert_eq!(client.api("acme", "register", &weak).await.refused(400), "password_rejected");
    client.api("acme", "register", &with(Some(&solved))).await.data();
    assert_eq!(
        client.api("acme", "register", &with(Some(&solved))).await.refused(400),
        "captcha_failed"
    );
    let late = solve(&mut client, "acme", 0).await;
    world.advance(Duration::from_secs(600));
    assert_eq!(
        client.api("acme", "register", &with(Some(&late))).await.refused(400),
        "captcha_failed"
    );
}

/// The answer to a fresh puzzle, `off` by so much.
async fn solve(client: &mut Client, tenant: &str, off: u64) -> String {
    let answer = client.get(&format!("/api/v1/auth/tenants/{tenant}/captcha")).await;
    let mut puzzle = answer.json();
    let salt = puzzle["salt"].as_str().unwrap().to_owned();
    let challenge = puzzle["challenge"].as_str().unwrap().to_owned();
    let number = (0..=puzzle["maxnumber"].as_u64().unwrap())
        .find(|number| hex(&sha256(format!("{salt}{number}").as_bytes())) == challenge)
        .unwrap();
    puzzle["number"] = json!(number + off);
    base64::engine::general_purpose::STANDARD.encode(puzzle.to_string())
}

#[tokio::test]
async fn a_bad_password_is_refused_with_all_its_reasons_and_leaves_nothing() {
    let world = World::new().await;
    world
        .tenant(
            "acme",
            r#"{"registration": {"enabled": true},
        "password_policy": {"require_digit": true, "require_symbol": true}}"#,
        )
        .await;
    let mut client = world.client();
    for (password, reasons) in [
        ("password", 4),
        ("hopperhopperhopper", 3),
        ("grace@example.com", 2),
        ("Countersign2026!", 1),
    ] {
        let answer =
            client.api("acme", "register", &form("grace@example.com", password, "Grace")).await;
        assert_eq!(answer.refused(400), "password_rejected", "{password}");
        let told = answer.json()["reasons"].as_array().unwrap().len();
        assert!(told >= reasons.min(1), "{password}: {}", answer.text);
        let repeated = password.len() > 8 && answer.text.contains(password);
        assert!(!repeated, "the answer repeats the password");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
}

#[tokio::test]
async fn eml_03_eml_04_names_are_kept_as_text_and_cannot_become_headers_links_or_markup() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for bad in ["Grace\r\nBcc: eve@example.com", "a\u{0}b", "a\u{2028}b", "   ", ""] {
        let answer =
            client.api("acme", "register", &form("grace@example.com", PASSWORD, bad)).await;
        assert_eq!(answer.faults()[0].0, "body.first_name", "{bad:?}");
    }
    let name = "<b>Win</b> at https://evil.example {{ 7*7 }}";
    client.api("acme", "register", &form("grace@example.com", PASSWORD, name)).await.data();
    let mail = &world.inbox("grace@example.com").await[0];
    for text in [&mail.text, &mail.html, &mail.subject] {
        assert!(!text.contains("evil.example") && !text.contains("<b>Win") && !text.contains("49"));
    }
    let page = client.get(&format!("/t/acme/verify-email?token={}", token_in(mail))).await;
    assert!(page.text.contains("&lt;b&gt;Win") && !page.text.contains("<b>Win"), "{}", page.text);
}

#[tokio::test]
async fn the_mail_speaks_the_language_of_the_browser() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    client.headers.insert("accept-language", "fr, de-CH;q=0.9, en;q=0.5".parse().unwrap());
    register(&mut client, "grace@example.com").await.data();
    assert!(world.inbox("grace@example.com").await[0].text.contains("Guten Tag"));
}

#[tokio::test]
async fn rst_02_links_lead_to_the_configured_host_whatever_the_request_says() {
    let world = World::with(|config| {
        config.public_url = "https://id.example.com".parse().unwrap();
    })
    .await;
    world.acme().await;
    let mut client = world.client();
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=\"evil.example;proto=http\""),
        ("x-forwarded-proto", "http"),
    ] {
        client.headers.insert(name, value.parse().unwrap());
    }
    register(&mut client, "grace@example.com").await.data();
    let mail = &world.inbox("grace@example.com").await[0];
    assert!(mail.text.contains("https://id.example.com/t/acme/verify-email?token="));
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"));
}

#[tokio::test]
async fn b05_a_plus_in_an_address_survives() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    register(&mut client, "ann+test@example.com").await.data();
    let mail = &world.inbox("ann+test@example.com").await[0];
    verify(&mut client, "acme", &token_in(mail)).await.data();
    assert_eq!(
        client.login("acme", "ann+test@example.com", PASSWORD).await.data()["status"],
        "success"
    );
    assert_eq!(
        client.login("acme", "ann@example.com", PASSWORD).await.refused(401),
        "invalid_credentials"
    );
}
