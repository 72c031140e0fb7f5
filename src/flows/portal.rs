//! The portal's sign-in: by an address alone, in whatever tenants it has an account.
//!
//! Nothing here tells who has an account where, before the right password has been shown: an
//! address without any is answered alike, counted alike, and costs as much. Within a tenant
//! everything is as at that tenant's own door (`flows::login`).

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque::Token,
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        password::Password,
        session::Persistence,
        tenant::Tenant,
        token::PORTAL,
    },
    error::{Code, Context, Error, Result},
    flows::{
        Caller, Cx, login,
        oauth::hand_over::with_second_factor,
        record, tenants,
        tokens::{self, Party, Refreshed},
    },
    id::{SessionId, TenantId},
    secret::Secret,
    store,
};

mod search;

/// How long may pass between the address and the password.
pub const FLOW_LIFETIME: Duration = Duration::from_mins(10);
/// What flow tokens are sealed for.
const FLOW: &str = "portal flow";
/// No flow token of ours is as long: an address has 254 characters at most.
const LONGEST_FLOW: usize = 1024;

/// A visitor of the portal: like a [`Cx`], before there is a tenant.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The program.
    pub app: Arc<App>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// When.
    pub now: Timestamp,
    /// The cookies of devices that came along, each with its tenant.
    pub devices: Vec<(TenantId, Token)>,
    /// The tokens of trusted devices that came along as cookies, each with its tenant.
    pub trusted: Vec<(TenantId, Secret<String>)>,
    /// The sessions that the browser is in, each with its tenant and the digest of its secret.
    pub sessions: Vec<(TenantId, SessionId, [u8; 32])>,
    /// Whether what the sign-in is for needs a second factor that is one.
    pub wants_second_factor: bool,
}

impl Visit {
    fn cx(&self, tenant: Arc<Tenant>) -> Cx {
        let mut own = self.sessions.iter().filter(|(of, ..)| *of == tenant.id);
        let session = own.next().map(|(_, id, digest)| (*id, *digest));
        let caller = Arc::new(Caller { session, ..(*self.caller).clone() });
        let cx = Cx { app: Arc::clone(&self.app), tenant, caller, now: self.now };
        if self.wants_second_factor { with_second_factor(cx) } else { cx }
    }

    fn device(&self, tenant: TenantId) -> Option<Token> {
        let of_tenant = self.devices.iter().find(|(id, _)| *id == tenant);
        of_tenant.map(|(_, token)| token.clone())
    }

    fn trusted(&self, tenant: TenantId) -> Option<Secret<String>> {
        let of_tenant = self.trusted.iter().find(|(id, _)| *id == tenant);
        of_tenant.map(|(_, token)| Secret::new(token.expose().clone()))
    }

    /// The tenant that is named by its id or slug.
    async fn named(&self, name: &str) -> Result<Cx> {
        let tenant = match name.parse() {
            Ok(id) => tenants::resolve_id(&self.app, id).await?,
            Err(_) => tenants::resolve(&self.app, name).await?,
        };
        Ok(self.cx(tenant))
    }
}

/// What the first step answers.
#[derive(Debug)]
pub struct Identified {
    /// What the second step goes on from.
    pub flow_token: Secret<String>,
    /// The tenants in which this very device is known as one of the address's account.
    pub tenants: Vec<Arc<Tenant>>,
}

/// What a flow token holds, sealed.
#[derive(Serialize, Deserialize)]
struct Flow {
    email: String,
    expires_at: i64,
}

/// Takes an address. Nothing is written, and nothing is told of the address but to a device that
/// has signed in with it before.
///
/// # Errors
/// Where the database fails.
pub async fn identify(visit: &Visit, email: &Email) -> Result<Identified> {
    let expires_at = (visit.now + FLOW_LIFETIME).micros();
    let flow = Flow { email: email.as_str().to_owned(), expires_at };
    let flow = serde_json::to_vec(&flow).doing("writing a flow token")?;
    let sealed = visit.app.master_key.seal(FLOW, &[], &flow)?;
    Ok(Identified {
        flow_token: Secret::new(URL_SAFE_NO_PAD.encode(sealed)),
        tenants: search::known(visit, email).await?,
    })
}

