use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::crypto::breached::filter::{Filter, FilterFault};

/// Evenly spread, as the values of a hash are (`SplitMix64`).
fn spread(number: u64) -> u64 {
    let mut it = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

/// Builds a filter of these keys, of which `most` are in memory at once.
fn built(keys: impl IntoIterator<Item = u64>, most: usize) -> Result<Vec<u8>, BuildFault> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("filter");
    let mut builder = Builder::new(&to, 0, |_| {}).gathering(most);
    for key in keys {
        builder.take(Line { key, count: 1 })?;
    }
    builder.finish()?;
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "something was left behind");
    Ok(std::fs::read(&to).unwrap())
}

fn opened(bytes: &[u8]) -> Filter {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Filter::open(file.path()).unwrap()
}

#[test]
fn nothing_that_is_in_it_is_missed_and_one_in_ten_thousand_others_at_most_is_taken_for_it() {
    let count = 100_000;
    let filter = opened(&built((0..count).map(spread), 30_000).unwrap());
    // Two that share 24 bits and a bucket are one entry.
    assert!(filter.header().entries > count - 10, "{}", filter.header().entries);
    assert!((0..count).all(|it| filter.knows(spread(it)).unwrap()));
    let others = 400_000_u64;
    let wrong = (count..count + others).filter(|it| filter.knows(spread(*it)).unwrap()).count();
    let wrong = f64::from(u32::try_from(wrong).unwrap());
    let load = f64::from(u32::try_from(count).unwrap()) / f64::from(1 << filter.header().bits);
    // What the form promises, and three times its spread.
    let expected = 400_000.0 * load / f64::from(1 << 24);
    assert!(wrong < expected + 3.0 * expected.sqrt() + 1.0, "{wrong} of {expected}");
    assert!(wrong * 10_000.0 < 400_000.0, "{wrong}");
    filter.verify().unwrap();
}

#[test]
fn the_order_of_the_lines_and_what_fits_into_memory_change_nothing() {
    let mut keys: Vec<u64> = (0..5_000).map(spread).collect();
    let unsorted = built(keys.clone(), 700).unwrap();
    assert_eq!(built(keys.clone(), 1 << 20).unwrap(), unsorted);
    keys.sort_unstable();
    assert_eq!(built(keys.clone(), 700).unwrap(), unsorted);
    keys.reverse();
    assert_eq!(built(keys, 1).unwrap(), unsorted);
}

#[test]
fn only_what_was_seen_often_enough_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (min_count, expected) in
        [(0, [false, true, true]), (1, [false, true, true]), (5, [false, false, true])]
    {
        let to = folder.path().join("filter");
        let mut builder = Builder::new(&to, min_count, |_| {});
        for (key, count) in [(1 << 40, 0), (2 << 40, 4), (3 << 40, 5)] {
            builder.take(Line { key, count }).unwrap();
        }
        assert_eq!(builder.finish().unwrap().min_count, min_count.max(1));
        let filter = Filter::open(&to).unwrap();
        let known = [1, 2, 3].map(|it: u64| filter.knows(it << 40).unwrap());
        assert_eq!(known, expected, "{min_count}");
    }
}

#[test]
fn what_fails_leaves_the_older_filter_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("filter");
    let mut builder = Builder::new(&to, 1, |_| {});
    builder.take(Line { key: 1, count: 1 }).unwrap();
    builder.finish().unwrap();
    let before = std::fs::read(&to).unwrap();
    assert!(matches!(Builder::new(&to, 1, |_| {}).finish(), Err(BuildFault::Empty)));
    // One bucket with more than is ever read.
    let mut builder = Builder::new(&to, 1, |_| {});
    for key in 0..=LARGEST_BUCKET {
        builder.take(Line { key: key << 36, count: 1 }).unwrap();
    }
    assert!(matches!(builder.finish(), Err(BuildFault::Uneven)));
    assert_eq!(std::fs::read(&to).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("no/folder");
    let mut builder = Builder::new(&nowhere, 1, |_| {});
    builder.take(Line { key: 1, count: 1 }).unwrap();
    assert!(matches!(builder.finish(), Err(BuildFault::Io { .. })));
}

#[test]
fn every_changed_byte_is_found() {
    let whole = built((0..300).map(spread), 1 << 20).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        std::fs::write(file.path(), &changed).unwrap();
        let found = Filter::open(file.path()).and_then(|filter| filter.verify());
        assert!(found.is_err(), "{at}");
    }
    assert!(matches!(Filter::open(file.path().parent().unwrap()), Err(FilterFault::Unreadable(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever keys, in whatever order: exactly their places are in the filter.
    #[test]
    fn a_filter_holds_what_was_put_into_it(keys: BTreeSet<u64>, others: Vec<u64>, most in 1_usize..20) {
        prop_assume!(!keys.is_empty());
        let filter = opened(&built(keys.iter().rev().copied(), most).unwrap());
        let bits = filter.header().bits;
        let places: BTreeSet<_> = keys.iter().map(|it| place(*it, bits)).collect();
        prop_assert_eq!(filter.header().entries, places.len() as u64);
        for key in keys.iter().chain(&others) {
            prop_assert_eq!(filter.knows(*key).unwrap(), places.contains(&place(*key, bits)));
        }
    }
}
