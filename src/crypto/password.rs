//! Password hashes: made, verified, and told when they are out of date.
//!
//! Ours are Argon2id (RFC 9106) in PHC string form, with an optional pepper that the text names
//! by a fingerprint. Imported ones are verified as they are and always out of date. What a wrong
//! password costs does not depend on whether there was anything to compare it with. Rules about
//! passwords are not here (`domain::password`), nor is the queue (`crypto::hasher`).

pub(super) mod phc;
mod recipe;

use std::sync::Arc;

use crate::{
    config::PasswordConfig,
    crypto::{
        hasher::{Hasher, Order},
        imported::{ImportFault, Imported},
    },
    domain::password::Password,
    entropy::Entropy,
    error::Result,
    secret::Secret,
};

use phc::Argon2Hash;
use recipe::{Recipe, Stored};

/// A password hash as text, ours or an imported one. It shows nothing of itself.
#[derive(Debug, Clone)]
pub struct PasswordHash(Secret<String>);

impl PasswordHash {
    /// A hash as the database has it. Any text will do: what cannot be read fits no password.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Takes over a hash that another system made.
    ///
    /// Accepted are Argon2 (`$argon2id$`, `$argon2i$`, `$argon2d$`), bcrypt (`$2a$`, `$2b$`,
    /// `$2y$`), scrypt (`$scrypt$ln=`) and PBKDF2 with SHA-1, SHA-256 or SHA-512
    /// (`$pbkdf2-sha256$` with `i=` or a bare number, `pbkdf2_sha256$`).
    ///
    /// # Errors
    /// Where the format is another, the text is damaged, or a verification would cost too much.
    pub fn import(text: &str) -> Result<Self, ImportFault> {
        if text.starts_with("$argon2") {
            let hash = Argon2Hash::parse(text).ok_or(ImportFault::Malformed("Argon2"))?;
            if !hash.is_within(&phc::CEILING) {
                return Err(ImportFault::TooCostly("Argon2", "256 MiB, 16 passes and 16 lanes"));
            }
            if hash.keyid.is_some() {
                return Err(ImportFault::Keyed);
            }
        } else {
            Imported::parse(text)?;
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The text to store.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Whether a password fits a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does not, or there was no hash, or none that can be read.
    Wrong,
    /// It does.
    Right {
        /// Whether the hash should be made anew: its parameters, its pepper or its algorithm are
        /// not the present ones.
        stale: bool,
    },
}

/// Hashes and verifies passwords. Cheap to clone; the threads end with the last clone.
#[derive(Debug, Clone)]
pub struct Passwords {
    hasher: Arc<Hasher>,
    recipe: Arc<Recipe>,
    entropy: Entropy,
}

impl Passwords {
    /// Tests the kernel and starts the hash threads.
    ///
    /// # Errors
    /// Where the parameters are out of Argon2's own bounds, or there are no threads to be had.
    pub fn new(config: &PasswordConfig, entropy: Entropy) -> Result<Self> {
        Ok(Self {
            recipe: Arc::new(Recipe::new(config, entropy.bytes()?)?),
            hasher: Arc::new(Hasher::new(config)?),
            entropy,
        })
    }

    /// Hashes `password` with the present parameters, the present pepper and a fresh salt, at the
    /// expense of `order`'s share.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::error::Error::Busy) where too many hashes of the share wait.
    pub async fn hash(&self, order: Order, password: &Password) -> Result<PasswordHash> {
        let (recipe, password) = (Arc::clone(&self.recipe), password.clone());
        let salt = self.entropy.bytes()?;
        let weight = recipe.weight(None);
        self.hasher.run(order, weight, move |argon2| recipe.hash(argon2, &password, salt)).await
    }

    /// Whether `password` fits `stored`, at the expense of `order`'s share.
    ///
    /// Without a hash, or with one that cannot be read, a hash with the present parameters is
    /// computed all the same. A hash that is cheaper than the present ones, and that the password
    /// does not fit, is followed by a computation that makes up the difference. So what a wrong
    /// password costs tells nothing of the account, with one exception: an imported hash that is
    /// more costly than the present parameters, such as bcrypt of a high cost, takes its own time
    /// until the first sign-in has replaced it.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::error::Error::Busy) where too many hashes of the share wait.
    pub async fn verify(
        &self,
        order: Order,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verdict> {
        let (recipe, password) = (Arc::clone(&self.recipe), password.clone());
        let stored = stored.and_then(|hash| self.read(hash));
        let weight = recipe.weight(stored.as_ref());
        let work = move |argon2: &mut _| recipe.verify(argon2, &password, stored.as_ref());
        self.hasher.run(order, weight, work).await
    }

    /// Hashes that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.hasher.depth()
    }

    /// `None`, and a line in the log, where the hash can never fit a password.
    fn read(&self, hash: &PasswordHash) -> Option<Stored> {
        match self.recipe.read(hash.expose()) {
            Ok(stored) => Some(stored),
            Err(why) => {
                tracing::warn!(why, "a stored password hash is of no use; no password fits it");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
