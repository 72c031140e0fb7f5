//! `countersign abuse …`: what was made of sign-ins and why, and which alarms are raised.

use serde_json::{Value, json};

use super::{
    AbuseCommand, Failure,
    operator::{Operator, or_dash},
    output::Table,
};
use crate::{
    domain::email::Email,
    error::{Error, Result},
    flows::{alarms, risk},
};

/// Runs one command on abuse.
///
/// # Errors
/// Where there is no such tenant, the address is none, or the database fails.
pub(super) async fn run(operator: &Operator, command: AbuseCommand) -> Result<(), Failure> {
    match command {
        AbuseCommand::SignIns { tenant, user, network, request, limit } => {
            let email = user.map(|text| {
                Email::parse(&text).map_err(|fault| Error::invalid_field("user", fault.reason()))
            });
            let wanted = risk::Wanted { email: email.transpose()?, network, request, limit };
            sign_ins(operator, &tenant, wanted).await
        }
        AbuseCommand::Alarms { tenant } => alarms(operator, &tenant).await,
        AbuseCommand::Calm { tenant } => {
            let ended = alarms::end(&operator.cx(&tenant).await?).await?;
            operator.say(&format!("Ended {ended} alarms."), &json!({ "ended": ended }))
        }
    }
}

async fn sign_ins(operator: &Operator, tenant: &str, wanted: risk::Wanted) -> Result<(), Failure> {
    let cx = operator.cx(tenant).await?;
    let columns = [
        "at",
        "user",
        "network",
        "outcome",
        "verdict",
        "score",
        "signals",
        "application",
        "request",
    ];
    let mut table = Table::new(&columns);
    let mut all = Vec::new();
    for it in risk::list(&cx, wanted).await? {
        let signals: Value = serde_json::from_str(&it.signals).unwrap_or(Value::Null);
        table.row([
            it.at.rfc3339(),
            or_dash(it.user.map(|id| id.to_string())),
            it.network.clone(),
            it.outcome.clone(),
            it.verdict.clone(),
            it.score.to_string(),
            in_words(&signals),
            or_dash(it.client_id.clone()),
            it.request_id.clone(),
        ]);
        all.push(json!({
            "at": it.at.rfc3339(),
            "user_id": it.user.map(|id| id.to_string()),
            "network": it.network,
            "known_device": it.known_device,
            "outcome": it.outcome,
            "verdict": it.verdict,
            "score": it.score,
            "signals": signals,
            "client_id": it.client_id,
            "request_id": it.request_id,
        }));
    }
    operator.print(&table, &Value::Array(all))
}

/// The signals that hold: their names, and their counts where they are such.
fn in_words(signals: &Value) -> String {
    let holds = |(name, value): (&String, &Value)| match value {
        Value::Bool(true) => Some(name.clone()),
        Value::Number(count) if count.as_u64() != Some(0) => Some(format!("{name}={count}")),
        _ => None,
    };
    let words: Vec<String> = signals.as_object().into_iter().flatten().filter_map(holds).collect();
    or_dash(Some(words.join(" ")).filter(|text| !text.is_empty()))
}

async fn alarms(operator: &Operator, tenant: &str) -> Result<(), Failure> {
    let cx = operator.cx(tenant).await?;
    let mut table = Table::new(&["alarm", "network", "raised", "until", "counts"]);
    let mut all = Vec::new();
    for it in alarms::list(&cx).await? {
        let counts: Value = serde_json::from_str(&it.detail).unwrap_or(Value::Null);
        table.row([
            it.kind.clone(),
            or_dash(Some(it.name.clone()).filter(|name| !name.is_empty())),
            it.raised_at.rfc3339(),
            it.until.rfc3339(),
            in_words(&counts),
        ]);
        all.push(json!({
            "alarm": it.kind,
            "network": it.name,
            "raised_at": it.raised_at.rfc3339(),
            "until": it.until.rfc3339(),
            "is_raised": cx.now < it.until,
            "counts": counts,
        }));
    }
    operator.print(&table, &Value::Array(all))
}
