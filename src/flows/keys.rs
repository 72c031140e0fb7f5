//! The keys that sign tokens: made when they are first needed, shared by all nodes, kept ready.
//!
//! There is one set for the whole instance. A key signs while it is active; every key that is in
//! the table is published and verifies, so that tokens of a key that has ceased to sign stay good.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::{Mutex, oneshot};

use crate::{
    app::App,
    clock::Timestamp,
    crypto::jose::{SigningKey, VerifyingKey, claimed_kid},
    domain::token::SigningAlgorithm,
    error::{Context, Error, Result},
    id::Realm,
    secret::Secret,
    store::{self, keys::StoredKey},
};

/// How old what a node knows may be: by then a key that another node has put to use is used here.
const FRESH: Duration = Duration::from_mins(1);

/// How often tokens that name an unknown key may have the table read.
const UNKNOWN: Duration = Duration::from_secs(5);

/// What the private halves are sealed for.
const PURPOSE: &str = "signing key";

/// The keys that a node knows.
#[derive(Debug, Default)]
pub struct Keyring {
    known: RwLock<Arc<Known>>,
    /// One at a time reads the table or makes a key. When an unknown key was last looked for.
    turn: Mutex<Option<Timestamp>>,
}

#[derive(Debug, Default)]
struct Known {
    read_at: Option<Timestamp>,
    /// The active key of each algorithm.
    signing: BTreeMap<SigningAlgorithm, Arc<Key>>,
    /// Every key, by its name.
    all: HashMap<String, Arc<Key>>,
    published: Arc<str>,
}

/// A key, ready for both of its uses.
#[derive(Debug)]
struct Key {
    signing: Arc<SigningKey>,
    verifying: Arc<VerifyingKey>,
}

impl Key {
    fn is_of(&self, row: &StoredKey) -> bool {
        self.signing.algorithm() == row.algorithm && self.signing.public().json == row.public
    }
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at.is_some_and(|at| now.since(at) < FRESH)
    }

    fn has_all(&self) -> bool {
        self.signing.len() == SigningAlgorithm::ALL.len()
    }
}

