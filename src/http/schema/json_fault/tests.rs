//! Where texts go wrong.

use proptest::prelude::*;
use serde_json::Value;

use super::{depth, position};
use crate::http::schema::tests::any_json;

#[test]
fn faults_are_placed_by_character() {
    for (text, at) in [
        ("", 0),
        ("   ", 3),
        ("{", 1),
        ("}", 0),
        ("{,}", 1),
        ("{'a': 1}", 1),
        ("{\"a\"", 4),
        ("{\"a\" 1}", 5),
        ("{\"a\":}", 5),
        ("{\"a\":1", 6),
        ("{\"a\":1,}", 7),
        ("{\"a\":1 \"b\":2}", 7),
        ("{\"a\":1}}", 7),
        ("{} x", 3),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("[[]", 3),
        ("{\"é\":\"é\",,}", 9),
        ("\"abc", 0),
        ("\"\\u00e9", 2),
        ("[\"abc\\", 1),
        ("{\"a\":\"x\ny\"}", 7),
        ("{\"a\":\"\\x\"}", 6),
        ("{\"a\":\"\\u12\"}", 7),
        ("{\"a\":\"\\ud800\"}", 7),
        ("{\"a\":\"\\udc00\\ud800\"}", 7),
        ("{\"a\":NaN}", 5),
        ("{\"a\":-Infinity}", 5),
        ("{\"a\":tru}", 5),
        ("01", 1),
        ("-", 0),
        ("1.", 1),
        ("1e", 1),
        (".5", 0),
        ("\u{feff}{}", 0),
        ("// c\n{}", 0),
    ] {
        assert_eq!(position(text), Some(at), "{text:?}");
    }
}

#[test]
fn json_has_no_fault() {
    for text in
        ["{}", "[]", " [1, -2.5e+3, \"\\u00e9\\ud83d\\ude00\", {\"a\": null}] ", "0", "1e999"]
    {
        assert_eq!(position(text), None, "{text:?}");
    }
}

#[test]
fn depth_counts_brackets_outside_of_texts() {
    for (text, levels) in
        [("1", 0), ("[]", 1), ("{\"a\": [[], {}]}", 3), ("\"[\\\"[\"", 0), ("[[[", 3), ("]]][", 1)]
    {
        assert_eq!(depth(text), levels, "{text:?}");
    }
}

/// JSON with a few characters changed, or no JSON at all.
fn any_text() -> impl Strategy<Value = String> {
    let broken =
        (any_json(), "[\\[\\]{}\",:\\\\u0-9a-f é😀\n\u{1}-]{0,3}", any::<prop::sample::Index>())
            .prop_map(|(value, noise, at)| {
                let mut text: Vec<char> = value.to_string().chars().collect();
                let at = at.index(text.len());
                text.splice(at..=at, noise.chars());
                text.into_iter().collect::<String>()
            });
    prop_oneof![broken, "[\\[\\]{}\",:\\\\u0-9a-f é\n-]{0,20}", any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_bad_text_is_placed_inside_itself(text in any_text()) {
        let found = position(&text);
        prop_assert!(found.is_none_or(|at| at <= text.chars().count()));
        // What serde_json refuses has a place, unless it is a number too large, and only that.
        match serde_json::from_str::<Value>(&text) {
            Ok(_) => prop_assert_eq!(found, None),
            Err(error) if error.to_string().contains("out of range") => {}
            Err(error) => prop_assert!(found.is_some(), "{}", error),
        }
    }
}
