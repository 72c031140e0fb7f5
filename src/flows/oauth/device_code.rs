//! Redeeming the code of a device without a browser (RFC 8628 §3.4): once, by whom it was made
//! for, as soon as a person has allowed it.

use super::{
    Answered, Failure, Ox,
    client_auth::Client,
    code,
    mint::{self, Beginning, Confirmation, Details, Grantee},
};
use crate::{
    crypto::opaque::Token,
    domain::{
        application::DEVICE_CODE,
        oauth::{
            Denial, ErrorCode,
            claims::ClaimsRequest,
            device::{DeviceRequest, SLOWER},
            parameters::Parameters,
            request::personal_scopes,
        },
        session::Persistence,
        tenant::Slug,
        token::Use,
    },
    error::{Context, Result},
    flows::{all_or_nothing, tokens::Minted},
    id::GrantId,
    store::{
        self,
        device_codes::{Allowed, Found, State},
    },
};

/// Redeems the code of a device.
///
/// # Errors
/// As RFC 8628 §3.5 says, or where the database fails. A code that was redeemed before ends what
/// came of it.
pub async fn redeem(
    ox: &Ox,
    client: &Client,
    given: &Parameters,
    confirmation: Confirmation,
) -> Answered<Minted> {
    if !client.application.may_use(DEVICE_CODE) {
        let sentence = "the application may not use device codes";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence).into());
    }
    let code = Token::parse(given.need("device_code")?).ok_or_else(bad)?;
    let poll = Poll { ox, client, digest: *code.digest().as_bytes(), confirmation };
    // Of several at the same time one wins; the others look again and find it redeemed.
    for _ in 0..2 {
        let found = poll.find().await?.ok_or_else(bad)?;
        let allowed = poll.check(&found).await?;
        if let Some(minted) = poll.exchange(&found, allowed).await? {
            return Ok(minted);
        }
    }
    Err(bad().into())
}

fn bad() -> Denial {
    Denial::grant("the code is unknown, used, or of another application")
}

struct Poll<'a> {
    ox: &'a Ox,
    client: &'a Client,
    digest: [u8; 32],
    confirmation: Confirmation,
}

impl Poll<'_> {
    async fn find(&self) -> Result<Option<Found>> {
        let input = (self.ox.realm(), self.digest, self.ox.now);
        let db = &self.ox.app.db;
        db.read(input, |tx, (realm, digest, now)| {
            Box::pin(store::device_codes::find(tx, *realm, *digest, *now))
        })
        .await
    }

    /// Who has allowed the code, if somebody has and it still holds.
    async fn check<'f>(&self, found: &'f Found) -> Answered<&'f Allowed> {
        let no = |code, sentence: &'static str| Err(Denial::new(code, sentence).into());
        if found.application != self.client.application.id {
            return Err(bad().into());
        }
        let allowed = found.allowed.as_deref();
        if let (State::Redeemed, Some(grant), Some(allowed)) = (found.state, found.grant, allowed) {
            let whose = (allowed.tenant.id, allowed.user);
            code::end_reused(self.ox, self.client, whose, grant).await?;
            return Err(Denial::grant("the code was already used").into());
        }
        if found.expires_at <= self.ox.now {
            return no(ErrorCode::ExpiredToken, "the code has expired");
        }
        match (found.state, allowed) {
            (State::Pending, _) => Err(self.wait(found).await?),
            (State::Denied, _) => no(ErrorCode::AccessDenied, "the person did not allow it"),
            (State::Approved, Some(allowed)) if allowed.is_live => Ok(allowed),
            _ => Err(Denial::grant("the session that allowed the code has ended").into()),
        }
    }

    /// Nobody has answered yet: come again, but not too soon.
    async fn wait(&self, found: &Found) -> Result<Failure> {
        let interval = u64::try_from(found.interval).unwrap_or(0);
        let is_early = found.polled_at.is_some_and(|at| self.ox.now.since(at).as_secs() < interval);
        let slower = i64::try_from(SLOWER.as_secs()).unwrap_or(5);
        let next = if is_early { found.interval.saturating_add(slower) } else { found.interval };
        let query = store::device_codes::polled(self.ox.realm(), self.digest, next, self.ox.now);
        self.ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
        let denial = if is_early {
            Denial::new(ErrorCode::SlowDown, "the device came too soon")
        } else {
            Denial::new(ErrorCode::AuthorizationPending, "the person has not answered yet")
        };
        Ok(denial.into())
    }

    /// Exchanges the code; `None` where somebody else was faster, or something has ended since.
    async fn exchange(&self, found: &Found, allowed: &Allowed) -> Answered<Option<Minted>> {
        let ox = self.ox;
        let request: DeviceRequest =
            serde_json::from_str(&found.request).doing("reading a device's request")?;
        let slug = Slug::parse(&allowed.slug).doing("reading a stored slug")?;
        let tenant = ox.app.tenants.parsed(&slug, allowed.tenant.clone())?;
        let details = Details {
            realm: ox.realm(),
            claims: ClaimsRequest::default(),
            resource: request.resource.clone(),
            authorization_details: request.authorization_details.clone(),
            confirmation: self.confirmation.clone(),
        };
        let words = personal_scopes(&self.client.application);
        let scope = request.scope.filtered(|word| words.has(word));
        let grant: GrantId = ox.id()?;
        let persistence = Persistence::from_flag(allowed.remember);
        let grantee = Grantee {
            app: &ox.app,
            tenant: &tenant,
            application: &self.client.application,
            details: &details,
            grant,
            user: allowed.user,
            person: &allowed.person,
            session: Some(allowed.session),
            auth_methods: &allowed.auth_methods,
            authenticated_at: allowed.authenticated_at,
            lives: Use { persistence, absolute: allowed.session_expires_at },
            now: ox.now,
        };
        let (session, audience) = (allowed.session, Vec::new());
        let refreshes = mint::may_refresh(&self.client.application, &scope);
        let beginning =
            Beginning { grantee, session, scope: &scope, nonce: None, audience, refreshes };
        let (mut must, minted) = mint::begin(&beginning).await?;
        must.push(store::device_codes::redeem(ox.realm(), self.digest, grant, ox.now));
        let also = mint::hears_of_end(&grantee, allowed.session)?;
        let is_made = all_or_nothing(&ox.app, must, also.into_iter().collect()).await?;
        Ok(is_made.then_some(minted))
    }
}
