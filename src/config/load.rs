//! From the sources of settings to a checked [`Config`].
//!
//! [`Sources::gather`] is the only function of the program that reads the environment; [`load`]
//! is given everything as values, so that tests need neither variables nor files. It reads no
//! file of its own except those that a setting names (`master_key_file`, `passwords.pepper_file`).

use std::{
    collections::BTreeMap,
    fmt,
    io::{ErrorKind, IsTerminal},
    path::{Path, PathBuf},
};

use super::{Config, DatabaseUrl, check, raw};
pub use super::{
    raw::{Origin, WrongSetting},
    show::{Shown, shown, to_json, to_toml},
};

/// The settings file that is read when it exists and no other is named.
const USUAL_FILE: &str = "countersign.toml";

/// Where settings come from, each overriding the one before: file, variables, flags.
#[derive(Clone, Default)]
pub struct Sources {
    /// The settings file: its path and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment; names that do not begin with `COUNTERSIGN_` are passed over.
    pub variables: BTreeMap<String, String>,
    /// The command line.
    pub flags: Vec<Flag>,
    /// Whether the log goes to a terminal, which decides the default of `log.format`.
    pub terminal: bool,
}

/// A flag of the command line that sets something.
#[derive(Clone)]
pub struct Flag {
    /// The setting's dotted name, such as `metrics.listen`.
    pub setting: &'static str,
    /// The flag as typed, such as `--metrics-listen`.
    pub flag: &'static str,
    /// What was typed after it.
    pub value: String,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(…)")
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.flag)
    }
}

/// The settings that cannot be used, all of them at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct WrongSettings(pub Vec<WrongSetting>);

/// A checked [`Config`], who gave what, and what deserves a second look.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Who gave each setting that is not at its default, by dotted name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// Sentences for the log: allowed, but hardly meant.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Who gave the setting called `name`.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default)
    }

    /// Moves the data to `folder`, together with the SQLite file unless `database_url` was given.
    pub fn move_data(&mut self, folder: PathBuf) {
        if self.origin("database_url") == Origin::Default {
            self.config.database.url = DatabaseUrl::Sqlite(check::usual_database(&folder));
        }
        self.config.data_dir = folder;
    }

    /// Takes over where the server really listens, for a `listen` that ends in port 0. The
    /// public address follows unless it was given.
    pub fn listens_on(&mut self, address: std::net::SocketAddr) {
        self.config.listen = address;
        if self.origin("public_url") == Origin::Default
            && let Some(url) = check::usual_public_url(address)
        {
            self.config.public_url = url;
        }
    }
}

impl Sources {
    /// Reads the environment and the settings file: the one `named` by `--config`, else the one
    /// that `COUNTERSIGN_CONFIG` names, else `countersign.toml` where it exists.
    ///
    /// # Errors
    /// A file that is named and cannot be read; a variable of ours that is not UTF-8.
    pub fn gather(named: Option<&Path>, flags: Vec<Flag>) -> Result<Self, WrongSettings> {
        let variables = environment()?;
        let by_variable = variables.get(raw::FILE_VARIABLE).filter(|path| !path.is_empty());
        let (path, origin) = match (named, by_variable) {
            (Some(path), _) => (path.to_owned(), Origin::Flag("--config")),
            (None, Some(path)) => {
                (PathBuf::from(path), Origin::Variable(raw::FILE_VARIABLE.to_owned()))
            }
            (None, None) => (PathBuf::from(USUAL_FILE), Origin::Default),
        };
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(fault) if origin == Origin::Default && fault.kind() == ErrorKind::NotFound => None,
            Err(fault) => {
                return Err(WrongSettings(vec![WrongSetting {
                    name: "config".to_owned(),
                    origin,
                    problem: format!("names {}, which cannot be read: {fault}", path.display()),
                    allowed: "the path of a readable TOML file".to_owned(),
                }]));
            }
        };
        Ok(Self { file, variables, flags, terminal: std::io::stderr().is_terminal() })
    }
}

/// The variables that begin with `COUNTERSIGN_`. `vars_os`, because `vars` panics where any
/// variable of the environment, ours or not, is not UTF-8.
fn environment() -> Result<BTreeMap<String, String>, WrongSettings> {
    let mut known = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(raw::PREFIX) {
            continue;
        }
        match value.into_string() {
            Ok(value) => {
                known.insert(name, value);
            }
            Err(_) => wrong.push(WrongSetting {
                origin: Origin::Variable(name.clone()),
                name,
                problem: "is not UTF-8".to_owned(),
                allowed: "UTF-8 text".to_owned(),
            }),
        }
    }
    if wrong.is_empty() { Ok(known) } else { Err(WrongSettings(wrong)) }
}

/// Merges the sources and checks every setting.
///
/// # Errors
/// Every unknown name and every wrong value, at once.
pub fn load(sources: &Sources) -> Result<Loaded, WrongSettings> {
    let mut raw = raw::Raw::default();
    if let Some((path, text)) = &sources.file {
        raw.file(path, text);
    }
    raw.variables(&sources.variables);
    for flag in &sources.flags {
        raw.flag(flag.setting, flag.flag, &flag.value);
    }
    check::check(raw, sources.terminal)
}

#[cfg(test)]
mod tests;
