use proptest::prelude::*;

use super::*;

fn token() -> Token {
    Token::generate(&Entropy::seeded(1)).unwrap()
}

#[test]
fn a_token_is_43_characters_and_reads_back() {
    let token = token();
    assert_eq!(token.expose().len(), 43);
    let again = Token::parse(token.expose()).unwrap();
    assert_eq!(again.digest(), token.digest());
    assert!(!format!("{token:?}{:?}", token.digest()).contains(token.expose()));
}

#[test]
fn tokens_differ() {
    let entropy = Entropy::Os;
    let one = Token::generate(&entropy).unwrap();
    let other = Token::generate(&entropy).unwrap();
    assert_ne!(one.expose(), other.expose());
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn the_digest_is_the_sha256_of_the_bytes() {
    // The SHA-256 of 32 zero bytes.
    let zero = Token::parse(&"A".repeat(43)).unwrap();
    let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
    assert_eq!(hex(zero.digest().as_bytes()), expected);
    assert_eq!(TokenDigest::from_bytes(zero.digest().into()), zero.digest());
}

#[test]
fn a_token_has_one_spelling() {
    let text = "A".repeat(43);
    assert!(Token::parse(&text).is_some());
    let tail = |last: &str| format!("{}{last}", "A".repeat(42));
    // B, C and D decode to the same bytes as A in a decoder that drops the last two bits.
    for wrong in [
        tail("B"),
        tail("C"),
        tail("D"),
        tail("+"),
        tail("/"),
        tail("="),
        tail(""),
        format!("{text}="),
        format!("{text}A"),
        format!(" {}", tail("")),
        format!("{text}\n"),
        String::new(),
        // 43 bytes, of which the last two are one letter.
        format!("{}\u{e9}", "A".repeat(41)),
    ] {
        assert!(Token::parse(&wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn the_borders_of_the_parts_count() {
    let all = [
        digest_text(&["ab", "c"]),
        digest_text(&["a", "bc"]),
        digest_text(&["abc"]),
        digest_text(&["abc", ""]),
        digest_text(&["", "abc"]),
        digest_text(&[]),
        digest_text(&[""]),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(digest_text(&["ab", "c"]), all[0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_is_the_spelling_of_its_bytes(text in "[A-Za-z0-9_-]{43}") {
        if let Some(token) = Token::parse(&text) {
            let bytes = decoded(token.expose()).unwrap();
            prop_assert_eq!(URL_SAFE_NO_PAD.encode(*bytes), text);
        }
    }
}
