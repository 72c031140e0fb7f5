//! The door of self-service: who asks, by an access token, by the session's cookie, or, for
//! enrolment alone, by the token of a step that cannot go on without it.
//!
//! The paths name no tenant. A token names its own; a cookie carries it in its name, and where a
//! browser has sessions in several tenants the header `X-Tenant` says which one is meant.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use super::{
    cookies,
    door::{Door, text},
};
use crate::{
    app::App,
    domain::token::{ACCOUNT, PORTAL},
    error::{Code, Error, Result},
    flows::{
        me::{Enroller, Me},
        tenants, tokens,
    },
};

/// Names the tenant of a session cookie or of an enrolment step: its slug.
const TENANT: &str = "x-tenant";
/// The proof that a request by cookie comes from our own page.
const CSRF: &str = "x-csrf-token";
/// The token of an enrolment step.
const STEP: &str = "x-mfa-token";

/// Somebody who has signed in.
#[derive(Debug)]
pub struct SignedIn(pub Me);

/// Somebody who may enrol a second factor.
#[derive(Debug)]
pub struct Enrolling(pub Enroller);

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let door = Door::unnamed(parts, app);
        door.refuse_cross_site()?;
        if let Some(token) = door.bearer() {
            return by_token(&door, token).await.map(Self);
        }
        let me = by_cookie(&door).await?;
        if !parts.method.is_safe() {
            me.check_csrf(text(&parts.headers, CSRF))?;
        }
        Ok(Self(me))
    }
}

impl FromRequestParts<Arc<App>> for Enrolling {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Some(token) = text(&parts.headers, STEP) else {
            let SignedIn(me) = SignedIn::from_request_parts(parts, app).await?;
            return Ok(Self(me.into()));
        };
        let door = Door::unnamed(parts, app);
        door.refuse_cross_site()?;
        door.refuse_over()?;
        let no_tenant = || Error::refused(Code::InvalidMfaToken);
        let slug = text(&parts.headers, TENANT).ok_or_else(no_tenant)?;
        let cx = door.cx(tenants::resolve(app, slug).await?);
        let device = cookies::device_of(&cx, &parts.headers);
        Enroller::by_step(cx, token, device.as_ref()).await.map(Self)
    }
}

async fn by_token(door: &Door, token: &str) -> Result<Me> {
    let claims = tokens::verify(door.app(), token, door.now()).await?;
    // An application's token is never good for this, whatever scopes it may be allowed: it acts for
    // a person, and this is where he says what it may do.
    if claims.client_id != PORTAL || claims.act.is_some() || !claims.allows(ACCOUNT) {
        return Err(Error::Forbidden(Code::InsufficientScope));
    }
    let nobody = || Error::refused(Code::NotAuthenticated);
    let (tenant, user) = claims.person().ok_or_else(nobody)?;
    let session = claims.session().ok_or_else(nobody)?;
    let tenant = tenants::resolve_id(door.app(), tenant).await?;
    let me = Me::by_token(door.cx(tenant), session).await?;
    if me.user().id == user { Ok(me) } else { Err(nobody()) }
}

async fn by_cookie(door: &Door) -> Result<Me> {
    door.refuse_over()?;
    let nobody = || Error::refused(Code::NotAuthenticated);
    let tenant = if let Some(slug) = text(&door.headers, TENANT) {
        tenants::resolve(door.app(), slug).await?
    } else {
        let tenant = only_tenant(&door.headers).ok_or_else(nobody)?;
        tenants::resolve_id(door.app(), tenant).await?
    };
    let cx = door.cx(tenant);
    let (id, secret) = cookies::session_of(&cx, &door.headers).ok_or_else(nobody)?;
    Me::by_cookie(cx, id, &secret).await
}

/// The tenant of the one session cookie; `None` where there is none or more than one.
fn only_tenant(headers: &HeaderMap) -> Option<crate::id::TenantId> {
    let mut tenants = cookies::session_tenants(headers);
    tenants.pop().filter(|_| tenants.is_empty())
}
