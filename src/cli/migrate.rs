//! `countersign migrate`: bringing a database to this version, or looking how far it is.

use serde_json::json;

use super::{
    Failure,
    output::{self, Form, Table},
};
use crate::{
    app::{App, MIGRATIONS},
    config::Config,
    db::Db,
};

pub(super) async fn run(config: Config, form: Form, status: bool) -> Result<(), Failure> {
    let db = if status {
        Db::open(&config.database).await?
    } else {
        App::open(config).await?.db.clone()
    };
    let state = db.migration_state(MIGRATIONS).await?;
    let mut table = Table::new(&["version", "name", "applied"]);
    let mut rows = Vec::new();
    for done in &state.applied {
        let at = done.applied_at.rfc3339();
        table.row([done.version.to_string(), done.name.clone(), at.clone()]);
        rows.push(json!({"version": done.version, "name": done.name, "applied_at": at}));
    }
    for due in &state.pending {
        table.row([due.version.to_string(), due.name.to_owned(), "not yet".to_owned()]);
        rows.push(json!({"version": due.version, "name": due.name, "applied_at": null}));
    }
    db.close().await;
    Ok(output::print(form, &table, &rows.into())?)
}
