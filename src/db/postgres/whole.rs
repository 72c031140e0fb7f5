//! A whole transaction in one flush: `BEGIN`, its statements, `COMMIT`.
//!
//! A statement that has to change exactly one row is wrapped so that it fails otherwise; PostgreSQL
//! then refuses the rest and turns the `COMMIT` that is on its way into a rollback.

use std::borrow::Cow;

use deadpool_postgres::Object;
use futures_util::future::{join_all, join3, try_join_all};
use tokio::time::{Duration, Instant, timeout_at};
use tokio_postgres::{Row, Statement, error::SqlState, types::Type};

use super::{Answer, BEGIN, Postgres, Sent, Session, Stage, Tries, answer};
use crate::{
    db::{
        Query, Value,
        error::{self, Trouble},
        whole::{Role, Whole, Written},
    },
    error::Result,
};

/// A statement as it is sent.
struct Step<'a> {
    text: Cow<'static, str>,
    query: &'a Query,
    role: Role,
}

/// The statement, failing by a division by nought where it does not change exactly one row.
fn guarded(text: &str) -> String {
    let returning = if text.contains(" RETURNING ") { "" } else { " RETURNING 1" };
    format!(
        "WITH one_row AS ({text}{returning}) \
         SELECT 1 / CASE WHEN COUNT(*) = 1 THEN 1 ELSE 0 END FROM one_row"
    )
}

fn steps(whole: &Whole) -> Vec<Step<'_>> {
    let steps = whole.steps.iter();
    steps
        .map(|(role, query)| {
            let text = match role {
                Role::Must => guarded(query.text).into(),
                Role::Look | Role::Also => query.text.into(),
            };
            Step { text, query, role: *role }
        })
        .collect()
}

impl Postgres {
    /// Runs `whole` and returns the rows of its look.
    pub(in crate::db) async fn write_whole(
        &self,
        whole: &Whole,
        limit: Duration,
    ) -> Result<(Vec<Row>, Written)> {
        let end = Instant::now() + limit;
        let steps = steps(whole);
        let mut tries = Tries::default();
        loop {
            let client = self.client(end).await?;
            let prepared = self.prepared;
            let mut session =
                Session { client: Some(client), prepared, stage: Stage::Unbegun, trouble: None };
            let Ok(result) = timeout_at(end, session.whole(&steps)).await else {
                session.discard();
                return Err(error::slow());
            };
            // The connection is for others while this waits.
            let trouble = session.trouble;
            drop(session);
            if result.is_ok() || !tries.may_go_on(trouble, end).await? {
                return result;
            }
        }
    }
}

impl Session {
    async fn whole(&mut self, steps: &[Step<'_>]) -> Result<(Vec<Row>, Written)> {
        let first = steps.first().map_or("", |step| step.query.text);
        let statements = {
            let client = self.client.as_ref().ok_or_else(error::discarded)?;
            let known = steps.iter().map(|step| prepare(client, step, self.prepared));
            try_join_all(known).await
        };
        let statements = statements.map_err(|cause| self.note(&cause, first))?;
        let client = self.client.as_ref().ok_or_else(error::discarded)?;
        if client.is_closed() {
            self.trouble = Some(Trouble::Lost);
            self.discard();
            return Err(error::discarded());
        }
        self.stage = Stage::Open;
        let calls = steps.iter().zip(&statements);
        let calls = calls.map(|(step, known)| call(client, known.as_ref(), step));
        // Polled in this order, so sent in this order, and flushed together.
        let (begun, outcomes, ended) =
            join3(client.batch_execute(BEGIN), join_all(calls), client.batch_execute("COMMIT"))
                .await;
        if ended.is_ok() {
            self.stage = Stage::Ended;
        }
        begun.map_err(|cause| self.failed(&cause, BEGIN))?;
        let mut rows = Vec::new();
        for (outcome, step) in outcomes.into_iter().zip(steps) {
            match outcome {
                Ok(answer) if step.role == Role::Look => rows = answer.rows,
                Ok(_) => {}
                // The first error is the true one: behind it a transaction refuses everything.
                // Whatever became of the `COMMIT` behind it.
                Err(cause) if step.role == Role::Must && is_guard(&cause) => {
                    return Ok((rows, Written::Nothing));
                }
                Err(cause) => return Err(self.failed(&cause, step.query.text)),
            }
        }
        match ended {
            Ok(()) => Ok((rows, Written::All)),
            Err(cause) => {
                let fault = self.failed(&cause, "COMMIT");
                // It was being done when the server, or a pooler, ended: it may have counted.
                if self.trouble != Some(Trouble::Conflict) {
                    self.trouble = None;
                }
                Err(fault)
            }
        }
    }

    /// Notes what went wrong. What the server itself has said undid the transaction, so that it may
    /// be run again; when a connection is lost, this one or that of a pooler behind it, nobody knows,
    /// since the `COMMIT` had been sent.
    fn failed(&mut self, cause: &tokio_postgres::Error, text: &str) -> crate::error::Error {
        let fault = self.note(cause, text);
        let is_unknown = cause.code().is_none_or(|state| {
            state.code().starts_with("08") || *state == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        });
        if is_unknown {
            self.trouble = None;
            self.discard();
        } else if self.trouble == Some(Trouble::Lost) {
            self.discard();
        }
        fault
    }
}

fn is_guard(cause: &tokio_postgres::Error) -> bool {
    cause.code() == Some(&SqlState::DIVISION_BY_ZERO)
}

async fn prepare(client: &Object, step: &Step<'_>, prepared: bool) -> Sent<Option<Statement>> {
    if !prepared {
        return Ok(None);
    }
    let kinds: Vec<Type> = step.query.values.iter().map(Value::kind).collect();
    client.prepare_typed_cached(&step.text, &kinds).await.map(Some)
}

async fn call(client: &Object, known: Option<&Statement>, step: &Step<'_>) -> Sent<Answer> {
    answer(client, known, &step.text, &step.query.values).await
}
