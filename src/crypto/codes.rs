//! Short codes for people: mailed ones of six digits, and backup codes of ten characters.
//!
//! Both are too short for a plain digest to hide them from whoever copies the database, so what is
//! stored is a keyed one under the master key.

use super::seal::MasterKey;
use crate::{entropy::Entropy, error::Result, secret::Secret};

/// Ten characters of 32 are 50 bits: not to be guessed within the limits on guessing.
const BACKUP_LENGTH: usize = 10;
/// Without those that look alike: 0 and o, 1 and i and l (u is left out so that no words appear).
const ALPHABET: &[u8; 32] = b"23456789abcdefghjkmnpqrstvwxyz-_";

/// A code of six digits, each value alike.
///
/// # Errors
/// As [`Entropy::bytes`].
pub fn mailed(entropy: &Entropy) -> Result<Secret<String>> {
    // 2^64 is so much more than a million that the remainder favours none by more than 1 in 10^13.
    let drawn = u64::from_be_bytes(entropy.bytes()?) % 1_000_000;
    Ok(Secret::new(format!("{drawn:06}")))
}

/// A backup code in its canonical form: ten small letters and digits. Shown as `abcde-fghjk`.
///
/// # Errors
/// As [`Entropy::bytes`].
pub fn backup(entropy: &Entropy) -> Result<Secret<String>> {
    let mut code = String::with_capacity(BACKUP_LENGTH);
    while code.len() < BACKUP_LENGTH {
        for byte in entropy.bytes::<32>()? {
            let symbol = ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'-');
            // The two places at the end hold no symbol; drawing again keeps the rest alike.
            if symbol.is_ascii_alphanumeric() && code.len() < BACKUP_LENGTH {
                code.push(char::from(symbol));
            }
        }
    }
    Ok(Secret::new(code))
}

/// A code of `length` letters of an alphabet of at most 256, each alike.
///
/// # Errors
/// As [`Entropy::bytes`].
pub fn letters(entropy: &Entropy, alphabet: &[u8], length: usize) -> Result<Secret<String>> {
    let mut code = String::with_capacity(length);
    // What lies beyond the last whole round would favour the first letters.
    let rounds = 256 / alphabet.len().max(1) * alphabet.len();
    while code.len() < length && !alphabet.is_empty() {
        for byte in entropy.bytes::<32>()? {
            let place = usize::from(byte);
            let letter = alphabet.get(place % alphabet.len()).filter(|_| place < rounds);
            code.extend(letter.filter(|_| code.len() < length).copied().map(char::from));
        }
    }
    Ok(Secret::new(code))
}

/// A backup code as it is shown: in two groups.
#[must_use]
pub fn grouped(code: &str) -> String {
    let (first, second) = code.split_at_checked(BACKUP_LENGTH / 2).unwrap_or((code, ""));
    format!("{first}-{second}")
}

/// What is stored of a code for `purpose`, bound to the place that `parts` name.
///
/// # Errors
/// Only through a fault of the library.
pub fn digest(
    key: &MasterKey,
    purpose: &'static str,
    parts: &[&str],
    code: &str,
) -> Result<[u8; 32]> {
    let mut all: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    all.push(code.as_bytes());
    key.mac(purpose, &all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{backup, grouped, letters, mailed};
    use crate::entropy::Entropy;

    #[test]
    fn a_mailed_code_has_six_digits_even_when_the_number_is_small() {
        let entropy = Entropy::seeded(1);
        let codes: Vec<String> =
            (0..2000).map(|_| mailed(&entropy).unwrap().expose().clone()).collect();
        assert!(codes.iter().all(|it| it.len() == 6 && it.bytes().all(|b| b.is_ascii_digit())));
        assert!(codes.iter().any(|code| code.starts_with('0')));
    }

    #[test]
    fn backup_codes_differ_and_hold_no_letters_that_look_alike() {
        let entropy = Entropy::seeded(1);
        let codes: BTreeSet<String> =
            (0..500).map(|_| backup(&entropy).unwrap().expose().clone()).collect();
        assert_eq!(codes.len(), 500);
        assert!(codes.iter().all(|it| it.len() == 10 && !it.contains(['0', '1', 'o', 'i', 'l'])));
        assert_eq!(grouped("abcdefghjk"), "abcde-fghjk");
    }

    #[test]
    fn every_letter_of_an_alphabet_comes_about_as_often() {
        let entropy = Entropy::seeded(1);
        let alphabet = b"BCDFGHJKLMNPQRSTVWXZ";
        let code = letters(&entropy, alphabet, 20_000).unwrap();
        assert_eq!(code.expose().len(), 20_000);
        for letter in alphabet {
            let count = code.expose().bytes().filter(|it| it == letter).count();
            assert!((900..1_100).contains(&count), "{letter} {count}");
        }
    }
}
