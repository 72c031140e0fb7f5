//! What every request passes: an id, a place in the log and the figures, limits on load, a guard
//! against faults of ours, and the headers of the answer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::{address, error, headers, limits, pages};
use crate::{
    app::App,
    clock::{Stopwatch, Timestamp},
    domain::network::ClientAddress,
    error::{Code, Error},
    flows::{fresh_id, load::Verdict},
    id::RequestId,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a request may take in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of a request before its handler runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its id, as in `X-Request-Id`.
    pub id: String,
    /// When it came.
    pub now: Timestamp,
    /// From where.
    pub client: ClientAddress,
    /// How long its network has to wait, where only an application that proves who it is may go on.
    pub over: Option<Duration>,
}

/// Runs a request with everything around it.
pub async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    address::take_off_claims(&app.config, &mut request);
    let mut facts = facts(&app, &request);
    let method = request.method().clone();
    let person = pages::is_page(request.uri().path()).then(|| request.headers().clone());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let asked = limits::Asked { method: &method, route: &route, headers: request.headers() };
    let verdict = limits::count(&app.load, &mut facts, asked);
    request.extensions_mut().insert(facts.clone());
    let span = tracing::info_span!(
        "request", %method, route, request_id = facts.id, tenant = tracing::field::Empty
    );
    let response = async {
        let mut response = match verdict {
            Verdict::Over { retry, .. } => Error::Throttled { retry }.into_response(),
            Verdict::Unlimited | Verdict::Within(_) => run(request, next).await,
        };
        if let Some(headers) = &person {
            error::at_page(&mut response, || pages::stray_look(&app, headers));
        }
        let mut response = error::render(&app, &facts, response);
        if let Verdict::Within(left) | Verdict::Over { left, .. } = verdict {
            limits::tell(response.headers_mut(), left);
        }
        headers::secure(response.headers_mut(), app.config.public_url.scheme() == "https");
        if let Ok(id) = HeaderValue::from_str(&facts.id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let (status, took) = (response.status().as_u16(), watch.elapsed());
        tracing::info!(status, ms = took.as_secs_f64() * 1e3, "answered");
        response
    }
    .instrument(span)
    .await;
    let labels = [("route", route), ("status", response.status().as_u16().to_string())];
    metrics::counter!("countersign_requests_total", &labels).increment(1);
    metrics::histogram!("countersign_request_seconds", &labels).record(watch.elapsed());
    response
}

async fn run(request: Request, next: Next) -> Response {
    let guarded = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(PATIENCE, guarded).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Error::internal("serving a request", "it panicked").into_response(),
        Err(_) => {
            let retry = Duration::from_secs(5);
            Error::Busy { code: Code::Overloaded, retry }.into_response()
        }
    }
}

fn facts(app: &App, request: &Request) -> Facts {
    let now = app.clock.now();
    // Without randomness the request fails further on, where its answer has a shape.
    let fresh = || {
        fresh_id::<RequestId>(&app.entropy, now)
            .map_or_else(|_| "req_without_id".to_owned(), |id| id.to_string())
    };
    let id = given_id(request.headers()).unwrap_or_else(fresh);
    let trusted = &app.config.trusted_proxies;
    let client = address::client(request.extensions(), request.headers(), trusted);
    Facts { id, now, client, over: None }
}

/// An id that came with the request: 8 to 128 letters, digits, dots, dashes or underscores.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (8..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    fits.then(|| text.to_owned())
}
