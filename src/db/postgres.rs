//! PostgreSQL: pooled connections, few round trips, and another try where that is safe.
//!
//! A transaction begins together with its first statement, in one flush. A connection that may
//! still be in a transaction never goes back to the pool. What is run again is only what cannot
//! have happened: before `COMMIT` was sent, or after the server said that it undid it.

use std::{pin::pin, slice, time::Duration};

use deadpool_postgres::{Object, Pool};
use futures_util::{
    TryStreamExt,
    future::{join, join_all, try_join_all},
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::{Statement, types::Type};

mod whole;

use super::{FromRow, Job, Query, Row, Tx, Value, error, error::Trouble, row::Source};
use crate::{
    entropy::Entropy,
    error::{Error, Result},
};

/// Runs after the first where transactions conflict.
const CONFLICT_RETRIES: u32 = 5;

/// Runs after the first where the connection was dead: each pooled one may be, after a restart of
/// the server, until the driver has noticed.
const LOST_RETRIES: u32 = 2;

/// Said in full, since a server can be set to begin otherwise, and a first statement that waits
/// for a lock must not fix what the later ones see.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

type Sent<T> = std::result::Result<T, tokio_postgres::Error>;

/// The engine: a pool.
pub(super) struct Postgres {
    pub(super) pool: Pool,
    /// Whether connections keep prepared statements.
    pub(super) prepared: bool,
}

impl Postgres {
    /// Runs `job` with each statement on its own.
    pub(super) async fn read(&self, job: &Job, limit: Duration) -> Result<()> {
        self.run(job, Stage::Alone, Some(limit)).await
    }

    /// Runs `job` in one transaction.
    pub(super) async fn write(&self, job: &Job, limit: Option<Duration>) -> Result<()> {
        self.run(job, Stage::Unbegun, limit).await
    }

    /// Closes the pool; connections in use close as they come back.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    async fn run(&self, job: &Job, stage: Stage, limit: Option<Duration>) -> Result<()> {
        // A day stands for no limit.
        let end = Instant::now() + limit.unwrap_or(Duration::from_hours(24));
        let mut tries = Tries::default();
        loop {
            let (result, trouble) = self.attempt(job, stage, end).await;
            if !tries.may_go_on(trouble, end).await? {
                return result;
            }
        }
    }

    /// A connection out of the pool.
    async fn client(&self, end: Instant) -> Result<Object> {
        match timeout_at(end, self.pool.get()).await {
            Ok(client) => client.map_err(|cause| error::pool(&cause)),
            Err(_) => Err(error::slow()),
        }
    }

    /// One run of `job`, and what sort of trouble ended it if it may be run again for that.
    async fn attempt(
        &self,
        job: &Job,
        stage: Stage,
        end: Instant,
    ) -> (Result<()>, Option<Trouble>) {
        let client = match self.client(end).await {
            Ok(client) => client,
            Err(fault) => return (Err(fault), None),
        };
        let prepared = self.prepared;
        let session = Session { client: Some(client), prepared, stage, trouble: None };
        let mut tx = Tx(super::Session::Postgres(session));
        let outcome = timeout_at(end, async {
            let result = job(&mut tx).await;
            match &mut tx.0 {
                super::Session::Postgres(session) => session.finish(result).await,
                super::Session::Sqlite(_) => result,
            }
        });
        let outcome = outcome.await;
        let super::Session::Postgres(mut session) = tx.0 else {
            return (Err(Error::internal("running a database job", "not on PostgreSQL")), None);
        };
        let Ok(result) = outcome else {
            // What the server is still doing for it is not worth waiting for.
            session.discard();
            return (Err(error::slow()), None);
        };
        (result, session.trouble)
    }
}

/// How often something has been run again.
#[derive(Debug, Default)]
struct Tries {
    conflicts: u32,
    losses: u32,
}

impl Tries {
    /// Whether something may be run again that ended in `trouble`; waits first where others were in
    /// the way.
    async fn may_go_on(&mut self, trouble: Option<Trouble>, end: Instant) -> Result<bool> {
        match trouble {
            Some(Trouble::Conflict) if self.conflicts < CONFLICT_RETRIES => {
                self.conflicts += 1;
                sleep(pause(self.conflicts)?).await;
            }
            Some(Trouble::Lost) if self.losses < LOST_RETRIES => self.losses += 1,
            _ => return Ok(false),
        }
        Ok(Instant::now() < end)
    }
}

/// A short wait that doubles each time, with as much again by chance, so that two transactions do
/// not meet again.
fn pause(tries: u32) -> Result<Duration> {
    let millis = 2_u64 << tries;
    Ok(Duration::from_millis(millis + Entropy::Os.up_to(millis)?))
}

/// How far a session's transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Each statement is its own transaction.
    Alone,
    /// Nothing has been sent.
    Unbegun,
    /// `BEGIN` has been sent, the end has not been confirmed.
    Open,
    /// The transaction has ended.
    Ended,
}

/// A connection in use.
pub(super) struct Session {
    /// `None` once it is discarded.
    client: Option<Object>,
    prepared: bool,
    stage: Stage,
    /// What went wrong first, for a run that may be repeated and a commit that must not be.
    trouble: Option<Trouble>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // The work was cancelled between its statements, or in one of them.
        if self.stage == Stage::Open {
            self.discard();
        }
    }
}

impl Session {
    /// Closes the connection. The server undoes what is open.
    fn discard(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }

