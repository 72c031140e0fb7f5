//! Access and refresh tokens: made with a session, exchanged, verified.
//!
//! An access token is signed and looked at by anybody; a refresh token is opaque, good once, and
//! comes back here. Both live and end with their session. Which applications may have any is not
//! here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock::Timestamp,
    crypto::{jose::ACCESS_TOKEN, refresh::RefreshToken},
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        tenant::{Slug, Tenant},
        token::{Client, Use, Verdict, access_expiry, context_class, idle_limit, judge},
    },
    error::{Code, Context, Error, Result},
    flows::{Caller, Cx, keys, record},
    id::{GrantId, Id, Realm, SessionId, TenantId, UserId},
    secret::Secret,
    store::{
        self,
        grants::{Found, Rotation},
    },
};

/// The session that tokens are made in, and how its user came to it.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// How he proved who he is, space separated (RFC 8176).
    pub auth_methods: String,
    /// When he did.
    pub authenticated_at: Timestamp,
    /// What its limits are computed from.
    pub lives: Use,
}

impl SessionFacts {
    /// Of a session that is about to be opened.
    #[must_use]
    pub fn of(new: &store::sessions::New) -> Self {
        Self {
            session: new.id,
            user: new.user,
            auth_methods: new.auth_methods.clone(),
            authenticated_at: new.now,
            lives: Use { persistence: new.persistence, absolute: new.expiry.absolute },
        }
    }
}

/// The client of an id that was noted when a sign-in began.
///
/// # Errors
/// Where there is none any more.
pub fn client(id: &str) -> Result<Client> {
    Client::named(id).ok_or("there is no such client").doing("choosing a client")
}

/// What a client is handed.
#[derive(Debug)]
pub struct Minted {
    /// The access token.
    pub access_token: Secret<String>,
    /// How many seconds it lives.
    pub expires_in: i64,
    /// The refresh token.
    pub refresh_token: Secret<String>,
    /// What they are good for, space separated.
    pub scope: String,
}

/// Tokens for `client` in a session that is being opened, and the statements that have to follow
/// the session's own in its transaction. They change nothing where the session was not opened.
///
/// # Errors
/// Where there is no key or no randomness.
pub async fn prepare(
    cx: &Cx,
    client: &Client,
    facts: &SessionFacts,
) -> Result<(Vec<Query>, Minted)> {
    let (tenant, now) = (cx.tenant.id, cx.now);
    let id: GrantId = cx.id()?;
    let family = (tenant.uuid(), id.uuid());
    let refresh = RefreshToken::generate(&cx.app.master_key, &cx.app.entropy, family)?;
    let subject = Subject {
        user: facts.user,
        session: Some(facts.session),
        client,
        auth_methods: &facts.auth_methods,
        authenticated_at: facts.authenticated_at,
        lives: facts.lives,
    };
    let (access_token, expires_in) = access_token(&cx.app, &cx.tenant, &subject, now).await?;
    let new = store::grants::New {
        id,
        session: facts.session,
        client_id: client.id.clone(),
        scope: client.scope.clone(),
        auth_methods: facts.auth_methods.clone(),
        authenticated_at: facts.authenticated_at,
        digest: refresh.digest(),
        now,
    };
    let idle = idle_limit(&cx.tenant.settings.session, facts.lives, now);
    let queries = vec![
        store::grants::hold_session(tenant, facts.session, idle, now),
        store::grants::insert(tenant, &new),
    ];
    let (refresh_token, scope) = (refresh.text(), client.scope.clone());
    Ok((queries, Minted { access_token, expires_in, refresh_token, scope }))
}

/// What a refresh token led to.
#[derive(Debug)]
pub struct Refreshed {
    /// The new tokens.
    pub minted: Minted,
    /// The tenant.
    pub tenant: TenantId,
    /// Whose they are.
    pub user: UserId,
    /// In which session.
    pub session: Option<SessionId>,
}

