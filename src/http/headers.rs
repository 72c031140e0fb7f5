//! The headers that keep a browser from doing with our answers what nobody asked for.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

const FIXED: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// One year, subdomains included.
const TRANSPORT: &str = "max-age=31536000; includeSubDomains";

/// Adds what an answer has not set itself.
pub fn secure(headers: &mut HeaderMap, is_https: bool) {
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static(TRANSPORT));
    }
}

/// The policy of a hosted page: our own stylesheet and script, the tenant's colours by `nonce`,
/// logos from anywhere over https.
#[must_use]
pub fn page_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'self'; \
         img-src 'self' https: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The policy of a page within an authorization request: as [`page_policy`], but the answer to its
/// form may send the browser on to the application, which browsers count as a target of the form,
/// and its script may call us. An application may send it on in turn, so that its scheme alone is
/// named.
#[must_use]
pub fn interaction_policy(nonce: &str, target: Option<&url::Url>) -> String {
    let target = target.map(|url| format!(" {}:", url.scheme())).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'self'; \
         img-src 'self' https: data:; connect-src 'self'; form-action 'self'{target}; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The policy of the page whose one form sends itself to `target`: only there, by our own script.
#[must_use]
pub fn form_post_policy(nonce: &str, target: &url::Url) -> String {
    let origin = target.origin();
    let target = if origin.is_tuple() {
        origin.ascii_serialization()
    } else {
        format!("{}:", target.scheme())
    };
    format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'self' 'nonce-{nonce}'; \
         img-src 'self' https: data:; form-action {target}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}
