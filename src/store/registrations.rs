//! Registrations that nobody has proved yet.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{RegistrationId, TenantId, UserId},
};

/// A pending registration.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Which one.
    pub id: RegistrationId,
    /// The id its account will have.
    pub user_id: UserId,
    /// The address as given.
    pub email: String,
    /// The address as identity.
    pub email_key: String,
    /// The password's hash.
    pub password_hash: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The language its mail is written in.
    pub locale: String,
    /// Free data, as a JSON object.
    pub custom_data: String,
    /// Where the person goes afterwards.
    pub redirect_uri: Option<String>,
    /// The client network it came from.
    pub network: String,
    /// When it came.
    pub created_at: Timestamp,
    /// Until when it can be proved.
    pub expires_at: Timestamp,
}

impl FromRow for Registration {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            email: row.get("email")?,
            email_key: row.get("email_key")?,
            password_hash: row.get("password_hash")?,
            first_name: row.get("first_name")?,
            last_name: row.get("last_name")?,
            locale: row.get("locale")?,
            custom_data: row.get("custom_data")?,
            redirect_uri: row.get("redirect_uri")?,
            network: row.get("network")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// Records a pending registration.
pub fn insert(tenant: TenantId, it: &Registration) -> Query {
    sql("INSERT INTO registrations (tenant_id, id, user_id, email, email_key, password_hash, first_name, \
                                    last_name, locale, custom_data, redirect_uri, network, \
                                    created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
        .bind(tenant)
        .bind(it.id)
        .bind(it.user_id)
        .bind(it.email.as_str())
        .bind(it.email_key.as_str())
        .bind(it.password_hash.as_str())
        .bind(it.first_name.as_str())
        .bind(it.last_name.as_str())
        .bind(it.locale.as_str())
        .bind(it.custom_data.as_str())
        .bind(it.redirect_uri.clone())
        .bind(it.network.as_str())
        .bind(it.created_at)
        .bind(it.expires_at)
}

/// A pending registration by its id.
pub async fn by_id(
    tx: &mut Tx,
    tenant: TenantId,
    id: RegistrationId,
) -> Result<Option<Registration>> {
    sql("SELECT id, user_id, email, email_key, password_hash, first_name, last_name, locale, \
                custom_data, redirect_uri, network, created_at, expires_at \
         FROM registrations WHERE tenant_id = $1 AND id = $2")
    .bind(tenant)
    .bind(id)
    .optional(tx)
    .await
}

/// Drops all but the newest `keep` registrations of an address from one client network.
pub fn push_out_from_network(tenant: TenantId, email_key: &str, network: &str, keep: i64) -> Query {
    sql("DELETE FROM registrations WHERE tenant_id = $1 AND email_key = $2 AND network = $3 \
         AND id NOT IN (SELECT id FROM registrations \
              WHERE tenant_id = $1 AND email_key = $2 AND network = $3 ORDER BY id DESC LIMIT $4)")
    .bind(tenant)
    .bind(email_key)
    .bind(network)
    .bind(keep)
}

/// The newest registration of an address that still waits.
pub async fn newest(
    tx: &mut Tx,
    tenant: TenantId,
    email_key: &str,
    now: Timestamp,
) -> Result<Option<RegistrationId>> {
    let found: Option<(RegistrationId,)> = sql("SELECT id FROM registrations \
         WHERE tenant_id = $1 AND email_key = $2 AND expires_at > $3 ORDER BY id DESC LIMIT 1")
    .bind(tenant)
    .bind(email_key)
    .bind(now)
    .optional(tx)
    .await?;
    Ok(found.map(|(id,)| id))
}

/// Drops all but the newest `keep` registrations of an address.
pub fn push_out(tenant: TenantId, email_key: &str, keep: i64) -> Query {
    sql("DELETE FROM registrations WHERE tenant_id = $1 AND email_key = $2 AND id NOT IN \
         (SELECT id FROM registrations WHERE tenant_id = $1 AND email_key = $2 \
          ORDER BY id DESC LIMIT $3)")
    .bind(tenant)
    .bind(email_key)
    .bind(keep)
}

/// Drops all registrations of an address: it has an account now.
pub fn drop_all(tenant: TenantId, email_key: &str) -> Query {
    sql("DELETE FROM registrations WHERE tenant_id = $1 AND email_key = $2")
        .bind(tenant)
        .bind(email_key)
}
