//! Authorization requests between the first look at them and the code. Found by the digest of what
//! the browser or the application shows, within a realm.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{ApplicationId, Realm, SessionId, TenantId},
};

/// A request about to be kept.
#[derive(Debug, Clone)]
pub struct New {
    /// The digest of its handle.
    pub digest: [u8; 32],
    /// Of which application.
    pub application: ApplicationId,
    /// The digest of the browser's cookie; `None`: pushed.
    pub browser: Option<[u8; 32]>,
    /// The request, JSON.
    pub request: String,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A request that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The digest of its handle.
    pub digest: [u8; 32],
    /// Of which application.
    pub application: ApplicationId,
    /// The request, JSON.
    pub request: String,
    /// The tenant that was chosen for it.
    pub chosen_tenant: Option<TenantId>,
    /// The session that was chosen for it.
    pub chosen_session: Option<SessionId>,
    /// When it was first seen.
    pub created_at: Timestamp,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            digest: row.get("digest")?,
            application: row.get("application_id")?,
            request: row.get("request")?,
            chosen_tenant: row.get("chosen_tenant")?,
            chosen_session: row.get("chosen_session")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// Keeps a request.
pub fn insert(realm: Realm, new: &New) -> Query {
    sql("INSERT INTO authorization_requests (realm, digest, application_id, browser, request, \
                created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(realm)
    .bind(new.digest)
    .bind(new.application)
    .bind(new.browser)
    .bind(new.request.as_str())
    .bind(new.now)
    .bind(new.expires_at)
}

/// Drops the oldest requests of a browser beyond `keep`.
pub fn push_out(realm: Realm, browser: [u8; 32], keep: i64) -> Query {
    sql("DELETE FROM authorization_requests WHERE realm = $1 AND browser = $2 AND digest IN \
             (SELECT digest FROM authorization_requests WHERE realm = $1 AND browser = $2 \
              ORDER BY created_at DESC, digest LIMIT 1000 OFFSET $3)")
    .bind(realm)
    .bind(browser)
    .bind(keep)
}

/// The pending request of a handle, if it is the browser's.
pub async fn pending(
    tx: &mut Tx,
    realm: Realm,
    digest: [u8; 32],
    browser: [u8; 32],
    now: Timestamp,
) -> Result<Option<Found>> {
    sql("SELECT digest, application_id, request, chosen_tenant, chosen_session, created_at \
         FROM authorization_requests \
         WHERE realm = $1 AND digest = $2 AND browser = $3 AND expires_at > $4")
    .bind(realm)
    .bind(digest)
    .bind(browser)
    .bind(now)
    .optional(tx)
    .await
}

/// Whose request a handle of a browser is, also where that is too late.
pub async fn application(
    tx: &mut Tx,
    realm: Realm,
    digest: [u8; 32],
    browser: [u8; 32],
) -> Result<Option<ApplicationId>> {
    let found: Option<(ApplicationId,)> = sql("SELECT application_id FROM authorization_requests \
         WHERE realm = $1 AND digest = $2 AND browser = $3")
    .bind(realm)
    .bind(digest)
    .bind(browser)
    .optional(tx)
    .await?;
    Ok(found.map(|(id,)| id))
}

/// The newest pending request of a browser.
pub async fn newest(
    tx: &mut Tx,
    realm: Realm,
    browser: [u8; 32],
    now: Timestamp,
) -> Result<Option<Found>> {
    sql("SELECT digest, application_id, request, chosen_tenant, chosen_session, created_at \
         FROM authorization_requests WHERE realm = $1 AND browser = $2 AND expires_at > $3 \
         ORDER BY created_at DESC, digest LIMIT 1")
    .bind(realm)
    .bind(browser)
    .bind(now)
    .optional(tx)
    .await
}

/// The pushed request of a handle and an application.
pub async fn pushed(
    tx: &mut Tx,
    realm: Realm,
    digest: [u8; 32],
    application: ApplicationId,
    now: Timestamp,
) -> Result<Option<Found>> {
    sql("SELECT digest, application_id, request, chosen_tenant, chosen_session, created_at \
         FROM authorization_requests \
         WHERE realm = $1 AND digest = $2 AND application_id = $3 AND browser IS NULL \
           AND expires_at > $4")
    .bind(realm)
    .bind(digest)
    .bind(application)
    .bind(now)
    .optional(tx)
    .await
}

/// Uses up a pushed request; of several at the same time, one changes a row.
pub fn take_pushed(realm: Realm, digest: [u8; 32]) -> Query {
    sql("DELETE FROM authorization_requests WHERE realm = $1 AND digest = $2 AND browser IS NULL")
        .bind(realm)
        .bind(digest)
}

/// Notes which tenant and session the person has chosen to go on with.
pub fn choose(
    realm: Realm,
    (digest, browser): ([u8; 32], [u8; 32]),
    tenant: TenantId,
    session: Option<SessionId>,
) -> Query {
    sql("UPDATE authorization_requests SET chosen_tenant = $4, chosen_session = $5 \
         WHERE realm = $1 AND digest = $2 AND browser = $3")
    .bind(realm)
    .bind(digest)
    .bind(browser)
    .bind(tenant)
    .bind(session)
}

/// Gives a pending request another handle, since we keep none that we could tell again.
pub fn rename(
    realm: Realm,
    (digest, browser): ([u8; 32], [u8; 32]),
    new_digest: [u8; 32],
) -> Query {
    sql("UPDATE authorization_requests SET digest = $4 \
         WHERE realm = $1 AND digest = $2 AND browser = $3")
    .bind(realm)
    .bind(digest)
    .bind(browser)
    .bind(new_digest)
}

/// Ends a pending request; of several at the same time, one changes a row.
pub fn end(realm: Realm, digest: [u8; 32], browser: [u8; 32]) -> Query {
    sql("DELETE FROM authorization_requests WHERE realm = $1 AND digest = $2 AND browser = $3")
        .bind(realm)
        .bind(digest)
        .bind(browser)
}
