//! Accounts.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::user::{IdentitySource, User, UserStatus},
    error::Result,
    id::{TenantId, UserId},
};

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self> {
        let kind: String = row.get("identity_source")?;
        let provider: Option<String> = row.get("identity_provider")?;
        Ok(Self {
            id: row.get("id")?,
            tenant: row.get("tenant_id")?,
            email: row.get("email")?,
            email_key: row.get("email_key")?,
            email_verified_at: row.get("email_verified_at")?,
            status: UserStatus::from_stored(&row.get::<String>("status")?),
            first_name: row.get("first_name")?,
            last_name: row.get("last_name")?,
            locale: row.get("locale")?,
            source: if kind == "local" {
                IdentitySource::Local
            } else {
                IdentitySource::Federated { kind, provider: provider.unwrap_or_default() }
            },
            must_change_password: row.get("must_change_password")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// The account of an address, by its canonical form.
pub async fn by_email(tx: &mut Tx, tenant: TenantId, email_key: &str) -> Result<Option<User>> {
    sql(
        "SELECT id, tenant_id, email, email_key, email_verified_at, status, first_name, last_name, \
                locale, identity_source, identity_provider, must_change_password, created_at \
         FROM users WHERE tenant_id = $1 AND email_key = $2 AND deleted_at IS NULL",
    )
    .bind(tenant)
    .bind(email_key)
    .optional(tx)
    .await
}

/// The account of an id.
pub async fn by_id(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<User>> {
    sql(
        "SELECT id, tenant_id, email, email_key, email_verified_at, status, first_name, last_name, \
                locale, identity_source, identity_provider, must_change_password, created_at \
         FROM users WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tenant)
    .bind(user)
    .optional(tx)
    .await
}

/// Up to `limit` accounts whose id follows `after`, in the order they were made.
pub async fn page(tx: &mut Tx, tenant: TenantId, after: &str, limit: i64) -> Result<Vec<User>> {
    sql(
        "SELECT id, tenant_id, email, email_key, email_verified_at, status, first_name, last_name, \
                locale, identity_source, identity_provider, must_change_password, created_at \
         FROM users WHERE tenant_id = $1 AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT $3",
    )
    .bind(tenant)
    .bind(after)
    .bind(limit)
    .all(tx)
    .await
}

/// Makes an account; `false` where the address has one.
pub async fn insert(tx: &mut Tx, tenant: TenantId, user: &User, custom_data: &str) -> Result<bool> {
    let (kind, provider) = match &user.source {
        IdentitySource::Local => ("local", None),
        IdentitySource::Federated { kind, provider } => (kind.as_str(), Some(provider.clone())),
    };
    let made = sql(
        "INSERT INTO users (tenant_id, id, email, email_key, email_verified_at, status, first_name, \
                            last_name, locale, identity_source, identity_provider, custom_data, \
                            must_change_password, epoch, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $14) \
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant)
    .bind(user.id)
    .bind(user.email.as_str())
    .bind(user.email_key.as_str())
    .bind(user.email_verified_at)
    .bind(user.status.as_str())
    .bind(user.first_name.as_str())
    .bind(user.last_name.as_str())
    .bind(user.locale.clone())
    .bind(kind)
    .bind(provider)
    .bind(custom_data)
    .bind(user.must_change_password)
    .bind(user.created_at)
    .execute(tx)
    .await?;
    Ok(made == 1)
}

/// Marks the address of an account as proved; 0 rows where it was already.
pub fn verify_email(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET email_verified_at = $3, updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND email_verified_at IS NULL AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// Makes every other change of an account wait until this transaction has ended.
pub fn touch(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// Sets whether an account may be used; `false` where there is none.
pub async fn set_status(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    status: UserStatus,
    now: Timestamp,
) -> Result<bool> {
    let changed = sql("UPDATE users SET status = $3, updated_at = $4, epoch = epoch + 1 \
                       WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(status.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Sets whether a new password is due at the next sign-in.
pub fn set_must_change_password(
    tenant: TenantId,
    user: UserId,
    must: bool,
    now: Timestamp,
) -> Query {
    sql("UPDATE users SET must_change_password = $3, updated_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(must)
    .bind(now)
}

/// Marks an account as deleted: its address is free again, its id is not.
pub async fn delete(tx: &mut Tx, tenant: TenantId, user: UserId, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE users SET deleted_at = $3, updated_at = $3, epoch = epoch + 1 \
                       WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Starts a new epoch of a user's credentials: every session and step of an older one is dead.
pub fn start_epoch(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET epoch = epoch + 1, must_change_password = FALSE, updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}
