//! Hashes that other systems made and that are not Argon2: bcrypt, scrypt, PBKDF2.
//!
//! They are verified until the first successful sign-in replaces them. None is ever made here.
//! Each format has a ceiling on its cost, judged before anything is computed or allocated.

use std::num::NonZero;

use aws_lc_rs::pbkdf2;
use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::password::phc::{base64, fields, number};

/// The longest hash text of any of the formats is about 200 characters.
const LONGEST: usize = 512;

/// bcrypt looks at no more bytes than these.
const BCRYPT_LONGEST: usize = 72;

/// bcrypt costs that are accepted: 16 takes about four seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// Bytes of memory that scrypt may use.
const SCRYPT_MEMORY: u64 = 256 << 20;

/// N times r times p of scrypt at most: about two seconds.
const SCRYPT_WORK: u64 = 1 << 23;

/// Iterations of PBKDF2, times the blocks of its output: a few seconds.
const PBKDF2_WORK: u64 = 4_000_000;

/// Some implementations leave spare bits of the last character set.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Why a hash cannot be taken over. It never repeats the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// None of the formats.
    #[error(
        "The format of the password hash is not supported. Supported are Argon2 ($argon2id$, \
         $argon2i$, $argon2d$), bcrypt ($2a$, $2b$, $2y$), scrypt ($scrypt$ln=...) and PBKDF2 with \
         SHA-1, SHA-256 or SHA-512 ($pbkdf2-sha256$..., pbkdf2_sha256$...)."
    )]
    Unknown,
    /// The format is known, the text is not one of it.
    #[error("The password hash looks like {0} but is damaged or has parameters out of range.")]
    Malformed(&'static str),
    /// A sign-in would cost too much.
    #[error("The {0} password hash is too costly to verify: at most {1} are accepted.")]
    TooCostly(&'static str, &'static str),
    /// bcrypt of the faulty implementation of before 2011.
    #[error(
        "bcrypt hashes that begin with $2x$ come from a faulty implementation and are not supported."
    )]
    FaultyBcrypt,
    /// Argon2 with a secret key that we do not have.
    #[error("The Argon2 password hash was made with a secret key, which is not part of it.")]
    Keyed,
}

/// A hash of another system, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// bcrypt.
    Bcrypt {
        /// The binary logarithm of the rounds.
        cost: u32,
        /// The salt.
        salt: [u8; 16],
        /// What a password must give.
        tag: [u8; 23],
    },
    /// scrypt (RFC 7914).
    Scrypt {
        /// Its three costs.
        params: scrypt::Params,
        /// The salt.
        salt: Vec<u8>,
        /// What a password must give.
        tag: Vec<u8>,
    },
    /// PBKDF2 (RFC 8018 §5.2).
    Pbkdf2 {
        /// The hash under the HMAC.
        hash: Pbkdf2Hash,
        /// Iterations.
        iterations: NonZero<u32>,
        /// The salt.
        salt: Vec<u8>,
        /// What a password must give.
        tag: Vec<u8>,
    },
}

