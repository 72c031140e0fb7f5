//! What goes wrong at a page is told by a page.

use axum::http::Method;

use super::acme;
use crate::support::{Answer, World};

#[track_caller]
fn is_page(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert!(answer.text.contains(id), "the page tells the request's id");
    assert!(answer.text.contains(words), "{words}: {}", answer.text);
}

#[tokio::test]
async fn every_error_at_an_address_of_people_is_a_page_that_says_what_to_do() {
    let world = World::new().await;
    acme(&world).await;
    let mut browser = world.client();
    is_page(&browser.get("/t/acme/nothing/here").await, 404, "no page at this address");
    is_page(&browser.get("/t/nobody/login").await, 404, "no such tenant");
    let strange = browser.request(Method::DELETE, "/t/acme/login", None, "").await;
    is_page(&strange, 405, "open it anew");
    let strange = browser.request(Method::PUT, "/login", None, "").await;
    is_page(&strange, 405, "open it anew");
    let large = format!("email={}", "x".repeat(70_000));
    is_page(&browser.post_form("/t/acme/login", &large).await, 413, "too large");
    is_page(&browser.post_form("/login", &large).await, 413, "too large");
    is_page(&browser.get("/t/acme/login?request=%00").await, 422, "try again");
    browser.headers.insert("accept-language", "de".parse().unwrap());
    is_page(&browser.get("/t/acme/nothing").await, 404, "keine Seite");
    browser.headers.clear();
    world.execute(countersign::db::sql("UPDATE partners SET status = 'suspended'")).await;
    is_page(&browser.get("/t/acme/login").await, 403, "suspended");
    // Programs are told as before.
    assert_eq!(browser.get("/api/v1/nothing").await.refused(404), "not_found");
    assert_eq!(browser.get("/nothing").await.refused(404), "not_found");
}

#[tokio::test]
async fn too_many_requests_are_told_to_people_by_a_page() {
    let limited = |config: &mut countersign::config::Config| {
        config.limits.enabled = true;
        config.limits.requests_per_minute = 2;
    };
    let world = World::with(limited).await;
    acme(&world).await;
    let mut browser = world.client();
    let mut last = browser.get("/t/acme/login").await;
    for _ in 0..3 {
        last = browser.get("/t/acme/login").await;
    }
    is_page(&last, 429, "from your network");
    assert!(last.headers.contains_key("retry-after"));
}
