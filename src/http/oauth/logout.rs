//! `GET` and `POST logout` (OpenID Connect RP-Initiated Logout 1.0 §2), and the pages on the way.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Uri, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::Engine as _;

use super::{
    Protocol, Unread, authorize::SHORT, authorize::in_address, in_form, in_query, visitor::visitor,
};
use crate::{
    domain::oauth::parameters::Parameters,
    error::Result,
    flows::oauth::logout::{self, Left, Outcome, Question},
    http::{cookies, headers, pages, pages::Look},
    text::Locale,
    view::{
        PageFrame,
        pages::leaving::{AccountChoice, LogoutPage, SignedOutPage},
    },
};

/// What a question takes along.
const KEPT: [&str; 5] =
    ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"];
/// How long a page with frames stays, in seconds, before it goes on by itself.
const PATIENCE: u32 = 3;

pub(super) async fn begin(protocol: Protocol, uri: Uri) -> Response {
    let given = match in_query(uri.query()) {
        Ok(given) => given,
        Err(unread) => return unreadable(&protocol, unread),
    };
    let ox = &protocol.ox;
    let outcome = logout::begin(ox, &given, &visitor(ox, &protocol.door.headers)).await;
    shown(&protocol, &given, outcome, true)
}

/// A form of our own page, or of an application: what another site has had posted brings no cookies
/// along, so that the browser is sent to the same place by an address.
pub(super) async fn submit(protocol: Protocol, request: Request) -> Response {
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return unreadable(&protocol, unread),
    };
    let ox = &protocol.ox;
    if given.get("proof").is_none() {
        let query = in_address(&given.only(&KEPT));
        if query.len() <= SHORT {
            return Redirect::to(&format!("{}/logout?{query}", ox.oauth_base())).into_response();
        }
        let outcome = logout::begin(ox, &given, &visitor(ox, &protocol.door.headers)).await;
        return shown(&protocol, &given, outcome, true);
    }
    let outcome = match protocol.door.refuse_cross_site() {
        Ok(()) => logout::confirm(ox, &given, &visitor(ox, &protocol.door.headers)).await,
        Err(error) => Err(error),
    };
    // Some browsers let a form lead nowhere else, not even by a redirect: so a page goes on.
    shown(&protocol, &given, outcome, false)
}

fn unreadable(protocol: &Protocol, unread: Unread) -> Response {
    let outcome = match unread {
        Unread::Denied(denial) => Ok(Outcome::Refused(denial)),
        Unread::Fault(fault) => Err(fault),
    };
    shown(protocol, &Parameters::default(), outcome, false)
}

fn shown(
    protocol: &Protocol,
    given: &Parameters,
    outcome: Result<Outcome>,
    may_redirect: bool,
) -> Response {
    let rendered = outcome.and_then(|outcome| match outcome {
        Outcome::Refused(denial) => pages::protocol::refused(protocol, &denial),
        Outcome::Ask(question) => ask(protocol, given, &question),
        Outcome::Left(left) => gone(protocol, given, left, may_redirect),
    });
    rendered.unwrap_or_else(|fault| pages::protocol::fault(protocol, fault))
}

/// The look of the page, in the language that the application or else the browser asks for.
fn look(protocol: &Protocol, given: &Parameters) -> Look {
    let look = pages::protocol::realm_look(protocol);
    let asked = given.get("ui_locales").and_then(Locale::first_of);
    let locale = asked.unwrap_or(look.locale);
    Look { locale, ..look }
}

fn ask(protocol: &Protocol, given: &Parameters, question: &Question) -> Result<Response> {
    let ox = &protocol.ox;
    let kept = |name: &'static str| given.get(name).map(|value| (name, value.to_owned()));
    let account = |it: crate::flows::oauth::guest::Account| AccountChoice {
        session: it.session.to_string(),
        email: it.email,
        tenant: it.tenant,
    };
    let action = format!("{}/logout", ox.oauth_base());
    let page = LogoutPage {
        action: url::Url::parse(&action).map_or(action, |url| url.path().to_owned()),
        fields: KEPT.into_iter().filter_map(kept).collect(),
        proof: question.guest.proof().expose().clone(),
        application: question.application.clone(),
        accounts: question.guest.accounts().into_iter().map(account).collect(),
    };
    pages::answer(&ox.app.view, &look(protocol, given), &page, &ox.app.entropy)
}

fn gone(
    protocol: &Protocol,
    given: &Parameters,
    left: Left,
    may_redirect: bool,
) -> Result<Response> {
    let ox = &protocol.ox;
    let mut response = match &left.back {
        Some(back) if may_redirect && left.frames.is_empty() => {
            Redirect::to(back.as_str()).into_response()
        }
        _ => signed_out(protocol, given, &left)?,
    };
    let answer = response.headers_mut();
    for tenant in left.tenants {
        let cookie = cookies::no_session(&ox.within(tenant)).to_string();
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            answer.append(header::SET_COOKIE, value);
        }
    }
    // What pages of ours have left in the browser. Cookies of other tenants stay; caches hold
    // nothing of ours, since nothing may be stored.
    let name = HeaderName::from_static("clear-site-data");
    answer.insert(name, HeaderValue::from_static("\"storage\""));
    Ok(response)
}

fn signed_out(protocol: &Protocol, given: &Parameters, left: &Left) -> Result<Response> {
    let app = &protocol.ox.app;
    let page = SignedOutPage {
        frames: left.frames.iter().map(ToString::to_string).collect(),
        continue_url: left.back.as_ref().map(ToString::to_string),
        application: left.application.clone(),
    };
    let look = look(protocol, given);
    let nonce = base64::engine::general_purpose::STANDARD.encode(app.entropy.bytes::<16>()?);
    let frame = PageFrame { locale: look.locale, brand: &look.brand, nonce: &nonce };
    let mut response = Html(app.view.page(frame, &page)?).into_response();
    let answer = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&headers::frames_policy(&nonce, &left.frames)) {
        answer.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let wait = if left.frames.is_empty() { 0 } else { PATIENCE };
    if let Some(back) = &left.back
        && let Ok(refresh) = HeaderValue::from_str(&format!("{wait}; url={back}"))
    {
        answer.insert(header::REFRESH, refresh);
    }
    Ok(response)
}
