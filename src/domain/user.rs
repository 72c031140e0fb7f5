//! A user of one tenant.

use crate::{
    clock::Timestamp,
    id::{TenantId, UserId},
};

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// May sign in.
    Active,
    /// May not, until an administrator says otherwise.
    Suspended,
    /// Has registered and waits for an administrator's yes.
    PendingApproval,
}

impl UserStatus {
    /// The stored and documented spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::PendingApproval => "pending_approval",
        }
    }

    /// Reads the stored spelling; anything unknown counts as suspended.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "pending_approval" => Self::PendingApproval,
            _ => Self::Suspended,
        }
    }
}

/// Who vouches for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// A password of ours.
    Local,
    /// An identity provider of the tenant, by its name for people.
    Federated {
        /// `oidc`, `saml` or `ldap`.
        kind: String,
        /// The provider's name.
        provider: String,
    },
}

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// Which user.
    pub id: UserId,
    /// Of which tenant.
    pub tenant: TenantId,
    /// The address, as it was given; mail goes to exactly this.
    pub email: String,
    /// The address as identity: unique in the tenant.
    pub email_key: String,
    /// When the address was proved.
    pub email_verified_at: Option<Timestamp>,
    /// Whether they may sign in.
    pub status: UserStatus,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The language they chose, if any.
    pub locale: Option<String>,
    /// Who vouches for them.
    pub source: IdentitySource,
    /// Whether an administrator wants a new password at the next sign-in.
    pub must_change_password: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// A person's name: 1 to 256 characters without control characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads a name; says in a sentence why it is none.
    ///
    /// # Errors
    /// Where it is empty, longer than 256 characters, or holds control characters.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        match text.chars().count() {
            0 => Err("a name must not be empty"),
            1..=256
                if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) =>
            {
                Err("a name must not hold control characters")
            }
            1..=256 => Ok(Self(text.to_owned())),
            _ => Err("a name has at most 256 characters"),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
