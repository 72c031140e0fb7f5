//! The authorization endpoint (RFC 6749 §3.1): from a request to a code, over whatever pages lie
//! between.
//!
//! Each visit looks at everything anew: which session the browser is in, what the person has
//! allowed. So nothing that a page says is believed, and reloading or coming back later is safe.

use std::sync::Arc;

use super::{
    Answered, Failure, Ox, hint,
    mint::subject,
    pending::{self, Kept, Pending, Present, Visitor},
    pushed, request_object,
};
use crate::{
    clock::Timestamp,
    crypto::opaque::Token,
    db::Query,
    domain::{
        application::Application,
        audit::{Action, Actor, Event, Target},
        oauth::{
            Denial, ErrorCode,
            interaction::{self, CODE_LIFETIME, Consented, Facts, Step},
            parameters::Parameters,
            request::{AuthorizationRequest, ReturnPath, check, return_path},
            scope::Scope,
        },
        tenant::Tenant,
    },
    error::{Context, Result},
    flows::{
        all_or_nothing,
        applications::{self, Registered},
    },
    store::{self, consents::Consent},
};

/// What is sent to the application.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where to, and how.
    pub back: ReturnPath,
    /// What: names and values; one may be a code.
    pub parameters: Vec<(&'static str, String)>,
}

/// The names only: a code is a secret.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.parameters.iter().map(|(name, _)| name)).finish()
    }
}

/// A page of ours that a person has to see first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Who he is.
    SignIn,
    /// A new account.
    Register,
    /// Which of his accounts he means.
    SelectAccount,
    /// Whether he allows it.
    Consent,
}

/// What becomes of a visit to the authorization endpoint.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is sent anywhere: the application or its address is in doubt.
    Refused(Denial),
    /// The application gets its answer.
    Answered(Answer),
    /// A page comes first.
    Interact {
        /// Which.
        page: Page,
        /// How it finds the request again.
        kept: Kept,
        /// Whose page it is; `None`: the platform's.
        tenant: Option<Arc<Tenant>>,
    },
}

/// Takes an authorization request as it came.
///
/// # Errors
/// Where the database fails.
pub async fn begin(ox: &Ox, given: Parameters, visitor: &Visitor) -> Result<Outcome> {
    let application = match found(ox, &given).await {
        Ok(application) => application,
        Err(failure) => return refused(failure),
    };
    // Where answers go at all, as far as what stands outside of any object tells.
    let is_pushed = given.get("request_uri").is_some_and(pushed::is_ours);
    let outside = return_path(&application, &given).ok().filter(|_| !is_pushed);
    let (request, back) = match taken(ox, &application, given).await {
        Ok(taken) => taken,
        Err((failure, back)) => {
            return match back.or(outside) {
                Some(back) => denied(ox, back, failure),
                None => refused(failure),
            };
        }
    };
    let journey = Journey { application, request, asked_at: ox.now, pending: None };
    match journey.proceed(ox, visitor, None).await {
        Ok(outcome) => Ok(outcome),
        Err(failure) => denied(ox, back, failure),
    }
}

/// Goes on with the pending request of a handle, as it came, or without one with the browser's
/// newest: after a sign-in, or a choice.
///
/// # Errors
/// Where the database fails.
pub async fn resume(ox: &Ox, handle: Option<&str>, visitor: &Visitor) -> Result<Outcome> {
    let handle = match handle.map(self::handle) {
        // What has not the form of one is as good as one that has expired.
        Some(None) => return Ok(Outcome::Refused(pending::expired())),
        Some(known) => known,
        None => None,
    };
    match pending::need(ox, handle.as_ref(), visitor).await {
        Ok(pending) => go_on(ox, pending, visitor, (handle.as_ref(), false)).await,
        Err(failure) => refused(failure),
    }
}

/// The handle that a text is, if it has the form of one.
#[must_use]
pub fn handle(text: &str) -> Option<Token> {
    Token::parse(text)
}

