//! Sign-in with a password, up to a session, a second-factor step, or a no.
//!
//! One read, one hash, one write. The hash runs outside any transaction, so the write makes sure
//! that the facts still hold; where they do not, everything starts over once.

use crate::{
    crypto::{
        hasher::{Class, Order, Share},
        opaque::{Token, digest_text},
        password::{PasswordHash, Verdict},
    },
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        factor::Method,
        limits::Limit,
        login::{Account, Decision, Facts, Proof, decide},
        password::Password,
        risk::Counts,
        session::Persistence,
        user::User,
    },
    error::{Code, Error, Result},
    flows::{
        Cx, captcha,
        gate::Pass,
        register,
        risk::{self, Assessed, Known, Occasion},
        session::open::{SignedIn, is_overtaken, place},
        tenants,
    },
    id::UserId,
    secret::Secret,
    store::{
        self,
        login::{Found, Search},
    },
};

mod write;

/// A parsed sign-in.
#[derive(Debug, Clone)]
pub struct Input {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// Whether the session outlives the browser.
    pub persistence: Persistence,
    /// The device's cookie, where it sent one.
    pub device: Option<Token>,
    /// The token of a trusted device, as it came; a bad one is as good as none.
    pub trusted_device: Option<Secret<String>>,
    /// The client that tokens are minted for; `None`: the browser, by its cookie.
    pub client_id: Option<String>,
}

/// What a right password led to.
#[derive(Debug)]
pub enum Outcome {
    /// In.
    SignedIn(SignedIn),
    /// A second factor is due.
    Challenge {
        /// Whose.
        user: UserId,
        /// What the next step is proved by; lives ten minutes.
        token: Token,
        /// What the user may use, strongest first.
        methods: Vec<Method>,
        /// What to offer first.
        default: Method,
    },
    /// A second factor is due and has to be enrolled first.
    Enrol {
        /// Whose.
        user: UserId,
        /// What can do nothing but enrol a first factor.
        token: Token,
    },
    /// A new password is due; the link to set it was mailed.
    ChangePassword {
        /// Whose.
        user: UserId,
    },
}

/// What failures of an account are counted under, on every door.
#[must_use]
pub fn account_subject(email_key: &str) -> [u8; 32] {
    digest_text(&["account", email_key])
}

/// What a known device's failures for an account are counted under.
#[must_use]
pub fn device_subject(email_key: &str, cookie: &Token) -> [u8; 32] {
    digest_text(&["device", email_key, cookie.expose()])
}

/// What a trusted device's failures for an account are counted under.
fn trusted_subject(email_key: &str, token: &Token) -> [u8; 32] {
    digest_text(&["trusted device", email_key, token.expose()])
}

/// Signs in.
///
/// # Errors
/// `invalid_credentials`, `account_suspended`, `email_not_verified`, `too_many_attempts`, or where
/// the database or the hash queue fails.
pub async fn login(cx: &Cx, input: &Input) -> Result<Outcome> {
    let cx = &captcha::judged_ahead(cx).await?;
    let _turn = enter(cx, &input.email).await?;
    let looked = look(cx, input, Occasion::SignIn).await?;
    conclude(cx, input, looked).await
}

/// Checks the password of somebody who has a session: by the same rule and the same counts, but
/// nothing is opened by it.
///
/// # Errors
/// `too_many_attempts`, or where the database or the hash queue fails.
pub async fn check(cx: &Cx, input: &Input) -> Result<bool> {
    let _turn = enter(cx, &input.email).await?;
    let looked = look(cx, input, Occasion::Again).await?;
    let Looked { search, found, proof, assessed, .. } = &looked;
    let step = Step { cx, input, search, found, assessed };
    if *proof != Proof::Account {
        step.refuse(*proof).await?;
        return Ok(false);
    }
    let clear = store::attempts::clear(cx.tenant.id, step.subject());
    cx.app.db.write(clear, |tx, clear| Box::pin(clear.clone().execute(tx))).await?;
    Ok(true)
}

/// Mails the link to a new password to somebody who may not go on without one.
///
/// # Errors
/// Where the database fails.
pub async fn change_password(cx: &Cx, user: &User) -> Result<Outcome> {
    write::change_password(cx, user, Vec::new()).await
}

/// Waits until nobody else tries a password of the address in the tenant: what waits for a tenant that
/// is flooded holds up nobody in another.
///
/// # Errors
/// `overloaded` where too many wait already.
pub async fn enter(cx: &Cx, email: &Email) -> Result<Pass> {
    let tenant = cx.tenant.id.to_string();
    cx.app.gates.enter(digest_text(&["gate", &tenant, email.key()])).await
}

/// What was found before anything is written.
#[derive(Debug)]
pub struct Looked {
    search: Search,
    found: Found,
    proof: Proof,
    stale: bool,
    assessed: Assessed,
}

impl Looked {
    /// Whether the password is the account's.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.proof == Proof::Account
    }
}

