//! Authenticator apps, mailed codes and backup codes: in use, and waiting for their first code.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::factor::Method,
    error::Result,
    id::{TenantId, UserId},
};

/// A factor in use.
#[derive(Debug, Clone)]
pub struct Factor {
    /// `totp` or `email`.
    pub kind: String,
    /// The sealed key of an authenticator app.
    pub secret: Option<Vec<u8>>,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

impl FromRow for Factor {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            kind: row.get("kind")?,
            secret: row.get("secret")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    }
}

/// The app and mail factors of a user.
pub async fn of_user(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Vec<Factor>> {
    sql("SELECT kind, secret, created_at, last_used_at FROM factors \
         WHERE tenant_id = $1 AND user_id = $2 ORDER BY kind")
    .bind(tenant)
    .bind(user)
    .all(tx)
    .await
}

/// The sealed key of a user's authenticator app.
pub async fn totp_secret(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<Vec<u8>>> {
    sql("SELECT secret FROM factors WHERE tenant_id = $1 AND user_id = $2 AND kind = 'totp'")
        .bind(tenant)
        .bind(user)
        .optional(tx)
        .await
}

/// Puts a factor into use, in the place of one of its kind.
pub fn put(
    tenant: TenantId,
    user: UserId,
    kind: Method,
    (secret, last_step): (Option<Vec<u8>>, i64),
    now: Timestamp,
) -> Query {
    sql("INSERT INTO factors (tenant_id, user_id, kind, secret, last_step, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant_id, user_id, kind) DO UPDATE SET secret = excluded.secret, \
             last_step = excluded.last_step, created_at = excluded.created_at, last_used_at = NULL")
    .bind(tenant)
    .bind(user)
    .bind(kind.as_str())
    .bind(secret)
    .bind(last_step)
    .bind(now)
}

/// Takes a factor out of use; 0 rows where there is none.
pub fn remove(tenant: TenantId, user: UserId, kind: Method) -> Query {
    sql("DELETE FROM factors WHERE tenant_id = $1 AND user_id = $2 AND kind = $3")
        .bind(tenant)
        .bind(user)
        .bind(kind.as_str())
}

/// Uses a time step of the authenticator app whose sealed key is `secret`: 0 rows where this step
/// or a later one was used before, or the app is another one by now.
pub fn use_step(tenant: TenantId, user: UserId, secret: &[u8], step: i64, now: Timestamp) -> Query {
    sql("UPDATE factors SET last_step = $4, last_used_at = $5 \
         WHERE tenant_id = $1 AND user_id = $2 AND kind = 'totp' AND secret = $3 AND last_step < $4")
    .bind(tenant)
    .bind(user)
    .bind(secret)
    .bind(step)
    .bind(now)
}

/// Notes that mailed codes were used; no row where they are offered without being enrolled.
pub fn mail_used(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("UPDATE factors SET last_used_at = $3 \
         WHERE tenant_id = $1 AND user_id = $2 AND kind = 'email'")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// A factor that waits for its first right code.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The sealed key of an authenticator app.
    pub secret: Option<Vec<u8>>,
    /// The keyed digest of a mailed code.
    pub code: Option<Vec<u8>>,
}

impl FromRow for Setup {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { secret: row.get("secret")?, code: row.get("code")? })
    }
}

/// Lets a factor wait for its first right code; an older one of its kind is forgotten.
pub fn begin_setup(
    tenant: TenantId,
    user: UserId,
    kind: Method,
    setup: Setup,
    (now, expires_at): (Timestamp, Timestamp),
) -> Query {
    sql("INSERT INTO setups (tenant_id, user_id, kind, secret, code, failures, created_at, \
                             expires_at) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7) \
         ON CONFLICT (tenant_id, user_id, kind) DO UPDATE SET secret = excluded.secret, \
             code = excluded.code, failures = 0, created_at = excluded.created_at, \
             expires_at = excluded.expires_at")
    .bind(tenant)
    .bind(user)
    .bind(kind.as_str())
    .bind(setup.secret)
    .bind(setup.code)
    .bind(now)
    .bind(expires_at)
}

