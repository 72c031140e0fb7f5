//! Signing in at a tenant's page: with a password or a passkey.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::visit::{Asked, OfRequest, Told, Visit, sent_on};
use crate::{
    domain::{
        email::Email, factor::Method, password::Password, session::Persistence,
        settings::PasskeySignIn,
    },
    error::Result,
    flows::{
        Cx,
        ceremonies::Begun,
        login::{self, Outcome},
        passkey_login,
    },
    http::{
        api::Reply,
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::{DonePage, sign_in::LoginPage},
};

/// The form of a sign-in, of a tenant and of the platform.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct SignIn {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
    #[schema(required = false)]
    pub(super) action: String,
    #[schema(required = false)]
    pub(super) email: String,
    #[schema(required = false, format = Password)]
    pub(super) password: String,
    #[schema(required = false)]
    pub(super) remember_me: bool,
    #[schema(required = false)]
    pub(super) tenant: String,
    #[schema(required = false)]
    challenge_id: String,
    #[schema(required = false)]
    credential: String,
}

impl OfRequest for SignIn {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

/// What stays in the form.
#[derive(Debug, Default)]
pub(super) struct Typed {
    pub(super) email: String,
    pub(super) remember: bool,
}

impl Typed {
    /// Before anything was typed: the address that the application hints at.
    pub(super) fn hinted(visit: &Visit) -> Self {
        let hint = visit.underway.as_ref().and_then(|it| it.pending.request.login_hint.clone());
        let email = hint.filter(|hint| Email::parse(hint).is_ok()).unwrap_or_default();
        Self { email, remember: false }
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, cx, asked)) => {
            let note = note(&visit, &asked.note);
            visit.concluded(form(&visit, &cx, Typed::hinted(&visit), Err(note)))
        }
        Err(page) => *page,
    }
}

/// What another page has to say before a sign-in.
pub(super) fn note(visit: &Visit, name: &str) -> Option<String> {
    let key = match name {
        "step_over" => "page.sign_in.step_over",
        "registration_closed" => "page.login.registration_closed",
        "account_ready" => "page.login.account_ready",
        "signed_out" => "page.login.signed_out",
        _ => return None,
    };
    Some(visit.say(key))
}

/// The page, with a fault or, where there is none, perhaps a note.
fn form(
    visit: &Visit,
    cx: &Cx,
    typed: Typed,
    said: std::result::Result<Told, Option<String>>,
) -> Result<Response> {
    let settings = &cx.tenant.settings;
    let has_passkeys = settings.passkeys.sign_in != PasskeySignIn::Off
        && settings.mfa_methods.contains(&Method::Webauthn);
    let around = visit.around();
    let passkey_url = format!("{}/login/passkey{}", visit.look.brand.base_path, around.query);
    let (fault, note, status) = match said {
        Ok(told) => (Some(told.text), None, told.status),
        Err(note) => (None, note, StatusCode::OK),
    };
    let page = LoginPage {
        around,
        email: typed.email,
        remember: typed.remember,
        fault,
        note,
        passkey_url: has_passkeys.then_some(passkey_url),
        can_register: settings.registration_enabled,
        can_reset: true,
        tenants: Vec::new(),
    };
    visit.embeddable(&page, status)
}

pub(super) async fn submit(door: Door, body: Result<Form<SignIn>>) -> Response {
    match Visit::at_tenant(door, body.map(|Form(body)| body)).await {
        Ok((visit, cx, body)) => visit.concluded(sign_in(&visit, cx, body).await),
        Err(page) => *page,
    }
}

async fn sign_in(visit: &Visit, cx: Cx, body: SignIn) -> Result<Response> {
    if body.action == "cancel" {
        return visit.cancelled().await;
    }
    let cx = visit.demanded(cx);
    let typed = Typed { email: body.email.clone(), remember: body.remember_me };
    let outcome = if body.credential.is_empty() {
        let parsed = (Email::parse(&body.email), Password::parse(&body.password));
        let (Ok(email), Ok(password)) = parsed else {
            return form(visit, &cx, typed, Ok(visit.fault("page.login.fill_in")));
        };
        by_password(visit, &cx, (email, password), body.remember_me).await
    } else {
        by_passkey(visit, &cx, &body).await
    };
    match outcome {
        Ok(outcome) => passed(visit, &cx, outcome).await,
        Err(error) => form(visit, &cx, typed, Ok(visit.told(error)?)),
    }
}

async fn by_password(
    visit: &Visit,
    cx: &Cx,
    (email, password): (Email, Password),
    remember: bool,
) -> Result<Outcome> {
    let headers = &visit.protocol.door.headers;
    let input = login::Input {
        email,
        password,
        persistence: Persistence::from_flag(remember),
        device: cookies::device_of(cx, headers),
        trusted_device: cookies::trusted_of(cx, headers),
        client_id: None,
    };
    login::login(cx, &input).await
}

async fn by_passkey(visit: &Visit, cx: &Cx, body: &SignIn) -> Result<Outcome> {
    let input = passkey_login::Input {
        ceremony: body.challenge_id.parse().ok(),
        credential: serde_json::from_str(&body.credential).unwrap_or(Value::Null),
        persistence: Persistence::from_flag(body.remember_me),
        device: cookies::device_of(cx, &visit.protocol.door.headers),
    };
    passkey_login::finish(cx, &input).await
}

/// Where the browser goes after a right password or passkey.
pub(super) async fn passed(visit: &Visit, cx: &Cx, outcome: Outcome) -> Result<Response> {
    let at = |page: &str| {
        let base = crate::flows::base_url(&cx.app, &cx.tenant);
        format!("{base}/{page}{}", visit.query_at_tenant())
    };
    Ok(match outcome {
        Outcome::SignedIn(signed_in) => {
            sent_on(&visit.onward(cx), visit.entered(cx, &signed_in).await?)
        }
        Outcome::Challenge { token, .. } => sent_on(&at("mfa"), [cookies::step(cx, &token)]),
        Outcome::Enrol { token, .. } => sent_on(&at("mfa/enrol"), [cookies::step(cx, &token)]),
        Outcome::ChangePassword { .. } => {
            let page = DonePage {
                title: visit.say("page.password_due.title"),
                text: visit.say("page.password_due.text"),
            };
            return visit.page(&page, StatusCode::OK);
        }
    })
}

/// Begins a sign-in by passkey, for the script of the page.
pub(super) async fn begin_passkey(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((_, cx, _)) => begun(&cx, passkey_login::begin(&cx).await),
        Err(page) => *page,
    }
}

/// What a script needs to go on with a ceremony.
pub(super) fn begun(cx: &Cx, begun: Result<Begun>) -> Response {
    match begun {
        Ok(Begun { id, options }) => {
            let data = json!({"challenge_id": id.to_string(), "options": options});
            Reply::new(cx, data).into_response()
        }
        Err(error) => error.into_response(),
    }
}
