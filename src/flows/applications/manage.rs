//! Applications, made and changed: by operators, and by whatever registers itself.
//!
//! A secret is made here, told once, and stored as a digest. Of a tenant's applications everything
//! is in the tenant's audit trail. A trail belongs to a tenant (its rows and its chain are keyed by
//! it), so that applications of a partner or the platform have none: of those the log tells.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Registered;
use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque::Token,
    db::{Query, Tx},
    domain::{
        application::{Application, ApplicationType, Metadata, Origin, Owner},
        audit::{Action, Actor, Event, Target},
        tenant::is_label,
    },
    error::{Code, Context, Error, Result},
    flows::{Caller, fresh_id, record, tenants::invalid},
    id::ApplicationId,
    store::{
        self,
        applications::{ApplicationRow, Secrets},
        revisions::{Subject, note},
    },
};

/// How long the secret before the present one stays good where nobody says otherwise.
pub const OVERLAP: Duration = Duration::from_hours(24);

/// How long it may stay good at most.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(30 * 24);

/// Who makes or changes an application.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// From where.
    pub caller: &'a Caller,
    /// In which role.
    pub actor: Actor,
}

impl<'a> By<'a> {
    /// An operator on the machine.
    #[must_use]
    pub fn operator(caller: &'a Caller) -> Self {
        Self { caller, actor: Actor::Operator }
    }
}

/// An application about to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// Whose.
    pub owner: Owner,
    /// What kind of program.
    pub kind: ApplicationType,
    /// Its name for people.
    pub name: String,
    /// Its metadata, field by field as in [`Metadata`]; what is left out is as by default.
    pub metadata: Map<String, Value>,
}

/// What is to be changed of an application; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Its name for people.
    pub name: Option<String>,
    /// Fields of its metadata; `null` lets one be as by default again.
    pub metadata: Map<String, Value>,
}

/// An application whose secret was just made, where it has one. It is never told again.
#[derive(Debug)]
pub struct Issued {
    /// The application.
    pub registered: Registered,
    /// Its secret.
    pub secret: Option<Token>,
}

/// Makes an application, with a secret where its way to authenticate rests on one.
///
/// # Errors
/// The faults of its name and metadata, or where the database fails.
pub async fn create(app: &App, by: By<'_>, new: New) -> Result<Issued> {
    let metadata = Metadata::default().changed(&new.metadata).map_err(invalid)?;
    let now = app.clock.now();
    let id: ApplicationId = fresh_id(&app.entropy, now)?;
    let application = Application {
        id,
        client_id: id.to_string(),
        owner: new.owner,
        kind: new.kind,
        name: new.name,
        is_active: true,
        origin: Origin::Operator,
        metadata,
        created_at: now,
        updated_at: now,
    };
    match add(app, by, &application, Terms::default()).await {
        Ok(issued) => Ok(issued),
        Err(NotAdded::Fault(fault)) => Err(fault),
        Err(_) => Err(Error::internal("making an application", "its id is taken")),
    }
}

/// On which terms an application is added that comes by itself.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The digest of what it manages itself with.
    pub(crate) registration: Option<[u8; 32]>,
    /// What it is added for: one row has to be changed.
    pub(crate) price: Option<Query>,
    /// How many that came as it did there may be with it.
    pub(crate) most: Option<i64>,
    /// When its document was read.
    pub(crate) read_at: Option<Timestamp>,
}

/// Why an application was not added.
#[derive(Debug)]
pub(crate) enum NotAdded {
    /// The price was not paid.
    Unpaid,
    /// There are too many.
    Full,
    /// There is one of this client id.
    Known,
    /// Its faults, or ours.
    Fault(Error),
}

impl From<Error> for NotAdded {
    fn from(fault: Error) -> Self {
        Self::Fault(fault)
    }
}

/// Adds an application that is described already, and makes its secret where it has one.
pub(crate) async fn add(
    app: &App,
    by: By<'_>,
    application: &Application,
    terms: Terms,
) -> Result<Issued, NotAdded> {
    check(application)?;
    let secret = if has_secret(application) { Some(Token::generate(&app.entropy)?) } else { None };
    let now = application.created_at;
    let present = secret.as_ref().map(|secret| (*secret.digest().as_bytes(), now));
    let secrets = Secrets { present, previous: None };
    let row =
        ApplicationRow { read_at: terms.read_at, ..row(application, secrets, terms.registration)? };
    let mut queries = origins(application);
    queries.extend(trail(app, by, (application, now), Action::ApplicationCreated)?);
    let input = (row.clone(), queries, terms.price, terms.most);
    let refused = app
        .db
        .write(input, |tx, (row, queries, price, most)| {
            Box::pin(async move {
                let refused = try_to_add(tx, row, price.as_ref(), *most).await?;
                if refused.is_none() {
                    tx.pipeline(queries.clone()).await?;
                }
                Ok(refused)
            })
        })
        .await?;
    match refused {
        None => Ok(Issued { registered: Registered::of(row)?, secret }),
        Some(refused) => Err(refused),
    }
}

