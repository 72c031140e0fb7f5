//! Tenants: found by their slug for every request, and made and changed by operators.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    app::App,
    db::Tx,
    domain::{
        application::Owner,
        audit::{Action, Actor, Event, Target},
        settings::{Settings, SettingsLayer},
        tenant::{Branding, Picture, Slug, Status, Tenant, TenantRecord, is_label, style},
    },
    error::{Code, Context, Error, Fault, Loc, Result},
    flows::{Caller, fresh_id, record, remembered},
    id::{PartnerId, TenantId},
    store::{
        self,
        pictures::NewPicture,
        revisions::{Subject, note},
        tenants::TenantRow,
    },
};

/// Settings as they were last parsed, for whatever reads a tenant's row together with something
/// else. Never trusted by itself: only the parsing is saved.
#[derive(Debug, Default)]
pub struct TenantCache(Mutex<HashMap<TenantId, (TenantRow, Arc<Tenant>)>>);

/// Tenants that are kept parsed.
const CACHED: usize = 10_000;

impl TenantCache {
    /// The tenant of a row that was just read.
    pub(super) fn parsed(&self, slug: &Slug, row: TenantRow) -> Result<Arc<Tenant>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, tenant)) = kept.get(&row.id)
            && *known == row
            && tenant.slug == *slug
        {
            return Ok(Arc::clone(tenant));
        }
        let tenant = Arc::new(parse(slug, &row)?);
        if kept.len() >= CACHED {
            kept.clear();
        }
        kept.insert(row.id, (row, Arc::clone(&tenant)));
        Ok(tenant)
    }
}

fn parse(slug: &Slug, row: &TenantRow) -> Result<Tenant> {
    let layer = |text: &str| serde_json::from_str::<SettingsLayer>(text).doing("reading settings");
    let looks = |text: &str| serde_json::from_str::<Branding>(text).doing("reading branding");
    let layers = &row.layers;
    Ok(Tenant {
        id: row.id,
        partner_id: row.partner_id,
        slug: slug.clone(),
        name: row.name.clone(),
        status: row.status,
        settings: Settings::effective(&layer(&layers.partner_settings)?, &layer(&layers.settings)?),
        branding: safe(looks(&layers.branding)?.over(&looks(&layers.partner_branding)?)),
    })
}

/// The same looks without a style sheet that is not let through. It was checked when it was set;
/// whatever has got into the database otherwise does not get into a page.
fn safe(mut looks: Branding) -> Branding {
    looks.css = looks.css.and_then(|css| style::safe(&css).ok());
    looks
}

/// The tenant of a slug, whatever its state; `None` for unknown and deleted ones.
///
/// # Errors
/// Where the database fails.
pub async fn by_slug(app: &App, slug: &Slug) -> Result<Option<Arc<Tenant>>> {
    remembered::tenant(app, slug.clone(), async |slug| {
        let read =
            app.db.read(slug.clone(), |tx, slug| Box::pin(store::tenants::by_slug(tx, slug)));
        read.await?.map(|row| app.tenants.parsed(slug, row)).transpose()
    })
    .await
}

/// The tenant of an id, whatever its state; `None` for unknown and deleted ones.
///
/// # Errors
/// Where the database fails.
pub async fn by_id(app: &App, tenant: TenantId) -> Result<Option<Arc<Tenant>>> {
    remembered::tenant(app, tenant, async |tenant| {
        let read = app.db.read(*tenant, |tx, tenant| Box::pin(store::tenants::by_id(tx, *tenant)));
        read.await?.map(|(slug, row)| app.tenants.parsed(&slug, row)).transpose()
    })
    .await
}

/// The tenant of an id, in use.
///
/// # Errors
/// `tenant_not_found`, `tenant_suspended`, or where the database fails.
pub async fn resolve_id(app: &App, tenant: TenantId) -> Result<Arc<Tenant>> {
    in_use(by_id(app, tenant).await?)
}

/// The tenant that a request names, in use.
///
/// # Errors
/// `tenant_not_found`, `tenant_suspended`, or where the database fails.
pub async fn resolve(app: &App, slug: &str) -> Result<Arc<Tenant>> {
    let slug = Slug::parse(slug).map_err(|_| Error::refused(Code::TenantNotFound))?;
    in_use(by_slug(app, &slug).await?)
}

fn in_use(tenant: Option<Arc<Tenant>>) -> Result<Arc<Tenant>> {
    let tenant = tenant.ok_or_else(|| Error::refused(Code::TenantNotFound))?;
    if tenant.status == Status::Suspended {
        return Err(Error::refused(Code::TenantSuspended));
    }
    Ok(tenant)
}

