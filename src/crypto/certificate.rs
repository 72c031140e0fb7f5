//! Certificates that applications show (RFC 5280, RFC 8705): what they are called, and the key in
//! them. Whether an authority has issued one is known by whoever ended the connection, not here.

use std::str::FromStr as _;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use x509_cert::{
    der::{
        Decode as _, DecodePem as _, Encode as _,
        asn1::{ObjectIdentifier, Uint},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
    time::Time,
};

use super::{jose::foreign::thumbprint, opaque::sha256};

/// Bytes of a certificate, at most.
const LONGEST: usize = 16 * 1024;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
}

impl Certificate {
    /// Takes one in DER; `None` for anything else.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        if der.len() > LONGEST {
            return None;
        }
        let parsed = x509_cert::Certificate::from_der(der).ok()?;
        Some(Self { der: der.to_vec(), parsed })
    }

    /// Takes one in PEM (RFC 7468); `None` for anything else.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        if pem.len() > 2 * LONGEST {
            return None;
        }
        let parsed = x509_cert::Certificate::from_pem(pem).ok()?;
        Self::from_der(&parsed.to_der().ok()?)
    }

    /// Takes one as proxies hand it on in a header: percent-encoded PEM, or DER in base64, with or
    /// without the colons of RFC 9440; `None` for anything else.
    #[must_use]
    pub fn from_header(text: &str) -> Option<Self> {
        if text.len() > 4 * LONGEST {
            return None;
        }
        if text.starts_with("-----BEGIN") {
            // A plus sign is one of base64's; a form's encoding would make a blank of it.
            let pair = format!("x={}", text.replace('&', "%26").replace('+', "%2B"));
            let (_, pem) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
            return Self::from_pem(&pem);
        }
        let bare = text.strip_prefix(':').and_then(|it| it.strip_suffix(':')).unwrap_or(text);
        Self::from_der(&STANDARD.decode(bare).ok()?)
    }

    /// Its bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its SHA-256, base64url: `x5t#S256` (RFC 8705 §3.1).
    #[must_use]
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&self.der))
    }

    /// Whether its time has come and is not over, at a number of seconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, seconds: i64) -> bool {
        let validity = self.parsed.tbs_certificate().validity();
        let of = |time: &Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        (of(&validity.not_before)..=of(&validity.not_after)).contains(&seconds)
    }

    /// Whether its subject is `name`, written as in RFC 4514. Both are brought into one spelling
    /// first, so that the case of attribute names and the way of escaping do not count.
    #[must_use]
    pub fn has_subject(&self, name: &str) -> bool {
        let subject = self.parsed.tbs_certificate().subject();
        !subject.is_empty()
            && Name::from_str(name).is_ok_and(|name| name.to_string() == subject.to_string())
    }

    /// Whether a DNS name of its subject is exactly `name`.
    #[must_use]
    pub fn has_dns_name(&self, name: &str) -> bool {
        self.has_name(|it| matches!(it, GeneralName::DnsName(it) if it.as_str() == name))
    }

    /// Whether an address of its subject is exactly `uri`.
    #[must_use]
    pub fn has_uri(&self, uri: &str) -> bool {
        self.has_name(
            |it| matches!(it, GeneralName::UniformResourceIdentifier(it) if it.as_str() == uri),
        )
    }

    fn has_name(&self, is: impl Fn(&GeneralName) -> bool) -> bool {
        let names = self.parsed.tbs_certificate().get_extension::<SubjectAltName>();
        names.ok().flatten().is_some_and(|(_, names)| names.0.iter().any(is))
    }

    /// The thumbprint (RFC 7638) of the key in it; `None` where it is of a kind that we do not
    /// take, or too weak.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        thumbprint(&self.jwk()?)
    }

    fn jwk(&self) -> Option<Value> {
        let info = self.parsed.tbs_certificate().subject_public_key_info();
        let bytes = info.subject_public_key.as_bytes()?;
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match info.algorithm.oid {
            RSA => {
                // RSAPublicKey is a sequence of two numbers (RFC 8017 §A.1.1).
                let numbers = Vec::<Uint>::from_der(bytes).ok()?;
                let [n, e] = numbers.as_slice() else { return None };
                Some(json!({"kty": "RSA", "n": text(n.as_bytes()), "e": text(e.as_bytes())}))
            }
            EC => {
                let curve: ObjectIdentifier =
                    info.algorithm.parameters.as_ref()?.decode_as().ok()?;
                let curve = match curve {
                    P256 => "P-256",
                    P384 => "P-384",
                    _ => return None,
                };
                let (&[4], point) = bytes.split_first_chunk::<1>()? else { return None };
                let (x, y) = point.split_at(point.len() / 2);
                Some(json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)}))
            }
            ED25519 => Some(json!({"kty": "OKP", "crv": "Ed25519", "x": text(bytes)})),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
