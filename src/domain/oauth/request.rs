//! Authorization requests (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1): parameters in, a checked
//! request or a no out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Denial, ErrorCode,
    claims::ClaimsRequest,
    parameters::Parameters,
    pkce,
    scope::{self, Scope},
};
use crate::domain::application::{AUTHORIZATION_CODE, Application, uri};

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the address that the browser is sent to.
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// What the person is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Nothing at all.
    None,
    /// Who he is, even if we know.
    Login,
    /// Whether he allows it, even if he has.
    Consent,
    /// Which of his accounts he means.
    SelectAccount,
    /// To make an account (OpenID Connect Prompt Create).
    Create,
}

impl Prompt {
    /// Every prompt and its spelling.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::None, "none"),
        (Self::Login, "login"),
        (Self::Consent, "consent"),
        (Self::SelectAccount, "select_account"),
        (Self::Create, "create"),
    ];
}

/// A checked authorization request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the request said so, and was not merely understood so.
    pub redirect_uri_given: bool,
    /// How.
    pub response_mode: ResponseMode,
    /// What comes back with it.
    pub state: Option<String>,
    /// What is asked for.
    pub scope: Scope,
    /// What comes back in the ID token.
    pub nonce: Option<String>,
    /// By S256 (RFC 7636).
    pub code_challenge: Option<String>,
    /// What the person is to be asked.
    pub prompt: Vec<Prompt>,
    /// Seconds since the last proof of who he is, at most.
    pub max_age: Option<u64>,
    /// Authentication context classes that will do.
    pub acr_values: Vec<String>,
    /// Whether nothing else will do.
    pub acr_is_essential: bool,
    /// Who it probably is: an address.
    pub login_hint: Option<String>,
    /// Who it has to be, as the application knows him: the subject of an ID token.
    pub hinted_subject: Option<String>,
    /// Languages, in the order of preference.
    pub ui_locales: Option<String>,
    /// Single claims.
    pub claims: ClaimsRequest,
    /// What the access token is to be used at (RFC 8707).
    pub resource: Vec<String>,
    /// What is to be allowed in detail (RFC 9396), a list.
    pub authorization_details: Vec<Value>,
    /// The key that the code is bound to (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
    /// The identity provider to sign in by.
    pub idp_hint: Option<String>,
}

/// Bytes of `state`, `nonce` and the like, at most.
const LONGEST: usize = 4_096;
/// Resources in one request, at most.
const RESOURCES: usize = 10;

/// Where the answer to a request goes, whatever becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnPath {
    /// The address.
    pub redirect_uri: String,
    /// How.
    pub response_mode: ResponseMode,
    /// What comes back.
    pub state: Option<String>,
}

impl AuthorizationRequest {
    /// Where the answer goes.
    #[must_use]
    pub fn return_path(&self) -> ReturnPath {
        ReturnPath {
            redirect_uri: self.redirect_uri.clone(),
            response_mode: self.response_mode,
            state: self.state.clone(),
        }
    }

    /// Whether the person is to be asked something.
    #[must_use]
    pub fn prompts(&self, prompt: Prompt) -> bool {
        self.prompt.contains(&prompt)
    }
}

/// Where an answer may go at all: before this is known, nothing is ever sent anywhere.
///
/// # Errors
/// Why it may not; shown on a page of ours.
pub fn return_path(application: &Application, given: &Parameters) -> Result<ReturnPath, Denial> {
    let registered = application.metadata.redirect_uris.clone().unwrap_or_default();
    let redirect_uri = match (given.get("redirect_uri"), registered.as_slice()) {
        (Some(shown), _) => {
            if !uri::matches(application.kind, &registered, shown) {
                return Err(Denial::request("redirect_uri is not one that is registered"));
            }
            shown.to_owned()
        }
        // OpenID Connect demands it; so does everybody with more than one.
        (None, [only]) if !asks_for_openid(given) && !application.is_fapi() => only.clone(),
        (None, _) => return Err(Denial::request("redirect_uri is missing")),
    };
    let response_mode = match given.get("response_mode") {
        Some("form_post") => ResponseMode::FormPost,
        // An unknown one is refused later, by the way that is always there.
        _ => ResponseMode::Query,
    };
    let state = given.get("state").filter(|state| state.len() <= LONGEST).map(str::to_owned);
    Ok(ReturnPath { redirect_uri, response_mode, state })
}

