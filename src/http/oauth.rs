//! The protocol endpoints of OAuth 2.0 and OpenID Connect, in both flavours: under each tenant and
//! under the platform. The handlers are the same; the path says whose realm it is.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;

use super::door::Door;
use crate::{
    app::App,
    domain::oauth::parameters::Parameters,
    error::{Error, Result},
    flows::oauth::{Flavour, Ox},
};

pub mod authorize;
pub mod cors;
pub mod credentials;
pub mod device;
pub mod discovery;
pub mod document;
pub mod error;
pub mod introspect;
pub mod logout;
pub mod par;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;
pub mod visitor;

/// The endpoints of both flavours.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    // What programs call, pages of other origins among them.
    // They have a handler for OPTIONS, or the layer would not see a preflight.
    let none = super::method_not_allowed;
    let called = Router::new()
        .route("/token", post(token::token).options(none))
        .route("/par", post(par::push).options(none))
        .route("/device_authorization", post(device::authorize).options(none))
        .route("/introspect", post(introspect::introspect).options(none))
        .route("/revoke", post(revoke::revoke).options(none))
        .route("/register", post(register::register).options(none))
        .route(
            "/register/{client_id}",
            get(register::read).put(register::replace).delete(register::remove).options(none),
        )
        .route("/userinfo", get(userinfo::by_get).post(userinfo::by_post).options(none))
        .layer(middleware::from_fn_with_state(Arc::clone(app), cors::allow));
    // What browsers are sent to.
    let endpoints = called
        .route("/authorize", get(authorize::begin).post(authorize::begin_by_post))
        .route("/authorize/resume", get(authorize::resume))
        .route("/logout", get(logout::begin).post(logout::submit));
    Router::new()
        .nest("/api/v1/auth/tenants/{tenant_slug}/oauth", endpoints.clone())
        .nest("/api/v1/platform/oauth", endpoints)
        .merge(discovery::routes())
}

/// A request at a protocol endpoint, whose realm is in use.
#[derive(Debug)]
pub struct Protocol {
    /// Its surroundings.
    pub ox: Ox,
    /// Its headers and the rest.
    pub door: Door,
}

impl FromRequestParts<Arc<App>> for Protocol {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        // The route, not the address: of a nested one only the end is left.
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let is_platform = !route.contains("{tenant_slug}");
        let door = if is_platform {
            Door::unnamed(parts, app)
        } else {
            Door::from_request_parts(parts, app).await?
        };
        let known = parts.extensions.get::<Flavour>().cloned();
        let flavour = match known {
            Some(known) => known,
            None if is_platform => Flavour::Platform,
            None => Flavour::Tenant(door.tenant().await?),
        };
        Ok(Self::new(door, flavour))
    }
}

impl Protocol {
    /// A request of a flavour.
    #[must_use]
    pub fn new(door: Door, flavour: Flavour) -> Self {
        if let Flavour::Tenant(tenant) = &flavour {
            tracing::Span::current().record("tenant", tenant.slug.as_str());
        }
        let ox = Ox {
            app: Arc::clone(door.app()),
            flavour,
            caller: Arc::new(door.caller()),
            now: door.now(),
        };
        Self { ox, door }
    }
}

/// Names and values in one request, at most.
const MAX_PAIRS: usize = 100;
/// Octets of a query string at the authorization endpoint.
const MAX_QUERY: usize = 32 * 1024;

/// Why a request's parameters could not be read.
#[derive(Debug)]
pub(in crate::http) enum Unread {
    /// They are not what the protocol says.
    Denied(crate::domain::oauth::Denial),
    /// The body is too long, or no text, or did not come in time.
    Fault(Error),
}

fn parameters(text: &str) -> Result<Parameters, Unread> {
    use crate::domain::oauth::Denial;
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes())
        .take(MAX_PAIRS + 1)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if pairs.len() > MAX_PAIRS {
        return Err(Unread::Denied(Denial::request("too many parameters")));
    }
    Parameters::collect(pairs).map_err(Unread::Denied)
}

/// The parameters of the address.
pub(in crate::http) fn in_query(query: Option<&str>) -> Result<Parameters, Unread> {
    let text = query.unwrap_or_default();
    if text.len() > MAX_QUERY {
        let denial = crate::domain::oauth::Denial::request("the query is too long");
        return Err(Unread::Denied(denial));
    }
    parameters(text)
}

/// The parameters of a form. Secrets never stand in an address, so that nothing else may.
pub(in crate::http) async fn in_form(request: Request) -> Result<Parameters, Unread> {
    use crate::domain::oauth::Denial;
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        let sentence = "parameters belong in the body";
        return Err(Unread::Denied(Denial::request(sentence)));
    }
    match super::extract::form_text(request).await {
        Ok(Some(text)) => parameters(&text),
        Ok(None) => {
            let sentence = "the body has to be application/x-www-form-urlencoded";
            Err(Unread::Denied(Denial::request(sentence)))
        }
        Err(fault) => Err(Unread::Fault(fault)),
    }
}

/// A JSON answer that nobody keeps.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let body = match serde_json::to_vec(body) {
        Ok(body) => body,
        Err(fault) => return Error::internal("writing an answer", fault).into_response(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// The proof of possession that came along (RFC 9449 §4.1); two are none.
pub(super) fn proof(headers: &HeaderMap) -> Result<Option<String>, crate::domain::oauth::Denial> {
    use crate::domain::oauth::{Denial, ErrorCode};
    let mut all = headers.get_all("dpop").iter();
    let first = all.next();
    if all.next().is_some() {
        return Err(Denial::new(ErrorCode::InvalidDpopProof, "one proof, not several"));
    }
    // One that is no text is a bad one, not none.
    Ok(first.map(|value| value.to_str().unwrap_or_default().to_owned()))
}
