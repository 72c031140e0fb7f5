//! Keys that sign tokens: the private half sealed, the public half as it is published. Each is of
//! a realm, and on its way from "next" over "active" to "retired".

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::token::{KeyState, SigningAlgorithm},
    error::{Context, Result},
    id::Realm,
};

/// A key as it is stored.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Its name.
    pub kid: String,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// Whether it signs.
    pub state: KeyState,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
    /// The public half, as JSON.
    pub public: String,
}

/// Where a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub realm: Realm,
    /// Its name.
    pub kid: String,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// Whether it signs.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is due to sign.
    pub activates_at: Option<Timestamp>,
    /// When it was put to use.
    pub activated_at: Option<Timestamp>,
    /// When another took over.
    pub retired_at: Option<Timestamp>,
    /// When it is dropped.
    pub expires_at: Option<Timestamp>,
}

fn algorithm(row: &Row) -> Result<SigningAlgorithm> {
    let found = SigningAlgorithm::from_name(&row.get::<String>("algorithm")?);
    found.ok_or("not an algorithm of ours").doing("reading a key")
}

fn state(row: &Row) -> Result<KeyState> {
    let found = KeyState::from_name(&row.get::<String>("state")?);
    found.ok_or("not a state of ours").doing("reading a key")
}

impl FromRow for StoredKey {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            kid: row.get("kid")?,
            algorithm: algorithm(row)?,
            state: state(row)?,
            sealed: row.get("private_key")?,
            public: row.get("public_key")?,
        })
    }
}

