//! What a password must look like: its form, the tenant's policy, and the common ones.
//!
//! Pure rules after NIST SP 800-63B-4 §3.1.1: length counts, composition does not unless the
//! tenant says so, and common or guessable passwords are refused. Hashing is not here
//! (`crypto::password`), nor are the two rules that need to ask somebody: whether a password was
//! used before or is known from a breach. Their faults are, so that all are said alike.

mod common;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

use crate::secret::Secret;

pub use common::is_common;

/// Characters a password may have at most, after NFC.
pub const LONGEST: usize = 1024;

/// Bytes a password may have at most before NFC, which shortens a text to a third at best.
const LONGEST_INPUT_BYTES: usize = 4 * 4096;

/// Bytes a password may have at most after NFC.
const LONGEST_BYTES: usize = 4096;

/// Characters that a password has at least whatever the tenant says (NIST SP 800-63B-4 §3.1.1.2).
const SHORTEST: usize = 8;

/// Characters that a password has at least where it is the only factor.
const SHORTEST_ALONE: usize = 15;

/// Names shorter than this are in too many passwords by chance.
const SHORTEST_NAME: usize = 4;

/// A password as a person typed it, in NFC. Nothing is trimmed, and NUL is a character like any.
///
/// NFC and not NFKC: the same text typed on another keyboard is the same password, but letters
/// that only look alike (full-width forms, ligatures) stay different.
#[derive(Debug, Clone, PartialEq)]
pub struct Password(Secret<String>);

/// Why a text cannot be a password at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFormFault {
    /// It has no characters.
    #[error("A password must have at least 1 character.")]
    Empty,
    /// It is longer than anything that will be hashed.
    #[error("A password must have at most 1024 characters.")]
    TooLong,
}

impl Password {
    /// Takes `text` as a password: 1 to 1024 characters and at most 4096 bytes after NFC.
    ///
    /// # Errors
    /// Where the text is empty or too long; this is found before anything costly is done.
    pub fn parse(text: &str) -> Result<Self, PasswordFormFault> {
        if text.is_empty() {
            return Err(PasswordFormFault::Empty);
        }
        if text.len() > LONGEST_INPUT_BYTES {
            return Err(PasswordFormFault::TooLong);
        }
        let normal = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        let normal = Secret::new(normal);
        let long = normal.expose().len() > LONGEST_BYTES;
        if long || normal.expose().chars().count() > LONGEST {
            return Err(PasswordFormFault::TooLong);
        }
        Ok(Self(normal))
    }

    /// The text, in NFC.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What a tenant asks of the passwords of its users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own that a tenant sees"
)]
pub struct PasswordPolicy {
    /// Characters at least; `None` leaves it to [`PasswordPolicy::effective_min_length`].
    pub min_length: Option<usize>,
    /// Whether a lower-case letter must be in it.
    pub require_lowercase: bool,
    /// Whether an upper-case letter must be in it.
    pub require_uppercase: bool,
    /// Whether a digit must be in it.
    pub require_digit: bool,
    /// Whether a character that is neither letter nor digit must be in it.
    pub require_symbol: bool,
    /// Whether common and trivial passwords are refused.
    pub refuse_common: bool,
    /// How many earlier passwords may not be used again.
    pub history: usize,
    /// Days after which a password must be changed; `None`: never.
    pub max_age_days: Option<u32>,
    /// Whether the breached-password service is asked, where the server has one. A filter on our
    /// own disk is looked into in any case.
    pub check_breached: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: None,
            require_lowercase: false,
            require_uppercase: false,
            require_digit: false,
            require_symbol: false,
            refuse_common: true,
            history: 0,
            max_age_days: None,
            check_breached: false,
        }
    }
}

impl PasswordPolicy {
    /// Characters that a password must have: the tenant's number, else 15, or 8 where every
    /// sign-in needs a second factor. Never fewer than 8, never more than a password can have.
    #[must_use]
    pub fn effective_min_length(&self, mfa_required: bool) -> usize {
        let unset = if mfa_required { SHORTEST } else { SHORTEST_ALONE };
        self.min_length.unwrap_or(unset).clamp(SHORTEST, LONGEST)
    }
}

/// What is known of the person and the place, none of which may be in the password.
#[derive(Debug, Clone, Copy)]
pub struct PasswordContext<'a> {
    /// The person's address.
    pub email: &'a str,
    /// Given name, family name, display name.
    pub names: &'a [&'a str],
    /// The name of the tenant.
    pub tenant_name: &'a str,
    /// The name under which the product shows itself.
    pub product_name: &'a str,
}

