//! Applications: what people sign in to and what acts for them (OAuth 2.0 clients, RFC 6749 §2).
//!
//! What an application is and may be reached by is here; what it wants of us in each request is in
//! [`crate::domain::oauth`].

use serde::{Deserialize, Serialize};

pub use self::metadata::{AuthMethod, Metadata, Profile, SubjectType};
use crate::{
    clock::Timestamp,
    domain::oauth::scope::{OFFLINE_ACCESS, OPENID, Scope},
    id::{ApplicationId, PartnerId, TenantId},
};

pub mod metadata;
pub mod uri;

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ApplicationType {
    /// A web application with a server of its own, which can keep a secret.
    Web,
    /// A program that acts for itself.
    Service,
    /// A page that runs in the browser; it cannot keep a secret.
    Spa,
    /// A program on a person's device; it cannot keep a secret.
    Native,
}

impl ApplicationType {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Web, Self::Service, Self::Spa, Self::Native];

    /// The stable spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "WEB",
            Self::Service => "SERVICE",
            Self::Spa => "SPA",
            Self::Native => "NATIVE",
        }
    }

    /// From the spelling, in either case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether it can keep a secret (RFC 6749 §2.1).
    #[must_use]
    pub fn is_confidential(self) -> bool {
        matches!(self, Self::Web | Self::Service)
    }
}

/// Whose it is, and so whom it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The platform: GLOBAL, every tenant.
    Platform,
    /// A partner: PARTNER, the partner's tenants.
    Partner(PartnerId),
    /// A tenant: TENANT, that one.
    Tenant(TenantId),
}

impl Owner {
    /// The stable spelling of its scope.
    #[must_use]
    pub fn scope(self) -> &'static str {
        match self {
            Self::Platform => "GLOBAL",
            Self::Partner(_) => "PARTNER",
            Self::Tenant(_) => "TENANT",
        }
    }
}

/// How it came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An operator or administrator made it.
    Operator,
    /// It registered itself (RFC 7591).
    Registration,
    /// Its `client_id` is the address of a document that describes it.
    MetadataDocument,
}

impl Origin {
    /// The stable spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Registration => "registration",
            Self::MetadataDocument => "metadata_document",
        }
    }

    /// From the database.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        match text {
            "registration" => Self::Registration,
            "metadata_document" => Self::MetadataDocument,
            _ => Self::Operator,
        }
    }
}

/// An application.
#[derive(Debug, Clone)]
pub struct Application {
    /// Which one.
    pub id: ApplicationId,
    /// What it calls itself by: its id, or the address of its metadata document.
    pub client_id: String,
    /// Whose it is.
    pub owner: Owner,
    /// What kind of program.
    pub kind: ApplicationType,
    /// Its name for people.
    pub name: String,
    /// Whether it is in use.
    pub is_active: bool,
    /// How it came here.
    pub origin: Origin,
    /// What it has told or was told about itself.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Application {
    /// How it authenticates (RFC 7591 §2, `token_endpoint_auth_method`).
    #[must_use]
    pub fn auth_method(&self) -> AuthMethod {
        let chosen = self.metadata.token_endpoint_auth_method;
        match (self.kind.is_confidential(), chosen) {
            (false, _) => AuthMethod::None,
            (true, Some(method)) => method,
            (true, None) => AuthMethod::ClientSecretBasic,
        }
    }

    /// Whether it authenticates at all.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.auth_method() != AuthMethod::None
    }

    /// Whether it may use a grant.
    #[must_use]
    pub fn may_use(&self, grant: &str) -> bool {
        let allowed = match &self.metadata.grant_types {
            Some(chosen) => chosen.iter().any(|it| it == grant),
            None => default_grants(self.kind).contains(&grant),
        };
        let needs_secret = [CLIENT_CREDENTIALS, TOKEN_EXCHANGE].contains(&grant);
        allowed && (!needs_secret || self.is_confidential())
    }

    /// The scopes that it may ask for.
    #[must_use]
    pub fn allowed_scopes(&self) -> Scope {
        match &self.metadata.allowed_scopes {
            Some(chosen) => Scope::of(chosen.iter().map(String::as_str)),
            None => Scope::of(default_scopes(self.kind).iter().copied()),
        }
    }

    /// Whether it is bound to the FAPI 2.0 Security Profile.
    #[must_use]
    pub fn is_fapi(&self) -> bool {
        self.metadata.profile == Some(Profile::Fapi2)
    }

    /// Whether an authorization request needs PKCE (RFC 7636): always for what keeps no secret.
    #[must_use]
    pub fn needs_pkce(&self) -> bool {
        !self.is_confidential() || self.is_fapi() || self.metadata.require_pkce.unwrap_or(true)
    }

    /// Whether an authorization request has to be pushed (RFC 9126 §6).
    #[must_use]
    pub fn needs_par(&self) -> bool {
        self.is_fapi() || self.metadata.require_pushed_authorization_requests.unwrap_or(false)
    }

    /// Whether it shows itself to people as ours, so that nobody is asked for consent.
    #[must_use]
    pub fn skips_consent(&self) -> bool {
        self.origin == Origin::Operator && self.metadata.first_party.unwrap_or(true)
    }

    /// Whether an address is one of a scheme that other programs on the device could claim, too.
    #[must_use]
    pub fn answers_by_scheme(&self, redirect_uri: &str) -> bool {
        !redirect_uri.starts_with("https://") && !redirect_uri.starts_with("http://")
    }

    /// Whether its tokens have to be bound to a key of its own (RFC 9449, RFC 8705).
    #[must_use]
    pub fn needs_bound_tokens(&self) -> bool {
        self.is_fapi()
            || self.metadata.dpop_bound_access_tokens.unwrap_or(false)
            || self.metadata.tls_client_certificate_bound_access_tokens.unwrap_or(false)
    }

    /// Whether it hears of the end of a session, in the back or the front channel.
    #[must_use]
    pub fn hears_of_logout(&self) -> bool {
        self.metadata.backchannel_logout_uri.is_some()
            || self.metadata.frontchannel_logout_uri.is_some()
    }
}

/// RFC 6749 §4.1.
pub const AUTHORIZATION_CODE: &str = "authorization_code";
/// RFC 6749 §4.4.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// RFC 6749 §6.
pub const REFRESH_TOKEN: &str = "refresh_token";
/// RFC 8693.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8628.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Every grant there is.
pub const GRANTS: [&str; 5] =
    [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, TOKEN_EXCHANGE, DEVICE_CODE];

/// The grants of an application that names none.
#[must_use]
pub fn default_grants(kind: ApplicationType) -> &'static [&'static str] {
    match kind {
        ApplicationType::Web => {
            &[AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, TOKEN_EXCHANGE, DEVICE_CODE]
        }
        ApplicationType::Service => {
            &[AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, TOKEN_EXCHANGE]
        }
        ApplicationType::Spa => &[AUTHORIZATION_CODE, REFRESH_TOKEN],
        ApplicationType::Native => &[AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE],
    }
}

/// The scopes of an application that names none: what signing somebody in takes, and nothing for
/// what acts for itself.
#[must_use]
pub fn default_scopes(kind: ApplicationType) -> &'static [&'static str] {
    match kind {
        ApplicationType::Web | ApplicationType::Native => {
            &[OPENID, "profile", "email", OFFLINE_ACCESS]
        }
        ApplicationType::Service => &[],
        ApplicationType::Spa => &[OPENID, "profile", "email"],
    }
}
