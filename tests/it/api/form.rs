//! The form of requests and answers: what every endpoint has in common.

use axum::{
    body::{Body, Bytes},
    http::{Method, Request},
};
use countersign::{
    db::sql,
    domain::tenant::{Slug, Status},
    flows::tenants,
};
use futures_util::stream;
use serde_json::{Value, json};

use crate::support::{PASSWORD, World, operator, token_in};

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

/// A request that every endpoint that takes a body takes in full.
fn whole() -> Value {
    json!({"email": "grace@example.com", "password": PASSWORD, "first_name": "Grace",
        "last_name": "Hopper", "token": "x", "new_password": PASSWORD})
}

/// A request with a body of the test's own making, as JSON.
fn post(endpoint: &str, body: Body) -> Request<Body> {
    Request::post(path(endpoint)).header("content-type", "application/json").body(body).unwrap()
}

/// Text of `length` bytes in pieces of a kilobyte, without a declared length.
fn in_pieces(text: String) -> Body {
    let pieces: Vec<Bytes> = text.into_bytes().chunks(1024).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
}

#[tokio::test]
async fn dos_01_64_kib_are_read_and_not_a_byte_more_however_they_come() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let sized = |bytes: usize| format!(r#"{{"x": "{}"}}"#, "y".repeat(bytes - 9));
    assert_eq!(sized(100).len(), 100);
    for endpoint in ENDPOINTS {
        for (bytes, status) in [(64 * 1024, 422), (64 * 1024 + 1, 413)] {
            let whole = client.send(post(endpoint, Body::from(sized(bytes)))).await;
            assert_eq!(whole.status.as_u16(), status, "{endpoint} {bytes}");
            let pieces = client.send(post(endpoint, in_pieces(sized(bytes)))).await;
            assert_eq!(pieces.masked(), whole.masked(), "{endpoint} {bytes}");
        }
        // Without an end: read as far as the limit, and answered.
        let endless =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024])));
        let answer = client.send(post(endpoint, Body::from_stream(endless))).await;
        assert_eq!(answer.refused(413), "payload_too_large", "{endpoint}");
        // What says that it is too long is not waited for.
        let mut request =
            post(endpoint, Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        request.headers_mut().insert("content-length", "65537".parse().unwrap());
        assert_eq!(client.send(request).await.refused(413), "payload_too_large", "{endpoint}");
    }
    for page in ["verify-email", "reset-password"] {
        let form = format!("token={}", "x".repeat(64 * 1024));
        let answer = client.post_form(&format!("/t/acme/{page}"), &form).await;
        assert_eq!(answer.status.as_u16(), 413, "{page}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_apart_from_one_that_is_too_long() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for endpoint in ENDPOINTS {
        let pieces = vec![Ok(Bytes::from("{\"email\":")), Err(std::io::Error::other("gone"))];
        let answer = client.send(post(endpoint, Body::from_stream(stream::iter(pieces)))).await;
        assert_eq!(answer.refused(400), "unreadable_body", "{endpoint}");
    }
}

