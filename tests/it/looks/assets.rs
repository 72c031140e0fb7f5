//! What a page asks for, and what that weighs.

use axum::{
    body::Body,
    http::{Request, header},
};
use countersign::view::{Asset, Coding};

use crate::support::{Answer, Client, World};

/// Bytes of the sign-in page with all that it loads, at most.
const BUDGET: usize = 30 * 1024;

/// What a page makes a browser ask for: every address that loads something.
fn loaded(page: &str) -> Vec<&str> {
    let marks = [
        "<script src=\"",
        "<link rel=\"stylesheet\" href=\"",
        "<img src=\"",
        "srcset=\"",
        "<iframe src=\"",
        "<link rel=\"icon\" href=\"/",
    ];
    marks
        .into_iter()
        .flat_map(|mark| page.split(mark).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

async fn as_a_browser(client: &mut Client, path: &str) -> Answer {
    let request = Request::get(path).header(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd");
    client.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_sign_in_page_is_three_requests_and_light() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "captcha": "proof_of_work"},
                       "passkeys": {"sign_in": "allowed"}}"#;
    world.tenant("acme", settings).await;
    let mut client = world.client();
    for path in ["/t/acme/login", "/t/acme/register", "/login"] {
        let page = as_a_browser(&mut client, path).await;
        assert_eq!(page.status, 200, "{path}");
        // What a stranger may put into a page is not packed with what is secret there (BREACH).
        assert!(!page.headers.contains_key("content-encoding"), "{path}");
        assert!(page.text.contains("<!doctype html>"));
        let loaded = loaded(&page.text);
        assert_eq!(loaded.len(), 2, "{path}: {loaded:?}");
        let files = [Asset::css(), Asset::js()];
        let packed: usize = files.iter().map(|it| it.body(Coding::Brotli).len()).sum();
        assert!(files.iter().all(|it| loaded.contains(&it.path.as_str())), "{loaded:?}");
        assert!(page.text.len() + packed < BUDGET, "{path}: {} + {packed}", page.text.len());
        assert_eq!(page.text.matches("http").count(), 0, "{path} names another host");
    }
}

#[tokio::test]
async fn files_are_packed_as_the_browser_likes_and_kept_for_ever() {
    let world = World::new().await;
    let mut client = world.client();
    for asset in Asset::all() {
        for (accept, coding) in
            [("gzip, br", Coding::Brotli), ("gzip", Coding::Gzip), ("identity", Coding::Identity)]
        {
            let request = Request::get(&asset.path).header(header::ACCEPT_ENCODING, accept);
            let answer = client.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 200);
            let told = answer.headers.get("content-encoding").map(|it| it.to_str().unwrap());
            assert_eq!(told, coding.name(), "{accept}");
            assert_eq!(answer.headers["content-type"], asset.content_type);
            assert_eq!(answer.headers["vary"], "accept-encoding");
            assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert!(!answer.headers.contains_key("set-cookie"));
            let expected = String::from_utf8_lossy(asset.body(coding)).into_owned();
            assert!(answer.text == expected, "{accept}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_release_gets_the_files_of_this_one_and_keeps_them_nowhere() {
    let world = World::new().await;
    let mut client = world.client();
    let answer = client.get("/static/app.0123456789abcdef.css").await;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers["location"], Asset::css().path.as_str());
    assert_eq!(answer.headers["cache-control"], "no-store");
    for path in ["/static/app.css", "/static/passkey.js", "/static/..%2fapp.css", "/static/"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
}
