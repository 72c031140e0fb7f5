//! Redeeming an authorization code (RFC 6749 §4.1.3): once, by whom it was made for.

use subtle::ConstantTimeEq;

use super::{
    Answered, Failure, Ox,
    client_auth::Client,
    mint::{self, Beginning, Confirmation, Details, Grantee},
};
use crate::{
    crypto::opaque::{Token, s256},
    domain::{
        application::AUTHORIZATION_CODE,
        audit::{Action, Actor, Event, Target},
        oauth::{
            Denial, ErrorCode,
            parameters::Parameters,
            pkce,
            request::{AuthorizationRequest, personal_scopes, resources},
        },
        session::Persistence,
        tenant::Slug,
        token::Use,
    },
    error::{Context, Result},
    flows::{all_or_nothing, tokens::Minted},
    id::{GrantId, TenantId, UserId},
    store::{self, authorization_codes::Found},
};

/// Redeems a code.
///
/// # Errors
/// As RFC 6749 §5.2 says, or where the database fails. A code that was redeemed before ends what
/// came of it.
pub async fn redeem(
    ox: &Ox,
    client: &Client,
    given: &Parameters,
    confirmation: Confirmation,
) -> Answered<Minted> {
    if !client.application.may_use(AUTHORIZATION_CODE) {
        let sentence = "the application may not use authorization codes";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence).into());
    }
    let code = Token::parse(given.need("code")?).ok_or_else(bad)?;
    let redemption = Redemption { ox, client, digest: *code.digest().as_bytes(), confirmation };
    // Of several at the same time one wins; the others look again and find it redeemed.
    for _ in 0..2 {
        let found = redemption.find().await?.ok_or_else(bad)?;
        let request = redemption.check(&found, given).await?;
        if let Some(minted) = redemption.exchange(&found, &request, given).await? {
            return Ok(minted);
        }
    }
    Err(bad().into())
}

fn bad() -> Denial {
    Denial::grant("the code is unknown, used, too old, or of another application")
}

/// Ends the family that came of a code which is shown once more.
pub(super) async fn end_reused(
    ox: &Ox,
    client: &Client,
    (tenant, user): (TenantId, UserId),
    grant: GrantId,
) -> Result<()> {
    let target = Target::User(Some(user));
    let event = Event::failure(Action::CodeReused, Actor::Anonymous, target, "code_reused")
        .with("client_id", client.application.client_id.as_str());
    let audit = ox.record(tenant, event)?;
    ox.app
        .db
        .write((tenant, grant, audit), |tx, (tenant, grant, audit)| {
            Box::pin(async move {
                if store::grants::end(*tenant, *grant).execute(tx).await? == 1 {
                    audit.clone().execute(tx).await?;
                }
                Ok(())
            })
        })
        .await
}

struct Redemption<'a> {
    ox: &'a Ox,
    client: &'a Client,
    digest: [u8; 32],
    confirmation: Confirmation,
}

