//! SQLite: a few readers that run where they are called, and one writer thread that commits in
//! groups.
//!
//! A read costs microseconds, so it runs inline. A durable commit costs a disk flush, so the
//! writer takes every job that waits, runs each in a savepoint of one transaction, commits once,
//! and answers them all only then. Both poll a job's future exactly once: SQLite's steps are
//! always ready, so a job that is not has awaited something else, and fails alone.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rusqlite::{CachedStatement, Connection, Rows};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{FromRow, Job, Query, Row, Tx, error, open, row::Source};
use crate::error::{Error, Result};

/// Reader connections, at most. Reads do not wait, so more than there are cores is of no use.
const READERS: usize = 4;

/// Jobs that may wait for the writer.
const QUEUE: usize = 4096;

/// Jobs that share one commit, at most.
const BATCH: usize = 256;

/// The engine: readers, and the way to the writer.
pub(super) struct Sqlite {
    path: PathBuf,
    wait: Duration,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    writer: mpsc::Sender<Order>,
}

enum Order {
    Write(Entry),
    Close(oneshot::Sender<()>),
}

/// A job in the writer's queue, and who waits for it.
struct Entry {
    job: Job,
    span: tracing::Span,
    reply: oneshot::Sender<Result<()>>,
}

impl Sqlite {
    /// Starts the writer thread on `connection`, which writes to `path`.
    pub(super) fn start(path: PathBuf, wait: Duration, connection: Connection) -> Result<Self> {
        let (writer, orders) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(connection, orders))
            .map_err(|cause| Error::internal("starting the writer thread", cause))?;
        let (idle, permits) = (Mutex::default(), Semaphore::new(READERS));
        Ok(Self { path, wait, idle, permits, writer })
    }

    /// Runs `job` on a reader, here and now.
    pub(super) async fn read(&self, job: &Job) -> Result<()> {
        let permit = tokio::time::timeout(self.wait, self.permits.acquire()).await;
        let _permit = permit.map_err(|_| error::overloaded())?.map_err(|_| closed())?;
        // On its own line: the lock is not held while a connection is opened.
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::sqlite_reader(&self.path, self.wait)?,
        };
        // A job that panics takes the reader with it; the next read opens another.
        let mut tx = Tx(super::Session::Sqlite(Session::new(connection)));
        let result = poll_once(job, &mut tx);
        if let super::Session::Sqlite(session) = tx.0
            && session.connection.is_autocommit()
        {
            self.idle().push(session.connection);
        }
        result
    }

    /// Runs `job` on the writer and waits for the commit, for `limit` at most.
    pub(super) async fn write(&self, job: Job, limit: Option<Duration>) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry { job, span: tracing::Span::current(), reply };
        self.writer.try_send(Order::Write(entry)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => error::overloaded(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        let answer = match limit {
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| {
                tracing::warn!("SQLite's writer does not answer");
                error::unavailable(2)
            })?,
            None => answer.await,
        };
        answer.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether both sides work.
    pub(super) async fn ping(&self, job: &Job) -> Result<()> {
        if self.writer.is_closed() {
            return Err(closed());
        }
        self.read(job).await
    }

    /// Lets the writer finish its queue, put the log into the file, and end.
    pub(super) async fn close(&self) {
        self.permits.close();
        self.idle().clear();
        let (done, closed) = oneshot::channel();
        if self.writer.send(Order::Close(done)).await.is_ok() {
            let _gone = closed.await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> Error {
    error::unavailable(2)
}

/// The writer thread: until it is told to close, or nobody is left to tell it.
fn serve(connection: Connection, mut orders: mpsc::Receiver<Order>) {
    let mut tx = Tx(super::Session::Sqlite(Session::new(connection)));
    let mut closing = None;
    while closing.is_none() {
        let Some(mut order) = orders.blocking_recv() else { break };
        let mut batch = Vec::new();
        loop {
            match order {
                Order::Write(entry) => batch.push(entry),
                Order::Close(done) => closing = Some(done),
            }
            if closing.is_some() || batch.len() >= BATCH {
                break;
            }
            let Ok(next) = orders.try_recv() else { break };
            order = next;
        }
        commit(&mut tx, batch);
    }
    if let super::Session::Sqlite(session) = &tx.0 {
        let outcome = session.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(cause) = outcome {
            tracing::warn!(%cause, "SQLite's log stays in its own file for now");
        }
    }
    // The file is closed before whoever waits for that goes on.
    drop(tx);
    if let Some(done) = closing {
        let _gone = done.send(());
    }
}

/// Runs the jobs in one transaction and answers each once that is durable.
fn commit(tx: &mut Tx, batch: Vec<Entry>) {
    // A caller that has given up in the meantime is not kept a promise to.
    let batch: Vec<Entry> = batch.into_iter().filter(|entry| !entry.reply.is_closed()).collect();
    if batch.is_empty() {
        return;
    }
    let mut results = Vec::with_capacity(batch.len());
    let fate = run_all(tx, &batch, &mut results);
    if fate.is_err() {
        roll_back(tx);
    }
    let mut results = results.into_iter();
    for entry in batch {
        // A job's own error is truer than the batch's; without a commit, no success is.
        let own = results.next().unwrap_or(Ok(()));
        let result = match &fate {
            Ok(()) => own,
            Err(cause) => own.and_then(|()| Err(error::again(cause))),
        };
        let _gone = entry.reply.send(result);
    }
}

/// Begins, runs each job inside a savepoint, commits. An error is one of the whole batch.
fn run_all(tx: &mut Tx, batch: &[Entry], results: &mut Vec<Result<()>>) -> Result<()> {
    control(tx, "BEGIN IMMEDIATE")?;
    for entry in batch {
        let _in_span = entry.span.enter();
        control(tx, "SAVEPOINT job")?;
        let result = run_one(&entry.job, tx);
        // After a full disk, among others, SQLite has already undone the whole transaction.
        if session(tx)?.connection.is_autocommit() {
            results.push(result);
            return Err(error::lost_batch(results.last()));
        }
        if result.is_err() {
            control(tx, "ROLLBACK TO job")?;
        }
        control(tx, "RELEASE job")?;
        results.push(result);
    }
    control(tx, "COMMIT")
}

/// One job, which may panic.
fn run_one(job: &Job, tx: &mut Tx) -> Result<()> {
    let failed = |tx: &mut Tx| session(tx).is_ok_and(|session| std::mem::take(&mut session.failed));
    failed(tx);
    let result = catch_unwind(AssertUnwindSafe(|| poll_once(job, tx))).unwrap_or_else(|panic| {
        let said = said(&*panic);
        tracing::error!(said, "a database job panicked");
        Err(Error::internal("running a database job", format!("it panicked: {said}")))
    });
    if failed(tx) && result.is_ok() { Err(error::swallowed()) } else { result }
}

/// Polls the job's future the one time it needs.
fn poll_once(job: &Job, tx: &mut Tx) -> Result<()> {
    let mut future = job(tx);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            tracing::error!("a database job awaited something other than its transaction");
            let reason = "it awaited something other than its transaction";
            Err(Error::internal("running a database job", reason))
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

fn session(tx: &mut Tx) -> Result<&mut Session> {
    match &mut tx.0 {
        super::Session::Sqlite(session) => Ok(session),
        super::Session::Postgres(_) => {
            Err(Error::internal("running a database job", "it is not on SQLite"))
        }
    }
}

/// A statement of the writer's own.
fn control(tx: &mut Tx, text: &str) -> Result<()> {
    let outcome = session(tx)?.connection.prepare_cached(text).and_then(|mut statement| {
        statement.raw_execute()?;
        Ok(())
    });
    outcome.map_err(|cause| error::sqlite(&cause, text))
}

fn roll_back(tx: &mut Tx) {
    let open = session(tx).is_ok_and(|session| !session.connection.is_autocommit());
    if open && let Err(cause) = control(tx, "ROLLBACK") {
        tracing::error!(?cause, "rolling back");
    }
}

/// A connection in use.
pub(super) struct Session {
    connection: Connection,
    /// Whether a statement failed. Whoever goes on after that, against what PostgreSQL allows, is
    /// not committed.
    failed: bool,
}

impl Session {
    fn new(connection: Connection) -> Self {
        Self { connection, failed: false }
    }

    /// Runs `query`; tells the rows affected, or returned by a plain `SELECT`.
    pub(super) fn execute(&mut self, query: &Query) -> Result<u64> {
        self.run(query, |connection, mut rows, reads| {
            let mut count = 0;
            while rows.next()?.is_some() {
                count += 1;
            }
            Ok(Ok(if reads { count } else { connection.changes() }))
        })
    }

    /// The first row of `query`.
    pub(super) fn first<T: FromRow>(&mut self, query: &Query) -> Result<Option<T>> {
        // A writing statement has done all its work, and checked it, before its first row.
        self.run(query, |_, mut rows, _| {
            let first = rows.next()?.map(|row| T::from_row(&Row::new(Source::Sqlite(row))));
            Ok(first.transpose())
        })
    }

    /// Every row of `query`.
    pub(super) fn all<T: FromRow>(&mut self, query: &Query) -> Result<Vec<T>> {
        self.run(query, |_, mut rows, _| {
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(T::from_row(&Row::new(Source::Sqlite(row))));
            }
            Ok(all.into_iter().collect())
        })
    }

    /// Runs a text of several statements.
    pub(super) fn script(&mut self, text: &str) -> Result<()> {
        let outcome = self.connection.execute_batch(text);
        self.failed |= outcome.is_err();
        outcome.map_err(|cause| error::sqlite(&cause, text))
    }

    fn run<T>(
        &mut self,
        query: &Query,
        read: impl FnOnce(&Connection, Rows<'_>, bool) -> rusqlite::Result<Result<T>>,
    ) -> Result<T> {
        // PostgreSQL can be asked what a connection has prepared; here only this tells.
        tracing::trace!(statement = query.text);
        let connection = &self.connection;
        let outcome = connection.prepare_cached(query.text).and_then(|mut statement| {
            bind(&mut statement, query)?;
            let reads = statement.readonly();
            read(connection, statement.raw_query(), reads)
        });
        self.failed |= outcome.is_err();
        outcome.map_err(|cause| error::sqlite(&cause, query.text))?
    }
}

/// Binds by number: for SQLite `$2` is a name, whose place is that of its first use.
fn bind(statement: &mut CachedStatement<'_>, query: &Query) -> rusqlite::Result<()> {
    let mut highest = 0;
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name.strip_prefix('$'));
        let number = number.and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0);
        let value = number.checked_sub(1).and_then(|index| query.values.get(index));
        let count = query.values.len();
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(count, number))?;
        statement.raw_bind_parameter(place, value)?;
        highest = highest.max(number);
    }
    // A bind that the text does not use is a slip, though PostgreSQL would let it pass.
    if highest == query.values.len() {
        return Ok(());
    }
    Err(rusqlite::Error::InvalidParameterCount(query.values.len(), highest))
}
