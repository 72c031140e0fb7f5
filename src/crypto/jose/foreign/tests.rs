use aws_lc_rs::{hmac, rsa::KeySize};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use self::signer::Signer;
use super::{
    ForeignAlgorithm, ForeignKeys, NotADate, Rules, date, is_for, thumbprint, unverified, verify,
};

pub(crate) mod signer;

const ANY: Rules<'_> = Rules { algorithms: &ForeignAlgorithm::ALL, typ: None };

fn claims() -> Value {
    json!({"iss": "app_1", "n": "ä"})
}

fn keys(set: &Value) -> ForeignKeys {
    ForeignKeys::parse(set).unwrap()
}

fn says(set: &Value, token: &str) -> bool {
    verify(&keys(set), token, &ANY).map(Value::Object) == Some(claims())
}

#[test]
fn a_token_verifies_by_each_algorithm_and_by_nothing_but_its_own_key() {
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"] {
        let (signer, other) = (Signer::new(alg, "a"), Signer::new(alg, "a"));
        let token = signer.token(&claims());
        assert!(says(&signer.jwks(), &token), "{alg}");
        assert!(!says(&other.jwks(), &token), "{alg}: another key of that name");
        assert!(says(&json!({"keys": [other.jwk, signer.jwk]}), &token), "two of one name");
        let only = |algorithms: &[ForeignAlgorithm]| {
            verify(&keys(&signer.jwks()), &token, &Rules { algorithms, typ: None })
        };
        assert!(only(&[ForeignAlgorithm::from_name(alg).unwrap()]).is_some());
        assert!(only(&[]).is_none());
    }
}

#[test]
fn an_rsa_key_that_names_its_algorithm_verifies_no_other() {
    let mut signer = Signer::new("RS256", "a");
    signer.jwk["alg"] = json!("PS256");
    assert!(!says(&signer.jwks(), &signer.token(&claims())));
    signer.alg = "PS256";
    assert!(says(&signer.jwks(), &signer.token(&claims())));
}

#[test]
fn jwt_01_no_signature_is_no_signature() {
    let signer = Signer::new("ES256", "a");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let good = signer.token(&claims());
    let signature = good.rsplit('.').next().unwrap();
    for alg in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(["none", "ES256"]),
        json!("HS256"),
        json!("es256"),
    ] {
        let message = format!("{}.{}", part(&json!({"alg": alg, "kid": "a"})), part(&claims()));
        for token in [format!("{message}."), message.clone(), format!("{message}.{signature}")] {
            assert!(!says(&signer.jwks(), &token), "{alg} {token}");
        }
    }
    let bare = format!("{}.{}.{signature}", part(&json!({"kid": "a"})), part(&claims()));
    assert!(!says(&signer.jwks(), &bare), "no alg");
    let (message, _) = good.rsplit_once('.').unwrap();
    assert!(!says(&signer.jwks(), &format!("{message}.")), "an empty signature");
}

#[test]
fn jwt_02_and_05_a_public_key_and_an_empty_one_are_no_shared_secrets() {
    let signer = Signer::new("RS256", "a");
    let n = signer.jwk["n"].as_str().unwrap();
    let secrets =
        [signer.jwk.to_string().into_bytes(), URL_SAFE_NO_PAD.decode(n).unwrap(), n.into(), vec![]];
    for secret in secrets {
        for alg in ["HS256", "RS256"] {
            let header = json!({"alg": alg, "kid": "a"}).to_string();
            let message =
                [header, claims().to_string()].map(|it| URL_SAFE_NO_PAD.encode(it)).join(".");
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let mark = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
            assert!(!says(&signer.jwks(), &format!("{message}.{mark}")), "{alg}");
        }
    }
    let shared = json!({"keys": [{"kty": "oct", "k": "", "kid": "a", "alg": "HS256"}]});
    assert_eq!(keys(&shared).iter().count(), 0);
}

#[test]
fn jwt_03_the_header_brings_no_key() {
    let (ours, evil) = (Signer::new("ES256", "a"), Signer::new("ES256", "a"));
    for member in [
        json!({"jwk": evil.jwk}),
        json!({"jku": "https://evil.example/jwks"}),
        json!({"x5u": "https://evil.example/x5u"}),
        json!({"x5c": ["MIIB"]}),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "a"});
        header.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        assert!(!says(&ours.jwks(), &evil.with_header(&header, &claims())), "{member}");
    }
}

#[test]
fn jwt_04_a_key_is_found_by_its_whole_name_or_not() {
    let mut signer = Signer::new("ES256", "a");
    let jwks = signer.jwks();
    let named = |kid: Value| signer.with_header(&json!({"alg": "ES256", "kid": kid}), &claims());
    assert!(says(&jwks, &named(json!("a"))));
    for kid in
        [json!("A"), json!("../a"), json!("a'"), json!(""), json!(1), json!(null), json!(["a"])]
    {
        assert!(!says(&jwks, &named(kid.clone())), "{kid}");
    }
    assert!(!says(&jwks, &named(json!("a".repeat(10_000)))));
    assert!(!keys(&jwks).may_hold_key_of(&named(json!("b"))));
    assert!(keys(&jwks).may_hold_key_of(&named(json!("a"))));
    // Whoever names no keys means any.
    let unnamed = signer.with_header(&json!({"alg": "ES256"}), &claims());
    let named_b = named(json!("b"));
    assert!(says(&jwks, &unnamed));
    signer.jwk.as_object_mut().unwrap().remove("kid");
    assert!(says(&signer.jwks(), &named_b));
}

