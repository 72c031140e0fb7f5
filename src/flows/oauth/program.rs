//! Tokens of applications that act for themselves (RFC 6749 §4.4). Nothing is written: such a
//! token names no session and no family, and a new one is had for the asking.

use super::{
    Answered, Flavour, Ox,
    client_auth::Client,
    mint::{Confirmation, access_algorithm, access_lifetime, token_id},
};
use crate::{
    crypto::jose::ACCESS_TOKEN,
    domain::{
        application::{CLIENT_CREDENTIALS, Owner},
        oauth::{Denial, ErrorCode, parameters::Parameters, request::resources, scope::Scope},
    },
    flows::{
        keys,
        tokens::{
            Minted,
            claims::{AccessClaims, Audience, OF_PROGRAM, seconds},
        },
    },
};

/// A token for the application itself.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_target`, or where there is no key.
pub async fn client_credentials(
    ox: &Ox,
    client: &Client,
    given: &Parameters,
    confirmation: Confirmation,
) -> Answered<Minted> {
    let application = &client.application;
    if !application.may_use(CLIENT_CREDENTIALS) {
        let sentence = "the application may not act for itself";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence).into());
    }
    let scope = scope(client, given)?;
    let mut audience = resources(application, given)?;
    if audience.is_empty() {
        audience.push(application.client_id.clone());
    }
    let (realm, iat) = (ox.realm(), seconds(ox.now));
    let expires_in = i64::try_from(access_lifetime(application).as_secs()).unwrap_or(3_600);
    let tenant = match &ox.flavour {
        Flavour::Tenant(tenant) => Some(tenant.as_ref()),
        Flavour::Platform => None,
    };
    let is_global = application.owner == Owner::Platform;
    let claims = AccessClaims {
        iss: ox.issuer(),
        aud: Audience::of(audience),
        sub: application.client_id.clone(),
        client_id: application.client_id.clone(),
        scope: scope.to_string(),
        tenant_id: tenant.map(|tenant| tenant.id),
        partner_id: match application.owner {
            Owner::Partner(partner) => Some(partner.to_string()),
            Owner::Platform | Owner::Tenant(_) => None,
        },
        iat,
        exp: iat + expires_in,
        jti: token_id(&ox.app, None, ox.now)?,
        sid: None,
        auth_time: None,
        amr: Vec::new(),
        acr: None,
        cnf: confirmation.claim(),
        act: None,
        authorization_details: Vec::new(),
        token_type: Some(OF_PROGRAM.to_owned()),
        app_scope: Some(application.owner.scope().to_owned()),
        platform_token: is_global,
    };
    let key = keys::signing(&ox.app, realm, access_algorithm(application, tenant)).await?;
    Ok(Minted {
        access_token: key.sign(ACCESS_TOKEN, &claims)?,
        token_type: confirmation.token_type(),
        expires_in,
        refresh_token: None,
        id_token: None,
        scope: scope.to_string(),
        authorization_details: Vec::new(),
    })
}

/// What was asked for, all of it or nothing; without a word, all that the application may have.
fn scope(client: &Client, given: &Parameters) -> Result<Scope, Denial> {
    let bad = |sentence: &'static str| Denial::new(ErrorCode::InvalidScope, sentence);
    let allowed = client.application.metadata.allowed_scopes.iter().flatten();
    let allowed = Scope::of(allowed.map(String::as_str));
    let Some(text) = given.get("scope") else {
        return Ok(allowed);
    };
    let asked = Scope::parse(text).ok_or_else(|| bad("scope is not a list of scopes"))?;
    if asked.is_within(&allowed) {
        Ok(asked)
    } else {
        Err(bad("the application may not ask for this scope"))
    }
}
