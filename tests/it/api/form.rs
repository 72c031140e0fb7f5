//! The form of requests and answers: what every endpoint has in common.

use axum::http::Method;
use countersign::{
    db::sql,
    domain::tenant::{Slug, Status},
    flows::tenants,
};
use serde_json::{Value, json};

use crate::support::{PASSWORD, World, operator};

const ENDPOINTS: [&str; 5] =
    ["login", "register", "forgot-password", "password/forgot", "password/reset"];

fn path(endpoint: &str) -> String {
    format!("/api/v1/auth/tenants/acme/{endpoint}")
}

#[tokio::test]
async fn every_fault_of_a_body_is_told_at_once_and_no_value_repeated() {
    let world = World::new().await;
    world.acme().await;
    let body = json!({"email": "hunter2 at nowhere", "password": ["hunter2"], "first_name": 7,
        "captcha_token": {}, "custom_data": "hunter2"});
    let answer = world.client().api("acme", "register", &body).await;
    let faults: Vec<String> =
        answer.faults().iter().map(|(at, kind)| format!("{at} {kind}")).collect();
    assert_eq!(
        faults,
        [
            "body.email value_error",
            "body.password string_type",
            "body.first_name string_type",
            "body.last_name missing",
            "body.captcha_token string_type",
            "body.custom_data dict_type",
        ]
    );
    assert!(!answer.text.contains("hunter2"));
    for fault in answer.json()["detail"].as_array().unwrap() {
        let names: Vec<&String> = fault.as_object().unwrap().keys().collect();
        assert_eq!(names, ["loc", "msg", "type"]);
    }
    assert!(answer.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn rst_01_an_address_is_one_text_and_nothing_else() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    for (body, fault) in [
        (r#"{"email": ["grace@example.com", "eve@example.com"]}"#, "body.email string_type"),
        (r#"{"email": {"a": "grace@example.com"}}"#, "body.email string_type"),
        (r#"{"email": "grace@example.com,eve@example.com"}"#, "body.email value_error"),
        (r#"{"email": "grace@example.com\r\nBcc: eve@example.com"}"#, "body.email value_error"),
        (r#"{"email": "\"grace@example.com\"@evil.example"}"#, "body.email value_error"),
        (r#"{"email": "grace@[127.0.0.1]"}"#, "body.email value_error"),
        (r#"{"email": "grace@example.com\u0000"}"#, "body.email value_error"),
        ("email=grace@example.com", "body.0 json_invalid"),
    ] {
        for endpoint in ["forgot-password", "password/forgot"] {
            let faults = client.post_json(&path(endpoint), body).await.faults();
            assert_eq!(format!("{} {}", faults[0].0, faults[0].1), fault, "{body}");
        }
    }
    let form = client.post_form(&path("forgot-password"), "email=grace%40example.com").await;
    assert_eq!(form.faults()[0], ("body".to_owned(), "model_attributes_type".to_owned()));
    assert!(world.inbox("grace@example.com").await.is_empty());
    // Of a key that comes twice the last counts, for us as for the check.
    let twice = r#"{"email": "eve@example.com", "email": "grace@example.com"}"#;
    client.post_json(&path("forgot-password"), twice).await.data();
    assert_eq!(world.inbox("grace@example.com").await.len(), 1);
    assert!(world.inbox("eve@example.com").await.is_empty());
}

#[tokio::test]
async fn dos_01_dos_02_what_is_too_large_or_too_deep_is_refused_and_writes_nothing() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let large = format!(r#"{{"email": "a@example.com", "x": "{}"}}"#, "x".repeat(64 * 1024));
    let deep = format!(r#"{{"custom_data": {}1{}}}"#, r#"{"a":"#.repeat(40), "}".repeat(40));
    let abyss = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    for endpoint in ENDPOINTS {
        assert_eq!(
            client.post_json(&path(endpoint), &large).await.refused(413),
            "payload_too_large"
        );
        assert_eq!(client.post_json(&path(endpoint), &deep).await.status, 422);
        assert_eq!(client.post_json(&path(endpoint), &abyss).await.status, 422);
        let unreadable = axum::http::Request::post(path(endpoint))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(vec![b'{', 0xff, 0xfe]))
            .unwrap();
        assert_eq!(client.send(unreadable).await.refused(400), "unreadable_body");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM audit WHERE action <> 'tenant.created'").await, 0);
}

#[tokio::test]
async fn pwd_03_pwd_07_a_password_is_a_text_of_at_most_1024_characters() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    for (password, fault) in [
        (json!(0), "string_type"),
        (json!(true), "string_type"),
        (json!(null), "string_type"),
        (json!([]), "string_type"),
        (json!({"$gt": ""}), "string_type"),
        (json!("x".repeat(1025)), "string_too_long"),
    ] {
        let body = json!({"email": "grace@example.com", "password": password});
        let faults = client.api("acme", "login", &body).await.faults();
        assert_eq!(faults, [("body.password".to_owned(), fault.to_owned())]);
    }
    let longest = json!({"email": "grace@example.com", "password": "é".repeat(1024)});
    assert_eq!(client.api("acme", "login", &longest).await.refused(401), "invalid_credentials");
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_documented_shape() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for unknown in
        ["/nope", "/api/v1/auth/tenants/acme/nope", "/api/v1/auth/tenants//login", "/dev/mailbox/x"]
    {
        let answer = client.post_json(unknown, "{}").await;
        assert_eq!(answer.refused(404), "not_found", "{unknown}");
        let body = answer.json();
        assert!(body["detail"].is_string());
        assert_eq!(body["meta"]["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    }
    for endpoint in ENDPOINTS {
        let answer = client.get(&path(endpoint)).await;
        assert_eq!(answer.refused(405), "method_not_allowed", "{endpoint}");
        assert_eq!(answer.headers["allow"], "POST");
    }
}

#[tokio::test]
async fn a_request_id_is_kept_when_it_is_well_formed() {
    let world = World::new().await;
    world.acme().await;
    for (given, kept) in [
        ("trace-12345678", true),
        ("short", false),
        ("has blanks in it", false),
        ("<script>alert(1)</script>", false),
    ] {
        let mut client = world.client();
        client.headers.insert("x-request-id", given.parse().unwrap());
        let answer = client.login("acme", "nobody@example.com", "x").await;
        let told = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(told == given, kept, "{given}");
        assert_eq!(answer.json()["meta"]["request_id"], told);
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_it_private() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let mut answers = vec![client.get("/nope").await, client.get(&path("verify-email")).await];
    for endpoint in ENDPOINTS {
        answers.push(client.post_json(&path(endpoint), "{}").await);
    }
    answers.push(client.login("acme", "nobody@example.com", "x").await);
    for answer in answers {
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn ten_07_a_tenant_that_is_unknown_suspended_or_deleted_serves_nobody() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    let login = json!({"email": "grace@example.com", "password": PASSWORD});
    assert_eq!(client.api("nope", "login", &login).await.refused(404), "tenant_not_found");
    assert_eq!(client.api("ACME", "login", &login).await.data()["status"], "success");
    let slug = Slug::parse("acme").unwrap();
    tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await.unwrap();
    for endpoint in ENDPOINTS {
        let body = json!({"email": "grace@example.com", "password": PASSWORD, "first_name": "G",
            "last_name": "H", "token": "x", "new_password": PASSWORD});
        assert_eq!(client.api("acme", endpoint, &body).await.refused(403), "tenant_suspended");
    }
    assert_eq!(client.get(&path("verify-email?token=x")).await.refused(403), "tenant_suspended");
    tenants::set_status(&world.app, &operator(), &slug, Status::Active).await.unwrap();
    client.api("acme", "login", &login).await.data();
    world.execute(sql("UPDATE partners SET status = 'suspended'")).await;
    assert_eq!(client.api("acme", "login", &login).await.refused(403), "tenant_suspended");
    world.execute(sql("UPDATE partners SET status = 'active'")).await;
    tenants::delete(&world.app, &operator(), &slug).await.unwrap();
    assert_eq!(client.api("acme", "login", &login).await.refused(404), "tenant_not_found");
}

#[tokio::test]
async fn a_client_token_that_is_present_must_be_good_and_may_be_demanded() {
    let world = World::new().await;
    world.acme().await;
    world.tenant("strict", r#"{"auth_api": {"require_client_token": true}}"#).await;
    let login = json!({"email": "a@example.com", "password": "x"});
    let mut client = world.client();
    for scheme in ["Bearer x", "bearer eyJ.x.y", "BEARER  "] {
        client.headers.insert("authorization", scheme.parse().unwrap());
        let answer = client.api("acme", "login", &login).await;
        assert_eq!(answer.refused(401), "invalid_client_token", "{scheme}");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    client.headers.clear();
    assert_eq!(client.api("strict", "login", &login).await.refused(401), "invalid_client_token");
    assert_eq!(
        client.get("/t/strict/verify-email?token=x").await.status,
        400,
        "pages are excepted"
    );
}

#[tokio::test]
async fn web_01_another_site_cannot_make_a_browser_sign_in_or_change_anything() {
    let world = World::with(|config| {
        config.public_url = "https://id.example.com".parse().unwrap();
    })
    .await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let login = json!({"email": "grace@example.com", "password": PASSWORD});
    for (name, value, fine) in [
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "same-site", false),
        ("sec-fetch-site", "same-origin", true),
        ("sec-fetch-site", "none", true),
        ("origin", "https://evil.example", false),
        ("origin", "null", false),
        ("origin", "https://id.example.com.evil.example", false),
        ("origin", "http://id.example.com", false),
        ("origin", "https://id.example.com", true),
    ] {
        let mut client = world.client();
        client.headers.insert(name, value.parse().unwrap());
        let answer = client.api("acme", "login", &login).await;
        if fine {
            answer.data();
        } else {
            assert_eq!(answer.refused(403), "cross_site_request", "{name}: {value}");
            assert!(client.cookies.is_empty());
            let form = client.post_form("/t/acme/verify-email", "token=x").await;
            assert_eq!(form.status, 403);
        }
    }
    // What a form can send without asking first is no JSON.
    let mut client = world.client();
    let text =
        client.request(Method::POST, &path("login"), Some("text/plain"), &login.to_string()).await;
    assert_eq!(text.faults()[0].1, "model_attributes_type");
    let answer = client.request(Method::OPTIONS, &path("login"), None, "").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn no_fault_of_a_body_is_a_fault_of_ours() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let odd = [
        "",
        " ",
        "null",
        "[]",
        "1",
        "\"x\"",
        "{",
        "}",
        "{}x",
        "{\"email\":}",
        "{\"a\":1e999}",
        "\u{feff}{}",
        "{\"email\":\"\\ud800\"}",
        "NaN",
        "{\"email\":\"a@example.com\",\"password\":\"\\u0000\"}",
        "{\"token\":\"\\u0000\",\"new_password\":\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\"}",
    ];
    for endpoint in ENDPOINTS {
        for body in odd {
            let answer = client.post_json(&path(endpoint), body).await;
            assert!(answer.status.as_u16() < 500, "{endpoint} {body:?}: {}", answer.text);
            assert!(answer.status == 200 || answer.json()["detail"] != Value::Null);
        }
    }
}
