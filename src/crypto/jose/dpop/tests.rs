use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expected, Why, check, is_same};
use crate::crypto::jose::foreign::tests::signer::Signer;

const NOW: i64 = 1_767_225_600;
const URL: &str = "https://id.example.com/api/v1/auth/tenants/acme/oauth/token";

fn expected() -> Expected<'static> {
    Expected { method: "POST", url: URL, now: NOW, access_token: None }
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({"jti": "1", "htm": "POST", "htu": URL, "iat": NOW});
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    claims
}

#[test]
fn a_proof_is_taken_by_each_algorithm_and_names_its_key() {
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"] {
        let signer = Signer::new(alg, "a");
        let proof = check(&signer.proof(&claims(&json!({"nonce": "n"}))), &expected()).unwrap();
        let jkt = crate::crypto::jose::foreign::thumbprint(&signer.jwk).unwrap();
        assert_eq!((proof.jkt, proof.jti, proof.iat), (jkt, "1".to_owned(), NOW), "{alg}");
        assert_eq!(proof.nonce.as_deref(), Some("n"));
    }
}

/// RFC 9449 §6.1 has this key and §4.1 this proof.
#[test]
fn the_proof_of_the_rfc_is_taken() {
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgt\
                 MzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VO\
                 SmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRj\
                 IiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox\
                 NTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJ\
                 K70nfbV37xRZT3Lg";
    let request = Expected {
        method: "POST",
        url: "https://server.example.com/token",
        now: 1_562_262_616,
        access_token: None,
    };
    let jkt = check(proof, &request).unwrap().jkt;
    assert_eq!(jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

#[test]
fn oau_23_a_proof_is_for_one_request_now() {
    let signer = Signer::new("ES256", "a");
    let why = |change: Value| check(&signer.proof(&claims(&change)), &expected()).err();
    assert_eq!(why(json!({})), None);
    for (change, expected) in [
        (json!({"htm": "GET"}), Why::Request),
        (json!({"htm": "post"}), Why::Request),
        (json!({"htu": "https://id.example.com/api/v1/auth/tenants/acme/oauth/par"}), Why::Request),
        (json!({"htu": URL.replace("/token", "/Token")}), Why::Request),
        (json!({"htu": URL.replace("https", "http")}), Why::Request),
        (json!({"htu": "/oauth/token"}), Why::Request),
        (json!({"iat": NOW - 61}), Why::Time),
        (json!({"iat": NOW + 11}), Why::Time),
        (json!({"iat": NOW - 301, "nonce": "n"}), Why::Time),
        (json!({"iat": NOW + 61, "nonce": "n"}), Why::Time),
        (json!({"iat": NOW.to_string()}), Why::Claims),
        (json!({"iat": null}), Why::Claims),
        (json!({"iat": 1.0}), Why::Claims),
        (json!({"jti": ""}), Why::Claims),
        (json!({"jti": 1}), Why::Claims),
        (json!({"jti": "x".repeat(257)}), Why::Claims),
        (json!({"nonce": ""}), Why::Claims),
        (json!({"nonce": 1}), Why::Claims),
        (json!({"nonce": "x".repeat(257)}), Why::Claims),
        (json!({"htm": null}), Why::Claims),
        (json!({"htu": ["x"]}), Why::Claims),
    ] {
        assert_eq!(why(change.clone()), Some(expected), "{change}");
    }
    for good in [
        json!({"iat": NOW - 60}),
        json!({"iat": NOW + 10}),
        json!({"iat": NOW - 300, "nonce": "n"}),
        json!({"htu": format!("{URL}?a=b#c")}),
        json!({"jti": "x".repeat(256)}),
        json!({"exp": 1, "another": [1]}),
    ] {
        assert_eq!(why(good.clone()), None, "{good}");
    }
    for name in ["jti", "htm", "htu", "iat"] {
        let mut claims = claims(&json!({}));
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(check(&signer.proof(&claims), &expected()).err(), Some(Why::Claims), "{name}");
    }
}

#[test]
fn a_proof_names_the_access_token_that_it_comes_with() {
    let signer = Signer::new("ES256", "a");
    // RFC 9449 §7.1.
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let with = |change: Value| {
        let expected = Expected { access_token: Some(token), ..expected() };
        check(&signer.proof(&claims(&change)), &expected).err()
    };
    assert_eq!(with(json!({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"})), None);
    for bad in [json!({}), json!({"ath": ""}), json!({"ath": null}), json!({"ath": token})] {
        assert_eq!(with(bad.clone()), Some(Why::Token), "{bad}");
    }
}

#[test]
fn jwt_03_only_the_key_in_it_and_only_a_public_one() {
    let (signer, other) = (Signer::new("ES256", "a"), Signer::new("ES256", "b"));
    let why =
        |header: Value| check(&signer.with_header(&header, &claims(&json!({}))), &expected()).err();
    let with = |change: Value| {
        let mut header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": signer.jwk});
        header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        why(header)
    };
    assert_eq!(with(json!({})), None);
    let mut private = signer.jwk.clone();
    private["d"] = json!("AAAA");
    for bad in [
        json!({"jwk": other.jwk}),
        json!({"jwk": private}),
        json!({"jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"jwk": null}),
        json!({"jwk": signer.jwk.to_string()}),
        json!({"typ": "JWT"}),
        json!({"typ": null}),
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES384"}),
        json!({"crit": ["nonce"]}),
    ] {
        assert_eq!(with(bad.clone()), Some(Why::NoProof), "{bad}");
    }
    assert_eq!(why(json!({"typ": "dpop+jwt", "alg": "ES256", "kid": "a"})), Some(Why::NoProof));
    let good = signer.proof(&claims(&json!({})));
    assert_eq!(check(&format!("{good},{good}"), &expected()).err(), Some(Why::NoProof), "two");
}

#[test]
fn addresses_are_compared_by_scheme_host_port_and_exact_path() {
    let ours = "https://id.example.com/oauth/token";
    for same in [
        ours,
        "HTTPS://ID.Example.COM/oauth/token",
        "https://id.example.com:443/oauth/token",
        "https://id.example.com/oauth/token?x=/y",
        "https://id.example.com/oauth/token#z",
    ] {
        assert!(is_same(same, ours), "{same}");
    }
    for other in [
        "https://id.example.com:8443/oauth/token",
        "http://id.example.com/oauth/token",
        "https://id.example.com/oauth/token/",
        "https://id.example.com/oauth/x/../token",
        "https://id.example.com/oauth/%74oken",
        "https://id.example.com//oauth/token",
        "https://user@id.example.com/oauth/token",
        "https://id.example.com.evil.example/oauth/token",
        "https:id.example.com/oauth/token",
        "https://id.example.com",
        "",
    ] {
        assert!(!is_same(other, ours), "{other}");
    }
    assert!(is_same("http://localhost:8080/x", "http://LOCALHOST:8080/x"));
}

proptest! {
    #[test]
    fn nothing_makes_it_fail(proof in "\\PC*", htu in "\\PC*") {
        let _ = check(&proof, &expected());
        let _ = is_same(&htu, URL);
    }
}
