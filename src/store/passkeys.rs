//! Passkeys and security keys, and the WebAuthn ceremonies under way.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{CeremonyId, PasskeyId, TenantId, UserId},
};

/// A credential in use.
#[derive(Debug, Clone)]
pub struct Passkey {
    /// Which one.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// The relying party it was made for.
    pub rp_id: String,
    /// The credential's own id.
    pub credential_id: Vec<u8>,
    /// The credential, as JSON.
    pub credential: String,
    /// What the authenticator's counter stood at.
    pub counter: i64,
    /// Its name for people.
    pub name: String,
    /// The model of the authenticator, where it tells.
    pub aaguid: Option<String>,
    /// Whether the device verified its user when it was enrolled.
    pub user_verified: bool,
    /// Whether it is kept somewhere else too, such as in an account of the device's maker.
    pub backed_up: bool,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

impl FromRow for Passkey {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            rp_id: row.get("rp_id")?,
            credential_id: row.get("credential_id")?,
            credential: row.get("credential")?,
            counter: row.get("counter")?,
            name: row.get("name")?,
            aaguid: row.get("aaguid")?,
            user_verified: row.get("user_verified")?,
            backed_up: row.get("backed_up")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    }
}

/// Enrols a credential; 0 rows where it has an owner already or the user has `limit` of them.
pub fn insert(tenant: TenantId, new: &Passkey, limit: i64) -> Query {
    sql("INSERT INTO passkeys (tenant_id, id, user_id, rp_id, credential_id, credential, \
                               counter, name, aaguid, user_verified, backed_up, created_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 \
         WHERE (SELECT COUNT(*) FROM passkeys WHERE tenant_id = $1 AND user_id = $3) < $13 \
         ON CONFLICT DO NOTHING")
    .bind(tenant)
    .bind(new.id)
    .bind(new.user)
    .bind(new.rp_id.as_str())
    .bind(new.credential_id.clone())
    .bind(new.credential.as_str())
    .bind(new.counter)
    .bind(new.name.as_str())
    .bind(new.aaguid.clone())
    .bind(new.user_verified)
    .bind(new.backed_up)
    .bind(new.created_at)
    .bind(limit)
}

