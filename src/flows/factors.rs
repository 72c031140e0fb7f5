//! The second factors of an account: enrolling, listing, removing them.
//!
//! Whoever changes factors has proved lately who he is. A change ends the other sessions and the
//! steps under way, and its owner is told by mail.

use crate::{
    clock::Timestamp,
    crypto::codes,
    db::{Query, Tx},
    domain::{
        audit::Action,
        factor::{BACKUP_CODES, Method},
        login::counts,
    },
    error::{Code, Context, Error, Result},
    flows::{
        Cx,
        me::{Enroller, Me, Person, Standing},
        outbox, password,
        second_factor::BACKUP,
        session::open::{Grounds, Opening, SignedIn, Visitor, is_overtaken},
    },
    id::{PasskeyId, SessionId},
    mail::message::Message,
    secret::Secret,
    store::{self, factors::Factor, passkeys::Passkey},
};

pub mod mailed;
pub mod passkeys;
pub mod totp;

/// What is enrolled.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Authenticator app and mailed codes.
    pub factors: Vec<Factor>,
    /// Passkeys and security keys, in the order they were enrolled.
    pub passkeys: Vec<Passkey>,
    /// Backup codes that are left, and when the set was made.
    pub backup_codes: (i64, Option<Timestamp>),
    /// The method the user wants to be asked for first.
    pub default_method: Option<Method>,
}

impl Overview {
    /// Whether a method other than backup codes is enrolled.
    #[must_use]
    pub fn has_factor(&self) -> bool {
        !self.factors.is_empty() || !self.passkeys.is_empty()
    }

    /// The app or mail factor of a kind.
    #[must_use]
    pub fn factor(&self, kind: Method) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.kind == kind.as_str())
    }

    /// The methods that are enrolled, strongest first.
    #[must_use]
    pub fn methods(&self) -> Vec<Method> {
        let has = |method: &Method| match method {
            Method::Webauthn => !self.passkeys.is_empty(),
            Method::BackupCode => self.backup_codes.0 > 0,
            Method::Totp | Method::Email => self.factor(*method).is_some(),
        };
        Method::ALL.into_iter().filter(has).collect()
    }
}

/// What a person has enrolled.
///
/// # Errors
/// Where the database fails.
pub async fn overview(person: &Person) -> Result<Overview> {
    let cx = &person.cx;
    cx.app.db.read(person.clone(), |tx, person| Box::pin(look(tx, person))).await
}

async fn look(tx: &mut Tx, person: &Person) -> Result<Overview> {
    let (tenant, user) = (person.cx.tenant.id, person.user.id);
    Ok(Overview {
        factors: store::factors::of_user(tx, tenant, user).await?,
        passkeys: store::passkeys::of_user(tx, tenant, user).await?,
        backup_codes: store::factors::backup_codes_left(tx, tenant, user).await?,
        default_method: store::factors::default_method(tx, tenant, user).await?,
    })
}

/// Refuses a method that the tenant does not count as a factor.
fn check_allowed(cx: &Cx, method: Method) -> Result<()> {
    if cx.tenant.settings.mfa_methods.contains(&method) {
        return Ok(());
    }
    Err(Error::refused(Code::MethodNotAvailable))
}

/// What an enrolment came to.
#[derive(Debug)]
pub struct Enrolled {
    /// The backup codes, where it was the first factor; shown only this once.
    pub backup_codes: Option<BackupCodes>,
    /// The session, where the enrolment was a step of a sign-in.
    pub signed_in: Option<SignedIn>,
}

/// Backup codes as they are shown.
#[derive(Debug)]
pub struct BackupCodes(Vec<Secret<String>>);

