//! Who the application is that asks, and whether it has proved it (RFC 6749 §2.3).

use std::sync::Arc;

use super::{Answered, Ox};
use crate::{
    crypto::opaque::Token,
    domain::{
        application::{Application, AuthMethod},
        oauth::{Denial, parameters::Parameters},
    },
    flows::applications::{self, Registered},
    secret::Secret,
};

/// What an application has shown of itself, as it came.
#[derive(Debug, Default)]
pub struct Shown {
    /// Name and password of the `Authorization` header (RFC 6749 §2.3.1).
    pub basic: Option<(String, Secret<String>)>,
    /// The parameter `client_id`.
    pub client_id: Option<String>,
    /// The parameter `client_secret`.
    pub client_secret: Option<Secret<String>>,
    /// The parameters `client_assertion_type` and `client_assertion` (RFC 7521 §4.2).
    pub assertion: Option<(String, Secret<String>)>,
    /// The certificate (DER) that a trusted proxy says was shown (RFC 8705).
    pub certificate: Option<Vec<u8>>,
}

impl Shown {
    /// Adds what the parameters of a form say.
    #[must_use]
    pub fn with(mut self, given: &Parameters) -> Self {
        let text = |name| given.get(name).map(str::to_owned);
        self.client_id = text("client_id");
        self.client_secret = text("client_secret").map(Secret::new);
        self.assertion = text("client_assertion")
            .map(|it| (text("client_assertion_type").unwrap_or_default(), Secret::new(it)));
        self
    }
}

/// An application that has proved who it is, as far as it can.
#[derive(Debug, Clone)]
pub struct Client {
    /// Which.
    pub application: Arc<Application>,
    /// The SHA-256 of the certificate that it showed, base64url (RFC 8705 §3.1).
    pub certificate: Option<String>,
}

/// Finds the application and checks what it has shown. One that cannot keep a secret only has to
/// say its name.
///
/// # Errors
/// `invalid_client`, or where the database fails.
pub async fn authenticate(ox: &Ox, shown: Shown) -> Answered<Client> {
    let ways = [shown.basic.is_some(), shown.client_secret.is_some(), shown.assertion.is_some()];
    // Two ways at once are none (RFC 6749 §2.3).
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(Denial::client().into());
    }
    let name = named(&shown).ok_or_else(Denial::client)?;
    let found = applications::by_client_id(&ox.app, &name, ox.owners()).await?;
    let Some(Registered { application, secrets }) = found else {
        return Err(Denial::client().into());
    };
    let secret = match (application.auth_method(), &shown) {
        (AuthMethod::ClientSecretBasic, Shown { basic: Some((_, secret)), .. }) => Some(secret),
        // Either way of showing the secret is as good as the other.
        (AuthMethod::ClientSecretBasic, Shown { client_secret: Some(secret), .. }) => Some(secret),
        (AuthMethod::ClientSecretPost, Shown { client_secret: Some(secret), .. }) => Some(secret),
        (AuthMethod::ClientSecretPost, Shown { basic: Some((_, secret)), .. }) => Some(secret),
        _ => None,
    };
    let proved = match application.auth_method() {
        AuthMethod::None => ways == [false; 3],
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            secret.and_then(|secret| Token::parse(secret.expose())).is_some_and(|token| {
                let digest = *token.digest().as_bytes();
                let previous = secrets.previous.filter(|(_, until)| ox.now < *until);
                secrets.present.is_some_and(|(known, _)| known == digest)
                    || previous.is_some_and(|(known, _)| known == digest)
            })
        }
        _ => false,
    };
    if !proved || !application.is_active {
        return Err(Denial::client().into());
    }
    Ok(Client { application, certificate: None })
}

/// What the application calls itself by; `None` where it says two things.
fn named(shown: &Shown) -> Option<String> {
    let basic = shown.basic.as_ref().map(|(name, _)| name.clone());
    match (basic, shown.client_id.clone()) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => a.or(b),
    }
}
