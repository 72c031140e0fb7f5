//! Signing in at a tenant's page: with a password or a passkey.

use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    captcha, check_mail,
    visit::{self, Asked, Said, Told, Visit, of_request, sent_on, with_parameter},
};
use crate::{
    domain::{
        email::Email,
        factor::Method,
        password::Password,
        session::Persistence,
        settings::{PasskeySignIn, Settings, SignInForm},
    },
    error::Result,
    flows::{
        Cx, base_url,
        ceremonies::Begun,
        forms::{self, Typed},
        login::{self, Outcome},
        oauth::asking,
        passkey_login,
    },
    http::{
        api::Reply,
        cookies,
        door::{Door, with_captcha},
        extract::{Form, Query},
    },
    view::pages::{
        captcha::CaptchaShown,
        lost::Way,
        sign_in::{LoginPage, PresentShown, TenantShown},
    },
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
    form_token: String,
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
    /// The captcha's answer, under the name that whoever makes it gives the field.
    #[serde(
        alias = "h-captcha-response",
        alias = "cf-turnstile-response",
        alias = "g-recaptcha-response"
    )]
    #[schema(required = false)]
    captcha_token: String,
    #[schema(required = false)]
    challenge_id: String,
    #[schema(required = false)]
    credential: String,
}

of_request!(SignIn);

impl SignIn {
    /// What stays in the form.
    pub(super) fn typed(&self) -> Typed {
        Typed { email: self.email.clone(), remember: self.remember_me }
    }

    /// The fields in which something is missing.
    pub(super) fn wrong(&self) -> Vec<&'static str> {
        let email = Email::parse(&self.email).is_err().then_some("email");
        let password = Password::parse(&self.password).is_err().then_some("password");
        email.into_iter().chain(password).collect()
    }
}

/// What a sign-in page asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ask {
    /// Address and password.
    #[default]
    Both,
    /// The address.
    Email,
    /// The password of an address.
    Password,
}

/// What a sign-in page has beside its fields.
#[derive(Debug, Default)]
pub(super) struct Offered {
    pub(super) ask: Ask,
    pub(super) wrong: Vec<&'static str>,
    pub(super) passkey_url: Option<String>,
    pub(super) can_register: bool,
    pub(super) can_reset: bool,
    pub(super) can_look: bool,
    pub(super) tenants: Vec<TenantShown>,
    pub(super) elsewhere: Vec<Way>,
    pub(super) present: Option<PresentShown>,
    pub(super) captcha: Option<CaptchaShown>,
}

/// A sign-in page, of a tenant or of the platform.
pub(super) fn rendered(
    visit: &Visit,
    typed: Typed,
    offered: Offered,
    said: Said,
) -> Result<Response> {
    let around = visit.around();
    let restart = format!("{}/login{}", visit.look.brand.base_path, around.query);
    let (fault, note, status) = said.parts();
    let page = LoginPage {
        ask: match offered.ask {
            Ask::Both => "both",
            Ask::Email => "email",
            Ask::Password => "password",
        },
        around,
        email: typed.email,
        remember: typed.remember,
        fault,
        wrong: offered.wrong,
        note,
        passkey_url: offered.passkey_url,
        restart_url: (offered.ask == Ask::Password).then_some(restart),
        can_register: offered.can_register,
        can_reset: offered.can_reset,
        tenants: offered.tenants,
        elsewhere: offered.elsewhere,
        can_look: offered.can_look,
        present: offered.present,
        captcha: offered.captcha,
    };
    visit.embeddable_form(&page, status)
}

/// Before anything was typed: the address that the application hints at.
pub(super) fn hinted(visit: &Visit) -> Typed {
    let hint = visit.underway.as_ref().and_then(|it| it.pending.request.login_hint.clone());
    let email = hint.filter(|hint| Email::parse(hint).is_ok()).unwrap_or_default();
    Typed { email, remember: false }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, cx: Cx, asked: Asked| {
        let typed = if asked.note == STEP_OVER { resumed(visit, &cx) } else { None };
        let typed = typed.unwrap_or_else(|| hinted(visit));
        let present = present(visit, |_| visit.onward(&cx)).await?;
        let captcha = captcha::shown(&cx, cx.tenant.settings.captchas.sign_in)?;
        let offered = offered(visit, &cx, first(&cx.tenant.settings));
        let offered = Offered { present, captcha, ..offered };
        rendered(visit, typed, offered, note(visit, &asked.note))
    })
    .await
}

/// The note of a sign-in that begins anew since its second step is over.
pub(super) const STEP_OVER: &str = "step_over";

/// What was typed when the sign-in began that has to begin anew.
fn resumed(visit: &Visit, cx: &Cx) -> Option<Typed> {
    let sealed = cookies::typed_of(cx, &visit.protocol.door.headers)?;
    forms::kept(cx, sealed.expose())
}

/// Whoever is signed in already, where no application asks for anything else.
pub(super) async fn present(
    visit: &Visit,
    onward: impl Fn(&Cx) -> String,
) -> Result<Option<PresentShown>> {
    if visit.underway.is_some() {
        return Ok(None);
    }
    let people = asking::people(&visit.protocol.ox, &visit.visitor).await?;
    Ok(people
        .first()
        .map(|me| PresentShown { email: me.user().email.clone(), continue_url: onward(me.cx()) }))
}

/// What another page has to say before a sign-in.
pub(super) fn note(visit: &Visit, name: &str) -> Said {
    let key = match name {
        STEP_OVER => "page.sign_in.step_over",
        "registration_closed" => "page.login.registration_closed",
        "account_ready" => "page.login.account_ready",
        "signed_out" => "page.login.signed_out",
        "session_over" => "page.account.session_over",
        "password_changed" => "page.account.signed_out_everywhere",
        "account_deleted" => "page.account.deleted",
        _ => return Said::Nothing,
    };
    Said::Note(visit.say(key))
}