impl BackupCodes {
    /// The codes, in two groups each.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        self.0.iter().map(|code| codes::grouped(code.expose())).collect()
    }

    fn generate(cx: &Cx) -> Result<Self> {
        (0..BACKUP_CODES).map(|_| codes::backup(&cx.app.entropy)).collect::<Result<_>>().map(Self)
    }

    fn rows(&self, person: &Person) -> Result<Vec<Query>> {
        let cx = &person.cx;
        let tenant = cx.tenant.id.to_string();
        let digest = |code: &Secret<String>| {
            codes::digest(&cx.app.master_key, BACKUP, &[&tenant], code.expose())
        };
        let digests: Vec<[u8; 32]> = self.0.iter().map(digest).collect::<Result<_>>()?;
        let user = person.user.id;
        let mut rows = store::factors::put_backup_codes(cx.tenant.id, user, &digests, cx.now);
        rows.push(cx.record(person.event(Action::BackupCodesMade))?);
        Ok(rows)
    }
}

/// New backup codes in the place of all older ones.
///
/// # Errors
/// `reauthentication_required`, `method_not_available` where there is no factor that they could
/// stand in for, or where the database fails.
pub async fn regenerate_backup_codes(me: &Me) -> Result<BackupCodes> {
    let made = make_backup_codes(me, Replaces::Any).await?;
    made.ok_or("a set was made whatever it replaced").doing("making backup codes")
}

/// As [`regenerate_backup_codes`], in the place of the set that was made at `seen`, or of none;
/// `None` where there is another one by now, which then stays: somebody may just have written it
/// down.
///
/// # Errors
/// As [`regenerate_backup_codes`].
pub async fn replace_backup_codes(me: &Me, seen: Option<Timestamp>) -> Result<Option<BackupCodes>> {
    make_backup_codes(me, Replaces::MadeAt(seen)).await
}

/// The set that a new one takes the place of.
#[derive(Clone, Copy)]
enum Replaces {
    /// Whichever there is.
    Any,
    /// The one made then, or none.
    MadeAt(Option<Timestamp>),
}

async fn make_backup_codes(me: &Me, replaces: Replaces) -> Result<Option<BackupCodes>> {
    me.check_recent()?;
    check_allowed(me.cx(), Method::BackupCode)?;
    if !overview(&me.person).await?.has_factor() {
        return Err(Error::refused(Code::MethodNotAvailable));
    }
    let new = BackupCodes::generate(me.cx())?;
    let mut rows = new.rows(&me.person)?;
    rows.push(notice(&me.person, Method::BackupCode, true)?);
    let person = (me.cx().tenant.id, me.user().id, me.cx().now);
    let input = (person, replaces, rows);
    let is_made = me
        .cx()
        .app
        .db
        .write(input, |tx, ((tenant, user, now), replaces, rows)| {
            Box::pin(async move {
                // Before its codes: two sets made at once must not mix.
                store::users::touch(*tenant, *user, *now).execute(tx).await?;
                let present = store::factors::backup_codes_left(tx, *tenant, *user).await?.1;
                let is_expected = match replaces {
                    Replaces::Any => true,
                    Replaces::MadeAt(seen) => *seen == present,
                };
                if is_expected {
                    tx.pipeline(rows.clone()).await?;
                }
                Ok(is_expected)
            })
        })
        .await?;
    me.cx().app.mail_due.notify_one();
    Ok(is_made.then_some(new))
}

/// Says which method is to be asked for first; `None`: the strongest.
///
/// # Errors
/// `method_not_available` for one that is not enrolled, or where the database fails.
pub async fn set_default(me: &Me, method: Option<Method>) -> Result<()> {
    let enrolled = overview(&me.person).await?.methods();
    if method.is_some_and(|method| method == Method::BackupCode || !enrolled.contains(&method)) {
        return Err(Error::refused(Code::MethodNotAvailable));
    }
    let cx = me.cx();
    let name = method.map_or("none", Method::as_str);
    let rows = vec![
        store::factors::set_default(cx.tenant.id, me.user().id, method, cx.now),
        cx.record(me.person.event(Action::FactorChanged).with("default", name))?,
    ];
    cx.app.db.write(rows, |tx, rows| Box::pin(tx.pipeline(rows.clone()))).await?;
    Ok(())
}