fn asks_for_openid(given: &Parameters) -> bool {
    given.get("scope").is_some_and(|scope| scope.split(' ').any(|word| word == scope::OPENID))
}

/// Checks a request whose answer may go to `back`.
///
/// # Errors
/// Why not; sent to the application.
pub fn check(
    application: &Application,
    given: &Parameters,
    back: &ReturnPath,
) -> Result<AuthorizationRequest, Denial> {
    match given.get("response_type") {
        Some("code") => {}
        Some(_) => {
            let sentence = "the one response_type is code";
            return Err(Denial::new(ErrorCode::UnsupportedResponseType, sentence));
        }
        None => return Err(Denial::request("response_type is missing")),
    }
    if !application.may_use(AUTHORIZATION_CODE) {
        let sentence = "the application may not use authorization codes";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence));
    }
    if !matches!(given.get("response_mode"), None | Some("query" | "form_post")) {
        return Err(Denial::request("response_mode is query or form_post"));
    }
    if given.get("registration").is_some() {
        let sentence = "registration belongs to the registration endpoint";
        return Err(Denial::new(ErrorCode::RegistrationNotSupported, sentence));
    }
    let short = |name: &'static str| match given.get(name) {
        Some(text) if text.len() > LONGEST => Err(Denial::request(format!("{name} is too long"))),
        other => Ok(other.map(str::to_owned)),
    };
    let claims = claims(given)?;
    let wanted = claims.in_id_token("sub").and_then(|wanted| wanted.texts().next());
    let hinted_subject = wanted.map(str::to_owned);
    let (acr_values, acr_is_essential) = acr(application, given, &claims);
    Ok(AuthorizationRequest {
        redirect_uri: back.redirect_uri.clone(),
        redirect_uri_given: given.get("redirect_uri").is_some(),
        response_mode: back.response_mode,
        state: short("state")?,
        scope: requested_scope(application, given)?,
        nonce: short("nonce")?,
        code_challenge: challenge(application, given)?,
        prompt: prompt(given)?,
        max_age: max_age(application, given)?,
        acr_values,
        acr_is_essential,
        login_hint: short("login_hint")?,
        hinted_subject,
        ui_locales: short("ui_locales")?,
        claims,
        resource: resources(application, given)?,
        authorization_details: details(application, given)?,
        dpop_jkt: jkt(given)?,
        idp_hint: short("idp_hint")?,
    })
}

/// The scope that an application asks for, as far as it may.
///
/// # Errors
/// `invalid_scope`.
pub fn requested_scope(application: &Application, given: &Parameters) -> Result<Scope, Denial> {
    let bad = |sentence: &'static str| Denial::new(ErrorCode::InvalidScope, sentence);
    let text = given.get("scope").unwrap_or_default();
    let asked = Scope::parse(text).ok_or_else(|| bad("scope is not a list of scopes"))?;
    let allowed = personal_scopes(application);
    // What is not understood is ignored (OpenID Connect Core §3.1.2.1); nothing at all is an error.
    let granted = if asked.is_empty() && given.get("authorization_details").is_none() {
        allowed.filtered(|word| word != scope::OPENID && word != scope::OFFLINE_ACCESS)
    } else {
        asked.filtered(|word| allowed.has(word))
    };
    if granted.is_empty() && !asked.is_empty() {
        return Err(bad("the application may ask for none of these scopes"));
    }
    Ok(granted)
}

/// The scopes that an application may have in a person's name.
#[must_use]
pub fn personal_scopes(application: &Application) -> Scope {
    application.allowed_scopes().filtered(|word| !scope::is_for_programs(word))
}

