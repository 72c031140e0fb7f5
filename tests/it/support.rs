//! A world for a test: a server with a clock that stands still, seeded randomness, and a mailbox.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use countersign::{
    app::App,
    clock::{Clock, Timestamp},
    config::{Config, DatabaseUrl, Kernel, Mode, load},
    crypto::opaque::{Token, hex},
    db::{Engine, FromRow, Query, sql},
    domain::{
        email::Email,
        password::Password,
        tenant::Slug,
        user::{Name, User},
    },
    entropy::Entropy,
    flows::{Caller, Cx, outbox, remembered::TRUSTED, tenants, users},
    http,
    id::SessionId,
    mail::{Mailer, compose::Mail},
    secret::Secret,
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) mod applications;
#[expect(dead_code, reason = "what only the tests of the WebAuthn module use")]
#[path = "../../src/crypto/webauthn/tests/authenticator.rs"]
pub(crate) mod authenticator;
pub(crate) mod captcha;
pub(crate) mod factors;
pub(crate) mod forms;
pub(crate) mod postgres;

/// 2026-01-01 00:00:00 UTC.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// A password that every default policy takes.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A server for one test.
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    router: Router,
    // Dropped last, after whatever uses them.
    _database: Option<postgres::Database>,
    folder: Arc<tempfile::TempDir>,
}

impl World {
    /// A server with defaults, limits on load off.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose settings `change` has touched.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut config = load::load(&load::Sources::default()).unwrap().config;
        config.mode = Mode::Development;
        config.data_dir = folder.path().to_owned();
        config.limits.enabled = false;
        config.passwords.memory_kib = 256;
        config.passwords.passes = 1;
        config.passwords.kernel = Kernel::Portable;
        let database = postgres::Database::for_test().await;
        config.database.url = match &database {
            Some(database) => DatabaseUrl::Postgres(Secret::new(database.url.clone())),
            None => DatabaseUrl::Sqlite(folder.path().join("test.db")),
        };
        change(&mut config);
        Self::open(config, Clock::fixed(START), 1, database, folder).await
    }

    async fn open(
        config: Config,
        clock: Clock,
        seed: u64,
        database: Option<postgres::Database>,
        folder: Arc<tempfile::TempDir>,
    ) -> Self {
        let app = App::open_with(config, clock, Entropy::seeded(seed)).await.unwrap();
        let router = http::router(Arc::clone(&app));
        Self { app, router, _database: database, folder }
    }

    /// A second node on the same database, with the same clock and master key.
    pub(crate) async fn second_node(&self) -> Self {
        let config = self.app.config.clone();
        let clock = self.app.clock.clone();
        Self::open(config, clock, 2, None, Arc::clone(&self.folder)).await
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, span: Duration) {
        self.app.clock.advance(span);
    }

    /// Lets what was changed on one node count on the others.
    pub(crate) fn until_it_counts_elsewhere(&self) {
        self.advance(TRUSTED);
    }

    /// Makes a tenant with `settings` (JSON of a settings layer).
    pub(crate) async fn tenant(&self, slug: &str, settings: &str) -> Cx {
        let change = tenants::Change {
            settings: Some(serde_json::from_str(settings).unwrap()),
            ..tenants::Change::default()
        };
        let slug = Slug::parse(slug).unwrap();
        tenants::create(&self.app, &operator(), slug.clone(), change).await.unwrap();
        self.cx(slug.as_str()).await
    }

    /// A context of an operator in a tenant, as it stands now.
    pub(crate) async fn cx(&self, slug: &str) -> Cx {
        let slug = Slug::parse(slug).unwrap();
        Cx {
            app: Arc::clone(&self.app),
            tenant: tenants::by_slug(&self.app, &slug).await.unwrap().unwrap(),
            caller: Arc::new(operator()),
            now: self.app.clock.now(),
        }
    }

    /// The tenant `acme`, where people may register themselves.
    pub(crate) async fn acme(&self) -> Cx {
        self.tenant("acme", r#"{"registration": {"enabled": true}}"#).await
    }

    /// An account with a proved address and [`PASSWORD`].
    pub(crate) async fn user(&self, cx: &Cx, email: &str) -> User {
        let password = Password::parse(PASSWORD).unwrap();
        self.user_with(cx, email, Some(users::Credential::Password(password)), true).await
    }

    /// An account with whatever credential.
    pub(crate) async fn user_with(
        &self,
        cx: &Cx,
        email: &str,
        credential: Option<users::Credential>,
        email_verified: bool,
    ) -> User {
        let new = users::New {
            email: Email::parse(email).unwrap(),
            first_name: Name::parse("Grace").unwrap(),
            last_name: Name::parse("Hopper").unwrap(),
            credential,
            email_verified,
            must_change_password: false,
            locale: None,
        };
        users::create(cx, new).await.unwrap()
    }

    /// Sends what waits in the outbox.
    pub(crate) async fn deliver(&self) {
        while outbox::send_due(&self.app).await.unwrap() > 0 {}
    }

    /// Sends what waits, and returns the mails to an address, newest first.
    pub(crate) async fn inbox(&self, address: &str) -> Vec<Mail> {
        self.deliver().await;
        match &self.app.mailer {
            Mailer::Mailbox(mailbox) => mailbox.to(Some(address)),
            Mailer::Smtp(_) | Mailer::Held => panic!("this world has no mailbox"),
        }
    }

    /// A client at 192.0.2.1 without cookies.
    pub(crate) fn client(&self) -> Client {
        self.client_at("192.0.2.1")
    }

    /// A client at an address, without cookies.
    pub(crate) fn client_at(&self, address: &str) -> Client {
        Client {
            router: self.router.clone(),
            address: address.parse().unwrap(),
            agent: "test/1.0".to_owned(),
            headers: HeaderMap::new(),
            cookies: Vec::new(),
        }
    }
}

