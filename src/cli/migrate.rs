//! `countersign migrate`: brings the database to this version, or tells how far it is.

use serde_json::{Value, json};

use super::{
    Failure,
    output::{self, Form, Table},
};
use crate::{
    app::MIGRATIONS,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::{AppliedMigration, Db, Migration, MigrationState},
    error::Result,
};

/// Whether to change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Apply what is missing.
    Migrate,
    /// Only tell.
    Status,
}

/// Applies what is missing, or only tells, and prints all steps.
///
/// # Errors
/// Where the database cannot be used, or is newer than the program.
pub(super) async fn run(config: &Config, doing: Doing, form: Form) -> Result<(), Failure> {
    // Opening a SQLite file makes it, and asking must not.
    let absent = matches!(&config.database.url, DatabaseUrl::Sqlite(path) if !path.exists());
    if doing == Doing::Status && absent {
        return print(form, &MigrationState { applied: Vec::new(), pending: MIGRATIONS.to_vec() });
    }
    let db = Db::open(&config.database).await?;
    let state = state(&db, doing).await;
    db.close().await;
    print(form, &state?)
}

async fn state(db: &Db, doing: Doing) -> Result<MigrationState> {
    if doing == Doing::Migrate {
        db.migrate(MIGRATIONS, Clock::System.now()).await?;
    }
    db.migration_state(MIGRATIONS).await
}

fn print(form: Form, state: &MigrationState) -> Result<(), Failure> {
    let mut table = Table::new(&["version", "name", "applied"]);
    for AppliedMigration { version, name, applied_at } in &state.applied {
        table.row([version.to_string(), name.clone(), applied_at.rfc3339()]);
    }
    for Migration { version, name, .. } in &state.pending {
        table.row([version.to_string(), (*name).to_owned(), "pending".to_owned()]);
    }
    let applied = state.applied.iter().map(|it| {
        json!({ "version": it.version, "name": it.name, "applied_at": it.applied_at.rfc3339() })
    });
    let pending = state.pending.iter().map(|it| json!({ "version": it.version, "name": it.name }));
    let json = json!({
        "applied": applied.collect::<Value>(),
        "pending": pending.collect::<Value>(),
    });
    Ok(output::print(form, &table, &json)?)
}
