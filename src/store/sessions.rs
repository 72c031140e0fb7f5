//! Sessions: rows that name no secret, only its digest.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::{
        session::{Expiry, Persistence, Session},
        user::User,
    },
    error::Result,
    id::{SessionId, TenantId, UserId},
};

/// A session about to be opened.
#[derive(Debug, Clone)]
pub struct New {
    /// Its public handle.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The digest of the cookie's secret.
    pub secret_digest: [u8; 32],
    /// The epoch of the credentials it was opened with.
    pub epoch: i64,
    /// Whether it outlives the browser.
    pub persistence: Persistence,
    /// How the user proved who he is, space separated (RFC 8176).
    pub auth_methods: String,
    /// From where.
    pub address: String,
    /// By which agent.
    pub agent: String,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expiry: Expiry,
}

impl FromRow for Session {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            persistence: Persistence::from_flag(row.get("remember")?),
            auth_methods: row.get("auth_methods")?,
            proved_at: row.get("proved_at")?,
            address: row.get("address")?,
            agent: row.get("agent")?,
            created_at: row.get("created_at")?,
            last_seen_at: row.get("last_seen_at")?,
            expiry: Expiry { idle: row.get("idle_expires_at")?, absolute: row.get("expires_at")? },
        })
    }
}

/// Opens a session, if the facts it rests on still hold: the user active, the credentials of the
/// same epoch, the password (where one was checked) still that one, the tenant and its partner in
/// use. 0 rows where one of them does not.
pub fn insert(tenant: TenantId, new: &New, checked_hash: Option<&str>) -> Query {
    sql("INSERT INTO sessions (tenant_id, id, user_id, secret_digest, epoch, remember, auth_methods, \
                               address, agent, created_at, last_seen_at, proved_at, \
                               idle_expires_at, expires_at) \
         SELECT u.tenant_id, $2, u.id, $4, u.epoch, $6, $7, $8, $9, $10, $10, $10, $11, $12 \
         FROM users u \
         JOIN tenants t ON t.id = u.tenant_id JOIN partners o ON o.id = t.partner_id \
         WHERE u.tenant_id = $1 AND u.id = $3 AND u.epoch = $5 AND u.status = 'active' \
           AND u.deleted_at IS NULL AND t.status = 'active' \
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM passwords p \
                 WHERE p.tenant_id = u.tenant_id AND p.user_id = u.id AND p.hash = $13)) \
           AND t.deleted_at IS NULL AND o.status = 'active' AND o.deleted_at IS NULL")
        .bind(tenant)
        .bind(new.id)
        .bind(new.user)
        .bind(new.secret_digest)
        .bind(new.epoch)
        .bind(new.persistence.is_remembered())
        .bind(new.auth_methods.as_str())
        .bind(new.address.as_str())
        .bind(new.agent.as_str())
        .bind(new.now)
        .bind(new.expiry.idle)
        .bind(new.expiry.absolute)
        .bind(checked_hash)
}

