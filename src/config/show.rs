//! The effective settings for people and machines, with every secret masked.
//!
//! A secret is replaced, never shortened: its length and its first characters are nobody's
//! business either.

use serde_json::json;
use toml::Value;

use super::{
    Config, DatabaseUrl, Kernel, LogFormat, Mode,
    load::Loaded,
    raw::{Origin, SETTINGS},
};

const MASK: &str = "***";

/// One effective setting, fit to be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The dotted name.
    pub name: &'static str,
    /// The value with secrets masked; `None`: not set.
    pub value: Option<Value>,
    /// Who gave it.
    pub origin: Origin,
}

/// Every setting in the order of the table.
#[must_use]
pub fn shown(loaded: &Loaded) -> Vec<Shown> {
    SETTINGS
        .iter()
        .map(|known| Shown {
            name: known.name,
            value: value(loaded, known.name),
            origin: loaded.origin(known.name),
        })
        .collect()
}

/// A settings file that says the same, each line with its origin in a comment.
#[must_use]
pub fn to_toml(shown: &[Shown]) -> String {
    let mut lines = Vec::new();
    let mut section = None;
    for Shown { name, value, origin } in shown {
        let (head, key) = name.split_once('.').map_or((None, *name), |(h, k)| (Some(h), k));
        if let Some(head) = head.filter(|head| section != Some(*head)) {
            lines.push(format!("\n[{head}]"));
            section = Some(head);
        }
        let line = match value {
            Some(value) => format!("{key} = {value}"),
            None => format!("# {key} is not set"),
        };
        lines.push(format!("{line:<56} # {origin}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The same as one JSON object: name → value and source.
#[must_use]
pub fn to_json(shown: &[Shown]) -> serde_json::Value {
    let each = shown.iter().map(|Shown { name, value, origin }| {
        ((*name).to_owned(), json!({ "value": value, "source": origin.to_string() }))
    });
    serde_json::Value::Object(each.collect())
}

fn value(loaded: &Loaded, name: &str) -> Option<Value> {
    let config = &loaded.config;
    let secret = |is_set: bool| is_set.then(|| text(MASK));
    let passwords = &config.passwords;
    match name {
        "mode" => Some(text(match config.mode {
            Mode::Production => "production",
            Mode::Development => "development",
            Mode::Demo => "demo",
        })),
        "listen" => Some(text(config.listen.to_string())),
        "public_url" => Some(text(config.public_url.as_str().trim_end_matches('/'))),
        "data_dir" => Some(text(config.data_dir.display().to_string())),
        "database_url" => Some(text(database(config))),
        // Which of the two ways a key came is known by its origin alone.
        "master_key" | "master_key_file" | "passwords.pepper" | "passwords.pepper_file" => {
            secret(loaded.origins.contains_key(name))
        }
        "trusted_proxies" => {
            Some(list(config.trusted_proxies.iter().map(|it| text(it.to_string()))))
        }
        "mail.smtp_url" => config.mail.smtp_url.as_ref().map(|url| text(masked(url.expose()))),
        "mail.from" => Some(text(&config.mail.from)),
        "mail.give_up_after_hours" => Some(whole(config.mail.give_up_after.as_secs() / 3600)),
        "passwords.memory_kib" => Some(whole(passwords.memory_kib)),
        "passwords.passes" => Some(whole(passwords.passes)),
        "passwords.threads" => Some(count(passwords.threads)),
        "passwords.queue" => Some(count(passwords.queue)),
        "passwords.nice" => Some(whole(passwords.nice)),
        "passwords.kernel" => Some(text(match passwords.kernel {
            Kernel::Fast => "fast",
            Kernel::Portable => "portable",
        })),
        "passwords.previous_peppers" => {
            Some(list(passwords.previous_peppers.iter().map(|_| text(MASK))))
        }
        "passwords.breach_filter" => {
            passwords.breach_filter.as_ref().map(|it| text(it.display().to_string()))
        }
        "passwords.breach_service" => passwords.breach_service.as_ref().map(web),
        "captcha.hcaptcha_url" => config.captcha.hcaptcha_url.as_ref().map(web),
        "captcha.turnstile_url" => config.captcha.turnstile_url.as_ref().map(web),
        "captcha.recaptcha_url" => config.captcha.recaptcha_url.as_ref().map(web),
        _ => load_and_observation(config, name),
    }
}

/// The settings of the database's size, the limits, the metrics, the log and the traces.
fn load_and_observation(config: &Config, name: &str) -> Option<Value> {
    match name {
        "database.max_connections" => Some(count(config.database.max_connections)),
        "database.prepared_statements" => Some(Value::Boolean(config.database.prepared_statements)),
        "database.wait_seconds" => Some(whole(config.database.wait.as_secs())),
        "limits.enabled" => Some(Value::Boolean(config.limits.enabled)),
        "limits.requests_per_minute" => Some(whole(config.limits.requests_per_minute)),
        "limits.tenant_requests_per_minute" => {
            Some(whole(config.limits.tenant_requests_per_minute))
        }
        "limits.application_requests_per_minute" => {
            Some(whole(config.limits.application_requests_per_minute))
        }
        "limits.connections" => Some(count(config.limits.connections)),
        "outbound.allowed_networks" => {
            Some(list(config.allowed_networks.iter().map(|it| text(it.to_string()))))
        }
        "oauth.client_certificate_header" => {
            config.oauth.client_certificate_header.as_ref().map(text)
        }
        "oauth.client_certificates_verified" => {
            Some(Value::Boolean(config.oauth.client_certificates_verified))
        }
        "oauth.key_rotation_days" => Some(whole(config.oauth.key_rotation_days)),
        "metrics.listen" => config.metrics_listen.map(|it| text(it.to_string())),
        "log.format" => Some(text(match config.log.format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        })),
        "log.filter" => Some(text(&config.log.filter)),
        "traces.endpoint" => config.traces_endpoint.as_ref().map(web),
        _ => None,
    }
}

fn database(config: &Config) -> String {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => masked(url.expose()),
    }
}

/// An address whose password is masked, and all values behind its `?` but those known to be
/// harmless. Where it is not plain which part is the password (a raw `@`, `/`, `?` or `#` in it),
/// everything is masked.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    let (user, place) = match rest.split_once('@') {
        Some((info, place)) if info.contains(['/', '?', '#']) || place.contains('@') => {
            return format!("{scheme}://{MASK}");
        }
        Some((info, place)) => match info.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), place),
            None => (format!("{info}@"), place),
        },
        None => (String::new(), rest),
    };
    let Some((path, query)) = place.split_once('?') else {
        return format!("{scheme}://{user}{place}");
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("tls" | "sslmode" | "host" | "application_name", _)) => pair.to_owned(),
        Some((key, _)) => format!("{key}={MASK}"),
        None => MASK.to_owned(),
    });
    format!("{scheme}://{user}{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// A web address. What stands before its host is a token as often as a name.
fn web(url: &url::Url) -> Value {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which are refused at start.
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_password(None);
        let _ = url.set_username(MASK);
    }
    text(masked(url.as_str()))
}

fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}

fn whole(value: impl TryInto<i64>) -> Value {
    Value::Integer(value.try_into().unwrap_or(i64::MAX))
}

fn count(value: usize) -> Value {
    whole(u64::try_from(value).unwrap_or(u64::MAX))
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::Array(items.collect())
}
