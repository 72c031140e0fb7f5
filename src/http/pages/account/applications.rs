//! The applications that act for the owner, and sending one away.

use axum::response::Response;
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;
use utoipa::ToSchema;

use super::{
    super::{asked_for::scopes, visit::shown_picture},
    owner::{Owner, Proved, Question, Said, Seen, seen, sent},
    place::Place,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    flows::{
        authorized_apps::{self, AuthorizedApp},
        pictures,
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::lists::{ApplicationRow, ApplicationsPage},
};

/// The path of the question.
const REVOKE: &str = "/account/applications/revoke";

/// The form that sends an application away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Revoke {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    client_id: String,
}

impl Proved for Revoke {
    fn proof(&self) -> &str {
        &self.proof
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Applications, async |owner: &Owner, seen: Seen| {
        let said = Said::Note(seen.note);
        let all = authorized_apps::list(&owner.me).await?;
        let mut applications = Vec::with_capacity(all.len());
        for one in &all {
            applications.push(row(owner, one).await?);
        }
        let page = ApplicationsPage { portal: owner.portal(&said)?, applications };
        owner.page(&page, &said)
    })
    .await
}

async fn row(owner: &Owner, one: &AuthorizedApp) -> Result<ApplicationRow> {
    let picture = pictures::of_application(&owner.me.cx().app, &one.application).await?;
    let id: String = byte_serialize(one.application.client_id.as_bytes()).collect();
    Ok(ApplicationRow {
        name: one.application.name.clone(),
        logo: picture.map(|it| shown_picture(&owner.visit.look, &it)),
        scopes: scopes(&one.scope, |key| owner.say(key)),
        granted_at: one.granted_at.micros(),
        last_used_at: one.last_used_at.map(Timestamp::micros),
        revoke_url: format!("{}{REVOKE}?client_id={id}", owner.base()),
    })
}

pub(super) async fn ask(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Applications, async |owner: &Owner, seen: Seen| {
        let all = authorized_apps::list(&owner.me).await?;
        let found = all.into_iter().find(|one| one.application.client_id == seen.client_id);
        let found = found.ok_or(Error::NotFound)?;
        let name = found.application.name.clone();
        owner.ask(Question {
            title: owner.say("page.account.revoke.title"),
            lead: owner.say("page.account.revoke.lead"),
            facts: vec![(owner.say("page.account.revoke.application"), name)],
            path: REVOKE.to_owned(),
            fields: vec![("client_id", seen.client_id)],
            submit: owner.say("page.account.revoke.submit"),
            is_loss: true,
        })
    })
    .await
}

pub(super) async fn revoke(door: Door, body: Result<Form<Revoke>>) -> Response {
    sent(door, body, Place::Applications, async |owner: &Owner, body: Revoke| {
        authorized_apps::revoke(&owner.me, &body.client_id).await?;
        Ok(owner.on_to(Place::Applications, "application_revoked"))
    })
    .await
}
