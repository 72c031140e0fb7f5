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
    if format == b"none" && cbor::entries(statement).is_none_or(|entries| !entries.is_empty()) {
        return Err(WebauthnFault::Malformed);
    }
    parse(data).ok_or(WebauthnFault::Malformed)?.ok_or(WebauthnFault::Malformed)
}

/// Checks the authenticator data of an assertion, in which no credential may be attested.
pub(super) fn of_assertion(data: &[u8]) -> Result<(), WebauthnFault> {
    match parse(data) {
        Some(None) => Ok(()),
        Some(Some(_)) | None => Err(WebauthnFault::Malformed),
    }
}

/// The format, the statement as an item, and the authenticator data. Other members may exist.
fn parts(attestation: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let entries = cbor::entries(attestation)?;
    let get = |name: &str| {
        entries.iter().find(|(key, _)| *key == Key::Text(name.as_bytes())).map(|(_, value)| *value)
    };
    Some((cbor::text(get("fmt")?)?, get("attStmt")?, cbor::bytes(get("authData")?)?))
}

/// Reads the data to their very end; what is attested is `None` where the flag says so.
fn parse(data: &[u8]) -> Option<Option<Attested<'_>>> {
    let (fixed, mut rest) = data.split_at_checked(FIXED)?;
    let flags = *fixed.get(32)?;
    let mut attested = None;
    if flags & ATTESTED != 0 {
        let (aaguid, after) = rest.split_first_chunk::<16>()?;
        let (length, after) = after.split_first_chunk::<2>()?;
        let (id, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (key, after) = cbor::item(after)?;
        cbor::entries(key)?;
        attested = Some(Attested { aaguid: *aaguid, id });
        rest = after;
    }
    if flags & EXTENSIONS != 0 {
        let (outputs, after) = cbor::item(rest)?;
        cbor::entries(outputs)?;
        rest = after;
    }
    rest.is_empty().then_some(attested)
}
