//! The keys that sign tokens: made when they are first needed, shared by all nodes, kept ready.
//!
//! Each realm has its own. A key signs while it is active; the next one is published before it
//! signs, and the last one until its tokens have ended, so that none of them is ever in doubt.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    app::App,
    clock::Timestamp,
    crypto::jose::{SigningKey, VerifyingKey, claimed_kid},
    domain::token::{KeyState, SigningAlgorithm},
    error::{Context, Error, Result},
    id::Realm,
    secret::Secret,
    store::{self, keys::StoredKey},
};

pub mod rotation;

/// How old what a node knows may be: by then a key that another node has put to use is used here.
const FRESH: Duration = Duration::from_mins(1);

/// For how long a name that no key has is taken for one that no key has.
const UNKNOWN: Duration = Duration::from_secs(5);
/// How many such names are looked up in that time.
const LOOKS: usize = 1_000;

/// Realms whose keys are kept ready.
const REALMS: usize = 10_000;

/// What the private halves are sealed for.
const PURPOSE: &str = "signing key";

/// Characters of a key's name: a SHA-256 in base64url.
const KID: usize = 43;

/// The keys that a node knows.
#[derive(Debug, Default)]
pub struct Keyring {
    rings: Mutex<Rings>,
    /// One at a time looks for a key whose realm is not known.
    looking: tokio::sync::Mutex<Looked>,
    /// One at a time makes a key, which takes all of a core.
    making: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Rings {
    by_realm: HashMap<Realm, Arc<Ring>>,
    by_kid: HashMap<String, Realm>,
}

/// Names that no key has, and since when they are noted.
#[derive(Debug, Default)]
struct Looked {
    since: Option<Timestamp>,
    kids: Vec<String>,
}

/// The keys of one realm.
#[derive(Debug, Default)]
struct Ring {
    known: RwLock<Arc<Known>>,
    /// One at a time reads the table or has a key made.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    read_at: Option<Timestamp>,
    /// The active key of each algorithm.
    signing: BTreeMap<SigningAlgorithm, Arc<SigningKey>>,
    /// Every key, by its name.
    all: HashMap<String, Arc<Key>>,
    published: Arc<str>,
}

/// A key, ready for its uses.
#[derive(Debug)]
struct Key {
    algorithm: SigningAlgorithm,
    public: String,
    /// Only of one that signs: a private key is large.
    signing: Option<Arc<SigningKey>>,
    verifying: Arc<VerifyingKey>,
}

impl Key {
    /// Whether it is the key of a row, as that row now needs it.
    fn is_of(&self, row: &StoredKey) -> bool {
        let is_same = self.algorithm == row.algorithm && self.public == row.public;
        is_same && self.signing.is_some() == (row.state == KeyState::Active)
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

impl Ring {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Looked {
    /// Whether a name may be looked up now; it is noted as one that no key has.
    fn allows(&mut self, kid: &str, now: Timestamp) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= UNKNOWN) {
            *self = Self { since: Some(now), kids: Vec::new() };
        }
        let may = self.kids.len() < LOOKS && !self.kids.iter().any(|it| it == kid);
        if may {
            self.kids.push(kid.to_owned());
        }
        may
    }
}

impl Keyring {
    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn realm_of(&self, kid: &str) -> Option<Realm> {
        self.rings().by_kid.get(kid).copied()
    }

    /// The ring of a realm. Where there are too many, those go that were not used for longest.
    fn ring(&self, realm: Realm) -> Arc<Ring> {
        let mut rings = self.rings();
        if rings.by_realm.len() >= REALMS && !rings.by_realm.contains_key(&realm) {
            rings.shrink();
        }
        Arc::clone(rings.by_realm.entry(realm).or_default())
    }

