//! Exchanging a token for another one (RFC 8693): an application that was called with a token goes
//! on to call others in the name of whoever called it, and says so in `act`.
//!
//! A token is never exchanged into more than it was: not in scope, not in time, and only by an
//! application that it was meant for. It stays in the family that it came of, and ends with it.

use serde_json::{Value, json};

use super::{
    Answered, Ox,
    client_auth::Client,
    hint,
    mint::{Confirmation, access_algorithm, access_lifetime, subject, token_id},
    shown_token,
    token::Issued,
};
use crate::{
    crypto::jose::ACCESS_TOKEN as ACCESS_TOKEN_TYPE,
    domain::{
        application::{Owner, TOKEN_EXCHANGE},
        oauth::{
            Denial, ErrorCode,
            parameters::Parameters,
            request::personal_scopes,
            scope::{OFFLINE_ACCESS, Scope},
        },
        tenant::Tenant,
    },
    error::Result,
    flows::{
        keys,
        tokens::{
            Claims, Minted, Subject,
            claims::{AccessClaims, Audience, OF_PROGRAM, seconds},
        },
    },
    id::{GrantId, SessionId, TenantId},
    store::{self, grants::Found},
};

/// An access token (RFC 8693 §3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// A JWT, which our access tokens are.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// An ID token.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Names of where the token is to be used, at most.
const TARGETS: usize = 10;
/// How many may act for one another in one token.
const ACTORS: usize = 8;

/// Exchanges a token.
///
/// # Errors
/// `unauthorized_client`; `invalid_request` where a token is not good or not meant for the
/// application (RFC 8693 §2.2.2); `invalid_scope`; `invalid_target`; or where the database fails.
pub async fn exchange(
    ox: &Ox,
    client: &Client,
    given: &Parameters,
    confirmation: Confirmation,
) -> Answered<Issued> {
    if !client.application.may_use(TOKEN_EXCHANGE) {
        let sentence = "the application may not exchange tokens";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence).into());
    }
    let issued_token_type = match given.get("requested_token_type") {
        None | Some(ACCESS_TOKEN) => ACCESS_TOKEN,
        Some(JWT) => JWT,
        Some(_) => return Err(Denial::request("only access tokens can be asked for").into()),
    };
    let desk = Desk { ox, client, confirmation };
    let (text, kind) = (given.need("subject_token")?, given.need("subject_token_type")?);
    let subject = match kind {
        ACCESS_TOKEN | JWT => desk.of_access_token(text).await?,
        ID_TOKEN => desk.of_id_token(text).await?,
        _ => return Err(Denial::request("tokens of this type are not exchanged").into()),
    };
    let actor = desk.actor(given).await?;
    let scope = desk.scope(&subject, given)?;
    let audience = desk.audience(given)?;
    let minted = desk.mint(&subject, &actor, (scope, audience)).await?;
    Ok(Issued { minted, issued_token_type: Some(issued_token_type) })
}

/// What is said of every token that does not do, whyever.
fn bad() -> Denial {
    let sentence = "a token is not good, or no longer, or not meant for this application";
    Denial::request(sentence)
}

/// Whom the new token speaks of, and the limits that he brings.
struct Spoken {
    sub: String,
    scope: Scope,
    expires_at: i64,
    act: Option<Value>,
    details: Vec<Value>,
    whose: Whose,
}

/// A person's token stays in a family.
enum Whose {
    Person {
        tenant: TenantId,
        grant: GrantId,
        session: Option<SessionId>,
        authenticated_at: Option<i64>,
        auth_methods: String,
    },
    Program,
}

/// Where tokens of one application are exchanged.
struct Desk<'a> {
    ox: &'a Ox,
    client: &'a Client,
    confirmation: Confirmation,
}

