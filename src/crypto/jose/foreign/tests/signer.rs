//! An application that signs, as far as tests need it: any algorithm, any header.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key pair, and what its owner publishes of it.
pub(crate) struct Signer {
    pair: Pair,
    /// What it signs by.
    pub(crate) alg: &'static str,
    /// The public key, with `kid`.
    pub(crate) jwk: Value,
}

impl Signer {
    /// A new key called `kid` that signs by `alg`.
    pub(crate) fn new(alg: &'static str, kid: &str) -> Self {
        Self::sized(alg, kid, KeySize::Rsa2048)
    }

    /// As [`Signer::new`], with an RSA key of a size.
    pub(crate) fn sized(alg: &'static str, kid: &str, size: KeySize) -> Self {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = |rules, curve: &str| {
            let pair = EcdsaKeyPair::generate(rules).unwrap();
            let (x, y) =
                pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
            let jwk = json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)});
            (Pair::Ec(pair), jwk)
        };
        let (pair, mut jwk) = match alg {
            "RS256" | "PS256" => {
                let pair = RsaKeyPair::generate(size).unwrap();
                let it = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let jwk = json!({"kty": "RSA", "n": text(&it.n), "e": text(&it.e)});
                (Pair::Rsa(pair), jwk)
            }
            "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            "EdDSA" | "Ed25519" => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let x = text(pair.public_key().as_ref());
                (Pair::Ed(pair), json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
            }
            other => panic!("{other}"),
        };
        jwk["kid"] = json!(kid);
        Self { pair, alg, jwk }
    }

    /// The key set of its owner.
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [self.jwk]})
    }

    /// A token that says `claims`, with a usual header.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.with_header(&json!({"alg": self.alg, "kid": self.jwk["kid"]}), claims)
    }

    /// A token with a header of the test's own.
    pub(crate) fn with_header(&self, header: &Value, claims: &Value) -> String {
        self.raw(&header.to_string(), &claims.to_string())
    }

    /// A token of two texts.
    pub(crate) fn raw(&self, header: &str, claims: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                if self.alg == "RS256" {
                    pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                } else {
                    pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature).unwrap();
                }
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A proof of possession (RFC 9449) with `claims`.
    pub(crate) fn proof(&self, claims: &Value) -> String {
        let mut jwk = self.jwk.clone();
        jwk.as_object_mut().unwrap().remove("kid");
        self.with_header(&json!({"typ": "dpop+jwt", "alg": self.alg, "jwk": jwk}), claims)
    }
}