/// The hash under the HMAC of PBKDF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pbkdf2Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Imported {
    /// Reads the text form.
    ///
    /// # Errors
    /// Where the format is unknown, the text damaged, or the cost too high.
    pub fn parse(text: &str) -> Result<Self, ImportFault> {
        if text.len() > LONGEST {
            return Err(ImportFault::Unknown);
        }
        if text.starts_with("$2") {
            return parse_bcrypt(text);
        }
        if let Some(rest) = text.strip_prefix("$scrypt$") {
            return parse_scrypt(rest);
        }
        if let Some(rest) = text.strip_prefix("$pbkdf2") {
            return parse_pbkdf2(rest);
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_") {
            return parse_django_pbkdf2(rest);
        }
        Err(ImportFault::Unknown)
    }

    /// About how much work it is, in KiB times passes of Argon2: enough to see what would come too
    /// late. Measured once, on a machine with wide vectors.
    #[must_use]
    pub fn work(&self) -> u64 {
        match self {
            Self::Bcrypt { cost, .. } => 280_u64.checked_shl(*cost).unwrap_or(u64::MAX),
            Self::Scrypt { params, .. } => {
                let (r, p) = (u64::from(params.r()), u64::from(params.p()));
                params.n().saturating_mul(2).saturating_mul(r).saturating_mul(p)
            }
            Self::Pbkdf2 { iterations, tag, .. } => {
                // An output block has at least the 20 bytes of SHA-1.
                u64::from(iterations.get()) * u64::try_from(tag.len().div_ceil(20)).unwrap_or(1)
            }
        }
    }

    /// Whether `password` fits. Takes its time: for hash threads only.
    ///
    /// Against bcrypt a password fits only in full: it looks at the first 72 bytes, and takes a
    /// NUL for the end, so that a longer one or one with a NUL would fit together with others.
    #[must_use]
    pub fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt { cost, salt, tag } => {
                let looked_at = password.len().min(BCRYPT_LONGEST);
                let mut key =
                    Zeroizing::new(password.get(..looked_at).unwrap_or_default().to_vec());
                key.push(0);
                key.truncate(BCRYPT_LONGEST);
                let got = Zeroizing::new(bcrypt::bcrypt(*cost, *salt, &key));
                let same = got.get(..tag.len()).is_some_and(|got| got.ct_eq(tag).into());
                same && password.len() <= BCRYPT_LONGEST && !password.contains(&0)
            }
            Self::Scrypt { params, salt, tag } => {
                let mut got = Zeroizing::new(vec![0; tag.len()]);
                let done = scrypt::scrypt(password, salt, params, &mut got);
                done.is_ok() && got.as_slice().ct_eq(tag).into()
            }
            Self::Pbkdf2 { hash, iterations, salt, tag } => {
                let algorithm = match hash {
                    Pbkdf2Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                    Pbkdf2Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                    Pbkdf2Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                };
                pbkdf2::verify(algorithm, *iterations, salt, password, tag).is_ok()
            }
        }
    }
}

/// `$2b$12$` and 53 characters of salt and tag.
fn parse_bcrypt(text: &str) -> Result<Imported, ImportFault> {
    let malformed = ImportFault::Malformed("bcrypt");
    let [_, version, cost, rest] = fields(text).ok_or(malformed)?;
    match version {
        "2a" | "2b" | "2y" => {}
        "2x" => return Err(ImportFault::FaultyBcrypt),
        _ => return Err(malformed),
    }
    // Two digits, so that a cost below 10 has a leading zero.
    let two_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost =
        if two_digits { cost.parse().map_err(|_| malformed)? } else { return Err(malformed) };
    if cost > *BCRYPT_COSTS.end() {
        return Err(ImportFault::TooCostly("bcrypt", "2^16 rounds"));
    }
    let (salt, tag) = rest.split_at_checked(22).ok_or(malformed)?;
    let salt = BCRYPT_BASE64.decode(salt).ok().and_then(|salt| salt.try_into().ok());
    let tag = BCRYPT_BASE64.decode(tag).ok().and_then(|tag| tag.try_into().ok());
    match (salt, tag) {
        (Some(salt), Some(tag)) if BCRYPT_COSTS.contains(&cost) => {
            Ok(Imported::Bcrypt { cost, salt, tag })
        }
        _ => Err(malformed),
    }
}