async fn go_on(
    ox: &Ox,
    pending: Pending,
    visitor: &Visitor,
    (handle, just_consented): (Option<&Token>, bool),
) -> Result<Outcome> {
    let back = pending.request.return_path();
    let journey = Journey {
        application: Arc::clone(&pending.application),
        request: pending.request.clone(),
        asked_at: pending.asked_at,
        pending: Some(Underway { pending, just_consented }),
    };
    match journey.proceed(ox, visitor, handle).await {
        Ok(outcome) => Ok(outcome),
        Err(failure) => denied(ox, back, failure),
    }
}

/// Notes that the person allows what a pending request asks for, and goes on.
///
/// # Errors
/// Where the database fails.
pub async fn allow(ox: &Ox, handle: &Token, visitor: &Visitor) -> Result<Outcome> {
    let pending = match pending::need(ox, Some(handle), visitor).await {
        Ok(pending) => pending,
        Err(failure) => return refused(failure),
    };
    let Some(present) = chosen(ox, &pending, visitor).await? else {
        return go_on(ox, pending, visitor, (Some(handle), false)).await;
    };
    let (tenant, user) = (present.tenant.id, present.session.user);
    let before = consented(ox, &present, &pending.application).await?.unwrap_or_default();
    let request = &pending.request;
    let scope = before.scope.with(&request.scope);
    let mut details = before.details;
    details.extend(
        request
            .authorization_details
            .iter()
            .filter(|it| !details.contains(it))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let consent = Consent {
        application: pending.application.id,
        scope: scope.to_string(),
        details: serde_json::to_string(&details).doing("noting a consent")?,
        granted_at: ox.now,
        updated_at: ox.now,
    };
    let event = Event::success(Action::ConsentGranted, Actor::User(user), Target::User(Some(user)))
        .with("client_id", pending.application.client_id.as_str())
        .with("scope", scope.to_string());
    let queries = vec![store::consents::put(tenant, user, &consent), ox.record(tenant, event)?];
    ox.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    go_on(ox, pending, visitor, (Some(handle), true)).await
}

/// Ends a pending request with the person's no.
///
/// # Errors
/// Where the database fails.
pub async fn refuse(ox: &Ox, handle: &Token, visitor: &Visitor) -> Result<Outcome> {
    let pending = match pending::need(ox, Some(handle), visitor).await {
        Ok(pending) => pending,
        Err(failure) => return refused(failure),
    };
    let (digest, browser) = pending.key;
    let query = store::authorization_requests::end(ox.realm(), digest, browser);
    ox.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    let denial = Denial::new(ErrorCode::AccessDenied, "the person did not allow it");
    denied(ox, pending.request.return_path(), denial.into())
}

/// The application that a request names, in use.
async fn found(ox: &Ox, given: &Parameters) -> Answered<Arc<Application>> {
    let client_id = given.need("client_id")?;
    let found = applications::by_client_id(&ox.app, client_id, ox.owners()).await?;
    let unknown = || Denial::new(ErrorCode::InvalidClient, "there is no such application");
    let Registered { application, .. } =
        found.filter(|it| it.application.is_active).ok_or_else(unknown)?;
    Ok(application)
}

type Taken = (AuthorizationRequest, ReturnPath);

/// The request itself: pushed, in an object, or plain; with a failure comes where to tell it, if
/// that is known by then.
async fn taken(
    ox: &Ox,
    application: &Application,
    given: Parameters,
) -> Result<Taken, (Failure, Option<ReturnPath>)> {
    let nowhere = |failure: Failure| (failure, None);
    if let Some(request_uri) = given.get("request_uri") {
        if !pushed::is_ours(request_uri) {
            let sentence = "only what was pushed to us can be named by request_uri";
            let denial = Denial::new(ErrorCode::RequestUriNotSupported, sentence);
            return Err(nowhere(denial.into()));
        }
        let request = pushed::take(ox, application, request_uri).await.map_err(nowhere)?;
        let back = request.return_path();
        return Ok((request, back));
    }
    if application.needs_par() {
        let denial = Denial::request("the application has to push its requests");
        return Err(nowhere(denial.into()));
    }
    let given = expanded(ox, application, given).await.map_err(nowhere)?;
    let back = return_path(application, &given).map_err(|denial| nowhere(denial.into()))?;
    match checked(ox, application, &given, &back).await {
        Ok(request) => Ok((request, back)),
        Err(failure) => Err((failure, Some(back))),
    }
}

/// The parameters themselves: those of the request object, where there is one.
pub(super) async fn expanded(
    ox: &Ox,
    application: &Application,
    given: Parameters,
) -> Answered<Parameters> {
    let Some(jwt) = given.get("request") else {
        if application.metadata.require_signed_request_object.unwrap_or(false) {
            return Err(Denial::request("the application has to sign its requests").into());
        }
        return Ok(given);
    };
    request_object::open(ox, application, jwt).await
}

/// The checked request, with who it hints at.
pub(super) async fn checked(
    ox: &Ox,
    application: &Application,
    given: &Parameters,
    back: &ReturnPath,
) -> Answered<AuthorizationRequest> {
    let mut request = check(application, given, back)?;
    if let Some(text) = given.get("id_token_hint") {
        let hint = hint::read(ox, text).await?;
        let own = hint.filter(|hint| hint.aud.has(&application.client_id));
        let Some(hint) = own else {
            return Err(Denial::request("id_token_hint is not an ID token of ours").into());
        };
        request.hinted_subject = Some(hint.sub);
    }
    Ok(request)
}

fn refused(failure: Failure) -> Result<Outcome> {
    failure.into_denial().map(Outcome::Refused)
}

fn denied(ox: &Ox, back: ReturnPath, failure: Failure) -> Result<Outcome> {
    let denial = failure.into_denial()?;
    let parameters = vec![
        ("error", denial.code.as_str().to_owned()),
        ("error_description", denial.description.into_owned()),
    ];
    Ok(Outcome::Answered(answer(ox, back, parameters)))
}

/// An answer, with what every answer has (RFC 9207).
fn answer(ox: &Ox, back: ReturnPath, mut parameters: Vec<(&'static str, String)>) -> Answer {
    if let Some(state) = &back.state {
        parameters.push(("state", state.clone()));
    }
    parameters.push(("iss", ox.issuer()));
    Answer { back, parameters }
}

/// The session that a pending request goes on with.
///
/// # Errors
/// Where the database fails.
pub async fn chosen(ox: &Ox, pending: &Pending, visitor: &Visitor) -> Result<Option<Present>> {
    let mut all = pending::present(ox, visitor, pending.chosen_tenant).await?;
    if let Some(session) = pending.chosen_session {
        all.retain(|it| it.session.id == session);
    }
    let only = all.pop();
    Ok(only.filter(|_| all.is_empty()))
}

/// What somebody has allowed an application; `None` where nothing yet.
async fn consented(
    ox: &Ox,
    present: &Present,
    application: &Application,
) -> Result<Option<Consented>> {
    let input = (present.tenant.id, present.session.user, application.id);
    let found = ox
        .app
        .db
        .read(input, |tx, (tenant, user, application)| {
            Box::pin(store::consents::find(tx, *tenant, *user, *application))
        })
        .await?;
    let Some(consent) = found else { return Ok(None) };
    let details = serde_json::from_str(&consent.details).doing("reading a consent")?;
    Ok(Some(Consented { scope: Scope::from(consent.scope), details }))
}

/// A pending request that goes on.
struct Underway {
    pending: Pending,
    just_consented: bool,
}

/// A request on its way to an answer.
struct Journey {
    application: Arc<Application>,
    request: AuthorizationRequest,
    asked_at: Timestamp,
    pending: Option<Underway>,
}

impl Journey {
    async fn proceed(
        &self,
        ox: &Ox,
        visitor: &Visitor,
        handle: Option<&Token>,
    ) -> Answered<Outcome> {
        // What it rests on may end while a code is made: then everything is looked at once more.
        for _ in 0..2 {
            let (step, present) = self.look(ox, visitor).await?;
            let page = match step {
                Step::Deny(denial) => return Err(denial.into()),
                Step::Answer => {
                    let Some(present) = present else { continue };
                    match self.code(ox, &present).await? {
                        Some(answer) => return Ok(Outcome::Answered(answer)),
                        None => continue,
                    }
                }
                Step::SignIn { .. } => Page::SignIn,
                Step::Register => Page::Register,
                Step::SelectAccount => Page::SelectAccount,
                Step::Consent => Page::Consent,
            };
            let kept = self.kept(ox, visitor, handle).await?;
            let tenant = match &ox.flavour {
                super::Flavour::Tenant(tenant) => Some(Arc::clone(tenant)),
                super::Flavour::Platform if page == Page::Consent => {
                    present.map(|present| present.tenant)
                }
                super::Flavour::Platform => None,
            };
            return Ok(Outcome::Interact { page, kept, tenant });
        }
        let sentence = "the session ended in the middle of it";
        Err(Denial::new(ErrorCode::LoginRequired, sentence).into())
    }

    /// What has to happen next, and with which session.
    async fn look(&self, ox: &Ox, visitor: &Visitor) -> Result<(Step, Option<Present>)> {
        let pending = self.pending.as_ref().map(|it| &it.pending);
        let chosen_session = pending.and_then(|it| it.chosen_session);
        let mut all =
            pending::present(ox, visitor, pending.and_then(|it| it.chosen_tenant)).await?;
        if let Some(session) = chosen_session {
            all.retain(|it| it.session.id == session);
        }
        let is_ambiguous = all.len() > 1;
        let present = if is_ambiguous { None } else { all.pop() };
        let facts_present = present.as_ref().map(|it| interaction::Present {
            session: it.session.id,
            user: it.session.user,
            authenticated_at: it.session.proved_at,
            auth_methods: it.session.auth_methods.clone(),
        });
        let mut is_another = false;
        let mut allowed = None;
        if let Some(present) = &present {
            if let Some(hinted) = &self.request.hinted_subject {
                let known_as = subject(&ox.app, &self.application, present.session.user)?;
                is_another = *hinted != known_as;
            }
            if !self.application.skips_consent() {
                let before = consented(ox, present, &self.application).await?;
                // Anybody on the device could have taken the address of this application (RFC 8252
                // §8.6), so that the person is asked each time.
                let is_sure = !self.application.answers_by_scheme(&self.request.redirect_uri);
                allowed = Some(before.filter(|_| is_sure).unwrap_or_default());
            }
        }
        let facts = Facts {
            request: &self.request,
            asked_at: self.asked_at,
            present: facts_present.as_ref(),
            is_another,
            is_ambiguous,
            account_chosen: chosen_session.is_some(),
            consented: allowed.as_ref(),
            just_consented: self.pending.as_ref().is_some_and(|it| it.just_consented),
        };
        Ok((interaction::next(&facts, ox.now), present))
    }

    async fn kept(&self, ox: &Ox, visitor: &Visitor, handle: Option<&Token>) -> Result<Kept> {
        match (&self.pending, handle, &visitor.browser) {
            (Some(_), Some(handle), Some(browser)) => {
                Ok(Kept { handle: handle.clone(), browser: browser.clone() })
            }
            (Some(underway), None, Some(browser)) => {
                pending::rename(ox, &underway.pending, browser).await
            }
            _ => pending::keep(ox, &self.application, &self.request, visitor).await,
        }
    }

    /// Makes a code; `None` where what it rests on has ended.
    async fn code(&self, ox: &Ox, present: &Present) -> Result<Option<Answer>> {
        let code = Token::generate(&ox.app.entropy)?;
        let new = store::authorization_codes::New {
            digest: *code.digest().as_bytes(),
            application: self.application.id,
            session: present.session.id,
            user: present.session.user,
            request: serde_json::to_string(&self.request).doing("keeping a code's request")?,
            now: ox.now,
            expires_at: ox.now + CODE_LIFETIME,
        };
        let ended = self.pending.as_ref().map(|it| {
            let (digest, browser) = it.pending.key;
            store::authorization_requests::end(ox.realm(), digest, browser)
        });
        let mut queries: Vec<Query> = ended.into_iter().collect();
        queries.push(store::authorization_codes::insert(present.tenant.id, ox.realm(), &new));
        if !all_or_nothing(&ox.app, queries, Vec::new()).await? {
            return Ok(None);
        }
        let parameters = vec![("code", code.expose().to_owned())];
        Ok(Some(answer(ox, self.request.return_path(), parameters)))
    }
}
