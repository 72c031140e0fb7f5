//! `countersign audit …`

use serde_json::{Value, json};

use super::{
    AuditCommand, Failure,
    desk::Desk,
    output::{self, Table},
};
use crate::{
    domain::audit::Record,
    flows::{
        audit::{self, Kept, Verdict},
        tenants,
    },
    id::TenantId,
};

pub(super) async fn run(desk: &Desk, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List { tenant, limit } => {
            let cx = desk.cx(&tenant).await?;
            list(desk, &audit::newest(&desk.app, cx.tenant.id, i64::from(limit)).await?)
        }
        AuditCommand::Verify { tenant: Some(tenant), all: _, expect } => {
            let kept = expect.map(|text| parse(&text)).transpose()?;
            let id = desk.cx(&tenant).await?.tenant.id;
            verify(desk, vec![(tenant, id)], kept).await
        }
        AuditCommand::Verify { tenant: None, .. } => {
            let mut chains = Vec::new();
            let mut after = String::new();
            loop {
                let page = tenants::list(&desk.app, after.clone()).await?;
                let Some(last) = page.last() else { break };
                last.slug.as_str().clone_into(&mut after);
                chains.extend(page.iter().map(|it| (it.slug.as_str().to_owned(), it.id)));
            }
            verify(desk, chains, None).await
        }
    }
}

fn parse(text: &str) -> Result<Kept, Failure> {
    let wrong = || Failure::No(format!("{text}: wanted ROWS:MARK as an earlier check printed it"));
    let (rows, mark) = text.split_once(':').ok_or_else(wrong)?;
    Ok(Kept { rows: rows.parse().map_err(|_| wrong())?, mark: mark.to_owned() })
}

async fn verify(
    desk: &Desk,
    chains: Vec<(String, TenantId)>,
    kept: Option<Kept>,
) -> Result<(), Failure> {
    // What waits for the server's next round belongs into the chain too.
    while audit::chain(&desk.app).await? > 0 {}
    let mut table = Table::new(&["tenant", "rows", "verdict", "mark"]);
    let mut json = Vec::new();
    let mut broken = Vec::new();
    for (slug, id) in chains {
        let Verdict { rows, broken: fault, head } =
            audit::verify(&desk.app, id, kept.as_ref()).await?;
        let said = fault.map_or_else(
            || "intact".to_owned(),
            |(row, why)| format!("broken at row {row}: {why}"),
        );
        if fault.is_some() {
            broken.push(slug.clone());
        }
        json.push(json!({
            "tenant": slug, "rows": rows, "intact": fault.is_none(), "verdict": said, "mark": head,
        }));
        table.row([slug, rows.to_string(), said, head]);
    }
    output::print(desk.form, &table, &Value::Array(json))?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::No(format!("the audit trail was tampered with: {}", broken.join(", "))))
}

fn list(desk: &Desk, records: &[Record]) -> Result<(), Failure> {
    let mut table = Table::new(&["at", "action", "result", "actor", "target", "address", "detail"]);
    let named = |kind: &str, id: &Option<String>| match id {
        Some(id) => id.clone(),
        None => kind.to_owned(),
    };
    for record in records {
        table.row([
            record.at.rfc3339(),
            record.action.clone(),
            record.result.clone(),
            named(&record.actor_type, &record.actor_id),
            named(&record.target_type, &record.target_id),
            record.address.clone(),
            record.detail.clone(),
        ]);
    }
    let json = records.iter().map(|record| {
        json!({
            "id": record.id.to_string(),
            "at": record.at.rfc3339(),
            "action": record.action,
            "result": record.result,
            "actor": {"type": record.actor_type, "id": record.actor_id},
            "target": {"type": record.target_type, "id": record.target_id},
            "address": record.address,
            "agent": record.agent,
            "request_id": record.request_id,
            "detail": serde_json::from_str::<Value>(&record.detail).unwrap_or(Value::Null),
        })
    });
    Ok(output::print(desk.form, &table, &Value::Array(json.collect()))?)
}
