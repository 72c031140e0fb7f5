//! Signatures of assertions: of every algorithm, forged, degenerate, and over something else.

use super::{
    assertion::{BAD_SIGNATURE, outcome, signed, written},
    authenticator::*,
    *,
};

#[test]
fn keys_of_every_offered_algorithm_assert() {
    for (mut authenticator, name) in [
        (Authenticator::new(), "ES256"),
        (Authenticator::with_p384(), "ES384"),
        (Authenticator::with_rsa(), "RS256"),
    ] {
        let credential = registered(&mut authenticator);
        let asserted = outcome(&authenticator, &credential, |_| {}, |_| {}).unwrap();
        assert!(asserted.user_verified, "{name}");
        let tampered = outcome(
            &authenticator,
            &credential,
            |_| {},
            |it| {
                let other = authenticator.sign(b"something else");
                it["response"]["signature"] = json!(base64url(&other));
            },
        );
        assert_eq!(tampered.unwrap_err(), BAD_SIGNATURE, "{name}");
    }
}

#[test]
fn the_counter_is_told_only_of_a_good_signature() {
    let mut authenticator = Authenticator::new();
    authenticator.counter = 5;
    let credential = registered(&mut authenticator);
    let forged = |it: &mut Assertion<'_>| it.signature = Some(authenticator.sign(b"no"));
    let result = outcome(&authenticator, &credential, forged, |_| {});
    assert_eq!(result.unwrap_err(), BAD_SIGNATURE);
}

#[test]
fn degenerate_signatures_are_refused() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
    let pair = |r: &[u8], s: &[u8]| {
        let part = |it: &[u8]| [&[2, u8::try_from(it.len()).unwrap()], it].concat();
        let both = [part(r), part(s)].concat();
        [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
    };
    let order = [&[0], &order[..]].concat();
    for (signature, what) in [
        (pair(&[0], &[0]), "r = s = 0"),
        (pair(&[0], &[1]), "r = 0"),
        (pair(&[1], &[0]), "s = 0"),
        (pair(&[1], &[1]), "r = s = 1"),
        (pair(&order, &order), "r = s = n"),
        (pair(&order, &[1]), "r = n"),
        (pair(&[0x80], &[1]), "a negative r"),
        (pair(&[], &[]), "no numbers"),
        (vec![0; 64], "64 zeros"),
        (vec![0x30, 0], "an empty sequence"),
        (vec![], "nothing"),
    ] {
        let result = signed(|it| it.signature = Some(signature));
        assert_eq!(result.unwrap_err(), BAD_SIGNATURE, "{what}");
    }
}

#[test]
fn any_changed_bit_breaks_the_signature() {
    for name in ["clientDataJSON", "authenticatorData", "signature"] {
        let result = written(|it| {
            let mut bytes = from_base64url(it["response"][name].as_str().unwrap());
            // In client data, it is a letter of a member that we do not know.
            let at = match name {
                "clientDataJSON" => bytes.windows(8).position(|it| it == b"template").unwrap(),
                // The last byte of the counter.
                "authenticatorData" => 36,
                _ => bytes.len() - 1,
            };
            bytes[at] ^= 1;
            it["response"][name] = json!(base64url(&bytes));
        });
        assert_eq!(result.unwrap_err(), BAD_SIGNATURE, "{name}");
    }
    let longer = written(|it| {
        let mut bytes = from_base64url(it["response"]["signature"].as_str().unwrap());
        bytes.push(0);
        it["response"]["signature"] = json!(base64url(&bytes));
    });
    assert_eq!(longer.unwrap_err(), BAD_SIGNATURE);
}
