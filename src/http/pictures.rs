//! Pictures of tenants and applications, by the digest of what they hold.

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

use super::{assets::FOR_EVER, door::Door, extract::Path, headers};
use crate::{
    app::App,
    domain::tenant::Tenant,
    error::{Error, Result},
    flows::pictures,
};

/// Which picture.
#[derive(Debug, Deserialize, ToSchema)]
struct Named {
    /// Its digest and its ending.
    file: String,
}

/// `/t/{tenant_slug}/pictures/…`, and `/pictures/…` for the platform's own applications.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/t/{tenant_slug}/pictures/{file}", get(of_tenant))
        .route("/pictures/{file}", get(of_platform))
}

async fn of_tenant(door: Door, Path(named): Path<Named>) -> Result<Response> {
    let cx = door.open_to_all().await?;
    picture(&cx.app, &named.file, Some(&cx.tenant)).await
}

async fn of_platform(State(app): State<Arc<App>>, Path(named): Path<Named>) -> Result<Response> {
    picture(&app, &named.file, None).await
}

async fn picture(app: &App, file: &str, tenant: Option<&Tenant>) -> Result<Response> {
    let (digest, ending) = file.split_once('.').ok_or(Error::NotFound)?;
    let found = pictures::body(app, digest, tenant).await?;
    let body = found.filter(|it| it.format.as_str() == ending).ok_or(Error::NotFound)?;
    let told =
        [(header::CONTENT_TYPE, body.format.media_type()), (header::CACHE_CONTROL, FOR_EVER)];
    let mut response = (told, body.bytes).into_response();
    headers::of_picture(response.headers_mut());
    Ok(response)
}
