//! The applications of the demo: one of each kind of client that people try first.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kept;
use crate::{
    crypto::opaque::Token,
    domain::application::{ApplicationType, Owner},
    error::{Code, Error, Result},
    flows::{
        Cx,
        applications::{
            Registered,
            manage::{self, By, Issued, New},
        },
    },
};

/// The name of the tenant's program.
pub(super) const SERVICE: &str = "Demo service";

/// The applications, as `demo.json` has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DemoApplications {
    /// A program of the tenant.
    pub(super) service: DemoApplication,
    /// A program of the platform.
    platform: DemoApplication,
    /// A web application of the tenant.
    web: DemoApplication,
    /// A page of the tenant that runs in the browser.
    spa: DemoApplication,
}

/// An application, as `demo.json` has it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DemoApplication {
    client_id: String,
    client_secret: Option<String>,
    redirect_uris: Vec<String>,
}

impl fmt::Debug for DemoApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DemoApplication")
    }
}

impl DemoApplication {
    /// Name and password, as `curl -u` takes them.
    pub(super) fn credentials(&self) -> String {
        format!("{}:{}", self.client_id, self.client_secret.as_deref().unwrap_or_default())
    }
}

/// Makes the applications where they are missing, and new secrets where the old ones cannot be
/// told any more.
///
/// # Errors
/// Where the database fails.
pub(super) async fn prepare(cx: &Cx) -> Result<DemoApplications> {
    let kept: Option<DemoApplications> = kept(&cx.app, "applications");
    let kept = |pick: fn(DemoApplications) -> DemoApplication| kept.clone().map(pick);
    let tenant = Owner::Tenant(cx.tenant.id);
    let service = json!({
        "allowed_scopes": ["openid", "profile", "email", "users:read", "files:read"],
    });
    let platform = json!({ "allowed_scopes": ["admin:read", "admin:write"] });
    let web = json!({
        "redirect_uris": ["http://localhost:3000/callback"],
        "post_logout_redirect_uris": ["http://localhost:3000/"],
        "allowed_scopes":
            ["openid", "profile", "email", "address", "phone", "groups", "offline_access"],
    });
    let spa = json!({
        "redirect_uris": ["http://localhost:5173/callback", "http://localhost:5173/silent"],
        "post_logout_redirect_uris": ["http://localhost:5173/"],
        "allowed_origins": ["http://localhost:5173"],
    });
    let web_kind = ApplicationType::Web;
    Ok(DemoApplications {
        service: one(
            cx,
            kept(|it| it.service),
            new(tenant, ApplicationType::Service, SERVICE, &service),
        )
        .await?,
        platform: one(
            cx,
            kept(|it| it.platform),
            new(Owner::Platform, ApplicationType::Service, "Demo platform service", &platform),
        )
        .await?,
        web: one(cx, kept(|it| it.web), new(tenant, web_kind, "Demo web application", &web))
            .await?,
        spa: one(cx, kept(|it| it.spa), new(tenant, ApplicationType::Spa, "Demo page", &spa))
            .await?,
    })
}

fn new(owner: Owner, kind: ApplicationType, name: &str, metadata: &Value) -> New {
    let metadata = metadata.as_object().cloned().unwrap_or_else(Map::new);
    New { owner, kind, name: name.to_owned(), metadata }
}

async fn one(cx: &Cx, kept: Option<DemoApplication>, new: New) -> Result<DemoApplication> {
    let (app, by) = (&cx.app, By::operator(&cx.caller));
    let owner = new.owner;
    let Some(registered) = find(cx, kept.as_ref(), &new).await? else {
        return Ok(told(&manage::create(app, by, new).await?));
    };
    let Some((present, _)) = registered.secrets.present else {
        return Ok(told(&Issued { registered, secret: None }));
    };
    let client_id = registered.application.client_id.clone();
    let secret = kept.and_then(|kept| Token::parse(kept.client_secret.as_deref()?));
    if let Some(secret) = secret.filter(|secret| *secret.digest().as_bytes() == present) {
        return Ok(told(&Issued { registered, secret: Some(secret) }));
    }
    Ok(told(&manage::rotate_secret(app, by, (owner, &client_id), Duration::ZERO).await?))
}

/// The application of an earlier run: by its client id, or else by its name.
async fn find(cx: &Cx, kept: Option<&DemoApplication>, new: &New) -> Result<Option<Registered>> {
    if let Some(kept) = kept {
        match manage::show(&cx.app, new.owner, &kept.client_id).await {
            Ok(found) => return Ok(Some(found)),
            Err(Error::Refused(no)) if no.code == Code::ApplicationNotFound => {}
            Err(other) => return Err(other),
        }
    }
    let page = manage::list(&cx.app, new.owner, String::new()).await?;
    let same = |it: &Registered| it.application.name == new.name && it.application.kind == new.kind;
    Ok(page.into_iter().find(same))
}

fn told(issued: &Issued) -> DemoApplication {
    let application = &issued.registered.application;
    DemoApplication {
        client_id: application.client_id.clone(),
        client_secret: issued.secret.as_ref().map(|secret| secret.expose().to_owned()),
        redirect_uris: application.metadata.redirect_uris.clone().unwrap_or_default(),
    }
}
