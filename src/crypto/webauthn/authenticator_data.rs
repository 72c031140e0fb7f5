//! The structure of authenticator data (`WebAuthn` L3 §6.1) and of attestation objects (§6.5.4).
//!
//! The library reads both as well, but leniently: bytes behind the end pass, and the model of the
//! authenticator is told only for some kinds of attestation. What the flags mean is its matter.

use super::{
    cbor::{self, Key},
    fault::WebauthnFault,
};

/// Attested credential data follow.
const ATTESTED: u8 = 0x40;
/// Outputs of extensions follow.
const EXTENSIONS: u8 = 0x80;

/// The hash of the relying party's id, the flags and the counter.
const FIXED: usize = 32 + 1 + 4;

/// What attested credential data say about a new credential, beside its public key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attested<'a> {
    pub(super) aaguid: [u8; 16],
    pub(super) id: &'a [u8],
}

/// The authenticator data of a new credential, out of its attestation object.
pub(super) fn of_registration(attestation: &[u8]) -> Result<Attested<'_>, WebauthnFault> {
    let (format, statement, data) = parts(attestation).ok_or(WebauthnFault::Malformed)?;
    // §8.7: where there is no attestation, there is no statement.
    if format == "none" && cbor::entries(statement).is_none_or(|entries| !entries.is_empty()) {
        return Err(WebauthnFault::Malformed);
    }
    parse(data)?.ok_or(WebauthnFault::Malformed)
}

/// Checks the authenticator data of an assertion, in which no credential may be attested.
pub(super) fn of_assertion(data: &[u8]) -> Result<(), WebauthnFault> {
    match parse(data)? {
        None => Ok(()),
        Some(_) => Err(WebauthnFault::Malformed),
    }
}

/// The format, the statement as an item, and the authenticator data. Other members may exist.
fn parts(attestation: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let entries = cbor::entries(attestation)?;
    let get = |name: &str| {
        entries.iter().find(|(key, _)| *key == Key::Text(name)).map(|(_, value)| *value)
    };
    Some((cbor::text(get("fmt")?)?, get("attStmt")?, cbor::bytes(get("authData")?)?))
}

/// Reads the data to their very end; what is attested is `None` where the flag says so.
fn parse(data: &[u8]) -> Result<Option<Attested<'_>>, WebauthnFault> {
    let (fixed, mut rest) = data.split_at_checked(FIXED).ok_or(WebauthnFault::Malformed)?;
    let flags = *fixed.get(32).ok_or(WebauthnFault::Malformed)?;
    let mut attested = None;
    if flags & ATTESTED != 0 {
        let (it, after) = attested_data(rest).ok_or(WebauthnFault::Malformed)?;
        attested = Some(it);
        rest = after;
    }
    if flags & EXTENSIONS != 0 {
        rest = map(rest).ok_or(WebauthnFault::Malformed)?;
    }
    if rest.is_empty() { Ok(attested) } else { Err(WebauthnFault::Malformed) }
}

fn attested_data(input: &[u8]) -> Option<(Attested<'_>, &[u8])> {
    let (aaguid, rest) = input.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((Attested { aaguid: *aaguid, id }, map(rest)?))
}

/// What follows the map at the front of `input`.
fn map(input: &[u8]) -> Option<&[u8]> {
    let (item, rest) = cbor::item(input)?;
    cbor::entries(item)?;
    Some(rest)
}
