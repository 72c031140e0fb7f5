//! Captchas of providers: hCaptcha, Turnstile and reCAPTCHA, which all are asked alike. A person
//! solves one at the provider's, and the provider tells us of it when we show what the browser has
//! brought.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{Answered, Asked, Captcha};
use crate::{
    config::CaptchaConfig,
    crypto::{opaque::digest_text, seal::MasterKey},
    domain::settings::CaptchaProvider,
    error::{Context, Result},
    flows::Cx,
    secret::Secret,
};

/// What providers' secrets are sealed for.
const SEAL: &str = "captcha secret";
/// Bytes of what a browser brings, at most.
const LONGEST: usize = 8 * 1024;
/// Bytes of a provider's answer, at most.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long an answer is remembered as used: longer than any provider lets it be shown.
const REMEMBERED: Duration = Duration::from_mins(15);

/// A provider, and how we are known to him.
pub(super) struct SiteVerify {
    pub(super) provider: CaptchaProvider,
    pub(super) site_key: String,
    pub(super) sealed_secret: String,
}

/// What a provider says.
#[derive(Debug, Deserialize)]
struct Said {
    success: bool,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl Captcha for SiteVerify {
    fn ask(&self, _: &Cx) -> Result<Asked> {
        let provider = self.provider.as_str();
        Ok(Asked::Widget { provider, site_key: self.site_key.clone() })
    }

    fn judge<'a>(&'a self, cx: &'a Cx, token: &'a str) -> BoxFuture<'a, Result<Answered>> {
        Box::pin(self.asked_about(cx, token))
    }
}

impl SiteVerify {
    async fn asked_about(&self, cx: &Cx, token: &str) -> Result<Answered> {
        if token.len() > LONGEST {
            return Ok(Answered::Wrong);
        }
        // Made-up answers must not become a flood of ours.
        let Ok(_turn) = cx.app.captcha_judges.try_acquire() else {
            return Ok(self.unknown("it is asked about too many already"));
        };
        let secret = opened(&cx.app.master_key, &self.sealed_secret)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("secret", secret.expose())
            .append_pair("response", token)
            .append_pair("remoteip", &cx.caller.address.text())
            .append_pair("sitekey", &self.site_key)
            .finish();
        let url = verify_url(&cx.app.config.captcha, self.provider)?;
        let answered = match cx.app.fetcher.post_form_for(&url, form, LONGEST_ANSWER).await {
            Ok(answered) if answered.status < 500 => answered,
            Ok(_) | Err(_) => return Ok(self.unknown("it does not answer")),
        };
        let Ok(said) = serde_json::from_slice::<Said>(&answered.body) else {
            return Ok(self.unknown("its answer cannot be read"));
        };
        // What is wrong with us and not with the answer: nobody could ever get in.
        let is_ours = |code: &String| code.contains("secret") || code.contains("sitekey");
        if !said.success && said.error_codes.iter().any(is_ours) {
            return Ok(self.unknown("it does not know our key or secret"));
        }
        let host = cx.app.config.public_url.host_str().unwrap_or_default();
        let is_here = said.hostname.as_deref().is_none_or(|name| name == host);
        if !said.success || !is_here {
            return Ok(Answered::Wrong);
        }
        let digest = digest_text(&["captcha", token]);
        Ok(Answered::Right { digest, until: cx.now + REMEMBERED })
    }

    fn unknown(&self, why: &'static str) -> Answered {
        tracing::error!(provider = self.provider.as_str(), why, "no captcha can be judged");
        metrics::counter!("countersign_captcha_unavailable_total").increment(1);
        Answered::Unknown
    }
}

/// Where a provider says whether an answer is right.
fn verify_url(config: &CaptchaConfig, provider: CaptchaProvider) -> Result<Url> {
    let (set, usual) = match provider {
        CaptchaProvider::Hcaptcha => (&config.hcaptcha_url, "https://api.hcaptcha.com/siteverify"),
        CaptchaProvider::Turnstile => {
            (&config.turnstile_url, "https://challenges.cloudflare.com/turnstile/v0/siteverify")
        }
        CaptchaProvider::Recaptcha | CaptchaProvider::ProofOfWork => {
            (&config.recaptcha_url, "https://www.google.com/recaptcha/api/siteverify")
        }
    };
    match set {
        Some(url) => Ok(url.clone()),
        None => Url::parse(usual).doing("reading the address of a captcha provider"),
    }
}

/// A provider's secret, sealed as it stands in a tenant's settings.
///
/// # Errors
/// Only through a fault of the library.
pub fn seal(key: &MasterKey, secret: &Secret<String>) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(key.seal(SEAL, &[], secret.expose().as_bytes())?))
}

fn opened(key: &MasterKey, sealed: &str) -> Result<Secret<String>> {
    const DOING: &str = "opening the secret of a captcha provider";
    let sealed = URL_SAFE_NO_PAD.decode(sealed).doing(DOING)?;
    let plain = key.open(SEAL, &[], &sealed)?;
    String::from_utf8(plain.expose().clone()).doing(DOING).map(Secret::new)
}
