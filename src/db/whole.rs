//! Writes that need no answer between their statements: a whole transaction in one go.
//!
//! That some statements have to change exactly one row is then no question to ask in the middle,
//! but part of what is sent. On PostgreSQL everything from `BEGIN` to `COMMIT` is one round trip;
//! on SQLite it is one job of the writer.

use std::sync::{Arc, PoisonError};

use super::{Db, FromRow, Handle, OPERATION, Query, Result, Slot, postgres};
use crate::error::Error;

/// What became of a whole transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "nothing may have been written"]
pub enum Written {
    /// Everything was written.
    All,
    /// Nothing was: a statement that had to change exactly one row did not.
    Nothing,
}

/// The statements of a whole transaction, in their order.
#[derive(Debug, Clone, Default)]
pub struct Whole {
    pub(super) steps: Vec<(Role, Query)>,
}

/// What a statement is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Its first row is wanted, whatever becomes of the rest.
    Look,
    /// It has to change exactly one row.
    Must,
    /// Whatever it does will do.
    Also,
}

impl Whole {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then looks at the first row of `query`, of one query in the transaction at most. Nothing is
    /// locked by it: what follows may find another state.
    #[must_use]
    pub fn look(self, query: Query) -> Self {
        self.then(Role::Look, [query])
    }

    /// Then runs what has to change exactly one row each.
    #[must_use]
    pub fn must(self, queries: impl IntoIterator<Item = Query>) -> Self {
        self.then(Role::Must, queries)
    }

    /// Then runs whatever else there is.
    #[must_use]
    pub fn also(self, queries: impl IntoIterator<Item = Query>) -> Self {
        self.then(Role::Also, queries)
    }

    fn then(mut self, role: Role, queries: impl IntoIterator<Item = Query>) -> Self {
        self.steps.extend(queries.into_iter().map(|query| (role, query)));
        self
    }
}

impl Db {
    /// Writes all of `must` and `also` in one transaction, or nothing where one of `must` does not
    /// change exactly one row.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write_all(&self, must: Vec<Query>, also: Vec<Query>) -> Result<Written> {
        Ok(self.write_whole::<()>(Whole::new().must(must).also(also)).await?.1)
    }

    /// Writes a whole transaction or nothing. What it looked at is told in both cases.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write_whole<T: FromRow + Send + 'static>(
        &self,
        whole: Whole,
    ) -> Result<(Option<T>, Written)> {
        match &self.0 {
            Handle::Sqlite(_) => self.whole_in_a_job(whole).await,
            Handle::Postgres(db) => {
                let (rows, written) = db.write_whole(&whole, OPERATION).await?;
                Ok((rows.first().map(postgres::row).transpose()?, written))
            }
        }
    }

    async fn whole_in_a_job<T: FromRow + Send + 'static>(
        &self,
        whole: Whole,
    ) -> Result<(Option<T>, Written)> {
        // Beside the transaction, since what is undone leaves no value.
        let seen: Slot<T> = Slot::default();
        let job = self.write((whole, Arc::clone(&seen)), |tx, (whole, seen)| {
            Box::pin(async move {
                for (role, query) in &whole.steps {
                    let query = query.clone();
                    match role {
                        Role::Look => {
                            let row = query.optional(tx).await?;
                            *seen.lock().unwrap_or_else(PoisonError::into_inner) = row;
                        }
                        Role::Must | Role::Also => {
                            let changed = query.execute(tx).await?;
                            if *role == Role::Must && changed != 1 {
                                return Err(Error::NotFound);
                            }
                        }
                    }
                }
                Ok(())
            })
        });
        let written = match job.await {
            Ok(()) => Written::All,
            Err(Error::NotFound) => Written::Nothing,
            Err(fault) => return Err(fault),
        };
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((seen, written))
    }
}
