//! Making an account, at a tenant's page.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::Map;
use utoipa::ToSchema;

use super::visit::{Asked, OfRequest, Visit, sent_on};
use crate::{
    domain::{email::Email, password::Password, settings::Captcha, user::Name},
    error::{Code, Context, Error, Result},
    flows::{
        Cx, captcha,
        register::{Input, Registered, State, register},
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::sign_in::{CheckMailPage, RegisterPage},
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct NewAccount {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
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
    #[schema(required = false)]
    captcha_token: String,
}

impl OfRequest for NewAccount {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, cx, _)) => visit.concluded(form(&visit, &cx, NewAccount::default(), Vec::new())),
        Err(page) => *page,
    }
}

fn to_login(visit: &Visit, note: &str) -> Response {
    let query = visit.around().query;
    let mark = if query.is_empty() { '?' } else { '&' };
    sent_on(&format!("{}/login{query}{mark}note={note}", visit.look.brand.base_path), [])
}

fn form(visit: &Visit, cx: &Cx, typed: NewAccount, faults: Vec<String>) -> Result<Response> {
    let settings = &cx.tenant.settings;
    if !settings.registration_enabled {
        return Ok(to_login(visit, "registration_closed"));
    }
    let puzzle = match settings.captcha {
        Captcha::None => None,
        Captcha::ProofOfWork => {
            let puzzle = captcha::challenge(cx)?;
            Some(serde_json::to_string(&puzzle).doing("writing a puzzle")?)
        }
    };
    let min = settings.password_policy.effective_min_length(settings.mfa_required);
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = RegisterPage {
        around: visit.around(),
        email: typed.email,
        first_name: typed.first_name,
        last_name: typed.last_name,
        min_length: u32::try_from(min).unwrap_or(u32::MAX),
        faults,
        captcha: puzzle,
    };
    visit.page(&page, status)
}

pub(super) async fn submit(door: Door, body: Result<Form<NewAccount>>) -> Response {
    match Visit::at_tenant(door, body.map(|Form(body)| body)).await {
        Ok((visit, cx, body)) => visit.concluded(sign_up(&visit, &cx, body).await),
        Err(page) => *page,
    }
}

async fn sign_up(visit: &Visit, cx: &Cx, body: NewAccount) -> Result<Response> {
    if body.action == "cancel" {
        return visit.cancelled().await;
    }
    let input = match parsed(visit, cx, &body) {
        Ok(input) => input,
        Err(faults) => return form(visit, cx, body, faults),
    };
    match register(cx, input).await {
        Ok(Registered { state: State::Active, .. }) => Ok(to_login(visit, "account_ready")),
        Ok(Registered { state, .. }) => {
            let text = if state == State::PendingApproval {
                "answer.registration_approval"
            } else {
                "answer.registration_pending"
            };
            let page = CheckMailPage {
                around: visit.around(),
                title: visit.say("page.check_mail.title"),
                text: visit.say(text),
            };
            visit.page(&page, StatusCode::OK)
        }
        Err(Error::Refused(no)) if no.code == Code::PasswordRejected => {
            form(visit, cx, body, no.reasons)
        }
        Err(error) => {
            let told = visit.told(error)?;
            form(visit, cx, body, vec![told.text])
        }
    }
}

fn parsed(visit: &Visit, cx: &Cx, body: &NewAccount) -> Result<Input, Vec<String>> {
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
            captcha_token: Some(body.captcha_token.clone()),
            redirect_uri: None,
            custom_data: Map::new(),
        }),
        (email, names, password) => {
            let mut faults = Vec::new();
            if names.0.is_none() || names.1.is_none() {
                faults.push(visit.say("page.register.bad_name"));
            }
            if email.is_none() {
                faults.push(visit.say("page.register.bad_email"));
            }
            if password.is_none() {
                let min = settings.password_policy.effective_min_length(settings.mfa_required);
                let is_short = body.password.is_empty();
                let key = if is_short { "password.too_short" } else { "password.too_long" };
                let texts = cx.app.view.texts();
                faults.push(texts.say(visit.look.locale, key, minijinja::context! { min }));
            }
            Err(faults)
        }
    }
}
