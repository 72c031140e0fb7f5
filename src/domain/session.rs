//! Session lifetimes: an idle limit that use extends, and an absolute one that nothing does.

use crate::{
    clock::Timestamp,
    domain::settings::SessionLifetimes,
    id::{SessionId, UserId},
};

/// Whether a session outlives the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// A cookie that ends with the browser, and the short lifetime.
    Browser,
    /// A persistent cookie and the long lifetime (`remember_me`).
    Remembered,
}

impl Persistence {
    /// From the flag on the wire and in the table.
    #[must_use]
    pub fn from_flag(remember: bool) -> Self {
        if remember { Self::Remembered } else { Self::Browser }
    }

    /// The flag in the table.
    #[must_use]
    pub fn is_remembered(self) -> bool {
        self == Self::Remembered
    }
}

/// When a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Without further use.
    pub idle: Timestamp,
    /// Whatever happens.
    pub absolute: Timestamp,
}

/// When a session that starts at `now` ends.
#[must_use]
pub fn expiry(lifetimes: &SessionLifetimes, persistence: Persistence, now: Timestamp) -> Expiry {
    let (idle, absolute) = match persistence {
        Persistence::Browser => (lifetimes.idle, lifetimes.absolute),
        Persistence::Remembered => (lifetimes.remember_idle, lifetimes.remember_absolute),
    };
    let absolute = now + absolute;
    Expiry { idle: (now + idle).min(absolute), absolute }
}

/// The idle limit after use at `now`: later than before, never past the absolute one.
#[must_use]
pub fn extended(
    lifetimes: &SessionLifetimes,
    persistence: Persistence,
    absolute: Timestamp,
    now: Timestamp,
) -> Timestamp {
    expiry(lifetimes, persistence, now).idle.min(absolute)
}

/// A session as it is listed.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its public handle.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Whether it outlives the browser.
    pub persistence: Persistence,
    /// How its user proved who he is, space separated (RFC 8176).
    pub auth_methods: String,
    /// When he last did.
    pub proved_at: Timestamp,
    /// Where it was opened from.
    pub address: String,
    /// By which agent.
    pub agent: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends.
    pub expiry: Expiry,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Persistence, expiry, extended};
    use crate::{clock::Timestamp, domain::settings::SessionLifetimes};

    const T0: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn lifetimes() -> SessionLifetimes {
        SessionLifetimes {
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(86_400),
            remember_idle: Duration::from_secs(864_000),
            remember_absolute: Duration::from_secs(2_592_000),
        }
    }

    #[test]
    fn use_extends_the_idle_limit_but_never_past_the_absolute_one() {
        let first = expiry(&lifetimes(), Persistence::Browser, T0);
        let mut now = T0;
        for _ in 0..100 {
            now = now + Duration::from_secs(1800);
            let idle = extended(&lifetimes(), Persistence::Browser, first.absolute, now);
            assert!(idle <= first.absolute);
        }
        let late = first.absolute - Duration::from_secs(60);
        assert_eq!(
            extended(&lifetimes(), Persistence::Browser, first.absolute, late),
            first.absolute
        );
    }

    #[test]
    fn a_remembered_session_lives_longer() {
        let short = expiry(&lifetimes(), Persistence::Browser, T0);
        let long = expiry(&lifetimes(), Persistence::Remembered, T0);
        assert!(long.idle > short.idle && long.absolute > short.absolute);
    }
}
