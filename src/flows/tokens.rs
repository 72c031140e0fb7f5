//! Access and refresh tokens: made with a session, exchanged, verified.
//!
//! An access token is signed and looked at by anybody; a refresh token is opaque, good once, and
//! comes back here. Both live and end with their session. Which applications may have any is not
//! here.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    app::App,
    clock::Timestamp,
    crypto::{jose::ACCESS_TOKEN, opaque::digest_text, refresh::RefreshToken},
    db::{Query, Whole, Written},
    domain::{
        audit::{Action, Actor, Event, Target},
        oauth::Denial,
        session::Persistence,
        tenant::{Slug, Tenant},
        token::{Client, Use, Verdict, access_expiry, context_class, idle_limit, judge},
    },
    error::{Context, Result},
    flows::{
        Caller, Cx, all_or_nothing, keys,
        oauth::{Answered, issuer, mint::token_id, refresh::Presented},
        record, tenants,
    },
    id::{GrantId, Id, Realm, SessionId, TenantId, UserId},
    secret::Secret,
    store::{
        self,
        grants::{Found, Rotation},
    },
};
use claims::{AccessClaims, Audience, seconds};
pub use claims::{Claims, Subject, read, verify};

pub mod claims;
pub mod verified;

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

/// What a client is handed.
#[derive(Debug)]
pub struct Minted {
    /// The access token.
    pub access_token: Secret<String>,
    /// How it is shown: `Bearer` or `DPoP`.
    pub token_type: &'static str,
    /// How many seconds it lives.
    pub expires_in: i64,
    /// The refresh token, where there is one.
    pub refresh_token: Option<Secret<String>>,
    /// The ID token, where one was asked for.
    pub id_token: Option<Secret<String>>,
    /// What they are good for, space separated.
    pub scope: String,
    /// What they allow in detail (RFC 9396).
    pub authorization_details: Vec<Value>,
}

impl Minted {
    /// Of the portal, which is no application.
    fn of_portal(
        (access_token, expires_in): (Secret<String>, i64),
        refresh_token: Secret<String>,
        scope: String,
    ) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            refresh_token: Some(refresh_token),
            id_token: None,
            scope,
            authorization_details: Vec::new(),
        }
    }
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
    let subject = Holder {
        user: facts.user,
        grant: id,
        session: Some(facts.session),
        client,
        auth_methods: &facts.auth_methods,
        authenticated_at: facts.authenticated_at,
        lives: facts.lives,
    };
    let access_token = access_token(&cx.app, &cx.tenant, &subject, now).await?;
    let new = store::grants::New {
        id,
        session: facts.session,
        client_id: client.id.clone(),
        scope: client.scope.clone(),
        auth_methods: facts.auth_methods.clone(),
        authenticated_at: facts.authenticated_at,
        digest: refresh.digest(),
        holder: own_holder(&client.id),
        now,
    };
    let idle = idle_limit(&cx.tenant.settings.session, facts.lives, now);
    let queries = vec![
        store::grants::hold_session(tenant, facts.session, idle, now),
        store::grants::insert(tenant, &new),
    ];
    Ok((queries, Minted::of_portal(access_token, refresh.text(), client.scope.clone())))
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

/// Who shows a refresh token.
#[derive(Debug, Clone, Copy)]
pub enum Party<'a> {
    /// A client of our own, by its id.
    Own(&'a str),
    /// An application, which has proved who it is.
    Application(&'a Presented<'a>),
}

/// Exchanges a refresh token of whoever has shown it.
///
/// # Errors
/// `invalid_grant` for one that is not ours, was used before, or rests on something that has ended. One that was used before ends the session, since somebody has a copy.
pub async fn refresh(
    app: &Arc<App>,
    caller: &Caller,
    party: Party<'_>,
    (text, now): (&str, Timestamp),
) -> Answered<Refreshed> {
    let token = RefreshToken::parse(&app.master_key, text)?.ok_or_else(bad)?;
    let (tenant, id) = (TenantId::from_uuid(token.tenant()), GrantId::from_uuid(token.family()));
    let shown = Shown { app, party, token, tenant, id, now };
    let mut known = match shown.exchange_at_once().await? {
        AtOnce::Done(refreshed) => return Ok(*refreshed),
        AtOnce::NotYet(known) => known,
    };
    // Others may exchange the same token meanwhile: then see what has become of it.
    for _ in 0..3 {
        let found = match known.take() {
            Some(found) => *found,
            None => shown.facts().await?.ok_or_else(bad)?,
        };
        // Of another client: no harm is done to its family, since it was not the one who came.
        if !shown.is_of_party(&found) {
            return Err(bad().into());
        }
        if let Party::Application(presented) = party {
            presented.check(&found)?;
        }
        match judge(&found.family, shown.token.digest(), now) {
            Verdict::Rotate => {
                if let Some(refreshed) = shown.rotate(&found).await? {
                    return Ok(refreshed);
                }
            }
            Verdict::Repeat => {
                let repeated = shown.repeat(&found).await?;
                return repeated.ok_or_else(|| bad().into());
            }
            Verdict::Reused => {
                shown.end(caller, &found).await?;
                return Err(bad().into());
            }
            Verdict::Dead => return Err(bad().into()),
        }
    }
    Err(bad().into())
}

