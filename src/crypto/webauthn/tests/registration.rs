//! Registrations: what is asked, and each way in which an answer is refused (`WebAuthn` L3 §7.1).

use super::{authenticator::*, *};
use crate::crypto::webauthn::WebauthnFault::{Malformed, Refused};

pub(super) const NOT_OFFERED: WebauthnFault =
    Refused("the key is of an algorithm that was not offered, or was excluded");

/// The outcome of a registration whose answer was changed before it was written.
pub(super) fn drafted(change: impl FnOnce(&mut Creation)) -> Result<Credential, WebauthnFault> {
    outcome(&policy(), &mut Authenticator::new(), change, |_| {})
}

/// The outcome of a registration whose answer was changed after it was written.
pub(super) fn written(change: impl FnOnce(&mut Value)) -> Result<Credential, WebauthnFault> {
    outcome(&policy(), &mut Authenticator::new(), |_| {}, change)
}

pub(super) fn outcome(
    policy: &RegistrationPolicy,
    authenticator: &mut Authenticator,
    draft: impl FnOnce(&mut Creation),
    answer: impl FnOnce(&mut Value),
) -> Result<Credential, WebauthnFault> {
    let (options, ceremony) = party().begin_registration(&owner(), &[], policy).unwrap();
    let mut creation = authenticator.create(&options, ORIGIN);
    draft(&mut creation);
    let mut json = creation.answer();
    answer(&mut json);
    party().finish_registration(&stored(&ceremony), &json, policy)
}

#[test]
fn the_options_are_those_of_a_browser() {
    let exclude = [CredentialId::new(vec![1, 2, 3]).unwrap()];
    let (mut options, _) = party().begin_registration(&owner(), &exclude, &policy()).unwrap();
    assert_eq!(from_base64url(options["challenge"].as_str().unwrap()).len(), 32);
    options["challenge"] = json!("…");
    assert_eq!(
        options,
        json!({
            "rp": {"id": "example.com", "name": "Example"},
            "user": {
                "id": "oaGhoaGhoaGhoaGhoaGhoQ",
                "name": "alice@example.com",
                "displayName": "Alice",
            },
            "challenge": "…",
            "pubKeyCredParams": [
                {"type": "public-key", "alg": -7},
                {"type": "public-key", "alg": -35},
                {"type": "public-key", "alg": -257},
            ],
            "timeout": 300_000,
            "attestation": "none",
            "excludeCredentials": [{"type": "public-key", "id": "AQID"}],
            "authenticatorSelection": {
                "residentKey": "preferred",
                "requireResidentKey": false,
                "userVerification": "preferred",
            },
            "extensions": {"credProps": true},
        })
    );
}

#[test]
fn the_policy_is_in_the_options() {
    let strict = RegistrationPolicy {
        verification: Verification::Required,
        discoverable: Discoverable::Required,
        aaguids: Some(vec![Uuid::from_bytes([7; 16])]),
    };
    let nameless = Owner { display_name: "", ..owner() };
    let (options, _) = party().begin_registration(&nameless, &[], &strict).unwrap();
    assert_eq!(options["user"]["displayName"], "alice@example.com");
    assert_eq!(options["attestation"], "direct");
    assert_eq!(
        options["authenticatorSelection"],
        json!({
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        })
    );
}

#[test]
fn no_challenge_comes_twice() {
    let challenge =
        || party().begin_registration(&owner(), &[], &policy()).unwrap().0["challenge"].to_string();
    assert_ne!(challenge(), challenge());
}

#[test]
fn what_was_learnt_is_kept() {
    let mut authenticator = Authenticator::new();
    authenticator.flags = UP | UV | BE | BS;
    authenticator.counter = 5;
    let credential = registered(&mut authenticator);
    assert_eq!(credential.id().as_bytes(), authenticator.id);
    assert_eq!(credential.counter(), 5);
    assert_eq!(credential.aaguid(), Some(Uuid::from_bytes([7; 16])));
    assert!(credential.user_verified() && credential.backup_eligible() && credential.backed_up());
    assert_eq!(credential.discoverable(), Some(true));
    assert_eq!(credential.transports(), ["internal", "hybrid"]);

    authenticator.flags = UP;
    authenticator.aaguid = [0; 16];
    let credential = registered(&mut authenticator);
    assert_eq!(credential.aaguid(), None);
    assert!(!credential.user_verified() && !credential.backup_eligible());
    assert!(!credential.backed_up());
}

