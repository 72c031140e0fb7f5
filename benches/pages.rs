//! The sign-in page: rendered alone, and asked for through the router, in a look of its own.

use std::{path::Path, sync::Arc};

use axum::{body::Body, http::Request};
use countersign::{
    app::App,
    clock::Clock,
    domain::tenant::{Branding, Slug},
    entropy::Entropy,
    flows::{Caller, base_url, brand, tenants},
    http,
    text::Locale,
    view::{
        PageFrame,
        pages::sign_in::{Around, LoginPage},
    },
};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::{OWN, config, cpu};

const ROUNDS: u32 = 20_000;

/// Measures both.
pub(super) async fn pages(folder: &Path) {
    let app = App::open_with(config(folder), Clock::System, Entropy::Os).await.unwrap();
    let slug = Slug::parse("acme").unwrap();
    let looks = json!({"primary_color": "#0b6e4f", "page_color": "#fff7ed",
        "texts": {"default": {"title": "Welcome", "imprint": "https://acme.example/imprint"}},
        "css": "h1 { color: #0b6e4f } .card { border-radius: 0 }"});
    let looks: Branding = serde_json::from_value(looks).unwrap();
    let change = tenants::Change { branding: Some(looks), ..tenants::Change::default() };
    tenants::create(&app, &Caller::operator("bench".to_owned()), slug.clone(), change)
        .await
        .unwrap();
    let tenant = tenants::by_slug(&app, &slug).await.unwrap().unwrap();
    let page = LoginPage {
        around: Around::default(),
        ask: "both",
        wrong: Vec::new(),
        restart_url: None,
        elsewhere: Vec::new(),
        can_look: false,
        present: None,
        email: String::new(),
        remember: false,
        fault: None,
        note: None,
        passkey_url: Some(format!("{}/login/passkey", base_url(&app, &tenant))),
        can_register: true,
        can_reset: true,
        tenants: Vec::new(),
        captcha: None,
    };
    let before = cpu(OWN);
    for _ in 0..ROUNDS {
        let brand = brand(&app, &tenant);
        let frame = PageFrame { locale: Locale::En, brand: &brand, nonce: "bm9uY2U" };
        assert!(app.view.page(frame, &page).unwrap().len() > 1000);
    }
    let rendered = (cpu(OWN) - before) / f64::from(ROUNDS) * 1e6;
    println!("sign-in page, rendered         {rendered:8.1} µs of CPU");
    let router = http::router(Arc::clone(&app));
    let before = cpu(OWN);
    for _ in 0..ROUNDS {
        let request = Request::get("/t/acme/login").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.into_body().collect().await.unwrap().to_bytes().len() > 1000);
    }
    let served = (cpu(OWN) - before) / f64::from(ROUNDS) * 1e6;
    println!("sign-in page, served           {served:8.1} µs of CPU");
    app.close().await;
}
