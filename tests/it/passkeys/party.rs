//! Whose passkeys they are: the relying party, the origins where they are used, and what is
//! published of them.

use countersign::{
    config::Config,
    domain::tenant::{Slug, Status},
    flows::tenants,
};
use serde_json::{Value, json};

use super::{
    Begun, EVE, GRACE, begin_enrolment, begin_sign_in, begin_step, finish_enrolment,
    finish_sign_in, header, methods, signed_in, step, verify,
};
use crate::support::{Answer, World, authenticator::Authenticator, operator};

const WIDE: &str = r#"{"passkeys": {"rp_id": "example.com",
    "origins": ["https://login.example.com", "https://shop.example.net:8443"]}}"#;

fn public_url(text: &str) -> impl FnOnce(&mut Config) {
    let url = url::Url::parse(text).unwrap();
    move |config| config.public_url = url
}

/// Enrols and signs in on a page of `origin`; whether both were taken.
async fn works_at(world: &World, slug: &str, email: &str, origin: &str) -> (bool, bool) {
    let mut device = Authenticator::new();
    let mut client = signed_in(world, slug, email).await;
    let begun = Begun::of(&begin_enrolment(&mut client).await);
    let answer = device.create(&begun.options, origin).answer();
    let enrolled = finish_enrolment(&mut client, &begun.id, &answer).await.status.is_success();
    let begun = Begun::of(&begin_sign_in(&mut client, slug).await);
    let answer = device.get(&begun.options, origin).answer();
    let answered = finish_sign_in(&mut client, slug, &begun.id, &answer).await;
    (enrolled, answered.status.is_success())
}

#[tokio::test]
async fn passkeys_work_at_the_public_address() {
    for (address, party, origin) in [
        ("http://127.0.0.1:8080", "localhost", "http://localhost:8080"),
        ("http://[::1]:8080", "localhost", "http://localhost:8080"),
        ("http://localhost:3000", "localhost", "http://localhost:3000"),
        ("https://id.example.com", "id.example.com", "https://id.example.com"),
        ("https://id.example.com:8443", "id.example.com", "https://id.example.com:8443"),
    ] {
        let world = World::with(public_url(address)).await;
        let acme = world.acme().await;
        world.user(&acme, GRACE).await;
        let begun = Begun::of(&begin_sign_in(&mut world.client(), "acme").await);
        assert_eq!(begun.options["rpId"], json!(party), "{address}");
        assert_eq!(works_at(&world, "acme", GRACE, origin).await, (true, true), "{address}");
    }
}

#[tokio::test]
async fn where_there_can_be_no_passkeys_that_is_said() {
    for address in ["http://id.example.com", "https://192.0.2.7", "http://192.0.2.7"] {
        let world = World::with(public_url(address)).await;
        let acme = world.acme().await;
        world.user(&acme, GRACE).await;
        let mut client = signed_in(&world, "acme", GRACE).await;
        for answer in [begin_enrolment(&mut client).await, begin_sign_in(&mut client, "acme").await]
        {
            assert_eq!(answer.refused(400), "method_not_available", "{address}");
        }
    }
}

#[tokio::test]
async fn a_tenant_may_have_a_party_and_origins_of_its_own() {
    let world = World::new().await;
    let acme = world.tenant("acme", WIDE).await;
    for (number, (origin, good)) in [
        ("https://login.example.com", true),
        ("https://shop.example.net:8443", true),
        ("https://example.com", false),
        ("https://shop.example.net", false),
        ("https://login.example.com.", false),
        ("https://login.example.com:443", false),
        ("http://localhost:8080", false),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        world.user(&acme, &email).await;
        assert_eq!(works_at(&world, "acme", &email, origin).await, (good, good), "{origin}");
    }
}

#[tokio::test]
async fn wan_05_the_origin_of_another_tenant_is_none_of_ours() {
    let world = World::new().await;
    let acme = world.acme().await;
    // Another tenant claims our party, with a page of its own.
    let claim = r#"{"passkeys": {"rp_id": "localhost", "origins": ["https://other.example"]}}"#;
    let other = world.tenant("other", claim).await;
    world.user(&acme, GRACE).await;
    world.user(&other, GRACE).await;
    let (enrolled, _) = works_at(&world, "acme", GRACE, "https://other.example").await;
    assert!(!enrolled);
    assert_eq!(works_at(&world, "other", GRACE, "https://other.example").await, (true, true));
    world.user(&acme, EVE).await;
    assert_eq!(works_at(&world, "acme", EVE, super::ORIGIN).await, (true, true));
    world.user(&other, EVE).await;
    assert_eq!(works_at(&world, "other", EVE, super::ORIGIN).await, (false, false));
}

