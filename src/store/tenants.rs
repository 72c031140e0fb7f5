//! Partners and tenants.

use crate::{
    clock::Timestamp,
    db::{FromRow, Row, Tx, sql},
    domain::tenant::{Branding, Slug, Status, TenantRecord},
    error::{Context, Result},
    id::{PartnerId, TenantId},
};

/// A tenant with its partner's layer, as the cache of settings wants it: JSON still as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Which tenant.
    pub id: TenantId,
    /// Who brought it.
    pub partner_id: PartnerId,
    /// Its name for people.
    pub name: String,
    /// Active, and its partner too.
    pub status: Status,
    /// Its settings and looks, and its partner's, as JSON.
    pub layers: Layers,
}

/// The four JSON texts that make a tenant's settings and looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The tenant's settings.
    pub settings: String,
    /// The tenant's looks.
    pub branding: String,
    /// The partner's settings.
    pub partner_settings: String,
    /// The partner's looks.
    pub partner_branding: String,
}

impl FromRow for TenantRow {
    fn from_row(row: &Row) -> Result<Self> {
        let own = Status::from_stored(&row.get::<String>("status")?);
        let partner = Status::from_stored(&row.get::<String>("partner_status")?);
        Ok(Self {
            id: row.get("id")?,
            partner_id: row.get("partner_id")?,
            name: row.get("name")?,
            status: if partner == Status::Suspended { partner } else { own },
            layers: Layers {
                settings: row.get("settings")?,
                branding: row.get("branding")?,
                partner_settings: row.get("partner_settings")?,
                partner_branding: row.get("partner_branding")?,
            },
        })
    }
}

/// The tenant of `slug`, deleted ones excepted.
pub async fn by_slug(tx: &mut Tx, slug: &Slug) -> Result<Option<TenantRow>> {
    sql("SELECT t.id, t.partner_id, t.name, t.status, t.settings, t.branding, \
                p.status AS partner_status, p.settings AS partner_settings, \
                p.branding AS partner_branding \
         FROM tenants t JOIN partners p ON p.id = t.partner_id \
         WHERE t.slug = $1 AND t.deleted_at IS NULL AND p.deleted_at IS NULL")
    .bind(slug.as_str())
    .optional(tx)
    .await
}

/// A tenant with its slug.
struct Named {
    slug: String,
    row: TenantRow,
}

impl FromRow for Named {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { slug: row.get("slug")?, row: TenantRow::from_row(row)? })
    }
}

/// The tenant of an id and its slug, deleted ones excepted.
pub async fn by_id(tx: &mut Tx, tenant: TenantId) -> Result<Option<(Slug, TenantRow)>> {
    let named: Option<Named> =
        sql("SELECT t.slug, t.id, t.partner_id, t.name, t.status, t.settings, t.branding, \
                p.status AS partner_status, p.settings AS partner_settings, \
                p.branding AS partner_branding \
         FROM tenants t JOIN partners p ON p.id = t.partner_id \
         WHERE t.id = $1 AND t.deleted_at IS NULL AND p.deleted_at IS NULL")
        .bind(tenant)
        .optional(tx)
        .await?;
    let Some(Named { slug, row }) = named else { return Ok(None) };
    Ok(Some((Slug::parse(&slug).doing("reading a stored slug")?, row)))
}

/// The settings, the partner's and its own, of up to `limit` tenants in use that name origins of
/// passkeys.
pub async fn with_origins_all_tenants(tx: &mut Tx, limit: i64) -> Result<Vec<(String, String)>> {
    sql("SELECT p.settings, t.settings FROM tenants t JOIN partners p ON p.id = t.partner_id \
         WHERE t.deleted_at IS NULL AND p.deleted_at IS NULL AND t.status = 'active' \
           AND p.status = 'active' \
           AND (t.settings LIKE '%\"origins\"%' OR p.settings LIKE '%\"origins\"%') \
         ORDER BY t.id LIMIT $1")
    .bind(limit)
    .all(tx)
    .await
}

