//! Applications whose client id is the address of a document that describes them (client ID
//! metadata documents, draft-ietf-oauth-client-id-metadata-document). Whoever can lay a document
//! there is the application; nobody has to know it before.
//!
//! A document is read when its application first comes, and again when it was last read an hour
//! ago. Where it cannot be read, what it said holds for a day; where it says something else, or
//! is gone, that counts at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Registered,
    manage::{self, By, NotAdded, Terms},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{
        application::{Application, Origin, Owner},
        audit::{Action, Actor, Event, Target},
        oauth::registration::{Described, read as describe},
        tenant::Tenant,
    },
    error::{Context, Result},
    fetch::Unfetched,
    flows::{Caller, fresh_id, record, tenants},
    id::{ApplicationId, RequestId, TenantId},
    store::{
        self,
        applications::ApplicationRow,
        revisions::{Subject, note},
    },
};

/// How long a document is good without being read again.
pub const FRESH: Duration = Duration::from_hours(1);
/// How long it is good where it cannot be read again.
pub const STALE: Duration = Duration::from_hours(24);
/// How long a document that could not be read is not tried again.
pub const PAUSE: Duration = Duration::from_mins(1);
/// Applications of a tenant that came by a document, at most.
const MOST: i64 = 10_000;
/// Bytes of a document, at most.
const LONGEST: usize = 64 * 1024;
/// Documents that could not be read, and are kept in mind.
const UNREAD: usize = 10_000;

/// Why there is no description.
enum Unread {
    /// It could not be read this time.
    NoAnswer,
    /// There is none, or it is not one that counts.
    Nothing,
}

/// The application of a document, as it says now; `known` is what was stored of it.
pub(super) async fn current(
    app: &App,
    tenant: TenantId,
    url: &Url,
    known: Option<ApplicationRow>,
) -> Result<Option<Registered>> {
    let tenant = tenants::by_id(app, tenant).await?;
    let Some(tenant) = tenant.filter(|tenant| tenant.settings.oauth.metadata_documents) else {
        return Ok(None);
    };
    let now = app.clock.now();
    let age = |row: &ApplicationRow| row.read_at.map_or(Duration::MAX, |at| now.since(at));
    // One that an operator took out of use stays so, whatever its document says.
    let is_good = |row: &ApplicationRow| !row.is_active || age(row) < FRESH;
    if known.as_ref().is_some_and(is_good) {
        return known.map(Registered::of).transpose();
    }
    let read = if app.unread_documents.had(tenant.id, url, now) {
        Err(Unread::NoAnswer)
    } else {
        read(app, &tenant, url).await
    };
    match (read, known) {
        (Ok(described), Some(row)) => refresh(app, row, described, now).await.map(Some),
        (Ok(described), None) => add(app, &tenant, url, described).await,
        (Err(no), known) => {
            app.unread_documents.note(tenant.id, url, now);
            let kept = known.filter(|row| matches!(no, Unread::NoAnswer) && age(row) < STALE);
            kept.map(Registered::of).transpose()
        }
    }
}

