//! Tokens that come back to us: looked at by their applications (RFC 7662), given up (RFC 7009), or
//! used at our own UserInfo endpoint (OpenID Connect Core §5.3).

use serde_json::{Map, Value, json};

use super::{
    Answered, Ox,
    client_auth::{self, Client, Shown},
    dpop::{self, Endpoint},
    mint::Grantee,
    refresh::details,
};
use crate::{
    crypto::{certificate::Certificate, opaque::digest_text, refresh::RefreshToken},
    domain::{
        audit::{Action, Actor, Event, Target},
        oauth::{
            Denial, ErrorCode,
            parameters::Parameters,
            scope::{OPENID, Scope},
        },
        tenant::Slug,
        token::{Verdict, judge},
    },
    error::{Context, Error, Result},
    flows::{
        applications::{self, Registered},
        keys,
        tokens::{
            self, Claims,
            claims::{Subject, seconds},
        },
    },
    id::{GrantId, Id, TenantId},
    secret::Secret,
    store::{
        self,
        grants::{Found, Single},
    },
};

/// What a token says to an application that may look at it; `None`: it is not, or no longer, good.
///
/// # Errors
/// `invalid_client`, or where the database fails.
pub async fn introspect(
    ox: &Ox,
    shown: Shown,
    given: &Parameters,
) -> Answered<Option<Map<String, Value>>> {
    let client = client_auth::authenticate(ox, shown.with(given)).await?;
    if !client.application.is_confidential() {
        return Err(Denial::client().into());
    }
    let text = given.need("token")?;
    if let Some(found) = refresh_token(ox, text).await? {
        return Ok(of_refresh_token(ox, &client, &found));
    }
    let Some(claims) = access_token(ox, text).await? else { return Ok(None) };
    if !is_live(ox, &claims).await? {
        return Ok(None);
    }
    Ok(Some(said(ox, &claims)))
}

fn said(ox: &Ox, claims: &Claims) -> Map<String, Value> {
    let mut said = Map::new();
    let mut put = |name: &str, value: Value| {
        said.insert(name.to_owned(), value);
    };
    put("active", true.into());
    put("iss", ox.issuer().into());
    put("sub", claims.sub.as_str().into());
    put("aud", json!(claims.audience));
    put("client_id", claims.client_id.as_str().into());
    put("scope", claims.scope.as_str().into());
    put("iat", seconds(claims.issued_at).into());
    put("exp", seconds(claims.expires_at).into());
    put("jti", claims.jti.as_str().into());
    put("token_type", claims.confirmation.token_type().into());
    if let Subject::Person { tenant, session, .. } = &claims.subject {
        put("tenant_id", tenant.to_string().into());
        if let Some(session) = session {
            put("sid", session.to_string().into());
        }
        put("acr", crate::domain::token::context_class(&claims.auth_methods).into());
        put("amr", json!(claims.auth_methods.split_whitespace().collect::<Vec<_>>()));
    }
    if let Some(at) = claims.authenticated_at {
        put("auth_time", seconds(at).into());
    }
    if let Some(cnf) = claims.confirmation.claim() {
        put("cnf", json!(cnf));
    }
    if let Some(act) = &claims.act {
        put("act", act.clone());
    }
    if !claims.details.is_empty() {
        put("authorization_details", json!(claims.details));
    }
    said
}

/// A refresh token of ours, and its family.
struct Refreshing {
    token: RefreshToken,
    tenant: TenantId,
    grant: GrantId,
    found: Found,
}

async fn refresh_token(ox: &Ox, text: &str) -> Result<Option<Refreshing>> {
    let Some(token) = RefreshToken::parse(&ox.app.master_key, text)? else { return Ok(None) };
    let (tenant, grant) = (TenantId::from_uuid(token.tenant()), GrantId::from_uuid(token.family()));
    let found = family(ox, (tenant, grant), None).await?;
    Ok(found.map(|found| Refreshing { token, tenant, grant, found }))
}

pub(super) async fn family(
    ox: &Ox,
    (tenant, grant): (TenantId, GrantId),
    single: Option<Single>,
) -> Result<Option<Found>> {
    ox.app
        .db
        .read((tenant, grant, single, ox.now), |tx, (tenant, grant, single, now)| {
            Box::pin(store::grants::facts(tx, *tenant, *grant, *single, *now))
        })
        .await
}

