//! Which of the accounts that a browser is in is meant, at a tenant's page and at the platform's.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    portal::AtPlatform,
    visit::{Asked, OfRequest, Underway, Visit, sent_on},
};
use crate::{
    error::Result,
    flows::{
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
    action: String,
    #[schema(required = false)]
    session: String,
}

impl OfRequest for Choice {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, ..)) => visit.concluded(list(&visit).await),
        Err(page) => *page,
    }
}

pub(super) async fn show_at_platform(door: AtPlatform, query: Result<Query<Asked>>) -> Response {
    match Visit::at_platform(door.0, query.map(|Query(asked)| asked)).await {
        Ok((visit, _)) => visit.concluded(list(&visit).await),
        Err(page) => *page,
    }
}

async fn list(visit: &Visit) -> Result<Response> {
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
    let page = SelectAccountPage { around, accounts: people.iter().map(shown).collect() };
    visit.page(&page, StatusCode::OK)
}

pub(super) async fn submit(door: Door, body: Result<Form<Choice>>) -> Response {
    match Visit::at_tenant(door, body.map(|Form(body)| body)).await {
        Ok((visit, _, body)) => visit.concluded(chosen(&visit, body).await),
        Err(page) => *page,
    }
}

pub(super) async fn submit_at_platform(door: AtPlatform, body: Result<Form<Choice>>) -> Response {
    match Visit::at_platform(door.0, body.map(|Form(body)| body)).await {
        Ok((visit, body)) => visit.concluded(chosen(&visit, body).await),
        Err(page) => *page,
    }
}

async fn chosen(visit: &Visit, body: Choice) -> Result<Response> {
    if body.action == "cancel" {
        return visit.cancelled().await;
    }
    let Some(Underway { kept, pending, .. }) = &visit.underway else { return visit.gone() };
    let ox = &visit.protocol.ox;
    let mut held = visit.visitor.sessions.iter();
    let Some((tenant, session, _)) = held.find(|(_, id, _)| id.to_string() == body.session) else {
        return list(visit).await;
    };
    match pending::choose(ox, pending, &visit.visitor, (*tenant, Some(*session))).await {
        Ok(()) => Ok(sent_on(&resumption(ox, Some(&kept.handle)), [])),
        Err(Failure::Fault(fault)) => Err(fault),
        // The session has ended meanwhile.
        Err(_) => list(visit).await,
    }
}
