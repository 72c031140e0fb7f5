//! When something is missing: the database, time to hash, patience with one network; and input
//! that no client would send.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    middleware,
    routing::get,
};
use countersign::{
    config::{Config, DatabaseUrl},
    db::sql,
    http::frame,
    secret::Secret,
};
use proptest::{
    prelude::{Strategy, any, prop, prop_oneof},
    test_runner::{Config as Cases, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{PASSWORD, World, postgres, together, token_in};

const GRACE: &str = "grace@example.com";
const WRONG: &str = "wrong horse battery staple";

async fn world_with_grace() -> World {
    impatient(|_| {}).await
}

/// A world that waits for its database for a moment only.
async fn impatient(change: impl FnOnce(&mut Config)) -> World {
    let world = World::with(|config| {
        config.database.wait = Duration::from_millis(300);
        change(config);
    })
    .await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world
}

/// Lies between the server and PostgreSQL, like the network that can fail. Dropped, it lets nothing
/// through and ends what is open.
struct Wire {
    _traffic: tokio::task::JoinSet<()>,
}

impl Wire {
    /// From `port` of this machine to `target`.
    async fn lay(port: u16, target: String) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let mut traffic = tokio::task::JoinSet::new();
        traffic.spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let target = target.clone();
                open.spawn(async move {
                    if let Ok(mut far) = tokio::net::TcpStream::connect(target).await {
                        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { _traffic: traffic }
    }
}

/// A world whose PostgreSQL is at the other end of a wire; `None` where it is on SQLite.
async fn wired() -> Option<(World, Wire, (u16, String))> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = postgres::Database::for_test().await?;
    let (_, target) = database.url.split_once('@').unwrap();
    let target = target.split('/').next().unwrap().to_owned();
    drop(database);
    let wire = Wire::lay(port, target.clone()).await;
    let far = target.clone();
    let world = impatient(move |config| {
        if let DatabaseUrl::Postgres(url) = &config.database.url {
            let near = url.expose().replace(&far, &format!("127.0.0.1:{port}"));
            config.database.url = DatabaseUrl::Postgres(Secret::new(near));
        }
    })
    .await;
    Some((world, wire, (port, target)))
}

async fn is_unavailable(world: &World) {
    let mut client = world.client();
    let mails = json!({"email": GRACE});
    for answer in [
        client.login("acme", GRACE, PASSWORD).await,
        client.login("acme", GRACE, WRONG).await,
        client.api("acme", "password/forgot", &mails).await,
    ] {
        assert_eq!(answer.refused(503), "database_unavailable");
        assert!(answer.retry_after() >= 1);
        assert!(answer.set_cookie("").is_none());
    }
    let ready = client.get("/health/ready").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"]["database"], "unavailable");
    assert_eq!(client.get("/health/live").await.status, 200);
}

async fn works_again(world: &World) {
    let mut client = world.client();
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    assert_eq!(client.get("/health/ready").await.status, 200);
    let failures = "SELECT COUNT(*) FROM audit WHERE result = 'failure'";
    assert_eq!(world.count(failures).await, 0, "no outage is a wrong password");
}

#[tokio::test]
async fn without_its_database_the_server_says_so_and_works_again_after_it() {
    if let Some((world, wire, (port, target))) = wired().await {
        drop(wire);
        is_unavailable(&world).await;
        let _wire = Wire::lay(port, target).await;
        works_again(&world).await;
    } else {
        // A file does not go away; its only end is that of the server, which another follows.
        let world = world_with_grace().await;
        world.app.close().await;
        is_unavailable(&world).await;
        works_again(&world.second_node().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_under_load_break_no_promise() {
    // A file has no connections.
    let Some((world, mut wire, (port, target))) = wired().await else { return };
    for _ in 0..5 {
        let logins = (0..30).map(|number| {
            let mut client = world.client_at(&format!("192.0.2.{number}"));
            async move { (client.login("acme", GRACE, PASSWORD).await, client) }
        });
        let cut = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(wire);
        };
        let (answers, ()) = tokio::join!(together(logins), cut);
        wire = Wire::lay(port, target.clone()).await;
        let cx = world.cx("acme").await;
        for (answer, client) in answers {
            assert!([200, 503].contains(&answer.status.as_u16()), "{}", answer.text);
            if answer.status == 200 {
                let (id, secret) = client.session().unwrap();
                let found = countersign::flows::session::find(&cx, id, &secret).await;
                assert!(found.unwrap().is_some(), "a session that was promised");
            }
        }
    }
    works_again(&world).await;
}

#[tokio::test]
async fn a_lock_that_somebody_else_holds_is_waited_for_and_then_told() {
    let world = world_with_grace().await;
    let DatabaseUrl::Sqlite(path) = &world.app.config.database.url else {
        return; // PostgreSQL locks rows, and the pool has its own limits.
    };
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut client = world.client();
    let answer = client.login("acme", GRACE, PASSWORD).await;
    assert_eq!(answer.refused(503), "database_unavailable");
    let answer = client.api("acme", "password/forgot", &json!({"email": GRACE})).await;
    assert_eq!(answer.refused(503), "database_unavailable");
    assert_eq!(client.get("/health/ready").await.status, 200, "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    assert_eq!(world.inbox(GRACE).await.len(), 1);
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn where_failures_cannot_be_counted_no_password_opens_anything() {
    let world = world_with_grace().await;
    world.execute(sql("ALTER TABLE attempts RENAME TO attempts_gone")).await;
    for password in [PASSWORD, WRONG] {
        let mut client = world.client();
        assert_eq!(client.login("acme", GRACE, password).await.refused(500), "internal_error");
        assert!(client.cookies.is_empty());
    }
    world.execute(sql("ALTER TABLE attempts_gone RENAME TO attempts")).await;
    assert_eq!(world.client().login("acme", GRACE, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_reset_that_fails_half_way_changes_nothing_and_spends_nothing() {
    let world = world_with_grace().await;
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let mails = world.inbox(GRACE).await;
    let token = token_in(mails.iter().find(|mail| mail.text.contains("token=")).unwrap());
    let body = json!({"token": token, "new_password": "another horse battery staple"});
    let cx = world.cx("acme").await;
    for table in ["former_passwords", "sessions", "challenges", "devices", "outbox", "audit"] {
        let gone = format!("ALTER TABLE {table} RENAME TO {table}_gone").leak();
        let back = format!("ALTER TABLE {table}_gone RENAME TO {table}").leak();
        world.execute(sql(gone)).await;
        let answer = client.api("acme", "password/reset", &body).await;
        assert_eq!(answer.refused(500), "internal_error", "{table}");
        assert!(!answer.text.contains(table), "{}", answer.text);
        world.execute(sql(back)).await;
        let (id, secret) = client.session().unwrap();
        let found = countersign::flows::session::find(&cx, id, &secret).await.unwrap();
        assert!(found.is_some(), "{table}");
        assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    }
    client.api("acme", "password/reset", &body).await.data();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_passwords_than_can_be_hashed_are_refused_at_once() {
    let world = impatient(|config| {
        config.passwords.threads = 1;
        config.passwords.queue = 2;
        config.passwords.memory_kib = 64 * 1024;
        config.passwords.passes = 3;
    })
    .await;
    let logins = (0..60).map(|number| {
        let mut client = world.client_at(&format!("192.0.2.{number}"));
        async move { client.login("acme", &format!("nobody{number}@example.com"), WRONG).await }
    });
    let answers = together(logins).await;
    let shed: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(shed.len() > 30, "{}", shed.len());
    for answer in &shed {
        assert_eq!(answer.refused(503), "overloaded");
        assert!((1..=30).contains(&answer.retry_after()));
    }
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(checked + shed.len(), 60);
    // What was not checked was not counted.
    let counted = "SELECT COUNT(*) FROM audit WHERE action = 'auth.login.password'";
    assert_eq!(usize::try_from(world.count(counted).await).unwrap(), checked);
    assert_eq!(world.client().get("/health/live").await.status, 200);
    assert_eq!(world.client().login("acme", GRACE, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_panic_is_an_answer_with_a_number_and_no_end() {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    async fn broken() -> &'static str {
        panic!("a secret inside")
    }
    let world = World::new().await;
    let layer = middleware::from_fn_with_state(Arc::clone(&world.app), frame::frame);
    let router: Router = Router::new().route("/broken", get(broken)).layer(layer);
    for _ in 0..2 {
        let request = Request::get("/broken").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 500);
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["code"], &body["meta"]["request_id"]),
            (&json!("internal_error"), &json!(id))
        );
        assert!(!body.to_string().contains("secret inside"));
    }
}

/// What a client may send as a body: bytes, JSON of any form, and JSON that nearly fits.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        any::<String>(),
        "[a-z]{1,8}@[a-z]{1,8}\\.com",
        "\\PC{0,40}",
        prop::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter),
        "[\\x00-\\x1f]{0,4}",
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
        proptest::strategy::Just(Value::Null),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    let fields = [
        "email",
        "password",
        "first_name",
        "last_name",
        "token",
        "new_password",
        "remember_me",
        "redirect_uri",
        "captcha_token",
        "custom_data",
        "trusted_device_token",
    ];
    let form = prop::collection::vec((prop::sample::select(fields.to_vec()), value.clone()), 0..9)
        .prop_map(|pairs| {
            let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
            Value::Object(pairs.collect()).to_string().into_bytes()
        });
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => value.prop_map(|value| value.to_string().into_bytes()),
        4 => form,
    ]
}

/// Every address that takes a body or a query.
const DOORS: [(&str, &str); 10] = [
    ("POST", "/api/v1/auth/tenants/acme/login"),
    ("POST", "/api/v1/auth/tenants/acme/register"),
    ("POST", "/api/v1/auth/tenants/acme/forgot-password"),
    ("POST", "/api/v1/auth/tenants/acme/password/forgot"),
    ("POST", "/api/v1/auth/tenants/acme/password/reset"),
    ("GET", "/api/v1/auth/tenants/acme/verify-email"),
    ("POST", "/t/acme/verify-email"),
    ("POST", "/t/acme/reset-password"),
    ("GET", "/t/acme/reset-password"),
    ("GET", "/dev/mailbox.json"),
];

const TYPES: [&str; 4] =
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "application/json; x"];

#[test]
fn no_input_is_a_fault_of_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(world_with_grace());
    let door = prop::sample::select(DOORS.to_vec());
    let kind = prop::sample::select(TYPES.to_vec());
    let input = (door, kind, bodies(), "[!-~]{0,40}", any::<[u8; 6]>());
    let cases = Cases { cases: 600, failure_persistence: None, ..Cases::default() };
    TestRunner::new(cases)
        .run(&input, |((method, path), kind, body, query, noise)| {
            let path: String =
                if method == "GET" { format!("{path}?token={query}&{query}") } else { path.into() };
            let mut request = Request::builder()
                .method(Method::from_bytes(method.as_bytes()).unwrap())
                .uri(path.replace(['#', '"', '<', '>', '\\', '^', '`', '{', '|', '}'], "%"))
                .header("content-type", kind);
            for name in
                ["x-request-id", "user-agent", "accept-language", "x-forwarded-for", "cookie"]
            {
                if let Ok(value) = axum::http::HeaderValue::from_bytes(&noise) {
                    request = request.header(name, value);
                }
            }
            let request = request.body(Body::from(body)).unwrap();
            let answer = runtime.block_on(world.client().send(request));
            assert!(!answer.status.is_server_error(), "{method} {path}: {}", answer.text);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn requests_that_are_far_too_large_are_refused_early() {
    let world = world_with_grace().await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let answer = world.client().post_json(DOORS[0].1, &deep).await;
    assert_eq!(answer.status, 422);
    let large = format!("{{\"email\": \"{}\"}}", "x".repeat(70_000));
    let answer = world.client().post_json(DOORS[0].1, &large).await;
    assert_eq!(answer.refused(413), "payload_too_large");
    let query = format!("{}?token={}", DOORS[5].1, "x".repeat(20_000));
    let status = world.client().get(&query).await.status.as_u16();
    assert!([400, 414, 422].contains(&status), "{status}");
}
