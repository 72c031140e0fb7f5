//! What the pages by which people sign in have in common: whose page it is, and which authorization
//! request it serves.
//!
//! A page names its request by a handle, in its address and in its form; it is good only together
//! with the cookie of the browser that brought the request.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use axum_extra::extract::cookie::Cookie;
use base64::Engine as _;
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use self::forms::FormKey;
pub(super) use self::forms::{
    Said, Sent, Told, at_platform, at_tenant, of_request, sent_at_platform, sent_at_tenant,
    whole_seconds,
};
use super::{AsPage, Look, account::place::Place, look};
use crate::{
    domain::{
        application::{Application, Origin},
        oauth::device::UserCode,
        tenant::Picture,
    },
    error::{Error, Result},
    flows::{
        Cx, base_url,
        me::Me,
        oauth::{
            Flavour, asking, authorize, hand_over, origin,
            pending::{self, Kept, Pending, Visitor},
        },
        pictures,
        session::open::SignedIn,
    },
    http::{
        cookies,
        dev::house_look,
        door::{Door, speaking},
        headers::{self, Framing},
        language::{self, Wishes},
        oauth::{Protocol, authorize::shown, visitor::visitor},
    },
    id::Realm,
    text::Locale,
    view::{
        Page, PageFrame, Shown,
        pages::{
            lost::{LostPage, Way},
            sign_in::{ApplicationShown, Around, EmbeddedPage, FormToken},
        },
    },
};

mod forms;

/// The realm parameter of a tenant's page that serves a request of the platform.
const PLATFORM: &str = "platform";

/// What a page's address says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Asked {
    /// The request's handle.
    #[schema(required = false)]
    request: String,
    /// Whose request it is, where not the tenant's.
    #[schema(required = false)]
    realm: String,
    /// What there is to say.
    #[schema(required = false)]
    pub(super) note: String,
    /// Which method is wanted.
    #[schema(required = false)]
    pub(super) method: String,
}

/// What names an authorization request.
pub(super) trait OfRequest {
    /// Its handle and its realm, as they came.
    fn named(&self) -> (&str, &str);
}

impl OfRequest for Asked {
    fn named(&self) -> (&str, &str) {
        (&self.request, &self.realm)
    }
}

/// A pending request, and how its browser finds it again.
#[derive(Debug)]
pub(super) struct Underway {
    /// How it is found.
    pub(super) kept: Kept,
    /// What it is.
    pub(super) pending: Pending,
    /// The logo of who asks.
    logo: Option<Shown>,
}

/// Somebody at a page.
#[derive(Debug)]
pub(super) struct Visit {
    /// The realm of the request; without one, the page's own.
    pub(super) protocol: Protocol,
    /// The look of the page.
    pub(super) look: Look,
    /// The browser.
    pub(super) visitor: Visitor,
    /// The request; `None`: the page stands alone.
    pub(super) underway: Option<Underway>,
    is_at_tenant: bool,
    key: FormKey,
    /// Whose pages may frame this one.
    embedders: Vec<String>,
}

/// The way on, or the page that is shown instead.
pub(super) type Turned<T> = std::result::Result<T, Box<Response>>;

impl Visit {
    /// Somebody at a page of a tenant.
    pub(super) async fn at_tenant<F: OfRequest>(
        door: Door,
        form: Result<F>,
    ) -> Turned<(Self, Cx, F)> {
        let fallback = Look { locale: door.locale(Locale::En), ..house_look(door.app()) };
        let cx = door.open_page().await.map_err(|error| as_page(fallback, error))?;
        let look = look(&cx);
        let form = form.map_err(|error| as_page(look.clone(), error))?;
        // Without a request the page is the tenant's own, whatever its address says.
        let (handle, realm) = form.named();
        let flavour = if realm == PLATFORM && !handle.is_empty() {
            Flavour::Platform
        } else {
            Flavour::Tenant(Arc::clone(&cx.tenant))
        };
        let key = FormKey::of(&door, Realm::Tenant(cx.tenant.id));
        let is_in_foreign_frame = door.is_in_foreign_frame();
        let visit = Self {
            key: key.map_err(|error| as_page(look.clone(), error))?,
            visitor: Visitor::default(),
            protocol: Protocol::new(door, flavour),
            look,
            underway: None,
            is_at_tenant: true,
            embedders: cx.tenant.settings.embed_origins.clone(),
        };
        if is_in_foreign_frame && !visit.embedders.is_empty() {
            let page = visit.embeddable(&EmbeddedPage {}, StatusCode::OK);
            return Err(Box::new(visit.concluded(page)));
        }
        let visit = visit.at_request(&form, cx.mail_locale(None)).await?;
        let caller = speaking((*cx.caller).clone(), visit.look.locale);
        let cx = Cx { caller: Arc::new(caller), ..cx };
        Ok((visit, cx, form))
    }