impl Desk<'_> {
    /// A live access token of this realm that was meant for the application: made for it, or to be
    /// used at it.
    async fn presented(&self, text: &str) -> Answered<Claims> {
        let claims = shown_token::access_token(self.ox, text).await?.ok_or_else(bad)?;
        let is_live = shown_token::is_live(self.ox, &claims).await?;
        let own = &self.client.application.client_id;
        if !is_live || (claims.client_id != *own && !claims.audience.has(own)) {
            return Err(bad().into());
        }
        // Its own token, bound to a key of its own, is worth nothing without that key.
        let bound = &claims.confirmation;
        if claims.client_id == *own && bound.is_bound() && *bound != self.confirmation {
            return Err(bad().into());
        }
        Ok(claims)
    }

    async fn of_access_token(&self, text: &str) -> Answered<Spoken> {
        let claims = self.presented(text).await?;
        let whose = match (&claims.subject, claims.grant) {
            (Subject::Person { tenant, session, .. }, Some(grant)) => Whose::Person {
                tenant: *tenant,
                grant,
                session: *session,
                authenticated_at: claims.authenticated_at.map(seconds),
                auth_methods: claims.auth_methods.clone(),
            },
            (Subject::Program, _) => Whose::Program,
            (Subject::Person { .. }, None) => return Err(bad().into()),
        };
        Ok(Spoken {
            sub: claims.sub,
            scope: Scope::from(claims.scope),
            expires_at: seconds(claims.expires_at),
            act: claims.act,
            details: claims.details,
            whose,
        })
    }

    /// An ID token stands for the family that it was made in: what that was granted, as long as
    /// it lives.
    async fn of_id_token(&self, text: &str) -> Answered<Spoken> {
        let hint = hint::read(self.ox, text).await?.ok_or_else(bad)?;
        let is_fresh = hint.exp.is_some_and(|exp| exp > seconds(self.ox.now));
        if !is_fresh || !hint.aud.has(&self.client.application.client_id) {
            return Err(bad().into());
        }
        let (Some(tenant), Some(session)) = (hint.tenant_id, hint.sid) else {
            return Err(bad().into());
        };
        let (grant, found) = self.family_in(tenant, session).await?.ok_or_else(bad)?;
        if subject(&self.ox.app, &self.client.application, found.user)? != hint.sub {
            return Err(bad().into());
        }
        let whose = Whose::Person {
            tenant,
            grant,
            session: Some(session),
            authenticated_at: Some(seconds(found.authenticated_at)),
            auth_methods: found.auth_methods.clone(),
        };
        Ok(Spoken {
            sub: hint.sub,
            scope: Scope::from(found.scope),
            expires_at: hint.exp.unwrap_or_default().min(seconds(found.lives.absolute)),
            act: None,
            details: Vec::new(),
            whose,
        })
    }

    async fn family_in(
        &self,
        tenant: TenantId,
        session: SessionId,
    ) -> Result<Option<(GrantId, Found)>> {
        let input = (tenant, session, self.client.application.id);
        let grant = self
            .ox
            .app
            .db
            .read(input, |tx, (tenant, session, application)| {
                Box::pin(store::grants::newest_in_session(tx, *tenant, *session, *application))
            })
            .await?;
        let Some(grant) = grant else { return Ok(None) };
        let found = shown_token::family(self.ox, (tenant, grant), None).await?;
        Ok(found.filter(|found| found.family.is_live).map(|found| (grant, found)))
    }

    /// Who acts: the subject of the actor's token, else the application itself.
    async fn actor(&self, given: &Parameters) -> Answered<String> {
        match (given.get("actor_token"), given.get("actor_token_type")) {
            (None, None) => Ok(self.client.application.client_id.clone()),
            (Some(text), Some(ACCESS_TOKEN | JWT)) => Ok(self.presented(text).await?.sub),
            (Some(_), Some(_)) => {
                Err(Denial::request("an actor is shown by an access token").into())
            }
            _ => Err(Denial::request("actor_token and actor_token_type go together").into()),
        }
    }

    /// What was asked for, all of it or nothing; without a word, all that both may have.
    fn scope(&self, spoken: &Spoken, given: &Parameters) -> Answered<Scope> {
        let bad = |sentence: &'static str| Denial::new(ErrorCode::InvalidScope, sentence);
        let application = &self.client.application;
        let allowed = match spoken.whose {
            Whose::Person { .. } => personal_scopes(application),
            Whose::Program => {
                let words = application.metadata.allowed_scopes.iter().flatten();
                Scope::of(words.map(String::as_str))
            }
        };
        // There is no refresh token.
        let most = spoken.scope.filtered(|word| allowed.has(word) && word != OFFLINE_ACCESS);
        let Some(text) = given.get("scope") else { return Ok(most) };
        let asked = Scope::parse(text).ok_or_else(|| bad("scope is not a list of scopes"))?;
        if asked.is_within(&most) {
            Ok(asked)
        } else {
            Err(bad("scope may only be what the token has and the application may ask for").into())
        }
    }

    /// Where the token is to be used: at the application itself, or where its registration says.
    fn audience(&self, given: &Parameters) -> Answered<Vec<String>> {
        let application = &self.client.application;
        let mut audience: Vec<String> = Vec::new();
        for target in given.all("audience").chain(given.all("resource")) {
            let mut known = application.metadata.allowed_audiences.iter().flatten();
            if target != application.client_id && !known.any(|it| it == target) {
                let sentence = "the application may not ask for tokens for this target";
                return Err(Denial::new(ErrorCode::InvalidTarget, sentence).into());
            }
            if !audience.iter().any(|it| it == target) {
                audience.push(target.to_owned());
            }
        }
        if audience.len() > TARGETS {
            return Err(Denial::new(ErrorCode::InvalidTarget, "too many targets").into());
        }
        if audience.is_empty() {
            audience.push(application.client_id.clone());
        }
        Ok(audience)
    }

    /// Who acts now, before whoever did until now (RFC 8693 §4.1).
    fn act(&self, actor: &str, before: Option<&Value>) -> Answered<Value> {
        let mut depth = 1;
        let mut link = before;
        while let Some(act) = link {
            depth += 1;
            link = act.get("act");
        }
        if depth > ACTORS {
            return Err(Denial::request("too many act for one another").into());
        }
        let mut act = json!({"sub": actor, "client_id": self.client.application.client_id});
        if let (Some(before), Some(fields)) = (before, act.as_object_mut()) {
            fields.insert("act".to_owned(), before.clone());
        }
        Ok(act)
    }

    async fn mint(
        &self,
        spoken: &Spoken,
        actor: &str,
        (scope, audience): (Scope, Vec<String>),
    ) -> Answered<Minted> {
        let (ox, application) = (self.ox, &self.client.application);
        let iat = seconds(ox.now);
        let lifetime = i64::try_from(access_lifetime(application).as_secs()).unwrap_or(3_600);
        let exp = (iat + lifetime).min(spoken.expires_at);
        let tenant = match &ox.flavour {
            super::Flavour::Tenant(tenant) => Some(tenant.as_ref()),
            super::Flavour::Platform => None,
        };
        let authorization_details = self.details(spoken);
        let mut claims = AccessClaims {
            iss: ox.issuer(),
            aud: Audience::of(audience),
            sub: spoken.sub.clone(),
            client_id: application.client_id.clone(),
            scope: scope.to_string(),
            tenant_id: None,
            partner_id: None,
            iat,
            exp,
            jti: String::new(),
            sid: None,
            auth_time: None,
            amr: Vec::new(),
            acr: None,
            cnf: self.confirmation.claim(),
            act: Some(self.act(actor, spoken.act.as_ref())?),
            authorization_details: authorization_details.clone(),
            token_type: None,
            app_scope: None,
            platform_token: false,
        };
        self.of_whom(&mut claims, &spoken.whose, tenant)?;
        let key = keys::signing(&ox.app, ox.realm(), access_algorithm(application, tenant)).await?;
        Ok(Minted {
            access_token: key.sign(ACCESS_TOKEN_TYPE, &claims)?,
            token_type: self.confirmation.token_type(),
            expires_in: exp - iat,
            refresh_token: None,
            id_token: None,
            scope: scope.to_string(),
            authorization_details,
        })
    }

    /// Of the details (RFC 9396), those that the application may ask for.
    fn details(&self, spoken: &Spoken) -> Vec<Value> {
        let known = &self.client.application.metadata.authorization_details_types;
        let is_known = |one: &Value| {
            let kind = one.get("type").and_then(Value::as_str);
            kind.is_some_and(|kind| known.iter().flatten().any(|it| it == kind))
        };
        spoken.details.iter().filter(|one| is_known(one)).cloned().collect()
    }

    fn of_whom(
        &self,
        claims: &mut AccessClaims,
        whose: &Whose,
        tenant: Option<&Tenant>,
    ) -> Result<()> {
        let (app, now) = (&self.ox.app, self.ox.now);
        match whose {
            Whose::Person { tenant, grant, session, authenticated_at, auth_methods } => {
                claims.tenant_id = Some(*tenant);
                claims.jti = token_id(app, Some(*grant), now)?;
                claims.sid = *session;
                claims.auth_time = *authenticated_at;
                claims.amr = auth_methods.split_whitespace().map(str::to_owned).collect();
                claims.acr = Some(crate::domain::token::context_class(auth_methods).to_owned());
            }
            Whose::Program => {
                let owner = self.client.application.owner;
                claims.tenant_id = tenant.map(|tenant| tenant.id);
                claims.partner_id = match owner {
                    Owner::Partner(partner) => Some(partner.to_string()),
                    Owner::Platform | Owner::Tenant(_) => None,
                };
                claims.jti = token_id(app, None, now)?;
                claims.token_type = Some(OF_PROGRAM.to_owned());
                claims.app_scope = Some(owner.scope().to_owned());
            }
        }
        Ok(())
    }
}