/// Reads the facts and has the password checked. Nothing is written, so that nothing of a wrong
/// password is counted until [`conclude`].
///
/// # Errors
/// `too_many_attempts`, `captcha_required` and the like, before the password is looked at; or where
/// the database or the hash queue fails.
pub async fn look(cx: &Cx, input: &Input, occasion: Occasion) -> Result<Looked> {
    look_for(cx, input, occasion, cx.hashing(Class::Stranger).share).await
}

/// As [`look`], with the hash at the expense of `share`.
///
/// # Errors
/// As [`look`].
pub async fn look_for(cx: &Cx, input: &Input, occasion: Occasion, share: Share) -> Result<Looked> {
    let search = search(cx, input);
    let found = cx
        .app
        .db
        .read((cx.tenant.id, search.clone()), |tx, (tenant, search)| {
            Box::pin(store::login::facts(tx, *tenant, search))
        })
        .await?;
    // A tenant's stricter rule holds for devices that were trusted before it, too.
    let lifetime = cx.tenant.settings.trusted_device_lifetime;
    let trusted_device = found.trusted_device.filter(|it| cx.now < it.since + lifetime);
    let found = Found { trusted_device, ..found };
    let pair = (&input.email, &input.password);
    let known = known(cx, &search, &found);
    let assessed = risk::admit(cx, pair, &known, occasion).await?;
    let (proof, stale) = verify(cx, input, &found, share).await?;
    Ok(Looked { search, found, proof, stale, assessed })
}

/// Decides, and writes what the decision leaves behind.
///
/// # Errors
/// As [`login`].
pub async fn conclude(cx: &Cx, input: &Input, looked: Looked) -> Result<Outcome> {
    match settle(cx, input, looked).await {
        // The facts changed while the password was hashed: see what they are now.
        Err(error) if is_overtaken(&error) => {
            cx.app.remembered.expire();
            tenants::resolve(&cx.app, cx.tenant.slug.as_str()).await?;
            // Not asked for a captcha once more: that was solved for this sign-in.
            let looked = look(cx, input, Occasion::Again).await?;
            settle(cx, input, looked).await
        }
        other => return other,
    }
    // They keep changing: whoever this was, he is not let in.
    .map_err(|error| {
        if is_overtaken(&error) { Error::refused(Code::InvalidCredentials) } else { error }
    })
}

async fn settle(cx: &Cx, input: &Input, looked: Looked) -> Result<Outcome> {
    let Looked { search, found, proof, stale, assessed } = &looked;
    let facts = Facts { proof: *proof, account: account(found) };
    let decision = decide(&cx.tenant.settings, &facts, cx.now);
    let step = Step { cx, input, search, found, assessed };
    match (decision, &found.user) {
        (Decision::Grant, Some(user)) => step.grant(user, *stale).await,
        (Decision::Challenge { methods, default }, Some(user)) => {
            let token = step.challenge(user, "verify").await?;
            Ok(Outcome::Challenge { user: user.id, token, methods, default })
        }
        (Decision::Enrol, Some(user)) => {
            let token = step.challenge(user, "enrol").await?;
            Ok(Outcome::Enrol { user: user.id, token })
        }
        (Decision::ChangePassword, Some(user)) => step.change_password(user).await,
        (Decision::EmailNotVerified, Some(user)) => Err(step.ask_for_proof(user).await?),
        (Decision::Suspended, Some(user)) => Err(step.suspended(user).await?),
        _ => Err(step.refuse(*proof).await?),
    }
}

fn search(cx: &Cx, input: &Input) -> Search {
    // What an application hands on for its users comes from all their networks.
    let network = match &cx.caller.client_id {
        Some(client) => digest_text(&["application", client]),
        None => digest_text(&["network", &cx.caller.address.network()]),
    };
    let wide = cx.caller.address.wide().filter(|_| cx.caller.client_id.is_none());
    let device = input.device.as_ref().map(|token| *token.digest().as_bytes());
    let trusted = input.trusted_device.as_ref().and_then(|token| Token::parse(token.expose()));
    let account = account_subject(input.email.key());
    Search {
        email_key: input.email.key().to_owned(),
        account,
        network,
        wide: wide.map(|wide| digest_text(&["network", &wide.to_string()])),
        device,
        device_subject: match &input.device {
            Some(cookie) => device_subject(input.email.key(), cookie),
            None => account,
        },
        place: place(cx),
        trusted_device: trusted.as_ref().map(|token| *token.digest().as_bytes()),
        trusted_subject: trusted
            .map_or(account, |token| trusted_subject(input.email.key(), &token)),
        now: cx.now,
    }
}

