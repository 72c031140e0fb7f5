//! Second factors: what kinds there are, how their codes are spelt, how many and how long.
//!
//! How a code or an assertion is checked is in `crypto`; which method a user may use at a sign-in
//! is decided in `domain::login`.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A second factor, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A passkey or security key.
    Webauthn,
    /// A code of an authenticator app.
    Totp,
    /// A mailed code.
    Email,
    /// One of the codes kept for a bad day.
    BackupCode,
}

/// The text names no method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a method")]
pub struct UnknownMethod;

impl Method {
    /// Every method, the strongest first.
    pub const ALL: [Self; 4] = [Self::Webauthn, Self::Totp, Self::Email, Self::BackupCode];

    /// The documented spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webauthn => "webauthn",
            Self::Totp => "totp",
            Self::Email => "email",
            Self::BackupCode => "backup_code",
        }
    }

    /// What a session says of having been opened with it, beside `pwd` (RFC 8176): space
    /// separated. A mailed code is no proof of a second factor to others, so it adds nothing.
    #[must_use]
    pub fn references(self) -> &'static str {
        match self {
            Self::Webauthn => "hwk mfa",
            Self::Totp | Self::BackupCode => "otp mfa",
            Self::Email => "",
        }
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    /// Takes exactly the documented spelling.
    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(UnknownMethod)
    }
}

/// How long a second-factor step may take.
pub const STEP_LIFETIME: Duration = Duration::from_mins(10);
/// Wrong answers that end a step.
pub const STEP_FAILURES: u32 = 5;
/// How long a mailed code is good.
pub const MAILED_CODE_LIFETIME: Duration = Duration::from_mins(10);
/// How long lies between two mailed codes of one step.
pub const MAILED_CODE_INTERVAL: Duration = Duration::from_mins(1);
/// Codes mailed for one step.
pub const MAILED_CODES: u32 = 5;
/// How long a WebAuthn ceremony may take.
pub const CEREMONY_LIFETIME: Duration = Duration::from_mins(5);
/// Ceremonies under way for one step, one session or one user.
pub const CEREMONIES: i64 = 5;
/// How long a factor may wait for its first right code.
pub const SETUP_LIFETIME: Duration = Duration::from_mins(10);
/// Passkeys and security keys of one user.
pub const PASSKEYS: i64 = 20;
/// Backup codes in a set.
pub const BACKUP_CODES: usize = 10;
/// Trusted devices of one user; the newest pushes out the oldest.
pub const TRUSTED_DEVICES: i64 = 20;
/// How far back the proof may lie that a change of factors asks for.
pub const RECENT: Duration = Duration::from_mins(5);

/// Whether a proof given at `proved` is recent at `now`.
#[must_use]
pub fn is_recent(proved: Timestamp, now: Timestamp) -> bool {
    now.since(proved) < RECENT
}

/// A code as it is compared: without blanks and dashes, letters small. People copy codes in groups.
#[must_use]
pub fn canonical_code(text: &str) -> String {
    let kept =
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}'));
    kept.collect::<String>().to_lowercase()
}

/// `a***@example.com`: enough for its owner to know which address it is.
#[must_use]
pub fn masked_email(email: &str) -> String {
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

#[cfg(test)]
mod tests {
    use super::{Method, canonical_code, is_recent, masked_email};
    use crate::clock::Timestamp;

    #[test]
    fn a_method_is_named_by_its_documented_spelling_alone() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        for text in ["EMAIL", "totp ", "backup", "none", "sms", ""] {
            assert!(text.parse::<Method>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_code_is_the_same_however_it_is_grouped() {
        assert_eq!(canonical_code(" 123-456 "), "123456");
        assert_eq!(canonical_code("ABCDE\u{2013}FGHJK\n"), "abcdefghjk");
        // Digits of other scripts and signs are no digits: they stay and match nothing.
        assert_eq!(canonical_code("+123456.0"), "+123456.0");
        assert_eq!(canonical_code("\u{ff11}23456"), "\u{ff11}23456");
    }

    #[test]
    fn an_address_is_hidden_but_for_its_first_letter_and_its_domain() {
        assert_eq!(masked_email("alice@example.com"), "a***@example.com");
        assert_eq!(masked_email("\u{e9}@x.test"), "\u{e9}***@x.test");
    }

    #[test]
    fn a_proof_is_recent_for_five_minutes() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert!(is_recent(at(1000), at(1299)));
        assert!(!is_recent(at(1000), at(1300)));
    }
}
