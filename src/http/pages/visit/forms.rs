//! The forms of pages at which nobody has signed in yet: what they prove themselves with, what
//! people are told in them, and the frame that every handler of such a page has.
//!
//! A form is bound to its browser by a cookie and to the tenant whose page it is on, so that no
//! other site can sign anybody in to an account of its choice (login CSRF); that comes on top of
//! what browsers say of where a request comes from (`http::door`). A form that cannot prove itself
//! is no error: it is shown once more, with what was typed.

use std::time::Duration;

use axum::{http::StatusCode, response::Response};

use super::{OfRequest, Visit, with_cookies};
use crate::{
    error::{Error, Result},
    flows::{Cx, forms},
    http::{cookies, door::Door, error::code},
    id::Realm,
    secret::Secret,
    view::Page,
};

/// What the forms of a browser are bound to.
#[derive(Debug)]
pub(super) struct FormKey {
    browser: forms::Browser,
    /// Whether the browser brought it; else it is about to be given.
    is_known: bool,
    proof: Secret<String>,
}

impl FormKey {
    /// That of a request, for the forms of a realm's pages.
    pub(super) fn of(door: &Door, realm: Realm) -> Result<Self> {
        let known = cookies::form_of(door.app(), &door.headers);
        let is_known = known.is_some();
        let browser = known.map_or_else(|| forms::browser(door.app()), Ok)?;
        let proof = forms::proof(door.app(), realm, &browser)?;
        Ok(Self { browser, is_known, proof })
    }

    /// What a form shows.
    pub(super) fn proof(&self) -> &str {
        self.proof.expose()
    }
}

/// A form of a page.
pub(in crate::http::pages) trait Sent: OfRequest {
    /// What it proves itself with, as it came.
    fn shown(&self) -> &str;
    /// Whether the person gives up the authorization request.
    fn is_given_up(&self) -> bool;
}

/// What makes a struct with the fields `request`, `realm`, `form_token` and `action` a form.
macro_rules! of_request {
    ($form:ident) => {
        impl $crate::http::pages::visit::OfRequest for $form {
            fn named(&self) -> (&str, &str) {
                (&self.request, &self.realm)
            }
        }

        impl $crate::http::pages::visit::Sent for $form {
            fn shown(&self) -> &str {
                &self.form_token
            }

            fn is_given_up(&self) -> bool {
                self.action == "cancel"
            }
        }
    };
}
pub(in crate::http::pages) use of_request;

/// What a person is told of a no.
#[derive(Debug)]
pub(in crate::http::pages) struct Told {
    /// In words.
    pub(in crate::http::pages) text: String,
    /// As programs see it.
    pub(in crate::http::pages) status: StatusCode,
}

/// What there is to say on a page.
#[derive(Debug, Default)]
pub(in crate::http::pages) enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// What is wrong.
    Fault(Told),
    /// Something else.
    Note(String),
}

impl Said {
    /// What is wrong, what else there is to say, and the status that goes with it.
    pub(in crate::http::pages) fn parts(self) -> (Option<String>, Option<String>, StatusCode) {
        match self {
            Self::Nothing => (None, None, StatusCode::OK),
            Self::Fault(told) => (Some(told.text), None, told.status),
            Self::Note(text) => (None, Some(text), StatusCode::OK),
        }
    }
}

impl From<Option<Told>> for Said {
    fn from(told: Option<Told>) -> Self {
        told.map_or(Self::Nothing, Self::Fault)
    }
}

impl Visit {
    /// A page with a form, and the cookie that the form is bound to.
    pub(in crate::http::pages) fn form<P: Page>(
        &self,
        page: &P,
        status: StatusCode,
    ) -> Result<Response> {
        Ok(self.bound(self.page(page, status)?))
    }

    /// As [`Visit::form`], of a page that those whom the tenant has named may show in a frame.
    pub(in crate::http::pages) fn embeddable_form<P: Page>(
        &self,
        page: &P,
        status: StatusCode,
    ) -> Result<Response> {
        Ok(self.bound(self.embeddable(page, status)?))
    }

    fn bound(&self, response: Response) -> Response {
        let app = &self.protocol.ox.app;
        let cookie = (!self.key.is_known).then(|| cookies::form(app, &self.key.browser));
        with_cookies(response, cookie)
    }