/// The session of a cookie, if it lives: neither limit passed, its user active, its epoch the
/// present one, its tenant and partner in use.
pub async fn live(
    tx: &mut Tx,
    tenant: TenantId,
    id: SessionId,
    secret_digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<Session>> {
    sql("SELECT s.id, s.user_id, s.remember, s.auth_methods, s.proved_at, s.address, s.agent, s.created_at, s.last_seen_at, \
                s.idle_expires_at, s.expires_at \
         FROM sessions s \
         JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id \
         JOIN tenants t ON t.id = s.tenant_id JOIN partners o ON o.id = t.partner_id \
         WHERE s.tenant_id = $1 AND s.id = $2 AND s.secret_digest = $3 \
           AND s.idle_expires_at > $4 AND s.expires_at > $4 AND s.epoch = u.epoch \
           AND u.status = 'active' AND u.deleted_at IS NULL \
           AND t.status = 'active' AND t.deleted_at IS NULL \
           AND o.status = 'active' AND o.deleted_at IS NULL")
    .bind(tenant)
    .bind(id)
    .bind(secret_digest)
    .bind(now)
    .optional(tx)
    .await
}

/// A live session with its user, as self-service wants them.
#[derive(Debug, Clone)]
pub struct Held {
    /// The session.
    pub session: Session,
    /// The digest of its cookie's secret.
    pub secret_digest: [u8; 32],
    /// Its user.
    pub user: User,
    /// The epoch of the user's credentials.
    pub epoch: i64,
}

impl FromRow for Held {
    fn from_row(row: &Row) -> Result<Self> {
        let user = User::from_row(row)?;
        Ok(Self {
            session: Session {
                id: row.get("session_id")?,
                user: user.id,
                persistence: Persistence::from_flag(row.get("remember")?),
                auth_methods: row.get("auth_methods")?,
                proved_at: row.get("proved_at")?,
                address: row.get("address")?,
                agent: row.get("agent")?,
                created_at: row.get("session_created_at")?,
                last_seen_at: row.get("last_seen_at")?,
                expiry: Expiry {
                    idle: row.get("idle_expires_at")?,
                    absolute: row.get("expires_at")?,
                },
            },
            secret_digest: row.get("secret_digest")?,
            epoch: row.get("epoch")?,
            user,
        })
    }
}

/// As [`live`], with the user. Without a digest the session is found by its id alone: for a caller
/// who has shown a token that names it.
pub async fn held(
    tx: &mut Tx,
    tenant: TenantId,
    id: SessionId,
    secret_digest: Option<[u8; 32]>,
    now: Timestamp,
) -> Result<Option<Held>> {
    sql("SELECT s.id AS session_id, s.secret_digest, s.remember, s.auth_methods, s.proved_at, \
                s.address, s.agent, s.created_at AS session_created_at, s.last_seen_at, \
                s.idle_expires_at, s.expires_at, \
                u.id, u.tenant_id, u.email, u.email_key, u.email_verified_at, u.status, u.first_name, \
                u.last_name, u.locale, u.identity_source, u.identity_provider, \
                u.must_change_password, u.created_at, u.epoch \
         FROM sessions s \
         JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id \
         JOIN tenants t ON t.id = s.tenant_id JOIN partners o ON o.id = t.partner_id \
         WHERE s.tenant_id = $1 AND s.id = $2 AND ($3 IS NULL OR s.secret_digest = $3) \
           AND s.idle_expires_at > $4 AND s.expires_at > $4 AND s.epoch = u.epoch \
           AND u.status = 'active' AND u.deleted_at IS NULL \
           AND t.status = 'active' AND t.deleted_at IS NULL \
           AND o.status = 'active' AND o.deleted_at IS NULL")
    .bind(tenant)
    .bind(id)
    .bind(secret_digest)
    .bind(now)
    .optional(tx)
    .await
}

/// Notes that a session was used; a session that has ended since stays ended.
pub async fn touch(
    tx: &mut Tx,
    tenant: TenantId,
    id: SessionId,
    idle: Timestamp,
    now: Timestamp,
) -> Result<()> {
    sql("UPDATE sessions SET last_seen_at = $3, idle_expires_at = $4 \
         WHERE tenant_id = $1 AND id = $2 AND last_seen_at < $3")
    .bind(tenant)
    .bind(id)
    .bind(now)
    .bind(idle)
    .execute(tx)
    .await?;
    Ok(())
}

/// The live sessions of a user, newest first.
pub async fn of_user(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Session>> {
    sql("SELECT s.id, s.user_id, s.remember, s.auth_methods, s.proved_at, s.address, s.agent, s.created_at, s.last_seen_at, \
                s.idle_expires_at, s.expires_at \
         FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id \
         WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.idle_expires_at > $3 AND s.expires_at > $3 \
           AND s.epoch = u.epoch ORDER BY s.id DESC LIMIT 1000")
        .bind(tenant)
        .bind(user)
        .bind(now)
        .all(tx)
        .await
}

/// Ends one session; `false` where there is none.
pub async fn end(tx: &mut Tx, tenant: TenantId, id: SessionId) -> Result<bool> {
    let ended = sql("DELETE FROM sessions WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(ended == 1)
}

/// Ends all sessions of a user.
pub fn end_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// Ends all sessions of a user but one.
pub fn end_others(tenant: TenantId, user: UserId, keep: SessionId) -> Query {
    sql("DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id <> $3")
        .bind(tenant)
        .bind(user)
        .bind(keep)
}

/// Ends one session of a user; 0 rows where the user has none of that id.
pub fn end_own(tenant: TenantId, user: UserId, id: SessionId) -> Query {
    sql("DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id = $3")
        .bind(tenant)
        .bind(user)
        .bind(id)
}

/// Notes a fresh proof of who the user is, and gives the session a new secret; 0 rows where it has
/// ended or its secret is another one by now.
pub fn prove(
    tenant: TenantId,
    id: SessionId,
    (old, new): ([u8; 32], [u8; 32]),
    auth_methods: &str,
    now: Timestamp,
) -> Query {
    sql("UPDATE sessions SET proved_at = $5, secret_digest = $4, auth_methods = $6 \
         WHERE tenant_id = $1 AND id = $2 AND secret_digest = $3")
    .bind(tenant)
    .bind(id)
    .bind(old)
    .bind(new)
    .bind(now)
    .bind(auth_methods)
}

/// Lets a session live on into the present epoch of its user's credentials.
pub fn carry_over(tenant: TenantId, id: SessionId) -> Query {
    sql("UPDATE sessions SET epoch = (SELECT u.epoch FROM users u \
             WHERE u.tenant_id = sessions.tenant_id AND u.id = sessions.user_id) \
         WHERE tenant_id = $1 AND id = $2")
    .bind(tenant)
    .bind(id)
}

/// Ends up to `limit` sessions of a tenant that were opened at `until` or before.
pub fn end_batch(tenant: TenantId, until: Timestamp, limit: i64) -> Query {
    sql("DELETE FROM sessions WHERE tenant_id = $1 AND id IN \
         (SELECT id FROM sessions WHERE tenant_id = $1 AND created_at <= $2 LIMIT $3)")
    .bind(tenant)
    .bind(until)
    .bind(limit)
}
