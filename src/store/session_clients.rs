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

/// Lets the applications of a session, and its families of refresh tokens, go on with another one
/// of the same user: two statements.
pub fn move_to(tenant: TenantId, from: SessionId, to: SessionId) -> [Query; 2] {
    [
        sql("UPDATE session_clients SET session = $3 WHERE tenant_id = $1 AND session = $2 \
                 AND EXISTS (SELECT 1 FROM sessions a JOIN sessions b \
                     ON b.tenant_id = a.tenant_id AND b.user_id = a.user_id \
                     WHERE a.tenant_id = $1 AND a.id = $2 AND b.id = $3)")
        .bind(tenant)
        .bind(from)
        .bind(to),
        sql("UPDATE grants SET session_id = $3 WHERE tenant_id = $1 AND session_id = $2 \
                 AND EXISTS (SELECT 1 FROM sessions b \
                     WHERE b.tenant_id = $1 AND b.id = $3 AND b.user_id = grants.user_id)")
        .bind(tenant)
        .bind(from)
        .bind(to),
    ]
}

/// Forgets the sessions that an application was used with.
pub fn forget_application_all_tenants(application: ApplicationId) -> Query {
    sql("DELETE FROM session_clients WHERE application_id = $1").bind(application)
}
