use super::*;
use crate::config::{LogFormat, Mode};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn file(text: &str) -> Sources {
    Sources { file: Some((PathBuf::from("set.toml"), text.to_owned())), ..Sources::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources { variables: pairs.collect(), ..Sources::default() }
}

fn flag(setting: &'static str, flag: &'static str, value: &str) -> Flag {
    Flag { setting, flag, value: value.to_owned() }
}

fn refused(sources: &Sources) -> Vec<String> {
    load(sources).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_given_is_enough() {
    let loaded = load(&Sources::default()).unwrap();
    let config = &loaded.config;
    assert_eq!(config.mode, Mode::Production);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.data_dir, Path::new("data"));
    let DatabaseUrl::Sqlite(path) = &config.database.url else { panic!("not SQLite") };
    assert_eq!(path, Path::new("data/countersign.db"));
    assert!(config.master_key.is_none() && config.mail.smtp_url.is_none());
    assert_eq!((config.passwords.memory_kib, config.passwords.passes), (19_456, 2));
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let terminal = Sources { terminal: true, ..Sources::default() };
    assert_eq!(load(&terminal).unwrap().config.log.format, LogFormat::Human);
}

#[test]
fn a_flag_overrides_a_variable_overrides_the_file() {
    let mut sources = file("listen = \"127.0.0.1:1\"\n[limits]\nconnections = 5\nenabled = true");
    let listen = |sources: &Sources| load(sources).unwrap().config.listen.port();
    assert_eq!(listen(&sources), 1);
    sources.variables = variables(&[
        ("COUNTERSIGN_LISTEN", "127.0.0.1:2"),
        ("COUNTERSIGN_LIMITS__ENABLED", "false"),
    ])
    .variables;
    assert_eq!(listen(&sources), 2);
    sources.flags.push(flag("listen", "--listen", "127.0.0.1:3"));
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.listen.port(), 3);
    assert_eq!(loaded.origin("listen"), Origin::Flag("--listen"));
    assert!(!loaded.config.limits.enabled);
    assert_eq!(loaded.origin("limits.enabled").to_string(), "variable COUNTERSIGN_LIMITS__ENABLED");
    assert_eq!(loaded.config.limits.connections, 5);
    assert_eq!(loaded.origin("limits.connections").to_string(), "file set.toml");
    assert_eq!(loaded.origin("mode"), Origin::Default);
}

#[test]
fn the_variables_of_the_manual_are_known() {
    let loaded = load(&variables(&[
        ("COUNTERSIGN_PUBLIC_URL", "https://id.example.com"),
        ("COUNTERSIGN_DATABASE_URL", "postgres://u:p@db/x"),
        ("COUNTERSIGN_DATABASE__MAX_CONNECTIONS", "7"),
        ("COUNTERSIGN_DATA_DIR", "/srv/x"),
        ("COUNTERSIGN_MAIL__SMTP_URL", "smtps://u:p@mail?tls=required"),
        ("COUNTERSIGN_METRICS__LISTEN", "127.0.0.1:9090"),
        ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("COUNTERSIGN_TRACES__ENDPOINT", ""),
        ("COUNTERSIGN_CONFIG", "elsewhere.toml"),
        ("HOME", "/root"),
    ]))
    .unwrap();
    let config = loaded.config;
    assert!(matches!(config.database.url, DatabaseUrl::Postgres(_)));
    assert_eq!(config.database.max_connections, 7);
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.metrics_listen.unwrap().port(), 9090);
    assert!(config.mail.smtp_url.is_some() && config.traces_endpoint.is_none());
}

