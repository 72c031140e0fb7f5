//! WebAuthn ceremonies: our relying party as the tenant's settings have it, and what is kept
//! between begin and finish. Every ceremony is used once, whatever the answer, and only for what
//! it was begun for.

use serde_json::Value;
use url::{Host, Url};

use crate::{
    app::App,
    crypto::webauthn::{
        Ceremony, Credential, Discoverable, Owner, RegistrationPolicy, RelyingParty, Verification,
        WebauthnFault, credential_id_of, user_handle_of,
    },
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        factor::{CEREMONIES, CEREMONY_LIFETIME},
        settings::{PasskeySignIn, Settings},
        user::User,
    },
    error::{Code, Context as _, Error, Result},
    flows::Cx,
    id::{CeremonyId, ChallengeId, Id as _, PasskeyId, SessionId, UserId},
    store::{self, passkeys::Passkey},
};

/// What a ceremony is for. A ceremony of one kind is unknown to every other.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Enrolling a credential of a user.
    Register(UserId),
    /// The second step of a sign-in.
    SecondFactor(ChallengeId),
    /// Signing in with a passkey alone, whoever it may be.
    SignIn,
    /// Proving again who the owner of a session is.
    Reauthenticate(SessionId),
}

impl Kind {
    fn purpose(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::SecondFactor(_) => "second_factor",
            Self::SignIn => "sign_in",
            Self::Reauthenticate(_) => "reauthenticate",
        }
    }

    fn bound_to(&self) -> String {
        match self {
            Self::Register(user) => user.to_string(),
            Self::SecondFactor(step) => step.to_string(),
            Self::SignIn => String::new(),
            Self::Reauthenticate(session) => session.to_string(),
        }
    }
}

/// A ceremony that has begun.
#[derive(Debug)]
pub struct Begun {
    /// What names it at the finish.
    pub id: CeremonyId,
    /// The options for the browser.
    pub options: Value,
}

/// The answer of an authenticator does not hold. Why is in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Where passkeys are used unless a tenant says otherwise: at the public address. A browser takes
/// no number for a domain, but it takes `localhost` for the machine itself.
fn own_origin(app: &App) -> Url {
    let mut url = app.config.public_url.clone();
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    if is_loopback {
        // Another host for an http address is always possible.
        let _ = url.set_host(Some("localhost"));
    }
    url
}

/// The relying party id of the tenant.
#[must_use]
pub fn rp_id(cx: &Cx) -> String {
    let host = || own_origin(&cx.app).host_str().unwrap_or_default().to_owned();
    cx.tenant.settings.passkeys.rp_id.clone().unwrap_or_else(host)
}

/// Tenants whose settings are looked through for related origins.
const TENANTS: i64 = 1000;

/// The origins, of all tenants in use, on which passkeys of the relying party `party` are used.
///
/// # Errors
/// Where the database fails, or settings cannot be read.
pub async fn related_origins(app: &App, party: &str) -> Result<Vec<String>> {
    let layers = app
        .db
        .read((), |tx, ()| Box::pin(store::tenants::with_origins_all_tenants(tx, TENANTS)))
        .await?;
    let own = own_origin(app);
    let own = own.host_str().unwrap_or_default();
    let mut origins = Vec::new();
    for (partner, tenant) in layers {
        let layer = |text: &str| serde_json::from_str(text).doing("reading settings");
        let passkeys = Settings::effective(&layer(&partner)?, &layer(&tenant)?).passkeys;
        if passkeys.rp_id.as_deref().unwrap_or(own) == party {
            origins.extend(passkeys.origins.iter().map(|it| it.origin().ascii_serialization()));
        }
    }
    origins.sort();
    origins.dedup();
    Ok(origins)
}

fn relying_party(cx: &Cx) -> Result<RelyingParty> {
    let origins = &cx.tenant.settings.passkeys.origins;
    let own = [own_origin(&cx.app)];
    let origins: &[Url] = if origins.is_empty() { &own } else { origins };
    RelyingParty::new(&rp_id(cx), &cx.tenant.name, origins).map_err(|why| {
        tracing::warn!(why, "no passkeys at this public address");
        Error::refused(Code::MethodNotAvailable)
    })
}

