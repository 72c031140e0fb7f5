//! Captchas: what a browser is shown, and taking its answer once.
//!
//! Who makes them is a tenant's choice (the trait `Captcha` is the seam): we do, or a provider whom
//! the tenant has an account with. When they are asked for is decided where it is asked.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, ready};
use serde::Serialize;

pub use site_verify::seal;

use crate::{
    clock::Timestamp,
    domain::{
        captcha::Challenge,
        settings::{CaptchaUse, Provider},
    },
    error::{Code, Error, Result},
    flows::{Caller, Cx},
    store,
};

mod proof_of_work;
mod site_verify;

/// Answers that providers are asked about at the same time, on one node.
pub const JUDGES: usize = 32;

/// An answer to a captcha that came along.
#[derive(Clone)]
pub struct Shown {
    token: String,
    judged: Option<Answered>,
}

impl Shown {
    /// An answer as it came; `None` where there is none.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        (!token.is_empty()).then(|| Self { token: token.to_owned(), judged: None })
    }
}

/// Shows nothing of it.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(…)")
    }
}

/// What an answer turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// Right; used up under this digest until then.
    Right {
        /// Of what must not be used again.
        digest: [u8; 32],
        /// When it is no good any more anyway.
        until: Timestamp,
    },
    /// Wrong, too old, of somebody else.
    Wrong,
    /// Whoever could say does not answer.
    Unknown,
}

/// A maker of captchas.
trait Captcha: Send + Sync {
    /// What the browser is shown.
    ///
    /// # Errors
    /// Where there is no randomness.
    fn ask(&self, cx: &Cx) -> Result<Asked>;

    /// Judges an answer.
    ///
    /// # Errors
    /// Only through a fault of ours.
    fn judge<'a>(&'a self, cx: &'a Cx, token: &'a str) -> BoxFuture<'a, Result<Answered>>;
}

/// What a browser has to solve.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Asked {
    /// A puzzle of ours.
    Puzzle(Challenge),
    /// Whatever a provider shows.
    Widget {
        /// Who.
        provider: &'static str,
        /// What he knows the page by.
        site_key: String,
    },
}

fn maker(cx: &Cx) -> Box<dyn Captcha> {
    match &cx.tenant.settings.captchas.provider {
        Provider::ProofOfWork => Box::new(ProofOfWork),
        Provider::Foreign { provider, site_key, sealed_secret } => {
            Box::new(site_verify::SiteVerify {
                provider: *provider,
                site_key: site_key.clone(),
                sealed_secret: sealed_secret.clone(),
            })
        }
    }
}

struct ProofOfWork;

impl Captcha for ProofOfWork {
    fn ask(&self, cx: &Cx) -> Result<Asked> {
        proof_of_work::challenge(cx).map(Asked::Puzzle)
    }

    fn judge<'a>(&'a self, cx: &'a Cx, token: &'a str) -> BoxFuture<'a, Result<Answered>> {
        Box::pin(ready(proof_of_work::judge(cx, token)))
    }
}

/// A fresh captcha of the tenant.
///
/// # Errors
/// Where there is no randomness.
pub fn ask(cx: &Cx) -> Result<Asked> {
    maker(cx).ask(cx)
}

/// The same request with what its captcha's answer turned out to be, where somebody else has to be
/// asked: before an account's gate, so that nobody holds it by answers that take long to judge.
///
/// # Errors
/// Only through a fault of ours.
pub async fn judged_ahead(cx: &Cx) -> Result<Cx> {
    let captchas = &cx.tenant.settings.captchas;
    let is_ours = captchas.provider == Provider::ProofOfWork;
    let Some(shown) = &cx.caller.captcha else { return Ok(cx.clone()) };
    if is_ours || captchas.sign_in == CaptchaUse::Off {
        return Ok(cx.clone());
    }
    let judged = Some(maker(cx).judge(cx, &shown.token).await?);
    let caller =
        Caller { captcha: Some(Shown { judged, ..shown.clone() }), ..(*cx.caller).clone() };
    Ok(Cx { caller: Arc::new(caller), ..cx.clone() })
}

/// Takes the answer that came along: right, of this tenant, in time, and not used before.
///
/// # Errors
/// `captcha_required`, `captcha_failed`, `captcha_unavailable` where the provider does not answer,
/// or where the database fails.
pub async fn spend(cx: &Cx) -> Result<()> {
    let shown = cx.caller.captcha.as_ref();
    let shown = shown.ok_or_else(|| Error::refused(Code::CaptchaRequired))?;
    let failed = || Error::refused(Code::CaptchaFailed);
    let answered = match shown.judged {
        Some(judged) => judged,
        None => maker(cx).judge(cx, &shown.token).await?,
    };
    let (digest, until) = match answered {
        Answered::Right { digest, until } => (digest, until),
        Answered::Wrong => return Err(failed()),
        // Letting everybody through is what an attacker of the provider would want.
        Answered::Unknown => {
            let retry = Duration::from_secs(30);
            return Err(Error::Busy { code: Code::CaptchaUnavailable, retry });
        }
    };
    let first = cx
        .app
        .db
        .write((cx.tenant.id, digest, until), |tx, (tenant, digest, until)| {
            Box::pin(store::captchas::spend(tx, *tenant, *digest, *until))
        })
        .await?;
    if first { Ok(()) } else { Err(failed()) }
}
