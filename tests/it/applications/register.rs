//! Applications that register themselves and look after themselves (RFC 7591, RFC 7592): OAU-16.

use std::time::Duration;

use axum::http::{HeaderValue, Method, header};
use countersign::{
    domain::{
        application::{Origin, Owner},
        limits::Limit,
    },
    flows::{
        Cx,
        applications::{
            manage::{self, By},
            tokens,
        },
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{Answer, Client, World, operator, together};

const AT: &str = "/api/v1/auth/tenants/acme/oauth/register";
const OPEN: &str = r#"{"oauth": {"registration": "open", "registration_scopes": ["files:read"]}}"#;

fn with_token(client: &Client, token: Option<&str>) -> Client {
    let mut client = client.clone();
    client.headers.remove(header::AUTHORIZATION);
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        client.headers.insert(header::AUTHORIZATION, value);
    }
    client
}

async fn asks(client: &Client, token: Option<&str>, document: &Value) -> Answer {
    with_token(client, token).post_json(AT, &document.to_string()).await
}

fn simple() -> Value {
    json!({"client_name": "Notes", "redirect_uris": ["https://notes.test/cb"]})
}

#[track_caller]
fn error(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    answer.json()["error"].as_str().unwrap().to_owned()
}

#[track_caller]
fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// A request to the place where an application manages itself.
async fn at(client: &Client, method: Method, told: &Value, body: &str) -> Answer {
    let uri = text(told, "registration_client_uri");
    let path = url::Url::parse(&uri).unwrap().path().to_owned();
    let token = text(told, "registration_access_token");
    with_token(client, Some(&token)).request(method, &path, Some("application/json"), body).await
}

async fn token(cx: &Cx, uses: i64, days: u64) -> String {
    let new = tokens::New { label: "Test".to_owned(), uses, days };
    tokens::create(cx, new).await.unwrap().1.expose().to_owned()
}

#[tokio::test]
async fn nobody_registers_where_nobody_said_so() {
    let world = World::new().await;
    let cx = world.acme().await;
    let token = token(&cx, 1, 1).await;
    let client = world.client();
    for token in [None, Some(token.as_str())] {
        assert_eq!(asks(&client, token, &simple()).await.status, 404);
    }
    let platform = "/api/v1/platform/oauth/register";
    assert_eq!(client.clone().post_json(platform, &simple().to_string()).await.status, 404);
    assert_eq!(world.count("SELECT COUNT(*) FROM applications").await, 0);
}

#[tokio::test]
async fn what_is_registered_is_told_as_it_was_taken() {
    let world = World::new().await;
    let cx = world.tenant("acme", OPEN).await;
    let client = world.client();
    let answer = asks(
        &client,
        None,
        &json!({
            "client_name": "Notes",
            "redirect_uris": ["https://notes.test/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid files:read admin:write",
            "token_endpoint_auth_method": "client_secret_post",
            "logo_uri": "https://notes.test/logo.png",
            "contacts": ["admin@notes.test"],
            "first_party": true,
        }),
    )
    .await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let told = answer.json();
    for (field, value) in [
        ("client_name", json!("Notes")),
        ("application_type", json!("web")),
        ("redirect_uris", json!(["https://notes.test/cb"])),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("response_types", json!(["code"])),
        ("scope", json!("openid files:read")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("logo_uri", json!("https://notes.test/logo.png")),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", json!(1_767_225_600)),
    ] {
        assert_eq!(told[field], value, "{field}");
    }
    assert!(told.get("first_party").is_none());
    let id = text(&told, "client_id");
    let uri = format!("{}{AT}/{id}", world.app.config.public_url.as_str().trim_end_matches('/'));
    assert_eq!(text(&told, "registration_client_uri"), uri);
    let dump = world.dump().await;
    for secret in ["client_secret", "registration_access_token"] {
        assert!(!dump.contains(&text(&told, secret)), "{secret}");
    }
    let kept = manage::show(&world.app, Owner::Tenant(cx.tenant.id), &id).await.unwrap();
    assert_eq!(kept.application.origin, Origin::Registration);
    assert!(!kept.application.skips_consent(), "people are asked");
    assert_eq!(world.recorded(&cx, "application.created", "success").await, 1);
}

#[tokio::test]
async fn refusals_have_the_protocols_form_and_leave_nothing() {
    let world = World::new().await;
    world.tenant("acme", OPEN).await;
    let client = world.client();
    for (document, code) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["https://*.x.test"]}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": ["https://a.test/"], "grant_types": ["password"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": ["https://a.test/"], "software_statement": "x"}),
            "invalid_client_metadata",
        ),
        (json!([1]), "invalid_client_metadata"),
    ] {
        let answer = asks(&client, None, &document).await;
        assert_eq!(error(&answer, 400), code, "{document}");
        assert!(answer.json()["error_description"].as_str().unwrap().is_ascii());
        assert!(!answer.text.contains("javascript:alert"), "{}", answer.text);
    }
    let junk = client.clone().post_json(AT, "{").await;
    assert_eq!(error(&junk, 400), "invalid_client_metadata");
    assert_eq!(world.count("SELECT COUNT(*) FROM applications").await, 0);
}

