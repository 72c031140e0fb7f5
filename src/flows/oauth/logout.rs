//! Signing out where an application asks for it (OpenID Connect RP-Initiated Logout 1.0): at once
//! where it names the very session that the browser is in, else after a question.
//!
//! Nobody is sent anywhere but to an address that the application has registered, and nothing is
//! ended that the browser does not hold.

use std::sync::Arc;

use url::Url;

use super::{
    Answered, Failure, Flavour, Ox,
    guest::{self, Guest},
    hint::{self, Hint},
    issuer,
    mint::subject,
    pending::{Present, Visitor},
};
use crate::{
    domain::{
        application::Application,
        audit::{Action, Actor, Event, Target},
        oauth::{Denial, parameters::Parameters},
        tenant::Tenant,
    },
    error::Result,
    flows::applications::{self, Registered},
    store::{self, session_clients::Listener},
};

/// What the keyed digests are for that the page proves itself with.
pub const PAGE: &str = "logout page";
/// Bytes of `state`, at most.
const LONGEST: usize = 4_096;

/// What becomes of a wish to sign out.
#[derive(Debug)]
pub enum Outcome {
    /// The wish is not what it seems: nothing is ended, and nobody is sent anywhere.
    Refused(Denial),
    /// The person is asked first.
    Ask(Question),
    /// The sessions have ended.
    Left(Left),
}

/// A question whether to sign out.
#[derive(Debug)]
pub struct Question {
    /// Who is asked.
    pub guest: Guest,
    /// The name of the application that wants it, where it is known.
    pub application: Option<String>,
}

/// What is left to do after sessions have ended.
#[derive(Debug)]
pub struct Left {
    /// The tenants whose cookies are of no use any more.
    pub tenants: Vec<Arc<Tenant>>,
    /// What the browser has to load, so that applications hear of it (OpenID Connect Front-Channel
    /// Logout 1.0).
    pub frames: Vec<Url>,
    /// Where the person goes then.
    pub back: Option<Url>,
    /// The name of the application that wanted it, where it is known.
    pub application: Option<String>,
}

/// What an application wants.
struct Wish {
    application: Option<Arc<Application>>,
    hint: Option<Hint>,
    back: Option<Url>,
}

/// Takes a wish to sign out, as an application sends it.
///
/// # Errors
/// Where the database fails.
pub async fn begin(ox: &Ox, given: &Parameters, visitor: &Visitor) -> Result<Outcome> {
    let wish = match wish(ox, given).await {
        Ok(wish) => wish,
        Err(failure) => return refused(failure),
    };
    let Some(guest) = guest::find(ox, visitor, PAGE).await? else {
        return leave(ox, &[], wish).await;
    };
    match meant(ox, &wish, &guest).await? {
        Some(present) => leave(ox, &[present], wish).await,
        None => Ok(Outcome::Ask(Question { guest, application: wish.name() })),
    }
}

/// Signs out after the question.
///
/// # Errors
/// `invalid_csrf_token`, or where the database fails.
pub async fn confirm(ox: &Ox, given: &Parameters, visitor: &Visitor) -> Result<Outcome> {
    let wish = match wish(ox, given).await {
        Ok(wish) => wish,
        Err(failure) => return refused(failure),
    };
    let Some(guest) = guest::find(ox, visitor, PAGE).await? else {
        return leave(ox, &[], wish).await;
    };
    guest.check(given.get("proof"))?;
    let present: Vec<&Present> = guest.present.iter().map(|(one, _)| one).collect();
    leave(ox, &present, wish).await
}

fn refused(failure: Failure) -> Result<Outcome> {
    failure.into_denial().map(Outcome::Refused)
}

impl Wish {
    fn name(&self) -> Option<String> {
        self.application.as_ref().map(|it| it.name.clone())
    }
}

async fn wish(ox: &Ox, given: &Parameters) -> Answered<Wish> {
    let hint = match given.get("id_token_hint") {
        Some(text) => {
            let hint = hint::read(ox, text).await?;
            let bad = || Denial::request("id_token_hint is not an ID token of ours");
            Some(hint.ok_or_else(bad)?)
        }
        None => None,
    };
    let application = application(ox, given, hint.as_ref()).await?;
    let back = back(application.as_deref(), given)?;
    Ok(Wish { application, hint, back })
}

/// The application that wants it: as it says, and as its ID token does.
async fn application(
    ox: &Ox,
    given: &Parameters,
    hint: Option<&Hint>,
) -> Answered<Option<Arc<Application>>> {
    let hinted = hint.and_then(|hint| hint.aud.names().into_iter().next());
    let client_id = match (given.get("client_id"), hint) {
        (Some(said), Some(hint)) if !hint.aud.has(said) => {
            let sentence = "id_token_hint was made for another application";
            return Err(Denial::request(sentence).into());
        }
        (Some(said), _) => said.to_owned(),
        (None, _) => match hinted {
            Some(hinted) => hinted,
            None => return Ok(None),
        },
    };
    let found = applications::by_client_id(&ox.app, &client_id, ox.owners()).await?;
    match found.filter(|it| it.application.is_active) {
        Some(Registered { application, .. }) => Ok(Some(application)),
        None => Err(Denial::request("there is no such application").into()),
    }
}

