//! Whether the server lives, and whether it can serve.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::app::App;

/// `/health/live` and `/health/ready`.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

async fn live() -> Response {
    answer(StatusCode::OK, &json!({"status": "live"}))
}

/// Ready while the database answers. Mail that cannot leave is told, but stops no sign-in.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let mail = if app.mailer.is_ready() { "ok" } else { "not configured" };
    match app.db.ping().await {
        Ok(()) => answer(
            StatusCode::OK,
            &json!({"status": "ready", "checks": {"database": "ok", "mail": mail}}),
        ),
        Err(error) => {
            tracing::warn!(cause = ?error, "not ready");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({"status": "unavailable", "checks": {"database": "unavailable", "mail": mail}}),
            )
        }
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