/// Exchanges a refresh token of the client that has shown it.
///
/// # Errors
/// `invalid_refresh_token` for one that is not ours, was used before, or rests on something that
/// has ended. One that was used before ends the session, since somebody has a copy.
pub async fn refresh(
    app: &Arc<App>,
    caller: &Caller,
    client_id: &str,
    (text, now): (&str, Timestamp),
) -> Result<Refreshed> {
    let token = RefreshToken::parse(&app.master_key, text)?.ok_or_else(refused)?;
    let (tenant, id) = (TenantId::from_uuid(token.tenant()), GrantId::from_uuid(token.family()));
    let shown = Shown { app, token, tenant, id, now };
    // Others may exchange the same token meanwhile: then see what has become of it.
    for _ in 0..3 {
        let found = shown.facts().await?.ok_or_else(refused)?;
        // Of another client: no harm is done to its family, since it was not the one who came.
        if found.client_id != client_id {
            return Err(refused());
        }
        match judge(&found.family, shown.token.digest(), now) {
            Verdict::Rotate => {
                if let Some(refreshed) = shown.rotate(&found).await? {
                    return Ok(refreshed);
                }
            }
            Verdict::Repeat => return shown.repeat(&found).await,
            Verdict::Reused => return Err(shown.end(caller, &found).await?),
            Verdict::Dead => return Err(refused()),
        }
    }
    Err(refused())
}

fn refused() -> Error {
    Error::refused(Code::InvalidRefreshToken)
}

/// A refresh token of ours that was shown.
struct Shown<'a> {
    app: &'a Arc<App>,
    token: RefreshToken,
    tenant: TenantId,
    id: GrantId,
    now: Timestamp,
}

