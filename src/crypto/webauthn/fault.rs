//! Why an answer was not accepted, in words for the audit log.

use webauthn_rs_core::error::WebauthnError;

/// Why an authenticator's answer was not accepted.
///
/// None of it is shown to whoever sent the answer: people learn that it did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebauthnFault {
    /// It has not the form of an answer: a member is missing, too long, or not what it should be.
    Malformed,
    /// It has the form, and a check of the standard or of the policy failed.
    Refused(
        /// Which, for the audit log.
        &'static str,
    ),
    /// It is signed with the right key, but the counter is not above the stored one: there may be
    /// a copy of the authenticator (`WebAuthn` L3 §6.1.1).
    CounterWentBack,
}

impl WebauthnFault {
    /// What the library's refusal means to us.
    pub(super) fn of(error: &WebauthnError) -> Self {
        Self::Refused(match error {
            WebauthnError::CredentialPossibleCompromise => return Self::CounterWentBack,
            WebauthnError::ParseCBORFailure(_)
            | WebauthnError::ParseJSONFailure(_)
            | WebauthnError::ParseNOMFailure
            | WebauthnError::ParseBase64Failure(_)
            | WebauthnError::ParseInsufficientBytesAvailable => return Self::Malformed,
            WebauthnError::InvalidClientDataType => "the answer is to another kind of request",
            WebauthnError::MismatchedChallenge => "the challenge is another one",
            WebauthnError::InvalidRPOrigin => "the origin is not one of ours",
            WebauthnError::CredentialCrossOrigin => "the page was framed by another site",
            WebauthnError::InvalidRPIDHash => "the answer is for another relying party",
            WebauthnError::UserNotPresent => "the user was not present",
            WebauthnError::UserNotVerified => "the user was not verified",
            WebauthnError::CredentialAlteredAlgFromRequest
            | WebauthnError::COSEKeyInvalidAlgorithm => {
                "the key is of an algorithm that was not offered, or was excluded"
            }
            WebauthnError::CredentialBackupEligibilityInconsistent
            | WebauthnError::CredentialMayNotBeHardwareBound => "the backup flags contradict",
            WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => {
                "the signature is not good"
            }
            WebauthnError::AttestationNotSupported => "the attestation's format is not known",
            WebauthnError::COSEKeyInvalidCBORValue
            | WebauthnError::COSEKeyInvalidType
            | WebauthnError::COSEKeyECDSAXYInvalid
            | WebauthnError::COSEKeyECDSAInvalidCurve
            | WebauthnError::COSEKeyRSANEInvalid
            | WebauthnError::COSEKeyEDDSAXInvalid
            | WebauthnError::COSEKeyEDDSAInvalidCurve
            | WebauthnError::SshPublicKeyEDUnsupported
            | WebauthnError::EcdsaPointInvalid
            | WebauthnError::RsaParametersInvalid => "the public key is not usable",
            // What remains are the many faults of attestation statements.
            _ => "the attestation is not good",
        })
    }
}
