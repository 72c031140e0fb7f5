//! OAU-14, and of OAU-22 that no redirect is followed and nothing inside is asked.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn developing() -> Fetcher {
    Fetcher::new(&[], true)
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// Asks a server on this machine that answers one request with `answer`; what came of it, and the
/// request.
async fn asked(
    fetcher: &Fetcher,
    answer: &str,
    most: usize,
) -> (Result<Fetched, Unfetched>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = url(&format!("http://{}/a?b=c", listener.local_addr().unwrap()));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        // The other side may have gone before all of it is written.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        String::from_utf8(request).unwrap()
    };
    tokio::join!(fetcher.get(&at, most), serve)
}

/// Whether a server on this machine is connected to where `host` is asked.
async fn is_reached(
    fetcher: &Fetcher,
    scheme: &str,
    host: &str,
) -> (Result<Fetched, Unfetched>, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let at = url(&format!("{scheme}://{host}:{port}/"));
    tokio::select! {
        got = fetcher.get(&at, 9) => (got, false),
        _ = listener.accept() => (Err(Unfetched::NoAnswer), true),
    }
}

#[tokio::test]
async fn an_answer_is_told_whole_with_its_status_and_type() {
    let body = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json; charset=utf-8\r\n\
                Content-Length: 2\r\nSet-Cookie: a=b\r\n\r\n{}";
    let (answer, request) = asked(&developing(), body, 2).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(answer.content_type.as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(answer.body, b"{}");
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    let request = request.to_ascii_lowercase();
    for absent in ["cookie", "referer", "authorization", "accept-encoding"] {
        assert!(!request.contains(&format!("\r\n{absent}:")), "{request}");
    }
}

#[tokio::test]
async fn a_longer_answer_is_none_whether_it_says_so_or_not() {
    let told = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(asked(&developing(), told, 2).await.0, Err(Unfetched::TooLong));
    let untold = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc";
    assert_eq!(asked(&developing(), untold, 2).await.0, Err(Unfetched::TooLong));
    assert_eq!(asked(&developing(), untold, 3).await.0.unwrap().body, b"abc");
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    assert_eq!(asked(&developing(), cut, 9).await.0, Err(Unfetched::NoAnswer));
}

#[tokio::test]
async fn oau_22_no_redirect_is_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inside = listener.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: http://{inside}/secret\r\nContent-Length: 0\r\n\r\n"
        );
        let fetcher = developing();
        tokio::select! {
            (got, _) = asked(&fetcher, &answer, 9) => assert_eq!(got.unwrap().status, status),
            _ = listener.accept() => panic!("{status} was followed"),
        }
    }
}

#[tokio::test]
async fn oau_14_nothing_inside_is_connected_to_by_number_or_by_name() {
    let strict = Fetcher::new(&[], false);
    // A name that leads inside is what a rebound one is, and is judged where it is resolved.
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        for scheme in ["https", "http"] {
            let (got, reached) = is_reached(&strict, scheme, host).await;
            assert_eq!((got, reached), (Err(Unfetched::Forbidden), false), "{scheme} {host}");
        }
    }
    for host in ["10.0.0.1", "169.254.169.254", "192.168.1.1", "[fe80::1]", "0.0.0.0", "[fd00::1]"]
    {
        for fetcher in [&strict, &developing()] {
            let at = url(&format!("https://{host}/"));
            assert_eq!(fetcher.get(&at, 9).await, Err(Unfetched::Forbidden), "{host}");
            assert_eq!(fetcher.post_form(&at, String::new()).await, Err(Unfetched::Forbidden));
        }
    }
}

#[tokio::test]
async fn only_what_is_sealed_is_asked_but_on_this_machine_while_developing() {
    for at in ["http://example.com/", "ftp://example.com/", "https://a:b@example.com/", "data:,x"] {
        assert_eq!(developing().get(&url(at), 9).await, Err(Unfetched::Forbidden), "{at}");
    }
    for host in ["127.0.0.1", "localhost"] {
        let (_, reached) = is_reached(&developing(), "http", host).await;
        assert!(reached, "{host}");
    }
    // An allowed network is asked over TLS only.
    let intranet = Fetcher::new(&["127.0.0.0/8".parse().unwrap()], false);
    assert!(is_reached(&intranet, "https", "127.0.0.1").await.1);
    let (got, reached) = is_reached(&intranet, "http", "127.0.0.1").await;
    assert_eq!((got, reached), (Err(Unfetched::Forbidden), false));
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let fetcher = Fetcher { patience: Duration::from_millis(50), ..developing() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = url(&format!("http://{}/", listener.local_addr().unwrap()));
    // It is connected to, and says nothing.
    assert_eq!(fetcher.get(&at, 9).await, Err(Unfetched::NoAnswer));
    let slow = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na";
    let (mut stream, got) = tokio::join!(
        async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(slow.as_bytes()).await.unwrap();
            stream
        },
        fetcher.get(&at, 9)
    );
    assert_eq!(got, Err(Unfetched::NoAnswer));
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_form_is_sent_as_it_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = url(&format!("http://{}/logout", listener.local_addr().unwrap()));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"logout_token=a.b") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let fetcher = developing();
    let (status, request) = tokio::join!(fetcher.post_form(&at, "logout_token=a.b".into()), serve);
    assert_eq!(status, Ok(204));
    assert!(request.starts_with("POST /logout HTTP/1.1\r\n"), "{request}");
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    assert!(request.to_ascii_lowercase().contains(form), "{request}");
}
