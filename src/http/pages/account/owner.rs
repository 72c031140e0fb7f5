//! The owner of an account at a page of the portal: who it is, what surrounds his page, and where
//! he goes who has to sign in or to prove who he is first.

use axum::{
    http::{StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{
        home::present,
        login::begun,
        visit::{Asked, Told, Turned, Visit, sent_on, with_cookies},
    },
    place::{Place, SECTIONS},
};
use crate::{
    domain::factor::is_recent,
    error::{Code, Error, Result},
    flows::{Cx, ceremonies::Begun, me::Me},
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::{
        Page,
        pages::account::{LinkShown, Portal, QuestionPage, SectionShown, ToldPage},
    },
};

/// The proof of a request that a script sends.
const CSRF: &str = "x-csrf-token";

/// What the addresses of the portal say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Seen {
    /// What there is to say.
    #[schema(required = false)]
    pub(super) note: String,
    /// Which method is wanted.
    #[schema(required = false)]
    pub(super) method: String,
    /// Where it goes on.
    #[schema(required = false)]
    pub(super) to: String,
    /// Which page of a list.
    #[schema(required = false)]
    pub(super) page: String,
    /// Which application.
    #[schema(required = false)]
    pub(super) client_id: String,
}

impl Seen {
    /// What the same page needs in another language.
    fn kept(&self) -> Vec<(&'static str, String)> {
        let all = [("to", &self.to), ("page", &self.page), ("client_id", &self.client_id)];
        let said = all.into_iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| (name, value.clone())).collect()
    }
}

/// A form that proves itself.
pub(super) trait Proved {
    /// What it shows.
    fn proof(&self) -> &str;
}

/// A form that is nothing but its button.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(in crate::http::pages) struct Pressed {
    #[schema(required = false)]
    proof: String,
}

impl Proved for Pressed {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// What there is to say on a page.
#[derive(Debug)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// Something, by its name in an address.
    Note(String),
    /// What is wrong with the form as a whole.
    Fault(Told),
    /// Something is wrong with a field, where it is said.
    FieldFault,
}

impl Said {
    fn status(&self) -> StatusCode {
        match self {
            Self::Nothing | Self::Note(_) => StatusCode::OK,
            Self::Fault(told) => told.status,
            Self::FieldFault => StatusCode::BAD_REQUEST,
        }
    }
}

/// What one page has to say on the next: its name in the address, and its text.
const NOTES: [(&str, &str); 19] = [
    ("app_added", "page.account.note.app_added"),
    ("app_removed", "page.account.note.app_removed"),
    ("application_revoked", "page.account.note.application_revoked"),
    ("code_sent", "page.account.note.code_sent"),
    ("codes_made", "page.account.note.codes_made"),
    ("default_set", "page.account.note.default_set"),
    ("deletion_cancelled", "page.account.note.deletion_cancelled"),
    ("deletion_scheduled", "page.account.note.deletion_scheduled"),
    ("device_forgotten", "page.account.note.device_forgotten"),
    ("email_requested", "page.account.note.email_requested"),
    ("mail_added", "page.account.note.mail_added"),
    ("mail_removed", "page.account.note.mail_removed"),
    ("passkey_added", "page.account.note.passkey_added"),
    ("passkey_removed", "page.account.note.passkey_removed"),
    ("passkey_renamed", "page.account.note.passkey_renamed"),
    ("password_changed", "page.account.note.password_changed"),
    ("profile_saved", "page.account.note.profile_saved"),
    ("proof_requested", "page.account.note.proof_requested"),
    ("session_ended", "page.account.note.session_ended"),
];

