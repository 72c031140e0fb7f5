//! The second step of a sign-in: mailing a code, beginning a WebAuthn ceremony, judging an answer.
//!
//! A step is one row; its token is all that a caller knows of it. Wrong answers are counted on the
//! step and, over all steps, on the user, so that opening new steps buys no guesses.

use crate::{
    crypto::{
        codes,
        opaque::{Token, digest_text},
        totp,
    },
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        factor::{MAILED_CODE_LIFETIME, Method, STEP_FAILURES, canonical_code},
        guessing,
        login::{Account, offered},
    },
    error::{Code, Error, Result},
    flows::{
        Cx,
        gate::Pass,
        session::open::{SignedIn, is_overtaken, place},
    },
    id::{CeremonyId, UserId},
    secret::Secret,
    store::{
        self,
        challenges::{Search, Step},
    },
};

pub(super) mod answer;
pub mod mailed;
pub mod offer;
pub mod webauthn;

/// What the keyed digests of mailed codes are for.
const MAILED: &str = "mailed code";
/// What the keyed digests of backup codes are for.
pub(super) const BACKUP: &str = "backup code";

/// What failures of a user's second factors are counted under; those of a known device of his on
/// their own, so that a stranger who knows the password cannot lock the owner out.
#[must_use]
pub fn subject(user: UserId, device: Option<&Token>) -> [u8; 32] {
    let device = device.map_or("", |cookie| cookie.expose());
    digest_text(&["factor", &user.to_string(), device])
}

/// A step, as a caller names it.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its token, as it came.
    pub token: Secret<String>,
    /// Whose it should be, as it came; checked where it is given.
    pub user: Option<String>,
    /// The device's cookie, where it sent one.
    pub device: Option<Token>,
}

/// An answer to a step.
#[derive(Debug, Clone)]
pub struct Answer {
    /// By which method.
    pub method: Method,
    /// The proof itself.
    pub proof: Proof,
    /// Whether the session is to outlive the browser, even if the password step did not say so.
    pub remember_device: bool,
    /// Whether the device is to be trusted.
    pub trust_device: bool,
    /// The name that the device gives itself.
    pub fingerprint: Option<String>,
}

/// What is shown as proof.
#[derive(Clone)]
pub enum Proof {
    /// A code, as it was typed.
    Code(String),
    /// The answer of an authenticator.
    Assertion {
        /// In which ceremony.
        ceremony: Option<CeremonyId>,
        /// What the browser sent.
        credential: serde_json::Value,
    },
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Code(_) => "Code(…)",
            Self::Assertion { .. } => "Assertion(…)",
        })
    }
}

/// What came of an answer.
#[derive(Debug)]
pub enum Outcome {
    /// In.
    SignedIn {
        /// The session.
        signed_in: Box<SignedIn>,
        /// The token of a device that is trusted from now on.
        trusted_device: Option<Token>,
    },
    /// Wrong, and counted.
    Failed(Failure),
}

/// Why an answer is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The code is wrong, or was used.
    InvalidCode,
    /// The mailed code is right and too old, or none is under way.
    ExpiredCode,
    /// The authenticator's answer does not hold.
    InvalidCredential,
}

impl Failure {
    /// The documented spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidCode => "invalid_code",
            Self::ExpiredCode => "expired_code",
            Self::InvalidCredential => "invalid_credential",
        }
    }
}

/// Judges an answer to a step.
///
/// # Errors
/// `invalid_mfa_token` for every kind of bad step, `method_not_available`, `too_many_attempts`, or
/// where the database fails.
pub async fn verify(cx: &Cx, named: &Named, answer: &Answer) -> Result<Outcome> {
    let token = Token::parse(named.token.expose()).ok_or_else(bad_step)?;
    let _turn = enter(cx, &token, named).await?;
    match attempt(cx, &token, named, answer).await {
        // Somebody was faster with the same code or the same step: see what holds now.
        Err(error) if is_overtaken(&error) => attempt(cx, &token, named, answer).await,
        other => return other,
    }
    .map_err(|error| if is_overtaken(&error) { bad_step() } else { error })
}

/// Whatever is wrong with a step, the answer is the same.
fn bad_step() -> Error {
    Error::refused(Code::InvalidMfaToken)
}

/// One at a time for each user, so that parallel guesses do not all read the same count.
async fn enter(cx: &Cx, token: &Token, named: &Named) -> Result<Pass> {
    let user = match named.user.as_deref().map(str::parse::<UserId>) {
        Some(Ok(user)) => user,
        Some(Err(_)) => return Err(bad_step()),
        None => {
            let input = (cx.tenant.id, *token.digest().as_bytes());
            let owner = cx
                .app
                .db
                .read(input, |tx, (tenant, digest)| {
                    Box::pin(store::challenges::owner(tx, *tenant, *digest))
                })
                .await?;
            owner.ok_or_else(bad_step)?
        }
    };
    cx.app.gates.enter(subject(user, None)).await
}