    /// Notes what a realm's keys are.
    fn set(&self, realm: Realm, ring: &Ring, known: &Arc<Known>) {
        let before = {
            let mut place = ring.known.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, Arc::clone(known))
        };
        let mut rings = self.rings();
        for kid in before.all.keys().filter(|kid| !known.all.contains_key(*kid)) {
            rings.by_kid.remove(kid);
        }
        for kid in known.all.keys().filter(|kid| !before.all.contains_key(*kid)) {
            rings.by_kid.insert(kid.clone(), realm);
        }
    }
}

impl Rings {
    fn shrink(&mut self) {
        let mut read: Vec<(Option<Timestamp>, Realm)> =
            self.by_realm.iter().map(|(realm, ring)| (ring.known().read_at, *realm)).collect();
        read.sort_unstable();
        read.truncate(REALMS / 2);
        for (_, realm) in read {
            self.by_realm.remove(&realm);
        }
        let kept = &self.by_realm;
        self.by_kid.retain(|_, realm| kept.contains_key(realm));
    }
}

/// The key that signs by `algorithm` in a realm; made where there is none.
///
/// # Errors
/// Where the database or the making of a key fails.
pub async fn signing(
    app: &App,
    realm: Realm,
    algorithm: SigningAlgorithm,
) -> Result<Arc<SigningKey>> {
    let known = current(app, realm).await?;
    if let Some(key) = known.signing.get(&algorithm) {
        return Ok(Arc::clone(key));
    }
    let known = ensure(app, realm, &[algorithm]).await?;
    let key = known.signing.get(&algorithm).map(Arc::clone);
    key.ok_or("there is none after one was made").doing("choosing a signing key")
}

/// The key that `token` says it was signed with, if it is one of ours, and whose it is. What the
/// token says counts for that realm only: whoever asks has to compare its issuer.
///
/// # Errors
/// Where the database fails.
pub async fn verifying(app: &App, token: &str) -> Result<Option<(Realm, Arc<VerifyingKey>)>> {
    let Some(kid) = claimed_kid(token).filter(|kid| kid.len() == KID) else { return Ok(None) };
    let realm = match app.keys.realm_of(&kid) {
        Some(realm) => realm,
        None => match find(app, &kid).await? {
            Some(realm) => realm,
            None => return Ok(None),
        },
    };
    let known = current(app, realm).await?;
    Ok(known.all.get(&kid).map(|key| (realm, Arc::clone(&key.verifying))))
}

/// Whose a key is that this node does not know: another node may have made it a moment ago, its
/// realm may not have been used here yet, or it is made up.
async fn find(app: &App, kid: &str) -> Result<Option<Realm>> {
    let mut looked = app.keys.looking.lock().await;
    if let Some(realm) = app.keys.realm_of(kid) {
        return Ok(Some(realm));
    }
    if !looked.allows(kid, app.clock.now()) {
        return Ok(None);
    }
    let input = kid.to_owned();
    let found = app.db.read(input, |tx, kid| Box::pin(store::keys::realm_of(tx, kid))).await?;
    let Some(realm) = found else { return Ok(None) };
    let ring = app.keys.ring(realm);
    let _turn = ring.turn.lock().await;
    let known = read(app, realm, &ring).await?;
    if !known.all.contains_key(kid) {
        return Ok(None);
    }
    looked.kids.retain(|it| it != kid);
    Ok(Some(realm))
}

/// All public keys of a realm, as a JSON Web Key Set (RFC 7517 §5), with an active one at least
/// for each algorithm.
///
/// # Errors
/// Where the database or the making of a key fails.
pub async fn published(app: &App, realm: Realm) -> Result<Arc<str>> {
    let known = current(app, realm).await?;
    let known =
        if known.has_all() { known } else { ensure(app, realm, &SigningAlgorithm::ALL).await? };
    Ok(Arc::clone(&known.published))
}

/// What is known, read again where that was too long ago.
async fn current(app: &App, realm: Realm) -> Result<Arc<Known>> {
    let ring = app.keys.ring(realm);
    let known = ring.known();
    if known.is_fresh(app.clock.now()) {
        return Ok(known);
    }
    let _turn = ring.turn.lock().await;
    let known = ring.known();
    if known.is_fresh(app.clock.now()) { Ok(known) } else { read(app, realm, &ring).await }
}

/// Reads a realm's keys again, where they are kept here.
async fn refresh(app: &App, realm: Realm) -> Result<()> {
    let ring = app.keys.rings().by_realm.get(&realm).map(Arc::clone);
    let Some(ring) = ring else { return Ok(()) };
    let _turn = ring.turn.lock().await;
    read(app, realm, &ring).await.map(drop)
}

/// Makes the keys that are missing among `wanted`.
async fn ensure(app: &App, realm: Realm, wanted: &[SigningAlgorithm]) -> Result<Arc<Known>> {
    let ring = app.keys.ring(realm);
    let _turn = ring.turn.lock().await;
    let mut known = read(app, realm, &ring).await?;
    for algorithm in wanted {
        if known.signing.contains_key(algorithm) {
            continue;
        }
        let key = make(app, realm, *algorithm).await?;
        let kid = key.kid.clone();
        let query = store::keys::activate(realm, &key, app.clock.now());
        let won = app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
        if won == 1 {
            tracing::info!(%realm, algorithm = algorithm.as_str(), kid, "a signing key");
        }
        known = read(app, realm, &ring).await?;
    }
    Ok(known)
}

/// A new key for a realm, with its private half sealed.
async fn make(app: &App, realm: Realm, algorithm: SigningAlgorithm) -> Result<StoredKey> {
    let (key, document) = {
        let _one = app.keys.making.lock().await;
        generate(algorithm).await?
    };
    let (kid, public) = (key.public().kid.clone(), key.public().json.clone());
    let place = realm.to_string();
    let aad = [kid.as_str(), algorithm.as_str(), place.as_str()];
    let sealed = app.master_key.seal(PURPOSE, &aad, document.expose())?;
    Ok(StoredKey { kid, algorithm, state: KeyState::Next, sealed, public })
}

/// A key takes tenths of a second of one core, so it is made on a thread of its own.
async fn generate(algorithm: SigningAlgorithm) -> Result<(SigningKey, Secret<Vec<u8>>)> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("signing-key".to_owned())
        // Where nobody waits any more the key is dropped unused.
        .spawn(move || drop(reply.send(SigningKey::generate(algorithm))))
        .doing("starting a thread for a signing key")?;
    answer.await.doing("making a signing key")?
}

