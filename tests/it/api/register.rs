//! Self-registration: what it tells, what it keeps, and what it lets nobody do.

use std::time::Duration;

use base64::Engine as _;
use countersign::{
    crypto::opaque::{hex, sha256},
    db::sql,
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, captcha::solve, together, token_in};

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
        ("password", &["15 characters", "most common", "a digit", "neither letter"][..]),
        ("hopperhopperhopper", &["most common", "your name", "a digit", "neither letter"]),
        ("mail of grace@example.com", &["e-mail address", "your name", "a digit"]),
        ("Countersign, of 2026!", &["name of this service"]),
        ("The people of acme, 2026", &["name of the organisation"]),
    ] {
        let answer =
            client.api("acme", "register", &form("grace@example.com", password, "Grace")).await;
        assert_eq!(answer.refused(400), "password_rejected", "{password}");
        let body = answer.json();
        let told = body["reasons"].as_array().unwrap();
        assert_eq!(told.len(), reasons.len(), "{password}: {told:?}");
        for (told, reason) in told.iter().zip(reasons) {
            assert!(told.as_str().unwrap().contains(reason), "{password}: {told} {reason}");
        }
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
    client.headers.insert("accept-language", "pt, de-CH;q=0.9, en;q=0.5".parse().unwrap());
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

/// A registration whose `field` is `value`.
fn form_with(field: &str, value: Value) -> Value {
    let mut body = form("grace@example.com", PASSWORD, "Grace");
    body[field] = value;
    body
}

/// Whether a mailed token would do something: its page shows the button. Spends nothing.
async fn is_alive(world: &World, token: &str) -> bool {
    let mut client = world.client_at("203.0.113.250");
    client.get(&format!("/t/acme/verify-email?token={token}")).await.status == 200
}

/// The token of the newest mail to an address.
async fn newest_token(world: &World, email: &str) -> String {
    token_in(&world.inbox(email).await[0])
}

#[tokio::test]
async fn enu_10_the_whole_answer_is_the_same_whatever_stands_behind_the_address() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "active@example.com").await;
    world.user_with(&acme, "nopassword@example.com", None, true).await;
    world.user_with(&acme, "unproved@example.com", None, false).await;
    for (email, change) in [
        ("suspended@example.com", "UPDATE users SET status = 'suspended' WHERE id = $1"),
        ("waiting@example.com", "UPDATE users SET status = 'pending_approval' WHERE id = $1"),
        ("fay@example.com", "UPDATE users SET identity_source = 'oidc' WHERE id = $1"),
    ] {
        let user = world.user(&acme, email).await;
        assert_eq!(world.execute(sql(change).bind(user.id)).await, 1);
    }
    let mut client = world.client();
    register(&mut client, "pending@example.com").await.data();
    let mut ids = std::collections::BTreeSet::new();
    let mut answers = std::collections::BTreeMap::new();
    for name in
        ["nobody", "active", "nopassword", "unproved", "suspended", "waiting", "fay", "pending"]
    {
        let answer = register(&mut client, &format!("{name}@example.com")).await;
        let id = answer.data()["user_id"].as_str().unwrap().to_owned();
        let (status, headers, mut body) = answer.masked();
        body["data"]["user_id"] = Value::Null;
        answers.insert(format!("{status} {headers:?} {body}"), name);
        assert_eq!(id.len(), "usr_".len() + 26, "{id}");
        ids.insert(id);
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(ids.len(), 8, "each answer has an id of its own");
    let known: Vec<String> = world.rows(sql("SELECT id FROM users")).await;
    assert!(known.iter().all(|id| !ids.contains(id)), "no account's id is told");
}

