//! The public keys of applications: registered with them, or read from where they publish them.
//!
//! What was read is kept for a while. A token that names a key that is not among them has them
//! read again, though not more than once a minute, so that nobody can have us knock at somebody's
//! door as often as he likes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use url::Url;

use super::Ox;
use crate::{
    app::App, clock::Timestamp, crypto::jose::foreign::ForeignKeys,
    domain::application::Application,
};

/// How long keys that were read are taken as they are.
const FRESH: Duration = Duration::from_mins(5);
/// How long they are taken where they cannot be read again.
const USABLE: Duration = Duration::from_hours(1);
/// How long the address is left alone after it was asked.
const PAUSE: Duration = Duration::from_mins(1);
/// Addresses whose keys are kept.
const KEPT: usize = 10_000;
/// Bytes of a key set, at most.
const LONGEST: usize = 256 * 1024;

/// Keys that applications publish, by address.
#[derive(Debug, Default)]
pub struct ClientKeys(Mutex<HashMap<String, Arc<Place>>>);

/// An address where keys are published.
#[derive(Debug, Default)]
struct Place {
    known: RwLock<Known>,
    /// One at a time asks.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    keys: Option<(Arc<ForeignKeys>, Timestamp)>,
    asked_at: Option<Timestamp>,
}

impl Known {
    /// The keys, if they were read within `span`.
    fn within(&self, span: Duration, now: Timestamp) -> Option<&Arc<ForeignKeys>> {
        self.keys.as_ref().filter(|(_, at)| now.since(*at) < span).map(|(keys, _)| keys)
    }
}

impl Place {
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl ClientKeys {
    fn place(&self, address: &str) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= KEPT && !places.contains_key(address) {
            places.clear();
        }
        Arc::clone(places.entry(address.to_owned()).or_default())
    }
}

/// The keys that may have signed a token of an application's; `None` where it has none that can
/// be read.
pub async fn for_token(
    ox: &Ox,
    application: &Application,
    token: &str,
) -> Option<Arc<ForeignKeys>> {
    of(ox, application, |keys| keys.may_hold_key_of(token)).await
}

/// The keys among which that of a certificate may be, by its thumbprint.
pub async fn for_certificate(
    ox: &Ox,
    application: &Application,
    thumbprint: &str,
) -> Option<Arc<ForeignKeys>> {
    of(ox, application, |keys| keys.iter().any(|key| key.thumbprint() == thumbprint)).await
}

async fn of(
    ox: &Ox,
    application: &Application,
    will_do: impl Fn(&ForeignKeys) -> bool,
) -> Option<Arc<ForeignKeys>> {
    let metadata = &application.metadata;
    if let Some(registered) = &metadata.jwks {
        return ForeignKeys::parse(registered).map(Arc::new);
    }
    let address = metadata.jwks_uri.as_deref()?;
    let place = ox.app.client_keys.place(address);
    let at_hand =
        |known: &Known| known.within(FRESH, ox.now).filter(|keys| will_do(keys)).map(Arc::clone);
    if let Some(keys) = at_hand(&place.known()) {
        return Some(keys);
    }
    let _turn = place.turn.lock().await;
    let mut known = place.known();
    if let Some(keys) = at_hand(&known) {
        return Some(keys);
    }
    if known.asked_at.is_none_or(|at| ox.now.since(at) >= PAUSE) {
        known.asked_at = Some(ox.now);
        // Noted first: whoever gives up while it is under way does not undo the pause.
        place.set(known.clone());
        if let Some(keys) = read(&ox.app, address).await {
            known.keys = Some((Arc::new(keys), ox.now));
        }
        place.set(known.clone());
    }
    known.within(USABLE, ox.now).map(Arc::clone)
}

async fn read(app: &App, address: &str) -> Option<ForeignKeys> {
    let fetched = app.fetcher.get(&Url::parse(address).ok()?, LONGEST).await;
    match fetched {
        Ok(fetched) if fetched.status == 200 => ForeignKeys::read(&fetched.body),
        Ok(fetched) => {
            tracing::info!(status = fetched.status, "keys of an application cannot be read");
            None
        }
        Err(fault) => {
            tracing::info!(cause = %fault, "keys of an application cannot be read");
            None
        }
    }
}
