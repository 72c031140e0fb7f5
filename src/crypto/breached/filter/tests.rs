use proptest::prelude::*;

use super::*;

const HEAD: Header = Header { bits: 2, entries: 5, min_count: 3, body: [7; 32] };
const LENGTH: u64 = 96 + 5 * 3 + 5 * 8;

fn fault(bytes: &[u8], length: u64) -> String {
    Header::parse(bytes, length).unwrap_err().to_string()
}

#[test]
fn the_head_says_what_was_written() {
    let bytes = HEAD.bytes();
    assert_eq!(bytes.len(), HEADER);
    assert_eq!(Header::parse(&bytes, LENGTH).unwrap(), HEAD);
}

#[test]
fn what_is_no_whole_filter_is_refused_and_said_why() {
    let bytes = HEAD.bytes();
    assert!(fault(b"", 0).contains("no filter"));
    assert!(fault(b"SQLite format 3\0", 4096).contains("no filter"));
    assert!(fault(&bytes[..50], 50).contains("not whole"));
    assert!(fault(&bytes, LENGTH - 1).contains("not whole"));
    assert!(fault(&bytes, LENGTH + 1).contains("not whole"));
    let mut newer = bytes.clone();
    newer[11] = 2;
    assert!(fault(&newer, LENGTH).contains("another form"));
    for at in 12..HEADER {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(fault(&changed, LENGTH).contains("damaged"), "{at}");
    }
    // Numbers that would overflow, with a right sum.
    for head in [Header { entries: u64::MAX, ..HEAD }, Header { bits: 63, ..HEAD }] {
        assert!(fault(&head.bytes(), LENGTH).contains("not whole"));
    }
}

#[test]
fn an_index_that_cannot_be_right_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filter");
    for numbers in [[3, 2], [0, 9], [u64::MAX, u64::MAX]] {
        let mut bytes = Header { bits: 0, entries: 2, ..HEAD }.bytes();
        bytes.extend([0; 6]);
        bytes.extend(numbers.iter().flat_map(|it| it.to_be_bytes()));
        std::fs::write(&path, bytes).unwrap();
        let filter = Filter::open(&path).unwrap();
        assert!(matches!(filter.knows(1), Err(FilterFault::Damaged)), "{numbers:?}");
        assert!(matches!(filter.verify(), Err(FilterFault::Damaged)));
    }
}

#[test]
fn buckets_grow_with_the_number_of_entries() {
    for (entries, bits) in [(0, 0), (1, 0), (256, 0), (257, 1), (1 << 30, 22), (u64::MAX, 28)] {
        assert_eq!(bits_for(entries), bits, "{entries}");
    }
}

proptest! {
    /// Buckets are in the order of the keys, and entries within them are, too.
    #[test]
    fn places_are_in_the_order_of_keys(a: u64, b: u64, bits in 0_u32..29) {
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(place(low, bits) <= place(high, bits));
        prop_assert!(place(high, bits).0 < 1 << bits);
    }

    #[test]
    fn no_head_makes_it_panic(bytes: Vec<u8>, length: u64) {
        let _ = Header::parse(&bytes, length);
        let named = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &bytes].concat();
        let _ = Header::parse(&named, length);
    }
}
