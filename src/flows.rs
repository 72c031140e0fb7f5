//! The use cases, and what each of them is handed.
//!
//! A use case takes a [`Cx`] and parsed input, orders the steps, and owns the transactions. What
//! should happen is decided in `domain`; how it is said is decided in `http`.

use std::{sync::Arc, time::Duration};

use url::form_urlencoded;

use crate::{
    app::App,
    clock::Timestamp,
    crypto::hasher::{Class, Order, Share},
    db::{Query, Written},
    domain::{
        audit::{Event, Record},
        network::ClientAddress,
        tenant::{Corners, PageTexts, Picture, Tenant},
        token::PORTAL,
    },
    entropy::Entropy,
    error::{Code, Error, Result},
    id::{Id, SessionId, TenantId},
    store,
    text::Locale,
    view::{Brand, RawBrand, SafeStyle, Words},
};

pub mod account_deletion;
pub mod activity;
pub mod alarms;
pub mod applications;
pub mod audit;
pub mod authorized_apps;
pub mod captcha;
pub mod ceremonies;
pub mod disavowal;
pub mod email_change;
pub mod export;
pub mod factors;
pub mod factors_admin;
pub mod forms;
pub mod gate;
pub mod keys;
pub mod load;
pub mod lockdown;
pub mod login;
pub mod me;
pub mod notes;
pub mod oauth;
pub mod outbox;
pub mod own_sessions;
pub mod passkey_login;
pub mod password;
pub mod password_change;
pub mod pictures;
pub mod portal;
pub mod profile;
pub mod reauthentication;
pub mod register;
pub mod remembered;
pub mod risk;
pub mod second_factor;
pub mod session;
pub mod tenants;
pub mod tokens;
pub mod users;
pub mod verify_email;

/// What a use case knows of its surroundings: fixed once for the whole request.
#[derive(Debug, Clone)]
pub struct Cx {
    /// The program.
    pub app: Arc<App>,
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// When.
    pub now: Timestamp,
}

/// Who asks, as far as it can be told before anything is proved.
#[derive(Debug, Clone)]
pub struct Caller {
    /// From where.
    pub address: ClientAddress,
    /// By which agent; at most 256 characters.
    pub agent: String,
    /// In which language answers are worded.
    pub locale: Locale,
    /// The `Accept-Language` header, for mail to somebody who has chosen nothing.
    pub accept_language: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// How long the client's network has to wait, since it has had its share: only an application
    /// that proves who it is may go on.
    pub over: Option<Duration>,
    /// The captcha's answer, where one came along.
    pub captcha: Option<captcha::Shown>,
    /// The application that calls, by its own token.
    pub client_id: Option<String>,
    /// The session of this tenant that the browser was in, by its cookie: the handle and the
    /// digest of the secret.
    pub session: Option<(SessionId, [u8; 32])>,
}

impl Caller {
    /// An operator on the machine.
    #[must_use]
    pub fn operator(request_id: String) -> Self {
        Self {
            address: ClientAddress::none(),
            agent: "countersign".to_owned(),
            locale: Locale::En,
            accept_language: None,
            request_id,
            over: None,
            captcha: None,
            client_id: None,
            session: None,
        }
    }
}

impl Cx {
    /// A fresh identifier.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn id<T: Id>(&self) -> Result<T> {
        fresh_id(&self.app.entropy, self.now)
    }

    /// At whose expense a password is hashed: the tenant's, before or behind strangers.
    #[must_use]
    pub fn hashing(&self, class: Class) -> Order {
        Order { share: Share::of(self.tenant.id.uuid().as_u128()), class }
    }

    /// The row that records `event`.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn record(&self, event: Event) -> Result<Query> {
        record(&self.app, (self.tenant.id, self.now), &self.caller, event)
    }

    /// The address of a hosted page of the tenant. Built from the settings, never from the request.
    #[must_use]
    pub fn page_url(&self, page: &str, token: Option<&str>) -> String {
        let mut url = format!("{}/{page}", base_url(&self.app, &self.tenant));
        if let Some(token) = token {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("token", token)
                .finish();
            url.push('?');
            url.push_str(&query);
        }
        url
    }

    /// Whom tokens are minted for at the end of a sign-in that `began` with a client: our portal
    /// finishes what it began, and an application gets tokens where it calls itself.
    ///
    /// # Errors
    /// `invalid_mfa_token` where another application began it.
    pub fn minting_for(&self, began: Option<&str>) -> Result<Option<String>> {
        match began {
            Some(PORTAL) => Ok(Some(PORTAL.to_owned())),
            Some(began) if self.caller.client_id.as_deref() != Some(began) => {
                Err(Error::refused(Code::InvalidMfaToken))
            }
            _ => Ok(self.caller.client_id.clone()),
        }
    }

    /// Refuses a return address that the tenant does not allow; compared exactly.
    ///
    /// # Errors
    /// `invalid_redirect_uri`.
    pub fn check_redirect(&self, uri: Option<&str>) -> Result<()> {
        let allowed = &self.tenant.settings.allowed_return_urls;
        match uri {
            Some(uri) if !allowed.iter().any(|known| known == uri) => {
                Err(Error::refused(Code::InvalidRedirectUri))
            }
            _ => Ok(()),
        }
    }

    /// The language for mail to somebody: their choice, else the tenant's.
    #[must_use]
    pub fn mail_locale(&self, chosen: Option<&str>) -> Locale {
        let parse = |text: &str| text.parse::<Locale>().ok();
        chosen
            .and_then(parse)
            .or_else(|| parse(&self.tenant.settings.default_locale))
            .unwrap_or(Locale::En)
    }
}

