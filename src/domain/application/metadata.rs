//! What an application says of itself or is told about: client metadata (RFC 7591 §2, OpenID
//! Connect Registration §2 and the standards that add to it), as stored and as it comes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ApplicationType, GRANTS, uri};
use crate::domain::{oauth::scope::is_token, token::SigningAlgorithm};

/// How an application authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Its secret in the `Authorization` header (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Its secret in the form.
    ClientSecretPost,
    /// An assertion signed with its own key (RFC 7523).
    PrivateKeyJwt,
    /// A certificate that an authority has issued (RFC 8705 §2.1).
    TlsClientAuth,
    /// A certificate of its own making (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
    /// Not at all: it keeps no secret.
    None,
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
        Self::None,
    ];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::None => "none",
        }
    }

    /// Whether it rests on a secret that we have made.
    #[must_use]
    pub fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// How an application knows its users (OpenID Connect Core §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// By their ids, as every other application.
    Public,
    /// By names that no other sector's application knows them by.
    Pairwise,
}

/// A profile that is stricter than OAuth itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// FAPI 2.0 Security Profile.
    Fapi2,
}

macro_rules! metadata {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// Client metadata. What is `None` has the default that its standard gives it.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Metadata {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl Metadata {
            /// The names of all fields.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field),)*];

        }
    };
}

metadata! {
    /// Where an answer may be sent, compared exactly.
    redirect_uris: Vec<String>,
    /// Where a person may be sent after signing out, compared exactly.
    post_logout_redirect_uris: Vec<String>,
    /// Scopes that it may ask for.
    allowed_scopes: Vec<String>,
    /// Origins whose pages may call us (CORS), compared exactly.
    allowed_origins: Vec<String>,
    /// Grants that it may use.
    grant_types: Vec<String>,
    /// Audiences, beside itself, that its tokens may be asked for (RFC 8707, RFC 8693).
    allowed_audiences: Vec<String>,
    /// How it authenticates.
    token_endpoint_auth_method: AuthMethod,
    /// Seconds that its access tokens live. Default: 3600.
    token_lifetime: u32,
    /// Seconds that its ID tokens live. Default: 3600.
    id_token_lifetime: u32,
    /// Seconds that a family of refresh tokens lives that outlives its session. Default: 30 days.
    refresh_token_lifetime: u32,
    /// How its ID tokens are signed. Default: RS256; in FAPI 2.0: ES256.
    id_token_signed_response_alg: SigningAlgorithm,
    /// How its access tokens are signed. Default: the tenant's choice, ES256.
    access_token_signed_response_alg: SigningAlgorithm,
    /// How answers of the UserInfo endpoint are signed. Default: not at all.
    userinfo_signed_response_alg: SigningAlgorithm,
    /// How it knows its users. Default: public.
    subject_type: SubjectType,
    /// The list of addresses that share its pairwise names.
    sector_identifier_uri: String,
    /// Its public keys.
    jwks: Value,
    /// Where its public keys are.
    jwks_uri: String,
    /// The subject of its certificate (RFC 4514).
    tls_client_auth_subject_dn: String,
    /// A DNS name in its certificate.
    tls_client_auth_san_dns: String,
    /// An address in its certificate.
    tls_client_auth_san_uri: String,
    /// Whether its tokens are bound to its certificate (RFC 8705 §3).
    tls_client_certificate_bound_access_tokens: bool,
    /// Whether its tokens are bound to a key by DPoP (RFC 9449 §5.2).
    dpop_bound_access_tokens: bool,
    /// Whether PKCE is demanded. Default: yes; always of what keeps no secret.
    require_pkce: bool,
    /// Whether authorization requests have to be pushed.
    require_pushed_authorization_requests: bool,
    /// Whether authorization requests have to be signed (RFC 9101 §10.5).
    require_signed_request_object: bool,
    /// How its request objects are signed. Default: any way that we take.
    request_object_signing_alg: String,
    /// Kinds of rich authorization details that it may ask for (RFC 9396 §10).
    authorization_details_types: Vec<String>,
    /// Seconds since the last proof of who the user is, where a request says nothing.
    default_max_age: u64,
    /// Whether its ID tokens always tell when the user last proved who he is. They do anyway.
    require_auth_time: bool,
    /// Authentication context classes, where a request names none.
    default_acr_values: Vec<String>,
    /// A stricter profile.
    profile: Profile,
    /// Whether it is shown as ours, without asking for consent. Default: yes, if an operator made
    /// it.
    first_party: bool,
    /// Its front page.
    client_uri: String,
    /// Its logo, over https.
    logo_uri: String,
    /// What it does with what it learns.
    policy_uri: String,
    /// Its terms.
    tos_uri: String,
    /// Whom to write to about it.
    contacts: Vec<String>,
    /// Where it hears of the end of a session.
    backchannel_logout_uri: String,
    /// Whether it has to be told which session.
    backchannel_logout_session_required: bool,
    /// What its users' browsers load when a session ends.
    frontchannel_logout_uri: String,
    /// Whether that address is told which session.
    frontchannel_logout_session_required: bool,
    /// Which program it is (RFC 7591 §2).
    software_id: String,
    /// Which version.
    software_version: String,
}

