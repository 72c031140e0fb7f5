//! Alarms that are raised, and whose turn it is to look.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::TenantId,
};

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Which kind.
    pub kind: String,
    /// The digest of a network; empty for the whole tenant.
    pub subject: Vec<u8>,
    /// For people: the network.
    pub name: String,
    /// Since when.
    pub raised_at: Timestamp,
    /// When it is over, where nothing more happens.
    pub until: Timestamp,
    /// The counts that raised it, as JSON.
    pub detail: String,
}

impl FromRow for Alarm {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant_id")?,
            kind: row.get("kind")?,
            subject: row.get("subject")?,
            name: row.get("name")?,
            raised_at: row.get("raised_at")?,
            until: row.get("until")?,
            detail: row.get("detail")?,
        })
    }
}

/// Whether an alarm is raised already.
pub async fn is_raised(
    tx: &mut Tx,
    tenant: TenantId,
    (kind, subject): (&str, &[u8]),
    now: Timestamp,
) -> Result<bool> {
    let until: Option<i64> = sql("SELECT until FROM alarms \
         WHERE tenant_id = $1 AND kind = $2 AND subject = $3 AND until > $4")
    .bind(tenant)
    .bind(kind)
    .bind(subject.to_vec())
    .bind(now)
    .optional(tx)
    .await?;
    Ok(until.is_some())
}

/// Raises an alarm in the place of one that is over at `now`, or lets one go on that is raised.
pub fn raise(tenant: TenantId, alarm: &Alarm, now: Timestamp) -> Query {
    sql("INSERT INTO alarms (tenant_id, kind, subject, name, raised_at, until, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET \
             raised_at = CASE WHEN alarms.until > $8 THEN alarms.raised_at \
                              ELSE excluded.raised_at END, \
             until = excluded.until, detail = excluded.detail")
    .bind(tenant)
    .bind(alarm.kind.as_str())
    .bind(alarm.subject.clone())
    .bind(alarm.name.as_str())
    .bind(alarm.raised_at)
    .bind(alarm.until)
    .bind(alarm.detail.as_str())
    .bind(now)
}

/// The alarms that are raised, at most `most`, the whole tenants' first.
pub async fn raised_all_tenants(tx: &mut Tx, now: Timestamp, most: i64) -> Result<Vec<Alarm>> {
    sql("SELECT tenant_id, kind, subject, name, raised_at, until, detail FROM alarms \
         WHERE until > $1 ORDER BY name, raised_at DESC LIMIT $2")
    .bind(now)
    .bind(most)
    .all(tx)
    .await
}

/// The newest alarms of a tenant, raised or over.
pub async fn list(tx: &mut Tx, tenant: TenantId, most: i64) -> Result<Vec<Alarm>> {
    sql("SELECT tenant_id, kind, subject, name, raised_at, until, detail FROM alarms \
         WHERE tenant_id = $1 ORDER BY until DESC LIMIT $2")
    .bind(tenant)
    .bind(most)
    .all(tx)
    .await
}

/// Ends all alarms of a tenant; how many.
pub async fn end(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<u64> {
    sql("UPDATE alarms SET until = $2 WHERE tenant_id = $1 AND until > $2")
        .bind(tenant)
        .bind(now)
        .execute(tx)
        .await
}

/// Whether it is this node's turn to look; the next turn is a `pause` later.
pub async fn take_turn(
    tx: &mut Tx,
    name: &'static str,
    now: Timestamp,
    pause: Duration,
) -> Result<bool> {
    let taken = sql("INSERT INTO watches (name, next_at) VALUES ($1, $3) \
         ON CONFLICT (name) DO UPDATE SET next_at = excluded.next_at WHERE watches.next_at <= $2")
    .bind(name)
    .bind(now)
    .bind(now + pause)
    .execute(tx)
    .await?;
    Ok(taken == 1)
}

/// Whether anybody has signed in or registered since `since`, in whatever tenant.
pub async fn is_anything_going_on_all_tenants(tx: &mut Tx, since: Timestamp) -> Result<bool> {
    let at: Option<i64> =
        sql("SELECT at FROM (SELECT at FROM sign_ins WHERE at > $1 LIMIT 1) AS s \
         UNION ALL SELECT created_at FROM \
             (SELECT created_at FROM registrations WHERE created_at > $1 LIMIT 1) AS r LIMIT 1")
        .bind(since)
        .optional(tx)
        .await?;
    Ok(at.is_some())
}

/// Registrations of a tenant within a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrations {
    /// Of which tenant.
    pub tenant: TenantId,
    /// How many.
    pub count: i64,
    /// From how many networks.
    pub networks: i64,
}

impl FromRow for Registrations {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant_id")?,
            count: row.get("new")?,
            networks: row.get("networks")?,
        })
    }
}

/// Tenants with at least `least` registrations since `since` that nobody has proved yet.
pub async fn registrations_all_tenants(
    tx: &mut Tx,
    since: Timestamp,
    least: i64,
) -> Result<Vec<Registrations>> {
    // Grouped by an expression: for groups in the order of the key SQLite would read all of the
    // table in that order.
    sql("SELECT tenant_id || '' AS tenant_id, COUNT(*) AS new, \
                COUNT(DISTINCT network) AS networks \
         FROM registrations WHERE created_at > $1 GROUP BY tenant_id || '' HAVING COUNT(*) >= $2")
    .bind(since)
    .bind(least)
    .all(tx)
    .await
}
