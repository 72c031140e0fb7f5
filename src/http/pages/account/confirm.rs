//! Proving again who the owner of a session is, before what is worth more than a session.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::visit::{Told, sent_on, with_cookies},
    owner::{Owner, Proved, Said, Seen, asked, seen, sent},
    place::Place,
};
use crate::{
    domain::{factor::Method, password::Password, user::IdentitySource},
    error::{Code, Error, Result},
    flows::{
        factors,
        reauthentication::{self, Proof},
        second_factor::Proof as FactorProof,
    },
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::{ConfirmPage, WayShown},
};

/// The password among the ways to prove who one is.
const PASSWORD: &str = "password";

/// The form of a proof.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Shown {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false)]
    to: String,
    #[schema(required = false)]
    method: String,
    #[schema(required = false, format = Password)]
    password: String,
    #[schema(required = false)]
    code: String,
    #[schema(required = false)]
    challenge_id: String,
    #[schema(required = false)]
    credential: String,
}

impl Proved for Shown {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// Where it goes on: a name of ours, or the beginning.
fn place(to: &str) -> Place {
    to.parse().unwrap_or(Place::Overview)
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    let to = query.as_ref().map_or(Place::Overview, |Query(seen)| place(&seen.to));
    seen(door, query, to, async |owner: &Owner, seen: Seen| {
        if owner.is_recent() {
            return Ok(sent_on(&owner.url(owner.place), []));
        }
        form(owner, &seen.method, &Said::Nothing).await
    })
    .await
}

/// What can be asked for, the most common first. A mailed code is no proof here: whoever holds the
/// session may well hold the mailbox.
async fn possible(owner: &Owner) -> Result<Vec<&'static str>> {
    let enrolled = factors::overview(&owner.me.person).await?.methods();
    let password = (owner.me.user().source == IdentitySource::Local).then_some(PASSWORD);
    let factors = [Method::Webauthn, Method::Totp, Method::BackupCode];
    let factors = factors.into_iter().filter(|method| enrolled.contains(method));
    Ok(password.into_iter().chain(factors.map(Method::as_str)).collect())
}

async fn form(owner: &Owner, wanted: &str, said: &Said) -> Result<Response> {
    let possible = possible(owner).await?;
    let chosen = possible.iter().find(|method| **method == wanted);
    let method = chosen.or_else(|| possible.first()).copied();
    let way = |id: &'static str| WayShown {
        id,
        label: owner.say(label(id)),
        url: format!("{}/account/confirm?to={}&method={id}", owner.base(), owner.place),
    };
    let others = possible.iter().filter(|id| Some(**id) != method);
    let page = ConfirmPage {
        portal: owner.portal(said)?,
        to: owner.place.to_string(),
        method,
        others: others.map(|id| way(id)).collect(),
        passkey_url: format!("{}/account/confirm/passkey", owner.base()),
        login_url: format!("{}/login", owner.base()),
    };
    let response = owner.page(&page, said)?;
    // Whoever can only sign in anew comes back, too.
    let wanted = method.is_none().then(|| {
        let place = owner.place.to_string();
        cookies::wanted_page(owner.me.cx(), &place)
    });
    Ok(with_cookies(response, wanted))
}

fn label(id: &str) -> &'static str {
    match id {
        PASSWORD => "page.account.confirm.way_password",
        "webauthn" => "method.webauthn",
        "totp" => "method.totp",
        _ => "method.backup_code",
    }
}

pub(super) async fn submit(door: Door, body: Result<Form<Shown>>) -> Response {
    let to = body.as_ref().map_or(Place::Overview, |Form(body)| place(&body.to));
    sent(door, body, to, async |owner: &Owner, body| judged(owner, body).await).await
}

async fn judged(owner: &Owner, body: Shown) -> Result<Response> {
    let Some(proof) = proof(&body) else {
        let text = owner.say("page.account.wrong_password");
        let told = Told { text, status: StatusCode::BAD_REQUEST };
        return form(owner, PASSWORD, &Said::Fault(told)).await;
    };
    let cx = owner.me.cx();
    let device = cookies::device_of(cx, &owner.visit.protocol.door.headers);
    match Box::pin(reauthentication::prove(&owner.me, &proof, device)).await {
        Ok(opened) => {
            let set = opened.as_ref().map(|opened| cookies::session(cx, opened));
            Ok(sent_on(&owner.url(owner.place), set))
        }
        Err(error) => {
            let told = told(owner, &body.method, error)?;
            form(owner, &body.method, &Said::Fault(told)).await
        }
    }
}

fn proof(body: &Shown) -> Option<Proof> {
    match body.method.parse() {
        Ok(Method::Webauthn) => {
            let ceremony = body.challenge_id.parse().ok();
            let credential = serde_json::from_str(&body.credential).unwrap_or(Value::Null);
            let proof = FactorProof::Assertion { ceremony, credential };
            Some(Proof::Factor(Method::Webauthn, proof))
        }
        Ok(method) => Some(Proof::Factor(method, FactorProof::Code(body.code.clone()))),
        Err(_) => Password::parse(&body.password).ok().map(Proof::Password),
    }
}

fn told(owner: &Owner, method: &str, error: Error) -> Result<Told> {
    let key = match &error {
        Error::Refused(no) if no.code == Code::InvalidCredentials => "page.account.wrong_password",
        Error::Refused(no) if no.code == Code::InvalidCode && method == "webauthn" => {
            "page.mfa.wrong_passkey"
        }
        Error::Refused(no) if no.code == Code::InvalidCode => "page.mfa.wrong_code",
        _ => return owner.told_of(error),
    };
    Ok(owner.visit.fault(key))
}

/// Begins a ceremony, for the script of the page.
pub(super) async fn begin_passkey(door: Door) -> Response {
    asked(door, async |me| reauthentication::begin(me).await).await
}