    /// Somebody at a page of the platform.
    pub(super) async fn at_platform<F: OfRequest>(
        door: Door,
        form: Result<F>,
    ) -> Turned<(Self, F)> {
        let look = Look { locale: door.locale(Locale::En), ..house_look(door.app()) };
        door.refuse_cross_site().map_err(|error| as_page(look.clone(), error))?;
        let form = form.map_err(|error| as_page(look.clone(), error))?;
        let key = FormKey::of(&door, Realm::Platform);
        let visit = Self {
            key: key.map_err(|error| as_page(look.clone(), error))?,
            visitor: Visitor::default(),
            protocol: Protocol::new(door, Flavour::Platform),
            look,
            underway: None,
            is_at_tenant: false,
            embedders: Vec::new(),
        };
        Ok((visit.at_request(&form, Locale::En).await?, form))
    }

    async fn at_request<F: OfRequest>(mut self, form: &F, fallback: Locale) -> Turned<Self> {
        self.visitor = visitor(&self.protocol.ox, &self.protocol.door.headers);
        let (handle, _) = form.named();
        if handle.is_empty() {
            return Ok(self);
        }
        match self.found(handle).await {
            Ok(Some(underway)) => {
                self.underway = Some(underway);
                self.look.locale = self.wishes(fallback).choose();
                Ok(self)
            }
            Ok(None) => {
                let gone = self.lapsed(handle).await;
                Err(Box::new(self.concluded(gone)))
            }
            Err(fault) => Err(as_page(self.look, fault)),
        }
    }

    async fn found(&self, handle: &str) -> Result<Option<Underway>> {
        let (Some(handle), Some(browser)) = (authorize::handle(handle), &self.visitor.browser)
        else {
            return Ok(None);
        };
        let found = pending::find(&self.protocol.ox, Some(&handle), &self.visitor).await?;
        let Some(pending) = found else { return Ok(None) };
        let app = &self.protocol.ox.app;
        let logo = pictures::of_application(app, &pending.application).await?;
        let logo = logo.map(|it| shown_picture(&self.look, &it));
        let kept = Kept { handle, browser: browser.clone() };
        Ok(Some(Underway { kept, pending, logo }))
    }

