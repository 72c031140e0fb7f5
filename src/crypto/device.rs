//! Tokens of devices that somebody has signed in from: random as any other, and marked, so that it
//! can be told without a look into the database that a tenant has given one out. Whose device it
//! is, and whether it is still known, stands in its row.

use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{opaque::Token, seal::MasterKey};
use crate::{entropy::Entropy, error::Result};

const PURPOSE: &str = "known device";
/// Of a token's 32 bytes as many are random; the others are half of an HMAC-SHA256 of them, which
/// RFC 2104 §5 allows.
const RANDOM: usize = 16;

/// A new token of a tenant's.
///
/// # Errors
/// Where there is no randomness, or through a fault of the library.
pub fn token(key: &MasterKey, entropy: &Entropy, tenant: Uuid) -> Result<Token> {
    let mut bytes = Zeroizing::new(entropy.bytes::<32>()?);
    let (random, mark) = bytes.split_at_mut(RANDOM);
    let full = Zeroizing::new(key.mac(PURPOSE, &[tenant.as_bytes(), random])?);
    mark.iter_mut().zip(full.iter()).for_each(|(to, from)| *to = *from);
    Ok(Token::of(&bytes))
}

/// Whether the tenant has given `token` out. One of before tokens were marked is not known by this.
#[must_use]
pub fn is_of(key: &MasterKey, token: &Token, tenant: Uuid) -> bool {
    let bytes = token.bytes();
    let (random, mark) = bytes.split_at(RANDOM);
    key.mac(PURPOSE, &[tenant.as_bytes(), random])
        .is_ok_and(|full| full.split_at(RANDOM).0.ct_eq(mark).into())
}

#[cfg(test)]
mod tests;
