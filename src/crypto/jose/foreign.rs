//! Tokens that others have signed, with keys that we know them by (RFC 7515, RFC 7517): assertions
//! and request objects of applications.
//!
//! The key is one of a set that we hold, and the header may only say which of them. Where it names
//! another place to get a key from, that is not read. Times are judged by whoever asks.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value, json};

use super::strict;
use crate::crypto::opaque::sha256;

/// Bytes of a token, at most.
const LONGEST: usize = 16 * 1024;
/// Keys of a set that are looked at.
const MOST: usize = 100;
/// Bytes of a key's name, at most.
const LONGEST_KID: usize = 512;
/// Seconds beyond which no number in JSON is exact (RFC 8259 §6).
const LATEST: i64 = 1 << 53;

/// What others may sign by (RFC 7518 §3.1, RFC 8037 §3.1). There is none without a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeignAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519, by either of its names (RFC 8037 §3.1, RFC 9864 §2.2).
    EdDsa,
}

impl ForeignAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// Those of the FAPI 2.0 Security Profile §5.4.1.
    pub const FAPI: [Self; 3] = [Self::Ps256, Self::Es256, Self::EdDsa];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// From a registered name; upper and lower case differ.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let fits = |it: &Self| it.as_str() == name || (*it == Self::EdDsa && name == "Ed25519");
        Self::ALL.into_iter().find(fits)
    }

    fn kind(self) -> Kind {
        match self {
            Self::Rs256 | Self::Ps256 => Kind::Rsa,
            Self::Es256 => Kind::P256,
            Self::Es384 => Kind::P384,
            Self::EdDsa => Kind::Ed25519,
        }
    }

    fn library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Ps256 => Algorithm::PS256,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A public key of somebody else's.
#[derive(Clone)]
pub struct ForeignKey {
    kid: Option<String>,
    kind: Kind,
    /// The one algorithm that it says it is for.
    algorithm: Option<ForeignAlgorithm>,
    key: DecodingKey,
    thumbprint: String,
    certificate: Option<Vec<u8>>,
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignKey").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

impl ForeignKey {
    /// Takes a JSON Web Key that verifies signatures; `None` for any other: of another kind, for
    /// another use, too weak, not spelt as it has to be, or with a private half in it.
    #[must_use]
    pub fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        if private.iter().any(|name| jwk.contains_key(*name)) || !is_for_signatures(jwk) {
            return None;
        }
        let (kind, members, key) = Self::members(jwk)?;
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => {
                Some(ForeignAlgorithm::from_name(name.as_str()?).filter(|it| it.kind() == kind)?)
            }
        };
        let name = key_name(jwk)?;
        let first = jwk.get("x5c").and_then(|chain| chain.get(0)).and_then(Value::as_str);
        Some(Self {
            kid: name,
            kind,
            algorithm,
            key,
            thumbprint: URL_SAFE_NO_PAD.encode(sha256(members.to_string().as_bytes())),
            certificate: first.and_then(|text| STANDARD.decode(text).ok()),
        })
    }

    /// The members that RFC 7638 §3.2 names, in the order of their names, and the key.
    fn members(jwk: &Map<String, Value>) -> Option<(Kind, Value, DecodingKey)> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        // One spelling for one key, so that its thumbprint is its name.
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                is_strong(&n, &e).then_some(())?;
                let key = DecodingKey::from_rsa_raw_components(&n, &e);
                Some((Kind::Rsa, json!({"e": text("e")?, "kty": "RSA", "n": text("n")?}), key))
            }
            ("EC", Some(curve @ ("P-256" | "P-384"))) => {
                let (kind, length) =
                    if curve == "P-256" { (Kind::P256, 32) } else { (Kind::P384, 48) };
                let (x, y) = (bytes("x")?, bytes("y")?);
                (x.len() == length && y.len() == length).then_some(())?;
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let curve_rules = match kind {
                    Kind::P256 => &ECDSA_P256_SHA256_FIXED,
                    _ => &ECDSA_P384_SHA384_FIXED,
                };
                ParsedPublicKey::new(curve_rules, &point).ok()?;
                let (x, y) = (text("x")?, text("y")?);
                let key = DecodingKey::from_ec_components(x, y).ok()?;
                Some((kind, json!({"crv": curve, "kty": "EC", "x": x, "y": y}), key))
            }
            ("OKP", Some("Ed25519")) => {
                ParsedPublicKey::new(&ED25519, bytes("x").filter(|it| it.len() == 32)?).ok()?;
                let x = text("x")?;
                let key = DecodingKey::from_ed_components(x).ok()?;
                Some((Kind::Ed25519, json!({"crv": "Ed25519", "kty": "OKP", "x": x}), key))
            }
            _ => None,
        }
    }

    /// Its thumbprint (RFC 7638) by SHA-256, base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The certificate (DER) that its owner says belongs to it (RFC 7517 §4.7). Not looked into.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    fn may_be_meant(&self, header: &JwsHeader) -> bool {
        let kid = header.kid.is_none() || self.kid.is_none() || self.kid == header.kid;
        let algorithm = self.algorithm.is_none_or(|it| it == header.algorithm);
        kid && algorithm && self.kind == header.algorithm.kind()
    }

    /// Whether it signed a token.
    pub(super) fn has_signed(&self, jws: &Jws<'_>) -> bool {
        let algorithm = jws.header.algorithm;
        // The library would try any key on any signature.
        self.kind == algorithm.kind()
            && jsonwebtoken::crypto::verify(
                jws.signature,
                jws.message.as_bytes(),
                &self.key,
                algorithm.library(),
            )
            .unwrap_or(false)
    }
}

