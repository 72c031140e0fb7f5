//! Codes of devices without a browser: made once, allowed or not by a person, redeemed once. A row
//! is kept for a while after its end, so that a second use is seen.

use super::tenants::TenantRow;
use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::oauth::claims::Known,
    error::Result,
    id::{ApplicationId, GrantId, Realm, SessionId, TenantId, UserId},
};

/// Codes about to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// The digest of what the device keeps.
    pub digest: [u8; 32],
    /// The keyed digest of what the person types in.
    pub user_code: [u8; 32],
    /// For which application.
    pub application: ApplicationId,
    /// What it asks for, JSON.
    pub request: String,
    /// Seconds between two polls.
    pub interval: i64,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Makes codes; 0 rows where one like it is under way.
pub fn insert(realm: Realm, new: &New) -> Query {
    sql("INSERT INTO device_codes (realm, digest, user_code, application_id, request, state, \
                poll_interval, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8) ON CONFLICT DO NOTHING")
    .bind(realm)
    .bind(new.digest)
    .bind(new.user_code)
    .bind(new.application)
    .bind(new.request.as_str())
    .bind(new.interval)
    .bind(new.now)
    .bind(new.expires_at)
}

/// A code that waits for its person.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// For which application.
    pub application: ApplicationId,
    /// What it asks for, JSON.
    pub request: String,
}

impl FromRow for Waiting {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { application: row.get("application_id")?, request: row.get("request")? })
    }
}

/// The code that a person has typed in, if it still waits for him.
pub async fn waiting(
    tx: &mut Tx,
    realm: Realm,
    user_code: [u8; 32],
    now: Timestamp,
) -> Result<Option<Waiting>> {
    sql("SELECT application_id, request FROM device_codes \
         WHERE realm = $1 AND user_code = $2 AND state = 'pending' AND expires_at > $3")
    .bind(realm)
    .bind(user_code)
    .bind(now)
    .optional(tx)
    .await
}

/// Allows a code in a session that lives; of several at the same time, one changes a row.
pub fn approve(
    tenant: TenantId,
    realm: Realm,
    user_code: [u8; 32],
    session: SessionId,
    now: Timestamp,
) -> Query {
    sql("UPDATE device_codes SET state = 'approved', user_tenant = $1, session_id = $4, \
             user_id = (SELECT s.user_id FROM sessions s WHERE s.tenant_id = $1 AND s.id = $4), \
             epoch = (SELECT s.epoch FROM sessions s WHERE s.tenant_id = $1 AND s.id = $4), \
             auth_methods = \
                 (SELECT s.auth_methods FROM sessions s WHERE s.tenant_id = $1 AND s.id = $4), \
             authenticated_at = \
                 (SELECT s.proved_at FROM sessions s WHERE s.tenant_id = $1 AND s.id = $4) \
         WHERE realm = $2 AND user_code = $3 AND state = 'pending' AND expires_at > $5 \
           AND EXISTS (SELECT 1 FROM sessions s \
               JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id \
               WHERE s.tenant_id = $1 AND s.id = $4 AND s.epoch = u.epoch \
                 AND u.status = 'active' AND u.deleted_at IS NULL \
                 AND s.idle_expires_at > $5 AND s.expires_at > $5)")
    .bind(tenant)
    .bind(realm)
    .bind(user_code)
    .bind(session)
    .bind(now)
}

/// Refuses a code; of several at the same time, one changes a row.
pub fn deny(realm: Realm, user_code: [u8; 32], now: Timestamp) -> Query {
    sql("UPDATE device_codes SET state = 'denied' \
         WHERE realm = $1 AND user_code = $2 AND state = 'pending' AND expires_at > $3")
    .bind(realm)
    .bind(user_code)
    .bind(now)
}

/// How far a code has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has answered yet.
    Pending,
    /// A person has allowed it.
    Approved,
    /// A person has refused it.
    Denied,
    /// Its tokens were handed out.
    Redeemed,
}

/// A code as its device comes for its tokens.
#[derive(Debug, Clone)]
pub struct Found {
    /// For which application.
    pub application: ApplicationId,
    /// What it asks for, JSON.
    pub request: String,
    /// How far it has come.
    pub state: State,
    /// Seconds between two polls.
    pub interval: i64,
    /// When the device last came.
    pub polled_at: Option<Timestamp>,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// The family that came of it, where it was redeemed.
    pub grant: Option<GrantId>,
    /// Who has allowed it, where somebody has.
    pub allowed: Option<Box<Allowed>>,
}

