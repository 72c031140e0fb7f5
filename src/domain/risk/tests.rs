use std::time::Duration;

use proptest::prelude::*;

use super::{Counts, Demand, SUSPICIOUS, Signals, demand};
use crate::{
    clock::Timestamp,
    domain::{
        guessing::{Count, MAX_FAILURES, delay},
        limits::Limit,
        settings::CaptchaUse,
    },
};

const T0: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn count(failures: u32) -> Option<Count> {
    (failures > 0).then_some(Count { failures, first_at: T0, last_at: T0 })
}

fn counts(account: u32, network: u32) -> Counts {
    Counts {
        account: count(account),
        network: count(network),
        network_limit: Limit::WrongPasswords,
        wide: None,
    }
}

fn of_stranger(account: u32, network: u32, captcha: CaptchaUse, now: Timestamp) -> Demand {
    let signals =
        Signals { account_failures: account, network_failures: network, ..Signals::default() };
    demand(&signals, &counts(account, network), captcha, now)
}

#[test]
fn a_captcha_stands_in_for_minutes_and_never_for_seconds() {
    assert_eq!(of_stranger(4, 0, CaptchaUse::Risk, T0), Demand::Nothing);
    assert_eq!(of_stranger(9, 0, CaptchaUse::Risk, T0), Demand::Wait(delay(9)));
    let wait = delay(10);
    let least = Duration::from_secs(16);
    assert_eq!(of_stranger(10, 0, CaptchaUse::Risk, T0), Demand::CaptchaOrWait { wait, least });
    let later = T0 + Duration::from_secs(16);
    let rest = wait.checked_sub(least).unwrap();
    assert_eq!(
        of_stranger(10, 0, CaptchaUse::Risk, later),
        Demand::CaptchaOrWait { wait: rest, least: Duration::ZERO }
    );
    assert_eq!(of_stranger(10, 0, CaptchaUse::Off, T0), Demand::Wait(wait));
}

#[test]
fn after_a_hundred_failures_no_captcha_helps() {
    let much_later = T0 + Duration::from_secs(10_000_000);
    for use_of in [CaptchaUse::Off, CaptchaUse::Risk, CaptchaUse::Always] {
        let demand = of_stranger(MAX_FAILURES, 0, use_of, much_later);
        assert!(matches!(demand, Demand::Wait(_)), "{demand:?}");
    }
}

#[test]
fn a_network_is_let_through_by_captcha_until_it_floods() {
    let window = Limit::WrongPasswords.policy().window;
    assert_eq!(
        of_stranger(0, 60, CaptchaUse::Risk, T0 + SECOND),
        Demand::CaptchaOrWait { wait: window.checked_sub(SECOND).unwrap(), least: Duration::ZERO }
    );
    assert_eq!(of_stranger(0, 240, CaptchaUse::Risk, T0), Demand::Wait(window));
}

#[test]
fn a_tenant_may_always_ask_or_never() {
    assert_eq!(of_stranger(0, 0, CaptchaUse::Always, T0), Demand::Captcha);
    let alarmed = Signals { tenant_alarm: true, network_alarm: true, ..Signals::default() };
    assert_eq!(demand(&alarmed, &counts(0, 0), CaptchaUse::Off, T0), Demand::Nothing);
    assert_eq!(demand(&alarmed, &counts(0, 0), CaptchaUse::Risk, T0), Demand::Captcha);
}

#[test]
fn an_alarm_is_enough_alone_and_a_pair_that_is_tried_again_is_not() {
    for signals in [
        Signals { tenant_alarm: true, ..Signals::default() },
        Signals { network_alarm: true, ..Signals::default() },
        Signals { known_bad_pair: true, account_failures: 3, ..Signals::default() },
    ] {
        assert!(signals.score() >= SUSPICIOUS, "{signals:?}");
    }
    // An old password that is still stored on two devices.
    let stored = Signals { known_bad_pair: true, account_failures: 2, ..Signals::default() };
    assert!(stored.score() < SUSPICIOUS);
    let clumsy = Signals { account_failures: 4, network_failures: 25, ..Signals::default() };
    assert!(clumsy.score() < SUSPICIOUS);
}

fn some_signals() -> impl Strategy<Value = Signals> {
    (any::<[bool; 4]>(), 0..150_u32, 0..600_u32, 0..600_u32).prop_map(
        |(flags, account_failures, network_failures, wide_failures)| Signals {
            known_device: flags[0],
            account_failures,
            network_failures,
            wide_failures,
            tenant_alarm: flags[1],
            network_alarm: flags[2],
            known_bad_pair: flags[3],
        },
    )
}

proptest! {
    /// THR-08: whatever strangers do, the owner's device is asked for nothing but its own failures.
    #[test]
    fn a_known_device_is_never_asked_for_a_captcha(
        signals in some_signals(),
        account in 0..150_u32,
        network in 0..600_u32,
    ) {
        let signals = Signals { known_device: true, ..signals };
        for use_of in [CaptchaUse::Off, CaptchaUse::Risk, CaptchaUse::Always] {
            let asked = demand(&signals, &counts(account, network), use_of, T0);
            match asked {
                Demand::Nothing => prop_assert!(account < 5),
                Demand::Wait(wait) => {
                    prop_assert!(account >= 5);
                    prop_assert!(account >= MAX_FAILURES || wait == delay(account));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    /// One signal more never makes a sign-in look better.
    #[test]
    fn the_score_only_grows(signals in some_signals()) {
        let stranger = Signals { known_device: false, ..signals };
        for worse in [
            Signals { tenant_alarm: true, ..stranger },
            Signals { network_alarm: true, ..stranger },
            Signals { known_bad_pair: true, ..stranger },
            Signals { network_failures: stranger.network_failures + 1, ..stranger },
            Signals { account_failures: stranger.account_failures + 1, ..stranger },
        ] {
            prop_assert!(worse.score() >= stranger.score());
        }
    }
}
