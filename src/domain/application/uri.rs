//! Addresses that an application registers, and what is sent where: compared exactly, but for the
//! port of a native application's loopback address (RFC 8252 §7.3).

use std::net::IpAddr;

use url::Url;

use super::ApplicationType;

/// Whether an address may be registered as one that answers are sent to.
///
/// # Errors
/// What is wrong with it.
pub fn check_redirect(kind: ApplicationType, text: &str) -> Result<(), &'static str> {
    if !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) || text.contains(['\\', '*']) {
        return Err("an address in ASCII, without blanks, backslashes or wildcards");
    }
    let url = Url::parse(text).map_err(|_| "a whole address")?;
    if text.contains('#') {
        return Err("an address without a fragment");
    }
    // What a browser would make of it is what was written: no two readings of one address.
    if !url
        .as_str()
        .strip_suffix('/')
        .unwrap_or(url.as_str())
        .eq(text.strip_suffix('/').unwrap_or(text))
    {
        return Err("an address in its normal form");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address without a user name");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("https, or http on a loopback address"),
        scheme if kind == ApplicationType::Native && scheme.contains('.') => Ok(()),
        _ if kind == ApplicationType::Native => {
            Err("a scheme of its own in reverse domain notation, such as com.example.app")
        }
        _ => Err("https, or http on a loopback address"),
    }
}

/// `localhost` or a loopback address.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `shown` is one of the registered addresses: character by character, but for the port of
/// a native application's literal loopback address.
#[must_use]
pub fn matches(kind: ApplicationType, registered: &[String], shown: &str) -> bool {
    registered.iter().any(|known| known == shown)
        || (kind == ApplicationType::Native
            && registered.iter().any(|known| is_same_but_port(known, shown)))
}

fn is_same_but_port(known: &str, shown: &str) -> bool {
    let (Ok(mut a), Ok(mut b)) = (Url::parse(known), Url::parse(shown)) else { return false };
    let literal = |url: &Url| {
        url.scheme() == "http" && is_loopback(url) && url.host_str() != Some("localhost")
    };
    // Of two spellings of one address only the normal one is taken.
    let is_normal = b.as_str() == shown;
    literal(&a)
        && literal(&b)
        && is_normal
        && a.set_port(None).is_ok()
        && b.set_port(None).is_ok()
        && a == b
}

/// Whether the text is an origin as a browser sends it: scheme, host and port, nothing more.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        ["https", "http"].contains(&url.scheme()) && url.origin().ascii_serialization() == text
    })
}

/// Whether the text is the address of something on the web: https, or http on a loopback address.
#[must_use]
pub fn is_web(text: &str) -> bool {
    text.len() <= 2_000
        && Url::parse(text).is_ok_and(|url| {
            url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
        })
}
