//! Taking along everything that is kept about oneself, and the way to give the account up.

use axum::response::Response;

use super::{
    owner::{Owner, Pressed, Said, Seen, seen, sent},
    place::Place,
};
use crate::{
    clock::Timestamp,
    error::Result,
    flows::profile,
    http::{
        api::me::exported,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::lists::DataPage,
};

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Data, async |owner: &Owner, seen: Seen| {
        let said = Said::Note(seen.note);
        let found = profile::show(&owner.me).await?;
        let page = DataPage {
            portal: owner.portal(&said)?,
            can_delete: owner.me.cx().tenant.settings.self_deletion.is_some(),
            deletion_due_at: found.details.deletion_due_at.map(Timestamp::micros),
        };
        owner.page(&page, &said)
    })
    .await
}

/// Everything as a file. It is asked for by a form, since the asking is recorded.
pub(super) async fn export(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::Data, async |owner: &Owner, _| Box::pin(exported(&owner.me)).await)
        .await
}