#[test]
fn hints_are_taken_as_far_as_they_are_known() {
    for (transports, known) in [
        (json!(["usb", "nfc", "usb", "smart-card", "telepathy", 1]), vec!["usb", "nfc"]),
        (json!([]), vec![]),
        (json!("usb"), vec![]),
        (Value::Null, vec![]),
    ] {
        let credential = drafted(|it| it.transports = transports.clone()).unwrap();
        assert_eq!(credential.transports(), known, "{transports}");
    }
    for (extensions, rk) in [
        (json!({"credProps": {"rk": false}, "new": {"a": 1}}), Some(false)),
        (json!({"credProps": {}}), None),
        (json!({"credProps": {"rk": "yes"}}), None),
        (json!({}), None),
        (Value::Null, None),
    ] {
        let credential = drafted(|it| it.extensions = extensions.clone()).unwrap();
        assert_eq!(credential.discoverable(), rk, "{extensions}");
    }
}

#[test]
fn another_challenge_is_refused() {
    let refused = Refused("the challenge is another one");
    for challenge in [base64url(&[0; 32]), String::new()] {
        let result = drafted(|it| it.client_data["challenge"] = json!(challenge));
        assert_eq!(result.unwrap_err(), refused, "{challenge}");
    }
}

#[test]
fn another_type_is_refused() {
    let refused = Refused("the answer is to another kind of request");
    for kind in ["webauthn.get", "webauthn.CREATE", "payment.get", ""] {
        assert_eq!(drafted(|it| it.client_data["type"] = json!(kind)).unwrap_err(), refused);
    }
}

#[test]
fn another_origin_is_refused() {
    for origin in FOREIGN {
        let result = drafted(|it| it.client_data["origin"] = json!(origin));
        assert_eq!(result.unwrap_err(), NOT_OURS, "{origin}");
    }
}

#[test]
fn a_framed_page_is_refused() {
    let refused = Refused("the page was framed by another site");
    assert_eq!(drafted(|it| it.client_data["crossOrigin"] = json!(true)).unwrap_err(), refused);
    let framed = drafted(|it| it.client_data["topOrigin"] = json!("https://evil.example"));
    assert_eq!(framed.unwrap_err(), refused);
    let silent = drafted(|it| {
        it.client_data.as_object_mut().unwrap().remove("crossOrigin");
    });
    assert!(silent.is_ok(), "older browsers do not send it");
}

#[test]
fn another_relying_party_is_refused() {
    let refused = Refused("the answer is for another relying party");
    for id in ["com", "id.example.com", "tenant-two.example", ""] {
        let result = drafted(|it| it.data.rp_id_hash = sha256(id.as_bytes()));
        assert_eq!(result.unwrap_err(), refused, "{id}");
    }
}

#[test]
fn flags_are_held_to() {
    let strict = RegistrationPolicy { verification: Verification::Required, ..policy() };
    for (flags, policy, expected) in [
        (UV, policy(), Err(Refused("the user was not present"))),
        (UP, strict.clone(), Err(Refused("the user was not verified"))),
        (UP, policy(), Ok(())),
        (UP | UV, strict, Ok(())),
        (UP | BS, policy(), Err(Refused("the backup flags contradict"))),
        (UP | BE, policy(), Ok(())),
        (UP | BE | BS, policy(), Ok(())),
    ] {
        let mut authenticator = Authenticator::new();
        authenticator.flags = flags;
        let result = outcome(&policy, &mut authenticator, |_| {}, |_| {});
        assert_eq!(result.map(|_| ()), expected, "{flags:#x}");
    }
}

#[test]
fn the_policy_at_the_end_counts_too() {
    let (options, ceremony) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let mut authenticator = Authenticator::new();
    authenticator.flags = UP;
    let answer = authenticator.create(&options, ORIGIN).answer();
    let strict = RegistrationPolicy { verification: Verification::Required, ..policy() };
    let result = party().finish_registration(&ceremony, &answer, &strict);
    assert_eq!(result.unwrap_err(), Refused("the user was not verified"));
}

#[test]
fn only_welcome_models_are_registered() {
    let listed = |aaguids| RegistrationPolicy { aaguids: Some(aaguids), ..policy() };
    let refused = Err(Refused("this model of authenticator is not allowed"));
    let ours = Uuid::from_bytes([7; 16]);
    for (aaguid, allowed, expected) in [
        ([7; 16], vec![Uuid::from_bytes([8; 16]), ours], Ok(())),
        ([9; 16], vec![ours], refused),
        ([0; 16], vec![ours], refused),
        ([0; 16], vec![Uuid::nil()], refused),
        ([7; 16], vec![], refused),
    ] {
        let mut authenticator = Authenticator::new();
        authenticator.aaguid = aaguid;
        let result = outcome(&listed(allowed), &mut authenticator, |_| {}, |_| {});
        assert_eq!(result.map(|_| ()), expected);
    }
}

