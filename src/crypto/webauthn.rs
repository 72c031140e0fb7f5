//! Our relying party: registering passkeys and security keys, and asking them to sign
//! (Web Authentication Level 3, §7).
//!
//! The ceremonies are the library's; what it leaves open is closed here and in the modules below:
//! sizes and structure before it parses anything, the exact origin, frames, both spellings of the
//! id, who owns a credential, which keys are good. Whose ceremony it is, when it ends and that it
//! is used once is not here, nor is the storing of credentials: that is for the flows.

mod answer;
mod authenticator_data;
mod binary;
mod cbor;
mod ceremony;
mod credential;
mod fault;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;
use url::{Host, Url};
use uuid::Uuid;
use webauthn_rs_core::{WebauthnCore, proto as lib};

pub use self::{
    answer::{credential_id_of, user_handle_of},
    ceremony::Ceremony,
    credential::{Credential, CredentialId},
    fault::WebauthnFault,
};
use self::{authenticator_data::Attested, ceremony::State};
use crate::error::{Context, Result};

/// How long a browser waits for the user. The server's own limit is for the caller to keep.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// The party that credentials are made for: one id, under which they work, and the origins of
/// the pages that may use it.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    core: WebauthnCore,
    /// The origins as browsers spell them.
    origins: Vec<String>,
}

/// Whom a credential is made for.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// What the authenticator returns to name the user. It must tell nothing about them.
    pub handle: [u8; 16],
    /// What tells the account from others of the same person, such as an address.
    pub name: &'a str,
    /// What the person calls themselves. May be empty.
    pub display_name: &'a str,
}

/// Whether the authenticator has to verify the user (PIN, finger, face), or is only asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// An answer without it is refused.
    Required,
    /// It is asked for. An answer without it is refused only of a credential that was registered
    /// with it.
    Preferred,
}

/// Whether the credential must be usable without a user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discoverable {
    /// It must.
    Required,
    /// It should where the authenticator can.
    Preferred,
}

/// What a new credential has to be.
#[derive(Debug, Clone)]
pub struct RegistrationPolicy {
    /// Whether the user must be verified.
    pub verification: Verification,
    /// Whether the credential must be discoverable.
    pub discoverable: Discoverable,
    /// The only models of authenticators that are welcome, or `None` for all.
    ///
    /// It keeps honest people to the devices they were given. Whoever writes an authenticator of
    /// their own can claim any model, because no manufacturer's certificate is asked for.
    pub aaguids: Option<Vec<Uuid>>,
}

/// A good assertion.
#[derive(Debug, Clone)]
pub struct Asserted {
    /// The credential with its new counter and backup state: to be stored again.
    pub credential: Credential,
    /// Whether the user was verified this time.
    pub user_verified: bool,
    /// The new counter.
    pub counter: u32,
}

