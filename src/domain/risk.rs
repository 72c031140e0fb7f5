//! What a sign-in looks like before its password is looked at, and what it is asked for then.
//!
//! Signals add up to a score; from [`SUSPICIOUS`] on a stranger has to solve a captcha, where the
//! tenant has one. Nothing here may depend on whether the address has an account, but for what only
//! its owner can show: a device that he has signed in from.

use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        guessing::{self, Count, MAX_FAILURES},
        limits::Limit,
        settings::CaptchaUse,
    },
};

/// From this score on a captcha is asked for.
pub const SUSPICIOUS: u32 = 50;

/// Failures in a row from which on a captcha is as good as waiting.
const LOCKED: u32 = 10;

/// The longest that is waited in spite of a captcha: what the failure before those costs.
const LEAST: Duration = Duration::from_secs(16);

/// What is known of a sign-in before its password is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a signal of its own")]
pub struct Signals {
    /// A device was shown that the user has signed in from, or trusts.
    pub known_device: bool,
    /// Failures in a row, of the account or of the known device.
    pub account_failures: u32,
    /// Failures of the client's network, or of the application that asks for its users, within the
    /// window.
    pub network_failures: u32,
    /// Failures of all hosts of one customer of a provider.
    pub wide_failures: u32,
    /// The tenant is being tried with lists of passwords.
    pub tenant_alarm: bool,
    /// The client's network has failed with many accounts of the tenant.
    pub network_alarm: bool,
    /// The same address and password failed of late from another network.
    pub known_bad_pair: bool,
}

impl Signals {
    /// How suspicious they are, all together; 0 to 200.
    #[must_use]
    pub fn score(&self) -> u32 {
        if self.known_device {
            return 0;
        }
        let weigh = |holds: bool, weight: u32| if holds { weight } else { 0 };
        [
            weigh(self.tenant_alarm, 60),
            weigh(self.network_alarm, 60),
            // Less than enough alone: an old password that is still stored on two devices is one, too.
            weigh(self.known_bad_pair, 40),
            weigh(self.account_failures >= 3, 10),
            weigh(self.network_failures >= 20, 20),
            weigh(self.network_failures >= 40, 20),
            weigh(self.wide_failures >= 100, 20),
        ]
        .into_iter()
        .sum::<u32>()
        .min(200)
    }
}

/// What has been counted, whose limits hold.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Of the account, or of the known device.
    pub account: Option<Count>,
    /// Of the client's network, or of the application that asks for its users.
    pub network: Option<Count>,
    /// Which limit holds for it.
    pub network_limit: Limit,
    /// Of all hosts of one customer of a provider.
    pub wide: Option<Count>,
}

/// What a sign-in is asked for before its password is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// A captcha.
    Captcha,
    /// To wait.
    Wait(Duration),
    /// To wait; with a captcha less long, or not at all.
    CaptchaOrWait {
        /// Without a captcha.
        wait: Duration,
        /// With one.
        least: Duration,
    },
}

/// Decides what a sign-in is asked for.
#[must_use]
pub fn demand(signals: &Signals, counts: &Counts, captcha: CaptchaUse, now: Timestamp) -> Demand {
    let account = guessing::account_wait(counts.account, now);
    if signals.known_device {
        return account.map_or(Demand::Nothing, Demand::Wait);
    }
    let network = guessing::window_wait(counts.network, counts.network_limit, now);
    let wide = guessing::window_wait(counts.wide, Limit::WrongPasswordsWide, now);
    let Some(wait) = account.max(network).max(wide) else {
        return match captcha {
            CaptchaUse::Always => Demand::Captcha,
            CaptchaUse::Risk if signals.score() >= SUSPICIOUS => Demand::Captcha,
            CaptchaUse::Risk | CaptchaUse::Off => Demand::Nothing,
        };
    };
    let failures = counts.account.map_or(0, |count| count.failures);
    // A network that has failed four times as often as is borne only waits.
    let most = counts.network_limit.policy().amount.saturating_mul(4);
    let is_flood = counts.network.is_some_and(|count| count.failures >= most);
    let is_short = account.is_some() && failures < LOCKED;
    let is_final = failures >= MAX_FAILURES;
    if captcha == CaptchaUse::Off || is_final || is_flood || is_short {
        return Demand::Wait(wait);
    }
    let since = counts.account.map_or(Duration::MAX, |count| now.since(count.last_at));
    let least = account.map_or(Duration::ZERO, |_| LEAST.saturating_sub(since));
    Demand::CaptchaOrWait { wait, least }
}

/// What came of a demand, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password was looked at.
    Allowed,
    /// The password was looked at since a captcha was solved.
    CaptchaSolved,
    /// A captcha was asked for.
    CaptchaRequired,
    /// The captcha's answer was wrong.
    CaptchaFailed,
    /// It had to wait.
    Throttled,
}

impl Verdict {
    /// The stored spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::CaptchaSolved => "captcha_solved",
            Self::CaptchaRequired => "captcha_required",
            Self::CaptchaFailed => "captcha_failed",
            Self::Throttled => "throttled",
        }
    }
}

#[cfg(test)]
mod tests;
