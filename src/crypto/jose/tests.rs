use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey, Validation, decode,
    jwk::{Jwk, ThumbprintHash},
};
use serde_json::{Value, json};

use super::{ACCESS_TOKEN, SigningKey, VerifyingKey, claimed_kid, half_hash};
use crate::domain::token::SigningAlgorithm;

fn key(algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().0
}

fn verifying(key: &SigningKey) -> VerifyingKey {
    VerifyingKey::from_json(key.algorithm(), &key.public().json).unwrap()
}

fn claims() -> Value {
    json!({"sub": "usr_1", "exp": 1, "n": "ä"})
}

/// A token with a header of the test's own, signed by `key`.
fn forged(key: &SigningKey, header: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(&claims()));
    let signature = URL_SAFE_NO_PAD.encode(key.pair.sign(message.as_bytes()).unwrap());
    format!("{message}.{signature}")
}

#[test]
fn what_a_key_signs_its_public_half_verifies_whatever_the_time() {
    for algorithm in SigningAlgorithm::ALL {
        let key = key(algorithm);
        let token = key.sign(ACCESS_TOKEN, &claims()).unwrap();
        assert_eq!(verifying(&key).verify(ACCESS_TOKEN, token.expose()), Some(claims()));
        assert_eq!(claimed_kid(token.expose()).as_deref(), Some(key.public().kid.as_str()));
    }
}

#[test]
fn the_library_reads_our_tokens_and_names_our_keys_alike() {
    for algorithm in SigningAlgorithm::ALL {
        let key = key(algorithm);
        let token = key.sign(ACCESS_TOKEN, &claims()).unwrap();
        let jwk: Jwk = serde_json::from_str(&key.public().json).unwrap();
        assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), key.public().kid);
        assert_eq!(jwk.common.key_id.as_deref(), Some(key.public().kid.as_str()));
        let mut rules = Validation::new(algorithm.as_str().parse().unwrap());
        rules.validate_exp = false;
        let key = DecodingKey::from_jwk(&jwk).unwrap();
        let read = decode::<Value>(token.expose(), &key, &rules).unwrap();
        assert_eq!((read.claims, read.header.typ.as_deref()), (claims(), Some(ACCESS_TOKEN)));
    }
}

#[test]
fn a_key_survives_being_stored() {
    for algorithm in SigningAlgorithm::ALL {
        let (key, document) = SigningKey::generate(algorithm).unwrap();
        let again = SigningKey::from_pkcs8(algorithm, document.expose()).unwrap();
        assert_eq!(again.public(), key.public());
        for other in SigningAlgorithm::ALL.into_iter().filter(|it| *it != algorithm) {
            assert!(SigningKey::from_pkcs8(other, document.expose()).is_err());
        }
        assert!(
            !format!("{key:?} {document:?}").contains(&URL_SAFE_NO_PAD.encode(document.expose()))
        );
    }
}

#[test]
fn only_public_members_are_published() {
    for algorithm in SigningAlgorithm::ALL {
        let json: Value = serde_json::from_str(&key(algorithm).public().json).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = match algorithm {
            SigningAlgorithm::Es256 => vec!["kid", "use", "alg", "crv", "kty", "x", "y"],
            SigningAlgorithm::Rs256 => vec!["kid", "use", "alg", "e", "kty", "n"],
            SigningAlgorithm::EdDsa => vec!["kid", "use", "alg", "crv", "kty", "x"],
        };
        assert_eq!(names, expected);
        assert_eq!((&json["use"], &json["alg"]), (&json!("sig"), &json!(algorithm.as_str())));
    }
}

#[test]
fn nothing_but_the_very_token_verifies() {
    for algorithm in SigningAlgorithm::ALL {
        let (key, other) = (key(algorithm), key(algorithm));
        let token = key.sign(ACCESS_TOKEN, &claims()).unwrap().expose().clone();
        let verifies = |token: &str| verifying(&key).verify::<Value>(ACCESS_TOKEN, token).is_some();
        assert!(verifies(&token));
        assert!(!verifies(other.sign(ACCESS_TOKEN, &claims()).unwrap().expose()), "another key");
        assert!(!verifies(key.sign("JWT", &claims()).unwrap().expose()), "another kind");
        for end in 0..token.len() {
            assert!(!verifies(&token[..end]), "cut to {end}");
        }
        for more in ["=", "A", ".", " "] {
            assert!(!verifies(&format!("{token}{more}")) && !verifies(&format!("{more}{token}")));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"usr_2","exp":1,"n":"ä"}"#);
        assert!(!verifies(&format!("{}.{claims}.{}", parts[0], parts[2])));
        assert!(!verifies(&format!("{}.{}.", parts[0], parts[1])));
        assert!(!verifies(&token.to_uppercase()));
        assert!(!verifies(&"A".repeat(9000)));
    }
}

#[test]
fn the_header_chooses_nothing() {
    let key = key(SigningAlgorithm::Es256);
    let verifies = |header: Value| {
        verifying(&key).verify::<Value>(ACCESS_TOKEN, &forged(&key, &header)).is_some()
    };
    assert!(verifies(json!({"alg": "ES256", "typ": "at+jwt"})));
    assert!(verifies(json!({"alg": "ES256", "typ": "AT+JWT", "kid": "another"})));
    for alg in ["none", "None", "HS256", "RS256", "PS256", "EdDSA", "ES384", ""] {
        assert!(!verifies(json!({"alg": alg, "typ": "at+jwt"})), "{alg}");
    }
    assert!(!verifies(json!({"alg": "ES256"})), "no kind");
    assert!(!verifies(json!({"alg": "ES256", "typ": "at+jwt", "crit": ["b64"], "b64": true})));
    assert!(!verifies(json!({"alg": "ES256", "typ": "at+jwt", "crit": []})));
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let key = key(SigningAlgorithm::Rs256);
    let secret = jsonwebtoken::EncodingKey::from_secret(key.public().json.as_bytes());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some(ACCESS_TOKEN.to_owned());
    let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert!(verifying(&key).verify::<Value>(ACCESS_TOKEN, &token).is_none());
}

/// OpenID Connect Core, appendices A.3 and A.4.
#[test]
fn half_hashes_are_those_of_the_standard() {
    let of = |text| half_hash(SigningAlgorithm::Rs256, text);
    assert_eq!(of("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
    assert_eq!(of(code), "LDktKdoQak3Pk0cnXxCltA");
    assert_eq!(half_hash(SigningAlgorithm::EdDsa, "").len(), 43);
}
