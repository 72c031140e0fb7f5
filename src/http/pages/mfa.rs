//! The second step of a sign-in, at a tenant's page. The step's token is in a cookie, so that it
//! stands in no address.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    login::begun,
    visit::{Asked, OfRequest, Told, Visit, sent_on},
};
use crate::{
    domain::factor::Method,
    error::{Code, Error, Result},
    flows::{
        Cx,
        second_factor::{
            self, Answer, Failure, Named, Outcome, Proof,
            offer::{self, Offer},
        },
    },
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    secret::Secret,
    view::pages::sign_in::{MethodShown, MfaPage},
};

/// The form of a second step, also of its enrolment.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Step {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
    #[schema(required = false)]
    pub(super) action: String,
    #[schema(required = false)]
    pub(super) method: String,
    #[schema(required = false)]
    pub(super) code: String,
    #[schema(required = false)]
    pub(super) challenge_id: String,
    #[schema(required = false)]
    pub(super) credential: String,
    #[schema(required = false)]
    trust_device: bool,
}

impl OfRequest for Step {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

/// The token of the step that the browser is at; a step without one is over.
pub(super) fn token(visit: &Visit, cx: &Cx) -> Secret<String> {
    cookies::step_of(cx, &visit.protocol.door.headers).unwrap_or_else(|| Secret::new(String::new()))
}

fn named(visit: &Visit, cx: &Cx) -> Named {
    let device = cookies::device_of(cx, &visit.protocol.door.headers);
    Named { token: token(visit, cx), user: None, device }
}

/// A step that is over begins anew; whatever else is wrong stays so.
pub(super) fn over(visit: &Visit, cx: &Cx, error: Error) -> Result<Response> {
    match error {
        Error::Refused(no) if no.code == Code::InvalidMfaToken => {
            let query = visit.around().query;
            let mark = if query.is_empty() { '?' } else { '&' };
            let to = format!("{}/login{query}{mark}note=step_over", visit.look.brand.base_path);
            Ok(sent_on(&to, [cookies::no_step(cx)]))
        }
        other => Err(other),
    }
}

/// What there is to say on a page.
#[derive(Debug)]
enum Said {
    Nothing,
    Fault(Told),
    Note(String),
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, cx, asked)) => {
            let cx = visit.demanded(cx);
            let method = asked.method.parse().ok();
            visit.concluded(form(&visit, &cx, method, Said::Nothing).await)
        }
        Err(page) => *page,
    }
}

async fn form(visit: &Visit, cx: &Cx, method: Option<Method>, said: Said) -> Result<Response> {
    match offer::look(cx, &named(visit, cx)).await {
        Ok(offer) => rendered(visit, cx, (&offer, method), said),
        // The step lives on; it only has to wait.
        Err(error @ Error::Throttled { .. }) => {
            let offer = Offer {
                methods: vec![method.unwrap_or(Method::Totp)],
                default: method.unwrap_or(Method::Totp),
                destination: String::new(),
                is_code_sent: true,
                next_code_in: None,
            };
            rendered(visit, cx, (&offer, method), Said::Fault(visit.told(error)?))
        }
        Err(error) => over(visit, cx, error),
    }
}

fn rendered(
    visit: &Visit,
    cx: &Cx,
    (offer, method): (&Offer, Option<Method>),
    said: Said,
) -> Result<Response> {
    let method = method.filter(|method| offer.methods.contains(method)).unwrap_or(offer.default);
    let (fault, note, status) = match said {
        Said::Nothing => (None, None, StatusCode::OK),
        Said::Fault(told) => (Some(told.text), None, told.status),
        Said::Note(text) => (None, Some(text), StatusCode::OK),
    };
    let around = visit.around();
    let page = MfaPage {
        method: method.as_str(),
        others: others(visit, &offer.methods, method),
        destination: offer.destination.clone(),
        is_code_sent: offer.is_code_sent,
        fault,
        note,
        trust_days: cx.tenant.settings.trusted_device_lifetime.as_secs() / 86_400,
        passkey_url: format!("{}/mfa/passkey{}", visit.look.brand.base_path, around.query),
        around,
    };
    visit.embeddable(&page, status)
}

/// The methods beside one.
pub(super) fn others(visit: &Visit, methods: &[Method], but: Method) -> Vec<MethodShown> {
    let others = methods.iter().filter(|method| **method != but);
    others
        .map(|method| MethodShown {
            id: method.as_str(),
            label: visit.say(&format!("method.{}", method.as_str())),
        })
        .collect()
}

pub(super) async fn submit(door: Door, body: Result<Form<Step>>) -> Response {
    match Visit::at_tenant(door, body.map(|Form(body)| body)).await {
        Ok((visit, cx, body)) => visit.concluded(answered(&visit, cx, body).await),
        Err(page) => *page,
    }
}

async fn answered(visit: &Visit, cx: Cx, body: Step) -> Result<Response> {
    if body.action == "cancel" {
        return visit.cancelled().await;
    }
    let cx = visit.demanded(cx);
    if body.action == "send" {
        return send(visit, &cx).await;
    }
    let method: Option<Method> = body.method.parse().ok();
    let proof = if body.credential.is_empty() {
        Proof::Code(body.code)
    } else {
        Proof::Assertion {
            ceremony: body.challenge_id.parse().ok(),
            credential: serde_json::from_str(&body.credential).unwrap_or(Value::Null),
        }
    };
    let answer = Answer {
        method: method.unwrap_or(Method::Totp),
        proof,
        remember_device: false,
        trust_device: body.trust_device,
        fingerprint: None,
    };
    match second_factor::verify(&cx, &named(visit, &cx), &answer).await {
        Ok(Outcome::SignedIn { signed_in, trusted_device }) => {
            let mut set = visit.entered(&cx, &signed_in).await?;
            set.extend(trusted_device.as_ref().map(|token| cookies::trusted(&cx, token)));
            Ok(sent_on(&visit.onward(&cx), set))
        }
        Ok(Outcome::Failed(failure)) => {
            let said = Said::Fault(visit.fault(words(failure)));
            form(visit, &cx, method, said).await
        }
        Err(error) if is_over(&error) => over(visit, &cx, error),
        Err(error) => {
            let said = Said::Fault(visit.told(error)?);
            form(visit, &cx, method, said).await
        }
    }
}

fn is_over(error: &Error) -> bool {
    matches!(error, Error::Refused(no) if no.code == Code::InvalidMfaToken)
}

fn words(failure: Failure) -> &'static str {
    match failure {
        Failure::InvalidCode => "page.mfa.wrong_code",
        Failure::ExpiredCode => "page.mfa.expired_code",
        Failure::InvalidCredential => "page.mfa.wrong_passkey",
    }
}

async fn send(visit: &Visit, cx: &Cx) -> Result<Response> {
    let said = match second_factor::mailed::send(cx, &named(visit, cx)).await {
        Ok(_) => Said::Note(visit.say("page.mfa.sent")),
        Err(error) if is_over(&error) => return over(visit, cx, error),
        Err(error) => Said::Fault(visit.told(error)?),
    };
    form(visit, cx, Some(Method::Email), said).await
}

/// Begins a ceremony for the step, for the script of the page.
pub(super) async fn begin_passkey(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, cx, _)) => {
            let cx = visit.demanded(cx);
            begun(&cx, second_factor::webauthn::begin(&cx, &named(&visit, &cx)).await)
        }
        Err(page) => *page,
    }
}