#[tokio::test]
async fn pre_01_the_attempt_that_is_proved_decides_over_id_password_names_and_data() {
    let world = World::new().await;
    world.acme().await;
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    for (number, name) in ["Eve", "Grace", "Trudy"].into_iter().enumerate() {
        world.advance(Duration::from_secs(1));
        let mut body = form("grace@example.com", &format!("the long password of {number}"), name);
        body["custom_data"] = json!({"number": number});
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        ids.push(client.api("acme", "register", &body).await.data()["user_id"].clone());
        tokens.push(newest_token(&world, "grace@example.com").await);
    }
    let mut client = world.client();
    verify(&mut client, "acme", &tokens[1]).await.data();
    for void in [&tokens[0], &tokens[2]] {
        assert_eq!(verify(&mut client, "acme", void).await.refused(400), "invalid_token");
    }
    let acme = world.cx("acme").await;
    let user = countersign::flows::users::show(&acme, "grace@example.com").await.unwrap();
    assert_eq!((&*user.first_name, &*user.last_name), ("Grace", "Hopper"));
    assert!(user.email_verified_at.is_some());
    let data: Vec<String> = world.rows(sql("SELECT custom_data FROM users")).await;
    assert_eq!(data, [r#"{"number":1}"#]);
    for number in [0, 2] {
        let password = format!("the long password of {number}");
        let answer = client.login("acme", "grace@example.com", &password).await;
        assert_eq!(answer.refused(401), "invalid_credentials");
    }
    let signed_in = client.login("acme", "grace@example.com", "the long password of 1").await;
    assert_eq!(signed_in.data()["user_id"], ids[1]);
}

#[tokio::test]
async fn the_mail_of_a_pending_registration_goes_out_again_for_its_newest_password_only() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let old = form("grace@example.com", "the older good phrase", "Grace");
    client.api("acme", "register", &old).await.data();
    world.advance(Duration::from_secs(1));
    register(&mut client, "grace@example.com").await.data();
    assert_eq!(world.inbox("grace@example.com").await.len(), 2);
    client.login("acme", "grace@example.com", "the older good phrase").await;
    assert_eq!(world.inbox("grace@example.com").await.len(), 2);
    for _ in 0..2 {
        let answer = client.login("acme", "grace@example.com", PASSWORD).await;
        assert_eq!(answer.refused(401), "invalid_credentials");
    }
    assert_eq!(world.inbox("grace@example.com").await.len(), 3, "three an hour and network");
    let mut elsewhere = world.client_at("203.0.113.8");
    elsewhere.login("acme", "grace@example.com", PASSWORD).await;
    assert_eq!(world.inbox("grace@example.com").await.len(), 4);
    // A registration that has expired is none: its password is a wrong one.
    world.advance(24 * HOUR);
    let answer = elsewhere.login("acme", "grace@example.com", PASSWORD).await;
    assert_eq!(answer.refused(401), "invalid_credentials");
    assert_eq!(world.inbox("grace@example.com").await.len(), 4);
}

#[tokio::test]
async fn a_fourth_from_one_network_voids_its_own_oldest_and_nobody_elses() {
    let world = World::new().await;
    world.acme().await;
    let mut eve = world.client_at("198.51.100.66");
    let mut tokens = Vec::new();
    register(&mut world.client_at("203.0.113.1"), "grace@example.com").await.data();
    let owners = newest_token(&world, "grace@example.com").await;
    for _ in 0..4 {
        world.advance(HOUR / 2);
        register(&mut eve, "grace@example.com").await.data();
        tokens.push(newest_token(&world, "grace@example.com").await);
    }
    assert!(!is_alive(&world, &tokens[0]).await);
    for token in [&owners, &tokens[1], &tokens[2], &tokens[3]] {
        assert!(is_alive(&world, token).await);
    }
}

#[tokio::test]
async fn an_eleventh_registration_of_an_address_voids_the_oldest_of_all() {
    let world = World::new().await;
    world.acme().await;
    let mut tokens = Vec::new();
    for host in 1..=11 {
        world.advance(HOUR / 5);
        let mut client = world.client_at(&format!("198.51.100.{host}"));
        register(&mut client, "grace@example.com").await.data();
        tokens.push(newest_token(&world, "grace@example.com").await);
        assert!(is_alive(&world, &tokens[0]).await == (host < 11), "{host}");
    }
    for token in &tokens[1..] {
        assert!(is_alive(&world, token).await);
    }
}

#[tokio::test]
async fn an_account_that_an_operator_makes_voids_what_waits_for_its_address() {
    let world = World::new().await;
    let acme = world.acme().await;
    let mut client = world.client();
    let eve = form("grace@example.com", "the long password of eve", "Eve");
    client.api("acme", "register", &eve).await.data();
    let token = newest_token(&world, "grace@example.com").await;
    world.user(&acme, "grace@example.com").await;
    assert!(!is_alive(&world, &token).await);
    assert_eq!(verify(&mut client, "acme", &token).await.refused(400), "invalid_token");
    let answer = client.login("acme", "grace@example.com", "the long password of eve").await;
    assert_eq!(answer.refused(401), "invalid_credentials");
    client.login("acme", "grace@example.com", PASSWORD).await.data();
}

#[tokio::test]
async fn thr_19_one_captcha_answer_is_good_once_however_many_use_it_at_once() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "captcha": "proof_of_work"}}"#;
    world.tenant("acme", settings).await;
    let solved = solve(&mut world.client(), "acme", 0).await;
    let statuses = together((0..20).map(|number| {
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        let mut body = form(&format!("user{number}@example.com"), PASSWORD, "Grace");
        body["captcha_token"] = json!(solved);
        async move { client.api("acme", "register", &body).await.status.as_u16() }
    }))
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 19);
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 1);
}

