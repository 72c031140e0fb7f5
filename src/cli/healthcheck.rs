//! `countersign healthcheck`: asks a running server whether it is ready, for a container's probe.
//!
//! It speaks the few lines of HTTP itself: a probe runs every few seconds, and an HTTP client
//! with TLS would read all root certificates of the machine each time.

use std::{net::Ipv4Addr, net::Ipv6Addr, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::{Position, Url};

use super::{Failure, output};
use crate::config::Config;

/// How long the answer may take. Shorter than the 10 s that orchestrators usually give a probe.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks `url`, or `/health/ready` where the settings say the server listens.
///
/// # Errors
/// Where the answer is not 200, or does not come in five seconds.
pub(super) async fn run(config: &Config, url: Option<&str>) -> Result<(), Failure> {
    let no = |said: String| Err(Failure::No(said));
    let url = match url {
        None => of(config.listen),
        Some(text) => text.to_owned(),
    };
    let url = match Url::parse(&url) {
        Ok(url) if url.scheme() == "http" && url.has_host() => url,
        _ => return no("--url is not an http address".to_owned()),
    };
    match timeout(PATIENCE, status(&url)).await {
        Ok(Ok(200)) => Ok(output::text("ready\n")?),
        Ok(Ok(status)) => no(format!("not ready: the server answers {status}")),
        Ok(Err(fault)) => no(format!("not ready: {fault}")),
        Err(_) => no(format!("not ready: no answer in {} s", PATIENCE.as_secs())),
    }
}

/// The address to ask: who listens on all addresses is asked on the loopback one.
fn of(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv6() => Ipv6Addr::LOCALHOST.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    format!("http://{}/health/ready", SocketAddr::new(ip, listen.port()))
}

/// The status that `url` is answered with.
async fn status(url: &Url) -> std::io::Result<u16> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: countersign-healthcheck\r\nconnection: close\r\n\r\n",
        &url[Position::BeforePath..Position::AfterQuery],
        &url[Position::BeforeHost..Position::AfterPort],
    );
    stream.write_all(request.as_bytes()).await?;
    // "HTTP/1.1 200" is all that is wanted.
    let mut line = [0; 12];
    stream.read_exact(&mut line).await?;
    let status =
        std::str::from_utf8(&line).ok().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}

#[cfg(test)]
mod tests;