/// Counts a try at a waiting factor and returns it, if it lives and fewer than `limit` tries were
/// made: so that a code cannot be guessed, however many try at once.
pub async fn try_setup(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    kind: Method,
    (limit, now): (u32, Timestamp),
) -> Result<Option<Setup>> {
    sql("UPDATE setups SET failures = failures + 1 \
         WHERE tenant_id = $1 AND user_id = $2 AND kind = $3 AND failures < $4 AND expires_at > $5 \
         RETURNING secret, code")
    .bind(tenant)
    .bind(user)
    .bind(kind.as_str())
    .bind(limit)
    .bind(now)
    .optional(tx)
    .await
}

/// Ends the wait of a factor; 0 rows where it has ended already, or another one waits by now.
pub fn end_setup(tenant: TenantId, user: UserId, kind: Method, setup: &Setup) -> Query {
    sql("DELETE FROM setups WHERE tenant_id = $1 AND user_id = $2 AND kind = $3 \
         AND (secret = $4 OR code = $5)")
    .bind(tenant)
    .bind(user)
    .bind(kind.as_str())
    .bind(setup.secret.clone())
    .bind(setup.code.clone())
}

/// Puts a set of backup codes in the place of all older ones.
#[must_use]
pub fn put_backup_codes(
    tenant: TenantId,
    user: UserId,
    digests: &[[u8; 32]],
    now: Timestamp,
) -> Vec<Query> {
    let insert = |digest: &[u8; 32]| {
        sql("INSERT INTO backup_codes (tenant_id, user_id, digest, created_at) \
             VALUES ($1, $2, $3, $4)")
        .bind(tenant)
        .bind(user)
        .bind(digest)
        .bind(now)
    };
    let mut queries = vec![forget_backup_codes(tenant, user)];
    queries.extend(digests.iter().map(insert));
    queries
}

/// Forgets a user's backup codes.
pub fn forget_backup_codes(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM backup_codes WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// Uses up a backup code; 0 rows where there is no such one, or it was used before.
pub fn use_backup_code(tenant: TenantId, user: UserId, digest: [u8; 32], now: Timestamp) -> Query {
    sql("UPDATE backup_codes SET used_at = $4 \
         WHERE tenant_id = $1 AND user_id = $2 AND digest = $3 AND used_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(digest)
    .bind(now)
}

/// How many backup codes of a user are left, and when the set was made.
pub async fn backup_codes_left(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
) -> Result<(i64, Option<Timestamp>)> {
    sql("SELECT CAST(COUNT(*) AS BIGINT) - CAST(COUNT(used_at) AS BIGINT), MIN(created_at) \
         FROM backup_codes WHERE tenant_id = $1 AND user_id = $2")
    .bind(tenant)
    .bind(user)
    .one(tx)
    .await
}

/// The method a user wants to be asked for first, where he has said so.
pub async fn default_method(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<Method>> {
    let text: Option<String> = sql("SELECT COALESCE(default_method, '') FROM users \
                                    WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .optional(tx)
    .await?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Says which method a user wants to be asked for first.
pub fn set_default(
    tenant: TenantId,
    user: UserId,
    method: Option<Method>,
    now: Timestamp,
) -> Query {
    sql("UPDATE users SET default_method = $3, updated_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(user)
    .bind(method.map(Method::as_str))
    .bind(now)
}

/// Takes the factors of a user out of use that were enrolled at `since` or later.
pub fn remove_since(tenant: TenantId, user: UserId, since: Timestamp) -> [Query; 3] {
    [
        sql("DELETE FROM factors WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3")
            .bind(tenant)
            .bind(user)
            .bind(since),
        sql("DELETE FROM passkeys WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3")
            .bind(tenant)
            .bind(user)
            .bind(since),
        sql("DELETE FROM backup_codes WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3")
            .bind(tenant)
            .bind(user)
            .bind(since),
    ]
}

/// Takes every factor of a user out of use, waiting ones too.
pub fn remove_all(tenant: TenantId, user: UserId) -> [Query; 4] {
    [
        sql("DELETE FROM factors WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user),
        sql("DELETE FROM setups WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user),
        forget_backup_codes(tenant, user),
        sql("DELETE FROM passkeys WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user),
    ]
}

/// Ends the wait of all of a user's factors for their first codes.
pub fn end_setups(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM setups WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}
