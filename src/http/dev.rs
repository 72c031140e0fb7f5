//! The development mailbox: where mail lands when no SMTP server takes it. These routes exist in
//! development and demo mode only.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    extract::Query,
    pages::{self, Look, portal::AtPlatform},
};
use crate::{
    app::App,
    entropy::Entropy,
    error::{Context, Error, Result},
    mail::{Mailer, mailbox::Mailbox},
    text::Locale,
    view::{Brand, RawBrand},
};

/// `/dev/mailbox` and `/dev/mailbox.json`.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/dev/mailbox", get(page)).route("/dev/mailbox.json", get(list))
}

#[derive(Debug, Deserialize, ToSchema)]
struct Filter {
    to: Option<String>,
}

fn mailbox(app: &App) -> Result<&Mailbox> {
    match &app.mailer {
        Mailer::Mailbox(mailbox) => Ok(mailbox),
        Mailer::Smtp(_) | Mailer::Held => Err(Error::NotFound),
    }
}

async fn list(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Result<Response> {
    let mails = mailbox(&app)?.json(filter.to.as_deref());
    let body = serde_json::to_string(&mails).doing("writing the mailbox")?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn page(
    State(app): State<Arc<App>>,
    AtPlatform(door): AtPlatform,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let mails = mailbox(&app)?.page(filter.to.as_deref(), |_| None);
    let look = Look { locale: door.locale(Locale::En), ..house_look(&app) };
    pages::answer(&app.view, &look, &mails, &Entropy::Os)
}

/// The look of pages that belong to no tenant.
#[must_use]
pub fn house_look(app: &App) -> Look {
    let brand = Brand::new(RawBrand {
        tenant_name: "Countersign",
        base_url: app.config.public_url.as_str(),
        ..RawBrand::default()
    });
    Look { locale: Locale::En, brand }
}