#[tokio::test]
async fn thr_19_a_captcha_that_was_altered_is_none_and_its_time_ends_exactly() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "captcha": "proof_of_work"}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, "alice@example.com").await;
    let mut client = world.client();
    let solved = solve(&mut client, "acme", 0).await;
    let base64 = base64::engine::general_purpose::STANDARD;
    let puzzle: Value = serde_json::from_slice(&base64.decode(&solved).unwrap()).unwrap();
    // Prolonged by whoever wants to use it tomorrow, and solved anew for that.
    let salt = puzzle["salt"].as_str().unwrap().replace("expires=1", "expires=2");
    assert_ne!(puzzle["salt"], json!(salt));
    let own = hex(&sha256(format!("{salt}7").as_bytes()));
    for changes in [
        json!({"salt": salt}),
        json!({"salt": salt, "number": 7, "challenge": own}),
        json!({"signature": "0".repeat(64)}),
        json!({"signature": ""}),
        json!({"algorithm": "none"}),
        json!({"number": puzzle["number"].as_u64().unwrap() + 1}),
        json!({"number": -1}),
        json!({"number": puzzle["number"].to_string()}),
    ] {
        let mut altered = puzzle.clone();
        altered.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let token = json!(base64.encode(altered.to_string()));
        let answer = client.api("acme", "register", &form_with("captcha_token", token)).await;
        assert_eq!(answer.refused(400), "captcha_failed", "{changes}");
    }
    for (empty, code) in [(json!(""), "captcha_required"), (json!(" "), "captcha_failed")] {
        let answer = client.api("acme", "register", &form_with("captcha_token", empty)).await;
        assert_eq!(answer.refused(400), code);
    }
    // An address with an account needs one like any other.
    let taken = client.api("acme", "register", &form("alice@example.com", PASSWORD, "A")).await;
    assert_eq!(taken.refused(400), "captcha_required");
    world.advance(Duration::from_secs(600) - MICRO);
    client.api("acme", "register", &form_with("captcha_token", json!(solved))).await.data();
}

#[tokio::test]
async fn dos_03_custom_data_may_reach_its_limits_and_not_pass_them() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    // `{"x":"…"}` is 8 bytes more than the text.
    let sized = |bytes: usize| json!({"x": "y".repeat(bytes - 8)});
    let members = |count: usize| -> Value {
        (0..count)
            .map(|number| (format!("k{number}"), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    for bad in [sized(16 * 1024 + 1), members(65)] {
        let answer = client.api("acme", "register", &form_with("custom_data", bad)).await;
        assert_eq!(answer.faults(), [("body.custom_data".to_owned(), "value_error".to_owned())]);
    }
    for good in [sized(16 * 1024), members(64), json!({}), Value::Null] {
        client.api("acme", "register", &form_with("custom_data", good)).await.data();
    }
}

#[tokio::test]
async fn dos_03_a_fault_of_custom_data_is_told_at_its_place_without_its_value() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "custom_data_schema": {"type": "object",
        "properties": {"pets": {"type": "array", "items": {"type": "object",
            "properties": {"name": {"type": "string", "maxLength": 5}}}}},
        "additionalProperties": false}}}"#;
    world.tenant("acme", settings).await;
    let data = json!({"pets": [{"name": "Rex"}, {"name": "hunter2hunter2"}]});
    let answer = world.client().api("acme", "register", &form_with("custom_data", data)).await;
    assert_eq!(answer.faults()[0].0, "body.custom_data.pets.1.name");
    assert!(!answer.text.contains("hunter2"));
    let more = form_with("custom_data", json!({"x": 1}));
    let answer = world.client().api("acme", "register", &more).await;
    assert_eq!(answer.faults()[0].0, "body.custom_data");
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
}

