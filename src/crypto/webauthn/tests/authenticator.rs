//! An authenticator in software, and the browser before it, of which every byte can be changed.
//!
//! [`Authenticator::create`] and [`Authenticator::get`] answer the options of a ceremony with a
//! draft. A test changes the draft, has it written as the JSON of a browser, and may change that
//! once more.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
        RSA_PKCS1_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The user was present.
pub(crate) const UP: u8 = 0x01;
/// The user was verified.
pub(crate) const UV: u8 = 0x04;
/// The credential may be backed up.
pub(crate) const BE: u8 = 0x08;
/// The credential is backed up.
pub(crate) const BS: u8 = 0x10;
/// Attested credential data follow.
pub(crate) const AT: u8 = 0x40;
/// Outputs of extensions follow.
pub(crate) const ED: u8 = 0x80;

/// One authenticator with one credential.
pub(crate) struct Authenticator {
    key: Key,
    pub(crate) id: Vec<u8>,
    pub(crate) aaguid: [u8; 16],
    /// The flags of its answers, without [`AT`].
    pub(crate) flags: u8,
    /// The counter of its next answer. It stays until the test moves it.
    pub(crate) counter: u32,
    /// The user handle, once a credential was created.
    pub(crate) handle: Option<Vec<u8>>,
}

enum Key {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

/// Authenticator data (`WebAuthn` L3 §6.1) before they are written.
pub(crate) struct Data {
    pub(crate) rp_id_hash: Vec<u8>,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    /// Everything behind the counter that is not attested credential data.
    pub(crate) tail: Vec<u8>,
}

/// The answer to a registration, before it is written.
pub(crate) struct Creation {
    pub(crate) client_data: Value,
    pub(crate) data: Data,
    pub(crate) aaguid: [u8; 16],
    /// The id in the authenticator data.
    pub(crate) id: Vec<u8>,
    /// The public key as COSE, in CBOR.
    pub(crate) key: Vec<u8>,
    pub(crate) format: String,
    /// The attestation statement, in CBOR.
    pub(crate) statement: Vec<u8>,
    pub(crate) transports: Value,
    pub(crate) extensions: Value,
}

/// The answer to an assertion, before it is signed and written.
pub(crate) struct Assertion<'a> {
    authenticator: &'a Authenticator,
    pub(crate) client_data: Value,
    pub(crate) data: Data,
    pub(crate) id: Vec<u8>,
    pub(crate) user_handle: Option<Vec<u8>>,
    /// Stands in for the signature.
    pub(crate) signature: Option<Vec<u8>>,
}

impl Authenticator {
    /// One that holds an ES256 key, verifies users, and does not count.
    pub(crate) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self::with(Key::Ecdsa(key))
    }

    /// One that holds an ES384 key.
    pub(crate) fn with_p384() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        Self::with(Key::Ecdsa(key))
    }

    /// One that holds an RS256 key of 2048 bits.
    pub(crate) fn with_rsa() -> Self {
        Self::with(Key::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap()))
    }

    fn with(key: Key) -> Self {
        let mut id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut id).unwrap();
        Self { key, id, aaguid: [7; 16], flags: UP | UV, counter: 0, handle: None }
    }

    /// Makes the credential that `options` ask for, on a page of `origin`.
    pub(crate) fn create(&mut self, options: &Value, origin: &str) -> Creation {
        self.handle = Some(from_base64url(options["user"]["id"].as_str().unwrap()));
        Creation {
            client_data: client_data("webauthn.create", options, origin),
            data: self.data(&options["rp"]["id"], AT),
            aaguid: self.aaguid,
            id: self.id.clone(),
            key: self.cose_key(),
            format: "none".to_owned(),
            statement: cbor::map(&[]),
            transports: json!(["internal", "hybrid"]),
            extensions: json!({"credProps": {"rk": true}}),
        }
    }

    /// Asserts the credential to `options`, on a page of `origin`. As passkeys do, it names the
    /// user whether it was asked to or not.
    pub(crate) fn get(&self, options: &Value, origin: &str) -> Assertion<'_> {
        Assertion {
            authenticator: self,
            client_data: client_data("webauthn.get", options, origin),
            data: self.data(&options["rpId"], 0),
            id: self.id.clone(),
            user_handle: self.handle.clone(),
            signature: None,
        }
    }

    /// The public key as COSE, in CBOR.
    pub(crate) fn cose_key(&self) -> Vec<u8> {
        match &self.key {
            Key::Ecdsa(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let (algorithm, curve) = if x.len() == 32 { (-7, 1) } else { (-35, 2) };
                ec_key(algorithm, curve, x, y)
            }
            Key::Rsa(pair) => rsa_key(
                pair.public_key().modulus().big_endian_without_leading_zero(),
                pair.public_key().exponent().big_endian_without_leading_zero(),
            ),
        }
    }

    /// Signs `message` as the key's algorithm does.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    fn data(&self, rp_id: &Value, flags: u8) -> Data {
        Data {
            rp_id_hash: sha256(rp_id.as_str().unwrap().as_bytes()),
            flags: self.flags | flags,
            counter: self.counter,
            tail: Vec::new(),
        }
    }
}

