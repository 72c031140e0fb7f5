//! Answers of browsers and authenticators: as JSON, and as what their binary parts hold.

use std::sync::LazyLock;

use countersign::crypto::webauthn::{
    Ceremony, Credential, CredentialId, Discoverable, Owner, RegistrationPolicy, RelyingParty,
    Verification, credential_id_of, user_handle_of,
};
use serde_json::{Value, json};

use super::base64url;

const ORIGIN: &str = "https://id.example.com";

struct Begun {
    party: RelyingParty,
    registration: (Ceremony, String),
    assertion: (Ceremony, String),
}

/// Ceremonies whose answers are asked for.
static BEGUN: LazyLock<Begun> = LazyLock::new(|| {
    let origin = url::Url::parse(ORIGIN).expect("an address");
    let party = RelyingParty::new("id.example.com", "Acme", &[origin]).expect("a party");
    let owner = Owner { handle: [1; 16], name: "grace@example.com", display_name: "Grace" };
    let challenge = |options: &Value| options["challenge"].as_str().expect("one").to_owned();
    let (options, registration) =
        party.begin_registration(&owner, &[], &policy()).expect("a registration");
    let registration = (registration, challenge(&options));
    let (options, assertion) =
        party.begin_assertion(&[], Verification::Preferred).expect("an assertion");
    let assertion = (assertion, challenge(&options));
    Begun { party, registration, assertion }
});

fn policy() -> RegistrationPolicy {
    RegistrationPolicy {
        verification: Verification::Preferred,
        discoverable: Discoverable::Preferred,
        aaguids: None,
    }
}

/// The first byte says what the others are.
pub fn answers(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => json_answer(rest),
        1 => registration(rest),
        2 => assertion(rest),
        _ => stored(rest),
    }
}

/// An answer that is any JSON.
fn json_answer(data: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<Value>(data) else { return };
    if let Some(id) = credential_id_of(&answer) {
        assert_eq!(CredentialId::from_base64url(&id.to_base64url()), Some(id.clone()));
        assert_eq!(CredentialId::new(id.as_bytes().to_vec()), Some(id));
    }
    let _ = user_handle_of(&answer);
    let begun = &*BEGUN;
    assert!(begun.party.finish_registration(&begun.registration.0, &answer, &policy()).is_err());
}

/// A well-formed answer with these bytes as its attestation object, or as an id of so many bytes
/// and the object.
fn registration(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else { return };
    let Some((id, attestation)) = rest.split_at_checked(usize::from(*length)) else { return };
    let begun = &*BEGUN;
    let (ceremony, challenge) = &begun.registration;
    let answer = created(id, attestation, challenge);
    if let Ok(made) = begun.party.finish_registration(ceremony, &answer, &policy()) {
        assert_eq!(made.id().as_bytes(), id);
        let text = made.to_json().expect("JSON");
        let again = Credential::from_json(&text).expect("a credential");
        assert_eq!(again.to_json().expect("JSON"), text);
    }
}

/// The attestation object of a credential that nobody has the key of any more (format `none`).
const ATTESTATION: &[u8] = include_bytes!("attestation.bin");

/// That credential as it is stored.
static STORED: LazyLock<Credential> = LazyLock::new(|| {
    let begun = &*BEGUN;
    let (ceremony, challenge) = &begun.registration;
    let answer = created(&[2; 16], ATTESTATION, challenge);
    begun.party.finish_registration(ceremony, &answer, &policy()).expect("a credential")
});

/// A well-formed answer with these bytes as its authenticator data.
fn assertion(data: &[u8]) {
    let begun = &*BEGUN;
    let (ceremony, challenge) = &begun.assertion;
    let stored = &*STORED;
    let id = stored.id().to_base64url();
    let answer = json!({
        "type": "public-key",
        "id": id,
        "rawId": id,
        "response": {
            "clientDataJSON": base64url(client_data("webauthn.get", challenge).as_bytes()),
            "authenticatorData": base64url(data),
            "signature": base64url(b"\x30\x06\x02\x01\x01\x02\x01\x01"),
            "userHandle": base64url(&[1; 16]),
        },
    });
    let outcome = begun.party.finish_assertion(ceremony, &answer, stored);
    assert!(outcome.is_err(), "nobody has signed this");
}

/// What the database has.
fn stored(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(credential) = Credential::from_json(text) {
        let _ = (credential.counter(), credential.aaguid(), credential.transports());
        let written = credential.to_json().expect("JSON");
        let again = Credential::from_json(&written).expect("a credential");
        assert_eq!(again.to_json().expect("JSON"), written);
    }
    if let Ok(ceremony) = Ceremony::from_json(text) {
        let written = ceremony.to_json().expect("JSON");
        assert!(Ceremony::from_json(&written).is_ok());
    }
}

/// A well-formed answer to a registration.
fn created(id: &[u8], attestation: &[u8], challenge: &str) -> Value {
    json!({
        "type": "public-key",
        "id": base64url(id),
        "rawId": base64url(id),
        "response": {
            "clientDataJSON": base64url(client_data("webauthn.create", challenge).as_bytes()),
            "attestationObject": base64url(attestation),
        },
    })
}

fn client_data(kind: &str, challenge: &str) -> String {
    json!({ "type": kind, "challenge": challenge, "origin": ORIGIN, "crossOrigin": false })
        .to_string()
}