#[tokio::test]
async fn eml_09_nothing_that_a_registration_sends_along_decides_over_the_account() {
    let world = World::new().await;
    world.tenant("acme", r#"{"registration": {"enabled": true, "approval": true}}"#).await;
    let other = world.tenant("other", "{}").await;
    let mut body = form("grace@example.com", PASSWORD, "Grace");
    let claims = json!({"email_verified": true, "status": "active", "role": "admin",
        "tenant_id": other.tenant.id.to_string(), "user_id": "usr_x", "must_change_password": false});
    body["custom_data"] = claims.clone();
    body.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let mut client = world.client();
    client.api("acme", "register", &body).await.data();
    assert_eq!(world.count("SELECT COUNT(*) FROM users").await, 0);
    let token = newest_token(&world, "grace@example.com").await;
    verify(&mut client, "acme", &token).await.data();
    let acme = world.cx("acme").await;
    let user = countersign::flows::users::show(&acme, "grace@example.com").await.unwrap();
    assert_eq!(user.status, countersign::domain::user::UserStatus::PendingApproval);
    assert_eq!(user.tenant, acme.tenant.id);
    let kept: Vec<String> = world.rows(sql("SELECT custom_data FROM users")).await;
    assert_eq!(serde_json::from_str::<Value>(&kept[0]).unwrap(), claims);
}

#[tokio::test]
async fn eml_05_to_07_what_is_no_address_is_none_at_any_door() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let labels = format!("a@{}com", "a.".repeat(10_000));
    let long = format!("{}@example.com", "a".repeat(243));
    for bad in [
        "\"a@example.com\"@evil.example",
        "a@example.com,eve@evil.example",
        "a@example.com;eve@evil.example",
        "a@example.com eve@evil.example",
        "a(comment)@example.com",
        "a@[127.0.0.1]",
        "a@example.com\0",
        "a@@example.com",
        "a@example.com@evil.example",
        "a@example.com.",
        "a@xn--example-.org",
        "a@.xn--",
        "a@exa\u{ad}mple\u{200b}.com",
        "a@example.com\r\nBcc: eve@evil.example",
        "a\u{2028}b@example.com",
        "a\u{85}@example.com",
        "a@localhost",
        "@example.com",
        "a@",
        "",
        &long,
        &labels,
    ] {
        let registration = client.api("acme", "register", &form(bad, PASSWORD, "Grace")).await;
        let faults = registration.faults();
        assert_eq!(faults, [("body.email".to_owned(), "value_error".to_owned())], "{bad:?}");
        let told = registration.json()["detail"].clone();
        let body = json!({"email": bad, "password": PASSWORD});
        for endpoint in ["login", "forgot-password", "password/forgot"] {
            let answer = client.api("acme", endpoint, &body).await;
            assert_eq!(answer.json()["detail"], told, "{endpoint} {bad:?}");
        }
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM outbox").await, 0);
    let longest = format!("{}@example.com", "a".repeat(242));
    register(&mut client, &longest).await.data();
    assert_eq!(world.inbox(&longest).await.len(), 1);
}

#[tokio::test]
async fn eml_06_a_domain_has_one_form_and_look_alikes_are_others() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    register(&mut client, "grace@b\u{fc}cher.example").await.data();
    let token = newest_token(&world, "grace@b\u{fc}cher.example").await;
    verify(&mut client, "acme", &token).await.data();
    for same in ["grace@xn--bcher-kva.example", "GRACE@B\u{dc}CHER.example"] {
        client.login("acme", same, PASSWORD).await.data();
    }
    // A Cyrillic letter in the place of a Latin one, in either half.
    for other in ["gr\u{430}ce@xn--bcher-kva.example", "grace@b\u{fc}ch\u{435}r.example"] {
        let answer = client.login("acme", other, PASSWORD).await;
        assert!([401, 422].contains(&answer.status.as_u16()), "{other}: {}", answer.text);
    }
}

