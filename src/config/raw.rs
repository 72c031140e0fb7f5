//! Settings as written: which there are, what form each has, and who gave it.
//!
//! The table [`SETTINGS`] is the one list of names. Here a value is only brought into its form
//! (text, number, switch, list); what the value means is decided in `check`.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// What every variable's name begins with.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// Names the settings file, and is therefore no setting itself.
pub(super) const FILE_VARIABLE: &str = "COUNTERSIGN_CONFIG";

/// One setting: its dotted name and the form of its value.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) form: Form,
}

/// The form of a value. The texts say, for a person, what is allowed.
pub(super) enum Form {
    Text(&'static str),
    Whole(u64, u64),
    Switch,
    List(&'static str),
}

const KEY: &str = "32 bytes, written as 64 hex digits or as base64";

const fn text(name: &'static str, allowed: &'static str) -> Setting {
    Setting { name, form: Form::Text(allowed) }
}

const fn whole(name: &'static str, least: u64, most: u64) -> Setting {
    Setting { name, form: Form::Whole(least, most) }
}

/// Every setting, in the order in which they are shown: those without a section first.
pub(super) const SETTINGS: &[Setting] = &[
    text("mode", "production, development or demo"),
    text("listen", "an address and a port, such as 127.0.0.1:8080 or [::]:8080"),
    text("public_url", "http or https, a host and perhaps a port, such as https://id.example.com"),
    text("data_dir", "the path of a folder"),
    text("database_url", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"),
    text("master_key", KEY),
    text("master_key_file", "the path of a file that holds 32 bytes as 64 hex digits or as base64"),
    Setting {
        name: "trusted_proxies",
        form: Form::List("addresses or networks, such as 10.0.0.0/8"),
    },
    whole("database.max_connections", 1, 1000),
    Setting { name: "database.prepared_statements", form: Form::Switch },
    whole("database.wait_seconds", 1, 60),
    text(
        "mail.smtp_url",
        "smtp:// or smtps://, perhaps USER:PASSWORD@, a host, perhaps a port and ?tls=required, \
         opportunistic or none",
    ),
    text("mail.from", "an address, such as Countersign <no-reply@example.com>"),
    whole("mail.give_up_after_hours", 1, 720),
    whole("passwords.memory_kib", 19_456, 1_048_576),
    whole("passwords.passes", 1, 16),
    whole("passwords.threads", 0, 256),
    whole("passwords.queue", 1, 100_000),
    whole("passwords.nice", 0, 19),
    text("passwords.kernel", "fast or portable"),
    text("passwords.pepper", KEY),
    text(
        "passwords.pepper_file",
        "the path of a file that holds 32 bytes as 64 hex digits or as base64",
    ),
    Setting { name: "passwords.previous_peppers", form: Form::List(KEY) },
    text(
        "passwords.breach_filter",
        "the path of a file that `countersign breached-passwords build` has made, or nothing",
    ),
    text("passwords.breach_service", "an http or https address, or nothing"),
    Setting { name: "limits.enabled", form: Form::Switch },
    whole("limits.requests_per_minute", 1, 1_000_000),
    whole("limits.tenant_requests_per_minute", 1, 10_000_000),
    whole("limits.application_requests_per_minute", 1, 10_000_000),
    whole("limits.connections", 1, 1_000_000),
    text("captcha.hcaptcha_url", "an http or https address"),
    text("captcha.turnstile_url", "an http or https address"),
    text("captcha.recaptcha_url", "an http or https address"),
    Setting {
        name: "outbound.allowed_networks",
        form: Form::List("addresses or networks, such as 10.0.0.0/8"),
    },
    text(
        "oauth.client_certificate_header",
        "the name of a header, such as x-client-certificate, or nothing; needs trusted_proxies",
    ),
    Setting { name: "oauth.client_certificates_verified", form: Form::Switch },
    whole("oauth.key_rotation_days", 0, 3650),
    text("metrics.listen", "an address and a port, such as 127.0.0.1:9090, or nothing"),
    text("log.format", "human or json"),
    text(
        "log.filter",
        "a level (error, warn, info, debug, trace) or rules such as countersign=debug",
    ),
    text(
        "traces.endpoint",
        "an http or https address, such as http://collector:4318/v1/traces, or nothing",
    ),
];

/// Who gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    Default,
    /// The settings file.
    File(PathBuf),
    /// A variable of the environment, by its name.
    Variable(String),
    /// A flag of the command line, such as `--listen`.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One setting that cannot be used. Its text never repeats the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// The setting's name, or the unknown name that was written.
    pub name: String,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong, so that "NAME PROBLEM" is a sentence.
    pub problem: String,
    /// What may stand there instead.
    pub allowed: String,
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, origin, problem, allowed } = self;
        write!(f, "{name} ({origin}) {problem}; allowed: {allowed}")
    }
}