/// The address that a flow token was made for.
///
/// # Errors
/// `invalid_flow_token`, for one that is not ours or too old.
pub fn recall(visit: &Visit, flow_token: &str) -> Result<Email> {
    let bad = || Error::refused(Code::InvalidFlowToken);
    if flow_token.len() > LONGEST_FLOW {
        return Err(bad());
    }
    let sealed = URL_SAFE_NO_PAD.decode(flow_token).map_err(|_| bad())?;
    let flow = visit.app.master_key.open(FLOW, &[], &sealed).map_err(|_| bad())?;
    let flow: Flow = serde_json::from_slice(flow.expose()).doing("reading a flow token")?;
    if flow.expires_at <= visit.now.micros() {
        return Err(bad());
    }
    Email::parse(&flow.email).map_err(|_| bad())
}

/// A parsed sign-in.
#[derive(Debug, Clone)]
pub struct Input {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// The tenant, by id or slug, where one was named.
    pub tenant: Option<String>,
    /// Whether the session has the long lifetime.
    pub persistence: Persistence,
    /// The token of a trusted device, as it came.
    pub trusted_device: Option<Secret<String>>,
    /// The client that tokens are minted for; `None`: the browser, by its cookie.
    pub client_id: Option<String>,
}

impl Input {
    fn in_tenant(&self, visit: &Visit, tenant: TenantId) -> login::Input {
        login::Input {
            email: self.email.clone(),
            password: self.password.clone(),
            persistence: self.persistence,
            device: visit.device(tenant),
            trusted_device: self.trusted_device.clone().or_else(|| visit.trusted(tenant)),
            client_id: self.client_id.clone(),
        }
    }
}

/// What a right password led to.
#[derive(Debug)]
pub enum Outcome {
    /// One account, in one tenant.
    Entered(Cx, login::Outcome),
    /// The password is that of accounts in several tenants: these.
    Choose(Vec<Arc<Tenant>>),
}

/// Signs in: in the tenant that is named, else wherever address and password fit.
///
/// # Errors
/// As [`login::login`]; `tenant_not_found` or `tenant_suspended` for a tenant that is named.
pub async fn sign_in(visit: &Visit, input: &Input) -> Result<Outcome> {
    let Some(name) = &input.tenant else { return search::sign_in(visit, input).await };
    let cx = visit.named(name).await?;
    let outcome = login::login(&cx, &input.in_tenant(visit, cx.tenant.id)).await?;
    Ok(Outcome::Entered(cx, outcome))
}

/// Exchanges a refresh token of the portal.
///
/// # Errors
/// `invalid_refresh_token`, or where the database fails.
pub async fn refresh(visit: &Visit, token: &str) -> Result<Refreshed> {
    tokens::refresh(&visit.app, &visit.caller, Party::Own(PORTAL), (token, visit.now))
        .await
        .map_err(|failure| failure.into_error(Code::InvalidRefreshToken))
}

/// Ends the session of an access token. One that is too old will do, since who signs out late
/// means it no less; so will one whose session has ended already.
///
/// # Errors
/// `not_authenticated` where the token is not ours, or where the database fails.
pub async fn sign_out(visit: &Visit, token: &str) -> Result<()> {
    let claims = tokens::read(&visit.app, token).await?;
    let nobody = || Error::refused(Code::NotAuthenticated);
    let (tenant, user) = claims.person().ok_or_else(nobody)?;
    let session = claims.session().ok_or_else(nobody)?;
    let event = Event::success(Action::SessionEnded, Actor::User(user), Target::Session(session));
    let audit = record(&visit.app, (tenant, visit.now), &visit.caller, event)?;
    visit
        .app
        .db
        .write((tenant, session, audit), |tx, (tenant, session, audit)| {
            Box::pin(async move {
                if store::sessions::end(tx, *tenant, *session).await? {
                    audit.clone().execute(tx).await?;
                }
                Ok(())
            })
        })
        .await
}