/// `user` is whose ceremonies are counted; a sign-in has nobody yet.
async fn begin(
    cx: &Cx,
    kind: &Kind,
    user: Option<UserId>,
    ceremony: &Ceremony,
) -> Result<CeremonyId> {
    let new = store::passkeys::Ceremony {
        id: cx.id()?,
        purpose: kind.purpose(),
        bound_to: kind.bound_to(),
        state: ceremony.to_json()?,
        now: cx.now,
        expires_at: cx.now + CEREMONY_LIFETIME,
    };
    let id = new.id;
    // Those that begin at once must each see the others.
    let touch = user.map(|user| store::users::touch(cx.tenant.id, user, cx.now));
    let mut queries: Vec<Query> = touch.into_iter().collect();
    queries.push(store::passkeys::begin(cx.tenant.id, &new, CEREMONIES));
    let counts =
        cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    let begun = counts.last() == Some(&1);
    if begun { Ok(id) } else { Err(Error::Throttled { retry: CEREMONY_LIFETIME }) }
}

async fn take(cx: &Cx, kind: &Kind, id: CeremonyId) -> Result<Option<Ceremony>> {
    let input = (cx.tenant.id, id, (kind.purpose(), kind.bound_to()), cx.now);
    let state = cx
        .app
        .db
        .write(input, |tx, (tenant, id, (purpose, bound_to), now)| {
            Box::pin(store::passkeys::finish(tx, *tenant, *id, (purpose, bound_to), *now))
        })
        .await?;
    state.map(|state| Ceremony::from_json(&state)).transpose()
}

/// Begins the use of one of `keys`; of any that the authenticator has, where there are none.
///
/// # Errors
/// `too_many_attempts` where too many are under way, or where the database fails.
pub async fn begin_assertion(
    cx: &Cx,
    kind: &Kind,
    keys: &[Passkey],
    verification: Verification,
) -> Result<Begun> {
    let party = rp_id(cx);
    let of_party = keys.iter().filter(|key| key.rp_id == party);
    let allowed: Vec<Credential> =
        of_party.map(|key| Credential::from_json(&key.credential)).collect::<Result<_>>()?;
    // An empty list would let anybody's credential answer, which only a sign-in wants.
    if allowed.is_empty() && !matches!(kind, Kind::SignIn) {
        return Err(Error::refused(Code::MethodNotAvailable));
    }
    let (options, ceremony) = relying_party(cx)?.begin_assertion(&allowed, verification)?;
    let user = keys.first().map(|key| key.user);
    Ok(Begun { id: begin(cx, kind, user, &ceremony).await?, options })
}

/// A credential that was used rightly.
#[derive(Debug)]
pub struct Proved {
    /// Whose it is.
    pub user: UserId,
    /// Which one.
    pub passkey: PasskeyId,
    /// What the use leaves behind: the ceremony is over, the credential was used. Each has to
    /// change exactly one row, or somebody was faster.
    pub spent: [Query; 2],
}

/// Judges the answer of an authenticator. A right one is used up by the rows of [`Proved`], which
/// the caller writes with what it opens; a wrong one ends the ceremony here.
///
/// # Errors
/// Where the database fails.
pub async fn finish_assertion(
    cx: &Cx,
    kind: &Kind,
    id: CeremonyId,
    answer: &Value,
) -> Result<Result<Proved, Refused>> {
    let credential_id = credential_id_of(answer).map(|id| id.as_bytes().to_vec());
    let search = store::passkeys::Search {
        ceremony: id,
        purpose: kind.purpose(),
        bound_to: kind.bound_to(),
        rp_id: rp_id(cx),
        credential_id: credential_id.unwrap_or_default(),
        now: cx.now,
    };
    let found = cx
        .app
        .db
        .read((cx.tenant.id, search), |tx, (tenant, search)| {
            Box::pin(store::passkeys::answered(tx, *tenant, search))
        })
        .await?;
    let Some((state, key)) = found else { return Ok(Err(Refused)) };
    let over = store::passkeys::end(cx.tenant.id, id);
    let judged = match &key {
        Some(key) => judge(cx, &state, key, answer)?,
        None => Err(None),
    };
    match (judged, key) {
        (Ok(used), Some(key)) => {
            Ok(Ok(Proved { user: key.user, passkey: key.id, spent: [over, used] }))
        }
        (judged, key) => {
            let mut rows = vec![over];
            if let (Err(Some(fault)), Some(key)) = (judged, key) {
                rows.push(refusal(cx, &key, fault)?);
            }
            cx.app.db.write(rows, |tx, rows| Box::pin(tx.pipeline(rows.clone()))).await?;
            Ok(Err(Refused))
        }
    }
}