#[tokio::test]
async fn a_token_registers_as_many_as_it_says_in_its_time_in_its_tenant() {
    let world = World::new().await;
    let settings = r#"{"oauth": {"registration": "token"}}"#;
    let cx = world.tenant("acme", settings).await;
    let other = world.tenant("other", settings).await;
    let client = world.client();
    let missing = asks(&client, None, &simple()).await;
    assert_eq!(error(&missing, 401), "invalid_token");
    assert_eq!(missing.headers[header::WWW_AUTHENTICATE], "Bearer");
    let foreign = token(&other, 1, 1).await;
    let junk = "a".repeat(43);
    for bad in [foreign.as_str(), junk.as_str(), "", "x"] {
        let answer = asks(&client, Some(bad), &simple()).await;
        assert_eq!(error(&answer, 401), "invalid_token", "{bad}");
    }
    let good = token(&cx, 5, 1).await;
    // What is refused costs nothing.
    let refused = asks(&client, Some(&good), &json!({})).await;
    assert_eq!(error(&refused, 400), "invalid_redirect_uri");
    let tries = (0..20).map(|_| {
        let (client, good) = (client.clone(), good.clone());
        async move { asks(&client, Some(&good), &simple()).await.status.as_u16() }
    });
    let all = together(tries).await;
    assert_eq!(all.iter().filter(|status| **status == 201).count(), 5, "{all:?}");
    assert_eq!(all.iter().filter(|status| **status == 401).count(), 15, "{all:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM applications").await, 5);

    let late = token(&cx, 1, 1).await;
    world.advance(Duration::from_hours(24));
    assert_eq!(error(&asks(&client, Some(&late), &simple()).await, 401), "invalid_token");
    let cx = world.cx("acme").await;
    let gone = token(&cx, 1, 1).await;
    let newest = tokens::list(&cx).await.unwrap().pop().unwrap();
    tokens::revoke(&cx, newest.id).await.unwrap();
    assert!(tokens::revoke(&cx, newest.id).await.is_err());
    assert_eq!(error(&asks(&client, Some(&gone), &simple()).await, 401), "invalid_token");
    assert!(!world.dump().await.contains(&gone));
}

#[tokio::test]
async fn an_application_reads_replaces_and_removes_itself() {
    let world = World::new().await;
    let cx = world.tenant("acme", OPEN).await;
    let client = world.client();
    let told = asks(&client, None, &simple()).await.json();
    let id = text(&told, "client_id");
    let read = at(&client, Method::GET, &told, "").await;
    assert_eq!((read.status.as_u16(), &read.json()["client_name"]), (200, &json!("Notes")));
    assert!(read.json().get("client_secret").is_none(), "it is told once");

    let mut next = json!({
        "client_id": id, "client_secret": told["client_secret"], "client_name": "Notes 2",
        "redirect_uris": ["https://notes.test/cb2"], "contacts": ["a@notes.test"],
    });
    let changed = at(&client, Method::PUT, &told, &next.to_string()).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json()["redirect_uris"], json!(["https://notes.test/cb2"]));
    assert!(changed.json().get("client_secret").is_none(), "the old one is good still");
    let bare = json!({"client_id": id, "redirect_uris": ["https://notes.test/cb2"]});
    let changed = at(&client, Method::PUT, &told, &bare.to_string()).await;
    assert!(changed.json().get("contacts").is_none(), "what is left out is gone");
    for (field, value) in [
        ("client_id", json!("app_other")),
        ("client_secret", json!("x")),
        ("registration_client_uri", json!("https://evil.test")),
        ("redirect_uris", json!(["https://notes.test/#f"])),
    ] {
        let before = next[field].clone();
        next[field] = value;
        let refused = at(&client, Method::PUT, &told, &next.to_string()).await;
        assert_eq!(refused.status, 400, "{field}");
        next[field] = before;
        if next[field].is_null() {
            next.as_object_mut().unwrap().remove(field);
        }
    }
    let public = json!({
        "client_id": id, "redirect_uris": ["https://notes.test/cb"],
        "token_endpoint_auth_method": "none",
    });
    let changed = at(&client, Method::PUT, &told, &public.to_string()).await.json();
    assert!(changed.get("client_secret_expires_at").is_none());
    let again = at(&client, Method::PUT, &told, &bare.to_string()).await.json();
    assert_ne!(again["client_secret"], told["client_secret"], "a new secret for a new beginning");
    assert_eq!(text(&again, "client_secret").len(), 43);

    assert_eq!(at(&client, Method::DELETE, &told, "").await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(error(&at(&client, method, &told, "").await, 401), "invalid_token");
    }
    assert_eq!(world.recorded(&cx, "application.deleted", "success").await, 1);
}

