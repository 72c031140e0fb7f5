//! Whether an application may have what it asks for, at a tenant's page.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use super::{
    asked_for,
    visit::{self, Asked, OfRequest, Said, Told, Underway, Visit, is_web, sent_on},
};
use crate::{
    domain::application::Origin,
    error::Result,
    flows::{
        Cx,
        oauth::{
            Flavour,
            asking::{self, Question},
            authorize,
        },
    },
    http::{
        door::Door,
        extract::{Form, Query},
        oauth::authorize::shown,
    },
    view::pages::sign_in::{ConsentPage, DetailShown},
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Decision {
    #[schema(required = false)]
    request: String,
    #[schema(required = false)]
    realm: String,
    #[schema(required = false)]
    action: String,
    #[schema(required = false)]
    proof: String,
}

impl OfRequest for Decision {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

pub(super) async fn show(door: Door, query: Result<Query<Asked>>) -> Response {
    let asked = query.map(|Query(asked)| asked);
    visit::at_tenant(door, asked, async |visit: &mut Visit, cx: Cx, _: Asked| {
        ask(visit, &cx, Said::Nothing).await
    })
    .await
}

/// The request with whoever is asked; `None` where it is not clear who, or he is of another tenant.
async fn question<'a>(visit: &'a Visit, cx: &Cx) -> Result<Option<(&'a Underway, Question)>> {
    let Some(underway) = &visit.underway else { return Ok(None) };
    let (ox, pending) = (&visit.protocol.ox, &underway.pending);
    let question = asking::question(ox, pending, &visit.visitor).await?;
    let question = question.filter(|question| question.me.cx().tenant.id == cx.tenant.id);
    Ok(question.map(|question| (underway, question)))
}

async fn ask(visit: &mut Visit, cx: &Cx, said: Said) -> Result<Response> {
    let question = question(visit, cx).await?.map(|(_, question)| question);
    if let Some(question) = &question {
        visit.speak_to(&question.me);
    }
    let (Some(Underway { pending, .. }), Some(question)) = (&visit.underway, question) else {
        return elsewhere(visit, cx);
    };
    let metadata = &pending.application.metadata;
    let is_platform = matches!(visit.protocol.ox.flavour, Flavour::Platform);
    let around = visit.around();
    let not_you = match &around.handle {
        Some(handle) if is_platform => format!("/login?request={handle}"),
        _ => format!("{}/login{}", visit.look.brand.base_path, around.query),
    };
    let web = |url: &Option<String>| url.clone().filter(|url| is_web(url));
    let (fault, _, status) = said.parts();
    let page = ConsentPage {
        around,
        fault,
        proof: question.proof.expose().clone(),
        email: question.me.user().email.clone(),
        scopes: asked_for::scopes(&pending.request.scope, |key| visit.say(key)),
        details: pending.request.authorization_details.iter().map(detail).collect(),
        destination: destination(&pending.request.redirect_uri),
        policy_url: web(&metadata.policy_uri),
        terms_url: web(&metadata.tos_uri),
        is_unknown: pending.application.origin != Origin::Operator,
        not_you_url: not_you,
    };
    visit.page(&page, status)
}

/// There is nothing to ask here: whatever comes next is found anew.
fn elsewhere(visit: &Visit, cx: &Cx) -> Result<Response> {
    if visit.underway.is_none() {
        return visit.gone();
    }
    Ok(sent_on(&visit.onward(cx), []))
}

fn detail(value: &Value) -> DetailShown {
    let fields = value.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| *name != "type");
    DetailShown {
        kind: value.get("type").map(readable).unwrap_or_default(),
        fields: fields.map(|(name, value)| (name.clone(), readable(value))).collect(),
    }
}

/// A value as people can read it.
fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(readable).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", readable(value)));
            fields.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Where an answer goes, as people know it: a host, or a program on their device.
fn destination(redirect_uri: &str) -> String {
    let Ok(url) = Url::parse(redirect_uri) else { return String::new() };
    match url.host_str() {
        Some(host) if matches!(url.scheme(), "http" | "https") => host.to_owned(),
        _ => format!("{}:", url.scheme()),
    }
}

pub(super) async fn submit(door: Door, body: Result<Form<Decision>>) -> Response {
    let body = body.map(|Form(body)| body);
    visit::at_tenant(door, body, async |visit: &mut Visit, cx: Cx, body: Decision| {
        decided(visit, &cx, body).await
    })
    .await
}

async fn decided(visit: &mut Visit, cx: &Cx, body: Decision) -> Result<Response> {
    let Some((underway, question)) = question(visit, cx).await? else {
        return elsewhere(visit, cx);
    };
    if let Err(error) = question.check(&body.proof) {
        // Asked anew: of whoever is signed in by now, and with a proof that is good.
        tracing::info!(code = crate::http::error::code(&error).as_str(), "asked once more");
        let told =
            Told { text: visit.say("page.sign_in.form_stale"), status: StatusCode::FORBIDDEN };
        return ask(visit, cx, Said::Fault(told)).await;
    }
    if body.action != "allow" {
        return visit.cancelled().await;
    }
    let ox = &visit.protocol.ox;
    let outcome = authorize::allow(ox, &underway.kept.handle, &visit.visitor).await;
    Ok(shown(&visit.protocol, outcome))
}