/// Reads a realm's keys; those that are known already are not built again.
async fn read(app: &App, realm: Realm, ring: &Ring) -> Result<Arc<Known>> {
    let before = ring.known();
    let read_at = app.clock.now();
    let stored = app
        .db
        .read((realm, read_at), |tx, (realm, now)| {
            Box::pin(store::keys::published(tx, *realm, *now))
        })
        .await?;
    let mut known = Known { read_at: Some(read_at), ..Known::default() };
    let mut published = Vec::new();
    for row in stored {
        let same = before.all.get(&row.kid).filter(|key| key.is_of(&row)).map(Arc::clone);
        let key = match same.map_or_else(|| open(app, realm, &row).map(Arc::new), Ok) {
            Ok(key) => key,
            // Not ours: neither used nor published. The others are as good as before.
            Err(error) => {
                tracing::error!(kid = row.kid, cause = ?error, "a signing key is left out");
                continue;
            }
        };
        if let Some(signing) = &key.signing {
            known.signing.insert(row.algorithm, Arc::clone(signing));
        }
        known.all.insert(row.kid, key);
        published.push(row.public);
    }
    known.published = format!(r#"{{"keys":[{}]}}"#, published.join(",")).into();
    let known = Arc::new(known);
    app.keys.set(realm, ring, &known);
    Ok(known)
}

/// Whoever can write to the database, but has not the master key, could put a public key of his
/// own there, or give one realm's key to another. So a row counts only where its sealed private
/// half opens, in this realm, and belongs to it.
fn open(app: &App, realm: Realm, row: &StoredKey) -> Result<Key> {
    let place = realm.to_string();
    let aad = [row.kid.as_str(), row.algorithm.as_str(), place.as_str()];
    let opened = app.master_key.open(PURPOSE, &aad, &row.sealed);
    let document = match (opened, realm) {
        // From the time when there was one set for the whole instance.
        (Err(_), Realm::Platform) => {
            let aad = [row.kid.as_str(), row.algorithm.as_str()];
            app.master_key.open(PURPOSE, &aad, &row.sealed)?
        }
        (opened, _) => opened?,
    };
    let signing = SigningKey::from_pkcs8(row.algorithm, document.expose())?;
    let public = signing.public();
    if public.kid != row.kid || public.json != row.public {
        return Err(Error::internal("opening a signing key", "its public half is another key's"));
    }
    let verifying = Arc::new(VerifyingKey::from_json(row.algorithm, &public.json)?);
    let signing = (row.state == KeyState::Active).then(|| Arc::new(signing));
    Ok(Key { algorithm: row.algorithm, public: row.public.clone(), signing, verifying })
}