#[test]
fn jwt_06_a_date_is_a_whole_number_or_an_error() {
    let of = |text: &str| {
        let claims: Map<String, Value> = serde_json::from_str(text).unwrap();
        date(&claims, "exp")
    };
    assert_eq!(of("{}"), Ok(None));
    assert_eq!(of(r#"{"exp": 0}"#), Ok(Some(0)));
    assert_eq!(of(r#"{"exp": 9007199254740992}"#), Ok(Some(1 << 53)));
    for bad in [
        "null",
        "\"1\"",
        "-1",
        "1.0",
        "1.5",
        "1e3",
        "9007199254740993",
        "18446744073709551615",
        "[1]",
        "{}",
        "true",
    ] {
        assert_eq!(of(&format!(r#"{{"exp": {bad}}}"#)), Err(NotADate), "{bad}");
    }
    let signer = Signer::new("ES256", "a");
    let huge = signer.raw(r#"{"alg":"ES256","kid":"a"}"#, r#"{"exp":1e400}"#);
    assert!(verify(&keys(&signer.jwks()), &huge, &ANY).is_none());
}

#[test]
fn jwt_07_an_audience_is_compared_whole() {
    let is = |aud: Value, alone| {
        is_for(json!({"aud": aud}).as_object().unwrap(), &["https://a.example"], alone)
    };
    assert!(is(json!("https://a.example"), true));
    assert!(is(json!(["x", "https://a.example"]), false));
    assert!(!is(json!(["https://a.example"]), true));
    for bad in [
        json!(null),
        json!(""),
        json!([]),
        json!("https://a.example/"),
        json!("https://A.example"),
        json!("https://a.example.evil"),
        json!(["https://a.exampl"]),
        json!(["https://a.example", 1]),
        json!({"https://a.example": 1}),
    ] {
        assert!(!is(bad.clone(), false), "{bad}");
    }
    assert!(!is_for(&Map::new(), &["https://a.example"], false));
}

#[test]
fn jwt_11_encrypted_and_compressed_tokens_are_not_read() {
    let signer = Signer::new("ES256", "a");
    for member in ["zip", "enc", "p2c", "p2s", "crit", "b64"] {
        let header = json!({"alg": "ES256", "kid": "a", member: 1_000_000_000});
        assert!(!says(&signer.jwks(), &signer.with_header(&header, &claims())), "{member}");
    }
    assert!(!says(&signer.jwks(), "a.b.c.d.e"));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
    assert!(!says(&signer.jwks(), &signer.raw(r#"{"alg":"ES256","kid":"a"}"#, &deep)));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(1_000), "}".repeat(1_000));
    let deep = signer.raw(r#"{"alg":"ES256","kid":"a"}"#, &deep);
    assert!(verify(&keys(&signer.jwks()), &deep, &ANY).is_none());
    let long = signer.token(&json!({"a": "x".repeat(16 * 1024)}));
    assert!(verify(&keys(&signer.jwks()), &long, &ANY).is_none());
}

#[test]
fn jwt_12_a_token_has_one_spelling() {
    let signer = Signer::new("EdDSA", "a");
    let jwks = signer.jwks();
    let token = signer.token(&claims());
    assert!(says(&jwks, &token));
    for end in 0..token.len() {
        assert!(!says(&jwks, &token[..end]), "cut to {end}");
    }
    for more in ["=", "A", ".", " ", "\n"] {
        assert!(!says(&jwks, &format!("{token}{more}")) && !says(&jwks, &format!("{more}{token}")));
    }
    // 64 bytes leave four bits of the last digit unused.
    let (rest, last) = token.split_at(token.len() - 1);
    for digit in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        assert_eq!(says(&jwks, &format!("{rest}{digit}")), last == digit.to_string());
    }
    let header = r#"{"alg":"EdDSA","kid":"a"}"#;
    for (header, claims) in [
        (r#"{"alg":"EdDSA","alg":"EdDSA","kid":"a"}"#, r#"{"iss":"app_1","n":"ä"}"#),
        (r#"{"alg":"EdDSA","kid":"a","x":{"y":1,"y":1}}"#, r#"{"iss":"app_1","n":"ä"}"#),
        (header, r#"{"iss":"app_2","iss":"app_1","n":"ä"}"#),
        (header, r#"{"iss":"app_1","n":"ä","a":[{"b":1,"b":2}]}"#),
        (header, r#"[{"iss":"app_1"}]"#),
        (header, r#"{"iss":"app_1","n":"ä"} {}"#),
        (header, ""),
    ] {
        assert!(
            verify(&keys(&jwks), &signer.raw(header, claims), &ANY).is_none(),
            "{header} {claims}"
        );
    }
}

#[test]
fn a_kind_is_asked_for_or_not() {
    let signer = Signer::new("ES256", "a");
    let with = |typ: Value| signer.with_header(&json!({"alg": "ES256", "typ": typ}), &claims());
    let takes = |typ: Option<&[&str]>, token: &str| {
        let rules = Rules { algorithms: &ForeignAlgorithm::ALL, typ };
        verify(&keys(&signer.jwks()), token, &rules).is_some()
    };
    assert!(takes(Some(&["dpop+jwt"]), &with(json!("DPoP+jwt"))));
    assert!(takes(Some(&["dpop+jwt"]), &with(json!("application/dpop+jwt"))));
    assert!(!takes(Some(&["dpop+jwt"]), &with(json!("jwt"))));
    assert!(!takes(Some(&["dpop+jwt"]), &signer.token(&claims())));
    assert!(takes(Some(&["", "jwt"]), &signer.token(&claims())));
    assert!(takes(None, &with(json!("anything"))));
    assert!(!takes(None, &with(json!(1))), "a text, if anything");
}

#[test]
fn keys_of_no_use_are_left_out() {
    let good = Signer::new("ES256", "a").jwk;
    let counts = |change: Value| {
        let mut jwk = good.clone();
        jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        keys(&json!({"keys": [jwk, 1, null]})).iter().count() == 1
    };
    assert!(counts(json!({"use": "sig", "key_ops": ["verify"], "alg": "ES256", "x": good["x"]})));
    for change in [
        json!({"use": "enc"}),
        json!({"use": null}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": "verify"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ECDH-ES"}),
        json!({"kid": 1}),
        json!({"kty": "RSA"}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "ec"}),
        json!({"crv": "P-384"}),
        json!({"crv": "P-521"}),
        json!({"x": good["y"]}),
        json!({"y": "AA"}),
        json!({"y": format!("{}=", good["y"].as_str().unwrap())}),
        json!({"d": "AAAA"}),
    ] {
        assert!(!counts(change.clone()), "{change}");
    }
    assert!(ForeignKeys::parse(&json!({})).is_none());
    assert!(ForeignKeys::parse(&json!({"keys": {}})).is_none());
    let many = vec![good.clone(); 101];
    assert_eq!(keys(&json!({"keys": many})).iter().count(), 100);
    assert_eq!(ForeignKeys::read(br#"{"keys":[],"keys":[]}"#).map(|_| ()), None);
}

#[test]
fn weak_rsa_keys_are_left_out() {
    let count = |jwk: &Value| keys(&json!({"keys": [jwk]})).iter().count();
    let strong = Signer::sized("RS256", "a", KeySize::Rsa3072);
    assert_eq!(count(&strong.jwk), 1);
    let mut jwk = strong.jwk.clone();
    for e in ["AQ", "Ag", "AA", "", "AAEAAQ", "AQAAAAE"] {
        jwk["e"] = json!(e);
        assert_eq!(count(&jwk), 0, "{e}");
    }
    let mut jwk = strong.jwk;
    let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for (bytes, expected) in [
        (n[..256].to_vec(), 1),
        (n[..255].to_vec(), 0),
        ([&[0], &n[..]].concat(), 0),
        ([&[0x7f], &n[..255]].concat(), 0),
        (vec![], 0),
        ([255; 1024].to_vec(), 1),
        ([255; 1025].to_vec(), 0),
    ] {
        jwk["n"] = json!(URL_SAFE_NO_PAD.encode(&bytes));
        assert_eq!(count(&jwk), expected, "{}", bytes.len());
    }
}

/// RFC 7638 §3.1.
#[test]
fn a_thumbprint_is_the_one_of_the_rfc() {
    let jwk = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS\
              oc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65\
              YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyr\
              dkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK\
              nqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    });
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint(&jwk).as_deref(), Some(expected));
    assert_eq!(thumbprint(&json!("x")), None);
}

#[test]
fn whose_token_it_is_can_be_asked_before_it_is_verified() {
    let signer = Signer::new("ES256", "a");
    let token = signer.token(&json!({"sub": "app_1", "n": 1}));
    assert_eq!(unverified(&token, "sub").as_deref(), Some("app_1"));
    assert_eq!(unverified(&token, "n"), None);
    assert_eq!(unverified("x", "sub"), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_fail(token in "\\PC*", json in "\\PC*") {
        let _ = verify(&ForeignKeys::default(), &token, &ANY);
        let parts = [r#"{"alg":"ES256"}"#, &json].map(|it| URL_SAFE_NO_PAD.encode(it)).join(".");
        let _ = unverified(&format!("{parts}.AA"), "sub");
        let _ = ForeignKeys::read(json.as_bytes());
    }

    #[test]
    fn no_change_of_a_token_verifies(at in 0_usize..200, byte in any::<u8>()) {
        let signer = Signer::new("EdDSA", "a");
        let token = signer.token(&claims());
        let mut changed = token.clone().into_bytes();
        let at = at % changed.len();
        changed[at] = byte;
        if let Ok(changed) = String::from_utf8(changed) && changed != token {
            prop_assert!(verify(&keys(&signer.jwks()), &changed, &ANY).is_none());
        }
    }
}
