//! `countersign user factors …`: the second factors of a user, and taking them away.

use serde_json::{Value, json};

use super::{
    FactorsCommand, Failure,
    operator::{Operator, confirm, or_dash},
    output::Table,
    user,
};
use crate::{
    clock::Timestamp,
    flows::factors_admin::{self, Listing},
};

/// Runs one command on second factors.
///
/// # Errors
/// Where there is no such tenant or user, or the database fails.
pub(super) async fn run(operator: &Operator, command: FactorsCommand) -> Result<(), Failure> {
    match command {
        FactorsCommand::List(of) => {
            let (cx, user) = user::find(operator, &of).await?;
            list(operator, &factors_admin::list(&cx, &user).await?)
        }
        FactorsCommand::Reset { user, yes } => {
            let (cx, user) = user::find(operator, &user).await?;
            let what = format!("takes all second factors of {} away", user.email);
            confirm(yes, &what)?;
            factors_admin::reset(&cx, &user).await?;
            let json = json!({ "reset": user.id.to_string() });
            operator.say(&format!("Took all second factors of {} away.", user.email), &json)
        }
    }
}

/// When a factor was made, and when it was last used.
type Moments = (Option<Timestamp>, Option<Timestamp>);

fn list(operator: &Operator, found: &Listing) -> Result<(), Failure> {
    let mut table = Table::new(&["method", "name", "created", "last used", "left"]);
    let mut all: Vec<Value> = Vec::new();
    let mut row = |method: &str, name: Option<&str>, (made, used): Moments, left: Option<i64>| {
        table.row([
            method.to_owned(),
            or_dash(name.map(str::to_owned)),
            or_dash(made),
            or_dash(used),
            or_dash(left.map(|left| left.to_string())),
        ]);
        all.push(json!({
            "method": method,
            "name": name,
            "created_at": made.map(Timestamp::rfc3339),
            "last_used_at": used.map(Timestamp::rfc3339),
            "left": left,
        }));
    };
    for key in &found.passkeys {
        row("webauthn", Some(&key.name), (Some(key.created_at), key.last_used_at), None);
    }
    for factor in &found.factors {
        row(&factor.kind, None, (Some(factor.created_at), factor.last_used_at), None);
    }
    if let (left, Some(made)) = found.backup_codes {
        row("backup_code", None, (Some(made), None), Some(left));
    }
    operator.print(&table, &Value::Array(all))
}
