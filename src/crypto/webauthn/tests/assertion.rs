//! Assertions: what is asked, and each way in which an answer is refused (`WebAuthn` L3 §7.2).

use std::slice;

use super::{
    authenticator::{cbor, *},
    *,
};
use crate::crypto::webauthn::WebauthnFault::{CounterWentBack, Malformed, Refused};

pub(super) const BAD_SIGNATURE: WebauthnFault = Refused("the signature is not good");

type Change = Box<dyn FnOnce(&mut Assertion<'_>)>;

/// The outcome of an assertion whose answer was changed before it was signed.
pub(super) fn signed(change: impl FnOnce(&mut Assertion<'_>)) -> Result<Asserted, WebauthnFault> {
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    outcome(&authenticator, &credential, change, |_| {})
}

/// The outcome of an assertion whose answer was changed after it was written.
pub(super) fn written(change: impl FnOnce(&mut Value)) -> Result<Asserted, WebauthnFault> {
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    outcome(&authenticator, &credential, |_| {}, change)
}

pub(super) fn outcome(
    authenticator: &Authenticator,
    credential: &Credential,
    draft: impl FnOnce(&mut Assertion<'_>),
    answer: impl FnOnce(&mut Value),
) -> Result<Asserted, WebauthnFault> {
    let (options, ceremony) =
        party().begin_assertion(slice::from_ref(credential), Verification::Required).unwrap();
    let mut assertion = authenticator.get(&options, ORIGIN);
    draft(&mut assertion);
    let mut json = assertion.answer();
    answer(&mut json);
    party().finish_assertion(&stored(&ceremony), &json, credential)
}

#[test]
fn the_options_are_those_of_a_browser() {
    let mut authenticator = Authenticator::new();
    authenticator.id = vec![1, 2, 3];
    let credential = registered(&mut authenticator);
    let (mut options, _) = party().begin_assertion(&[credential], Verification::Required).unwrap();
    assert_eq!(from_base64url(options["challenge"].as_str().unwrap()).len(), 32);
    options["challenge"] = json!("…");
    assert_eq!(
        options,
        json!({
            "challenge": "…",
            "timeout": 300_000,
            "rpId": "example.com",
            "allowCredentials": [
                {"type": "public-key", "id": "AQID", "transports": ["internal", "hybrid"]},
            ],
            "userVerification": "required",
        })
    );
    let (options, _) = party().begin_assertion(&[], Verification::Preferred).unwrap();
    assert_eq!(options["allowCredentials"], json!([]));
    assert_eq!(options["userVerification"], "preferred");
}

#[test]
fn a_discoverable_credential_names_its_user() {
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    let (options, ceremony) = party().begin_assertion(&[], Verification::Required).unwrap();
    let finish = |handle: Option<&[u8]>| {
        let mut assertion = authenticator.get(&options, ORIGIN);
        assertion.user_handle = handle.map(<[u8]>::to_vec);
        let answer = assertion.answer();
        assert_eq!(credential_id_of(&answer).as_ref(), Some(credential.id()));
        let named = user_handle_of(&answer);
        assert_eq!(named.as_deref(), handle.filter(|handle| !handle.is_empty()));
        party().finish_assertion(&stored(&ceremony), &answer, &credential).map(|_| ())
    };
    assert_eq!(finish(Some(&[0xa1; 16])), Ok(()));
    assert_eq!(finish(Some(&[0xb2; 16])), Err(Refused("the credential is somebody else's")));
    assert_eq!(finish(Some(&[0xa1; 15])), Err(Refused("the credential is somebody else's")));
    assert_eq!(finish(None), Err(Refused("the answer does not name the user")));
    assert_eq!(finish(Some(&[])), Err(Refused("the answer does not name the user")));
}

#[test]
fn a_credential_that_was_asked_for_need_not_name_its_user() {
    assert!(signed(|it| it.user_handle = None).is_ok());
    assert!(signed(|it| it.user_handle = Some(vec![])).is_ok(), "some send an empty one");
    assert!(written(|it| it["response"]["userHandle"] = Value::Null).is_ok());
    let foreign = signed(|it| it.user_handle = Some(vec![0xb2; 16]));
    assert_eq!(foreign.unwrap_err(), Refused("the credential is somebody else's"));
    assert_eq!(signed(|it| it.user_handle = Some(vec![0xa1; 65])).unwrap_err(), Malformed);
    let number = written(|it| it["response"]["userHandle"] = json!(1));
    assert_eq!(number.unwrap_err(), Malformed);
}

#[test]
fn only_credentials_that_were_asked_for_may_answer() {
    let (mut mine, mut other) = (Authenticator::new(), Authenticator::new());
    let (my_key, other_key) = (registered(&mut mine), registered(&mut other));
    let (options, ceremony) =
        party().begin_assertion(slice::from_ref(&my_key), Verification::Required).unwrap();
    let answer = other.get(&options, ORIGIN).answer();
    let unasked = party().finish_assertion(&stored(&ceremony), &answer, &other_key);
    assert_eq!(unasked.unwrap_err(), Refused("the credential was not asked for"));
    let mixed = party().finish_assertion(&stored(&ceremony), &answer, &my_key);
    assert_eq!(mixed.unwrap_err(), Refused("another credential answered"));
    // The other authenticator signs under my credential's id.
    let mut assertion = other.get(&options, ORIGIN);
    assertion.id = my_key.id().as_bytes().to_vec();
    let forged = party().finish_assertion(&stored(&ceremony), &assertion.answer(), &my_key);
    assert_eq!(forged.unwrap_err(), BAD_SIGNATURE);
    // Of two that were asked for, each may answer.
    let both = [my_key, other_key.clone()];
    let (options, ceremony) = party().begin_assertion(&both, Verification::Required).unwrap();
    let answer = other.get(&options, ORIGIN).answer();
    assert!(party().finish_assertion(&stored(&ceremony), &answer, &other_key).is_ok());
}

#[test]
fn an_answer_is_to_its_own_ceremony() {
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    let begin =
        || party().begin_assertion(slice::from_ref(&credential), Verification::Required).unwrap();
    let ((options, _), (_, other)) = (begin(), begin());
    let answer = authenticator.get(&options, ORIGIN).answer();
    let refused = Refused("the challenge is another one");
    let result = party().finish_assertion(&stored(&other), &answer, &credential);
    assert_eq!(result.unwrap_err(), refused);
    for challenge in [base64url(&[0; 32]), String::new()] {
        let result = signed(|it| it.client_data["challenge"] = json!(challenge));
        assert_eq!(result.unwrap_err(), refused);
    }
    let (_, registration) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let result = party().finish_assertion(&stored(&registration), &answer, &credential);
    assert_eq!(result.unwrap_err(), Refused("it was not an assertion that was begun"));
}

#[test]
fn another_type_is_refused() {
    let refused = Refused("the answer is to another kind of request");
    for kind in ["webauthn.create", "webauthn.GET", "payment.get", ""] {
        assert_eq!(signed(|it| it.client_data["type"] = json!(kind)).unwrap_err(), refused);
    }
}

#[test]
fn another_origin_is_refused() {
    for origin in FOREIGN {
        let result = signed(|it| it.client_data["origin"] = json!(origin));
        assert_eq!(result.unwrap_err(), NOT_OURS, "{origin}");
    }
}

#[test]
fn each_allowed_origin_is_good_and_no_mixture_of_them() {
    let origins = ["https://id.example.com", "https://login.example.com:8443"];
    let urls = origins.map(|origin| Url::parse(origin).unwrap());
    let party = RelyingParty::new("example.com", "Example", &urls).unwrap();
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    let finish = |origin: &str| {
        let (options, ceremony) = party.begin_assertion(&[], Verification::Required).unwrap();
        let answer = authenticator.get(&options, origin).answer();
        party.finish_assertion(&ceremony, &answer, &credential).map(|_| ())
    };
    for origin in origins {
        assert_eq!(finish(origin), Ok(()), "{origin}");
    }
    assert_eq!(finish("https://id.example.com:8443"), Err(NOT_OURS));
    assert_eq!(finish("https://login.example.com"), Err(NOT_OURS));
}

#[test]
fn a_framed_page_is_refused() {
    let refused = Refused("the page was framed by another site");
    assert_eq!(signed(|it| it.client_data["crossOrigin"] = json!(true)).unwrap_err(), refused);
    let framed = signed(|it| it.client_data["topOrigin"] = json!("https://evil.example"));
    assert_eq!(framed.unwrap_err(), refused);
    let silent = signed(|it| {
        it.client_data.as_object_mut().unwrap().remove("crossOrigin");
    });
    assert!(silent.is_ok(), "older browsers do not send it");
}

#[test]
fn another_relying_party_is_refused() {
    let refused = Refused("the answer is for another relying party");
    for id in ["com", "id.example.com", "tenant-two.example", ""] {
        let result = signed(|it| it.data.rp_id_hash = sha256(id.as_bytes()));
        assert_eq!(result.unwrap_err(), refused, "{id}");
    }
    let appid = signed(|it| it.data.rp_id_hash = sha256(b"https://id.example.com/appid.json"));
    assert_eq!(appid.unwrap_err(), refused);
}

#[test]
fn presence_and_verification_are_held_to() {
    use Verification::{Preferred, Required};
    let unverified = Err(Refused("the user was not verified"));
    for (at_first, verification, flags, expected) in [
        (UP | UV, Required, UV, Err(Refused("the user was not present"))),
        (UP | UV, Required, UP, unverified),
        (UP | UV, Required, UP | UV, Ok(true)),
        (UP | UV, Preferred, UP | UV, Ok(true)),
        // Whoever holds a verified credential without its PIN cannot go back to none.
        (UP | UV, Preferred, UP, unverified),
        (UP, Preferred, UP, Ok(false)),
        (UP, Preferred, UP | UV, Ok(true)),
        (UP, Required, UP, unverified),
        (UP, Required, UP | UV, Ok(true)),
    ] {
        let mut authenticator = Authenticator::new();
        authenticator.flags = at_first;
        let credential = registered(&mut authenticator);
        authenticator.flags = flags;
        let (options, ceremony) =
            party().begin_assertion(slice::from_ref(&credential), verification).unwrap();
        let answer = authenticator.get(&options, ORIGIN).answer();
        let result = party().finish_assertion(&stored(&ceremony), &answer, &credential);
        let verified = result.map(|it| it.user_verified);
        assert_eq!(verified, expected, "{at_first:#x}, {verification:?}, {flags:#x}");
    }
}

#[test]
fn a_browser_that_was_told_other_options_gains_nothing() {
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    let (mut options, ceremony) =
        party().begin_assertion(slice::from_ref(&credential), Verification::Required).unwrap();
    options["userVerification"] = json!("discouraged");
    authenticator.flags = UP;
    let answer = authenticator.get(&options, ORIGIN).answer();
    let result = party().finish_assertion(&stored(&ceremony), &answer, &credential);
    assert_eq!(result.unwrap_err(), Refused("the user was not verified"));
}

#[test]
fn the_counter_never_goes_back() {
    for (before, now, expected) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(1)),
        (5, 6, Ok(6)),
        (5, u32::MAX, Ok(u32::MAX)),
        (5, 5, Err(CounterWentBack)),
        (5, 4, Err(CounterWentBack)),
        (5, 0, Err(CounterWentBack)),
        (u32::MAX, 0, Err(CounterWentBack)),
    ] {
        let mut authenticator = Authenticator::new();
        authenticator.counter = before;
        let credential = registered(&mut authenticator);
        authenticator.counter = now;
        let result = outcome(&authenticator, &credential, |_| {}, |_| {});
        let counters = result.map(|it| {
            assert_eq!(it.credential.counter(), it.counter);
            it.counter
        });
        assert_eq!(counters, expected, "{before} then {now}");
    }
}

#[test]
fn what_changed_is_to_be_stored_again() {
    let mut authenticator = Authenticator::new();
    authenticator.flags = UP | UV | BE;
    let credential = registered(&mut authenticator);
    authenticator.flags |= BS;
    authenticator.counter = 1;
    let first = outcome(&authenticator, &credential, |_| {}, |_| {}).unwrap();
    let credential = Credential::from_json(&first.credential.to_json().unwrap()).unwrap();
    assert!(credential.backed_up());
    let again = outcome(&authenticator, &credential, |_| {}, |_| {});
    assert_eq!(again.unwrap_err(), CounterWentBack);
    authenticator.flags &= !BS;
    authenticator.counter = 2;
    let third = outcome(&authenticator, &credential, |_| {}, |_| {}).unwrap();
    assert!(!third.credential.backed_up());
}

#[test]
fn backup_flags_do_not_contradict() {
    let contradict = Err(Refused("the backup flags contradict"));
    for (before, now, expected) in [
        (0, BS, contradict),
        (0, BE, contradict),
        (0, BE | BS, contradict),
        (BE, 0, contradict),
        (BE | BS, BS, contradict),
        (BE, BE | BS, Ok(())),
        (0, 0, Ok(())),
    ] {
        let mut authenticator = Authenticator::new();
        authenticator.flags |= before;
        let credential = registered(&mut authenticator);
        let change = |it: &mut Assertion<'_>| it.data.flags = UP | UV | now;
        let result = outcome(&authenticator, &credential, change, |_| {});
        assert_eq!(result.map(|_| ()), expected, "{before:#x} then {now:#x}");
    }
}

#[test]
fn authenticator_data_are_read_to_their_end() {
    let key = Authenticator::new().cose_key();
    let cases: Vec<(&str, Change)> = vec![
        ("a byte at the end", Box::new(|it| it.data.tail = vec![0])),
        ("a short hash", Box::new(|it| it.data.rp_id_hash.truncate(31))),
        ("extensions missing", Box::new(|it| it.data.flags |= ED)),
        (
            "extensions of 10,000 arrays",
            Box::new(|it| {
                it.data.flags |= ED;
                it.data.tail = cbor::map(&[(cbor::text("x"), cbor::nested(10_000))]);
            }),
        ),
        (
            "extensions too deep for the form, and not for the size",
            Box::new(|it| {
                it.data.flags |= ED;
                it.data.tail = cbor::map(&[(cbor::text("x"), cbor::nested(1000))]);
            }),
        ),
        (
            "extensions too many",
            Box::new(|it| {
                it.data.flags |= ED;
                it.data.tail = cbor::map(&[(cbor::text("x"), cbor::bytes(&[0; 5000]))]);
            }),
        ),
        (
            "an attested credential",
            Box::new(move |it| {
                it.data.flags |= AT;
                it.data.tail = [&[7; 16][..], &[0, 1, 9], &key].concat();
            }),
        ),
        (
            "the hash of a party twice",
            Box::new(|it| {
                it.data.rp_id_hash = [&it.data.rp_id_hash[..], &it.data.rp_id_hash[..]].concat();
            }),
        ),
    ];
    for (what, change) in cases {
        assert_eq!(signed(change).unwrap_err(), Malformed, "{what}");
    }
    let extended = signed(|it| {
        it.data.flags |= ED;
        it.data.tail = cbor::map(&[(cbor::text("x"), cbor::nested(2))]);
    });
    assert!(extended.is_ok(), "extensions that nobody asked for are let be");
}

#[test]
fn members_are_what_they_should_be() {
    for name in ["id", "rawId", "type", "response"] {
        for value in [Value::Null, json!(1), json!([]), json!({})] {
            let result = written(|it| it[name] = value.clone());
            assert_eq!(result.unwrap_err(), Malformed, "{name} as {value}");
        }
    }
    for name in ["clientDataJSON", "authenticatorData", "signature"] {
        for value in [Value::Null, json!(1), json!("ä"), json!("AQ=="), json!("+/8")] {
            let result = written(|it| it["response"][name] = value.clone());
            assert_eq!(result.unwrap_err(), Malformed, "{name} as {value}");
        }
    }
    let long = base64url(&[0; 1025]);
    assert_eq!(written(|it| it["response"]["signature"] = json!(long)).unwrap_err(), Malformed);
    let long = signed(|it| it.client_data["more"] = json!("x".repeat(4096)));
    assert_eq!(long.unwrap_err(), Malformed);
    for name in ["type", "challenge", "origin", "crossOrigin", "topOrigin"] {
        let result = signed(|it| it.client_data[name] = json!([1]));
        assert_eq!(result.unwrap_err(), Malformed, "{name} as a list");
    }
    let more = written(|it| {
        it["more"] = json!({"a": [1]});
        it["clientExtensionResults"] = json!({"appid": true, "new": 1});
    });
    assert!(more.is_ok(), "members that we do not know are let be");
}

#[test]
fn both_ids_are_the_same() {
    let differ = Refused("`id` and `rawId` differ");
    let unsigned = |it: &mut Value| it["response"]["signature"] = json!("AQID");
    for name in ["id", "rawId"] {
        assert_eq!(written(|it| it[name] = json!("AQID")).unwrap_err(), differ, "{name}");
        let both = written(|it| {
            it[name] = json!("AQID");
            unsigned(it);
        });
        assert_eq!(both.unwrap_err(), differ, "{name}");
    }
    assert_eq!(written(unsigned).unwrap_err(), BAD_SIGNATURE);
    let long = base64url(&[9; 1024]);
    assert_eq!(written(|it| it["id"] = json!(long)).unwrap_err(), Malformed);
    let kind = written(|it| it["type"] = json!("password"));
    assert_eq!(kind.unwrap_err(), Refused("it is not a public key credential"));
}

#[test]
fn the_answer_to_a_registration_does_not_sign_in() {
    let mut authenticator = Authenticator::new();
    let credential = registered(&mut authenticator);
    let (options, ceremony) =
        party().begin_assertion(slice::from_ref(&credential), Verification::Required).unwrap();
    let as_creation = json!({
        "challenge": options["challenge"], "rp": {"id": "example.com"}, "user": {"id": "oQ"},
    });
    let answer = authenticator.create(&as_creation, ORIGIN).answer();
    let result = party().finish_assertion(&stored(&ceremony), &answer, &credential);
    assert_eq!(result.unwrap_err(), Malformed);
}
