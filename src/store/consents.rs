//! What people have allowed applications.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{ApplicationId, TenantId, UserId},
};

/// What somebody has allowed an application.
#[derive(Debug, Clone)]
pub struct Consent {
    /// Which application.
    pub application: ApplicationId,
    /// Scopes, space separated.
    pub scope: String,
    /// Details (RFC 9396), a JSON list.
    pub details: String,
    /// When he first did.
    pub granted_at: Timestamp,
    /// When he last did.
    pub updated_at: Timestamp,
}

impl FromRow for Consent {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            application: row.get("application_id")?,
            scope: row.get("scope")?,
            details: row.get("details")?,
            granted_at: row.get("granted_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

/// What a user has allowed an application.
pub async fn find(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    application: ApplicationId,
) -> Result<Option<Consent>> {
    sql("SELECT application_id, scope, details, granted_at, updated_at FROM consents \
         WHERE tenant_id = $1 AND user_id = $2 AND application_id = $3")
    .bind(tenant)
    .bind(user)
    .bind(application)
    .optional(tx)
    .await
}

/// Notes what a user allows an application, in the place of what he did before.
pub fn put(tenant: TenantId, user: UserId, consent: &Consent) -> Query {
    sql("INSERT INTO consents (tenant_id, user_id, application_id, scope, details, granted_at, \
                updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (tenant_id, user_id, application_id) DO UPDATE SET \
                scope = excluded.scope, details = excluded.details, updated_at = excluded.updated_at")
    .bind(tenant)
    .bind(user)
    .bind(consent.application)
    .bind(consent.scope.as_str())
    .bind(consent.details.as_str())
    .bind(consent.granted_at)
    .bind(consent.updated_at)
}

/// Takes back what a user has allowed an application; 0 rows where it was nothing.
pub fn revoke(tenant: TenantId, user: UserId, application: ApplicationId) -> Query {
    sql("DELETE FROM consents WHERE tenant_id = $1 AND user_id = $2 AND application_id = $3")
        .bind(tenant)
        .bind(user)
        .bind(application)
}

/// Forgets everything that anybody has allowed an application.
pub fn forget_application_all_tenants(application: ApplicationId) -> Query {
    sql("DELETE FROM consents WHERE application_id = $1").bind(application)
}