/// `ln=16,r=8,p=1$salt$tag`.
fn parse_scrypt(rest: &str) -> Result<Imported, ImportFault> {
    let malformed = ImportFault::Malformed("scrypt");
    let too_costly = ImportFault::TooCostly("scrypt", "256 MiB of memory and 2^23 as N * r * p");
    let [parameters, salt, tag] = fields(rest).ok_or(malformed)?;
    let parameters: Vec<_> = parameters.split(',').filter_map(|it| it.split_once('=')).collect();
    let [("ln", ln), ("r", r), ("p", p)] = parameters.as_slice() else { return Err(malformed) };
    let ln = number(ln).and_then(|ln| u8::try_from(ln).ok()).ok_or(malformed)?;
    let (r, p) = (number(r).ok_or(malformed)?, number(p).ok_or(malformed)?);
    if !(1..64).contains(&ln) || r == 0 || p == 0 {
        return Err(malformed);
    }
    let (n, wide_r, wide_p) = (1_u128 << ln, u128::from(r), u128::from(p));
    if 128 * n * wide_r > SCRYPT_MEMORY.into() || n * wide_r * wide_p > SCRYPT_WORK.into() {
        return Err(too_costly);
    }
    let params = scrypt::Params::new(ln, r, p).map_err(|_| malformed)?;
    let (salt, tag) = salt_and_tag(salt, tag).ok_or(malformed)?;
    Ok(Imported::Scrypt { params, salt, tag })
}

/// `-sha256$29000$salt$tag` or `-sha256$i=29000,l=32$salt$tag`; SHA-1 has no name.
fn parse_pbkdf2(rest: &str) -> Result<Imported, ImportFault> {
    let malformed = ImportFault::Malformed("PBKDF2");
    let [name, parameters, salt, tag] = fields(rest).ok_or(malformed)?;
    let hash = match name {
        "" | "-sha1" => Pbkdf2Hash::Sha1,
        "-sha256" => Pbkdf2Hash::Sha256,
        "-sha512" => Pbkdf2Hash::Sha512,
        _ => return Err(ImportFault::Unknown),
    };
    let (salt, tag) = salt_and_tag(salt, tag).ok_or(malformed)?;
    let (iterations, length) = match parameters.strip_prefix("i=") {
        None => (parameters, None),
        Some(named) => match named.split_once(",l=") {
            None => (named, None),
            Some((iterations, length)) => (iterations, Some(length)),
        },
    };
    if length.is_some_and(|length| length != tag.len().to_string()) {
        return Err(malformed);
    }
    pbkdf2_of(hash, iterations, salt, tag)
}

/// `sha256$600000$salt$tag`, whose salt is the text as it stands.
fn parse_django_pbkdf2(rest: &str) -> Result<Imported, ImportFault> {
    let malformed = ImportFault::Malformed("PBKDF2");
    let [name, iterations, salt, tag] = fields(rest).ok_or(malformed)?;
    let hash = match name {
        "sha1" => Pbkdf2Hash::Sha1,
        "sha256" => Pbkdf2Hash::Sha256,
        "sha512" => Pbkdf2Hash::Sha512,
        _ => return Err(ImportFault::Unknown),
    };
    let tag = base64(tag).filter(|tag| (16..=64).contains(&tag.len())).ok_or(malformed)?;
    if salt.is_empty() {
        return Err(malformed);
    }
    pbkdf2_of(hash, iterations, salt.as_bytes().to_vec(), tag)
}

fn pbkdf2_of(
    hash: Pbkdf2Hash,
    iterations: &str,
    salt: Vec<u8>,
    tag: Vec<u8>,
) -> Result<Imported, ImportFault> {
    let iterations = number(iterations).and_then(NonZero::new);
    let iterations = iterations.ok_or(ImportFault::Malformed("PBKDF2"))?;
    let block = match hash {
        Pbkdf2Hash::Sha1 => 20,
        Pbkdf2Hash::Sha256 => 32,
        Pbkdf2Hash::Sha512 => 64,
    };
    let blocks = u64::try_from(tag.len().div_ceil(block)).unwrap_or(u64::MAX);
    if u64::from(iterations.get()).saturating_mul(blocks) > PBKDF2_WORK {
        return Err(ImportFault::TooCostly("PBKDF2", "4,000,000 iterations for each output block"));
    }
    Ok(Imported::Pbkdf2 { hash, iterations, salt, tag })
}

/// A salt of at least a byte and a tag that cannot be hit by chance.
fn salt_and_tag(salt: &str, tag: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (salt, tag) = (base64(salt)?, base64(tag)?);
    (!salt.is_empty() && (16..=64).contains(&tag.len())).then_some((salt, tag))
}

#[cfg(test)]
mod tests;
