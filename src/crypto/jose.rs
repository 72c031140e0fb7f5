//! Signed tokens (JWS compact serialization, RFC 7515 §3.1) and the keys that sign and verify
//! them.
//!
//! One key object for the life of a key. What verifies is chosen by our key and never by the
//! token; time is judged by whoever asks, with his own clock. Which claims a token has, and where
//! keys are kept, is not here.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, SHA512, digest},
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, jwk::Jwk};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    crypto::opaque::sha256,
    domain::token::SigningAlgorithm,
    error::{Context, Error, Result},
    secret::Secret,
};

pub mod dpop;
pub mod foreign;
mod strict;

/// The `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN: &str = "at+jwt";

/// No token of ours is anywhere near as long.
const LONGEST: usize = 8 * 1024;

/// A private key, ready to sign.
pub struct SigningKey {
    algorithm: SigningAlgorithm,
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// The public half of a key, as it is published (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's name: its thumbprint (RFC 7638), so that the same key has the same name anywhere.
    pub kid: String,
    /// The JSON Web Key, with public members only.
    pub json: String,
}

impl SigningKey {
    /// A new key, and its private half as PKCS#8 (RFC 5958). An RSA key takes tenths of a second.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<(Self, Secret<Vec<u8>>)> {
        const DOING: &str = "making a signing key";
        let document = match algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).doing(DOING)?;
                pair.to_pkcs8v1().doing(DOING)?.as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).doing(DOING)?;
                pair.as_der().doing(DOING)?.as_ref().to_vec()
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().doing(DOING)?;
                pair.to_pkcs8().doing(DOING)?.as_ref().to_vec()
            }
        };
        let document = Secret::new(document);
        Ok((Self::from_pkcs8(algorithm, document.expose())?, document))
    }

    /// Takes a private key in PKCS#8.
    ///
    /// # Errors
    /// Where it is not a key for `algorithm`.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, document: &[u8]) -> Result<Self> {
        const DOING: &str = "reading a signing key";
        let pair = match algorithm {
            SigningAlgorithm::Es256 => Pair::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document)
                    .doing(DOING)?,
            ),
            SigningAlgorithm::Rs256 => Pair::Rs256(RsaKeyPair::from_pkcs8(document).doing(DOING)?),
            SigningAlgorithm::EdDsa => {
                Pair::EdDsa(Ed25519KeyPair::from_pkcs8(document).doing(DOING)?)
            }
        };
        let public = pair.public(algorithm)?;
        Ok(Self { algorithm, pair, public })
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A token of the kind `typ` that says `claims`.
    ///
    /// # Errors
    /// Where the claims are no JSON, or through a fault of the library.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<Secret<String>> {
        let header = json!({"alg": self.algorithm.as_str(), "typ": typ, "kid": self.public.kid});
        let claims = serde_json::to_vec(claims).doing("writing a token")?;
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Secret::new(token))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        const DOING: &str = "signing a token";
        let random = SystemRandom::new();
        Ok(match self {
            Self::Es256(pair) => pair.sign(&random, message).doing(DOING)?.as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).doing(DOING)?;
                signature
            }
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }

    fn public(&self, algorithm: SigningAlgorithm) -> Result<PublicKey> {
        let text = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
        // The members that RFC 7638 §3.2 names, in the order of their names.
        let members = match self {
            Self::Es256(pair) => {
                let Some((&[4], point)) = pair.public_key().as_ref().split_first_chunk::<1>()
                else {
                    return Err(Error::internal("publishing a key", "not an uncompressed point"));
                };
                let (x, y) = point.split_at(point.len() / 2);
                json!({"crv": "P-256", "kty": "EC", "x": text(x), "y": text(y)})
            }
            Self::Rs256(pair) => {
                let it = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"e": text(&it.e), "kty": "RSA", "n": text(&it.n)})
            }
            Self::EdDsa(pair) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": text(pair.public_key().as_ref())})
            }
        };
        let kid = URL_SAFE_NO_PAD.encode(sha256(members.to_string().as_bytes()));
        let mut all = json!({"kid": kid, "use": "sig", "alg": algorithm.as_str()});
        if let (Value::Object(all), Value::Object(members)) = (&mut all, members) {
            all.extend(members);
        }
        Ok(PublicKey { kid, json: all.to_string() })
    }
}

/// A public key, ready to verify.
#[derive(Clone)]
pub struct VerifyingKey {
    key: DecodingKey,
    rules: Validation,
}

impl VerifyingKey {
    /// Takes a JSON Web Key of ours for `algorithm`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn from_json(algorithm: SigningAlgorithm, json: &str) -> Result<Self> {
        const DOING: &str = "reading a public key";
        let jwk: Jwk = serde_json::from_str(json).doing(DOING)?;
        let mut rules = Validation::new(match algorithm {
            SigningAlgorithm::Es256 => Algorithm::ES256,
            SigningAlgorithm::Rs256 => Algorithm::RS256,
            SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        });
        // These would be judged by the machine's clock; our callers judge them by theirs.
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        Ok(Self { key: DecodingKey::from_jwk(&jwk).doing(DOING)?, rules })
    }

    /// What `token` says, if it is of the kind `typ` and this key signed it. Its times are not
    /// looked at.
    #[must_use]
    pub fn verify<T: DeserializeOwned>(&self, typ: &str, token: &str) -> Option<T> {
        let header = header(token)?;
        // What has to be understood and is not makes a token bad (RFC 7515 §4.1.11).
        if header.crit.is_some() || !header.typ.is_some_and(|it| it.eq_ignore_ascii_case(typ)) {
            return None;
        }
        decode(token, &self.key, &self.rules).ok().map(|token| token.claims)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("rules", &self.rules.algorithms)
            .finish_non_exhaustive()
    }
}

/// The name of the key that `token` says it was signed with; nothing of it is proved by that.
#[must_use]
pub fn claimed_kid(token: &str) -> Option<String> {
    header(token)?.kid
}

/// The first half of the digest of `text`, base64url: how a token that is signed by `algorithm`
/// names another value that was handed out with it (`at_hash`, `c_hash`; OpenID Connect Core
/// §3.1.3.6). Ed25519 has SHA-512 inside.
#[must_use]
pub fn half_hash(algorithm: SigningAlgorithm, text: &str) -> String {
    let hash = match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => &SHA256,
        SigningAlgorithm::EdDsa => &SHA512,
    };
    let digest = digest(hash, text.as_bytes());
    let (half, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(half)
}

fn header(token: &str) -> Option<Header> {
    if token.len() > LONGEST { None } else { decode_header(token).ok() }
}

#[cfg(test)]
mod tests;
