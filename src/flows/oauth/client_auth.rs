//! Who the application is that asks, and whether it has proved it (RFC 6749 §2.3): by a secret, by
//! a statement that it has signed, by a certificate, or, where it can keep nothing secret, by its
//! name alone.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Answered, Ox, client_keys};
use crate::{
    clock::Timestamp,
    crypto::{
        certificate::Certificate,
        jose::foreign::{ForeignAlgorithm, NotADate, Rules, date, is_for, unverified, verify},
        opaque::{Token, digest_text},
    },
    domain::{
        application::{Application, AuthMethod, Metadata},
        oauth::{Denial, parameters::Parameters},
    },
    error::{Error, Result},
    flows::applications::{self, Registered},
    secret::Secret,
    store::{self, applications::Secrets},
};

/// What a signed statement is announced as (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The kinds of tokens that may be such a statement; the first are those that do not say.
const ASSERTION: [&str; 3] = ["", "jwt", "client-authentication+jwt"];
/// Seconds that a statement may be good for, at most.
const LONGEST: i64 = 300;
/// Seconds that its maker's clock may be ahead of ours.
const SKEW: i64 = 60;
/// Bytes of a statement's own name, at most.
const LONGEST_ID: usize = 256;

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
    /// How many ways of authenticating are in it. A certificate is none by itself: it may also
    /// only be what tokens are bound to.
    fn ways(&self) -> usize {
        let ways = [self.basic.is_some(), self.client_secret.is_some(), self.assertion.is_some()];
        ways.into_iter().filter(|way| *way).count()
    }

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

/// The certificate (DER) in what a trusted proxy hands on for an application; nothing, where it
/// cannot be read.
#[must_use]
pub fn certificate(handed_on: &str) -> Vec<u8> {
    Certificate::from_header(handed_on).map(|it| it.der().to_vec()).unwrap_or_default()
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
/// `invalid_client`, whatever the reason, or where the database fails.
pub async fn authenticate(ox: &Ox, shown: Shown) -> Answered<Client> {
    // Two ways at once are none (RFC 6749 §2.3).
    if shown.ways() > 1 {
        return Err(Denial::client().into());
    }
    let name = named(&shown).ok_or_else(Denial::client)?;
    let found = applications::by_client_id(&ox.app, &name, ox.owners()).await?;
    let found = found.filter(|it| it.application.is_active).ok_or_else(Denial::client)?;
    let certificate = match &shown.certificate {
        None => None,
        Some(der) => Some(Certificate::from_der(der).ok_or_else(Denial::client)?),
    };
    if !proved(ox, &found, &shown, certificate.as_ref()).await? {
        return Err(Denial::client().into());
    }
    counted(ox, &found.application)?;
    let certificate = certificate.map(|it| it.digest());
    Ok(Client { application: found.application, certificate })
}

/// Counts a request of an application that has proved who it is; one that cannot do so counts for
/// its network alone.
///
/// # Errors
/// `too_many_attempts`.
fn counted(ox: &Ox, application: &Application) -> Result<()> {
    match (application.is_confidential(), ox.caller.over) {
        (true, _) => ox.app.load.application(application.id),
        (false, Some(retry)) => Err(Error::Throttled { retry }),
        (false, None) => Ok(()),
    }
}

/// What the application calls itself by; `None` where it says two things. One that signs need not
/// say it beside (RFC 7521 §4.2).
fn named(shown: &Shown) -> Option<String> {
    let basic = shown.basic.as_ref().map(|(name, _)| name.clone());
    let name = match (basic, shown.client_id.clone()) {
        (Some(a), Some(b)) if a != b => return None,
        (a, b) => a.or(b),
    };
    let signed = || unverified(shown.assertion.as_ref()?.1.expose(), "sub");
    name.or_else(signed)
}

/// Whether it has shown what it is registered to show, and nothing else.
async fn proved(
    ox: &Ox,
    found: &Registered,
    shown: &Shown,
    certificate: Option<&Certificate>,
) -> Result<bool> {
    let application = &*found.application;
    let nothing = shown.ways() == 0;
    match application.auth_method() {
        AuthMethod::None => Ok(nothing),
        // Either way of showing the secret is as good as the other.
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            let secret = shown.basic.as_ref().map(|(_, secret)| secret);
            let secret = secret.or(shown.client_secret.as_ref());
            Ok(secret.is_some_and(|secret| is_secret(ox, &found.secrets, secret)))
        }
        AuthMethod::PrivateKeyJwt => match &shown.assertion {
            Some((kind, assertion)) if kind == JWT_BEARER => {
                signed(ox, application, assertion.expose()).await
            }
            _ => Ok(false),
        },
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth if !nothing => Ok(false),
        AuthMethod::TlsClientAuth => Ok(ox.app.config.oauth.client_certificates_verified
            && usable(ox, certificate).is_some_and(|it| is_called(it, &application.metadata))),
        AuthMethod::SelfSignedTlsClientAuth => match usable(ox, certificate) {
            Some(certificate) => Ok(is_registered(ox, application, certificate).await),
            None => Ok(false),
        },
    }
}

