//! The look at a sign-in before its password is looked at: what is known of it, what it is asked
//! for, and the row that lets an operator see why.

use std::time::Duration;

use moka::sync::Cache;

use crate::{
    db::Query,
    domain::{
        email::Email,
        guessing::Count,
        password::Password,
        risk::{Counts, Demand, Signals, Verdict, demand},
        settings::CaptchaUse,
    },
    error::{Code, Context, Error, Result},
    flows::{Cx, alarms::Kind, captcha},
    id::UserId,
    store::{
        self,
        sign_ins::{Listed, New},
    },
};

/// Pairs that are remembered at most.
const PAIRS: u64 = 50_000;
/// How long a pair is remembered.
const REMEMBERED: Duration = Duration::from_hours(1);
/// What the digests of pairs are for.
const PAIR: &str = "failed pair";

/// Addresses and passwords that failed within the last hour on this node, each with the network that
/// it came from: lists are tried from many networks, and people mistype from one. Only keyed
/// digests, only in memory.
#[derive(Debug)]
pub struct Pairs(Cache<[u8; 16], [u8; 32]>);

impl Default for Pairs {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(PAIRS).time_to_live(REMEMBERED).build())
    }
}

/// The digest of an address and a password in a tenant.
fn pair(cx: &Cx, email: &Email, password: &Password) -> Result<[u8; 16]> {
    let tenant = cx.tenant.id.to_string();
    let parts = [tenant.as_bytes(), email.key().as_bytes(), password.expose().as_bytes()];
    let digest = cx.app.master_key.mac(PAIR, &parts)?;
    digest.first_chunk().copied().ok_or("a digest is too short").doing("marking a pair")
}

/// Remembers that a pair failed.
///
/// # Errors
/// Only through a fault of the library.
pub fn failed(cx: &Cx, (email, password): (&Email, &Password), network: [u8; 32]) -> Result<()> {
    let pair = pair(cx, email, password)?;
    // The first network stays: whoever mistypes twice has not become two.
    cx.app.pairs.0.entry(pair).or_insert(network);
    Ok(())
}

/// What is known of a sign-in from its counts alone.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Whether a device was shown that the user has signed in from, or trusts.
    pub known_device: bool,
    /// What has been counted.
    pub counts: Counts,
    /// The account, where there is one.
    pub user: Option<UserId>,
    /// The address, as a digest.
    pub account: [u8; 32],
    /// The client's network, or the application that asks for its users, as a digest.
    pub network: [u8; 32],
}

/// What was asked of a sign-in, and why.
#[derive(Debug, Clone, Copy)]
pub struct Assessed {
    signals: Signals,
    verdict: Verdict,
    account: [u8; 32],
    network: [u8; 32],
}

/// Whether somebody signs in, or has signed in and proves once more who he is: nobody asks him for
/// a captcha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Signing in.
    SignIn,
    /// Proving it once more.
    Again,
}

/// Lets a sign-in go on to its password, or says what is asked for first.
///
/// # Errors
/// `too_many_attempts`, `captcha_required`, `captcha_failed`, `captcha_unavailable`, or where the
/// database fails.
pub async fn admit(
    cx: &Cx,
    (email, password): (&Email, &Password),
    known: &Known,
    occasion: Occasion,
) -> Result<Assessed> {
    let failures = |count: Option<Count>| count.map_or(0, |count| count.failures);
    let before = cx.app.pairs.0.get(&pair(cx, email, password)?);
    let tenant = cx.tenant.id;
    let signals = Signals {
        known_device: known.known_device,
        account_failures: failures(known.counts.account),
        network_failures: failures(known.counts.network),
        wide_failures: failures(known.counts.wide),
        tenant_alarm: cx.app.alarms.of_tenant(tenant, Kind::Stuffing, cx.now),
        network_alarm: cx.app.alarms.of_network(tenant, known.network, cx.now),
        known_bad_pair: before.is_some_and(|network| network != known.network),
    };
    let captcha = match occasion {
        Occasion::SignIn => cx.tenant.settings.captchas.sign_in,
        Occasion::Again => CaptchaUse::Off,
    };
    let demand = demand(&signals, &known.counts, captcha, cx.now);
    let (verdict, refusal) = meet(cx, demand).await?;
    let assessed = Assessed { signals, verdict, account: known.account, network: known.network };
    let Some(refusal) = refusal else { return Ok(assessed) };
    metrics::counter!("countersign_throttled_total", "verdict" => verdict.as_str()).increment(1);
    cx.app.notes.add(assessed.row(cx, known.user, "stopped")?);
    Err(refusal)
}

