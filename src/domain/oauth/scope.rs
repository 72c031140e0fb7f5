//! Scopes: lists of words that say what a token is good for (RFC 6749 §3.3).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Words in a scope, at most.
pub const MOST: usize = 100;

/// OpenID Connect: an ID token is wanted.
pub const OPENID: &str = "openid";
/// A refresh token that outlives the session (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";
/// The groups that a user is in.
pub const GROUPS: &str = "groups";
/// Reading the administration API.
pub const ADMIN_READ: &str = "admin:read";
/// Writing the administration API.
pub const ADMIN_WRITE: &str = "admin:write";

/// The scopes that release claims or more of OpenID Connect (Core §5.4, §11), and `groups`.
pub const STANDARD: [&str; 7] =
    [OPENID, "profile", "email", "address", "phone", GROUPS, OFFLINE_ACCESS];

/// Whether `text` is one word of a scope.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Whether a scope is for programs that act for themselves: no person's token ever has it, since
/// being allowed to use an application does not make anybody an administrator.
#[must_use]
pub fn is_for_programs(scope: &str) -> bool {
    scope.starts_with("admin:") || scope == "users:read" || scope == "groups:read"
}

/// A set of words, in the order they came, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scope(Vec<String>);

impl Scope {
    /// Takes a space-separated list; `None` where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !is_token(word) || words.len() >= MOST {
                return None;
            }
            if !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
        Some(Self(words))
    }

    /// Takes words that are known to be such.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for word in words {
            if !all.iter().any(|known| known == word) {
                all.push(word.to_owned());
            }
        }
        Self(all)
    }

    /// Whether it holds a word.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|it| it == word)
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all its words are in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|word| other.has(word))
    }

    /// The words that `keep` agrees to.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|word| keep(word)).cloned().collect())
    }

    /// The words of both, those of this one first.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::of(self.iter().chain(other.iter()))
    }

    /// Its words.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<String> for Scope {
    /// From where one of ours was written.
    fn from(text: String) -> Self {
        Self::of(text.split(' ').filter(|word| !word.is_empty()))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}
