//! Second-factor steps in progress.

use super::login::{count, default_method, methods};
use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::{factor::Method, guessing::Count, user::User},
    error::Result,
    id::{ChallengeId, DeviceId, TenantId, UserId},
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
    /// Whose count its failures go by.
    pub subject: [u8; 32],
    /// The client that tokens are minted for at its end.
    pub client_id: Option<String>,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Begins a step, if the user is still active and the credentials are those that were checked.
pub fn insert(tenant: TenantId, new: &New) -> Query {
    sql("INSERT INTO challenges (tenant_id, id, user_id, digest, purpose, epoch, remember, created_at, \
                                 expires_at, subject, client_id) \
         SELECT u.tenant_id, $2, u.id, $4, $5, u.epoch, $7, $8, $9, $10, $11 FROM users u \
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
        .bind(new.subject)
        .bind(new.client_id.clone())
}

/// Keeps only the newest `keep` steps of a user, so that right passwords alone do not fill the
/// table. The step `new` stays in any case: the clocks of two nodes may differ.
pub fn push_out(tenant: TenantId, user: UserId, new: ChallengeId, keep: i64) -> Query {
    sql("DELETE FROM challenges WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 AND id NOT IN \
         (SELECT id FROM challenges WHERE tenant_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT $4)")
        .bind(tenant)
        .bind(user)
        .bind(new)
        .bind(keep)
}

/// Ends all steps of a user.
pub fn end_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM challenges WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// What to look for at a step.
#[derive(Debug, Clone)]
pub struct Search {
    /// The digest of its token.
    pub digest: [u8; 32],
    /// The device, by the digest of its cookie.
    pub device: Option<[u8; 32]>,
    /// The kind of device and its network.
    pub place: String,
    /// The keyed digest of a backup code, where one was shown.
    pub backup_code: Option<[u8; 32]>,
    /// Wrong answers that end a step.
    pub max_failures: u32,
    /// The time now.
    pub now: Timestamp,
}

/// A step under way, and all that its next answer is judged by.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which one.
    pub id: ChallengeId,
    /// `verify` or `enrol`.
    pub purpose: String,
    /// Whose.
    pub user: User,
    /// The epoch of the credentials that were checked.
    pub epoch: i64,
    /// Whether the session is to outlive the browser.
    pub remember: bool,
    /// The client that tokens are minted for at its end.
    pub client_id: Option<String>,
    /// Whose count its failures go by.
    pub subject: [u8; 32],
    /// That count.
    pub count: Option<Count>,
    /// The keyed digest of the mailed code.
    pub email_code: Option<[u8; 32]>,
    /// When it was mailed.
    pub email_sent_at: Timestamp,
    /// How many were mailed.
    pub email_sends: u32,
    /// When the step ends.
    pub expires_at: Timestamp,
    /// The second factors that are enrolled, strongest first.
    pub methods: Vec<Method>,
    /// The one the user wants to be asked for first.
    pub default_method: Option<Method>,
    /// The sealed key of the authenticator app, and the last time step that was used.
    pub totp: Option<(Vec<u8>, i64)>,
    /// Whether the backup code that was shown is one that is left.
    pub backup_code_good: bool,
    /// The known device whose cookie was shown.
    pub device: Option<DeviceId>,
    /// Whether the user has signed in from this kind of device and network before.
    pub place_known: bool,
}

impl FromRow for Step {
    fn from_row(row: &Row) -> Result<Self> {
        let totp = match (row.get("totp_secret")?, row.get("totp_step")?) {
            (Some(secret), Some(step)) => Some((secret, step)),
            _ => None,
        };
        Ok(Self {
            id: row.get("challenge_id")?,
            purpose: row.get("purpose")?,
            user: User::from_row(row)?,
            epoch: row.get("epoch")?,
            remember: row.get("remember")?,
            client_id: row.get("client_id")?,
            subject: row.get::<Option<[u8; 32]>>("subject")?.unwrap_or_default(),
            count: count(row, ["factor_failures", "factor_first", "factor_last"])?,
            email_code: row.get("email_code")?,
            email_sent_at: row.get("email_sent_at")?,
            email_sends: row.get("email_sends")?,
            expires_at: row.get("expires_at")?,
            methods: methods(row)?,
            default_method: default_method(row)?,
            totp,
            backup_code_good: row.get("backup_code_good")?,
            device: row.get("device_id")?,
            place_known: row.get::<Option<DeviceId>>("place_id")?.is_some(),
        })
    }
}

