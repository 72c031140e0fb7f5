//! Limits on load, in the memory of this node: they guard the machine, not secrets. What guards
//! secrets is counted in the database.
//!
//! The lines of the table are in [`crate::domain::limits`].

use std::{
    num::NonZeroU32,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use crate::{
    config::LimitsConfig,
    crypto::{device, opaque::Token, seal::MasterKey},
    domain::{
        limits::{Guards, Limit, Per},
        network::{ClientAddress, Network},
    },
    error::{Error, Result},
    id::{ApplicationId, Id as _, TenantId},
};

/// Requests after which whoever has gone quiet is forgotten.
const SWEEP: u32 = 10_000;
/// Subjects of one limit that are remembered; with more, all begin anew, so that a flood from ever
/// new networks takes no memory. What has few of its own, such as 48 bits of an address, goes on
/// to hold.
const MOST: usize = 100_000;
/// Times its share that a network's requests are let through for applications to prove themselves.
const PROVING: u32 = 10;

/// Whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Network(Network),
    Id(uuid::Uuid),
}

type Counts =
    RateLimiter<Subject, DefaultKeyedStateStore<Subject>, DefaultClock, StateInformationMiddleware>;

/// How much of a limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Of which limit.
    pub limit: Limit,
    /// How many are borne in a window.
    pub amount: u32,
    /// How many more are borne now.
    pub remaining: u32,
    /// When all of it is there again.
    pub reset: Duration,
}

/// What the limits say of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Unlimited,
    /// It is within them; the limit that is nearest to its end.
    Within(Left),
    /// It is over one of them.
    Over {
        /// Which, and how much of it is left: nothing.
        left: Left,
        /// When the next one is borne.
        retry: Duration,
    },
}

/// The limits of this node.
#[derive(Debug)]
pub struct Load {
    networks: Vec<Line>,
    proving: Option<Line>,
    tenants: Option<Line>,
    devices: Option<Line>,
    applications: Option<Line>,
}

impl Load {
    /// Limits as configured; none where they are switched off.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        let amount = |limit: Limit| match limit {
            Limit::Requests => config.requests_per_minute,
            Limit::RequestsWide => config.requests_per_minute.saturating_mul(4),
            Limit::TenantRequests => config.tenant_requests_per_minute,
            Limit::ApplicationRequests => config.application_requests_per_minute,
            other => other.policy().amount,
        };
        let line = |limit: Limit| Line::new(limit, amount(limit)).filter(|_| config.enabled);
        let others = [Limit::TenantRequests, Limit::DeviceRequests, Limit::ApplicationRequests];
        let of_networks =
            |limit: &&Limit| limit.policy().guards == Guards::Load && !others.contains(limit);
        Self {
            networks: Limit::ALL.iter().filter(of_networks).filter_map(|it| line(*it)).collect(),
            proving: Line::new(Limit::Requests, config.requests_per_minute.saturating_mul(PROVING))
                .filter(|_| config.enabled),
            tenants: line(Limit::TenantRequests),
            devices: line(Limit::DeviceRequests),
            applications: line(Limit::ApplicationRequests),
        }
    }

    /// Counts a request of a client by the limits that hold for it.
    #[must_use]
    pub fn network(&self, client: ClientAddress, limits: &[Limit]) -> Verdict {
        let mut verdict = Verdict::Unlimited;
        for line in self.networks.iter().filter(|line| limits.contains(&line.limit)) {
            let network = match line.limit.policy().per {
                Per::WideNetwork => client.wide(),
                _ => client.near(),
            };
            let Some(network) = network else { continue };
            match (line.check(Subject::Network(network)), verdict) {
                (Ok(left), Verdict::Within(least)) if left.remaining >= least.remaining => {}
                (Ok(left), _) => verdict = Verdict::Within(left),
                (Err((left, retry)), _) => return Verdict::Over { left, retry },
            }
        }
        verdict
    }

    /// Whether a request of a network that has had its share may go on to where an application
    /// proves who it is. That is looked at only so often, too.
    #[must_use]
    pub fn may_prove(&self, client: ClientAddress) -> bool {
        match (&self.proving, client.near()) {
            (Some(line), Some(network)) => line.check(Subject::Network(network)).is_ok(),
            _ => true,
        }
    }

    /// Counts a request to a tenant: for the device, where the tenant has given out the token that
    /// came along, so that strangers cannot flood it out; else for the tenant.
    ///
    /// # Errors
    /// [`Error::Throttled`].
    pub fn tenant(&self, key: &MasterKey, id: TenantId, device: Option<&Token>) -> Result<()> {
        let Some(token) = device.filter(|token| device::is_of(key, token, id.uuid())) else {
            return of_id(self.tenants.as_ref(), id.uuid());
        };
        let digest = token.digest();
        let half = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        of_id(self.devices.as_ref(), uuid::Uuid::from_bytes(half))
    }

    /// Counts a request of an application that has proved who it is.
    ///
    /// # Errors
    /// [`Error::Throttled`].
    pub fn application(&self, id: ApplicationId) -> Result<()> {
        of_id(self.applications.as_ref(), id.uuid())
    }
}

fn of_id(line: Option<&Line>, id: uuid::Uuid) -> Result<()> {
    let Some(line) = line else { return Ok(()) };
    let counted = line.check(Subject::Id(id));
    counted.map(|_| ()).map_err(|(_, retry)| Error::Throttled { retry })
}

/// One limit and its counts.
#[derive(Debug)]
struct Line {
    limit: Limit,
    amount: NonZeroU32,
    /// How long until one more is borne.
    each: Duration,
    counts: RwLock<Counts>,
    seen: AtomicU32,
}

impl Line {
    fn new(limit: Limit, amount: u32) -> Option<Self> {
        let amount = NonZeroU32::new(amount)?;
        let each = limit.policy().window / amount.get();
        Some(Self {
            limit,
            amount,
            each,
            counts: RwLock::new(Self::empty(each, amount)?),
            seen: AtomicU32::new(0),
        })
    }

    fn empty(each: Duration, amount: NonZeroU32) -> Option<Counts> {
        let quota = Quota::with_period(each)?.allow_burst(amount);
        Some(RateLimiter::keyed(quota).with_middleware())
    }

    fn check(&self, subject: Subject) -> Result<Left, (Left, Duration)> {
        if self.seen.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.sweep();
        }
        let left = |remaining: u32| Left {
            limit: self.limit,
            amount: self.amount.get(),
            remaining,
            reset: self.each * (self.amount.get() - remaining.min(self.amount.get())),
        };
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        match counts.check_key(&subject) {
            Ok(state) => Ok(left(state.remaining_burst_capacity())),
            Err(full) => {
                let retry = full.wait_time_from(DefaultClock::default().now());
                Err((left(0), retry.max(Duration::from_secs(1))))
            }
        }
    }

    fn sweep(&self) {
        let count = {
            let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
            counts.retain_recent();
            counts.len()
        };
        if count > MOST
            && let Some(empty) = Self::empty(self.each, self.amount)
        {
            *self.counts.write().unwrap_or_else(PoisonError::into_inner) = empty;
        }
    }
}
