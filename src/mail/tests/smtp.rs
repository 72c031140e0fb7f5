//! Sending, against a server that speaks the protocol and misbehaves as told.

use std::time::Duration;

use lettre::transport::smtp::client::Certificate;

use super::{
    super::smtp::Smtp,
    sink::{ROOT, Received, Script, Sink, Tls},
    *,
};
use crate::{config::MailConfig, secret::Secret};

const SHORT: Duration = Duration::from_millis(300);

fn config(url: &str) -> MailConfig {
    MailConfig {
        smtp_url: Some(Secret::new(url.to_owned())),
        from: "Countersign <no-reply@Bücher.example>".to_owned(),
        give_up_after: Duration::from_secs(1),
    }
}

/// A client of `sink`: `{port}` in `url` is its port. It trusts the sink's certificate.
fn client(sink: &Sink, url: &str) -> Smtp {
    let url = url.replace("{port}", &sink.port.to_string());
    let root = Certificate::from_pem(ROOT.as_bytes()).unwrap();
    Smtp::build(&config(&url), Duration::from_secs(10), vec![root]).unwrap()
}

fn impatient(sink: &Sink) -> Smtp {
    let url = format!("smtp://127.0.0.1:{}?tls=none", sink.port);
    Smtp::build(&config(&url), SHORT, Vec::new()).unwrap()
}

const CLEAR: &str = "smtp://127.0.0.1:{port}?tls=none";

fn mail() -> Mail {
    written("Müller & Söhne", Locale::De, &samples("Anna")[0])
}

fn answering(verb: &'static str, reply: &'static str) -> Sink {
    Sink::start(Script { answers: vec![(verb, reply)], ..Script::default() })
}

fn headers(mail: &Received) -> Vec<String> {
    let head = mail.data.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.split("\r\n").map(str::to_owned).collect()
}

fn header(mail: &Received, name: &str) -> String {
    let start = format!("{name}: ");
    let found: Vec<String> =
        headers(mail).into_iter().filter(|line| line.starts_with(&start)).collect();
    assert_eq!(found.len(), 1, "{name} in {:#?}", headers(mail));
    found[0][start.len()..].to_owned()
}

#[tokio::test]
async fn a_mail_arrives_whole() {
    let sink = Sink::start(Script::default());
    client(&sink, CLEAR).send(&mail()).await.unwrap();
    let received = sink.mails().remove(0);
    assert_eq!(received.from, "MAIL FROM:<no-reply@xn--bcher-kva.example>");
    assert_eq!(received.to, ["RCPT TO:<anna@example.net>"]);
    let id = "<msg_00000000000000000000000007@xn--bcher-kva.example>";
    assert_eq!(header(&received, "Message-ID"), id);
    assert_eq!(header(&received, "Date"), "Wed, 25 Nov 2026 09:30:00 +0000");
    assert_eq!(header(&received, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&received, "To"), "anna@example.net");
    assert!(header(&received, "From").ends_with("<no-reply@xn--bcher-kva.example>"));
    assert!(header(&received, "From").starts_with("=?utf-8?"), "the tenant's name is the sender's");
    assert!(received.data.contains("multipart/alternative"));
    assert!(received.data.contains("text/plain") && received.data.contains("text/html"));
    assert!(received.data.is_ascii(), "the body is encoded");
    assert!(received.data.lines().all(|line| line.len() <= 998), "RFC 5322 section 2.1.1");
}

#[tokio::test]
async fn the_second_try_bears_the_same_message_id() {
    let sink = Sink::start(Script::default());
    let smtp = client(&sink, CLEAR);
    smtp.send(&mail()).await.unwrap();
    smtp.send(&mail()).await.unwrap();
    let mails = sink.mails();
    assert_eq!(header(&mails[0], "Message-ID"), header(&mails[1], "Message-ID"));
    assert_eq!(sink.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn a_line_of_one_dot_ends_nothing() {
    let sink = Sink::start(Script::default());
    let text = "before\n.\nMAIL FROM:<eve@example.org>\n..two\n".to_owned();
    let dotted = Mail { text, ..mail() };
    client(&sink, CLEAR).send(&dotted).await.unwrap();
    let mails = sink.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].data.contains("before\r\n.\r\nMAIL FROM:<eve@example.org>\r\n..two\r\n"));
    assert!(!sink.commands().iter().any(|(command, _)| command.contains("eve")));
}

