//! A credential as it is stored: the public key, and what was learnt about its authenticator.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use webauthn_rs_core::proto::{Credential as Key, ExtnState};

use super::binary;
use crate::error::{Context, Error, Result};

/// The longest credential id there may be, in bytes (`WebAuthn` L3 §7.1 step 25).
const MAX_ID: usize = 1023;

/// The name that an authenticator gives one of its keys: 1 to 1023 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialId(#[serde(with = "binary")] Checked);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Checked(Vec<u8>);

impl TryFrom<Vec<u8>> for Checked {
    type Error = ();

    fn try_from(bytes: Vec<u8>) -> std::result::Result<Self, ()> {
        if (1..=MAX_ID).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(()) }
    }
}

impl AsRef<[u8]> for Checked {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl CredentialId {
    /// Takes `bytes` as an id; `None` where there are none, or more than 1023.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        Checked::try_from(bytes).ok().map(Self)
    }

    /// The id that base64url `text` spells, as an answer's `id` does; `None` as for [`Self::new`].
    #[must_use]
    pub fn from_base64url(text: &str) -> Option<Self> {
        Self::new(binary::decoded(text, MAX_ID)?)
    }

    /// The bytes of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// Its one spelling in base64url without padding.
    #[must_use]
    pub fn to_base64url(&self) -> String {
        binary::encoded(self.as_bytes())
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({})", self.to_base64url())
    }
}

/// A registered credential: what has to be stored of it. Nothing in it is secret.
///
/// The attestation is not kept once it was checked: it names the very device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credential {
    pub(super) id: CredentialId,
    /// The user handle it was registered under.
    #[serde(with = "binary")]
    pub(super) owner: [u8; 16],
    #[serde(with = "binary")]
    pub(super) aaguid: [u8; 16],
    pub(super) key: Key,
}

impl Credential {
    /// The text to store. It has no structure that others may rely on.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).doing("writing a credential")
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn from_json(text: &str) -> Result<Self> {
        let it: Self = serde_json::from_str(text).doing("reading a credential")?;
        if it.id.as_bytes() != it.key.cred_id {
            return Err(Error::internal("reading a credential", "it has two ids"));
        }
        Ok(it)
    }

    /// Its id. No two credentials of a relying party may have the same; that is for the caller
    /// to ensure (`WebAuthn` L3 §7.1 step 26).
    #[must_use]
    pub fn id(&self) -> &CredentialId {
        &self.id
    }

    /// How many signatures its authenticator has counted. Always 0 where it does not count.
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.key.counter
    }

    /// Which model of authenticator it is, as far as that is told. Proven by nothing.
    #[must_use]
    pub fn aaguid(&self) -> Option<Uuid> {
        Some(Uuid::from_bytes(self.aaguid)).filter(|it| !it.is_nil())
    }

    /// Whether the user was verified (PIN, finger, face) when it was registered. If so, each
    /// later assertion must verify the user as well.
    #[must_use]
    pub fn user_verified(&self) -> bool {
        self.key.user_verified
    }

    /// Whether copies may exist elsewhere, as with a synchronised passkey.
    #[must_use]
    pub fn backup_eligible(&self) -> bool {
        self.key.backup_eligible
    }

    /// Whether it was backed up when last seen.
    #[must_use]
    pub fn backed_up(&self) -> bool {
        self.key.backup_state
    }

    /// Whether it can sign in without a user's name, as far as the browser knows (`credProps`).
    #[must_use]
    pub fn discoverable(&self) -> Option<bool> {
        match &self.key.extensions.cred_props {
            ExtnState::Unsigned(props) => props.rk,
            _ => None,
        }
    }

    /// How the browser can reach its authenticator, such as `usb` or `internal`.
    #[must_use]
    pub fn transports(&self) -> Vec<&str> {
        self.key.transports.iter().flatten().map(AsRef::as_ref).collect()
    }
}
