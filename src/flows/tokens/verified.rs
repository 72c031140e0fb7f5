//! Access tokens whose signature has been looked at already.
//!
//! To verify a signature costs more than everything else that is done about a token, and the same
//! token comes again and again. What is kept is what a text says, under the very key object that
//! verified it: once that key is not among the realm's keys any more, the text counts for nothing.
//! Whether a token has ended, was revoked, or rests on something that has ended is looked at each
//! time, and elsewhere.

use std::{fmt, sync::Arc};

use moka::sync::Cache;

use super::Claims;
use crate::crypto::{jose::VerifyingKey, opaque::sha256};

/// Bytes that are kept, at most; by a rough measure.
const ROOM: u64 = 8 * 1024 * 1024;

/// The tokens that a node has verified. Only good ones are kept, so that nobody can push others out
/// with what he has made up.
pub struct VerifiedTokens(Cache<[u8; 32], Arc<Verified>>);

struct Verified {
    key: Arc<VerifyingKey>,
    claims: Claims,
    length: usize,
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedTokens(…)")
    }
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        let weight = |_: &[u8; 32], it: &Arc<Verified>| {
            // What it says takes about as much room as its text, and its parts as much again.
            u32::try_from(2 * it.length + size_of::<Verified>() + 256).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(ROOM).weigher(weight).build())
    }
}

impl VerifiedTokens {
    /// What `text` says, if `key` has verified it before.
    pub(super) fn recall(&self, text: &str, key: &Arc<VerifyingKey>) -> Option<Claims> {
        let known = self.0.get(&sha256(text.as_bytes()))?;
        Arc::ptr_eq(&known.key, key).then(|| known.claims.clone())
    }

    /// Keeps what `text` says, which `key` has verified.
    pub(super) fn keep(&self, text: &str, key: Arc<VerifyingKey>, claims: Claims) {
        let verified = Verified { key, claims, length: text.len() };
        self.0.insert(sha256(text.as_bytes()), Arc::new(verified));
    }
}