#[test]
fn an_unknown_name_is_refused_with_the_names_that_are_known() {
    assert_eq!(
        refused(&file("[mail]\nserver = \"x\"")),
        ["mail.server (file set.toml) is not a setting; allowed: mail.smtp_url, mail.from, \
          mail.give_up_after_hours"]
    );
    let top = &refused(&file("lisen = 1"))[0];
    assert!(top.starts_with("lisen (file set.toml) is not a setting; allowed: mode, listen,"));
    assert!(top.ends_with("log.*, traces.*"), "{top}");
    let section = &refused(&file("metrics = true"))[0];
    assert!(section.starts_with("metrics (file set.toml) is a section"), "{section}");
    assert!(section.ends_with("allowed: metrics.listen"), "{section}");
    assert_eq!(
        refused(&variables(&[("COUNTERSIGN_METRICS__PORT", "1")])),
        ["COUNTERSIGN_METRICS__PORT (variable COUNTERSIGN_METRICS__PORT) is not a setting; \
          allowed: COUNTERSIGN_METRICS__LISTEN"]
    );
    // A single underscore is not the separator, and case matters.
    for name in ["COUNTERSIGN_MAIL_FROM", "COUNTERSIGN_listen", "COUNTERSIGN_PORT"] {
        assert!(refused(&variables(&[(name, "9000")]))[0].contains(name));
    }
}

#[test]
fn variables_that_an_orchestrator_adds_are_passed_over() {
    let links = variables(&[
        ("COUNTERSIGN_SERVICE_HOST", "10.0.0.7"),
        ("COUNTERSIGN_SERVICE_PORT", "80"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "80"),
        ("COUNTERSIGN_PORT", "tcp://10.0.0.7:80"),
        ("COUNTERSIGN_PORT_80_TCP", "tcp://10.0.0.7:80"),
        ("COUNTERSIGN_PORT_80_TCP_PROTO", "tcp"),
        ("COUNTERSIGN_PORT_80_TCP_ADDR", "10.0.0.7"),
        ("COUNTERSIGN_METRICS_PORT_9090_TCP_PORT", "9090"),
    ]);
    assert!(load(&links).is_ok(), "{:?}", refused(&links));
}

#[test]
fn a_wrong_value_is_refused_by_name_place_and_allowed_values() {
    let cases = [
        ("mode", "prod", "is not a mode; allowed: production, development or demo"),
        ("listen", "8080", "is not an address with a port; allowed: an address and a port"),
        ("listen", "", "is not an address with a port"),
        ("public_url", "login.corp.test", "is not an origin; allowed: http or https, a host"),
        ("public_url", "https://login.corp.test/sso", "is not an origin"),
        ("public_url", "https://u@login.corp.test", "is not an origin"),
        ("public_url", "https://login.corp.test/?a", "is not an origin"),
        ("public_url", "ftp://login.corp.test", "is not an origin"),
        ("data_dir", "", "is empty; allowed: the path of a folder"),
        ("database_url", "mysql://x", "is not the address of a database; allowed: sqlite:PATH"),
        ("database_url", "sqlite::memory:", "is not the address of a database"),
        ("master_key", "abc", "is not a key; allowed: 32 bytes, written as 64 hex digits"),
        ("master_key", "", "is not a key"),
        ("master_key_file", "/nowhere/key", "names a file that cannot be read"),
        ("trusted_proxies", "10.0.0.0/8,proxy.internal", "holds something else than networks"),
        (
            "outbound.allowed_networks",
            "10.0.0.0/8,app.internal",
            "holds something else than networks",
        ),
        ("database.max_connections", "0", "allowed: a whole number from 1 to 1000"),
        ("database.prepared_statements", "maybe", "is not a switch; allowed: true or false"),
        ("mail.smtp_url", "https://mail", "is not the address of a mail server; allowed: smtp://"),
        ("mail.smtp_url", "smtp://mail?tls=never", "is not the address of a mail server"),
        ("mail.from", "nobody at all", "is not an address; allowed: an address, such as"),
        ("mail.from", "A <a@b.c>\r\nBcc: x@y.z <x@y.z>", "is not an address"),
        ("passwords.memory_kib", "1024", "allowed: a whole number from 19456 to 1048576"),
        ("passwords.passes", "1", "only with passwords.memory_kib of 47104 or more"),
        ("passwords.kernel", "slow", "is not a kernel; allowed: fast or portable"),
        ("passwords.previous_peppers", "abc", "holds something else than keys"),
        ("passwords.breach_service", "yes", "is not an http or https address"),
        ("limits.requests_per_minute", "-1", "allowed: a whole number from 1 to 1000000"),
        ("oauth.client_certificate_header", "x client", "is not the name of a header"),
        ("oauth.client_certificate_header", "x-client", "could be set by anybody"),
        ("oauth.key_rotation_days", "3651", "allowed: a whole number from 0 to 3650"),
        ("metrics.listen", "127.0.0.1:8080", "is also where the server listens"),
        ("log.format", "xml", "is not a format; allowed: human or json"),
        ("log.filter", "countersign=loud", "is not a filter; allowed: a level"),
        ("traces.endpoint", "collector:4317", "is not an http or https address"),
    ];
    for (name, value, said) in cases {
        let variable = raw::variable_of(name);
        let told = refused(&variables(&[(&variable, value)])).join("\n");
        assert!(told.starts_with(&format!("{name} (variable {variable}) ")), "{name}: {told}");
        assert!(told.contains(said), "{name}: {told}");
        assert!(value.len() < 9 || !told.contains(value), "{name} repeats its value: {told}");
    }
    let by_flag = Sources { flags: vec![flag("listen", "--listen", "x")], ..Sources::default() };
    assert!(refused(&by_flag)[0].starts_with("listen (flag --listen) is not an address"));
}

