//! A server in a folder of its own, with applications and somebody who is signed in: what requests
//! are sent to.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Request, Response, header},
};
use countersign::{
    app::App,
    clock::{Clock, Timestamp},
    config::{Config, DatabaseUrl, Mode, load},
    crypto::opaque::Token,
    domain::{
        application::{ApplicationType, Owner},
        email::Email,
        password::Password,
        tenant::Slug,
        user::Name,
    },
    entropy::Entropy,
    flows::{
        Caller, Cx,
        applications::manage::{self, By, New},
        tenants, users,
    },
    http,
};
use serde_json::Value;
use tower::ServiceExt as _;

/// The server, and what drives it.
pub struct Node {
    /// For what else waits.
    pub runtime: tokio::runtime::Runtime,
    router: Mutex<Router>,
    /// What inputs call by a name, since they cannot know it, and what it is.
    names: Vec<(&'static str, String)>,
    _folder: tempfile::TempDir,
}

/// Where requests come from: a proxy that is believed.
pub const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);

/// The server.
pub static NODE: LazyLock<Node> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (router, names) = runtime.block_on(async {
        let clock = Clock::fixed(Timestamp::from_micros(1_767_225_600_000_000));
        let config = config(folder.path());
        let app = App::open_with(config, clock, Entropy::seeded(1)).await.expect("a server");
        let cx = tenant(&app).await;
        let router = http::router(Arc::clone(&app));
        let mut names = applications(&cx).await;
        names.extend(person(&cx, router.clone()).await);
        names.push(("{origin}", app.config.public_url.origin().ascii_serialization()));
        (router, names)
    });
    Node { runtime, router: Mutex::new(router), names, _folder: folder }
});

impl Node {
    /// What it answers.
    pub fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(ConnectInfo(PEER));
        let router = self.router.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.runtime.block_on(router.oneshot(request)).expect("an answer")
    }

    /// A line of an input with the names in it replaced.
    pub fn named(&self, line: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(line) else { return line.to_vec() };
        let replaced =
            self.names.iter().fold(text.to_owned(), |text, (name, it)| text.replace(name, it));
        replaced.into_bytes()
    }
}

fn config(folder: &std::path::Path) -> Config {
    let mut config = load::load(&load::Sources::default()).expect("settings").config;
    config.mode = Mode::Development;
    folder.clone_into(&mut config.data_dir);
    config.limits.enabled = false;
    config.passwords.threads = 1;
    config.oauth.client_certificate_header = Some("x-certificate".to_owned());
    config.trusted_proxies = vec![PEER.ip().into()];
    config.database.url = DatabaseUrl::Sqlite(folder.join("fuzz.db"));
    config
}

async fn tenant(app: &Arc<App>) -> Cx {
    let settings = r#"{"oauth": {"registration": "open"}}"#;
    let change = tenants::Change {
        settings: Some(serde_json::from_str(settings).expect("settings")),
        ..tenants::Change::default()
    };
    let slug = Slug::parse("acme").expect("a slug");
    let operator = Caller::operator("req_fuzz".to_owned());
    tenants::create(app, &operator, slug.clone(), change).await.expect("a tenant");
    let tenant = tenants::by_slug(app, &slug).await.expect("no fault").expect("the tenant");
    Cx { app: Arc::clone(app), tenant, caller: Arc::new(operator), now: app.clock.now() }
}

/// An application for people and one that acts for itself, and what inputs call them by.
async fn applications(cx: &Cx) -> Vec<(&'static str, String)> {
    let made = async |kind, metadata| {
        let metadata = serde_json::from_str(metadata).expect("JSON");
        let owner = Owner::Tenant(cx.tenant.id);
        let new = New { owner, kind, name: "App".to_owned(), metadata };
        manage::create(&cx.app, By::operator(&cx.caller), new).await.expect("an application")
    };
    let people = made(
        ApplicationType::Native,
        r#"{"redirect_uris": ["https://app.example.com/cb"], "grant_types":
            ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]}"#,
    );
    let people = people.await;
    let itself = made(
        ApplicationType::Service,
        r#"{"token_endpoint_auth_method": "client_secret_post", "allowed_scopes": ["invoices"]}"#,
    );
    let itself = itself.await;
    let secret = itself.secret.as_ref().map(Token::expose).expect("a secret");
    vec![
        ("{app}", people.registered.application.client_id.clone()),
        ("{service}", itself.registered.application.client_id.clone()),
        ("{secret}", secret.to_owned()),
    ]
}

/// The address and password of somebody, as they are sent.
const GRACE: &str = r#"{"email": "grace@example.com", "password": "correct horse battery staple"}"#;

/// Somebody who has signed in, with the cookies of a session and an access token of another.
async fn person(cx: &Cx, router: Router) -> Vec<(&'static str, String)> {
    let name = Name::parse("Grace").expect("a name");
    let password = Password::parse("correct horse battery staple").expect("a password");
    let new = users::New {
        email: Email::parse("grace@example.com").expect("an address"),
        first_name: name.clone(),
        last_name: name,
        credential: Some(users::Credential::Password(password)),
        email_verified: true,
        must_change_password: false,
        locale: None,
    };
    users::create(cx, new).await.expect("an account");
    let sign_in = async |path| {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .extension(ConnectInfo(PEER))
            .body(Body::from(GRACE))
            .expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer
    };
    let answer = sign_in("/api/v1/auth/tenants/acme/login").await;
    let cookies = answer.headers().get_all(header::SET_COOKIE).iter();
    let pairs = cookies.filter_map(|it| it.to_str().ok()?.split(';').next());
    let session = pairs.collect::<Vec<_>>().join("; ");
    let answer = sign_in("/api/v1/auth/login").await;
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let token = body["access_token"].as_str().expect("a token").to_owned();
    vec![("{session}", session), ("{token}", token)]
}