/// A device that the user has signed in from or trusts has a count of its own, and no stranger's
/// failures, of the account or of the network, hold it back.
fn known(cx: &Cx, search: &Search, found: &Found) -> Known {
    let account = match (found.device, found.trusted_device) {
        (Some(_), _) => found.device_count,
        (None, Some(_)) => found.trusted_count,
        (None, None) => found.account_count,
    };
    let network_limit = match cx.caller.client_id {
        Some(_) => Limit::WrongPasswordsOfApplication,
        None => Limit::WrongPasswords,
    };
    Known {
        known_device: found.device.is_some() || found.trusted_device.is_some(),
        counts: Counts {
            account,
            network: found.network_count,
            network_limit,
            wide: found.wide_count,
        },
        user: found.user.as_ref().map(|user| user.id),
        account: search.account,
        network: search.network,
    }
}

/// Checks the password against what there is: the account's hash, else the newest pending
/// registration's, else a dummy, so that all cost the same.
async fn verify(cx: &Cx, input: &Input, found: &Found, share: Share) -> Result<(Proof, bool)> {
    let (stored, right) = match (&found.user, &found.password, &found.pending) {
        (Some(_), Some((hash, _)), _) => (Some(hash.clone()), Proof::Account),
        (None, _, Some(pending)) => (Some(pending.password_hash.clone()), Proof::Pending),
        _ => (None, Proof::Wrong),
    };
    let stored = stored.map(PasswordHash::from_stored);
    let is_known = found.device.is_some() || found.trusted_device.is_some();
    let class = if is_known { Class::Known } else { Class::Stranger };
    let order = Order { share, class };
    match cx.app.passwords.verify(order, &input.password, stored.as_ref()).await? {
        Verdict::Right { stale } => Ok((right, stale)),
        Verdict::Wrong => Ok((Proof::Wrong, false)),
    }
}

fn account(found: &Found) -> Option<Account> {
    let (user, (_, changed_at)) = (found.user.as_ref()?, found.password.as_ref()?);
    Some(Account {
        status: user.status,
        email_verified: user.email_verified_at.is_some(),
        must_change_password: user.must_change_password,
        password_changed_at: *changed_at,
        methods: found.methods.clone(),
        default_method: found.default_method,
        device_trusted: found.trusted_device.is_some(),
    })
}

/// Something that a user who knew the password did.
fn event(user: &User, action: Action) -> Event {
    Event::success(action, Actor::User(user.id), Target::User(Some(user.id)))
}

/// A decided sign-in that is about to be written down.
struct Step<'a> {
    cx: &'a Cx,
    input: &'a Input,
    search: &'a Search,
    found: &'a Found,
    assessed: &'a Assessed,
}

impl Step<'_> {
    /// Whose count this attempt goes by.
    fn subject(&self) -> [u8; 32] {
        match (self.found.device, self.found.trusted_device) {
            (Some(_), _) => self.search.device_subject,
            (None, Some(_)) => self.search.trusted_subject,
            (None, None) => self.search.account,
        }
    }

    fn refusal(&self, user: &User, code: Code) -> Result<Query> {
        let target = Target::User(Some(user.id));
        let actor = Actor::User(user.id);
        self.cx.record(Event::failure(Action::LoginPassword, actor, target, code.as_str()))
    }

    /// A wrong password: counted, recorded, and answered like every other wrong one.
    async fn refuse(&self, proof: Proof) -> Result<Error> {
        let (cx, found) = (self.cx, self.found);
        let user = found.user.as_ref().map(|user| user.id);
        let target = Target::User(user);
        let reason = match proof {
            Proof::Pending => "registration_pending",
            Proof::Account | Proof::Wrong => "wrong_password",
        };
        let event = Event::failure(Action::LoginPassword, Actor::Anonymous, target, reason);
        let mut queries = vec![
            store::attempts::add(cx.tenant.id, self.subject(), user, cx.now),
            cx.record(event)?,
            self.assessed.row(cx, user, reason)?,
        ];
        if !self.assessed.is_known_device() {
            let window = Limit::WrongPasswords.policy().window;
            let count =
                |subject| store::attempts::add_in_window(cx.tenant.id, subject, window, cx.now);
            queries.push(count(self.search.network));
            queries.extend(self.search.wide.map(count));
            if proof == Proof::Wrong {
                risk::failed(cx, (&self.input.email, &self.input.password), self.search.network)?;
            }
        }
        let pending = found.pending.as_ref().filter(|_| proof == Proof::Pending);
        let Some(id) = pending.map(|it| it.id) else {
            let _all = cx.app.db.write_all(Vec::new(), queries).await?;
            return Ok(Error::refused(Code::InvalidCredentials));
        };
        let token = Token::generate(&cx.app.entropy)?;
        let input = (cx.clone(), queries, id, token);
        cx.app
            .db
            .write(input, |tx, (cx, queries, id, token)| {
                Box::pin(async move {
                    let mut queries = queries.clone();
                    queries.extend(register::remind(tx, cx, *id, token).await?);
                    tx.pipeline(queries).await
                })
            })
            .await?;
        cx.app.mail_due.notify_one();
        Ok(Error::refused(Code::InvalidCredentials))
    }
}
