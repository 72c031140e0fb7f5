//! Applications that register themselves, and look after themselves then (RFC 7591, RFC 7592).
//!
//! They are always of the tenant whose endpoint they came to. What they ask for is cut down in
//! [`domain::oauth::registration`](crate::domain::oauth::registration); that people are asked
//! before they get anything is a matter of their origin, which nothing they say changes.

use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use super::{Answered, Failure, Flavour, Ox};
use crate::{
    app::App,
    crypto::opaque::{Token, digest_text},
    domain::{
        application::{Application, Origin, Owner},
        audit::{Action, Actor},
        guessing::Count,
        limits::Limit,
        oauth::{
            Denial, ErrorCode,
            registration::{Described, read as describe, told},
        },
        settings::SelfRegistration,
        tenant::Tenant,
    },
    error::{Code, Error, Result},
    flows::applications::manage::{self, By, NotAdded, Terms},
    id::ApplicationId,
    secret::Secret,
    store::{self, applications::ApplicationRow},
};

/// Applications of a tenant that registered themselves, at most.
pub const MOST: i64 = 1_000;
/// Bytes of the list of a sector, at most.
const LONGEST_LIST: usize = 64 * 1024;

/// What an application is told of itself (RFC 7591 §3.2.1).
#[derive(Debug)]
pub struct Told {
    /// What was taken of its description.
    pub document: Map<String, Value>,
    /// Its secret, where one was made just now.
    pub secret: Option<Secret<String>>,
    /// What it manages itself with.
    pub token: Secret<String>,
    /// Where.
    pub uri: String,
}

/// Registers an application that describes itself by `document`, with the initial access token
/// `bearer` where it has one.
///
/// # Errors
/// `invalid_token`, `invalid_redirect_uri`, `invalid_client_metadata`; not found where the tenant
/// takes no applications; too many of them; or where the database fails.
pub async fn register(
    ox: &Ox,
    document: &Map<String, Value>,
    bearer: Option<&str>,
) -> Answered<Told> {
    let tenant = tenant(ox)?;
    let digest = match (tenant.settings.oauth.registration, bearer) {
        (SelfRegistration::Off, _) => return Err(Error::NotFound.into()),
        (_, Some(bearer)) => Some(good_token(ox, tenant, bearer).await?),
        (SelfRegistration::Token, None) => return Err(bad_token().into()),
        (SelfRegistration::Open, None) => {
            count_one_more(ox, tenant).await?;
            None
        }
    };
    let described = described(&ox.app, tenant, document).await?;
    let id: ApplicationId = ox.id()?;
    let application = Application {
        id,
        client_id: id.to_string(),
        owner: Owner::Tenant(tenant.id),
        kind: described.kind,
        name: described.name,
        is_active: true,
        origin: Origin::Registration,
        metadata: described.metadata,
        created_at: ox.now,
        updated_at: ox.now,
    };
    let token = Token::generate(&ox.app.entropy)?;
    let terms = Terms {
        registration: Some(*token.digest().as_bytes()),
        price: digest.map(|digest| store::registration_tokens::spend(tenant.id, digest, ox.now)),
        most: Some(MOST),
        read_at: None,
    };
    let issued =
        manage::add(&ox.app, by(ox), &application, terms).await.map_err(|no| match no {
            NotAdded::Unpaid => Failure::from(bad_token()),
            NotAdded::Full => {
                let sentence = "the tenant takes no more applications";
                Denial::new(ErrorCode::AccessDenied, sentence).into()
            }
            NotAdded::Known => {
                Error::internal("registering an application", "its id is taken").into()
            }
            NotAdded::Fault(fault) => fault.into(),
        })?;
    let secret = issued.secret.map(|secret| Secret::new(secret.expose().to_owned()));
    Ok(answer(ox, &issued.registered.application, secret, token.expose()))
}

/// What an application is told that asks for itself.
///
/// # Errors
/// `invalid_token`, or where the database fails.
pub async fn read(ox: &Ox, client_id: &str, bearer: Option<&str>) -> Answered<Told> {
    let (row, token) = own(ox, client_id, bearer).await?;
    Ok(answer(ox, &row.parsed()?, None, token.expose()))
}

/// Takes a new description in the place of the old one: what it leaves out is gone.
///
/// # Errors
/// `invalid_token`, the faults of the description, or where the database fails.
pub async fn replace(
    ox: &Ox,
    client_id: &str,
    bearer: Option<&str>,
    document: &Map<String, Value>,
) -> Answered<Told> {
    let tenant = tenant(ox)?;
    let (row, token) = own(ox, client_id, bearer).await?;
    check_own_fields(&row, document)?;
    let described = described(&ox.app, tenant, document).await?;
    let secret = Token::generate(&ox.app.entropy)?;
    let digest = *secret.digest().as_bytes();
    let of = (Owner::Tenant(tenant.id), client_id);
    let changed = manage::write(&ox.app, by(ox), of, |application, secrets, now| {
        application.kind = described.kind;
        application.name.clone_from(&described.name);
        application.metadata.clone_from(&described.metadata);
        manage::check(application)?;
        if !application.auth_method().has_secret() {
            *secrets = store::applications::Secrets::default();
        } else if secrets.present.is_none() {
            secrets.present = Some((digest, now));
        }
        Ok(Action::ApplicationUpdated)
    })
    .await?;
    let is_new = changed.secrets.present.is_some_and(|(present, _)| present == digest);
    let secret = is_new.then(|| Secret::new(secret.expose().to_owned()));
    Ok(answer(ox, &changed.application, secret, token.expose()))
}

