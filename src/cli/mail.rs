//! `countersign mail …`

use serde_json::{Value, json};

use super::{
    Failure, MailCommand,
    desk::Desk,
    output::{self, Table},
};
use crate::flows::outbox;

pub(super) async fn run(desk: &Desk, command: MailCommand) -> Result<(), Failure> {
    match command {
        MailCommand::List { tenant, state } => {
            let cx = desk.cx(&tenant).await?;
            let mails = outbox::list(&cx, state).await?;
            let mut table =
                Table::new(&["id", "kind", "to", "state", "tries", "made", "last error"]);
            for mail in &mails {
                table.row([
                    mail.id.to_string(),
                    mail.kind.clone(),
                    mail.recipient.clone(),
                    mail.state.clone(),
                    mail.tries.to_string(),
                    mail.created_at.rfc3339(),
                    mail.last_error.clone().unwrap_or_default(),
                ]);
            }
            let json = mails.iter().map(|mail| {
                json!({
                    "id": mail.id.to_string(),
                    "kind": mail.kind,
                    "to": mail.recipient,
                    "state": mail.state,
                    "tries": mail.tries,
                    "last_error": mail.last_error,
                    "created_at": mail.created_at.rfc3339(),
                })
            });
            Ok(output::print(desk.form, &table, &Value::Array(json.collect()))?)
        }
        MailCommand::Retry { tenant } => {
            let cx = desk.cx(&tenant).await?;
            let revived = outbox::revive(&cx).await?;
            let mut table = Table::new(&["revived"]);
            table.row([revived.to_string()]);
            Ok(output::print(desk.form, &table, &json!({"revived": revived}))?)
        }
    }
}