/// Addresses that are near the allowed ones, or that some parsers take for them.
const NEAR_MISSES: &[&str] = &[
    "https://app.example.com",
    "https://app.example.com/",
    "https://appaexample.com/cb",
    "https://example.com/cb",
    "https://a@b@evil.example",
    "https://app.example.com:443@evil.example",
    "https://app.example.com%40evil.example",
    "https://app.example.com\\@evil.example",
    "https://app.example.com/cb/..%2fx",
    "https://app.example.com/cb%252f..",
    "https://app.example.com/cb/..;/x",
    "https://app.example.com/cb;x",
    "https://app.example.com/cb%00",
    "https://app.example.com/cb\u{0}",
    "https://app.example.com/cb%0d%0aSet-Cookie:x=1",
    "https://app.example.com/cb\n",
    "https://app.example.com/cb ",
    "https://\u{ff41}pp.example.com/cb",
    "https://app.example.com./cb",
    "http://app.example.com/cb",
    "///evil.example",
    "\\/evil.example",
    "/%09/evil.example",
    "https:evil.example",
    "https:/\\evil.example",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "view-source:https://app.example.com/cb",
    "http://127.0.0.1:8081/cb",
    "http://localhost:8080/cb",
    "http://[::1]:8080/cb",
    "http://2130706433:8080/cb",
    "http://127.0.0.1.evil.example:8080/cb",
];

#[tokio::test]
async fn red_01_to_08_no_trick_of_an_address_gets_past_the_list() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true}, "allowed_return_urls":
        ["https://app.example.com/cb", "http://127.0.0.1:8080/cb"]}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, "alice@example.com").await;
    let before = world.count("SELECT COUNT(*) FROM audit").await;
    let mut client = world.client();
    for uri in NEAR_MISSES {
        for email in ["alice@example.com", "nobody@example.com"] {
            let mut body = form(email, PASSWORD, "Grace");
            body["redirect_uri"] = json!(uri);
            for endpoint in ["register", "forgot-password", "password/forgot"] {
                let answer = client.api("acme", endpoint, &body).await;
                // A NUL is refused as such, before there is an address to compare.
                let refused = match answer.status.as_u16() {
                    422 => uri.contains('\0'),
                    _ => answer.refused(400) == "invalid_redirect_uri",
                };
                assert!(refused, "{endpoint} {uri:?}: {}", answer.text);
                assert!(!answer.text.contains("evil.example"), "{uri:?}");
            }
        }
    }
    let long = format!("https://app.example.com/{}", "x".repeat(2048));
    let answer = client.api("acme", "register", &form_with("redirect_uri", json!(long))).await;
    assert_eq!(answer.faults()[0].1, "string_too_long");
    assert_eq!(world.count("SELECT COUNT(*) FROM audit").await, before, "nothing was looked up");
    assert_eq!(world.count("SELECT COUNT(*) FROM outbox").await, 0);
}

#[tokio::test]
async fn rst_19_nothing_but_a_sign_in_ever_sets_a_cookie() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "alice@example.com").await;
    let mut alice = world.client();
    alice.login("acme", "alice@example.com", PASSWORD).await.data();
    let cookies = alice.cookies.clone();
    for mut client in [world.client(), alice.clone()] {
        let before = client.cookies.clone();
        let email = format!("new{}@example.com", before.len());
        let mut answers = vec![register(&mut client, &email).await];
        let token = newest_token(&world, &email).await;
        answers.push(verify(&mut client, "acme", &token).await);
        answers.push(verify(&mut client, "acme", &token).await);
        answers.push(client.api("acme", "forgot-password", &json!({"email": email})).await);
        let mails = world.inbox(&email).await;
        let reset = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
        let body = json!({"token": token_in(reset), "new_password": "another fine long phrase"});
        answers.push(client.api("acme", "password/reset", &body).await);
        answers.push(client.api("acme", "password/reset", &body).await);
        for answer in &answers {
            assert!(!answer.headers.contains_key("set-cookie"), "{}", answer.text);
        }
        assert_eq!(client.cookies, before);
    }
    // What somebody else proves and resets in her browser is no matter of her session.
    assert_eq!(alice.cookies, cookies);
    let (id, secret) = alice.session().unwrap();
    assert!(countersign::flows::session::find(&acme, id, &secret).await.unwrap().is_some());
}

