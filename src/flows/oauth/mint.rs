//! What applications are handed: access tokens, ID tokens, and the family that more can be had by.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::issuer;
use crate::{
    app::App,
    clock::Timestamp,
    crypto::{jose::ACCESS_TOKEN, opaque::sha256, refresh::RefreshToken},
    db::Query,
    domain::{
        application::{Application, ApplicationType, REFRESH_TOKEN, SubjectType},
        oauth::{
            claims::{ClaimsRequest, Known, released},
            scope::{self, Scope},
        },
        session::Persistence,
        tenant::Tenant,
        token::{self, SigningAlgorithm, Use, context_class},
    },
    error::{Context, Result},
    flows::{
        keys,
        tokens::{
            Minted,
            claims::{AccessClaims, Audience, seconds},
        },
    },
    id::{GrantId, Id, Realm, SessionId, UserId},
    secret::Secret,
    store,
};

/// The keys that a token is bound to (RFC 7800 §3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Confirmation {
    /// The thumbprint of a key, by DPoP (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The digest of a certificate (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
}

impl Confirmation {
    /// Whether it names any key.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.jkt.is_some() || self.x5t_s256.is_some()
    }

    /// As a claim: absent where it names none.
    #[must_use]
    pub fn claim(&self) -> Option<Self> {
        self.is_bound().then(|| self.clone())
    }

    /// How tokens that are bound so are shown.
    #[must_use]
    pub fn token_type(&self) -> &'static str {
        if self.jkt.is_some() { "DPoP" } else { "Bearer" }
    }
}

/// What the row of a family knows beside its columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Details {
    /// Who issues.
    pub realm: Realm,
    /// Single claims that were asked for.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// Where the tokens may be used (RFC 8707).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// What is allowed in detail (RFC 9396).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Value>,
    /// The keys that the first tokens were bound to.
    #[serde(default)]
    pub confirmation: Confirmation,
}

/// A person's application, and what its tokens are made of.
#[derive(Debug, Clone, Copy)]
pub struct Grantee<'a> {
    /// The program.
    pub app: &'a App,
    /// The person's tenant.
    pub tenant: &'a Tenant,
    /// The application.
    pub application: &'a Application,
    /// Who issues, and what more was asked for.
    pub details: &'a Details,
    /// The family.
    pub grant: GrantId,
    /// The person.
    pub user: UserId,
    /// What is known about him.
    pub person: &'a Known,
    /// The session that it all lives in; `None`: it outlives it.
    pub session: Option<SessionId>,
    /// How he proved who he is, space separated.
    pub auth_methods: &'a str,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// What limits the tokens.
    pub lives: Use,
    /// When.
    pub now: Timestamp,
}

/// How long a family lives that outlives its session, unless the application says otherwise.
const OFFLINE: Duration = Duration::from_hours(30 * 24);

/// When a family ends that outlives its session.
#[must_use]
pub fn offline_expiry(application: &Application, now: Timestamp) -> Timestamp {
    let chosen = application.metadata.refresh_token_lifetime;
    now + chosen.map_or(OFFLINE, |seconds| Duration::from_secs(u64::from(seconds)))
}

/// Whether an application is handed a refresh token.
#[must_use]
pub fn may_refresh(application: &Application, scope: &Scope) -> bool {
    let by_kind = matches!(application.kind, ApplicationType::Web | ApplicationType::Native);
    application.may_use(REFRESH_TOKEN) && (by_kind || scope.has(scope::OFFLINE_ACCESS))
}

/// Whom an application knows a user as (OpenID Connect Core §8): by his id, or by a name that
/// only applications of its sector share.
///
/// # Errors
/// Only through a fault of the library.
pub fn subject(app: &App, application: &Application, user: UserId) -> Result<String> {
    if application.metadata.subject_type != Some(SubjectType::Pairwise) {
        return Ok(user.to_string());
    }
    let user = user.to_string();
    let name = app
        .master_key
        .mac("pairwise subject", &[sector(application).as_bytes(), user.as_bytes()])?;
    Ok(URL_SAFE_NO_PAD.encode(name))
}

/// The host of its sector list, else of its first address, else itself.
fn sector(application: &Application) -> String {
    let metadata = &application.metadata;
    let first = metadata.redirect_uris.iter().flatten().next();
    metadata
        .sector_identifier_uri
        .as_ref()
        .or(first)
        .and_then(|uri| Url::parse(uri).ok()?.host_str().map(str::to_owned))
        .unwrap_or_else(|| application.client_id.clone())
}

