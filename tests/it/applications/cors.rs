//! Which pages of other origins may read answers of the protocol endpoints: WEB-07.

use axum::http::{HeaderValue, Method, header};
use countersign::{
    domain::application::{ApplicationType, Owner},
    flows::applications::manage::{self, By, New},
};
use serde_json::json;

use crate::support::{Answer, Client, World, operator};

const TENANT: &str = "/api/v1/auth/tenants/acme/oauth";
const PLATFORM: &str = "/api/v1/platform/oauth";
const PAGE: &str = "https://app.x.test";

async fn page(world: &World, owner: Owner, origin: &str) -> String {
    let metadata = json!({ "allowed_origins": [origin] }).as_object().unwrap().clone();
    let new = New { owner, kind: ApplicationType::Spa, name: "Page".to_owned(), metadata };
    let made = manage::create(&world.app, By::operator(&operator()), new).await.unwrap();
    made.registered.application.client_id.clone()
}

fn from(client: &Client, origin: Option<&str>) -> Client {
    let mut client = client.clone();
    if let Some(origin) = origin {
        client.headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    client
}

async fn preflight(client: &Client, path: &str, origin: &str) -> Answer {
    let mut client = from(client, Some(origin));
    let method = HeaderValue::from_static("POST");
    client.headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, method);
    client.request(Method::OPTIONS, path, None, "").await
}

fn allowed(answer: &Answer) -> Option<&str> {
    let credentials = header::ACCESS_CONTROL_ALLOW_CREDENTIALS;
    assert!(!answer.headers.contains_key(credentials), "no cookie ever counts");
    let value = answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
    Some(value.to_str().unwrap())
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_read_what_programs_call() {
    let world = World::new().await;
    let cx = world.acme().await;
    page(&world, Owner::Tenant(cx.tenant.id), PAGE).await;
    let client = world.client();
    for endpoint in ["token", "par", "introspect", "revoke", "userinfo", "register", "register/x"] {
        let path = format!("{TENANT}/{endpoint}");
        let asked = preflight(&client, &path, PAGE).await;
        assert_eq!((asked.status.as_u16(), allowed(&asked)), (204, Some(PAGE)), "{endpoint}");
        let headers = &asked.headers[header::ACCESS_CONTROL_ALLOW_HEADERS];
        assert_eq!(headers, "Authorization, Content-Type, DPoP");
        assert_eq!(asked.headers[header::VARY], "Origin");
        // Refusals are to be read as well, whoever words them.
        let mut page = from(&client, Some(PAGE));
        let answer = match endpoint {
            "register/x" => page.get(&path).await,
            _ => page.post_form(&path, "grant_type=nothing").await,
        };
        assert!(answer.status.is_client_error(), "{endpoint}");
        assert_eq!(allowed(&answer), Some(PAGE), "{endpoint}: {}", answer.status);
        assert_eq!(answer.headers[header::VARY], "Origin", "{endpoint}");
        let exposed = &answer.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS];
        assert_eq!(exposed, "DPoP-Nonce, WWW-Authenticate");
    }
    let unnamed = client.clone().post_form(&format!("{TENANT}/token"), "").await;
    assert_eq!(
        (allowed(&unnamed), &unnamed.headers[header::VARY]),
        (None, &"Origin".parse().unwrap())
    );
}

#[tokio::test]
async fn web_07_an_origin_that_only_looks_like_a_named_one_reads_nothing() {
    let world = World::new().await;
    let cx = world.acme().await;
    page(&world, Owner::Tenant(cx.tenant.id), PAGE).await;
    let other = world.tenant("other", "{}").await;
    page(&world, Owner::Tenant(other.tenant.id), "https://other.test").await;
    page(&world, Owner::Platform, "https://platform.test").await;
    let client = world.client();
    let token = format!("{TENANT}/token");
    for origin in [
        "https://app.x.test.evil.test",
        "https://evilapp.x.test",
        "https://x.test",
        "http://app.x.test",
        "https://app.x.test:8443",
        "https://app.x.test:443",
        "https://APP.x.test",
        "https://app.x.test/",
        "https://other.test",
        "https://platform.test",
        "null",
        "*",
        "",
    ] {
        let asked = preflight(&client, &token, origin).await;
        assert_eq!(allowed(&asked), None, "{origin}");
        assert!(!asked.headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS), "{origin}");
        let answer = from(&client, Some(origin)).post_form(&token, "").await;
        assert_eq!(allowed(&answer), None, "{origin}");
    }
    let nowhere = token.replace("/acme/", "/nobody/");
    assert_eq!(allowed(&preflight(&client, &nowhere, PAGE).await), None);
}

#[tokio::test]
async fn each_realm_has_the_origins_of_its_applications() {
    let world = World::new().await;
    let cx = world.acme().await;
    let id = page(&world, Owner::Tenant(cx.tenant.id), PAGE).await;
    page(&world, Owner::Partner(cx.tenant.partner_id), "https://partner.test").await;
    page(&world, Owner::Platform, "https://platform.test").await;
    let client = world.client();
    let of = async |base: &str, origin: &str| {
        allowed(&preflight(&client, &format!("{base}/token"), origin).await).is_some()
    };
    assert!(of(TENANT, "https://partner.test").await);
    assert!(of(PLATFORM, "https://platform.test").await);
    assert!(!of(PLATFORM, PAGE).await && !of(PLATFORM, "https://partner.test").await);
    assert!(of(TENANT, PAGE).await);
    let caller = operator();
    let of_page = (Owner::Tenant(cx.tenant.id), id.as_str());
    manage::set_active(&world.app, By::operator(&caller), of_page, false).await.unwrap();
    assert!(!of(TENANT, PAGE).await, "it is out of use");
}

#[tokio::test]
async fn where_browsers_are_sent_no_page_reads_anything() {
    let world = World::new().await;
    let cx = world.acme().await;
    page(&world, Owner::Tenant(cx.tenant.id), PAGE).await;
    let client = world.client();
    for path in [
        format!("{TENANT}/authorize"),
        format!("{TENANT}/logout"),
        "/api/v1/auth/tenants/acme/login".to_owned(),
        "/t/acme/login".to_owned(),
    ] {
        assert_eq!(allowed(&preflight(&client, &path, PAGE).await), None, "{path}");
        let answer = from(&client, Some(PAGE)).get(&path).await;
        assert_eq!(allowed(&answer), None, "{path}");
    }
    // What is public is so for everybody.
    let base = "/api/v1/auth/tenants/acme/.well-known";
    for document in ["openid-configuration", "jwks.json", "oauth-authorization-server"] {
        let path = format!("{base}/{document}");
        let answer = from(&client, Some("https://anybody.test")).get(&path).await;
        assert_eq!(allowed(&answer), Some("*"), "{document}");
    }
}

#[tokio::test]
async fn the_platforms_endpoints_are_the_platforms() {
    let world = World::new().await;
    let answer = world.client().post_form(&format!("{PLATFORM}/token"), "grant_type=x").await;
    assert_eq!(answer.json()["error"], "unsupported_grant_type", "{}", answer.text);
}
