//! `countersign audit …`: what happened, and whether the record of it is whole.

use serde_json::{Value, json};

use super::{
    AuditCommand, Failure,
    operator::{Operator, or_dash},
    output::Table,
};
use crate::{
    domain::audit::Record,
    error::{Error, Result},
    flows::{
        Cx,
        audit::{self, Kept, Verdict},
    },
};

/// Runs one command on the audit trail.
///
/// # Errors
/// A trail that is not whole, a tenant that is not there, or a fault of the database.
pub(super) async fn run(operator: &Operator, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List { tenant, limit } => {
            let cx = operator.cx(&tenant).await?;
            list(operator, &audit::newest(&cx.app, cx.tenant.id, limit.into()).await?)
        }
        AuditCommand::Verify { tenants, expect } => {
            let kept = expect.as_deref().map(parse_kept).transpose()?;
            // What waits for the server's next round belongs to the trail already.
            while audit::chain(&operator.app).await? > 0 {}
            let mut checks = Vec::new();
            for cx in operator.each(tenants.tenant.as_deref()).await? {
                checks.push(check(&cx, kept.as_ref()).await?);
            }
            report(operator, &checks)
        }
    }
}

fn parse_kept(text: &str) -> Result<Kept> {
    let kept = text.split_once(':').and_then(|(rows, mark)| {
        let rows = rows.parse().ok().filter(|rows| *rows >= 0)?;
        (!mark.is_empty()).then(|| Kept { rows, mark: mark.to_owned() })
    });
    let said = "must be a number of rows, a colon and the mark that an earlier check printed";
    kept.ok_or_else(|| Error::invalid_field("--expect", said))
}

/// What is said of one tenant's trail.
struct Check {
    slug: String,
    rows: i64,
    mark: String,
    broken: Option<(i64, &'static str)>,
}

async fn check(cx: &Cx, kept: Option<&Kept>) -> Result<Check> {
    let Verdict { rows, broken, head } = audit::verify(&cx.app, cx.tenant.id, kept).await?;
    Ok(Check { slug: cx.tenant.slug.to_string(), rows, mark: head, broken })
}

fn report(operator: &Operator, checks: &[Check]) -> Result<(), Failure> {
    let mut table = Table::new(&["tenant", "rows", "verdict", "mark"]);
    let mut all = Vec::new();
    for check in checks {
        let verdict = match check.broken {
            None => "whole".to_owned(),
            Some((row, why)) => format!("broken at row {row}: {why}"),
        };
        table.row([check.slug.clone(), check.rows.to_string(), verdict, check.mark.clone()]);
        all.push(json!({
            "tenant": check.slug,
            "rows": check.rows,
            "whole": check.broken.is_none(),
            "broken": check.broken.map(|(row, why)| json!({ "row": row, "reason": why })),
            "mark": check.mark,
        }));
    }
    operator.print(&table, &Value::Array(all))?;
    match checks.iter().filter(|check| check.broken.is_some()).count() {
        0 => Ok(()),
        1 => Err(Failure::No("an audit trail is not whole".to_owned())),
        broken => Err(Failure::No(format!("{broken} audit trails are not whole"))),
    }
}

fn list(operator: &Operator, records: &[Record]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["at", "action", "result", "actor", "target", "address", "detail", "request"]);
    for record in records {
        table.row([
            record.at.rfc3339(),
            record.action.clone(),
            record.result.clone(),
            record.actor_id.clone().unwrap_or_else(|| record.actor_type.clone()),
            record.target_id.clone().unwrap_or_else(|| record.target_type.clone()),
            or_dash(Some(record.address.clone()).filter(|it| !it.is_empty())),
            record.detail.clone(),
            record.request_id.clone(),
        ]);
    }
    operator.print(&table, &records.iter().map(json_of).collect::<Value>())
}

fn json_of(record: &Record) -> Value {
    let detail = serde_json::from_str(&record.detail);
    json!({
        "id": record.id.to_string(),
        "at": record.at.rfc3339(),
        "action": record.action,
        "result": record.result,
        "actor_type": record.actor_type,
        "actor_id": record.actor_id,
        "target_type": record.target_type,
        "target_id": record.target_id,
        "address": record.address,
        "agent": record.agent,
        "request_id": record.request_id,
        "detail": detail.unwrap_or_else(|_| Value::String(record.detail.clone())),
    })
}

#[cfg(test)]
mod tests;