#[test]
fn a_file_must_use_the_right_types() {
    for (text, said) in [
        ("listen = 8080", "listen (file set.toml) is not a text"),
        ("[limits]\nenabled = \"true\"", "limits.enabled (file set.toml) is not a switch"),
        ("[limits]\nconnections = \"5\"", "limits.connections (file set.toml) is not a whole"),
        ("trusted_proxies = \"10.0.0.0/8\"", "trusted_proxies (file set.toml) is not a list"),
        ("[listen]\nport = 1", "listen (file set.toml) is not a text"),
    ] {
        let told = refused(&file(text));
        assert!(told[0].starts_with(said), "{told:?}");
    }
    let told = &refused(&file("mode = \"demo\"\nmaster_key = \"hunter2\" oops"))[0];
    assert!(told.starts_with("config (file set.toml) is not TOML in line 2"), "{told}");
    assert!(!told.contains("hunter2"));
}

#[test]
fn every_fault_is_told_at_once() {
    let mut sources = file("listne = \"x\"\nmode = \"x\"");
    sources.flags.push(flag("log.format", "--log-format", "x"));
    assert_eq!(refused(&sources).len(), 3);
    assert_eq!(load(&sources).unwrap_err().to_string().lines().count(), 3);
}

#[test]
fn keys_come_in_hex_in_base64_or_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, format!("{BASE64}=\n")).unwrap();
    let ways = [
        ("COUNTERSIGN_MASTER_KEY", HEX),
        ("COUNTERSIGN_MASTER_KEY", BASE64),
        ("COUNTERSIGN_MASTER_KEY_FILE", path.to_str().unwrap()),
    ];
    for (variable, value) in ways {
        let key = load(&variables(&[(variable, value)])).unwrap().config.master_key.unwrap();
        assert_eq!(*key.expose(), (0..32).collect::<Vec<u8>>());
    }
    let both = variables(&[ways[0], ways[2]]);
    assert!(refused(&both)[0].contains("and master_key are both set"));
    std::fs::write(&path, "short").unwrap();
    assert!(refused(&variables(&[ways[2]]))[0].contains("does not hold a key"));
}

#[test]
fn the_data_can_be_moved_and_the_port_told_later() {
    let mut loaded = load(&Sources::default()).unwrap();
    loaded.move_data(PathBuf::from("/tmp/x"));
    loaded.listens_on("127.0.0.1:4711".parse().unwrap());
    let DatabaseUrl::Sqlite(path) = &loaded.config.database.url else { panic!("not SQLite") };
    assert_eq!(path, Path::new("/tmp/x/countersign.db"));
    assert_eq!(loaded.config.public_url.as_str(), "http://127.0.0.1:4711/");
    let mut given = load(&variables(&[
        ("COUNTERSIGN_PUBLIC_URL", "https://id.example.com"),
        ("COUNTERSIGN_DATABASE_URL", "sqlite:/srv/other.db"),
    ]))
    .unwrap();
    given.move_data(PathBuf::from("/tmp/x"));
    given.listens_on("127.0.0.1:4711".parse().unwrap());
    let DatabaseUrl::Sqlite(path) = &given.config.database.url else { panic!("not SQLite") };
    assert_eq!(path, Path::new("/srv/other.db"));
    assert_eq!(given.config.public_url.as_str(), "https://id.example.com/");
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let open = load(&variables(&[("COUNTERSIGN_LISTEN", "0.0.0.0:80")])).unwrap();
    assert_eq!(open.config.public_url.as_str(), "http://localhost/");
    assert!(open.warnings[0].starts_with("public_url is not set"));
    let plain = [("COUNTERSIGN_PUBLIC_URL", "http://id.example.com")];
    assert!(load(&variables(&plain)).unwrap().warnings[0].contains("plain http"));
    let safe = [("COUNTERSIGN_PUBLIC_URL", "https://id.example.com")];
    assert!(load(&variables(&safe)).unwrap().warnings.is_empty());
}