fn bad() -> Denial {
    Denial::grant("the refresh token is unknown, used, revoked, or of another application")
}

/// The digest of a client of our own, as the holder of a family.
fn own_holder(client_id: &str) -> [u8; 32] {
    digest_text(&["holder", client_id])
}

/// What came of exchanging a token without a look at it.
enum AtOnce {
    /// New tokens.
    Done(Box<Refreshed>),
    /// It has to be looked at. What is known already.
    NotYet(Option<Box<Found>>),
}

/// A refresh token of ours that was shown.
struct Shown<'a> {
    app: &'a Arc<App>,
    party: Party<'a>,
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
                Box::pin(store::grants::facts(tx, *tenant, *id, None, *now))
            })
            .await
    }

    fn is_of_party(&self, found: &Found) -> bool {
        match self.party {
            Party::Own(client_id) => found.application.is_none() && found.client_id == client_id,
            Party::Application(presented) => presented.is_holder_of(found),
        }
    }

    /// Exchanges it in one go with looking at it, where nothing has to be judged that the statement
    /// does not judge itself: whoever shows it asks for no more and no less than it stands for.
    async fn exchange_at_once(&self) -> Result<AtOnce> {
        let holder = match self.party {
            Party::Own(client_id) => Some((client_id.to_owned(), own_holder(client_id))),
            Party::Application(presented) => presented.holder(),
        };
        let Some(holder) = holder else { return Ok(AtOnce::NotYet(None)) };
        let Ok(tenant) = tenants::resolve_id(self.app, self.tenant).await else {
            return Ok(AtOnce::NotYet(None));
        };
        let (next, rotation) = self.rotation(Some(holder))?;
        let lives = |persistence| Use { persistence, absolute: Timestamp::from_micros(i64::MAX) };
        let idle = [Persistence::Browser, Persistence::Remembered]
            .map(|it| idle_limit(&tenant.settings.session, lives(it), self.now));
        let whole = Whole::new()
            .look(store::grants::look(self.tenant, self.id, None, self.now))
            .also([store::grants::hold_session_of(self.tenant, self.id, idle, self.now)])
            .must([store::grants::rotate(self.tenant, &rotation)]);
        let (found, written) = self.app.db.write_whole::<Found>(whole).await?;
        match (found, written) {
            (Some(found), Written::All) if found.family.current == rotation.shown => {
                match self.mint(&found, &next).await {
                    Ok(refreshed) => Ok(AtOnce::Done(Box::new(refreshed))),
                    // What fails here must cost nobody his token.
                    Err(fault) => {
                        let undo = store::grants::take_back(self.tenant, &rotation, &found);
                        if let Err(error) = self.app.db.write_all(vec![undo], Vec::new()).await {
                            tracing::error!(
                                ?error,
                                "a refresh token that was exchanged for nothing"
                            );
                        }
                        Err(fault)
                    }
                }
            }
            (found, Written::Nothing) => Ok(AtOnce::NotYet(found.map(Box::new))),
            // Seen before it was exchanged for this one: a repetition by now.
            (_, Written::All) => Ok(AtOnce::NotYet(None)),
        }
    }

    /// The successor, and what exchanges the token for it.
    fn rotation(&self, holder: Option<(String, [u8; 32])>) -> Result<(RefreshToken, Rotation)> {
        let salt = self.app.entropy.bytes()?;
        let next = self.token.successor(&self.app.master_key, &salt)?;
        let (shown, digest) = (self.token.digest(), next.digest());
        let rotation = Rotation { id: self.id, shown, next: digest, salt, holder, now: self.now };
        Ok((next, rotation))
    }

    /// Exchanges it; `None` where somebody else was faster, or something has ended since.
    async fn rotate(&self, found: &Found) -> Result<Option<Refreshed>> {
        if let Party::Application(presented) = self.party
            && !presented.rotates()
        {
            return self.keep(found).await.map(Some);
        }
        let (next, rotation) = self.rotation(None)?;
        // Before the exchange: what fails here costs nobody his token.
        let refreshed = self.mint(found, &next).await?;
        let settings = self.settings(found)?;
        let idle = idle_limit(&settings.settings.session, found.lives, self.now);
        let hold = found
            .session
            .map(|session| store::grants::hold_session(self.tenant, session, idle, self.now));
        let mut queries: Vec<Query> = hold.into_iter().collect();
        queries.push(store::grants::rotate(self.tenant, &rotation));
        let is_made = all_or_nothing(self.app, queries, Vec::new()).await?;
        Ok(is_made.then_some(refreshed))
    }

    /// New tokens, and the same refresh token again.
    async fn keep(&self, found: &Found) -> Result<Refreshed> {
        let refreshed = self.mint(found, &self.token).await?;
        let tenant = self.settings(found)?;
        let idle = idle_limit(&tenant.settings.session, found.lives, self.now);
        if let Some(session) = found.session {
            let hold = store::grants::hold_session(self.tenant, session, idle, self.now);
            self.app.db.write(hold, |tx, hold| Box::pin(hold.clone().execute(tx))).await?;
        }
        Ok(refreshed)
    }

    /// The successor once more, for a request that crossed another of the same client.
    async fn repeat(&self, found: &Found) -> Result<Option<Refreshed>> {
        let Some(salt) = found.salt else { return Ok(None) };
        let next = self.token.successor(&self.app.master_key, &salt)?;
        if next.digest() != found.family.current {
            return Ok(None);
        }
        self.mint(found, &next).await.map(Some)
    }

    /// Ends the family: of two who hold the same token, one has no right to it. The portal's session
    /// is the family's own and ends with it; an application's is shared with others and does not.
    async fn end(&self, caller: &Caller, found: &Found) -> Result<()> {
        let (user, tenant) = (found.user, self.tenant);
        let own_session = match self.party {
            Party::Own(_) => found.session,
            Party::Application(_) => None,
        };
        let target = Target::User(Some(user));
        let event =
            Event::failure(Action::RefreshTokenReused, Actor::Anonymous, target, "token_reused")
                .with("client_id", found.client_id.as_str())
                .with("session", found.session.map(|session| session.to_string()));
        let audit = record(self.app, (tenant, self.now), caller, event)?;
        self.app
            .db
            .write((tenant, self.id, own_session, audit), |tx, (tenant, id, session, audit)| {
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
        Ok(())
    }

    async fn mint(&self, found: &Found, next: &RefreshToken) -> Result<Refreshed> {
        let tenant = self.settings(found)?;
        let minted = match self.party {
            Party::Own(_) => self.mint_own(found, &tenant, next).await?,
            Party::Application(presented) => {
                presented.mint(found, (&tenant, self.id), next.text()).await?
            }
        };
        Ok(Refreshed { minted, tenant: self.tenant, user: found.user, session: found.session })
    }

    async fn mint_own(
        &self,
        found: &Found,
        tenant: &Tenant,
        next: &RefreshToken,
    ) -> Result<Minted> {
        let client = Client { id: found.client_id.clone(), scope: found.scope.clone() };
        let holder = Holder {
            user: found.user,
            grant: self.id,
            session: found.session,
            client: &client,
            auth_methods: &found.auth_methods,
            authenticated_at: found.authenticated_at,
            lives: found.lives,
        };
        let access_token = access_token(self.app, tenant, &holder, self.now).await?;
        Ok(Minted::of_portal(access_token, next.text(), client.scope))
    }

    fn settings(&self, found: &Found) -> Result<Arc<Tenant>> {
        let slug = Slug::parse(&found.slug).doing("reading a stored slug")?;
        self.app.tenants.parsed(&slug, found.tenant.clone())
    }
}

/// Of whom an access token of a client of ours speaks.
struct Holder<'a> {
    user: UserId,
    grant: GrantId,
    session: Option<SessionId>,
    client: &'a Client,
    auth_methods: &'a str,
    authenticated_at: Timestamp,
    lives: Use,
}

