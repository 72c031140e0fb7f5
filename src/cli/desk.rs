//! What every operator command works with: the opened program and the form of its output.

use std::sync::Arc;

use super::{Failure, output::Form};
use crate::{
    app::App,
    config::Config,
    domain::tenant::Slug,
    error::{Code, Error, Result},
    flows::{Caller, Cx, fresh_id, tenants},
    id::RequestId,
};

/// An operator's desk.
pub(super) struct Desk {
    /// The program.
    pub(super) app: Arc<App>,
    /// How results are printed.
    pub(super) form: Form,
    /// Who works at it.
    pub(super) caller: Caller,
}

impl Desk {
    /// Opens the database that the settings name; works beside a running server.
    pub(super) async fn open(config: Config, form: Form) -> Result<Self> {
        let app = App::open(config).await?;
        let request = fresh_id::<RequestId>(&app.entropy, app.clock.now())?;
        Ok(Self { app, form, caller: Caller::operator(request.to_string()) })
    }

    /// A context in a tenant, whatever its state.
    pub(super) async fn cx(&self, tenant: &str) -> Result<Cx, Failure> {
        let tenant = tenants::by_slug(&self.app, &slug(tenant)?).await?;
        Ok(Cx {
            app: Arc::clone(&self.app),
            tenant: tenant.ok_or_else(|| Error::refused(Code::TenantNotFound))?,
            caller: Arc::new(self.caller.clone()),
            now: self.app.clock.now(),
        })
    }
}

/// Reads a slug.
pub(super) fn slug(text: &str) -> Result<Slug, Failure> {
    Slug::parse(text).map_err(|fault| Failure::No(format!("{text}: {fault}")))
}
