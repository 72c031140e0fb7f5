//! What the drivers' errors mean to us.
//!
//! Three things are worth telling apart: the database is not there, its disk is full, or the fault
//! is ours. Bound values and PostgreSQL's `DETAIL`, which may quote them, never get past here.

use std::{io, time::Duration};

use deadpool_postgres::{PoolError, TimeoutType};
use rusqlite::{ErrorCode, ffi};
use tokio_postgres::error::{Severity, SqlState};

use crate::error::{Code, Error, Result};

/// How much of a statement's text an error shows, in characters.
const SHOWN: usize = 60;

/// What a caller of [`super::Db`] can do about a PostgreSQL error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another transaction was in the way: run it again.
    Conflict,
    /// The connection is gone or useless: run it again on another.
    Lost,
    /// The disk is full.
    Full,
    /// Anything else.
    Other,
}

/// The database cannot be reached.
pub(super) fn unavailable(retry_secs: u64) -> Error {
    Error::Busy { code: Code::DatabaseUnavailable, retry: Duration::from_secs(retry_secs) }
}

/// More work waits than can be done in time.
pub(super) fn overloaded() -> Error {
    Error::Busy { code: Code::Overloaded, retry: Duration::from_secs(1) }
}

fn full() -> Error {
    Error::Busy { code: Code::StorageFull, retry: Duration::from_secs(30) }
}

/// A statement that always has a row had none.
pub(super) fn no_row(sql: &str) -> Error {
    Error::internal("reading a row", format!("there is none, in `{}`", shown(sql)))
}

/// The connection was given up while a job was still using it.
pub(super) fn discarded() -> Error {
    unavailable(2)
}

/// The operation's time is over.
pub(super) fn slow() -> Error {
    tracing::warn!("PostgreSQL took too long");
    unavailable(2)
}

/// A job went on after a statement had failed, and called it a success.
pub(super) fn swallowed() -> Error {
    Error::internal("committing", "a statement failed before and its error was swallowed")
}

/// SQLite gave up the whole transaction at a job that ended in `result`.
pub(super) fn lost_batch(result: Option<&Result<()>>) -> Error {
    match result {
        Some(Err(cause)) => again(cause),
        _ => Error::internal("committing a batch of writes", "a job ended the transaction"),
    }
}

/// The start of `sql`, on one line.
fn shown(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

/// An error of SQLite while running `sql`.
pub(super) fn sqlite(error: &rusqlite::Error, sql: &str) -> Error {
    let sql = shown(sql);
    match error.sqlite_error() {
        Some(cause) if is_full(*cause) => {
            tracing::warn!(%error, sql, "SQLite has no space");
            full()
        }
        Some(cause)
            if matches!(
                cause.code,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::CannotOpen
            ) =>
        {
            tracing::warn!(%error, sql, "SQLite is not available");
            unavailable(1)
        }
        _ => Error::internal("running a statement on SQLite", format!("{error}, in `{sql}`")),
    }
}

/// Whether there was no room on the disk, for the data or for the shared index of the log.
fn is_full(cause: ffi::Error) -> bool {
    const NO_ROOM: [i32; 2] = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
    cause.code == ErrorCode::DiskFull || NO_ROOM.contains(&cause.extended_code)
}

/// What sort of trouble `error` is.
pub(super) fn trouble(error: &tokio_postgres::Error) -> Trouble {
    let Some(state) = error.code() else {
        return if is_lost(error) { Trouble::Lost } else { Trouble::Other };
    };
    match *state {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Trouble::Conflict,
        // The last of these is what a primary says that has become a standby.
        SqlState::TOO_MANY_CONNECTIONS
        | SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::IDLE_SESSION_TIMEOUT
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        | SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::Lost,
        SqlState::DISK_FULL => Trouble::Full,
        // Said of a statement, it is wrong; said of the connection, a pooler has no server for it.
        SqlState::PROTOCOL_VIOLATION if !is_fatal(error) => Trouble::Other,
        // Class 08 is "connection exception".
        ref other if other.code().starts_with("08") => Trouble::Lost,
        _ => Trouble::Other,
    }
}

/// Whether the server ended the connection with it.
fn is_fatal(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|cause| cause.parsed_severity() != Some(Severity::Error))
}

/// Whether an error that is not the server's own means that there is no server.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    // A certificate that is not good is an `InvalidData`; waiting does not mend it.
    let by_wire = cause.is_some_and(|cause| {
        !matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    });
    // The driver has no other way to tell its own time-out.
    error.is_closed() || by_wire || error.to_string().starts_with("timeout")
}

/// An error of PostgreSQL while running `sql`.
pub(super) fn postgres(error: &tokio_postgres::Error, sql: &str) -> Error {
    let (sql, cause) = (shown(sql), told(error));
    match trouble(error) {
        Trouble::Conflict => {
            tracing::warn!(cause, sql, "transactions got in each other's way");
            unavailable(1)
        }
        Trouble::Lost => {
            tracing::warn!(cause, sql, "PostgreSQL is not available");
            unavailable(2)
        }
        Trouble::Full => {
            tracing::warn!(cause, sql, "PostgreSQL has no space");
            full()
        }
        Trouble::Other => {
            Error::internal("running a statement on PostgreSQL", format!("{cause}, in `{sql}`"))
        }
    }
}

/// The causes of `error` without the parts that may quote data.
fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    if let Some(cause) = error.as_db_error() {
        return format!("{} {}", cause.code().code(), cause.message());
    }
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    if text.contains("TLS") {
        text.push_str("; SSL_CERT_FILE names more authorities, sslmode=disable does without TLS");
    }
    text
}

/// No connection came out of the pool.
pub(super) fn pool(error: &PoolError) -> Error {
    match error {
        PoolError::Backend(cause) => postgres(cause, "connecting"),
        PoolError::Timeout(TimeoutType::Wait) => {
            tracing::warn!("every connection to PostgreSQL is in use");
            overloaded()
        }
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            tracing::warn!("PostgreSQL does not answer");
            unavailable(2)
        }
        PoolError::Closed => unavailable(2),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::internal("taking a connection", "the pool is not set up")
        }
    }
}

/// The same error once more: an [`Error`] cannot be cloned, and a batch has many callers.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::Busy { code, retry } => Error::Busy { code: *code, retry: *retry },
        Error::Internal(fault) => Error::internal("committing a batch of writes", fault.chain()),
        _ => Error::internal("committing a batch of writes", "failed for an unknown reason"),
    }
}