impl RelyingParty {
    /// The relying party `id`, a domain, called `name` where people see it, for pages of
    /// `origins` and of no others. Paths of the origins are ignored.
    ///
    /// # Errors
    /// Why, where `id` is not a lower-case domain, there are no origins, or one is not secure:
    /// `https`, or `http` on `localhost`. An origin outside the domain is for browsers to judge
    /// (related origins, `WebAuthn` L3 §5.11).
    pub fn new(id: &str, name: &str, origins: &[Url]) -> std::result::Result<Self, &'static str> {
        let invalid = Err;
        let parsed = Url::parse(&format!("https://{id}/"));
        if !parsed.is_ok_and(|url| url.host() == Some(Host::Domain(id))) || id.ends_with('.') {
            return invalid("its id is not a domain");
        }
        if origins.is_empty() {
            return invalid("it has no origin");
        }
        for origin in origins {
            let host = origin.host_str().unwrap_or_default();
            let local = host == "localhost" || host.ends_with(".localhost");
            if origin.scheme() != "https" && !(origin.scheme() == "http" && local) {
                return invalid("an origin is not secure");
            }
        }
        let allowed = origins.to_vec();
        Ok(Self {
            core: WebauthnCore::new_unsafe_experts_only(name, id, allowed, TIMEOUT, None, None),
            origins: origins.iter().map(|it| it.origin().ascii_serialization()).collect(),
        })
    }

    /// Begins to register a credential for `user`: the options for the browser
    /// (`PublicKeyCredentialCreationOptionsJSON`), and what to remember. `exclude` are the
    /// credentials the user has, so that no authenticator makes a second one.
    ///
    /// # Errors
    /// Where the user has no name.
    pub fn begin_registration(
        &self,
        user: &Owner<'_>,
        exclude: &[CredentialId],
        policy: &RegistrationPolicy,
    ) -> Result<(Value, Ceremony)> {
        let doing = "beginning a registration";
        let display_name = if user.display_name.is_empty() { user.name } else { user.display_name };
        let exclude = exclude.iter().map(|id| id.as_bytes().to_vec()).collect();
        let builder = self
            .core
            .new_challenge_register_builder(&user.handle, user.name, display_name)
            .doing(doing)?
            .attestation(match policy.aaguids {
                Some(_) => lib::AttestationConveyancePreference::Direct,
                None => lib::AttestationConveyancePreference::None,
            })
            .user_verification_policy(policy.verification.into())
            .require_resident_key(policy.discoverable == Discoverable::Required)
            .exclude_credentials(Some(exclude))
            .extensions(Some(lib::RequestRegistrationExtensions {
                cred_protect: None,
                uvm: None,
                cred_props: Some(true),
                min_pin_length: None,
                hmac_create_secret: None,
            }));
        let (mut options, state) = self.core.generate_challenge_register(builder).doing(doing)?;
        // The library knows only "required" and "discouraged".
        if policy.discoverable == Discoverable::Preferred
            && let Some(selection) = &mut options.public_key.authenticator_selection
        {
            selection.resident_key = Some(lib::ResidentKeyRequirement::Preferred);
        }
        let options = serde_json::to_value(options.public_key).doing(doing)?;
        Ok((options, Ceremony(State::Registration { owner: user.handle, state })))
    }

    /// Finishes the registration with what the browser answered (L3 §7.1).
    ///
    /// That no credential of this id exists yet is for the caller to check, at once with storing
    /// it.
    ///
    /// # Errors
    /// Where the answer is not one to this ceremony, or the credential not one by the policy.
    pub fn finish_registration(
        &self,
        ceremony: &Ceremony,
        credential: &Value,
        policy: &RegistrationPolicy,
    ) -> Result<Credential, WebauthnFault> {
        let State::Registration { owner, state } = &ceremony.0 else {
            return Err(WebauthnFault::Refused("it was not a registration that was begun"));
        };
        let answer = answer::registration(credential)?;
        answer::check_page(&answer.response.client_data_json, &self.origins)?;
        let Attested { aaguid, id } =
            authenticator_data::of_registration(&answer.response.attestation_object)?;
        if id != answer.raw_id {
            return Err(WebauthnFault::Refused("the attested id is another one"));
        }
        let id = CredentialId::new(id.to_vec()).ok_or(WebauthnFault::Malformed)?;
        let mut key = self
            .core
            .register_credential(&answer, state, None)
            .map_err(|error| WebauthnFault::of(&error))?;
        check_key(&key.cred)?;
        key.attestation = lib::ParsedAttestation::default();
        // The library remembers them only where they were attested, but they are never more than
        // hints.
        key.transports = answer.response.transports;
        let credential = Credential { id, owner: *owner, aaguid, key };
        check_policy(&credential, policy)?;
        Ok(credential)
    }

    /// Begins to ask for an assertion by one of the `allowed` credentials: the options for the
    /// browser (`PublicKeyCredentialRequestOptionsJSON`), and what to remember.
    ///
    /// With none allowed, any discoverable credential may answer, and the answer names the user.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn begin_assertion(
        &self,
        allowed: &[Credential],
        verification: Verification,
    ) -> Result<(Value, Ceremony)> {
        let doing = "beginning an assertion";
        let keys = allowed.iter().map(|credential| credential.key.clone()).collect();
        let builder = self
            .core
            .new_challenge_authenticate_builder(keys, Some(verification.into()))
            .doing(doing)?;
        let (options, mut state) =
            self.core.generate_challenge_authenticate(builder).doing(doing)?;
        // The keys are read again when the answer comes, so only their ids are remembered.
        state.set_allowed_credentials(Vec::new());
        let allowed = allowed.iter().map(|credential| credential.id.clone()).collect();
        let options = serde_json::to_value(options.public_key).doing(doing)?;
        Ok((options, Ceremony(State::Assertion { allowed, state })))
    }

    /// Finishes the assertion with what the browser answered (L3 §7.2), by the credential that is
    /// `stored` under the id in the answer.
    ///
    /// # Errors
    /// Where the answer is not one to this ceremony, or not by this credential.
    pub fn finish_assertion(
        &self,
        ceremony: &Ceremony,
        answer: &Value,
        stored: &Credential,
    ) -> Result<Asserted, WebauthnFault> {
        let State::Assertion { allowed, state } = &ceremony.0 else {
            return Err(WebauthnFault::Refused("it was not an assertion that was begun"));
        };
        let answer = answer::assertion(answer)?;
        if answer.raw_id != stored.id.as_bytes() {
            return Err(WebauthnFault::Refused("another credential answered"));
        }
        if !allowed.is_empty() && !allowed.contains(&stored.id) {
            return Err(WebauthnFault::Refused("the credential was not asked for"));
        }
        match &answer.response.user_handle {
            Some(handle) if *handle != stored.owner => {
                return Err(WebauthnFault::Refused("the credential is somebody else's"));
            }
            None if allowed.is_empty() => {
                return Err(WebauthnFault::Refused("the answer does not name the user"));
            }
            _ => {}
        }
        answer::check_page(&answer.response.client_data_json, &self.origins)?;
        authenticator_data::of_assertion(&answer.response.authenticator_data)?;
        let result = self
            .core
            .authenticate_single_credential(&answer, state, &stored.key)
            .map_err(|error| WebauthnFault::of(&error))?;
        let mut credential = stored.clone();
        credential.key.counter = result.counter();
        credential.key.backup_state = result.backup_state();
        Ok(Asserted {
            counter: result.counter(),
            user_verified: result.user_verified(),
            credential,
        })
    }
}

