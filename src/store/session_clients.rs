//! The applications that a session was used with and that hear of its end.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{ApplicationId, Realm, SessionId, TenantId},
};

/// An application that begins to use a session.
#[derive(Debug, Clone)]
pub struct New {
    /// Which session.
    pub session: SessionId,
    /// Which application.
    pub application: ApplicationId,
    /// In which realm.
    pub realm: Realm,
    /// Whom it knows the user as.
    pub sub: String,
    /// What it is known by.
    pub client_id: String,
    /// When.
    pub now: Timestamp,
}

/// Notes it, once for each session.
pub fn note(tenant: TenantId, new: &New) -> Query {
    sql("INSERT INTO session_clients (tenant_id, sid, application_id, session, realm, sub, client_id, \
                created_at) \
         SELECT s.tenant_id, s.id, $3, s.id, $4, $5, $6, $7 FROM sessions s \
         WHERE s.tenant_id = $1 AND s.id = $2 ON CONFLICT DO NOTHING")
    .bind(tenant)
    .bind(new.session)
    .bind(new.application)
    .bind(new.realm)
    .bind(new.sub.as_str())
    .bind(new.client_id.as_str())
    .bind(new.now)
}

/// An application that hears of the end of a session.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Which.
    pub application: ApplicationId,
    /// What it knows the session by.
    pub sid: SessionId,
    /// In which realm.
    pub realm: Realm,
}

impl FromRow for Listener {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            application: row.get("application_id")?,
            sid: row.get("sid")?,
            realm: row.get("realm")?,
        })
    }
}

/// The applications of a session.
pub async fn of_session(
    tx: &mut Tx,
    tenant: TenantId,
    session: SessionId,
) -> Result<Vec<Listener>> {
    sql("SELECT sid, application_id, realm FROM session_clients \
         WHERE tenant_id = $1 AND session = $2 ORDER BY application_id, sid LIMIT 100")
    .bind(tenant)
    .bind(session)
    .all(tx)
    .await
}

/// A notice that a session has ended, claimed.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Of which tenant's session.
    pub tenant: TenantId,
    /// What the application knows the session by.
    pub sid: SessionId,
    /// Which application is told.
    pub application: ApplicationId,
    /// In which realm.
    pub realm: Realm,
    /// Whom it knows the user as.
    pub sub: String,
    /// What it is known by.
    pub client_id: String,
    /// How often it was tried, this time included.
    pub tries: u32,
}

impl FromRow for Notice {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant_id")?,
            sid: row.get("sid")?,
            application: row.get("application_id")?,
            realm: row.get("realm")?,
            sub: row.get("sub")?,
            client_id: row.get("client_id")?,
            tries: u32::try_from(row.get::<i64>("tries")?).unwrap_or(u32::MAX),
        })
    }
}

/// Claims up to `limit` due notices of all tenants until `until`, those first that were tried
/// least. The outer condition is judged again on rows that another node has claimed meanwhile, so
/// that none is claimed twice.
pub async fn claim_all_tenants(
    tx: &mut Tx,
    limit: i64,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Notice>> {
    sql("UPDATE session_clients SET next_try_at = $1, tries = tries + 1 \
         WHERE session IS NULL AND next_try_at <= $2 \
           AND (tenant_id, sid, application_id) IN \
               (SELECT tenant_id, sid, application_id FROM session_clients \
                WHERE session IS NULL AND next_try_at <= $2 \
                ORDER BY tries, next_try_at LIMIT $3) \
         RETURNING tenant_id, sid, application_id, realm, sub, client_id, tries")
    .bind(until)
    .bind(now)
    .bind(limit)
    .all(tx)
    .await
}

/// Drops a notice: the application knows, or never will.
pub fn done(tenant: TenantId, sid: SessionId, application: ApplicationId) -> Query {
    sql("DELETE FROM session_clients \
         WHERE tenant_id = $1 AND sid = $2 AND application_id = $3 AND session IS NULL")
    .bind(tenant)
    .bind(sid)
    .bind(application)
}

/// Lets a notice wait until `next_try_at`.
pub fn postpone(
    tenant: TenantId,
    sid: SessionId,
    application: ApplicationId,
    next_try_at: Timestamp,
) -> Query {
    sql("UPDATE session_clients SET next_try_at = $4 \
         WHERE tenant_id = $1 AND sid = $2 AND application_id = $3 AND session IS NULL")
    .bind(tenant)
    .bind(sid)
    .bind(application)
    .bind(next_try_at)
}

/// Lets another session of the same user take the place of one that a browser has shown: its
/// families of refresh tokens and its applications go on with the new one, and the old one ends. Of
/// another user, the old one only ends.
pub fn replace(
    tenant: TenantId,
    (old, secret_digest): (SessionId, [u8; 32]),
    new: SessionId,
) -> [Query; 3] {
    [
        sql("UPDATE session_clients SET session = $3 WHERE tenant_id = $1 AND session = $2 \
                 AND EXISTS (SELECT 1 FROM sessions a JOIN sessions b \
                     ON b.tenant_id = a.tenant_id AND b.user_id = a.user_id AND b.epoch = a.epoch \
                     WHERE a.tenant_id = $1 AND a.id = $2 AND a.secret_digest = $4 AND b.id = $3)")
        .bind(tenant)
        .bind(old)
        .bind(new)
        .bind(secret_digest),
        sql("UPDATE grants SET session_id = $3 WHERE tenant_id = $1 AND session_id = $2 \
                 AND EXISTS (SELECT 1 FROM sessions a JOIN sessions b \
                     ON b.tenant_id = a.tenant_id AND b.user_id = a.user_id AND b.epoch = a.epoch \
                     WHERE a.tenant_id = $1 AND a.id = $2 AND a.secret_digest = $4 AND b.id = $3)")
        .bind(tenant)
        .bind(old)
        .bind(new)
        .bind(secret_digest),
        sql("DELETE FROM sessions WHERE tenant_id = $1 AND id = $2 AND secret_digest = $3 \
                 AND EXISTS (SELECT 1 FROM sessions b WHERE b.tenant_id = $1 AND b.id = $4)")
        .bind(tenant)
        .bind(old)
        .bind(secret_digest)
        .bind(new),
    ]
}

/// Forgets the sessions that an application was used with.
pub fn forget_application_all_tenants(application: ApplicationId) -> Query {
    sql("DELETE FROM session_clients WHERE application_id = $1").bind(application)
}
