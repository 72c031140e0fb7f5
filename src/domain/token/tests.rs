use std::time::Duration;

use super::{
    Client, Family, GRACE, SigningAlgorithm, Use, Verdict, access_expiry, context_class,
    idle_limit, judge,
};
use crate::{
    clock::Timestamp,
    domain::{session::Persistence, settings::SessionLifetimes},
};

const T0: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const JUST_BEFORE: Duration = Duration::from_micros(9_999_999);

fn lifetimes(idle_minutes: u64) -> SessionLifetimes {
    SessionLifetimes {
        idle: Duration::from_mins(idle_minutes),
        absolute: Duration::from_hours(24),
        remember_idle: Duration::from_hours(24 * 14),
        remember_absolute: Duration::from_hours(24 * 30),
    }
}

fn session(absolute: Duration) -> Use {
    Use { persistence: Persistence::Browser, absolute: T0 + absolute }
}

#[test]
fn an_access_token_outlives_neither_an_hour_nor_idleness_nor_its_session() {
    let day = session(Duration::from_hours(24));
    for (idle, session, expected) in [
        (60, day, Duration::from_mins(60)),
        (600, day, Duration::from_mins(60)),
        (10, day, Duration::from_mins(10)),
        (60, session(Duration::from_secs(7)), Duration::from_secs(7)),
    ] {
        assert_eq!(access_expiry(&lifetimes(idle), session, T0), T0 + expected);
    }
    let remembered = Use { persistence: Persistence::Remembered, ..day };
    assert_eq!(access_expiry(&lifetimes(10), remembered, T0), T0 + Duration::from_mins(60));
}

#[test]
fn a_client_that_refreshes_when_its_token_ends_is_in_time() {
    for idle in [1, 10, 60, 600] {
        let day = session(Duration::from_hours(24));
        let (token, limit) =
            (access_expiry(&lifetimes(idle), day, T0), idle_limit(&lifetimes(idle), day, T0));
        assert!(limit >= token + Duration::from_mins(5), "{idle}");
        assert!(limit >= T0 + lifetimes(idle).idle, "never shorter than without tokens");
    }
    let short = session(Duration::from_mins(30));
    assert_eq!(idle_limit(&lifetimes(60), short, T0), short.absolute);
}

#[test]
fn a_refresh_token_is_judged_by_its_place_in_the_family() {
    let (old, current, older) = ([1; 32], [2; 32], [3; 32]);
    let family = Family { current, previous: Some((old, T0)), is_live: true };
    let dead = Family { is_live: false, ..family };
    let fresh = Family { previous: None, ..family };
    for (family, shown, after, expected) in [
        (family, current, Duration::ZERO, Verdict::Rotate),
        (family, current, Duration::from_hours(9), Verdict::Rotate),
        (family, old, Duration::ZERO, Verdict::Repeat),
        (family, old, JUST_BEFORE, Verdict::Repeat),
        (family, old, GRACE, Verdict::Reused),
        (family, older, Duration::ZERO, Verdict::Reused),
        (fresh, current, Duration::ZERO, Verdict::Rotate),
        (fresh, old, Duration::ZERO, Verdict::Reused),
        (dead, current, Duration::ZERO, Verdict::Dead),
        (dead, old, Duration::ZERO, Verdict::Dead),
        (dead, old, GRACE, Verdict::Reused),
        (dead, older, Duration::ZERO, Verdict::Reused),
    ] {
        assert_eq!(judge(&family, shown, T0 + after), expected, "{family:?} {shown:?} {after:?}");
    }
}

#[test]
fn only_two_factors_raise_the_class() {
    for (methods, class) in [
        ("pwd", "aal1"),
        ("pwd otp", "aal1"),
        ("pwd otp mfa", "aal2"),
        ("mfa", "aal2"),
        ("", "aal1"),
    ] {
        assert_eq!(context_class(methods), class, "{methods}");
    }
}

#[test]
fn an_algorithm_has_one_name_everywhere() {
    for algorithm in SigningAlgorithm::ALL {
        let name = algorithm.as_str();
        assert_eq!(SigningAlgorithm::from_name(name), Some(algorithm));
        assert_eq!(serde_json::to_value(algorithm).unwrap(), name);
    }
    for name in ["none", "HS256", "es256", ""] {
        assert_eq!(SigningAlgorithm::from_name(name), None);
    }
    assert_eq!(Client::portal().id, "portal");
}
