//! Which of the accounts that a browser is in is meant, at a tenant's page and at the platform's.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    portal::AtPlatform,
    visit::{self, Asked, Said, Told, Underway, Visit, of_request, sent_on},
};
use crate::{
    error::Result,
    flows::{
        Cx,
        me::Me,
        oauth::{Failure, Flavour, asking, hand_over::resumption, pending},
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::sign_in::{AccountShown, SelectAccountPage},
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Choice {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
    #[schema(required = false)]
    form_token: String,
    #[schema(required = false)]
    action: String,
    #[schema(required = false)]
    session: String,
}

of_request!(Choice);

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, _: Cx, _: Asked| {
        list(visit, Said::Nothing).await
    })
    .await
}

pub(super) async fn show_at_platform(door: AtPlatform, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_platform(door.0, asked, async |visit: &Visit, _: Asked| {
        list(visit, Said::Nothing).await
    })
    .await
}

async fn list(visit: &Visit, said: Said) -> Result<Response> {
    if visit.underway.is_none() {
        return visit.gone();
    }
    let people = asking::people(&visit.protocol.ox, &visit.visitor).await?;
    let around = visit.around();
    if people.is_empty() {
        let to = format!("{}/login{}", visit.look.brand.base_path, around.query);
        return Ok(sent_on(&to, []));
    }
    let is_platform = matches!(visit.protocol.ox.flavour, Flavour::Platform);
    let shown = |me: &Me| {
        let (user, tenant) = (me.user(), &me.cx().tenant);
        let name = tenant.branding.display_name.as_ref().unwrap_or(&tenant.name);
        AccountShown {
            session: me.session.id.to_string(),
            name: format!("{} {}", user.first_name, user.last_name),
            email: user.email.clone(),
            tenant: is_platform.then(|| name.clone()),
        }
    };
    let (fault, _, status) = said.parts();
    let accounts = people.iter().map(shown).collect();
    visit.form(&SelectAccountPage { around, accounts, fault }, status)
}

pub(super) async fn submit(door: Door, body: Result<Form<Choice>>) -> Response {
    let body = body.map(|Form(body)| body);
    visit::sent_at_tenant(door, body, async |visit: &Visit, _: Cx, body, stale| {
        chosen(visit, body, stale).await
    })
    .await
}

pub(super) async fn submit_at_platform(door: AtPlatform, body: Result<Form<Choice>>) -> Response {
    visit::sent_at_platform(door.0, body.map(|Form(body)| body), chosen).await
}

async fn chosen(visit: &Visit, body: Choice, stale: Option<Told>) -> Result<Response> {
    if let Some(told) = stale {
        return list(visit, Said::Fault(told)).await;
    }
    let Some(Underway { kept, pending, .. }) = &visit.underway else { return visit.gone() };
    let ox = &visit.protocol.ox;
    let mut held = visit.visitor.sessions.iter();
    let Some((tenant, session, _)) = held.find(|(_, id, _)| id.to_string() == body.session) else {
        return list(visit, Said::Nothing).await;
    };
    match pending::choose(ox, pending, &visit.visitor, (*tenant, Some(*session))).await {
        Ok(()) => Ok(sent_on(&resumption(ox, Some(&kept.handle)), [])),
        Err(Failure::Fault(fault)) => Err(fault),
        // The session has ended meanwhile.
        Err(_) => list(visit, Said::Nothing).await,
    }
}
