//! Which public keys can be registered.

use super::{
    authenticator::{cbor, *},
    registration::{NOT_OFFERED, drafted, outcome},
    *,
};
use crate::crypto::webauthn::WebauthnFault::Refused;

const BAD_KEY: WebauthnFault = Refused("the public key is not usable");

#[test]
fn keys_of_every_offered_algorithm_can_be_registered() {
    for (mut authenticator, name) in [
        (Authenticator::new(), "ES256"),
        (Authenticator::with_p384(), "ES384"),
        (Authenticator::with_rsa(), "RS256"),
    ] {
        assert!(outcome(&policy(), &mut authenticator, |_| {}, |_| {}).is_ok(), "{name}");
    }
}

#[test]
fn algorithms_that_were_not_offered_are_refused() {
    let okp = |algorithm: i64, curve: i64, x: &[u8]| {
        cbor::map(&[
            (cbor::int(1), cbor::int(1)),
            (cbor::int(3), cbor::int(algorithm)),
            (cbor::int(-1), cbor::int(curve)),
            (cbor::int(-2), cbor::bytes(x)),
        ])
    };
    let rsa = Authenticator::with_rsa().cose_key();
    let rsa_as = |algorithm: i64| {
        // The algorithm stands behind `03` as −257, three bytes long.
        let (kind, rest) = rsa.split_at(4);
        [kind, &cbor::int(algorithm), &rest[3..]].concat()
    };
    for (key, expected, what) in [
        (okp(-8, 6, &[1; 32]), BAD_KEY, "EdDSA"),
        (okp(-8, 7, &[1; 57]), BAD_KEY, "Ed448"),
        (ec_key(-47, 8, &[1; 32], &[1; 32]), NOT_OFFERED, "ES256K"),
        (ec_key(-9, 1, &[1; 32], &[1; 32]), NOT_OFFERED, "ESP256"),
        (rsa_as(-37), BAD_KEY, "PS256"),
        (rsa_as(-259), BAD_KEY, "RS512"),
        (rsa_as(-65535), BAD_KEY, "RS1"),
        (rsa_as(-7), BAD_KEY, "an RSA key that calls itself ES256"),
    ] {
        assert_eq!(drafted(|it| it.key = key).unwrap_err(), expected, "{what}");
    }
    // The point of P-521 is x = 1, for which there is a y; it never gets so far.
    let p521 = drafted(|it| it.key = ec_key(-36, 3, &[0; 66], &[0; 66]));
    assert_eq!(p521.unwrap_err(), BAD_KEY);
}

#[test]
fn keys_that_are_none_are_refused() {
    let p256 = Authenticator::new().cose_key();
    let p384 = Authenticator::with_p384().cose_key();
    let coordinates = |key: &[u8], length: usize| {
        let y = key[key.len() - length..].to_vec();
        let end = key.len() - length - 3;
        (key[end - length..end].to_vec(), y)
    };
    let (x, y) = coordinates(&p256, 32);
    assert_eq!(ec_key(-7, 1, &x, &y), p256, "the coordinates are where we look for them");
    let (long_x, long_y) = coordinates(&p384, 48);
    assert_eq!(ec_key(-35, 2, &long_x, &long_y), p384);

    for (key, what) in [
        (ec_key(-7, 1, &x, &x), "a point that is not on the curve"),
        (ec_key(-7, 1, &[0; 32], &[0; 32]), "zero"),
        (ec_key(-7, 1, &[0xff; 32], &y), "a coordinate beyond the field"),
        (ec_key(-7, 1, &x[1..], &y), "a short coordinate"),
        (ec_key(-7, 1, &[&[0], &x[..]].concat(), &y), "a long coordinate"),
        (ec_key(-7, 2, &x, &y), "the size of another curve"),
        (ec_key(-7, 2, &long_x, &long_y), "P-384 under the name of ES256"),
        (ec_key(-35, 1, &x, &y), "P-256 under the name of ES384"),
        (ec_key(-7, 4, &x, &y), "X25519"),
        (cbor::map(&[]), "nothing"),
    ] {
        assert_eq!(drafted(|it| it.key = key).unwrap_err(), BAD_KEY, "{what}");
    }
}

#[test]
fn weak_rsa_keys_are_refused() {
    let key = Authenticator::with_rsa().cose_key();
    let modulus = &key[key.len() - 256 - 5..][..256];
    assert_eq!(rsa_key(modulus, &[1, 0, 1]), key, "the modulus is where we look for it");
    let short = [&[0; 192], &modulus[192..]].concat();
    let even = [&modulus[..255], &[2]].concat();
    for (key, what) in [
        (rsa_key(&modulus[..64], &[1, 0, 1]), "512 bits"),
        (rsa_key(&short, &[1, 0, 1]), "512 bits behind zeros"),
        (rsa_key(&[0; 256], &[1, 0, 1]), "zero"),
        (rsa_key(&even, &[1, 0, 1]), "an even modulus"),
        (rsa_key(modulus, &[0, 0, 1]), "the exponent 1"),
        (rsa_key(modulus, &[0, 0, 3]), "the exponent 3"),
        (rsa_key(modulus, &[1, 0, 0]), "an even exponent"),
        (rsa_key(modulus, &[3]), "a short exponent"),
        (rsa_key(&[modulus, modulus].concat(), &[1, 0, 1]), "4096 bits"),
    ] {
        assert_eq!(drafted(|it| it.key = key).unwrap_err(), BAD_KEY, "{what}");
    }
}
