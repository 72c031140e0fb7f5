//! Confirming an address: a page with one button, so that a mail scanner that opens the link
//! confirms nothing.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::{answer, dead_link, look, mailed::Token, shown};
use crate::{
    app::App,
    domain::email::Email,
    error::Result,
    flows::{
        Cx,
        verify_email::{Preview, Verified, preview, verify},
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::{
        moment,
        pages::{Link, VerifiedPage, VerifyEmailPage},
    },
};

pub(super) async fn show(
    State(app): State<Arc<App>>,
    door: Door,
    query: Result<Query<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Query(query) = query?;
        match preview(cx, &query.token).await {
            Ok(found) => page(cx, found, query.token),
            Err(error) => dead_link(cx, Link::VerifyEmail, error),
        }
    })
    .await
}

fn page(cx: &Cx, found: Preview, token: String) -> Result<Response> {
    let masked = |email: &str| Email::parse(email).map(|it| it.masked()).unwrap_or_default();
    let form = match found {
        Preview::Done(verified) => return done(cx, verified),
        Preview::Registration(it) => VerifyEmailPage {
            token,
            email_masked: masked(&it.email),
            name: Some(format!("{} {}", it.first_name, it.last_name)),
            registered_at: Some(moment(cx.app.view.texts(), cx.caller.locale, it.created_at)),
        },
        Preview::Account(user) => VerifyEmailPage {
            token,
            email_masked: masked(&user.email),
            name: None,
            registered_at: None,
        },
    };
    answer(&cx.app.view, &look(cx), &form, &cx.app.entropy)
}

pub(super) async fn submit(
    State(app): State<Arc<App>>,
    door: Door,
    form: Result<Form<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Form(form) = form?;
        match verify(cx, &form.token).await {
            Ok(verified) => done(cx, verified),
            Err(error) => dead_link(cx, Link::VerifyEmail, error),
        }
    })
    .await
}

fn done(cx: &Cx, verified: Verified) -> Result<Response> {
    let page = VerifiedPage { already: verified.already, continue_url: verified.redirect_uri };
    answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)
}
