//! Asking for the link to a new password, at a tenant's page.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::visit::{Asked, OfRequest, Told, Visit};
use crate::{
    domain::email::Email,
    error::Result,
    flows::{Cx, password::forgot},
    http::{
        door::Door,
        extract::{Form, Query},
    },
    view::pages::sign_in::{CheckMailPage, ForgotPasswordPage},
};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Forgetful {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
    #[schema(required = false)]
    email: String,
}

impl OfRequest for Forgetful {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    match Visit::at_tenant(door, query.map(|Query(asked)| asked)).await {
        Ok((visit, ..)) => visit.concluded(form(&visit, String::new(), None)),
        Err(page) => *page,
    }
}

fn form(visit: &Visit, email: String, told: Option<Told>) -> Result<Response> {
    let status = told.as_ref().map_or(StatusCode::OK, |told| told.status);
    let fault = told.map(|told| told.text);
    visit.page(&ForgotPasswordPage { around: visit.around(), email, fault }, status)
}

pub(super) async fn submit(door: Door, body: Result<Form<Forgetful>>) -> Response {
    match Visit::at_tenant(door, body.map(|Form(body)| body)).await {
        Ok((visit, cx, body)) => visit.concluded(ask(&visit, &cx, body).await),
        Err(page) => *page,
    }
}

async fn ask(visit: &Visit, cx: &Cx, body: Forgetful) -> Result<Response> {
    let Ok(email) = Email::parse(&body.email) else {
        return form(visit, body.email, Some(visit.fault("page.register.bad_email")));
    };
    if let Err(error) = forgot(cx, email, None).await {
        let told = visit.told(error)?;
        return form(visit, body.email, Some(told));
    }
    let page = CheckMailPage {
        around: visit.around(),
        title: visit.say("page.check_mail.title"),
        text: visit.say("answer.reset_accepted"),
    };
    visit.page(&page, StatusCode::OK)
}
