//! Tenants and applications that a node has read and need not read again.
//!
//! Nearly every request names a tenant, and many an application; both change rarely. What changes
//! them notes it in the same transaction (`store::revisions`). Before a node uses what it
//! remembers, it knows all changes up to a moment ago, so that one request in that time asks for all
//! others. What this node itself changes counts here at once.
//!
//! Nothing is remembered of what is not there.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;

use super::applications::Registered;
use crate::{
    app::App,
    clock::Timestamp,
    db::Engine,
    domain::{
        application::Owner,
        tenant::{Slug, Tenant},
    },
    error::Result,
    id::{ApplicationId, TenantId},
    store::revisions::{self, Subject},
};

/// How long a node on PostgreSQL goes without asking whether something has changed: what one node
/// changes counts on all others after that time.
pub const TRUSTED: Duration = Duration::from_millis(500);
/// The same on SQLite, where only a command can change something beside the server: it counts by
/// the time that the command has ended.
const TRUSTED_ALONE: Duration = Duration::from_millis(10);
/// After that time a thing is read again whatever is known of changes, for changes that nobody has
/// noted: by hand, or by the version before this one.
const OLDEST: Duration = Duration::from_mins(1);
/// Changes that are looked at one by one; after more, nothing is remembered.
const CHANGES: i64 = 1_000;
/// Bytes of tenants, and of applications, that are kept, at most; by a rough measure.
const ROOM: u64 = 16 * 1024 * 1024;

/// What is remembered.
#[derive(Debug)]
pub struct Remembered {
    knowledge: Mutex<Knowledge>,
    /// One at a time asks what has changed.
    asking: tokio::sync::Mutex<()>,
    slugs: Kept<Slug, Arc<Tenant>>,
    tenants: Kept<TenantId, Arc<Tenant>>,
    client_ids: Kept<(String, [Owner; 3]), Registered>,
    applications: Kept<ApplicationId, Registered>,
}

/// Up to where changes are known.
#[derive(Debug, Default, Clone, Copy)]
struct Knowledge {
    revision: i64,
    asked_at: Option<Timestamp>,
}

type Kept<K, V> = Cache<K, (V, Timestamp)>;

/// Something that is remembered: it knows how much room it takes.
trait Weighty: Clone + Send + Sync + 'static {
    fn weight(&self) -> usize;
}

impl Weighty for Arc<Tenant> {
    fn weight(&self) -> usize {
        let settings = &self.settings;
        let lists = [
            &settings.allowed_return_urls,
            &settings.blocked_email_domains,
            &settings.embed_origins,
        ];
        let texts = lists.into_iter().flatten().map(|text| text.len() + 24).sum::<usize>();
        let looks = serde_json::to_string(&self.branding).unwrap_or_default().len() * 2;
        let schema = settings.custom_data_schema.as_ref().map_or(0, |it| it.to_string().len() * 4);
        size_of::<Tenant>() + texts + schema + looks
    }
}

impl Weighty for Registered {
    fn weight(&self) -> usize {
        // Parsed text takes about twice its room.
        let metadata = serde_json::to_string(&self.application.metadata).unwrap_or_default();
        512 + 2 * metadata.len()
    }
}

fn kept<K, V>() -> Kept<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Weighty,
{
    let weight = |_: &K, (value, _): &(V, Timestamp)| {
        u32::try_from(value.weight() + size_of::<K>() + 128).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(ROOM / 2).weigher(weight).build()
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            knowledge: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            slugs: kept(),
            tenants: kept(),
            client_ids: kept(),
            applications: kept(),
        }
    }
}

impl Remembered {
    fn knowledge(&self) -> MutexGuard<'_, Knowledge> {
        self.knowledge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node has changed something: the next request asks what.
    pub fn expire(&self) {
        self.knowledge().asked_at = None;
    }

    /// The revision up to which changes are known, where that is recent enough.
    fn trusted(&self, now: Timestamp, span: Duration) -> Option<i64> {
        let Knowledge { revision, asked_at } = *self.knowledge();
        let is_recent = |at: Timestamp| at <= now && now.since(at) < span;
        asked_at.is_some_and(is_recent).then_some(revision)
    }

    /// What has changed is forgotten, and everything up to `revision` is known.
    fn learn(&self, revision: i64, changed: Option<&[revisions::Changed]>, asked_at: Timestamp) {
        // Until all is forgotten, nobody takes the change for known, and nobody adds what was read
        // before it.
        let mut knowledge = self.knowledge();
        knowledge.revision = knowledge.revision.max(revision);
        knowledge.asked_at = Some(asked_at);
        match changed {
            Some(changed) => changed.iter().for_each(|it| self.forget(it.subject)),
            None => self.forget_all(),
        }
    }

