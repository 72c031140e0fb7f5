//! Random tokens that mean nothing, and the digests under which they are stored.
//!
//! A token is 256 bits, so that a plain SHA-256 of it can be neither guessed nor turned back, and
//! it is found by its digest: nothing secret is ever compared byte by byte. What a token is for,
//! whose it is and when it ends is not here; that stands in the row beside the digest.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{entropy::Entropy, error::Result, secret::Secret};

/// 43 base64url digits hold 256 bits, and 2 bits more that must be zero.
const LENGTH: usize = 43;

/// A random secret of 256 bits as it is handed out: 43 characters of base64url (RFC 4648 §5).
#[derive(Debug, Clone)]
pub struct Token(Secret<String>);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn generate(entropy: &Entropy) -> Result<Self> {
        let bytes = Zeroizing::new(entropy.bytes::<32>()?);
        Ok(Self::of(&bytes))
    }

    /// The token of these bytes.
    pub(super) fn of(bytes: &[u8; 32]) -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> Zeroizing<[u8; 32]> {
        // A token decodes by construction.
        decoded(self.expose()).unwrap_or_default()
    }

    /// Takes `text` as a token; `None` where it is not exactly how a token is spelt.
    ///
    /// Each token has one spelling: padding, another alphabet, blanks, and the digits that
    /// would decode to the same bytes are all refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decoded(text).map(|_| Self(Secret::new(text.to_owned())))
    }

    /// The text to hand out.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is stored of it, and looked up: the SHA-256 of its 32 bytes.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(sha256(&*self.bytes()))
    }
}

/// `None` for anything but the one spelling of 32 bytes; the decoder refuses stray trailing bits.
fn decoded(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != LENGTH {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok()?;
    (length == bytes.len()).then_some(bytes)
}

/// The digest of a token: the key it is found by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// A digest as the database has it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<TokenDigest> for [u8; 32] {
    fn from(digest: TokenDigest) -> Self {
        digest.0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// The SHA-256 of `parts`, each after its length, so that moving a border changes it. For keys
/// such as those of counters, where a text is to be found again but need not be readable.
#[must_use]
pub fn digest_text(parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(part.as_bytes());
    }
    bytes_of(context.finish().as_ref())
}

/// The SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    bytes_of(digest(&SHA256, bytes).as_ref())
}

/// The SHA-256 of a text in base64url: what a verifier's challenge is (RFC 7636 §4.2), and how
/// thumbprints are spelt.
#[must_use]
pub fn s256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()))
}

/// `bytes` in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let half = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [half(byte >> 4), half(byte & 15)]).collect()
}

fn bytes_of(digest: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests;