/// Adds the row, or writes nothing. Only what has an id of ours, which nobody else can have, has
/// a price: it is never paid for nothing.
async fn try_to_add(
    tx: &mut Tx,
    row: &ApplicationRow,
    price: Option<&Query>,
    most: Option<i64>,
) -> Result<Option<NotAdded>> {
    if let Some(most) = most
        && store::applications::count(tx, row.owner, row.origin).await? >= most
    {
        return Ok(Some(NotAdded::Full));
    }
    if let Some(price) = price
        && price.clone().execute(tx).await? != 1
    {
        return Ok(Some(NotAdded::Unpaid));
    }
    let added = store::applications::insert(row).execute(tx).await? == 1;
    Ok((!added).then_some(NotAdded::Known))
}

/// An application of `owner` by its client id.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn show(app: &App, owner: Owner, client_id: &str) -> Result<Registered> {
    Registered::of(find(app, owner, client_id).await?)
}

/// Up to 200 applications of `owner` whose ids follow `after`, in the order they were made.
///
/// # Errors
/// Where the database fails.
pub async fn list(app: &App, owner: Owner, after: String) -> Result<Vec<Registered>> {
    let rows = app
        .db
        .read((owner, after), |tx, (owner, after)| {
            Box::pin(store::applications::page(tx, *owner, after, 200))
        })
        .await?;
    rows.into_iter().map(Registered::of).collect()
}

/// Changes an application's name or metadata. One that no longer authenticates by a secret loses
/// those it had; one that begins to is given one by [`rotate_secret`].
///
/// # Errors
/// Not found, the faults of the values, or where the database fails.
pub async fn update(
    app: &App,
    by: By<'_>,
    (owner, client_id): (Owner, &str),
    change: Change,
) -> Result<Registered> {
    write(app, by, (owner, client_id), |application, secrets, _| {
        if let Some(name) = &change.name {
            application.name.clone_from(name);
        }
        application.metadata = application.metadata.changed(&change.metadata).map_err(invalid)?;
        check(application)?;
        if !has_secret(application) {
            *secrets = Secrets::default();
        }
        Ok(Action::ApplicationUpdated)
    })
    .await
}

/// Makes a new secret. The one before it stays good for `overlap`; one before that ends at once,
/// so that at most two are.
///
/// # Errors
/// Not found, `overlap` too long, an application without a secret, or where the database fails.
pub async fn rotate_secret(
    app: &App,
    by: By<'_>,
    (owner, client_id): (Owner, &str),
    overlap: Duration,
) -> Result<Issued> {
    if overlap > LONGEST_OVERLAP {
        let said = format!("0 to {} seconds", LONGEST_OVERLAP.as_secs());
        return Err(Error::invalid_field("overlap", said));
    }
    let secret = Token::generate(&app.entropy)?;
    let digest = *secret.digest().as_bytes();
    let registered = write(app, by, (owner, client_id), |application, secrets, now| {
        if !has_secret(application) {
            let said = format!("{} has no secret", application.auth_method().as_str());
            return Err(Error::invalid_field("token_endpoint_auth_method", said));
        }
        let former = secrets.present.map(|(former, _)| (former, now + overlap));
        secrets.previous = former.filter(|_| !overlap.is_zero());
        secrets.present = Some((digest, now));
        Ok(Action::ApplicationSecretRotated)
    })
    .await?;
    Ok(Issued { registered, secret: Some(secret) })
}

/// Takes the secret before the present one out of use, before its time.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn revoke_previous_secret(
    app: &App,
    by: By<'_>,
    (owner, client_id): (Owner, &str),
) -> Result<Registered> {
    write(app, by, (owner, client_id), |_, secrets, _| {
        secrets.previous = None;
        Ok(Action::ApplicationSecretRevoked)
    })
    .await
}

/// Takes an application out of use, or into use again. From the answer on nothing is given to one
/// out of use; on other nodes it may be served for [`TRUSTED`](super::super::remembered::TRUSTED)
/// longer.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn set_active(
    app: &App,
    by: By<'_>,
    (owner, client_id): (Owner, &str),
    is_active: bool,
) -> Result<Registered> {
    write(app, by, (owner, client_id), |application, _, _| {
        application.is_active = is_active;
        Ok(if is_active { Action::ApplicationEnabled } else { Action::ApplicationDisabled })
    })
    .await
}

