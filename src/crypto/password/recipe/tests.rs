use super::*;
use crate::{config::Kernel, crypto::kernel::WORK};

const PRESENT: Cost =
    Cost { variant: Variant::Id, version: Version::V13, memory_kib: 64, passes: 2, lanes: 1 };

const BCRYPT: &str = "$2a$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn recipe(memory_kib: u32) -> Recipe {
    let config = PasswordConfig {
        memory_kib,
        passes: 2,
        threads: 1,
        queue: 1,
        nice: 0,
        kernel: Kernel::Portable,
        pepper: None,
        previous_peppers: Vec::new(),
        breach_filter: None,
        breach_service: None,
    };
    Recipe::new(&config, [0; SALT]).unwrap()
}

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

/// What a wrong password costs in Argon2 work, in KiB times passes.
fn cost_of_wrong(recipe: &Recipe, stored: Option<&str>) -> u64 {
    let stored = stored.and_then(|text| recipe.read(text).ok());
    let mut argon2 = Argon2::new(Kernel::Portable);
    let before = WORK.get();
    let verdict = recipe.verify(&mut argon2, &password("wrong"), stored.as_ref()).unwrap();
    assert_eq!(verdict, Verdict::Wrong);
    WORK.get() - before
}

fn hash_by(recipe: &Recipe) -> String {
    let mut argon2 = Argon2::new(Kernel::Portable);
    recipe.hash(&mut argon2, &password("right"), [7; SALT]).unwrap().expose().to_owned()
}

#[test]
fn a_wrong_password_costs_the_same_work_whatever_there_is_to_compare_with() {
    let it = recipe(64);
    let present = hash_by(&it);
    for (name, stored) in [
        ("present", Some(present.clone())),
        ("none", None),
        ("unreadable", Some("nonsense".to_owned())),
        ("too costly", Some(present.replace("t=2", "t=99"))),
        ("unknown pepper", Some(present.replace("p=1", "p=1,keyid=AAAAAAAA"))),
        ("older and cheaper", Some(hash_by(&recipe(32)))),
        ("older, one pass", Some(present.replace("t=2", "t=1"))),
        ("cut short", Some(present[..present.len() - 5].to_owned())),
    ] {
        assert_eq!(cost_of_wrong(&it, stored.as_deref()), 128, "{name}");
    }
    // One that is more costly cannot be made cheaper, and nothing is added to it.
    assert_eq!(cost_of_wrong(&it, Some(&hash_by(&recipe(128)))), 256);
}

#[test]
fn an_imported_hash_is_made_up_for_by_the_time_it_took() {
    let it = recipe(64);
    // Nothing has been measured yet: the whole is added.
    assert_eq!(cost_of_wrong(&it, Some(BCRYPT)), 128);
    // A present hash takes an hour, so bcrypt took next to nothing of it.
    it.usual_micros.store(3_600_000_000, Ordering::Relaxed);
    assert_eq!(cost_of_wrong(&it, Some(BCRYPT)), 128);
    // A present hash takes no time, so bcrypt was more costly than it.
    it.usual_micros.store(1, Ordering::Relaxed);
    assert_eq!(cost_of_wrong(&it, Some(BCRYPT)), 0);
}

#[test]
fn time_is_turned_into_work_by_what_a_present_hash_takes() {
    let it = recipe(64);
    it.usual_micros.store(1000, Ordering::Relaxed);
    assert_eq!(it.worth(Duration::from_micros(500)), 64);
    assert_eq!(it.worth(Duration::from_millis(1)), 128);
    assert!(it.worth(Duration::MAX) > 1 << 60);
}

#[test]
fn the_time_of_present_hashes_is_learnt_and_of_others_is_not() {
    let it = recipe(64);
    cost_of_wrong(&it, Some(&hash_by(&recipe(32))));
    assert_eq!(it.usual_micros.load(Ordering::Relaxed), 0);
    cost_of_wrong(&it, None);
    assert_ne!(it.usual_micros.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_left_makes_up_the_whole() {
    let left = |done| remainder(&PRESENT, done).map(|rest| rest.memory_kib);
    assert_eq!(remainder(&PRESENT, 0), Some(PRESENT));
    assert_eq!(left(64), Some(32));
    assert_eq!(left(112), Some(8));
    assert_eq!(left(113), None);
    assert_eq!(left(128), None);
    assert_eq!(left(u64::MAX), None);
}