async fn read(app: &App, tenant: &Tenant, url: &Url) -> Result<Described, Unread> {
    let fetched = app.fetcher.get(url, LONGEST).await.map_err(|no| {
        tracing::info!(host = url.host_str(), %no, "a metadata document could not be read");
        match no {
            Unfetched::NoAnswer => Unread::NoAnswer,
            Unfetched::Forbidden | Unfetched::TooLong => Unread::Nothing,
        }
    })?;
    match fetched.status {
        200 => {}
        429 | 500.. => return Err(Unread::NoAnswer),
        _ => return Err(Unread::Nothing),
    }
    let is_json = fetched.content_type.as_deref().is_some_and(is_json);
    let document = serde_json::from_slice(&fetched.body).ok().filter(|_| is_json);
    document.and_then(|document| described(tenant, url, document)).ok_or(Unread::Nothing)
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// What a document describes. It names itself, and rests on no secret, since nobody has given it
/// one (§4 of the draft).
fn described(tenant: &Tenant, url: &Url, mut document: Map<String, Value>) -> Option<Described> {
    let names_itself = document.get("client_id").and_then(Value::as_str) == Some(url.as_str());
    let has_secret =
        document.contains_key("client_secret") || document.contains_key("client_secret_expires_at");
    let method = document.entry("token_endpoint_auth_method").or_insert_with(|| json!("none"));
    let fits = [json!("none"), json!("private_key_jwt")].contains(method);
    if !names_itself || has_secret || !fits {
        return None;
    }
    let described = describe(&document, &tenant.settings.oauth.registration_scopes);
    described
        .inspect_err(
            |no| tracing::info!(reason = %no.description, "a metadata document is no good"),
        )
        .ok()
}

async fn add(
    app: &App,
    tenant: &Tenant,
    url: &Url,
    described: Described,
) -> Result<Option<Registered>> {
    let now = app.clock.now();
    let application = Application {
        id: fresh_id::<ApplicationId>(&app.entropy, now)?,
        client_id: url.as_str().to_owned(),
        owner: Owner::Tenant(tenant.id),
        kind: described.kind,
        name: described.name,
        is_active: true,
        origin: Origin::MetadataDocument,
        metadata: described.metadata,
        created_at: now,
        updated_at: now,
    };
    let terms = Terms { most: Some(MOST), read_at: Some(now), ..Terms::default() };
    let caller = nobody(app, now)?;
    let by = By { caller: &caller, actor: Actor::Anonymous };
    match manage::add(app, by, &application, terms).await {
        Ok(issued) => Ok(Some(issued.registered)),
        // Somebody else was faster.
        Err(NotAdded::Known) => {
            manage::show(app, application.owner, &application.client_id).await.map(Some)
        }
        Err(NotAdded::Full) => {
            tracing::warn!(tenant = %tenant.slug, "too many applications came by documents");
            Ok(None)
        }
        Err(NotAdded::Unpaid) => Ok(None),
        Err(NotAdded::Fault(fault)) => Err(fault),
    }
}

/// Notes that a document was read again, and what is new in it.
async fn refresh(
    app: &App,
    old: ApplicationRow,
    described: Described,
    now: Timestamp,
) -> Result<Registered> {
    let seen = old.updated_at;
    let metadata = serde_json::to_string(&described.metadata).doing("writing metadata")?;
    let mut next = ApplicationRow {
        kind: described.kind,
        name: described.name,
        metadata,
        read_at: Some(now),
        ..old.clone()
    };
    let mut queries: Vec<_> = note(Subject::Application(next.id)).into();
    let is_new = ApplicationRow { read_at: old.read_at, ..next.clone() } != old;
    if is_new {
        next.updated_at = now.max(seen + Duration::from_micros(1));
        let application = next.parsed()?;
        queries.push(store::applications::drop_origins(next.id));
        queries.extend(manage::origins(&application));
        if let Owner::Tenant(tenant) = next.owner {
            let target = Target::Application(next.id);
            let event = Event::success(Action::ApplicationUpdated, Actor::Anonymous, target)
                .with("origin", next.origin.as_str());
            queries.push(record(app, (tenant, now), &nobody(app, now)?, event)?);
        }
    }
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
    // Somebody else has changed it: what he wrote counts.
    manage::show(app, old.owner, &old.client_id).await
}

/// Whoever it is that causes a document to be read: an application has not come near us, and who
/// named it does not matter.
fn nobody(app: &App, now: Timestamp) -> Result<Caller> {
    let request: RequestId = fresh_id(&app.entropy, now)?;
    Ok(Caller::operator(request.to_string()))
}

/// Which documents could not be read a moment ago.
#[derive(Debug, Default)]
pub struct UnreadDocuments(Mutex<HashMap<(TenantId, String), Timestamp>>);

impl UnreadDocuments {
    fn had(&self, tenant: TenantId, url: &Url, now: Timestamp) -> bool {
        let unread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = unread.get(&(tenant, url.as_str().to_owned()));
        at.is_some_and(|at| now.since(*at) < PAUSE)
    }

    fn note(&self, tenant: TenantId, url: &Url, now: Timestamp) {
        let mut unread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unread.len() >= UNREAD {
            unread.retain(|_, at| now.since(*at) < PAUSE);
        }
        if unread.len() >= UNREAD {
            *unread = HashMap::new();
        }
        let key = (tenant, url.as_str().to_owned());
        if unread.get(&key).is_none_or(|at| now.since(*at) >= PAUSE) {
            unread.insert(key, now);
        }
    }
}