/// Deletes an application, with all that people have allowed it and all its families of refresh
/// tokens. Its id never comes back.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn delete(app: &App, by: By<'_>, (owner, client_id): (Owner, &str)) -> Result<()> {
    let row = find(app, owner, client_id).await?;
    let (id, now) = (row.id, app.clock.now());
    let application = Registered::of(row)?.application;
    let mut queries = vec![
        store::applications::drop_origins(id),
        store::consents::forget_application_all_tenants(id),
        store::session_clients::forget_application_all_tenants(id),
        store::grants::end_application_all_tenants(id),
    ];
    queries.extend(note(Subject::Application(id)));
    queries.extend(trail(app, by, (&application, now), Action::ApplicationDeleted)?);
    app.db
        .write((id, now, queries), |tx, (id, now, queries)| {
            Box::pin(async move {
                if store::applications::delete(*id, *now).execute(tx).await? != 1 {
                    return Err(Error::NotFound);
                }
                tx.pipeline(queries.clone()).await?;
                Ok(())
            })
        })
        .await?;
    app.remembered.expire();
    Ok(())
}

pub(crate) async fn find(app: &App, owner: Owner, client_id: &str) -> Result<ApplicationRow> {
    let found = app
        .db
        .read((client_id.to_owned(), [owner; 3]), |tx, (client_id, owners)| {
            Box::pin(store::applications::by_client_id(tx, client_id, *owners))
        })
        .await?;
    found.ok_or_else(|| Error::refused(Code::ApplicationNotFound))
}

/// Reads an application, lets `change` have it, and writes it back, from the start where somebody
/// else has changed it meanwhile.
pub(crate) async fn write<F>(
    app: &App,
    by: By<'_>,
    (owner, client_id): (Owner, &str),
    change: F,
) -> Result<Registered>
where
    F: Fn(&mut Application, &mut Secrets, Timestamp) -> Result<Action>,
{
    for _ in 0..5 {
        let old = find(app, owner, client_id).await?;
        let seen = old.updated_at;
        let now = app.clock.now().max(seen + Duration::from_micros(1));
        let (mut application, mut secrets) = (old.parsed()?, old.secrets.clone());
        let action = change(&mut application, &mut secrets, now)?;
        application.updated_at = now;
        let next = ApplicationRow {
            read_at: old.read_at,
            ..row(&application, secrets, old.registration_digest)?
        };
        let mut queries = vec![store::applications::drop_origins(next.id)];
        queries.extend(origins(&application));
        queries.extend(note(Subject::Application(next.id)));
        queries.extend(trail(app, by, (&application, now), action)?);
        let written = app
            .db
            .write((next.clone(), seen, queries), |tx, (next, seen, queries)| {
                Box::pin(async move {
                    let changed = store::applications::update(next, *seen).execute(tx).await?;
                    if changed == 1 {
                        tx.pipeline(queries.clone()).await?;
                    }
                    Ok(changed == 1)
                })
            })
            .await?;
        if written {
            app.remembered.expire();
            return Registered::of(next);
        }
    }
    Err(Error::internal("changing an application", "it kept changing under us"))
}

/// Whether it authenticates by a secret that we make.
fn has_secret(application: &Application) -> bool {
    application.auth_method().has_secret()
}

pub(crate) fn check(application: &Application) -> Result<()> {
    let mut faults = application.metadata.faults(application.kind);
    if !is_label(&application.name) {
        faults.insert(0, "name: 1 to 256 characters without control characters".to_owned());
    }
    if faults.is_empty() { Ok(()) } else { Err(invalid(faults)) }
}

pub(crate) fn row(
    application: &Application,
    secrets: Secrets,
    registration_digest: Option<[u8; 32]>,
) -> Result<ApplicationRow> {
    Ok(ApplicationRow {
        id: application.id,
        client_id: application.client_id.clone(),
        owner: application.owner,
        kind: application.kind,
        name: application.name.clone(),
        is_active: application.is_active,
        origin: application.origin,
        metadata: serde_json::to_string(&application.metadata).doing("writing metadata")?,
        secrets,
        registration_digest,
        read_at: None,
        created_at: application.created_at,
        updated_at: application.updated_at,
    })
}

/// The rows of where its pages come from.
pub(crate) fn origins(application: &Application) -> Vec<Query> {
    let origins = application.metadata.allowed_origins.iter().flatten();
    let add = |origin: &String| {
        store::applications::add_origin(application.id, application.owner, origin)
    };
    origins.map(add).collect()
}

/// The row of the tenant's trail. There is no trail beside those of tenants: what happens to the
/// applications of a partner or the platform is logged instead.
fn trail(
    app: &App,
    by: By<'_>,
    (application, now): (&Application, Timestamp),
    action: Action,
) -> Result<Option<Query>> {
    if let Owner::Tenant(tenant) = application.owner {
        let event = Event::success(action, by.actor, Target::Application(application.id))
            .with("type", application.kind.as_str())
            .with("origin", application.origin.as_str());
        return record(app, (tenant, now), by.caller, event).map(Some);
    }
    tracing::info!(
        action = action.as_str(),
        application = %application.id,
        scope = application.owner.scope(),
        actor = by.actor.kind(),
        request_id = by.caller.request_id,
        "an application was changed"
    );
    Ok(None)
}
