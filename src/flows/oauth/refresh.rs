//! Refreshing an application's tokens (RFC 6749 §6). Rotation, reuse and crossing requests are
//! judged where all refresh tokens are, in [`crate::flows::tokens`].

use super::{
    Answered, Failure, Ox,
    client_auth::Client,
    mint::{Confirmation, Details, Grantee},
};
use crate::{
    crypto::opaque::digest_text,
    domain::{
        application::REFRESH_TOKEN,
        oauth::{
            Denial, ErrorCode,
            parameters::Parameters,
            request::{personal_scopes, resources},
            scope::{self, Scope},
        },
        tenant::Tenant,
    },
    error::{Context, Result},
    flows::tokens::{self, Minted, Party},
    id::{ApplicationId, GrantId, Realm},
    secret::Secret,
    store::grants::Found,
};

/// An application that shows a refresh token, and what it wants of it.
#[derive(Debug)]
pub struct Presented<'a> {
    ox: &'a Ox,
    client: &'a Client,
    scope: Option<Scope>,
    resource: Vec<String>,
    confirmation: Confirmation,
}

/// Exchanges a refresh token.
///
/// # Errors
/// As RFC 6749 §5.2 says, or where the database fails.
pub async fn refresh(
    ox: &Ox,
    client: &Client,
    given: &Parameters,
    confirmation: Confirmation,
) -> Answered<Minted> {
    if !client.application.may_use(REFRESH_TOKEN) {
        let sentence = "the application may not use refresh tokens";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence).into());
    }
    let text = given.need("refresh_token")?;
    let scope = match given.get("scope") {
        Some(text) => Some(Scope::parse(text).ok_or_else(grown)?),
        None => None,
    };
    let resource = resources(&client.application, given)?;
    let presented = Presented { ox, client, scope, resource, confirmation };
    let party = Party::Application(&presented);
    let refreshed = tokens::refresh(&ox.app, &ox.caller, party, (text, ox.now)).await?;
    Ok(refreshed.minted)
}

fn grown() -> Denial {
    Denial::new(ErrorCode::InvalidScope, "scope may only be what was granted, or less")
}

impl Presented<'_> {
    /// Whether a family is this application's, in this realm.
    pub(in crate::flows) fn is_holder_of(&self, found: &Found) -> bool {
        found.application == Some(self.client.application.id)
            && details(found).is_ok_and(|details| details.realm == self.ox.realm())
    }

    /// Whether a refresh token is good once. FAPI 2.0 (§5.3.2.1) wants it to be good until it
    /// ends: its tokens are of no use to anybody else.
    pub(in crate::flows) fn rotates(&self) -> bool {
        !self.client.application.is_fapi()
    }

    /// The name and the digest by which the exchange itself knows whose the family has to be;
    /// `None`: something of it has to be looked at first.
    pub(in crate::flows) fn holder(&self) -> Option<(String, [u8; 32])> {
        if !self.rotates() || self.scope.is_some() || !self.resource.is_empty() {
            return None;
        }
        let application = &self.client.application;
        let digest = holder(application.id, self.ox.realm(), &self.confirmation);
        Some((application.client_id.clone(), digest))
    }

    /// Whether it may have what it wants of a family of its own.
    ///
    /// # Errors
    /// What it may not have.
    pub(in crate::flows) fn check(&self, found: &Found) -> Answered<()> {
        let details = details(found)?;
        let granted = Scope::from(found.scope.clone());
        if self.scope.as_ref().is_some_and(|scope| !scope.is_within(&granted)) {
            return Err(grown().into());
        }
        let within = |it| details.resource.is_empty() || details.resource.contains(it);
        if !self.resource.iter().all(within) {
            let sentence = "resource may only be what was granted, or less";
            return Err(Denial::new(ErrorCode::InvalidTarget, sentence).into());
        }
        let bound = &details.confirmation;
        let (now, is_public) = (&self.confirmation, !self.client.application.is_confidential());
        // What keeps no secret proves by its key alone that the token is its own (RFC 9449 §5).
        let same_key = !is_public || now.jkt == bound.jkt;
        if (bound.jkt.is_some() && now.jkt.is_none()) || !same_key {
            let sentence = "the refresh token is bound to another key";
            return Err(Denial::new(ErrorCode::InvalidDpopProof, sentence).into());
        }
        if bound.x5t_s256.is_some() && now.x5t_s256 != bound.x5t_s256 {
            return Err(Denial::grant("the refresh token is bound to another certificate").into());
        }
        Ok(())
    }

    /// New tokens of a family, beside a refresh token.
    pub(in crate::flows) async fn mint(
        &self,
        found: &Found,
        (tenant, grant): (&Tenant, GrantId),
        refresh_token: Secret<String>,
    ) -> Result<Minted> {
        let details = details(found)?;
        let all = Scope::from(found.scope.clone());
        // What the application may no longer ask for, it is no longer given.
        let allowed = personal_scopes(&self.client.application);
        let asked = self.scope.as_ref().unwrap_or(&all);
        let scope = asked.filtered(|word| allowed.has(word));
        let grantee = Grantee {
            app: &self.ox.app,
            tenant,
            application: &self.client.application,
            details: &details,
            grant,
            user: found.user,
            person: &found.person,
            session: found.session,
            auth_methods: &found.auth_methods,
            authenticated_at: found.authenticated_at,
            lives: found.lives,
            now: self.ox.now,
        };
        let audience =
            if self.resource.is_empty() { details.resource.clone() } else { self.resource.clone() };
        let (access_token, expires_in) =
            grantee.access_token(&scope, audience, &self.confirmation).await?;
        let id_token = if scope.has(scope::OPENID) {
            Some(grantee.id_token(&scope, None, &access_token).await?)
        } else {
            None
        };
        Ok(Minted {
            access_token,
            token_type: self.confirmation.token_type(),
            expires_in,
            refresh_token: Some(refresh_token),
            id_token,
            scope: scope.to_string(),
            authorization_details: details.authorization_details.clone(),
        })
    }
}

/// The digest of an application in a realm that shows these keys.
fn holder(application: ApplicationId, realm: Realm, keys: &Confirmation) -> [u8; 32] {
    let (application, realm) = (application.to_string(), realm.to_string());
    let of = |key: &Option<String>| key.clone().unwrap_or_default();
    digest_text(&["holder", &application, &realm, &of(&keys.jkt), &of(&keys.x5t_s256)])
}

impl Details {
    /// The digest of who may refresh the tokens of a family that an application holds.
    pub(super) fn holder(&self, application: ApplicationId) -> [u8; 32] {
        holder(application, self.realm, &self.confirmation)
    }
}

/// What more is known of an application's family.
///
/// # Errors
/// Where it is not one.
pub fn details(found: &Found) -> Result<Details> {
    const DOING: &str = "reading a family of tokens";
    let text = found.details.as_deref().ok_or("it is of no application").doing(DOING)?;
    serde_json::from_str(text).doing(DOING)
}

impl Failure {
    /// What is said where there is no application to say it to.
    #[must_use]
    pub fn into_error(self, code: crate::error::Code) -> crate::error::Error {
        match self {
            Self::Fault(error) => error,
            Self::Denied(_) | Self::NeedsNonce(_) => crate::error::Error::refused(code),
        }
    }
}
