//! A tenant: one customer organisation, its name in addresses, its state and its looks.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    domain::settings::{Settings, SettingsLayer},
    id::{PartnerId, TenantId},
};

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

/// A tenant's or partner's looks. What is absent comes from the partner, then from the product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    /// The name shown to people, instead of the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// An `https` address of the logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_color: Option<String>,
}

impl Branding {
    /// The faults of these values, one sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.display_name.as_ref().is_some_and(|name| !is_label(name)) {
            faults.push(
                "branding.display_name: 1 to 256 characters without control characters".to_owned(),
            );
        }
        if self.logo_url.as_ref().is_some_and(|text| {
            Url::parse(text).map_or(true, |url| url.scheme() != "https" || text.len() > 2048)
        }) {
            faults.push("branding.logo_url: an https address".to_owned());
        }
        if self.primary_color.as_ref().is_some_and(|color| !is_color(color)) {
            faults.push("branding.primary_color: #rrggbb".to_owned());
        }
        faults
    }

    /// These looks, with what is absent taken from `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let pick =
            |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            display_name: self.display_name.clone(),
            logo_url: pick(&self.logo_url, &base.logo_url),
            primary_color: pick(&self.primary_color, &base.primary_color),
        }
    }
}

/// 1 to 256 characters, none of them a control character.
#[must_use]
pub fn is_label(text: &str) -> bool {
    (1..=256).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
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
