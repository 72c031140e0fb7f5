//! Giving the account up, and keeping it after all.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    owner::{Owner, Pressed, Proved, Said, Seen, seen_lately, sent},
    place::Place,
    sign_out::left,
};
use crate::{
    error::{Code, Error, Result},
    flows::account_deletion::{self, Deletion},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::lists::DeletionPage,
};

/// The form that gives an account up.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct GiveUp {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    is_sure: bool,
}

impl Proved for GiveUp {
    fn proof(&self) -> &str {
        &self.proof
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::Deletion, async |owner: &Owner, _| form(owner, &Said::Nothing))
        .await
}

fn form(owner: &Owner, said: &Said) -> Result<Response> {
    let cx = owner.me.cx();
    let Some(grace) = cx.tenant.settings.self_deletion else {
        return Err(Error::Forbidden(Code::DeletionNotAllowed));
    };
    let page = DeletionPage {
        portal: owner.portal(said)?,
        due_at: (!grace.is_zero()).then(|| (cx.now + grace).micros()),
        is_unsure: matches!(said, Said::FieldFault),
    };
    owner.page(&page, said)
}

pub(super) async fn submit(door: Door, body: Result<Form<GiveUp>>) -> Response {
    sent(door, body, Place::Deletion, async |owner: &Owner, body: GiveUp| {
        owner.me.check_recent()?;
        if !body.is_sure {
            return form(owner, &Said::FieldFault);
        }
        Ok(match Box::pin(account_deletion::request(&owner.me)).await? {
            Deletion::Done => left(&owner.visit, owner.me.cx(), "account_deleted"),
            Deletion::Due(_) => owner.on_to(Place::Data, "deletion_scheduled"),
        })
    })
    .await
}

/// Keeps the account.
pub(super) async fn cancel(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::Data, async |owner: &Owner, _| {
        account_deletion::cancel(&owner.me).await?;
        Ok(owner.on_to(Place::Data, "deletion_cancelled"))
    })
    .await
}
