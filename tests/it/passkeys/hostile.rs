//! Ways in which the answer of an authenticator can be wrong, for every door that takes one.

use serde_json::{Value, json};

use crate::support::authenticator::{
    AT, Assertion, Authenticator, BE, BS, Creation, UP, base64url, cbor, ec_key, from_base64url,
    rsa_key, sha256,
};

/// Origins that look like [`super::ORIGIN`] and are not (WAN-05).
pub(super) const FOREIGN: [&str; 15] = [
    "http://localhost:8080.evil.example",
    "http://evillocalhost:8080",
    "https://localhost:8080",
    "http://localhost:8081",
    "http://localhost",
    "http://127.0.0.1:8080",
    "http://sub.localhost:8080",
    "http://localhost.:8080",
    "http://LOCALHOST:8080",
    "http://localhost:8080/",
    "http://someone@localhost:8080",
    "https://login.other.example",
    "http://localhost:08080",
    "null",
    "",
];

/// What is changed before the authenticator signs.
type Draft = fn(&mut Assertion<'_>);
/// What is changed in the browser's JSON.
type Edit = fn(&mut Value);

const DRAFTS: [(&str, Draft); 17] = [
    ("WAN-01: another challenge", |it| {
        it.client_data["challenge"] = json!(base64url(&[1; 32]));
    }),
    ("WAN-01: a part of the challenge", |it| {
        let whole = from_base64url(it.client_data["challenge"].as_str().unwrap());
        it.client_data["challenge"] = json!(base64url(&whole[..16]));
    }),
    ("WAN-01: no challenge", |it| it.client_data["challenge"] = json!("")),
    ("WAN-05: the party is another one", |it| it.data.rp_id_hash = sha256(b"example.com")),
    ("WAN-05: the party is above ours", |it| it.data.rp_id_hash = sha256(b"")),
    ("WAN-06: the user is another one", |it| it.user_handle = Some(vec![0; 16])),
    ("WAN-09: a registration", |it| it.client_data["type"] = json!("webauthn.create")),
    ("WAN-09: a payment", |it| it.client_data["type"] = json!("payment.get")),
    ("WAN-09: the page was framed", |it| it.client_data["crossOrigin"] = json!(true)),
    ("WAN-09: the page was framed by a named site", |it| {
        it.client_data["topOrigin"] = json!("https://evil.example");
    }),
    ("nobody was there", |it| it.data.flags &= !UP),
    ("WAN-10: r = s = 0", |it| {
        it.signature = Some(vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]);
    }),
    ("no signature", |it| it.signature = Some(vec![])),
    ("WAN-11: more than there is to say", |it| it.data.tail = vec![0; 5]),
    ("an attested credential", |it| it.data.flags |= AT),
    ("WAN-14: backed up without eligibility", |it| it.data.flags |= BS),
    ("WAN-14: eligible for backup only now", |it| it.data.flags |= BE),
];

const EDITS: [(&str, Edit); 13] = [
    ("WAN-03: another id", |it| it["id"] = json!(base64url(&[9; 32]))),
    ("WAN-03: another rawId", |it| it["rawId"] = json!(base64url(&[9; 32]))),
    ("WAN-03: a broken signature", break_signature),
    ("WAN-03: both", |it| {
        it["rawId"] = json!(base64url(&[9; 32]));
        break_signature(it);
    }),
    ("the signature is gone", |it| {
        it["response"].as_object_mut().unwrap().remove("signature");
    }),
    ("WAN-11: an id of 1024 bytes", |it| {
        it["id"] = json!(base64url(&[9; 1024]));
        it["rawId"] = it["id"].clone();
    }),
    ("WAN-11: ids that are numbers", |it| {
        it["id"] = json!(1);
        it["rawId"] = json!(1);
    }),
    ("WAN-11: client data that are no JSON", |it| {
        it["response"]["clientDataJSON"] = json!(base64url(b"{"));
    }),
    ("WAN-11: short authenticator data", |it| {
        it["response"]["authenticatorData"] = json!(base64url(&[0; 36]));
    }),
    ("WAN-11: long authenticator data", |it| {
        it["response"]["authenticatorData"] = json!(base64url(&[0; 16_384]));
    }),
    ("WAN-11: base64 of another alphabet", |it| {
        it["response"]["signature"] = json!("+/+/");
    }),
    ("not a key", |it| it["type"] = json!("password")),
    ("nothing", |it| *it = json!({})),
];

fn break_signature(answer: &mut Value) {
    let mut signature = from_base64url(answer["response"]["signature"].as_str().unwrap());
    *signature.last_mut().unwrap() ^= 1;
    answer["response"]["signature"] = json!(base64url(&signature));
}

/// How many wrong answers there are to an assertion.
pub(super) const ASSERTIONS: usize = DRAFTS.len() + EDITS.len() + FOREIGN.len();