#[test]
fn a_credential_that_must_be_discoverable_is() {
    let strict = RegistrationPolicy { discoverable: Discoverable::Required, ..policy() };
    for (rk, expected) in [
        (json!({"rk": false}), Err(Refused("the credential is not discoverable"))),
        (json!({"rk": true}), Ok(())),
        // Not every browser says.
        (json!({}), Ok(())),
    ] {
        let change = |it: &mut Creation| it.extensions = json!({"credProps": rk});
        let result = outcome(&strict, &mut Authenticator::new(), change, |_| {});
        assert_eq!(result.map(|_| ()), expected);
    }
}

#[test]
fn both_ids_and_the_attested_one_are_the_same() {
    let differ = Refused("`id` and `rawId` differ");
    assert_eq!(written(|it| it["id"] = json!("AQID")).unwrap_err(), differ);
    assert_eq!(written(|it| it["rawId"] = json!("AQID")).unwrap_err(), differ);
    let both = written(|it| {
        it["id"] = json!("AQID");
        it["rawId"] = json!("AQID");
    });
    assert_eq!(both.unwrap_err(), Refused("the attested id is another one"));
}

#[test]
fn ids_have_their_bounds() {
    for (length, expected) in
        [(0, Err(Malformed)), (1, Ok(())), (1023, Ok(())), (1024, Err(Malformed))]
    {
        let result = drafted(|it| it.id = vec![9; length]);
        assert_eq!(result.map(|_| ()), expected, "{length} bytes");
    }
}

#[test]
fn an_excluded_credential_is_refused() {
    let mut authenticator = Authenticator::new();
    let exclude = [CredentialId::new(authenticator.id.clone()).unwrap()];
    let (options, ceremony) = party().begin_registration(&owner(), &exclude, &policy()).unwrap();
    let answer = authenticator.create(&options, ORIGIN).answer();
    let result = party().finish_registration(&stored(&ceremony), &answer, &policy());
    assert_eq!(result.unwrap_err(), NOT_OFFERED);
}

#[test]
fn an_assertion_that_was_begun_does_not_register() {
    let (_, ceremony) = party().begin_assertion(&[], Verification::Preferred).unwrap();
    let (options, _) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let answer = Authenticator::new().create(&options, ORIGIN).answer();
    let result = party().finish_registration(&stored(&ceremony), &answer, &policy());
    assert_eq!(result.unwrap_err(), Refused("it was not a registration that was begun"));
}

#[test]
fn members_are_what_they_should_be() {
    for name in ["id", "rawId", "type", "response"] {
        for value in [Value::Null, json!(1), json!([]), json!({})] {
            let result = written(|it| it[name] = value.clone());
            assert_eq!(result.unwrap_err(), Malformed, "{name} as {value}");
        }
    }
    for name in ["clientDataJSON", "attestationObject"] {
        for value in [Value::Null, json!(1), json!(""), json!("ä"), json!("AQ=="), json!("+/8")] {
            let result = written(|it| it["response"][name] = value.clone());
            assert_eq!(result.unwrap_err(), Malformed, "{name} as {value}");
        }
    }
    let kind = written(|it| it["type"] = json!("password"));
    assert_eq!(kind.unwrap_err(), Refused("it is not a public key credential"));
    for answer in [json!(null), json!([]), json!("x"), json!({})] {
        assert_eq!(written(|it| *it = answer).unwrap_err(), Malformed);
    }
    for name in ["type", "challenge", "origin", "crossOrigin", "topOrigin"] {
        let result = drafted(|it| it.client_data[name] = json!([1]));
        assert_eq!(result.unwrap_err(), Malformed, "{name} as a list");
    }
    let more = written(|it| {
        it["more"] = json!({"a": [1]});
        it["response"]["more"] = json!(1);
        it["response"]["publicKey"] = json!("AQID");
    });
    assert!(more.is_ok(), "members that we do not know are let be");
}

#[test]
fn client_data_say_everything_once() {
    let twice = written(|it| {
        let text = from_base64url(it["response"]["clientDataJSON"].as_str().unwrap());
        let text = String::from_utf8(text).unwrap();
        let text = text.replacen('{', "{\"origin\":\"https://evil.example\",", 1);
        it["response"]["clientDataJSON"] = json!(base64url(text.as_bytes()));
    });
    assert_eq!(twice.unwrap_err(), Malformed);
}
