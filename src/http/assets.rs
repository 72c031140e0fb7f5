//! The files that pages load. Each is kept for ever by whoever has it: its address changes with
//! its content.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use super::door::text;
use crate::{
    app::App,
    error::{Error, Result},
    view::{Asset, Coding},
};

/// For answers to an address that holds a mark of the content.
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/static/…`.
pub(super) fn routes() -> Router<Arc<App>> {
    let mut router = Router::new().route("/static/{file}", get(of_another_release));
    for asset in Asset::all() {
        let serve = move |headers: HeaderMap| std::future::ready(file(asset, &headers));
        router = router.route(&asset.path, get(serve));
    }
    router
}

fn file(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let coding = Coding::choose(text(headers, header::ACCEPT_ENCODING).unwrap_or_default());
    let common = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::VARY, "accept-encoding"),
    ];
    let packed = coding.name().map(|name| [(header::CONTENT_ENCODING, name)]);
    match packed {
        Some(packed) => (common, packed, asset.body(coding)).into_response(),
        None => (common, asset.body(coding)).into_response(),
    }
}

/// A page of another release asks for its file: ours is better than none, but nobody shall keep
/// it under that address.
async fn of_another_release(uri: Uri) -> Result<Response> {
    let asset = Asset::of_another_release(uri.path()).ok_or(Error::NotFound)?;
    Ok(Redirect::temporary(&asset.path).into_response())
}