/// The wrong answer of a number to `options`, and what is wrong with it.
pub(super) fn assertion(
    number: usize,
    device: &Authenticator,
    options: &Value,
) -> (&'static str, Value) {
    let mut draft = device.get(options, super::ORIGIN);
    if let Some((case, change)) = DRAFTS.get(number) {
        change(&mut draft);
        return (case, draft.answer());
    }
    if let Some((case, change)) = EDITS.get(number - DRAFTS.len()) {
        let mut answer = draft.answer();
        change(&mut answer);
        return (case, answer);
    }
    let origin = FOREIGN[number - DRAFTS.len() - EDITS.len()];
    (origin, device.get(options, origin).answer())
}

/// What is changed in a new credential before it is written.
type Making = fn(&mut Creation);

const MAKINGS: [(&str, Making); 24] = [
    ("WAN-01: another challenge", |it| {
        it.client_data["challenge"] = json!(base64url(&[1; 32]));
    }),
    ("WAN-05: the party is another one", |it| it.data.rp_id_hash = sha256(b"example.com")),
    ("WAN-09: an assertion", |it| it.client_data["type"] = json!("webauthn.get")),
    ("WAN-09: the page was framed", |it| it.client_data["crossOrigin"] = json!(true)),
    ("WAN-09: the page was framed by a named site", |it| {
        it.client_data["topOrigin"] = json!("https://evil.example");
    }),
    ("nobody was there", |it| it.data.flags &= !UP),
    ("no credential", |it| it.data.flags &= !AT),
    ("WAN-14: backed up without eligibility", |it| it.data.flags |= BS),
    ("WAN-10: a point at infinity", |it| it.key = ec_key(-7, 1, &[0; 32], &[0; 32])),
    ("WAN-10: a point beside the curve", |it| it.key = ec_key(-7, 1, &[1; 32], &[2; 32])),
    ("WAN-10: half a point", |it| it.key = ec_key(-7, 1, &[1; 16], &[2; 16])),
    ("WAN-10: another curve", |it| it.key = ec_key(-7, 8, &[1; 32], &[2; 32])),
    ("WAN-10: RSA of 512 bits", |it| it.key = rsa_key(&[0xff; 64], &[1, 0, 1])),
    ("WAN-10: RSA with an exponent of 1", |it| it.key = rsa_key(&[0xff; 256], &[1])),
    ("WAN-10: an algorithm that was not offered", |it| {
        it.key = cbor::map(&[
            (cbor::int(1), cbor::int(3)),
            (cbor::int(3), cbor::int(-65_535)),
            (cbor::int(-1), cbor::bytes(&[0xff; 256])),
            (cbor::int(-2), cbor::bytes(&[1, 0, 1])),
        ]);
    }),
    ("WAN-10: a shared secret", |it| {
        it.key = cbor::map(&[
            (cbor::int(1), cbor::int(4)),
            (cbor::int(3), cbor::int(5)),
            (cbor::int(-1), cbor::bytes(&[0; 32])),
        ]);
    }),
    ("WAN-11: arrays within arrays in the key", |it| it.key = cbor::nested(10_000)),
    ("WAN-11: arrays within arrays in the statement", |it| it.statement = cbor::nested(10_000)),
    ("WAN-11: a key of no certain length", |it| it.key = vec![0xbf, 0x01, 0x02, 0xff]),
    ("WAN-11: a member twice", |it| {
        let twice = (cbor::int(1), cbor::int(2));
        it.key = cbor::map(&[twice.clone(), twice]);
    }),
    ("WAN-11: an id of 1024 bytes", |it| it.id = vec![9; 1024]),
    ("WAN-11: no id", |it| it.id = vec![]),
    ("WAN-11: more than there is to say", |it| it.data.tail = vec![0; 5]),
    ("a format that nobody knows", |it| "another".clone_into(&mut it.format)),
];

const REWRITINGS: [(&str, Edit); 6] = [
    ("WAN-03: another rawId", |it| it["rawId"] = json!(base64url(&[9; 32]))),
    ("WAN-03: another id, twice", |it| {
        it["id"] = json!(base64url(&[9; 32]));
        it["rawId"] = it["id"].clone();
    }),
    ("WAN-11: an attestation that is no CBOR", |it| {
        it["response"]["attestationObject"] = json!(base64url(&[0xff; 64]));
    }),
    ("WAN-11: an attestation too long", |it| {
        it["response"]["attestationObject"] = json!(base64url(&[0x81; 40_000]));
    }),
    ("an assertion", |it| {
        it["response"].as_object_mut().unwrap().remove("attestationObject");
    }),
    ("nothing", |it| *it = json!({})),
];

/// How many wrong answers there are to a registration.
pub(super) const REGISTRATIONS: usize = MAKINGS.len() + REWRITINGS.len() + FOREIGN.len();

/// The wrong answer of a number to the options of a registration, and what is wrong with it.
pub(super) fn registration(number: usize, options: &Value) -> (&'static str, Value) {
    let mut device = Authenticator::new();
    let mut draft = device.create(options, super::ORIGIN);
    if let Some((case, change)) = MAKINGS.get(number) {
        change(&mut draft);
        return (case, draft.answer());
    }
    if let Some((case, change)) = REWRITINGS.get(number - MAKINGS.len()) {
        let mut answer = draft.answer();
        change(&mut answer);
        return (case, answer);
    }
    let origin = FOREIGN[number - MAKINGS.len() - REWRITINGS.len()];
    (origin, device.create(options, origin).answer())
}
