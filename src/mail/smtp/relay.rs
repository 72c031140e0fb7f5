//! Where mail is sent to and as whom, read from the settings.

use std::net::IpAddr;

use lettre::{
    Address,
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, TlsParameters},
    },
};
use url::Url;

use crate::{config::MailConfig, mail::message::one_line};

/// A mail server and the sender's address.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credentials: Option<Credentials>,
    from: Mailbox,
}

/// How the connection is encrypted. The certificate is verified in every case.
pub(super) enum Security {
    /// TLS from the first byte (RFC 8314 §3.3).
    Implicit(TlsParameters),
    /// STARTTLS (RFC 3207), or no mail.
    Required(TlsParameters),
    /// STARTTLS where it is offered: protects from nobody who can change the traffic.
    Opportunistic(TlsParameters),
    /// None.
    None,
}

impl Relay {
    pub(super) fn new(config: &MailConfig, roots: Vec<Certificate>) -> Result<Self, String> {
        let text = config.smtp_url.as_ref().ok_or("mail.smtp_url is not set")?;
        let url = Url::parse(text.expose())
            .map_err(|fault| format!("mail.smtp_url is not an address: {fault}"))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or("mail.smtp_url names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let credentials = credentials(&url)?;
        let security = security(&url, &host, roots)?;
        let relay = Self {
            port: url.port().unwrap_or(if url.scheme() == "smtps" { 465 } else { 587 }),
            host,
            security,
            credentials,
            from: sender(&config.from)?,
        };
        let in_clear = matches!(relay.security, Security::None) && relay.credentials.is_some();
        if in_clear && !relay.is_loopback() {
            return Err("mail.smtp_url has a password and tls=none: it would cross the network \
                        in clear. Use smtps:// or tls=required"
                .to_owned());
        }
        Ok(relay)
    }

    /// Whether the server is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let address: Option<IpAddr> = self.host.parse().ok();
        address.map_or(self.host == "localhost", |address| address.is_loopback())
    }

    /// The sender: the configured address under `name`, or under the configured name.
    pub(super) fn sender(&self, name: &str) -> Mailbox {
        let name = if name.is_empty() { self.from.name.clone() } else { Some(name.to_owned()) };
        Mailbox::new(name, self.from.email.clone())
    }
}

fn security(url: &Url, host: &str, roots: Vec<Certificate>) -> Result<Security, String> {
    let mut wanted = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" || wanted.is_some() {
            return Err("mail.smtp_url takes one parameter: tls".to_owned());
        }
        wanted = Some(value.into_owned());
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err("mail.smtp_url takes no path and no fragment".to_owned());
    }
    match (url.scheme(), wanted.as_deref()) {
        ("smtps", None) => Ok(Security::Implicit(tls(host, roots)?)),
        ("smtp", None | Some("required")) => Ok(Security::Required(tls(host, roots)?)),
        ("smtp", Some("opportunistic")) => Ok(Security::Opportunistic(tls(host, roots)?)),
        ("smtp", Some("none")) => Ok(Security::None),
        ("smtps", _) => Err("mail.smtp_url: smtps:// is always encrypted; drop tls".to_owned()),
        ("smtp", _) => Err("mail.smtp_url: tls is one of required, opportunistic, none".to_owned()),
        _ => Err("mail.smtp_url starts with smtp:// or smtps://".to_owned()),
    }
}

fn tls(host: &str, roots: Vec<Certificate>) -> Result<TlsParameters, String> {
    let builder = TlsParameters::builder(host.to_owned());
    roots
        .into_iter()
        .fold(builder, lettre::transport::smtp::client::TlsParametersBuilder::add_root_certificate)
        .build()
        .map_err(|fault| format!("mail.smtp_url: no TLS: {fault}"))
}

fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    let decode = |text: &str| {
        percent_decode(text).ok_or("mail.smtp_url: user or password is not percent-encoded UTF-8")
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err("mail.smtp_url has a password and no user".to_owned()),
        (_, None) => Err("mail.smtp_url has a user and no password".to_owned()),
        (user, Some(password)) => Ok(Some(Credentials::new(decode(user)?, decode(password)?))),
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(decoded).ok()
}

fn sender(from: &str) -> Result<Mailbox, String> {
    let parsed: Mailbox = from.parse().map_err(|_| {
        "mail.from is no sender such as `Example <no-reply@example.com>`".to_owned()
    })?;
    let email = address(parsed.email.as_ref()).map_err(|fault| format!("mail.from {fault}"))?;
    Ok(Mailbox::new(parsed.name.map(|name| one_line(&name, 200)), email))
}

/// An address to send to or from, its domain in ASCII (RFC 5891).
///
/// Stricter than RFC 5321: no quoted local part, no address literal, so that nothing here can be
/// read as two addresses or as a command.
pub(super) fn address(text: &str) -> Result<Address, String> {
    let (user, domain) = text.rsplit_once('@').ok_or("has no @")?;
    if user.contains(['"', '@', '\\', '(', ')', '<', '>', ',', ';', ':'])
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err("has characters that no address of ours has".to_owned());
    }
    let domain = idna::domain_to_ascii(domain).map_err(|_| "has no valid domain")?;
    Address::new(user, domain).map_err(|fault| format!("is not valid: {fault}"))
}
