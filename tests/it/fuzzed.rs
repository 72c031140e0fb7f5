//! The corpus of the fuzzers, run through the same functions: what was found once stays found, and
//! a machine that builds no fuzzers sees it, too.

use std::{collections::BTreeSet, fs, path::Path};

#[expect(unreachable_pub, reason = "a library of its own")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The kept inputs of a target, by name.
fn kept(name: &str) -> Vec<(String, Vec<u8>)> {
    let corpus = folder("corpus").join(name);
    let inputs: Vec<_> = names(&corpus)
        .into_iter()
        .map(|input| {
            let data = fs::read(corpus.join(&input)).unwrap();
            (input, data)
        })
        .collect();
    assert!(!inputs.is_empty(), "{name} has no corpus");
    inputs
}

/// Runs a target; what broke it, and what that was made of.
fn broken(name: &str, input: &str, data: &[u8]) -> Option<String> {
    let outcome = std::panic::catch_unwind(|| targets::run(name, data));
    outcome.is_err().then(|| format!("{name}, made of {input}: {}", data.escape_ascii()))
}

#[test]
fn every_kept_input_is_read_as_it_should_be() {
    let mut found = Vec::new();
    for (name, _) in targets::TARGETS {
        for (input, data) in kept(name) {
            let twice = [&data[..], &data[..]].concat();
            let inputs = [&data[..], &data[..data.len() / 2], &twice[..]];
            found.extend(inputs.iter().find_map(|data| broken(name, &input, data)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Small changes, the same at each run: bytes put in, taken out, turned, doubled, and two inputs
/// made one.
struct Changes(u64);

impl Changes {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const LIKELY: &[u8] =
            b"\0\n\r\t \"#$%&'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xff";
        LIKELY[self.below(LIKELY.len())]
    }

    fn change(&mut self, data: &[u8], other: &[u8]) -> Vec<u8> {
        let mut data = data.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            let end = (at + 1 + self.below(8)).min(data.len());
            match self.below(7) {
                0 => data.insert(at, self.byte()),
                1 if at < end => drop(data.drain(at..end)),
                2 if at < end => data[at] = self.byte(),
                3 if at < end => data[at] ^= 1 << self.below(8),
                4 if at < end => {
                    let part = data[at..end].to_vec();
                    data.splice(at..at, part);
                }
                5 => {
                    data.truncate(at);
                    data.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
                _ => {
                    let text = "\u{e9}\u{130}\u{307}\u{2028}\u{3002}\u{fb01}\u{1f600}\u{202e}";
                    let symbol = text.chars().nth(self.below(8)).unwrap();
                    data.splice(at..at, symbol.to_string().into_bytes());
                }
            }
        }
        data
    }
}

/// So many changed inputs for each target; the first that breaks each.
fn change_all(count: usize) {
    let mut found = Vec::new();
    for (name, _) in targets::TARGETS {
        let inputs = kept(name);
        let mut changes = Changes(0x5eed);
        found.extend((0..count).find_map(|_| {
            let (input, data) = &inputs[changes.below(inputs.len())];
            let other = &inputs[changes.below(inputs.len())].1;
            broken(name, input, &changes.change(data, other))
        }));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_is_a_little_different_breaks_nothing() {
    change_all(50);
}

#[test]
#[ignore = "takes minutes"]
fn what_is_different_in_many_ways_breaks_nothing() {
    change_all(20_000);
}

#[test]
fn every_target_has_its_corpus() {
    let known: BTreeSet<String> =
        targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("corpus")), known);
}