#[tokio::test]
async fn oau_16_a_registration_token_is_for_one_application_and_does_not_revive_it() {
    let world = World::new().await;
    let cx = world.tenant("acme", OPEN).await;
    world.tenant("other", OPEN).await;
    let client = world.client();
    let mine = asks(&client, None, &simple()).await.json();
    let theirs = asks(&client, None, &simple()).await.json();
    let mut mixed = theirs.clone();
    mixed["registration_access_token"] = mine["registration_access_token"].clone();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = at(&client, method, &mixed, &simple().to_string()).await;
        assert_eq!(error(&answer, 401), "invalid_token");
    }
    let mut elsewhere = mine.clone();
    let uri = text(&mine, "registration_client_uri").replace("/acme/", "/other/");
    elsewhere["registration_client_uri"] = json!(uri);
    assert_eq!(error(&at(&client, Method::GET, &elsewhere, "").await, 401), "invalid_token");
    // Nor does it let itself into use again.
    let id = text(&mine, "client_id");
    let of = (Owner::Tenant(cx.tenant.id), id.as_str());
    let caller = operator();
    manage::set_active(&world.app, By::operator(&caller), of, false).await.unwrap();
    let document = json!({"client_id": id, "redirect_uris": ["https://notes.test/cb"]});
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = at(&client, method, &mine, &document.to_string()).await;
        assert_eq!(error(&answer, 401), "invalid_token");
    }
    assert!(!manage::show(&world.app, of.0, &id).await.unwrap().application.is_active);
    // An operator's application has no such token at all.
    let two = asks(&client, None, &simple()).await;
    assert_eq!(two.status, 201, "the same name is no obstacle");
}

#[tokio::test]
async fn open_registration_has_its_limits() {
    let world = World::new().await;
    let cx = world.tenant("acme", OPEN).await;
    let client = world.client();
    for _ in 0..Limit::SelfRegistrations.policy().amount {
        assert_eq!(asks(&client, None, &json!({})).await.status, 400);
    }
    let throttled = asks(&client, None, &simple()).await;
    assert_eq!(error(&throttled, 429), "temporarily_unavailable");
    assert_eq!(throttled.retry_after(), 3600);
    assert_eq!(asks(&world.client_at("192.0.2.77"), None, &simple()).await.status, 201);
    let token = token(&cx, 1, 1).await;
    assert_eq!(asks(&client, Some(&token), &simple()).await.status, 201, "a token is no guess");
    world.advance(Duration::from_hours(1));
    assert_eq!(asks(&client, None, &simple()).await.status, 201);

    let many = "INSERT INTO applications (id, client_id, owner, owner_tenant, application_type, name, \
                status, origin, metadata, created_at, updated_at) \
                SELECT a.id || x.value, a.id || x.value, owner, owner_tenant, application_type, name, \
                status, origin, metadata, created_at, updated_at FROM applications a, \
                (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE \
                value < 1000) SELECT value FROM n) x WHERE a.id = (SELECT MIN(id) FROM applications)";
    world.execute(countersign::db::sql(many)).await;
    assert_eq!(error(&asks(&client, None, &simple()).await, 400), "access_denied");
}

/// A server on this machine that answers each request with `body`.
#[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
async fn serving(body: &str) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/sector.json", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let task = tokio::task::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_sector_has_to_name_its_addresses() {
    let world = World::new().await;
    world.tenant("acme", OPEN).await;
    let client = world.client();
    let (list, task) = serving(r#"["https://a.test/cb", "https://b.test/cb"]"#).await;
    let of = |redirects: Value, sector: &str| {
        json!({
            "redirect_uris": redirects, "subject_type": "pairwise", "sector_identifier_uri": sector,
        })
    };
    let both = json!(["https://a.test/cb", "https://b.test/cb"]);
    let good = asks(&client, None, &of(both.clone(), &list)).await;
    assert_eq!((good.status.as_u16(), &good.json()["subject_type"]), (201, &json!("pairwise")));
    let more = json!(["https://a.test/cb", "https://c.test/cb"]);
    for (redirects, sector) in [
        (more, list.as_str()),
        (both.clone(), "https://169.254.169.254/latest"),
        (both.clone(), "http://127.0.0.1:1/"),
    ] {
        let answer = asks(&client, None, &of(redirects, sector)).await;
        assert_eq!(error(&answer, 400), "invalid_client_metadata", "{sector}");
    }
    task.abort();
}

#[tokio::test]
async fn discovery_names_the_endpoint_where_it_takes_anybody() {
    let world = World::new().await;
    world.tenant("acme", OPEN).await;
    world.tenant("closed", "{}").await;
    let of = async |slug: &str| {
        let path = format!("/api/v1/auth/tenants/{slug}/.well-known/openid-configuration");
        world.client().get(&path).await.json()["registration_endpoint"].clone()
    };
    assert!(of("acme").await.as_str().unwrap().ends_with(AT));
    assert!(of("closed").await.is_null());
}