fn challenge(application: &Application, given: &Parameters) -> Result<Option<String>, Denial> {
    match (given.get("code_challenge"), given.get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if pkce::is_challenge(challenge) => {
            Ok(Some(challenge.to_owned()))
        }
        (Some(_), Some("S256")) => Err(Denial::request("code_challenge is not one by S256")),
        // Without a method it would be "plain" (RFC 7636 §4.3).
        (Some(_), _) => Err(Denial::request("code_challenge_method has to be S256")),
        (None, Some(_)) => Err(Denial::request("code_challenge is missing")),
        (None, None) if application.needs_pkce() => {
            Err(Denial::request("code_challenge is missing: the application has to use PKCE"))
        }
        (None, None) => Ok(None),
    }
}

fn prompt(given: &Parameters) -> Result<Vec<Prompt>, Denial> {
    let mut all = Vec::new();
    for word in given.get("prompt").unwrap_or_default().split(' ').filter(|it| !it.is_empty()) {
        let known = Prompt::ALL.into_iter().find(|(_, text)| *text == word);
        let (prompt, _) = known.ok_or_else(|| Denial::request("prompt has an unknown value"))?;
        if !all.contains(&prompt) {
            all.push(prompt);
        }
    }
    if all.len() > 1 && all.contains(&Prompt::None) {
        return Err(Denial::request("prompt=none goes with nothing else"));
    }
    Ok(all)
}

fn max_age(application: &Application, given: &Parameters) -> Result<Option<u64>, Denial> {
    match given.get("max_age") {
        None => Ok(application.metadata.default_max_age),
        Some(text) => match text.parse() {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => Err(Denial::request("max_age is a number of seconds")),
        },
    }
}

fn claims(given: &Parameters) -> Result<ClaimsRequest, Denial> {
    let Some(text) = given.get("claims") else { return Ok(ClaimsRequest::default()) };
    ClaimsRequest::parse(text).ok_or_else(|| Denial::request("claims is not a claims request"))
}

fn acr(
    application: &Application,
    given: &Parameters,
    claims: &ClaimsRequest,
) -> (Vec<String>, bool) {
    if let Some(wanted) = claims.in_id_token("acr") {
        return (wanted.texts().map(str::to_owned).collect(), wanted.essential);
    }
    let words =
        |text: &str| text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    match given.get("acr_values") {
        Some(text) => (words(text), false),
        None => (application.metadata.default_acr_values.clone().unwrap_or_default(), false),
    }
}

/// The resources that an application may name.
///
/// # Errors
/// `invalid_target`.
pub fn resources(application: &Application, given: &Parameters) -> Result<Vec<String>, Denial> {
    let bad = |sentence: &'static str| Denial::new(ErrorCode::InvalidTarget, sentence);
    let all: Vec<String> = given.all("resource").map(str::to_owned).collect();
    if all.len() > RESOURCES {
        return Err(bad("too many resources"));
    }
    for resource in &all {
        let known = application.metadata.allowed_audiences.iter().flatten();
        if !known.into_iter().any(|it| it == resource) && *resource != application.client_id {
            return Err(bad("the application may not ask for tokens for this resource"));
        }
    }
    Ok(all)
}

/// The details (RFC 9396) that an application asks for.
///
/// # Errors
/// `invalid_authorization_details`.
pub fn details(application: &Application, given: &Parameters) -> Result<Vec<Value>, Denial> {
    let bad =
        |sentence: &'static str| Denial::new(ErrorCode::InvalidAuthorizationDetails, sentence);
    let Some(text) = given.get("authorization_details") else { return Ok(Vec::new()) };
    let all: Vec<Value> = serde_json::from_str(text)
        .map_err(|_| bad("authorization_details is a JSON list of objects"))?;
    let known = application.metadata.authorization_details_types.clone().unwrap_or_default();
    for one in &all {
        let kind = one.get("type").and_then(Value::as_str);
        if !kind.is_some_and(|kind| known.iter().any(|it| it == kind)) {
            return Err(bad("the application may not ask for details of this type"));
        }
    }
    if all.len() > 20 { Err(bad("too many details")) } else { Ok(all) }
}

fn jkt(given: &Parameters) -> Result<Option<String>, Denial> {
    match given.get("dpop_jkt") {
        Some(text) if !pkce::is_challenge(text) => {
            Err(Denial::request("dpop_jkt is not a thumbprint"))
        }
        other => Ok(other.map(str::to_owned)),
    }
}
