//! Asking for a mail with a link: for a new password, or for the proof of an address; and what
//! comes after it was promised: where it went, asking once more, another address.
//!
//! Nothing here depends on whether there is an account: the page knows what was typed, sealed, and
//! the flows answer alike.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    captcha,
    visit::{self, Asked, Said, Told, Visit, of_request, whole_seconds},
};
use crate::{
    domain::email::Email,
    error::{Error, Result},
    flows::{
        Cx,
        forms::{self, Wish},
        password, register,
    },
    http::{
        door::{Door, with_captcha},
        extract::{Form, Query},
    },
    view::pages::mails::{AgainShown, AskMailPage, CheckMailPage, WaitShown},
};

/// Which mail was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promised {
    /// The one that proves the address of a new account.
    Proof,
    /// The one that proves an address, asked for on its own.
    ProofAgain,
    /// The link to a new password.
    Reset,
    /// The same, since the password has to be replaced.
    PasswordDue,
}

impl Promised {
    /// Title and text, where it is asked for again, and where another address is given.
    fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        let title = "page.check_mail.title";
        match self {
            Self::Proof => (title, "answer.registration_pending", AGAIN, "register"),
            Self::ProofAgain => (title, "answer.proof_requested", AGAIN, AGAIN),
            Self::Reset => (title, "answer.reset_accepted", RESET, RESET),
            Self::PasswordDue => ("page.password_due.title", "page.password_due.text", RESET, ""),
        }
    }
}

const AGAIN: &str = "verify-email/again";
const RESET: &str = "forgot-password";

/// The page that tells of a mail.
pub(super) fn page(
    visit: &Visit,
    cx: &Cx,
    (promised, wish): (Promised, &Wish),
    said: Said,
) -> Result<Response> {
    let (title, text, action, change) = promised.words();
    let wait = WaitShown::new(whole_seconds(forms::MAIL_INTERVAL));
    let again =
        AgainShown { action, wish: forms::note_wish(cx, wish)?.expose().clone(), wait: Some(wait) };
    told_of(visit, (title, text, change), (wish, again), said)
}

fn told_of(
    visit: &Visit,
    (title, text, change): (&str, &str, &'static str),
    (wish, again): (&Wish, AgainShown),
    said: Said,
) -> Result<Response> {
    let (fault, note, status) = said.parts();
    let page = CheckMailPage {
        around: visit.around(),
        title: visit.say(title),
        text: visit.say(text),
        destination: Email::parse(&wish.email).ok().map(|email| email.masked()),
        again: Some(again),
        change,
        fault,
        note,
    };
    visit.form(&page, status)
}

/// As [`page`], where the mail has to wait: what was asked for before stays as it is.
fn too_soon(
    visit: &Visit,
    (promised, wish): (Promised, &Wish),
    (sealed, wait): (String, std::time::Duration),
) -> Result<Response> {
    let (title, text, action, change) = promised.words();
    let shown = WaitShown::new(whole_seconds(wait));
    let again = AgainShown { action, wish: sealed, wait: Some(shown) };
    let told = visit.told(Error::Throttled { retry: wait })?;
    told_of(visit, (title, text, change), (wish, again), Said::Fault(told))
}

/// The page of somebody whose password was right and has to be replaced.
pub(super) fn password_due(visit: &Visit, cx: &Cx, email: String) -> Result<Response> {
    if email.is_empty() {
        // By a passkey: the address was never typed.
        let (title, text, ..) = Promised::PasswordDue.words();
        let page = CheckMailPage {
            around: visit.around(),
            title: visit.say(title),
            text: visit.say(text),
            destination: None,
            again: None,
            change: "",
            fault: None,
            note: None,
        };
        return visit.form(&page, axum::http::StatusCode::OK);
    }
    page(visit, cx, (Promised::PasswordDue, &Wish { email, names: None }), Said::Nothing)
}

/// What asks for a mail: an address, or the wish of a page that told of one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct AskForMail {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
    #[schema(required = false)]
    form_token: String,
    #[schema(required = false)]
    action: String,
    #[schema(required = false)]
    email: String,
    /// The captcha's answer, under the name that whoever makes it gives the field.
    #[serde(
        alias = "h-captcha-response",
        alias = "cf-turnstile-response",
        alias = "g-recaptcha-response"
    )]
    #[schema(required = false)]
    captcha_token: String,
    #[schema(required = false)]
    wish: String,
}

of_request!(AskForMail);

/// Somebody who asks for a mail.
#[derive(Debug)]
enum Asking {
    /// With this address; before that, as typed.
    For(Email, Wish),
    /// Once more, and too soon.
    TooSoon(Wish, String, std::time::Duration),
    /// With something that is no address.
    Nobody,
}

