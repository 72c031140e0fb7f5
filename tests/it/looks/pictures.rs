//! Pictures come from us alone: uploaded, or copied once from where they lie.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign::{
    db::sql,
    domain::{
        application::Owner,
        tenant::{Branding, picture::PictureUse},
    },
    flows::pictures::{self, NewPicture},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use super::png;
use crate::support::{
    World,
    applications::{challenge, request},
};

/// Looks with an uploaded logo, and what is kept of it.
fn uploaded(width: u32) -> (Branding, NewPicture) {
    let (logo, kept) = pictures::read(png(width, 40), PictureUse::Logo, None).unwrap();
    (Branding { logo: Some(logo), ..Branding::default() }, kept)
}

/// A server on this machine that gives the same answer to everybody, for as long as it is held.
struct PictureServer {
    at: String,
    count: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl PictureServer {
    async fn new(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}/logo", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                // The other side may have gone before all of it is written.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { at, count, _serving: serving }
    }

    /// How many have asked so far.
    fn asked(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The path of the picture in a page's head.
fn logo_in(page: &str) -> Option<&str> {
    page.split("src=\"").find_map(|rest| {
        let path = rest.split('"').next()?;
        path.contains("/pictures/").then_some(path)
    })
}

#[tokio::test]
async fn an_uploaded_logo_is_ours_kept_for_ever_and_can_do_nothing() {
    let world = World::new().await;
    world.acme().await;
    world.tenant("other", "{}").await;
    let (looks, kept) = uploaded(120);
    world.dress_with(looks, vec![kept.clone()]).await.unwrap();
    let mut client = world.client();
    let page = client.get("/t/acme/login").await;
    let path = logo_in(&page.text).expect("a logo");
    assert!(page.text.contains("width=\"120\" height=\"40\""), "nothing moves once it is there");
    assert_eq!(path, format!("/t/acme/pictures/{}.png", kept.digest));
    let picture = client.get(path).await;
    assert_eq!(picture.status, 200);
    let told = |name: &str| picture.headers[name].to_str().unwrap().to_owned();
    assert_eq!(told("content-type"), "image/png");
    assert_eq!(told("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(told("x-content-type-options"), "nosniff");
    let policy = told("content-security-policy");
    assert_eq!(policy, "default-src 'none'; sandbox; frame-ancestors 'none'");
    // Mails are read on pages of others.
    assert_eq!(told("cross-origin-resource-policy"), "cross-origin");
    let digest = &kept.digest;
    for path in [
        format!("/t/other/pictures/{digest}.png"),
        format!("/t/nobody/pictures/{digest}.png"),
        format!("/pictures/{digest}.png"),
        format!("/t/acme/pictures/{digest}.webp"),
        format!("/t/acme/pictures/{digest}"),
        format!("/t/acme/pictures/{}.png", "0".repeat(64)),
        "/t/acme/pictures/%2e%2e.png".to_owned(),
    ] {
        assert_eq!(client.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_mail_shows_our_copy_by_its_whole_address() {
    let world = World::new().await;
    world.acme().await;
    let (looks, kept) = uploaded(120);
    world.dress_with(looks, vec![kept.clone()]).await.unwrap();
    let body = json!({"email": "grace@example.com", "password": crate::support::PASSWORD,
        "first_name": "Grace", "last_name": "Hopper"});
    world.client().api("acme", "register", &body).await.data();
    let mail = &world.inbox("grace@example.com").await[0];
    let base = countersign::flows::base_url(&world.app, &world.cx("acme").await.tenant);
    assert!(mail.html.contains(&format!("src=\"{base}/pictures/{}.png\"", kept.digest)));
}

#[tokio::test]
async fn a_picture_that_no_looks_name_any_more_is_dropped() {
    let world = World::new().await;
    world.acme().await;
    let (looks, first) = uploaded(120);
    world.dress_with(looks, vec![first.clone()]).await.unwrap();
    let (looks, second) = uploaded(121);
    world.dress_with(looks, vec![second.clone()]).await.unwrap();
    let mut client = world.client();
    let path = |kept: &NewPicture| format!("/t/acme/pictures/{}.png", kept.digest);
    assert_eq!(client.get(&path(&first)).await.status, 404);
    assert_eq!(client.get(&path(&second)).await.status, 200);
    world.dress(json!({})).await.unwrap();
    assert_eq!(client.get(&path(&second)).await.status, 404);
    assert_eq!(world.count("SELECT COUNT(*) FROM pictures").await, 0);
}

#[tokio::test]
async fn a_logo_elsewhere_is_copied_once_and_until_then_the_name_stands() {
    let world = World::new().await;
    world.acme().await;
    let server = PictureServer::new(ok("text/plain", &png(100, 30))).await;
    // An operator can name https addresses only; the row stands for one.
    let looks = json!({"logo_url": server.at}).to_string();
    world.execute(sql("UPDATE tenants SET branding = $1").bind(looks)).await;
    let mut client = world.client();
    let page = client.get("/t/acme/login").await.text;
    assert!(logo_in(&page).is_none() && !page.contains("127.0.0.1"), "{page}");
    assert!(page.contains("class=\"name\""));
    for _ in 0..2 {
        pictures::fetch_missing(&world.app).await.unwrap();
    }
    assert_eq!(server.asked(), 1);
    let page = client.get("/t/acme/login").await.text;
    let path = logo_in(&page).expect("a copy");
    assert!(!page.contains("127.0.0.1"));
    assert_eq!(client.get(path).await.headers["content-type"], "image/png", "by what it is");
}

#[tokio::test]
async fn what_is_no_picture_is_not_copied_and_its_server_is_left_alone_for_a_while() {
    let world = World::new().await;
    world.acme().await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    for answer in [
        ok("image/png", svg),
        ok("image/svg+xml", svg),
        ok("image/png", &png(4000, 30)),
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n".to_vec(),
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ] {
        let server = PictureServer::new(answer).await;
        let looks = json!({"logo_url": server.at}).to_string();
        world.execute(sql("UPDATE tenants SET branding = $1").bind(looks)).await;
        for _ in 0..2 {
            pictures::fetch_missing(&world.app).await.unwrap();
        }
        assert_eq!(server.asked(), 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM pictures").await, 0);
        world.advance(std::time::Duration::from_secs(3601));
        pictures::fetch_missing(&world.app).await.unwrap();
        assert_eq!(server.asked(), 2);
    }
}

#[tokio::test]
async fn an_applications_logo_is_our_copy_of_it_and_only_of_those_that_an_operator_made() {
    let world = World::new().await;
    let acme = world.acme().await;
    let server = PictureServer::new(ok("image/png", &png(64, 64))).await;
    let app = world.web(Owner::Tenant(acme.tenant.id), json!({"logo_uri": server.at})).await;
    let mut browser = world.client();
    let challenge = challenge();
    let sent = browser.authorize("acme", &request(&app, &challenge)).await;
    let login = browser.follow(&sent).await.text;
    assert!(logo_in(&login).is_none() && login.contains("Test application"), "{login}");
    pictures::fetch_missing(&world.app).await.unwrap();
    let sent = browser.authorize("acme", &request(&app, &challenge)).await;
    let login = browser.follow(&sent).await.text;
    let path = logo_in(&login).expect("a copy").to_owned();
    assert!(path.starts_with("/t/acme/pictures/") && !login.contains("127.0.0.1"));
    assert_eq!(browser.get(&path).await.status, 200);
    let text = "UPDATE applications SET origin = 'registration' WHERE id = $1";
    world.execute(sql(text).bind(app.id)).await;
    let sent = browser.authorize("acme", &request(&app, &challenge)).await;
    let login = browser.follow(&sent).await.text;
    assert!(logo_in(&login).is_none(), "what registers itself could show anybody's");
}