impl Data {
    /// The bytes, with `attested` after the counter.
    fn write(&self, attested: &[u8]) -> Vec<u8> {
        [&self.rp_id_hash, &[self.flags][..], &self.counter.to_be_bytes(), attested, &self.tail]
            .concat()
    }
}

impl Creation {
    /// The authenticator data.
    pub(crate) fn data(&self) -> Vec<u8> {
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let attested = [&self.aaguid[..], &length, &self.id, &self.key].concat();
        self.data.write(if self.data.flags & AT == 0 { &[] } else { &attested })
    }

    /// What an attestation of the data would sign.
    pub(crate) fn message(&self) -> Vec<u8> {
        [self.data(), sha256(self.client_data.to_string().as_bytes())].concat()
    }

    /// The JSON of the browser.
    pub(crate) fn answer(&self) -> Value {
        let attestation = cbor::map(&[
            (cbor::text("fmt"), cbor::text(&self.format)),
            (cbor::text("attStmt"), self.statement.clone()),
            (cbor::text("authData"), cbor::bytes(&self.data())),
        ]);
        json!({
            "id": base64url(&self.id),
            "rawId": base64url(&self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": base64url(self.client_data.to_string().as_bytes()),
                "attestationObject": base64url(&attestation),
                "authenticatorData": base64url(&self.data()),
                "transports": self.transports,
            },
            "clientExtensionResults": self.extensions,
        })
    }
}

impl Assertion<'_> {
    /// The JSON of the browser.
    pub(crate) fn answer(&self) -> Value {
        let client_data = self.client_data.to_string();
        let data = self.data.write(&[]);
        let message = [data.clone(), sha256(client_data.as_bytes())].concat();
        let signature = self.signature.clone().unwrap_or_else(|| self.authenticator.sign(&message));
        let mut answer = json!({
            "id": base64url(&self.id),
            "rawId": base64url(&self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": base64url(client_data.as_bytes()),
                "authenticatorData": base64url(&data),
                "signature": base64url(&signature),
            },
            "clientExtensionResults": {},
        });
        if let Some(handle) = &self.user_handle {
            answer["response"]["userHandle"] = json!(base64url(handle));
        }
        answer
    }
}

/// What the browser says about the page, with a member of the future.
fn client_data(kind: &str, options: &Value, origin: &str) -> Value {
    json!({
        "type": kind,
        "challenge": options["challenge"],
        "origin": origin,
        "crossOrigin": false,
        "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
    })
}

/// An elliptic curve key as COSE, in CBOR.
pub(crate) fn ec_key(algorithm: i64, curve: i64, x: &[u8], y: &[u8]) -> Vec<u8> {
    cbor::map(&[
        (cbor::int(1), cbor::int(2)),
        (cbor::int(3), cbor::int(algorithm)),
        (cbor::int(-1), cbor::int(curve)),
        (cbor::int(-2), cbor::bytes(x)),
        (cbor::int(-3), cbor::bytes(y)),
    ])
}

/// An RS256 key as COSE, in CBOR.
pub(crate) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    cbor::map(&[
        (cbor::int(1), cbor::int(3)),
        (cbor::int(3), cbor::int(-257)),
        (cbor::int(-1), cbor::bytes(modulus)),
        (cbor::int(-2), cbor::bytes(exponent)),
    ])
}

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// `bytes` as answers spell them.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes that `text` spells.
pub(crate) fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Writing CBOR (RFC 8949), item by item.
pub(crate) mod cbor {
    /// A head with the shortest spelling of `value`.
    pub(crate) fn head(major: u8, value: u64) -> Vec<u8> {
        let first = major << 5;
        let digits = value.to_be_bytes();
        match value {
            0..=23 => vec![first | digits[7]],
            24..=0xff => vec![first | 0x18, digits[7]],
            0x100..=0xffff => [&[first | 0x19], &digits[6..]].concat(),
            0x1_0000..=0xffff_ffff => [&[first | 0x1a], &digits[4..]].concat(),
            _ => [&[first | 0x1b], &digits[..]].concat(),
        }
    }

    /// A number.
    pub(crate) fn int(value: i64) -> Vec<u8> {
        match u64::try_from(value) {
            Ok(value) => head(0, value),
            Err(_) => head(1, u64::try_from(-1 - value).unwrap()),
        }
    }

    /// A byte string.
    pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
        [head(2, value.len() as u64), value.to_vec()].concat()
    }

    /// A text.
    pub(crate) fn text(value: &str) -> Vec<u8> {
        [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
    }

    /// A map of items.
    pub(crate) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut map = head(5, entries.len() as u64);
        for (key, value) in entries {
            map.extend_from_slice(key);
            map.extend_from_slice(value);
        }
        map
    }

    /// `depth` arrays in each other.
    pub(crate) fn nested(depth: usize) -> Vec<u8> {
        let mut item = vec![0x81; depth];
        item.push(0);
        item
    }
}
