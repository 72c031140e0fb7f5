//! Names, language and address of the account.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::visit::with_cookies,
    owner::{Owner, Pressed, Proved, Said, Seen, seen, sent},
    place::Place,
};
use crate::{
    domain::user::{IdentitySource, Name},
    error::Result,
    flows::profile::{self, Change, Profile},
    http::{
        door::Door,
        extract::{Form, Query},
        language,
    },
    text::Locale,
    view::pages::account::{LanguageShown, ProfilePage},
};

/// The form of the profile.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Save {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    first_name: String,
    #[schema(required = false)]
    last_name: String,
    #[schema(required = false)]
    locale: String,
}

impl Proved for Save {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// What is wrong with which name.
#[derive(Debug, Default)]
struct Faults {
    first_name: Option<String>,
    last_name: Option<String>,
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Profile, async |owner: &Owner, seen: Seen| {
        let found = profile::show(&owner.me).await?;
        let typed = Save {
            first_name: found.user.first_name.clone(),
            last_name: found.user.last_name.clone(),
            locale: found.user.locale.clone().unwrap_or_default(),
            proof: String::new(),
        };
        form(owner, found, (typed, Faults::default()), &Said::Note(seen.note))
    })
    .await
}

fn form(
    owner: &Owner,
    found: Profile,
    (typed, faults): (Save, Faults),
    said: &Said,
) -> Result<Response> {
    let language = |locale: Locale| LanguageShown {
        tag: locale.as_str(),
        name: owner.say(&format!("language.{locale}")),
        is_chosen: typed.locale.parse() == Ok(locale),
    };
    let page = ProfilePage {
        portal: owner.portal(said)?,
        locales: Locale::ALL.into_iter().map(language).collect(),
        first_name: typed.first_name,
        first_name_fault: faults.first_name,
        last_name: typed.last_name,
        last_name_fault: faults.last_name,
        is_verified: found.user.email_verified_at.is_some(),
        pending: found.email_change.map(|change| change.new_email),
        can_change_email: found.user.source == IdentitySource::Local,
        created_at: found.user.created_at.micros(),
    };
    owner.page(&page, said)
}

pub(super) async fn submit(door: Door, body: Result<Form<Save>>) -> Response {
    sent(door, body, Place::Profile, async |owner: &Owner, body| save(owner, body).await).await
}

async fn save(owner: &Owner, body: Save) -> Result<Response> {
    let name = |text: &str| {
        Name::parse(text).map_err(|_| {
            let is_empty = text.trim().is_empty();
            owner.say(if is_empty { "page.account.no_name" } else { "page.account.bad_name" })
        })
    };
    match (name(&body.first_name), name(&body.last_name)) {
        (Ok(first_name), Ok(last_name)) => {
            // One that nobody speaks here is none: the browser decides again.
            let locale: Option<Locale> = body.locale.parse().ok();
            let change = Change {
                first_name: Some(first_name),
                last_name: Some(last_name),
                locale: Some(locale),
            };
            profile::update(&owner.me, change).await?;
            // What was chosen in the footer before would come first otherwise.
            let cx = owner.me.cx();
            let spoken = match locale {
                Some(locale) => language::cookie(&cx.app, locale, cx.now),
                None => language::no_cookie(&cx.app),
            };
            Ok(with_cookies(owner.on_to(Place::Profile, "profile_saved"), [spoken]))
        }
        (first, last) => {
            let faults = Faults { first_name: first.err(), last_name: last.err() };
            let found = profile::show(&owner.me).await?;
            form(owner, found, (body, faults), &Said::FieldFault)
        }
    }
}

/// Mails the link that proves the address once more.
pub(super) async fn ask_for_proof(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::Profile, async |owner: &Owner, _| {
        profile::ask_for_proof(&owner.me).await?;
        Ok(owner.on_to(Place::Profile, "proof_requested"))
    })
    .await
}