impl Redemption<'_> {
    async fn find(&self) -> Result<Option<Found>> {
        let input = (self.ox.realm(), self.digest, self.ox.now);
        self.ox
            .app
            .db
            .read(input, |tx, (realm, digest, now)| {
                Box::pin(store::authorization_codes::find(tx, *realm, *digest, *now))
            })
            .await
    }

    /// Whether the code may be redeemed by this application with these parameters. Where it may
    /// not, it never may again.
    async fn check(&self, found: &Found, given: &Parameters) -> Answered<AuthorizationRequest> {
        if found.application != self.client.application.id {
            self.burn().await?;
            return Err(bad().into());
        }
        if found.redeemed_at.is_some() {
            return Err(self.reused(found).await?);
        }
        if found.expires_at <= self.ox.now || !found.is_live {
            return Err(bad().into());
        }
        let request: AuthorizationRequest =
            serde_json::from_str(&found.request).doing("reading a code's request")?;
        if let Err(denial) = self.fits(&request, given) {
            self.burn().await?;
            return Err(denial.into());
        }
        Ok(request)
    }

    fn fits(&self, request: &AuthorizationRequest, given: &Parameters) -> Result<(), Denial> {
        let same_uri = match given.get("redirect_uri") {
            Some(uri) => uri == request.redirect_uri,
            None => !request.redirect_uri_given,
        };
        if !same_uri {
            return Err(Denial::grant("redirect_uri is not the one of the request"));
        }
        match (&request.code_challenge, given.get("code_verifier")) {
            (None, None) => {}
            (Some(challenge), Some(verifier))
                if pkce::is_verifier(verifier)
                    && bool::from(s256(verifier).as_bytes().ct_eq(challenge.as_bytes())) => {}
            (None, Some(_)) => return Err(Denial::grant("the request had no code_challenge")),
            (Some(_), None) => return Err(Denial::grant("code_verifier is missing")),
            _ => return Err(Denial::grant("code_verifier does not fit the code_challenge")),
        }
        if request.dpop_jkt.is_some() && request.dpop_jkt != self.confirmation.jkt {
            return Err(Denial::grant("the code is bound to another key"));
        }
        Ok(())
    }

    async fn burn(&self) -> Result<()> {
        let query = store::authorization_codes::burn(self.ox.realm(), self.digest, self.ox.now);
        self.ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
        Ok(())
    }

    /// Ends what came of a code that is shown twice: one of the two had no right to it.
    async fn reused(&self, found: &Found) -> Result<Failure> {
        let Some(grant) = found.grant else { return Ok(bad().into()) };
        end_reused(self.ox, self.client, (found.tenant.id, found.user), grant).await?;
        Ok(Denial::grant("the code was already used").into())
    }

    /// Where the first access token is to be used, where less is wanted than was granted.
    fn audience(
        &self,
        request: &AuthorizationRequest,
        given: &Parameters,
    ) -> Result<Vec<String>, Denial> {
        let audience = resources(&self.client.application, given)?;
        let within = |it| request.resource.is_empty() || request.resource.contains(it);
        if audience.iter().all(within) {
            return Ok(audience);
        }
        let sentence = "resource may only be what was granted, or less";
        Err(Denial::new(ErrorCode::InvalidTarget, sentence))
    }

    /// Exchanges the code; `None` where somebody else was faster, or something has ended since.
    async fn exchange(
        &self,
        found: &Found,
        request: &AuthorizationRequest,
        given: &Parameters,
    ) -> Answered<Option<Minted>> {
        let ox = self.ox;
        let audience = self.audience(request, given)?;
        let slug = Slug::parse(&found.slug).doing("reading a stored slug")?;
        let tenant = ox.app.tenants.parsed(&slug, found.tenant.clone())?;
        let details = Details {
            realm: ox.realm(),
            claims: request.claims.clone(),
            resource: request.resource.clone(),
            authorization_details: request.authorization_details.clone(),
            confirmation: self.confirmation.clone(),
        };
        let allowed = personal_scopes(&self.client.application);
        let scope = request.scope.filtered(|word| allowed.has(word));
        let grant: GrantId = ox.id()?;
        let persistence = Persistence::from_flag(found.remember);
        let grantee = Grantee {
            app: &ox.app,
            tenant: &tenant,
            application: &self.client.application,
            details: &details,
            grant,
            user: found.user,
            person: &found.person,
            session: Some(found.session),
            auth_methods: &found.auth_methods,
            authenticated_at: found.authenticated_at,
            lives: Use { persistence, absolute: found.session_expires_at },
            now: ox.now,
        };
        let nonce = request.nonce.as_deref();
        let (session, refreshes) =
            (found.session, mint::may_refresh(&self.client.application, &scope));
        let beginning = Beginning { grantee, session, scope: &scope, nonce, audience, refreshes };
        let (mut must, minted) = mint::begin(&beginning).await?;
        must.push(store::authorization_codes::redeem(ox.realm(), self.digest, grant, ox.now));
        let also = mint::hears_of_end(&grantee, found.session)?;
        let is_made = all_or_nothing(&ox.app, must, also.into_iter().collect()).await?;
        Ok(is_made.then_some(minted))
    }
}