    fn forget(&self, subject: Option<Subject>) {
        match subject {
            Some(Subject::Tenant(id)) => {
                self.tenants.invalidate(&id);
                forget_where(&self.slugs, |tenant| tenant.id == id);
            }
            Some(Subject::Partner(partner)) => {
                forget_where(&self.tenants, |tenant| tenant.partner_id == partner);
                forget_where(&self.slugs, |tenant| tenant.partner_id == partner);
            }
            Some(Subject::Application(id)) => {
                self.applications.invalidate(&id);
                forget_where(&self.client_ids, |it| it.application.id == id);
            }
            None => {}
        }
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.tenants.invalidate_all();
        self.slugs.invalidate_all();
        self.applications.invalidate_all();
        self.client_ids.invalidate_all();
    }

    /// Keeps what was read while changes up to `known` were known, unless one has come since.
    fn keep<K, V>(&self, kept: &Kept<K, V>, key: K, value: (V, Timestamp), known: i64)
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Weighty,
    {
        let knowledge = self.knowledge();
        if knowledge.revision == known {
            kept.insert(key, value);
        }
    }
}

fn forget_where<K, V>(kept: &Kept<K, V>, is_it: impl Fn(&V) -> bool)
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Weighty,
{
    for (key, (value, _)) in kept {
        if is_it(&value) {
            kept.invalidate(&*key);
        }
    }
}

/// The revision up to which changes are known now; what has changed is forgotten.
async fn current(app: &App) -> Result<i64> {
    let span = match app.db.engine() {
        Engine::Sqlite => TRUSTED_ALONE,
        Engine::Postgres => TRUSTED,
    };
    let trusted = || app.remembered.trusted(app.clock.now(), span);
    if let Some(known) = trusted() {
        return Ok(known);
    }
    let _turn = app.remembered.asking.lock().await;
    // Somebody may have asked while we waited.
    match trusted() {
        Some(known) => Ok(known),
        None => ask(app).await,
    }
}

async fn ask(app: &App) -> Result<i64> {
    let asked_at = app.clock.now();
    let known = app.remembered.knowledge().revision;
    let last = app.db.read((), |tx, ()| Box::pin(revisions::last(tx))).await?;
    if last == known {
        app.remembered.learn(known, Some(&[]), asked_at);
        return Ok(known);
    }
    let changed =
        app.db.read(known, |tx, known| Box::pin(revisions::since(tx, *known, CHANGES))).await?;
    let is_all = i64::try_from(changed.len()).is_ok_and(|changes| changes < CHANGES);
    let newest = changed.last().map_or(last, |it| it.revision);
    let (last, changed) = if is_all && known > 0 {
        (last.max(newest), Some(changed.as_slice()))
    } else {
        (last, None)
    };
    app.remembered.learn(last, changed, asked_at);
    Ok(app.remembered.knowledge().revision)
}

/// What a thing is found by.
pub(super) trait Key<V>: Hash + Eq + Clone + Send + Sync + 'static {
    /// Where what is remembered under it is.
    fn kept(remembered: &Remembered) -> &Cache<Self, (V, Timestamp)>;
}

impl Key<Arc<Tenant>> for Slug {
    fn kept(remembered: &Remembered) -> &Kept<Self, Arc<Tenant>> {
        &remembered.slugs
    }
}

impl Key<Arc<Tenant>> for TenantId {
    fn kept(remembered: &Remembered) -> &Kept<Self, Arc<Tenant>> {
        &remembered.tenants
    }
}

impl Key<Registered> for (String, [Owner; 3]) {
    fn kept(remembered: &Remembered) -> &Kept<Self, Registered> {
        &remembered.client_ids
    }
}

impl Key<Registered> for ApplicationId {
    fn kept(remembered: &Remembered) -> &Kept<Self, Registered> {
        &remembered.applications
    }
}

/// A tenant: remembered, or else as `read` finds it.
///
/// # Errors
/// What `read` says, or where the database fails.
pub(super) async fn tenant<K, F>(app: &App, key: K, read: F) -> Result<Option<Arc<Tenant>>>
where
    K: Key<Arc<Tenant>>,
    F: AsyncFnOnce(&K) -> Result<Option<Arc<Tenant>>>,
{
    recall(app, key, read).await
}

/// An application: remembered, or else as `read` finds it.
///
/// # Errors
/// What `read` says, or where the database fails.
pub(super) async fn application<K, F>(app: &App, key: K, read: F) -> Result<Option<Registered>>
where
    K: Key<Registered>,
    F: AsyncFnOnce(&K) -> Result<Option<Registered>>,
{
    recall(app, key, read).await
}

async fn recall<K, V, F>(app: &App, key: K, read: F) -> Result<Option<V>>
where
    K: Key<V>,
    V: Weighty,
    F: AsyncFnOnce(&K) -> Result<Option<V>>,
{
    let known = current(app).await?;
    let now = app.clock.now();
    let kept = K::kept(&app.remembered);
    if let Some((value, read_at)) = kept.get(&key)
        && read_at <= now
        && now.since(read_at) < OLDEST
    {
        return Ok(Some(value));
    }
    let Some(value) = read(&key).await? else { return Ok(None) };
    app.remembered.keep(kept, key, (value.clone(), now), known);
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
