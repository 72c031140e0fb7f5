//! Making an account, at a tenant's page.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::Map;
use utoipa::ToSchema;

use super::{
    captcha,
    check_mail::{self, Promised},
    login::anew,
    visit::{self, Asked, Said, Told, Visit, of_request, sent_on},
};
use crate::{
    domain::{email::Email, password::Password, user::Name},
    error::{Code, Error, Result},
    flows::{
        Cx,
        forms::{self, Wish},
        register::{Input, Registered, State, register},
    },
    http::{
        door::{Door, with_captcha},
        extract::{Form, Query},
    },
    view::pages::{
        DonePage,
        sign_in::{FaultShown, RegisterPage},
    },
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct NewAccount {
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
    #[schema(required = false)]
    first_name: String,
    #[schema(required = false)]
    last_name: String,
    #[schema(required = false, format = Password)]
    password: String,
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

of_request!(NewAccount);

/// A fault in words, at its field; of the whole form, where that is empty.
fn fault(field: &'static str, text: String) -> FaultShown {
    FaultShown { field, text }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, cx: Cx, _: Asked| {
        form(visit, &cx, NewAccount::default(), (Vec::new(), StatusCode::OK))
    })
    .await
}

fn form(
    visit: &Visit,
    cx: &Cx,
    typed: NewAccount,
    (faults, status): (Vec<FaultShown>, StatusCode),
) -> Result<Response> {
    let settings = &cx.tenant.settings;
    if !settings.registration_enabled {
        return Ok(sent_on(&anew(visit, "registration_closed"), []));
    }
    let captcha = captcha::shown(cx, settings.captchas.registration)?;
    let min = settings.password_policy.effective_min_length(settings.mfa_required);
    let page = RegisterPage {
        around: visit.around(),
        email: typed.email,
        first_name: typed.first_name,
        last_name: typed.last_name,
        min_length: u32::try_from(min).unwrap_or(u32::MAX),
        faults,
        captcha,
    };
    visit.form(&page, status)
}

pub(super) async fn submit(door: Door, body: Result<Form<NewAccount>>) -> Response {
    visit::sent_at_tenant(door, body.map(|Form(body)| body), sign_up).await
}

async fn sign_up(visit: &Visit, cx: Cx, body: NewAccount, stale: Option<Told>) -> Result<Response> {
    let cx = &with_captcha(&cx, &body.captcha_token);
    if let Some(Told { text, status }) = stale {
        return form(visit, cx, body, (vec![fault("", text)], status));
    }
    if body.action == "change" {
        return change(visit, cx, &body);
    }
    let input = match parsed(visit, cx, &body) {
        Ok(input) => input,
        Err(faults) => return form(visit, cx, body, (faults, StatusCode::BAD_REQUEST)),
    };
    match register(cx, input).await {
        Ok(Registered { state: State::Active, .. }) => {
            Ok(sent_on(&anew(visit, "account_ready"), []))
        }
        Ok(Registered { state: State::PendingApproval, .. }) => {
            let page = DonePage {
                title: visit.say("page.register.received"),
                text: visit.say("answer.registration_approval"),
            };
            visit.page(&page, StatusCode::OK)
        }
        Ok(Registered { state: State::PendingVerification, .. }) => {
            let names = Some((body.first_name, body.last_name));
            let wish = Wish { email: body.email, names };
            check_mail::page(visit, cx, (Promised::Proof, &wish), Said::Nothing)
        }
        Err(Error::Refused(no)) if no.code == Code::PasswordRejected => {
            let faults = no.reasons.into_iter().map(|text| fault("password", text)).collect();
            form(visit, cx, body, (faults, StatusCode::BAD_REQUEST))
        }
        Err(error) => {
            let is_email =
                matches!(&error, Error::Refused(no) if no.code == Code::EmailDomainNotAllowed);
            let Told { text, status } = visit.told(error)?;
            let field = if is_email { "email" } else { "" };
            form(visit, cx, body, (vec![fault(field, text)], status))
        }
    }
}

/// Another address: the form once more, with the names that were typed.
fn change(visit: &Visit, cx: &Cx, body: &NewAccount) -> Result<Response> {
    let (wish, _) = forms::wish(cx, &body.wish).unwrap_or_default();
    let (first_name, last_name) = wish.names.unwrap_or_default();
    let typed = NewAccount { email: wish.email, first_name, last_name, ..NewAccount::default() };
    form(visit, cx, typed, (Vec::new(), StatusCode::OK))
}

fn parsed(visit: &Visit, cx: &Cx, body: &NewAccount) -> Result<Input, Vec<FaultShown>> {
    let settings = &cx.tenant.settings;
    let email = Email::parse(&body.email).ok();
    let names = (Name::parse(&body.first_name).ok(), Name::parse(&body.last_name).ok());
    let password = Password::parse(&body.password).ok();
    match (email, names, password) {
        (Some(email), (Some(first_name), Some(last_name)), Some(password)) => Ok(Input {
            email,
            password,
            first_name,
            last_name,
            redirect_uri: None,
            custom_data: Map::new(),
        }),
        (email, names, password) => {
            let mut faults = Vec::new();
            if names.0.is_none() {
                faults.push(fault("first_name", visit.say("page.register.bad_first_name")));
            }
            if names.1.is_none() {
                faults.push(fault("last_name", visit.say("page.register.bad_last_name")));
            }
            if email.is_none() {
                faults.push(fault("email", visit.say("page.register.bad_email")));
            }
            // What the policy would say next, so that a person hears of everything at once.
            let min = settings.password_policy.effective_min_length(settings.mfa_required);
            let is_short = body.password.chars().count() < min;
            if password.is_none() || is_short {
                let key = if is_short { "password.too_short" } else { "password.too_long" };
                let texts = cx.app.view.texts();
                let text = texts.say(visit.look.locale, key, minijinja::context! { min });
                faults.push(fault("password", text));
            }
            Err(faults)
        }
    }
}
