//! Attestation objects and the authenticator data in them: forged, odd, deep and large.

use super::{
    authenticator::{cbor, *},
    registration::{drafted, written},
    *,
};
use crate::crypto::webauthn::WebauthnFault::{Malformed, Refused};

type Change = Box<dyn FnOnce(&mut Creation)>;

/// The outcome of a registration with this attestation object.
fn attested(object: &[u8]) -> Result<Credential, WebauthnFault> {
    written(|answer| answer["response"]["attestationObject"] = json!(base64url(object)))
}

/// An attestation object around good authenticator data, its members in `order`.
fn attestation_object(statement: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut authenticator = Authenticator::new();
    let (options, _) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let data = authenticator.create(&options, ORIGIN).data();
    vec![
        (cbor::text("fmt"), cbor::text("none")),
        (cbor::text("attStmt"), statement.to_vec()),
        (cbor::text("authData"), cbor::bytes(&data)),
    ]
}

#[test]
fn attestations_that_come_unasked_must_be_good() {
    let mut authenticator = Authenticator::new();
    let other = Authenticator::new();
    let (options, ceremony) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let mut creation = authenticator.create(&options, ORIGIN);
    creation.format = "packed".to_owned();
    let mut finish = |signature: &[u8], algorithm| {
        creation.statement = cbor::map(&[
            (cbor::text("alg"), cbor::int(algorithm)),
            (cbor::text("sig"), cbor::bytes(signature)),
        ]);
        party().finish_registration(&ceremony, &creation.answer(), &policy()).map(|_| ())
    };
    let message = {
        let creation = authenticator.create(&options, ORIGIN);
        creation.message()
    };
    let bad = Err(Refused("the attestation is not good"));
    assert_eq!(finish(&authenticator.sign(&message), -7), Ok(()));
    assert_eq!(finish(&other.sign(&message), -7), bad);
    assert_eq!(finish(&authenticator.sign(&message), -257), bad);
    assert!(finish(&[], -7).is_err());
}

#[test]
fn formats_of_attestation_are_known_ones() {
    let unknown = Refused("the attestation's format is not known");
    for format in ["", "None", "android-safetynet", "compound", "packed2"] {
        assert_eq!(drafted(|it| it.format = format.to_owned()).unwrap_err(), unknown, "{format}");
    }
    for format in ["packed", "tpm", "android-key", "fido-u2f", "apple"] {
        let result = drafted(|it| it.format = format.to_owned());
        let bad = Refused("the attestation is not good");
        assert_eq!(result.unwrap_err(), bad, "{format} without a statement");
    }
    let statement = cbor::map(&[(cbor::text("sig"), cbor::bytes(&[]))]);
    assert_eq!(drafted(|it| it.statement = statement).unwrap_err(), Malformed);
}

#[test]
fn the_attestation_is_checked_and_forgotten() {
    let mut authenticator = Authenticator::new();
    let (options, ceremony) = party().begin_registration(&owner(), &[], &policy()).unwrap();
    let mut creation = authenticator.create(&options, ORIGIN);
    creation.format = "packed".to_owned();
    let signature = authenticator.sign(&creation.message());
    creation.statement = cbor::map(&[
        (cbor::text("alg"), cbor::int(-7)),
        (cbor::text("sig"), cbor::bytes(&signature)),
    ]);
    let credential = party().finish_registration(&ceremony, &creation.answer(), &policy()).unwrap();
    let text = credential.to_json().unwrap();
    assert!(!text.contains("Self_"), "{text}");
}

#[test]
fn attestations_are_small() {
    // A byte string that nobody reads fills the statement up.
    let filled = |length: usize| {
        let mut entries = attestation_object(&cbor::map(&[]));
        entries.push((cbor::text("x"), cbor::bytes(&vec![0; length])));
        cbor::map(&entries)
    };
    let fits = filled(16_000);
    assert!(fits.len() < 16 * 1024);
    // It fails later, for it is not of this ceremony, and so not for its size.
    assert_eq!(attested(&fits).unwrap_err(), Refused("the attested id is another one"));
    assert_eq!(attested(&filled(16_384)).unwrap_err(), Malformed);
    assert_eq!(attested(&filled(1024 * 1024)).unwrap_err(), Malformed);
    let long = drafted(|it| it.client_data["more"] = json!("x".repeat(4096)));
    assert_eq!(long.unwrap_err(), Malformed);
}

#[test]
fn deep_and_odd_cbor_is_refused() {
    let with = |statement: &[u8]| cbor::map(&attestation_object(statement));
    let good = with(&cbor::map(&[]));
    let indefinite = [&[0xbf], &good[1..], &[0xff]].concat();
    let twice = {
        let mut entries = attestation_object(&cbor::map(&[]));
        entries.push(entries[2].clone());
        cbor::map(&entries)
    };
    for (object, what) in [
        (cbor::nested(10_000), "10,000 arrays"),
        (with(&cbor::nested(10_000)), "a statement of 10,000 arrays"),
        (vec![0x81; 16_384], "arrays to the end"),
        (vec![0xa1; 16_384], "maps to the end"),
        (indefinite, "a map of indefinite length"),
        (twice, "authenticator data twice"),
        ([&good[..], &[0]].concat(), "something behind it"),
        (good[..good.len() - 1].to_vec(), "the end missing"),
        (vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a count of 2^64"),
        (cbor::map(&[]), "an empty map"),
        (vec![], "nothing"),
    ] {
        assert_eq!(attested(&object).unwrap_err(), Malformed, "{what}");
    }
}

#[test]
fn authenticator_data_are_read_to_their_end() {
    let key = Authenticator::new().cose_key();
    let again = [&[0xa6], &key[1..], &cbor::int(3), &cbor::int(-7)].concat();
    let spare = [&[0xa6], &key[1..], &cbor::int(9), &cbor::nested(10_000)].concat();
    let cases: Vec<(&str, Change)> = vec![
        ("a byte behind the key", Box::new(|it| it.data.tail = vec![0])),
        ("nothing attested", Box::new(|it| it.data.flags &= !AT)),
        ("extensions missing", Box::new(|it| it.data.flags |= ED)),
        (
            "a byte behind extensions",
            Box::new(|it| {
                it.data.flags |= ED;
                it.data.tail = vec![0xa0, 0];
            }),
        ),
        (
            "extensions of 10,000 arrays",
            Box::new(|it| {
                it.data.flags |= ED;
                it.data.tail = cbor::map(&[(cbor::text("x"), cbor::nested(10_000))]);
            }),
        ),
        (
            "extensions that are no map",
            Box::new(|it| {
                it.data.flags |= ED;
                it.data.tail = cbor::int(1);
            }),
        ),
        (
            "a short hash",
            Box::new(|it| {
                it.data.rp_id_hash.truncate(31);
            }),
        ),
        ("the algorithm twice", Box::new(move |it| it.key = again)),
        ("a key with 10,000 arrays", Box::new(move |it| it.key = spare)),
        ("a key that is no map", Box::new(|it| it.key = cbor::int(1))),
        ("no key", Box::new(|it| it.key = vec![])),
    ];
    for (what, change) in cases {
        assert_eq!(drafted(change).unwrap_err(), Malformed, "{what}");
    }
    let extended = drafted(|it| {
        it.data.flags |= ED;
        it.data.tail = cbor::map(&[(cbor::text("credProtect"), cbor::int(2))]);
    });
    assert!(extended.is_ok(), "extensions that nobody asked for are let be");
}
