//! Families of refresh tokens: one row for all that follow from one sign-in.

use super::tenants::TenantRow;
use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::{
        oauth::claims::Known,
        session::Persistence,
        token::{Family, Use},
    },
    error::Result,
    id::{ApplicationId, GrantId, Realm, SessionId, TenantId, UserId},
};

/// A family about to begin.
#[derive(Debug, Clone)]
pub struct New {
    /// Which one.
    pub id: GrantId,
    /// The session that it lives and ends with.
    pub session: SessionId,
    /// Whom its tokens are made for.
    pub client_id: String,
    /// What they are good for.
    pub scope: String,
    /// How the user proved who he is, space separated (RFC 8176).
    pub auth_methods: String,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// The digest of its first token.
    pub digest: [u8; 32],
    /// The digest of who may refresh them.
    pub holder: [u8; 32],
    /// When.
    pub now: Timestamp,
}

/// A family as a refresh has to know it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Whose.
    pub user: UserId,
    /// The session that it lives with.
    pub session: Option<SessionId>,
    /// Whom its tokens are made for.
    pub client_id: String,
    /// The application, where it is one.
    pub application: Option<ApplicationId>,
    /// What more its tokens say, JSON.
    pub details: Option<String>,
    /// What is known about the user.
    pub person: Known,
    /// What they are good for.
    pub scope: String,
    /// How the user proved who he is.
    pub auth_methods: String,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// When the family began.
    pub created_at: Timestamp,
    /// What a token is judged by.
    pub family: Family,
    /// What was drawn at the last exchange.
    pub salt: Option<[u8; 32]>,
    /// What the limits of its session are computed from.
    pub lives: Use,
    /// The tenant's name in addresses.
    pub slug: String,
    /// The tenant.
    pub tenant: TenantRow,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        let previous = match (row.get("previous_digest")?, row.get("rotated_at")?) {
            (Some(digest), Some(at)) => Some((digest, at)),
            _ => None,
        };
        Ok(Self {
            user: row.get("user_id")?,
            session: row.get("session_id")?,
            client_id: row.get("client_id")?,
            application: row.get("application_id")?,
            details: row.get("details")?,
            person: Known::from_row(row)?,
            scope: row.get("scope")?,
            auth_methods: row.get("auth_methods")?,
            authenticated_at: row.get("authenticated_at")?,
            created_at: row.get("grant_created_at")?,
            family: Family { current: row.get("digest")?, previous, is_live: row.get("is_live")? },
            salt: row.get("salt")?,
            lives: Use {
                persistence: Persistence::from_flag(
                    row.get::<Option<bool>>("remember")?.unwrap_or(false),
                ),
                absolute: row.get("expires_at")?,
            },
            slug: row.get("slug")?,
            tenant: TenantRow::from_row(row)?,
        })
    }
}

/// Begins a family in a session that was opened in the same transaction; 0 rows where it was not.
pub fn insert(tenant: TenantId, new: &New) -> Query {
    sql("INSERT INTO grants (tenant_id, id, user_id, session_id, client_id, scope, epoch, auth_methods, \
                             authenticated_at, digest, created_at, expires_at, holder) \
         SELECT s.tenant_id, $2, s.user_id, s.id, $4, $5, s.epoch, $6, $7, $8, $9, s.expires_at, $10 \
         FROM sessions s WHERE s.tenant_id = $1 AND s.id = $3")
        .bind(tenant)
        .bind(new.id)
        .bind(new.session)
        .bind(new.client_id.as_str())
        .bind(new.scope.as_str())
        .bind(new.auth_methods.as_str())
        .bind(new.authenticated_at)
        .bind(new.digest)
        .bind(new.now)
        .bind(new.holder)
}

/// A family of an application about to begin.
#[derive(Debug, Clone)]
pub struct NewOfApplication {
    /// Which one.
    pub id: GrantId,
    /// The session that it begins in.
    pub session: SessionId,
    /// Whose session that has to be.
    pub user: UserId,
    /// The application.
    pub application: ApplicationId,
    /// What it is known by.
    pub client_id: String,
    /// What the tokens are good for.
    pub scope: String,
    /// How the user proved who he is, space separated (RFC 8176).
    pub auth_methods: String,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// The digest of its first refresh token.
    pub digest: [u8; 32],
    /// The digest of who may refresh them.
    pub holder: [u8; 32],
    /// What more its tokens say, JSON.
    pub details: String,
    /// Until when it lives without its session; `None`: it ends with it.
    pub offline_until: Option<Timestamp>,
    /// When.
    pub now: Timestamp,
}

