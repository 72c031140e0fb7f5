//! Devices without a browser (RFC 8628): the codes that one is given, and the person who types the
//! short one in elsewhere and says yes or no.
//!
//! Nothing is told of a code before somebody has signed in, and whoever has may try only so many.

use std::sync::Arc;

use super::{
    Answered, Flavour, Ox,
    client_auth::{self, Shown},
    guest::Guest,
    origin,
    pending::Present,
};
use crate::{
    crypto::{
        codes,
        opaque::{Token, digest_text},
    },
    db::Query,
    domain::{
        application::{Application, DEVICE_CODE},
        audit::{Action, Actor, Event, Target},
        guessing::{Count, window_wait},
        limits::Limit,
        oauth::{
            Denial, ErrorCode,
            device::{DeviceRequest, INTERVAL, LENGTH, LETTERS, LIFETIME, UserCode},
            parameters::Parameters,
            request::{details, requested_scope, resources},
            scope::Scope,
        },
    },
    error::{Context, Error, Result},
    flows::applications::{self, Registered},
    id::{SessionId, TenantId},
    secret::Secret,
    store::{self, consents::Consent, device_codes::Waiting},
};

/// What the keyed digests are for that the page proves itself with.
pub const PAGE: &str = "device page";

/// What a device is told (RFC 8628 §3.2).
#[derive(Debug)]
pub struct Codes {
    /// What the device comes back with.
    pub device_code: Secret<String>,
    /// What the person types in.
    pub user_code: Secret<String>,
    /// Where.
    pub verification_uri: String,
    /// The same, with the code filled in.
    pub verification_uri_complete: Secret<String>,
    /// Seconds until it is over.
    pub expires_in: u64,
    /// Seconds between two polls.
    pub interval: u64,
}

/// Gives a device its codes.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, and what else RFC 6749 §5.2 says; or where the database
/// fails.
pub async fn authorize(ox: &Ox, shown: Shown, given: &Parameters) -> Answered<Codes> {
    let client = client_auth::authenticate(ox, shown.with(given)).await?;
    let application = &client.application;
    if !application.may_use(DEVICE_CODE) {
        let sentence = "the application may not use device codes";
        return Err(Denial::new(ErrorCode::UnauthorizedClient, sentence).into());
    }
    let request = DeviceRequest {
        scope: requested_scope(application, given)?,
        resource: resources(application, given)?,
        authorization_details: details(application, given)?,
    };
    let device_code = Token::generate(&ox.app.entropy)?;
    let mut new = store::device_codes::New {
        digest: *device_code.digest().as_bytes(),
        user_code: [0; 32],
        application: application.id,
        request: serde_json::to_string(&request).doing("keeping a device's request")?,
        interval: i64::try_from(INTERVAL.as_secs()).unwrap_or(5),
        now: ox.now,
        expires_at: ox.now + LIFETIME,
    };
    // The short code may be another device's at the moment.
    for _ in 0..5 {
        let letters = codes::letters(&ox.app.entropy, LETTERS, LENGTH)?;
        let Some(code) = UserCode::parse(letters.expose()) else { continue };
        new.user_code = digest(ox, &code)?;
        let query = store::device_codes::insert(ox.realm(), &new);
        let added = ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
        if added == 1 {
            return Ok(told(ox, &device_code, &code));
        }
    }
    Err(Error::internal("drawing a code for a device", "every one was taken").into())
}

fn told(ox: &Ox, device_code: &Token, code: &UserCode) -> Codes {
    let verification_uri = page(ox);
    Codes {
        device_code: Secret::new(device_code.expose().to_owned()),
        user_code: Secret::new(code.grouped()),
        verification_uri_complete: Secret::new(format!(
            "{verification_uri}?user_code={}",
            code.grouped()
        )),
        verification_uri,
        expires_in: LIFETIME.as_secs(),
        interval: INTERVAL.as_secs(),
    }
}

/// The address of the page that takes a code.
#[must_use]
pub fn page(ox: &Ox) -> String {
    let origin = origin(&ox.app);
    match &ox.flavour {
        Flavour::Platform => format!("{origin}/device"),
        Flavour::Tenant(tenant) => format!("{origin}/t/{}/device", tenant.slug),
    }
}

fn digest(ox: &Ox, code: &UserCode) -> Result<[u8; 32]> {
    let realm = ox.realm().to_string();
    codes::digest(&ox.app.master_key, "device user code", &[&realm], code.as_str())
}

/// A device that waits for a yes or a no.
#[derive(Debug)]
pub struct Device {
    /// The application on it.
    pub application: Arc<Application>,
    /// What it asks for.
    pub request: DeviceRequest,
    /// The code, as it is shown on the device.
    pub code: UserCode,
    digest: [u8; 32],
}

/// The device of a code that a guest has typed in; `None` where there is none, or no longer.
///
/// # Errors
/// `too_many_attempts`, or where the database fails.
pub async fn find(ox: &Ox, guest: &Guest, typed: &str) -> Result<Option<Device>> {
    let Some(counts) = Counts::of(ox, guest) else { return Ok(None) };
    counts.begin(ox).await?;
    let found = match UserCode::parse(typed) {
        Some(code) => looked_up(ox, code).await?,
        None => None,
    };
    if found.is_none() {
        counts.failed(ox).await?;
    }
    Ok(found)
}

