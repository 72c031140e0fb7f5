//! Pending authorization requests: kept here, named by a handle in the page's address, and good
//! only for the browser that brought them.

use std::sync::Arc;

use super::{Answered, Ox};
use crate::{
    clock::Timestamp,
    crypto::opaque::Token,
    domain::{
        application::Application,
        oauth::{
            Denial,
            interaction::{PENDING_LIFETIME, wants_second_factor},
            request::AuthorizationRequest,
        },
    },
    error::{Context, Result},
    flows::{
        applications::{self, Registered},
        session, tenants,
    },
    id::{SessionId, TenantId},
    store::{self, authorization_requests::Found},
};

/// What a browser's pending requests are bound to: the value of its cookie.
pub type Browser = Token;

/// Requests of one browser that may be under way; the newest pushes out the oldest.
const MOST: i64 = 10;

/// A browser, as far as its cookies tell.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    /// What its requests are bound to.
    pub browser: Option<Browser>,
    /// The sessions that it is in, each with the cookie's secret.
    pub sessions: Vec<(TenantId, SessionId, Token)>,
}

/// A request that waits for its person.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The application that wants to know.
    pub application: Arc<Application>,
    /// What it wants.
    pub request: AuthorizationRequest,
    /// When it came.
    pub asked_at: Timestamp,
    /// The tenant that was chosen for it.
    pub chosen_tenant: Option<TenantId>,
    /// The session that was chosen for it.
    pub chosen_session: Option<SessionId>,
    /// The digests of its handle and of its browser's cookie.
    pub(super) key: ([u8; 32], [u8; 32]),
}

impl Pending {
    /// Whether its sign-in needs more than one factor.
    #[must_use]
    pub fn wants_second_factor(&self) -> bool {
        wants_second_factor(&self.request)
    }
}

/// A pending request and how its browser finds it again.
#[derive(Debug, Clone)]
pub struct Kept {
    /// In the page's address.
    pub handle: Token,
    /// In the browser's cookie.
    pub browser: Token,
}

/// The pending request of a handle; without one, the newest of the browser.
///
/// # Errors
/// Where the database fails.
pub async fn find(ox: &Ox, handle: Option<&Token>, visitor: &Visitor) -> Result<Option<Pending>> {
    let Some(browser) = &visitor.browser else { return Ok(None) };
    let browser = *browser.digest().as_bytes();
    let input = (ox.realm(), handle.map(|it| *it.digest().as_bytes()), browser, ox.now);
    let found = ox
        .app
        .db
        .read(input, |tx, (realm, handle, browser, now)| {
            Box::pin(async move {
                match handle {
                    Some(handle) => {
                        store::authorization_requests::pending(tx, *realm, *handle, *browser, *now)
                            .await
                    }
                    None => store::authorization_requests::newest(tx, *realm, *browser, *now).await,
                }
            })
        })
        .await?;
    let Some(found) = found else { return Ok(None) };
    opened(ox, found, browser).await
}

/// The application of a request that this browser brought and that is too late, as long as it is
/// known: for the way back.
///
/// # Errors
/// Where the database fails.
pub async fn lapsed(
    ox: &Ox,
    handle: &Token,
    visitor: &Visitor,
) -> Result<Option<Arc<Application>>> {
    let Some(browser) = &visitor.browser else { return Ok(None) };
    let input = (ox.realm(), *handle.digest().as_bytes(), *browser.digest().as_bytes());
    let found = ox
        .app
        .db
        .read(input, |tx, (realm, handle, browser)| {
            Box::pin(store::authorization_requests::application(tx, *realm, *handle, *browser))
        })
        .await?;
    let Some(id) = found else { return Ok(None) };
    let application = applications::by_id(&ox.app, id).await?;
    Ok(application.map(|it| it.application).filter(|it| it.is_active))
}

async fn opened(ox: &Ox, found: Found, browser: [u8; 32]) -> Result<Option<Pending>> {
    let application = applications::by_id(&ox.app, found.application).await?;
    let Some(Registered { application, .. }) = application.filter(|it| it.application.is_active)
    else {
        return Ok(None);
    };
    let request = serde_json::from_str(&found.request).doing("reading a pending request")?;
    Ok(Some(Pending {
        application,
        request,
        asked_at: found.created_at,
        chosen_tenant: found.chosen_tenant,
        chosen_session: found.chosen_session,
        key: (found.digest, browser),
    }))
}