/// The mail that tells of a change.
fn notice(person: &Person, method: Method, added: bool) -> Result<Query> {
    let message = Message::FactorChanged {
        at: person.cx.now.micros(),
        method: method.as_str().to_owned(),
        added,
    };
    outbox::mail(&person.cx, password::recipient(&person.cx, &person.user), &message)
}

/// A factor about to be put into use.
struct Enrolment {
    method: Method,
    /// What has to change exactly one row each, such as the end of the wait.
    must: Vec<Query>,
    /// Whether it takes the place of one that devices were trusted by.
    replaces: bool,
}

/// Puts a factor into use; at the end of an enrolment step also opens the session.
async fn enrol(by: &Enroller, before: &Overview, new: Enrolment) -> Result<Enrolled> {
    let (person, cx) = (&by.person, &by.person.cx);
    let (tenant, user) = (cx.tenant.id, person.user.id);
    let first =
        !before.has_factor() && cx.tenant.settings.mfa_methods.contains(&Method::BackupCode);
    let backup_codes = if first { Some(BackupCodes::generate(cx)?) } else { None };
    let mut rows = vec![
        // First the steps, as in [`remove`]. Nor may whoever knows the password go on with
        // another enrolment step of before.
        store::challenges::end_all(tenant, user),
        cx.record(person.event(Action::FactorAdded).with("method", new.method.as_str()))?,
        notice(person, new.method, true)?,
    ];
    if let Some(codes) = &backup_codes {
        rows.extend(codes.rows(person)?);
    }
    if !before.has_factor() {
        rows.push(store::users::renew_epoch(tenant, user, cx.now));
    }
    if new.method == Method::Email {
        rows.push(store::users::verify_email(tenant, user, cx.now));
    }
    if new.replaces {
        rows.push(store::trusted_devices::revoke_all(tenant, user));
    }
    let signed_in = match &by.standing {
        Standing::Session(me) => {
            rows.extend(end_others(person, me.session.id));
            write(person, new.must, rows).await?;
            None
        }
        Standing::Step(step) => {
            let mut opening = open(person, step, new.method)?;
            let (id, limit) = (step.id, crate::domain::factor::STEP_FAILURES);
            // Before the step: two steps used at once must not wait for each other.
            opening.must(store::users::touch(tenant, user, cx.now));
            opening.must(store::challenges::consume(tenant, id, limit, cx.now));
            for query in new.must {
                opening.must(query);
            }
            opening.also(rows);
            opening.also(end_others(person, opening.id()));
            let client_id = cx.minting_for(step.client_id.as_deref())?;
            opening.mint(cx, client_id.as_deref()).await?;
            match opening.write(cx).await {
                Err(error) if is_overtaken(&error) => return Err(too_late(cx, step).await?),
                other => Some(other?),
            }
        }
    };
    cx.app.mail_due.notify_one();
    Ok(Enrolled { backup_codes, signed_in })
}

/// Ends all sessions but one, which lives on with its tokens.
fn end_others(person: &Person, keep: SessionId) -> [Query; 3] {
    let tenant = person.cx.tenant.id;
    [
        store::sessions::end_others(tenant, person.user.id, keep),
        store::sessions::carry_over(tenant, keep),
        store::grants::carry_over(tenant, keep),
    ]
}

/// The session at the end of an enrolment step: the password was checked, the factor just now.
fn open(person: &Person, step: &store::challenges::Step, method: Method) -> Result<Opening> {
    let visitor = Visitor {
        device: step.device,
        place: crate::flows::session::open::place(&person.cx),
        place_known: step.place_known,
    };
    let grounds = Grounds {
        user: &person.user,
        epoch: person.epoch,
        auth_methods: format!("pwd {}", method.references()).trim().to_owned(),
        persistence: crate::domain::session::Persistence::from_flag(step.remember),
        checked_hash: None,
        visitor: &visitor,
    };
    let mut opening = Opening::new(&person.cx, grounds)?;
    let done = person
        .event(Action::LoginSecondFactor)
        .with("method", method.as_str())
        .with("session", opening.id().to_string());
    opening.also([person.cx.record(done)?]);
    Ok(opening)
}

