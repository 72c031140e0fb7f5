//! A tenant's front page: who is signed in, and the way out.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::visit::{Asked, OfRequest, Visit, sent_on};
use crate::{
    error::{Code, Error, Result},
    flows::{Cx, me::Me, own_sessions},
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::{MessagePage, sign_in::SignedInPage},
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct SignOut {
    #[schema(required = false)]
    proof: String,
}

impl OfRequest for SignOut {
    fn named(&self) -> (&str, &str) {
        ("", "")
    }
}

/// Whoever is signed in at the tenant.
async fn present(visit: &Visit, cx: &Cx) -> Result<Option<Me>> {
    let Some((id, secret)) = cookies::session_of(cx, &visit.protocol.door.headers) else {
        return Ok(None);
    };
    match Me::by_cookie(cx.clone(), id, &secret).await {
        Ok(me) => Ok(Some(me)),
        Err(Error::Refused(no)) if no.code == Code::NotAuthenticated => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) async fn show(door: Door, _: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, Ok(Asked::default())).await {
        Ok((mut visit, cx, _)) => {
            let shown = home(&mut visit, &cx).await;
            visit.concluded(shown)
        }
        Err(page) => *page,
    }
}

async fn home(visit: &mut Visit, cx: &Cx) -> Result<Response> {
    if let Some(me) = present(visit, cx).await? {
        visit.speak_to(&me);
        let page = SignedInPage { email: me.user().email.clone(), proof: me.csrf_token()? };
        return visit.page(&page, StatusCode::OK);
    }
    let say = |key| {
        let tenant = &visit.look.brand.tenant_name;
        cx.app.view.texts().say(visit.look.locale, key, minijinja::context! { tenant })
    };
    let (title, text) = (say("page.tenant_home.title"), say("page.tenant_home.text"));
    visit.page(&MessagePage { title, text, request_id: None }, StatusCode::OK)
}

pub(super) async fn sign_out(door: Door, body: Result<Form<SignOut>>) -> Response {
    match Visit::at_tenant(door, body.map(|Form(body)| body)).await {
        Ok((visit, cx, body)) => visit.concluded(leave(&visit, &cx, &body).await),
        Err(page) => *page,
    }
}

async fn leave(visit: &Visit, cx: &Cx, body: &SignOut) -> Result<Response> {
    if let Some(me) = present(visit, cx).await? {
        me.check_csrf(Some(&body.proof))?;
        match own_sessions::end(&me, me.session.id).await {
            // Somebody was faster; it has ended either way.
            Ok(()) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    let to = format!("{}/login?note=signed_out", visit.look.brand.base_path);
    Ok(sent_on(&to, [cookies::no_session(cx)]))
}
