//! What applications come for: tokens for themselves, refreshed ones, a look at one, the person
//! behind one, the keys. Through the router, beside what the machine could do: the bare signature,
//! and the emptiest request that the same router answers.

use std::{path::Path, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    app::App,
    clock::{Clock, Timestamp},
    crypto::{
        jose::SigningKey,
        opaque::{Token, s256},
    },
    domain::{
        application::{ApplicationType, Origin, Owner},
        email::Email,
        password::Password,
        tenant::Slug,
        token::SigningAlgorithm,
        user::Name,
    },
    entropy::Entropy,
    flows::{Caller, Cx, fresh_id, tenants, users},
    http,
    id::{ApplicationId, TenantId},
    store::{
        self,
        applications::{ApplicationRow, Secrets},
    },
};
use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::form_urlencoded;

use super::{OWN, PASSWORD, config, cpu};

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const BASE: &str = "/api/v1/auth/tenants/acme";
const CALLBACK: &str = "https://app.example.com/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0123456789";
const ROUNDS: u32 = 10_000;
const WRITES: u32 = 3_200;
/// Refreshes at once.
const LANES: u32 = 64;
/// What the application asks for where it wants to know who somebody is.
const PERSON: &str = "openid profile email";

/// A server of its own, and an application before it.
struct Stage {
    app: Arc<App>,
    router: Router,
    client_id: String,
    secret: String,
    cookies: String,
}

/// Measures all of it.
pub(super) async fn oauth(folder: &Path) {
    let app = App::open_with(config(folder), Clock::fixed(START), Entropy::Os).await.unwrap();
    let slug = Slug::parse("acme").unwrap();
    let caller = Caller::operator("bench".to_owned());
    tenants::create(&app, &caller, slug.clone(), tenants::Change::default()).await.unwrap();
    let tenant = tenants::by_slug(&app, &slug).await.unwrap().unwrap();
    let cx = Cx { app: Arc::clone(&app), tenant, caller: Arc::new(caller), now: START };
    let new = users::New {
        email: Email::parse("grace@example.com").unwrap(),
        first_name: Name::parse("Grace").unwrap(),
        last_name: Name::parse("Hopper").unwrap(),
        credential: Some(users::Credential::Password(Password::parse(PASSWORD).unwrap())),
        email_verified: true,
        must_change_password: false,
        locale: None,
    };
    users::create(&cx, new).await.unwrap();
    let (client_id, secret) = application(&app, cx.tenant.id).await;
    let router = http::router(Arc::clone(&app));
    let mut stage = Stage { app, router, client_id, secret, cookies: String::new() };
    stage.sign_in().await;
    stage.measure().await;
    stage.app.close().await;
}

pub(super) async fn application(app: &App, tenant: TenantId) -> (String, String) {
    let id: ApplicationId = fresh_id(&app.entropy, START).unwrap();
    let secret = Token::generate(&app.entropy).unwrap();
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "allowed_scopes": ["openid", "profile", "email", "files:read"],
    });
    let row = ApplicationRow {
        id,
        client_id: id.to_string(),
        owner: Owner::Tenant(tenant),
        kind: ApplicationType::Web,
        name: "Bench".to_owned(),
        is_active: true,
        origin: Origin::Operator,
        metadata: metadata.to_string(),
        secrets: Secrets { present: Some((*secret.digest().as_bytes(), START)), previous: None },
        registration_digest: None,
        read_at: None,
        created_at: START,
        updated_at: START,
    };
    let insert = store::applications::insert(&row);
    app.db.write(insert, |tx, insert| Box::pin(insert.clone().execute(tx))).await.unwrap();
    (id.to_string(), secret.expose().to_owned())
}

/// Signatures for each CPU-second, of a token like those that services get.
fn raw(algorithm: SigningAlgorithm) -> f64 {
    let (key, _) = SigningKey::generate(algorithm).unwrap();
    let claims = json!({
        "iss": "http://127.0.0.1:8080/tenants/tnt_01h455vb4pex5vsknk084sn02q",
        "aud": "app_01h455vb4pex5vsknk084sn02q", "sub": "app_01h455vb4pex5vsknk084sn02q",
        "client_id": "app_01h455vb4pex5vsknk084sn02q", "scope": "files:read",
        "iat": 1_767_225_600, "exp": 1_767_229_200, "jti": "01967d5f-0000-7000-8000-000000000000",
    });
    let rounds = if algorithm == SigningAlgorithm::Rs256 { 2_000 } else { 40_000 };
    let before = cpu(OWN);
    for _ in 0..rounds {
        key.sign("at+jwt", &claims).unwrap();
    }
    f64::from(rounds) / (cpu(OWN) - before)
}