/// Deletes an application that wants to go.
///
/// # Errors
/// `invalid_token`, or where the database fails.
pub async fn remove(ox: &Ox, client_id: &str, bearer: Option<&str>) -> Answered<()> {
    let (row, _) = own(ox, client_id, bearer).await?;
    Ok(manage::delete(&ox.app, by(ox), (row.owner, client_id)).await?)
}

/// The applications of the platform are its operators' alone.
fn tenant(ox: &Ox) -> Result<&Arc<Tenant>> {
    match &ox.flavour {
        Flavour::Tenant(tenant) => Ok(tenant),
        Flavour::Platform => Err(Error::NotFound),
    }
}

fn by(ox: &Ox) -> By<'_> {
    By { caller: &ox.caller, actor: Actor::Anonymous }
}

fn bad_token() -> Denial {
    Denial::new(ErrorCode::InvalidToken, "the access token is missing, over, or not for this")
}

async fn good_token(ox: &Ox, tenant: &Tenant, bearer: &str) -> Answered<[u8; 32]> {
    let token = Token::parse(bearer).ok_or_else(bad_token)?;
    let digest = *token.digest().as_bytes();
    let is_good = ox
        .app
        .db
        .read((tenant.id, digest, ox.now), |tx, (tenant, digest, now)| {
            Box::pin(store::registration_tokens::is_good(tx, *tenant, *digest, *now))
        })
        .await?;
    if is_good { Ok(digest) } else { Err(bad_token().into()) }
}

/// Whoever has no token is counted before anything is looked at, since looking may mean asking an
/// address that he names.
async fn count_one_more(ox: &Ox, tenant: &Tenant) -> Result<()> {
    let policy = Limit::SelfRegistrations.policy();
    let subject = digest_text(&["register-application", &ox.caller.address.network()]);
    let count = ox
        .app
        .db
        .write((tenant.id, subject, ox.now), move |tx, (tenant, subject, now)| {
            let query = store::attempts::add_in_window(*tenant, *subject, policy.window, *now);
            Box::pin(query.one::<Count>(tx))
        })
        .await?;
    if count.failures <= policy.amount {
        return Ok(());
    }
    Err(Error::Throttled { retry: (count.first_at + policy.window).since(ox.now) })
}

async fn described(
    app: &App,
    tenant: &Tenant,
    document: &Map<String, Value>,
) -> Answered<Described> {
    let described = describe(document, &tenant.settings.oauth.registration_scopes)?;
    let sector = described.metadata.sector_identifier_uri.as_deref();
    if let Some(sector) = sector {
        let shown = described.metadata.redirect_uris.as_deref().unwrap_or_default();
        check_sector(app, sector, shown).await?;
    }
    Ok(described)
}

/// Whoever runs the sector has to name the addresses that belong to it (OpenID Connect
/// Registration §5).
async fn check_sector(app: &App, sector: &str, redirects: &[String]) -> Result<(), Denial> {
    let bad = |sentence| Denial::new(ErrorCode::InvalidClientMetadata, sentence);
    let url = Url::parse(sector).map_err(|_| bad("sector_identifier_uri is not an address"))?;
    let fetched = app.fetcher.get(&url, LONGEST_LIST).await;
    let fetched = fetched.map_err(|_| bad("what sector_identifier_uri names cannot be read"))?;
    let list: Vec<String> = match fetched.status {
        200 => serde_json::from_slice(&fetched.body)
            .map_err(|_| bad("sector_identifier_uri has to name a JSON list of addresses"))?,
        _ => return Err(bad("what sector_identifier_uri names cannot be read")),
    };
    if redirects.iter().all(|shown| list.contains(shown)) {
        Ok(())
    } else {
        Err(bad("the list of sector_identifier_uri lacks one of the redirect_uris"))
    }
}

/// The application that a registration access token is of. Whose token it is not, whatever is
/// unknown, and whatever is out of use are told alike.
async fn own(ox: &Ox, client_id: &str, bearer: Option<&str>) -> Answered<(ApplicationRow, Token)> {
    let tenant = tenant(ox)?;
    let token = bearer.and_then(Token::parse).ok_or_else(bad_token)?;
    let found = manage::find(&ox.app, Owner::Tenant(tenant.id), client_id).await;
    let row = match found {
        Ok(row) => row,
        Err(Error::Refused(no)) if no.code == Code::ApplicationNotFound => {
            return Err(bad_token().into());
        }
        Err(fault) => return Err(fault.into()),
    };
    let is_own = row.registration_digest == Some(*token.digest().as_bytes());
    if is_own && row.is_active { Ok((row, token)) } else { Err(bad_token().into()) }
}

/// What a new description says of what is ours (RFC 7592 §2.2).
fn check_own_fields(row: &ApplicationRow, document: &Map<String, Value>) -> Result<(), Denial> {
    let bad = |sentence| Denial::new(ErrorCode::InvalidClientMetadata, sentence);
    let ours = [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ];
    if ours.iter().any(|name| document.contains_key(*name)) {
        return Err(bad("the description holds what only the server says"));
    }
    if document.get("client_id").and_then(Value::as_str) != Some(&row.client_id) {
        return Err(bad("client_id has to be that of the application"));
    }
    let Some(secret) = document.get("client_secret") else { return Ok(()) };
    let secret = secret.as_str().and_then(Token::parse);
    let digest = secret.map(|secret| *secret.digest().as_bytes());
    if digest.is_some() && digest == row.secrets.present.map(|(present, _)| present) {
        return Ok(());
    }
    Err(bad("client_secret has to be that of the application"))
}

fn answer(ox: &Ox, application: &Application, secret: Option<Secret<String>>, token: &str) -> Told {
    Told {
        document: told(application),
        secret,
        token: Secret::new(token.to_owned()),
        uri: format!("{}/register/{}", ox.oauth_base(), application.client_id),
    }
}
