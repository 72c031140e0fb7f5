//! Second-factor steps in progress.

use crate::{
    clock::Timestamp,
    db::{Query, sql},
    id::{ChallengeId, TenantId, UserId},
};

/// A step about to begin.
#[derive(Debug, Clone)]
pub struct New {
    /// Which one.
    pub id: ChallengeId,
    /// Whose.
    pub user: UserId,
    /// The digest of its token.
    pub digest: [u8; 32],
    /// `verify`, or `enrol` where the user has no factor yet.
    pub purpose: &'static str,
    /// The epoch of the credentials that were checked.
    pub epoch: i64,
    /// Whether the session is to outlive the browser.
    pub remember: bool,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Begins a step, if the user is still active and the credentials are those that were checked.
pub fn insert(tenant: TenantId, new: &New) -> Query {
    sql("INSERT INTO challenges (tenant_id, id, user_id, digest, purpose, epoch, remember, created_at, \
                                 expires_at) \
         SELECT u.tenant_id, $2, u.id, $4, $5, u.epoch, $7, $8, $9 FROM users u \
         WHERE u.tenant_id = $1 AND u.id = $3 AND u.epoch = $6 AND u.status = 'active' \
           AND u.deleted_at IS NULL")
        .bind(tenant)
        .bind(new.id)
        .bind(new.user)
        .bind(new.digest)
        .bind(new.purpose)
        .bind(new.epoch)
        .bind(new.remember)
        .bind(new.now)
        .bind(new.expires_at)
}

/// Keeps only the newest `keep` steps of a user, so that right passwords alone do not fill the table.
pub fn push_out(tenant: TenantId, user: UserId, keep: i64) -> Query {
    sql("DELETE FROM challenges WHERE tenant_id = $1 AND user_id = $2 AND id NOT IN \
         (SELECT id FROM challenges WHERE tenant_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT $3)")
        .bind(tenant)
        .bind(user)
        .bind(keep)
}

/// Ends all steps of a user.
pub fn end_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM challenges WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}
