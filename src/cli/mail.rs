//! `countersign mail …`: what waits to leave, what was given up, and another try.

use serde_json::{Value, json};

use super::{
    Failure, MailCommand,
    operator::{Operator, or_dash},
    output::Table,
};
use crate::{error::Result, flows::outbox};

/// Runs one command on mails.
///
/// # Errors
/// Where there is no such tenant, or the database fails.
pub(super) async fn run(operator: &Operator, command: MailCommand) -> Result<(), Failure> {
    match command {
        MailCommand::List { tenants, state } => {
            list(operator, tenants.tenant.as_deref(), state).await
        }
        MailCommand::Retry { tenants } => {
            let mut revived = 0;
            for cx in operator.each(tenants.tenant.as_deref()).await? {
                revived += outbox::revive(&cx).await?;
            }
            let said = format!("{revived} mails will be tried again.");
            operator.say(&said, &json!({ "revived": revived }))
        }
    }
}

async fn list(
    operator: &Operator,
    slug: Option<&str>,
    state: Option<String>,
) -> Result<(), Failure> {
    let mut table =
        Table::new(&["id", "tenant", "kind", "to", "state", "tries", "created", "last error"]);
    let mut all = Vec::new();
    for cx in operator.each(slug).await? {
        for mail in outbox::list(&cx, state.clone()).await? {
            all.push(json!({
                "id": mail.id.to_string(),
                "tenant": cx.tenant.slug.as_str(),
                "kind": mail.kind,
                "recipient": mail.recipient,
                "state": mail.state,
                "tries": mail.tries,
                "last_error": mail.last_error,
                "created_at": mail.created_at.rfc3339(),
            }));
            table.row([
                mail.id.to_string(),
                cx.tenant.slug.to_string(),
                mail.kind,
                mail.recipient,
                mail.state,
                mail.tries.to_string(),
                mail.created_at.rfc3339(),
                or_dash(mail.last_error),
            ]);
        }
    }
    operator.print(&table, &Value::Array(all))
}