/// The name of a key; outside `None`, where it is no name.
#[expect(clippy::option_option, reason = "one that is not there, and one that is bad")]
fn key_name(members: &Map<String, Value>) -> Option<Option<String>> {
    match members.get("kid") {
        None => Some(None),
        Some(name) => {
            let name = name.as_str().filter(|it| it.len() <= LONGEST_KID)?;
            Some(Some(name.to_owned()))
        }
    }
}

/// `use` and `key_ops`, where they are there (RFC 7517 §4.2, §4.3).
fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let by_use = jwk.get("use").is_none_or(|it| it == "sig");
    let operations = jwk.get("key_ops").map(|it| it.as_array().map(Vec::as_slice));
    let by_operations =
        operations.is_none_or(|it| it.is_some_and(|it| it.contains(&"verify".into())));
    by_use && by_operations
}

/// 2,048 to 8,192 bits, written without zeros in front, and an exponent that is odd, more than 1
/// and no longer than four bytes.
fn is_strong(n: &[u8], e: &[u8]) -> bool {
    let long = match n {
        [first, ..] if *first > 0 => {
            let bits = n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or_default();
            (2_048..=8_192).contains(&bits)
        }
        _ => false,
    };
    let exponent = match e {
        [only] => *only >= 3 && only % 2 == 1,
        [first, .., last] => *first > 0 && last % 2 == 1 && e.len() <= 4,
        [] => false,
    };
    long && exponent
}

/// The keys of one application.
#[derive(Debug, Clone, Default)]
pub struct ForeignKeys(Vec<ForeignKey>);

impl ForeignKeys {
    /// Takes a JSON Web Key Set (RFC 7517 §5). Keys that are of no use here are left out, as the
    /// RFC wants it; of several with one name all are kept. `None` where it is no key set.
    #[must_use]
    pub fn parse(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        let keys = keys.iter().take(MOST).filter_map(Value::as_object);
        Some(Self(keys.filter_map(ForeignKey::parse).collect()))
    }

    /// As [`ForeignKeys::parse`], of the text of a document.
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        Self::parse(&Value::Object(strict::object(document)?))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &ForeignKey> {
        self.0.iter()
    }

    /// Whether a key has the name that `token` says it was signed with. Of one that says none, and
    /// where a key has no name: yes.
    #[must_use]
    pub fn may_hold_key_of(&self, token: &str) -> bool {
        Jws::parse(token).is_none_or(|jws| self.0.iter().any(|key| key.may_be_meant(&jws.header)))
    }
}

/// What is asked of a token beside its signature.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// How it may be signed.
    pub algorithms: &'a [ForeignAlgorithm],
    /// Of which kind it may be (RFC 8725 §3.11), in lower case; an empty text stands for a token
    /// that does not say. `None`: of any.
    pub typ: Option<&'a [&'a str]>,
}

