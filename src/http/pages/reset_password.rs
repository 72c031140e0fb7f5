//! Setting a new password by a mailed link. Looking at the page spends nothing.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{answer, dead_link, look, mailed::Token, shown};
use crate::{
    app::App,
    domain::{email::Email, password::Password},
    error::{Code, Error, Result},
    flows::{
        Cx,
        password::{peek_reset, reset},
    },
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::{Link, ResetDonePage, ResetPasswordPage},
};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewPassword {
    #[serde(default)]
    #[schema(required = false)]
    token: String,
    #[serde(default)]
    #[schema(required = false, format = Password)]
    password: String,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    door: Door,
    query: Result<Query<Token>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Query(query) = query?;
        form(cx, query.token, Vec::new()).await
    })
    .await
}

async fn form(cx: &Cx, token: String, faults: Vec<String>) -> Result<Response> {
    let step = match peek_reset(cx, &token).await {
        Ok(step) => step,
        Err(error) => return dead_link(cx, Link::ResetPassword, error),
    };
    let settings = &cx.tenant.settings;
    let min = settings.password_policy.effective_min_length(settings.mfa_required);
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = ResetPasswordPage {
        token,
        email_masked: Email::parse(&step.user.email).map(|it| it.masked()).unwrap_or_default(),
        min_length: u32::try_from(min).unwrap_or(u32::MAX),
        faults,
    };
    let mut response = answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)?;
    *response.status_mut() = status;
    Ok(response)
}

pub(super) async fn submit(
    State(app): State<Arc<App>>,
    door: Door,
    body: Result<Form<NewPassword>>,
) -> Response {
    shown(&app, &door, async |cx: &Cx| {
        let Form(body) = body?;
        set(cx, body).await
    })
    .await
}

async fn set(cx: &Cx, body: NewPassword) -> Result<Response> {
    let Ok(password) = Password::parse(&body.password) else {
        let settings = &cx.tenant.settings;
        let min = settings.password_policy.effective_min_length(settings.mfa_required);
        let key = if body.password.is_empty() { "password.too_short" } else { "password.too_long" };
        let fault = cx.app.view.texts().say(cx.caller.locale, key, minijinja::context! { min });
        return form(cx, body.token, vec![fault]).await;
    };
    match reset(cx, &body.token, &password).await {
        Ok(step) => {
            let page = ResetDonePage { continue_url: step.redirect_uri };
            answer(&cx.app.view, &look(cx), &page, &cx.app.entropy)
        }
        Err(Error::Refused(no)) if no.code == Code::PasswordRejected => {
            form(cx, body.token, no.reasons).await
        }
        Err(error) => dead_link(cx, Link::ResetPassword, error),
    }
}
