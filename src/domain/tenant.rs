//! A tenant: one customer organisation, its name in addresses, its state and its looks.

use std::fmt;

pub use self::branding::{Branding, Corners, PageTexts, Picture, PictureFormat};
use crate::{
    domain::settings::{Settings, SettingsLayer},
    id::{PartnerId, TenantId},
};

mod branding;
pub mod picture;
pub mod style;

/// A tenant's name in addresses: 1 to 63 of `a` to `z`, `0` to `9` and `-`, lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slug(String);

/// The text is not a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a slug has 1 to 63 of the characters a to z, 0 to 9 and '-'")]
pub struct NotASlug;

impl Slug {
    /// Reads a slug; capital letters count as small ones.
    ///
    /// # Errors
    /// [`NotASlug`] for anything else than 1 to 63 of the allowed characters.
    pub fn parse(text: &str) -> Result<Self, NotASlug> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotASlug) }
    }

    /// The slug, lower-case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a tenant or a partner is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Active,
    /// Nobody signs in, nothing is served.
    Suspended,
}

impl Status {
    /// The stored spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the stored spelling; anything unknown counts as suspended.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        if text == "active" { Self::Active } else { Self::Suspended }
    }
}

/// A tenant as the rest of the program uses it: settings already merged with its partner's.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Which tenant.
    pub id: TenantId,
    /// Who brought it.
    pub partner_id: PartnerId,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// Whether it is in use; suspended too where its partner is.
    pub status: Status,
    /// What holds in it.
    pub settings: Settings,
    /// How it looks.
    pub branding: Branding,
}

/// 1 to 256 characters, none of them a control character.
#[must_use]
pub fn is_label(text: &str) -> bool {
    (1..=256).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

/// A tenant as an operator sees and changes it: its own layer, nothing merged.
#[derive(Debug, Clone)]
pub struct TenantRecord {
    /// Which tenant.
    pub id: TenantId,
    /// Who brought it.
    pub partner_id: PartnerId,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// Whether it is in use.
    pub status: Status,
    /// Whom to write to about it.
    pub contact_email: Option<String>,
    /// Its own settings.
    pub settings: SettingsLayer,
    /// Its own looks.
    pub branding: Branding,
    /// When it was made.
    pub created_at: crate::clock::Timestamp,
    /// When it was last changed.
    pub updated_at: crate::clock::Timestamp,
}
