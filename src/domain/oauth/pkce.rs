//! Proof key for code exchange (RFC 7636), by S256 alone. The digest itself is computed by the
//! caller: what is compared is text.

/// Whether `text` has the form of a challenge by S256: 43 characters of base64url.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether `text` has the form of a verifier (RFC 7636 §4.1).
#[must_use]
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}
