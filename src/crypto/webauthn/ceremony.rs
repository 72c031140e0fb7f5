//! What has to be remembered between the two halves of a ceremony.

use std::fmt;

use serde::{Deserialize, Serialize};
use webauthn_rs_core::proto::{AuthenticationState, RegistrationState};

use super::{binary, credential::CredentialId};
use crate::error::{Context, Result};

/// The state of a ceremony that was begun. It stays on the server.
///
/// Whose it is, when it ends, and that it is used once, is for the caller to ensure.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ceremony(pub(super) State);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Registration {
        /// The user handle that was offered.
        #[serde(with = "binary")]
        owner: [u8; 16],
        state: RegistrationState,
    },
    Assertion {
        /// The credentials that were offered; none of them means that any may answer.
        allowed: Vec<CredentialId>,
        state: AuthenticationState,
    },
}

impl Ceremony {
    /// The text to store. It has no structure that others may rely on.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).doing("writing the state of a ceremony")
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).doing("reading the state of a ceremony")
    }
}

impl fmt::Debug for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Registration { .. } => "Ceremony(registration)",
            State::Assertion { .. } => "Ceremony(assertion)",
        })
    }
}
