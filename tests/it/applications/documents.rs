//! Applications whose client id is the address of a document (client ID metadata documents).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{
    domain::application::{Application, ApplicationType, Origin, Owner},
    flows::{
        Cx,
        applications::{
            self,
            manage::{self, By},
        },
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{World, operator};

const ALLOWED: &str = r#"{"oauth": {"client_id_metadata_documents": true}}"#;

/// Somebody's server on this machine, with a document on it.
struct Site {
    url: String,
    /// Status, media type, and body.
    answer: Arc<Mutex<(u16, String, String)>>,
    asked: Arc<Mutex<usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    #[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/client.json", listener.local_addr().unwrap());
        let first = (200, "application/json".to_owned(), String::new());
        let (answer, asked) = (Arc::new(Mutex::new(first)), Arc::new(Mutex::new(0)));
        let (of_task, count) = (Arc::clone(&answer), Arc::clone(&asked));
        let task = tokio::task::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                *count.lock().unwrap() += 1;
                let (status, kind, body) = of_task.lock().unwrap().clone();
                let answer = format!(
                    "HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let site = Self { url, answer, asked, task };
        site.lay(&site.document());
        site
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.url, "client_name": "Editor",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
        })
    }

    fn lay(&self, document: &Value) {
        self.say(200, "application/json", &document.to_string());
    }

    fn say(&self, status: u16, kind: &str, body: &str) {
        *self.answer.lock().unwrap() = (status, kind.to_owned(), body.to_owned());
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

async fn found(world: &World, cx: &Cx, client_id: &str) -> Option<Arc<Application>> {
    let owners = applications::owners_in(&cx.tenant);
    let found = applications::by_client_id(&world.app, client_id, owners).await.unwrap();
    found.map(|it| it.application)
}

#[tokio::test]
async fn a_document_is_an_application_where_the_tenant_allows_it() {
    let world = World::new().await;
    let cx = world.tenant("acme", ALLOWED).await;
    let closed = world.tenant("closed", "{}").await;
    let site = Site::new().await;
    assert!(found(&world, &closed, &site.url).await.is_none());
    assert_eq!(site.asked(), 0, "nobody is asked where it is not allowed");
    let it = found(&world, &cx, &site.url).await.unwrap();
    assert_eq!((it.client_id.as_str(), it.name.as_str()), (site.url.as_str(), "Editor"));
    assert_eq!((it.origin, it.kind), (Origin::MetadataDocument, ApplicationType::Native));
    assert!(!it.is_confidential() && it.needs_pkce() && !it.skips_consent());
    assert_eq!(it.owner, Owner::Tenant(cx.tenant.id));
    assert_eq!(world.recorded(&cx, "application.created", "success").await, 1);
    let platform = applications::AT_PLATFORM;
    assert!(applications::by_client_id(&world.app, &site.url, platform).await.unwrap().is_none());
}

#[tokio::test]
async fn a_document_is_read_again_after_an_hour_and_counts_at_once() {
    let world = World::new().await;
    let cx = world.tenant("acme", ALLOWED).await;
    let site = Site::new().await;
    let first = found(&world, &cx, &site.url).await.unwrap();
    let mut document = site.document();
    document["client_name"] = json!("Renamed");
    site.lay(&document);
    world.advance(Duration::from_secs(3599));
    assert_eq!(found(&world, &cx, &site.url).await.unwrap().name, "Editor");
    assert_eq!(site.asked(), 1);
    world.advance(Duration::from_secs(1));
    let second = found(&world, &cx, &site.url).await.unwrap();
    assert_eq!((second.name.as_str(), second.id), ("Renamed", first.id));
    assert_eq!(site.asked(), 2);
    assert_eq!(found(&world, &cx, &site.url).await.unwrap().name, "Renamed");
    assert_eq!(site.asked(), 2);
    assert_eq!(world.recorded(&cx, "application.updated", "success").await, 1);
    // The same once more is no change.
    world.advance(Duration::from_hours(1));
    found(&world, &cx, &site.url).await.unwrap();
    assert_eq!(site.asked(), 3);
    assert_eq!(world.recorded(&cx, "application.updated", "success").await, 1);
}

#[tokio::test]
async fn what_cannot_be_read_holds_for_a_day_and_what_is_gone_is_gone() {
    let world = World::new().await;
    let cx = world.tenant("acme", ALLOWED).await;
    let site = Site::new().await;
    found(&world, &cx, &site.url).await.unwrap();
    site.say(503, "text/plain", "");
    world.advance(Duration::from_hours(1));
    assert!(found(&world, &cx, &site.url).await.is_some());
    let asked = site.asked();
    assert!(found(&world, &cx, &site.url).await.is_some());
    assert_eq!(site.asked(), asked, "it is not asked again at once");
    world.advance(Duration::from_hours(22));
    assert!(found(&world, &cx, &site.url).await.is_some());
    world.advance(Duration::from_hours(1));
    assert!(found(&world, &cx, &site.url).await.is_none());
    site.lay(&site.document());
    world.advance(Duration::from_mins(1));
    assert!(found(&world, &cx, &site.url).await.is_some());
    site.say(404, "text/plain", "");
    world.advance(Duration::from_hours(1));
    assert!(found(&world, &cx, &site.url).await.is_none(), "it was withdrawn");
}

#[tokio::test]
async fn what_is_not_such_a_document_is_no_application() {
    let world = World::new().await;
    let cx = world.tenant("acme", ALLOWED).await;
    for (field, value) in [
        ("client_id", json!("https://other.test/client.json")),
        ("client_id", Value::Null),
        ("client_secret", json!("x")),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        ("grant_types", json!(["client_credentials"])),
    ] {
        let site = Site::new().await;
        let mut document = site.document();
        document[field] = value.clone();
        site.lay(&document);
        assert!(found(&world, &cx, &site.url).await.is_none(), "{field} {value}");
    }
    let site = Site::new().await;
    let good = site.document().to_string();
    let padded = format!("{good}{}", " ".repeat(64 * 1024));
    for (status, kind, body) in [
        (200, "text/html", good.as_str()),
        (200, "application/json", "[]"),
        (200, "application/json", "{"),
        (200, "application/json", &padded),
        (302, "application/json", &good),
        (404, "application/json", &good),
    ] {
        site.say(status, kind, body);
        world.advance(Duration::from_mins(1));
        assert!(found(&world, &cx, &site.url).await.is_none(), "{status} {kind}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM applications").await, 0);
    world.advance(Duration::from_mins(1));
    site.say(200, "application/json; charset=utf-8", &good);
    assert!(found(&world, &cx, &site.url).await.is_some());
}

#[tokio::test]
async fn oau_14_no_address_inside_is_asked_for_a_document() {
    let world = World::with(|config| config.mode = countersign::config::Mode::Production).await;
    let cx = world.tenant("acme", ALLOWED).await;
    let site = Site::new().await;
    for client_id in [
        site.url.clone(),
        site.url.replace("http:", "https:"),
        site.url.replace("127.0.0.1", "localhost"),
        "https://169.254.169.254/client.json".to_owned(),
        "https://[::1]/client.json".to_owned(),
    ] {
        assert!(found(&world, &cx, &client_id).await.is_none(), "{client_id}");
    }
    assert_eq!(site.asked(), 0);
}

#[tokio::test]
async fn an_operator_takes_one_out_of_use() {
    let world = World::new().await;
    let cx = world.tenant("acme", ALLOWED).await;
    let site = Site::new().await;
    found(&world, &cx, &site.url).await.unwrap();
    let caller = operator();
    let of = (Owner::Tenant(cx.tenant.id), site.url.as_str());
    manage::set_active(&world.app, By::operator(&caller), of, false).await.unwrap();
    world.advance(Duration::from_hours(2));
    assert!(!found(&world, &cx, &site.url).await.unwrap().is_active);
    assert_eq!(site.asked(), 1);
}
