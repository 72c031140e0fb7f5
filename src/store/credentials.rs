//! Password hashes, the present and the former.

use crate::{
    clock::Timestamp,
    db::{Query, Tx, sql},
    error::Result,
    id::{TenantId, UserId},
};

/// Sets a user's password hash.
pub fn set(tenant: TenantId, user: UserId, hash: &str, now: Timestamp) -> Query {
    sql("INSERT INTO passwords (tenant_id, user_id, hash, changed_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, user_id) \
         DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at")
    .bind(tenant)
    .bind(user)
    .bind(hash)
    .bind(now)
}

/// Puts `new` in the place of `old`, the same password hashed anew; 0 rows where the password has
/// changed since. The day it was set stays.
pub fn rehash(tenant: TenantId, user: UserId, old: &str, new: &str) -> Query {
    sql("UPDATE passwords SET hash = $4 WHERE tenant_id = $1 AND user_id = $2 AND hash = $3")
        .bind(tenant)
        .bind(user)
        .bind(old)
        .bind(new)
}

/// A user's password hash.
pub async fn hash(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<String>> {
    sql("SELECT hash FROM passwords WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant)
        .bind(user)
        .optional(tx)
        .await
}

/// The present hash and up to `former` earlier ones.
pub async fn recent(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    former: i64,
) -> Result<Vec<String>> {
    sql("SELECT hash FROM (SELECT hash, changed_at AS at FROM passwords \
                            WHERE tenant_id = $1 AND user_id = $2 \
                           UNION ALL \
                           SELECT hash, replaced_at AS at FROM former_passwords \
                            WHERE tenant_id = $1 AND user_id = $2) AS known \
         ORDER BY at DESC LIMIT $3")
    .bind(tenant)
    .bind(user)
    .bind(former)
    .all(tx)
    .await
}

/// Keeps the present hash among the former ones.
pub fn retire(tenant: TenantId, user: UserId, now: Timestamp) -> Query {
    sql("INSERT INTO former_passwords (tenant_id, user_id, replaced_at, hash) \
         SELECT tenant_id, user_id, $3, hash FROM passwords WHERE tenant_id = $1 AND user_id = $2 \
         ON CONFLICT DO NOTHING")
    .bind(tenant)
    .bind(user)
    .bind(now)
}

/// Forgets all former hashes but the newest `keep`.
pub fn forget_former(tenant: TenantId, user: UserId, keep: i64) -> Query {
    sql(
        "DELETE FROM former_passwords WHERE tenant_id = $1 AND user_id = $2 AND replaced_at NOT IN \
         (SELECT replaced_at FROM former_passwords WHERE tenant_id = $1 AND user_id = $2 \
          ORDER BY replaced_at DESC LIMIT $3)",
    )
    .bind(tenant)
    .bind(user)
    .bind(keep)
}

/// Forgets a user's hashes.
pub fn forget(tenant: TenantId, user: UserId) -> [Query; 2] {
    [
        sql("DELETE FROM passwords WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user),
        sql("DELETE FROM former_passwords WHERE tenant_id = $1 AND user_id = $2")
            .bind(tenant)
            .bind(user),
    ]
}
