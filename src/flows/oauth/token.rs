//! The token endpoint (RFC 6749 §3.2): which grant it is, and what every grant has in common.

use super::{
    Answered, Ox, client_auth,
    client_auth::{Client, Shown},
    code, device_code,
    dpop::{self, Endpoint},
    exchange,
    mint::Confirmation,
    program, refresh,
};
use crate::{
    domain::{
        application::{
            AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, GRANTS, REFRESH_TOKEN,
            TOKEN_EXCHANGE,
        },
        oauth::{Denial, ErrorCode, parameters::Parameters},
    },
    flows::tokens::Minted,
};

/// A request to the token endpoint.
#[derive(Debug)]
pub struct Asked {
    /// What the application has shown of itself.
    pub shown: Shown,
    /// The form.
    pub given: Parameters,
    /// A proof of possession (RFC 9449).
    pub proof: Option<String>,
}

/// Tokens, and of which kind they are where that is not plain (RFC 8693 §2.2.1).
#[derive(Debug)]
pub struct Issued {
    /// The tokens.
    pub minted: Minted,
    /// The kind, of a token that was exchanged.
    pub issued_token_type: Option<&'static str>,
}

impl From<Minted> for Issued {
    fn from(minted: Minted) -> Self {
        Self { minted, issued_token_type: None }
    }
}

/// Answers a request to the token endpoint.
///
/// # Errors
/// As RFC 6749 §5.2 says, or where the database fails.
pub async fn token(ox: &Ox, asked: Asked) -> Answered<Issued> {
    let grant = asked.given.need("grant_type")?.to_owned();
    if !GRANTS.contains(&grant.as_str()) {
        let sentence = "there is no such grant here";
        return Err(Denial::new(ErrorCode::UnsupportedGrantType, sentence).into());
    }
    let client = client_auth::authenticate(ox, asked.shown.with(&asked.given)).await?;
    let confirmation = confirm(ox, &client, asked.proof.as_deref()).await?;
    let given = &asked.given;
    match grant.as_str() {
        AUTHORIZATION_CODE => Ok(code::redeem(ox, &client, given, confirmation).await?.into()),
        REFRESH_TOKEN => Ok(refresh::refresh(ox, &client, given, confirmation).await?.into()),
        CLIENT_CREDENTIALS => {
            Ok(program::client_credentials(ox, &client, given, confirmation).await?.into())
        }
        TOKEN_EXCHANGE => exchange::exchange(ox, &client, given, confirmation).await,
        DEVICE_CODE => Ok(device_code::redeem(ox, &client, given, confirmation).await?.into()),
        _ => {
            let sentence = "there is no such grant here";
            Err(Denial::new(ErrorCode::UnsupportedGrantType, sentence).into())
        }
    }
}

/// The keys that tokens of this request are bound to.
async fn confirm(ox: &Ox, client: &Client, proof: Option<&str>) -> Answered<Confirmation> {
    let url = format!("{}/token", ox.oauth_base());
    let at = Endpoint { method: "POST", url: &url };
    let jkt = dpop::check(ox, proof, &at, None).await?;
    let metadata = &client.application.metadata;
    let by_certificate = metadata.tls_client_certificate_bound_access_tokens.unwrap_or(false)
        || (client.application.is_fapi() && jkt.is_none());
    let x5t_s256 = client.certificate.clone().filter(|_| by_certificate);
    let confirmation = Confirmation { jkt, x5t_s256 };
    if client.application.needs_bound_tokens() && !confirmation.is_bound() {
        let sentence = "tokens of this application have to be bound to a key of its own";
        return Err(Denial::new(ErrorCode::InvalidDpopProof, sentence).into());
    }
    Ok(confirmation)
}
