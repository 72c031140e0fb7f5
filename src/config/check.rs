//! What each setting means: from values in their form to a [`Config`].
//!
//! Every fault is collected, so that an operator sees all of them at once. No message repeats a
//! value. Defaults live here and nowhere else.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, alphabet, engine};
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{
    CaptchaConfig, Config, DatabaseConfig, DatabaseUrl, Kernel, LimitsConfig, LogConfig, LogFormat,
    MailConfig, Mode, OAuthConfig, PasswordConfig,
    load::{Loaded, WrongSettings},
    raw::{Given, Origin, Raw, SETTINGS, Value, WrongSetting},
};
use crate::secret::Secret;

/// One pass of Argon2id is enough from this much memory on (OWASP password storage).
const MEMORY_FOR_ONE_PASS: u64 = 47_104;

/// The SQLite file where `database_url` is not given.
pub(super) fn usual_database(data_dir: &Path) -> PathBuf {
    data_dir.join("countersign.db")
}

/// The public address where `public_url` is not given. "All addresses" is nobody's address, so a
/// browser on the same machine is assumed.
pub(super) fn usual_public_url(listen: SocketAddr) -> Option<Url> {
    let origin = if listen.ip().is_unspecified() {
        format!("http://localhost:{}", listen.port())
    } else {
        format!("http://{listen}")
    };
    Url::parse(&origin).ok()
}

/// Checks what was given and fills in what was not.
pub(super) fn check(raw: Raw, terminal: bool) -> Result<Loaded, WrongSettings> {
    let mut it = Check { given: raw.given, wrong: raw.wrong };
    let listen = it
        .parsed("listen", "is not an address with a port", |text| text.parse().ok())
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    let data_dir = it.path("data_dir").unwrap_or_else(|| PathBuf::from("data"));
    let public_url = it.parsed("public_url", "is not an origin", origin);
    let Some(public_url) = public_url.or_else(|| usual_public_url(listen)) else {
        it.refuse("listen", "makes no public address; set public_url");
        return Err(WrongSettings(it.wrong));
    };
    let config = Config {
        mode: it.parsed("mode", "is not a mode", mode).unwrap_or(Mode::Production),
        listen,
        public_url,
        database: it.database(&data_dir),
        data_dir,
        master_key: it.key("master_key", "master_key_file"),
        mail: it.mail(),
        passwords: it.passwords(),
        limits: it.limits(),
        captcha: it.captcha(),
        trusted_proxies: it.each("trusted_proxies", "holds something else than networks", network),
        allowed_networks: it.each(
            "outbound.allowed_networks",
            "holds something else than networks",
            network,
        ),
        oauth: it.oauth(),
        metrics_listen: it
            .perhaps("metrics.listen", "is not an address with a port", |text| text.parse().ok()),
        log: it.log(terminal),
        traces_endpoint: it.perhaps("traces.endpoint", "is not an http or https address", web),
    };
    if config.metrics_listen == Some(config.listen) && config.listen.port() != 0 {
        it.refuse("metrics.listen", "is also where the server listens");
    }
    if config.oauth.client_certificate_header.is_some() && config.trusted_proxies.is_empty() {
        it.refuse("oauth.client_certificate_header", "could be set by anybody");
    }
    if !it.wrong.is_empty() {
        return Err(WrongSettings(it.wrong));
    }
    let origins = it.given.into_iter().map(|(name, given)| (name, given.origin)).collect();
    let mut loaded = Loaded { config, origins, warnings: Vec::new() };
    loaded.warnings = warnings(&loaded);
    Ok(loaded)
}

/// What was given, and the faults found so far.
struct Check {
    given: BTreeMap<&'static str, Given>,
    wrong: Vec<WrongSetting>,
}

impl Check {
    /// Notes that the value of the setting called `name` cannot be used.
    fn refuse(&mut self, name: &'static str, problem: &str) {
        let form = SETTINGS.iter().find(|known| known.name == name);
        self.wrong.push(WrongSetting {
            name: name.to_owned(),
            origin: self.given.get(name).map_or(Origin::Default, |given| given.origin.clone()),
            problem: problem.to_owned(),
            allowed: form.map(|known| known.form.allowed()).unwrap_or_default(),
        });
    }

