//! The applications that act for somebody: looking at them, and sending them away.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    clock::Timestamp,
    db::Query,
    domain::{
        application::Application,
        audit::{Action, Event},
        oauth::scope::Scope,
    },
    error::{Error, Result},
    flows::{applications, me::Me},
    id::{ApplicationId, Realm},
    store,
};

/// An application, and what it may do for the one who asks.
#[derive(Debug, Clone)]
pub struct AuthorizedApp {
    /// Which.
    pub application: Arc<Application>,
    /// What it was allowed, or has tokens for.
    pub scope: Scope,
    /// Since when.
    pub granted_at: Timestamp,
    /// When it last got tokens.
    pub last_used_at: Option<Timestamp>,
}

struct Facts {
    scope: Scope,
    granted_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// The applications that were allowed something or have tokens that still live.
///
/// # Errors
/// Where the database fails.
pub async fn list(me: &Me) -> Result<Vec<AuthorizedApp>> {
    let mut all = Vec::new();
    for (id, facts) in facts(me).await? {
        let Some(found) = applications::by_id(&me.cx().app, id).await? else { continue };
        let Facts { scope, granted_at, last_used_at } = facts;
        let application = found.application;
        all.push(AuthorizedApp { application, scope, granted_at, last_used_at });
    }
    Ok(all)
}

async fn facts(me: &Me) -> Result<BTreeMap<ApplicationId, Facts>> {
    let cx = me.cx();
    let (consents, families) = cx
        .app
        .db
        .read((cx.tenant.id, me.user().id, cx.now), |tx, (tenant, user, now)| {
            Box::pin(async move {
                Ok((
                    store::consents::of_user(tx, *tenant, *user).await?,
                    store::grants::of_applications(tx, *tenant, *user, *now).await?,
                ))
            })
        })
        .await?;
    let mut all: BTreeMap<ApplicationId, Facts> = BTreeMap::new();
    for one in consents {
        let (scope, granted_at) = (Scope::from(one.scope), one.granted_at);
        all.insert(one.application, Facts { scope, granted_at, last_used_at: None });
    }
    for one in families {
        let known = all.entry(one.application).or_insert_with(|| Facts {
            scope: Scope::default(),
            granted_at: one.created_at,
            last_used_at: None,
        });
        known.scope = known.scope.with(&Scope::from(one.scope));
        known.granted_at = known.granted_at.min(one.created_at);
        let used = one.rotated_at.unwrap_or(one.created_at);
        known.last_used_at = known.last_used_at.max(Some(used));
    }
    Ok(all)
}

/// Takes back everything that an application was allowed: the consent, and all its tokens, also
/// those that outlive the session.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn revoke(me: &Me, client_id: &str) -> Result<()> {
    let found = list(me).await?.into_iter().filter(|it| it.application.client_id == client_id);
    let mut queries: Vec<Query> = Vec::new();
    let (cx, user) = (me.cx(), me.user().id);
    let tenant = cx.tenant.id;
    for one in found {
        let id = one.application.id;
        let event: Event = me.person.event(Action::ConsentRevoked).with("client_id", client_id);
        queries.extend([
            store::consents::revoke(tenant, user, id),
            store::grants::end_of_application(tenant, user, id),
            cx.record(event)?,
        ]);
        for realm in [Realm::Tenant(tenant), Realm::Platform] {
            queries.push(store::authorization_codes::forget(tenant, realm, user, Some(id)));
            queries.push(store::device_codes::forget(tenant, realm, user, Some(id)));
        }
    }
    if queries.is_empty() {
        return Err(Error::NotFound);
    }
    cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    Ok(())
}
