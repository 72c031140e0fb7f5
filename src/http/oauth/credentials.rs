//! What an application shows of itself in headers (RFC 6749 §2.3.1).

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{flows::oauth::client_auth::Shown, http::door::text, secret::Secret};

/// Reads the headers. What is in the form is added later.
#[must_use]
pub fn shown(headers: &HeaderMap) -> Shown {
    Shown { basic: basic(headers), ..Shown::default() }
}

/// Whether an application authenticates by header.
#[must_use]
pub fn by_basic(headers: &HeaderMap) -> bool {
    text(headers, header::AUTHORIZATION).is_some()
}

fn basic(headers: &HeaderMap) -> Option<(String, Secret<String>)> {
    let (scheme, rest) = text(headers, header::AUTHORIZATION)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    // Both were encoded as in a form before they were put together.
    let plain = |text: &str| {
        let pair = format!("x={}", text.replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((plain(name)?, Secret::new(plain(password)?)))
}
