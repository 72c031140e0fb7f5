//! A browser at a protocol endpoint or a hosted page: which requests and sessions are its own.

use axum::http::HeaderMap;

use crate::{
    flows::oauth::{Ox, pending::Visitor},
    http::cookies,
};

/// What a browser's cookies tell.
#[must_use]
pub fn visitor(ox: &Ox, headers: &HeaderMap) -> Visitor {
    Visitor {
        browser: cookies::request_of(&ox.app, ox.realm(), headers),
        sessions: cookies::sessions(&ox.app, headers),
    }
}
