//! Asks a range service whether a password is known from a breach.
//!
//! Only the first five digits of the password's SHA-1 leave the house (k-anonymity), the answer
//! is padded so that its size tells nothing, and where the service does not answer, the password
//! passes: nobody is kept from registering by somebody else's outage. Who may be asked, and when,
//! is decided above ([`Breached`](super::Breached)).

use std::time::Duration;

use reqwest::{Client, redirect::Policy};
use url::Url;
use zeroize::Zeroizing;

use super::sha1;
use crate::{
    crypto::opaque::hex,
    domain::password::Password,
    error::{Context, Error, Result},
};

/// How long an answer may take, all in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of an answer at most; a padded one has about 60 KB.
const LONGEST_ANSWER: usize = 1 << 20;

/// Digits of the digest that are sent.
const PREFIX: usize = 5;

/// The service, or nothing where none is configured.
#[derive(Debug, Clone)]
pub(super) struct BreachService(Option<(Client, Url)>);

impl BreachService {
    /// The service whose ranges lie under `base`, such as `https://api.pwnedpasswords.com/range`.
    ///
    /// # Errors
    /// Where no TLS client can be set up.
    pub(super) fn new(base: Option<&Url>) -> Result<Self> {
        let Some(base) = base else { return Ok(Self(None)) };
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .user_agent("countersign")
            .build()
            .doing("setting up the client of the breached-password service")?;
        Ok(Self(Some((client, base.clone()))))
    }

    /// Whether the service knows `password`; `None` where there is none.
    ///
    /// # Errors
    /// Where it does not answer.
    pub(super) async fn ask(&self, password: &Password) -> Result<Option<bool>> {
        let Some((client, base)) = &self.0 else { return Ok(None) };
        let (prefix, rest) = digits(password);
        Ok(Some(lists(&range(client, base, &prefix).await?, &rest)))
    }

    /// As [`BreachService::ask`]; false where there is no service or it does not answer.
    pub(super) async fn knows(&self, password: &Password) -> bool {
        match self.ask(password).await {
            Ok(known) => known.unwrap_or(false),
            Err(fault) => {
                tracing::warn!(?fault, "the breached-password service gives no answer");
                false
            }
        }
    }
}

/// The SHA-1 of the password in upper-case hexadecimal: what is sent, and what is not.
fn digits(password: &Password) -> (String, Zeroizing<String>) {
    let mut prefix = hex(sha1(password).as_ref());
    prefix.make_ascii_uppercase();
    let rest = Zeroizing::new(prefix.split_off(PREFIX));
    (prefix, rest)
}

async fn range(client: &Client, base: &Url, prefix: &str) -> Result<Vec<u8>> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| {
            Error::internal("asking the breached-password service", "no path in its URL")
        })?
        .pop_if_empty()
        .push(prefix);
    let asked = client.get(url).header("Add-Padding", "true").send().await;
    // The URL is dropped from the fault: the prefix is no secret, but nobody's business either.
    let mut answer = asked
        .and_then(reqwest::Response::error_for_status)
        .map_err(reqwest::Error::without_url)
        .doing("asking the breached-password service")?;
    let mut body = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)
        .doing("reading the answer of the breached-password service")?
    {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return Err(Error::internal("reading the range of breached passwords", "too long"));
        }
    }
    Ok(body)
}

/// Whether a line `REST:COUNT` is among `lines`. Padding has the count 0.
fn lists(lines: &[u8], rest: &str) -> bool {
    String::from_utf8_lossy(lines).lines().any(|line| {
        let Some((suffix, count)) = line.trim().split_once(':') else { return false };
        suffix.eq_ignore_ascii_case(rest) && count.trim().parse::<u64>().is_ok_and(|it| it > 0)
    })
}

#[cfg(test)]
mod tests;
