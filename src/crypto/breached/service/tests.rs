use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// The SHA-1 of `password`, after its first five digits `5BAA6`.
const REST: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";

fn password() -> Password {
    Password::parse("password").unwrap()
}

/// Asks a service that answers one request with `answer`; returns what was said, and the request.
async fn asked(path: &str, answer: String) -> (bool, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}{path}", listener.local_addr().unwrap()).parse().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let service = BreachService::new(Some(&base)).unwrap();
    let password = password();
    tokio::join!(service.knows(&password), serve)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_listed_password_is_known_and_only_its_prefix_is_sent() {
    let body = format!("0000000000000000000000000000000000A:3\r\n{REST}:52256179\r\n");
    let (known, request) = asked("/range", ok(&body)).await;
    assert!(known);
    assert!(request.starts_with("GET /range/5BAA6 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("\r\nadd-padding: true\r\n"), "{request}");
    assert!(!request.contains(REST) && !request.contains("password"), "{request}");
}

#[tokio::test]
async fn a_base_may_end_in_a_slash() {
    let (known, request) = asked("/range/", ok(&format!("{}:1\n", REST.to_lowercase()))).await;
    assert!(known);
    assert!(request.starts_with("GET /range/5BAA6 "), "{request}");
}

#[tokio::test]
async fn others_and_padding_are_not_it() {
    let body = format!("{REST}:0\r\nX{REST}:7\r\n{REST}\r\n{}:7\r\n{REST}:x\r\n", &REST[1..]);
    assert!(!asked("/", ok(&body)).await.0);
    assert!(!asked("/", ok("")).await.0);
}

#[tokio::test]
async fn a_service_in_trouble_refuses_nobody() {
    let listed = format!("{REST}:7\r\n");
    let failing = ok(&listed).replace("200 OK", "503 Service Unavailable");
    assert!(!asked("/", failing).await.0);
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert!(!asked("/", moved.to_owned()).await.0);
    assert!(!asked("/", "nonsense\r\n\r\n".to_owned()).await.0);
    let endless = ok(&format!("{listed}{}", "A".repeat(LONGEST_ANSWER)));
    assert!(!asked("/", endless).await.0);
}

#[tokio::test]
async fn a_silent_service_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service = BreachService::new(Some(&base)).unwrap();
    let known = tokio::time::timeout(Duration::from_secs(5), service.knows(&password())).await;
    assert!(!known.expect("it gives up on its own"));
}

#[tokio::test]
async fn without_a_service_nothing_is_known() {
    assert!(!BreachService::new(None).unwrap().knows(&password()).await);
}
