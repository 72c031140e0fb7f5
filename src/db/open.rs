//! Opening a database: SQLite's files and settings, PostgreSQL's connection string, TLS and pool.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::{
    NoTls,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Db, Handle, error, postgres::Postgres, sqlite::Sqlite};
use crate::{
    config::{DatabaseConfig, DatabaseUrl},
    error::{Context, Error, Result},
};

/// Statements that each SQLite connection keeps prepared.
const STATEMENTS: usize = 256;

/// How long a reader waits for a lock. It blocks a thread of the runtime, and hardly ever has to.
const READER_WAIT: Duration = Duration::from_millis(250);

/// How long a connection to PostgreSQL may take, to the socket and in all.
const CONNECT: Duration = Duration::from_secs(3);
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long sent data may stay unacknowledged before the connection counts as dead.
const SILENCE: Duration = Duration::from_secs(10);

impl Db {
    /// Opens the database that `config` names. A SQLite file and its folder are made where they are
    /// missing, readable by their owner only. PostgreSQL is not spoken to yet: see [`Db::ping`].
    ///
    /// # Errors
    /// A fault of ours where the file cannot be opened or the connection string is not one.
    #[expect(clippy::unused_async, reason = "callers must not depend on its being instant")]
    pub async fn open(config: &DatabaseConfig) -> Result<Self> {
        let handle = match &config.url {
            DatabaseUrl::Sqlite(path) => {
                let writer = sqlite_writer(path, config.wait)?;
                Handle::Sqlite(Arc::new(Sqlite::start(path.clone(), config.wait, writer)?))
            }
            DatabaseUrl::Postgres(url) => {
                let (pool, prepared) = (pool(url.expose(), config)?, config.prepared_statements);
                Handle::Postgres(Arc::new(Postgres { pool, prepared }))
            }
        };
        Ok(Self(handle))
    }
}

/// The connection that writes. It makes the file, and turns on the write-ahead log.
fn sqlite_writer(path: &Path, wait: Duration) -> Result<Connection> {
    create(path).doing("creating the SQLite file")?;
    let connection = connect(path, wait)?;
    let settings = "PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA cache_size = -16384;";
    connection.execute_batch(settings).map_err(|cause| error::sqlite(&cause, settings))?;
    Ok(connection)
}

/// A connection that only reads. Its cache is small: there are several.
pub(super) fn sqlite_reader(path: &Path, wait: Duration) -> Result<Connection> {
    let connection = connect(path, wait.min(READER_WAIT))?;
    let settings = "PRAGMA query_only = ON; PRAGMA cache_size = -2048;";
    connection.execute_batch(settings).map_err(|cause| error::sqlite(&cause, settings))?;
    Ok(connection)
}

fn connect(path: &Path, wait: Duration) -> Result<Connection> {
    // Each connection is used by one thread at a time, and the path is a path, never a `file:` URI.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let settings = "PRAGMA foreign_keys = ON;
        PRAGMA trusted_schema = OFF;
        PRAGMA temp_store = MEMORY;";
    let connection = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(wait)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A plan that does not depend on what is bound. Otherwise a statement is compiled anew each
        // time other values are bound to it, which costs ten times what it then does.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(settings)?;
        Ok(connection)
    });
    connection.map_err(|cause| error::sqlite(&cause, "opening the SQLite file"))
}

/// Makes the file and its folder where they are missing. SQLite gives the files beside it the same
/// permissions.
fn create(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    let mut file = fs::OpenOptions::new();
    folder.recursive(true);
    file.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        file.mode(0o600);
    }
    if let Some(parent) = path.parent().map(PathBuf::from) {
        folder.create(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent })?;
    }
    file.open(path)?;
    Ok(())
}

/// The pool for the connection string `url`.
fn pool(url: &str, config: &DatabaseConfig) -> Result<Pool> {
    let settings = settings(url)?;
    let manner = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if uses_tls(&settings) {
        Manager::from_config(settings, MakeRustlsConnect::new(tls()?), manner)
    } else {
        Manager::from_config(settings, NoTls, manner)
    };
    let limits =
        Timeouts { wait: Some(config.wait), create: Some(HANDSHAKE), recycle: Some(HANDSHAKE) };
    Pool::builder(manager)
        .max_size(config.max_connections.max(1))
        .timeouts(limits)
        .runtime(Runtime::Tokio1)
        .build()
        .doing("making the connection pool")
}

/// The connection string as the driver understands it, with our limits where it names none.
fn settings(url: &str) -> Result<tokio_postgres::Config> {
    // Certificates are always verified in full, which the driver's `require` leaves to us.
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    // The driver's error names the parameter at fault and never quotes its value.
    let mut settings: tokio_postgres::Config =
        url.parse().map_err(|cause| Error::internal("reading the PostgreSQL URL", cause))?;
    if settings.get_application_name().is_none() {
        settings.application_name("countersign");
    }
    if settings.get_connect_timeout().is_none() {
        settings.connect_timeout(CONNECT);
    }
    if settings.get_tcp_user_timeout().is_none() {
        settings.tcp_user_timeout(SILENCE);
    }
    settings
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3);
    Ok(settings)
}

/// Whether any host of `settings` may be spoken to in TLS. Certificates are not loaded in vain.
fn uses_tls(settings: &tokio_postgres::Config) -> bool {
    let by_network = settings.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    settings.get_ssl_mode() != SslMode::Disable
        && (by_network || !settings.get_hostaddrs().is_empty())
}

/// TLS that believes what the operating system believes.
fn tls() -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .doing("setting up TLS to PostgreSQL")?
        .with_no_client_auth())
}
