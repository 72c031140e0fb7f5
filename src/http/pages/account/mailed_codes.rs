//! Codes by mail: setting them up, and taking them out of use.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    backup_codes,
    owner::{Owner, Pressed, Proved, Said, Seen, seen_lately, sent},
    place::Place,
    security, totp,
};
use crate::{
    domain::factor::{Method, masked_email},
    error::{Code, Error, Result},
    flows::factors::{Removal, mailed},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::factors::MailedCodesPage,
};

/// What the page says once a code is under way.
const SENT: &str = "code_sent";

/// The form of mailed codes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct MailForm {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    action: String,
    #[schema(required = false)]
    code: String,
}

impl Proved for MailForm {
    fn proof(&self) -> &str {
        &self.proof
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::MailedCodes, async |owner: &Owner, seen: Seen| {
        render(owner, seen.note == SENT, None, &Said::Note(seen.note))
    })
    .await
}

fn render(
    owner: &Owner,
    is_sent: bool,
    code_fault: Option<String>,
    said: &Said,
) -> Result<Response> {
    let page = MailedCodesPage {
        portal: owner.portal(said)?,
        destination: masked_email(&owner.me.user().email),
        is_sent,
        code_fault,
    };
    owner.page(&page, said)
}

pub(super) async fn submit(door: Door, body: Result<Form<MailForm>>) -> Response {
    sent(door, body, Place::MailedCodes, async |owner: &Owner, body: MailForm| {
        if body.action == "send" { send(owner).await } else { confirm(owner, &body.code).await }
    })
    .await
}

async fn send(owner: &Owner) -> Result<Response> {
    match mailed::enable(&owner.me.clone().into()).await {
        Ok(_) => Ok(owner.on_to(Place::MailedCodes, SENT)),
        Err(error) => {
            // A code of before may still be on its way.
            let is_sent = matches!(error, Error::Throttled { .. });
            render(owner, is_sent, None, &Said::Fault(owner.told_of(error)?))
        }
    }
}

async fn confirm(owner: &Owner, code: &str) -> Result<Response> {
    match mailed::confirm(&owner.me.clone().into(), code).await {
        Ok(enrolled) => backup_codes::enrolled(owner, enrolled, "mail_added"),
        Err(Error::Refused(no)) if no.code == Code::InvalidCode => {
            let fault = owner.say("page.mfa.wrong_code");
            render(owner, true, Some(fault), &Said::FieldFault)
        }
        Err(Error::Refused(no)) if no.code == Code::SetupNotFound => {
            let told = owner.visit.fault("page.account.mailed_codes.over");
            render(owner, false, None, &Said::Fault(told))
        }
        Err(error) => security::refused(owner, error).await,
    }
}

pub(super) async fn ask(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::RemoveMailedCodes, async |owner: &Owner, _| {
        totp::ask_removal(owner, Method::Email).await
    })
    .await
}

pub(super) async fn remove(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::RemoveMailedCodes, async |owner: &Owner, _| {
        totp::removed(owner, Removal::Factor(Method::Email), "mail_removed").await
    })
    .await
}