/// The row that records `event`, of a tenant and at a moment.
///
/// # Errors
/// Where there is no randomness.
pub fn record(
    app: &App,
    (tenant, now): (TenantId, Timestamp),
    caller: &Caller,
    event: Event,
) -> Result<Query> {
    let record = Record {
        id: fresh_id(&app.entropy, now)?,
        at: now,
        action: event.action.as_str().to_owned(),
        actor_type: event.actor.kind().to_owned(),
        actor_id: event.actor.id(),
        target_type: event.target.kind().to_owned(),
        target_id: event.target.id(),
        address: caller.address.text(),
        agent: caller.agent.clone(),
        result: event.outcome.as_str().to_owned(),
        request_id: caller.request_id.clone(),
        detail: serde_json::Value::Object(event.detail).to_string(),
    };
    Ok(store::audit::append(tenant, record))
}

/// Writes statements of which each of `must` has to change exactly one row: all of them with
/// `also`, or none. `false`: none, since something that they rest on no longer holds.
///
/// # Errors
/// Where the database fails.
pub async fn all_or_nothing(app: &App, must: Vec<Query>, also: Vec<Query>) -> Result<bool> {
    Ok(app.db.write_all(must, also).await? == Written::All)
}

/// A fresh identifier of something made at `now`.
///
/// # Errors
/// Where there is no randomness.
pub fn fresh_id<T: Id>(entropy: &Entropy, now: Timestamp) -> Result<T> {
    entropy.id(now).map(T::from_uuid)
}

/// The address under which a tenant's hosted pages live.
#[must_use]
pub fn base_url(app: &App, tenant: &Tenant) -> String {
    format!("{}/t/{}", app.config.public_url.as_str().trim_end_matches('/'), tenant.slug)
}

/// The looks of a tenant's pages and mails.
#[must_use]
pub fn brand(app: &App, tenant: &Tenant) -> Brand {
    let looks = &tenant.branding;
    let brand = Brand::new(RawBrand {
        tenant_name: looks.display_name.as_deref().unwrap_or(&tenant.name),
        primary_color: looks.primary_color.as_deref(),
        page_color: looks.page_color.as_deref(),
        page_color_dark: looks.page_color_dark.as_deref(),
        radius: looks.corners.map(radius),
        base_url: &base_url(app, tenant),
    });
    let shown =
        |picture: &Picture| brand.shown(&picture.file_name(), (picture.width, picture.height));
    let words = if looks.texts.is_empty() { &[][..] } else { &Locale::ALL };
    let words = words.iter().map(|it| (it.to_string(), words_of(looks.texts_in(it.as_str()))));
    Brand {
        logo: looks.shown_logo().map(shown),
        logo_dark: looks.logo_dark.as_ref().map(shown),
        favicon: looks.favicon.as_ref().map(shown),
        words: words.collect(),
        style: looks.css.as_deref().and_then(SafeStyle::new),
        ..brand.clone()
    }
}

fn radius(corners: Corners) -> &'static str {
    match corners {
        Corners::Square => "0px",
        Corners::Small => "0.25rem",
        Corners::Medium => "0.625rem",
        Corners::Large => "1rem",
    }
}

fn words_of(texts: PageTexts) -> Words {
    let PageTexts { title, lead, imprint, privacy, terms, support } = texts;
    Words { title, lead, imprint, privacy, terms, support }
}