#[tokio::test]
async fn dos_02_the_depth_of_json_has_a_limit_and_what_reaches_it_is_read() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let nested = |depth: usize| {
        let text = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let mut body = whole();
        body["custom_data"] = json!({"x": 0});
        body.to_string().replace(r#"{"x":0}"#, &format!(r#"{{"x":{text}}}"#))
    };
    // The body and custom_data are two levels themselves.
    let deepest = client.post_json(&path("register"), &nested(30)).await;
    assert_eq!(deepest.data()["status"], "pending_verification");
    for depth in [31, 32, 127, 10_000] {
        let answer = client.post_json(&path("register"), &nested(depth)).await;
        assert_eq!(answer.status.as_u16(), 422, "{depth}");
        assert!(answer.text.len() < 1000, "{depth}: {}", answer.text);
    }
    let with = |number: &str| {
        let mut body = whole();
        body["custom_data"] = json!({"x": 0});
        body.to_string().replace(r#"{"x":0}"#, &format!(r#"{{"x":{number}}}"#))
    };
    for number in ["9".repeat(60_000), "1e400".to_owned(), "-".to_owned(), "0x1".to_owned()] {
        let answer = client.post_json(&path("register"), &with(&number)).await;
        assert_eq!(answer.status.as_u16(), 422, "{}", answer.text);
    }
    client.post_json(&path("register"), &with("12345678901234567890")).await.data();
}

#[tokio::test]
async fn the_media_type_decides_whether_a_body_has_fields() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let body = whole().to_string();
    for endpoint in ENDPOINTS {
        for (kind, is_json) in [
            (Some("application/json"), true),
            (Some("application/json; charset=utf-8"), true),
            (Some("APPLICATION/JSON"), true),
            (Some("application/merge-patch+json"), true),
            (Some("text/json"), false),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some("multipart/form-data; boundary=x"), false),
            (Some("application/jsonx"), false),
            (Some(""), false),
            (None, false),
        ] {
            let answer = client.request(Method::POST, &path(endpoint), kind, &body).await;
            if is_json {
                assert_ne!(answer.status.as_u16(), 422, "{endpoint} {kind:?}: {}", answer.text);
            } else {
                let expected = [("body".to_owned(), "model_attributes_type".to_owned())];
                assert_eq!(answer.faults(), expected, "{endpoint} {kind:?}");
            }
        }
        let nothing = client.post_json(&path(endpoint), "").await.faults();
        assert_eq!(nothing, [("body".to_owned(), "missing".to_owned())], "{endpoint}");
    }
}

