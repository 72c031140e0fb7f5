//! What a browser sends back: the JSON form of `PublicKeyCredential` (`WebAuthn` L3 §5.1).
//!
//! Every member is measured before it is decoded, and decoded before the library sees it. What
//! the members mean together is checked in the parent module; members we do not know are ignored,
//! as new ones come with time.

use serde::Deserialize;
use serde_json::Value;
use webauthn_rs_proto::{
    AuthenticationExtensionsClientOutputs, AuthenticatorAssertionResponseRaw,
    AuthenticatorAttestationResponseRaw, AuthenticatorTransport, CredProps, PublicKeyCredential,
    RegisterPublicKeyCredential, RegistrationExtensionsClientOutputs,
};

use super::{binary, credential::CredentialId, fault::WebauthnFault};

/// The most that an attestation may be, in bytes. A TPM's, with three certificates, has some six
/// thousand.
const MAX_ATTESTATION: usize = 16 * 1024;
/// The most that client data may be. They hold a challenge and an origin.
const MAX_CLIENT_DATA: usize = 4 * 1024;
/// The most that the authenticator data of an assertion may be: 37 bytes and extensions.
const MAX_AUTHENTICATOR_DATA: usize = 4 * 1024;
/// The most that a signature may be. RSA of 2048 bits has 256 bytes.
const MAX_SIGNATURE: usize = 1024;
/// The longest user handle there may be (§5.4.3).
const MAX_USER_HANDLE: usize = 64;
/// How many transports of an authenticator are remembered.
const MAX_TRANSPORTS: usize = 8;

/// The id of the credential that answers; `None` where there is none, or not a possible one.
///
/// To look the credential up with. It proves nothing until the ceremony is finished.
#[must_use]
pub fn credential_id_of(answer: &Value) -> Option<CredentialId> {
    CredentialId::from_base64url(answer.get("id")?.as_str()?)
}

/// The user handle in an assertion, at most 64 bytes; `None` where there is none.
///
/// To look the user up with. It proves nothing until the ceremony is finished.
#[must_use]
pub fn user_handle_of(answer: &Value) -> Option<Vec<u8>> {
    let text = answer.get("response")?.get("userHandle")?.as_str()?;
    binary::decoded(text, MAX_USER_HANDLE).filter(|handle| !handle.is_empty())
}

/// The answer to a registration. Its id is not yet known to be that of the attested key.
pub(super) fn registration(answer: &Value) -> Result<RegisterPublicKeyCredential, WebauthnFault> {
    let (id, raw_id) = identity(answer)?;
    let response = answer.get("response").ok_or(WebauthnFault::Malformed)?;
    let rk = answer.get("clientExtensionResults").and_then(|it| it.get("credProps")?.get("rk"));
    Ok(RegisterPublicKeyCredential {
        id,
        raw_id,
        response: AuthenticatorAttestationResponseRaw {
            attestation_object: bytes(response, "attestationObject", MAX_ATTESTATION)?,
            client_data_json: bytes(response, "clientDataJSON", MAX_CLIENT_DATA)?,
            transports: transports(response),
        },
        type_: "public-key".to_owned(),
        extensions: RegistrationExtensionsClientOutputs {
            cred_props: rk.map(|rk| CredProps { rk: rk.as_bool() }),
            ..Default::default()
        },
    })
}

/// The answer to an assertion. An empty user handle counts as none.
pub(super) fn assertion(answer: &Value) -> Result<PublicKeyCredential, WebauthnFault> {
    let (id, raw_id) = identity(answer)?;
    let response = answer.get("response").ok_or(WebauthnFault::Malformed)?;
    let user_handle = match response.get("userHandle") {
        None | Some(Value::Null) => None,
        Some(_) => Some(bytes(response, "userHandle", MAX_USER_HANDLE)?),
    };
    Ok(PublicKeyCredential {
        id,
        raw_id,
        response: AuthenticatorAssertionResponseRaw {
            authenticator_data: bytes(response, "authenticatorData", MAX_AUTHENTICATOR_DATA)?,
            client_data_json: bytes(response, "clientDataJSON", MAX_CLIENT_DATA)?,
            signature: bytes(response, "signature", MAX_SIGNATURE)?,
            user_handle: user_handle.filter(|handle| !handle.is_empty()),
        },
        extensions: AuthenticationExtensionsClientOutputs::default(),
        type_: "public-key".to_owned(),
    })
}

/// The credential's id twice, as text and as bytes, of which both must say the same.
fn identity(answer: &Value) -> Result<(String, Vec<u8>), WebauthnFault> {
    if text(answer, "type")? != "public-key" {
        return Err(WebauthnFault::Refused("it is not a public key credential"));
    }
    let id = credential_id_of(answer).ok_or(WebauthnFault::Malformed)?;
    if text(answer, "rawId")? != id.to_base64url() {
        return Err(WebauthnFault::Refused("`id` and `rawId` differ"));
    }
    Ok((id.to_base64url(), id.as_bytes().to_vec()))
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, WebauthnFault> {
    object.get(name).and_then(Value::as_str).ok_or(WebauthnFault::Malformed)
}

fn bytes(object: &Value, name: &str, limit: usize) -> Result<Vec<u8>, WebauthnFault> {
    binary::decoded(text(object, name)?, limit).ok_or(WebauthnFault::Malformed)
}

/// The transports that we know. They are hints for the browser of later, and signed by nobody.
fn transports(response: &Value) -> Option<Vec<AuthenticatorTransport>> {
    let mut known = Vec::new();
    let names = response.get("transports")?.as_array()?;
    for name in names.iter().take(MAX_TRANSPORTS).filter_map(Value::as_str) {
        if let Ok(transport) = name.parse::<AuthenticatorTransport>()
            && !known.contains(&transport)
        {
            known.push(transport);
        }
    }
    (!known.is_empty()).then_some(known)
}

/// What a browser says about the page on which the user answered (§5.8.1). Its type and its
/// challenge are compared by the library.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

/// Checks that the page was one of `origins`, letter by letter (§7.1 step 9), and that no other
/// site framed it (steps 10 and 11). No page of ours is made to be framed.
pub(super) fn check_page(client_data: &[u8], origins: &[String]) -> Result<(), WebauthnFault> {
    let data: ClientData =
        serde_json::from_slice(client_data).map_err(|_| WebauthnFault::Malformed)?;
    if !origins.contains(&data.origin) {
        return Err(WebauthnFault::Refused("the origin is not one of ours"));
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(WebauthnFault::Refused("the page was framed by another site"));
    }
    Ok(())
}