#[tokio::test]
async fn nothing_becomes_a_header_that_is_none() {
    let sink = Sink::start(Script::default());
    let smtp = client(&sink, CLEAR);
    let break_in = "x\r\nBcc: eve@example.org\r\n\r\nbody\nX: y\rZ: z\u{85}\u{2028}";
    let hostile = Mail { subject: break_in.to_owned(), from_name: break_in.to_owned(), ..mail() };
    smtp.send(&mail()).await.unwrap();
    smtp.send(&hostile).await.unwrap();
    let mails = sink.mails();
    let names = |mail: &Received| -> Vec<String> {
        headers(mail).iter().map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&mails[0]), names(&mails[1]));
    assert!(!mails[1].data.lines().any(|line| line.starts_with("Bcc")));
}

#[tokio::test]
async fn an_address_that_is_more_than_one_is_refused_before_anything_is_said() {
    let sink = Sink::start(Script::default());
    let smtp = client(&sink, CLEAR);
    for to in [
        "a@x.example\r\nRCPT TO:<eve@y.example>",
        "a@x.example>\r\nDATA",
        "\"a@x.example\"@evil.example",
        "\"ab\"@evil.example",
        "\"a b\"@evil.example",
        "a@[127.0.0.1]",
        "a@x.example,eve@y.example",
        "A <a@x.example>",
        "a(b)@x.example",
        "a@b@x.example",
        "a@x.example\0",
        "a b@x.example",
        "@x.example",
        "a@",
        "a",
        "",
    ] {
        let fault = smtp.send(&Mail { to: to.to_owned(), ..mail() }).await;
        assert!(matches!(fault, Err(SendFault::Never(_))), "{to:?} {fault:?}");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_domain_beyond_ascii_goes_out_as_its_a_label() {
    let sink = Sink::start(Script::default());
    let to = "anna@BÜCHER.example".to_owned();
    client(&sink, CLEAR).send(&Mail { to, ..mail() }).await.unwrap();
    assert_eq!(sink.mails()[0].to, ["RCPT TO:<anna@xn--bcher-kva.example>"]);
}

#[tokio::test]
async fn a_local_part_beyond_ascii_needs_a_server_that_takes_it() {
    let to = "jürgen@example.net".to_owned();
    let plain = Sink::start(Script::default());
    let fault = client(&plain, CLEAR).send(&Mail { to: to.clone(), ..mail() }).await;
    assert!(matches!(fault, Err(SendFault::Never(_))), "{fault:?}");
    let extensions = &["SMTPUTF8", "8BITMIME"];
    let able = Sink::start(Script { extensions, ..Script::default() });
    client(&able, CLEAR).send(&Mail { to, ..mail() }).await.unwrap();
    assert!(able.mails()[0].from.contains("SMTPUTF8"), "{:?}", able.mails()[0].from);
}

#[tokio::test]
async fn what_the_server_says_decides_whether_to_try_again() {
    let cases = [
        ("GREETING", "554 go away", false),
        ("GREETING", "421 later", false),
        ("MAIL", "451 busy", false),
        // Our sender, our sign-in: an operator can mend it, so the mail waits.
        ("MAIL", "550 sender not allowed", false),
        ("MAIL", "530 sign in first", false),
        ("RCPT", "450 greylisted", false),
        ("RCPT", "550 no such user", true),
        ("DATA", "451 busy", false),
        ("DATA", "554 no", true),
        ("BODY", "452 full", false),
        ("BODY", "554 looks like spam", true),
    ];
    for (verb, reply, never) in cases {
        let sink = answering(verb, reply);
        match client(&sink, CLEAR).send(&mail()).await {
            Err(SendFault::Never(why)) if never => assert!(why.contains(&reply[..3]), "{why}"),
            Err(SendFault::Later(why)) if !never => assert!(why.contains(&reply[..3]), "{why}"),
            other => panic!("{verb} {reply}: {other:?}"),
        }
        assert!(sink.mails().is_empty());
    }
}

#[tokio::test]
async fn the_servers_words_are_cut_to_one_line() {
    let sink = answering("RCPT", "550-no\r\n550-such\r\n550 user at all");
    let Err(SendFault::Never(why)) = client(&sink, CLEAR).send(&mail()).await else { panic!() };
    assert!(!why.contains(['\r', '\n']) && why.chars().count() <= 200, "{why}");
    let SendFault::Later(why) = SendFault::later(&"ü\n".repeat(500)) else { panic!() };
    assert_eq!(why.chars().count(), 200);
}

#[tokio::test]
async fn after_a_refusal_the_connection_serves_the_next_mail() {
    let sink = answering("DATA", "554 no");
    let smtp = client(&sink, CLEAR);
    for _ in 0..2 {
        assert!(matches!(smtp.send(&mail()).await, Err(SendFault::Never(_))));
    }
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_time_out() {
    for verb in ["EHLO", "MAIL", "RCPT", "DATA", "BODY"] {
        let sink = Sink::start(Script { silent_after: Some(verb), ..Script::default() });
        let smtp = impatient(&sink);
        let sent = tokio::time::timeout(SHORT * 8, smtp.send(&mail())).await;
        let fault = sent.unwrap_or_else(|_| panic!("{verb}: no time-out"));
        assert!(matches!(fault, Err(SendFault::Later(_))), "{verb} {fault:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_given_up_is_not_used_again() {
    let sink = Sink::start(Script { silent_after: Some("BODY"), ..Script::default() });
    let smtp = impatient(&sink);
    for _ in 0..2 {
        let sent = tokio::time::timeout(SHORT * 8, smtp.send(&mail())).await;
        assert!(sent.expect("no time-out").is_err());
    }
    assert_eq!(sink.connections(), 2, "its answer was yet to come");
}

#[tokio::test]
async fn nobody_there_is_later() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let smtp = Smtp::new(&config(&format!("smtp://127.0.0.1:{port}?tls=none"))).unwrap();
    assert!(matches!(smtp.send(&mail()).await, Err(SendFault::Later(_))));
}

#[tokio::test]
async fn a_mail_goes_encrypted_by_starttls_and_by_tls() {
    for (tls, url) in [
        (Tls::Start, "smtp://user:p%40ss%20w%C3%B6rd@localhost:{port}"),
        (Tls::Start, "smtp://user:p%40ss%20w%C3%B6rd@localhost:{port}?tls=opportunistic"),
        (Tls::Implicit, "smtps://user:p%40ss%20w%C3%B6rd@localhost:{port}"),
    ] {
        let sink = Sink::start(Script { tls, extensions: &["AUTH PLAIN"], ..Script::default() });
        client(&sink, url).send(&mail()).await.unwrap();
        assert_eq!(sink.mails().len(), 1, "{url}");
        for (command, encrypted) in sink.commands() {
            let early = ["EHLO", "STARTTLS"].contains(&command.split(' ').next().unwrap());
            assert!(encrypted || early, "{command} in clear");
        }
        // \0user\0p@ss wörd
        let plain = "AUTH PLAIN AHVzZXIAcEBzcyB3w7ZyZA==".to_owned();
        assert!(sink.commands().contains(&(plain, true)), "{:?}", sink.commands());
    }
}

#[tokio::test]
async fn without_encryption_nothing_is_said() {
    let sink = Sink::start(Script { extensions: &["AUTH PLAIN"], ..Script::default() });
    let fault = client(&sink, "smtp://user:secret@localhost:{port}").send(&mail()).await;
    assert!(matches!(fault, Err(SendFault::Later(_))), "{fault:?}");
    let commands = sink.commands();
    assert!(commands.iter().all(|(command, _)| command.starts_with("EHLO")), "{commands:?}");
}

#[tokio::test]
async fn a_password_is_not_sent_in_clear_over_the_network() {
    let sink = Sink::start(Script { extensions: &["AUTH PLAIN"], ..Script::default() });
    // An address of this machine that does not look like one.
    let url = "smtp://user:secret@0.0.0.0:{port}?tls=opportunistic";
    let fault = client(&sink, url).send(&mail()).await;
    assert!(matches!(fault, Err(SendFault::Later(_))), "{fault:?}");
    let commands = sink.commands();
    assert!(commands.iter().all(|(command, _)| command.starts_with("EHLO")), "{commands:?}");
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn starttls_that_is_refused_is_later() {
    let answers = vec![("STARTTLS", "454 not now")];
    let sink = Sink::start(Script { tls: Tls::Start, answers, ..Script::default() });
    let fault = client(&sink, "smtp://localhost:{port}").send(&mail()).await;
    assert!(matches!(fault, Err(SendFault::Later(_))), "{fault:?}");
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn a_certificate_that_is_not_good_stops_the_mail() {
    for tls in [Tls::Start, Tls::Implicit] {
        let scheme = if tls == Tls::Start { "smtp" } else { "smtps" };
        let sink = Sink::start(Script { tls, ..Script::default() });
        // The name is another, though the signer is trusted.
        let named = client(&sink, &format!("{scheme}://127.0.0.1:{{port}}"));
        // The signer is unknown, though the name is right.
        let unknown = Smtp::new(&config(&format!("{scheme}://localhost:{}", sink.port))).unwrap();
        for smtp in [named, unknown] {
            let fault = smtp.send(&mail()).await;
            assert!(matches!(fault, Err(SendFault::Later(_))), "{fault:?}");
        }
        let said = sink.commands().into_iter().map(|(command, _)| command);
        assert!(said.into_iter().all(|command| !command.starts_with("MAIL")));
        assert!(sink.mails().is_empty());
    }
}

#[tokio::test]
async fn a_refused_password_is_later() {
    let answers = vec![("AUTH", "535 wrong")];
    let tls = Tls::Implicit;
    let sink =
        Sink::start(Script { tls, extensions: &["AUTH PLAIN"], answers, ..Script::default() });
    let fault = client(&sink, "smtps://user:wrong@localhost:{port}").send(&mail()).await;
    assert!(matches!(fault, Err(SendFault::Later(_))), "{fault:?}");
}

#[test]
fn a_bad_setting_is_named_and_not_repeated() {
    for (url, part) in [
        ("", "not an address"),
        ("mail.example.com", "not an address"),
        ("http://mail.example.com", "smtp:// or smtps://"),
        ("smtp://", "no host"),
        ("smtp://mail.example.com:70000", "not an address"),
        ("smtp://mail.example.com?tls=yes", "required, opportunistic, none"),
        ("smtp://mail.example.com?tls=none&tls=required", "one parameter"),
        ("smtp://mail.example.com?timeout=5", "one parameter"),
        ("smtps://mail.example.com?tls=none", "always encrypted"),
        ("smtp://mail.example.com/path", "no path"),
        ("smtp://user:s3cret@mail.example.com?tls=none", "in clear"),
        ("smtp://:s3cret@mail.example.com", "no user"),
        ("smtp://user@mail.example.com", "no password"),
        ("smtp://user:s3cret%ff@mail.example.com", "percent-encoded"),
    ] {
        let fault = Smtp::new(&config(url)).unwrap_err();
        assert!(fault.starts_with("mail.smtp_url") && fault.contains(part), "{url}: {fault}");
        assert!(!fault.contains("s3cret"), "{fault}");
    }
    for from in ["", "nobody", "a@b@c", "A <a@b.example>, B <b@b.example>", "\"a b\"@b.example"] {
        let bad = MailConfig { from: from.to_owned(), ..config("smtp://mail.example.com") };
        let fault = Smtp::new(&bad).unwrap_err();
        assert!(fault.starts_with("mail.from"), "{from}: {fault}");
    }
}

#[test]
fn good_settings_are_taken_and_print_no_password() {
    for (url, printed) in [
        ("smtp://mail.example.com", "Smtp(mail.example.com:587)"),
        ("smtp://mail.example.com:25?tls=opportunistic", "Smtp(mail.example.com:25)"),
        ("smtp://mail.example.com/?tls=none", "Smtp(mail.example.com:587)"),
        ("smtps://user:s3cret@mail.example.com", "Smtp(mail.example.com:465)"),
        ("smtp://user:s3cret@[::1]:1025?tls=none", "Smtp(::1:1025)"),
        ("smtp://user:s3cret@localhost:1025?tls=none", "Smtp(localhost:1025)"),
    ] {
        assert_eq!(format!("{:?}", Smtp::new(&config(url)).unwrap()), printed);
    }
    let bare = MailConfig { from: "no-reply@localhost".into(), ..config("smtp://localhost") };
    Smtp::new(&bare).unwrap();
}