    /// Runs `query`; tells the rows affected, or returned by a plain `SELECT`.
    pub(super) async fn execute(&mut self, query: &Query) -> Result<u64> {
        let answers = self.send(slice::from_ref(query)).await?;
        Ok(answers.first().map_or(0, |answer| answer.affected))
    }

    /// Runs `query`; returns its rows.
    pub(super) async fn rows(&mut self, query: &Query) -> Result<Vec<tokio_postgres::Row>> {
        let answers = self.send(slice::from_ref(query)).await?;
        Ok(answers.into_iter().next().map(|answer| answer.rows).unwrap_or_default())
    }

    /// Runs `queries`, sent together; tells the rows affected by each.
    pub(super) async fn pipeline(&mut self, queries: &[Query]) -> Result<Vec<u64>> {
        let answers = self.send(queries).await?;
        Ok(answers.iter().map(|answer| answer.affected).collect())
    }

    /// Runs a text of several statements.
    pub(super) async fn script(&mut self, text: &str) -> Result<()> {
        let begins = self.begins();
        let client = self.client.as_ref().ok_or_else(error::discarded)?;
        let outcome = if begins {
            let (begun, done) = join(client.batch_execute(BEGIN), client.batch_execute(text)).await;
            begun.and(done)
        } else {
            client.batch_execute(text).await
        };
        outcome.map_err(|cause| self.note(&cause, text))
    }

    async fn send(&mut self, queries: &[Query]) -> Result<Vec<Answer>> {
        let begins = self.begins();
        let client = self.client.as_ref().ok_or_else(error::discarded)?;
        // Known statements cost no round trip here. Unknown ones are prepared before anything of
        // the pipeline is sent, so that its order holds.
        let prepared = if self.prepared {
            try_join_all(queries.iter().map(|query| prepare(client, query))).await
        } else {
            Ok(queries.iter().map(|_| None).collect())
        };
        let first = queries.first().map_or("", |query| query.text);
        let statements = prepared.map_err(|cause| self.note(&cause, first))?;
        let client = self.client.as_ref().ok_or_else(error::discarded)?;
        let calls = join_all(
            queries
                .iter()
                .zip(&statements)
                .map(|(query, known)| call(client, known.as_ref(), query)),
        );
        let outcomes = if begins {
            // Polled in this order, so sent in this order, and flushed together.
            let (begun, outcomes) = join(client.batch_execute(BEGIN), calls).await;
            begun.map_err(|cause| self.note(&cause, BEGIN))?;
            outcomes
        } else {
            calls.await
        };
        // The first error is the true one: behind it a transaction refuses everything.
        let noted = outcomes.into_iter().zip(queries);
        noted.map(|(one, query)| one.map_err(|cause| self.note(&cause, query.text))).collect()
    }

    /// Whether the next statement goes out behind a `BEGIN`. From here on the connection counts as
    /// being in a transaction.
    fn begins(&mut self) -> bool {
        let begins = self.stage == Stage::Unbegun;
        if begins {
            self.stage = Stage::Open;
        }
        begins
    }

    /// Remembers the first trouble.
    fn note(&mut self, cause: &tokio_postgres::Error, text: &str) -> Error {
        self.trouble.get_or_insert(error::trouble(cause));
        error::postgres(cause, text)
    }

    /// Commits where the job succeeded and no statement failed; else undoes.
    async fn finish(&mut self, result: Result<()>) -> Result<()> {
        if self.trouble == Some(Trouble::Lost) {
            self.discard();
        }
        if self.stage == Stage::Alone {
            return result;
        }
        // PostgreSQL answers the COMMIT of a failed transaction with success, having undone it.
        let result = match self.trouble {
            Some(_) => result.and(Err(error::swallowed())),
            None => result,
        };
        let (Stage::Open, Some(client)) = (self.stage, &self.client) else {
            return result;
        };
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        match client.batch_execute(end).await {
            Ok(()) => self.stage = Stage::Ended,
            // Only when the server says that it undid the transaction may it be run again.
            Err(cause) if result.is_ok() => {
                if error::trouble(&cause) == Trouble::Conflict {
                    self.stage = Stage::Ended;
                    self.trouble = Some(Trouble::Conflict);
                }
                return Err(error::postgres(&cause, end));
            }
            Err(_) => self.discard(),
        }
        result
    }
}

/// What a statement brought.
struct Answer {
    rows: Vec<tokio_postgres::Row>,
    affected: u64,
}

async fn prepare(client: &Object, query: &Query) -> Sent<Option<Statement>> {
    let kinds: Vec<Type> = query.values.iter().map(Value::kind).collect();
    client.prepare_typed_cached(query.text, &kinds).await.map(Some)
}

/// Runs `query`: as the prepared statement, or as an unnamed one that leaves nothing behind on the
/// server. Either way it is sent when this is first polled.
async fn call(client: &Object, known: Option<&Statement>, query: &Query) -> Sent<Answer> {
    answer(client, known, query.text, &query.values).await
}

async fn answer(
    client: &Object,
    known: Option<&Statement>,
    text: &str,
    values: &[Value],
) -> Sent<Answer> {
    let stream = if let Some(statement) = known {
        client.query_raw(statement, values).await?
    } else {
        let values = values.iter().map(|value| (value, value.kind()));
        client.query_typed_raw(text, values.collect::<Vec<_>>()).await?
    };
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(row);
    }
    Ok(Answer { rows, affected: stream.rows_affected().unwrap_or(0) })
}

/// A driver's row as a value of ours.
pub(super) fn row<T: FromRow>(row: &tokio_postgres::Row) -> Result<T> {
    T::from_row(&Row::new(Source::Postgres(row)))
}
