//! What an application says of itself when it comes by itself: in a registration (RFC 7591 §2,
//! OpenID Connect Registration §2), or in a document that it lays out (client ID metadata
//! documents). What is not known is passed over, as the standards demand; what cannot be granted
//! is refused or left out, and the answer tells what was taken.

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Denial, ErrorCode,
    scope::{OFFLINE_ACCESS, OPENID, STANDARD, Scope},
};
use crate::domain::{
    application::{
        AUTHORIZATION_CODE, Application, ApplicationType, AuthMethod, DEVICE_CODE, Metadata,
        REFRESH_TOKEN, uri,
    },
    tenant::is_label,
};

/// An application as it describes itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// What kind of program.
    pub kind: ApplicationType,
    /// Its name for people.
    pub name: String,
    /// Its metadata.
    pub metadata: Metadata,
}

/// The fields of a description that are taken as they are.
const TAKEN: [&str; 37] = [
    "redirect_uris",
    "post_logout_redirect_uris",
    "token_endpoint_auth_method",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "subject_type",
    "sector_identifier_uri",
    "jwks",
    "jwks_uri",
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_certificate_bound_access_tokens",
    "dpop_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "request_object_signing_alg",
    "authorization_details_types",
    "default_max_age",
    "require_auth_time",
    "default_acr_values",
    "client_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "contacts",
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "frontchannel_logout_uri",
    "frontchannel_logout_session_required",
    "software_id",
    "software_version",
    // Read on their own.
    "application_type",
    "client_name",
    "grant_types",
    "response_types",
    "scope",
];

/// How many of [`TAKEN`] are fields of the metadata as they are.
const PLAIN: usize = 32;

/// What asks for something that we do not do, and that must not be passed over silently.
const REFUSED: [&str; 7] = [
    "software_statement",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
];

/// The grants that whatever comes by itself may use: those in which a person has a say.
const GRANTED: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE];

fn bad(sentence: impl Into<std::borrow::Cow<'static, str>>) -> Denial {
    Denial::new(ErrorCode::InvalidClientMetadata, sentence)
}

/// Reads a description. `more` are the scopes, besides the usual ones, that may be allowed.
///
/// # Errors
/// `invalid_redirect_uri` or `invalid_client_metadata`.
pub fn read(given: &Map<String, Value>, more: &[String]) -> Result<Described, Denial> {
    if let Some(name) = REFUSED.into_iter().find(|name| is_said(given, name)) {
        return Err(bad(format!("{name} is not supported")));
    }
    let redirects = texts(given, "redirect_uris")?;
    let method = text(given, "token_endpoint_auth_method")?;
    let kind = kind(given, &redirects, method)?;
    let plain = TAKEN.iter().take(PLAIN).filter_map(|name| {
        let value = given.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    let mut change: Map<String, Value> = plain.collect();
    change.insert("grant_types".to_owned(), json!(grants(given)?));
    change.insert("allowed_scopes".to_owned(), json!(scopes(given, more)?));
    if method.is_none() {
        // RFC 7591 §2 has this default; what keeps no secret needs none.
        let usual = if kind.is_confidential() { "client_secret_basic" } else { "none" };
        change.insert("token_endpoint_auth_method".to_owned(), json!(usual));
    }
    if change.get("token_endpoint_auth_method") == Some(&json!("none")) {
        // A page that keeps no secret calls us from where it is sent back to.
        change.insert("allowed_origins".to_owned(), json!(origins(&redirects)));
    }
    check_responses(given)?;
    let metadata = Metadata::default().changed(&change).map_err(|faults| denied(&faults))?;
    if metadata.redirect_uris.as_ref().is_none_or(Vec::is_empty) && needs_redirect(&metadata) {
        let sentence = "redirect_uris has to name one address at least";
        return Err(Denial::new(ErrorCode::InvalidRedirectUri, sentence));
    }
    let faults = metadata.faults(kind);
    if !faults.is_empty() {
        return Err(denied(&faults));
    }
    Ok(Described { kind, name: name(given, &redirects)?, metadata })
}

/// What the answer to a registration says of an application, without what is secret or ours.
#[must_use]
pub fn told(application: &Application) -> Map<String, Value> {
    let mut all = match serde_json::to_value(&application.metadata) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    all.retain(|name, _| TAKEN.contains(&name.as_str()));
    let is_native = application.kind == ApplicationType::Native;
    let method = application.auth_method().as_str();
    for (name, value) in [
        ("client_id", json!(application.client_id)),
        ("client_id_issued_at", json!(application.created_at.millis() / 1000)),
        ("client_name", json!(application.name)),
        ("application_type", json!(if is_native { "native" } else { "web" })),
        ("token_endpoint_auth_method", json!(method)),
        ("response_types", json!(["code"])),
        ("scope", json!(application.allowed_scopes().to_string())),
    ] {
        all.insert(name.to_owned(), value);
    }
    all
}

/// A refusal that tells the first fault.
fn denied(faults: &[String]) -> Denial {
    let fault = faults.first().cloned().unwrap_or_default();
    let is_redirect = fault.starts_with("redirect_uris:");
    let code =
        if is_redirect { ErrorCode::InvalidRedirectUri } else { ErrorCode::InvalidClientMetadata };
    // RFC 6749 §5.2 has neither quotation marks nor backslashes in a description.
    Denial::new(code, fault.replace(['"', '\\'], "'"))
}

fn is_said(given: &Map<String, Value>, name: &str) -> bool {
    given.get(name).is_some_and(|value| !value.is_null())
}

fn text<'g>(given: &'g Map<String, Value>, name: &'static str) -> Result<Option<&'g str>, Denial> {
    match given.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("{name} has to be a text"))),
    }
}

