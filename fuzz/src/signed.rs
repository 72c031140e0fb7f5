//! Tokens that are signed here, so that what they say is looked at: of bytes alone a fuzzer would
//! have to forge a signature to get past it.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use countersign::{
    crypto::jose::{VerifyingKey, claimed_kid, dpop, foreign},
    domain::token::SigningAlgorithm,
};
use serde_json::{Map, Value, json};

use super::{base64url, expected};

static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));

fn public() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(KEY.public_key().as_ref())})
}

/// A line for the header and one for the claims, as they are signed.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"EdDSA"}"#, text));
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let token = format!("{message}.{}", base64url(KEY.sign(message.as_bytes()).as_ref()));
    is_what_was_signed(&token, claims);
    let _ = claimed_kid(&token);
    if let Ok(proof) = dpop::check(&token, &expected()) {
        let said = object(claims);
        assert_eq!(said["jti"], proof.jti.as_str());
        assert_eq!(said["iat"], proof.iat);
        assert_eq!(said["htm"], "POST");
        assert_eq!(said.get("nonce").and_then(Value::as_str), proof.nonce.as_deref());
        assert_eq!(Some(proof.jkt), foreign::thumbprint(&public()));
        assert!((expected().now - proof.iat).abs() <= 300);
    }
}

fn object(claims: &str) -> Map<String, Value> {
    serde_json::from_str(claims).expect("what was understood is an object")
}

/// What is read is what was written, by whichever of our readers.
fn is_what_was_signed(token: &str, claims: &str) {
    let set = json!({ "keys": [public()] }).to_string();
    let keys = foreign::ForeignKeys::read(set.as_bytes()).expect("a set");
    let rules = foreign::Rules { algorithms: &foreign::ForeignAlgorithm::ALL, typ: None };
    if let Some(read) = foreign::verify(&keys, token, &rules) {
        assert_eq!(read, object(claims));
        assert!(keys.may_hold_key_of(token));
        for name in ["exp", "nbf", "iat"] {
            if let Ok(date) = foreign::date(&read, name) {
                assert_eq!(date, read.get(name).and_then(Value::as_i64));
            }
        }
        let issuer = read.get("iss").and_then(Value::as_str);
        assert_eq!(foreign::unverified(token, "iss").as_deref(), issuer);
        if foreign::is_for(&read, &["https://id.example.com"], true) {
            assert_eq!(read["aud"], "https://id.example.com");
        }
    }
    let ours = VerifyingKey::from_json(SigningAlgorithm::EdDsa, &public().to_string());
    if let Some(read) = ours.expect("a key").verify::<Map<String, Value>>("at+jwt", token) {
        assert_eq!(read, object(claims));
    }
}
