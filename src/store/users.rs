//! Accounts.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::{
        factor::Method,
        oauth::claims::Known,
        user::{IdentitySource, User, UserStatus},
    },
    error::{Context, Result},
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

/// Marks an account as deleted and forgets whose it was: its address is free again, its id is not.
pub async fn delete(tx: &mut Tx, tenant: TenantId, user: UserId, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE users SET deleted_at = $3, updated_at = $3, epoch = epoch + 1, \
                              email = '', email_key = '', first_name = '', last_name = '', \
                              locale = NULL, custom_data = '{}', default_method = NULL, \
                              deletion_due_at = NULL \
                       WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Starts a new epoch because a password alone is no longer enough: every session and step of an
/// older one is dead, and one whose password is just being checked will be.
pub fn renew_epoch(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET epoch = epoch + 1, updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// Starts a new epoch of a user's credentials: every session and step of an older one is dead.
pub fn start_epoch(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET epoch = epoch + 1, must_change_password = FALSE, updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

impl FromRow for Known {
    fn from_row(row: &Row) -> Result<Self> {
        let custom: String = row.get("custom_data")?;
        Ok(Self {
            first_name: row.get("first_name")?,
            last_name: row.get("last_name")?,
            email: row.get("email")?,
            email_verified: row.get::<Option<Timestamp>>("email_verified_at")?.is_some(),
            locale: row.get("locale")?,
            updated_at: row.get("user_updated_at")?,
            custom: serde_json::from_str(&custom).doing("reading custom data")?,
        })
    }
}

/// What may be told about a user.
pub async fn known(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<Known>> {
    sql("SELECT u.email, u.email_verified_at, u.first_name, u.last_name, u.locale, u.custom_data, \
                u.updated_at AS user_updated_at \
         FROM users u WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .optional(tx)
    .await
}

/// What self-service tells of an account beside the account itself.
#[derive(Debug, Clone)]
pub struct Details {
    /// Free data, as JSON.
    pub custom_data: String,
    /// When the account is deleted, where its owner has given it up.
    pub deletion_due_at: Option<Timestamp>,
    /// The second factors that are enrolled, strongest first.
    pub methods: Vec<Method>,
    /// The one the user wants to be asked for first.
    pub default_method: Option<Method>,
}

impl FromRow for Details {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            custom_data: row.get("custom_data")?,
            deletion_due_at: row.get("deletion_due_at")?,
            methods: super::login::methods(row)?,
            default_method: super::login::default_method(row)?,
        })
    }
}

/// What self-service tells of an account.
pub async fn details(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<Details>> {
    sql("SELECT u.custom_data, u.deletion_due_at, u.default_method, \
                EXISTS (SELECT 1 FROM factors f WHERE f.tenant_id = $1 AND f.user_id = u.id \
                         AND f.kind = 'totp') AS has_totp, \
                EXISTS (SELECT 1 FROM factors f WHERE f.tenant_id = $1 AND f.user_id = u.id \
                         AND f.kind = 'email') AS has_email, \
                EXISTS (SELECT 1 FROM passkeys k WHERE k.tenant_id = $1 AND k.user_id = u.id) \
                    AS has_webauthn, \
                EXISTS (SELECT 1 FROM backup_codes b WHERE b.tenant_id = $1 AND b.user_id = u.id \
                         AND b.used_at IS NULL) AS has_backup_code \
         FROM users u WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .optional(tx)
    .await
}

/// What is to change of a profile; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The language; `Some(None)`: none is chosen any more.
    pub locale: Option<Option<String>>,
}

/// Changes a profile.
pub fn update_profile(
    tenant: TenantId,
    user: UserId,
    change: ProfileChange,
    now: Timestamp,
) -> Query {
    sql("UPDATE users SET first_name = COALESCE($3, first_name), \
                          last_name = COALESCE($4, last_name), \
                          locale = CASE WHEN $5 THEN $6 ELSE locale END, updated_at = $7 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(change.first_name)
    .bind(change.last_name)
    .bind(change.locale.is_some())
    .bind(change.locale.flatten())
    .bind(now)
}

/// As [`touch`], if the credentials are still of `epoch` and the account may be used; 0 rows where
/// not.
pub fn hold(tenant: TenantId, user: UserId, epoch: i64, now: Timestamp) -> Query {
    sql("UPDATE users SET updated_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND epoch = $3 AND status = 'active' \
           AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(epoch)
    .bind(now)
}

/// Gives an account another address, which counts as proved; 0 rows where the address has an
/// account.
pub fn change_email(
    tenant: TenantId,
    user: UserId,
    (email, email_key): (&str, &str),
    now: Timestamp,
) -> Query {
    sql("UPDATE users SET email = $3, email_key = $4, email_verified_at = $5, updated_at = $5 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL \
           AND NOT EXISTS (SELECT 1 FROM users other WHERE other.tenant_id = $1 \
                            AND other.email_key = $4 AND other.deleted_at IS NULL \
                            AND other.id <> $2)")
    .bind(tenant)
    .bind(user)
    .bind(email)
    .bind(email_key)
    .bind(now)
}

/// Has an account deleted at `due`, unless that was settled before.
pub fn schedule_deletion(tenant: TenantId, user: UserId, due: Timestamp, now: Timestamp) -> Query {
    sql("UPDATE users SET deletion_due_at = $3, updated_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND deletion_due_at IS NULL AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(due)
    .bind(now)
}

/// Keeps an account that was to be deleted; 0 rows where it was not.
pub fn keep(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET deletion_due_at = NULL, updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND deletion_due_at IS NOT NULL AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// As [`touch`], if the account is to be deleted by `now`; 0 rows where its owner keeps it.
pub fn hold_due(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE users SET updated_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND deletion_due_at <= $3 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// Up to `limit` accounts whose time is over, of tenants that are there.
pub async fn due_all_tenants(
    tx: &mut Tx,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(TenantId, UserId)>> {
    sql("SELECT u.tenant_id, u.id FROM users u JOIN tenants t ON t.id = u.tenant_id \
         WHERE u.deletion_due_at <= $1 AND u.deletion_due_at IS NOT NULL \
           AND u.deleted_at IS NULL AND t.deleted_at IS NULL \
         ORDER BY u.deletion_due_at LIMIT $2")
    .bind(now)
    .bind(limit)
    .all(tx)
    .await
}
