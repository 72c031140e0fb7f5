//! A mail server for tests: enough of RFC 5321, STARTTLS, TLS and AUTH for a real client, and any
//! misbehaviour one can script. Blocking, each connection on a thread of its own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The certificate that signs the sink's.
pub(super) const ROOT: &str = include_str!("tls/root.pem");

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) tls: Tls,
    /// Extensions beyond those that follow from the rest.
    pub(super) extensions: &'static [&'static str],
    /// The answer to the first command that starts with the first of each pair.
    pub(super) answers: Vec<(&'static str, &'static str)>,
    /// The command, or `BODY`, after which the server says nothing any more.
    pub(super) silent_after: Option<&'static str>,
}

/// What the server does about encryption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tls {
    /// Nothing.
    #[default]
    None,
    /// It offers STARTTLS.
    Start,
    /// It encrypts from the first byte.
    Implicit,
}

/// A mail that was taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    /// Headers and body, line ends as they came, dots unstuffed.
    pub(super) data: String,
}

/// A command, and whether it came encrypted.
pub(super) type Command = (String, bool);

/// The running server.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    pub(super) port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    mails: Vec<Received>,
    commands: Vec<Command>,
    connections: usize,
}

impl Sink {
    /// Starts a server on a free port of this machine.
    pub(super) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink =
            Self { port: listener.local_addr().unwrap().port(), seen: Arc::new(Mutex::default()) };
        let shared = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sink, script) = (shared.clone(), script.clone());
                thread::spawn(move || sink.serve(stream, &script));
            }
        });
        sink
    }

    pub(super) fn mails(&self) -> Vec<Received> {
        self.seen.lock().unwrap().mails.clone()
    }

    pub(super) fn commands(&self) -> Vec<Command> {
        self.seen.lock().unwrap().commands.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    fn serve(&self, stream: TcpStream, script: &Script) {
        self.seen.lock().unwrap().connections += 1;
        let encrypt = |stream| {
            StreamOwned::new(ServerConnection::new(Arc::new(certificate())).unwrap(), stream)
        };
        let plain = match script.tls {
            Tls::Implicit => {
                self.talk(&mut encrypt(stream), script, true);
                return;
            }
            Tls::None | Tls::Start => {
                let mut stream = stream;
                self.talk(&mut stream, script, false).then_some(stream)
            }
        };
        if let Some(stream) = plain {
            self.talk(&mut encrypt(stream), script, true);
        }
    }

    /// One conversation. Whether it ends with the start of encryption.
    fn talk<S: Read + Write>(&self, stream: &mut S, script: &Script, encrypted: bool) -> bool {
        let mut mail = Received::default();
        let greets = !encrypted || script.tls == Tls::Implicit;
        if greets && say(stream, answer(script, "GREETING", "220 sink ESMTP")).is_none() {
            return false;
        }
        while let Some(line) = read_line(stream) {
            self.seen.lock().unwrap().commands.push((line.clone(), encrypted));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            if script.silent_after == Some(verb.as_str()) {
                if hold(stream).is_none() {
                    return false;
                }
                continue;
            }
            let usual = match verb.as_str() {
                "EHLO" => {
                    let mut lines = vec!["sink"];
                    lines.extend(script.extensions);
                    if script.tls == Tls::Start && !encrypted {
                        lines.push("STARTTLS");
                    }
                    let last = lines.len() - 1;
                    let line =
                        |(at, text)| format!("250{}{text}", if at < last { '-' } else { ' ' });
                    lines.into_iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
                }
                "MAIL" => {
                    mail = Received { from: line, ..Received::default() };
                    "250 ok".to_owned()
                }
                "RCPT" => {
                    mail.to.push(line);
                    "250 ok".to_owned()
                }
                "DATA" => "354 go on".to_owned(),
                "AUTH" => "235 welcome".to_owned(),
                "STARTTLS" => "220 go on".to_owned(),
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            let reply = answer(script, &verb, &usual).to_owned();
            if say(stream, &reply).is_none() || verb == "QUIT" {
                return false;
            }
            if verb == "STARTTLS" && reply.starts_with("220") {
                return true;
            }
            if verb == "DATA" && reply.starts_with("354") && !self.take(stream, script, &mut mail) {
                return false;
            }
        }
        false
    }

    /// The mail itself. Whether the conversation goes on.
    fn take<S: Read + Write>(&self, stream: &mut S, script: &Script, mail: &mut Received) -> bool {
        while let Some(line) = read_line(stream) {
            if line == "." {
                if script.silent_after == Some("BODY") {
                    return hold(stream).is_some();
                }
                let reply = answer(script, "BODY", "250 queued");
                if reply.starts_with("250") {
                    self.seen.lock().unwrap().mails.push(std::mem::take(mail));
                }
                return say(stream, reply).is_some();
            }
            mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
            mail.data.push_str("\r\n");
        }
        false
    }
}

fn answer<'a>(script: &'a Script, verb: &str, usual: &'a str) -> &'a str {
    let scripted = script.answers.iter().find(|(command, _)| *command == verb);
    scripted.map_or(usual, |(_, reply)| reply)
}

fn say(stream: &mut impl Write, reply: &str) -> Option<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
    stream.flush().ok()
}

/// A line without its end. A bare LF inside stays, so that a smuggled one is seen.
fn read_line(stream: &mut impl Read) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).ok()?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// Says nothing until the client goes on as if it had been answered, then gives that late answer.
fn hold(stream: &mut (impl Read + Write)) -> Option<()> {
    read_line(stream)?;
    say(stream, "250 late")
}

fn certificate() -> ServerConfig {
    let chain = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap()
}