impl Shown<'_> {
    async fn facts(&self) -> Result<Option<Found>> {
        self.app
            .db
            .read((self.tenant, self.id, self.now), |tx, (tenant, id, now)| {
                Box::pin(store::grants::facts(tx, *tenant, *id, *now))
            })
            .await
    }

    /// Exchanges it; `None` where somebody else was faster, or something has ended since.
    async fn rotate(&self, found: &Found) -> Result<Option<Refreshed>> {
        let salt = self.app.entropy.bytes()?;
        let next = self.token.successor(&self.app.master_key, &salt)?;
        // Before the exchange: what fails here costs nobody his token.
        let refreshed = self.mint(found, &next).await?;
        let rotation = Rotation {
            id: self.id,
            shown: self.token.digest(),
            next: next.digest(),
            salt,
            now: self.now,
        };
        let settings = self.settings(found)?;
        let idle = idle_limit(&settings.settings.session, found.lives, self.now);
        let hold = found
            .session
            .map(|session| store::grants::hold_session(self.tenant, session, idle, self.now));
        let mut queries: Vec<Query> = hold.into_iter().collect();
        queries.push(store::grants::rotate(self.tenant, &rotation));
        let written = self
            .app
            .db
            .write(queries, |tx, queries| {
                Box::pin(async move {
                    let counts = tx.pipeline(queries.clone()).await?;
                    // Nothing of it may stay where one of them changed nothing.
                    if counts.iter().all(|count| *count == 1) { Ok(()) } else { Err(refused()) }
                })
            })
            .await;
        match written {
            Ok(()) => Ok(Some(refreshed)),
            Err(Error::Refused(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The successor once more, for a request that crossed another of the same client.
    async fn repeat(&self, found: &Found) -> Result<Refreshed> {
        let salt = found.salt.ok_or_else(refused)?;
        let next = self.token.successor(&self.app.master_key, &salt)?;
        if next.digest() != found.family.current {
            return Err(refused());
        }
        self.mint(found, &next).await
    }

    /// Ends the family and its session: of two who hold the same token, one has no right to it.
    async fn end(&self, caller: &Caller, found: &Found) -> Result<Error> {
        let (user, tenant) = (found.user, self.tenant);
        let target = Target::User(Some(user));
        let event =
            Event::failure(Action::RefreshTokenReused, Actor::Anonymous, target, "token_reused")
                .with("client_id", found.client_id.as_str())
                .with("session", found.session.map(|session| session.to_string()));
        let audit = record(self.app, (tenant, self.now), caller, event)?;
        self.app
            .db
            .write((tenant, self.id, found.session, audit), |tx, (tenant, id, session, audit)| {
                Box::pin(async move {
                    let ended = match session {
                        Some(session) => store::sessions::end(tx, *tenant, *session).await?,
                        None => store::grants::end(*tenant, *id).execute(tx).await? == 1,
                    };
                    // Of several at the same time, one ends it and tells.
                    if ended {
                        audit.clone().execute(tx).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        metrics::counter!("countersign_refresh_tokens_reused_total").increment(1);
        Ok(refused())
    }

    async fn mint(&self, found: &Found, next: &RefreshToken) -> Result<Refreshed> {
        let client = Client { id: found.client_id.clone(), scope: found.scope.clone() };
        let subject = Subject {
            user: found.user,
            session: found.session,
            client: &client,
            auth_methods: &found.auth_methods,
            authenticated_at: found.authenticated_at,
            lives: found.lives,
        };
        let tenant = self.settings(found)?;
        let (access_token, expires_in) =
            access_token(self.app, &tenant, &subject, self.now).await?;
        let (refresh_token, scope) = (next.text(), client.scope);
        Ok(Refreshed {
            minted: Minted { access_token, expires_in, refresh_token, scope },
            tenant: self.tenant,
            user: found.user,
            session: found.session,
        })
    }

    fn settings(&self, found: &Found) -> Result<Arc<Tenant>> {
        let slug = Slug::parse(&found.slug).doing("reading a stored slug")?;
        self.app.tenants.parsed(&slug, found.tenant.clone())
    }
}

/// Of whom an access token speaks.
struct Subject<'a> {
    user: UserId,
    session: Option<SessionId>,
    client: &'a Client,
    auth_methods: &'a str,
    authenticated_at: Timestamp,
    lives: Use,
}

/// The claims of an access token (RFC 9068 §2.2). Times are whole seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    scope: String,
    tenant_id: String,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    auth_time: i64,
    amr: Vec<String>,
    acr: String,
}

/// Who signs for a tenant, as tokens say it.
#[must_use]
pub fn issuer(app: &App, tenant: TenantId) -> String {
    format!("{}/tenants/{tenant}", app.config.public_url.as_str().trim_end_matches('/'))
}

/// An access token, and how many seconds it lives.
async fn access_token(
    app: &App,
    tenant: &Tenant,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Result<(Secret<String>, i64)> {
    let settings = &tenant.settings;
    let exp = seconds(access_expiry(&settings.session, subject.lives, now));
    let iat = seconds(now);
    let claims = AccessClaims {
        iss: issuer(app, tenant.id),
        aud: subject.client.id.clone(),
        sub: subject.user.to_string(),
        client_id: subject.client.id.clone(),
        scope: subject.client.scope.clone(),
        tenant_id: tenant.id.to_string(),
        iat,
        exp,
        jti: app.entropy.id(now)?.to_string(),
        sid: subject.session.map(|session| session.to_string()),
        auth_time: seconds(subject.authenticated_at),
        amr: subject.auth_methods.split_whitespace().map(str::to_owned).collect(),
        acr: context_class(subject.auth_methods).to_owned(),
    };
    let key = keys::signing(app, Realm::Tenant(tenant.id), settings.access_token_algorithm).await?;
    Ok((key.sign(ACCESS_TOKEN, &claims)?, exp - iat))
}

fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// What a good access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The tenant that it is of.
    pub tenant: TenantId,
    /// Of whom it speaks.
    pub user: UserId,
    /// The session that it was made in.
    pub session: Option<SessionId>,
    /// Whom it was made for.
    pub client_id: String,
    /// What it is good for, space separated.
    pub scope: String,
    /// When the user last proved who he is.
    pub authenticated_at: Timestamp,
    /// How he did, space separated.
    pub auth_methods: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Claims {
    /// Whether it is good for `scope`.
    #[must_use]
    pub fn allows(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|it| it == scope)
    }
}

/// What an access token says, if it is one of ours and has not ended. Whether its session has is
/// not looked at: see [`crate::flows::me::Me::by_token`].
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
    let key = keys::verifying(app, text).await?.ok_or_else(bad)?;
    let claims: AccessClaims = key.verify(ACCESS_TOKEN, text).ok_or_else(bad)?;
    parse(app, &claims).ok_or_else(bad)
}

fn bad() -> Error {
    Error::refused(Code::NotAuthenticated)
}

fn parse(app: &App, claims: &AccessClaims) -> Option<Claims> {
    let tenant = claims.tenant_id.parse().ok()?;
    let at = |seconds: i64| seconds.checked_mul(1_000_000).map(Timestamp::from_micros);
    let session = match &claims.sid {
        Some(session) => Some(session.parse().ok()?),
        None => None,
    };
    (claims.iss == issuer(app, tenant)).then_some(Claims {
        tenant,
        user: claims.sub.parse().ok()?,
        session,
        client_id: claims.client_id.clone(),
        scope: claims.scope.clone(),
        authenticated_at: at(claims.auth_time)?,
        auth_methods: claims.amr.join(" "),
        expires_at: at(claims.exp)?,
    })
}
