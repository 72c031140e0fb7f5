//! Captchas of providers: what they are asked, and what is made of their answers. THR-19.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use countersign::{config::Config, crypto::seal::MasterKey, flows::captcha::seal, secret::Secret};
use serde_json::{Value, json};

use super::{GRACE, login_with};
use crate::support::{PASSWORD, World};

/// A provider on this machine: what it answers, and what it was asked last.
#[derive(Clone)]
struct Provider {
    said: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Closed: it takes its time.
    gate: Arc<tokio::sync::RwLock<()>>,
    url: url::Url,
}

impl Provider {
    #[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
        let first = (StatusCode::OK, json!({"success": true}).to_string());
        let provider = Self {
            said: Arc::new(Mutex::new(first)),
            asked: Arc::default(),
            gate: Arc::default(),
            url: url.parse().unwrap(),
        };
        let answer = async |State(provider): State<Self>, body: String| {
            provider.asked.lock().unwrap().push(body);
            drop(provider.gate.read().await);
            provider.said.lock().unwrap().clone()
        };
        let router = Router::new().route("/siteverify", post(answer)).with_state(provider.clone());
        tokio::task::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn says(&self, status: StatusCode, body: &Value) {
        *self.said.lock().unwrap() = (status, body.to_string());
    }
}

fn use_provider(config: &mut Config, url: &url::Url) {
    config.master_key = Some(Secret::new(vec![7; 32]));
    config.captcha.hcaptcha_url = Some(url.clone());
    config.captcha.turnstile_url = Some(url.clone());
    config.captcha.recaptcha_url = Some(url.clone());
}

fn settings(provider: &str) -> String {
    let key = MasterKey::from_bytes(&[7; 32]).unwrap();
    let sealed = seal(&key, &Secret::new("provider-secret".to_owned())).unwrap();
    json!({"captcha": {
        "provider": provider, "site_key": "site-key", "sealed_secret": sealed, "sign_in": "always"
    }})
    .to_string()
}