    /// What is known of the language that is wished for.
    fn wishes(&self, fallback: Locale) -> Wishes<'_> {
        let pending = self.underway.as_ref().map(|it| &it.pending);
        let request = pending.and_then(|it| Some((it.request.ui_locales.as_deref()?, it.asked_at)));
        Wishes { request, ..self.protocol.door.wishes(fallback) }
    }

    /// From now on a page in the language of who is signed in.
    pub(super) fn speak_to(&mut self, me: &Me) {
        let fallback = me.cx().mail_locale(None);
        self.look.locale = language::of_account(me, self.wishes(fallback));
    }

    /// The page that says that nothing is pending here, with the ways on that there are.
    pub(super) fn gone(&self) -> Result<Response> {
        self.lost(None)
    }

    /// As [`Visit::gone`], of the application whose request was too late, where that is known.
    async fn lapsed(&self, handle: &str) -> Result<Response> {
        let Some(handle) = authorize::handle(handle) else { return self.gone() };
        let found = pending::lapsed(&self.protocol.ox, &handle, &self.visitor).await?;
        self.lost(found.as_deref())
    }

    fn lost(&self, application: Option<&Application>) -> Result<Response> {
        let sign_in = Way::new(
            "login",
            format!("{}/login", self.look.brand.base_path),
            self.say("page.login.title"),
        );
        // Only to what an operator has entered: what registers itself could name any address.
        let known = application.filter(|it| it.origin == Origin::Operator);
        let home = known.and_then(|it| it.metadata.client_uri.clone().filter(|url| is_web(url)));
        let back = known.zip(home).map(|(application, url)| {
            let texts = self.protocol.ox.app.view.texts();
            let named = minijinja::context! { application => application.name.as_str() };
            Way::new("back", url, texts.say(self.look.locale, "page.signed_out.back", named))
        });
        let page = LostPage {
            title: self.say("page.sign_in.expired_title"),
            text: self.say("page.sign_in.expired_text"),
            ways: back.into_iter().chain([sign_in]).collect(),
        };
        self.page(&page, StatusCode::BAD_REQUEST)
    }

    /// An answer; errors are shown as pages in the page's look.
    pub(super) fn concluded(&self, result: Result<Response>) -> Response {
        result.unwrap_or_else(|error| *as_page(self.look.clone(), error))
    }

    /// Renders a page that stands in no frame.
    pub(super) fn page<P: Page>(&self, page: &P, status: StatusCode) -> Result<Response> {
        self.rendered(page, status, Framing::Never)
    }

    /// Renders a page that those whom the tenant has named may show in a frame.
    pub(super) fn embeddable<P: Page>(&self, page: &P, status: StatusCode) -> Result<Response> {
        self.rendered(page, status, Framing::By(&self.embedders))
    }

    fn rendered<P: Page>(
        &self,
        page: &P,
        status: StatusCode,
        framing: Framing<'_>,
    ) -> Result<Response> {
        let app = &self.protocol.ox.app;
        let nonce = base64::engine::general_purpose::STANDARD.encode(app.entropy.bytes::<16>()?);
        let frame = PageFrame { locale: self.look.locale, brand: &self.look.brand, nonce: &nonce };
        let mut response = (status, Html(app.view.page(frame, page)?)).into_response();
        let target = self.underway.as_ref().map(|it| &it.pending.request.redirect_uri);
        let target = target.and_then(|uri| Url::parse(uri).ok());
        let policy =
            headers::interaction_policy(&nonce, target.as_ref(), framing, page.foreign_sources());
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if self.underway.is_none() && matches!(framing, Framing::Never | Framing::By([])) {
            headers::part_from_opener(response.headers_mut());
        }
        Ok(response)
    }

    /// The text of `key` in the page's language.
    pub(super) fn say(&self, key: &str) -> String {
        let texts = self.protocol.ox.app.view.texts();
        texts.say(self.look.locale, key, minijinja::context! {})
    }

    /// What all pages of the request show and keep.
    pub(super) fn around(&self) -> Around {
        let form_token = FormToken::new(self.key.proof());
        let Some(Underway { kept, pending, logo }) = &self.underway else {
            return Around { form_token, ..Around::default() };
        };
        let handle = kept.handle.expose().to_owned();
        let is_platform = matches!(self.protocol.ox.flavour, Flavour::Platform);
        let realm = (is_platform && self.is_at_tenant).then_some(PLATFORM);
        Around {
            query: query(&handle, realm),
            form_token,
            handle: Some(handle),
            realm,
            application: Some(ApplicationShown {
                name: pending.application.name.clone(),
                logo: logo.clone(),
            }),
        }
    }

    /// The request as a query string with its question mark, for a page of a tenant.
    pub(super) fn query_at_tenant(&self) -> String {
        let Some(Underway { kept, .. }) = &self.underway else { return String::new() };
        let is_platform = matches!(self.protocol.ox.flavour, Flavour::Platform);
        query(kept.handle.expose(), is_platform.then_some(PLATFORM))
    }

    /// The surroundings of a sign-in that reaches what the request wants.
    pub(super) fn demanded(&self, cx: Cx) -> Cx {
        let wants = self.underway.as_ref().is_some_and(|it| it.pending.wants_second_factor());
        if wants { hand_over::with_second_factor(cx) } else { cx }
    }

    /// Where the browser goes once somebody has signed in.
    pub(super) fn onward(&self, cx: &Cx) -> String {
        match &self.underway {
            Some(Underway { kept, .. }) => {
                hand_over::resumption(&self.protocol.ox, Some(&kept.handle))
            }
            None => self.device_page(cx).unwrap_or_else(|| self.account_page(cx)),
        }
    }

    /// The page of the portal that this sign-in was wanted for, else the tenant's front page.
    fn account_page(&self, cx: &Cx) -> String {
        let wanted = cookies::wanted_page_of(cx, &self.protocol.door.headers);
        let place: Option<Place> = wanted.and_then(|name| name.parse().ok());
        format!("{}{}", base_url(&cx.app, &cx.tenant), place.map(Place::path).unwrap_or_default())
    }

    /// The page of a device that waits for this sign-in, of the tenant or of the platform.
    fn device_page(&self, cx: &Cx) -> Option<String> {
        let headers = &self.protocol.door.headers;
        let (own, origin) = (base_url(&cx.app, &cx.tenant), origin(&cx.app).to_owned());
        let places = [(Realm::Tenant(cx.tenant.id), own), (Realm::Platform, origin)];
        places.into_iter().find_map(|(realm, base)| {
            let code = cookies::waiting_device_of(&cx.app, realm, headers)?;
            // Only what has the form of a code goes into an address.
            let code = UserCode::parse(&code);
            let query = code.map(|code| format!("?user_code={}", code.grouped()));
            Some(format!("{base}/device{}", query.unwrap_or_default()))
        })
    }

    /// Notes that somebody has signed in; the cookies that tell.
    pub(super) async fn entered(
        &self,
        cx: &Cx,
        signed_in: &SignedIn,
    ) -> Result<Vec<Cookie<'static>>> {
        if let Some(Underway { pending, .. }) = &self.underway {
            asking::signed_in(&self.protocol.ox, pending, &self.visitor, cx.tenant.id).await?;
        }
        let mut set = vec![cookies::no_step(cx)];
        let typed = cookies::typed_of(cx, &self.protocol.door.headers);
        set.extend(typed.map(|_| cookies::no_typed(cx)));
        if signed_in.tokens.is_none() {
            set.push(cookies::session(cx, &signed_in.session));
        }
        set.extend(signed_in.device.as_ref().map(|token| cookies::device(cx, token)));
        Ok(set)
    }

    /// The person gives up: the application hears of it.
    pub(super) async fn cancelled(&self) -> Result<Response> {
        let Some(Underway { kept, .. }) = &self.underway else { return self.gone() };
        let ox = &self.protocol.ox;
        let outcome = authorize::refuse(ox, &kept.handle, &self.visitor).await;
        Ok(shown(&self.protocol, outcome))
    }
}

