//! OAuth 2.0 and OpenID Connect: what applications and browsers come for.
//!
//! Everything here happens in a realm: a tenant's, or the platform's, whose applications are
//! GLOBAL and whose users may be of any tenant.

use std::sync::Arc;

use crate::{
    app::App,
    clock::Timestamp,
    db::Query,
    domain::{
        application::Owner,
        audit::Event,
        oauth::{Denial, ErrorCode},
        tenant::Tenant,
    },
    error::{Error, Result},
    flows::{Caller, Cx, applications, fresh_id, record},
    id::{Id, Realm, TenantId},
};

pub mod asking;
pub mod authorize;
pub mod backchannel;
pub mod client_auth;
pub mod client_keys;
pub mod code;
pub mod device;
pub mod device_code;
pub mod direct;
pub mod dpop;
pub mod exchange;
pub mod guest;
pub mod hand_over;
pub mod hint;
pub mod logout;
pub mod mint;
pub mod pending;
pub mod program;
pub mod pushed;
pub mod refresh;
pub mod registration;
pub mod request_object;
pub mod shown_token;
pub mod token;

/// Whose endpoints a request came to.
#[derive(Debug, Clone)]
pub enum Flavour {
    /// The platform's.
    Platform,
    /// A tenant's, which is in use.
    Tenant(Arc<Tenant>),
}

/// What a protocol request knows of its surroundings.
#[derive(Debug, Clone)]
pub struct Ox {
    /// The program.
    pub app: Arc<App>,
    /// Whose endpoints.
    pub flavour: Flavour,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// When.
    pub now: Timestamp,
}

impl Ox {
    /// Who issues here.
    #[must_use]
    pub fn realm(&self) -> Realm {
        match &self.flavour {
            Flavour::Platform => Realm::Platform,
            Flavour::Tenant(tenant) => Realm::Tenant(tenant.id),
        }
    }

    /// Whose applications may be used here.
    #[must_use]
    pub fn owners(&self) -> [Owner; 3] {
        match &self.flavour {
            Flavour::Platform => applications::AT_PLATFORM,
            Flavour::Tenant(tenant) => applications::owners_in(tenant),
        }
    }

    /// The issuer, as tokens and metadata name it (RFC 8414 §2).
    #[must_use]
    pub fn issuer(&self) -> String {
        issuer(&self.app, self.realm())
    }

    /// The address under which the endpoints of this realm lie.
    #[must_use]
    pub fn base(&self) -> String {
        let origin = origin(&self.app);
        match &self.flavour {
            Flavour::Platform => format!("{origin}/api/v1/platform"),
            Flavour::Tenant(tenant) => format!("{origin}/api/v1/auth/tenants/{}", tenant.slug),
        }
    }

    /// The address under which the OAuth endpoints of this realm lie.
    #[must_use]
    pub fn oauth_base(&self) -> String {
        format!("{}/oauth", self.base())
    }

    /// The same request in a tenant: for whatever is a tenant's, such as its users.
    #[must_use]
    pub fn within(&self, tenant: Arc<Tenant>) -> Cx {
        Cx { app: Arc::clone(&self.app), tenant, caller: Arc::clone(&self.caller), now: self.now }
    }

    /// A fresh identifier.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn id<T: Id>(&self) -> Result<T> {
        fresh_id(&self.app.entropy, self.now)
    }

    /// The row that records `event` in the trail of a tenant.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn record(&self, tenant: TenantId, event: Event) -> Result<Query> {
        record(&self.app, (tenant, self.now), &self.caller, event)
    }
}

/// Our own origin, without a slash at its end.
#[must_use]
pub fn origin(app: &App) -> &str {
    app.config.public_url.as_str().trim_end_matches('/')
}

/// Who issues in a realm.
#[must_use]
pub fn issuer(app: &App, realm: Realm) -> String {
    match realm {
        Realm::Platform => origin(app).to_owned(),
        Realm::Tenant(tenant) => format!("{}/tenants/{tenant}", origin(app)),
    }
}

/// Why a protocol request was not served.
#[derive(Debug)]
pub enum Failure {
    /// The protocol has a name for it.
    Denied(Denial),
    /// DPoP needs a nonce of ours (RFC 9449 §8): the code that says so, and the nonce.
    NeedsNonce(String),
    /// Anything else, as everywhere.
    Fault(Error),
}

/// The result of a protocol request.
pub type Answered<T> = Result<T, Failure>;

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

impl Failure {
    /// What is said of it where no nonce can be handed out.
    ///
    /// # Errors
    /// A fault stays one.
    pub fn into_denial(self) -> Result<Denial> {
        match self {
            Self::Denied(denial) => Ok(denial),
            Self::NeedsNonce(_) => Ok(Denial::request("a nonce is missing")),
            Self::Fault(fault) => Err(fault),
        }
    }

    /// The protocol's code for it.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Denied(denial) => denial.code,
            Self::NeedsNonce(_) => ErrorCode::UseDpopNonce,
            Self::Fault(Error::Busy { .. } | Error::Throttled { .. }) => {
                ErrorCode::TemporarilyUnavailable
            }
            Self::Fault(_) => ErrorCode::ServerError,
        }
    }
}
