//! The contexts of the portal's pages on how one signs in: password, second factors, passkeys,
//! backup codes.
//!
//! Those that hold what nobody else may see have no `Debug`.

use serde::Serialize;

use super::Portal;
use crate::view::Page;

/// An authenticator app, or codes by mail.
#[derive(Debug, Clone, Serialize)]
pub struct FactorShown {
    /// `totp` or `email`.
    pub id: &'static str,
    /// Its name for people.
    pub label: String,
    /// What it does, in a sentence.
    pub hint: String,
    /// The page that sets it up.
    pub setup_url: String,
    /// The page that asks whether it is to go.
    pub remove_url: String,
    /// Whether the tenant lets people have it.
    pub is_allowed: bool,
    /// Since when it is in use; `None`: it is not.
    pub created_at: Option<i64>,
    /// When it was last used.
    pub last_used_at: Option<i64>,
}

/// A passkey or security key.
#[derive(Debug, Clone, Serialize)]
pub struct PasskeyShown {
    /// Which one.
    pub id: String,
    /// Its name, as its owner knows it.
    pub name: String,
    /// Whether it is kept beyond the device that made it.
    pub is_synced: bool,
    /// Since when it is in use.
    pub created_at: i64,
    /// When it was last used.
    pub last_used_at: Option<i64>,
}

/// The codes for a bad day.
#[derive(Debug, Clone, Serialize)]
pub struct BackupCodesShown {
    /// How many are left.
    pub left: i64,
    /// When they were made.
    pub made_at: Option<i64>,
}

/// A method that may be asked for first.
#[derive(Debug, Clone, Serialize)]
pub struct DefaultShown {
    /// Its stable name; empty: the strongest.
    pub id: &'static str,
    /// Its name for people.
    pub label: String,
    /// Whether it is the chosen one.
    pub is_chosen: bool,
}

/// How one signs in.
#[derive(Debug, Clone, Serialize)]
pub struct SecurityPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Who vouches for the account; `None`: a password of ours.
    pub provider: Option<String>,
    /// Whether the tenant demands a second factor.
    pub is_required: bool,
    /// Whether there is a second factor.
    pub is_on: bool,
    /// Authenticator app and mailed codes.
    pub factors: Vec<FactorShown>,
    /// Whether the tenant lets people have passkeys.
    pub has_passkeys: bool,
    /// Passkeys and security keys.
    pub passkeys: Vec<PasskeyShown>,
    /// Backup codes; `None`: the tenant has none.
    pub backup_codes: Option<BackupCodesShown>,
    /// What may be asked for first; empty where there is nothing to choose.
    pub defaults: Vec<DefaultShown>,
}

impl Page for SecurityPage {
    const TEMPLATE: &'static str = "account/security.html";
}

/// An authenticator app.
#[derive(Clone, Serialize)]
pub struct TotpPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Whether one is in use, whose place the new one takes.
    pub replaces: bool,
    /// The key as a person types it, in groups; `None`: it was shown before, or not yet.
    pub secret: Option<String>,
    /// The key as a QR code: SVG of our own making.
    pub qr_svg: Option<String>,
    /// Whether a key waits for its first code.
    pub is_begun: bool,
    /// What is wrong with the code.
    pub code_fault: Option<String>,
}

impl std::fmt::Debug for TotpPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpPage")
    }
}

impl Page for TotpPage {
    const TEMPLATE: &'static str = "account/totp.html";
}

/// Codes by mail.
#[derive(Debug, Clone, Serialize)]
pub struct MailedCodesPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Where codes are mailed to.
    pub destination: String,
    /// Whether one is under way.
    pub is_sent: bool,
    /// What is wrong with the code.
    pub code_fault: Option<String>,
}

impl Page for MailedCodesPage {
    const TEMPLATE: &'static str = "account/mailed_codes.html";
}

/// A new passkey or security key.
#[derive(Debug, Clone, Serialize)]
pub struct NewPasskeyPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// As typed.
    pub passkey_name: String,
    /// What is wrong with it.
    pub name_fault: Option<String>,
    /// Where a ceremony begins.
    pub passkey_url: String,
}

impl Page for NewPasskeyPage {
    const TEMPLATE: &'static str = "account/passkey.html";
}

/// Another name for a passkey.
#[derive(Debug, Clone, Serialize)]
pub struct RenamePage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Where the name goes.
    pub action: String,
    /// As typed, or as it is.
    pub passkey_name: String,
    /// What is wrong with it.
    pub name_fault: Option<String>,
}

impl Page for RenamePage {
    const TEMPLATE: &'static str = "account/rename.html";
}

/// New backup codes, shown this once.
#[derive(Clone, Serialize)]
pub struct NewCodesPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// The codes.
    pub codes: Vec<String>,
    /// The name of the file that a script makes of them.
    pub file_name: String,
    /// Whether they came with a first second factor.
    pub is_first: bool,
}

impl std::fmt::Debug for NewCodesPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewCodesPage")
    }
}

impl Page for NewCodesPage {
    const TEMPLATE: &'static str = "account/backup_codes.html";
}