impl FromRow for Standing {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            realm: row.get("realm")?,
            kid: row.get("kid")?,
            algorithm: algorithm(row)?,
            state: state(row)?,
            created_at: row.get("created_at")?,
            activates_at: row.get("activates_at")?,
            activated_at: row.get("activated_at")?,
            retired_at: row.get("retired_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// Every key of a realm that is published, oldest first.
pub async fn published(tx: &mut Tx, realm: Realm, now: Timestamp) -> Result<Vec<StoredKey>> {
    sql("SELECT kid, algorithm, state, private_key, public_key FROM signing_keys \
         WHERE realm = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at, kid")
    .bind(realm)
    .bind(now)
    .all(tx)
    .await
}

/// Whose a key is.
pub async fn realm_of(tx: &mut Tx, kid: &str) -> Result<Option<Realm>> {
    let found: Option<String> =
        sql("SELECT realm FROM signing_keys WHERE kid = $1").bind(kid).optional(tx).await?;
    found.map(|realm| realm.parse().doing("reading a key")).transpose()
}

/// Where the keys of a realm stand, oldest first.
pub async fn standing(tx: &mut Tx, realm: Realm) -> Result<Vec<Standing>> {
    sql("SELECT realm, kid, algorithm, state, created_at, activates_at, activated_at, retired_at, \
                expires_at FROM signing_keys WHERE realm = $1 ORDER BY created_at, kid")
    .bind(realm)
    .all(tx)
    .await
}

/// Where up to `limit` keys of all realms stand whose realms and names follow `after`.
pub async fn page(tx: &mut Tx, (realm, kid): (&str, &str), limit: i64) -> Result<Vec<Standing>> {
    sql("SELECT realm, kid, algorithm, state, created_at, activates_at, activated_at, retired_at, \
                expires_at FROM signing_keys WHERE (realm, kid) > ($1, $2) \
         ORDER BY realm, kid LIMIT $3")
    .bind(realm)
    .bind(kid)
    .bind(limit)
    .all(tx)
    .await
}

/// Puts a new key to use, unless its realm and algorithm have one already: of several nodes that
/// make one at the same time, the first wins. 0 rows for the others.
pub fn activate(realm: Realm, key: &StoredKey, now: Timestamp) -> Query {
    insert(realm, key, "active", now).bind(Some(now)).bind(None::<Timestamp>)
}

/// Publishes a new key that is due to sign at `activates_at`; 0 rows where there is one already.
pub fn announce(
    realm: Realm,
    key: &StoredKey,
    (now, activates_at): (Timestamp, Timestamp),
) -> Query {
    insert(realm, key, "next", now).bind(None::<Timestamp>).bind(Some(activates_at))
}

fn insert(realm: Realm, key: &StoredKey, state: &str, now: Timestamp) -> Query {
    sql("INSERT INTO signing_keys (realm, kid, algorithm, private_key, public_key, state, \
                                   created_at, activated_at, activates_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING")
    .bind(realm)
    .bind(key.kid.as_str())
    .bind(key.algorithm.as_str())
    .bind(key.sealed.clone())
    .bind(key.public.as_str())
    .bind(state)
    .bind(now)
}

/// Has a next key sign earlier than it would have.
pub fn hasten(realm: Realm, algorithm: SigningAlgorithm, activates_at: Timestamp) -> Query {
    sql("UPDATE signing_keys SET activates_at = $3 \
         WHERE realm = $1 AND algorithm = $2 AND state = 'next' AND activates_at > $3")
    .bind(realm)
    .bind(algorithm.as_str())
    .bind(activates_at)
}

/// Takes the key out of use that `next` is to follow; published until `expires_at`.
pub fn retire(
    realm: Realm,
    algorithm: SigningAlgorithm,
    next: &str,
    (now, expires_at): (Timestamp, Timestamp),
) -> Query {
    sql("UPDATE signing_keys SET state = 'retired', retired_at = $4, expires_at = $5 \
         WHERE realm = $1 AND algorithm = $2 AND state = 'active' \
             AND EXISTS (SELECT 1 FROM signing_keys n WHERE n.kid = $3 AND n.state = 'next')")
    .bind(realm)
    .bind(algorithm.as_str())
    .bind(next)
    .bind(now)
    .bind(expires_at)
}

/// Puts a next key to use; 0 rows where another node has.
pub fn promote(realm: Realm, kid: &str, now: Timestamp) -> Query {
    sql("UPDATE signing_keys SET state = 'active', activated_at = $3, activates_at = NULL \
         WHERE realm = $1 AND kid = $2 AND state = 'next'")
    .bind(realm)
    .bind(kid)
    .bind(now)
}

/// Drops every key of a realm and an algorithm.
pub fn drop_all(realm: Realm, algorithm: SigningAlgorithm) -> Query {
    sql("DELETE FROM signing_keys WHERE realm = $1 AND algorithm = $2")
        .bind(realm)
        .bind(algorithm.as_str())
}

/// Drops the keys that have outlived what they signed, and those of deleted tenants.
pub fn drop_dead(now: Timestamp) -> Query {
    sql("DELETE FROM signing_keys WHERE (state = 'retired' AND expires_at <= $1) \
             OR realm IN (SELECT id FROM tenants WHERE deleted_at IS NOT NULL)")
    .bind(now)
}

/// Up to `limit` next keys that are due to sign.
pub async fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Standing>> {
    sql("SELECT realm, kid, algorithm, state, created_at, activates_at, activated_at, retired_at, \
                expires_at FROM signing_keys WHERE state = 'next' AND activates_at <= $1 \
         ORDER BY activates_at LIMIT $2")
    .bind(now)
    .bind(limit)
    .all(tx)
    .await
}

/// Up to `limit` keys that have signed since `before` or longer and that no next key follows.
pub async fn ageing(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<Standing>> {
    sql("SELECT k.realm, k.kid, k.algorithm, k.state, k.created_at, k.activates_at, \
                k.activated_at, k.retired_at, k.expires_at FROM signing_keys k \
         WHERE k.state = 'active' AND k.activated_at <= $1 \
             AND NOT EXISTS (SELECT 1 FROM signing_keys n WHERE n.realm = k.realm \
                                 AND n.algorithm = k.algorithm AND n.state = 'next') \
         ORDER BY k.activated_at LIMIT $2")
    .bind(before)
    .bind(limit)
    .all(tx)
    .await
}
