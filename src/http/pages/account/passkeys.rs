//! Passkeys and security keys: a new one, another name, and taking one out of use.

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    backup_codes,
    owner::{Owner, Pressed, Proved, Question, Said, Seen, asked, seen, seen_lately, sent},
    place::Place,
    security, totp,
};
use crate::{
    domain::{factor::Method, user::Name},
    error::{Code, Error, Result},
    flows::factors::{self, Removal, passkeys},
    http::{
        door::Door,
        extract::{Form, Path, Query},
    },
    id::PasskeyId,
    view::pages::account::factors::{NewPasskeyPage, RenamePage},
};

/// The form of a new passkey, and of another name.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct KeyForm {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    name: String,
    #[schema(required = false)]
    challenge_id: String,
    #[schema(required = false)]
    credential: String,
}

impl Proved for KeyForm {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// The passkey that a path names.
#[derive(Deserialize, ToSchema)]
pub(super) struct KeyPath {
    passkey_id: String,
}

/// One that is none leads to the page that says so.
fn named(path: Result<Path<KeyPath>>) -> Option<PasskeyId> {
    path.ok().and_then(|Path(path)| path.passkey_id.parse().ok())
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::Passkey, async |owner: &Owner, _| {
        if !owner.me.cx().tenant.settings.mfa_methods.contains(&Method::Webauthn) {
            return Err(Error::NotFound);
        }
        form(owner, (String::new(), None), &Said::Nothing)
    })
    .await
}

fn form(
    owner: &Owner,
    (passkey_name, name_fault): (String, Option<String>),
    said: &Said,
) -> Result<Response> {
    let page = NewPasskeyPage {
        portal: owner.portal(said)?,
        passkey_name,
        name_fault,
        passkey_url: format!("{}/account/passkey/begin", owner.base()),
    };
    owner.page(&page, said)
}

/// Begins an enrolment, for the script of the page.
pub(super) async fn begin(door: Door) -> Response {
    asked(door, async |me| passkeys::begin(&me.clone().into()).await).await
}

pub(super) async fn submit(door: Door, body: Result<Form<KeyForm>>) -> Response {
    sent(door, body, Place::Passkey, async |owner: &Owner, body| add(owner, body).await).await
}

async fn add(owner: &Owner, body: KeyForm) -> Result<Response> {
    // Without a name it is called after the browser that made it.
    let typed = Some(body.name.trim()).filter(|text| !text.is_empty());
    let Ok(name) = typed.map(Name::parse).transpose() else {
        let fault = owner.say("page.account.bad_name");
        return form(owner, (body.name, Some(fault)), &Said::FieldFault);
    };
    let answer = serde_json::from_str(&body.credential).unwrap_or(Value::Null);
    let ceremony = body.challenge_id.parse().ok();
    match passkeys::finish(&owner.me.clone().into(), ceremony, &answer, name).await {
        Ok((_, enrolled)) => backup_codes::enrolled(owner, enrolled, "passkey_added"),
        Err(error) => {
            let told = owner.told_of(error)?;
            form(owner, (body.name, None), &Said::Fault(told))
        }
    }
}

/// A passkey of the owner; one of somebody else is not there.
async fn own_name(owner: &Owner, id: Option<PasskeyId>) -> Result<(PasskeyId, String, usize)> {
    let found = factors::overview(&owner.me.person).await?;
    let count = found.factors.len() + found.passkeys.len();
    let own = found.passkeys.into_iter().find(|key| Some(key.id) == id);
    own.map(|key| (key.id, key.name, count)).ok_or(Error::NotFound)
}

pub(super) async fn show_name(
    door: Door,
    path: Result<Path<KeyPath>>,
    query: Result<Query<Seen>>,
) -> Response {
    let id = named(path);
    seen(door, query, Place::Security, async |owner: &Owner, _| {
        let (id, name, _) = own_name(owner, id).await?;
        name_form(owner, id, (name, None), &Said::Nothing)
    })
    .await
}

fn name_form(
    owner: &Owner,
    id: PasskeyId,
    (passkey_name, name_fault): (String, Option<String>),
    said: &Said,
) -> Result<Response> {
    let page = RenamePage {
        portal: owner.portal(said)?,
        action: format!("{}/account/passkeys/{id}/name", owner.base()),
        passkey_name,
        name_fault,
    };
    owner.page(&page, said)
}

pub(super) async fn rename(
    door: Door,
    path: Result<Path<KeyPath>>,
    body: Result<Form<KeyForm>>,
) -> Response {
    let id = named(path);
    sent(door, body, Place::Security, async |owner: &Owner, body: KeyForm| {
        let id = id.ok_or(Error::NotFound)?;
        let Ok(name) = Name::parse(&body.name) else {
            own_name(owner, Some(id)).await?;
            let fault = owner.say("page.account.passkey.no_name");
            return name_form(owner, id, (body.name, Some(fault)), &Said::FieldFault);
        };
        passkeys::rename(&owner.me, id, &name).await?;
        Ok(owner.on_to(Place::Security, "passkey_renamed"))
    })
    .await
}

/// Where whoever has to prove something first comes back to.
fn removal(id: Option<PasskeyId>) -> Place {
    id.map_or(Place::Security, Place::RemovePasskey)
}

pub(super) async fn ask(
    door: Door,
    path: Result<Path<KeyPath>>,
    query: Result<Query<Seen>>,
) -> Response {
    let id = named(path);
    seen_lately(door, query, removal(id), async |owner: &Owner, _| {
        let (_, name, count) = own_name(owner, id).await?;
        owner.ask(Question {
            title: owner.say("page.account.remove.webauthn"),
            lead: totp::removal_lead(owner, count),
            facts: vec![(owner.say("page.account.passkey.name"), name)],
            path: owner.place.path(),
            fields: Vec::new(),
            submit: owner.say("page.account.remove.submit"),
            is_loss: true,
        })
    })
    .await
}

pub(super) async fn remove(
    door: Door,
    path: Result<Path<KeyPath>>,
    body: Result<Form<Pressed>>,
) -> Response {
    let id = named(path);
    sent(door, body, removal(id), async |owner: &Owner, _| {
        let id = id.ok_or(Error::NotFound)?;
        match factors::remove(&owner.me, Removal::Passkey(id)).await {
            Ok(()) => Ok(owner.on_to(Place::Security, "passkey_removed")),
            Err(error @ Error::Taken(Code::LastFactor)) => security::refused(owner, error).await,
            Err(error) => Err(error),
        }
    })
    .await
}
