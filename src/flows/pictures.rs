//! Pictures that pages show: uploaded by an operator, or copied once from the address that a
//! tenant or an application has named. Pages load our copy alone, so that nobody else learns who
//! signs in where; as long as there is none, the name stands in its place.
//!
//! A copy is made in the background and kept for as long as the address stands; who changes the
//! picture changes the address.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use url::Url;

use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque::{hex, sha256},
    domain::{
        application::{Application, Origin, Owner},
        tenant::{
            Picture, Slug, Tenant,
            picture::{self, PictureUse, Unshown},
        },
    },
    error::Result,
    flows::{Caller, applications::owners_in, tenants},
    store::{
        self,
        applications::ApplicationRow,
        pictures::{Body, Kept},
    },
};

/// What `tenants::Change` holds of pictures.
pub use crate::store::pictures::NewPicture;

/// What is asked for where a picture is fetched.
const ACCEPT: &str = "image/png, image/jpeg, image/webp";
/// How long an address that gave no picture is left alone.
const REST: Duration = Duration::from_hours(1);
/// Rows that are looked at together.
const BATCH: i64 = 100;
/// Addresses that are asked at the same time.
const TOGETHER: usize = 8;
/// Addresses of which it is remembered that they gave no picture.
const REMEMBERED: usize = 10_000;

/// Which addresses gave no picture, and until when they are left alone.
#[derive(Debug, Default)]
pub struct Tried(Mutex<HashMap<String, Timestamp>>);

impl Tried {
    fn is_resting(&self, url: &str, now: Timestamp) -> bool {
        let tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.get(url).is_some_and(|until| *until > now)
    }

    fn rest(&self, url: &str, until: Timestamp) {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.len() >= REMEMBERED {
            tried.clear();
        }
        tried.insert(url.to_owned(), until);
    }
}

/// A picture as it is written down and as it is kept, from its bytes.
///
/// # Errors
/// What keeps it from being shown.
pub fn read(
    body: Vec<u8>,
    purpose: PictureUse,
    source: Option<&str>,
) -> std::result::Result<(Picture, NewPicture), Unshown> {
    let judged = picture::judge(&body, purpose)?;
    let digest = hex(&sha256(&body));
    let written = Picture {
        digest: digest.clone(),
        format: judged.format,
        width: judged.width,
        height: judged.height,
        source: source.map(str::to_owned),
    };
    let kept = NewPicture {
        source: source.unwrap_or_default().to_owned(),
        digest,
        format: judged.format,
        size: (judged.width, judged.height),
        body,
    };
    Ok((written, kept))
}

/// The bytes of a picture, for a tenant's page, or for the platform's where none is given.
///
/// # Errors
/// Where the database fails.
pub async fn body(app: &App, digest: &str, tenant: Option<&Tenant>) -> Result<Option<Body>> {
    let owners = match tenant {
        Some(tenant) => {
            let [own, partner, _] = owners_in(tenant);
            [own, partner, Owner::Platform]
        }
        None => [Owner::Platform; 3],
    };
    let read = app.db.read((digest.to_owned(), owners), |tx, (digest, owners)| {
        Box::pin(store::pictures::body(tx, digest, *owners))
    });
    read.await
}

/// Our copy of an application's logo, as the name of its file and its size; `None` where there is
/// none. Only of those that an operator has made: what registers itself could show anybody's.
///
/// # Errors
/// Where the database fails.
pub async fn of_application(app: &App, application: &Application) -> Result<Option<Picture>> {
    let Some(source) = logo_of(application) else { return Ok(None) };
    Ok(copy(app, application.owner, source).await?.map(|kept| Picture {
        digest: kept.digest,
        format: kept.format,
        width: kept.size.0,
        height: kept.size.1,
        source: Some(source.to_owned()),
    }))
}

fn logo_of(application: &Application) -> Option<&str> {
    let is_known = application.origin == Origin::Operator;
    application.metadata.logo_uri.as_deref().filter(|_| is_known)
}

