//! Changing an address: proving the new one, and the old one's way to say no. Each is a page with
//! one button, so that a mail scanner that opens the link does neither.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::{answer, dead_link, look, mailed::Token, shown};
use crate::{
    app::App,
    error::Result,
    flows::{
        Cx,
        email_change::{self, Stopped},
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::{ChangeEmailPage, DonePage, Link, StopEmailChangePage},
};

pub(super) async fn show(
    State(app): State<Arc<App>>,
    door: Door,
    query: Result<Query<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Query(Token { token }) = query?;
        let found = match email_change::preview(cx, &token).await {
            Ok(found) if found.is_made => return done(cx),
            Ok(found) => found,
            Err(error) => return dead_link(cx, Link::ChangeEmail, error),
        };
        let page = ChangeEmailPage {
            token,
            old_email_masked: found.old_email,
            new_email_masked: found.new_email,
        };
        answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)
    })
    .await
}

pub(super) async fn submit(
    State(app): State<Arc<App>>,
    door: Door,
    form: Result<Form<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Form(form) = form?;
        match email_change::confirm(cx, &form.token).await {
            Ok(()) => done(cx),
            Err(error) => dead_link(cx, Link::ChangeEmail, error),
        }
    })
    .await
}

fn done(cx: &Cx) -> Result<Response> {
    said(cx, "page.email_changed.title", "page.email_changed.text")
}

fn said(cx: &Cx, title: &str, text: &str) -> Result<Response> {
    let say = |key: &str| cx.app.view.texts().say(cx.caller.locale, key, minijinja::context! {});
    let page = DonePage { title: say(title), text: say(text) };
    answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)
}

pub(super) async fn show_stop(
    State(app): State<Arc<App>>,
    door: Door,
    query: Result<Query<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Query(Token { token }) = query?;
        let found = match email_change::preview_stop(cx, &token).await {
            Ok(found) => found,
            Err(error) => return dead_link(cx, Link::StopEmailChange, error),
        };
        let page = StopEmailChangePage {
            token,
            old_email_masked: found.old_email,
            new_email_masked: found.new_email,
            is_made: found.is_made,
        };
        answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)
    })
    .await
}

pub(super) async fn submit_stop(
    State(app): State<Arc<App>>,
    door: Door,
    form: Result<Form<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Form(form) = form?;
        let text = match email_change::stop(cx, &form.token).await {
            Ok(Stopped::InTime) => "page.email_change_stopped.in_time",
            Ok(Stopped::Undone) => "page.email_change_stopped.undone",
            Ok(Stopped::Suspended) => "page.email_change_stopped.suspended",
            Err(error) => return dead_link(cx, Link::StopEmailChange, error),
        };
        said(cx, "page.email_change_stopped.title", text)
    })
    .await
}