/// The owner of an account at a page of the portal.
#[derive(Debug)]
pub(super) struct Owner {
    /// The page.
    pub(super) visit: Visit,
    /// Who.
    pub(super) me: Me,
    /// Which page.
    pub(super) place: Place,
    /// What its address says.
    kept: Vec<(&'static str, String)>,
}

/// A look at a page.
pub(super) async fn seen<F>(
    door: Door,
    query: Result<Query<Seen>>,
    place: Place,
    handler: F,
) -> Response
where
    F: AsyncFnOnce(&Owner, Seen) -> Result<Response>,
{
    let mut owner = match Owner::open(door, place).await {
        Ok(owner) => owner,
        Err(page) => return *page,
    };
    let result = match query {
        Ok(Query(seen)) => {
            owner.kept = seen.kept();
            handler(&owner, seen).await
        }
        Err(error) => Err(error),
    };
    owner.concluded(result)
}

/// As [`seen`], for a page that serves only who has proved lately who he is: better asked before a
/// form is filled in than after.
pub(super) async fn seen_lately<F>(
    door: Door,
    query: Result<Query<Seen>>,
    place: Place,
    handler: F,
) -> Response
where
    F: AsyncFnOnce(&Owner, Seen) -> Result<Response>,
{
    seen(door, query, place, async |owner: &Owner, seen| {
        owner.me.check_recent()?;
        handler(owner, seen).await
    })
    .await
}

/// A form that was sent.
pub(super) async fn sent<T, F>(
    door: Door,
    body: Result<Form<T>>,
    place: Place,
    handler: F,
) -> Response
where
    T: Proved,
    F: AsyncFnOnce(&Owner, T) -> Result<Response>,
{
    let owner = match Owner::open(door, place).await {
        Ok(owner) => owner,
        Err(page) => return *page,
    };
    let result = match body {
        Ok(Form(body)) => match owner.me.check_csrf(Some(body.proof())) {
            Ok(()) => handler(&owner, body).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    owner.concluded(result)
}

/// What a script of a page asks for: to begin a ceremony.
pub(super) async fn asked<F>(door: Door, handler: F) -> Response
where
    F: AsyncFnOnce(&Me) -> Result<Begun>,
{
    let (visit, cx, _) = match Visit::at_tenant(door, Ok(Asked::default())).await {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let begins = async {
        let me = present(&visit, &cx).await?;
        let me = me.ok_or_else(|| Error::refused(Code::NotAuthenticated))?;
        let shown = visit.protocol.door.headers.get(CSRF).and_then(|value| value.to_str().ok());
        me.check_csrf(shown)?;
        handler(&me).await
    };
    begun(&cx, begins.await)
}

impl Owner {
    async fn open(door: Door, place: Place) -> Turned<Self> {
        let (mut visit, cx, _) = Visit::at_tenant(door, Ok(Asked::default())).await?;
        match present(&visit, &cx).await {
            Ok(Some(me)) => {
                visit.speak_to(&me);
                Ok(Self { visit, me, place, kept: Vec::new() })
            }
            Ok(None) => Err(Box::new(to_sign_in(&visit, &cx, place))),
            Err(fault) => Err(Box::new(visit.concluded(Err(fault)))),
        }
    }

    /// The answer. Who has to prove something first is sent to where he can.
    fn concluded(self, result: Result<Response>) -> Response {
        let cx = self.me.cx();
        let headers = &self.visit.protocol.door.headers;
        let has_arrived = cookies::wanted_page_of(cx, headers).is_some();
        let arrived = has_arrived.then(|| cookies::no_wanted_page(cx));
        let response = match result {
            Err(Error::Refused(no)) if no.code == Code::ReauthenticationRequired => {
                let to = format!("{}/account/confirm?to={}", self.base(), self.place);
                sent_on(&to, [])
            }
            Err(Error::Refused(no)) if no.code == Code::NotAuthenticated => {
                return to_sign_in(&self.visit, cx, self.place);
            }
            Err(Error::Refused(no)) if no.code == Code::InvalidCsrfToken => {
                self.visit.concluded(self.told("page.account.stale", StatusCode::FORBIDDEN))
            }
            Err(Error::NotFound) => {
                self.visit.concluded(self.told("page.account.gone", StatusCode::NOT_FOUND))
            }
            other => self.visit.concluded(other),
        };
        // One that is sent away again is still on his way.
        let leaves = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .any(|cookie| cookie.to_str().is_ok_and(|text| text.contains("cs_wanted_")));
        with_cookies(response, arrived.filter(|_| !leaves))
    }

    /// A page with the title and the text below `key`, and the way back to where one was.
    fn told(&self, key: &str, status: StatusCode) -> Result<Response> {
        let section = self.place.section();
        let label = SECTIONS.iter().find(|(place, ..)| *place == section);
        let page = ToldPage {
            portal: self.portal(&Said::Nothing)?,
            title: self.say(&format!("{key}.title")),
            text: self.say(&format!("{key}.text")),
            back: LinkShown {
                id: "back",
                label: label.map(|(_, _, key)| self.say(key)).unwrap_or_default(),
                url: self.url(section),
            },
        };
        self.visit.page(&page, status)
    }

    /// What the owner is told of a no, in the page that he is at. What leads to another page stays
    /// an error: a session that has ended, and a proof that lies too far back.
    pub(super) fn told_of(&self, error: Error) -> Result<Told> {
        let leads_away = matches!(&error, Error::Refused(no) if matches!(no.code,
            Code::NotAuthenticated | Code::ReauthenticationRequired | Code::InvalidCsrfToken));
        if leads_away { Err(error) } else { self.visit.told(error) }
    }

    /// The path of the tenant's pages.
    pub(super) fn base(&self) -> &str {
        &self.visit.look.brand.base_path
    }

    /// The path of a page of the portal.
    pub(super) fn url(&self, place: Place) -> String {
        format!("{}{}", self.base(), place.path())
    }

    /// The text of `key` in the page's language.
    pub(super) fn say(&self, key: &str) -> String {
        self.visit.say(key)
    }

    /// The text of `key` in the page's language, its variables filled.
    pub(super) fn fill(&self, key: &str, args: minijinja::Value) -> String {
        self.me.cx().app.view.texts().say(self.visit.look.locale, key, args)
    }

    /// Renders a page.
    pub(super) fn page<P: Page>(&self, page: &P, said: &Said) -> Result<Response> {
        self.visit.page(page, said.status())
    }

    /// Sends the browser on to a page that says `note`.
    pub(super) fn on_to(&self, place: Place, note: &str) -> Response {
        sent_on(&format!("{}?note={note}", self.url(place)), [])
    }

    /// Whether its owner has proved lately who he is.
    pub(super) fn is_recent(&self) -> bool {
        is_recent(self.me.session.proved_at, self.me.cx().now)
    }

    /// What surrounds the page.
    pub(super) fn portal(&self, said: &Said) -> Result<Portal> {
        let user = self.me.user();
        let name = format!("{} {}", user.first_name, user.last_name).trim().to_owned();
        let (note, fault) = match said {
            Said::Note(name) => {
                let known = NOTES.iter().find(|(note, _)| note == name);
                (known.map(|(_, key)| self.say(key)), None)
            }
            Said::Fault(told) => (None, Some(told.text.clone())),
            Said::Nothing | Said::FieldFault => (None, None),
        };
        Ok(Portal {
            sections: SECTIONS.iter().map(|section| self.section(section)).collect(),
            initials: initials([&user.first_name, &user.last_name]),
            name: if name.is_empty() { user.email.clone() } else { name },
            email: user.email.clone(),
            proof: self.me.csrf_token()?,
            fault,
            note,
            kept: self.kept.clone(),
            // The answer to a form cannot be had again.
            switch_url: (!self.visit.protocol.door.method.is_safe()).then(|| self.url(self.place)),
        })
    }

    fn section(&self, (place, id, key): &(Place, &'static str, &'static str)) -> SectionShown {
        let current = if self.place == *place {
            Some("page")
        } else {
            (self.place.section() == *place).then_some("true")
        };
        SectionShown { id, label: self.say(key), url: self.url(*place), current }
    }

    /// Asks whether something is really meant.
    pub(super) fn ask(&self, question: Question) -> Result<Response> {
        let said = Said::Nothing;
        let page = QuestionPage {
            portal: self.portal(&said)?,
            title: question.title,
            lead: question.lead,
            facts: question.facts,
            action: format!("{}{}", self.base(), question.path),
            fields: question.fields,
            submit: question.submit,
            is_loss: question.is_loss,
            back_url: self.url(self.place.section()),
        };
        self.page(&page, &said)
    }
}

/// Whether something is really meant.
#[derive(Debug)]
pub(super) struct Question {
    /// The question.
    pub(super) title: String,
    /// What it means.
    pub(super) lead: String,
    /// What it is about: names and values.
    pub(super) facts: Vec<(String, String)>,
    /// Where the answer goes, below the tenant's path.
    pub(super) path: String,
    /// What goes with the answer.
    pub(super) fields: Vec<(&'static str, String)>,
    /// The yes.
    pub(super) submit: String,
    /// Whether something is lost by it.
    pub(super) is_loss: bool,
}

/// The first letters of a name.
fn initials(names: [&str; 2]) -> String {
    let first = |name: &str| name.chars().find(|c| c.is_alphanumeric());
    names.into_iter().filter_map(first).flat_map(char::to_uppercase).collect()
}

/// Sends a browser to sign in, and back here afterwards. Whose session has ended is told so; a form
/// was shown to somebody who had one.
fn to_sign_in(visit: &Visit, cx: &Cx, place: Place) -> Response {
    let door = &visit.protocol.door;
    let had_session = cookies::session_of(cx, &door.headers).is_some() || !door.method.is_safe();
    let note = if had_session { "?note=session_over" } else { "" };
    let to = format!("{}/login{note}", visit.look.brand.base_path);
    sent_on(&to, [cookies::wanted_page(cx, &place.to_string())])
}
