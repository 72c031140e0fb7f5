//! Addresses that an application registers, and what is sent where: compared exactly, but for the
//! port of a native application's loopback address (RFC 8252 §7.3).

use std::net::IpAddr;

use url::Url;

use super::ApplicationType;

/// Bytes of an address, at most.
const LONGEST: usize = 2_000;

/// Whether an address may be registered as one that answers are sent to.
///
/// # Errors
/// What is wrong with it.
pub fn check_redirect(kind: ApplicationType, text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST || !is_plain(text) {
        return Err("an address in ASCII, without blanks, backslashes or wildcards");
    }
    let url = Url::parse(text).map_err(|_| "a whole address")?;
    if text.contains('#') {
        return Err("an address without a fragment");
    }
    // What a browser would make of it is what was written: no two readings of one address. Only
    // the slash that stands for an empty path may be left out.
    let bare = url.path() == "/" && url.query().is_none();
    if url.as_str() != text && !(bare && url.as_str().strip_suffix('/') == Some(text)) {
        return Err("an address in its normal form");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address without a user name");
    }
    if hides_steps(&url) {
        return Err("an address without encoded dots, slashes, percent or control signs");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        // No scheme that a browser or system acts on by itself has a dot in it.
        scheme if kind == ApplicationType::Native && scheme.contains('.') => Ok(()),
        _ if kind == ApplicationType::Native => Err(
            "https, http on a loopback address, or a scheme in reverse domain notation, such as \
             com.example.app",
        ),
        _ => Err("https, or http on a loopback address"),
    }
}

/// Printing ASCII that every reader of addresses takes alike.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) && !text.contains(['\\', '*'])
}

/// Whether somebody who decodes the address once more would find another path or another line.
fn hides_steps(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    let in_path = ["..", "%2e", "%2f", "%5c", "%25"].iter().any(|it| path.contains(it));
    let whole = url.as_str().to_ascii_lowercase();
    in_path || ["%0", "%1", "%7f"].iter().any(|it| whole.contains(it))
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
    // Of two spellings of one address only the normal one is taken, with or without the slash of
    // an empty path as it was registered.
    let is_normal = b.as_str() == shown
        || (!known.ends_with('/') && b.as_str().strip_suffix('/') == Some(shown));
    literal(&a)
        && literal(&b)
        && is_normal
        && known.ends_with('/') == shown.ends_with('/')
        && a.set_port(None).is_ok()
        && b.set_port(None).is_ok()
        && a == b
}

/// Whether the text is an origin as a browser sends it: scheme, host and port, nothing more; https,
/// or http on a loopback address.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    text.len() <= LONGEST
        && is_plain(text)
        && Url::parse(text).is_ok_and(|url| {
            (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
                && url.origin().ascii_serialization() == text
        })
}

/// Whether the text is the address of something on the web: https, or http on a loopback address.
#[must_use]
pub fn is_web(text: &str) -> bool {
    text.len() <= LONGEST
        && is_plain(text)
        && Url::parse(text).is_ok_and(|url| {
            url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
        })
}

/// The address of a client ID metadata document, where `text` can be one: https, a path, no
/// fragment, no user name, no dot segments, and in its normal form, so that one document has one
/// name (draft-ietf-oauth-client-id-metadata-document §3). On a loopback address, `http` is for
/// whoever fetches it to allow.
#[must_use]
pub fn document(text: &str) -> Option<Url> {
    if !is_web(text) || text.contains('#') {
        return None;
    }
    let url = Url::parse(text).ok()?;
    (url.path() != "/" && url.as_str() == text && !hides_steps(&url)).then_some(url)
}

#[cfg(test)]
mod tests;
