//! An authenticator app: setting one up, and taking it out of use.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::enrol::grouped,
    backup_codes,
    owner::{Owner, Pressed, Proved, Question, Said, Seen, seen_lately, sent},
    place::Place,
    security,
};
use crate::{
    domain::factor::Method,
    error::{Code, Error, Result},
    flows::factors::{self, Removal, totp},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::factors::TotpPage,
};

/// The form of an app.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct AppForm {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    action: String,
    #[schema(required = false)]
    code: String,
}

impl Proved for AppForm {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// How far an enrolment has come.
enum Stage {
    /// Nothing is drawn yet.
    Offered,
    /// A key is shown.
    Drawn(totp::Offer),
    /// A key was shown, and its first code is waited for.
    Waiting,
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::Totp, async |owner: &Owner, _| {
        render(owner, &Stage::Offered, None, &Said::Nothing).await
    })
    .await
}

async fn render(
    owner: &Owner,
    stage: &Stage,
    code_fault: Option<String>,
    said: &Said,
) -> Result<Response> {
    let found = factors::overview(&owner.me.person).await?;
    let offer = match stage {
        Stage::Drawn(offer) => Some(offer),
        Stage::Offered | Stage::Waiting => None,
    };
    let page = TotpPage {
        portal: owner.portal(said)?,
        replaces: found.factor(Method::Totp).is_some(),
        secret: offer.map(|offer| grouped(offer.secret.expose())),
        qr_svg: offer.map(|offer| offer.qr.svg()),
        is_begun: !matches!(stage, Stage::Offered),
        code_fault,
    };
    owner.page(&page, said)
}

pub(super) async fn submit(door: Door, body: Result<Form<AppForm>>) -> Response {
    sent(door, body, Place::Totp, async |owner: &Owner, body: AppForm| {
        if body.action == "begin" { draw(owner).await } else { confirm(owner, &body.code).await }
    })
    .await
}

/// A new key. It stands in the answer itself, since nothing keeps it that could show it later.
async fn draw(owner: &Owner) -> Result<Response> {
    match totp::setup(&owner.me.clone().into()).await {
        Ok(offer) => render(owner, &Stage::Drawn(offer), None, &Said::Nothing).await,
        Err(error) => security::refused(owner, error).await,
    }
}

async fn confirm(owner: &Owner, code: &str) -> Result<Response> {
    match totp::confirm(&owner.me.clone().into(), code).await {
        Ok(enrolled) => backup_codes::enrolled(owner, enrolled, "app_added"),
        // A wrong code leaves the key as it is: the app that has scanned it shows the next one.
        Err(Error::Refused(no)) if no.code == Code::InvalidCode => {
            let fault = owner.say("page.mfa.wrong_code");
            render(owner, &Stage::Waiting, Some(fault), &Said::FieldFault).await
        }
        Err(Error::Refused(no)) if no.code == Code::SetupNotFound => {
            let said = Said::Fault(owner.visit.fault("page.enrol.key_over"));
            render(owner, &Stage::Offered, None, &said).await
        }
        Err(error) => security::refused(owner, error).await,
    }
}

pub(super) async fn ask(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::RemoveTotp, async |owner: &Owner, _| {
        ask_removal(owner, Method::Totp).await
    })
    .await
}

pub(super) async fn remove(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::RemoveTotp, async |owner: &Owner, _| {
        removed(owner, Removal::Factor(Method::Totp), "app_removed").await
    })
    .await
}

/// Asks whether the app or the mailed codes are to go.
pub(super) async fn ask_removal(owner: &Owner, method: Method) -> Result<Response> {
    let found = factors::overview(&owner.me.person).await?;
    if found.factor(method).is_none() {
        return Err(Error::NotFound);
    }
    let title = match method {
        Method::Totp => "page.account.remove.totp",
        _ => "page.account.remove.email",
    };
    owner.ask(Question {
        title: owner.say(title),
        lead: removal_lead(owner, found.factors.len() + found.passkeys.len()),
        facts: Vec::new(),
        path: owner.place.path(),
        fields: Vec::new(),
        submit: owner.say("page.account.remove.submit"),
        is_loss: true,
    })
}

/// What it means to take one of `count` factors out of use.
pub(super) fn removal_lead(owner: &Owner, count: usize) -> String {
    owner.say(if count == 1 { "page.account.remove.last" } else { "page.account.remove.lead" })
}

/// Takes a factor out of use.
pub(super) async fn removed(owner: &Owner, removal: Removal, note: &str) -> Result<Response> {
    match factors::remove(&owner.me, removal).await {
        Ok(()) => Ok(owner.on_to(Place::Security, note)),
        Err(error) => security::refused(owner, error).await,
    }
}