#[tokio::test]
async fn pwd_09_no_answer_repeats_what_was_sent_in_confidence() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "captcha": "proof_of_work",
        "custom_data_schema": {"type": "object", "required": ["age"]}}}"#;
    world.tenant("acme", settings).await;
    let mut client = world.client();
    let mark = "hunter2-is-a-secret";
    let good = whole();
    for field in [
        "email",
        "password",
        "first_name",
        "last_name",
        "captcha_token",
        "redirect_uri",
        "custom_data",
        "token",
        "new_password",
        "trusted_device_token",
        "remember_me",
        "unknown_field",
    ] {
        for value in [
            json!(mark),
            json!([mark]),
            json!({mark: mark}),
            json!(format!("{mark}\u{0}")),
            json!(format!("{mark}\r\n")),
            json!(mark.repeat(600)),
        ] {
            let mut body = good.clone();
            body[field] = value;
            for endpoint in ENDPOINTS {
                let answer = client.api("acme", endpoint, &body).await;
                assert!(answer.status.as_u16() < 500, "{endpoint} {field}: {}", answer.text);
                assert!(!answer.text.contains("hunter2"), "{endpoint} {field}: {}", answer.text);
                for value in answer.headers.values() {
                    assert!(!value.to_str().unwrap().contains("hunter2"), "{endpoint} {field}");
                }
            }
        }
    }
    for broken in [
        format!(r#"{{"password": "{mark}"#),
        format!(r#"{{"password": "{mark}",}}"#),
        format!(r#"{{"{mark}"}}"#),
        mark.to_owned(),
    ] {
        for endpoint in ENDPOINTS {
            let answer = client.post_json(&path(endpoint), &broken).await;
            assert!(!answer.text.contains("hunter2"), "{endpoint} {broken}: {}", answer.text);
        }
    }
    for query in [format!("?token={mark}"), format!("?{mark}=x"), format!("?token=%00{mark}")] {
        let answer = client.get(&path(&format!("verify-email{query}"))).await;
        assert!(!answer.text.contains("hunter2"), "{query}: {}", answer.text);
        for page in ["verify-email", "reset-password"] {
            let answer = client.get(&format!("/t/acme/{page}{query}")).await;
            assert!(!answer.text.contains("hunter2"), "{page}{query}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn web_08_every_path_names_the_methods_that_it_has() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for endpoint in ENDPOINTS {
            client.headers.insert("x-http-method-override", "POST".parse().unwrap());
            let body = whole().to_string();
            let kind = Some("application/json");
            let answer = client.request(method.clone(), &path(endpoint), kind, &body).await;
            assert_eq!(answer.status.as_u16(), 405, "{method} {endpoint}");
            assert_eq!(answer.headers["allow"], "POST", "{method} {endpoint}");
            assert_eq!(answer.headers["cache-control"], "no-store");
            if method != Method::HEAD {
                assert_eq!(answer.refused(405), "method_not_allowed");
            }
        }
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
    for page in ["verify-email", "reset-password"] {
        let answer = client.request(Method::PUT, &format!("/t/acme/{page}"), None, "").await;
        assert_eq!(answer.status.as_u16(), 405, "{page}");
        assert!(answer.headers["allow"].to_str().unwrap().contains("POST"));
    }
}

#[tokio::test]
async fn the_id_and_the_time_of_an_answer_are_those_of_its_request() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "alice@example.com").await;
    for (given, kept) in [
        ("a".repeat(7), false),
        ("a".repeat(8), true),
        ("A.b-c_9".repeat(18), true),
        ("a".repeat(128), true),
        ("a".repeat(129), false),
        ("aaaaaaaa;b".to_owned(), false),
        ("aaaaaaaa/../b".to_owned(), false),
        (String::new(), false),
    ] {
        let mut client = world.client();
        client.headers.insert("x-request-id", given.parse().unwrap());
        let mut answers = vec![
            client.get("/nope").await,
            client.get(&path("verify-email?token=x")).await,
            client.login("acme", "alice@example.com", PASSWORD).await,
        ];
        for endpoint in ENDPOINTS {
            answers.push(client.api("acme", endpoint, &whole()).await);
        }
        for answer in answers {
            let told = answer.headers["x-request-id"].to_str().unwrap();
            assert_eq!(told == given, kept, "{given}: {told}");
            assert!(kept || told.starts_with("req_"));
            let body = answer.json();
            assert_eq!(body["meta"]["request_id"], told, "{}", answer.text);
            assert_eq!(body["meta"]["timestamp"], world.app.clock.now().rfc3339());
        }
        world.advance(std::time::Duration::from_micros(1));
    }
    // Of itself each request has another.
    let first = world.client().get("/nope").await.headers["x-request-id"].clone();
    assert_ne!(world.client().get("/nope").await.headers["x-request-id"], first);
}

#[tokio::test]
async fn web_04_web_05_good_answers_and_pages_are_as_private_as_refusals() {
    for url in ["https://id.example.com", "http://127.0.0.1:8080"] {
        let world = World::with(|config| config.public_url = url.parse().unwrap()).await;
        let acme = world.acme().await;
        world.user(&acme, "alice@example.com").await;
        let mut client = world.client();
        let mut answers = vec![
            client.login("acme", "alice@example.com", PASSWORD).await,
            client.api("acme", "register", &whole()).await,
            client.api("acme", "forgot-password", &json!({"email": "alice@example.com"})).await,
        ];
        let token = token_in(&world.inbox("grace@example.com").await[0]);
        answers.push(client.get(&format!("/t/acme/verify-email?token={token}")).await);
        answers.push(client.get(&path(&format!("verify-email?token={token}"))).await);
        answers.push(client.get(&path("captcha")).await);
        assert!(answers.iter().all(|answer| answer.status == 200));
        answers.push(client.get("/t/acme/reset-password?token=x").await);
        answers.push(client.get("/t/nope/reset-password?token=x").await);
        answers.push(client.get("/nope").await);
        answers.push(client.post_json(&path("login"), &"x".repeat(70_000)).await);
        for answer in answers {
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(answer.headers["referrer-policy"], "no-referrer");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors"));
            let transport = answer.headers.get("strict-transport-security");
            assert_eq!(transport.is_some(), url.starts_with("https"));
            assert!(transport.is_none_or(|it| it.to_str().unwrap().contains("max-age=31536000")));
            assert!(!answer.headers.contains_key("access-control-allow-origin"));
        }
    }
}

#[tokio::test]
async fn ten_02_ten_07_no_endpoint_and_no_page_of_a_tenant_that_is_not_there_answers() {
    let world = World::new().await;
    let gone = world.tenant("gone", r#"{"registration": {"enabled": true}}"#).await;
    tenants::delete(&world.app, &operator(), &gone.tenant.slug).await.unwrap();
    let halted = world.tenant("halted", r#"{"registration": {"enabled": true}}"#).await;
    let slug = &halted.tenant.slug;
    tenants::set_status(&world.app, &operator(), slug, Status::Suspended).await.unwrap();
    let mut client = world.client();
    for (tenant, status, code) in [
        ("nope", 404, "tenant_not_found"),
        ("gone", 404, "tenant_not_found"),
        ("halted", 403, "tenant_suspended"),
        ("HALTED", 403, "tenant_suspended"),
    ] {
        for endpoint in ENDPOINTS {
            let answer = client.api(tenant, endpoint, &whole()).await;
            assert_eq!(answer.refused(status), code, "{tenant} {endpoint}");
        }
        for endpoint in ["verify-email?token=x", "captcha"] {
            let answer = client.get(&format!("/api/v1/auth/tenants/{tenant}/{endpoint}")).await;
            assert_eq!(answer.refused(status), code, "{tenant} {endpoint}");
        }
        for page in ["verify-email", "reset-password"] {
            let link = format!("/t/{tenant}/{page}");
            for answer in [
                client.get(&format!("{link}?token=x")).await,
                client.post_form(&link, "token=x&password=y").await,
            ] {
                assert_eq!(answer.status.as_u16(), status, "{tenant} {page}");
                assert!(answer.text.starts_with("<!doctype html>"), "{}", answer.text);
            }
        }
    }
    // The form of a request is judged before its tenant is looked for.
    assert_eq!(client.api("nope", "login", &json!({})).await.status, 422);
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
}

#[tokio::test]
async fn every_endpoint_refuses_a_bad_client_token_and_misses_one_that_is_demanded() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let settings =
        r#"{"registration": {"enabled": true}, "auth_api": {"require_client_token": true}}"#;
    world.tenant("strict", settings).await;
    let before = world.dump().await;
    let mut bearer = world.client();
    bearer.headers.insert("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.".parse().unwrap());
    for (mut client, tenant) in [(bearer, "acme"), (world.client(), "strict")] {
        let mut answers = Vec::new();
        for endpoint in ENDPOINTS {
            answers.push(client.api(tenant, endpoint, &whole()).await);
        }
        for endpoint in ["verify-email?token=x", "captcha"] {
            answers.push(client.get(&format!("/api/v1/auth/tenants/{tenant}/{endpoint}")).await);
        }
        for answer in answers {
            assert_eq!(answer.refused(401), "invalid_client_token", "{tenant}");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
    }
    assert_eq!(world.dump().await, before, "nothing was done");
    // Another scheme is none of ours.
    let mut basic = world.client();
    basic.headers.insert("authorization", "Basic Z3JhY2U6eA==".parse().unwrap());
    basic.login("acme", "grace@example.com", PASSWORD).await.data();
}

#[tokio::test]
async fn web_01_no_endpoint_and_no_form_takes_what_another_site_sends() {
    let world = World::with(|config| {
        config.public_url = "https://id.example.com".parse().unwrap();
    })
    .await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let pending = json!({"email": "new@example.com", "password": PASSWORD, "first_name": "N",
        "last_name": "N"});
    let mut own = world.client();
    own.api("acme", "register", &pending).await.data();
    let verify = token_in(&world.inbox("new@example.com").await[0]);
    own.api("acme", "forgot-password", &json!({"email": "grace@example.com"})).await.data();
    let reset = token_in(&world.inbox("grace@example.com").await[0]);
    let before = world.dump().await;
    let mut body = whole();
    body["token"] = json!(reset);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://id.example.com:8443"),
        ("origin", "not an origin"),
    ] {
        let mut client = world.client();
        client.headers.insert(name, value.parse().unwrap());
        for endpoint in ENDPOINTS {
            let answer = client.api("acme", endpoint, &body).await;
            assert_eq!(answer.refused(403), "cross_site_request", "{endpoint} {name}: {value}");
        }
        for (page, token) in [("verify-email", &verify), ("reset-password", &reset)] {
            let form = format!("token={token}&password=an+entirely+different+phrase");
            let answer = client.post_form(&format!("/t/acme/{page}"), &form).await;
            assert_eq!(answer.status.as_u16(), 403, "{page} {name}: {value}");
            assert!(answer.text.starts_with("<!doctype html>"), "{}", answer.text);
        }
        assert!(client.cookies.is_empty());
    }
    assert_eq!(world.dump().await, before, "nothing was done");
    // What the browser says of the fetch counts before what the page says of itself.
    let mut client = world.client();
    client.headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
    client.headers.insert("origin", "https://id.example.com".parse().unwrap());
    client.api("acme", "password/reset", &body).await.data();
}