impl From<Verification> for lib::UserVerificationPolicy {
    fn from(it: Verification) -> Self {
        match it {
            Verification::Required => Self::Required,
            Verification::Preferred => Self::Preferred,
        }
    }
}

/// Checks that the curve is that of the algorithm (L3 §5.8.5), and that an RSA key is as large as
/// it looks, with the exponent that all devices use. The library looks at the length only.
fn check_key(key: &lib::COSEKey) -> Result<(), WebauthnFault> {
    use lib::{COSEAlgorithm as Algorithm, COSEKeyType as Kind, ECDSACurve as Curve};
    let good = match (key.type_, &key.key) {
        (Algorithm::ES256, Kind::EC_EC2(point)) => point.curve == Curve::SECP256R1,
        (Algorithm::ES384, Kind::EC_EC2(point)) => point.curve == Curve::SECP384R1,
        (Algorithm::RS256, Kind::RSA(rsa)) => {
            rsa.n.first().is_some_and(|byte| byte & 0x80 != 0) && rsa.e == [1, 0, 1]
        }
        _ => false,
    };
    if good { Ok(()) } else { Err(WebauthnFault::Refused("the public key is not usable")) }
}

fn check_policy(it: &Credential, policy: &RegistrationPolicy) -> Result<(), WebauthnFault> {
    if policy.verification == Verification::Required && !it.user_verified() {
        return Err(WebauthnFault::Refused("the user was not verified"));
    }
    if policy.discoverable == Discoverable::Required && it.discoverable() == Some(false) {
        return Err(WebauthnFault::Refused("the credential is not discoverable"));
    }
    if let Some(allowed) = &policy.aaguids
        && !it.aaguid().is_some_and(|aaguid| allowed.contains(&aaguid))
    {
        return Err(WebauthnFault::Refused("this model of authenticator is not allowed"));
    }
    Ok(())
}
