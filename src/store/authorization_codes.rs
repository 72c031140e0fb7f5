//! Authorization codes: made once, redeemed once. A redeemed one is remembered until its time is
//! over, so that a second use is seen.

use super::tenants::TenantRow;
use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::oauth::claims::Known,
    error::Result,
    id::{ApplicationId, GrantId, Realm, SessionId, TenantId, UserId},
};

/// A code about to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// Its digest.
    pub digest: [u8; 32],
    /// For which application.
    pub application: ApplicationId,
    /// In which session.
    pub session: SessionId,
    /// Whose session that has to be.
    pub user: UserId,
    /// The request that it answers, JSON.
    pub request: String,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Makes a code in a session that lives; 0 rows where it does not.
pub fn insert(tenant: TenantId, realm: Realm, new: &New) -> Query {
    sql("INSERT INTO authorization_codes (realm, digest, application_id, user_tenant, user_id, \
                session_id, epoch, auth_methods, authenticated_at, request, created_at, expires_at) \
         SELECT $2, $3, $4, s.tenant_id, s.user_id, s.id, s.epoch, s.auth_methods, s.proved_at, $7, \
                $8, $9 \
         FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id \
         WHERE s.tenant_id = $1 AND s.id = $5 AND s.user_id = $6 AND s.epoch = u.epoch \
           AND u.status = 'active' AND u.deleted_at IS NULL \
           AND s.idle_expires_at > $8 AND s.expires_at > $8")
    .bind(tenant)
    .bind(realm)
    .bind(new.digest)
    .bind(new.application)
    .bind(new.session)
    .bind(new.user)
    .bind(new.request.as_str())
    .bind(new.now)
    .bind(new.expires_at)
}

/// A code as its redemption has to know it.
#[derive(Debug, Clone)]
pub struct Found {
    /// For which application.
    pub application: ApplicationId,
    /// Whose.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
    /// How the user proved who he is.
    pub auth_methods: String,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// What is known about him.
    pub person: Known,
    /// The request that it answers, JSON.
    pub request: String,
    /// The family that came of it, where it was redeemed.
    pub grant: Option<GrantId>,
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Whether everything it rests on still holds.
    pub is_live: bool,
    /// Whether its session outlives the browser.
    pub remember: bool,
    /// When its session ends.
    pub session_expires_at: Timestamp,
    /// The tenant's name in addresses.
    pub slug: String,
    /// The tenant.
    pub tenant: TenantRow,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            application: row.get("application_id")?,
            user: row.get("user_id")?,
            session: row.get("session_id")?,
            auth_methods: row.get("auth_methods")?,
            authenticated_at: row.get("authenticated_at")?,
            person: Known::from_row(row)?,
            request: row.get("request")?,
            grant: row.get("grant_id")?,
            redeemed_at: row.get("redeemed_at")?,
            expires_at: row.get("expires_at")?,
            is_live: row.get("is_live")?,
            remember: row.get("remember")?,
            session_expires_at: row.get("session_expires_at")?,
            slug: row.get("slug")?,
            tenant: TenantRow::from_row(row)?,
        })
    }
}

/// The code of a digest in a realm, with its tenant and whether what it rests on holds.
pub async fn find(
    tx: &mut Tx,
    realm: Realm,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<Found>> {
    sql("SELECT c.application_id, c.user_id, c.session_id, c.auth_methods, c.authenticated_at, \
                c.request, c.grant_id, c.redeemed_at, c.expires_at, s.remember, \
                s.expires_at AS session_expires_at, \
                u.email, u.email_verified_at, u.first_name, u.last_name, u.locale, \
                u.custom_data, u.updated_at AS user_updated_at, \
                CASE WHEN u.status = 'active' AND u.deleted_at IS NULL AND u.epoch = c.epoch \
                      AND s.epoch = u.epoch AND s.idle_expires_at > $3 AND s.expires_at > $3 \
                      AND t.status = 'active' AND t.deleted_at IS NULL \
                      AND p.status = 'active' AND p.deleted_at IS NULL \
                     THEN TRUE ELSE FALSE END AS is_live, \
                t.slug, t.id, t.partner_id, t.name, t.status, t.settings, t.branding, \
                p.status AS partner_status, p.settings AS partner_settings, \
                p.branding AS partner_branding \
         FROM authorization_codes c \
         JOIN users u ON u.tenant_id = c.user_tenant AND u.id = c.user_id \
         JOIN sessions s ON s.tenant_id = c.user_tenant AND s.id = c.session_id \
         JOIN tenants t ON t.id = c.user_tenant JOIN partners p ON p.id = t.partner_id \
         WHERE c.realm = $1 AND c.digest = $2")
    .bind(realm)
    .bind(digest)
    .bind(now)
    .optional(tx)
    .await
}

/// Redeems a code, by the family that comes of it; of several at the same time, one changes a row.
pub fn redeem(realm: Realm, digest: [u8; 32], grant: GrantId, now: Timestamp) -> Query {
    sql("UPDATE authorization_codes SET redeemed_at = $4, grant_id = $3 \
         WHERE realm = $1 AND digest = $2 AND redeemed_at IS NULL AND expires_at > $4")
    .bind(realm)
    .bind(digest)
    .bind(grant)
    .bind(now)
}

/// Burns a code that somebody tried to redeem who may not; 0 rows where it was redeemed before.
pub fn burn(realm: Realm, digest: [u8; 32], now: Timestamp) -> Query {
    sql("UPDATE authorization_codes SET redeemed_at = $3 \
         WHERE realm = $1 AND digest = $2 AND redeemed_at IS NULL")
    .bind(realm)
    .bind(digest)
    .bind(now)
}

/// Forgets the codes of a user, of one application or of all.
pub fn forget(
    tenant: TenantId,
    realm: Realm,
    user: UserId,
    application: Option<ApplicationId>,
) -> Query {
    sql("DELETE FROM authorization_codes WHERE user_tenant = $1 AND user_id = $2 \
           AND ($3 IS NULL OR application_id = $3) AND realm = $4")
    .bind(tenant)
    .bind(user)
    .bind(application)
    .bind(realm)
}

/// Forgets up to `limit` codes of a tenant's users that nothing has come of yet.
pub fn forget_batch(tenant: TenantId, realm: Realm, limit: i64) -> Query {
    sql("DELETE FROM authorization_codes WHERE realm = $2 AND digest IN \
         (SELECT digest FROM authorization_codes \
             WHERE user_tenant = $1 AND realm = $2 AND redeemed_at IS NULL LIMIT $3)")
    .bind(tenant)
    .bind(realm)
    .bind(limit)
}
