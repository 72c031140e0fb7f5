//! The applications that a session was used with and that hear of its end.

use crate::{
    clock::Timestamp,
    db::{Query, sql},
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