/// Begins a family of an application in a session that lives; 0 rows where it does not.
pub fn insert_of_application(tenant: TenantId, new: &NewOfApplication) -> Query {
    sql("INSERT INTO grants (tenant_id, id, user_id, session_id, client_id, scope, epoch, auth_methods, \
                             authenticated_at, digest, created_at, expires_at, application_id, \
                             details, holder) \
         SELECT s.tenant_id, $2, s.user_id, CASE WHEN $10 IS NULL THEN s.id ELSE NULL END, $4, $5, \
                s.epoch, $6, $7, $8, $9, COALESCE($10, s.expires_at), $11, $12, $14 \
         FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id \
         WHERE s.tenant_id = $1 AND s.id = $3 AND s.user_id = $13 AND s.epoch = u.epoch \
           AND u.status = 'active' AND u.deleted_at IS NULL")
        .bind(tenant)
        .bind(new.id)
        .bind(new.session)
        .bind(new.client_id.as_str())
        .bind(new.scope.as_str())
        .bind(new.auth_methods.as_str())
        .bind(new.authenticated_at)
        .bind(new.digest)
        .bind(new.now)
        .bind(new.offline_until)
        .bind(new.application)
        .bind(new.details.as_str())
        .bind(new.user)
        .bind(new.holder)
}

/// An access token of a family, by which it may be dead even where the family lives.
#[derive(Debug, Clone, Copy)]
pub struct Single {
    /// Who issued it.
    pub realm: Realm,
    /// The digest of its id.
    pub digest: [u8; 32],
}

/// The family that a token names, with its tenant and everything that it rests on. An access token
/// that was revoked by itself is dead.
pub async fn facts(
    tx: &mut Tx,
    tenant: TenantId,
    id: GrantId,
    single: Option<Single>,
    now: Timestamp,
) -> Result<Option<Found>> {
    look(tenant, id, single, now).optional(tx).await
}

/// What [`facts`] asks.
pub fn look(tenant: TenantId, id: GrantId, single: Option<Single>, now: Timestamp) -> Query {
    sql("SELECT g.user_id, g.session_id, g.client_id, g.scope, g.auth_methods, g.authenticated_at, \
                g.application_id, g.details, g.created_at AS grant_created_at, \
                u.email, u.email_verified_at, u.first_name, u.last_name, u.locale, \
                u.custom_data, u.updated_at AS user_updated_at, \
                g.digest, g.previous_digest, g.rotated_at, g.salt, g.expires_at, s.remember, \
                CASE WHEN u.status = 'active' AND u.deleted_at IS NULL AND u.epoch = g.epoch \
                      AND g.expires_at > $3 AND t.status = 'active' AND t.deleted_at IS NULL \
                      AND p.status = 'active' AND p.deleted_at IS NULL \
                      AND (g.session_id IS NULL \
                           OR (s.epoch = u.epoch AND s.idle_expires_at > $3 AND s.expires_at > $3)) \
                      AND NOT EXISTS (SELECT 1 FROM revoked_tokens r \
                                      WHERE r.realm = $4 AND r.digest = $5) \
                     THEN TRUE ELSE FALSE END AS is_live, \
                t.slug, t.id, t.partner_id, t.name, t.status, t.settings, t.branding, \
                p.status AS partner_status, p.settings AS partner_settings, \
                p.branding AS partner_branding \
         FROM grants g \
         JOIN users u ON u.tenant_id = g.tenant_id AND u.id = g.user_id \
         JOIN tenants t ON t.id = g.tenant_id JOIN partners p ON p.id = t.partner_id \
         LEFT JOIN sessions s ON s.tenant_id = g.tenant_id AND s.id = g.session_id \
         WHERE g.tenant_id = $1 AND g.id = $2")
        .bind(tenant)
        .bind(id)
        .bind(now)
        .bind(single.map(|it| it.realm))
        .bind(single.map(|it| it.digest))
}

