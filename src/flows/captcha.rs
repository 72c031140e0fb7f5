//! Captchas: what a browser is shown, and taking its answer once.
//!
//! Who makes them is a tenant's choice (the trait `Captcha` is the seam): we do, or a provider whom
//! the tenant has an account with. When they are asked for is decided where it is asked.

use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use serde::Serialize;

pub use site_verify::seal;

use crate::{
    clock::Timestamp,
    domain::{captcha::Challenge, settings::Provider},
    error::{Code, Error, Result},
    flows::Cx,
    store,
};

mod proof_of_work;
mod site_verify;

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

/// Takes an answer: right, of this tenant, in time, and not used before.
///
/// # Errors
/// `captcha_required`, `captcha_failed`, `captcha_unavailable` where the provider does not answer,
/// or where the database fails.
pub async fn spend(cx: &Cx, token: Option<&str>) -> Result<()> {
    let token = token.filter(|text| !text.is_empty());
    let token = token.ok_or_else(|| Error::refused(Code::CaptchaRequired))?;
    let failed = || Error::refused(Code::CaptchaFailed);
    let (digest, until) = match maker(cx).judge(cx, token).await? {
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
