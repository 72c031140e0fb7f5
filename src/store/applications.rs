//! Applications. An application may be of a tenant, a partner or the platform, so that most
//! statements here name owners, not a tenant.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::application::{Application, ApplicationType, Metadata, Origin, Owner},
    error::{Context, Error, Result},
    id::{ApplicationId, PartnerId, TenantId},
};

/// An application as it is stored: the metadata is not parsed, so that a row can be compared with
/// one that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRow {
    /// Which one.
    pub id: ApplicationId,
    /// What it calls itself by.
    pub client_id: String,
    /// Whose.
    pub owner: Owner,
    /// What kind of program.
    pub kind: ApplicationType,
    /// Its name for people.
    pub name: String,
    /// Whether it is in use.
    pub is_active: bool,
    /// How it came here.
    pub origin: Origin,
    /// Its metadata, JSON.
    pub metadata: String,
    /// The digests of its secrets: the present one, and the one before it until when.
    pub secrets: Secrets,
    /// The digest of what it manages itself with.
    pub registration_digest: Option<[u8; 32]>,
    /// When its metadata document was last read.
    pub read_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The digests of an application's secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The present one, and since when.
    pub present: Option<([u8; 32], Timestamp)>,
    /// The one before it, and until when it is taken.
    pub previous: Option<([u8; 32], Timestamp)>,
}