/// The exchange of a token for the next one.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Of which family.
    pub id: GrantId,
    /// The digest of the token that was shown.
    pub shown: [u8; 32],
    /// The digest of its successor.
    pub next: [u8; 32],
    /// What the successor follows from, together with the token itself.
    pub salt: [u8; 32],
    /// Who shows it, by name and digest, where that is compared here.
    pub holder: Option<(String, [u8; 32])>,
    /// When.
    pub now: Timestamp,
}

/// Exchanges a token, if it is the family's current one and everything it rests on still holds: of
/// any number at the same time, one changes a row.
pub fn rotate(tenant: TenantId, rotation: &Rotation) -> Query {
    sql("UPDATE grants SET previous_digest = digest, digest = $4, salt = $5, rotated_at = $6 \
         WHERE tenant_id = $1 AND id = $2 AND digest = $3 AND expires_at > $6 \
           AND ($7 IS NULL OR (holder = $7 AND client_id = $8)) AND EXISTS \
             (SELECT 1 FROM users u \
              JOIN tenants t ON t.id = u.tenant_id JOIN partners p ON p.id = t.partner_id \
              LEFT JOIN sessions s ON s.tenant_id = u.tenant_id AND s.id = grants.session_id \
              WHERE u.tenant_id = $1 AND u.id = grants.user_id AND u.epoch = grants.epoch \
                AND u.status = 'active' AND u.deleted_at IS NULL \
                AND t.status = 'active' AND t.deleted_at IS NULL \
                AND p.status = 'active' AND p.deleted_at IS NULL \
                AND (grants.session_id IS NULL \
                     OR (s.epoch = u.epoch AND s.idle_expires_at > $6 AND s.expires_at > $6)))")
    .bind(tenant)
    .bind(rotation.id)
    .bind(rotation.shown)
    .bind(rotation.next)
    .bind(rotation.salt)
    .bind(rotation.now)
    .bind(rotation.holder.as_ref().map(|(_, digest)| *digest))
    .bind(rotation.holder.as_ref().map(|(client_id, _)| client_id.clone()))
}

/// Takes an exchange back of which nobody has heard: the token is the family's current one again,
/// and what was before it as `was` has it.
pub fn take_back(tenant: TenantId, rotation: &Rotation, was: &Found) -> Query {
    let previous = was.family.previous;
    sql("UPDATE grants SET digest = $3, previous_digest = $5, salt = $6, rotated_at = $7 \
         WHERE tenant_id = $1 AND id = $2 AND digest = $4 AND previous_digest = $3")
    .bind(tenant)
    .bind(rotation.id)
    .bind(rotation.shown)
    .bind(rotation.next)
    .bind(previous.map(|(digest, _)| digest))
    .bind(was.salt)
    .bind(previous.map(|(_, at)| at))
}

/// As [`hold_session`], of whatever session a family is in: until the first of `idle` where it does
/// not outlive the browser, the second where it does, and never past its end.
pub fn hold_session_of(
    tenant: TenantId,
    id: GrantId,
    idle: [Timestamp; 2],
    now: Timestamp,
) -> Query {
    let [browser, remembered] = idle;
    sql("UPDATE sessions SET \
             last_seen_at = CASE WHEN last_seen_at < $5 THEN $5 ELSE last_seen_at END, \
             idle_expires_at = CASE \
                 WHEN (CASE WHEN remember THEN $4 ELSE $3 END) >= expires_at THEN expires_at \
                 WHEN (CASE WHEN remember THEN $4 ELSE $3 END) > idle_expires_at \
                     THEN (CASE WHEN remember THEN $4 ELSE $3 END) \
                 ELSE idle_expires_at END \
         WHERE tenant_id = $1 AND idle_expires_at > $5 AND expires_at > $5 AND id = \
             (SELECT g.session_id FROM grants g WHERE g.tenant_id = $1 AND g.id = $2)")
    .bind(tenant)
    .bind(id)
    .bind(browser)
    .bind(remembered)
    .bind(now)
}

