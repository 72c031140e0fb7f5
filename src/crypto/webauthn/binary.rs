//! Bytes as base64url text (RFC 4648 §5, no padding), in stored JSON and in answers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serializer, de};

/// The bytes that `text` spells: at most `limit` of them, or `None`. Padding is refused, so are
/// stray bits at the end: all bytes have one spelling.
pub(super) fn decoded(text: &str, limit: usize) -> Option<Vec<u8>> {
    // Four digits hold three bytes. What is too long is not decoded.
    if text.len() > limit.div_ceil(3) * 4 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() <= limit)
}

/// The text that spells `bytes`.
pub(super) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn serialize<T: AsRef<[u8]>, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encoded(value.as_ref()))
}

pub(super) fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| de::Error::custom("not base64url"))?;
    T::try_from(bytes).map_err(|_| de::Error::custom("not of the right length"))
}
