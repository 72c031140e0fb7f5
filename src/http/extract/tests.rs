//! What arrives as a body, a form, a query and a path, and what is read of it.

use std::time::Duration;

use axum::{
    Router,
    body::Body as HttpBody,
    extract::{FromRequest, FromRequestParts, Request},
    routing::get,
};
use futures_util::{StreamExt, stream};
use http_body_util::Limited;
use serde::Deserialize;
use tower::ServiceExt;
use utoipa::ToSchema;

use super::{Body, Bytes, Form, MAX_BODY, MAX_PAIRS, MAX_QUERY, Path, Query, collect};
use crate::error::{Code, Error, Fault, Loc, Result};

#[derive(Debug, Deserialize, ToSchema, PartialEq)]
struct Login {
    email: String,
    #[schema(format = "password")]
    password: String,
    #[serde(default)]
    #[schema(default = false)]
    remember_me: bool,
}

const GOOD: &str = r#"{"email": "a", "password": "b"}"#;

fn post(content_type: Option<&str>, body: impl Into<HttpBody>) -> Request {
    let request = Request::post("/");
    let request = match content_type {
        Some(value) => request.header("content-type", value),
        None => request,
    };
    request.body(body.into()).unwrap()
}

async fn body(content_type: Option<&str>, body: impl Into<HttpBody>) -> Result<Login> {
    Body::from_request(post(content_type, body), &()).await.map(|Body(login)| login)
}

async fn form(text: &str) -> Result<Login> {
    let request = post(Some("application/x-www-form-urlencoded"), text.to_owned());
    Form::from_request(request, &()).await.map(|Form(login)| login)
}

async fn query(query: &str) -> Result<Login> {
    let (mut parts, _) =
        Request::get(format!("/?{query}")).body(HttpBody::empty()).unwrap().into_parts();
    Query::from_request_parts(&mut parts, &()).await.map(|Query(login)| login)
}

/// The outcome in a word: `ok`, a code, or places and kinds.
fn short<T>(outcome: Result<T>) -> String {
    let place = |fault: &Fault| -> String {
        let steps = fault.loc.iter().map(|step| match step {
            Loc::Name(name) => name.clone(),
            Loc::Index(index) => index.to_string(),
        });
        format!("{} {}", steps.collect::<Vec<_>>().join("."), fault.kind)
    };
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(Error::Invalid(faults)) => faults.iter().map(place).collect::<Vec<_>>().join(", "),
        Err(Error::Refused(refusal)) => refusal.code.as_str().to_owned(),
        Err(Error::NotFound) => Code::NotFound.as_str().to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn content_types() {
    for json in [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/problem+json",
        "application/vnd.api+json;v=1",
    ] {
        assert_eq!(short(body(Some(json), GOOD).await), "ok", "{json}");
    }
    for other in
        ["text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonp"]
    {
        let found = short(body(Some(other), GOOD).await);
        assert_eq!(found, "body model_attributes_type", "{other}");
    }
    assert_eq!(short(body(None, GOOD).await), "body model_attributes_type");
}

#[tokio::test]
async fn bodies() {
    for (text, expected) in [
        ("", "body missing"),
        ("{}", "body.email missing, body.password missing"),
        ("null", "body model_attributes_type"),
        ("   ", "body.3 json_invalid"),
        ("\u{feff}", "body.0 json_invalid"),
        ("{\"email\": \"é\", x}", "body.15 json_invalid"),
        ("\u{feff}{\"email\": \"é\", x}", "body.15 json_invalid"),
        ("{\"email\": \"a\", \"email\": 1, \"password\": \"b\"}", "body.email string_type"),
        ("{\"email\": [\"a\", \"b\"], \"password\": \"b\"}", "body.email string_type"),
        ("{\"email\": \"\\ud800\", \"password\": \"b\"}", "body.12 json_invalid"),
    ] {
        assert_eq!(short(body(JSON, text).await), expected, "{text}");
    }
    assert_eq!(short(body(None, "").await), "body missing");
    assert_eq!(short(body(JSON, format!("\u{feff}{GOOD}")).await), "ok");
    for bytes in [&b"{\"email\": \"\xff\"}"[..], b"\xff\xfe{\0}\0", b"\xed\xa0\x80"] {
        assert_eq!(short(body(JSON, bytes).await), "unreadable_body");
    }
}

#[tokio::test]
async fn bodies_are_limited_however_they_arrive() {
    let padded = |octets: usize| format!("{GOOD}{}", " ".repeat(octets - GOOD.len()));
    assert_eq!(short(body(JSON, padded(MAX_BODY)).await), "ok");
    assert_eq!(short(body(JSON, padded(MAX_BODY + 1)).await), "payload_too_large");
    let endless =
        stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024])));
    let endless = HttpBody::from_stream(endless);
    assert_eq!(short(body(JSON, endless).await), "payload_too_large");
    // A declared length is refused before a byte is read.
    let silent = HttpBody::from_stream(stream::pending::<std::io::Result<Bytes>>());
    let mut request = post(JSON, silent);
    request.headers_mut().insert("content-length", "65537".parse().unwrap());
    assert_eq!(short(Body::<Login>::from_request(request, &()).await), "payload_too_large");
    // A layer's own limit is told as what it is.
    let layered = HttpBody::new(Limited::new(HttpBody::from(GOOD), 5));
    assert_eq!(short(body(JSON, layered).await), "payload_too_large");
    let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("gone")) });
    assert_eq!(short(body(JSON, HttpBody::from_stream(broken)).await), "unreadable_body");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let stalled = HttpBody::from_stream(first.chain(stream::pending()));
    let outcome = collect(stalled, Duration::from_millis(5)).await;
    assert_eq!(short(outcome), "request_timeout");
}

