//! Limits on load, per client network and in memory: they guard the machine, not secrets. What
//! guards secrets is in `domain::guessing` and is shared by all nodes.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::{
    config::LimitsConfig,
    domain::network::ClientAddress,
    error::{Error, Result},
};

/// Requests after which networks that have gone quiet are forgotten.
const SWEEP: u32 = 10_000;

/// The limits of this node.
#[derive(Debug)]
pub struct Limits {
    networks: Option<DefaultKeyedRateLimiter<String>>,
    seen: AtomicU32,
}

impl Limits {
    /// Limits as configured; none where they are switched off.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        let rate = NonZeroU32::new(config.requests_per_minute).filter(|_| config.enabled);
        Self {
            networks: rate.map(|rate| RateLimiter::keyed(Quota::per_minute(rate))),
            seen: AtomicU32::new(0),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`Error::Throttled`] where the client's network has had its share.
    pub fn check(&self, client: ClientAddress) -> Result<()> {
        let Some(networks) = &self.networks else { return Ok(()) };
        if self.seen.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            networks.retain_recent();
        }
        networks.check_key(&client.network()).map_err(|full| Error::Throttled {
            retry: full.wait_time_from(DefaultClock::default().now()).max(Duration::from_secs(1)),
        })
    }
}