/// What an operator wants of a tenant; what is `None` stays, or is the default for a new one.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Its name for people.
    pub name: Option<String>,
    /// Whom to write to about it.
    pub contact_email: Option<String>,
    /// All its own settings.
    pub settings: Option<SettingsLayer>,
    /// All its own looks.
    pub branding: Option<Branding>,
    /// Pictures that its looks name and that are not kept yet.
    pub pictures: Vec<NewPicture>,
}

impl Change {
    fn check(&self) -> Result<()> {
        let mut faults: Vec<String> = Vec::new();
        if self.name.as_ref().is_some_and(|name| !is_label(name)) {
            faults.push("name: 1 to 256 characters without control characters".to_owned());
        }
        if self
            .contact_email
            .as_ref()
            .is_some_and(|email| crate::domain::email::Email::parse(email).is_err())
        {
            faults.push("contact_email: an e-mail address".to_owned());
        }
        faults.extend(self.settings.iter().flat_map(SettingsLayer::faults));
        faults.extend(self.branding.iter().flat_map(Branding::faults));
        if faults.is_empty() { Ok(()) } else { Err(invalid(faults)) }
    }

    fn apply(self, to: &mut TenantRecord) {
        if let Some(name) = self.name {
            to.name = name;
        }
        if self.contact_email.is_some() {
            to.contact_email = self.contact_email;
        }
        if let Some(settings) = self.settings {
            to.settings = settings;
        }
        if let Some(branding) = self.branding {
            to.branding = branding;
        }
    }
}

/// Faults of settings: the first word of each sentence names the setting.
pub(super) fn invalid(sentences: Vec<String>) -> Error {
    Error::Invalid(
        sentences
            .into_iter()
            .map(|sentence| {
                let (name, allowed) = sentence.split_once(": ").unwrap_or(("", &sentence));
                let (name, message) = (name.to_owned(), allowed.to_owned());
                Fault { loc: vec![Loc::Name(name)], kind: "value_error", message }
            })
            .collect(),
    )
}

/// The partner that tenants belong to when nobody says otherwise.
const HOUSE: &str = "house";

/// Makes a tenant under the house partner.
///
/// # Errors
/// `slug_taken`, the faults of its values, or where the database fails.
pub async fn create(
    app: &App,
    caller: &Caller,
    slug: Slug,
    change: Change,
) -> Result<TenantRecord> {
    change.check()?;
    let now = app.clock.now();
    let house = Slug::parse(HOUSE).doing("naming the house partner")?;
    let mut tenant = TenantRecord {
        id: fresh_id(&app.entropy, now)?,
        partner_id: fresh_id::<PartnerId>(&app.entropy, now)?,
        name: slug.as_str().to_owned(),
        slug,
        status: Status::Active,
        contact_email: None,
        settings: SettingsLayer::default(),
        branding: Branding::default(),
        created_at: now,
        updated_at: now,
    };
    let pictures = change.pictures.clone();
    change.apply(&mut tenant);
    let event = Event::success(Action::TenantCreated, Actor::Operator, Target::Tenant(tenant.id))
        .with("slug", tenant.slug.as_str());
    let audit = record(app, (tenant.id, now), caller, event)?;
    app.db
        .write((tenant, house, audit, pictures), |tx, (tenant, house, audit, pictures)| {
            Box::pin(async move {
                let mut tenant = tenant.clone();
                let (id, now) = (tenant.partner_id, tenant.created_at);
                tenant.partner_id =
                    store::tenants::ensure_partner(tx, id, house, "House", now).await?;
                if !store::tenants::insert(tx, &tenant).await? {
                    return Err(Error::Taken(Code::SlugTaken));
                }
                keep_pictures(tx, &tenant, pictures).await?;
                audit.clone().execute(tx).await?;
                Ok(tenant)
            })
        })
        .await
}

/// The tenant of a slug as an operator sees it.
///
/// # Errors
/// `tenant_not_found`, or where the database fails.
pub async fn show(app: &App, slug: &Slug) -> Result<TenantRecord> {
    app.db
        .read(slug.clone(), |tx, slug| Box::pin(store::tenants::record(tx, slug)))
        .await?
        .ok_or_else(|| Error::refused(Code::TenantNotFound))
}

/// Up to 200 tenants whose slug follows `after`.
///
/// # Errors
/// Where the database fails.
pub async fn list(app: &App, after: String) -> Result<Vec<TenantRecord>> {
    app.db.read(after, |tx, after| Box::pin(store::tenants::page(tx, after, 200))).await
}

/// Changes a tenant's name, contact, settings or looks.
///
/// # Errors
/// `tenant_not_found`, the faults of the values, or where the database fails.
pub async fn update(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    change: Change,
) -> Result<TenantRecord> {
    change.check()?;
    let pictures = change.pictures.clone();
    let by = |tenant: &mut TenantRecord| change.clone().apply(tenant);
    write(app, caller, slug, (Action::TenantUpdated, by, pictures)).await
}

