//! Tenants: each is a world of its own, found by one spelling of its name.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::tenant::{Branding, Slug, Status},
    flows::tenants,
};
use serde_json::json;

use crate::support::{Answer, PASSWORD, World, operator, token_in};

const GRACE: &str = "grace@example.com";

/// A sign-in at a path that stands where the slug does.
async fn at(world: &World, slug: &str) -> Answer {
    let path = format!("/api/v1/auth/tenants/{slug}/login");
    let body = json!({"email": GRACE, "password": PASSWORD}).to_string();
    world.client().post_json(&path, &body).await
}

#[tokio::test]
async fn a_tenant_has_one_name_in_addresses() {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    // What decodes to the name, in whatever case of letters, is the name: RFC 3986 §6.2.2.
    for same in ["acme", "ACME", "aCmE", "%61cme", "%41CME"] {
        let data = at(&world, same).await.data();
        assert_eq!(data["user_id"], grace.id.to_string(), "{same}");
    }
    let long = "a".repeat(300);
    let none = [
        "acme.",
        "acme%00",
        "acme%20",
        "%20acme",
        "acme;x",
        "..;",
        "..",
        "acme%2f..%2fother",
        "acme%2F",
        "acme%252f",
        "%ff%fe",
        "%",
        "acm%",
        "ac_me",
        "acme~",
        "\u{ff41}cme",
        "%EF%BD%81cme",
        "",
        "nope",
        &long,
    ];
    for slug in none {
        let slug: String =
            if slug.is_ascii() { slug.to_owned() } else { slug.replace('\u{ff41}', "%EF%BD%81") };
        let answer = at(&world, &slug).await;
        assert!([404, 400].contains(&answer.status.as_u16()), "{slug}: {}", answer.text);
        assert!(answer.set_cookie("").is_none(), "{slug}");
    }
    for path in [
        "/api/v1/auth/tenants//acme/login",
        "/api/v1/auth/tenants/acme//login",
        "/api/v1/auth/tenants/other/../acme/login",
        "/api/v1/auth/tenants/acme/login/",
        "//api/v1/auth/tenants/acme/login",
        "/api/v1/auth/tenants/acme/LOGIN",
    ] {
        let body = json!({"email": GRACE, "password": PASSWORD}).to_string();
        let answer = world.client().post_json(path, &body).await;
        assert!([404, 405].contains(&answer.status.as_u16()), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_unknown_tenant_and_one_that_cannot_be_are_answered_alike() {
    let world = World::new().await;
    world.acme().await;
    let unknown = at(&world, "nope").await;
    assert_eq!(unknown.refused(404), "tenant_not_found");
    let gone = world.tenant("gone", "{}").await;
    tenants::delete(&world.app, &operator(), &gone.tenant.slug).await.unwrap();
    assert_eq!(at(&world, "gone").await.masked(), unknown.masked());
    assert_eq!(at(&world, "no_slug").await.masked(), unknown.masked());
}

#[tokio::test]
async fn a_suspended_tenant_serves_nothing_until_it_is_in_use_again() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let token = token_in(&world.inbox(GRACE).await[0]);
    let suspend = async |partner: bool| {
        if partner {
            world.execute(sql("UPDATE partners SET status = 'suspended'")).await;
        } else {
            let slug = Slug::parse("acme").unwrap();
            tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await.unwrap();
        }
    };
    for partner in [false, true] {
        suspend(partner).await;
        let reset = json!({"token": token, "new_password": "another horse battery staple"});
        let registration = json!({
            "email": "new@example.com",
            "password": PASSWORD,
            "first_name": "N",
            "last_name": "N",
        });
        let answers = [
            at(&world, "acme").await,
            client.api("acme", "password/forgot", &json!({"email": GRACE})).await,
            client.api("acme", "password/reset", &reset).await,
            client.api("acme", "register", &registration).await,
            client.get(&format!("/api/v1/auth/tenants/acme/verify-email?token={token}")).await,
        ];
        for answer in answers {
            assert_eq!(answer.refused(403), "tenant_suspended", "partner: {partner}");
        }
        let page = client.get(&format!("/t/acme/reset-password?token={token}")).await;
        assert_eq!(page.status, 403);
        world.execute(sql("UPDATE partners SET status = 'active'")).await;
        world.execute(sql("UPDATE tenants SET status = 'active'")).await;
        assert_eq!(at(&world, "acme").await.data()["status"], "success");
    }
}

#[tokio::test]
async fn a_name_used_again_is_another_tenant() {
    let world = World::new().await;
    let first = world.acme().await;
    world.user(&first, GRACE).await;
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let registration = json!({
        "email": "new@example.com",
        "password": PASSWORD,
        "first_name": "N",
        "last_name": "N",
    });
    client.api("acme", "register", &registration).await.data();
    let mails = world.inbox(GRACE).await;
    let reset = token_in(mails.iter().find(|mail| mail.text.contains("token=")).unwrap());
    let verify = token_in(&world.inbox("new@example.com").await[0]);

    tenants::delete(&world.app, &operator(), &first.tenant.slug).await.unwrap();
    let second = world.acme().await;
    assert_ne!(first.tenant.id, second.tenant.id);
    assert_eq!(at(&world, "acme").await.refused(401), "invalid_credentials");
    let body = json!({"token": reset, "new_password": "another horse battery staple"});
    let answer = client.api("acme", "password/reset", &body).await;
    assert_eq!(answer.refused(400), "invalid_token");
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={verify}");
    assert_eq!(client.get(&path).await.refused(400), "invalid_token");
    let (id, secret) = client.session().unwrap();
    for cx in [&first, &second] {
        assert!(countersign::flows::session::find(cx, id, &secret).await.unwrap().is_none());
    }
    // The same address may have an account of its own here.
    let again = world.user(&second, GRACE).await;
    assert_eq!(at(&world, "acme").await.data()["user_id"], again.id.to_string());
}

#[tokio::test]
async fn a_token_of_one_tenant_is_none_in_another() {
    let world = World::new().await;
    let acme = world.acme().await;
    let other = world.tenant("other", r#"{"registration": {"enabled": true}}"#).await;
    world.user(&acme, GRACE).await;
    world.user(&other, GRACE).await;
    let mut client = world.client();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let token = token_in(&world.inbox(GRACE).await[0]);
    let body = json!({"token": token, "new_password": "another horse battery staple"});
    let foreign = client.api("other", "password/reset", &body).await;
    assert_eq!(foreign.refused(400), "invalid_token");
    let body_of_none = json!({"token": "x", "new_password": "another horse battery staple"});
    let unknown = client.api("other", "password/reset", &body_of_none).await;
    assert_eq!(foreign.masked(), unknown.masked());
    assert_eq!(client.api("nope", "password/reset", &body).await.refused(404), "tenant_not_found");
    client.api("acme", "password/reset", &body).await.data();
    let answer = client.login("other", GRACE, PASSWORD).await;
    assert_eq!(answer.data()["status"], "success", "the other account is as it was");
}

/// Writes the house partner's settings.
async fn partner_demands(world: &World, settings: &'static str) {
    world.execute(sql("UPDATE partners SET settings = $1").bind(settings)).await;
}

#[tokio::test]
async fn of_the_partners_and_the_tenants_settings_the_stricter_counts() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true}, "mfa": {"required": false},
        "session": {"idle_minutes": 600}, "password_policy": {"min_length": 8}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let registration = |password: &str| {
        json!({
            "email": "new@example.com",
            "password": password,
            "first_name": "N",
            "last_name": "N",
        })
    };
    let mut client = world.client();
    client.api("acme", "register", &registration("tenletters")).await.data();

    partner_demands(&world, r#"{"password_policy": {"min_length": 20}}"#).await;
    let answer = client.api("acme", "register", &registration("tenletters")).await;
    assert_eq!(answer.refused(400), "password_rejected");

    partner_demands(&world, r#"{"registration": {"enabled": false}}"#).await;
    let answer = client.api("acme", "register", &registration(PASSWORD)).await;
    assert_eq!(answer.refused(403), "registration_disabled");

    partner_demands(&world, r#"{"mfa": {"required": true}}"#).await;
    assert_eq!(at(&world, "acme").await.data()["status"], "mfa_required");
    partner_demands(&world, r#"{"mfa": {"required": true, "email_allowed": false}}"#).await;
    assert_eq!(at(&world, "acme").await.data()["status"], "mfa_enrollment_required");

    partner_demands(&world, r#"{"auth_api": {"require_client_token": true}}"#).await;
    assert_eq!(at(&world, "acme").await.refused(401), "invalid_client_token");

    partner_demands(&world, r#"{"session": {"idle_minutes": 1}}"#).await;
    assert_eq!(at(&world, "acme").await.data()["status"], "success");
    let idle = "SELECT idle_expires_at - created_at FROM sessions";
    assert_eq!(world.rows::<i64>(sql(idle)).await, [60_000_000]);
}

#[tokio::test]
async fn a_changed_setting_counts_on_every_node() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let second = world.second_node().await;
    for node in [&world, &second] {
        assert_eq!(at(node, "acme").await.data()["status"], "success");
    }
    for (settings, status) in
        [(r#"{"mfa": {"required": true}}"#, "mfa_required"), ("{}", "success")]
    {
        let change = tenants::Change {
            settings: Some(serde_json::from_str(settings).unwrap()),
            ..tenants::Change::default()
        };
        let slug = Slug::parse("acme").unwrap();
        tenants::update(&world.app, &operator(), &slug, change).await.unwrap();
        assert_eq!(at(&world, "acme").await.data()["status"], status, "where it was changed");
        world.until_it_counts_elsewhere();
        assert_eq!(at(&second, "acme").await.data()["status"], status, "on another node");
    }
}

#[tokio::test]
async fn looks_and_names_of_one_tenant_are_not_anothers() {
    let world = World::new().await;
    for (slug, name) in [("one", "First & Sons"), ("two", "Second Ltd")] {
        let cx = world.tenant(slug, "{}").await;
        world.user(&cx, GRACE).await;
        let branding = Branding { display_name: Some(name.to_owned()), ..Branding::default() };
        let change = tenants::Change { branding: Some(branding), ..tenants::Change::default() };
        tenants::update(&world.app, &operator(), &cx.tenant.slug, change).await.unwrap();
    }
    for (slug, own, other) in [("one", "First & Sons", "Second"), ("two", "Second Ltd", "First")] {
        let mut client = world.client();
        client.api(slug, "password/forgot", &json!({"email": GRACE})).await.data();
        let mail = world.inbox(GRACE).await.remove(0);
        assert!(mail.subject.contains(own) && !mail.text.contains(other), "{}", mail.text);
        assert!(mail.text.contains(&format!("/t/{slug}/")), "{}", mail.text);
        let page = client.get(&format!("/t/{slug}/reset-password?token=x")).await;
        assert!(!page.text.contains(other), "{}", page.text);
    }
}

#[tokio::test]
async fn a_name_is_given_once_and_is_free_after_its_tenants_end() {
    let world = World::new().await;
    let acme = world.acme().await;
    let slug = Slug::parse("ACME").unwrap();
    let again =
        tenants::create(&world.app, &operator(), slug.clone(), tenants::Change::default()).await;
    assert!(matches!(again, Err(countersign::error::Error::Taken(_))));
    tenants::delete(&world.app, &operator(), &acme.tenant.slug).await.unwrap();
    world.advance(Duration::from_millis(1));
    tenants::create(&world.app, &operator(), slug, tenants::Change::default()).await.unwrap();
}