fn texts<'g>(given: &'g Map<String, Value>, name: &'static str) -> Result<Vec<&'g str>, Denial> {
    let items = match given.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= 100 => items,
        Some(_) => return Err(bad(format!("{name} has to be a list of at most 100 texts"))),
    };
    let all: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    all.ok_or_else(|| bad(format!("{name} has to be a list of texts")))
}

/// What kind of program it is. Who does not say so is taken to be native where it keeps no secret
/// and comes back by something else than https, as programs on people's machines do.
fn kind(
    given: &Map<String, Value>,
    redirects: &[&str],
    method: Option<&str>,
) -> Result<ApplicationType, Denial> {
    let none = AuthMethod::None.as_str();
    match text(given, "application_type")? {
        Some("native") if method.is_none_or(|method| method == none) => Ok(ApplicationType::Native),
        Some("native") => Err(bad("a native application keeps no secret")),
        // OpenID Connect Registration §2.
        Some("web") if redirects.iter().any(|it| is_local(it)) => {
            let sentence = "a web application comes back by https, and not to a loopback address";
            Err(Denial::new(ErrorCode::InvalidRedirectUri, sentence))
        }
        Some("web") => Ok(ApplicationType::Web),
        Some(_) => Err(bad("application_type has to be web or native")),
        None if method == Some(none) && redirects.iter().any(|it| !it.starts_with("https:")) => {
            Ok(ApplicationType::Native)
        }
        None => Ok(ApplicationType::Web),
    }
}

fn is_local(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() != "https" || uri::is_loopback(&url))
}

fn grants(given: &Map<String, Value>) -> Result<Vec<&str>, Denial> {
    let asked = texts(given, "grant_types")?;
    if asked.is_empty() {
        return Ok(vec![AUTHORIZATION_CODE]);
    }
    if asked.iter().any(|grant| !GRANTED.contains(grant)) {
        return Err(bad(format!("grant_types may hold {}", GRANTED.join(", "))));
    }
    Ok(asked)
}

fn check_responses(given: &Map<String, Value>) -> Result<(), Denial> {
    let asked = texts(given, "response_types")?;
    if asked.iter().all(|it| *it == "code") {
        Ok(())
    } else {
        Err(bad("response_types may hold code"))
    }
}

fn needs_redirect(metadata: &Metadata) -> bool {
    metadata.grant_types.iter().flatten().any(|grant| grant == AUTHORIZATION_CODE)
}

/// The scopes that it is allowed, of those that it asks for.
fn scopes(given: &Map<String, Value>, more: &[String]) -> Result<Vec<String>, Denial> {
    let allowed = |word: &str| STANDARD.contains(&word) || more.iter().any(|it| it == word);
    let asked = match text(given, "scope")? {
        Some(text) => {
            Scope::parse(text).ok_or_else(|| bad("scope is not a list of at most 100 scopes"))?
        }
        None => Scope::of([OPENID, "profile", "email", OFFLINE_ACCESS]),
    };
    let granted = asked.filtered(allowed);
    if granted.is_empty() && !asked.is_empty() {
        return Err(bad("none of these scopes is allowed to an application that comes by itself"));
    }
    Ok(granted.iter().map(str::to_owned).collect())
}

fn origins(redirects: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for url in redirects.iter().filter_map(|text| Url::parse(text).ok()) {
        let origin = url.origin().ascii_serialization();
        if uri::is_origin(&origin) && !all.contains(&origin) {
            all.push(origin);
        }
    }
    all
}

/// Its name, or else where it comes back to.
fn name(given: &Map<String, Value>, redirects: &[&str]) -> Result<String, Denial> {
    if let Some(name) = text(given, "client_name")?.filter(|name| !name.is_empty()) {
        if !is_label(name) {
            return Err(bad("client_name has to be 1 to 256 characters, none a control character"));
        }
        return Ok(name.to_owned());
    }
    let url = redirects.first().and_then(|text| Url::parse(text).ok());
    let place = url.map(|url| url.host_str().unwrap_or(url.scheme()).to_owned());
    Ok(place.filter(|place| is_label(place)).unwrap_or_else(|| "Application".to_owned()))
}

#[cfg(test)]
mod tests;
