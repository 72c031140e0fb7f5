//! Backup codes: new ones, shown once.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    owner::{Owner, Proved, Question, Said, Seen, seen_lately, sent},
    place::Place,
    security,
};
use crate::{
    clock::Timestamp,
    domain::factor::Method,
    error::{Error, Result},
    flows::factors::{self, BackupCodes, Enrolled, Overview},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::factors::NewCodesPage,
};

/// The form of new codes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct CodesForm {
    #[schema(required = false)]
    proof: String,
    /// Which set is to be replaced: when it was made.
    #[schema(required = false)]
    replaces: String,
}

impl Proved for CodesForm {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// When the present set was made, as the form has it. A form that is sent again finds another set
/// and makes no third one, so that a reload does not kill codes that were just written down.
fn mark(found: &Overview) -> String {
    found.backup_codes.1.map(|at| at.micros().to_string()).unwrap_or_default()
}

pub(super) async fn ask(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::BackupCodes, async |owner: &Owner, _| {
        let found = factors::overview(&owner.me.person).await?;
        let has_codes = owner.me.cx().tenant.settings.mfa_methods.contains(&Method::BackupCode);
        if !has_codes || !found.has_factor() {
            return Err(Error::NotFound);
        }
        let left = found.backup_codes.0;
        let facts = vec![(owner.say("page.account.backup_codes.left"), left.to_string())];
        owner.ask(Question {
            title: owner.say("page.account.backup_codes.ask"),
            lead: owner.say("page.account.backup_codes.ask_lead"),
            facts,
            path: Place::BackupCodes.path(),
            fields: vec![("replaces", mark(&found))],
            submit: owner.say("page.account.backup_codes.make"),
            is_loss: false,
        })
    })
    .await
}

pub(super) async fn make(door: Door, body: Result<Form<CodesForm>>) -> Response {
    sent(door, body, Place::BackupCodes, async |owner: &Owner, body: CodesForm| {
        let seen = body.replaces.parse().ok().map(Timestamp::from_micros);
        match factors::replace_backup_codes(&owner.me, seen).await {
            Ok(Some(codes)) => shown(owner, &codes, false),
            Ok(None) => Ok(owner.on_to(Place::Security, "codes_made")),
            Err(error) => security::refused(owner, error).await,
        }
    })
    .await
}

/// The codes stand in the answer itself, since nothing keeps them that could show them later.
fn shown(owner: &Owner, codes: &BackupCodes, is_first: bool) -> Result<Response> {
    let said = Said::Nothing;
    let page = NewCodesPage {
        portal: owner.portal(&said)?,
        codes: codes.shown(),
        file_name: format!("{}-backup-codes.txt", owner.me.cx().tenant.slug),
        is_first,
    };
    owner.page(&page, &said)
}

/// A factor is in use. With the first one come backup codes; else it goes on, and `note` is said.
pub(super) fn enrolled(owner: &Owner, enrolled: Enrolled, note: &str) -> Result<Response> {
    match enrolled.backup_codes {
        Some(codes) => shown(owner, &codes, true),
        None => Ok(owner.on_to(Place::Security, note)),
    }
}
