//! What a handler knows of its caller before it knows the tenant, and the way to a [`Cx`].
//!
//! The form of a request is judged first, then the tenant, so that a malformed request costs no
//! look-up and is answered as the reference's framework does.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, Method, header, request::Parts},
};
use url::Url;

use super::{
    cookies,
    frame::Facts,
    language::{self, Wishes},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{agent, network::ClientAddress, tenant::Tenant},
    error::{Code, Error, Result},
    flows::{
        Caller, Cx, captcha,
        oauth::{self, pending::Browser},
        tenants,
    },
    id::Realm,
    text::Locale,
};

/// The answer to a captcha, for endpoints whose bodies have no field for it.
const CAPTCHA: &str = "x-captcha-token";

/// A request at the door of a tenant.
#[derive(Debug)]
pub struct Door {
    app: Arc<App>,
    slug: String,
    facts: Facts,
    /// `ui_locales` of the address.
    ui_locales: Option<String>,
    /// The request's headers.
    pub headers: HeaderMap,
    pub(super) method: Method,
}

impl FromRequestParts<Arc<App>> for Door {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.ok();
        let slug = params
            .iter()
            .flatten()
            .find(|(name, _)| *name == "tenant_slug")
            .map_or_else(String::new, |(_, slug)| slug.to_owned());
        // The router lets an empty segment stand for a name.
        if slug.is_empty() {
            return Err(Error::NotFound);
        }
        Ok(Self { slug, ..Self::unnamed(parts, app) })
    }
}

impl Door {
    /// A request whose path names no tenant.
    #[must_use]
    pub fn unnamed(parts: &Parts, app: &Arc<App>) -> Self {
        let facts = parts.extensions.get::<Facts>().cloned().unwrap_or_else(|| Facts {
            id: String::new(),
            now: Timestamp::from_micros(0),
            client: ClientAddress::none(),
            over: None,
        });
        Self {
            app: Arc::clone(app),
            slug: String::new(),
            facts,
            ui_locales: language::in_address(&parts.uri),
            headers: parts.headers.clone(),
            method: parts.method.clone(),
        }
    }