impl Stage {
    async fn send(&self, request: Request<Body>) -> (StatusCode, String, Vec<String>) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let location = answer.headers().get(header::LOCATION);
        let location = location.map(|it| it.to_str().unwrap().to_owned());
        let cookies = answer.headers().get_all(header::SET_COOKIE).iter();
        let cookies =
            cookies.map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, location.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()), cookies)
    }

    async fn form(&self, endpoint: &str, pairs: &[(&str, &str)]) -> Value {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        form.append_pair("client_id", &self.client_id).append_pair("client_secret", &self.secret);
        let request = Request::post(format!("{BASE}/oauth/{endpoint}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))
            .unwrap();
        let (status, text, _) = self.send(request).await;
        assert_eq!(status, StatusCode::OK, "{endpoint}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn sign_in(&mut self) {
        let body = json!({"email": "grace@example.com", "password": PASSWORD}).to_string();
        let request = Request::post(format!("{BASE}/login"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let (status, text, cookies) = self.send(request).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        self.cookies = cookies.join("; ");
    }

    /// Tokens by a code: an authorization request, and its redemption.
    async fn by_code(&self, scope: &str) -> Value {
        let challenge = s256(VERIFIER);
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &self.client_id),
                ("redirect_uri", CALLBACK),
                ("scope", scope),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let request = Request::get(format!("{BASE}/oauth/authorize?{query}"))
            .header(header::COOKIE, &self.cookies)
            .body(Body::empty())
            .unwrap();
        let (_, location, _) = self.send(request).await;
        let url = url::Url::parse(&location).unwrap();
        let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.form("token", &pairs).await
    }

    async fn get(&self, path: &str, bearer: Option<&str>) {
        let mut request = Request::get(path);
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let (status, text, _) = self.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
    }

    async fn measure(&self) {
        let signatures = raw(SigningAlgorithm::Es256);
        println!("raw ES256 signature            {signatures:8.0} /CPU-s");
        println!("raw RS256 signature            {:8.0} /CPU-s", raw(SigningAlgorithm::Rs256));
        let floor = rate(ROUNDS, || self.get("/health/live", None)).await;
        println!("the emptiest request           {floor:8.0} /CPU-s");
        let limit = 1.0 / (1.0 / signatures + 1.0 / floor);
        let own = [("grant_type", "client_credentials")];
        let got = rate(ROUNDS, || async { drop(self.form("token", &own).await) }).await;
        let share = 100.0 * got / limit;
        println!("client_credentials, ES256      {got:8.0} /CPU-s  {share:3.0} % of both together");
        let jwks = format!("{BASE}/.well-known/jwks.json");
        println!(
            "JWKS                           {:8.0} /CPU-s",
            rate(ROUNDS, || self.get(&jwks, None)).await
        );
        let tokens = self.by_code(PERSON).await;
        let access = tokens["access_token"].as_str().unwrap();
        let userinfo = format!("{BASE}/oauth/userinfo");
        let got = rate(ROUNDS, || self.get(&userinfo, Some(access))).await;
        println!("userinfo                       {got:8.0} /CPU-s");
        let pairs = [("token", access)];
        let got = rate(ROUNDS, || async { drop(self.form("introspect", &pairs).await) }).await;
        println!("introspection                  {got:8.0} /CPU-s");
        let got = rate(WRITES, || async { drop(self.by_code(PERSON).await) }).await;
        println!("code and its redemption, RS256 {got:8.0} /CPU-s");
        for lanes in [1, LANES] {
            self.refresh(lanes).await;
        }
    }

    /// Refreshes, so many at once: those that wait together share a commit.
    async fn refresh(&self, lanes: u32) {
        let families = (0..lanes).map(|_| self.by_code("profile email"));
        let mut tokens: Vec<String> = join_all(families).await.iter().map(refresh_token).collect();
        let (before, watch) = (cpu(OWN), Instant::now());
        let rounds = WRITES / lanes;
        for _ in 0..rounds {
            let exchanges = tokens.iter().map(|token| async move {
                let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
                refresh_token(&self.form("token", &pairs).await)
            });
            tokens = join_all(exchanges).await;
        }
        let number = f64::from(rounds * lanes);
        println!(
            "refresh, ES256, {lanes:>2} at once     {:8.0} /CPU-s  {:.0}/s",
            number / (cpu(OWN) - before),
            number / watch.elapsed().as_secs_f64(),
        );
    }
}

fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

/// How often `work` is done for each second of processor time.
async fn rate<F: Future<Output = ()>>(rounds: u32, work: impl Fn() -> F) -> f64 {
    let before = cpu(OWN);
    for _ in 0..rounds {
        work().await;
    }
    f64::from(rounds) / (cpu(OWN) - before)
}