#[tokio::test]
async fn queries() {
    let both = "query.email missing, query.password missing";
    for (text, expected) in [
        ("", both),
        ("email=a", "query.password missing"),
        ("EMAIL=a&password=b", "query.email missing"),
        ("email[]=a&password=b", "query.email missing"),
        ("email=a&password=b&remember_me=maybe", "query.remember_me bool_parsing"),
        ("email=a&password=b&remember_me=", "query.remember_me bool_parsing"),
        ("email=%00&password=%00", "query.email value_error"),
        ("&&&", both),
    ] {
        assert_eq!(short(query(text).await), expected, "{text}");
    }
    let read = query("email=x&email=a+%C3%A9&password&remember_me=on").await.unwrap();
    let login =
        |email: &str| Login { email: email.to_owned(), password: String::new(), remember_me: true };
    assert_eq!(read, login("a é"));
    // What is no text is replaced, what is no escape stays.
    let read = query("email=%ff%zz%&password=&remember_me=1").await.unwrap();
    assert_eq!(read, login("\u{fffd}%zz%"));
}

#[tokio::test]
async fn queries_are_limited() {
    let good = "email=a&password=b";
    let pairs = |count: usize| format!("{good}{}", "&x=1".repeat(count - 2));
    assert_eq!(short(query(&pairs(MAX_PAIRS)).await), "ok");
    assert_eq!(short(query(&pairs(MAX_PAIRS + 1)).await), "query value_error");
    let long = |octets: usize| format!("{good}&x={}", "y".repeat(octets - good.len() - 3));
    assert_eq!(short(query(&long(MAX_QUERY)).await), "ok");
    assert_eq!(short(query(&long(MAX_QUERY + 1)).await), "query value_error");
}

#[tokio::test]
async fn forms() {
    let both = "body.email missing, body.password missing";
    for (text, expected) in [
        ("", both),
        ("email=&password=", both),
        ("email=a&email=&password=b", "body.email missing"),
        ("email=a&password=b&remember_me=x", "body.remember_me bool_parsing"),
        ("email=a%0&password=%00b&remember_me=on", "ok"),
    ] {
        assert_eq!(short(form(text).await), expected, "{text}");
    }
    assert_eq!(short(form(&"a=1&".repeat(MAX_PAIRS + 1)).await), "body value_error");
    let other = Form::<Login>::from_request(post(JSON, GOOD), &()).await;
    assert_eq!(short(other), both);
}

#[derive(Debug, Deserialize, ToSchema)]
struct Place {
    slug: String,
    page: u32,
}

#[tokio::test]
async fn paths() {
    let handler = |place: Result<Path<Place>>| async {
        match place {
            Ok(Path(Place { slug, page })) => format!("{slug} {page}"),
            refused => short(refused),
        }
    };
    let app = Router::new().route("/t/{slug}/{page}", get(handler));
    for (path, expected) in [
        ("/t/a%C3%A9/7", "aé 7"),
        ("/t/a/x", "path.page int_parsing"),
        ("/t/a%00/-1", "path.slug value_error, path.page greater_than_equal"),
        ("/t/%ff/7", "not_found"),
        ("/t//7", "not_found"),
    ] {
        let request = Request::get(path).body(HttpBody::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        if response.status() == 404 {
            assert_eq!(expected, "not_found", "{path}");
            continue;
        }
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(String::from_utf8(bytes.into()).unwrap(), expected, "{path}");
    }
}
