//! What outsiders may be told, written in the transaction of what it tells of.

use crate::{
    clock::Timestamp,
    db::{Query, sql},
    id::{EventId, TenantId},
};

/// Something that outsiders may be told.
#[derive(Debug, Clone)]
pub struct New {
    /// Which.
    pub id: EventId,
    /// What happened: a stable name, as in the audit trail.
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// What there is to say, as JSON.
    pub payload: String,
}

/// Keeps one.
pub fn insert(tenant: TenantId, new: New) -> Query {
    sql("INSERT INTO events (tenant_id, id, kind, at, payload) VALUES ($1, $2, $3, $4, $5)")
        .bind(tenant)
        .bind(new.id)
        .bind(new.kind)
        .bind(new.at)
        .bind(new.payload)
}