    /// What is told of a form that does not prove that it comes from our page in this browser.
    fn unproved(&self, shown: &str) -> Option<Told> {
        if self.key.is_known && self.key.proof == Secret::new(shown.to_owned()) {
            return None;
        }
        let key = if self.key.is_known {
            "page.sign_in.form_stale"
        } else {
            "page.sign_in.form_no_cookie"
        };
        Some(Told { text: self.say(key), status: StatusCode::FORBIDDEN })
    }

    /// What a person is told of a no. Whatever he cannot mend stays an error.
    pub(in crate::http::pages) fn told(&self, error: Error) -> Result<Told> {
        match error {
            Error::Throttled { retry } => {
                Ok(Told { text: self.wait(retry), status: StatusCode::TOO_MANY_REQUESTS })
            }
            Error::Refused(_) | Error::Taken(_) => {
                let text = self.say(&format!("error.{}", code(&error).as_str()));
                Ok(Told { text, status: StatusCode::BAD_REQUEST })
            }
            other => Err(other),
        }
    }

    /// A fault in the words of `key`.
    pub(in crate::http::pages) fn fault(&self, key: &str) -> Told {
        Told { text: self.say(key), status: StatusCode::BAD_REQUEST }
    }

    fn wait(&self, retry: Duration) -> String {
        let seconds = whole_seconds(retry);
        let minutes = if seconds > 90 { seconds.div_ceil(60) } else { 0 };
        let texts = self.protocol.ox.app.view.texts();
        let said = minijinja::context! { minutes, seconds };
        texts.say(self.look.locale, "page.sign_in.wait", said)
    }
}

/// Rounded up: who waits that long must not come too early.
pub(in crate::http::pages) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A page of a tenant; its errors are pages, too.
pub(in crate::http::pages) async fn at_tenant<F, H>(
    door: Door,
    asked: Result<F>,
    handler: H,
) -> Response
where
    F: OfRequest,
    H: AsyncFnOnce(&mut Visit, Cx, F) -> Result<Response>,
{
    match Visit::at_tenant(door, asked).await {
        Ok((mut visit, cx, asked)) => {
            let answer = handler(&mut visit, cx, asked).await;
            visit.concluded(answer)
        }
        Err(page) => *page,
    }
}

/// A form of a tenant's page. The handler is told what is wrong with it as a form, so that it can
/// show it once more; a person who gives up is sent back.
pub(in crate::http::pages) async fn sent_at_tenant<F, H>(
    door: Door,
    body: Result<F>,
    handler: H,
) -> Response
where
    F: Sent,
    H: AsyncFnOnce(&Visit, Cx, F, Option<Told>) -> Result<Response>,
{
    match Visit::at_tenant(door, body).await {
        Ok((visit, cx, body)) => {
            let stale = visit.unproved(body.shown());
            visit.concluded(if stale.is_none() && body.is_given_up() {
                visit.cancelled().await
            } else {
                handler(&visit, cx, body, stale).await
            })
        }
        Err(page) => *page,
    }
}

/// A page of the platform; its errors are pages, too.
pub(in crate::http::pages) async fn at_platform<F, H>(
    door: Door,
    asked: Result<F>,
    handler: H,
) -> Response
where
    F: OfRequest,
    H: AsyncFnOnce(&Visit, F) -> Result<Response>,
{
    match Visit::at_platform(door, asked).await {
        Ok((visit, asked)) => visit.concluded(handler(&visit, asked).await),
        Err(page) => *page,
    }
}

/// As [`sent_at_tenant`], at a page of the platform.
pub(in crate::http::pages) async fn sent_at_platform<F, H>(
    door: Door,
    body: Result<F>,
    handler: H,
) -> Response
where
    F: Sent,
    H: AsyncFnOnce(&Visit, F, Option<Told>) -> Result<Response>,
{
    match Visit::at_platform(door, body).await {
        Ok((visit, body)) => {
            let stale = visit.unproved(body.shown());
            visit.concluded(if stale.is_none() && body.is_given_up() {
                visit.cancelled().await
            } else {
                handler(&visit, body, stale).await
            })
        }
        Err(page) => *page,
    }
}
