use tokio::net::TcpListener;

use super::*;
use crate::config::load::{Sources, load};

fn config(listen: SocketAddr) -> Config {
    let mut config = load(&Sources::default()).unwrap().config;
    config.listen = listen;
    config
}

/// What the command says to a server that answers `answer`, and what the server was asked.
async fn probe(answer: &str) -> (Result<(), Failure>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap());
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    };
    tokio::join!(run(&config, None), answering)
}

fn said(result: Result<(), Failure>) -> String {
    match result {
        Err(Failure::No(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_a_200_is_ready() {
    let (ready, asked) = probe("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(ready.is_ok());
    assert!(asked.starts_with("GET /health/ready HTTP/1.1\r\nhost: 127.0.0.1:"), "{asked}");
    let (busy, _) = probe("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    assert_eq!(said(busy), "not ready: the server answers 503");
    assert_eq!(said(probe("SSH-2.0-OpenSSH_9").await.0), "not ready: the answer is not HTTP");
    assert!(said(probe("").await.0).starts_with("not ready: "));
}

#[tokio::test]
async fn nobody_there_and_a_wrong_address_are_told() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(said(run(&config(free), None).await).starts_with("not ready: "));
    let wrong = run(&config(free), Some("https://127.0.0.1/health/ready")).await;
    assert_eq!(said(wrong), "--url is not an http address");
}

#[test]
fn who_listens_everywhere_is_asked_here() {
    let asked = |listen: &str| of(listen.parse().unwrap());
    assert_eq!(asked("0.0.0.0:80"), "http://127.0.0.1:80/health/ready");
    assert_eq!(asked("[::]:80"), "http://[::1]:80/health/ready");
    assert_eq!(asked("192.0.2.1:80"), "http://192.0.2.1:80/health/ready");
}