    fn text(&self, name: &str) -> Option<&str> {
        match &self.given.get(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn whole(&self, name: &str, default: u64) -> u64 {
        match self.given.get(name).map(|given| &given.value) {
            Some(Value::Whole(number)) => *number,
            _ => default,
        }
    }

    fn count(&self, name: &str, default: u64) -> usize {
        usize::try_from(self.whole(name, default)).unwrap_or(usize::MAX)
    }

    fn small(&self, name: &str, default: u64) -> u32 {
        u32::try_from(self.whole(name, default)).unwrap_or(u32::MAX)
    }

    fn switch(&self, name: &str, default: bool) -> bool {
        match self.given.get(name).map(|given| &given.value) {
            Some(Value::Switch(on)) => *on,
            _ => default,
        }
    }

    /// The text read by `read`; refused with `problem` where `read` finds nothing.
    fn parsed<T>(
        &mut self,
        name: &'static str,
        problem: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = read(self.text(name)?);
        if found.is_none() {
            self.refuse(name, problem);
        }
        found
    }

    /// As [`Check::parsed`], for a setting that an empty text switches off.
    fn perhaps<T>(
        &mut self,
        name: &'static str,
        problem: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        if self.text(name)?.is_empty() { None } else { self.parsed(name, problem, read) }
    }

    /// Every item of a list read by `read`.
    fn each<T>(
        &mut self,
        name: &'static str,
        problem: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let Some(Value::List(items)) = self.given.get(name).map(|given| &given.value) else {
            return Vec::new();
        };
        let found = items.iter().map(|item| read(item)).collect::<Option<_>>();
        if found.is_none() {
            self.refuse(name, problem);
        }
        found.unwrap_or_default()
    }

    fn oauth(&mut self) -> OAuthConfig {
        let header = self.perhaps(
            "oauth.client_certificate_header",
            "is not the name of a header",
            |text| {
                let is_part = |it: char| it.is_ascii_alphanumeric() || it == '-';
                text.chars().all(is_part).then(|| text.to_ascii_lowercase())
            },
        );
        OAuthConfig {
            client_certificate_header: header,
            client_certificates_verified: self.switch("oauth.client_certificates_verified", false),
            key_rotation_days: self.small("oauth.key_rotation_days", 90),
        }
    }

    fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        self.parsed(name, "is empty", |text| (!text.is_empty()).then(|| PathBuf::from(text)))
    }

    /// A key that is given itself or in a file, never both.
    fn key(&mut self, name: &'static str, file: &'static str) -> Option<Secret<Vec<u8>>> {
        if self.given.contains_key(name) && self.given.contains_key(file) {
            self.refuse(file, &format!("and {name} are both set; set one of them"));
            return None;
        }
        if let Some(path) = self.path(file) {
            return match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let read = key(text.trim());
                    if read.is_none() {
                        self.refuse(file, "names a file that does not hold a key");
                    }
                    read
                }
                Err(fault) => {
                    self.refuse(file, &format!("names a file that cannot be read ({fault})"));
                    None
                }
            };
        }
        self.parsed(name, "is not a key", key)
    }

    fn database(&mut self, data_dir: &Path) -> DatabaseConfig {
        let url = self.parsed("database_url", "is not the address of a database", database);
        DatabaseConfig {
            url: url.unwrap_or_else(|| DatabaseUrl::Sqlite(usual_database(data_dir))),
            max_connections: self.count("database.max_connections", 10),
            prepared_statements: self.switch("database.prepared_statements", true),
            wait: Duration::from_secs(self.whole("database.wait_seconds", 5)),
        }
    }

    fn mail(&mut self) -> MailConfig {
        let hours = self.whole("mail.give_up_after_hours", 24);
        MailConfig {
            smtp_url: self.perhaps("mail.smtp_url", "is not the address of a mail server", smtp),
            from: self
                .parsed("mail.from", "is not an address", sender)
                .unwrap_or_else(|| "Countersign <no-reply@localhost>".to_owned()),
            give_up_after: Duration::from_secs(hours * 3600),
        }
    }

    fn passwords(&mut self) -> PasswordConfig {
        let passes = self.whole("passwords.passes", 2);
        let memory = self.whole("passwords.memory_kib", 19_456);
        if passes == 1 && memory < MEMORY_FOR_ONE_PASS {
            let problem = format!(
                "is 1, which is enough only with passwords.memory_kib of {MEMORY_FOR_ONE_PASS} or more"
            );
            self.refuse("passwords.passes", &problem);
        }
        PasswordConfig {
            memory_kib: self.small("passwords.memory_kib", 19_456),
            passes: self.small("passwords.passes", 2),
            threads: self.count("passwords.threads", 0),
            queue: self.count("passwords.queue", 512),
            nice: u8::try_from(self.whole("passwords.nice", 5)).unwrap_or(5),
            kernel: self
                .parsed("passwords.kernel", "is not a kernel", |text| match text {
                    "fast" => Some(Kernel::Fast),
                    "portable" => Some(Kernel::Portable),
                    _ => None,
                })
                .unwrap_or(Kernel::Fast),
            pepper: self.key("passwords.pepper", "passwords.pepper_file"),
            previous_peppers: self.each(
                "passwords.previous_peppers",
                "holds something else than keys",
                key,
            ),
            breach_filter: self
                .perhaps("passwords.breach_filter", "is not a path", |text| Some(text.into())),
            breach_service: self.perhaps(
                "passwords.breach_service",
                "is not an http or https address",
                web,
            ),
        }
    }

    fn captcha(&mut self) -> CaptchaConfig {
        let mut url = |name| self.perhaps(name, "is not an http or https address", web);
        CaptchaConfig {
            hcaptcha_url: url("captcha.hcaptcha_url"),
            turnstile_url: url("captcha.turnstile_url"),
            recaptcha_url: url("captcha.recaptcha_url"),
        }
    }

    fn limits(&self) -> LimitsConfig {
        LimitsConfig {
            enabled: self.switch("limits.enabled", true),
            requests_per_minute: self.small("limits.requests_per_minute", 600),
            tenant_requests_per_minute: self.small("limits.tenant_requests_per_minute", 60_000),
            application_requests_per_minute: self
                .small("limits.application_requests_per_minute", 60_000),
            connections: self.count("limits.connections", 1024),
        }
    }

    fn log(&mut self, terminal: bool) -> LogConfig {
        let usual = if terminal { LogFormat::Human } else { LogFormat::Json };
        LogConfig {
            format: self
                .parsed("log.format", "is not a format", |text| match text {
                    "human" => Some(LogFormat::Human),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                })
                .unwrap_or(usual),
            filter: self
                .parsed("log.filter", "is not a filter", |text| {
                    let usable = !text.trim().is_empty() && EnvFilter::try_new(text).is_ok();
                    usable.then(|| text.to_owned())
                })
                .unwrap_or_else(|| "info".to_owned()),
        }
    }
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "production" => Some(Mode::Production),
        "development" => Some(Mode::Development),
        "demo" => Some(Mode::Demo),
        _ => None,
    }
}

