//! `GET` and `POST userinfo` (OpenID Connect Core §5.3).

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Protocol, credentials, error, in_form, proof};
use crate::{
    domain::oauth::{Denial, ErrorCode},
    flows::oauth::{
        origin,
        shown_token::{Bearing, UserInfo, userinfo},
    },
    http::door::text,
    secret::Secret,
};

pub(super) async fn by_get(protocol: Protocol) -> Response {
    let shown = in_header(&protocol);
    answer(&protocol, shown, "GET").await
}

/// The token may also come in the form (RFC 6750 §2.2), but not in two ways at once.
pub(super) async fn by_post(protocol: Protocol, request: Request) -> Response {
    let headers = &protocol.door.headers;
    let is_form = text(headers, header::CONTENT_TYPE)
        .is_some_and(|it| it.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    let shown = in_header(&protocol);
    let in_body = if is_form {
        match in_form(request).await {
            Ok(given) => given.get("access_token").map(|it| Secret::new(it.to_owned())),
            Err(unread) => return error::unread(unread),
        }
    } else {
        None
    };
    let shown = match (shown, in_body) {
        (Some(_), Some(_)) => {
            let denial = Denial::request("the access token came in two ways");
            return error::challenge(denial.into(), false, true);
        }
        (shown, in_body) => shown.or(in_body.map(|token| (token, false))),
    };
    answer(&protocol, shown, "POST").await
}

fn in_header(protocol: &Protocol) -> Option<(Secret<String>, bool)> {
    let (scheme, token) = text(&protocol.door.headers, header::AUTHORIZATION)?.split_once(' ')?;
    let by_dpop = scheme.eq_ignore_ascii_case("dpop");
    let known = by_dpop || scheme.eq_ignore_ascii_case("bearer");
    known.then(|| (Secret::new(token.trim().to_owned()), by_dpop))
}

async fn answer(
    protocol: &Protocol,
    shown: Option<(Secret<String>, bool)>,
    method: &'static str,
) -> Response {
    let Some((token, by_dpop)) = shown else {
        let denial = Denial::new(ErrorCode::InvalidToken, "an access token is needed");
        return pointed(protocol, error::challenge(denial.into(), false, false));
    };
    let proof = match proof(&protocol.door.headers) {
        Ok(proof) => proof,
        Err(denial) => return pointed(protocol, error::challenge(denial.into(), by_dpop, true)),
    };
    let certificate = credentials::shown(&protocol.door).certificate;
    let bearing = Bearing { token, by_dpop, proof, method, certificate };
    match userinfo(&protocol.ox, &bearing).await {
        Ok(UserInfo::Plain(claims)) => super::json(StatusCode::OK, &claims),
        Ok(UserInfo::Signed(jwt)) => {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
            ([kind], jwt.expose().clone()).into_response()
        }
        Err(failure) => pointed(protocol, error::challenge(failure, by_dpop, true)),
    }
}

/// Says where a client finds out whom to ask for a token (RFC 9728 §5.1).
fn pointed(protocol: &Protocol, mut response: Response) -> Response {
    let ox = &protocol.ox;
    let path = ox.oauth_base().replacen(origin(&ox.app), "", 1);
    let base = format!("{}/.well-known/oauth-protected-resource{path}/userinfo", origin(&ox.app));
    let Some(challenge) = response.headers_mut().get_mut(header::WWW_AUTHENTICATE) else {
        return response;
    };
    let known = challenge.to_str().unwrap_or_default();
    let comma = if known.contains(' ') { "," } else { "" };
    if let Ok(value) =
        HeaderValue::from_str(&format!("{known}{comma} resource_metadata=\"{base}\""))
    {
        *challenge = value;
    }
    response
}