async fn copy(app: &App, owner: Owner, source: &str) -> Result<Option<Kept>> {
    let read = app.db.read((owner, source.to_owned()), |tx, (owner, source)| {
        Box::pin(store::pictures::from_source(tx, *owner, source))
    });
    read.await
}

/// Copies the logos of tenants and applications of which there is no copy yet.
///
/// # Errors
/// Where the database fails. An address that gives no picture is no error: it is asked again later.
pub async fn fetch_missing(app: &Arc<App>) -> Result<()> {
    let mut after = String::new();
    loop {
        let slugs = app
            .db
            .read(after.clone(), |tx, after| {
                Box::pin(store::tenants::with_logo_urls_all_tenants(tx, after, BATCH))
            })
            .await?;
        let Some(last) = slugs.last() else { break };
        last.as_str().clone_into(&mut after);
        together(slugs.into_iter().map(|slug| of_tenant(Arc::clone(app), slug)).collect()).await;
    }
    let mut after = None;
    loop {
        let rows = app
            .db
            .read(after, |tx, after| {
                Box::pin(store::applications::with_logos_all_tenants(tx, *after, BATCH))
            })
            .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.id);
        together(rows.into_iter().map(|row| of_row(Arc::clone(app), row)).collect()).await;
    }
}

/// Does several at the same time, and all of them whatever becomes of one.
async fn together<F: Future<Output = Result<()>>>(work: Vec<F>) {
    let done: Vec<Result<()>> = stream::iter(work).buffer_unordered(TOGETHER).collect().await;
    for fault in done.into_iter().filter_map(Result::err) {
        tracing::error!(cause = ?fault, "the copy of a logo could not be kept");
    }
}

async fn of_tenant(app: Arc<App>, slug: Slug) -> Result<()> {
    let Some(tenant) = tenants::by_slug(&app, &slug).await? else { return Ok(()) };
    let Some(url) = tenant.branding.missing_logo() else { return Ok(()) };
    let Some((picture, kept)) = fetched(&app, url).await else { return Ok(()) };
    let caller = Caller::operator("background".to_owned());
    tenants::set_logo(&app, &caller, &slug, (picture, kept)).await
}

async fn of_row(app: Arc<App>, row: ApplicationRow) -> Result<()> {
    let application = row.parsed()?;
    let Some(url) = logo_of(&application) else { return Ok(()) };
    if copy(&app, application.owner, url).await?.is_some() {
        return Ok(());
    }
    let Some((_, kept)) = fetched(&app, url).await else { return Ok(()) };
    let insert = store::pictures::insert(application.owner, &kept, app.clock.now());
    let written = app.db.write(insert, |tx, insert| {
        Box::pin(async move { insert.clone().execute(tx).await.map(|_| ()) })
    });
    written.await
}

/// What lies at an address, where it is a picture that may be shown.
async fn fetched(app: &App, url: &str) -> Option<(Picture, NewPicture)> {
    let now = app.clock.now();
    if app.pictures.is_resting(url, now) {
        return None;
    }
    let found = async {
        let address = Url::parse(url).map_err(|_| "it is no address".to_owned())?;
        let answer = app.fetcher.get_as(&address, ACCEPT, picture::LARGEST).await;
        let answer = answer.map_err(|fault| fault.to_string())?;
        if answer.status != 200 {
            return Err(format!("the status is {}", answer.status));
        }
        read(answer.body, PictureUse::Logo, Some(url)).map_err(|fault| fault.to_string())
    };
    match found.await {
        Ok(found) => Some(found),
        Err(reason) => {
            // The address may hold what is nobody's business, so that its host alone is told.
            let host = Url::parse(url).ok().and_then(|it| it.host_str().map(str::to_owned));
            tracing::warn!(host, reason, "a logo cannot be copied");
            app.pictures.rest(url, now + REST);
            None
        }
    }
}
