//! One-time tokens that were mailed, by their digest.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::ticket::Purpose,
    error::Result,
    id::{RegistrationId, TenantId, TicketId, UserId},
};

/// A mailed token.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Which one.
    pub id: TicketId,
    /// What it may do.
    pub purpose: Purpose,
    /// For which address: void once the account has another.
    pub email_key: String,
    /// For which account.
    pub user_id: Option<UserId>,
    /// For which pending registration.
    pub registration_id: Option<RegistrationId>,
    /// Where the person goes afterwards.
    pub redirect_uri: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// A token that was found good, and what hangs on it.
#[derive(Debug, Clone)]
pub struct Good {
    /// Which one.
    pub id: TicketId,
    /// For which address.
    pub email_key: String,
    /// For which account.
    pub user_id: Option<UserId>,
    /// For which pending registration.
    pub registration_id: Option<RegistrationId>,
    /// Where the person goes afterwards.
    pub redirect_uri: Option<String>,
    /// Whether it has been used before.
    pub is_used: bool,
}

impl FromRow for Good {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            email_key: row.get("email_key")?,
            user_id: row.get("user_id")?,
            registration_id: row.get("registration_id")?,
            redirect_uri: row.get("redirect_uri")?,
            is_used: row.get::<Option<Timestamp>>("used_at")?.is_some(),
        })
    }
}

/// Records a mailed token by the digest of its secret.
pub fn insert(tenant: TenantId, ticket: &Ticket, digest: [u8; 32]) -> Query {
    sql(
        "INSERT INTO tickets (tenant_id, id, purpose, digest, email_key, user_id, registration_id, \
                              redirect_uri, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tenant)
    .bind(ticket.id)
    .bind(ticket.purpose.as_str())
    .bind(digest)
    .bind(ticket.email_key.as_str())
    .bind(ticket.user_id)
    .bind(ticket.registration_id)
    .bind(ticket.redirect_uri.clone())
    .bind(ticket.created_at)
    .bind(ticket.expires_at)
}

/// Spends a token of one of two purposes: of two racing uses exactly one gets it.
pub async fn consume(
    tx: &mut Tx,
    tenant: TenantId,
    purposes: [Purpose; 2],
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<Good>> {
    let [one, other] = purposes.map(Purpose::as_str);
    sql("UPDATE tickets SET used_at = $4 \
         WHERE tenant_id = $1 AND purpose IN ($2, $5) AND digest = $3 AND used_at IS NULL \
           AND voided_at IS NULL AND expires_at > $4 \
         RETURNING id, email_key, user_id, registration_id, redirect_uri, \
                   CAST(NULL AS BIGINT) AS used_at")
    .bind(tenant)
    .bind(one)
    .bind(digest)
    .bind(now)
    .bind(other)
    .optional(tx)
    .await
}

/// A token that has not expired and was not voided, spent or not; nothing is changed.
pub async fn peek(
    tx: &mut Tx,
    tenant: TenantId,
    purposes: [Purpose; 2],
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<Good>> {
    let [one, other] = purposes.map(Purpose::as_str);
    sql("SELECT id, email_key, user_id, registration_id, redirect_uri, used_at FROM tickets \
         WHERE tenant_id = $1 AND purpose IN ($2, $5) AND digest = $3 AND voided_at IS NULL \
           AND expires_at > $4")
    .bind(tenant)
    .bind(one)
    .bind(digest)
    .bind(now)
    .bind(other)
    .optional(tx)
    .await
}

/// Writes down which account a spent registration token made.
pub fn settle(tenant: TenantId, ticket: TicketId, user: UserId) -> Query {
    sql("UPDATE tickets SET user_id = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(ticket)
        .bind(user)
}

/// Voids every unspent token of a purpose for an address.
pub fn void_all(tenant: TenantId, purpose: Purpose, email_key: &str, now: Timestamp) -> Query {
    sql("UPDATE tickets SET voided_at = $4 WHERE tenant_id = $1 AND purpose = $2 \
         AND email_key = $3 AND used_at IS NULL AND voided_at IS NULL")
    .bind(tenant)
    .bind(purpose.as_str())
    .bind(email_key)
    .bind(now)
}

/// Voids all unspent tokens of a purpose for an address but the newest `keep`.
pub fn void_older(
    tenant: TenantId,
    purpose: Purpose,
    email_key: &str,
    keep: i64,
    now: Timestamp,
) -> Query {
    sql("UPDATE tickets SET voided_at = $5 WHERE tenant_id = $1 AND purpose = $2 \
         AND email_key = $3 AND used_at IS NULL AND voided_at IS NULL AND id NOT IN \
         (SELECT id FROM tickets WHERE tenant_id = $1 AND purpose = $2 AND email_key = $3 \
             AND used_at IS NULL AND voided_at IS NULL ORDER BY id DESC LIMIT $4)")
    .bind(tenant)
    .bind(purpose.as_str())
    .bind(email_key)
    .bind(keep)
    .bind(now)
}

/// Voids the tokens of registrations of an address that are no longer pending.
pub fn void_orphans(tenant: TenantId, email_key: &str, now: Timestamp) -> Query {
    sql("UPDATE tickets SET voided_at = $3 WHERE tenant_id = $1 AND purpose = 'register' \
         AND email_key = $2 AND used_at IS NULL AND voided_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM registrations r \
                          WHERE r.tenant_id = $1 AND r.id = tickets.registration_id)")
    .bind(tenant)
    .bind(email_key)
    .bind(now)
}

/// Voids every unspent token of an account, whatever it is for.
pub fn void_of_user(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE tickets SET voided_at = $3 WHERE tenant_id = $1 AND user_id = $2 \
         AND used_at IS NULL AND voided_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}