    /// The program.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The tenant that the path names, as it stands there; empty where it names none.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// When the request came.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.facts.now
    }

    /// The access token that came along.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = text(&self.headers, header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The surroundings of a request to a tenant that is in use.
    #[must_use]
    pub fn cx(&self, tenant: Arc<Tenant>) -> Cx {
        tracing::Span::current().record("tenant", tenant.slug.as_str());
        let mut caller = self.caller();
        let own = cookies::sessions(&self.app, &self.headers);
        caller.session = own
            .into_iter()
            .find(|(of, ..)| *of == tenant.id)
            .map(|(_, id, secret)| (id, *secret.digest().as_bytes()));
        Cx { app: Arc::clone(&self.app), tenant, caller: Arc::new(caller), now: self.now() }
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            address: self.facts.client,
            agent: agent::kept(text(&self.headers, header::USER_AGENT).unwrap_or_default()),
            locale: Locale::En,
            accept_language: text(&self.headers, header::ACCEPT_LANGUAGE).map(str::to_owned),
            request_id: self.facts.id.clone(),
            over: self.facts.over,
            captcha: text(&self.headers, CAPTCHA).and_then(captcha::Shown::new),
            client_id: None,
            session: None,
        }
    }

    /// The way in for programs: the tenant in use, the caller's token good or not demanded, and
    /// no browser sent here by another site.
    ///
    /// # Errors
    /// `cross_site_request`, `invalid_client_token`, `tenant_not_found`, `tenant_suspended`.
    pub async fn open(&self) -> Result<Cx> {
        self.refuse_cross_site()?;
        let cx = self.cx(self.tenant().await?);
        if !has_bearer(&self.headers) {
            self.refuse_over()?;
            return if cx.tenant.settings.require_client_token {
                Err(Error::refused(Code::InvalidClientToken))
            } else {
                Ok(cx)
            };
        }
        let client_id = oauth::direct::caller(&cx, self.bearer().unwrap_or_default()).await?;
        let caller = Caller { client_id: Some(client_id), ..(*cx.caller).clone() };
        Ok(Cx { caller: Arc::new(caller), ..cx })
    }

    /// As [`Door::open`], for a sign-in: where a pending authorization request of this browser
    /// wants a second factor, the sign-in does.
    ///
    /// # Errors
    /// As [`Door::open`].
    pub async fn open_for_sign_in(&self) -> Result<Cx> {
        let cx = self.open().await?;
        let browser = self.browser(&cx);
        oauth::hand_over::demanded(cx, browser.as_ref()).await
    }

    /// What this browser's pending authorization requests in a tenant are bound to.
    fn browser(&self, cx: &Cx) -> Option<Browser> {
        cookies::request_of(&self.app, Realm::Tenant(cx.tenant.id), &self.headers)
    }

    /// Where a browser goes on that has just signed in, for an authorization request; a client that
    /// is handed tokens goes nowhere.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn goes_on(&self, cx: &Cx) -> Result<Option<String>> {
        match cx.caller.client_id {
            Some(_) => Ok(None),
            None => oauth::hand_over::redirect_uri(cx, self.browser(cx).as_ref()).await,
        }
    }

    /// The way in for people: the tenant in use, in the language that they or else their browser
    /// ask for.
    ///
    /// # Errors
    /// `cross_site_request`, `tenant_not_found`, `tenant_suspended`.
    pub async fn open_page(&self) -> Result<Cx> {
        self.refuse_cross_site()?;
        let cx = self.cx(self.tenant().await?);
        let fallback = cx.mail_locale(None);
        let caller = speaking((*cx.caller).clone(), self.locale(fallback));
        Ok(Cx { caller: Arc::new(caller), ..cx })
    }

    /// The way in to what is public: the tenant in use, whoever asks and with whatever token.
    ///
    /// # Errors
    /// `tenant_not_found`, `tenant_suspended`.
    pub async fn open_to_all(&self) -> Result<Cx> {
        Ok(self.cx(self.tenant().await?))
    }

    /// The tenant that the path names: in use, and not flooded with requests. A device that somebody
    /// has signed in from counts for itself: strangers cannot flood it out.
    ///
    /// # Errors
    /// `tenant_not_found`, `tenant_suspended`, `too_many_attempts`.
    pub async fn tenant(&self) -> Result<Arc<Tenant>> {
        let tenant = tenants::resolve(&self.app, &self.slug).await?;
        let devices = cookies::devices(&self.app, &self.headers).into_iter();
        let device = devices.filter(|(of, _)| *of == tenant.id).map(|(_, token)| token).next();
        self.app.load.tenant(&self.app.master_key, tenant.id, device.as_ref())?;
        Ok(tenant)
    }

    /// Refuses a request whose network has had its share, where no application has to prove who it
    /// is.
    ///
    /// # Errors
    /// `too_many_attempts`.
    pub fn refuse_over(&self) -> Result<()> {
        match self.facts.over {
            Some(retry) => Err(Error::Throttled { retry }),
            None => Ok(()),
        }
    }

    /// What the request itself says of the language that its reader wishes for.
    #[must_use]
    pub fn wishes(&self, fallback: Locale) -> Wishes<'_> {
        Wishes {
            address: self.ui_locales.as_deref(),
            ..language::of_headers(&self.app, &self.headers, (self.now(), fallback))
        }
    }

    /// The language that the request itself asks for.
    #[must_use]
    pub fn locale(&self, fallback: Locale) -> Locale {
        self.wishes(fallback).choose()
    }

    /// A browser says where a request comes from; programs say nothing. A foreign page must not
    /// sign its visitor in to an account of its choice, nor anything else that changes state.
    ///
    /// # Errors
    /// `cross_site_request`.
    pub fn refuse_cross_site(&self) -> Result<()> {
        if self.method.is_safe() {
            return Ok(());
        }
        let foreign = match text(&self.headers, "sec-fetch-site") {
            Some(site) => site == "cross-site" || site == "same-site",
            None => text(&self.headers, header::ORIGIN).is_some_and(|it| !self.is_own_origin(it)),
        };
        if foreign { Err(Error::refused(Code::CrossSiteRequest)) } else { Ok(()) }
    }

    /// Whether the answer is shown in a frame of a page of another site, as far as the browser says
    /// so. None of our cookies gets there, so that nothing that needs one can be done.
    #[must_use]
    pub fn is_in_foreign_frame(&self) -> bool {
        let told = |name| text(&self.headers, name).unwrap_or_default();
        matches!(told("sec-fetch-dest"), "iframe" | "frame" | "fencedframe" | "embed" | "object")
            && told("sec-fetch-site") == "cross-site"
    }

    /// Our public origin, or the very host that the request was sent to.
    fn is_own_origin(&self, origin: &str) -> bool {
        let Ok(origin) = Url::parse(origin) else { return false };
        if origin.origin() == self.app.config.public_url.origin() {
            return true;
        }
        let host = origin.host_str().map(|host| match origin.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
        host.as_deref() == text(&self.headers, header::HOST)
    }
}

/// The same with a captcha's answer that came in a form.
#[must_use]
pub fn with_captcha(cx: &Cx, token: &str) -> Cx {
    let Some(shown) = captcha::Shown::new(token) else { return cx.clone() };
    let caller = Caller { captcha: Some(shown), ..(*cx.caller).clone() };
    Cx { caller: Arc::new(caller), ..cx.clone() }
}

/// Somebody at a page that speaks `locale`: what is written for him, and what is mailed to him as
/// long as he has no account, is in that language.
#[must_use]
pub fn speaking(caller: Caller, locale: Locale) -> Caller {
    Caller { locale, accept_language: Some(locale.as_str().to_owned()), ..caller }
}

fn has_bearer(headers: &HeaderMap) -> bool {
    text(headers, header::AUTHORIZATION).is_some_and(|value| {
        value.split(' ').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
    })
}

/// A header's value as text.
pub(super) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