/// Where the person goes then: an address that the application has registered, compared exactly.
fn back(application: Option<&Application>, given: &Parameters) -> Answered<Option<Url>> {
    // Without an application there is nobody to go back to.
    let (Some(uri), Some(application)) = (given.get("post_logout_redirect_uri"), application)
    else {
        return Ok(None);
    };
    let mut known = application.metadata.post_logout_redirect_uris.iter().flatten();
    let url = known.any(|it| it == uri).then(|| Url::parse(uri).ok()).flatten();
    let bad = || Denial::request("post_logout_redirect_uri is not one that is registered");
    let mut url = url.ok_or_else(bad)?;
    match given.get("state") {
        Some(state) if state.len() > LONGEST => Err(Denial::request("state is too long").into()),
        Some(state) => {
            url.query_pairs_mut().append_pair("state", state);
            Ok(Some(url))
        }
        None => Ok(Some(url)),
    }
}

/// The session that the hint names, if the browser is in it.
async fn meant<'g>(ox: &Ox, wish: &Wish, guest: &'g Guest) -> Result<Option<&'g Present>> {
    let (Some(hint), Some(application)) = (&wish.hint, &wish.application) else { return Ok(None) };
    for (one, _) in &guest.present {
        let is_named = match hint.sid {
            Some(sid) if sid == one.session.id => true,
            // The session may have taken the place of the one that the application knows.
            Some(sid) => listeners(ox, one)
                .await?
                .iter()
                .any(|it| it.application == application.id && it.sid == sid),
            // Of a family that outlives its session: the only account here.
            None => guest.present.len() == 1,
        };
        if is_named && subject(&ox.app, application, one.session.user)? == hint.sub {
            return Ok(Some(one));
        }
    }
    Ok(None)
}

async fn listeners(ox: &Ox, present: &Present) -> Result<Vec<Listener>> {
    ox.app
        .db
        .read((present.tenant.id, present.session.id), |tx, (tenant, session)| {
            Box::pin(store::session_clients::of_session(tx, *tenant, *session))
        })
        .await
}

async fn leave(ox: &Ox, sessions: &[&Present], wish: Wish) -> Result<Outcome> {
    let mut frames = Vec::new();
    let mut tenants = Vec::new();
    for present in sessions {
        frames.extend(frames_of(ox, present).await?);
        end(ox, present, wish.application.as_deref()).await?;
        tenants.push(Arc::clone(&present.tenant));
    }
    if let (true, Flavour::Tenant(tenant)) = (tenants.is_empty(), &ox.flavour) {
        tenants.push(Arc::clone(tenant));
    }
    frames.sort();
    frames.dedup();
    let application = wish.name();
    Ok(Outcome::Left(Left { tenants, frames, back: wish.back, application }))
}

/// What the browser loads so that the applications of a session hear of its end.
async fn frames_of(ox: &Ox, present: &Present) -> Result<Vec<Url>> {
    let mut frames = Vec::new();
    for Listener { application, sid, realm } in listeners(ox, present).await? {
        let found = applications::by_id(&ox.app, application).await?;
        let Some(found) = found.filter(|it| it.application.is_active) else { continue };
        let metadata = &found.application.metadata;
        let uri = metadata.frontchannel_logout_uri.as_deref();
        let Some(mut url) = uri.and_then(|uri| Url::parse(uri).ok()) else { continue };
        if metadata.frontchannel_logout_session_required.unwrap_or(false) {
            url.query_pairs_mut()
                .append_pair("iss", &issuer(&ox.app, realm))
                .append_pair("sid", &sid.to_string());
        }
        frames.push(url);
    }
    Ok(frames)
}

async fn end(ox: &Ox, present: &Present, application: Option<&Application>) -> Result<()> {
    let (tenant, session) = (present.tenant.id, present.session.id);
    let actor = Actor::User(present.session.user);
    let event = Event::success(Action::SessionEnded, actor, Target::Session(session))
        .with("by", "logout")
        .with("client_id", application.map(|it| it.client_id.clone()));
    let audit = ox.record(tenant, event)?;
    ox.app
        .db
        .write((tenant, session, audit), |tx, (tenant, session, audit)| {
            Box::pin(async move {
                if store::sessions::end(tx, *tenant, *session).await? {
                    audit.clone().execute(tx).await?;
                }
                Ok(())
            })
        })
        .await?;
    ox.app.logout_due.notify_one();
    Ok(())
}
