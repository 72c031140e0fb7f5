//! "This was not me": the page behind the link in the notice of a sign-in. A page with one button,
//! so that a mail scanner that opens the link ends nothing.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::{answer, dead_link, look, mailed::Token, shown};
use crate::{
    app::App,
    error::Result,
    flows::{
        Cx,
        disavowal::{self, Disowned},
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::{
        moment,
        pages::{DonePage, Link, NotMePage},
    },
};

pub(super) async fn show(
    State(app): State<Arc<App>>,
    door: Door,
    query: Result<Query<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Query(Token { token }) = query?;
        let found = match disavowal::preview(cx, &token).await {
            Ok(found) if found.is_used => return done(cx, Disowned::Before),
            Ok(found) => found,
            Err(error) => return dead_link(cx, Link::NotMe, error),
        };
        let page = NotMePage {
            token,
            at: moment(cx.app.view.texts(), cx.caller.locale, found.at),
            device: found.device,
            address: found.address,
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
        match disavowal::disown(cx, &form.token).await {
            Ok(disowned) => done(cx, disowned),
            Err(error) => dead_link(cx, Link::NotMe, error),
        }
    })
    .await
}

fn done(cx: &Cx, disowned: Disowned) -> Result<Response> {
    let text = match disowned {
        Disowned::Ended => "page.not_me_done.ended",
        Disowned::Frozen => "page.not_me_done.frozen",
        Disowned::Closed => "page.not_me_done.closed",
        Disowned::Before => "page.not_me_done.before",
    };
    let tenant = &look(cx).brand.tenant_name;
    let say =
        |key: &str| cx.app.view.texts().say(cx.caller.locale, key, minijinja::context! { tenant });
    let page = DonePage { title: say("page.not_me_done.title"), text: say(text) };
    answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)
}