impl FromRow for ApplicationRow {
    fn from_row(row: &Row) -> Result<Self> {
        let owner = match (row.get("owner_partner")?, row.get("owner_tenant")?) {
            (Some(partner), None) => Owner::Partner(partner),
            (None, Some(tenant)) => Owner::Tenant(tenant),
            (None, None) => Owner::Platform,
            _ => return Err(Error::internal("reading an application", "it has two owners")),
        };
        let kind: String = row.get("application_type")?;
        let both = |digest: Option<[u8; 32]>, at: Option<Timestamp>| Some((digest?, at?));
        Ok(Self {
            id: row.get("id")?,
            client_id: row.get("client_id")?,
            owner,
            kind: ApplicationType::from_name(&kind)
                .ok_or("not a type of ours")
                .doing("reading an application")?,
            name: row.get("name")?,
            is_active: row.get::<String>("status")? == "active",
            origin: Origin::from_stored(&row.get::<String>("origin")?),
            metadata: row.get("metadata")?,
            secrets: Secrets {
                present: both(row.get("secret_digest")?, row.get("secret_created_at")?),
                previous: both(
                    row.get("previous_secret_digest")?,
                    row.get("previous_secret_expires_at")?,
                ),
            },
            registration_digest: row.get("registration_digest")?,
            read_at: row.get("read_at")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

/// How an owner is written.
#[must_use]
pub fn owner_text(owner: Owner) -> String {
    match owner {
        Owner::Platform => "platform".to_owned(),
        Owner::Partner(partner) => partner.to_string(),
        Owner::Tenant(tenant) => tenant.to_string(),
    }
}

/// The application of a client id among those of up to three owners.
pub async fn by_client_id(
    tx: &mut Tx,
    client_id: &str,
    owners: [Owner; 3],
) -> Result<Option<ApplicationRow>> {
    let [a, b, c] = owners.map(owner_text);
    sql("SELECT id, client_id, owner_partner, owner_tenant, application_type, name, status, origin, \
                metadata, secret_digest, secret_created_at, previous_secret_digest, \
                previous_secret_expires_at, registration_digest, read_at, created_at, updated_at \
         FROM applications \
         WHERE client_id = $1 AND deleted_at IS NULL AND owner IN ($2, $3, $4)")
    .bind(client_id)
    .bind(a)
    .bind(b)
    .bind(c)
    .optional(tx)
    .await
}

/// The application of an id, whoever's.
pub async fn by_id(tx: &mut Tx, id: ApplicationId) -> Result<Option<ApplicationRow>> {
    sql("SELECT id, client_id, owner_partner, owner_tenant, application_type, name, status, origin, \
                metadata, secret_digest, secret_created_at, previous_secret_digest, \
                previous_secret_expires_at, registration_digest, read_at, created_at, updated_at \
         FROM applications WHERE id = $1 AND deleted_at IS NULL")
    .bind(id)
    .optional(tx)
    .await
}

/// Up to `limit` applications that operators have made and that name the address of a logo, whose
/// ids follow `after`.
pub async fn with_logos_all_tenants(
    tx: &mut Tx,
    after: Option<ApplicationId>,
    limit: i64,
) -> Result<Vec<ApplicationRow>> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    sql("SELECT id, client_id, owner_partner, owner_tenant, application_type, name, status, origin, \
                metadata, secret_digest, secret_created_at, previous_secret_digest, \
                previous_secret_expires_at, registration_digest, read_at, created_at, updated_at \
         FROM applications WHERE id > $1 AND deleted_at IS NULL AND origin = 'operator' \
           AND metadata LIKE '%\"logo_uri\"%' \
         ORDER BY id LIMIT $2")
    .bind(after)
    .bind(limit)
    .all(tx)
    .await
}

/// Up to `limit` applications of an owner whose ids follow `after`.
pub async fn page(
    tx: &mut Tx,
    owner: Owner,
    after: &str,
    limit: i64,
) -> Result<Vec<ApplicationRow>> {
    sql("SELECT id, client_id, owner_partner, owner_tenant, application_type, name, status, origin, \
                metadata, secret_digest, secret_created_at, previous_secret_digest, \
                previous_secret_expires_at, registration_digest, read_at, created_at, updated_at \
         FROM applications WHERE owner = $1 AND deleted_at IS NULL AND id > $2 \
         ORDER BY id LIMIT $3")
    .bind(owner_text(owner))
    .bind(after)
    .bind(limit)
    .all(tx)
    .await
}

/// How many applications of an owner came here in a way.
pub async fn count(tx: &mut Tx, owner: Owner, origin: Origin) -> Result<i64> {
    sql("SELECT CAST(COUNT(*) AS BIGINT) FROM applications \
         WHERE owner = $1 AND origin = $2 AND deleted_at IS NULL")
    .bind(owner_text(owner))
    .bind(origin.as_str())
    .one(tx)
    .await
}

/// Adds an application; 0 rows where its client id is taken.
pub fn insert(row: &ApplicationRow) -> Query {
    let (partner, tenant): (Option<PartnerId>, Option<TenantId>) = match row.owner {
        Owner::Platform => (None, None),
        Owner::Partner(partner) => (Some(partner), None),
        Owner::Tenant(tenant) => (None, Some(tenant)),
    };
    let Secrets { present, previous } = &row.secrets;
    sql("INSERT INTO applications (id, client_id, owner, owner_partner, owner_tenant, \
                application_type, name, status, origin, metadata, secret_digest, \
                secret_created_at, previous_secret_digest, previous_secret_expires_at, \
                registration_digest, read_at, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT DO NOTHING")
    .bind(row.id)
    .bind(row.client_id.as_str())
    .bind(owner_text(row.owner))
    .bind(partner)
    .bind(tenant)
    .bind(row.kind.as_str())
    .bind(row.name.as_str())
    .bind(if row.is_active { "active" } else { "disabled" })
    .bind(row.origin.as_str())
    .bind(row.metadata.as_str())
    .bind(present.map(|(digest, _)| digest))
    .bind(present.map(|(_, at)| at))
    .bind(previous.map(|(digest, _)| digest))
    .bind(previous.map(|(_, at)| at))
    .bind(row.registration_digest)
    .bind(row.read_at)
    .bind(row.created_at)
    .bind(row.updated_at)
}

/// Writes what may change of an application: name, state, metadata, secrets, `read_at`. 0 rows
/// where it was deleted, or was changed since `row` was read at `seen`.
pub fn update(row: &ApplicationRow, seen: Timestamp) -> Query {
    let Secrets { present, previous } = &row.secrets;
    sql("UPDATE applications SET name = $3, status = $4, metadata = $5, secret_digest = $6, \
                secret_created_at = $7, previous_secret_digest = $8, \
                previous_secret_expires_at = $9, registration_digest = $10, read_at = $11, \
                updated_at = $12, application_type = $13 \
         WHERE id = $1 AND updated_at = $2 AND deleted_at IS NULL")
    .bind(row.id)
    .bind(seen)
    .bind(row.name.as_str())
    .bind(if row.is_active { "active" } else { "disabled" })
    .bind(row.metadata.as_str())
    .bind(present.map(|(digest, _)| digest))
    .bind(present.map(|(_, at)| at))
    .bind(previous.map(|(digest, _)| digest))
    .bind(previous.map(|(_, at)| at))
    .bind(row.registration_digest)
    .bind(row.read_at)
    .bind(row.updated_at)
    .bind(row.kind.as_str())
}

/// Deletes an application; its id and its client id are never used again by us.
pub fn delete(id: ApplicationId, now: Timestamp) -> Query {
    sql("UPDATE applications SET deleted_at = $2, updated_at = $2, status = 'disabled', \
                secret_digest = NULL, previous_secret_digest = NULL, registration_digest = NULL \
         WHERE id = $1 AND deleted_at IS NULL")
    .bind(id)
    .bind(now)
}

/// Forgets the origins of an application.
pub fn drop_origins(id: ApplicationId) -> Query {
    sql("DELETE FROM application_origins WHERE application_id = $1").bind(id)
}

/// Notes an origin of an application.
pub fn add_origin(id: ApplicationId, owner: Owner, origin: &str) -> Query {
    sql("INSERT INTO application_origins (application_id, origin, owner) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING")
    .bind(id)
    .bind(origin)
    .bind(owner_text(owner))
}

/// Whether an application in use, of one of these owners, has named an origin.
pub async fn knows_origin(tx: &mut Tx, origin: &str, owners: [Owner; 3]) -> Result<bool> {
    let [a, b, c] = owners.map(owner_text);
    let found: Option<i64> = sql("SELECT CAST(1 AS BIGINT) FROM application_origins o \
         JOIN applications a ON a.id = o.application_id \
         WHERE o.origin = $1 AND o.owner IN ($2, $3, $4) AND a.status = 'active' \
           AND a.deleted_at IS NULL LIMIT 1")
    .bind(origin)
    .bind(a)
    .bind(b)
    .bind(c)
    .optional(tx)
    .await?;
    Ok(found.is_some())
}

impl ApplicationRow {
    /// The application, with its metadata parsed.
    ///
    /// # Errors
    /// Where the metadata is not ours.
    pub fn parsed(&self) -> Result<Application> {
        let metadata: Metadata =
            serde_json::from_str(&self.metadata).doing("reading an application")?;
        Ok(Application {
            id: self.id,
            client_id: self.client_id.clone(),
            owner: self.owner,
            kind: self.kind,
            name: self.name.clone(),
            is_active: self.is_active,
            origin: self.origin,
            metadata,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