/// The row that writes a right use down, or why the answer does not hold.
fn judge(
    cx: &Cx,
    state: &str,
    key: &Passkey,
    answer: &Value,
) -> Result<Result<Query, Option<WebauthnFault>>> {
    // The authenticator says whose credential it thinks it is (WebAuthn L3 §7.2, step 6).
    let handle = handle(key.user);
    if user_handle_of(answer).is_some_and(|given| !given.is_empty() && given != handle) {
        return Ok(Err(Some(WebauthnFault::Refused("the user handle is somebody else's"))));
    }
    let (ceremony, stored) = (Ceremony::from_json(state)?, Credential::from_json(&key.credential)?);
    let asserted = match relying_party(cx)?.finish_assertion(&ceremony, answer, &stored) {
        Ok(asserted) => asserted,
        Err(fault) => return Ok(Err(Some(fault))),
    };
    let text = asserted.credential.to_json()?;
    let counted = (text.as_str(), i64::from(asserted.counter));
    let backed_up = asserted.credential.backed_up();
    Ok(Ok(store::passkeys::used(cx.tenant.id, key.id, counted, backed_up, cx.now)))
}

/// The opaque handle under which authenticators know a user: the number of its id.
fn handle(user: UserId) -> [u8; 16] {
    *user.uuid().as_bytes()
}

/// The row that tells why an answer was refused. A counter that went back may mean that the
/// credential was copied, so it has an event of its own.
fn refusal(cx: &Cx, key: &Passkey, fault: WebauthnFault) -> Result<Query> {
    let action = match fault {
        WebauthnFault::CounterWentBack => Action::PasskeyCounterWentBack,
        WebauthnFault::Malformed | WebauthnFault::Refused(_) => Action::PasskeyRefused,
    };
    let target = Target::User(Some(key.user));
    let event = Event::failure(action, Actor::Anonymous, target, reason(fault))
        .with("passkey", key.id.to_string());
    cx.record(event)
}

/// Why an answer was refused, for the audit trail.
pub(super) fn reason(fault: WebauthnFault) -> &'static str {
    match fault {
        WebauthnFault::CounterWentBack => "the counter went back",
        WebauthnFault::Malformed => "malformed",
        WebauthnFault::Refused(reason) => reason,
    }
}

fn policy(cx: &Cx) -> RegistrationPolicy {
    let passkeys = &cx.tenant.settings.passkeys;
    let demanded = passkeys.sign_in == PasskeySignIn::Required;
    RegistrationPolicy {
        verification: if demanded || passkeys.user_verification {
            Verification::Required
        } else {
            Verification::Preferred
        },
        discoverable: if demanded { Discoverable::Required } else { Discoverable::Preferred },
        aaguids: passkeys.allowed_aaguids.clone(),
    }
}

/// Begins the enrolment of a credential of a user who has `keys` already.
///
/// # Errors
/// As [`begin_assertion`].
pub async fn begin_registration(cx: &Cx, user: &User, keys: &[Passkey]) -> Result<Begun> {
    let known = keys.iter().filter_map(|key| Credential::from_json(&key.credential).ok());
    let exclude: Vec<_> = known.map(|credential| credential.id().clone()).collect();
    let display_name = format!("{} {}", user.first_name, user.last_name);
    let owner =
        Owner { handle: handle(user.id), name: &user.email, display_name: display_name.trim() };
    let party = relying_party(cx)?;
    let (options, ceremony) = party.begin_registration(&owner, &exclude, &policy(cx))?;
    let kind = Kind::Register(user.id);
    Ok(Begun { id: begin(cx, &kind, Some(user.id), &ceremony).await?, options })
}

/// Judges the answer of an authenticator to an enrolment; the ceremony is used up.
///
/// # Errors
/// Where the database fails.
pub async fn finish_registration(
    cx: &Cx,
    user: UserId,
    id: CeremonyId,
    answer: &Value,
) -> Result<Result<Credential, WebauthnFault>> {
    let Some(ceremony) = take(cx, &Kind::Register(user), id).await? else {
        return Ok(Err(WebauthnFault::Refused("no such ceremony")));
    };
    Ok(relying_party(cx)?.finish_registration(&ceremony, answer, &policy(cx)))
}
