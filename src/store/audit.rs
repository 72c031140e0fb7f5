//! What happened, and the chain over it.

use crate::{
    db::{FromRow, Query, Row, Tx, sql},
    domain::audit::Record,
    error::Result,
    id::{AuditId, TenantId, UserId},
};

impl FromRow for Record {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            at: row.get("at")?,
            action: row.get("action")?,
            actor_type: row.get("actor_type")?,
            actor_id: row.get("actor_id")?,
            target_type: row.get("target_type")?,
            target_id: row.get("target_id")?,
            address: row.get("address")?,
            agent: row.get("agent")?,
            result: row.get("result")?,
            request_id: row.get("request_id")?,
            detail: row.get("detail")?,
        })
    }
}

/// Records an event; the chain takes it up later.
pub fn append(tenant: TenantId, record: Record) -> Query {
    sql("INSERT INTO audit (tenant_id, id, at, action, actor_type, actor_id, target_type, target_id, \
                            address, agent, result, request_id, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(tenant)
        .bind(record.id)
        .bind(record.at)
        .bind(record.action)
        .bind(record.actor_type)
        .bind(record.actor_id)
        .bind(record.target_type)
        .bind(record.target_id)
        .bind(record.address)
        .bind(record.agent)
        .bind(record.result)
        .bind(record.request_id)
        .bind(record.detail)
}

/// Tenants that have rows outside the chain, up to `limit`.
pub async fn unchained_tenants(tx: &mut Tx, limit: i64) -> Result<Vec<TenantId>> {
    sql("SELECT DISTINCT tenant_id FROM audit WHERE seq IS NULL LIMIT $1").bind(limit).all(tx).await
}

/// Up to `limit` rows of a tenant outside the chain, oldest first.
pub async fn unchained(tx: &mut Tx, tenant: TenantId, limit: i64) -> Result<Vec<Record>> {
    sql("SELECT id, at, action, actor_type, actor_id, target_type, target_id, address, agent, result, \
                request_id, detail \
         FROM audit WHERE tenant_id = $1 AND seq IS NULL ORDER BY id LIMIT $2")
        .bind(tenant)
        .bind(limit)
        .all(tx)
        .await
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of its last row; 0: there is none yet.
    pub seq: i64,
    /// The hash of its last row.
    pub hash: Vec<u8>,
}

impl FromRow for Head {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { seq: row.get("seq")?, hash: row.get("hash")? })
    }
}

/// The end of a tenant's chain; begins one where there is none.
pub async fn head(tx: &mut Tx, tenant: TenantId) -> Result<Head> {
    sql("INSERT INTO audit_heads (tenant_id, seq, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING")
        .bind(tenant)
        .bind([0_u8; 32])
        .execute(tx)
        .await?;
    sql("SELECT seq, hash FROM audit_heads WHERE tenant_id = $1").bind(tenant).one(tx).await
}

/// The end of a tenant's chain, without beginning one.
pub async fn read_head(tx: &mut Tx, tenant: TenantId) -> Result<Option<Head>> {
    sql("SELECT seq, hash FROM audit_heads WHERE tenant_id = $1").bind(tenant).optional(tx).await
}

/// Moves the end of a chain from `seen` to `next`; `false` where another node was faster.
pub async fn advance(tx: &mut Tx, tenant: TenantId, seen: i64, next: &Head) -> Result<bool> {
    let moved = sql("UPDATE audit_heads SET seq = $3, hash = $4 WHERE tenant_id = $1 AND seq = $2")
        .bind(tenant)
        .bind(seen)
        .bind(next.seq)
        .bind(next.hash.clone())
        .execute(tx)
        .await?;
    Ok(moved == 1)
}

/// Gives a row its place in the chain.
pub fn link(tenant: TenantId, id: AuditId, seq: i64, hash: [u8; 32]) -> Query {
    sql("UPDATE audit SET seq = $3, hash = $4 WHERE tenant_id = $1 AND id = $2 AND seq IS NULL")
        .bind(tenant)
        .bind(id)
        .bind(seq)
        .bind(hash)
}

/// A row with its place in the chain.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The row.
    pub record: Record,
    /// Its number.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl FromRow for Linked {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { record: Record::from_row(row)?, seq: row.get("seq")?, hash: row.get("hash")? })
    }
}

/// Up to `limit` chained rows after number `after`, in order.
pub async fn chained(tx: &mut Tx, tenant: TenantId, after: i64, limit: i64) -> Result<Vec<Linked>> {
    sql("SELECT id, at, action, actor_type, actor_id, target_type, target_id, address, agent, result, \
                request_id, detail, seq, hash \
         FROM audit WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .all(tx)
        .await
}

/// The newest `limit` rows of a tenant.
pub async fn newest(tx: &mut Tx, tenant: TenantId, limit: i64) -> Result<Vec<Record>> {
    sql("SELECT id, at, action, actor_type, actor_id, target_type, target_id, address, agent, result, \
                request_id, detail FROM audit WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2")
        .bind(tenant)
        .bind(limit)
        .all(tx)
        .await
}

/// What concerns one account, newest first: `limit` rows after the first `skip`. What only we
/// have a use for is left out.
pub async fn of_user(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    (skip, limit): (i64, i64),
) -> Result<Vec<Record>> {
    sql("SELECT id, at, action, actor_type, actor_id, target_type, target_id, address, agent, result, \
                request_id, detail FROM audit \
         WHERE tenant_id = $1 AND target_id = $2 AND target_type = 'user' \
           AND action <> 'user.password.rehashed' \
         ORDER BY id DESC LIMIT $3 OFFSET $4")
        .bind(tenant)
        .bind(user)
        .bind(limit)
        .bind(skip)
        .all(tx)
        .await
}