impl Keyring {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, known: Arc<Known>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// The key that signs by `algorithm` in a realm; made where there is none.
///
/// # Errors
/// Where the database or the making of a key fails.
pub async fn signing(
    app: &App,
    _realm: Realm,
    algorithm: SigningAlgorithm,
) -> Result<Arc<SigningKey>> {
    let known = current(app).await?;
    if let Some(key) = known.signing.get(&algorithm) {
        return Ok(Arc::clone(&key.signing));
    }
    let known = ensure(app, &[algorithm]).await?;
    let key = known.signing.get(&algorithm).map(|key| Arc::clone(&key.signing));
    key.ok_or("there is none after one was made").doing("choosing a signing key")
}

/// The key that `token` says it was signed with, if it is one of ours.
///
/// # Errors
/// Where the database fails.
pub async fn verifying(app: &App, token: &str) -> Result<Option<Arc<VerifyingKey>>> {
    let Some(kid) = claimed_kid(token) else { return Ok(None) };
    let known = current(app).await?;
    if let Some(key) = known.all.get(&kid) {
        return Ok(Some(Arc::clone(&key.verifying)));
    }
    // Another node may have made it a moment ago, or it is made up.
    let mut looked_at = app.keys.turn.lock().await;
    let now = app.clock.now();
    let mut known = app.keys.known();
    if !known.all.contains_key(&kid) && looked_at.is_none_or(|at| now.since(at) >= UNKNOWN) {
        *looked_at = Some(now);
        known = read(app).await?;
    }
    Ok(known.all.get(&kid).map(|key| Arc::clone(&key.verifying)))
}

/// All public keys, as a JSON Web Key Set (RFC 7517 §5), with one at least for each algorithm.
///
/// # Errors
/// Where the database or the making of a key fails.
pub async fn published(app: &App, _realm: Realm) -> Result<Arc<str>> {
    let known = current(app).await?;
    let known = if known.has_all() { known } else { ensure(app, &SigningAlgorithm::ALL).await? };
    Ok(Arc::clone(&known.published))
}

/// What is known, read again where that was too long ago.
async fn current(app: &App) -> Result<Arc<Known>> {
    let known = app.keys.known();
    if known.is_fresh(app.clock.now()) {
        return Ok(known);
    }
    let _turn = app.keys.turn.lock().await;
    let known = app.keys.known();
    if known.is_fresh(app.clock.now()) { Ok(known) } else { read(app).await }
}

/// Makes the keys that are missing among `wanted`.
async fn ensure(app: &App, wanted: &[SigningAlgorithm]) -> Result<Arc<Known>> {
    let _turn = app.keys.turn.lock().await;
    let mut known = read(app).await?;
    for algorithm in wanted {
        if known.signing.contains_key(algorithm) {
            continue;
        }
        let (key, document) = make(*algorithm).await?;
        let (kid, public) = (key.public().kid.clone(), key.public().json.clone());
        let aad = [kid.as_str(), algorithm.as_str()];
        let sealed = app.master_key.seal(PURPOSE, &aad, document.expose())?;
        let stored = StoredKey { kid, algorithm: *algorithm, is_active: true, sealed, public };
        let won = app
            .db
            .write((stored, app.clock.now()), |tx, (key, now)| {
                Box::pin(store::keys::activate(tx, key, *now))
            })
            .await?;
        if won {
            tracing::info!(algorithm = algorithm.as_str(), kid = key.public().kid, "a signing key");
        }
        known = read(app).await?;
    }
    Ok(known)
}

/// A key takes tenths of a second of one core, so it is made on a thread of its own.
async fn make(algorithm: SigningAlgorithm) -> Result<(SigningKey, Secret<Vec<u8>>)> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("signing-key".to_owned())
        // Where nobody waits any more the key is dropped unused.
        .spawn(move || drop(reply.send(SigningKey::generate(algorithm))))
        .doing("starting a thread for a signing key")?;
    answer.await.doing("making a signing key")?
}

/// Reads the table; keys that are known already are not built again.
async fn read(app: &App) -> Result<Arc<Known>> {
    let before = app.keys.known();
    let read_at = app.clock.now();
    let stored = app.db.read((), |tx, ()| Box::pin(store::keys::published(tx))).await?;
    let mut known = Known { read_at: Some(read_at), ..Known::default() };
    let mut published = Vec::new();
    for row in stored {
        let same = before.all.get(&row.kid).filter(|key| key.is_of(&row));
        let key =
            match same.map_or_else(|| open(app, &row).map(Arc::new), |key| Ok(Arc::clone(key))) {
                Ok(key) => key,
                // Not ours: neither used nor published. The others are as good as before.
                Err(error) => {
                    tracing::error!(kid = row.kid, cause = ?error, "a signing key is left out");
                    continue;
                }
            };
        if row.is_active {
            known.signing.insert(row.algorithm, Arc::clone(&key));
        }
        known.all.insert(row.kid, key);
        published.push(row.public);
    }
    known.published = format!(r#"{{"keys":[{}]}}"#, published.join(",")).into();
    let known = Arc::new(known);
    app.keys.set(Arc::clone(&known));
    Ok(known)
}

/// Whoever can write to the database, but has not the master key, could put a public key of his
/// own there. So a row counts only where its sealed private half opens and belongs to it.
fn open(app: &App, row: &StoredKey) -> Result<Key> {
    let aad = [row.kid.as_str(), row.algorithm.as_str()];
    let document = app.master_key.open(PURPOSE, &aad, &row.sealed)?;
    let signing = Arc::new(SigningKey::from_pkcs8(row.algorithm, document.expose())?);
    let public = signing.public();
    if public.kid != row.kid || public.json != row.public {
        return Err(Error::internal("opening a signing key", "its public half is another key's"));
    }
    let verifying = Arc::new(VerifyingKey::from_json(row.algorithm, &public.json)?);
    Ok(Key { signing, verifying })
}
