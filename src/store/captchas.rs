//! Captcha answers that were used: each is good once.

use crate::{
    clock::Timestamp,
    db::{Tx, sql},
    error::Result,
    id::TenantId,
};

/// Marks an answer as used; `false` where it was.
pub async fn spend(
    tx: &mut Tx,
    tenant: TenantId,
    digest: [u8; 32],
    expires_at: Timestamp,
) -> Result<bool> {
    let spent =
        sql("INSERT INTO spent_captchas (tenant_id, digest, expires_at) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING")
        .bind(tenant)
        .bind(digest)
        .bind(expires_at)
        .execute(tx)
        .await?;
    Ok(spent == 1)
}