/// Whether an address may be a link of ours.
pub(super) fn is_web(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn query(handle: &str, realm: Option<&str>) -> String {
    let realm = realm.map(|realm| format!("&realm={realm}")).unwrap_or_default();
    format!("?request={handle}{realm}")
}

/// A picture that we keep, as a page of that look shows it.
pub(super) fn shown_picture(look: &Look, picture: &Picture) -> Shown {
    look.brand.shown(&picture.file_name(), (picture.width, picture.height))
}

#[expect(clippy::unnecessary_box_returns, reason = "it is an error, and those are small")]
fn as_page(look: Look, error: Error) -> Box<Response> {
    let mut response = error.into_response();
    response.extensions_mut().insert(AsPage(look));
    Box::new(response)
}

/// An address of ours with one parameter more.
pub(super) fn with_parameter(address: &str, name: &str, value: &str) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}{name}={value}")
}

/// Sends a browser on, after a form too by GET, with cookies to keep.
pub(super) fn sent_on(to: &str, cookies: impl IntoIterator<Item = Cookie<'static>>) -> Response {
    with_cookies(Redirect::to(to).into_response(), cookies)
}

/// The same answer with cookies to keep.
pub(super) fn with_cookies(
    mut response: Response,
    cookies: impl IntoIterator<Item = Cookie<'static>>,
) -> Response {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}
