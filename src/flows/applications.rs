//! Applications: found for every request that names one. How they are made and changed is in
//! [`manage`].

use std::sync::Arc;

use crate::{
    app::App,
    domain::{
        application::{Application, Owner, uri},
        tenant::Tenant,
    },
    error::Result,
    flows::remembered,
    id::ApplicationId,
    store::{
        self,
        applications::{ApplicationRow, Secrets},
    },
};

pub mod documents;
pub mod manage;
pub mod tokens;

/// An application with what it proves itself by.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The application.
    pub application: Arc<Application>,
    /// The digests of its secrets.
    pub secrets: Secrets,
}

impl Registered {
    /// The application of a row that was just read.
    fn of(row: ApplicationRow) -> Result<Self> {
        Ok(Self { application: Arc::new(row.parsed()?), secrets: row.secrets })
    }
}

/// Whose applications may be used in a tenant: its own and its partner's.
#[must_use]
pub fn owners_in(tenant: &Tenant) -> [Owner; 3] {
    let (own, partner) = (Owner::Tenant(tenant.id), Owner::Partner(tenant.partner_id));
    [own, partner, partner]
}

/// Whose applications are used at the platform.
pub const AT_PLATFORM: [Owner; 3] = [Owner::Platform, Owner::Platform, Owner::Platform];

/// The application of a client id among those of `owners`, in use or not; `None` where there is
/// none. A client id that is the address of a metadata document is read where the tenant allows
/// it, so that this may take as long as asking another server.
///
/// # Errors
/// Where the database fails.
pub async fn by_client_id(
    app: &App,
    client_id: &str,
    owners: [Owner; 3],
) -> Result<Option<Registered>> {
    if client_id.len() > 2_000 {
        return Ok(None);
    }
    if let [Owner::Tenant(tenant), ..] = owners
        && let Some(url) = uri::document(client_id)
    {
        return documents::current(app, tenant, &url, named(app, client_id, owners).await?).await;
    }
    remembered::application(app, (client_id.to_owned(), owners), async |(client_id, owners)| {
        named(app, client_id, *owners).await?.map(Registered::of).transpose()
    })
    .await
}

async fn named(app: &App, client_id: &str, owners: [Owner; 3]) -> Result<Option<ApplicationRow>> {
    let read = app.db.read((client_id.to_owned(), owners), |tx, (client_id, owners)| {
        Box::pin(store::applications::by_client_id(tx, client_id, *owners))
    });
    read.await
}

/// The application of an id, in use or not; `None` where there is none.
///
/// # Errors
/// Where the database fails.
pub async fn by_id(app: &App, id: ApplicationId) -> Result<Option<Registered>> {
    remembered::application(app, id, async |id| {
        let read = app.db.read(*id, |tx, id| Box::pin(store::applications::by_id(tx, *id)));
        read.await?.map(Registered::of).transpose()
    })
    .await
}

/// Whether an application in use, of one of `owners`, has named an origin of its pages.
///
/// # Errors
/// Where the database fails.
pub async fn knows_origin(app: &App, origin: &str, owners: [Owner; 3]) -> Result<bool> {
    if !uri::is_origin(origin) {
        return Ok(false);
    }
    let input = (origin.to_owned(), owners);
    let read = app.db.read(input, |tx, (origin, owners)| {
        Box::pin(store::applications::knows_origin(tx, origin, *owners))
    });
    read.await
}