/// What a tenant's page asks for first.
fn first(settings: &Settings) -> Ask {
    match settings.sign_in_form {
        SignInForm::Both => Ask::Both,
        SignInForm::EmailFirst => Ask::Email,
    }
}

/// Whether a passkey alone signs in.
pub(super) fn has_passkeys(settings: &Settings) -> bool {
    settings.passkeys.sign_in != PasskeySignIn::Off
        && settings.mfa_methods.contains(&Method::Webauthn)
}

fn offered(visit: &Visit, cx: &Cx, ask: Ask) -> Offered {
    let settings = &cx.tenant.settings;
    let query = visit.around().query;
    let passkey_url = format!("{}/login/passkey{query}", visit.look.brand.base_path);
    Offered {
        ask,
        passkey_url: has_passkeys(settings).then_some(passkey_url),
        can_register: settings.registration_enabled,
        can_reset: true,
        ..Offered::default()
    }
}

pub(super) async fn submit(door: Door, body: Result<Form<SignIn>>) -> Response {
    Box::pin(visit::sent_at_tenant(door, body.map(|Form(body)| body), sign_in)).await
}

async fn sign_in(visit: &Visit, cx: Cx, body: SignIn, stale: Option<Told>) -> Result<Response> {
    let cx = visit.demanded(cx);
    let cx = with_captcha(&cx, &body.captcha_token);
    let ask = asked_of(&cx, &body);
    let use_of = cx.tenant.settings.captchas.sign_in;
    let again = |wrong, said: Said| {
        let captcha = captcha::shown(&cx, use_of)?;
        let offered = Offered { wrong, captcha, ..offered(visit, &cx, ask) };
        rendered(visit, body.typed(), offered, said)
    };
    if let Some(told) = stale {
        return again(Vec::new(), Said::Fault(told));
    }
    if ask != Ask::Both && body.action == "email" {
        return by_address(visit, &cx, &body);
    }
    let outcome = if body.credential.is_empty() {
        let parsed = (Email::parse(&body.email), Password::parse(&body.password));
        let (Ok(email), Ok(password)) = parsed else {
            let key = match ask {
                Ask::Password => "page.login.fill_in_password",
                Ask::Both | Ask::Email => "page.login.fill_in",
            };
            return again(body.wrong(), Said::Fault(visit.fault(key)));
        };
        by_password(visit, &cx, (email, password), body.remember_me).await
    } else {
        by_passkey(visit, &cx, &body).await
    };
    match outcome {
        Ok(outcome) => passed(visit, &cx, outcome, body.typed()).await,
        Err(error) => {
            let captcha = captcha::shown_after(&cx, use_of, &error)?;
            let offered = Offered { captcha, ..offered(visit, &cx, ask) };
            rendered(visit, body.typed(), offered, Said::Fault(visit.told(error)?))
        }
    }
}

/// What a form asked for that comes back: where the address comes first, an address that is one
/// stays.
fn asked_of(cx: &Cx, body: &SignIn) -> Ask {
    let first = first(&cx.tenant.settings);
    let has_address = Email::parse(&body.email).is_ok();
    let is_second = body.action != "email" && body.credential.is_empty() && has_address;
    if first == Ask::Email && is_second { Ask::Password } else { first }
}

/// The second page of a sign-in that asks for the address first. Nothing is looked up, so that
/// nothing can be told from it.
fn by_address(visit: &Visit, cx: &Cx, body: &SignIn) -> Result<Response> {
    if Email::parse(&body.email).is_err() {
        let offered = Offered { wrong: vec!["email"], ..offered(visit, cx, Ask::Email) };
        let said = Said::Fault(visit.fault("page.login.fill_in_email"));
        return rendered(visit, body.typed(), offered, said);
    }
    let captcha = captcha::shown(cx, cx.tenant.settings.captchas.sign_in)?;
    let offered = Offered { captcha, ..offered(visit, cx, Ask::Password) };
    rendered(visit, body.typed(), offered, Said::Nothing)
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

/// Where the browser goes after a right password or passkey. What was typed goes along sealed to a
/// second step, for the way back.
pub(super) async fn passed(
    visit: &Visit,
    cx: &Cx,
    outcome: Outcome,
    typed: Typed,
) -> Result<Response> {
    let at =
        |page: &str| format!("{}/{page}{}", base_url(&cx.app, &cx.tenant), visit.query_at_tenant());
    let (page, token) = match outcome {
        Outcome::SignedIn(signed_in) => {
            return Ok(sent_on(&visit.onward(cx), visit.entered(cx, &signed_in).await?));
        }
        Outcome::ChangePassword { .. } => return check_mail::password_due(visit, cx, typed.email),
        Outcome::Challenge { token, .. } => ("mfa", token),
        Outcome::Enrol { token, .. } => ("mfa/enrol", token),
    };
    let kept = cookies::typed(cx, &forms::keep(cx, &typed)?);
    Ok(sent_on(&at(page), [cookies::step(cx, &token), kept]))
}

/// Where a sign-in begins anew, with a note.
pub(super) fn anew(visit: &Visit, note: &str) -> String {
    let address = format!("{}/login{}", visit.look.brand.base_path, visit.around().query);
    with_parameter(&address, "note", note)
}

/// Begins a sign-in by passkey, for the script of the page. It proves nothing and opens nothing, so
/// that what the browser says of where it comes from is enough; the form with the answer proves
/// itself.
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