/// The step of a token, if it lives: neither used, nor over, nor failed too often, its user active
/// and the credentials those that were checked.
pub async fn find(tx: &mut Tx, tenant: TenantId, search: &Search) -> Result<Option<Step>> {
    sql("SELECT c.id AS challenge_id, c.purpose, c.epoch, c.remember, c.client_id, c.subject, \
                c.email_code, c.email_sent_at, c.email_sends, c.expires_at, \
                u.id, u.tenant_id, u.email, u.email_key, u.email_verified_at, u.status, u.first_name, \
                u.last_name, u.locale, u.identity_source, u.identity_provider, \
                u.must_change_password, u.created_at, u.default_method, \
                ft.secret AS totp_secret, ft.last_step AS totp_step, \
                ft.kind IS NOT NULL AS has_totp, fe.kind IS NOT NULL AS has_email, \
                EXISTS (SELECT 1 FROM passkeys k WHERE k.tenant_id = $1 AND k.user_id = u.id) \
                    AS has_webauthn, \
                EXISTS (SELECT 1 FROM backup_codes b WHERE b.tenant_id = $1 AND b.user_id = u.id \
                         AND b.used_at IS NULL) AS has_backup_code, \
                EXISTS (SELECT 1 FROM backup_codes b WHERE b.tenant_id = $1 AND b.user_id = u.id \
                         AND b.digest = $6 AND b.used_at IS NULL) AS backup_code_good, \
                d.id AS device_id, dp.id AS place_id, \
                a.failures AS factor_failures, a.first_at AS factor_first, a.last_at AS factor_last \
         FROM challenges c \
         JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id AND u.epoch = c.epoch \
         LEFT JOIN factors ft ON ft.tenant_id = $1 AND ft.user_id = u.id AND ft.kind = 'totp' \
         LEFT JOIN factors fe ON fe.tenant_id = $1 AND fe.user_id = u.id AND fe.kind = 'email' \
         LEFT JOIN devices d ON d.tenant_id = $1 AND d.user_id = u.id AND d.digest = $4 \
         LEFT JOIN devices dp ON dp.tenant_id = $1 AND dp.user_id = u.id AND dp.place = $5 \
         LEFT JOIN attempts a ON a.tenant_id = $1 AND a.subject = c.subject \
         WHERE c.tenant_id = $1 AND c.digest = $2 AND c.used_at IS NULL AND c.expires_at > $3 \
           AND c.failures < $7 AND u.status = 'active' AND u.deleted_at IS NULL")
        .bind(tenant)
        .bind(search.digest)
        .bind(search.now)
        .bind(search.device.map(|digest| digest.to_vec()))
        .bind(search.place.as_str())
        .bind(search.backup_code.map(|digest| digest.to_vec()))
        .bind(search.max_failures)
        .optional(tx)
        .await
}

/// Whose step it is, alive or not.
pub async fn owner(tx: &mut Tx, tenant: TenantId, digest: [u8; 32]) -> Result<Option<UserId>> {
    sql("SELECT user_id FROM challenges WHERE tenant_id = $1 AND digest = $2")
        .bind(tenant)
        .bind(digest)
        .optional(tx)
        .await
}

/// Whether a step is neither used nor past its time.
pub async fn is_open(
    tx: &mut Tx,
    tenant: TenantId,
    id: ChallengeId,
    now: Timestamp,
) -> Result<bool> {
    let found: Option<String> = sql("SELECT id FROM challenges \
         WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3")
    .bind(tenant)
    .bind(id)
    .bind(now)
    .optional(tx)
    .await?;
    Ok(found.is_some())
}

/// Uses up a step; 0 rows where it was used or ended meanwhile.
pub fn consume(tenant: TenantId, id: ChallengeId, max_failures: u32, now: Timestamp) -> Query {
    sql("UPDATE challenges SET used_at = $3, email_code = NULL \
         WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3 AND failures < $4")
    .bind(tenant)
    .bind(id)
    .bind(now)
    .bind(max_failures)
}

/// Counts a wrong answer.
pub fn fail(tenant: TenantId, id: ChallengeId) -> Query {
    sql("UPDATE challenges SET failures = failures + 1 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
}

/// Puts a freshly mailed code in the place of the older one; 0 rows where `limit` were mailed, one
/// was mailed after `before`, or the step was used meanwhile.
pub fn set_email_code(
    tenant: TenantId,
    id: ChallengeId,
    code: [u8; 32],
    (limit, before): (u32, Timestamp),
    now: Timestamp,
) -> Query {
    sql("UPDATE challenges SET email_code = $3, email_sent_at = $6, email_sends = email_sends + 1 \
         WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL AND email_sends < $4 \
           AND email_sent_at <= $5")
    .bind(tenant)
    .bind(id)
    .bind(code)
    .bind(limit)
    .bind(before)
    .bind(now)
}

/// Ends up to `limit` steps of a tenant that began at `until` or before.
pub fn end_batch(tenant: TenantId, until: Timestamp, limit: i64) -> Query {
    sql("DELETE FROM challenges WHERE tenant_id = $1 AND id IN \
         (SELECT id FROM challenges WHERE tenant_id = $1 AND created_at <= $2 LIMIT $3)")
    .bind(tenant)
    .bind(until)
    .bind(limit)
}
