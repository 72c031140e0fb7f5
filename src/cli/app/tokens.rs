//! `countersign app registration-token …`: what applications register themselves with.

use serde_json::{Value, json};

use crate::{
    cli::{
        Failure, RegistrationTokenCommand,
        operator::{Operator, facts},
        output::Table,
    },
    error::Error,
    flows::applications::tokens::{self, New},
    id::RegistrationTokenId,
    store::registration_tokens::RegistrationToken,
};

/// Runs one command on such tokens.
///
/// # Errors
/// What the use case answers: values that are not allowed, a tenant or token that is not there, or
/// a fault of the database.
pub(super) async fn run(
    operator: &Operator,
    command: RegistrationTokenCommand,
) -> Result<(), Failure> {
    match command {
        RegistrationTokenCommand::Create { tenant, label, uses, expires } => {
            let cx = operator.cx(&tenant).await?;
            let (token, secret) = tokens::create(&cx, New { label, uses, days: expires }).await?;
            let mut json = json_of(&token);
            if let Value::Object(fields) = &mut json {
                fields.insert("token".to_owned(), json!(secret.expose()));
            }
            let table = facts([
                ("id", token.id.to_string()),
                ("token", format!("{} (not shown again)", secret.expose())),
                ("label", token.label.clone()),
                ("uses_left", token.uses_left.to_string()),
                ("expires_at", token.expires_at.rfc3339()),
            ]);
            operator.print(&table, &json)
        }
        RegistrationTokenCommand::List { tenant } => {
            let all = tokens::list(&operator.cx(&tenant).await?).await?;
            let mut table = Table::new(&["id", "label", "uses_left", "expires", "created"]);
            for token in &all {
                table.row([
                    token.id.to_string(),
                    token.label.clone(),
                    token.uses_left.to_string(),
                    token.expires_at.rfc3339(),
                    token.created_at.rfc3339(),
                ]);
            }
            operator.print(&table, &all.iter().map(json_of).collect())
        }
        RegistrationTokenCommand::Revoke { tenant, id } => {
            let cx = operator.cx(&tenant).await?;
            let gone = || Failure::No("registration token not found".to_owned());
            let id: RegistrationTokenId = id.parse().map_err(|_| gone())?;
            match tokens::revoke(&cx, id).await {
                Ok(()) => {
                    let json = json!({ "revoked": id.to_string() });
                    operator.say("Took the registration token out of use.", &json)
                }
                Err(Error::NotFound) => Err(gone()),
                Err(fault) => Err(fault.into()),
            }
        }
    }
}

fn json_of(token: &RegistrationToken) -> Value {
    json!({
        "id": token.id.to_string(),
        "label": token.label,
        "uses_left": token.uses_left,
        "expires_at": token.expires_at.rfc3339(),
        "created_at": token.created_at.rfc3339(),
    })
}
