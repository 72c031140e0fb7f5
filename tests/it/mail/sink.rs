//! A mail server for tests: just enough of RFC 5321, with an answer to `RCPT` that can be changed.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// The running server.
#[derive(Clone)]
pub(super) struct Sink(Arc<Mutex<State>>);

struct State {
    answer: &'static str,
    mails: Vec<Received>,
}

/// A mail that was taken.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) to: String,
    pub(super) data: String,
}

impl Received {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let line = self.data.lines().find_map(|line| line.strip_prefix(&start));
        line.expect("a header").to_owned()
    }
}

/// A port that nothing listens on.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Sink {
    /// Starts a server on `port`; it takes every mail.
    pub(super) fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let sink = Self(Arc::new(Mutex::new(State { answer: "250 ok", mails: Vec::new() })));
        let shared = sink.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sink = shared.clone();
                std::thread::spawn(move || sink.talk(stream));
            }
        });
        sink
    }

    /// From now on `RCPT` is answered so; with nothing at all where it is empty.
    pub(super) fn answers(&self, answer: &'static str) {
        self.0.lock().unwrap().answer = answer;
    }

    pub(super) fn mails(&self) -> Vec<Received> {
        self.0.lock().unwrap().mails.clone()
    }

    /// One conversation, until the client hangs up.
    fn talk(&self, stream: TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        out.write_all(b"220 sink ESMTP\r\n").ok()?;
        let mut to = String::new();
        while let Some(line) = lines.next() {
            let reply = match line.get(..4).unwrap_or_default() {
                "RCPT" => {
                    let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                    address.clone_into(&mut to);
                    self.0.lock().unwrap().answer
                }
                "DATA" => {
                    out.write_all(b"354 go on\r\n").ok()?;
                    let body: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                    let mail = Received { to: to.clone(), data: body.join("\n") };
                    self.0.lock().unwrap().mails.push(mail);
                    "250 queued"
                }
                _ => "250 ok",
            };
            if !reply.is_empty() {
                out.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
            }
        }
        None
    }
}
