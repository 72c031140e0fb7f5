//! The doors: routes, and what every request passes on its way in and out.
//!
//! Statuses, headers, cookies and JSON fields are named here and nowhere else. A handler parses,
//! calls one flow, and renders.

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    app::App,
    error::{Code, Error},
};

pub mod address;
pub mod api;
mod assets;
pub mod cookies;
pub mod dev;
pub mod door;
pub mod error;
pub mod extract;
pub mod frame;
pub mod headers;
pub mod health;
pub mod language;
mod limits;
pub mod oauth;
pub mod openapi;
pub mod pages;
mod pictures;
pub mod reference;
pub mod schema;
pub mod signed_in;
pub mod well_known;
pub mod wire;

/// All routes of the server.
pub fn router(app: Arc<App>) -> Router {
    let (api, _) =
        OpenApiRouter::with_openapi(openapi::base()).merge(api::routes()).split_for_parts();
    let api = api.method_not_allowed_fallback(method_not_allowed);
    let mut pages = pages::routes().route("/", get(pages::home));
    if app.config.mode.is_development() {
        pages = pages.merge(dev::routes());
    }
    let remember = middleware::from_fn_with_state(Arc::clone(&app), language::remember);
    let router = api
        .merge(pages.route_layer(remember))
        .merge(assets::routes())
        .merge(pictures::routes())
        .merge(health::routes())
        .merge(well_known::routes())
        .merge(oauth::routes(&app))
        .merge(openapi::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    router.layer(middleware::from_fn_with_state(Arc::clone(&app), frame::frame)).with_state(app)
}

async fn not_found() -> Error {
    Error::NotFound
}

async fn method_not_allowed() -> Error {
    Error::refused(Code::MethodNotAllowed)
}
