//! The storage façade: one SQL text, two engines, each driven at its own speed.
//!
//! [`Db::read`] and [`Db::write`] run a closure; inside it every statement is [`sql`] with its
//! binds, run on the [`Tx`]. No SQL of the product is here (see `store`), and no driver's type
//! leaves this module.
//!
//! A closure may run more than once (PostgreSQL asks for it on a conflict) and, on SQLite, may
//! await nothing but its `tx`: it must have no effect outside the database.

mod error;
mod migrate;
mod open;
mod postgres;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;
mod value;
mod whole;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use self::{
    migrate::{AppliedMigration, Migration, MigrationState},
    row::{FromRow, Row},
    value::{Cell, FromValue, IntoValue, Value},
    whole::{Whole, Written},
};
use crate::error::{Error, Result};

/// What a closure of [`Db::read`] and [`Db::write`] returns. Boxed, because an async closure
/// cannot promise a `Send` future on stable Rust.
pub type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

/// A closure without its type, so that each engine's code is compiled once and not per query. Its
/// value waits in a [`Slot`].
type Job = Box<dyn for<'t> Fn(&'t mut Tx) -> Work<'t, ()> + Send + Sync>;

type Slot<T> = Arc<Mutex<Option<T>>>;

/// Every operation ends by then, so that a hung database gives a quick "try again" and no heap of
/// waiting requests.
const OPERATION: Duration = Duration::from_secs(10);

/// For [`Db::ping`].
const PING: Duration = Duration::from_secs(3);

/// A handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Db(Handle);

#[derive(Clone)]
enum Handle {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A SQLite file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({:?})", self.engine())
    }
}

impl Db {
    /// Runs `work` for reading. It gets `cx` along, so that its future can borrow from it.
    ///
    /// Each statement stands alone: two statements may see two states of the database.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Busy`] where the database cannot serve.
    pub async fn read<C, T, F>(&self, cx: C, work: F) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, &'t C) -> Work<'t, T> + Send + Sync + 'static,
    {
        let (job, slot) = erase(cx, work);
        match &self.0 {
            Handle::Sqlite(db) => db.read(&job).await?,
            Handle::Postgres(db) => db.read(&job, OPERATION).await?,
        }
        take(&slot)
    }

    /// Runs `work` in one transaction: committed durably where it returns `Ok`, undone where it
    /// returns `Err`.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Busy`] where the database cannot serve. After a `Busy` it
    /// can be unknown whether the transaction happened: the connection may be lost while
    /// committing.
    pub async fn write<C, T, F>(&self, cx: C, work: F) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, &'t C) -> Work<'t, T> + Send + Sync + 'static,
    {
        self.write_within(Some(OPERATION), cx, work).await
    }

    /// As [`Db::write`], with another limit on the time, or none.
    async fn write_within<C, T, F>(&self, limit: Option<Duration>, cx: C, work: F) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, &'t C) -> Work<'t, T> + Send + Sync + 'static,
    {
        let (job, slot) = erase(cx, work);
        match &self.0 {
            Handle::Sqlite(db) => db.write(job, limit).await?,
            Handle::Postgres(db) => db.write(&job, limit).await?,
        }
        take(&slot)
    }

    /// Whether the database answers: for readiness. Gives up after three seconds.
    ///
    /// # Errors
    /// [`Error::Busy`] where it does not.
    pub async fn ping(&self) -> Result<()> {
        let (job, slot) = erase((), |tx, ()| Box::pin(sql("SELECT 1").one::<()>(tx)));
        match &self.0 {
            Handle::Sqlite(db) => db.ping(&job).await?,
            Handle::Postgres(db) => db.read(&job, PING).await?,
        }
        take(&slot)
    }

    /// Which database it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.0 {
            Handle::Sqlite(_) => Engine::Sqlite,
            Handle::Postgres(_) => Engine::Postgres,
        }
    }

    /// Waits for the writes that are queued, and closes. Whatever comes later is told that the
    /// database is unavailable.
    pub async fn close(&self) {
        match &self.0 {
            Handle::Sqlite(db) => db.close().await,
            Handle::Postgres(db) => db.close(),
        }
    }
}

