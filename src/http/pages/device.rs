//! The page on which a person lets in a device without a browser (RFC 8628 §3.3): the code first,
//! then the question. A code in the address is filled in and no more, so that a link alone lets
//! nobody in.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
    routing::get,
};

use super::{
    answer, asked_for,
    protocol::{fault, no_realm, realm_look},
    visit::{sent_on, shown_picture, with_cookies},
};
use crate::{
    app::App,
    domain::oauth::{device::UserCode, parameters::Parameters},
    error::{Code, Error, Result},
    flows::{
        oauth::{
            Flavour,
            device::{self, Decided, Device, PAGE, Word},
            guest::{self, Guest},
            origin,
        },
        pictures,
    },
    http::{
        cookies,
        oauth::{Protocol, Unread, in_form, in_query, visitor::visitor},
    },
    view::{
        Page,
        pages::{
            DonePage,
            leaving::{AccountChoice, DeviceConfirmPage, DevicePage},
        },
    },
};

/// The page of each flavour.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/device", get(show).post(submit))
        .route("/t/{tenant_slug}/device", get(show).post(submit))
}

async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    protocol: Result<Protocol>,
    uri: Uri,
) -> Response {
    let protocol = match protocol {
        Ok(protocol) => protocol,
        Err(error) => return no_realm(&app, &headers, error),
    };
    let given = in_query(uri.query()).map_err(unread);
    let shown = async {
        let given = given?;
        let filled = given.get("user_code").and_then(UserCode::parse);
        let Some(guest) = guest::find(&protocol.ox, &visitor_of(&protocol), PAGE).await? else {
            return Ok(to_sign_in(&protocol, filled.as_ref()));
        };
        let page = enter(&protocol, &guest, filled.map(|it| it.grouped()), Wrong::Nothing)?;
        Ok(arrived(&protocol, page))
    };
    shown.await.unwrap_or_else(|error| fault(&protocol, error))
}

async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    protocol: Result<Protocol>,
    request: Request,
) -> Response {
    let protocol = match protocol {
        Ok(protocol) => protocol,
        Err(error) => return no_realm(&app, &headers, error),
    };
    let shown = async {
        protocol.door.refuse_cross_site()?;
        let given = in_form(request).await.map_err(unread)?;
        let typed = given.get("user_code").unwrap_or_default();
        let Some(guest) = guest::find(&protocol.ox, &visitor_of(&protocol), PAGE).await? else {
            return Ok(to_sign_in(&protocol, UserCode::parse(typed).as_ref()));
        };
        if guest.check(given.get("proof")).is_err() {
            // Somebody has signed in or out meanwhile: asked anew, of whoever is there now.
            let filled = UserCode::parse(typed).map(|code| code.grouped());
            return enter(&protocol, &guest, filled, Wrong::Form);
        }
        match given.get("word") {
            None => look(&protocol, &guest, typed, false).await,
            Some("allow") => decided(&protocol, &guest, &given, Word::Allow).await,
            Some("deny") => decided(&protocol, &guest, &given, Word::Deny).await,
            Some(_) => Err(Error::refused(Code::InvalidRequest)),
        }
    };
    shown.await.unwrap_or_else(|error| fault(&protocol, error))
}

fn unread(unread: Unread) -> Error {
    match unread {
        Unread::Denied(_) => Error::refused(Code::InvalidRequest),
        Unread::Fault(fault) => fault,
    }
}

fn visitor_of(protocol: &Protocol) -> crate::flows::oauth::pending::Visitor {
    visitor(&protocol.ox, &protocol.door.headers)
}

/// Where a person signs in first, and comes back from: a cookie tells that a device waits.
fn to_sign_in(protocol: &Protocol, code: Option<&UserCode>) -> Response {
    let ox = &protocol.ox;
    let base = match &ox.flavour {
        Flavour::Platform => origin(&ox.app).to_owned(),
        Flavour::Tenant(tenant) => format!("{}/t/{}", origin(&ox.app), tenant.slug),
    };
    let code = code.map(UserCode::grouped).unwrap_or_default();
    let waits = cookies::waiting_device(&ox.app, ox.realm(), &code);
    sent_on(&format!("{base}/login"), [waits])
}

