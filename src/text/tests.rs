//! The catalogues are complete, equal in all languages and used; the choice of a language.

use std::{collections::BTreeSet, fs, path::Path};

use minijinja::context;

use super::*;
use crate::error::Code;

/// Keys that are put together at run time, and by whom.
const COMPUTED: [&str; 15] = [
    // One for each `text::Locale`, in itself: `http::pages::account::profile`.
    "language.",
    // One for each `domain::audit::Action` that people are told of: `http::pages::account::activity`.
    "page.account.event.",
    // Questions about devices: `http::pages::account::devices`.
    "page.account.end_session.",
    "page.account.end_others.",
    "page.account.forget_device.",
    "page.account.forget_all.",
    // What cannot be done: `http::pages::account::owner`.
    "page.account.gone.",
    "page.account.stale.",
    // What came of a device: `http::pages::device`.
    "page.device_done.",
    // One for each `domain::factor::Method`, in the mail that tells of a change.
    "method.",
    // One for each `error::Code`: `http::error` and `view::pages`.
    "error.",
    // One for each fault of the password policy.
    "password.",
    // What an endpoint says beside its data.
    "answer.",
    // `view::moment`.
    "time.month.",
    // `mail::compose`: `mail.<kind>.subject`.
    "mail.",
];

fn keys(locale: Locale) -> BTreeSet<String> {
    entries(locale).unwrap().into_iter().map(|(key, _)| key).collect()
}

/// Everything under `folder` that ends in one of `suffixes`, tests left out.
fn sources(folder: &str, suffixes: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            rest.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if suffixes.iter().any(|suffix| path.to_string_lossy().ends_with(suffix))
            && !path.ends_with("tests.rs")
        {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
    found
}

/// Every literal that has the form of a key of ours.
fn used() -> BTreeSet<String> {
    let mut texts = sources("templates", &[".html", ".txt"]);
    texts.extend(sources("src", &[".rs"]));
    let literals = texts.iter().flat_map(|text| text.split('"'));
    let starts: BTreeSet<String> = keys(Locale::En)
        .iter()
        .filter_map(|key| key.split('.').next())
        .map(str::to_owned)
        .collect();
    literals
        .filter(|literal| literal.split_once('.').is_some_and(|(start, _)| starts.contains(start)))
        .filter(|literal| literal.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn all_languages_have_the_same_keys() {
    for locale in Locale::ALL {
        assert_eq!(keys(locale), keys(Locale::En), "{locale}");
    }
}

#[test]
fn every_key_that_a_template_uses_exists() {
    let known = keys(Locale::En);
    let calls = sources("templates", &[".html", ".txt"]).join("\n");
    let pieces: Vec<&str> = calls.split('"').collect();
    let mut count = 0;
    for pair in pieces.windows(2) {
        let call = pair[0].strip_suffix("t(");
        if call.is_some_and(|before| !before.ends_with(char::is_alphanumeric)) {
            assert!(known.contains(pair[1]), "{} is in no catalogue", pair[1]);
            count += 1;
        }
    }
    assert!(count > 40, "the search for keys finds {count}: it is broken");
}

#[test]
fn every_key_in_the_catalogues_is_used() {
    let used = used();
    for key in keys(Locale::En) {
        let computed = COMPUTED.iter().any(|start| key.starts_with(start));
        let subject_or_used = !key.starts_with("mail.")
            || (key.ends_with(".subject") && key.matches('.').count() == 2)
            || used.contains(&key);
        assert!(used.contains(&key) || (computed && subject_or_used), "{key} is used nowhere");
    }
}

#[test]
fn every_code_has_a_sentence_and_no_sentence_lacks_its_code() {
    let said: BTreeSet<String> =
        keys(Locale::En).into_iter().filter(|key| key.starts_with("error.")).collect();
    let codes: BTreeSet<String> =
        Code::ALL.iter().map(|code| format!("error.{}", code.as_str())).collect();
    assert_eq!(said, codes);
    let texts = Texts::load().unwrap();
    for locale in Locale::ALL {
        for key in &codes {
            let text = texts.fill(locale, key, context! {}).unwrap();
            assert!(text.ends_with('.') && text.len() > 20, "{key}: {text}");
        }
    }
}

#[test]
fn the_texts_of_a_language_take_the_same_variables() {
    let texts = Texts::load().unwrap();
    let variables = |locale: Locale, key: &str| {
        texts.0.get_template(&name(locale, key)).unwrap().undeclared_variables(false)
    };
    for key in keys(Locale::En) {
        for locale in Locale::ALL {
            assert_eq!(variables(locale, &key), variables(Locale::En, &key), "{locale}:{key}");
        }
    }
}

#[test]
fn variables_are_filled_and_plurals_chosen() {
    let texts = Texts::load().unwrap();
    let minutes = |locale, minutes| texts.say(locale, "mail.minutes", context! { minutes });
    assert_eq!(minutes(Locale::En, 1), "The link works once and for 1 minute.");
    assert_eq!(minutes(Locale::En, 30), "The link works once and for 30 minutes.");
    assert_eq!(minutes(Locale::De, 1), "Der Link gilt einmal und 1 Minute lang.");
}

#[test]
fn a_value_is_never_evaluated_as_a_text() {
    let texts = Texts::load().unwrap();
    let said = texts.say(Locale::En, "mail.greeting", context! { name => "{{ 7 * 7 }}{% if x %}" });
    assert_eq!(said, "Hello {{ 7 * 7 }}{% if x %},");
}

#[test]
fn an_unknown_key_is_said_as_itself_and_an_error_for_templates() {
    let texts = Texts::load().unwrap();
    assert_eq!(texts.say(Locale::De, "no.such.key", context! {}), "no.such.key");
    assert!(texts.fill(Locale::De, "no.such.key", context! {}).is_err());
    assert!(texts.fill(Locale::De, "password.too_short", context! {}).is_err());
}

#[test]
fn the_language_is_the_best_of_those_asked_for() {
    let cases = [
        (None, Locale::En),
        (Some(""), Locale::En),
        (Some("de"), Locale::De),
        (Some("DE-at"), Locale::De),
        (Some("fr, de;q=0.5, en;q=0.4"), Locale::De),
        (Some("en;q=0.4, de;q=0.5"), Locale::De),
        (Some("en, de"), Locale::En),
        (Some("de;q=0"), Locale::En),
        (Some("de;q=0.001"), Locale::De),
        (Some("de;q=2"), Locale::En),
        (Some("de;q=NaN"), Locale::En),
        (Some("de;level=1"), Locale::En),
        (Some("*"), Locale::En),
        (Some("fr;q=1, *;q=0.1"), Locale::En),
        (Some("german"), Locale::En),
        (Some(";;,,=;q=,de ; q=0.9"), Locale::De),
    ];
    for (header, expected) in cases {
        assert_eq!(Locale::choose(header, Locale::En), expected, "{header:?}");
    }
    assert_eq!(Locale::choose(Some("*"), Locale::De), Locale::De);
}

#[test]
fn only_the_beginning_of_the_header_is_read() {
    let long = format!("{},de", "x".repeat(300));
    assert_eq!(Locale::choose(Some(&long), Locale::En), Locale::En);
    let short = format!("{},de", "ü".repeat(200));
    assert_eq!(Locale::choose(Some(&short), Locale::En), Locale::De);
}
