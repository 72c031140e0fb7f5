//! Applications that call the Authentication API themselves, with a token of their own, and are
//! handed tokens for whoever signs in there.

use std::sync::Arc;

use super::{
    Flavour, Ox,
    mint::{self, Beginning, Confirmation, Details, Grantee},
    shown_token,
};
use crate::{
    db::Query,
    domain::{
        application::{Application, Owner, REFRESH_TOKEN},
        oauth::{claims::ClaimsRequest, request::personal_scopes},
    },
    error::{Code, Context, Error, Result},
    flows::{
        Cx, applications,
        tokens::{self, Claims, Minted, SessionFacts, Subject},
    },
    id::{GrantId, Realm},
    store,
};

fn bad() -> Error {
    Error::refused(Code::InvalidClientToken)
}

/// The tenant's own applications, its partner's, and the platform's.
async fn application(cx: &Cx, client_id: &str) -> Result<Option<Arc<Application>>> {
    let [own, partner, _] = applications::owners_in(&cx.tenant);
    let owners = [own, partner, Owner::Platform];
    let found = applications::by_client_id(&cx.app, client_id, owners).await?;
    Ok(found.map(|found| found.application).filter(|application| application.is_active))
}

/// In which realm an application is at home that is used in this tenant.
fn realm_of(cx: &Cx, application: &Application) -> (Realm, Flavour) {
    match application.owner {
        Owner::Platform => (Realm::Platform, Flavour::Platform),
        Owner::Partner(_) | Owner::Tenant(_) => {
            (Realm::Tenant(cx.tenant.id), Flavour::Tenant(Arc::clone(&cx.tenant)))
        }
    }
}

/// The application of a token that a caller has shown: one that it was handed for itself.
///
/// # Errors
/// `invalid_client_token`, or where the database fails.
pub async fn caller(cx: &Cx, token: &str) -> Result<String> {
    let claims: Claims = match tokens::verify(&cx.app, token, cx.now).await {
        Ok(claims) => claims,
        Err(Error::Refused(_)) => return Err(bad()),
        Err(fault) => return Err(fault),
    };
    // A token that is bound to a key is of no use without a proof, which nobody shows here.
    // Nor is one that was exchanged: it speaks of somebody else than it was handed to.
    let is_own = claims.sub == claims.client_id && claims.act.is_none();
    if claims.subject != Subject::Program || claims.confirmation.is_bound() || !is_own {
        return Err(bad());
    }
    let application = application(cx, &claims.client_id).await?.ok_or_else(bad)?;
    let (realm, flavour) = realm_of(cx, &application);
    if claims.realm != realm || !claims.audience.has(&application.client_id) {
        return Err(bad());
    }
    let ox = Ox { app: Arc::clone(&cx.app), flavour, caller: Arc::clone(&cx.caller), now: cx.now };
    if shown_token::is_revoked(&ox, &claims).await? {
        return Err(bad());
    }
    cx.app.load.application(application.id)?;
    Ok(claims.client_id)
}

/// Tokens for an application in a session that is being opened, and the statements that have to
/// follow the session's own in its transaction. They change nothing where it was not opened.
///
/// # Errors
/// `invalid_client_token` where the application is none any more, or its tokens have to be bound
/// to a key; or where there is no key or no randomness.
pub async fn prepare(
    cx: &Cx,
    client_id: &str,
    facts: &SessionFacts,
) -> Result<(Vec<Query>, Minted)> {
    let application = application(cx, client_id).await?.ok_or_else(bad)?;
    if application.needs_bound_tokens() {
        return Err(bad());
    }
    let person = cx
        .app
        .db
        .read((cx.tenant.id, facts.user), |tx, (tenant, user)| {
            Box::pin(store::users::known(tx, *tenant, *user))
        })
        .await?
        .ok_or("there is no such user")
        .doing("making tokens")?;
    let (realm, _) = realm_of(cx, &application);
    let details = Details {
        realm,
        claims: ClaimsRequest::default(),
        resource: Vec::new(),
        authorization_details: Vec::new(),
        confirmation: Confirmation::default(),
    };
    let scope = personal_scopes(&application);
    let grant: GrantId = cx.id()?;
    let grantee = Grantee {
        app: &cx.app,
        tenant: &cx.tenant,
        application: &application,
        details: &details,
        grant,
        user: facts.user,
        person: &person,
        session: Some(facts.session),
        auth_methods: &facts.auth_methods,
        authenticated_at: facts.authenticated_at,
        lives: facts.lives,
        now: cx.now,
    };
    let beginning = Beginning {
        grantee,
        session: facts.session,
        scope: &scope,
        nonce: None,
        audience: Vec::new(),
        // It has nobody to send through a browser again.
        refreshes: application.may_use(REFRESH_TOKEN),
    };
    let (mut queries, minted) = mint::begin(&beginning).await?;
    queries.extend(mint::hears_of_end(&grantee, facts.session)?);
    Ok((queries, minted))
}
