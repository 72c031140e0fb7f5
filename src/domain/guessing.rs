//! The rule against guessing, the same behind every door that takes a password or a code.
//!
//! Failures in a row are counted for an account and for a known device of it, failures in a
//! window of time for a client network. From the fifth on an account costs growing delays, from
//! the tenth on it waits for minutes, and after a hundred only a password reset helps (NIST SP
//! 800-63B-4 §3.2.2). A device that the user has signed in from has a count of its own, so that a
//! stranger's guesses never lock the owner out.

use std::time::Duration;

use crate::{clock::Timestamp, domain::limits::Limit};

/// Failures in a row that cost nothing.
pub const FREE_FAILURES: u32 = 4;
/// Failures in a row after which only a reset helps.
pub const MAX_FAILURES: u32 = 100;
/// How long failures in a row are remembered after the last of them; alike for addresses with and
/// without an account, so that a count never tells which it is.
pub const MEMORY: Duration = Duration::from_secs(30 * 86_400);

const LONGEST: Duration = Duration::from_mins(15);

/// What is known of one subject's failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub failures: u32,
    /// The first of them, or of the present window.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
}

/// How long after the last of `failures` in a row the next try must wait.
#[must_use]
pub fn delay(failures: u32) -> Duration {
    match failures {
        0..=FREE_FAILURES => Duration::ZERO,
        5..=9 => Duration::from_secs(1 << (failures - 5)),
        10..=13 => Duration::from_secs(60 << (failures - 10)),
        _ => LONGEST,
    }
}

/// How long an account (or a known device of it) must wait at `now`; `None`: it need not.
#[must_use]
pub fn account_wait(count: Option<Count>, now: Timestamp) -> Option<Duration> {
    let count = count?;
    if count.failures >= MAX_FAILURES {
        return Some(LONGEST);
    }
    rest(count.last_at + delay(count.failures), now)
}

/// How long must be waited at `now` where what was counted in the present window has reached a
/// limit; `None`: not at all.
#[must_use]
pub fn window_wait(count: Option<Count>, limit: Limit, now: Timestamp) -> Option<Duration> {
    let policy = limit.policy();
    let count = count.filter(|count| count.failures >= policy.amount)?;
    rest(count.first_at + policy.window, now)
}

fn rest(until: Timestamp, now: Timestamp) -> Option<Duration> {
    Some(until.since(now)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Count, account_wait, delay, window_wait};
    use crate::{clock::Timestamp, domain::limits::Limit};

    const T0: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn count(failures: u32) -> Count {
        Count { failures, first_at: T0, last_at: T0 }
    }

    #[test]
    fn four_failures_are_free_and_then_each_costs_at_least_as_much_as_the_one_before() {
        assert_eq!(delay(4), Duration::ZERO);
        assert_eq!(delay(5), Duration::from_secs(1));
        for failures in 5..200 {
            assert!(delay(failures) >= delay(failures - 1), "{failures}");
            assert!(delay(failures) <= Duration::from_secs(900), "{failures}");
        }
        assert!(delay(10) >= Duration::from_secs(60));
    }

    #[test]
    fn the_wait_ends_exactly_when_it_is_over() {
        let just_before = T0 + Duration::from_micros(999_999);
        assert_eq!(account_wait(Some(count(5)), just_before), Some(Duration::from_micros(1)));
        assert_eq!(account_wait(Some(count(5)), T0 + Duration::from_secs(1)), None);
        assert_eq!(account_wait(None, T0), None);
    }

    #[test]
    fn a_hundred_failures_in_a_row_wait_for_a_reset_however_long_ago() {
        let years_later = T0 + Duration::from_secs(100_000_000);
        assert_eq!(account_wait(Some(count(99)), years_later), None);
        assert!(account_wait(Some(count(100)), years_later).is_some());
    }

    #[test]
    fn a_network_waits_for_the_end_of_its_window() {
        let wait = |failures, now| window_wait(Some(count(failures)), Limit::WrongPasswords, now);
        let window = Limit::WrongPasswords.policy().window;
        assert_eq!(wait(59, T0), None);
        assert_eq!(wait(60, T0), Some(window));
        assert_eq!(wait(600, T0 + window), None);
    }

    #[test]
    fn a_clock_that_goes_back_shortens_no_wait() {
        let earlier = T0 - Duration::from_secs(3600);
        assert!(account_wait(Some(count(5)), earlier).is_some());
    }
}