/// A loading in which every secret setting is set, and its secrets.
fn full_of_secrets() -> (Loaded, Vec<&'static str>) {
    let loaded = load(&variables(&[
        ("COUNTERSIGN_MASTER_KEY", HEX),
        (
            "COUNTERSIGN_DATABASE_URL",
            "postgres://role:hunter2@db/x?password=hunter3&sslmode=prefer",
        ),
        ("COUNTERSIGN_MAIL__SMTP_URL", "smtp://role:hunter4@mail:587?tls=required"),
        ("COUNTERSIGN_PASSWORDS__PEPPER", HEX),
        ("COUNTERSIGN_PASSWORDS__PREVIOUS_PEPPERS", BASE64),
        ("COUNTERSIGN_PASSWORDS__BREACH_SERVICE", "https://hunter5:hunter6@range/?key=hunter7"),
        ("COUNTERSIGN_TRACES__ENDPOINT", "https://hunter8@collector/v1/traces"),
    ]))
    .unwrap();
    (loaded, vec!["hunter", &HEX[..8], &BASE64[..8]])
}

#[test]
fn what_is_shown_holds_no_secret() {
    let (loaded, secrets) = full_of_secrets();
    let toml = to_toml(&shown(&loaded));
    let json = to_json(&shown(&loaded)).to_string();
    let debug = format!("{loaded:?}");
    for secret in secrets {
        assert!(!toml.contains(secret), "{toml}");
        assert!(!json.contains(secret), "{json}");
    }
    for secret in ["hunter2", "hunter3", "hunter4", "[0, 1, 2"] {
        assert!(!debug.contains(secret), "{debug}");
    }
    assert!(toml.contains("\"postgres://role:***@db/x?password=***&sslmode=prefer\""), "{toml}");
    assert!(toml.contains("\"smtp://role:***@mail:587?tls=required\""), "{toml}");
    assert!(toml.contains("# variable COUNTERSIGN_MASTER_KEY"), "{toml}");
}

#[test]
fn a_password_with_raw_signs_in_it_does_not_show_its_tail() {
    for url in [
        "postgres://role:hun@ter2@db/x",
        "postgres://role:hun/ter2@db/x",
        "postgres://role:hun?ter2@db/x",
        "postgres://db/x?password=hun@ter2",
        "postgres://role@db/x?password=hun@ter2",
        "postgres://role:hun#ter2@db/x",
    ] {
        let loaded = load(&variables(&[("COUNTERSIGN_DATABASE_URL", url)])).unwrap();
        let toml = to_toml(&shown(&loaded));
        assert!(!toml.contains("ter2") && !toml.contains("hun"), "{url}: {toml}");
    }
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let mut sources = file("trusted_proxies = [\"10.0.0.0/8\"]\n[metrics]\nlisten = \"[::1]:9\"");
    sources.variables = variables(&[("COUNTERSIGN_LOG__FILTER", "countersign=debug")]).variables;
    let once = shown(&load(&sources).unwrap());
    assert!(once.iter().all(|it| it.value.is_some() || to_toml(&once).contains("is not set")));
    let again = shown(&load(&file(&to_toml(&once))).unwrap());
    let values = |all: &[Shown]| all.iter().map(|it| it.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&once), values(&again));
}
