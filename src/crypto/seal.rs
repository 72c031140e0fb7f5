//! Secrets at rest: one master key, and a key of its own for each purpose.
//!
//! The master key lies outside the database, so that a copy of the database alone opens nothing.
//! A sealed value is bound to its purpose and to the place it is stored in, so that it opens
//! nowhere else. Passwords are hashed instead (`crypto::password`), tokens digested
//! (`crypto::opaque`).

mod file;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};
use zeroize::Zeroizing;

use crate::{
    entropy::Entropy,
    error::{Context, Error, Result},
    secret::Secret,
};

/// The first byte of every sealed value: AES-256-GCM under a key derived as below.
const FORMAT: u8 = 1;

/// Separates our derivations from anybody else's under the same master key.
const SALT: &[u8] = b"countersign master key v1";

/// The key that all others are derived from. Cheap to clone; clones share what was derived.
#[derive(Clone)]
pub struct MasterKey(Arc<Inner>);

struct Inner {
    key: Secret<[u8; 32]>,
    derived: RwLock<BTreeMap<&'static str, Arc<Derived>>>,
}

/// The keys of one purpose, in the form in which they are used.
struct Derived {
    seal: RandomizedNonceKey,
    mac: hmac::Key,
}

impl MasterKey {
    /// Takes 32 bytes as the master key.
    ///
    /// # Errors
    /// Where there are not exactly 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = <[u8; 32]>::try_from(bytes)
            .map_err(|_| "the master key must have exactly 32 bytes")
            .doing("reading the master key")?;
        Ok(Self(Arc::new(Inner { key: Secret::new(key), derived: RwLock::default() })))
    }

    /// Reads the key from the file at `path`, or draws one and writes it there, readable by its
    /// owner only. Of several processes that start at once, all get the same key.
    ///
    /// # Errors
    /// Where the file can be read by others, holds anything but a key of 32 bytes in hexadecimal
    /// or base64, or cannot be read or written.
    pub fn load_or_create(path: &Path, entropy: &Entropy) -> Result<Self> {
        Self::from_bytes(&file::load_or_create(path, entropy)?)
    }

    /// A key for `purpose`, as bytes (HKDF-SHA256, RFC 5869).
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn derive(&self, purpose: &'static str) -> Result<Secret<[u8; 32]>> {
        self.expand("derive", purpose)
    }

    /// Encrypts `plain` for `purpose` and for the place that `aad` names, such as a table, a
    /// column and a row's id (AES-256-GCM with a random nonce, NIST SP 800-38D).
    ///
    /// One byte of format, 12 of nonce, the text, 16 of tag: 29 bytes longer than `plain`.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn seal(&self, purpose: &'static str, aad: &[&str], plain: &[u8]) -> Result<Vec<u8>> {
        let keys = self.keys(purpose)?;
        // Encryption is in place, so no copy of the plain text stays behind.
        let mut text = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        text.extend_from_slice(plain);
        let nonce = keys
            .seal
            .seal_in_place_append_tag(Aad::from(framed(purpose, aad)), &mut text)
            .doing("sealing a secret")?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts what [`MasterKey::seal`] returned for the same purpose and place.
    ///
    /// # Errors
    /// Where it was sealed with another key, for another purpose or place, or was changed.
    pub fn open(
        &self,
        purpose: &'static str,
        aad: &[&str],
        sealed: &[u8],
    ) -> Result<Secret<Vec<u8>>> {
        let keys = self.keys(purpose)?;
        let Some((&[FORMAT], rest)) = sealed.split_first_chunk::<1>() else {
            return Err(Error::internal("opening a secret", "it is not in a known format"));
        };
        let Some((nonce, text)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Err(Error::internal("opening a secret", "it is cut short"));
        };
        let mut text = Zeroizing::new(text.to_vec());
        let aad = Aad::from(framed(purpose, aad));
        let opened = keys
            .seal
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text)
            .map_err(|_| "it was sealed with another master key or for another place, or changed")
            .doing("opening a secret")?;
        Ok(Secret::new(opened.to_vec()))
    }

    /// The HMAC-SHA256 (RFC 2104) of `parts`, each after its length, under the key of `purpose`.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn mac(&self, purpose: &'static str, parts: &[&[u8]]) -> Result<[u8; 32]> {
        let keys = self.keys(purpose)?;
        let mut context = hmac::Context::with_key(&keys.mac);
        for part in parts {
            context.update(&length(part));
            context.update(part);
        }
        <[u8; 32]>::try_from(context.sign().as_ref()).doing("computing a message code")
    }

    /// A value that tells whether two nodes have the same key, and nothing about the key.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn check_value(&self) -> Result<[u8; 16]> {
        let full = self.expand("check value", "")?;
        let (start, _) = full.expose().split_at(16);
        <[u8; 16]>::try_from(start).doing("computing the check value of the master key")
    }

    fn keys(&self, purpose: &'static str) -> Result<Arc<Derived>> {
        // What is under the lock is whole at any time, so that a panic elsewhere spoils nothing.
        let known = self.0.derived.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(purpose) {
            return Ok(Arc::clone(keys));
        }
        drop(known);
        let keys = Arc::new(Derived {
            seal: RandomizedNonceKey::new(&AES_256_GCM, self.expand("seal", purpose)?.expose())
                .doing("setting up a sealing key")?,
            mac: hmac::Key::new(hmac::HMAC_SHA256, self.expand("mac", purpose)?.expose()),
        });
        let mut known = self.0.derived.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(purpose).or_insert(keys)))
    }

    fn expand(&self, kind: &'static str, purpose: &str) -> Result<Secret<[u8; 32]>> {
        let mut key = Zeroizing::new([0; 32]);
        let info = framed(kind, &[purpose]);
        Salt::new(HKDF_SHA256, SALT)
            .extract(self.0.key.expose())
            .expand(&[&info], HKDF_SHA256)
            .and_then(|derived| derived.fill(key.as_mut_slice()))
            .doing("deriving a key")?;
        Ok(Secret::new(*key))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// `first` and `rest`, each after its length, so that no two lists look alike.
fn framed(first: &str, rest: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in std::iter::once(&first).chain(rest) {
        bytes.extend_from_slice(&length(part.as_bytes()));
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;
