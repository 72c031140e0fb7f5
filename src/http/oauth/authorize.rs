//! `GET` and `POST authorize`: from here a browser goes to a page of ours, or back to the
//! application with its answer.

use axum::{
    extract::Request,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{Protocol, Unread, in_form, in_query, visitor::visitor};
use crate::{
    domain::oauth::{parameters::Parameters, request::ResponseMode},
    error::{Context, Result},
    flows::oauth::{
        Ox,
        authorize::{self, Answer, Outcome, Page},
        origin,
    },
    http::{cookies, pages},
};

pub(super) async fn begin(protocol: Protocol, uri: Uri) -> Response {
    let Protocol { ox, door } = &protocol;
    let given = match in_query(uri.query()) {
        Ok(given) => given,
        Err(unread) => return unreadable(&protocol, unread),
    };
    let outcome = authorize::begin(ox, given, &visitor(ox, &door.headers)).await;
    shown(&protocol, outcome)
}

/// Bytes of a form that are sent on in an address.
pub(super) const SHORT: usize = 6 * 1024;

/// A form that another site has had posted brings no cookies of ours along. So the browser is sent
/// on to the same place by an address, with which they come.
pub(super) async fn begin_by_post(protocol: Protocol, request: Request) -> Response {
    let path = format!("{}/authorize", protocol.ox.oauth_base());
    let given = match in_form(request).await {
        Ok(given) => given,
        Err(unread) => return unreadable(&protocol, unread),
    };
    let query = in_address(&given);
    if query.len() <= SHORT {
        return Redirect::to(&format!("{path}?{query}")).into_response();
    }
    let ox = &protocol.ox;
    let outcome = authorize::begin(ox, given, &visitor(ox, &protocol.door.headers)).await;
    shown(&protocol, outcome)
}

pub(super) fn in_address(given: &Parameters) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given.iter()).finish()
}

/// A pending request that goes on.
pub(super) async fn resume(protocol: Protocol, uri: Uri) -> Response {
    let Protocol { ox, door } = &protocol;
    let given = match in_query(uri.query()) {
        Ok(given) => given,
        Err(unread) => return unreadable(&protocol, unread),
    };
    let visitor = visitor(ox, &door.headers);
    let outcome = authorize::resume(ox, given.get("request"), &visitor).await;
    shown(&protocol, outcome)
}

fn unreadable(protocol: &Protocol, unread: Unread) -> Response {
    let outcome = match unread {
        Unread::Denied(denial) => Ok(Outcome::Refused(denial)),
        Unread::Fault(fault) => Err(fault),
    };
    shown(protocol, outcome)
}

/// What a browser is told of an outcome; faults are pages, too.
pub(in crate::http) fn shown(protocol: &Protocol, outcome: Result<Outcome>) -> Response {
    let rendered = outcome.and_then(|outcome| render(protocol, outcome));
    rendered.unwrap_or_else(|fault| pages::protocol::fault(protocol, fault))
}

fn render(protocol: &Protocol, outcome: Outcome) -> Result<Response> {
    let ox = &protocol.ox;
    match outcome {
        Outcome::Refused(denial) => pages::protocol::refused(protocol, &denial),
        Outcome::Answered(answer) => answered(protocol, &answer),
        Outcome::Interact { page, kept, tenant } => {
            let base = match &tenant {
                Some(tenant) => format!("{}/t/{}", origin(&ox.app), tenant.slug),
                None => origin(&ox.app).to_owned(),
            };
            let name = match page {
                Page::SignIn => "login",
                Page::Register => "register",
                Page::SelectAccount => "select-account",
                Page::Consent => "consent",
            };
            let flavour = if tenant.is_some() { realm_hint(ox) } else { "" };
            let url = format!("{base}/{name}?request={}{flavour}", kept.handle.expose());
            let mut response = Redirect::to(&url).into_response();
            let cookie = cookies::request(&ox.app, ox.realm(), &kept.browser);
            if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
            Ok(response)
        }
    }
}

/// Tells a tenant's page that the request is the platform's.
fn realm_hint(ox: &Ox) -> &'static str {
    match ox.realm() {
        crate::id::Realm::Platform => "&realm=platform",
        crate::id::Realm::Tenant(_) => "",
    }
}

fn answered(protocol: &Protocol, answer: &Answer) -> Result<Response> {
    match answer.back.response_mode {
        ResponseMode::Query => {
            let mut url =
                Url::parse(&answer.back.redirect_uri).doing("answering an application")?;
            url.query_pairs_mut().extend_pairs(&answer.parameters);
            // After a form, too, the browser comes by GET (RFC 9700 §4.12).
            Ok(Redirect::to(url.as_str()).into_response())
        }
        ResponseMode::FormPost => pages::protocol::form_post(protocol, answer),
    }
}
