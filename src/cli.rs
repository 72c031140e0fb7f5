//! The command line: what can be typed, and which command runs.
//!
//! Each command has a file of its own under `cli/`; the definitions of those that work on the
//! database's contents are in `cli/arguments.rs`. Commands load the same settings as the server.
//! Passwords are never arguments, which other users of the machine could read: they come by
//! standard input. Only this module prints.

mod abuse;
mod app;
mod arguments;
mod audit;
mod breached;
mod config;
mod demo;
mod document;
mod factors;
mod healthcheck;
mod keys;
pub mod listener;
mod mail;
mod migrate;
mod operator;
pub mod output;
pub mod serve;
mod session;
mod tenant;
mod user;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::{
    config::load::{Flag, Loaded, Sources, WrongSettings, load},
    error::{Context, Error, Fault, Loc, Result},
};
pub use arguments::{
    AbuseCommand, AppChange, AppCommand, AppOf, AuditCommand, BreachedCommand, FactorsCommand,
    KeysCommand, MailCommand, NewUser, OwnerOf, RealmOf, RegistrationTokenCommand, SessionCommand,
    TenantChange, TenantCommand, Tenants, UserCommand, UserOf,
};
use operator::Operator;

/// A multi-tenant identity server: one binary, SQLite or PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The settings file [default: countersign.toml where it exists]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// The folder of the SQLite file and the master key [default: data]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data: Option<String>,
    /// sqlite:PATH or postgres://… [default: a SQLite file in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    fn form(&self) -> output::Form {
        if self.json { output::Form::Json } else { output::Form::Human }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server; needs no settings
    Serve(ServerFlags),
    /// Create, list and change tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Create, list and change the users of a tenant
    #[command(subcommand)]
    User(UserCommand),
    /// Forget a user's failed tries (the same as user unlock)
    Unlock {
        /// The tenant
        tenant: String,
        /// The user's address or id
        user: String,
    },
    /// End at once all that was opened in a user's name (the same as user lockdown)
    Lockdown {
        /// The tenant
        tenant: String,
        /// The user's address or id
        user: String,
        /// Do not suspend the user, who may sign in anew
        #[arg(long)]
        keep_active: bool,
    },
    /// Create, list and change applications (OAuth 2.0 clients)
    #[command(subcommand)]
    App(AppCommand),
    /// List and end the sessions of a tenant's users
    #[command(subcommand)]
    Session(SessionCommand),
    /// Look after the mail that waits to leave
    #[command(subcommand)]
    Mail(MailCommand),
    /// See what was made of sign-ins and why, and which alarms are raised
    #[command(subcommand)]
    Abuse(AbuseCommand),
    /// List the keys that sign tokens, and have others take over
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Read and check the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Build and check a filter of passwords that are known from breaches
    #[command(subcommand)]
    BreachedPasswords(BreachedCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Write the API reference as Markdown
    ApiReference {
        /// The folder to write to
        #[arg(long, value_name = "FOLDER", default_value = "docs/api")]
        out: PathBuf,
    },
    /// Bring the database to this version and exit
    Migrate {
        /// Only tell what has been applied and what has not
        #[arg(long)]
        status: bool,
    },
    /// Ask a running server whether it is ready; exit code 0 or 1
    Healthcheck {
        /// The address to ask [default: /health/ready where the settings say the server listens]
        #[arg(long)]
        url: Option<String>,
    },
    /// Print the effective settings, where each comes from, and no secrets
    Config(ServerFlags),
}

