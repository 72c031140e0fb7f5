//! Pushed authorization requests (RFC 9126): checked when they are pushed, used once.

use super::{
    Answered, Ox, authorize,
    client_auth::{self, Client, Shown},
    dpop::{self, Endpoint},
};
use crate::{
    crypto::opaque::Token,
    domain::{
        application::Application,
        oauth::{
            Denial, ErrorCode, interaction::PUSHED_LIFETIME, parameters::Parameters,
            request::AuthorizationRequest,
        },
    },
    error::Context,
    secret::Secret,
    store,
};

/// What a handle begins with.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// A request that was pushed.
#[derive(Debug)]
pub struct Pushed {
    /// What the browser names it by.
    pub request_uri: Secret<String>,
    /// For how many seconds.
    pub expires_in: u64,
}

/// Takes a pushed request.
///
/// # Errors
/// As RFC 9126 §2.3 says, or where the database fails.
pub async fn push(
    ox: &Ox,
    shown: Shown,
    given: Parameters,
    proof: Option<&str>,
) -> Answered<Pushed> {
    let Client { application, .. } = client_auth::authenticate(ox, shown.with(&given)).await?;
    if given.get("request_uri").is_some() {
        return Err(Denial::request("request_uri cannot be pushed").into());
    }
    let url = format!("{}/par", ox.oauth_base());
    let jkt = dpop::check(ox, proof, &Endpoint { method: "POST", url: &url }, None).await?;
    let given = authorize::expanded(ox, &application, given).await?;
    let back = crate::domain::oauth::request::return_path(&application, &given)?;
    let mut request = authorize::checked(ox, &application, &given, &back).await?;
    match (&request.dpop_jkt, jkt) {
        (Some(named), Some(shown)) if *named != shown => {
            return Err(Denial::request("dpop_jkt is not the key of the proof").into());
        }
        (None, Some(shown)) => request.dpop_jkt = Some(shown),
        _ => {}
    }
    let handle = Token::generate(&ox.app.entropy)?;
    let new = store::authorization_requests::New {
        digest: *handle.digest().as_bytes(),
        application: application.id,
        browser: None,
        request: serde_json::to_string(&request).doing("keeping a pushed request")?,
        now: ox.now,
        expires_at: ox.now + PUSHED_LIFETIME,
    };
    let query = store::authorization_requests::insert(ox.realm(), &new);
    ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    let request_uri = Secret::new(format!("{PREFIX}{}", handle.expose()));
    Ok(Pushed { request_uri, expires_in: PUSHED_LIFETIME.as_secs() })
}

/// Whether a `request_uri` is one of ours.
#[must_use]
pub fn is_ours(request_uri: &str) -> bool {
    request_uri.starts_with(PREFIX)
}

/// Takes a pushed request out, once, for the application that pushed it.
///
/// # Errors
/// `invalid_request_uri`, or where the database fails.
pub async fn take(
    ox: &Ox,
    application: &Application,
    request_uri: &str,
) -> Answered<AuthorizationRequest> {
    let bad = || {
        let sentence = "request_uri is unknown, used, too old, or of another application";
        Denial::new(ErrorCode::InvalidRequestUri, sentence)
    };
    let handle = request_uri.strip_prefix(PREFIX).and_then(Token::parse).ok_or_else(bad)?;
    let input = (ox.realm(), *handle.digest().as_bytes(), application.id, ox.now);
    let found = ox
        .app
        .db
        .write(input, |tx, (realm, digest, application, now)| {
            Box::pin(async move {
                let (realm, digest) = (*realm, *digest);
                let found =
                    store::authorization_requests::pushed(tx, realm, digest, *application, *now)
                        .await?;
                let Some(found) = found else { return Ok(None) };
                let taken =
                    store::authorization_requests::take_pushed(realm, digest).execute(tx).await?;
                Ok((taken == 1).then_some(found))
            })
        })
        .await?
        .ok_or_else(bad)?;
    Ok(serde_json::from_str(&found.request).doing("reading a pushed request")?)
}
