//! Signing in at the platform's page, which finds the tenant by address and password.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    login::{SignIn, Typed, note, passed},
    visit::{Asked, Told, Visit, sent_on},
};
use crate::{
    app::App,
    domain::{email::Email, password::Password, session::Persistence, tenant::Tenant},
    error::{Error, Result},
    flows::portal::{self, Input, Outcome},
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::sign_in::{LoginPage, TenantShown},
};

/// A request for a page of the platform: its path names no tenant.
#[derive(Debug)]
pub struct AtPlatform(pub Door);

impl FromRequestParts<Arc<App>> for AtPlatform {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Ok(Self(Door::unnamed(parts, app)))
    }
}

pub(super) async fn show(door: AtPlatform, query: Result<Query<Asked>>) -> Response {
    match Visit::at_platform(door.0, query.map(|Query(asked)| asked)).await {
        Ok((visit, asked)) => {
            let note = note(&visit, &asked.note);
            visit.concluded(form(&visit, Typed::hinted(&visit), &[], Err(note)))
        }
        Err(page) => *page,
    }
}

/// Nobody registers at the platform: accounts are made in tenants.
pub(super) async fn no_registration(door: AtPlatform, query: Result<Query<Asked>>) -> Response {
    match Visit::at_platform(door.0, query.map(|Query(asked)| asked)).await {
        Ok((visit, _)) => {
            let query = visit.around().query;
            let mark = if query.is_empty() { '?' } else { '&' };
            sent_on(&format!("/login{query}{mark}note=registration_closed"), [])
        }
        Err(page) => *page,
    }
}

fn form(
    visit: &Visit,
    typed: Typed,
    tenants: &[Arc<Tenant>],
    said: std::result::Result<Told, Option<String>>,
) -> Result<Response> {
    let (fault, note, status) = match said {
        Ok(told) => (Some(told.text), None, told.status),
        Err(note) => (None, note, StatusCode::OK),
    };
    let shown = |tenant: &Arc<Tenant>| TenantShown {
        slug: tenant.slug.as_str().to_owned(),
        name: tenant.branding.display_name.clone().unwrap_or_else(|| tenant.name.clone()),
    };
    let page = LoginPage {
        around: visit.around(),
        email: typed.email,
        remember: typed.remember,
        fault,
        note,
        passkey_url: None,
        can_register: false,
        can_reset: false,
        tenants: tenants.iter().map(shown).collect(),
    };
    visit.page(&page, status)
}

pub(super) async fn submit(door: AtPlatform, body: Result<Form<SignIn>>) -> Response {
    match Visit::at_platform(door.0, body.map(|Form(body)| body)).await {
        Ok((visit, body)) => visit.concluded(sign_in(&visit, body).await),
        Err(page) => *page,
    }
}

async fn sign_in(visit: &Visit, body: SignIn) -> Result<Response> {
    if body.action == "cancel" {
        return visit.cancelled().await;
    }
    let typed = Typed { email: body.email.clone(), remember: body.remember_me };
    let parsed = (Email::parse(&body.email), Password::parse(&body.password));
    let (Ok(email), Ok(password)) = parsed else {
        return form(visit, typed, &[], Ok(visit.fault("page.login.fill_in")));
    };
    let ox = &visit.protocol.ox;
    let wants = visit.underway.as_ref().is_some_and(|it| it.pending.wants_second_factor());
    let sessions = visit.visitor.sessions.iter();
    let at_portal = portal::Visit {
        app: Arc::clone(&ox.app),
        caller: Arc::clone(&ox.caller),
        now: ox.now,
        devices: cookies::devices(&ox.app, &visit.protocol.door.headers),
        sessions: sessions
            .map(|(of, id, secret)| (*of, *id, *secret.digest().as_bytes()))
            .collect(),
        wants_second_factor: wants,
    };
    let input = Input {
        email,
        password,
        tenant: Some(body.tenant).filter(|name| !name.is_empty()),
        persistence: Persistence::from_flag(body.remember_me),
        trusted_device: None,
        client_id: None,
    };
    match portal::sign_in(&at_portal, &input).await {
        Ok(Outcome::Entered(cx, outcome)) => passed(visit, &cx, outcome).await,
        // The password is asked for once more: it is kept nowhere, least of all in a page.
        Ok(Outcome::Choose(tenants)) => {
            form(visit, typed, &tenants, Err(Some(visit.say("page.login.choose_tenant"))))
        }
        Err(error) => form(visit, typed, &[], Ok(visit.told(error)?)),
    }
}