/// A value in its form. It has no `Debug`, because it may be a secret.
pub(super) enum Value {
    Text(String),
    Whole(u64),
    Switch(bool),
    List(Vec<String>),
}

/// A value and who gave it.
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What was given, later sources over earlier ones, and what could not be taken.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) given: BTreeMap<&'static str, Given>,
    pub(super) wrong: Vec<WrongSetting>,
}

impl Raw {
    /// Takes the settings file's text.
    pub(super) fn file(&mut self, path: &Path, written: &str) {
        let origin = Origin::File(path.to_owned());
        let table = match written.parse::<toml::Table>() {
            Ok(table) => table,
            Err(fault) => return self.not_toml(path, written, &fault),
        };
        for (name, value) in &table {
            match value {
                toml::Value::Table(section) if is_section(name) => {
                    for (inner, value) in section {
                        self.toml(&format!("{name}.{inner}"), value, &origin);
                    }
                }
                _ => self.toml(name, value, &origin),
            }
        }
    }

    /// Takes the variables whose names begin with `COUNTERSIGN_`.
    pub(super) fn variables(&mut self, variables: &BTreeMap<String, String>) {
        for (variable, value) in variables {
            let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
            if variable == FILE_VARIABLE || is_service_link(rest, value) {
                continue;
            }
            let name = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Variable(variable.clone());
            match SETTINGS.iter().find(|known| variable_of(known.name) == *variable) {
                Some(setting) => self.put(setting, setting.form.read(value), origin),
                None => self.wrong.push(WrongSetting {
                    name: variable.clone(),
                    origin,
                    problem: "is not a setting".to_owned(),
                    allowed: names_beside(&name, variable_of),
                }),
            }
        }
    }

    /// Takes one flag's value for the setting called `name`.
    pub(super) fn flag(&mut self, name: &str, flag: &'static str, value: &str) {
        if let Some(setting) = SETTINGS.iter().find(|known| known.name == name) {
            self.put(setting, setting.form.read(value), Origin::Flag(flag));
        }
    }

    fn toml(&mut self, name: &str, value: &toml::Value, origin: &Origin) {
        let problem = match SETTINGS.iter().find(|known| known.name == name) {
            Some(setting) => return self.put(setting, setting.form.take(value), origin.clone()),
            None if is_section(name) => "is a section, not a setting",
            None => "is not a setting",
        };
        let looked_up = if is_section(name) { format!("{name}.") } else { name.to_owned() };
        self.wrong.push(WrongSetting {
            name: name.escape_debug().to_string(),
            origin: origin.clone(),
            problem: problem.to_owned(),
            allowed: names_beside(&looked_up, str::to_owned),
        });
    }

    fn put(&mut self, setting: &Setting, value: Option<Value>, origin: Origin) {
        match value {
            Some(value) => {
                self.given.insert(setting.name, Given { value, origin });
            }
            None => self.wrong.push(WrongSetting {
                name: setting.name.to_owned(),
                origin,
                problem: setting.form.mismatch().to_owned(),
                allowed: setting.form.allowed(),
            }),
        }
    }

