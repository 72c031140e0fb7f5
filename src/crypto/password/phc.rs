//! The text form of Argon2 hashes, and the small parts that other hash formats share with it.
//!
//! `$argon2id$v=19$m=19456,t=2,p=1[,keyid=…]$salt$tag`, base64 without padding (PHC string
//! format). What a hash costs is judged here too, before anything is allocated for it.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::crypto::kernel::{Cost, Variant, Version};

/// The most that a stored hash may cost, unless we are configured to spend more ourselves.
pub(super) const CEILING: Cost = Cost {
    variant: Variant::Id,
    version: Version::V13,
    memory_kib: 256 * 1024,
    passes: 16,
    lanes: 16,
};

/// Writes without padding and reads what others write: with or without it, spare bits or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An Argon2 hash, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argon2Hash {
    /// How it is computed.
    pub(super) cost: Cost,
    /// The fingerprint of the pepper, where there is one.
    pub(super) keyid: Option<Vec<u8>>,
    /// The salt, 8 to 64 bytes.
    pub(super) salt: Vec<u8>,
    /// The tag, 16 to 64 bytes.
    pub(super) tag: Vec<u8>,
}

impl Argon2Hash {
    /// Reads the text form; `None` where it is not one, or could not be computed at all.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.strip_prefix('$')?.split_once('$')?;
        let variant = match name {
            "argon2id" => Variant::Id,
            "argon2i" => Variant::I,
            "argon2d" => Variant::D,
            _ => return None,
        };
        // Before there were two versions there was no field for it.
        let (version, rest) = match rest.strip_prefix("v=") {
            Some(rest) => rest.split_once('$')?,
            None => ("16", rest),
        };
        let version = match version {
            "19" => Version::V13,
            "16" => Version::V10,
            _ => return None,
        };
        let [parameters, salt, tag] = fields(rest)?;
        let (salt, tag) = (base64(salt)?, base64(tag)?);
        let (memory_kib, passes, lanes, keyid) = costs(parameters)?;
        let cost = Cost { variant, version, memory_kib, passes, lanes };
        let sound = (8..=64).contains(&salt.len()) && (16..=64).contains(&tag.len());
        (sound && cost.is_sound()).then_some(Self { cost, keyid, salt, tag })
    }

    /// Whether it costs no more than `ceiling` in any respect.
    pub(super) fn is_within(&self, ceiling: &Cost) -> bool {
        self.cost.memory_kib <= ceiling.memory_kib
            && self.cost.passes <= ceiling.passes
            && self.cost.lanes <= ceiling.lanes
    }
}

impl fmt::Display for Argon2Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self.cost.variant {
            Variant::D => "argon2d",
            Variant::I => "argon2i",
            Variant::Id => "argon2id",
        };
        let version = match self.cost.version {
            Version::V10 => 16,
            Version::V13 => 19,
        };
        let Cost { memory_kib, passes, lanes, .. } = self.cost;
        write!(f, "${variant}$v={version}$m={memory_kib},t={passes},p={lanes}")?;
        if let Some(keyid) = &self.keyid {
            write!(f, ",keyid={}", BASE64.encode(keyid))?;
        }
        write!(f, "${}${}", BASE64.encode(&self.salt), BASE64.encode(&self.tag))
    }
}

/// Memory, passes, lanes and the pepper's fingerprint, in any order, each once, nothing else.
fn costs(text: &str) -> Option<(u32, u32, u32, Option<Vec<u8>>)> {
    let [mut memory, mut passes, mut lanes] = [None; 3];
    let mut keyid = None;
    for parameter in text.split(',') {
        let (name, value) = parameter.split_once('=')?;
        let seen_before = match name {
            "m" => memory.replace(number(value)?).is_some(),
            "t" => passes.replace(number(value)?).is_some(),
            "p" => lanes.replace(number(value)?).is_some(),
            "keyid" => keyid.replace(base64(value)?).is_some(),
            _ => return None,
        };
        if seen_before {
            return None;
        }
    }
    Some((memory?, passes?, lanes?, keyid))
}

/// Exactly `N` fields between dollar signs.
pub(in crate::crypto) fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

/// A decimal number without sign or leading zeros.
pub(in crate::crypto) fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (plain && canonical).then(|| text.parse().ok()).flatten()
}

/// The bytes of a base64 text, also in the spelling that has `.` for `+`.
pub(in crate::crypto) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('.', "+")).ok()
}
