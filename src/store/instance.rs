//! The installation itself: which master key its database belongs to.

use crate::{
    clock::Timestamp,
    db::{Tx, sql},
    error::Result,
};

/// Records the check value of the master key where none is recorded yet, and returns the one that
/// holds.
pub async fn key_check(tx: &mut Tx, mine: [u8; 16], now: Timestamp) -> Result<Vec<u8>> {
    sql("INSERT INTO instance (id, key_check, created_at) VALUES (1, $1, $2) \
         ON CONFLICT (id) DO NOTHING")
    .bind(mine)
    .bind(now)
    .execute(tx)
    .await?;
    sql("SELECT key_check FROM instance WHERE id = 1").one(tx).await
}