/// What `token` says, if one of `keys` has signed it as `rules` demand. Its times are not looked
/// at: see [`date`].
#[must_use]
pub fn verify(keys: &ForeignKeys, token: &str, rules: &Rules<'_>) -> Option<Map<String, Value>> {
    let jws = Jws::parse(token)?;
    if !jws.fits(rules) {
        return None;
    }
    let mut meant = keys.0.iter().filter(|key| key.may_be_meant(&jws.header));
    meant.any(|key| key.has_signed(&jws)).then(|| jws.claims())?
}

/// A claim that `token` makes, before anything of it is proved: to find whose keys it has to be
/// verified with.
#[must_use]
pub fn unverified(token: &str, claim: &str) -> Option<String> {
    let claims = Jws::parse(token)?.claims()?;
    claims.get(claim).and_then(Value::as_str).map(str::to_owned)
}

/// What a header says, as far as it is understood.
pub(super) struct JwsHeader {
    pub(super) algorithm: ForeignAlgorithm,
    kid: Option<String>,
    typ: String,
    /// All of it.
    pub(super) members: Map<String, Value>,
}

impl JwsHeader {
    fn parse(members: Map<String, Value>) -> Option<Self> {
        // What has to be understood and is not makes a token bad (RFC 7515 §4.1.11); so does what
        // belongs to encrypted ones, or to payloads that are not encoded (RFC 7797).
        let unknown = ["crit", "b64", "zip", "enc", "p2c", "p2s"];
        if unknown.iter().any(|name| members.contains_key(*name)) {
            return None;
        }
        let algorithm = ForeignAlgorithm::from_name(members.get("alg")?.as_str()?)?;
        let kid = key_name(&members)?;
        let typ = match members.get("typ") {
            None => String::new(),
            Some(typ) => {
                let typ = typ.as_str()?.to_ascii_lowercase();
                typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
            }
        };
        Some(Self { algorithm, kid, typ, members })
    }
}

/// A token taken apart (RFC 7515 §7.1); nothing of it is proved.
pub(super) struct Jws<'a> {
    pub(super) header: JwsHeader,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        if payload.contains('.') || signature.is_empty() {
            return None;
        }
        let header = JwsHeader::parse(strict::object(&URL_SAFE_NO_PAD.decode(header).ok()?)?)?;
        Some(Self { header, message, payload, signature })
    }

    pub(super) fn fits(&self, rules: &Rules<'_>) -> bool {
        rules.algorithms.contains(&self.header.algorithm)
            && rules.typ.is_none_or(|known| known.contains(&self.header.typ.as_str()))
    }

    pub(super) fn claims(&self) -> Option<Map<String, Value>> {
        strict::object(&URL_SAFE_NO_PAD.decode(self.payload).ok()?)
    }
}

/// A claim that should be a time is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADate;

/// A claim that is a time in seconds since 1970 (RFC 7519 §2); `None` where it is not there.
///
/// # Errors
/// Where it is anything but a whole number from 0 to 2⁵³: a claim that cannot be read must never
/// count as one that is not there.
pub fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, NotADate> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_i64().filter(|it| (0..=LATEST).contains(it));
            seconds.map(Some).ok_or(NotADate)
        }
    }
}

/// Whether `aud` names `one` of the texts (RFC 7519 §4.1.3), alone or in a list; where it has to
/// be `alone`, only as a text.
#[must_use]
pub fn is_for(claims: &Map<String, Value>, ones: &[&str], alone: bool) -> bool {
    match claims.get("aud") {
        Some(Value::String(it)) => ones.contains(&it.as_str()),
        Some(Value::Array(all)) if !alone => {
            let mut texts = all.iter().filter_map(Value::as_str);
            all.iter().all(Value::is_string) && texts.any(|it| ones.contains(&it))
        }
        _ => false,
    }
}

/// The thumbprint (RFC 7638) of a public key that verifies signatures.
#[must_use]
pub fn thumbprint(jwk: &Value) -> Option<String> {
    jwk.as_object().and_then(ForeignKey::parse).map(|key| key.thumbprint)
}

#[cfg(test)]
pub(crate) mod tests;