/// How an application's access tokens are signed; `tenant` says what else would be.
#[must_use]
pub fn access_algorithm(application: &Application, tenant: Option<&Tenant>) -> SigningAlgorithm {
    let house = tenant.map_or(SigningAlgorithm::Es256, |it| it.settings.access_token_algorithm);
    let house = if application.is_fapi() && house == SigningAlgorithm::Rs256 {
        SigningAlgorithm::Es256
    } else {
        house
    };
    application.metadata.access_token_signed_response_alg.unwrap_or(house)
}

/// How an application's ID tokens are signed.
#[must_use]
pub fn id_algorithm(application: &Application) -> SigningAlgorithm {
    let house =
        if application.is_fapi() { SigningAlgorithm::Es256 } else { SigningAlgorithm::Rs256 };
    application.metadata.id_token_signed_response_alg.unwrap_or(house)
}

/// How long an application's access tokens live.
#[must_use]
pub fn access_lifetime(application: &Application) -> Duration {
    let chosen = application.metadata.token_lifetime;
    chosen.map_or(token::ACCESS_LIFETIME, |seconds| Duration::from_secs(u64::from(seconds)))
}

/// A new id of a token, which names the family that it is of.
///
/// # Errors
/// Where there is no randomness.
pub fn token_id(app: &App, grant: Option<GrantId>, now: Timestamp) -> Result<String> {
    let own = app.entropy.id(now)?;
    Ok(grant.map_or_else(|| own.to_string(), |grant| format!("{grant}.{own}")))
}

impl Grantee<'_> {
    /// When an access token made now ends.
    fn access_expiry(&self) -> Timestamp {
        let lifetime = access_lifetime(self.application);
        match self.session {
            Some(_) => token::access_expiry_of(
                lifetime,
                &self.tenant.settings.session,
                self.lives,
                self.now,
            ),
            None => (self.now + lifetime).min(self.lives.absolute),
        }
    }

    /// An access token, and how many seconds it lives.
    ///
    /// # Errors
    /// Where there is no key or no randomness.
    pub async fn access_token(
        &self,
        scope: &Scope,
        audience: Vec<String>,
        confirmation: &Confirmation,
    ) -> Result<(Secret<String>, i64)> {
        let (iat, exp) = (seconds(self.now), seconds(self.access_expiry()));
        let own = vec![self.application.client_id.clone()];
        let claims = AccessClaims {
            iss: issuer(self.app, self.details.realm),
            aud: Audience::of(if audience.is_empty() { own } else { audience }),
            sub: subject(self.app, self.application, self.user)?,
            client_id: self.application.client_id.clone(),
            scope: scope.to_string(),
            tenant_id: Some(self.tenant.id),
            partner_id: None,
            iat,
            exp,
            jti: token_id(self.app, Some(self.grant), self.now)?,
            sid: self.session,
            auth_time: Some(seconds(self.authenticated_at)),
            amr: self.auth_methods.split_whitespace().map(str::to_owned).collect(),
            acr: Some(context_class(self.auth_methods).to_owned()),
            cnf: confirmation.claim(),
            act: None,
            authorization_details: self.details.authorization_details.clone(),
            token_type: None,
            app_scope: None,
            platform_token: false,
        };
        let algorithm = access_algorithm(self.application, Some(self.tenant));
        let key = keys::signing(self.app, self.details.realm, algorithm).await?;
        Ok((key.sign(ACCESS_TOKEN, &claims)?, exp - iat))
    }

    /// An ID token beside an access token (OpenID Connect Core §2, §3.1.3.6).
    ///
    /// # Errors
    /// Where there is no key.
    pub async fn id_token(
        &self,
        scope: &Scope,
        nonce: Option<&str>,
        access_token: &Secret<String>,
    ) -> Result<Secret<String>> {
        let algorithm = id_algorithm(self.application);
        let lifetime = self.application.metadata.id_token_lifetime.map_or(3_600, i64::from);
        let iat = seconds(self.now);
        let mut claims = released(self.person, scope, &self.details.claims.id_token);
        let mut put = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        put("iss", issuer(self.app, self.details.realm).into());
        put("sub", subject(self.app, self.application, self.user)?.into());
        put("aud", self.application.client_id.as_str().into());
        put("azp", self.application.client_id.as_str().into());
        put("tenant_id", self.tenant.id.to_string().into());
        put("iat", iat.into());
        put("exp", (iat + lifetime).into());
        put("jti", token_id(self.app, None, self.now)?.into());
        put("auth_time", seconds(self.authenticated_at).into());
        put("acr", context_class(self.auth_methods).into());
        put("amr", json!(self.auth_methods.split_whitespace().collect::<Vec<_>>()));
        if let Some(session) = self.session {
            put("sid", session.to_string().into());
        }
        if let Some(nonce) = nonce {
            put("nonce", nonce.into());
        }
        if let Some(hash) = half_hash(algorithm, access_token.expose()) {
            put("at_hash", hash.into());
        }
        let key = keys::signing(self.app, self.details.realm, algorithm).await?;
        key.sign("JWT", &claims)
    }

    /// The answer of the UserInfo endpoint (OpenID Connect Core §5.3.2).
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn userinfo(&self, scope: &Scope) -> Result<Map<String, Value>> {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), subject(self.app, self.application, self.user)?.into());
        claims.extend(released(self.person, scope, &self.details.claims.userinfo));
        Ok(claims)
    }
}

