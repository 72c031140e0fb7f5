//! Sign-in with a second factor, with a trusted device, with a passkey alone, and what keeps a
//! portal signed in: through the router, with everything each writes.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use countersign::{
    app::App,
    clock::{Clock, Timestamp},
    domain::{email::Email, password::Password, tenant::Slug, user::Name},
    entropy::Entropy,
    flows::{Caller, Cx, tenants, users},
    http,
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{OWN, PASSWORD, beside_raw, config, cpu, share};

#[expect(dead_code, reason = "its tests change more of an answer than a bench does")]
#[path = "../src/crypto/webauthn/tests/authenticator.rs"]
mod authenticator;

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const ORIGIN: &str = "http://localhost:8080";
const API: &str = "/api/v1/auth/tenants/acme";
const SETTINGS: &str = r#"{"mfa": {"required": true, "methods": ["totp", "webauthn", "backup_code"]},
    "session": {"idle_minutes": 525600, "absolute_minutes": 525600}}"#;
const ROUNDS: u32 = 150;
const CHEAP_ROUNDS: u32 = 3000;

/// A server of its own, and a person before it.
struct Stage {
    app: Arc<App>,
    router: Router,
}

/// Measures all of it.
pub(super) async fn factors(folder: &Path) {
    let config = config(folder);
    let app = App::open_with(config, Clock::fixed(START), Entropy::Os).await.unwrap();
    let slug = Slug::parse("acme").unwrap();
    let change = tenants::Change {
        settings: Some(serde_json::from_str(SETTINGS).unwrap()),
        ..tenants::Change::default()
    };
    let caller = Caller::operator("bench".to_owned());
    tenants::create(&app, &caller, slug.clone(), change).await.unwrap();
    let router = http::router(Arc::clone(&app));
    let stage = Stage { app: Arc::clone(&app), router };
    for name in ["app", "key", "portal"] {
        stage.account(name, &slug, caller.clone()).await;
    }
    stage.totp().await;
    stage.passkey().await;
    stage.refresh().await;
    app.close().await;
}

impl Stage {
    async fn account(&self, name: &str, slug: &Slug, caller: Caller) {
        let cx = Cx {
            app: Arc::clone(&self.app),
            tenant: tenants::by_slug(&self.app, slug).await.unwrap().unwrap(),
            caller: Arc::new(caller),
            now: self.app.clock.now(),
        };
        let new = users::New {
            email: Email::parse(&format!("{name}@example.com")).unwrap(),
            first_name: Name::parse("Grace").unwrap(),
            last_name: Name::parse("Hopper").unwrap(),
            credential: Some(users::Credential::Password(Password::parse(PASSWORD).unwrap())),
            email_verified: true,
            must_change_password: false,
            locale: None,
        };
        users::create(&cx, new).await.unwrap();
    }