/// An access token of a client of ours, and how many seconds it lives.
async fn access_token(
    app: &App,
    tenant: &Tenant,
    holder: &Holder<'_>,
    now: Timestamp,
) -> Result<(Secret<String>, i64)> {
    let settings = &tenant.settings;
    let realm = Realm::Tenant(tenant.id);
    let exp = seconds(access_expiry(&settings.session, holder.lives, now));
    let iat = seconds(now);
    let claims = AccessClaims {
        iss: issuer(app, realm),
        aud: Audience::One(holder.client.id.clone()),
        sub: holder.user.to_string(),
        client_id: holder.client.id.clone(),
        scope: holder.client.scope.clone(),
        tenant_id: Some(tenant.id),
        partner_id: None,
        iat,
        exp,
        jti: token_id(app, Some(holder.grant), now)?,
        sid: holder.session,
        auth_time: Some(seconds(holder.authenticated_at)),
        amr: holder.auth_methods.split_whitespace().map(str::to_owned).collect(),
        acr: Some(context_class(holder.auth_methods).to_owned()),
        cnf: None,
        act: None,
        authorization_details: Vec::new(),
        token_type: None,
        app_scope: None,
        platform_token: false,
    };
    let key = keys::signing(app, realm, settings.access_token_algorithm).await?;
    Ok((key.sign(ACCESS_TOKEN, &claims)?, exp - iat))
}