/// The left half of the digest that belongs to an algorithm; `None` where its standard names none.
fn half_hash(algorithm: SigningAlgorithm, text: &str) -> Option<String> {
    match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => {
            let digest = sha256(text.as_bytes());
            digest.first_chunk::<16>().map(|half| URL_SAFE_NO_PAD.encode(half))
        }
        SigningAlgorithm::EdDsa => None,
    }
}

/// A family about to begin in a session.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// Whose tokens.
    pub grantee: Grantee<'a>,
    /// The session that it begins in, whether it outlives it or not.
    pub session: SessionId,
    /// What was asked for, and what of it is granted.
    pub scope: &'a Scope,
    /// What comes back in the ID token.
    pub nonce: Option<&'a str>,
    /// Where the first access token is to be used; empty: as the family.
    pub audience: Vec<String>,
    /// Whether a refresh token is handed out.
    pub refreshes: bool,
}

/// The first tokens of a family, and the statements that make it: each must change one row.
///
/// # Errors
/// Where there is no key or no randomness.
pub async fn begin(beginning: &Beginning<'_>) -> Result<(Vec<Query>, Minted)> {
    let Beginning { grantee, scope, .. } = beginning;
    let (app, tenant, now) = (grantee.app, grantee.tenant.id, grantee.now);
    let offline = scope.has(scope::OFFLINE_ACCESS) && beginning.refreshes;
    let outliving = Grantee {
        session: if offline { None } else { Some(beginning.session) },
        lives: if offline { offline_use(grantee.application, now) } else { grantee.lives },
        ..*grantee
    };
    let family = (tenant.uuid(), grantee.grant.uuid());
    let refresh = RefreshToken::generate(&app.master_key, &app.entropy, family)?;
    let confirmation = &grantee.details.confirmation;
    let audience = if beginning.audience.is_empty() {
        grantee.details.resource.clone()
    } else {
        beginning.audience.clone()
    };
    // The session is named in the first tokens even of a family that outlives it.
    let first = Grantee { session: Some(beginning.session), ..outliving };
    let (access_token, expires_in) = outliving.access_token(scope, audience, confirmation).await?;
    let id_token = if scope.has(scope::OPENID) {
        Some(first.id_token(scope, beginning.nonce, &access_token).await?)
    } else {
        None
    };
    let new = store::grants::NewOfApplication {
        id: grantee.grant,
        session: beginning.session,
        user: grantee.user,
        application: grantee.application.id,
        client_id: grantee.application.client_id.clone(),
        scope: scope.to_string(),
        auth_methods: grantee.auth_methods.to_owned(),
        authenticated_at: grantee.authenticated_at,
        digest: refresh.digest(),
        holder: grantee.details.holder(grantee.application.id),
        details: serde_json::to_string(grantee.details).doing("keeping a family of tokens")?,
        offline_until: offline.then_some(outliving.lives.absolute),
        now,
    };
    let idle = token::idle_limit(&grantee.tenant.settings.session, grantee.lives, now);
    let queries = vec![
        store::grants::hold_session(tenant, beginning.session, idle, now),
        store::grants::insert_of_application(tenant, &new),
    ];
    let minted = Minted {
        access_token,
        token_type: confirmation.token_type(),
        expires_in,
        refresh_token: beginning.refreshes.then(|| refresh.text()),
        id_token,
        scope: scope.to_string(),
        authorization_details: grantee.details.authorization_details.clone(),
    };
    Ok((queries, minted))
}

fn offline_use(application: &Application, now: Timestamp) -> Use {
    Use { persistence: Persistence::Remembered, absolute: offline_expiry(application, now) }
}

/// The statement that notes that an application uses a session and wants to hear of its end.
///
/// # Errors
/// Only through a fault of the library.
pub fn hears_of_end(grantee: &Grantee<'_>, session: SessionId) -> Result<Option<Query>> {
    if !grantee.application.hears_of_logout() {
        return Ok(None);
    }
    let new = store::session_clients::New {
        session,
        application: grantee.application.id,
        realm: grantee.details.realm,
        sub: subject(grantee.app, grantee.application, grantee.user)?,
        client_id: grantee.application.client_id.clone(),
        now: grantee.now,
    };
    Ok(Some(store::session_clients::note(grantee.tenant.id, &new)))
}
