//! Passwords that anybody would try: a list, and patterns that no list can hold.
//!
//! The list is text inside the program, sorted by its bytes, and is searched where it lies: no
//! table is built, and only the pages that a search touches are ever in memory. Where it comes
//! from is in `NOTICE`; `scripts/common-passwords` builds it.

use zeroize::Zeroizing;

/// The list: lower-cased, at least 6 characters, sorted by bytes, one a line.
pub(super) static LIST: &str = include_str!("common.txt");

/// Shorter stems say little about the password they came from.
const SHORTEST_STEM: usize = 6;

/// The longest unit whose mere repetition is no password, whatever the unit.
const LONGEST_UNIT: usize = 8;

/// Characters that make a run along a sequence.
const SHORTEST_RUN: usize = 4;

/// What people walk along: digits, the alphabet, the rows of a keyboard. Each closes to a ring.
const SEQUENCES: [&str; 6] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
];

/// Whether `text` is a common password in any case, with digits and punctuation behind it or
/// not, or no more than a repetition or a walk along a sequence.
#[must_use]
pub fn is_common(text: &str) -> bool {
    let text = Zeroizing::new(text.to_lowercase());
    let stem = text.trim_end_matches(|symbol: char| !symbol.is_alphabetic());
    is_plain(&text) || stem.chars().count() >= SHORTEST_STEM && is_plain(stem)
}

fn is_plain(text: &str) -> bool {
    is_line(LIST, text) || is_repetition(text) || is_walk(text)
}

/// Whether `wanted` is a line of `list`, whose lines are sorted by bytes and end in a newline.
pub(super) fn is_line(list: &str, wanted: &str) -> bool {
    let (mut rest, wanted) = (list.as_bytes(), wanted.as_bytes());
    while !rest.is_empty() {
        let (before, after) = rest.split_at(rest.len() / 2);
        // The line that the middle lies in starts behind the last newline before it.
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let length = after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
        let end = before.len() + length;
        match rest.get(start..end).unwrap_or_default().cmp(wanted) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = rest.get(end + 1..).unwrap_or_default(),
            std::cmp::Ordering::Greater => rest = rest.get(..start).unwrap_or_default(),
        }
    }
    false
}

/// Whether `text` is one short or listed unit said at least twice, the last time perhaps cut.
fn is_repetition(text: &str) -> bool {
    let symbols: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    let Some(unit) = (1..=symbols.len() / 2).find(|unit| {
        let shifted = symbols.get(*unit..).unwrap_or_default();
        symbols.starts_with(shifted)
    }) else {
        return false;
    };
    let said: Zeroizing<String> = Zeroizing::new(symbols.iter().take(unit).collect());
    unit <= LONGEST_UNIT || is_line(LIST, &said)
}

/// Whether `text` is made up of nothing but runs of at least 4 characters: the same character, or
/// neighbours on a sequence in either direction. `aaaa1234`, `qwertyuiop9876`.
fn is_walk(text: &str) -> bool {
    let symbols: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    let mut rest = symbols.as_slice();
    while !rest.is_empty() {
        let run = longest_run(rest);
        if run < SHORTEST_RUN {
            return false;
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    !symbols.is_empty()
}

fn longest_run(symbols: &[char]) -> usize {
    let length = |next: &dyn Fn(char, char) -> bool| {
        1 + symbols.windows(2).take_while(|pair| matches!(pair, [a, b] if next(*a, *b))).count()
    };
    let same = length(&|a, b| a == b);
    let along = SEQUENCES.iter().map(|ring| {
        let up = length(&|a, b| follows(ring, a, b));
        let down = length(&|a, b| follows(ring, b, a));
        up.max(down)
    });
    along.fold(same, usize::max)
}

/// Whether `b` comes right after `a` on the ring.
fn follows(ring: &str, a: char, b: char) -> bool {
    let mut after = ring.chars().chain(ring.chars().take(1)).skip_while(|symbol| *symbol != a);
    after.next().is_some() && after.next() == Some(b)
}