    async fn post(&self, path: &str, step: Option<&str>, body: &Value) -> Value {
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "bench/1.0");
        if let Some(step) = step {
            request = request.header("x-mfa-token", step).header("x-tenant", "acme");
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&text));
        let body = serde_json::from_slice::<Value>(&text).unwrap();
        // The portal's answers come without the envelope.
        body.get("data").cloned().unwrap_or(body)
    }

    async fn login(&self, name: &str, trusted: Option<&str>) -> Value {
        let body = json!({
            "email": format!("{name}@example.com"), "password": PASSWORD,
            "trusted_device_token": trusted,
        });
        self.post(&format!("{API}/login"), None, &body).await
    }

    /// Enrols an app in the step of a first sign-in; its generator.
    async fn enrol_app(&self, name: &str) -> totp_rs::Totp {
        let step = self.login(name, None).await;
        let step = step["mfa_token"].as_str().unwrap();
        let offer = self.post("/api/v1/me/mfa/totp/setup", Some(step), &json!({})).await;
        let app = totp_rs::Totp::from_url(offer["otpauth_uri"].as_str().unwrap()).unwrap();
        let body = json!({ "code": self.code(&app) });
        self.post("/api/v1/me/mfa/totp/confirm", Some(step), &body).await;
        app
    }

    /// The code of the next step: no step is taken twice.
    fn code(&self, app: &totp_rs::Totp) -> String {
        self.app.clock.advance(Duration::from_secs(60));
        app.generate(self.app.clock.now().millis() / 1000).to_string()
    }

    async fn with_app(&self, app: &totp_rs::Totp, trust: bool) -> Value {
        let step = self.login("app", None).await;
        let body = json!({
            "mfa_token": step["mfa_token"], "user_id": step["user_id"], "method": "totp",
            "code": self.code(app), "trust_device": trust,
        });
        let answer = self.post(&format!("{API}/mfa/verify"), None, &body).await;
        assert_eq!(answer["status"], "success");
        answer
    }

    async fn totp(&self) {
        let app = self.enrol_app("app").await;
        let work = async {
            let before = cpu(OWN);
            for _ in 0..ROUNDS {
                self.with_app(&app, false).await;
            }
            f64::from(ROUNDS) / (cpu(OWN) - before)
        };
        let (rate, raw) = beside_raw(work).await;
        println!("password and TOTP              {rate:8.1} sign-ins/CPU-s {}", share(rate, raw));
        let answer = self.with_app(&app, true).await;
        let token = answer["trusted_device_token"].as_str().unwrap();
        let work = async {
            let before = cpu(OWN);
            for _ in 0..ROUNDS {
                assert_eq!(self.login("app", Some(token)).await["status"], "success");
            }
            f64::from(ROUNDS) / (cpu(OWN) - before)
        };
        let (rate, raw) = beside_raw(work).await;
        println!("password on a trusted device   {rate:8.1} sign-ins/CPU-s {}", share(rate, raw));
    }

    async fn passkey(&self) {
        let step = self.login("key", None).await;
        let step = step["mfa_token"].as_str();
        let mut key = authenticator::Authenticator::new();
        let path = "/api/v1/me/mfa/webauthn/register";
        let begun = self.post(&format!("{path}/begin"), step, &json!({})).await;
        let body = json!({
            "challenge_id": begun["challenge_id"],
            "credential": key.create(&begun["options"], ORIGIN).answer(),
        });
        self.post(&format!("{path}/finish"), step, &body).await;
        let before = cpu(OWN);
        for _ in 0..CHEAP_ROUNDS {
            let begun = self.post(&format!("{API}/passkey/begin"), None, &json!({})).await;
            key.counter += 1;
            let body = json!({
                "challenge_id": begun["challenge_id"],
                "credential": key.get(&begun["options"], ORIGIN).answer(),
            });
            let answer = self.post(&format!("{API}/passkey/finish"), None, &body).await;
            assert_eq!(answer["status"], "success");
        }
        let rate = f64::from(CHEAP_ROUNDS) / (cpu(OWN) - before);
        println!(
            "passkey alone, begin and finish{rate:8.1} sign-ins/CPU-s, the authenticator's own work included"
        );
    }

    async fn refresh(&self) {
        let app = self.enrol_app("portal").await;
        let body = json!({
            "email": "portal@example.com", "password": PASSWORD, "tenant_id": "acme",
        });
        let step = self.post("/api/v1/auth/login", None, &body).await;
        let body = json!({
            "mfa_token": step["mfa_token"], "user_id": step["user_id"], "method": "totp",
            "code": self.code(&app),
        });
        let answer = self.post(&format!("{API}/mfa/verify"), None, &body).await;
        let mut token = answer["refresh_token"].as_str().unwrap().to_owned();
        let before = cpu(OWN);
        for _ in 0..CHEAP_ROUNDS {
            let body = json!({ "refresh_token": token });
            let answer = self.post("/api/v1/auth/refresh", None, &body).await;
            answer["refresh_token"].as_str().unwrap().clone_into(&mut token);
        }
        let rate = f64::from(CHEAP_ROUNDS) / (cpu(OWN) - before);
        println!("refresh, ES256                 {rate:8.1} refreshes/CPU-s, one at a time");
    }
}
