//! The API document: made from the code and committed, served at `/openapi.json` and browsable at
//! `/docs`.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::openapi::{Info, License, OpenApi, OpenApiBuilder, tag::TagBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{api, oauth};
use crate::app::App;

/// The document without its paths.
#[must_use]
pub fn base() -> OpenApi {
    let mut info = Info::new("Countersign", env!("CARGO_PKG_VERSION"));
    info.description = Some("A multi-tenant identity server.".to_owned());
    info.license = Some(License::new("Apache-2.0"));
    OpenApiBuilder::new()
        .info(info)
        .tags(Some([
            TagBuilder::new()
                .name("Authentication")
                .description(Some(
                    "What one calls before one has a token. No endpoint needs a Bearer token unless \
                     the tenant demands it; one that is present must be good.",
                ))
                .build(),
            TagBuilder::new()
                .name("Self-service")
                .description(Some(
                    "What people who are signed in do about themselves. By the access token of a \
                     session, or by the session's cookie; with the cookie, whatever changes \
                     something needs the header X-CSRF-Token, whose value GET /api/v1/me/session \
                     tells. A browser with sessions in several tenants says in X-Tenant which one \
                     is meant.",
                ))
                .build(),
            TagBuilder::new()
                .name("Captcha")
                .description(Some("The built-in proof that no machine registers."))
                .build(),
            TagBuilder::new()
                .name("Portal Auth")
                .description(Some("Signing in by an address alone, for the user portal."))
                .build(),
            TagBuilder::new()
                .name("OIDC")
                .description(Some("What applications of a tenant build on."))
                .build(),
            TagBuilder::new()
                .name("Platform OAuth")
                .description(Some("What applications of every tenant build on."))
                .build(),
        ]))
        .build()
}

/// The whole document.
#[must_use]
pub fn document() -> OpenApi {
    let mut document =
        OpenApiRouter::<Arc<App>>::with_openapi(base()).merge(api::routes()).into_openapi();
    oauth::document::describe(&mut document);
    document
}

/// The document as text: JSON, indented, with a line break at its end.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn text(document: &OpenApi) -> Result<String, serde_json::Error> {
    Ok(document.to_pretty_json()? + "\n")
}

/// The document as it lies beside the code. A test holds it against [`document()`]: to make it at
/// each start would cost more than the rest of the start.
const COMMITTED: &str = include_str!("../../openapi.json");

/// `/openapi.json` and `/docs`.
pub fn routes() -> Router<Arc<App>> {
    let ui = SwaggerUi::new("/docs").config(
        Config::from("/openapi.json")
            .use_base_layout()
            .supported_submit_methods(["get", "post", "put", "patch", "delete"]),
    );
    let ui: Router<Arc<App>> = Router::from(ui);
    Router::new()
        .route("/openapi.json", get(committed))
        .merge(ui.layer(middleware::map_response(relax)))
}

async fn committed() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, COMMITTED).into_response()
}

/// The reference viewer styles itself with inline styles and draws icons from data URLs.
async fn relax(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; \
             img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    response
}
