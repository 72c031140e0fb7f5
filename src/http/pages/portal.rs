//! Signing in at the platform's page, which finds the tenant by address and password.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts, response::Response};

use super::{
    login::{Offered, SignIn, anew, has_passkeys, hinted, note, passed, present, rendered},
    visit::{self, Asked, Said, Told, Visit, sent_on},
};
use crate::{
    app::App,
    domain::{email::Email, password::Password, session::Persistence, tenant::Tenant},
    error::{Error, Result},
    flows::{
        base_url,
        forms::Typed,
        portal::{self, Input, Outcome},
    },
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::{lost::Way, sign_in::TenantShown},
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
    let asked = query.map(|Query(asked)| asked);
    visit::at_platform(door.0, asked, async |visit: &Visit, asked: Asked| {
        let present = present(visit, |cx| base_url(&cx.app, &cx.tenant)).await?;
        let offered = Offered { present, ..offered(&[]) };
        rendered(visit, hinted(visit), offered, note(visit, &asked.note))
    })
    .await
}

/// Nobody registers at the platform: accounts are made in tenants.
pub(super) async fn no_registration(door: AtPlatform, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_platform(door.0, asked, async |visit: &Visit, _: Asked| {
        Ok(sent_on(&anew(visit, "registration_closed"), []))
    })
    .await
}

fn name(tenant: &Tenant) -> String {
    tenant.branding.display_name.clone().unwrap_or_else(|| tenant.name.clone())
}

fn offered(tenants: &[Arc<Tenant>]) -> Offered {
    let shown = |tenant: &Arc<Tenant>| TenantShown {
        slug: tenant.slug.as_str().to_owned(),
        name: name(tenant),
    };
    Offered { can_look: true, tenants: tenants.iter().map(shown).collect(), ..Offered::default() }
}

pub(super) async fn submit(door: AtPlatform, body: Result<Form<SignIn>>) -> Response {
    Box::pin(visit::sent_at_platform(door.0, body.map(|Form(body)| body), sign_in)).await
}

async fn sign_in(visit: &Visit, body: SignIn, stale: Option<Told>) -> Result<Response> {
    let again = |typed, said| rendered(visit, typed, offered(&[]), said);
    if let Some(told) = stale {
        return again(body.typed(), Said::Fault(told));
    }
    if body.action == "passkey" {
        return look(visit, &body).await;
    }
    let parsed = (Email::parse(&body.email), Password::parse(&body.password));
    let (Ok(email), Ok(password)) = parsed else {
        let offered = Offered { wrong: body.wrong(), ..offered(&[]) };
        let told = visit.fault("page.login.fill_in");
        return rendered(visit, body.typed(), offered, Said::Fault(told));
    };
    let typed = body.typed();
    let input = Input {
        email,
        password,
        tenant: Some(body.tenant).filter(|name| !name.is_empty()),
        persistence: Persistence::from_flag(body.remember_me),
        trusted_device: None,
        client_id: None,
    };
    match portal::sign_in(&at_portal(visit), &input).await {
        Ok(Outcome::Entered(cx, outcome)) => passed(visit, &cx, outcome, typed).await,
        // The password is asked for once more: it is kept nowhere, least of all in a page.
        Ok(Outcome::Choose(tenants)) => {
            let said = Said::Note(visit.say("page.login.choose_tenant"));
            rendered(visit, typed, offered(&tenants), said)
        }
        Err(error) => again(typed, Said::Fault(visit.told(error)?)),
    }
}

/// The visitor as the portal's use cases know him, with the devices that he is known or trusted by.
fn at_portal(visit: &Visit) -> portal::Visit {
    let ox = &visit.protocol.ox;
    let headers = &visit.protocol.door.headers;
    let sessions = visit.visitor.sessions.iter();
    let underway = visit.underway.as_ref();
    portal::Visit {
        app: Arc::clone(&ox.app),
        caller: Arc::clone(&ox.caller),
        now: ox.now,
        devices: cookies::devices(&ox.app, headers),
        trusted: cookies::trusted_devices(&ox.app, headers),
        sessions: sessions
            .map(|(of, id, secret)| (*of, *id, *secret.digest().as_bytes()))
            .collect(),
        wants_second_factor: underway.is_some_and(|it| it.pending.wants_second_factor()),
    }
}

/// Passkeys are each tenant's own: the pages of the tenants in which this very device is known as
/// one of the address's account. Of any other address nothing is told, and nothing is looked up but
/// the device.
async fn look(visit: &Visit, body: &SignIn) -> Result<Response> {
    let Ok(email) = Email::parse(&body.email) else {
        let offered = Offered { wrong: vec!["email"], ..offered(&[]) };
        let told = visit.fault("page.login.fill_in_email");
        return rendered(visit, body.typed(), offered, Said::Fault(told));
    };
    let known = portal::identify(&at_portal(visit), &email).await?.tenants;
    let known = known.iter().filter(|tenant| has_passkeys(&tenant.settings));
    let elsewhere: Vec<Way> = known.map(|tenant| passkeys_at(visit, tenant)).collect();
    let key = if elsewhere.is_empty() {
        "page.login.passkey_nowhere"
    } else {
        "page.login.passkey_elsewhere"
    };
    let said = Said::Note(visit.say(key));
    let offered = Offered { elsewhere, can_look: false, ..offered(&[]) };
    rendered(visit, Typed { email: body.email.clone(), remember: body.remember_me }, offered, said)
}

fn passkeys_at(visit: &Visit, tenant: &Tenant) -> Way {
    let app = &visit.protocol.ox.app;
    let url = format!("{}/login{}", base_url(app, tenant), visit.query_at_tenant());
    Way::new("passkey-at", url, name(tenant))
}
