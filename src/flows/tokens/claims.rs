//! What an access token says (RFC 9068 §2.2), and what one that is shown to us comes to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    app::App,
    clock::Timestamp,
    crypto::jose::ACCESS_TOKEN,
    error::{Code, Error, Result},
    flows::{
        keys,
        oauth::{issuer, mint::Confirmation},
    },
    id::{GrantId, Realm, SessionId, TenantId, UserId},
};

/// The `token_type` claim of a program's own token.
pub const OF_PROGRAM: &str = "client_credentials";

/// One or more names (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Of names, of which there is one at least.
    #[must_use]
    pub fn of(mut names: Vec<String>) -> Self {
        match (names.pop(), names.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => {
                names.extend(last);
                Self::Many(names)
            }
        }
    }

    /// Whether it names somebody.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }

    /// Its names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Many(many) => many.clone(),
        }
    }
}

/// The claims of an access token. Times are whole seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::flows) struct AccessClaims {
    pub(in crate::flows) iss: String,
    pub(in crate::flows) aud: Audience,
    pub(in crate::flows) sub: String,
    pub(in crate::flows) client_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(in crate::flows) scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) tenant_id: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) partner_id: Option<String>,
    pub(in crate::flows) iat: i64,
    pub(in crate::flows) exp: i64,
    pub(in crate::flows) jti: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) sid: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::flows) amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) acr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) cnf: Option<Confirmation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) act: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::flows) authorization_details: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::flows) app_scope: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::flows) platform_token: bool,
}

/// Whole seconds since 1970.
pub(in crate::flows) fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// Of whom a token speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person of a tenant.
    Person {
        /// The tenant.
        tenant: TenantId,
        /// Who; `None` where the application knows him by a name of its own.
        user: Option<UserId>,
        /// The session that it was made in.
        session: Option<SessionId>,
    },
    /// An application, acting for itself.
    Program,
}

/// What a good access token says.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Who issued it.
    pub realm: Realm,
    /// Of whom it speaks.
    pub subject: Subject,
    /// As it says it: a user's id, a name that one sector knows him by, or a client id.
    pub sub: String,
    /// Whom it was made for.
    pub client_id: String,
    /// Where it is to be used.
    pub audience: Audience,
    /// What it is good for, space separated.
    pub scope: String,
    /// When the user last proved who he is.
    pub authenticated_at: Option<Timestamp>,
    /// How he did, space separated.
    pub auth_methods: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its own id.
    pub jti: String,
    /// The family that it is of.
    pub grant: Option<GrantId>,
    /// The keys that it is bound to.
    pub confirmation: Confirmation,
    /// Who acts for the subject (RFC 8693 §4.1).
    pub act: Option<Value>,
    /// What is allowed in detail (RFC 9396).
    pub details: Vec<Value>,
}

impl Claims {
    /// The person that it speaks of, where it names one by his id.
    #[must_use]
    pub fn person(&self) -> Option<(TenantId, UserId)> {
        match self.subject {
            Subject::Person { tenant, user: Some(user), .. } => Some((tenant, user)),
            Subject::Person { user: None, .. } | Subject::Program => None,
        }
    }

    /// The session that it was made in.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self.subject {
            Subject::Person { session, .. } => session,
            Subject::Program => None,
        }
    }

    /// Whether it is good for `scope`.
    #[must_use]
    pub fn allows(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|it| it == scope)
    }
}

/// What an access token says, if it is one of ours and has not ended. Whether what it rests on has
/// ended is not looked at.
///
/// # Errors
/// `not_authenticated`, or where the database fails.
pub async fn verify(app: &App, text: &str, now: Timestamp) -> Result<Claims> {
    let claims = read(app, text).await?;
    if claims.expires_at <= now { Err(bad()) } else { Ok(claims) }
}

/// As [`verify`], whether it has ended or not: for what is harmless, such as signing out.
///
/// # Errors
/// As [`verify`].
pub async fn read(app: &App, text: &str) -> Result<Claims> {
    let (realm, key) = keys::verifying(app, text).await?.ok_or_else(bad)?;
    if let Some(claims) = app.verified.recall(text, &key) {
        return Ok(claims);
    }
    let claims: AccessClaims = key.verify(ACCESS_TOKEN, text).ok_or_else(bad)?;
    // A realm's keys speak for that realm only.
    let claims = parse(app, claims).filter(|claims| claims.realm == realm).ok_or_else(bad)?;
    app.verified.keep(text, key, claims.clone());
    Ok(claims)
}

fn bad() -> Error {
    Error::refused(Code::NotAuthenticated)
}

/// The realm of an issuer.
fn realm(app: &App, iss: &str) -> Option<Realm> {
    let realm = match iss.rsplit_once("/tenants/") {
        Some((_, tenant)) => Realm::Tenant(tenant.parse().ok()?),
        None => Realm::Platform,
    };
    (issuer(app, realm) == iss).then_some(realm)
}

fn parse(app: &App, claims: AccessClaims) -> Option<Claims> {
    let realm = realm(app, &claims.iss)?;
    let at = |seconds: i64| seconds.checked_mul(1_000_000).map(Timestamp::from_micros);
    let subject = if claims.token_type.as_deref() == Some(OF_PROGRAM) {
        Subject::Program
    } else {
        let tenant = claims.tenant_id?;
        // The tenant of a tenant's token is that tenant.
        if matches!(realm, Realm::Tenant(issuing) if issuing != tenant) {
            return None;
        }
        Subject::Person { tenant, user: claims.sub.parse().ok(), session: claims.sid }
    };
    let authenticated_at = match claims.auth_time {
        Some(seconds) => Some(at(seconds)?),
        None => None,
    };
    let grant = claims.jti.split_once('.').and_then(|(grant, _)| grant.parse().ok());
    Some(Claims {
        realm,
        subject,
        sub: claims.sub,
        client_id: claims.client_id,
        audience: claims.aud,
        scope: claims.scope,
        authenticated_at,
        auth_methods: claims.amr.join(" "),
        issued_at: at(claims.iat)?,
        expires_at: at(claims.exp)?,
        jti: claims.jti,
        grant,
        confirmation: claims.cnf.unwrap_or_default(),
        act: claims.act,
        details: claims.authorization_details,
    })
}