/// The step of a token, alive, of the user who is named, and not held back by the guessing rule.
async fn find(cx: &Cx, token: &Token, named: &Named, code: Option<&str>) -> Result<Step> {
    let backup =
        |code| codes::digest(&cx.app.master_key, BACKUP, &[&cx.tenant.id.to_string()], code);
    let search = Search {
        digest: *token.digest().as_bytes(),
        device: named.device.as_ref().map(|token| *token.digest().as_bytes()),
        place: place(cx),
        backup_code: code.map(backup).transpose()?,
        max_failures: STEP_FAILURES,
        now: cx.now,
    };
    let step = cx
        .app
        .db
        .read((cx.tenant.id, search), |tx, (tenant, search)| {
            Box::pin(store::challenges::find(tx, *tenant, search))
        })
        .await?
        .filter(|step| step.purpose == "verify")
        .ok_or_else(bad_step)?;
    if named.user.as_deref().is_some_and(|user| user != step.user.id.to_string()) {
        let fail = store::challenges::fail(cx.tenant.id, step.id);
        cx.app.db.write(fail, |tx, fail| Box::pin(fail.clone().execute(tx))).await?;
        return Err(bad_step());
    }
    if let Some(retry) = guessing::account_wait(step.count, cx.now) {
        metrics::counter!("countersign_throttled_total", "verdict" => "throttled").increment(1);
        return Err(Error::Throttled { retry });
    }
    Ok(step)
}

/// What the user of a step may answer with, strongest first.
fn available(cx: &Cx, step: &Step) -> Vec<Method> {
    let account = Account {
        status: step.user.status,
        email_verified: step.user.email_verified_at.is_some(),
        must_change_password: false,
        password_changed_at: cx.now,
        methods: step.methods.clone(),
        default_method: step.default_method,
        device_trusted: false,
    };
    offered(&cx.tenant.settings, &account)
}

fn check_available(cx: &Cx, step: &Step, method: Method) -> Result<()> {
    if available(cx, step).contains(&method) {
        return Ok(());
    }
    Err(Error::refused(Code::MethodNotAvailable))
}

async fn attempt(cx: &Cx, token: &Token, named: &Named, answer: &Answer) -> Result<Outcome> {
    let code = match &answer.proof {
        Proof::Code(code) => Some(canonical_code(code)),
        Proof::Assertion { .. } => None,
    };
    let step = find(cx, token, named, code.as_deref()).await?;
    check_available(cx, &step, answer.method)?;
    let judged = match (&answer.proof, code) {
        (Proof::Assertion { ceremony, credential }, _) => {
            webauthn::judge(cx, &step, *ceremony, credential).await?
        }
        (Proof::Code(_), code) => judge_code(cx, &step, answer.method, &code.unwrap_or_default())?,
    };
    let step = answer::Judged { cx, step: &step, answer };
    match judged {
        Ok(uses) => step.sign_in(uses).await,
        Err(failure) => step.fail(failure).await.map(Outcome::Failed),
    }
}

/// What a right answer uses up: each has to change exactly one row.
type Uses = Vec<Query>;

fn judge_code(
    cx: &Cx,
    step: &Step,
    method: Method,
    code: &str,
) -> Result<std::result::Result<Uses, Failure>> {
    let (tenant, user) = (cx.tenant.id, step.user.id);
    match method {
        Method::Totp => {
            let Some((sealed, last)) = &step.totp else { return Ok(Err(Failure::InvalidCode)) };
            let matched = open_key(cx, user, sealed)?.check(code, cx.now)?;
            // A code that was used, and any older one, is as good as wrong (RFC 6238 §5.2).
            Ok(matched
                .filter(|matched| matched > last)
                .map_or(Err(Failure::InvalidCode), |matched| {
                    Ok(vec![store::factors::use_step(tenant, user, sealed, matched, cx.now)])
                }))
        }
        Method::Email => {
            let digest = mailed_digest(cx, &step.id.to_string(), code)?;
            let known = step.email_code.is_some_and(|known| is_same(&known, &digest));
            let in_time = cx.now < step.email_sent_at + MAILED_CODE_LIFETIME;
            Ok(match (step.email_code, known, in_time) {
                (None, ..) | (_, true, false) => Err(Failure::ExpiredCode),
                (Some(_), false, _) => Err(Failure::InvalidCode),
                (Some(_), true, true) => Ok(Vec::new()),
            })
        }
        Method::BackupCode if step.backup_code_good => {
            let parts = cx.tenant.id.to_string();
            let digest = codes::digest(&cx.app.master_key, BACKUP, &[&parts], code)?;
            Ok(Ok(vec![store::factors::use_backup_code(tenant, user, digest, cx.now)]))
        }
        Method::BackupCode | Method::Webauthn => Ok(Err(Failure::InvalidCode)),
    }
}

/// The key of a user's authenticator app, opened.
///
/// # Errors
/// Where it was sealed with another master key.
pub(super) fn open_key(cx: &Cx, user: UserId, sealed: &[u8]) -> Result<totp::Key> {
    let place = [cx.tenant.id.to_string(), user.to_string()];
    let opened = cx.app.master_key.open(TOTP, &place.each_ref().map(String::as_str), sealed)?;
    Ok(totp::Key::from_bytes(opened))
}

/// The key of a user's authenticator app, sealed.
///
/// # Errors
/// Only through a fault of the library.
pub(super) fn seal_key(cx: &Cx, user: UserId, key: &totp::Key) -> Result<Vec<u8>> {
    let place = [cx.tenant.id.to_string(), user.to_string()];
    cx.app.master_key.seal(TOTP, &place.each_ref().map(String::as_str), key.expose())
}

const TOTP: &str = "totp key";

/// What is stored of a code that was mailed for the step or enrolment that `id` names.
pub(super) fn mailed_digest(cx: &Cx, id: &str, code: &str) -> Result<[u8; 32]> {
    codes::digest(&cx.app.master_key, MAILED, &[&cx.tenant.id.to_string(), id], code)
}

/// Compares keyed digests in constant time.
pub(super) fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    crate::secret::Secret::new(*a) == crate::secret::Secret::new(*b)
}

/// Something that a user did in a second step.
fn event(user: UserId, action: Action) -> Event {
    Event::success(action, Actor::User(user), Target::User(Some(user)))
}
