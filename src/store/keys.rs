//! Keys that sign tokens: the private half sealed, the public half as it is published.

use crate::{
    clock::Timestamp,
    db::{FromRow, Row, Tx, sql},
    domain::token::SigningAlgorithm,
    error::{Context, Result},
};

/// A key as it is stored.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Its name.
    pub kid: String,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// Whether it is the one that signs now.
    pub is_active: bool,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
    /// The public half, as JSON.
    pub public: String,
}

impl FromRow for StoredKey {
    fn from_row(row: &Row) -> Result<Self> {
        let algorithm = SigningAlgorithm::from_name(&row.get::<String>("algorithm")?);
        Ok(Self {
            kid: row.get("kid")?,
            algorithm: algorithm.ok_or("not an algorithm of ours").doing("reading a key")?,
            is_active: row.get::<String>("state")? == "active",
            sealed: row.get("private_key")?,
            public: row.get("public_key")?,
        })
    }
}

/// Every key that is published, oldest first.
pub async fn published(tx: &mut Tx) -> Result<Vec<StoredKey>> {
    sql("SELECT kid, algorithm, state, private_key, public_key FROM signing_keys \
         ORDER BY created_at, kid")
    .all(tx)
    .await
}

/// Puts a new key to use, unless its algorithm has one already: of several nodes that make one at
/// the same time, the first wins. `false` for the others.
pub async fn activate(tx: &mut Tx, key: &StoredKey, now: Timestamp) -> Result<bool> {
    let made = sql("INSERT INTO signing_keys (kid, algorithm, state, private_key, public_key, \
                                   created_at, activated_at) \
         VALUES ($1, $2, 'active', $3, $4, $5, $5) ON CONFLICT DO NOTHING")
    .bind(key.kid.as_str())
    .bind(key.algorithm.as_str())
    .bind(key.sealed.clone())
    .bind(key.public.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(made == 1)
}
