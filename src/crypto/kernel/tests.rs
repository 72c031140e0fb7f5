use proptest::prelude::*;

use super::*;

const SMALL: Cost =
    Cost { variant: Variant::Id, version: Version::V13, memory_kib: 64, passes: 1, lanes: 1 };

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|it| !it.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// A variant, a version, KiB, passes, lanes, password, salt, and the tag as published.
type Published = (Variant, Version, u32, u32, u32, &'static str, &'static str, &'static str);

/// From the test file of the reference implementation (`src/test.c` of phc-winner-argon2).
const PUBLISHED: [Published; 6] = [
    (
        Variant::Id,
        Version::V13,
        256,
        2,
        1,
        "password",
        "somesalt",
        "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
    ),
    (
        Variant::Id,
        Version::V13,
        256,
        2,
        2,
        "password",
        "somesalt",
        "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
    ),
    (
        Variant::I,
        Version::V13,
        256,
        2,
        1,
        "password",
        "somesalt",
        "89e9029f4637b295beb027056a7336c414fadd43f6b208645281cb214a56452f",
    ),
    (
        Variant::I,
        Version::V13,
        256,
        2,
        2,
        "password",
        "somesalt",
        "4ff5ce2769a1d7f4c8a491df09d41a9fbe90e5eb02155a13e4c01e20cd4eab61",
    ),
    (
        Variant::I,
        Version::V10,
        256,
        2,
        1,
        "password",
        "somesalt",
        "fd4dd83d762c49bdeaf57c47bdcd0c2f1babf863fdeb490df63ede9975fccf06",
    ),
    (
        Variant::I,
        Version::V10,
        256,
        2,
        2,
        "password",
        "somesalt",
        "b6c11560a6a9d61eac706b79a2f97d68b4463aa3ad87e00c07e2b01e90c564fb",
    ),
];

#[test]
fn both_kernels_give_the_published_tags() {
    for kernel in [config::Kernel::Fast, config::Kernel::Portable] {
        let mut argon2 = Argon2::new(kernel);
        for (variant, version, memory_kib, passes, lanes, password, salt, tag) in PUBLISHED {
            let cost = Cost { variant, version, memory_kib, passes, lanes };
            let got = argon2.tag(&cost, password.as_bytes(), salt.as_bytes(), 32).unwrap();
            assert_eq!(*got, hex(tag), "{kernel:?} {cost:?}");
        }
    }
}

#[test]
fn the_fast_kernel_passes_its_self_test_here() {
    assert!(answers_rfc_9106() && agrees_with_portable());
    assert_eq!(tested(config::Kernel::Fast), config::Kernel::Fast);
}

#[test]
fn a_failing_self_test_falls_back_and_the_portable_kernel_is_never_asked() {
    assert_eq!(chosen(config::Kernel::Fast, || false), config::Kernel::Portable);
    assert_eq!(chosen(config::Kernel::Portable, || panic!("asked")), config::Kernel::Portable);
}

#[test]
fn memory_is_kept_wiped_and_given_back() {
    for kernel in [config::Kernel::Fast, config::Kernel::Portable] {
        let mut argon2 = Argon2::new(kernel);
        assert_eq!(argon2.kept_kib(), 0, "{kernel:?}");
        argon2.tag(&SMALL, b"password", b"somesalt", 32).unwrap();
        assert_eq!(argon2.kept_kib(), 64, "{kernel:?}");
        argon2.tag(&Cost { memory_kib: 16, ..SMALL }, b"password", b"somesalt", 32).unwrap();
        assert_eq!(argon2.kept_kib(), 64, "{kernel:?}");
        if let Argon2::Portable(blocks) = &argon2 {
            assert!(blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        }
        argon2.release();
        assert_eq!(argon2.kept_kib(), 0, "{kernel:?}");
    }
}

#[test]
fn unsound_costs_are_errors_and_not_panics() {
    let costs = [
        Cost { memory_kib: 7, ..SMALL },
        Cost { passes: 0, ..SMALL },
        Cost { lanes: 0, ..SMALL },
        Cost { lanes: 9, ..SMALL },
        Cost { lanes: u32::MAX, ..SMALL },
    ];
    for kernel in [config::Kernel::Fast, config::Kernel::Portable] {
        let mut argon2 = Argon2::new(kernel);
        for cost in costs {
            assert!(!cost.is_sound(), "{cost:?}");
        }
        for cost in &costs[..4] {
            assert!(argon2.tag(cost, b"password", b"somesalt", 32).is_err(), "{kernel:?} {cost:?}");
        }
        assert!(argon2.tag(&SMALL, b"password", b"short", 32).is_err(), "{kernel:?}");
        assert!(argon2.tag(&SMALL, b"password", b"somesalt", 3).is_err(), "{kernel:?}");
    }
}

fn variant() -> impl Strategy<Value = Variant> {
    prop_oneof![Just(Variant::D), Just(Variant::I), Just(Variant::Id)]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V10), Just(Version::V13)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn both_kernels_agree(
        variant in variant(),
        version in version(),
        lanes in 1_u32..=2,
        memory in 0_u32..=256,
        passes in 1_u32..=3,
        password in proptest::collection::vec(any::<u8>(), 0..100),
        salt in proptest::collection::vec(any::<u8>(), 8..=32),
        length in 4_usize..=80,
    ) {
        let cost = Cost { variant, version, memory_kib: memory.max(8 * lanes), passes, lanes };
        let mut fast = Argon2::new(config::Kernel::Fast);
        let mut portable = Argon2::new(config::Kernel::Portable);
        // The second time runs on memory that was used before.
        for round in 0..2 {
            let one = fast.tag(&cost, &password, &salt, length).unwrap();
            let other = portable.tag(&cost, &password, &salt, length).unwrap();
            prop_assert_eq!(&*one, &*other, "round {}", round);
        }
    }
}
