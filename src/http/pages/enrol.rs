//! Setting up a first second factor in the middle of a sign-in that cannot go on without one.

use axum::{http::StatusCode, response::Response};
use serde_json::Value;

use super::{
    login::begun,
    mfa::{CODE_SENT, Step, after_sending, others, over, token},
    visit::{self, Asked, Said, Told, Visit, sent_on, with_cookies},
};
use crate::{
    domain::factor::Method,
    error::{Code, Error, Result},
    flows::{
        Cx,
        factors::{BackupCodes, Enrolled, mailed, passkeys, totp},
        me::Enroller,
    },
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::sign_in::{BackupCodesPage, EnrolPage},
};

async fn enroller(visit: &Visit, cx: &Cx) -> Result<Enroller> {
    let device = cookies::device_of(cx, &visit.protocol.door.headers);
    Enroller::by_step(cx.clone(), token(visit, cx).expose(), device.as_ref()).await
}

/// What can be set up, the most common first.
fn possible(cx: &Cx) -> Vec<Method> {
    let all = [Method::Totp, Method::Webauthn, Method::Email];
    all.into_iter().filter(|method| cx.tenant.settings.mfa_methods.contains(method)).collect()
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, cx: Cx, asked: Asked| {
        begin(visit, &visit.demanded(cx), &asked).await
    })
    .await
}

async fn begin(visit: &Visit, cx: &Cx, asked: &Asked) -> Result<Response> {
    let by = match enroller(visit, cx).await {
        Ok(by) => by,
        Err(error) => return over(visit, cx, error).await,
    };
    let possible = possible(cx);
    let wanted = asked.method.parse().ok().filter(|method| possible.contains(method));
    let method = wanted.or_else(|| possible.first().copied());
    if method == Some(Method::Email) && asked.note == CODE_SENT {
        let page = EnrolPage { destination: destination(&by, method), ..blank(visit, cx, method) };
        return rendered(visit, page, Said::Note(visit.say("page.mfa.sent")));
    }
    start(visit, &by, method, Said::Nothing).await
}

/// The page at its beginning: for an authenticator app, with a new key.
async fn start(
    visit: &Visit,
    by: &Enroller,
    method: Option<Method>,
    said: Said,
) -> Result<Response> {
    let mut page = blank(visit, &by.person.cx, method);
    if method == Some(Method::Totp) {
        let offer = totp::setup(by).await?;
        page.secret = Some(grouped(offer.secret.expose()));
        page.qr_svg = Some(offer.qr.svg());
    }
    rendered(visit, page, said)
}

fn blank(visit: &Visit, cx: &Cx, method: Option<Method>) -> EnrolPage {
    let around = visit.around();
    EnrolPage {
        passkey_url: format!("{}/mfa/enrol/passkey{}", visit.look.brand.base_path, around.query),
        around,
        method: method.map(Method::as_str),
        others: method.map(|method| others(visit, &possible(cx), method)).unwrap_or_default(),
        secret: None,
        qr_svg: None,
        destination: None,
        fault: None,
        note: None,
    }
}

fn rendered(visit: &Visit, page: EnrolPage, said: Said) -> Result<Response> {
    let (fault, note, status) = said.parts();
    visit.form(&EnrolPage { fault, note, ..page }, status)
}

/// In groups of four, which a person can follow.
pub(super) fn grouped(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

pub(super) async fn submit(door: Door, body: Result<Form<Step>>) -> Response {
    visit::sent_at_tenant(door, body.map(|Form(body)| body), answered).await
}

async fn answered(visit: &Visit, cx: Cx, body: Step, stale: Option<Told>) -> Result<Response> {
    let cx = visit.demanded(cx);
    let by = match enroller(visit, &cx).await {
        Ok(by) => by,
        Err(error) => return over(visit, &cx, error).await,
    };
    let method = body.method.parse().ok().filter(|method| possible(&cx).contains(method));
    if let Some(told) = stale {
        return kept(visit, &by, method, told);
    }
    if body.action == "send" {
        return send(visit, &by).await;
    }
    let enrolled = match method {
        Some(Method::Totp) => totp::confirm(&by, &body.code).await,
        Some(Method::Email) => mailed::confirm(&by, &body.code).await,
        Some(Method::Webauthn) => {
            let answer = serde_json::from_str(&body.credential).unwrap_or(Value::Null);
            let ceremony = body.challenge_id.parse().ok();
            passkeys::finish(&by, ceremony, &answer, None).await.map(|(_, enrolled)| enrolled)
        }
        _ => return start(visit, &by, possible(&cx).first().copied(), Said::Nothing).await,
    };
    match enrolled {
        Ok(enrolled) => done(visit, &cx, enrolled).await,
        Err(error) => failed(visit, &by, method, error).await,
    }
}

async fn failed(
    visit: &Visit,
    by: &Enroller,
    method: Option<Method>,
    error: Error,
) -> Result<Response> {
    let cx = &by.person.cx;
    match &error {
        Error::Refused(no) if no.code == Code::InvalidMfaToken => over(visit, cx, error).await,
        Error::Refused(no) if no.code == Code::InvalidCode => {
            kept(visit, by, method, visit.fault("page.mfa.wrong_code"))
        }
        Error::Refused(no) if no.code == Code::SetupNotFound => {
            let said = Said::Fault(visit.fault("page.enrol.key_over"));
            start(visit, by, method, said).await
        }
        _ => {
            let told = visit.told(error)?;
            start(visit, by, method, Said::Fault(told)).await
        }
    }
}

fn destination(by: &Enroller, method: Option<Method>) -> Option<String> {
    let email = &by.person.user.email;
    (method == Some(Method::Email)).then(|| crate::domain::factor::masked_email(email))
}

/// The page without a new key, which a wrong code leaves as it is: the app that has scanned it shows
/// the next one.
fn kept(visit: &Visit, by: &Enroller, method: Option<Method>, told: Told) -> Result<Response> {
    let page =
        EnrolPage { destination: destination(by, method), ..blank(visit, &by.person.cx, method) };
    rendered(visit, page, Said::Fault(told))
}

async fn send(visit: &Visit, by: &Enroller) -> Result<Response> {
    match mailed::enable(by).await {
        Ok(_) => Ok(after_sending(visit, "mfa/enrol")),
        Err(error) => kept(visit, by, Some(Method::Email), visit.told(error)?),
    }
}

/// The factor is in use, and the sign-in is done. Backup codes come first: they are shown once.
async fn done(visit: &Visit, cx: &Cx, enrolled: Enrolled) -> Result<Response> {
    let set = match &enrolled.signed_in {
        Some(signed_in) => visit.entered(cx, signed_in).await?,
        None => Vec::new(),
    };
    let onward = visit.onward(cx);
    let Some(codes) = enrolled.backup_codes.as_ref().map(BackupCodes::shown) else {
        return Ok(sent_on(&onward, set));
    };
    let page = BackupCodesPage { codes, continue_url: onward };
    Ok(with_cookies(visit.page(&page, StatusCode::OK)?, set))
}

/// Begins the enrolment of a passkey, for the script of the page.
pub(super) async fn begin_passkey(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, cx, _)) => {
            let cx = visit.demanded(cx);
            let begins = async { passkeys::begin(&enroller(&visit, &cx).await?).await };
            begun(&cx, begins.await)
        }
        Err(page) => *page,
    }
}