impl Refreshing {
    /// Whether it is the application's own, in this realm.
    fn is_of(&self, ox: &Ox, client: &Client) -> bool {
        self.found.application == Some(client.application.id)
            && details(&self.found).is_ok_and(|details| details.realm == ox.realm())
    }
}

/// Only its own application may look at a refresh token: nobody else has any use for one.
fn of_refresh_token(ox: &Ox, client: &Client, it: &Refreshing) -> Option<Map<String, Value>> {
    let verdict = judge(&it.found.family, it.token.digest(), ox.now);
    if !it.is_of(ox, client) || verdict != Verdict::Rotate {
        return None;
    }
    let mut said = Map::new();
    let mut put = |name: &str, value: Value| {
        said.insert(name.to_owned(), value);
    };
    put("active", true.into());
    put("iss", ox.issuer().into());
    put("client_id", it.found.client_id.as_str().into());
    put("scope", it.found.scope.as_str().into());
    put("iat", seconds(it.found.created_at).into());
    put("exp", seconds(it.found.lives.absolute).into());
    put("tenant_id", it.tenant.to_string().into());
    let name = super::mint::subject(&ox.app, &client.application, it.found.user).ok()?;
    put("sub", name.into());
    Some(said)
}

/// An access token of this realm that has not ended by itself.
pub(super) async fn access_token(ox: &Ox, text: &str) -> Result<Option<Claims>> {
    match tokens::verify(&ox.app, text, ox.now).await {
        Ok(claims) => Ok(Some(claims).filter(|claims| claims.realm == ox.realm())),
        Err(Error::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn single(ox: &Ox, claims: &Claims) -> Single {
    Single { realm: ox.realm(), digest: digest_text(&["access token", &claims.jti]) }
}

/// Whether what an access token rests on still holds: the family, the application that acts for
/// its subject, and the token itself.
pub(super) async fn is_live(ox: &Ox, claims: &Claims) -> Result<bool> {
    let single = single(ox, claims);
    if let (Subject::Person { tenant, .. }, Some(grant)) = (&claims.subject, claims.grant) {
        let found = family(ox, (*tenant, grant), Some(single)).await?;
        let Some(found) = found.filter(|found| found.family.is_live) else { return Ok(false) };
        // Another application than the family's got it by exchange.
        return Ok(found.client_id == claims.client_id || is_in_use(ox, &claims.client_id).await?);
    }
    if !is_in_use(ox, &claims.client_id).await? {
        return Ok(false);
    }
    // The program that another one acts for.
    if claims.sub != claims.client_id && !is_in_use(ox, &claims.sub).await? {
        return Ok(false);
    }
    Ok(!is_revoked(ox, claims).await?)
}

/// Whether an access token was revoked by itself.
pub(super) async fn is_revoked(ox: &Ox, claims: &Claims) -> Result<bool> {
    ox.app
        .db
        .read(single(ox, claims), |tx, single| {
            Box::pin(store::seen::is_revoked(tx, single.realm, single.digest))
        })
        .await
}

async fn is_in_use(ox: &Ox, client_id: &str) -> Result<bool> {
    let found = applications::by_client_id(&ox.app, client_id, ox.owners()).await?;
    Ok(found.is_some_and(|found| found.application.is_active))
}

/// Gives up a token. One that is not the application's own, or none at all, is given up already.
///
/// # Errors
/// `invalid_client`, or where the database fails.
pub async fn revoke(ox: &Ox, shown: Shown, given: &Parameters) -> Answered<()> {
    let client = client_auth::authenticate(ox, shown.with(given)).await?;
    let text = given.need("token")?;
    if let Some(it) = refresh_token(ox, text).await? {
        if it.is_of(ox, &client) {
            let target = Target::User(Some(it.found.user));
            let event = Event::success(Action::TokenRevoked, Actor::Anonymous, target)
                .with("client_id", client.application.client_id.as_str());
            let audit = ox.record(it.tenant, event)?;
            ox.app
                .db
                .write((it.tenant, it.grant, audit), |tx, (tenant, grant, audit)| {
                    Box::pin(async move {
                        if store::grants::end(*tenant, *grant).execute(tx).await? == 1 {
                            audit.clone().execute(tx).await?;
                        }
                        Ok(())
                    })
                })
                .await?;
        }
        return Ok(());
    }
    let Some(claims) = access_token(ox, text).await? else { return Ok(()) };
    if claims.client_id == client.application.client_id {
        let Single { realm, digest } = single(ox, &claims);
        let query = store::seen::revoke(realm, digest, claims.expires_at);
        ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    }
    Ok(())
}

/// How an access token was shown to us.
#[derive(Debug)]
pub struct Bearing {
    /// The token.
    pub token: Secret<String>,
    /// Whether by the scheme `DPoP`.
    pub by_dpop: bool,
    /// The proof that came along.
    pub proof: Option<String>,
    /// By which method the endpoint was called.
    pub method: &'static str,
    /// The certificate (DER) that a trusted proxy says was shown.
    pub certificate: Option<Vec<u8>>,
}

/// What the UserInfo endpoint answers.
#[derive(Debug)]
pub enum UserInfo {
    /// Claims.
    Plain(Map<String, Value>),
    /// Claims, signed, for an application that wants them so.
    Signed(Secret<String>),
}

fn bad_token() -> Denial {
    Denial::new(ErrorCode::InvalidToken, "the access token is not good, or no longer")
}

/// What is known about the person of an access token.
///
/// # Errors
/// `invalid_token`, `insufficient_scope`, or where the database fails.
pub async fn userinfo(ox: &Ox, bearing: &Bearing) -> Answered<UserInfo> {
    let claims = access_token(ox, bearing.token.expose()).await?.ok_or_else(bad_token)?;
    check_binding(ox, &claims, bearing).await?;
    let (Subject::Person { tenant, session, .. }, Some(grant)) = (&claims.subject, claims.grant)
    else {
        return Err(bad_token().into());
    };
    let found = family(ox, (*tenant, grant), Some(single(ox, &claims))).await?;
    let found = found.filter(|found| found.family.is_live).ok_or_else(bad_token)?;
    if !claims.allows(OPENID) {
        let sentence = "the access token was not asked for with the scope openid";
        return Err(Denial::new(ErrorCode::InsufficientScope, sentence).into());
    }
    let id = found.application.ok_or_else(bad_token)?;
    let application = applications::by_id(&ox.app, id).await?;
    let Some(Registered { application, .. }) = application.filter(|it| it.application.is_active)
    else {
        return Err(bad_token().into());
    };
    let details = details(&found)?;
    let slug = Slug::parse(&found.slug).doing("reading a stored slug")?;
    let tenant = ox.app.tenants.parsed(&slug, found.tenant.clone())?;
    let grantee = Grantee {
        app: &ox.app,
        tenant: &tenant,
        application: &application,
        details: &details,
        grant,
        user: found.user,
        person: &found.person,
        session: *session,
        auth_methods: &found.auth_methods,
        authenticated_at: found.authenticated_at,
        lives: found.lives,
        now: ox.now,
    };
    let mut all = grantee.userinfo(&Scope::from(claims.scope.clone()))?;
    let Some(algorithm) = application.metadata.userinfo_signed_response_alg else {
        return Ok(UserInfo::Plain(all));
    };
    all.insert("iss".to_owned(), ox.issuer().into());
    all.insert("aud".to_owned(), application.client_id.as_str().into());
    let key = keys::signing(&ox.app, ox.realm(), algorithm).await?;
    Ok(UserInfo::Signed(key.sign("JWT", &all)?))
}

/// Whether whoever shows a token has the keys that it is bound to.
async fn check_binding(ox: &Ox, claims: &Claims, bearing: &Bearing) -> Answered<()> {
    let bound = &claims.confirmation;
    if bound.jkt.is_some() || bearing.by_dpop {
        let url = format!("{}/userinfo", ox.oauth_base());
        let at = Endpoint { method: bearing.method, url: &url };
        let token = Some(bearing.token.expose().as_str());
        let jkt = dpop::check(ox, bearing.proof.as_deref(), &at, token).await?;
        if !bearing.by_dpop || jkt.is_none() || jkt != bound.jkt {
            return Err(bad_token().into());
        }
    }
    let certificate = bearing.certificate.as_deref().and_then(Certificate::from_der);
    if bound.x5t_s256.is_some() && bound.x5t_s256 != certificate.map(|it| it.digest()) {
        return Err(bad_token().into());
    }
    Ok(())
}
