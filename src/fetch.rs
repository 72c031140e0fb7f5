//! What is fetched from, or sent to, addresses that others have named: key sets, metadata
//! documents, lists of a sector, notices of an ended session. The only way out for such requests.
//!
//! An address may have been named by somebody who would like us to knock where he cannot: so no
//! address inside is ever connected to, whether it is written as a number or found by its name
//! (the very address that was judged is the one that is connected to, so that a name cannot change
//! its mind in between), no redirect is followed, no proxy of the environment is used, nothing is
//! remembered between two requests, and an answer ends by a time and a size.
//!
//! What the answer says is for the caller to judge.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use ipnet::IpNet;
use reqwest::{
    Client, RequestBuilder, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
    redirect::Policy,
};
use url::{Host, Url};

use crate::domain::network::is_public;

/// How a form is written.
const FORM: &str = "application/x-www-form-urlencoded";

/// How long an exchange may take, all in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes requests to addresses that others have named.
#[derive(Debug)]
pub struct Fetcher {
    rules: Arc<Rules>,
    patience: Duration,
    // Made when first needed: it reads the machine's certificates.
    client: OnceLock<Option<Client>>,
}

/// Where requests may go besides the public internet.
#[derive(Debug)]
struct Rules {
    /// Whether to this machine too, also without TLS.
    loopback: bool,
    networks: Vec<IpNet>,
}

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The status, whichever it was.
    pub status: u16,
    /// The media type as it was told, with its parameters.
    pub content_type: Option<String>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why nothing came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfetched {
    /// It lies where requests do not go.
    #[error("the address is not one that is asked")]
    Forbidden,
    /// The body is longer than it may be.
    #[error("the answer is too long")]
    TooLong,
    /// There was no whole answer in time.
    #[error("there is no answer")]
    NoAnswer,
}

impl Fetcher {
    /// One that goes to the public internet, to `networks`, and, in development, to this machine.
    #[must_use]
    pub fn new(networks: &[IpNet], is_development: bool) -> Self {
        let rules = Rules { loopback: is_development, networks: networks.to_vec() };
        Self { rules: Arc::new(rules), patience: PATIENCE, client: OnceLock::new() }
    }

    /// What lies at an address, whose body has `most` bytes at most.
    ///
    /// # Errors
    /// Where the address is one that is not asked, or no whole answer came.
    pub async fn get(&self, url: &Url, most: usize) -> Result<Fetched, Unfetched> {
        self.get_as(url, "application/json", most).await
    }

    /// As [`Fetcher::get`], for what is not JSON: `accept` says what is wanted.
    ///
    /// # Errors
    /// As there.
    pub async fn get_as(
        &self,
        url: &Url,
        accept: &'static str,
        most: usize,
    ) -> Result<Fetched, Unfetched> {
        let request = self.client(url)?.get(url.clone());
        whole(self.send(request.header(header::ACCEPT, accept)).await?, most).await
    }

    /// As [`Fetcher::post_form`], with the answer, whose body has `most` bytes at most.
    ///
    /// # Errors
    /// As [`Fetcher::get`].
    pub async fn post_form_for(
        &self,
        url: &Url,
        form: String,
        most: usize,
    ) -> Result<Fetched, Unfetched> {
        let request = self.client(url)?.post(url.clone());
        let request = request.header(header::CONTENT_TYPE, FORM).body(form);
        whole(self.send(request).await?, most).await
    }
    /// Sends a form (`application/x-www-form-urlencoded`, written already) and returns the status
    /// of the answer. Its body is not read.
    ///
    /// # Errors
    /// Where the address is one that is not asked, or no answer came.
    pub async fn post_form(&self, url: &Url, form: String) -> Result<u16, Unfetched> {
        let request = self.client(url)?.post(url.clone());
        let request = request.header(header::CONTENT_TYPE, FORM).body(form);
        Ok(self.send(request).await?.status().as_u16())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Unfetched> {
        request.timeout(self.patience).send().await.map_err(|fault| no_answer(&fault))
    }

    /// The client, for an address that may be asked as far as it can be told without its name's
    /// being resolved.
    fn client(&self, url: &Url) -> Result<&Client, Unfetched> {
        if !self.rules.allow_url(url) {
            return Err(Unfetched::Forbidden);
        }
        let client = self.client.get_or_init(|| {
            let made = Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .dns_resolver(Arc::new(Judged(Arc::clone(&self.rules))))
                // A kept connection would be one that nobody has judged for this request.
                .pool_max_idle_per_host(0)
                .user_agent("countersign")
                .build();
            made.inspect_err(|fault| tracing::error!(%fault, "no client for requests outwards"))
                .ok()
        });
        client.as_ref().ok_or(Unfetched::NoAnswer)
    }
}

/// The whole of an answer, whose body has `most` bytes at most.
async fn whole(mut response: Response, most: usize) -> Result<Fetched, Unfetched> {
    let too_long = |length: usize| length > most;
    let told = response.content_length().and_then(|length| usize::try_from(length).ok());
    if told.is_some_and(too_long) {
        return Err(Unfetched::TooLong);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|fault| no_answer(&fault))? {
        if too_long(body.len() + chunk.len()) {
            return Err(Unfetched::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    Ok(Fetched {
        status: response.status().as_u16(),
        content_type: content_type.and_then(|it| it.to_str().ok()).map(str::to_owned),
        body,
    })
}

impl Rules {
    fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || (self.loopback && address.is_loopback())
            || self.networks.iter().any(|network| network.contains(&address))
    }

    fn allow_url(&self, url: &Url) -> bool {
        // The client connects to a literal address without asking the resolver.
        let (fits, is_local) = match url.host() {
            Some(Host::Domain(name)) => (true, name == "localhost"),
            Some(Host::Ipv4(address)) => (self.allow(address.into()), address.is_loopback()),
            Some(Host::Ipv6(address)) => (self.allow(address.into()), address.is_loopback()),
            None => (false, false),
        };
        let is_sealed =
            url.scheme() == "https" || (url.scheme() == "http" && self.loopback && is_local);
        fits && is_sealed && url.username().is_empty() && url.password().is_none()
    }
}

/// Resolves names, and leaves out the addresses that are not connected to.
struct Judged(Arc<Rules>);

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (allowed, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| rules.allow(address.ip()));
            if allowed.is_empty() && !others.is_empty() {
                return Err(Unfetched::Forbidden.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// What a fault of the client means. Its text names the address, which stays out of the log.
fn no_answer(fault: &reqwest::Error) -> Unfetched {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(fault);
    while let Some(this) = cause {
        if let Some(refused) = this.downcast_ref::<Unfetched>() {
            return *refused;
        }
        cause = this.source();
    }
    Unfetched::NoAnswer
}

#[cfg(test)]
mod tests;