/// Somebody else was faster: the step is over, or what was to be enrolled finds no place.
async fn too_late(cx: &Cx, step: &store::challenges::Step) -> Result<Error> {
    let input = (cx.tenant.id, step.id, cx.now);
    let open = cx
        .app
        .db
        .read(input, |tx, (tenant, id, now)| {
            Box::pin(store::challenges::is_open(tx, *tenant, *id, *now))
        })
        .await?;
    Ok(Error::refused(if open { Code::SetupNotFound } else { Code::InvalidMfaToken }))
}

async fn write(person: &Person, must: Vec<Query>, rows: Vec<Query>) -> Result<()> {
    let (tenant, user, now) = (person.cx.tenant.id, person.user.id, person.cx.now);
    let count = must.len();
    let touch = store::users::touch(tenant, user, now);
    let queries: Vec<Query> = must.into_iter().chain(rows).collect();
    person
        .cx
        .app
        .db
        .write((touch, count, queries), |tx, (touch, count, queries)| {
            Box::pin(async move {
                touch.clone().execute(tx).await?;
                let counts = tx.pipeline(queries.clone()).await?;
                let held = counts.iter().take(*count).all(|changed| *changed == 1);
                if held { Ok(()) } else { Err(Error::refused(Code::SetupNotFound)) }
            })
        })
        .await
}

/// What is to be taken out of use.
#[derive(Debug, Clone, Copy)]
pub enum Removal {
    /// The authenticator app or mailed codes.
    Factor(Method),
    /// A passkey or security key.
    Passkey(PasskeyId),
}

/// Takes a factor out of use. Devices that were trusted by it are trusted no longer.
///
/// # Errors
/// `reauthentication_required`, `method_not_available` or not found where there is none,
/// `last_factor` where the tenant demands one, or where the database fails.
pub async fn remove(me: &Me, removal: Removal) -> Result<()> {
    me.check_recent()?;
    let cx = me.cx();
    let method = match removal {
        Removal::Factor(method) => method,
        Removal::Passkey(_) => Method::Webauthn,
    };
    let rows = vec![
        // First the steps: it waits for a sign-in that is just being written, whose session and
        // trusted device the next two then see.
        store::challenges::end_all(cx.tenant.id, me.user().id),
        store::trusted_devices::revoke_all(cx.tenant.id, me.user().id),
        store::sessions::end_others(cx.tenant.id, me.user().id, me.session.id),
        cx.record(me.person.event(Action::FactorRemoved).with("method", method.as_str()))?,
        notice(&me.person, method, false)?,
    ];
    cx.app
        .db
        .write((me.person.clone(), removal, rows), |tx, (person, removal, rows)| {
            Box::pin(take_out(tx, person, *removal, rows))
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(())
}

async fn take_out(tx: &mut Tx, person: &Person, removal: Removal, rows: &[Query]) -> Result<()> {
    let (tenant, user, now) = (person.cx.tenant.id, person.user.id, person.cx.now);
    // Two removals at once must not each think that the other's factor stays.
    store::users::touch(tenant, user, now).execute(tx).await?;
    let (query, absent) = match removal {
        Removal::Factor(method) => {
            (store::factors::remove(tenant, user, method), Error::refused(Code::MethodNotAvailable))
        }
        Removal::Passkey(id) => (store::passkeys::remove(tenant, user, id), Error::NotFound),
    };
    if query.execute(tx).await? == 0 {
        return Err(absent);
    }
    let left = look(tx, person).await?;
    let mut rows = rows.to_vec();
    let settings = &person.cx.tenant.settings;
    if settings.mfa_required && !counts(settings, &left.methods()) {
        return Err(Error::Taken(Code::LastFactor));
    }
    if !left.has_factor() {
        rows.push(store::factors::forget_backup_codes(tenant, user));
    }
    if left.default_method.is_some_and(|method| !left.methods().contains(&method)) {
        rows.push(store::factors::set_default(tenant, user, None, now));
    }
    tx.pipeline(rows).await?;
    Ok(())
}
