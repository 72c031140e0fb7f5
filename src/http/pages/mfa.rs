//! The second step of a sign-in, at a tenant's page. The step's token is in a cookie, so that it
//! stands in no address.

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    login::{STEP_OVER, anew, begun},
    visit::{self, Asked, Said, Told, Visit, of_request, sent_on, whole_seconds, with_parameter},
};
use crate::{
    domain::factor::Method,
    error::{Code, Error, Result},
    flows::{
        Cx,
        oauth::asking,
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
    view::pages::{
        mails::WaitShown,
        sign_in::{MethodShown, MfaPage},
    },
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
    form_token: String,
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

of_request!(Step);

/// The token of the step that the browser is at; a step without one is over.
pub(super) fn token(visit: &Visit, cx: &Cx) -> Secret<String> {
    cookies::step_of(cx, &visit.protocol.door.headers).unwrap_or_else(|| Secret::new(String::new()))
}

fn named(visit: &Visit, cx: &Cx) -> Named {
    let device = cookies::device_of(cx, &visit.protocol.door.headers);
    Named { token: token(visit, cx), user: None, device }
}

/// A step that is over begins anew, unless it is over since somebody has signed in meanwhile, in
/// another tab; whatever else is wrong stays so.
pub(super) async fn over(visit: &Visit, cx: &Cx, error: Error) -> Result<Response> {
    if !is_over(&error) {
        return Err(error);
    }
    let has_step = cookies::step_of(cx, &visit.protocol.door.headers).is_some();
    let people = asking::people(&visit.protocol.ox, &visit.visitor).await?;
    if !has_step && people.iter().any(|me| me.cx().tenant.id == cx.tenant.id) {
        return Ok(sent_on(&visit.onward(cx), []));
    }
    Ok(sent_on(&anew(visit, STEP_OVER), [cookies::no_step(cx)]))
}

/// The note of a page that comes after a code was mailed. Going there by an address of its own
/// means that reloading the page mails nothing.
pub(super) const CODE_SENT: &str = "code_sent";

/// The page of a mailed code, after one was sent.
pub(super) fn after_sending(visit: &Visit, page: &str) -> Response {
    let address = format!("{}/{page}{}", visit.look.brand.base_path, visit.around().query);
    let address = with_parameter(&address, "method", Method::Email.as_str());
    sent_on(&with_parameter(&address, "note", CODE_SENT), [])
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, cx: Cx, asked: Asked| {
        let cx = visit.demanded(cx);
        let is_sent = asked.note == CODE_SENT;
        let said = if is_sent { Said::Note(visit.say("page.mfa.sent")) } else { Said::Nothing };
        form(visit, &cx, asked.method.parse().ok(), Wrong::Nothing, said).await
    })
    .await
}

/// Whether what is said is about the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Code,
}

async fn form(
    visit: &Visit,
    cx: &Cx,
    method: Option<Method>,
    wrong: Wrong,
    said: Said,
) -> Result<Response> {
    match offer::look(cx, &named(visit, cx)).await {
        Ok(offer) => rendered(visit, cx, (&offer, method), (wrong, said)),
        // The step lives on; it only has to wait.
        Err(error @ Error::Throttled { .. }) => {
            let offer = Offer {
                methods: vec![method.unwrap_or(Method::Totp)],
                default: method.unwrap_or(Method::Totp),
                destination: String::new(),
                is_code_sent: true,
                next_code_in: None,
            };
            let said = Said::Fault(visit.told(error)?);
            rendered(visit, cx, (&offer, method), (Wrong::Nothing, said))
        }
        Err(error) => over(visit, cx, error).await,
    }
}

fn rendered(
    visit: &Visit,
    cx: &Cx,
    (offer, method): (&Offer, Option<Method>),
    (wrong, said): (Wrong, Said),
) -> Result<Response> {
    let method = method.filter(|method| offer.methods.contains(method)).unwrap_or(offer.default);
    let (fault, note, status) = said.parts();
    let around = visit.around();
    let page = MfaPage {
        method: method.as_str(),
        others: others(visit, &offer.methods, method),
        destination: offer.destination.clone(),
        is_code_sent: offer.is_code_sent,
        wait: offer.next_code_in.map(|wait| WaitShown::new(whole_seconds(wait))),
        fault,
        is_code_wrong: wrong == Wrong::Code,
        note,
        trust_days: cx.tenant.settings.trusted_device_lifetime.as_secs() / 86_400,
        passkey_url: format!("{}/mfa/passkey{}", visit.look.brand.base_path, around.query),
        around,
    };
    visit.embeddable_form(&page, status)
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
    visit::sent_at_tenant(door, body.map(|Form(body)| body), answered).await
}

async fn answered(visit: &Visit, cx: Cx, body: Step, stale: Option<Told>) -> Result<Response> {
    let cx = visit.demanded(cx);
    if let Some(told) = stale {
        let method = body.method.parse().ok();
        return form(visit, &cx, method, Wrong::Nothing, Said::Fault(told)).await;
    }
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
            let said = Said::Fault(visit.fault(words(failure, method)));
            form(visit, &cx, method, Wrong::Code, said).await
        }
        Err(error) if is_over(&error) => over(visit, &cx, error).await,
        Err(error) => {
            let said = Said::Fault(visit.told(error)?);
            form(visit, &cx, method, Wrong::Nothing, said).await
        }
    }
}

fn is_over(error: &Error) -> bool {
    matches!(error, Error::Refused(no) if no.code == Code::InvalidMfaToken)
}

fn words(failure: Failure, method: Option<Method>) -> &'static str {
    match failure {
        // Mails overtake each other: the newest code counts.
        Failure::InvalidCode if method == Some(Method::Email) => "page.mfa.wrong_mailed_code",
        Failure::InvalidCode => "page.mfa.wrong_code",
        Failure::ExpiredCode => "page.mfa.expired_code",
        Failure::InvalidCredential => "page.mfa.wrong_passkey",
    }
}

async fn send(visit: &Visit, cx: &Cx) -> Result<Response> {
    match second_factor::mailed::send(cx, &named(visit, cx)).await {
        Ok(_) => Ok(after_sending(visit, "mfa")),
        Err(error) if is_over(&error) => over(visit, cx, error).await,
        Err(error) => {
            let said = Said::Fault(visit.told(error)?);
            form(visit, cx, Some(Method::Email), Wrong::Nothing, said).await
        }
    }
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
