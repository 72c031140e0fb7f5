//! What happened to one's own account: sign-ins, and whatever concerns its safety.

use crate::{
    clock::Timestamp,
    domain::{
        agent,
        audit::{Actor, Record},
    },
    error::{Context, Result},
    flows::me::Me,
    id::UserId,
    store,
};

/// One thing that happened, as far as the account's owner is told.
#[derive(Debug, Clone)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What: the spelling of [`crate::domain::audit::Action`].
    pub what: String,
    /// `success` or `failure`.
    pub result: String,
    /// `you`, `somebody` who has not proved who he is, or `operator`.
    pub by: &'static str,
    /// From which address; not told of operators.
    pub address: Option<String>,
    /// The device's name for people; not told of operators.
    pub device: Option<String>,
    /// How whoever it was proved who he is.
    pub method: Option<String>,
    /// The code that says why it did not come to pass.
    pub reason: Option<String>,
}

/// The newest things that happened: `limit` after the first `skip`.
///
/// # Errors
/// Where the database fails.
pub async fn list(me: &Me, skip: i64, limit: i64) -> Result<Vec<Happening>> {
    let cx = me.cx();
    let input = (cx.tenant.id, me.user().id, (skip, limit));
    let rows = cx
        .app
        .db
        .read(input, |tx, (tenant, user, page)| {
            Box::pin(store::audit::of_user(tx, *tenant, *user, *page))
        })
        .await?;
    rows.into_iter().map(|row| told(me.user().id, row)).collect()
}

/// Of what others did, only that it happened; strangers' tries with where they came from.
fn told(owner: UserId, row: Record) -> Result<Happening> {
    let detail: serde_json::Value =
        serde_json::from_str(&row.detail).doing("reading an audit row")?;
    let text = |key: &str| detail.get(key).and_then(|it| it.as_str()).map(str::to_owned);
    let is_own = row.actor_id == Some(owner.to_string());
    let by = if is_own {
        "you"
    } else if row.actor_type == Actor::Anonymous.kind() {
        "somebody"
    } else {
        "operator"
    };
    let is_told = by != "operator";
    let method = text("method").or_else(|| match row.action.as_str() {
        "auth.login.password" => Some("password".to_owned()),
        "auth.login.passkey" => Some("webauthn".to_owned()),
        _ => None,
    });
    Ok(Happening {
        at: row.at,
        what: row.action,
        result: row.result,
        by,
        address: is_told.then_some(row.address).filter(|it| !it.is_empty()),
        device: is_told.then(|| agent::label(&row.agent)),
        method: method.filter(|_| is_told),
        reason: text("reason").filter(|_| is_told),
    })
}