async fn looked_up(ox: &Ox, code: UserCode) -> Result<Option<Device>> {
    let digest = digest(ox, &code)?;
    let found = ox
        .app
        .db
        .read((ox.realm(), digest, ox.now), |tx, (realm, digest, now)| {
            Box::pin(store::device_codes::waiting(tx, *realm, *digest, *now))
        })
        .await?;
    let Some(Waiting { application, request }) = found else { return Ok(None) };
    let application = applications::by_id(&ox.app, application).await?;
    let Some(Registered { application, .. }) = application.filter(|it| it.application.is_active)
    else {
        return Ok(None);
    };
    let request = serde_json::from_str(&request).doing("reading a device's request")?;
    Ok(Some(Device { application, request, code, digest }))
}

/// Under what the tries of one guest are counted.
struct Counts {
    tenant: TenantId,
    account: [u8; 32],
    network: [u8; 32],
}

impl Counts {
    fn of(ox: &Ox, guest: &Guest) -> Option<Self> {
        let (one, _) = guest.present.first()?;
        let user = one.session.user.to_string();
        Some(Self {
            tenant: one.tenant.id,
            account: digest_text(&["device code", &user]),
            network: digest_text(&["device code network", &ox.caller.address.network()]),
        })
    }

    /// Counts a try before anything is looked up, so that many at the same time gain nothing.
    async fn begin(&self, ox: &Ox) -> Result<()> {
        let input = (self.tenant, self.account, self.network, ox.now);
        let (tries, network) = ox
            .app
            .db
            .write(input, |tx, (tenant, account, network, now)| {
                Box::pin(async move {
                    let window = Limit::DeviceCodes.policy().window;
                    let tries = store::attempts::add_in_window(*tenant, *account, window, *now);
                    let network = store::attempts::count(tx, *tenant, *network).await?;
                    Ok((tries.one::<Count>(tx).await?, network))
                })
            })
            .await?;
        let policy = Limit::DeviceCodes.policy();
        let over = (tries.failures > policy.amount)
            .then(|| (tries.first_at + policy.window).since(ox.now));
        match over.or(window_wait(network, Limit::WrongPasswords, ox.now)) {
            Some(retry) => Err(Error::Throttled { retry }),
            None => Ok(()),
        }
    }

    async fn failed(&self, ox: &Ox) -> Result<()> {
        let window = Limit::WrongPasswords.policy().window;
        let query = store::attempts::add_in_window(self.tenant, self.network, window, ox.now);
        ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
        Ok(())
    }
}

/// What a guest says about a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The device may go on.
    Allowed,
    /// It may not.
    Denied,
    /// There is no such device, or no longer.
    Gone,
    /// It is not clear in whose name.
    Nobody,
}

/// Takes a guest's word about the device of a code.
///
/// # Errors
/// `too_many_attempts`, or where the database fails.
pub async fn decide(
    ox: &Ox,
    guest: &Guest,
    (typed, session): (&str, Option<SessionId>),
    word: Word,
) -> Result<Decided> {
    let Some(device) = find(ox, guest, typed).await? else { return Ok(Decided::Gone) };
    let Some(one) = guest.of(session) else { return Ok(Decided::Nobody) };
    let (decision, done) = match word {
        Word::Allow => (allowing(ox, one, &device).await?, Decided::Allowed),
        Word::Deny => {
            let deny = store::device_codes::deny(ox.realm(), device.digest, ox.now);
            ((deny, Vec::new()), Decided::Denied)
        }
    };
    let changed = ox
        .app
        .db
        .write(decision, |tx, (decision, rest)| {
            Box::pin(async move {
                let changed = decision.clone().execute(tx).await? == 1;
                if changed {
                    tx.pipeline(rest.clone()).await?;
                }
                Ok(changed)
            })
        })
        .await?;
    Ok(if changed { done } else { Decided::Gone })
}

/// The statement that allows a device, and what goes with it.
async fn allowing(ox: &Ox, one: &Present, device: &Device) -> Result<(Query, Vec<Query>)> {
    let (tenant, user) = (one.tenant.id, one.session.user);
    let approve =
        store::device_codes::approve(tenant, ox.realm(), device.digest, one.session.id, ox.now);
    let application = &device.application;
    let event = Event::success(Action::DeviceAllowed, Actor::User(user), Target::User(Some(user)))
        .with("client_id", application.client_id.as_str())
        .with("scope", device.request.scope.to_string());
    let mut rest = vec![ox.record(tenant, event)?];
    if !application.skips_consent() {
        let input = (tenant, user, application.id);
        let before = ox
            .app
            .db
            .read(input, |tx, (tenant, user, application)| {
                Box::pin(store::consents::find(tx, *tenant, *user, *application))
            })
            .await?;
        let consent = widened(ox, before.as_ref(), device)?;
        rest.push(store::consents::put(tenant, user, &consent));
    }
    Ok((approve, rest))
}

/// What somebody has allowed before, and what he allows now.
fn widened(ox: &Ox, before: Option<&Consent>, device: &Device) -> Result<Consent> {
    const DOING: &str = "noting a consent";
    let request = &device.request;
    let scope = before.map(|it| Scope::from(it.scope.clone())).unwrap_or_default();
    let details = before.map_or("[]", |it| it.details.as_str());
    let mut details: Vec<serde_json::Value> = serde_json::from_str(details).doing(DOING)?;
    for one in &request.authorization_details {
        if !details.contains(one) {
            details.push(one.clone());
        }
    }
    Ok(Consent {
        application: device.application.id,
        scope: scope.with(&request.scope).to_string(),
        details: serde_json::to_string(&details).doing(DOING)?,
        granted_at: ox.now,
        updated_at: ox.now,
    })
}