#[tokio::test]
async fn credentials_of_a_former_party_are_kept_and_not_asked_for() {
    let world = World::new().await;
    let acme = world.acme().await;
    let old = super::owner(&world, &acme, GRACE).await;
    let change = tenants::Change {
        settings: Some(serde_json::from_str(WIDE).unwrap()),
        ..tenants::Change::default()
    };
    let slug = Slug::parse("acme").unwrap();
    tenants::update(&world.app, &operator(), &slug, change).await.unwrap();
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    let none = begin_step(&mut client, "acme", &step).await;
    assert_eq!(none.refused(400), "method_not_available");
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    assert_eq!(begun.options["rpId"], json!("example.com"));
    let answer = old.device.get(&begun.options, "https://login.example.com").answer();
    let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
    assert_eq!(refused.refused(401), "invalid_credentials");
    // A new one is enrolled beside it and is the only one that a step asks for.
    let mut client = old.client.clone();
    let begun = Begun::of(&begin_enrolment(&mut client).await);
    let mut new = Authenticator::new();
    let answer = new.create(&begun.options, "https://login.example.com").answer();
    finish_enrolment(&mut client, &begun.id, &answer).await.data();
    assert_eq!(methods(&mut client).await["methods"].as_array().unwrap().len(), 2);
    let mut client = world.client();
    let step = super::step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    let answer = new.get(&begun.options, "https://login.example.com").answer();
    let data = verify(&mut client, "acme", &step, (&begun.id, &answer)).await.data();
    assert_eq!(data["status"], "success");
}

async fn published(world: &World, host: Option<&str>) -> Answer {
    let mut client = world.client();
    if let Some(host) = host {
        client.headers.insert("host", header(host));
    }
    client.get("/.well-known/webauthn").await
}

#[tokio::test]
async fn related_origins_are_published_at_their_party() {
    let world = World::new().await;
    world.tenant("acme", WIDE).await;
    world.tenant("plain", "{}").await;
    let more = r#"{"passkeys": {"rp_id": "example.com",
        "origins": ["https://a.example.org", "https://login.example.com"]}}"#;
    world.tenant("more", more).await;
    world.tenant("own", r#"{"passkeys": {"origins": ["https://own.example"]}}"#).await;
    let expected = json!({"origins": [
        "https://a.example.org", "https://login.example.com", "https://shop.example.net:8443",
    ]});
    for host in ["example.com", "EXAMPLE.com", "example.com:443"] {
        let answer = published(&world, Some(host)).await;
        assert_eq!(answer.status.as_u16(), 200, "{host}");
        assert_eq!(answer.json(), expected, "{host}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "public, max-age=3600");
    }
    let own = published(&world, Some("localhost:8080")).await;
    assert_eq!(own.json(), json!({"origins": ["https://own.example"]}));
    for host in [Some("login.example.com"), Some("example.co"), Some("[::1]"), Some(""), None] {
        assert_eq!(published(&world, host).await.refused(404), "not_found", "{host:?}");
    }
    // A tenant that is not in use publishes nothing.
    for slug in ["acme", "more"] {
        let slug = Slug::parse(slug).unwrap();
        tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await.unwrap();
    }
    assert_eq!(published(&world, Some("example.com")).await.refused(404), "not_found");
}

#[tokio::test]
async fn the_name_that_a_device_shows_is_the_tenants() {
    let world = World::new().await;
    let acme = world.acme().await;
    let change =
        tenants::Change { name: Some("Acme & S\u{f6}hne".to_owned()), ..Default::default() };
    let slug = Slug::parse("acme").unwrap();
    tenants::update(&world.app, &operator(), &slug, change).await.unwrap();
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    let options: Value = Begun::of(&begin_enrolment(&mut client).await).options;
    assert_eq!(options["rp"]["name"], json!("Acme & S\u{f6}hne"));
}
