//! A strict look at CBOR (RFC 8949), before the library parses it.
//!
//! It accepts what the CTAP2 canonical form allows in its structure: definite lengths, no tags,
//! maps whose keys are numbers or texts and differ, and little nesting. `WebAuthn` L3 §2 asks
//! decoders to refuse the rest. The order of keys and the shortest spelling of numbers are not
//! looked at, because nothing depends on them. Values are split off, never built.

use std::collections::BTreeSet;

/// How deep maps and arrays may lie in each other: what the CTAP2 canonical form allows.
const DEPTH: usize = 4;

/// The key of a map's entry, the same for every spelling of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Unsigned(u64),
    /// The number −1 − n, as its n.
    Negative(u64),
    Text(&'a str),
}

/// Splits one whole item off the front of `input`: the item and what follows it.
pub(super) fn item(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = skip(input, DEPTH)?;
    input.split_at_checked(input.len() - rest.len())
}

/// The entries of the map that `input` is, with nothing behind it.
pub(super) fn entries(input: &[u8]) -> Option<Vec<(Key<'_>, &[u8])>> {
    let (whole, []) = item(input)? else { return None };
    let Head { major: MAP, value: count, mut rest } = head(whole)? else { return None };
    let mut entries = Vec::new();
    for _ in 0..count {
        let (key, after) = key(rest)?;
        let (value, after) = item(after)?;
        entries.push((key, value));
        rest = after;
    }
    Some(entries)
}

/// The bytes that `item`, a byte string, holds.
pub(super) fn bytes(item: &[u8]) -> Option<&[u8]> {
    let Head { major: BYTES, value, rest } = head(item)? else { return None };
    (usize::try_from(value) == Ok(rest.len())).then_some(rest)
}

/// The text that `item`, a text string, holds.
pub(super) fn text(item: &[u8]) -> Option<&str> {
    let (Key::Text(text), []) = key(item)? else { return None };
    Some(text)
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// What an item begins with: its major type, and its value, length or count (RFC 8949 §3).
struct Head<'a> {
    major: u8,
    value: u64,
    rest: &'a [u8],
}

/// `None` for indefinite lengths and for what the standard reserves, too.
fn head(input: &[u8]) -> Option<Head<'_>> {
    let (&first, rest) = input.split_first()?;
    let width = match first & 0x1f {
        value @ 0..=23 => return Some(Head { major: first >> 5, value: value.into(), rest }),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(width)?;
    let value = digits.iter().fold(0, |value, digit| value << 8 | u64::from(*digit));
    Some(Head { major: first >> 5, value, rest })
}

/// What follows the item at the front of `input`. Each step takes at least one byte, so the work
/// is bounded by the input whatever count it claims; `depth` bounds the stack.
fn skip(input: &[u8], depth: usize) -> Option<&[u8]> {
    let Head { major, value, mut rest } = head(input)?;
    match major {
        UNSIGNED | NEGATIVE => Some(rest),
        // False, true and null, or a floating-point number.
        SIMPLE => matches!(input.first(), Some(0xf4..=0xf6 | 0xf9..=0xfb)).then_some(rest),
        BYTES => Some(rest.split_at_checked(usize::try_from(value).ok()?)?.1),
        TEXT => Some(key(input)?.1),
        ARRAY => {
            let depth = depth.checked_sub(1)?;
            for _ in 0..value {
                rest = skip(rest, depth)?;
            }
            Some(rest)
        }
        MAP => {
            let depth = depth.checked_sub(1)?;
            let mut seen = BTreeSet::new();
            for _ in 0..value {
                let (key, after) = key(rest)?;
                if !seen.insert(key) {
                    return None;
                }
                rest = skip(after, depth)?;
            }
            Some(rest)
        }
        _ => None,
    }
}

fn key(input: &[u8]) -> Option<(Key<'_>, &[u8])> {
    let Head { major, value, rest } = head(input)?;
    match major {
        UNSIGNED => Some((Key::Unsigned(value), rest)),
        NEGATIVE => Some((Key::Negative(value), rest)),
        TEXT => {
            let (text, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
            Some((Key::Text(str::from_utf8(text).ok()?), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_items_are_split_off() {
        for (input, length) in [
            (&[0x00][..], 1),
            (&[0x18, 0xff, 0x01], 2),
            (&[0x3a, 0, 0, 0, 1], 5),
            (&[0x43, 1, 2, 3, 9], 4),
            (&[0x62, b'a', b'b'], 3),
            (&[0x82, 0x01, 0x81, 0x02], 4),
            (&[0xa2, 0x01, 0x02, 0x20, 0x41, 0x00], 6),
            (&[0xf5], 1),
            (&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], 9),
            (&[0x81, 0x81, 0x81, 0x81, 0x00], 5),
        ] {
            let (item, rest) = item(input).unwrap();
            assert_eq!((item.len(), rest.len()), (length, input.len() - length), "{input:x?}");
        }
    }

    #[test]
    fn what_the_canonical_form_forbids_is_refused() {
        for (input, what) in [
            (&[][..], "nothing"),
            (&[0x18], "a head cut short"),
            (&[0x43, 1, 2], "a string cut short"),
            (&[0x5f, 0x41, 0, 0xff], "a byte string of indefinite length"),
            (&[0x9f, 0xff], "an array of indefinite length"),
            (&[0xbf, 0xff], "a map of indefinite length"),
            (&[0xc0, 0x00], "a tag"),
            (&[0x1c], "a reserved head"),
            (&[0xe0], "an unassigned simple value"),
            (&[0xf7], "undefined"),
            (&[0xff], "a break"),
            (&[0x62, 0xc3, 0x28], "a text that is not UTF-8"),
            (&[0x81, 0x81, 0x81, 0x81, 0x80], "five arrays in each other"),
            (&[0xa2, 0x01, 0x00, 0x01, 0x00], "a key twice"),
            (&[0xa2, 0x01, 0x00, 0x18, 0x01, 0x00], "a key twice, spelt differently"),
            (&[0xa2, 0x61, b'a', 0x00, 0x61, b'a', 0x00], "a text key twice"),
            (&[0xa1, 0x80, 0x00], "an array as a key"),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "a count beyond the end"),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "a length beyond the end"),
        ] {
            assert_eq!(item(input), None, "{what}");
        }
        assert_eq!(entries(&[0xa1, 0x01, 0x02, 0x00]), None, "something behind the map");
    }
}
