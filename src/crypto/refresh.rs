//! Refresh tokens: opaque to whoever holds them, and recognised before the database is asked.
//!
//! Tenant, family and secret, and behind them a tag under the master key, so that made-up tokens
//! cost no look-up. What is stored is a digest, as of any token. When a token may be used and what
//! it leads to is not here (`domain::token`).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::{opaque::sha256, seal::MasterKey},
    entropy::Entropy,
    error::{Context, Result},
    secret::Secret,
};

/// Tenant 16, family 16, secret 32.
const BODY: usize = 64;
const TAG: usize = 16;
const SIZE: usize = BODY + TAG;
/// Base64url without padding.
const LENGTH: usize = 107;

const TAGGING: &str = "refresh token";
const SUCCESSION: &str = "refresh token successor";

/// A refresh token that bears our tag.
#[derive(Debug, Clone)]
pub struct RefreshToken(Secret<[u8; SIZE]>);

impl RefreshToken {
    /// A new token of a tenant's family.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn generate(
        key: &MasterKey,
        entropy: &Entropy,
        (tenant, family): (Uuid, Uuid),
    ) -> Result<Self> {
        let secret = Zeroizing::new(entropy.bytes::<32>()?);
        Self::build(key, (tenant, family), &secret)
    }

    /// Takes `text` as a token; `None` where it is not the one spelling of a token of ours.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn parse(key: &MasterKey, text: &str) -> Result<Option<Self>> {
        if text.len() != LENGTH {
            return Ok(None);
        }
        let mut bytes = Zeroizing::new([0; SIZE]);
        // The decoder refuses padding, other alphabets and stray trailing bits.
        let Ok(SIZE) = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) else {
            return Ok(None);
        };
        let (body, tag) = bytes.split_at(BODY);
        let is_ours = bool::from(tag.ct_eq(&compute(key, body)?));
        Ok(is_ours.then(|| Self(Secret::new(*bytes))))
    }

    /// The token that this one is exchanged for: a function of both its secret and `salt`, which
    /// is drawn at the exchange and stored, so that requests which crossed get the same one.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn successor(&self, key: &MasterKey, salt: &[u8; 32]) -> Result<Self> {
        let secret = Zeroizing::new(key.mac(SUCCESSION, &[self.0.expose(), salt])?);
        Self::build(key, (self.tenant(), self.family()), &secret)
    }

    fn build(key: &MasterKey, (tenant, family): (Uuid, Uuid), secret: &[u8; 32]) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; SIZE]);
        let (body, tag) = bytes.split_at_mut(BODY);
        let parts = tenant.as_bytes().iter().chain(family.as_bytes()).chain(secret);
        body.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        tag.copy_from_slice(&compute(key, body)?);
        Ok(Self(Secret::new(*bytes)))
    }

    /// The tenant it is of.
    #[must_use]
    pub fn tenant(&self) -> Uuid {
        self.id_at(0)
    }

    /// The family it is of.
    #[must_use]
    pub fn family(&self) -> Uuid {
        self.id_at(16)
    }

    fn id_at(&self, start: usize) -> Uuid {
        let mut id = [0; 16];
        let from = self.0.expose().iter().skip(start);
        id.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        Uuid::from_bytes(id)
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.expose())
    }

    /// The text to hand out.
    #[must_use]
    pub fn text(&self) -> Secret<String> {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0.expose()))
    }
}

/// Half of an HMAC-SHA256, which RFC 2104 §5 allows: 128 bits.
fn compute(key: &MasterKey, body: &[u8]) -> Result<[u8; TAG]> {
    let full = key.mac(TAGGING, &[body])?;
    let (tag, _) = full.split_at(TAG);
    tag.try_into().doing("tagging a refresh token")
}

#[cfg(test)]
mod tests;