/// One rule that a password breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordFault {
    /// It has fewer than `min` characters.
    TooShort {
        /// Characters at least.
        min: usize,
    },
    /// It is among the common ones, or no more than a repetition or a sequence.
    TooCommon,
    /// The e-mail address, or what stands before its `@`, is in it.
    ContainsEmail,
    /// One of the person's names is in it.
    ContainsName,
    /// The tenant's name is in it.
    ContainsTenantName,
    /// The product's name is in it.
    ContainsProductName,
    /// No lower-case letter is in it.
    MissingLowercase,
    /// No upper-case letter is in it.
    MissingUppercase,
    /// No digit is in it.
    MissingDigit,
    /// Nothing but letters and digits is in it.
    MissingSymbol,
    /// It was used before.
    Reused,
    /// It is known from a breach elsewhere.
    Breached,
}

impl PasswordFault {
    /// The key of the message, for translations.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password.too_short",
            Self::TooCommon => "password.too_common",
            Self::ContainsEmail => "password.contains_email",
            Self::ContainsName => "password.contains_name",
            Self::ContainsTenantName => "password.contains_tenant_name",
            Self::ContainsProductName => "password.contains_product_name",
            Self::MissingLowercase => "password.missing_lowercase",
            Self::MissingUppercase => "password.missing_uppercase",
            Self::MissingDigit => "password.missing_digit",
            Self::MissingSymbol => "password.missing_symbol",
            Self::Reused => "password.reused",
            Self::Breached => "password.breached",
        }
    }

    /// The message in plain English.
    #[must_use]
    pub fn sentence(self) -> String {
        let text = match self {
            Self::TooShort { min } => {
                return format!("The password must have at least {min} characters.");
            }
            Self::TooCommon => "The password is too common or too easy to guess.",
            Self::ContainsEmail => "The password must not contain your e-mail address.",
            Self::ContainsName => "The password must not contain your name.",
            Self::ContainsTenantName => {
                "The password must not contain the name of the organisation."
            }
            Self::ContainsProductName => "The password must not contain the name of this service.",
            Self::MissingLowercase => "The password must contain a lower-case letter.",
            Self::MissingUppercase => "The password must contain an upper-case letter.",
            Self::MissingDigit => "The password must contain a digit.",
            Self::MissingSymbol => {
                "The password must contain a character that is neither a letter nor a digit."
            }
            Self::Reused => "The password was used before.",
            Self::Breached => "The password has appeared in a data breach elsewhere.",
        };
        text.to_owned()
    }
}

/// Every rule of `policy` that `password` breaks, in the order in which they are best told.
#[must_use]
pub fn faults(
    policy: &PasswordPolicy,
    mfa_required: bool,
    password: &Password,
    context: &PasswordContext<'_>,
) -> Vec<PasswordFault> {
    let text = password.expose();
    let min = policy.effective_min_length(mfa_required);
    let mut found = Vec::new();
    if text.chars().count() < min {
        found.push(PasswordFault::TooShort { min });
    }
    if policy.refuse_common && is_common(text) {
        found.push(PasswordFault::TooCommon);
    }
    found.extend(guessable_by_context(text, context));
    found.extend(missing_kinds(policy, text));
    found
}

fn guessable_by_context(text: &str, context: &PasswordContext<'_>) -> Vec<PasswordFault> {
    let text = squashed(text);
    let holds = |name: &str| {
        let name = squashed(name);
        name.chars().count() >= SHORTEST_NAME && text.contains(name.as_str())
    };
    let local = context.email.rsplit_once('@').map_or(context.email, |(local, _)| local);
    let named = |name: &&str| holds(name) || name.split_whitespace().any(holds);
    let rules = [
        (holds(context.email) || holds(local), PasswordFault::ContainsEmail),
        (context.names.iter().any(named), PasswordFault::ContainsName),
        (holds(context.tenant_name), PasswordFault::ContainsTenantName),
        (holds(context.product_name), PasswordFault::ContainsProductName),
    ];
    rules.into_iter().filter(|(broken, _)| *broken).map(|(_, fault)| fault).collect()
}

/// The letters and digits of `text` in lower case, so that `Acme Works` is seen in `acme-works7`.
fn squashed(text: &str) -> Zeroizing<String> {
    let normal: Zeroizing<String> = Zeroizing::new(text.nfc().collect());
    let kept = normal.chars().filter(|symbol| symbol.is_alphanumeric());
    Zeroizing::new(kept.flat_map(char::to_lowercase).collect())
}

fn missing_kinds(policy: &PasswordPolicy, text: &str) -> Vec<PasswordFault> {
    let lacks = |kind: fn(char) -> bool| !text.chars().any(kind);
    let rules = [
        (policy.require_lowercase && lacks(char::is_lowercase), PasswordFault::MissingLowercase),
        (policy.require_uppercase && lacks(char::is_uppercase), PasswordFault::MissingUppercase),
        (policy.require_digit && lacks(char::is_numeric), PasswordFault::MissingDigit),
        (policy.require_symbol && lacks(|it| !it.is_alphanumeric()), PasswordFault::MissingSymbol),
    ];
    rules.into_iter().filter(|(broken, _)| *broken).map(|(_, fault)| fault).collect()
}

#[cfg(test)]
mod tests;
