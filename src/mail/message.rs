//! What we tell people by mail: the closed list, as it waits in the outbox.
//!
//! A message holds facts only. Words, languages and looks are added when it is composed, so that a
//! mail that waited says what is right by then.

use serde::{Deserialize, Serialize};

/// A message to a user. Moments are microseconds since 1970-01-01 UTC.
///
/// Links carry one-time tokens, so a message is as secret as they are: it is sealed in the outbox
/// and has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// Somebody registered with this address: confirm it.
    VerifyEmail {
        /// The page with the button.
        link: String,
        /// Who is said to have registered. The address is unproved: see [`plain_name`].
        first_name: String,
        /// When.
        requested_at: i64,
        /// How long the link works, in hours.
        expires_hours: u32,
    },
    /// Somebody registered with an address that has an account.
    AccountExists {
        /// When.
        requested_at: i64,
        /// Where to sign in, where the tenant has such a page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sign_in_link: Option<String>,
    },
    /// A new password was asked for.
    ResetPassword {
        /// The page with the form.
        link: String,
        /// How long the link works, in minutes.
        expires_minutes: u32,
    },
    /// The right password was used, but it has to be changed before it opens anything.
    PasswordExpired {
        /// The page with the form.
        link: String,
        /// How long the link works, in minutes.
        expires_minutes: u32,
    },
    /// A new password was asked for by someone who has none here.
    ResetFederated {
        /// Where they sign in, such as `Example Corp`.
        provider: String,
    },
    /// The password was changed.
    PasswordChanged {
        /// When.
        at: i64,
        /// Whether the device it was changed on has stayed signed in.
        #[serde(default)]
        others: bool,
    },
    /// Another address was asked for: confirm the new one.
    ConfirmEmailChange {
        /// When.
        at: i64,
        /// The page with the button.
        link: String,
        /// How long the link works, in hours.
        expires_hours: u32,
    },
    /// Somebody wants an address for his account that belongs to another one.
    AddressWanted {
        /// When.
        at: i64,
    },
    /// Another address was asked for: to the old one, which can say no.
    EmailChangeRequested {
        /// When.
        at: i64,
        /// The new address, masked.
        new_email: String,
        /// The page with the button that says no.
        stop_link: String,
        /// How long that works, in days.
        days: u32,
    },
    /// The address was changed: to the old one.
    EmailChanged {
        /// When.
        at: i64,
        /// The new address, masked.
        new_email: String,
    },
    /// The account will be deleted, as its owner asked.
    DeletionScheduled {
        /// When that was asked for.
        at: i64,
        /// When it will be deleted.
        due_at: i64,
    },
    /// The account was deleted, as its owner asked.
    AccountDeleted {
        /// When.
        at: i64,
    },
    /// An operator took all second factors away.
    FactorsReset {
        /// When.
        at: i64,
    },
    /// The code of a second step, or of an enrolment.
    MfaCode {
        /// Six digits.
        code: String,
        /// How long it is good, in minutes.
        expires_minutes: u32,
    },
    /// The right password was used, and the second factor was wrong several times.
    FactorFailures {
        /// When.
        at: i64,
        /// What it came from, such as `Firefox on Linux`.
        device: String,
        /// Its network address.
        address: String,
    },
    /// A second factor was added or removed.
    FactorChanged {
        /// When.
        at: i64,
        /// Which one, as the API spells it.
        method: String,
        /// Whether it was added.
        added: bool,
    },
    /// A sign-in from a device that was not seen before.
    NewDevice {
        /// When.
        at: i64,
        /// What it is, such as `Firefox on Linux`.
        device: String,
        /// Its network address.
        address: String,
        /// The page with the button that says "this was not me". A notice of an earlier version
        /// has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
        /// How long it works, in days.
        #[serde(default)]
        days: u32,
    },
    /// A sign-in with a known device from a network that was not seen before.
    NewPlace {
        /// When.
        at: i64,
        /// What it is, such as `Firefox on Linux`.
        device: String,
        /// Its network address.
        address: String,
        /// The page with the button that says "this was not me".
        link: Option<String>,
        /// How long it works, in days.
        days: u32,
    },
}

impl Message {
    /// The stable name, `snake_case`: of the templates, of the texts, in the audit trail.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::AccountExists { .. } => "account_exists",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordExpired { .. } => "password_expired",
            Self::ResetFederated { .. } => "reset_federated",
            Self::PasswordChanged { .. } => "password_changed",
            Self::ConfirmEmailChange { .. } => "confirm_email_change",
            Self::AddressWanted { .. } => "address_wanted",
            Self::EmailChangeRequested { .. } => "email_change_requested",
            Self::EmailChanged { .. } => "email_changed",
            Self::DeletionScheduled { .. } => "deletion_scheduled",
            Self::AccountDeleted { .. } => "account_deleted",
            Self::FactorsReset { .. } => "factors_reset",
            Self::MfaCode { .. } => "mfa_code",
            Self::FactorFailures { .. } => "factor_failures",
            Self::FactorChanged { .. } => "factor_changed",
            Self::NewDevice { .. } => "new_device",
            Self::NewPlace { .. } => "new_place",
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({})", self.kind())
    }
}

/// The longest name that is put into a mail, in characters.
const NAME_LENGTH: usize = 64;

/// A name as it may stand in a mail to an address that nobody has proved to own.
///
/// Otherwise a stranger could have us send his advertisement or his link to anybody. What looks
/// like an address is dropped, as are words with more than three digits and all marks that names
/// do not have; the rest is cut to 64 characters. May come out empty.
#[must_use]
pub fn plain_name(name: &str) -> String {
    let words = name.split_whitespace().filter(|word| !is_address(word)).map(plain_word);
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    let cut: String = words.join(" ").chars().take(NAME_LENGTH).collect();
    cut.trim_end().to_owned()
}

fn is_address(word: &str) -> bool {
    let lower = word.to_lowercase();
    let digits = word.chars().filter(|c| c.is_numeric()).count();
    digits > 3 || lower.starts_with("www.") || word.contains(['/', '\\', '@', ':'])
}

/// A word without the marks that names do not have. A dot inside becomes a blank, so that mail
/// programs make no link of it; one at the end (`Jr.`) stays.
fn plain_word(word: &str) -> String {
    let kept: String = word.chars().filter_map(plain_char).collect();
    let (body, end) = kept.strip_suffix('.').map_or((kept.as_str(), ""), |body| (body, "."));
    let parts: Vec<&str> = body.split('.').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!("{}{end}", parts.join(" ")) }
}

fn plain_char(c: char) -> Option<char> {
    match c {
        // The dots that domain names take for a full stop (UTS 46).
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => Some('.'),
        '.' | ',' | '-' | '\'' | '\u{2019}' | '\u{b7}' => Some(c),
        _ if c.is_alphanumeric() || is_combining(c) => Some(c),
        _ => None,
    }
}

/// The joiners and combining marks that spelling needs in scripts whose letters alone are not a
/// name. Ranges, not a table: a mark too many does no harm here.
fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200c}'..='\u{200d}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Text on one line: every control character, line and paragraph separator becomes a blank, and it
/// is cut to `length` characters. For what goes into headers, logs and single lines of a mail.
#[must_use]
pub fn one_line(text: &str, length: usize) -> String {
    let blank = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line: String = text.chars().map(|c| if blank(c) { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(length).collect()
}
