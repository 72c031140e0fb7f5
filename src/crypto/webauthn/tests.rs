//! The relying party against an authenticator whose every byte can be changed.

mod assertion;
mod attestation;
mod authenticator;
mod keys;
mod registration;
mod signature;

use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use self::authenticator::Authenticator;
use super::*;

const ORIGIN: &str = "https://id.example.com";

/// Origins that look like ours and are not.
const FOREIGN: [&str; 14] = [
    "https://evilid.example.com",
    "https://id.example.com.evil.example",
    "https://sub.id.example.com",
    "https://example.com",
    "http://id.example.com",
    "https://id.example.com:8443",
    "https://id.example.com:443",
    "https://id.example.com.",
    "https://id.example.com/",
    "https://ID.example.com",
    "https://someone@id.example.com",
    "https://id.tenant-two.example",
    "null",
    "",
];

const NOT_OURS: WebauthnFault = WebauthnFault::Refused("the origin is not one of ours");

fn party() -> RelyingParty {
    RelyingParty::new("example.com", "Example", &[Url::parse(ORIGIN).unwrap()]).unwrap()
}

fn owner() -> Owner<'static> {
    Owner { handle: [0xa1; 16], name: "alice@example.com", display_name: "Alice" }
}

fn policy() -> RegistrationPolicy {
    RegistrationPolicy {
        verification: Verification::Preferred,
        discoverable: Discoverable::Preferred,
        aaguids: None,
    }
}

/// As the state comes back from the database.
fn stored(ceremony: &Ceremony) -> Ceremony {
    Ceremony::from_json(&ceremony.to_json().unwrap()).unwrap()
}

/// A credential of `authenticator`, registered by all the rules, back from the database.
fn registered(authenticator: &mut Authenticator) -> Credential {
    let (options, ceremony) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let answer = authenticator.create(&options, ORIGIN).answer();
    let credential = party().finish_registration(&stored(&ceremony), &answer, &policy()).unwrap();
    Credential::from_json(&credential.to_json().unwrap()).unwrap()
}

#[test]
fn a_relying_party_has_a_domain_and_secure_origins() {
    let url = |text: &str| Url::parse(text).unwrap();
    for (id, origins) in [
        ("example.com", vec![url("https://example.com/"), url("https://id.example.com:8443/path")]),
        ("localhost", vec![url("http://localhost:8080")]),
        // An origin outside is for browsers to judge, by the domain's list of related origins.
        ("example.com", vec![url("https://example.com"), url("https://example.net")]),
    ] {
        assert!(RelyingParty::new(id, "Example", &origins).is_ok(), "{id}");
    }
    for (id, origins) in [
        ("example.com", vec![]),
        ("example.com", vec![url("http://example.com")]),
        ("Example.com", vec![url("https://example.com")]),
        ("example.com.", vec![url("https://example.com.")]),
        ("example.com:8443", vec![url("https://example.com:8443")]),
        ("127.0.0.1", vec![url("https://127.0.0.1")]),
        ("", vec![url("https://example.com")]),
    ] {
        assert!(RelyingParty::new(id, "Example", &origins).is_err(), "{id} {origins:?}");
    }
}

#[test]
fn the_ids_in_an_answer_can_be_looked_up() {
    let answer = json!({"id": "AQID", "response": {"userHandle": "BAU"}});
    assert_eq!(credential_id_of(&answer).unwrap().as_bytes(), [1, 2, 3]);
    assert_eq!(user_handle_of(&answer).unwrap(), [4, 5]);
    for (length, good) in [(0, false), (1, true), (1023, true), (1024, false), (1_000_000, false)] {
        let answer = json!({"id": authenticator::base64url(&vec![7; length])});
        assert_eq!(credential_id_of(&answer).is_some(), good, "{length} bytes");
    }
    for (length, good) in [(0, false), (1, true), (64, true), (65, false)] {
        let handle = authenticator::base64url(&vec![7; length]);
        let answer = json!({"response": {"userHandle": handle}});
        assert_eq!(user_handle_of(&answer).is_some(), good, "{length} bytes");
    }
    for answer in [json!({}), json!([]), json!({"id": 1}), json!({"id": "AQID="}), json!(null)] {
        assert_eq!(credential_id_of(&answer), None, "{answer}");
        assert_eq!(user_handle_of(&answer), None, "{answer}");
    }
}

#[test]
fn an_id_is_spelt_in_one_way_only() {
    let id = CredentialId::from_base64url("AQ").unwrap();
    assert_eq!(id.to_base64url(), "AQ");
    for other in ["AQ==", "AR", "A", "A Q", "+/"] {
        assert_eq!(CredentialId::from_base64url(other), None, "{other}");
    }
}

#[test]
fn what_is_stored_is_small_and_of_one_piece() {
    let credential = registered(&mut Authenticator::new());
    let mut json: Value = serde_json::from_str(&credential.to_json().unwrap()).unwrap();
    json["id"] = json!("AQID");
    assert!(Credential::from_json(&json.to_string()).is_err(), "two ids");
    json["id"] = json!("");
    assert!(Credential::from_json(&json.to_string()).is_err(), "an empty id");
    assert!(Credential::from_json("{}").is_err());

    let (_, ceremony) =
        party().begin_assertion(std::slice::from_ref(&credential), Verification::Required).unwrap();
    let text = ceremony.to_json().unwrap();
    assert!(text.contains(&credential.id().to_base64url()));
    assert!(!text.contains("EC_EC2"), "no keys are kept twice: {text}");
    assert!(Ceremony::from_json("{}").is_err());
    assert_eq!(format!("{ceremony:?}"), "Ceremony(assertion)");
}