/// Entries of a list, at most.
const MOST: usize = 100;
/// Bytes of an entry, at most.
const LONGEST: usize = 2_000;
/// Keys of a key set, at most.
const MOST_KEYS: usize = 20;
/// Bytes of a key set, at most.
const LONGEST_KEYS: usize = 64 * 1024;

/// How a request object may be signed (RFC 9101): by a key that only the application has.
pub const REQUEST_ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

impl Metadata {
    /// The metadata with what `change` says in the place of what it said before; `null` lets a
    /// field be as by default again.
    ///
    /// # Errors
    /// The names that are none and the values that do not fit, each as `field: sentence`.
    pub fn changed(&self, change: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut next = self.clone();
        for (name, value) in change {
            if !Self::FIELDS.contains(&name.as_str()) {
                // Not repeated where it cannot be a name at all.
                let is_name = name.len() <= 64
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let shown = if is_name { name } else { "metadata" };
                faults.push(format!("{shown}: there is no such field"));
                continue;
            }
            match next.with(name, value.clone()) {
                Ok(changed) => next = changed,
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(next) } else { Err(faults) }
    }

    fn with(&self, name: &str, value: Value) -> Result<Self, String> {
        let fault = |wrong: serde_json::Error| {
            // What would be right stands at the end; what comes before may repeat the value.
            let said = wrong.to_string();
            let expected = said.rsplit_once("expected ").map_or("another form", |it| it.1);
            let expected = match expected {
                "a sequence" => "a list of texts",
                "u32" | "u64" => "a whole number, 0 or more",
                other => other,
            };
            format!("{name}: must be {}", expected.replace('`', ""))
        };
        let mut all = serde_json::to_value(self).map_err(fault)?;
        if let Some(fields) = all.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
        serde_json::from_value(all).map_err(fault)
    }

    /// What cannot be meant, each as `field: sentence`.
    #[must_use]
    pub fn faults(&self, kind: ApplicationType) -> Vec<String> {
        let mut faults = self.uri_faults(kind);
        faults.extend(self.sector_faults());
        faults.extend(self.text_faults());
        faults.extend(self.list_faults());
        faults.extend(self.grant_faults(kind));
        faults.extend(self.lifetime_faults());
        faults.extend(self.key_faults());
        faults.extend(self.profile_faults());
        faults
    }

    fn uri_faults(&self, kind: ApplicationType) -> Vec<String> {
        let mut faults = Vec::new();
        let lists = [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
        ];
        for (field, list) in lists {
            for uri in list.iter().flatten() {
                if let Err(fault) = uri::check_redirect(kind, uri) {
                    faults.push(format!("{field}: {fault}"));
                }
            }
        }
        for origin in self.allowed_origins.iter().flatten() {
            if !uri::is_origin(origin) {
                faults.push("allowed_origins: an origin such as https://app.example.com".into());
            }
        }
        let pages = [
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
            ("jwks_uri", &self.jwks_uri),
            ("sector_identifier_uri", &self.sector_identifier_uri),
            ("backchannel_logout_uri", &self.backchannel_logout_uri),
            ("frontchannel_logout_uri", &self.frontchannel_logout_uri),
        ];
        for (field, page) in pages {
            if page.as_ref().is_some_and(|page| !uri::is_web(page)) {
                faults.push(format!("{field}: an https address without a fragment"));
            }
        }
        faults
    }

    /// Names that are one in a sector need to know which (OpenID Connect Core §8.1).
    fn sector_faults(&self) -> Vec<String> {
        if self.subject_type != Some(SubjectType::Pairwise) || self.sector_identifier_uri.is_some()
        {
            return Vec::new();
        }
        let host = |text: &String| {
            url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned))
        };
        let mut hosts = self.redirect_uris.iter().flatten().map(host);
        let first = hosts.next();
        if hosts.all(|host| Some(host) == first) {
            return Vec::new();
        }
        vec!["sector_identifier_uri: needed, since the redirect_uris are of several hosts".into()]
    }

    fn text_faults(&self) -> Vec<String> {
        let texts = [
            ("tls_client_auth_subject_dn", &self.tls_client_auth_subject_dn),
            ("tls_client_auth_san_dns", &self.tls_client_auth_san_dns),
            ("tls_client_auth_san_uri", &self.tls_client_auth_san_uri),
            ("software_id", &self.software_id),
            ("software_version", &self.software_version),
        ];
        let is_bad = |text: &String| {
            text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control)
        };
        let mut faults: Vec<String> = texts
            .into_iter()
            .filter(|(_, text)| text.as_ref().is_some_and(is_bad))
            .map(|(field, _)| format!("{field}: 1 to {LONGEST} bytes, no control characters"))
            .collect();
        let algorithm = self.request_object_signing_alg.as_deref();
        if algorithm.is_some_and(|it| !REQUEST_ALGORITHMS.contains(&it)) {
            faults.push(format!(
                "request_object_signing_alg: one of {}",
                REQUEST_ALGORITHMS.join(", ")
            ));
        }
        faults
    }

    fn list_faults(&self) -> Vec<String> {
        let lists = [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
            ("allowed_scopes", &self.allowed_scopes),
            ("allowed_origins", &self.allowed_origins),
            ("grant_types", &self.grant_types),
            ("allowed_audiences", &self.allowed_audiences),
            ("authorization_details_types", &self.authorization_details_types),
            ("default_acr_values", &self.default_acr_values),
            ("contacts", &self.contacts),
        ];
        let mut faults = Vec::new();
        for (field, list) in lists {
            let Some(list) = list else { continue };
            if list.len() > MOST || list.iter().any(|it| it.is_empty() || it.len() > LONGEST) {
                faults.push(format!("{field}: at most {MOST} entries of 1 to {LONGEST} bytes"));
            }
        }
        let words = [
            ("allowed_scopes", &self.allowed_scopes),
            ("authorization_details_types", &self.authorization_details_types),
            ("default_acr_values", &self.default_acr_values),
        ];
        for (field, list) in words {
            if list.iter().flatten().any(|word| !is_token(word)) {
                faults.push(format!("{field}: words of printing ASCII characters"));
            }
        }
        let is_name = |text: &String| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        if !self.allowed_audiences.iter().flatten().all(is_name) {
            faults.push("allowed_audiences: addresses or client ids".to_owned());
        }
        if self.contacts.iter().flatten().any(|it| it.chars().any(char::is_control)) {
            faults.push("contacts: no control characters".to_owned());
        }
        faults
    }

    fn grant_faults(&self, kind: ApplicationType) -> Vec<String> {
        let mut faults = Vec::new();
        for grant in self.grant_types.iter().flatten() {
            if !GRANTS.contains(&grant.as_str()) {
                faults.push(format!("grant_types: one of {}", GRANTS.join(", ")));
            } else if !kind.is_confidential()
                && !super::default_grants(ApplicationType::Native).contains(&grant.as_str())
            {
                faults.push(format!("grant_types: {grant} needs an application with a secret"));
            }
        }
        let method = self.token_endpoint_auth_method;
        if !kind.is_confidential() && method.is_some_and(|method| method != AuthMethod::None) {
            faults.push(format!("token_endpoint_auth_method: none, for {}", kind.as_str()));
        }
        if kind == ApplicationType::Service && method == Some(AuthMethod::None) {
            faults.push("token_endpoint_auth_method: a SERVICE has to authenticate".to_owned());
        }
        faults
    }

    fn lifetime_faults(&self) -> Vec<String> {
        let limits = [
            ("token_lifetime", self.token_lifetime, 30, 86_400),
            ("id_token_lifetime", self.id_token_lifetime, 30, 86_400),
            ("refresh_token_lifetime", self.refresh_token_lifetime, 60, 366 * 86_400),
        ];
        limits
            .into_iter()
            .filter(|(_, value, least, most)| {
                value.is_some_and(|value| !(*least..=*most).contains(&value))
            })
            .map(|(field, _, least, most)| format!("{field}: {least} to {most} seconds"))
            .collect()
    }

    fn key_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            faults.push("jwks: not together with jwks_uri".to_owned());
        }
        if let Some(jwks) = &self.jwks {
            let keys = jwks.get("keys").and_then(Value::as_array);
            let fits = keys.is_some_and(|keys| {
                (1..=MOST_KEYS).contains(&keys.len()) && keys.iter().all(is_public)
            });
            if !fits || jwks.to_string().len() > LONGEST_KEYS {
                faults.push("jwks: a key set with public keys only (RFC 7517)".to_owned());
            }
        }
        let has_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        let needs_keys = matches!(
            self.token_endpoint_auth_method,
            Some(AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTlsClientAuth)
        );
        if needs_keys && !has_keys {
            faults.push("jwks: needed to authenticate; or jwks_uri".to_owned());
        }
        let names = [
            &self.tls_client_auth_subject_dn,
            &self.tls_client_auth_san_dns,
            &self.tls_client_auth_san_uri,
        ];
        if self.token_endpoint_auth_method == Some(AuthMethod::TlsClientAuth)
            && names.iter().filter(|it| it.is_some()).count() != 1
        {
            faults.push("tls_client_auth_subject_dn: exactly one name of the certificate".into());
        }
        faults
    }

    fn profile_faults(&self) -> Vec<String> {
        if self.profile != Some(Profile::Fapi2) {
            return Vec::new();
        }
        let mut faults = Vec::new();
        let strong = matches!(
            self.token_endpoint_auth_method,
            Some(
                AuthMethod::PrivateKeyJwt
                    | AuthMethod::TlsClientAuth
                    | AuthMethod::SelfSignedTlsClientAuth
            )
        );
        if !strong {
            faults.push(
                "token_endpoint_auth_method: private_key_jwt or a certificate, by fapi2".to_owned(),
            );
        }
        let algorithms = [self.id_token_signed_response_alg, self.access_token_signed_response_alg];
        if algorithms.contains(&Some(SigningAlgorithm::Rs256)) {
            faults.push("id_token_signed_response_alg: not RS256, by fapi2".to_owned());
        }
        faults
    }
}

/// Whether a key has no private half in it.
fn is_public(key: &Value) -> bool {
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    key.as_object().is_some_and(|key| {
        let is_asymmetric = key.get("kty").is_some_and(|kty| kty.is_string() && kty != "oct");
        is_asymmetric && !private.iter().any(|name| key.contains_key(*name))
    })
}

#[cfg(test)]
mod tests;