/// An operator's caller.
pub(crate) fn operator() -> Caller {
    Caller::operator("req_test".to_owned())
}

/// The token in a mail's link.
pub(crate) fn token_in(mail: &Mail) -> String {
    let start = mail.text.find("token=").expect("a link with a token") + "token=".len();
    mail.text[start..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect()
}

/// Something that sends requests and keeps cookies, like a browser.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    pub(crate) address: std::net::IpAddr,
    pub(crate) agent: String,
    pub(crate) headers: HeaderMap,
    pub(crate) cookies: Vec<(String, String)>,
}

impl Client {
    /// A request with everything in the caller's hands.
    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let peer = std::net::SocketAddr::new(self.address, 40_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.entry(name).or_insert(value.clone());
        }
        headers.entry(header::USER_AGENT).or_insert(self.agent.parse().unwrap());
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.entry(header::COOKIE).or_insert(pairs.join("; ").parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// A POST of JSON to an Authentication API endpoint of a tenant.
    pub(crate) async fn api(&mut self, tenant: &str, endpoint: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/auth/tenants/{tenant}/{endpoint}");
        self.post_json(&path, &body.to_string()).await
    }

    /// A POST of JSON text.
    pub(crate) async fn post_json(&mut self, path: &str, body: &str) -> Answer {
        self.request(Method::POST, path, Some("application/json"), body).await
    }

    /// A POST of a form.
    pub(crate) async fn post_form(&mut self, path: &str, body: &str) -> Answer {
        self.request(Method::POST, path, Some("application/x-www-form-urlencoded"), body).await
    }

    /// A GET.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.request(Method::GET, path, None, "").await
    }

    /// Any method, type and body.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    /// `data` of a success; the whole of one that comes without the envelope, as the portal's do.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        let mut body = self.json();
        body.get_mut("data").map(Value::take).unwrap_or(body)
    }

    /// The `code` of a refusal with `status`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The places of a 422's faults, as `body.email`.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        assert_eq!(self.status.as_u16(), 422, "{}", self.text);
        let faults = self.json()["detail"].as_array().unwrap().clone();
        let place = |fault: &Value| {
            let steps = fault["loc"].as_array().unwrap();
            let steps = steps.iter().map(|it| it.as_str().map_or(it.to_string(), str::to_owned));
            steps.collect::<Vec<_>>().join(".")
        };
        faults
            .iter()
            .map(|fault| (place(fault), fault["type"].as_str().unwrap().to_owned()))
            .collect()
    }
}

/// Runs all of it at the same time, each on a task of its own, and returns what came of each, in
/// order.
pub(crate) async fn together<T, F>(work: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for (place, one) in work.into_iter().enumerate() {
        tasks.spawn(async move { (place, one.await) });
    }
    let mut all = tasks.join_all().await;
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, value)| value).collect()
}

impl World {
    /// Runs a statement of the test's own; how many rows it touched. It counts on this node at
    /// once, whatever it changed.
    pub(crate) async fn execute(&self, query: Query) -> u64 {
        let touched = self.execute_unnoticed(query).await;
        self.app.remembered.forget_all();
        touched
    }

