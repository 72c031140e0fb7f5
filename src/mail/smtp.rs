//! Mail by SMTP (RFC 5321): the one module that names the mail crate.
//!
//! Drives connections itself rather than through the crate's pool, for three reasons: only the
//! connecting has a time-out there; a send that is given up would put a connection back with an
//! answer still to come, to be taken for the next mail's; and it cannot tell a relay that refuses
//! *us* (a password, a sender: an operator can mend that, so the mail waits) from one that refuses
//! the receiver or the mail (final).

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    Message,
    message::{MultiPart, header},
    transport::smtp::{
        authentication::DEFAULT_MECHANISMS,
        client::{AsyncSmtpConnection, Certificate},
        commands::{Data, Mail as MailFrom, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::sync::Semaphore;

use self::relay::{Relay, Security};
use super::{SendFault, compose::Mail, message::one_line};
use crate::{clock::Stopwatch, config::MailConfig};

mod relay;

/// The longest wait for one command's answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);
/// The answer to a whole mail takes longer: the relay scans it first. In command time-outs.
const SCAN_FACTOR: u32 = 4;
/// Connections at a time.
const CONNECTIONS: usize = 4;
/// Relays hang up on idle clients after a minute or so; we use no connection older than this.
const IDLE: Duration = Duration::from_secs(30);

/// A mail server to send through. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Smtp(Arc<Shared>);

struct Shared {
    relay: Relay,
    timeout: Duration,
    slots: Semaphore,
    idle: Mutex<Vec<(AsyncSmtpConnection, Stopwatch)>>,
}

impl Smtp {
    /// Reads where to send and as whom. Connects to nothing yet.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting and what is wrong with it, and never
    /// repeats the address, since it may hold a password.
    pub fn new(config: &MailConfig) -> Result<Self, String> {
        Self::build(config, COMMAND_TIMEOUT, Vec::new())
    }

    /// As [`Smtp::new`], with `roots` trusted besides the system's.
    pub(super) fn build(
        config: &MailConfig,
        timeout: Duration,
        roots: Vec<Certificate>,
    ) -> Result<Self, String> {
        Ok(Self(Arc::new(Shared {
            relay: Relay::new(config, roots)?,
            timeout,
            slots: Semaphore::new(CONNECTIONS),
            idle: Mutex::new(Vec::new()),
        })))
    }

    /// Hands one mail to the relay.
    ///
    /// # Errors
    /// [`SendFault::Never`] where the relay refuses the receiver or the mail for good (5xx);
    /// [`SendFault::Later`] for everything else: no connection, no TLS, a bad certificate, a
    /// refused password or sender, 4xx, silence.
    pub async fn send(&self, mail: &Mail) -> Result<(), SendFault> {
        let message = self.write(mail)?;
        let slot = self.0.slots.acquire().await;
        let _slot = slot.map_err(|_| SendFault::later("the mailer is shutting down"))?;
        let mut connection = match self.reuse().await {
            Some(connection) => connection,
            None => self.step(1, self.connect()).await?,
        };
        let result = self.deliver(&mut connection, &message).await;
        let clean = match &result {
            Ok(()) => true,
            Err(SendFault::Never(_)) => {
                let reset = async { connection.command(Rset).await.map_err(later) };
                self.step(1, reset).await.is_ok()
            }
            // There may be an answer on its way that is not the next mail's: hang up.
            Err(SendFault::Later(_)) => false,
        };
        if clean {
            let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((connection, Stopwatch::start()));
        }
        result
    }

    /// Waits for `work`, but not longer than `times` command time-outs.
    async fn step<T>(
        &self,
        times: u32,
        work: impl Future<Output = Result<T, SendFault>>,
    ) -> Result<T, SendFault> {
        let result = tokio::time::timeout(self.0.timeout * times, work).await;
        result.unwrap_or_else(|_| Err(SendFault::later("the mail server did not answer in time")))
    }

    /// A parked connection that still answers.
    async fn reuse(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let parked = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (mut connection, parked) = parked?;
            let alive = async { Ok(connection.test_connected().await) };
            if parked.elapsed() < IDLE && self.step(1, alive).await == Ok(true) {
                return Some(connection);
            }
        }
    }

    /// A new connection: encrypted as configured, signed in.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendFault> {
        let Relay { host, port, security, credentials, .. } = &self.0.relay;
        let hello = ClientId::default();
        let implicit = match security {
            Security::Implicit(tls) => Some(tls.clone()),
            _ => None,
        };
        let address = (host.as_str(), *port);
        let timeout = Some(self.0.timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, timeout, &hello, implicit, None)
                .await
                .map_err(later)?;
        match security {
            Security::Required(_) if !connection.can_starttls() => {
                return Err(SendFault::later("the mail server offers no STARTTLS"));
            }
            Security::Required(tls) => {
                connection.starttls(tls.clone(), &hello).await.map_err(later)?;
            }
            Security::Opportunistic(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), &hello).await.map_err(later)?;
            }
            Security::Implicit(_) | Security::Opportunistic(_) | Security::None => {}
        }
        if let Some(credentials) = credentials {
            if !connection.is_encrypted() && !self.0.relay.is_loopback() {
                return Err(SendFault::later("the password is not sent without encryption"));
            }
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(later)?;
        }
        Ok(connection)
    }

    /// One mail transaction (RFC 5321 §3.3).
    async fn deliver(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &Message,
    ) -> Result<(), SendFault> {
        let body = message.formatted();
        let envelope = message.envelope();
        let parameters = parameters(connection, message, &body)?;
        let sender = MailFrom::new(envelope.from().cloned(), parameters);
        self.step(1, async { connection.command(sender).await.map_err(later) }).await?;
        for receiver in envelope.to() {
            let receiver = Rcpt::new(receiver.clone(), Vec::new());
            self.step(1, async { connection.command(receiver).await.map_err(refused) }).await?;
        }
        self.step(1, async { connection.command(Data).await.map_err(refused) }).await?;
        let whole = async { connection.message(&body).await.map_err(refused) };
        self.step(SCAN_FACTOR, whole).await.map(|_| ())
    }

    /// The mail as it goes over the wire (RFC 5322).
    fn write(&self, mail: &Mail) -> Result<Message, SendFault> {
        let to = relay::address(&mail.to)
            .map_err(|fault| SendFault::never(&format!("the receiver's address {fault}")))?;
        // The mail crate panics over control characters in a name.
        let sender = self.0.relay.sender(&one_line(&mail.from_name, 200));
        let id = format!("<{}@{}>", mail.id, sender.email.domain());
        let written = Duration::from_micros(u64::try_from(mail.created_at.micros()).unwrap_or(0));
        let auto = header::HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(sender)
            .to(to.into())
            .subject(one_line(&mail.subject, 998))
            .message_id(Some(id))
            .date(std::time::SystemTime::UNIX_EPOCH + written)
            .raw_header(header::HeaderValue::new(auto, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
            .map_err(|fault| SendFault::never(&fault.to_string()))
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{})", self.0.relay.host, self.0.relay.port)
    }
}

/// What `MAIL FROM` has to announce: letters beyond ASCII in addresses (RFC 6531) or in the mail.
fn parameters(
    connection: &AsyncSmtpConnection,
    message: &Message,
    body: &[u8],
) -> Result<Vec<MailParameter>, SendFault> {
    let server = connection.server_info();
    let mut parameters = Vec::new();
    if message.envelope().to().iter().any(|to| !AsRef::<str>::as_ref(to).is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(SendFault::never("the mail server takes no address beyond ASCII"));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !body.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            return Err(SendFault::never("the mail server takes ASCII only"));
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

/// For the steps in which a no concerns us and not the mail.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn later(fault: lettre::transport::smtp::Error) -> SendFault {
    SendFault::later(&describe(&fault))
}

/// For the steps in which a no concerns the receiver or the mail.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn refused(fault: lettre::transport::smtp::Error) -> SendFault {
    if fault.is_permanent() {
        SendFault::never(&describe(&fault))
    } else {
        SendFault::later(&describe(&fault))
    }
}

/// A fault with its causes, since "Connection error" alone helps nobody.
fn describe(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut next = fault.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