#[tokio::test]
async fn each_provider_is_asked_with_our_secret_and_its_word_counts() {
    for provider in ["hcaptcha", "turnstile", "recaptcha"] {
        let fake = Provider::new().await;
        let world = World::with(|config| use_provider(config, &fake.url)).await;
        let acme = world.tenant("acme", &settings(provider)).await;
        world.user(&acme, GRACE).await;
        let mut client = world.client();
        let shown = client.get("/api/v1/auth/tenants/acme/captcha").await.json();
        assert_eq!(shown, json!({"provider": provider, "site_key": "site-key"}));
        assert_eq!(client.login("acme", GRACE, PASSWORD).await.refused(400), "captcha_required");
        assert!(fake.asked.lock().unwrap().is_empty(), "nobody is asked for nothing");
        login_with(&mut client, "acme", PASSWORD, "token-1").await.data();
        let asked = fake.asked.lock().unwrap().concat();
        assert!(asked.contains("secret=provider-secret") && asked.contains("response=token-1"));
        // The provider may say yes twice; we do not.
        let again = login_with(&mut client, "acme", PASSWORD, "token-1").await;
        assert_eq!(again.refused(400), "captcha_failed");
        fake.says(
            StatusCode::OK,
            &json!({"success": false, "error-codes": ["timeout-or-duplicate"]}),
        );
        let wrong = login_with(&mut client, "acme", PASSWORD, "token-2").await;
        assert_eq!(wrong.refused(400), "captcha_failed");
        fake.says(StatusCode::OK, &json!({"success": true, "hostname": "evil.example"}));
        let elsewhere = login_with(&mut client, "acme", PASSWORD, "token-3").await;
        assert_eq!(elsewhere.refused(400), "captcha_failed");
        assert!(!world.dump().await.contains("provider-secret"));
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_lets_nobody_through() {
    let fake = Provider::new().await;
    let world = World::with(|config| use_provider(config, &fake.url)).await;
    let acme = world.tenant("acme", &settings("turnstile")).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let ours = json!({"success": false, "error-codes": ["invalid-input-secret"]});
    for (status, body) in [
        (StatusCode::SERVICE_UNAVAILABLE, json!({"success": true})),
        (StatusCode::OK, json!("no object")),
        (StatusCode::OK, ours),
    ] {
        fake.says(status, &body);
        let answer = login_with(&mut client, "acme", PASSWORD, "token").await;
        assert_eq!(answer.refused(503), "captcha_unavailable", "{status} {body}");
        assert!(answer.retry_after() >= 1);
    }
    let nowhere = World::with(|config| {
        use_provider(config, &"http://127.0.0.1:9/siteverify".parse().unwrap());
    })
    .await;
    let acme = nowhere.tenant("acme", &settings("turnstile")).await;
    nowhere.user(&acme, GRACE).await;
    let answer = login_with(&mut nowhere.client(), "acme", PASSWORD, "token").await;
    assert_eq!(answer.refused(503), "captcha_unavailable");
}

/// THR-08: made-up answers that take long to judge are no way to keep the owner waiting.
#[tokio::test]
async fn while_a_provider_thinks_the_account_is_nobodys() {
    let fake = Provider::new().await;
    let world = World::with(|config| use_provider(config, &fake.url)).await;
    let acme = world.tenant("acme", &settings("turnstile")).await;
    world.user(&acme, GRACE).await;
    let mut owner = world.client();
    owner.headers.insert("x-captcha-token", "first".parse().unwrap());
    owner.login("acme", GRACE, PASSWORD).await.data();
    owner.headers.remove("x-captcha-token");
    fake.says(StatusCode::OK, &json!({"success": false}));
    fake.asked.lock().unwrap().clear();
    let thinking = fake.gate.write().await;
    let mut eve = world.client_at("198.51.100.1");
    let attack = async {
        login_with(&mut eve, "acme", PASSWORD, "made up").await.refused(400);
        world.app.clock.now()
    };
    let meanwhile = async {
        while fake.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        // A device that is known is asked for nothing, and has nothing to wait for.
        let home = owner.login("acme", GRACE, PASSWORD).await.data()["status"].clone();
        world.advance(std::time::Duration::from_secs(1));
        drop(thinking);
        home
    };
    let before = world.app.clock.now();
    let (attacked, home) = tokio::join!(attack, meanwhile);
    assert_eq!(home, "success");
    assert!(before < attacked, "the attack was over before the owner was in");
}

#[tokio::test]
async fn only_the_pages_of_a_tenant_with_a_provider_load_its_script() {
    let fake = Provider::new().await;
    let world = World::with(|config| use_provider(config, &fake.url)).await;
    world.tenant("acme", &settings("turnstile")).await;
    world.tenant("plain", r#"{"captcha": {"sign_in": "always"}}"#).await;
    let mut client = world.client();
    let page = client.get("/t/acme/login").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(page.text.contains("https://challenges.cloudflare.com/turnstile/v0/api.js"));
    assert!(page.text.contains("data-sitekey=\"site-key\""));
    assert!(policy.contains("frame-src https://challenges.cloudflare.com"), "{policy}");
    assert!(policy.contains("script-src 'self' https://challenges.cloudflare.com"), "{policy}");
    let plain = client.get("/t/plain/login").await;
    let policy = plain.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("https:") && !plain.text.contains("cloudflare"), "{policy}");
}

#[tokio::test]
async fn a_provider_without_its_keys_is_refused() {
    use countersign::domain::settings::SettingsLayer;
    for (settings, word) in [
        (r#"{"captcha": {"provider": "hcaptcha"}}"#, "site_key"),
        (r#"{"captcha": {"provider": "hcaptcha", "site_key": "k"}}"#, "--captcha-secret-stdin"),
        (r#"{"captcha": {"site_key": "a b"}}"#, "printing"),
    ] {
        let layer: SettingsLayer = serde_json::from_str(settings).unwrap();
        let faults = layer.faults();
        assert!(faults.len() == 1 && faults[0].contains(word), "{settings}: {faults:?}");
    }
}