/// Notes the copy of the logo that a tenant, or its partner, has named by its address.
pub(super) async fn set_logo(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    (picture, kept): (Picture, NewPicture),
) -> Result<()> {
    let by = |tenant: &mut TenantRecord| {
        // Somebody may have uploaded one meanwhile.
        if tenant.branding.logo.as_ref().is_none_or(|it| it.source.is_some()) {
            tenant.branding.logo = Some(picture.clone());
        }
    };
    write(app, caller, slug, (Action::TenantUpdated, by, vec![kept])).await.map(|_| ())
}

/// Keeps new pictures of a tenant, and drops those that its looks do not name any more.
async fn keep_pictures(tx: &mut Tx, tenant: &TenantRecord, new: &[NewPicture]) -> Result<()> {
    let owner = Owner::Tenant(tenant.id);
    for picture in new {
        store::pictures::insert(owner, picture, tenant.updated_at).execute(tx).await?;
    }
    let Branding { logo, logo_dark, favicon, .. } = &tenant.branding;
    let named = [logo, logo_dark, favicon]
        .map(|it| it.as_ref().map(|picture| picture.digest.clone()).unwrap_or_default());
    store::pictures::drop_others(owner, &named).execute(tx).await?;
    Ok(())
}

/// Suspends a tenant, or takes it into use again. From the answer on nobody signs in to a
/// suspended one, on any node; on other nodes what is not a sign-in may be served for
/// [`remembered::TRUSTED`] longer.
///
/// # Errors
/// `tenant_not_found`, or where the database fails.
pub async fn set_status(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    status: Status,
) -> Result<TenantRecord> {
    let action = match status {
        Status::Active => Action::TenantActivated,
        Status::Suspended => Action::TenantSuspended,
    };
    let by = |tenant: &mut TenantRecord| tenant.status = status;
    write(app, caller, slug, (action, by, Vec::new())).await
}

async fn write<F>(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    (action, change, pictures): (Action, F, Vec<NewPicture>),
) -> Result<TenantRecord>
where
    F: Fn(&mut TenantRecord),
{
    // Somebody else may change the same tenant meanwhile: then read it again.
    for _ in 0..5 {
        let mut tenant = show(app, slug).await?;
        let seen = tenant.updated_at;
        change(&mut tenant);
        tenant.updated_at = app.clock.now().max(seen + std::time::Duration::from_micros(1));
        let event = Event::success(action, Actor::Operator, Target::Tenant(tenant.id));
        let audit = record(app, (tenant.id, tenant.updated_at), caller, event)?;
        let written = app
            .db
            .write(
                (tenant, seen, audit, pictures.clone()),
                |tx, (tenant, seen, audit, pictures)| {
                    Box::pin(async move {
                        if !store::tenants::update(tx, tenant, *seen).await? {
                            return Ok(None);
                        }
                        keep_pictures(tx, tenant, pictures).await?;
                        let [count, note] = note(Subject::Tenant(tenant.id));
                        tx.pipeline(vec![audit.clone(), count, note]).await?;
                        Ok(Some(tenant.clone()))
                    })
                },
            )
            .await?;
        if let Some(tenant) = written {
            app.remembered.expire();
            return Ok(tenant);
        }
    }
    Err(Error::internal("changing a tenant", "it kept changing under us"))
}

/// Deletes a tenant: its slug is free, its id never comes back, nothing of it works any more.
///
/// # Errors
/// `tenant_not_found`, or where the database fails.
pub async fn delete(app: &App, caller: &Caller, slug: &Slug) -> Result<()> {
    let tenant = show(app, slug).await?;
    let now = app.clock.now();
    let event = Event::success(Action::TenantDeleted, Actor::Operator, Target::Tenant(tenant.id));
    let audit = record(app, (tenant.id, now), caller, event)?;
    app.db
        .write((tenant.id, now, audit), |tx, (tenant, now, audit)| {
            Box::pin(async move {
                if !store::tenants::delete(tx, *tenant, *now).await? {
                    return Err(Error::refused(Code::TenantNotFound));
                }
                let [count, note] = note(Subject::Tenant(*tenant));
                tx.pipeline(vec![audit.clone(), count, note]).await?;
                Ok(())
            })
        })
        .await?;
    app.remembered.expire();
    Ok(())
}

/// The partner of a slug; `None` where there is none.
///
/// # Errors
/// Where the database fails.
pub async fn partner(app: &App, slug: &Slug) -> Result<Option<PartnerId>> {
    app.db.read(slug.clone(), |tx, slug| Box::pin(store::tenants::partner(tx, slug))).await
}
