//! Requests: bodies against a schema, forms, and whole requests into the router.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRequest as _},
    http::{HeaderName, HeaderValue, Method, Request, header},
};
use countersign::{
    app::App,
    clock::{Clock, Timestamp},
    config::{DatabaseUrl, Mode, load},
    domain::tenant::Slug,
    entropy::Entropy,
    error::Error,
    flows::{Caller, tenants},
    http::{self, extract::Form, schema},
};
use serde::Deserialize;
use tower::ServiceExt as _;
use utoipa::ToSchema;

/// A body with a field of each form that our endpoints have.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "only that it can be read counts")]
pub struct Sample {
    #[schema(format = "email", max_length = 320)]
    email: String,
    #[serde(default)]
    #[schema(required = false, min_length = 2, max_length = 8)]
    name: Option<String>,
    #[serde(default)]
    #[schema(required = false, default = false)]
    remember: bool,
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 100)]
    count: Option<u32>,
    #[serde(default)]
    #[schema(required = false)]
    inner: Option<Inner>,
    #[serde(default)]
    #[schema(required = false)]
    list: Option<Vec<String>>,
}

/// A body within a body.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "only that it can be read counts")]
pub struct Inner {
    #[schema(format = "uuid")]
    id: String,
    #[serde(default)]
    #[schema(required = false, no_recursion)]
    inner: Option<Box<Inner>>,
}

/// What is refused is refused for what it is, not for a fault of ours.
fn is_said<T>(outcome: Result<T, Error>) {
    match outcome {
        Err(Error::Internal(fault)) => panic!("{fault:?}"),
        Err(Error::Invalid(faults)) => {
            assert!(!faults.is_empty() && faults.iter().all(|it| !it.message.is_empty()));
        }
        Ok(_) | Err(_) => {}
    }
}

pub fn json_body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match schema::parse_json(text) {
        Ok(value) => is_said(schema::read::<Sample>(schema::Part::Body, value)),
        Err(error) => is_said::<()>(Err(error)),
    }
}

pub fn form_body(data: &[u8]) {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(data.to_vec()))
        .expect("a request");
    let read = NODE.runtime.block_on(Form::<Sample>::from_request(request, &()));
    is_said(read.map(|Form(sample)| sample));
}

/// A server in a folder of its own, and what drives it.
struct Node {
    runtime: tokio::runtime::Runtime,
    router: Mutex<Router>,
    _folder: tempfile::TempDir,
}

static NODE: LazyLock<Node> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = load::load(&load::Sources::default()).expect("settings").config;
    config.mode = Mode::Development;
    folder.path().clone_into(&mut config.data_dir);
    config.limits.enabled = false;
    config.passwords.threads = 1;
    config.oauth.client_certificate_header = Some("x-certificate".to_owned());
    config.database.url = DatabaseUrl::Sqlite(folder.path().join("fuzz.db"));
    let router = runtime.block_on(async {
        let clock = Clock::fixed(Timestamp::from_micros(1_767_225_600_000_000));
        let app = App::open_with(config, clock, Entropy::seeded(1)).await.expect("a server");
        let settings = r#"{"oauth": {"registration": "open"}}"#;
        let change = tenants::Change {
            settings: Some(serde_json::from_str(settings).expect("settings")),
            ..tenants::Change::default()
        };
        let slug = Slug::parse("acme").expect("a slug");
        let operator = Caller::operator("req_fuzz".to_owned());
        tenants::create(&app, &operator, slug, change).await.expect("a tenant");
        http::router(Arc::clone(&app))
    });
    Node { runtime, router: Mutex::new(router), _folder: folder }
});

/// Where requests go: none of these hashes a password for anything that can be guessed here.
const PLACES: [(&str, &str); 16] = [
    ("GET", "/t/acme/login"),
    ("GET", "/t/acme/verify-email"),
    ("POST", "/t/acme/reset-password"),
    ("GET", "/t/acme/account"),
    ("GET", "/api/v1/auth/tenants/acme/oauth/authorize"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/token"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/par"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/introspect"),
    ("POST", "/api/v1/auth/tenants/acme/oauth/register"),
    ("GET", "/api/v1/auth/tenants/acme/oauth/userinfo"),
    ("GET", "/api/v1/auth/tenants/acme/oauth/logout"),
    ("POST", "/t/acme/device"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/auth/tenants/acme/verify-email"),
    ("POST", "/api/v1/auth/tenants/acme/mfa/verify"),
    ("POST", "/api/v1/platform/oauth/token"),
];

/// The first byte says where; then a line each for the query, and for the headers below; then the
/// body.
pub fn request(data: &[u8]) {
    let Some((place, rest)) = data.split_first() else { return };
    let (method, path) = PLACES[usize::from(*place) % PLACES.len()];
    let mut lines = rest.splitn(8, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let query = line().iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic);
    let query: String = query.filter(|it| *it != '#').collect();
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("a method"))
        .uri(format!("{path}?{query}"));
    let headers = [
        header::COOKIE,
        header::AUTHORIZATION,
        HeaderName::from_static("dpop"),
        header::ACCEPT_LANGUAGE,
        HeaderName::from_static("x-certificate"),
        header::CONTENT_TYPE,
    ];
    for name in headers {
        let value = line();
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_bytes(value)) {
            request = request.header(name, value);
        }
    }
    let Ok(mut request) = request.body(Body::from(line().to_vec())) else { return };
    let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 40_000));
    request.extensions_mut().insert(ConnectInfo(peer));
    let router = NODE.router.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let response = NODE.runtime.block_on(router.oneshot(request)).expect("an answer");
    assert!(!response.status().is_server_error(), "{} at {path}", response.status());
}