/// Who has allowed a code, and everything that it rests on.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// Who.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
    /// How he proved who he is.
    pub auth_methods: String,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// What is known about him.
    pub person: Known,
    /// Whether everything it rests on still holds.
    pub is_live: bool,
    /// Whether the session outlives the browser.
    pub remember: bool,
    /// When the session ends.
    pub session_expires_at: Timestamp,
    /// The tenant's name in addresses.
    pub slug: String,
    /// The tenant.
    pub tenant: TenantRow,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        let state = match row.get::<String>("state")?.as_str() {
            "approved" => State::Approved,
            "denied" => State::Denied,
            "redeemed" => State::Redeemed,
            _ => State::Pending,
        };
        let allowed = match (row.get("user_id")?, row.get("session_id")?) {
            (Some(user), Some(session)) => Some(Box::new(Allowed::of(row, user, session)?)),
            _ => None,
        };
        Ok(Self {
            application: row.get("application_id")?,
            request: row.get("request")?,
            state,
            interval: row.get("poll_interval")?,
            polled_at: row.get("polled_at")?,
            expires_at: row.get("code_expires_at")?,
            grant: row.get("grant_id")?,
            allowed,
        })
    }
}

impl Allowed {
    fn of(row: &Row, user: UserId, session: SessionId) -> Result<Self> {
        let expires_at: Option<Timestamp> = row.get("session_expires_at")?;
        Ok(Self {
            user,
            session,
            auth_methods: row.get::<Option<String>>("auth_methods")?.unwrap_or_default(),
            authenticated_at: row
                .get::<Option<Timestamp>>("authenticated_at")?
                .unwrap_or(Timestamp::from_micros(0)),
            person: Known::from_row(row)?,
            is_live: row.get("is_live")?,
            remember: row.get::<Option<bool>>("remember")?.unwrap_or(false),
            session_expires_at: expires_at.unwrap_or(Timestamp::from_micros(0)),
            slug: row.get("slug")?,
            tenant: TenantRow::from_row(row)?,
        })
    }
}

/// The code of a digest in a realm, with whoever has allowed it and whether that still holds.
pub async fn find(
    tx: &mut Tx,
    realm: Realm,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<Found>> {
    sql("SELECT c.application_id, c.request, c.state, c.poll_interval, c.polled_at, c.grant_id, \
                c.expires_at AS code_expires_at, c.user_id, c.session_id, c.auth_methods, \
                c.authenticated_at, s.remember, s.expires_at AS session_expires_at, \
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
         FROM device_codes c \
         LEFT JOIN users u ON u.tenant_id = c.user_tenant AND u.id = c.user_id \
         LEFT JOIN sessions s ON s.tenant_id = c.user_tenant AND s.id = c.session_id \
         LEFT JOIN tenants t ON t.id = c.user_tenant LEFT JOIN partners p ON p.id = t.partner_id \
         WHERE c.realm = $1 AND c.digest = $2")
    .bind(realm)
    .bind(digest)
    .bind(now)
    .optional(tx)
    .await
}

/// Notes that the device has come, and how many seconds it has to wait from now on.
pub fn polled(realm: Realm, digest: [u8; 32], interval: i64, now: Timestamp) -> Query {
    sql("UPDATE device_codes SET polled_at = $4, poll_interval = $3 \
         WHERE realm = $1 AND digest = $2 AND state = 'pending'")
    .bind(realm)
    .bind(digest)
    .bind(interval)
    .bind(now)
}

/// Redeems a code, by the family that comes of it; of several at the same time, one changes a row.
pub fn redeem(realm: Realm, digest: [u8; 32], grant: GrantId, now: Timestamp) -> Query {
    sql("UPDATE device_codes SET state = 'redeemed', grant_id = $3 \
         WHERE realm = $1 AND digest = $2 AND state = 'approved' AND expires_at > $4")
    .bind(realm)
    .bind(digest)
    .bind(grant)
    .bind(now)
}

/// Forgets what a user has allowed devices, of one application or of all.
pub fn forget(
    tenant: TenantId,
    realm: Realm,
    user: UserId,
    application: Option<ApplicationId>,
) -> Query {
    sql("DELETE FROM device_codes WHERE user_tenant = $1 AND user_id = $2 \
           AND ($3 IS NULL OR application_id = $3) AND realm = $4")
    .bind(tenant)
    .bind(user)
    .bind(application)
    .bind(realm)
}

/// Forgets up to `limit` codes of devices that a tenant's users have allowed.
pub fn forget_batch(tenant: TenantId, realm: Realm, limit: i64) -> Query {
    sql("DELETE FROM device_codes WHERE realm = $2 AND digest IN \
         (SELECT digest FROM device_codes WHERE user_tenant = $1 AND realm = $2 LIMIT $3)")
    .bind(tenant)
    .bind(realm)
    .bind(limit)
}