    /// Runs a statement of the test's own that no node is told of.
    pub(crate) async fn execute_unnoticed(&self, query: Query) -> u64 {
        self.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await.unwrap()
    }

    /// The rows of a statement of the test's own.
    pub(crate) async fn rows<T: FromRow + 'static>(&self, query: Query) -> Vec<T> {
        self.app.db.read(query, |tx, query| Box::pin(query.clone().all(tx))).await.unwrap()
    }

    /// How many rows `SELECT COUNT(*) FROM …` counts.
    pub(crate) async fn count(&self, text: &'static str) -> i64 {
        self.rows::<i64>(sql(text)).await[0]
    }

    /// The audit trail of a tenant, newest first: action, result and detail.
    pub(crate) async fn trail(&self, cx: &Cx) -> Vec<(String, String, String)> {
        let rows = countersign::flows::audit::newest(&self.app, cx.tenant.id, 10_000).await;
        rows.unwrap().into_iter().map(|row| (row.action, row.result, row.detail)).collect()
    }

    /// How many rows of a tenant's audit trail tell of `action` with `result`.
    pub(crate) async fn recorded(&self, cx: &Cx, action: &str, result: &str) -> usize {
        let trail = self.trail(cx).await;
        trail.iter().filter(|row| row.0 == action && row.1 == result).count()
    }

    /// The stored password hash of a user.
    pub(crate) async fn stored_hash(&self, user: &User) -> String {
        let text = "SELECT hash FROM passwords WHERE tenant_id = $1 AND user_id = $2";
        self.rows::<String>(sql(text).bind(user.tenant).bind(user.id)).await.remove(0)
    }
}

impl Client {
    /// Signs in by the API.
    pub(crate) async fn login(&mut self, tenant: &str, email: &str, password: &str) -> Answer {
        self.api(tenant, "login", &serde_json::json!({"email": email, "password": password})).await
    }

    /// The session's handle and secret, as its cookie has them.
    pub(crate) fn session(&self) -> Option<(SessionId, Token)> {
        let (_, value) = self.cookies.iter().find(|(name, _)| name.contains("cs_session_"))?;
        let (id, secret) = value.split_once('.')?;
        Some((id.parse().unwrap(), Token::parse(secret).unwrap()))
    }

    /// The same client at another address.
    pub(crate) fn moved_to(&self, address: &str) -> Self {
        Self { address: address.parse().unwrap(), ..self.clone() }
    }
}

impl Answer {
    /// What a caller can tell answers apart by: everything but the request's own id and the time.
    pub(crate) fn masked(&self) -> (u16, Vec<(String, String)>, Value) {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        let mut body = self.json();
        if let Some(body) = body.as_object_mut() {
            body.remove("meta");
        }
        (self.status.as_u16(), headers, body)
    }

    /// The seconds of `Retry-After`.
    #[track_caller]
    pub(crate) fn retry_after(&self) -> u64 {
        self.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap()
    }

    /// The `Set-Cookie` header whose cookie's name contains `kind`.
    pub(crate) fn set_cookie(&self, kind: &str) -> Option<String> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .find(|value| value.split('=').next().unwrap().contains(kind))
    }
}

impl World {
    /// Every table, a row on a line, each value as text, bytes in hexadecimal.
    pub(crate) async fn dump(&self) -> String {
        let tables = match self.app.db.engine() {
            Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
            Engine::Postgres => {
                "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public' \
                 ORDER BY tablename"
            }
        };
        let mut text = String::new();
        let names: Vec<String> = self.rows(sql(tables)).await;
        assert!(names.len() > 12, "{names:?}");
        for table in names {
            let mut rows = match &self.app.config.database.url {
                DatabaseUrl::Sqlite(path) => sqlite_rows(path, &table),
                DatabaseUrl::Postgres(_) => {
                    let all = format!("SELECT CAST(t AS TEXT) FROM {table} t").leak();
                    self.rows::<String>(sql(all)).await
                }
            };
            rows.sort();
            let lines = rows.into_iter().map(|row| format!("{table} {row}\n"));
            text.extend(lines);
        }
        text
    }
}

fn sqlite_rows(path: &std::path::Path, table: &str) -> Vec<String> {
    use rusqlite::types::ValueRef;
    let db = rusqlite::Connection::open(path).unwrap();
    let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let value = |place| match row.get_ref(place).unwrap() {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Blob(bytes) => hex(bytes),
            other => format!("{other:?}"),
        };
        all.push((0..columns).map(value).collect::<Vec<_>>().join(" "));
    }
    all
}
