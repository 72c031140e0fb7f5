//! Passwords that are known from breaches: the list inside the program, an operator's own filter
//! file, and a range service that is asked.
//!
//! What is looked up locally leaks nothing, so it is looked up wherever it is there. The service
//! is told the first digits of a digest, so it is asked only where a tenant has said so. Neither
//! keeps anybody from a new password by failing.

pub mod build;
pub mod download;
pub mod filter;
mod service;

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, digest};

use self::{filter::Filter, service::BreachService};
use crate::{
    config::PasswordConfig,
    domain::password::{Password, is_common},
    error::{Context, Result},
};

/// Everything that knows passwords from breaches.
#[derive(Debug)]
pub struct Breached {
    filter: Option<Filter>,
    service: BreachService,
}

/// Whether the service is asked as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Nothing leaves the house.
    Nobody,
    /// The service, where there is one.
    Service,
}

/// What each source says of one password; `None`: there is no such source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// The list inside the program.
    pub list: bool,
    /// The filter file.
    pub filter: Option<bool>,
    /// The range service.
    pub service: Option<bool>,
}

impl Breached {
    /// The sources that the settings name.
    ///
    /// # Errors
    /// Where the filter file cannot be read or is none, or no TLS client can be set up.
    pub fn new(config: &PasswordConfig) -> Result<Self> {
        let filter = config.breach_filter.as_deref().map(Filter::open).transpose();
        Ok(Self {
            filter: filter.doing("opening the file of passwords.breach_filter")?,
            service: BreachService::new(config.breach_service.as_ref())?,
        })
    }

    /// Whether `password` is in the filter or, where it is asked, known to the service. The list
    /// inside the program is a rule of the tenant's policy of its own.
    pub async fn knows(&self, password: &Password, asking: Asking) -> bool {
        self.is_in_filter(password)
            || asking == Asking::Service && self.service.knows(password).await
    }

    /// What each source says.
    ///
    /// # Errors
    /// Where the file cannot be read or the service does not answer.
    pub async fn sources(&self, password: &Password) -> Result<Sources> {
        let filter = self.filter.as_ref().map(|filter| filter.knows(key(password))).transpose();
        Ok(Sources {
            list: is_common(password.expose()),
            filter: filter.doing("reading the filter of breached passwords")?,
            service: self.service.ask(password).await?,
        })
    }

    fn is_in_filter(&self, password: &Password) -> bool {
        let Some(filter) = &self.filter else { return false };
        filter.knows(key(password)).unwrap_or_else(|fault| {
            tracing::error!(%fault, "the filter of breached passwords cannot be read");
            false
        })
    }
}

fn sha1(password: &Password) -> Digest {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, password.expose().as_bytes())
}

/// What a password is called in the filter: the first eight bytes of its SHA-1.
fn key(password: &Password) -> u64 {
    sha1(password).as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