/// Up to `limit` slugs after `after` of tenants in use that name the address of a logo, or whose
/// partner does.
pub async fn with_logo_urls_all_tenants(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<Slug>> {
    let found: Vec<String> =
        sql("SELECT t.slug FROM tenants t JOIN partners p ON p.id = t.partner_id \
             WHERE t.deleted_at IS NULL AND p.deleted_at IS NULL AND t.status = 'active' \
               AND t.slug > $1 \
               AND (t.branding LIKE '%\"logo_url\"%' OR p.branding LIKE '%\"logo_url\"%') \
             ORDER BY t.slug LIMIT $2")
        .bind(after)
        .bind(limit)
        .all(tx)
        .await?;
    found.iter().map(|text| Slug::parse(text).doing("reading a stored slug")).collect()
}

impl FromRow for TenantRecord {
    fn from_row(row: &Row) -> Result<Self> {
        let settings: String = row.get("settings")?;
        let branding: String = row.get("branding")?;
        Ok(Self {
            id: row.get("id")?,
            partner_id: row.get("partner_id")?,
            slug: Slug::parse(&row.get::<String>("slug")?).doing("reading a stored slug")?,
            name: row.get("name")?,
            status: Status::from_stored(&row.get::<String>("status")?),
            contact_email: row.get("contact_email")?,
            settings: serde_json::from_str(&settings).doing("reading stored settings")?,
            branding: serde_json::from_str::<Branding>(&branding)
                .doing("reading stored branding")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

/// The tenant of `slug` as an operator sees it.
pub async fn record(tx: &mut Tx, slug: &Slug) -> Result<Option<TenantRecord>> {
    sql(
        "SELECT id, partner_id, slug, name, status, contact_email, settings, branding, created_at, \
                updated_at FROM tenants WHERE slug = $1 AND deleted_at IS NULL",
    )
    .bind(slug.as_str())
    .optional(tx)
    .await
}

/// Up to `limit` tenants whose slug follows `after`, in the order of their slugs.
pub async fn page(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<TenantRecord>> {
    sql(
        "SELECT id, partner_id, slug, name, status, contact_email, settings, branding, created_at, \
                updated_at FROM tenants WHERE slug > $1 AND deleted_at IS NULL \
         ORDER BY slug LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .all(tx)
    .await
}

/// Makes a tenant; `false` where its slug is taken.
pub async fn insert(tx: &mut Tx, tenant: &TenantRecord) -> Result<bool> {
    let texts = Texts::of(tenant)?;
    let made = sql(
        "INSERT INTO tenants (id, partner_id, slug, name, status, contact_email, settings, branding, \
                              created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.id)
    .bind(tenant.partner_id)
    .bind(tenant.slug.as_str())
    .bind(tenant.name.as_str())
    .bind(tenant.status.as_str())
    .bind(tenant.contact_email.clone())
    .bind(texts.settings)
    .bind(texts.branding)
    .bind(tenant.created_at)
    .execute(tx)
    .await?;
    Ok(made == 1)
}

/// Writes a tenant's name, state, settings and looks, unless somebody else has changed it since
/// `seen`; `false` then.
pub async fn update(tx: &mut Tx, tenant: &TenantRecord, seen: Timestamp) -> Result<bool> {
    let texts = Texts::of(tenant)?;
    let changed =
        sql("UPDATE tenants SET name = $3, status = $4, contact_email = $5, settings = $6, \
                branding = $7, updated_at = $8 \
         WHERE id = $1 AND updated_at = $2 AND deleted_at IS NULL")
        .bind(tenant.id)
        .bind(seen)
        .bind(tenant.name.as_str())
        .bind(tenant.status.as_str())
        .bind(tenant.contact_email.clone())
        .bind(texts.settings)
        .bind(texts.branding)
        .bind(tenant.updated_at)
        .execute(tx)
        .await?;
    Ok(changed == 1)
}

/// Marks a tenant as deleted; its slug is free again, its id is not.
pub async fn delete(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE tenants SET deleted_at = $2, updated_at = $2 \
                       WHERE id = $1 AND deleted_at IS NULL")
    .bind(tenant)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

struct Texts {
    settings: String,
    branding: String,
}

impl Texts {
    fn of(tenant: &TenantRecord) -> Result<Self> {
        Ok(Self {
            settings: serde_json::to_string(&tenant.settings).doing("writing settings")?,
            branding: serde_json::to_string(&tenant.branding).doing("writing branding")?,
        })
    }
}

/// Makes the partner `slug` where there is none, and returns its id.
pub async fn ensure_partner(
    tx: &mut Tx,
    id: PartnerId,
    slug: &Slug,
    name: &str,
    now: Timestamp,
) -> Result<PartnerId> {
    sql(
        "INSERT INTO partners (id, slug, name, status, settings, branding, created_at, updated_at) \
         VALUES ($1, $2, $3, 'active', '{}', '{}', $4, $4) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(slug.as_str())
    .bind(name)
    .bind(now)
    .execute(tx)
    .await?;
    sql("SELECT id FROM partners WHERE slug = $1 AND deleted_at IS NULL")
        .bind(slug.as_str())
        .one(tx)
        .await
}

/// The partner of `slug`.
pub async fn partner(tx: &mut Tx, slug: &Slug) -> Result<Option<PartnerId>> {
    sql("SELECT id FROM partners WHERE slug = $1 AND deleted_at IS NULL")
        .bind(slug.as_str())
        .optional(tx)
        .await
}
