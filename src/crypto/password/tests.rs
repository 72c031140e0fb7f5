use proptest::prelude::*;

use super::*;
use crate::{
    config::Kernel,
    crypto::hasher::{Class, Share},
};

const ORDER: Order = Order { share: Share::of(1), class: Class::Stranger };

fn config() -> PasswordConfig {
    PasswordConfig {
        memory_kib: 64,
        passes: 1,
        threads: 1,
        queue: 16,
        nice: 0,
        kernel: Kernel::Fast,
        pepper: None,
        previous_peppers: Vec::new(),
        breach_filter: None,
        breach_service: None,
    }
}

fn passwords(config: &PasswordConfig) -> Passwords {
    Passwords::new(config, Entropy::seeded(1)).unwrap()
}

fn pepper(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

const FRESH: Verdict = Verdict::Right { stale: false };
const STALE: Verdict = Verdict::Right { stale: true };

#[tokio::test]
async fn a_hash_has_the_phc_form_and_fits_its_password_only() {
    let it = passwords(&config());
    let hash = it.hash(ORDER, &password("right")).await.unwrap();
    let text = hash.expose();
    let fields: Vec<_> = text.split('$').collect();
    assert_eq!(fields[..4], ["", "argon2id", "v=19", "m=64,t=1,p=1"], "{text}");
    assert_eq!((fields[4].len(), fields[5].len(), fields.len()), (22, 43, 6), "{text}");
    assert_eq!(it.verify(ORDER, &password("right"), Some(&hash)).await.unwrap(), FRESH);
    assert_eq!(it.verify(ORDER, &password("wrong"), Some(&hash)).await.unwrap(), Verdict::Wrong);
    assert_eq!(it.verify(ORDER, &password("right"), None).await.unwrap(), Verdict::Wrong);
    assert!(!format!("{hash:?}").contains(fields[5]));
}

#[tokio::test]
async fn every_hash_has_its_own_salt() {
    let it = passwords(&config());
    let one = it.hash(ORDER, &password("same")).await.unwrap();
    let other = it.hash(ORDER, &password("same")).await.unwrap();
    assert_ne!(one.expose(), other.expose());
}

#[tokio::test]
async fn long_passwords_and_nul_count_to_the_last_character() {
    let it = passwords(&config());
    for (right, wrong) in [
        (format!("{}X", "a".repeat(72)), format!("{}Y", "a".repeat(72))),
        (format!("{}X", "\u{20ac}".repeat(72)), format!("{}Y", "\u{20ac}".repeat(72))),
        ("a".repeat(1024), "a".repeat(1023)),
        ("a\0b".to_owned(), "a\0c".to_owned()),
        ("a\0".to_owned(), "a".to_owned()),
        (" a".to_owned(), "a".to_owned()),
    ] {
        let hash = it.hash(ORDER, &password(&right)).await.unwrap();
        assert_eq!(it.verify(ORDER, &password(&right), Some(&hash)).await.unwrap(), FRESH);
        assert_eq!(it.verify(ORDER, &password(&wrong), Some(&hash)).await.unwrap(), Verdict::Wrong);
    }
}

#[tokio::test]
async fn other_parameters_fit_and_are_stale() {
    let hash = passwords(&config()).hash(ORDER, &password("right")).await.unwrap();
    for other in [
        PasswordConfig { memory_kib: 128, ..config() },
        PasswordConfig { memory_kib: 32, ..config() },
        PasswordConfig { passes: 2, ..config() },
    ] {
        let it = passwords(&other);
        assert_eq!(it.verify(ORDER, &password("right"), Some(&hash)).await.unwrap(), STALE);
        assert_eq!(
            it.verify(ORDER, &password("wrong"), Some(&hash)).await.unwrap(),
            Verdict::Wrong
        );
    }
    // The kernel makes no difference.
    let it = passwords(&PasswordConfig { kernel: Kernel::Portable, ..config() });
    assert_eq!(it.verify(ORDER, &password("right"), Some(&hash)).await.unwrap(), FRESH);
}

#[tokio::test]
async fn peppers_rotate() {
    let verdict = async |config: &PasswordConfig, hash: &PasswordHash| {
        passwords(config).verify(ORDER, &password("right"), Some(hash)).await.unwrap()
    };
    let bare = config();
    let first = PasswordConfig { pepper: Some(pepper("one")), ..config() };
    let second = PasswordConfig {
        pepper: Some(pepper("two")),
        previous_peppers: vec![pepper("zero"), pepper("one")],
        ..config()
    };
    let retired =
        PasswordConfig { pepper: None, previous_peppers: vec![pepper("one")], ..config() };
    let unpeppered = passwords(&bare).hash(ORDER, &password("right")).await.unwrap();
    let peppered = passwords(&first).hash(ORDER, &password("right")).await.unwrap();
    assert!(peppered.expose().contains(",keyid="), "{}", peppered.expose());

    assert_eq!(verdict(&first, &unpeppered).await, STALE);
    assert_eq!(verdict(&first, &peppered).await, FRESH);
    assert_eq!(verdict(&second, &peppered).await, STALE);
    assert_eq!(verdict(&retired, &peppered).await, STALE);
    // Without its pepper, or with another under its name, a hash fits nothing.
    assert_eq!(verdict(&bare, &peppered).await, Verdict::Wrong);
    let stripped = stored(&peppered.expose().replacen(&keyid_of(&peppered), "", 1));
    assert_eq!(verdict(&first, &stripped).await, Verdict::Wrong);
    let new = passwords(&second).hash(ORDER, &password("right")).await.unwrap();
    assert_ne!(keyid_of(&new), keyid_of(&peppered));
    assert_eq!(verdict(&second, &new).await, FRESH);
}

fn keyid_of(hash: &PasswordHash) -> String {
    let parameters = hash.expose().split('$').nth(3).unwrap();
    parameters[parameters.find(",keyid=").unwrap()..].to_owned()
}

/// Vectors of argon2-cffi, made by the reference implementation's own command, and of passlib.
const FOREIGN_ARGON2: [(&str, &str); 6] = [
    (
        "password",
        "$argon2i$m=65536,t=2,p=4$c29tZXNhbHQAAAAAAAAAAA$QWLzI4TY9HkL2ZTLc8g6SinwdhZewYrzz9zxCo0bkGY",
    ),
    (
        "password",
        "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$IMit9qkFULCMA/ViizL57cnTLOa5DiVM9eMwpAvPwr4",
    ),
    (
        "password",
        "$argon2d$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$cZn5d+rFh+ZfuRhm2iGUGgcrW5YLeM6q7L3vBsdmFA0",
    ),
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo",
    ),
    (
        "password\0",
        "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$Vpzuc0v0SrP88LcVvmg+z5RoOYpMDKH/lt6O+CZabIQ",
    ),
    ("password", "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
];

#[tokio::test]
async fn imported_hashes_fit_and_are_always_stale() {
    let it = passwords(&config());
    let others = [
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
        (
            "nacl",
            "$scrypt$ln=1,r=4,p=2$yhnD+J+Tci4lZCwFgHCuVQ$fAsEWmxSHuC0cHKMwKVFPzrQukgvK09Sj+NueTSxKds",
        ),
    ];
    for (right, text) in FOREIGN_ARGON2.into_iter().chain(others) {
        let hash = PasswordHash::import(text).unwrap();
        assert_eq!(it.verify(ORDER, &password(right), Some(&hash)).await.unwrap(), STALE, "{text}");
        let wrong = it.verify(ORDER, &password("wrong"), Some(&hash)).await.unwrap();
        assert_eq!(wrong, Verdict::Wrong, "{text}");
    }
}

#[test]
fn an_import_says_what_is_wrong() {
    let argon2 = |parameters: &str| {
        PasswordHash::import(&format!("$argon2id$v=19${parameters}$c29tZXNhbHQ${}", "A".repeat(43)))
    };
    assert!(argon2("m=262144,t=16,p=16").is_ok());
    for costly in ["m=262145,t=1,p=1", "m=64,t=17,p=1", "m=4096,t=1,p=17", "m=4294967295,t=1,p=1"] {
        assert!(matches!(argon2(costly), Err(ImportFault::TooCostly(..))), "{costly}");
    }
    assert_eq!(argon2("m=64,t=1,p=1,keyid=AAAA").unwrap_err(), ImportFault::Keyed);
    assert_eq!(argon2("m=64,t=1").unwrap_err(), ImportFault::Malformed("Argon2"));
    assert_eq!(PasswordHash::import("plain text").unwrap_err(), ImportFault::Unknown);
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_is_wrong_and_nothing_worse() {
    let it = passwords(&config());
    let good = it.hash(ORDER, &password("right")).await.unwrap();
    let good = good.expose();
    let mut odd = vec![
        String::new(),
        "$".to_owned(),
        "$argon2id".to_owned(),
        "$argon2x$v=19$m=64,t=1,p=1$c29tZXNhbHQ$".to_owned() + &"A".repeat(43),
        "\u{e9}".repeat(60),
        format!("$2b$05${}", "\u{e9}".repeat(53)),
        "x".repeat(100_000),
        good.replace("m=64", "m=4294967295"),
        good.replace("t=1", "t=4294967295"),
        good.replace("p=1", "p=4294967295"),
        good.replace("p=1", "p=0"),
        good.replace("m=64", "m=7"),
        good.replace("m=64", "m=064"),
        good.replace("m=64", "m=64,m=64"),
        good.replace("p=1", "p=1,data=AAAA"),
        good.replace("p=1", "p=1,keyid=AAAAAAAA"),
        good.replace("v=19", "v=18"),
        format!("{good}$"),
        format!("${good}"),
    ];
    odd.extend((0..good.len()).map(|cut| good[..cut].to_owned()));
    for text in odd {
        let verdict = it.verify(ORDER, &password("right"), Some(&stored(&text))).await.unwrap();
        assert_eq!(verdict, Verdict::Wrong, "{text}");
    }
}

#[tokio::test]
async fn our_own_hashes_may_be_above_the_ceiling() {
    let costly = PasswordConfig { passes: 17, ..config() };
    let hash = passwords(&costly).hash(ORDER, &password("right")).await.unwrap();
    let verify = async |config: &PasswordConfig| {
        passwords(config).verify(ORDER, &password("right"), Some(&hash)).await.unwrap()
    };
    assert_eq!(verify(&costly).await, FRESH);
    assert_eq!(verify(&config()).await, Verdict::Wrong);
}

#[test]
fn parameters_out_of_bounds_stop_the_start() {
    for wrong in
        [PasswordConfig { memory_kib: 7, ..config() }, PasswordConfig { passes: 0, ..config() }]
    {
        assert!(Passwords::new(&wrong, Entropy::seeded(1)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_text_form_reads_back(
        memory_kib in 128_u32..1 << 30,
        passes in 1_u32..100,
        lanes in 1_u32..16,
        keyid in proptest::option::of(proptest::collection::vec(any::<u8>(), 6)),
        salt in proptest::collection::vec(any::<u8>(), 8..=64),
        tag in proptest::collection::vec(any::<u8>(), 16..=64),
    ) {
        use crate::crypto::kernel::{Cost, Variant, Version};
        let cost = Cost { variant: Variant::Id, version: Version::V13, memory_kib, passes, lanes };
        let hash = Argon2Hash { cost, keyid, salt, tag };
        prop_assert_eq!(Argon2Hash::parse(&hash.to_string()), Some(hash));
    }

    #[test]
    fn no_text_is_a_panic(text in "(\\$argon2id\\$v=19\\$|\\$2b\\$|\\$scrypt\\$|\\$pbkdf2)?\\PC{0,80}") {
        let _ = PasswordHash::import(&text);
    }
}
