//! What a browser sees of the protocol itself: that a request was refused, and the form that takes
//! an answer to its application.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use url::Url;

use super::{AsPage, Look, answer, look};
use crate::{
    app::App,
    domain::oauth::Denial,
    error::{Context, Error, Result},
    flows::oauth::{Flavour, authorize::Answer},
    http::{dev::house_look, headers, language, oauth::Protocol},
    text::Locale,
    view::{
        PageFrame,
        pages::{FormPostPage, ProtocolErrorPage},
    },
};

/// The look of a realm's pages, in the language that the browser asks for.
#[must_use]
pub fn realm_look(protocol: &Protocol) -> Look {
    let app = &protocol.ox.app;
    match &protocol.ox.flavour {
        Flavour::Tenant(tenant) => {
            let cx = protocol.door.cx(std::sync::Arc::clone(tenant));
            let locale = protocol.door.locale(cx.mail_locale(None));
            Look { locale, ..look(&cx) }
        }
        Flavour::Platform => Look { locale: protocol.door.locale(Locale::En), ..house_look(app) },
    }
}

/// The page of a fault of ours, or of whatever else keeps us from answering.
#[must_use]
pub fn fault(protocol: &Protocol, fault: Error) -> Response {
    let mut response = fault.into_response();
    response.extensions_mut().insert(AsPage(realm_look(protocol)));
    response
}

/// The page of a request that came to nobody's endpoints: there is no such tenant, or it is not in
/// use.
#[must_use]
pub fn no_realm(app: &App, headers: &HeaderMap, fault: Error) -> Response {
    let locale = language::of_headers(app, headers, (app.clock.now(), Locale::En)).choose();
    let mut response = fault.into_response();
    response.extensions_mut().insert(AsPage(Look { locale, ..house_look(app) }));
    response
}

/// The page of a request whose application or address is in doubt: nothing is sent there.
///
/// # Errors
/// Where the template fails.
pub fn refused(protocol: &Protocol, denial: &Denial) -> Result<Response> {
    tracing::info!(code = denial.code.as_str(), "denied, on a page");
    let ox = &protocol.ox;
    let page = ProtocolErrorPage {
        code: denial.code.as_str(),
        description: denial.description.clone().into_owned(),
        request_id: ox.caller.request_id.clone(),
    };
    let mut response = answer(&ox.app.view, &realm_look(protocol), &page, &ox.app.entropy)?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    Ok(response)
}

/// The form that a browser posts to an application (OAuth 2.0 Form Post Response Mode).
///
/// # Errors
/// Where the template fails, or there is no randomness.
pub fn form_post(protocol: &Protocol, sent: &Answer) -> Result<Response> {
    let app = &protocol.ox.app;
    let look = realm_look(protocol);
    let url = Url::parse(&sent.back.redirect_uri).doing("answering an application")?;
    let page = FormPostPage {
        action: sent.back.redirect_uri.clone(),
        fields: sent.parameters.iter().map(|(name, value)| (*name, value.clone())).collect(),
    };
    let nonce = base64::engine::general_purpose::STANDARD.encode(app.entropy.bytes::<16>()?);
    let frame = PageFrame { locale: look.locale, brand: &look.brand, nonce: &nonce };
    let mut response = axum::response::Html(app.view.page(frame, &page)?).into_response();
    if let Ok(policy) = HeaderValue::from_str(&headers::form_post_policy(&nonce, &url)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}