/// The person is there: nothing waits for a sign-in any more.
fn arrived(protocol: &Protocol, response: Response) -> Response {
    let (app, realm) = (&protocol.ox.app, protocol.ox.realm());
    let waits = cookies::waiting_device_of(app, realm, &protocol.door.headers);
    with_cookies(response, waits.map(|_| cookies::no_waiting_device(app, realm)))
}

fn say(protocol: &Protocol, key: &str) -> String {
    let locale = realm_look(protocol).locale;
    protocol.ox.app.view.texts().say(locale, key, minijinja::context! {})
}

fn action(protocol: &Protocol) -> String {
    match &protocol.ox.flavour {
        Flavour::Platform => "/device".to_owned(),
        Flavour::Tenant(tenant) => format!("/t/{}/device", tenant.slug),
    }
}

fn said<P: Page>(protocol: &Protocol, page: &P) -> Result<Response> {
    let app = &protocol.ox.app;
    answer(&app.view, &realm_look(protocol), page, &app.entropy)
}

/// What was wrong before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The code is none.
    Code,
    /// The form is of another sign-in.
    Form,
}

fn enter(
    protocol: &Protocol,
    guest: &Guest,
    filled: Option<String>,
    wrong: Wrong,
) -> Result<Response> {
    let page = DevicePage {
        action: action(protocol),
        proof: guest.proof().expose().clone(),
        user_code: filled.unwrap_or_default(),
        is_wrong: wrong == Wrong::Code,
        fault: (wrong == Wrong::Form).then(|| say(protocol, "page.sign_in.form_stale")),
    };
    let mut response = said(protocol, &page)?;
    if wrong == Wrong::Form {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    Ok(response)
}

async fn look(
    protocol: &Protocol,
    guest: &Guest,
    typed: &str,
    is_unclear: bool,
) -> Result<Response> {
    match device::find(&protocol.ox, guest, typed).await? {
        Some(device) => {
            let app = &protocol.ox.app;
            let logo = pictures::of_application(app, &device.application).await?;
            let look = realm_look(protocol);
            let logo = logo.map(|it| shown_picture(&look, &it));
            let page = confirm(protocol, guest, &device, is_unclear);
            said(protocol, &DeviceConfirmPage { logo, ..page })
        }
        None => enter(protocol, guest, None, Wrong::Code),
    }
}

fn confirm(
    protocol: &Protocol,
    guest: &Guest,
    device: &Device,
    is_unclear: bool,
) -> DeviceConfirmPage {
    let account = |it: guest::Account| AccountChoice {
        session: it.session.to_string(),
        email: it.email,
        tenant: it.tenant,
    };
    DeviceConfirmPage {
        action: action(protocol),
        proof: guest.proof().expose().clone(),
        user_code: device.code.grouped(),
        application: device.application.name.clone(),
        logo: None,
        scopes: asked_for::scopes(&device.request.scope, |key| say(protocol, key)),
        accounts: guest.accounts().into_iter().map(account).collect(),
        is_unclear,
    }
}

async fn decided(
    protocol: &Protocol,
    guest: &Guest,
    given: &Parameters,
    word: Word,
) -> Result<Response> {
    let typed = given.get("user_code").unwrap_or_default();
    let session = given.get("session").and_then(|it| it.parse().ok());
    let key = match device::decide(&protocol.ox, guest, (typed, session), word).await? {
        Decided::Allowed => "allowed",
        Decided::Denied => "denied",
        Decided::Gone => return enter(protocol, guest, None, Wrong::Code),
        Decided::Nobody => return look(protocol, guest, typed, true).await,
    };
    let text = |part: &str| say(protocol, &format!("page.device_done.{key}_{part}"));
    said(protocol, &DonePage { title: text("title"), text: text("text") })
}