/// Whether what is asked for is there; what is said where it is not.
async fn meet(cx: &Cx, demand: Demand) -> Result<(Verdict, Option<Error>)> {
    let shown = cx.caller.captcha.as_ref();
    let throttled = |retry| Ok((Verdict::Throttled, Some(Error::Throttled { retry })));
    let least = match (demand, shown) {
        (Demand::Nothing, _) => return Ok((Verdict::Allowed, None)),
        (Demand::Wait(retry), _) => return throttled(retry),
        (Demand::CaptchaOrWait { wait, .. }, None) => return throttled(wait),
        (Demand::CaptchaOrWait { least, .. }, Some(_)) => least,
        (Demand::Captcha, _) => Duration::ZERO,
    };
    if !least.is_zero() {
        // Looked at only when it helps, so that it need not be solved twice.
        return throttled(least);
    }
    match captcha::spend(cx).await {
        Ok(()) => Ok((Verdict::CaptchaSolved, None)),
        Err(Error::Refused(no)) if no.code == Code::CaptchaRequired => {
            Ok((Verdict::CaptchaRequired, Some(Error::Refused(no))))
        }
        Err(Error::Refused(no)) => Ok((Verdict::CaptchaFailed, Some(Error::Refused(no)))),
        Err(fault) => Err(fault),
    }
}

impl Assessed {
    /// The row that keeps what came of it.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn row(&self, cx: &Cx, user: Option<UserId>, outcome: &'static str) -> Result<Query> {
        let new = New {
            id: cx.id()?,
            at: cx.now,
            subject: self.account,
            user,
            network: cx.caller.address.network(),
            network_subject: self.network,
            client_id: cx.caller.client_id.clone(),
            known_device: self.signals.known_device,
            outcome,
            score: self.signals.score(),
            verdict: self.verdict.as_str(),
            signals: serde_json::to_string(&self.signals).doing("writing signals")?,
            request_id: cx.caller.request_id.clone(),
        };
        Ok(store::sign_ins::insert(cx.tenant.id, new))
    }

    /// Whether a device was shown that the user has signed in from, or trusts.
    #[must_use]
    pub fn is_known_device(&self) -> bool {
        self.signals.known_device
    }
}

/// Takes a captcha's answer, where one is asked for.
///
/// # Errors
/// As [`captcha::spend`].
pub async fn ask(cx: &Cx, asked: CaptchaUse) -> Result<()> {
    if is_asked(cx, asked) { captcha::spend(cx).await } else { Ok(()) }
}

/// Whether a captcha is asked for where a tenant wants one to be used so: always, or as long as an
/// alarm is raised in it.
#[must_use]
pub fn is_asked(cx: &Cx, asked: CaptchaUse) -> bool {
    let raised = |kind| cx.app.alarms.of_tenant(cx.tenant.id, kind, cx.now);
    match asked {
        CaptchaUse::Off => false,
        CaptchaUse::Risk => raised(Kind::Stuffing) || raised(Kind::Registrations),
        CaptchaUse::Always => true,
    }
}

/// Which tries an operator wants to see; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// With an address.
    pub email: Option<Email>,
    /// From a network, as it is shown.
    pub network: Option<String>,
    /// Of a request, by its id.
    pub request: Option<String>,
    /// How many.
    pub limit: u32,
}

/// The newest tries to sign in, and why each was asked what it was asked.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx, wanted: Wanted) -> Result<Vec<Listed>> {
    let wanted = store::sign_ins::Wanted {
        subject: wanted.email.map(|email| super::login::account_subject(email.key())),
        network: wanted.network,
        request_id: wanted.request,
        limit: i64::from(wanted.limit),
    };
    cx.app
        .db
        .read((cx.tenant.id, wanted), |tx, (tenant, wanted)| {
            Box::pin(store::sign_ins::list(tx, *tenant, wanted))
        })
        .await
}