    fn not_toml(&mut self, path: &Path, written: &str, fault: &toml::de::Error) {
        // The parser's full text quotes the line, and the line may hold a password.
        let before = fault.span().and_then(|span| written.get(..span.start)).unwrap_or_default();
        self.wrong.push(WrongSetting {
            name: "config".to_owned(),
            origin: Origin::File(path.to_owned()),
            problem: format!("is not TOML in line {}", before.split('\n').count()),
            allowed: "lines such as listen = \"127.0.0.1:8080\", and [sections]".to_owned(),
        });
    }
}

impl Form {
    /// The allowed values, for a person.
    pub(super) fn allowed(&self) -> String {
        match self {
            Self::Text(allowed) => (*allowed).to_owned(),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Switch => "true or false".to_owned(),
            Self::List(each) => {
                format!("a list of {each}; in a variable or flag, separated by commas")
            }
        }
    }

    fn mismatch(&self) -> &'static str {
        match self {
            Self::Text(_) => "is not a text",
            Self::Whole(..) => "is not a whole number in range",
            Self::Switch => "is not a switch",
            Self::List(_) => "is not a list of texts",
        }
    }

    /// Reads a value from a variable or a flag.
    fn read(&self, text: &str) -> Option<Value> {
        match self {
            Self::Text(_) => Some(Value::Text(text.to_owned())),
            Self::Whole(..) => self.whole(text.trim().parse().ok()?),
            Self::Switch => text.trim().parse().ok().map(Value::Switch),
            Self::List(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(Value::List(parts.map(str::to_owned).collect()))
            }
        }
    }

    /// Takes a value from a file.
    fn take(&self, value: &toml::Value) -> Option<Value> {
        match self {
            Self::Text(_) => Some(Value::Text(value.as_str()?.to_owned())),
            Self::Whole(..) => self.whole(u64::try_from(value.as_integer()?).ok()?),
            Self::Switch => value.as_bool().map(Value::Switch),
            Self::List(_) => {
                let items = value.as_array()?.iter();
                items
                    .map(|item| item.as_str().map(str::to_owned))
                    .collect::<Option<_>>()
                    .map(Value::List)
            }
        }
    }

    fn whole(&self, number: u64) -> Option<Value> {
        match self {
            Self::Whole(least, most) if (least..=most).contains(&&number) => {
                Some(Value::Whole(number))
            }
            _ => None,
        }
    }
}

/// The variable for the setting called `name`: `mail.from` is `COUNTERSIGN_MAIL__FROM`.
pub(super) fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "__").to_ascii_uppercase())
}

fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|known| known.name.split_once('.').is_some_and(|(head, _)| head == name))
}

/// The names that may stand where `name` stands: those of its section if there is one, else all
/// without a section and then the sections.
fn names_beside(name: &str, spell: impl Fn(&str) -> String) -> String {
    let section = name.split_once('.').map(|(head, _)| head).filter(|head| is_section(head));
    let mut names: Vec<String> = Vec::new();
    for known in SETTINGS {
        let beside = match (known.name.split_once('.'), section) {
            (Some((head, _)), Some(wanted)) if head == wanted => spell(known.name),
            (Some((head, _)), None) => spell(&format!("{head}.*")),
            (None, None) => spell(known.name),
            _ => continue,
        };
        if !names.contains(&beside) {
            names.push(beside);
        }
    }
    names.join(", ")
}

/// Whether an orchestrator made this variable for a service that is called as we are. Kubernetes
/// gives every container `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT…` and `NAME_PORT…` of each
/// service in its namespace; they are not ours to refuse.
fn is_service_link(rest: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let numbered = rest.split("PORT_").nth(1).is_some_and(|tail| {
        let mut parts = tail.split('_');
        parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && parts.next().is_some_and(|kind| matches!(kind, "TCP" | "UDP" | "SCTP"))
    });
    let is_port = rest == "PORT" || rest.ends_with("_PORT");
    rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || numbered
        || (is_port && is_address)
}