/// As [`find`], for a page that makes no sense without it.
///
/// # Errors
/// `invalid_request` where there is none, or where the database fails.
pub async fn need(ox: &Ox, handle: Option<&Token>, visitor: &Visitor) -> Answered<Pending> {
    find(ox, handle, visitor).await?.ok_or_else(|| expired().into())
}

/// Nothing is pending here.
#[must_use]
pub fn expired() -> Denial {
    Denial::request("the sign-in has expired or was begun in another browser")
}

/// Keeps a request for its person.
///
/// # Errors
/// Where there is no randomness, or the database fails.
pub async fn keep(
    ox: &Ox,
    application: &Application,
    request: &AuthorizationRequest,
    visitor: &Visitor,
) -> Result<Kept> {
    let handle = Token::generate(&ox.app.entropy)?;
    let browser = match &visitor.browser {
        Some(known) => known.clone(),
        None => Token::generate(&ox.app.entropy)?,
    };
    let new = store::authorization_requests::New {
        digest: *handle.digest().as_bytes(),
        application: application.id,
        browser: Some(*browser.digest().as_bytes()),
        request: serde_json::to_string(request).doing("keeping a request")?,
        now: ox.now,
        expires_at: ox.now + PENDING_LIFETIME,
    };
    let digest = *browser.digest().as_bytes();
    let queries = vec![
        store::authorization_requests::insert(ox.realm(), &new),
        store::authorization_requests::push_out(ox.realm(), digest, MOST),
    ];
    ox.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    Ok(Kept { handle, browser })
}

/// Gives a request a handle that can be told: the one that it has is not known here.
///
/// # Errors
/// Where there is no randomness, or the database fails.
pub async fn rename(ox: &Ox, pending: &Pending, browser: &Token) -> Result<Kept> {
    let handle = Token::generate(&ox.app.entropy)?;
    let digest = *handle.digest().as_bytes();
    let query = store::authorization_requests::rename(ox.realm(), pending.key, digest);
    ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    Ok(Kept { handle, browser: browser.clone() })
}

/// Notes which account the person means, by its session or, before he has signed in, its tenant.
///
/// # Errors
/// `invalid_request` where the session is not one that this browser is in, or where the database
/// fails.
pub async fn choose(
    ox: &Ox,
    pending: &Pending,
    visitor: &Visitor,
    (tenant, session): (TenantId, Option<SessionId>),
) -> Answered<()> {
    if let Some(session) = session {
        let found = present(ox, visitor, Some(tenant)).await?;
        if !found.iter().any(|it| it.session.id == session) {
            return Err(Denial::request("there is no such session in this browser").into());
        }
    }
    let query = store::authorization_requests::choose(ox.realm(), pending.key, tenant, session);
    ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    Ok(())
}

/// A session that a browser is in, and its tenant.
#[derive(Debug, Clone)]
pub struct Present {
    /// The tenant.
    pub tenant: Arc<crate::domain::tenant::Tenant>,
    /// The session.
    pub session: crate::domain::session::Session,
}

/// Sessions of a browser that are looked at.
const SESSIONS: usize = 8;

/// The live sessions that a browser is in, of tenants that this realm's people are of; of one
/// tenant, where one is named.
///
/// # Errors
/// Where the database fails.
pub async fn present(ox: &Ox, visitor: &Visitor, only: Option<TenantId>) -> Result<Vec<Present>> {
    let mut all = Vec::new();
    let of_realm = |tenant: TenantId| match ox.realm() {
        crate::id::Realm::Tenant(own) => tenant == own,
        crate::id::Realm::Platform => true,
    };
    let shown = visitor.sessions.iter().filter(|(tenant, ..)| of_realm(*tenant));
    let shown = shown.filter(|(tenant, ..)| only.is_none_or(|only| only == *tenant));
    for (tenant, id, secret) in shown.take(SESSIONS) {
        let tenant = match &ox.flavour {
            super::Flavour::Tenant(own) => Arc::clone(own),
            super::Flavour::Platform => match tenants::resolve_id(&ox.app, *tenant).await {
                Ok(tenant) => tenant,
                Err(crate::error::Error::Refused(_)) => continue,
                Err(fault) => return Err(fault),
            },
        };
        let cx = ox.within(Arc::clone(&tenant));
        if let Some(session) = session::find(&cx, *id, secret).await? {
            all.push(Present { tenant, session });
        }
    }
    Ok(all)
}