/// Secrets are random, and looked up by their digests: how much of one is right cannot be told
/// from how long a no takes.
fn is_secret(ox: &Ox, secrets: &Secrets, shown: &Secret<String>) -> bool {
    let Some(token) = Token::parse(shown.expose()) else { return false };
    let digest = *token.digest().as_bytes();
    let previous = secrets.previous.filter(|(_, until)| ox.now < *until);
    secrets.present.is_some_and(|(known, _)| known == digest)
        || previous.is_some_and(|(known, _)| known == digest)
}

/// Whether a statement is the application's, for us, of now, and shown for the first time.
async fn signed(ox: &Ox, application: &Application, assertion: &str) -> Result<bool> {
    let algorithms: &[ForeignAlgorithm] =
        if application.is_fapi() { &ForeignAlgorithm::FAPI } else { &ForeignAlgorithm::ALL };
    let rules = Rules { algorithms, typ: Some(&ASSERTION) };
    let Some(keys) = client_keys::for_token(ox, application, assertion).await else {
        return Ok(false);
    };
    let Some(claims) = verify(&keys, assertion, &rules) else { return Ok(false) };
    let Some((jti, ends)) = judged(ox, application, &claims) else { return Ok(false) };
    let digest = digest_text(&["assertion", &application.id.to_string(), &jti]);
    let ends = Timestamp::from_micros(ends.saturating_mul(1_000_000));
    let noted = ox
        .app
        .db
        .write((ox.realm(), digest, ends), |tx, (realm, digest, ends)| {
            Box::pin(store::seen::note(*realm, *digest, *ends).execute(tx))
        })
        .await?;
    Ok(noted == 1)
}

/// The name of a statement and when it ends in seconds, if it says what it has to
/// (RFC 7523 §3).
fn judged(
    ox: &Ox,
    application: &Application,
    claims: &Map<String, Value>,
) -> Option<(String, i64)> {
    let is_client =
        |name: &str| claims.get(name).is_some_and(|it| *it == application.client_id.as_str());
    if !is_client("iss") || !is_client("sub") || !is_for_us(ox, application, claims) {
        return None;
    }
    let now = ox.now.micros().div_euclid(1_000_000);
    let begun = |name: &str| match date(claims, name) {
        Ok(at) => at.is_none_or(|at| at <= now + SKEW),
        Err(NotADate) => false,
    };
    let exp = date(claims, "exp").ok().flatten()?;
    if exp <= now || exp > now + LONGEST || !begun("nbf") || !begun("iat") {
        return None;
    }
    let jti = claims.get("jti")?.as_str()?;
    (1..=LONGEST_ID).contains(&jti.len()).then(|| (jti.to_owned(), exp))
}

/// We are our issuer; by older habit also an address of ours that is called so
/// (RFC 7523 §3, RFC 9126 §2). FAPI wants the issuer alone, against statements that were meant for
/// somebody else's endpoint.
fn is_for_us(ox: &Ox, application: &Application, claims: &Map<String, Value>) -> bool {
    let issuer = ox.issuer();
    if application.is_fapi() {
        return is_for(claims, &[&issuer], true);
    }
    let endpoints = ["token", "par", "introspect", "revoke", "device_authorization"];
    let endpoints = endpoints.map(|it| format!("{}/{it}", ox.oauth_base()));
    let mut all: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    all.push(&issuer);
    is_for(claims, &all, false)
}

fn usable<'a>(ox: &Ox, certificate: Option<&'a Certificate>) -> Option<&'a Certificate> {
    certificate.filter(|it| it.is_valid_at(ox.now.micros().div_euclid(1_000_000)))
}

/// Whether a certificate has the one name that the application is registered with
/// (RFC 8705 §2.1.2).
fn is_called(certificate: &Certificate, metadata: &Metadata) -> bool {
    let Metadata {
        tls_client_auth_subject_dn: subject,
        tls_client_auth_san_dns: dns,
        tls_client_auth_san_uri: uri,
        ..
    } = metadata;
    match (subject, dns, uri) {
        (Some(subject), None, None) => certificate.has_subject(subject),
        (None, Some(dns), None) => certificate.has_dns_name(dns),
        (None, None, Some(uri)) => certificate.has_uri(uri),
        _ => false,
    }
}

/// Whether a certificate, or the key in it, is registered (RFC 8705 §2.2).
async fn is_registered(ox: &Ox, application: &Application, certificate: &Certificate) -> bool {
    let Some(key) = certificate.key() else { return false };
    let Some(keys) = client_keys::for_certificate(ox, application, &key).await else {
        return false;
    };
    // A key that is registered together with a certificate is meant in that certificate only.
    keys.iter().any(|it| {
        it.thumbprint() == key && it.certificate().is_none_or(|it| it == certificate.der())
    })
}