/// The settings that may also be given as flags of `serve` (and of `config`, to see the effect).
#[derive(Debug, Default, Args)]
pub struct ServerFlags {
    /// Try it out: a temporary database, a tenant and a user, mail shown in the browser
    #[arg(long, conflicts_with = "dev")]
    pub demo: bool,
    /// Develop against it: mail is shown in the browser instead of being sent
    #[arg(long)]
    pub dev: bool,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The origin people reach the server by [default: http:// and where it listens]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where to serve metrics [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<String>,
    /// Proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(long, value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// human or json [default: human on a terminal]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What to log: a level or rules [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Where to send traces (OTLP over HTTP) [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub traces_endpoint: Option<String>,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments are wrong; clap has the words.
    Usage(clap::Error),
    /// Settings are wrong.
    Settings(WrongSettings),
    /// The work failed.
    Error(Error),
    /// The work was done and the answer is no.
    No(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<WrongSettings> for Failure {
    fn from(wrong: WrongSettings) -> Self {
        Self::Settings(wrong)
    }
}

/// Runs the command that `arguments` (with the program's name first) ask for.
///
/// Returns 0 for success, 1 for failure, 2 for wrong arguments or settings, and tells standard
/// error why.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = Cli::try_parse_from(arguments).map_err(Failure::Usage).and_then(run);
    let Err(failure) = done else { return ExitCode::SUCCESS };
    match failure {
        Failure::Usage(usage) => {
            // Help and version are "errors" too, with code 0 and for standard output.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
        Failure::Settings(wrong) => {
            output::failure(&wrong.to_string());
            return ExitCode::from(2);
        }
        Failure::Error(error) => output::failure(&reason(&error)),
        Failure::No(said) => output::failure(&said),
    }
    ExitCode::FAILURE
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let form = global.form();
    match command {
        Command::Serve(flags) => {
            let loaded = settings(&global, &flags)?;
            block_on(many_threads()?, serve::run(loaded))
        }
        Command::Config(flags) => config::run(&settings(&global, &flags)?, form),
        Command::Healthcheck { url } => {
            let loaded = settings(&global, &ServerFlags::default())?;
            block_on(one_thread()?, healthcheck::run(&loaded.config, url.as_deref()))
        }
        Command::Migrate { status } => {
            let loaded = settings(&global, &ServerFlags::default())?;
            let doing = if status { migrate::Doing::Status } else { migrate::Doing::Migrate };
            block_on(one_thread()?, migrate::run(&loaded.config, doing, form))
        }
        Command::BreachedPasswords(command) => know_breached(&global, command),
        Command::Openapi => document::openapi(),
        Command::ApiReference { out } => document::reference(&out),
        Command::Tenant(command) => operate(&global, async |it| tenant::run(it, command).await),
        Command::User(command) => operate(&global, async |it| user::run(it, command).await),
        Command::Unlock { tenant, user } => {
            let command = UserCommand::Unlock(UserOf { tenant, user });
            operate(&global, async |it| user::run(it, command).await)
        }
        Command::Lockdown { tenant, user, keep_active } => {
            let command = UserCommand::Lockdown { user: UserOf { tenant, user }, keep_active };
            operate(&global, async |it| user::run(it, command).await)
        }
        Command::App(command) => operate(&global, async |it| app::run(it, command).await),
        Command::Session(command) => operate(&global, async |it| session::run(it, command).await),
        Command::Mail(command) => operate(&global, async |it| mail::run(it, command).await),
        Command::Abuse(command) => operate(&global, async |it| abuse::run(it, command).await),
        Command::Keys(command) => operate(&global, async |it| keys::run(it, command).await),
        Command::Audit(command) => operate(&global, async |it| audit::run(it, command).await),
    }
}

fn know_breached(global: &Global, command: BreachedCommand) -> Result<(), Failure> {
    let settings = || settings(global, &ServerFlags::default());
    let form = global.form();
    match command {
        BreachedCommand::Build { from, to, min_count } => {
            breached::build(&from, &to, min_count, form)
        }
        BreachedCommand::Verify { file } => {
            breached::verify(file.as_deref(), &settings()?.config, form)
        }
        BreachedCommand::Check => {
            let loaded = settings()?;
            block_on(one_thread()?, breached::check(&loaded.config, form))
        }
    }
}

/// Opens the database, does `work` on it and closes it.
fn operate(
    global: &Global,
    work: impl AsyncFnOnce(&Operator) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let loaded = settings(global, &ServerFlags::default())?;
    block_on(one_thread()?, async {
        let operator = Operator::open(loaded.config, global.form()).await?;
        let done = work(&operator).await;
        operator.app.close().await;
        done
    })
}

/// Loads the settings that hold for these flags.
fn settings(global: &Global, flags: &ServerFlags) -> Result<Loaded, WrongSettings> {
    load(&Sources::gather(global.config.as_deref(), given(global, flags))?)
}

/// The flags that were given, as settings.
fn given(global: &Global, flags: &ServerFlags) -> Vec<Flag> {
    let demo = flags.demo.then(|| "demo".to_owned());
    let dev = flags.dev.then(|| "development".to_owned());
    [
        ("mode", "--demo", &demo),
        ("mode", "--dev", &dev),
        ("data_dir", "--data", &global.data),
        ("database_url", "--database-url", &global.database_url),
        ("listen", "--listen", &flags.listen),
        ("public_url", "--public-url", &flags.public_url),
        ("metrics.listen", "--metrics-listen", &flags.metrics_listen),
        ("trusted_proxies", "--trusted-proxies", &flags.trusted_proxies),
        ("log.format", "--log-format", &flags.log_format),
        ("log.filter", "--log-filter", &flags.log_filter),
        ("traces.endpoint", "--traces-endpoint", &flags.traces_endpoint),
    ]
    .into_iter()
    .filter_map(|(setting, flag, value)| Some(Flag { setting, flag, value: value.clone()? }))
    .collect()
}

/// The server's runtime: a thread for each core, few for what blocks (only name look-ups do).
fn many_threads() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .doing("starting the runtime")
}

/// The runtime of commands that do one thing.
fn one_thread() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().doing("starting the runtime")
}

/// Runs `work` to its end and leaves what still hangs after it behind.
fn block_on<E: Into<Failure>>(
    runtime: Runtime,
    work: impl Future<Output = Result<(), E>>,
) -> Result<(), Failure> {
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_millis(200));
    done.map_err(Into::into)
}

/// What standard error is told of `error`; of a fault of ours the whole chain, since whoever runs
/// commands also runs the server.
fn reason(error: &Error) -> String {
    let code = |code: &crate::error::Code| code.as_str().replace('_', " ");
    match error {
        Error::Invalid(faults) => faults.iter().map(fault).collect::<Vec<_>>().join("\n"),
        Error::Refused(refusal) if refusal.reasons.is_empty() => code(&refusal.code),
        Error::Refused(refusal) => {
            format!("{}: {}", code(&refusal.code), refusal.reasons.join(" "))
        }
        Error::NotFound => "there is no such thing".to_owned(),
        Error::Taken(taken) => code(taken),
        Error::Throttled { retry } => format!("too often; try again in {} s", retry.as_secs()),
        Error::Forbidden(forbidden) => code(forbidden),
        Error::Busy { code: busy, retry } => {
            format!("{}; try again in {} s", code(busy), retry.as_secs())
        }
        Error::Internal(internal) => internal.chain(),
    }
}

/// `custom_data.a: message`; that it was in a "body" is no news on a command line.
fn fault(fault: &Fault) -> String {
    let steps = fault.loc.iter().filter_map(|step| match step {
        Loc::Name(name) if name == "body" => None,
        Loc::Name(name) => Some(name.clone()),
        Loc::Index(at) => Some(at.to_string()),
    });
    let place = steps.collect::<Vec<_>>().join(".");
    if place.is_empty() { fault.message.clone() } else { format!("{place}: {}", fault.message) }
}

#[cfg(test)]
mod tests;
