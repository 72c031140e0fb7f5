//! How one signs in: password, second factors, passkeys, backup codes, and which comes first.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    owner::{Owner, Proved, Said, Seen, seen, sent},
    place::Place,
};
use crate::{
    clock::Timestamp,
    domain::{factor::Method, user::IdentitySource},
    error::{Error, Result},
    flows::factors::{self, Overview},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::factors::{
        BackupCodesShown, DefaultShown, FactorShown, PasskeyShown, SecurityPage,
    },
};

/// The form of the method to be asked for first.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct First {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    method: String,
}

impl Proved for First {
    fn proof(&self) -> &str {
        &self.proof
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Security, async |owner: &Owner, seen: Seen| {
        render(owner, &Said::Note(seen.note)).await
    })
    .await
}

/// The page, also after something that could not be done.
pub(super) async fn render(owner: &Owner, said: &Said) -> Result<Response> {
    let found = factors::overview(&owner.me.person).await?;
    let settings = &owner.me.cx().tenant.settings;
    let provider = match &owner.me.user().source {
        IdentitySource::Local => None,
        IdentitySource::Federated { provider, .. } => Some(provider.clone()),
    };
    let has_codes = settings.mfa_methods.contains(&Method::BackupCode) && found.has_factor();
    let page = SecurityPage {
        portal: owner.portal(said)?,
        provider,
        is_required: settings.mfa_required,
        is_on: found.has_factor(),
        factors: [Method::Totp, Method::Email]
            .into_iter()
            .filter_map(|method| factor(owner, &found, method))
            .collect(),
        has_passkeys: settings.mfa_methods.contains(&Method::Webauthn),
        passkeys: passkeys(&found),
        backup_codes: has_codes.then(|| BackupCodesShown {
            left: found.backup_codes.0,
            made_at: found.backup_codes.1.map(Timestamp::micros),
        }),
        defaults: defaults(owner, &found),
    };
    owner.page(&page, said)
}

/// The app or the mailed codes: what is in use, and what could be.
fn factor(owner: &Owner, found: &Overview, method: Method) -> Option<FactorShown> {
    let known = found.factor(method);
    let is_allowed = owner.me.cx().tenant.settings.mfa_methods.contains(&method);
    if known.is_none() && !is_allowed {
        return None;
    }
    let (label, hint, setup, remove) = match method {
        Method::Totp => (
            "page.account.security.totp",
            "page.account.security.totp_hint",
            Place::Totp,
            Place::RemoveTotp,
        ),
        _ => (
            "page.account.security.email",
            "page.account.security.email_hint",
            Place::MailedCodes,
            Place::RemoveMailedCodes,
        ),
    };
    Some(FactorShown {
        id: method.as_str(),
        label: owner.say(label),
        hint: owner.say(hint),
        setup_url: owner.url(setup),
        remove_url: owner.url(remove),
        is_allowed,
        created_at: known.map(|factor| factor.created_at.micros()),
        last_used_at: known.and_then(|factor| factor.last_used_at).map(Timestamp::micros),
    })
}

fn passkeys(found: &Overview) -> Vec<PasskeyShown> {
    let shown = found.passkeys.iter().map(|key| PasskeyShown {
        id: key.id.to_string(),
        name: key.name.clone(),
        is_synced: key.backed_up,
        created_at: key.created_at.micros(),
        last_used_at: key.last_used_at.map(Timestamp::micros),
    });
    shown.collect()
}

/// What may be asked for first; with a single method there is nothing to choose.
fn defaults(owner: &Owner, found: &Overview) -> Vec<DefaultShown> {
    let methods: Vec<Method> =
        found.methods().into_iter().filter(|method| *method != Method::BackupCode).collect();
    if methods.len() < 2 {
        return Vec::new();
    }
    let strongest = DefaultShown {
        id: "",
        label: owner.say("page.account.security.strongest"),
        is_chosen: found.default_method.is_none(),
    };
    let others = methods.into_iter().map(|method| DefaultShown {
        id: method.as_str(),
        label: owner.say(name(method)),
        is_chosen: found.default_method == Some(method),
    });
    [strongest].into_iter().chain(others).collect()
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Webauthn => "page.account.security.webauthn",
        Method::Totp => "page.account.security.totp",
        Method::Email => "page.account.security.email",
        Method::BackupCode => "page.account.security.backup_codes",
    }
}

pub(super) async fn set_default(door: Door, body: Result<Form<First>>) -> Response {
    sent(door, body, Place::Security, async |owner: &Owner, body: First| {
        let method = match body.method.as_str() {
            "" => None,
            name => Some(name.parse::<Method>().map_err(|_| Error::NotFound)?),
        };
        match factors::set_default(&owner.me, method).await {
            Ok(()) => Ok(owner.on_to(Place::Security, "default_set")),
            Err(error) => refused(owner, error).await,
        }
    })
    .await
}

/// The page with what could not be done, and why.
pub(super) async fn refused(owner: &Owner, error: Error) -> Result<Response> {
    let told = owner.told_of(error)?;
    render(owner, &Said::Fault(told)).await
}
