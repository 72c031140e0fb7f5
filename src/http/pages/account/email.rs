//! Another address: asked for here, proved by a mail to it.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    owner::{Owner, Proved, Said, Seen, seen_lately, sent},
    place::Place,
};
use crate::{
    domain::{email::Email, user::IdentitySource},
    error::{Code, Error, Result},
    flows::{email_change, profile},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::{EmailPage, PendingEmailShown},
};

/// The form of another address.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct NewAddress {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    email: String,
}

impl Proved for NewAddress {
    fn proof(&self) -> &str {
        &self.proof
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen_lately(door, query, Place::Email, async |owner: &Owner, seen: Seen| {
        if owner.me.user().source != IdentitySource::Local {
            return Err(Error::NotFound);
        }
        form(owner, (String::new(), None), &Said::Note(seen.note)).await
    })
    .await
}

async fn form(
    owner: &Owner,
    (typed, email_fault): (String, Option<String>),
    said: &Said,
) -> Result<Response> {
    let pending = profile::show(&owner.me).await?.email_change;
    let page = EmailPage {
        portal: owner.portal(said)?,
        typed,
        email_fault,
        pending: pending.map(|change| PendingEmailShown {
            email: change.new_email,
            requested_at: change.created_at.micros(),
            expires_at: change.expires_at.micros(),
        }),
    };
    owner.page(&page, said)
}

pub(super) async fn submit(door: Door, body: Result<Form<NewAddress>>) -> Response {
    sent(door, body, Place::Email, async |owner: &Owner, body: NewAddress| {
        let Ok(email) = Email::parse(&body.email) else {
            let fault = owner.say("page.register.bad_email");
            return form(owner, (body.email, Some(fault)), &Said::FieldFault).await;
        };
        match email_change::request(&owner.me, email).await {
            Ok(()) => Ok(owner.on_to(Place::Email, "email_requested")),
            Err(error) => refused(owner, body.email, error).await,
        }
    })
    .await
}

async fn refused(owner: &Owner, typed: String, error: Error) -> Result<Response> {
    let key = match &error {
        // The flow finds one fault in an address of the right form.
        Error::Invalid(_) => "page.account.email.same",
        Error::Refused(no) if no.code == Code::EmailDomainNotAllowed => {
            "error.email_domain_not_allowed"
        }
        _ => {
            let told = owner.told_of(error)?;
            return form(owner, (typed, None), &Said::Fault(told)).await;
        }
    };
    form(owner, (typed, Some(owner.say(key))), &Said::FieldFault).await
}
