//! Settings: as written (`Raw`), then checked ([`Config`]).
//!
//! Settings come from defaults, a TOML file, `COUNTERSIGN_*` variables and flags, each overriding
//! what stands before it. [`load::load`] turns them into a [`Config`] or into every fault at once.
//! Nothing outside this module reads the environment, and nothing else knows how a setting is
//! spelt; the rest of the program sees checked values only.

mod check;
pub mod load;
mod raw;
mod show;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use url::Url;

use crate::secret::Secret;

/// Every setting, checked. What the program uses.
#[derive(Debug, Clone)]
pub struct Config {
    /// `production`, `development` or `demo`.
    pub mode: Mode,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The origin people reach the server by: scheme, host, port; no path.
    pub public_url: Url,
    /// Where the SQLite file, the master key and the demo's facts live.
    pub data_dir: PathBuf,
    /// The database.
    pub database: DatabaseConfig,
    /// The 32-byte master key from the environment or a file; without it one is kept in `data_dir`.
    pub master_key: Option<Secret<Vec<u8>>>,
    /// Outgoing mail.
    pub mail: MailConfig,
    /// Password hashing.
    pub passwords: PasswordConfig,
    /// Limits on load.
    pub limits: LimitsConfig,
    /// Providers of captchas.
    pub captcha: CaptchaConfig,
    /// Networks whose `X-Forwarded-For` is believed. Empty: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that are not public and are asked all the same for what applications name.
    pub allowed_networks: Vec<IpNet>,
    /// OAuth and its tokens.
    pub oauth: OAuthConfig,
    /// Where the metrics are served, on a listener of their own; `None`: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Logs.
    pub log: LogConfig,
    /// Where traces go (OTLP over HTTP); `None`: nowhere.
    pub traces_endpoint: Option<Url>,
}

/// How the server is being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For real: mail leaves by SMTP only.
    Production,
    /// On a developer's machine: mail lands in `/dev/mailbox`.
    Development,
    /// As development, with a tenant and a user made at start.
    Demo,
}

impl Mode {
    /// Whether `/dev/*` exists.
    #[must_use]
    pub fn is_development(self) -> bool {
        matches!(self, Self::Development | Self::Demo)
    }
}

/// Which database, and how many connections to it.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: DatabaseUrl,
    /// Connections to PostgreSQL, at most.
    pub max_connections: usize,
    /// Whether PostgreSQL connections keep prepared statements. Off behind a transaction-mode
    /// pooler that does not track them.
    pub prepared_statements: bool,
    /// How long to wait for a connection or for SQLite's write lock.
    pub wait: Duration,
}

/// Where the data is.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL connection string; it may hold a password.
    Postgres(Secret<String>),
}

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `smtp://`, `smtps://` with optional user, password and `?tls=required|opportunistic|none`.
    /// `None`: mail waits until there is one, or lands in the development mailbox.
    pub smtp_url: Option<Secret<String>>,
    /// The sender, such as `Countersign <no-reply@example.com>`.
    pub from: String,
    /// How long a mail is tried before it is given up.
    pub give_up_after: Duration,
}

/// How passwords are hashed.
#[derive(Debug, Clone)]
pub struct PasswordConfig {
    /// Argon2id memory in KiB; at least 19456.
    pub memory_kib: u32,
    /// Argon2id passes; at least 2 (1 from 47104 KiB on).
    pub passes: u32,
    /// Hash threads; 0: one for each core.
    pub threads: usize,
    /// Hashes that may wait, of one tenant the half; beyond it `overloaded`.
    pub queue: usize,
    /// By how much hash threads let others go first, 0 to 19.
    pub nice: u8,
    /// `fast` or `portable`.
    pub kernel: Kernel,
    /// A secret mixed into each hash, kept outside the database.
    pub pepper: Option<Secret<Vec<u8>>>,
    /// Peppers that older hashes were made with.
    pub previous_peppers: Vec<Secret<Vec<u8>>>,
    /// The filter of breached passwords, where there is one.
    pub breach_filter: Option<PathBuf>,
    /// Whether to ask the breached-password range service, and where.
    pub breach_service: Option<Url>,
}

/// Which Argon2 code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The vectorised one, after a self-test at start; the portable one where that fails.
    Fast,
    /// The portable one.
    Portable,
}

/// Limits on load. The guessing rules are not among them: they are always on.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Whether the limits of this section apply.
    pub enabled: bool,
    /// Requests a minute from one client network.
    pub requests_per_minute: u32,
    /// Requests a minute to one tenant.
    pub tenant_requests_per_minute: u32,
    /// Requests a minute of one application that has proved who it is.
    pub application_requests_per_minute: u32,
    /// Open connections, at most.
    pub connections: usize,
}

/// Where providers of captchas say whether an answer is right, where that is not their usual place.
#[derive(Debug, Clone)]
pub struct CaptchaConfig {
    /// hCaptcha.
    pub hcaptcha_url: Option<Url>,
    /// Turnstile.
    pub turnstile_url: Option<Url>,
    /// reCAPTCHA.
    pub recaptcha_url: Option<Url>,
}

/// OAuth and its tokens.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// The header in which a trusted proxy hands on the certificate that an application has
    /// shown, lower case; `None`: nobody authenticates with certificates.
    pub client_certificate_header: Option<String>,
    /// Whether that proxy lets only certificates through that an authority of the operator's has
    /// issued, so that the names in them can be believed.
    pub client_certificates_verified: bool,
    /// How many days a key signs tokens before another takes over; 0: until an operator says so.
    pub key_rotation_days: u32,
}

/// What the log looks like.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `human` or `json`.
    pub format: LogFormat,
    /// A filter such as `info` or `countersign=debug`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a terminal.
    Human,
    /// One JSON object a line.
    Json,
}