#[tokio::test]
async fn rst_02_no_header_of_a_request_gets_into_a_mail() {
    let world = World::with(|config| {
        config.public_url = "https://id.example.com".parse().unwrap();
    })
    .await;
    let acme = world.acme().await;
    world.user(&acme, "alice@example.com").await;
    for (name, value) in [
        ("host", "evil.example"),
        ("host", "id.example.com@evil.example"),
        ("host", "evil.example/x?y#id.example.com"),
        ("host", "id.example.com:80@evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-server", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "8443"),
        ("x-forwarded-prefix", "/evil.example"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "https://evil.example/"),
        ("forwarded", "host=\"evil.example;proto=http\""),
        ("referer", "https://evil.example/"),
        ("user-agent", "evil.example"),
    ] {
        world.advance(HOUR);
        let mut client = world.client();
        client.headers.insert(name, value.parse().unwrap());
        register(&mut client, "grace@example.com").await.data();
        client.api("acme", "forgot-password", &json!({"email": "alice@example.com"})).await.data();
        for (email, page) in
            [("grace@example.com", "verify-email"), ("alice@example.com", "reset-password")]
        {
            let mail = &world.inbox(email).await[0];
            let link = format!("https://id.example.com/t/acme/{page}?token=");
            assert!(mail.text.contains(&link) && mail.html.contains(&link), "{name}: {value}");
            for text in [&mail.text, &mail.html, &mail.subject] {
                assert!(!text.contains("evil") && !text.contains("http://"), "{name}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn the_language_of_a_registration_stays_with_the_account() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true}, "default_locale": "de"}"#;
    world.tenant("acme", settings).await;
    for (email, asked, greeting) in [
        ("a@example.com", Some("en-GB"), "Hello"),
        ("b@example.com", Some("de"), "Guten Tag"),
        ("c@example.com", Some("pt"), "Guten Tag"),
        ("e@example.com", Some("fr-CA, en"), "Bonjour"),
        ("d@example.com", None, "Guten Tag"),
    ] {
        let mut client = world.client();
        if let Some(asked) = asked {
            client.headers.insert("accept-language", asked.parse().unwrap());
        }
        register(&mut client, email).await.data();
        assert!(world.inbox(email).await[0].text.contains(greeting), "{email}");
        let token = newest_token(&world, email).await;
        verify(&mut client, "acme", &token).await.data();
        // Somebody else's browser decides nothing about the mail to her.
        let mut stranger = world.client();
        stranger.headers.insert("accept-language", "en".parse().unwrap());
        stranger.api("acme", "forgot-password", &json!({"email": email})).await.data();
        let mails = world.inbox(email).await;
        let reset = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
        assert!(reset.text.contains(greeting), "{email}");
    }
}

#[tokio::test]
async fn eml_03_eml_04_no_name_makes_the_mail_say_what_we_do_not() {
    let world = World::new().await;
    world.acme().await;
    for (number, (name, hidden)) in [
        ("www.evil.example", "evil.example"),
        ("evil\u{3002}example", "evil.example"),
        ("Call 0900-1234567 now", "1234567"),
        ("mail eve@evil.example", "eve@"),
        ("<a href='//evil.example'>Win</a>", "<a href='/"),
        ("{% for x in y %}{{ token }}", "{%"),
        ("x\u{202e}y", "\u{202e}"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        let answer = client.api("acme", "register", &form(&email, PASSWORD, name)).await;
        if answer.status == 422 {
            assert_eq!(answer.faults()[0].0, "body.first_name", "{name}");
            continue;
        }
        answer.data();
        let mail = &world.inbox(&email).await[0];
        for text in [&mail.text, &mail.html, &mail.subject, &mail.from_name] {
            assert!(!text.contains(hidden), "{name}: {text}");
        }
        assert_eq!(mail.subject.lines().count(), 1);
        let own = mail.text.matches(world.app.config.public_url.as_str()).count();
        assert_eq!(mail.text.matches("://").count(), own, "{name}: {}", mail.text);
    }
    let long = "Anna ".repeat(51) + "B";
    let body = form("long@example.com", PASSWORD, &long);
    world.client().api("acme", "register", &body).await.data();
    assert!(!world.inbox("long@example.com").await[0].text.contains(&long), "cut to 64 characters");
    let longer = form("long@example.com", PASSWORD, &"x".repeat(257));
    assert_eq!(
        world.client().api("acme", "register", &longer).await.faults()[0].1,
        "string_too_long"
    );
}