fn erase<C, T, F>(cx: C, work: F) -> (Job, Slot<T>)
where
    C: Send + Sync + 'static,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx, &'t C) -> Work<'t, T> + Send + Sync + 'static,
{
    let slot = Slot::default();
    let (shared, out) = (Arc::new((cx, work)), Arc::clone(&slot));
    let job: Job = Box::new(move |tx| {
        let (shared, out) = (Arc::clone(&shared), Arc::clone(&out));
        Box::pin(async move {
            let (cx, work) = &*shared;
            let value = work(tx, cx).await?;
            *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        })
    });
    (job, slot)
}

fn take<T>(slot: &Slot<T>) -> Result<T> {
    let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    value.ok_or_else(|| Error::internal("running a database job", "it left no value"))
}

/// A running piece of work on the database: what [`Query`] runs on.
pub struct Tx(Session);

enum Session {
    Sqlite(sqlite::Session),
    Postgres(postgres::Session),
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Session::Sqlite(_) => "Tx(Sqlite)",
            Session::Postgres(_) => "Tx(Postgres)",
        })
    }
}

impl Tx {
    /// Runs `queries` in order and tells how many rows each affected. On PostgreSQL they are sent
    /// together: one round trip.
    ///
    /// # Errors
    /// The first that failed.
    pub async fn pipeline(&mut self, queries: Vec<Query>) -> Result<Vec<u64>> {
        match &mut self.0 {
            Session::Sqlite(session) => {
                queries.iter().map(|query| session.execute(query)).collect()
            }
            Session::Postgres(session) => session.pipeline(&queries).await,
        }
    }

    /// Runs a text of several statements without binds.
    async fn script(&mut self, text: &str) -> Result<()> {
        match &mut self.0 {
            Session::Sqlite(session) => session.script(text),
            Session::Postgres(session) => session.script(text).await,
        }
    }
}

/// A statement and its binds.
#[derive(Clone)]
#[must_use = "a statement does nothing until it is run"]
pub struct Query {
    text: &'static str,
    values: Vec<Value>,
}

/// Shows the text only.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("text", &self.text).finish_non_exhaustive()
    }
}

/// A statement from a fixed text. `$n` stands for the n-th bind, on both engines, as often and in
/// whatever order.
pub fn sql(text: &'static str) -> Query {
    Query { text, values: Vec::new() }
}

impl Query {
    /// Adds the next bind.
    pub fn bind(mut self, value: impl IntoValue) -> Self {
        self.values.push(value.into_value());
        self
    }

    /// Runs it and tells how many rows it affected.
    ///
    /// # Errors
    /// [`Error::Busy`] where the database cannot serve; else a fault of ours.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64> {
        match &mut tx.0 {
            Session::Sqlite(session) => session.execute(&self),
            Session::Postgres(session) => session.execute(&self).await,
        }
    }

    /// Runs it and takes the first row, if there is one.
    ///
    /// # Errors
    /// As [`Query::execute`].
    pub async fn optional<T: FromRow>(self, tx: &mut Tx) -> Result<Option<T>> {
        match &mut tx.0 {
            Session::Sqlite(session) => session.first(&self),
            Session::Postgres(session) => {
                session.rows(&self).await?.first().map(postgres::row).transpose()
            }
        }
    }

    /// Runs it and takes the first row.
    ///
    /// # Errors
    /// As [`Query::execute`]; no row is a fault of ours.
    pub async fn one<T: FromRow>(self, tx: &mut Tx) -> Result<T> {
        let text = self.text;
        let row = self.optional(tx).await?;
        row.ok_or_else(|| error::no_row(text))
    }

    /// Runs it and takes every row.
    ///
    /// # Errors
    /// As [`Query::execute`].
    pub async fn all<T: FromRow>(self, tx: &mut Tx) -> Result<Vec<T>> {
        match &mut tx.0 {
            Session::Sqlite(session) => session.all(&self),
            Session::Postgres(session) => {
                session.rows(&self).await?.iter().map(postgres::row).collect()
            }
        }
    }
}
