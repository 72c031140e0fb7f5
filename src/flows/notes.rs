//! Rows that may be written a moment later: what was stopped before anything was decided, and is
//! kept only so that an operator can ask why.
//!
//! They wait in memory and go in one transaction, so that a flood of refusals costs few commits;
//! what comes on top of a full list is dropped and counted. Nothing that anybody relies on goes
//! this way: a crash loses what has come within the last second.

use std::sync::{Mutex, PoisonError};

use crate::{app::App, db::Query, error::Result};

/// Rows that wait at most.
const MOST: usize = 10_000;
/// Rows that are written in one transaction.
const BATCH: usize = 500;

/// The rows that wait.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Vec<Query>>);

impl Notes {
    /// Adds a row, unless too many wait.
    pub fn add(&self, row: Query) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST {
            waiting.push(row);
        } else {
            metrics::counter!("countersign_notes_dropped_total").increment(1);
        }
    }

    fn take(&self) -> Vec<Query> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(BATCH);
        waiting.drain(..count).collect()
    }
}

/// Writes all that waits.
///
/// # Errors
/// As [`write()`].
pub async fn write_all(app: &App) -> Result<()> {
    while write(app).await? {}
    Ok(())
}

/// Writes a batch of what waits; whether there may be more.
///
/// # Errors
/// Where the database fails; the batch is lost then.
pub async fn write(app: &App) -> Result<bool> {
    let rows = app.notes.take();
    if rows.is_empty() {
        return Ok(false);
    }
    let is_full = rows.len() == BATCH;
    app.db.write(rows, |tx, rows| Box::pin(tx.pipeline(rows.clone()))).await?;
    Ok(is_full)
}
