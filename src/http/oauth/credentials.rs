//! What an application shows of itself in headers: its secret (RFC 6749 §2.3.1), and the
//! certificate that a proxy hands on for it (RFC 8705).

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use crate::{
    flows::oauth::client_auth::{self, Shown},
    http::door::Door,
    secret::Secret,
};

/// Reads the headers. What is in the form is added later. What is there and cannot be read is
/// shown as something that nobody is registered with, so that it is refused, not passed over.
#[must_use]
pub fn shown(door: &Door) -> Shown {
    let header = door.app().config.oauth.client_certificate_header.as_deref();
    Shown {
        basic: basic(&door.headers),
        certificate: header.and_then(|name| certificate(&door.headers, name)),
        ..Shown::default()
    }
}

/// Whether an application authenticates by header.
#[must_use]
pub fn by_basic(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

fn basic(headers: &HeaderMap) -> Option<(String, Secret<String>)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let first = all.next()?;
    let unreadable = || (String::new(), Secret::new(String::new()));
    // Several, or one that is no text.
    let (None, Ok(first)) = (all.next(), first.to_str()) else { return Some(unreadable()) };
    let (scheme, rest) = first.split_once(' ').unwrap_or((first, ""));
    scheme.eq_ignore_ascii_case("basic").then(|| pair(rest.trim()).unwrap_or_else(unreadable))
}

/// Name and password: both were encoded as in a form before they were put together.
fn pair(encoded: &str) -> Option<(String, Secret<String>)> {
    let decoded = Secret::new(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?);
    let (name, password) = decoded.expose().split_once(':')?;
    Some((plain(name)?, Secret::new(plain(password)?)))
}

fn plain(text: &str) -> Option<String> {
    let pair = format!("x={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// The certificate in a header that only a trusted proxy can have set: any other was taken off at
/// the door.
fn certificate(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    let one = if all.next().is_none() { first.to_str().unwrap_or("?") } else { "?" };
    let one = one.trim();
    if one.is_empty() {
        return None;
    }
    Some(client_auth::certificate(one))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::{basic, certificate};
    use crate::crypto::certificate::Certificate;

    const PEM: &str = include_str!("../../crypto/certificate/tests/ec.pem");

    fn by_basic(values: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        basic(&headers).map(|(name, secret)| (name, secret.expose().clone()))
    }

    fn of(name: &str, secret: &str) -> (String, String) {
        (name.to_owned(), secret.to_owned())
    }

    #[test]
    fn name_and_secret_are_decoded_as_from_a_form() {
        // RFC 6749 §2.3.1.
        let rfc = by_basic(&["Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"]);
        assert_eq!(rfc, Some(of("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw")));
        let encoded = |text: &str| format!("bAsIc {}", STANDARD.encode(text));
        assert_eq!(by_basic(&[&encoded("a%3Ab+c:d%26&=:e")]), Some(of("a:b c", "d&&=:e")));
        assert_eq!(by_basic(&[&encoded("a:")]), Some(of("a", "")));
        assert_eq!(by_basic(&["Bearer x"]), None);
        assert_eq!(by_basic(&[]), None);
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_over() {
        let unreadable = Some(of("", ""));
        for bad in ["Basic", "Basic ", "Basic !!", "Basic YQ==", "Basic /w=="] {
            assert_eq!(by_basic(&[bad]), unreadable, "{bad}");
        }
        assert_eq!(by_basic(&["Basic YTpi", "Basic YTpi"]), unreadable);
        assert_eq!(by_basic(&["Bearer x", "Basic YTpi"]), unreadable);
    }

    #[test]
    fn a_certificate_comes_once_or_is_bad() {
        let der = Certificate::from_pem(PEM).unwrap().der().to_vec();
        let seen = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-cert", HeaderValue::from_str(value).unwrap());
            }
            certificate(&headers, "x-cert")
        };
        let base64 = STANDARD.encode(&der);
        assert_eq!(seen(&[&base64]), Some(der));
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[""]), None);
        assert_eq!(seen(&["x"]), Some(Vec::new()));
        assert_eq!(seen(&[&base64, &base64]), Some(Vec::new()), "two");
    }
}