/// The credentials of a user, in the order they were enrolled.
pub async fn of_user(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Vec<Passkey>> {
    sql("SELECT id, user_id, rp_id, credential_id, credential, counter, name, aaguid, \
                user_verified, backed_up, created_at, last_used_at \
         FROM passkeys WHERE tenant_id = $1 AND user_id = $2 ORDER BY id")
    .bind(tenant)
    .bind(user)
    .all(tx)
    .await
}

/// Writes down what a use left behind: 0 rows where the credential is gone, or has been used with
/// this count or a later one meanwhile. Counts of authenticators that do not count are all 0.
pub fn used(
    tenant: TenantId,
    id: PasskeyId,
    (credential, counter): (&str, i64),
    backed_up: bool,
    now: Timestamp,
) -> Query {
    sql("UPDATE passkeys SET credential = $3, counter = $4, backed_up = $5, last_used_at = $6 \
         WHERE tenant_id = $1 AND id = $2 AND (counter < $4 OR (counter = 0 AND $4 = 0))")
    .bind(tenant)
    .bind(id)
    .bind(credential)
    .bind(counter)
    .bind(backed_up)
    .bind(now)
}

/// Renames a credential of a user; 0 rows where the user has none of that id.
pub fn rename(tenant: TenantId, user: UserId, id: PasskeyId, name: &str) -> Query {
    sql("UPDATE passkeys SET name = $4 WHERE tenant_id = $1 AND user_id = $2 AND id = $3")
        .bind(tenant)
        .bind(user)
        .bind(id)
        .bind(name)
}

/// Takes a credential of a user out of use; 0 rows where the user has none of that id.
pub fn remove(tenant: TenantId, user: UserId, id: PasskeyId) -> Query {
    sql("DELETE FROM passkeys WHERE tenant_id = $1 AND user_id = $2 AND id = $3")
        .bind(tenant)
        .bind(user)
        .bind(id)
}

/// A ceremony about to begin.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// Which one.
    pub id: CeremonyId,
    /// `register`, `second_factor`, `sign_in` or `reauthenticate`.
    pub purpose: &'static str,
    /// The step, session or user it is bound to; empty for a sign-in.
    pub bound_to: String,
    /// What the library has to know at the finish, as JSON.
    pub state: String,
    /// When.
    pub now: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Begins a ceremony, unless `limit` of the same binding are alive; 0 rows then.
pub fn begin(tenant: TenantId, new: &Ceremony, limit: i64) -> Query {
    sql("INSERT INTO ceremonies (tenant_id, id, purpose, bound_to, state, created_at, expires_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7 \
         WHERE $4 = '' OR (SELECT COUNT(*) FROM ceremonies \
                            WHERE tenant_id = $1 AND bound_to = $4 AND expires_at > $6) < $8")
    .bind(tenant)
    .bind(new.id)
    .bind(new.purpose)
    .bind(new.bound_to.as_str())
    .bind(new.state.as_str())
    .bind(new.now)
    .bind(new.expires_at)
    .bind(limit)
}

/// Takes a ceremony out of the table and returns its state, if it lives and is of this purpose and
/// binding. Whatever the answer then is, the ceremony cannot be used again.
pub async fn finish(
    tx: &mut Tx,
    tenant: TenantId,
    id: CeremonyId,
    (purpose, bound_to): (&str, &str),
    now: Timestamp,
) -> Result<Option<String>> {
    sql("DELETE FROM ceremonies WHERE tenant_id = $1 AND id = $2 AND purpose = $3 \
         AND bound_to = $4 AND expires_at > $5 RETURNING state")
    .bind(tenant)
    .bind(id)
    .bind(purpose)
    .bind(bound_to)
    .bind(now)
    .optional(tx)
    .await
}

/// What an authenticator's answer names.
#[derive(Debug, Clone)]
pub struct Search {
    /// The ceremony.
    pub ceremony: CeremonyId,
    /// What it has to be for.
    pub purpose: &'static str,
    /// What it has to be bound to.
    pub bound_to: String,
    /// The relying party.
    pub rp_id: String,
    /// The credential.
    pub credential_id: Vec<u8>,
    /// The time now.
    pub now: Timestamp,
}

/// The state of a ceremony that lives, and the credential that was used in it, where there is one.
pub async fn answered(
    tx: &mut Tx,
    tenant: TenantId,
    search: &Search,
) -> Result<Option<(String, Option<Passkey>)>> {
    let found: Option<Answered> = sql(
        "SELECT c.state, k.id, k.user_id, k.rp_id, k.credential_id, k.credential, k.counter, k.name, \
                k.aaguid, k.user_verified, k.backed_up, k.created_at, k.last_used_at \
         FROM ceremonies c \
         LEFT JOIN passkeys k ON k.tenant_id = $1 AND k.rp_id = $5 AND k.credential_id = $6 \
         WHERE c.tenant_id = $1 AND c.id = $2 AND c.purpose = $3 AND c.bound_to = $4 \
           AND c.expires_at > $7",
    )
    .bind(tenant)
    .bind(search.ceremony)
    .bind(search.purpose)
    .bind(search.bound_to.as_str())
    .bind(search.rp_id.as_str())
    .bind(search.credential_id.clone())
    .bind(search.now)
    .optional(tx)
    .await?;
    Ok(found.map(|found| (found.state, found.key)))
}

struct Answered {
    state: String,
    key: Option<Passkey>,
}

impl FromRow for Answered {
    fn from_row(row: &Row) -> Result<Self> {
        let key = match row.get::<Option<PasskeyId>>("id")? {
            Some(_) => Some(Passkey::from_row(row)?),
            None => None,
        };
        Ok(Self { state: row.get("state")?, key })
    }
}

/// Ends a ceremony; 0 rows where it has ended already.
pub fn end(tenant: TenantId, id: CeremonyId) -> Query {
    sql("DELETE FROM ceremonies WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id)
}
