//! Telling applications that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{domain::application::Owner, flows::oauth::backchannel::send_due};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Mutex,
};

use super::parties::{at, party, tokens};
use crate::support::World;

/// Something that takes notices, and answers each with a status; 0: not at all.
struct Party {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

#[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
async fn listening(status: u16) -> Party {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/out", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            let mut part = [0; 8_192];
            loop {
                let count = stream.read(&mut part).await.unwrap();
                text.extend_from_slice(&part[..count]);
                let so_far = String::from_utf8_lossy(&text);
                let whole = so_far.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.to_lowercase();
                    let length = length.split("content-length: ").nth(1).unwrap();
                    body.len() >= length.lines().next().unwrap().trim().parse().unwrap()
                });
                if whole || count == 0 {
                    break;
                }
            }
            kept.lock().await.push(String::from_utf8(text).unwrap());
            if status == 0 {
                silent.push(stream);
                continue;
            }
            let to = if status == 302 { "location: http://127.0.0.1:1/\r\n" } else { "" };
            let answer = format!(
                "HTTP/1.1 {status} x\r\n{to}content-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Party { url, heard }
}

impl Party {
    fn metadata(&self) -> Value {
        json!({"backchannel_logout_uri": self.url})
    }

    async fn heard(&self) -> Vec<String> {
        self.heard.lock().await.clone()
    }
}

const WAITING: &str = "SELECT COUNT(*) FROM session_clients";

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout() {
    let world = World::new().await;
    let app = listening(200).await;
    let (cx, mut browser, made) = party(&world, app.metadata()).await;
    let had = tokens(&mut browser, "acme", &made, &[]).await;
    assert_eq!(send_due(&world.app).await.unwrap(), 0);
    let (session, _) = browser.session().unwrap();
    let hint = had["id_token"].as_str().unwrap();
    browser.get(&at("acme", "logout", &[("id_token_hint", hint)])).await;
    assert_eq!(send_due(&world.app).await.unwrap(), 1);
    assert_eq!(world.count(WAITING).await, 0);
    let heard = app.heard().await;
    assert_eq!(heard.len(), 1);
    let (start, body) = heard[0].split_once("\r\n\r\n").unwrap();
    assert!(start.starts_with("POST /out HTTP/1.1"), "{start}");
    assert!(start.to_lowercase().contains("content-type: application/x-www-form-urlencoded"));
    let token = body.strip_prefix("logout_token=").unwrap();
    let part = |place: usize| -> Value {
        let text = token.split('.').nth(place).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    assert_eq!(part(0)["typ"], "logout+jwt");
    assert_eq!(part(0)["alg"], "RS256");
    let said = part(1);
    let id = super::parties::claims(&had["id_token"]);
    for same in ["iss", "aud", "sub", "sid"] {
        assert_eq!(said[same], id[same], "{same}");
    }
    assert_eq!(said["sid"], session.to_string());
    let event = "http://schemas.openid.net/event/backchannel-logout";
    assert_eq!(said["events"], json!({event: {}}));
    assert!(said["jti"].is_string() && said.get("nonce").is_none());
    let life = said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&life));
    // It is of no use as anything else.
    let pairs = [("token", token)];
    let answer = browser.post_as("acme", "introspect", &made, &pairs).await;
    assert_eq!(answer.json(), json!({"active": false}));
    let refused = browser.get(&at("acme", "logout", &[("id_token_hint", token)])).await;
    assert_eq!(refused.status.as_u16(), 400);
    assert_eq!(cx.tenant.slug.as_str(), "acme");
}

#[tokio::test]
async fn a_session_that_ends_by_itself_is_told_of_too() {
    let world = World::new().await;
    let app = listening(204).await;
    let (_, mut browser, made) = party(&world, app.metadata()).await;
    tokens(&mut browser, "acme", &made, &[]).await;
    world.advance(Duration::from_hours(24 * 60));
    while countersign::jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(send_due(&world.app).await.unwrap(), 1);
    assert_eq!(app.heard().await.len(), 1);
    assert_eq!(world.count(WAITING).await, 0);
}

#[tokio::test]
async fn oau_22_who_does_not_take_it_is_tried_again_and_keeps_nobody_waiting() {
    let world = World::new().await;
    let (hung, broken, good) = (listening(0).await, listening(500).await, listening(200).await);
    let moved = listening(302).await;
    let (cx, mut browser, _) = party(&world, json!({})).await;
    let owner = Owner::Tenant(cx.tenant.id);
    let inside = json!({"backchannel_logout_uri": "https://169.254.169.254/out"});
    for metadata in [hung.metadata(), broken.metadata(), moved.metadata(), inside, good.metadata()]
    {
        let made = world.web(owner, metadata).await;
        tokens(&mut browser, "acme", &made, &[]).await;
    }
    let only_front = json!({"frontchannel_logout_uri": "https://app.example.com/out"});
    let made = world.web(owner, only_front).await;
    tokens(&mut browser, "acme", &made, &[]).await;
    assert_eq!(world.count(WAITING).await, 6);
    let (session, _) = browser.session().unwrap();
    let ended = countersign::db::sql("DELETE FROM sessions WHERE id = $1").bind(session);
    world.execute(ended).await;
    assert_eq!(send_due(&world.app).await.unwrap(), 6);
    assert_eq!(good.heard().await.len(), 1);
    assert_eq!(world.count(WAITING).await, 4);
    // Not before its time.
    assert_eq!(send_due(&world.app).await.unwrap(), 0);
    world.advance(Duration::from_secs(1));
    assert_eq!(send_due(&world.app).await.unwrap(), 4);
    world.advance(Duration::from_secs(9));
    assert_eq!(send_due(&world.app).await.unwrap(), 0);
    assert_eq!(broken.heard().await.len(), 2);
    assert_eq!(good.heard().await.len(), 1);
    // After a day it is given up.
    let worn = countersign::db::sql("UPDATE session_clients SET tries = 27, next_try_at = 0");
    world.execute(worn).await;
    assert_eq!(send_due(&world.app).await.unwrap(), 4);
    assert_eq!(world.count(WAITING).await, 0);
}

#[tokio::test]
async fn of_two_nodes_one_tells() {
    let world = World::new().await;
    let app = listening(200).await;
    let (_, mut browser, made) = party(&world, app.metadata()).await;
    tokens(&mut browser, "acme", &made, &[]).await;
    world.execute(countersign::db::sql("DELETE FROM sessions")).await;
    let other = world.second_node().await;
    let (a, b) = tokio::join!(send_due(&world.app), send_due(&other.app));
    assert_eq!(a.unwrap() + b.unwrap(), 1);
    assert_eq!(app.heard().await.len(), 1);
}
