#![expect(clippy::disallowed_methods, reason = "a test plays the client beside the server")]

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use super::*;

/// A server on a port of its own, and what is needed to play with it.
struct Played {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    /// Lets one request to `/slow` go on.
    gate: Arc<Notify>,
    /// Tells of each request that came to `/slow`.
    arrived: mpsc::UnboundedReceiver<()>,
}

const PATIENCE: Duration = Duration::from_secs(20);

async fn play(options: Options) -> Played {
    let gate = Arc::new(Notify::new());
    let (tell, arrived) = mpsc::unbounded_channel();
    let waiting = Arc::clone(&gate);
    let router = Router::new()
        .route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route(
            "/slow",
            get(async move || {
                tell.send(()).unwrap();
                waiting.notified().await;
                "done"
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let server = tokio::spawn(serve(listener, router, options, stopping));
    Played { address, stop, server, gate, arrived }
}

async fn open(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Reads until the text read ends in `end`.
async fn hear(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(end.as_bytes()) {
            text.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// Reads until the server closes, and returns what came; a reset counts as closing.
async fn hear_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("it was not closed");
    String::from_utf8_lossy(&text).into_owned()
}

fn short() -> Options {
    Options { head: Duration::from_millis(300), ..Options::default() }
}

#[tokio::test]
async fn a_request_learns_its_peer_and_the_connection_is_kept() {
    let it = play(Options::default()).await;
    let mut stream = open(it.address).await;
    let own = stream.local_addr().unwrap().to_string();
    for _ in 0..2 {
        ask(&mut stream, "/").await;
        assert!(hear(&mut stream, &own).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_connection_that_owes_a_request_is_closed() {
    let it = play(short()).await;
    let mut silent = open(it.address).await;
    let mut half = open(it.address).await;
    half.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let mut http2 = open(it.address).await;
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let began = crate::clock::Stopwatch::start();
    assert_eq!(hear_all(&mut silent).await, "");
    assert_eq!(hear_all(&mut half).await, "");
    hear_all(&mut http2).await;
    assert!(began.elapsed() < Duration::from_secs(5), "the usual limits applied");
}

#[tokio::test]
async fn dripping_bytes_do_not_buy_time() {
    let it = play(short()).await;
    let (mut reading, mut writing) = open(it.address).await.into_split();
    let mut text = Vec::new();
    let drip = async {
        writing.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        while writing.write_all(b"y").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = reading.read_to_end(&mut text) => {}
        () = drip => {}
        () = sleep(PATIENCE) => panic!("it was not closed"),
    }
    assert!(text.is_empty());
}

#[tokio::test]
async fn a_second_head_is_timed_from_its_first_byte_and_idleness_apart() {
    let it = play(Options { idle: Duration::from_mins(10), ..short() }).await;
    let mut idle = open(it.address).await;
    let own = idle.local_addr().unwrap().to_string();
    ask(&mut idle, "/").await;
    hear(&mut idle, &own).await;
    let mut half = open(it.address).await;
    let own_half = half.local_addr().unwrap().to_string();
    ask(&mut half, "/").await;
    hear(&mut half, &own_half).await;
    half.write_all(b"G").await.unwrap();
    assert_eq!(hear_all(&mut half).await, "");
    // By now the idle connection has stood longer than a head may take, and still serves.
    ask(&mut idle, "/").await;
    hear(&mut idle, &own).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_working_one_is_not() {
    let mut it = play(Options { idle: Duration::from_millis(300), ..short() }).await;
    let mut working = open(it.address).await;
    ask(&mut working, "/slow").await;
    timeout(PATIENCE, it.arrived.recv()).await.unwrap();
    let mut idle = open(it.address).await;
    ask(&mut idle, "/").await;
    assert!(hear_all(&mut idle).await.starts_with("HTTP/1.1 200"));
    it.gate.notify_one();
    assert!(hear(&mut working, "done").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn stopping_ends_idle_connections_refuses_new_ones_and_finishes_what_runs() {
    let mut it = play(Options::default()).await;
    let mut working = open(it.address).await;
    ask(&mut working, "/slow").await;
    timeout(PATIENCE, it.arrived.recv()).await.unwrap();
    let mut idle = open(it.address).await;
    it.stop.send(true).unwrap();
    assert_eq!(hear_all(&mut idle).await, "");
    assert!(TcpStream::connect(it.address).await.is_err());
    assert!(!it.server.is_finished());
    it.gate.notify_one();
    assert!(hear_all(&mut working).await.ends_with("done"));
    timeout(PATIENCE, it.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut it = play(Options { drain: Duration::from_millis(200), ..Options::default() }).await;
    let mut working = open(it.address).await;
    ask(&mut working, "/slow").await;
    timeout(PATIENCE, it.arrived.recv()).await.unwrap();
    it.stop.send(true).unwrap();
    timeout(PATIENCE, it.server).await.unwrap().unwrap();
    assert_eq!(hear_all(&mut working).await, "");
}

#[tokio::test]
async fn beyond_the_cap_a_connection_waits_for_a_place() {
    let mut it = play(Options { connections: 1, ..Options::default() }).await;
    let mut first = open(it.address).await;
    ask(&mut first, "/slow").await;
    timeout(PATIENCE, it.arrived.recv()).await.unwrap();
    let mut second = open(it.address).await;
    ask(&mut second, "/slow").await;
    // The second request must not arrive; that takes a while to be believed.
    let early = timeout(Duration::from_millis(200), it.arrived.recv()).await;
    assert!(early.is_err(), "it was served beyond the cap");
    it.gate.notify_one();
    hear(&mut first, "done").await;
    drop(first);
    timeout(PATIENCE, it.arrived.recv()).await.unwrap();
    it.gate.notify_one();
    hear(&mut second, "done").await;
}

#[tokio::test]
async fn heads_beyond_the_limit_are_refused() {
    let it = play(Options::default()).await;
    let mut stream = open(it.address).await;
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let _ = stream.write_all(head.as_bytes()).await;
    assert!(hear_all(&mut stream).await.starts_with("HTTP/1.1 431"));
}
