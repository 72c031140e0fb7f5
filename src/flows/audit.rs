//! The audit chain: each row's mark covers the row before it, so that a removed or altered row
//! shows. Marks are keyed, so that whoever can write to the database cannot forge them.
//!
//! Rows enter the chain in a background step, so that sign-ins of one tenant do not queue up
//! behind each other. Until then, a second or so, a row is as good as the database.

use crate::{
    app::App,
    db::Tx,
    domain::audit::Record,
    error::{Error, Result},
    id::TenantId,
    store::{self, audit::Head},
};

const MARK: &str = "audit";
/// Rows that enter the chain in one transaction.
const BATCH: i64 = 200;

/// Takes rows of all tenants into their chains; how many.
///
/// # Errors
/// Where the database fails.
pub async fn chain(app: &App) -> Result<usize> {
    let tenants =
        app.db.read((), |tx, ()| Box::pin(store::audit::unchained_tenants(tx, 100))).await?;
    let mut count = 0;
    for tenant in tenants {
        let key = app.master_key.clone();
        count += app
            .db
            .write((key, tenant), |tx, (key, tenant)| Box::pin(extend(tx, key, *tenant)))
            .await?;
    }
    Ok(count)
}

async fn extend(
    tx: &mut Tx,
    key: &crate::crypto::seal::MasterKey,
    tenant: TenantId,
) -> Result<usize> {
    let seen = store::audit::head(tx, tenant).await?;
    let rows = store::audit::unchained(tx, tenant, BATCH).await?;
    let mut head = seen.clone();
    let mut links = Vec::with_capacity(rows.len());
    for row in &rows {
        let hash = mark(key, tenant, &head, row)?;
        head = Head { seq: head.seq + 1, hash: hash.to_vec() };
        links.push(store::audit::link(tenant, row.id, head.seq, hash));
    }
    if rows.is_empty() || !store::audit::advance(tx, tenant, seen.seq, &head).await? {
        return Ok(0);
    }
    if tx.pipeline(links).await?.iter().any(|linked| *linked != 1) {
        // Another node was here in between: undo, and let the next round see what is left.
        return Err(Error::internal("chaining the audit trail", "a row was chained meanwhile"));
    }
    Ok(rows.len())
}

fn mark(
    key: &crate::crypto::seal::MasterKey,
    tenant: TenantId,
    before: &Head,
    row: &Record,
) -> Result<[u8; 32]> {
    let tenant = tenant.to_string().into_bytes();
    let number = (before.seq + 1).to_be_bytes().to_vec();
    let mut parts = vec![tenant, number, before.hash.clone()];
    parts.extend(row.parts());
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    key.mac(MARK, &parts)
}

/// What a look at a whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows that fit.
    pub rows: i64,
    /// The number of the first row that does not fit, and why.
    pub broken: Option<(i64, &'static str)>,
    /// The mark of the last row, in Base64: kept elsewhere, it shows that a tail was cut off.
    pub head: String,
}

/// The end of a chain as it was told earlier and kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Rows there were.
    pub rows: i64,
    /// The mark of the last of them, in Base64.
    pub mark: String,
}

/// Checks a tenant's whole chain, and that the end `kept` earlier is still part of it: whoever
/// can write to the database can cut off a tail, but cannot give an earlier row another mark.
///
/// # Errors
/// Where the database fails. A broken chain is a verdict, not an error.
pub async fn verify(app: &App, tenant: TenantId, kept: Option<&Kept>) -> Result<Verdict> {
    // The end is read before the rows: what is chained meanwhile only comes on top.
    let end =
        app.db.read(tenant, |tx, tenant| Box::pin(store::audit::read_head(tx, *tenant))).await?;
    let mut head = Head { seq: 0, hash: vec![0; 32] };
    loop {
        let rows = app
            .db
            .read((tenant, head.seq), |tx, (tenant, after)| {
                Box::pin(store::audit::chained(tx, *tenant, *after, 1000))
            })
            .await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            if row.seq != head.seq + 1 {
                return Ok(verdict(&head, Some((head.seq + 1, "the row is missing"))));
            }
            let hash = mark(&app.master_key, tenant, &head, &row.record)?;
            if hash.as_slice() != row.hash {
                return Ok(verdict(&head, Some((row.seq, "the row was altered"))));
            }
            head = Head { seq: row.seq, hash: row.hash };
            if kept.is_some_and(|kept| kept.rows == head.seq && kept.mark != text(&head.hash)) {
                return Ok(verdict(&head, Some((head.seq, "it is not the row that was kept"))));
            }
        }
    }
    let expected = end.map_or(0, |end| end.seq).max(kept.map_or(0, |kept| kept.rows));
    if head.seq < expected {
        return Ok(verdict(&head, Some((head.seq + 1, "the last rows are missing"))));
    }
    Ok(verdict(&head, None))
}

fn verdict(head: &Head, broken: Option<(i64, &'static str)>) -> Verdict {
    Verdict { rows: head.seq, broken, head: text(&head.hash) }
}

fn text(mark: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(mark)
}

/// The newest events of a tenant.
///
/// # Errors
/// Where the database fails.
pub async fn newest(app: &App, tenant: TenantId, limit: i64) -> Result<Vec<Record>> {
    app.db
        .read((tenant, limit), |tx, (tenant, limit)| {
            Box::pin(store::audit::newest(tx, *tenant, *limit))
        })
        .await
}
