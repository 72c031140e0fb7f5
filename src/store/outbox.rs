//! Mail on its way. A row is made in the transaction of the change that it tells of, and is sent
//! afterwards by whichever node claims it.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{MailId, TenantId},
};

/// A mail about to wait.
#[derive(Debug, Clone)]
pub struct New {
    /// Which one.
    pub id: MailId,
    /// What it tells.
    pub kind: &'static str,
    /// The address it goes to, exactly as stored with the account or the registration.
    pub recipient: String,
    /// The language it is written in.
    pub locale: String,
    /// The sealed content.
    pub payload: Vec<u8>,
    /// When it was made.
    pub now: Timestamp,
    /// When it is given up.
    pub give_up_at: Timestamp,
}

/// A claimed mail.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Which one.
    pub id: MailId,
    /// The address it goes to.
    pub recipient: String,
    /// The language it is written in.
    pub locale: String,
    /// The sealed content.
    pub payload: Vec<u8>,
    /// How often it was tried, this time included.
    pub tries: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is given up.
    pub give_up_at: Timestamp,
}

impl FromRow for Claimed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant_id")?,
            id: row.get("id")?,
            recipient: row.get("recipient")?,
            locale: row.get("locale")?,
            payload: row.get::<Option<Vec<u8>>>("payload")?.unwrap_or_default(),
            tries: u32::try_from(row.get::<i64>("tries")?).unwrap_or(u32::MAX),
            created_at: row.get("created_at")?,
            give_up_at: row.get("give_up_at")?,
        })
    }
}

/// Puts a mail into the outbox.
pub fn insert(tenant: TenantId, mail: New) -> Query {
    sql("INSERT INTO outbox (tenant_id, id, kind, recipient, locale, payload, state, tries, \
                             next_at, claimed_until, give_up_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, 0, $8, $7)")
    .bind(tenant)
    .bind(mail.id)
    .bind(mail.kind)
    .bind(mail.recipient)
    .bind(mail.locale)
    .bind(mail.payload)
    .bind(mail.now)
    .bind(mail.give_up_at)
}

/// Puts a mail into the outbox where `subject` was counted no more than `most` times.
pub fn insert_within(tenant: TenantId, mail: New, subject: [u8; 32], most: u32) -> Query {
    sql("INSERT INTO outbox (tenant_id, id, kind, recipient, locale, payload, state, tries, \
                             next_at, claimed_until, give_up_at, created_at) \
         SELECT a.tenant_id, $2, $3, $4, $5, $6, 'waiting', 0, $7, 0, $8, $7 \
         FROM attempts a WHERE a.tenant_id = $1 AND a.subject = $9 AND a.failures <= $10")
    .bind(tenant)
    .bind(mail.id)
    .bind(mail.kind)
    .bind(mail.recipient)
    .bind(mail.locale)
    .bind(mail.payload)
    .bind(mail.now)
    .bind(mail.give_up_at)
    .bind(subject)
    .bind(i64::from(most))
}

/// Claims up to `limit` due mails of all tenants until `until`. The outer condition is judged
/// again on rows that another node has claimed meanwhile, so that no mail is claimed twice.
pub async fn claim_all_tenants(
    tx: &mut Tx,
    limit: i64,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Claimed>> {
    sql("UPDATE outbox SET claimed_until = $1, tries = tries + 1 \
         WHERE state = 'waiting' AND next_at <= $2 AND claimed_until <= $2 \
           AND (tenant_id, id) IN (SELECT tenant_id, id FROM outbox \
               WHERE state = 'waiting' AND next_at <= $2 AND claimed_until <= $2 \
               ORDER BY next_at, id LIMIT $3) \
         RETURNING tenant_id, id, recipient, locale, payload, tries, created_at, give_up_at")
    .bind(until)
    .bind(now)
    .bind(limit)
    .all(tx)
    .await
}

/// Marks a claimed mail as sent and wipes its content.
pub fn sent(tenant: TenantId, id: MailId, now: Timestamp) -> Query {
    sql("UPDATE outbox SET state = 'sent', payload = NULL, last_error = NULL, done_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND state = 'waiting'")
    .bind(tenant)
    .bind(id)
    .bind(now)
}

/// Lets a claimed mail wait until `next_at`.
pub fn postpone(tenant: TenantId, id: MailId, error: &str, next_at: Timestamp) -> Query {
    sql("UPDATE outbox SET claimed_until = 0, last_error = $3, next_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND state = 'waiting'")
    .bind(tenant)
    .bind(id)
    .bind(error)
    .bind(next_at)
}

/// Gives a claimed mail up. Its content stays, so that an operator can send it after all.
pub fn give_up(tenant: TenantId, id: MailId, error: &str, now: Timestamp) -> Query {
    sql("UPDATE outbox SET state = 'dead', claimed_until = 0, last_error = $3, done_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND state = 'waiting'")
    .bind(tenant)
    .bind(id)
    .bind(error)
    .bind(now)
}

/// A mail as an operator sees it: no content.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Which one.
    pub id: MailId,
    /// What it tells.
    pub kind: String,
    /// The address it goes to.
    pub recipient: String,
    /// `waiting`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub tries: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl FromRow for Listed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("kind")?,
            recipient: row.get("recipient")?,
            state: row.get("state")?,
            tries: row.get("tries")?,
            last_error: row.get("last_error")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// The newest `limit` mails of a tenant, of one state or of all.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    state: Option<String>,
    limit: i64,
) -> Result<Vec<Listed>> {
    sql("SELECT id, kind, recipient, state, tries, last_error, created_at FROM outbox \
         WHERE tenant_id = $1 AND ($2 IS NULL OR state = $2) ORDER BY id DESC LIMIT $3")
    .bind(tenant)
    .bind(state)
    .bind(limit)
    .all(tx)
    .await
}

/// Lets a tenant's dead mails be tried again from now on, until `give_up_at`; how many.
pub async fn revive(
    tx: &mut Tx,
    tenant: TenantId,
    give_up_at: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    sql("UPDATE outbox SET state = 'waiting', next_at = $2, give_up_at = $3, done_at = NULL \
         WHERE tenant_id = $1 AND state = 'dead' AND payload IS NOT NULL")
    .bind(tenant)
    .bind(now)
    .bind(give_up_at)
    .execute(tx)
    .await
}

/// How many mails of all tenants wait, and how many are dead.
pub async fn totals_all_tenants(tx: &mut Tx) -> Result<(i64, i64)> {
    sql("SELECT (SELECT COUNT(*) FROM outbox WHERE state = 'waiting') AS waiting, \
                (SELECT COUNT(*) FROM outbox WHERE state = 'dead') AS dead")
    .one(tx)
    .await
}