/// An address that has scheme, host and port and nothing else.
fn origin(text: &str) -> Option<Url> {
    let url = web(text)?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then_some(url)
}

/// An http or https address.
fn web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.host().is_some()).then_some(url)
}

fn database(text: &str) -> Option<DatabaseUrl> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        // Readers and the writer are connections of their own, so a database in memory would be
        // several databases.
        let is_file = !path.is_empty() && path != ":memory:" && !path.contains('?');
        return is_file.then(|| DatabaseUrl::Sqlite(PathBuf::from(path)));
    }
    // Hosts may be a list and a folder of sockets, which is for the driver to read.
    let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    is_postgres.then(|| DatabaseUrl::Postgres(Secret::new(text.to_owned())))
}

fn smtp(text: &str) -> Option<Secret<String>> {
    let url = Url::parse(text).ok()?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let known = url.query_pairs().all(|(key, value)| {
        key == "tls" && matches!(value.as_ref(), "required" | "opportunistic" | "none")
    });
    let usable = matches!(url.scheme(), "smtp" | "smtps") && has_host && known;
    usable.then(|| Secret::new(text.to_owned()))
}

/// A sender: an address, or a name and an address in angle brackets. Whether a mail server takes
/// it is for the mail server to say.
fn sender(text: &str) -> Option<String> {
    let address = match text.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<')?.1,
        None => text,
    };
    let (local, domain) = address.rsplit_once('@')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "<>@".contains(c))
    };
    let usable = plain(local) && plain(domain) && !text.contains(char::is_control);
    usable.then(|| text.to_owned())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// 32 bytes from 64 hex digits, or from base64 of either alphabet with or without padding.
fn key(text: &str) -> Option<Secret<Vec<u8>>> {
    let bytes = if text.len() == 64 {
        let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<u32>>>()?;
        digits
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[high, low]| u8::try_from(high * 16 + low).ok())
            .collect::<Option<Vec<u8>>>()?
    } else {
        let lenient = engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent);
        engine::GeneralPurpose::new(&alphabet::STANDARD, lenient)
            .decode(text.replace('-', "+").replace('_', "/"))
            .ok()?
    };
    (bytes.len() == 32).then(|| Secret::new(bytes))
}

/// What is allowed, but hardly meant.
fn warnings(loaded: &Loaded) -> Vec<String> {
    let Config { mode, listen, public_url, .. } = &loaded.config;
    let mut warnings = Vec::new();
    if *mode != Mode::Production {
        return warnings;
    }
    let is_local = match public_url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !listen.ip().is_loopback() && loaded.origin("public_url") == Origin::Default {
        warnings.push(
            "public_url is not set, so the links in mails lead to this machine only".to_owned(),
        );
    }
    if public_url.scheme() == "http" && !is_local {
        warnings.push(
            "public_url is plain http, so passwords and sessions can be read on the way".to_owned(),
        );
    }
    warnings
}