impl AskForMail {
    /// Who asks.
    fn asking(&self, cx: &Cx) -> Asking {
        let (wish, wait) = forms::wish(cx, &self.wish)
            .unwrap_or_else(|| (Wish { email: self.email.clone(), names: None }, None));
        match (Email::parse(&wish.email), wait) {
            (Ok(_), Some(wait)) => Asking::TooSoon(wish, self.wish.clone(), wait),
            (Ok(email), None) => Asking::For(email, wish),
            (Err(_), _) => Asking::Nobody,
        }
    }
}

/// What a page asks to be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The link that proves an address.
    Proof,
    /// The link to a new password.
    Reset,
}

/// The page on which a mail is asked for, by an address.
fn form(
    visit: &Visit,
    cx: &Cx,
    wanted: Wanted,
    (email, told): (String, Option<Told>),
) -> Result<Response> {
    let (title, lead, action) = match wanted {
        Wanted::Proof => ("page.verify_again.title", "page.verify_again.lead", AGAIN),
        Wanted::Reset => ("page.forgot_password.title", "page.forgot_password.lead", RESET),
    };
    let texts = visit.protocol.ox.app.view.texts();
    let tenant = minijinja::context! { tenant => visit.look.brand.tenant_name.as_str() };
    let lead = texts.say(visit.look.locale, lead, tenant);
    let (fault, _, status) = Said::from(told).parts();
    let title = visit.say(title);
    let captcha = match wanted {
        Wanted::Proof => None,
        Wanted::Reset => captcha::shown(cx, cx.tenant.settings.captchas.recovery)?,
    };
    let page = AskMailPage { around: visit.around(), title, lead, action, email, fault, captcha };
    visit.form(&page, status)
}

/// Asks for a mail.
async fn ask(
    visit: &Visit,
    cx: &Cx,
    wanted: Wanted,
    (body, stale): (AskForMail, Option<Told>),
) -> Result<Response> {
    let is_again = !body.wish.is_empty();
    let promised = match wanted {
        Wanted::Proof if is_again => Promised::Proof,
        Wanted::Proof => Promised::ProofAgain,
        Wanted::Reset => Promised::Reset,
    };
    let (email, wish) = match (body.asking(cx), stale) {
        (Asking::For(_, wish), Some(told)) if is_again => {
            return page(visit, cx, (promised, &wish), Said::Fault(told));
        }
        (_, Some(told)) => return form(visit, cx, wanted, (body.email, Some(told))),
        (Asking::TooSoon(wish, sealed, wait), None) => {
            return too_soon(visit, (promised, &wish), (sealed, wait));
        }
        (Asking::Nobody, None) => {
            let told = visit.fault("page.register.bad_email");
            return form(visit, cx, wanted, (body.email, Some(told)));
        }
        (Asking::For(email, wish), None) => (email, wish),
    };
    let cx = &with_captcha(cx, &body.captcha_token);
    let asked = match wanted {
        Wanted::Proof => register::again(cx, &email).await,
        Wanted::Reset => password::forgot(cx, email, None).await,
    };
    if let Err(error) = asked {
        let told = visit.told(error)?;
        return form(visit, cx, wanted, (body.email, Some(told)));
    }
    let note = is_again.then(|| visit.say("page.check_mail.sent_again"));
    page(visit, cx, (promised, &wish), note.map_or(Said::Nothing, Said::Note))
}

pub(super) async fn show_forgotten(door: Door, query: Result<Query<Asked>>) -> Response {
    shown(door, query, Wanted::Reset).await
}

pub(super) async fn submit_forgotten(door: Door, body: Result<Form<AskForMail>>) -> Response {
    sent(door, body, Wanted::Reset).await
}

pub(super) async fn show_unproved(door: Door, query: Result<Query<Asked>>) -> Response {
    shown(door, query, Wanted::Proof).await
}

pub(super) async fn submit_unproved(door: Door, body: Result<Form<AskForMail>>) -> Response {
    sent(door, body, Wanted::Proof).await
}

async fn shown(door: Door, query: Result<Query<Asked>>, wanted: Wanted) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, cx: Cx, _: Asked| {
        form(visit, &cx, wanted, (String::new(), None))
    })
    .await
}

async fn sent(door: Door, body: Result<Form<AskForMail>>, wanted: Wanted) -> Response {
    let body = body.map(|Form(body)| body);
    visit::sent_at_tenant(door, body, async |visit: &Visit, cx: Cx, body, stale| {
        ask(visit, &cx, wanted, (body, stale)).await
    })
    .await
}