/// Notes that a session was used, and lets it live until `idle` at least. It comes before whatever
/// else a transaction changes of a family, since ending a session locks it first, too.
pub fn hold_session(
    tenant: TenantId,
    session: SessionId,
    idle: Timestamp,
    now: Timestamp,
) -> Query {
    sql("UPDATE sessions SET \
             last_seen_at = CASE WHEN last_seen_at < $4 THEN $4 ELSE last_seen_at END, \
             idle_expires_at = CASE WHEN idle_expires_at < $3 THEN $3 ELSE idle_expires_at END \
         WHERE tenant_id = $1 AND id = $2 AND idle_expires_at > $4 AND expires_at > $4")
    .bind(tenant)
    .bind(session)
    .bind(idle)
    .bind(now)
}

/// Ends a family.
pub fn end(tenant: TenantId, id: GrantId) -> Query {
    sql("DELETE FROM grants WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id)
}

/// Lets the families of a session live on into the present epoch of its user's credentials.
pub fn carry_over(tenant: TenantId, session: SessionId) -> Query {
    sql("UPDATE grants SET epoch = (SELECT u.epoch FROM users u \
             WHERE u.tenant_id = grants.tenant_id AND u.id = grants.user_id) \
         WHERE tenant_id = $1 AND session_id = $2")
    .bind(tenant)
    .bind(session)
}

/// Ends all families of a user.
pub fn end_all(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM grants WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// Ends all families of an application.
pub fn end_application_all_tenants(application: ApplicationId) -> Query {
    sql("DELETE FROM grants WHERE application_id = $1").bind(application)
}

struct Id(GrantId);

impl FromRow for Id {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("id")?))
    }
}

/// The newest family that an application has in a session of its user.
pub async fn newest_in_session(
    tx: &mut Tx,
    tenant: TenantId,
    session: SessionId,
    application: ApplicationId,
) -> Result<Option<GrantId>> {
    let found: Option<Id> = sql("SELECT id FROM grants \
         WHERE tenant_id = $1 AND session_id = $2 AND application_id = $3 \
         ORDER BY created_at DESC, id DESC LIMIT 1")
    .bind(tenant)
    .bind(session)
    .bind(application)
    .optional(tx)
    .await?;
    Ok(found.map(|Id(id)| id))
}

/// A live family of an application, as its user sees it.
#[derive(Debug, Clone)]
pub struct OfApplication {
    /// Which application.
    pub application: ApplicationId,
    /// What its tokens are good for.
    pub scope: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When its refresh token was last exchanged.
    pub rotated_at: Option<Timestamp>,
}

impl FromRow for OfApplication {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            application: row.get("application_id")?,
            scope: row.get("scope")?,
            created_at: row.get("created_at")?,
            rotated_at: row.get("rotated_at")?,
        })
    }
}

/// The live families that applications have of a user.
pub async fn of_applications(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<OfApplication>> {
    sql("SELECT g.application_id, g.scope, g.created_at, g.rotated_at \
         FROM grants g JOIN users u ON u.tenant_id = g.tenant_id AND u.id = g.user_id \
         WHERE g.tenant_id = $1 AND g.user_id = $2 AND g.application_id IS NOT NULL \
           AND g.epoch = u.epoch AND g.expires_at > $3 \
         ORDER BY g.application_id, g.created_at LIMIT 1000")
    .bind(tenant)
    .bind(user)
    .bind(now)
    .all(tx)
    .await
}

/// Ends all families that an application has of a user.
pub fn end_of_application(tenant: TenantId, user: UserId, application: ApplicationId) -> Query {
    sql("DELETE FROM grants WHERE tenant_id = $1 AND user_id = $2 AND application_id = $3")
        .bind(tenant)
        .bind(user)
        .bind(application)
}

/// Ends up to `limit` families of a tenant that began at `until` or before.
pub fn end_batch(tenant: TenantId, until: Timestamp, limit: i64) -> Query {
    sql("DELETE FROM grants WHERE tenant_id = $1 AND id IN \
         (SELECT id FROM grants WHERE tenant_id = $1 AND created_at <= $2 LIMIT $3)")
    .bind(tenant)
    .bind(until)
    .bind(limit)
}
