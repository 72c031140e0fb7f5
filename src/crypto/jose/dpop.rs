//! Proofs that whoever asks holds a key (DPoP, RFC 9449): what a proof says, checked against the
//! request that it came with. That it counts once, and whether its nonce is one of ours, is not
//! judged here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use url::Url;

use super::foreign::{ForeignAlgorithm, ForeignKey, Jws, Rules, date};
use crate::crypto::opaque::sha256;

/// The `typ` of a proof (RFC 9449 §4.2), in lower case.
const PROOF: &str = "dpop+jwt";
/// How old a proof may be, in seconds.
const OLDEST: i64 = 60;
/// How old one with a nonce may be: that one was made after the nonce, whatever its maker's clock
/// says.
const OLDEST_WITH_NONCE: i64 = 300;
/// How far the clock of its maker may be ahead, in seconds.
const AHEAD: i64 = 10;
/// The same, with a nonce.
const AHEAD_WITH_NONCE: i64 = 60;
/// Bytes of `jti`, at most.
const LONGEST_ID: usize = 256;
/// Bytes of a nonce, at most. Ours are shorter.
const LONGEST_NONCE: usize = 256;

/// The request that a proof has to be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its method, upper case.
    pub method: &'a str,
    /// The endpoint's address as we publish it, without a query.
    pub url: &'a str,
    /// Seconds since 1970.
    pub now: i64,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
}

/// What a good proof says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of the key (RFC 7638).
    pub jkt: String,
    /// Its own name: one counts once.
    pub jti: String,
    /// When it was made, seconds since 1970.
    pub iat: i64,
    /// The nonce in it.
    pub nonce: Option<String>,
}

impl Proof {
    /// When it would not be taken any more anyway, seconds since 1970.
    #[must_use]
    pub fn ends(&self) -> i64 {
        self.iat + OLDEST_WITH_NONCE + 1
    }
}

/// What is wrong with a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is no proof: another kind of token, or one that no key in it has signed.
    NoProof,
    /// A claim is missing or is no such claim.
    Claims,
    /// It is for another request.
    Request,
    /// It was made too long ago, or is yet to be made.
    Time,
    /// It is for another access token, or for none.
    Token,
}

impl Why {
    /// A sentence for whoever wrote the program.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoProof => "the proof is not a dpop+jwt signed by the key in it",
            Self::Claims => "the proof lacks a claim or has one that cannot be read",
            Self::Request => "htm or htu of the proof is not this request",
            Self::Time => "the proof is too old or of the future",
            Self::Token => "ath of the proof is not this access token",
        }
    }
}

/// Checks a proof.
///
/// # Errors
/// What is wrong with it.
pub fn check(proof: &str, expected: &Expected<'_>) -> Result<Proof, Why> {
    let (jkt, claims) = signed(proof).ok_or(Why::NoProof)?;
    let jti = text(&claims, "jti", 1..=LONGEST_ID).ok_or(Why::Claims)?;
    let nonce = match claims.get("nonce") {
        None => None,
        Some(_) => Some(text(&claims, "nonce", 1..=LONGEST_NONCE).ok_or(Why::Claims)?),
    };
    let iat = date(&claims, "iat").ok().flatten().ok_or(Why::Claims)?;
    let method = text(&claims, "htm", 1..=32).ok_or(Why::Claims)?;
    let url = text(&claims, "htu", 1..=4_096).ok_or(Why::Claims)?;
    if method != expected.method || !is_same(&url, expected.url) {
        return Err(Why::Request);
    }
    let (oldest, ahead) =
        if nonce.is_some() { (OLDEST_WITH_NONCE, AHEAD_WITH_NONCE) } else { (OLDEST, AHEAD) };
    if !(expected.now - oldest..=expected.now + ahead).contains(&iat) {
        return Err(Why::Time);
    }
    if let Some(token) = expected.access_token {
        let hash = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()));
        if claims.get("ath").and_then(Value::as_str) != Some(hash.as_str()) {
            return Err(Why::Token);
        }
    }
    Ok(Proof { jkt, jti, iat, nonce })
}

/// The key of a proof and what it says, if that key has signed it.
fn signed(proof: &str) -> Option<(String, Map<String, Value>)> {
    let rules = Rules { algorithms: &ForeignAlgorithm::ALL, typ: Some(&[PROOF]) };
    let jws = Jws::parse(proof).filter(|jws| jws.fits(&rules))?;
    let key = jws.header.members.get("jwk").and_then(Value::as_object)?;
    let key = ForeignKey::parse(key).filter(|key| key.has_signed(&jws))?;
    Some((key.thumbprint().to_owned(), jws.claims()?))
}

fn text(
    claims: &Map<String, Value>,
    name: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Option<String> {
    let text = claims.get(name)?.as_str()?;
    length.contains(&text.len()).then(|| text.to_owned())
}

/// Whether two addresses are the same without query and fragment (RFC 9449 §4.3): scheme and host
/// in either case, the scheme's port said or not, the path as it stands.
fn is_same(shown: &str, ours: &str) -> bool {
    let parsed = |text: &str| {
        let bare = text.split(['?', '#']).next().unwrap_or_default().to_owned();
        let url = Url::parse(&bare).ok()?;
        let named = url.username().is_empty() && url.password().is_none();
        // The parser also tidies paths (`/a/../b`), which would make two of one.
        let (_, rest) = bare.split_once("://")?;
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned();
        named.then(|| (url.origin(), path))
    };
    let shown = parsed(shown);
    shown.is_some() && shown == parsed(ours)
}

#[cfg(test)]
mod tests;
