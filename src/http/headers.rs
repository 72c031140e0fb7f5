//! The headers that keep a browser from doing with our answers what nobody asked for.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

const FIXED: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (RESOURCE_POLICY, "same-origin"),
    // Passkeys are for our own pages; nothing else that a browser guards is used by any.
    (
        PERMISSIONS_POLICY,
        "publickey-credentials-create=(self), publickey-credentials-get=(self), \
         camera=(), display-capture=(), geolocation=(), hid=(), identity-credentials-get=(), \
         microphone=(), midi=(), payment=(), serial=(), usb=()",
    ),
];

/// One year, subdomains included.
const TRANSPORT: &str = "max-age=31536000; includeSubDomains";

/// Adds what an answer has not set itself.
pub fn secure(headers: &mut HeaderMap, is_https: bool) {
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // The older form of the same word, for browsers that know no other; it cannot name anybody.
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|it| it.to_str().ok());
    if policy.is_some_and(|it| it.contains("frame-ancestors 'none'")) {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    if is_https {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static(TRANSPORT));
    }
}

/// Parts a page from whoever has opened its window. For pages that stand alone: an application
/// that signs its people in by a second window waits there for the answer, so that pages within an
/// authorization request stay within its reach.
pub fn part_from_opener(headers: &mut HeaderMap) {
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

/// Who may frame a page.
#[derive(Debug, Clone, Copy)]
pub enum Framing<'a> {
    /// Nobody.
    Never,
    /// Pages of these origins; nobody where there are none.
    By(&'a [String]),
}

impl Framing<'_> {
    fn ancestors(self) -> String {
        match self {
            Self::Never | Self::By([]) => "'none'".to_owned(),
            Self::By(origins) => origins.join(" "),
        }
    }
}

/// The headers of an answer that is the same for everybody and for ever, and that others may show:
/// a tenant's picture, which stands in mails too. Opened alone it is a picture and no page.
pub fn of_picture(headers: &mut HeaderMap) {
    let policy = "default-src 'none'; sandbox; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}

/// The policy of a hosted page: our own stylesheet and script, the tenant's colours by `nonce`,
/// pictures that we serve ourselves.
#[must_use]
pub fn page_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'self'; \
         img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The policy of a page within an authorization request: as [`page_policy`], but the answer to its
/// form may send the browser on to the application, which browsers count as a target of the form,
/// and its script may call us. An application may send it on in turn, so that its scheme alone is
/// named. `foreign` are the sources of a captcha that is not ours.
#[must_use]
pub fn interaction_policy(
    nonce: &str,
    target: Option<&url::Url>,
    framing: Framing<'_>,
    foreign: &str,
) -> String {
    let target = target.map(|url| format!(" {}:", url.scheme())).unwrap_or_default();
    let ancestors = framing.ancestors();
    let (more, frames) = if foreign.is_empty() {
        (String::new(), String::new())
    } else {
        (format!(" {foreign}"), format!("frame-src {foreign}; "))
    };
    format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}'{more}; script-src 'self'{more}; \
         img-src 'self' data:{more}; connect-src 'self'{more}; {frames}form-action 'self'{target}; \
         base-uri 'none'; frame-ancestors {ancestors}"
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
         img-src 'self' data:; form-action {target}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// The policy of the page that tells applications of the end of a session: as [`page_policy`], and
/// frames of these addresses' origins.
#[must_use]
pub fn frames_policy(nonce: &str, frames: &[url::Url]) -> String {
    let mut origins: Vec<String> =
        frames.iter().map(|url| url.origin().ascii_serialization()).collect();
    origins.sort();
    origins.dedup();
    let policy = page_policy(nonce);
    if origins.is_empty() { policy } else { format!("{policy}; frame-src {}", origins.join(" ")) }
}
