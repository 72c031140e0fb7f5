//! The catalogues are complete, equal in all languages and used; the choice of a language.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::Path,
};

use minijinja::context;

use super::*;
use crate::error::Code;

/// Keys that are put together at run time, and by whom.
const COMPUTED: [&str; 15] = [
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
    // One for each `Locale`: `templates/languages.html`.
    "language.",
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
    entries(locale).map(|(key, _)| key.to_owned()).collect()
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
    let texts = Texts::load();
    for locale in Locale::ALL {
        for key in &codes {
            let text = texts.fill(locale, key, context! {}).unwrap();
            assert!(text.ends_with(['.', '。']) && text.len() > 20, "{key}: {text}");
        }
    }
}

#[test]
fn the_texts_of_a_language_take_the_same_variables() {
    let texts = Texts::load();
    let variables = |locale: Locale, key: &str| {
        let Ok(text) = texts.0.filled.get_template(&name(locale, key)) else {
            return HashSet::default();
        };
        let mut taken = text.undeclared_variables(false);
        taken.remove("plural");
        taken
    };
    for key in keys(Locale::En) {
        for locale in Locale::ALL {
            assert_eq!(variables(locale, &key), variables(Locale::En, &key), "{locale}:{key}");
        }
    }
}

#[test]
fn variables_are_filled_and_plurals_chosen() {
    let texts = Texts::load();
    let minutes = |locale, minutes| texts.say(locale, "mail.minutes", context! { minutes });
    assert_eq!(minutes(Locale::En, 1), "The link works once and for 1 minute.");
    assert_eq!(minutes(Locale::En, 30), "The link works once and for 30 minutes.");
    assert_eq!(minutes(Locale::De, 1), "Der Link gilt einmal und 1 Minute lang.");
}

#[test]
fn a_value_is_never_evaluated_as_a_text() {
    let texts = Texts::load();
    let said = texts.say(Locale::En, "mail.greeting", context! { name => "{{ 7 * 7 }}{% if x %}" });
    assert_eq!(said, "Hello {{ 7 * 7 }}{% if x %},");
}

#[test]
fn an_unknown_key_is_said_as_itself_and_an_error_for_templates() {
    let texts = Texts::load();
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
        (Some("pt, de;q=0.5, en;q=0.4"), Locale::De),
        (Some("pt, ar-EG;q=0.5, en;q=0.4"), Locale::Ar),
        (Some("ja_JP"), Locale::Ja),
        (Some("zh-Hant-TW, zh, es-419;q=0.3"), Locale::Es),
        (Some("en;q=0.4, de;q=0.5"), Locale::De),
        (Some("en, de"), Locale::En),
        (Some("de;q=0"), Locale::En),
        (Some("de;q=0.001"), Locale::De),
        (Some("de;q=2"), Locale::En),
        (Some("de;q=NaN"), Locale::En),
        (Some("de;level=1"), Locale::En),
        (Some("*"), Locale::En),
        (Some("pt;q=1, *;q=0.1"), Locale::En),
        (Some("fr;q=0.2, *;q=0.3"), Locale::En),
        (Some("*, fr"), Locale::Fr),
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

/// The forms of each `plural(…)` in a text.
fn forms(text: &str) -> Vec<BTreeSet<&str>> {
    let calls = text.split("plural(").skip(1).map(|rest| rest.split(") }}").next().unwrap());
    calls
        .map(|call| {
            call.split("='")
                .filter_map(|before| before.rsplit([' ', ',']).next())
                .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()))
                .collect()
        })
        .collect()
}

#[test]
fn a_plural_has_every_form_that_its_language_has() {
    for locale in Locale::ALL {
        let rules = fill::rules(locale).unwrap();
        let needed: BTreeSet<&str> =
            (0..=1000_u32).map(|n| fill::name(rules.category_for(n))).collect();
        let mut count = 0;
        for (key, text) in entries(locale) {
            for given in forms(text) {
                assert_eq!(given, needed, "{locale}:{key}");
                count += 1;
            }
        }
        assert!(count > 8 || locale == Locale::Ja, "{locale}: the search finds {count}");
    }
}

#[test]
fn numbers_take_the_form_and_the_look_of_their_language() {
    let texts = Texts::load();
    let hours = |locale, hours| texts.say(locale, "mail.hours", context! { hours });
    let cases = [
        (Locale::En, 1, "The link works for 1 hour."),
        (Locale::En, 1024, "The link works for 1,024 hours."),
        (Locale::De, 1024, "Der Link gilt 1.024 Stunden lang."),
        (Locale::Fr, 0, "Le lien fonctionne pendant 0 heure."),
        (Locale::Fr, 1, "Le lien fonctionne pendant 1 heure."),
        (Locale::Fr, 1024, "Le lien fonctionne pendant 1\u{202f}024 heures."),
        (Locale::Es, 1, "El enlace funciona durante 1 hora."),
        (Locale::Es, 1024, "El enlace funciona durante 1024 horas."),
        (Locale::Es, 10_240, "El enlace funciona durante 10.240 horas."),
        (Locale::Ja, 1024, "このリンクは 1,024 時間有効です。"),
        (Locale::Ar, 0, "يعمل الرابط لمدة 0 ساعة."),
        (Locale::Ar, 1, "يعمل الرابط لمدة ساعة واحدة."),
        (Locale::Ar, 2, "يعمل الرابط لمدة ساعتين."),
        (Locale::Ar, 3, "يعمل الرابط لمدة 3 ساعات."),
        (Locale::Ar, 24, "يعمل الرابط لمدة 24 ساعة."),
        (Locale::Ar, 100, "يعمل الرابط لمدة 100 ساعة."),
    ];
    for (locale, n, expected) in cases {
        assert_eq!(hours(locale, n), expected, "{locale} {n}");
    }
    assert_eq!(number(Locale::En, -1_234_567), "-1,234,567");
    assert_eq!(number(Locale::En, i64::MIN), "-9,223,372,036,854,775,808");
}

#[test]
fn what_others_wrote_does_not_turn_the_sentence_around_it() {
    let texts = Texts::load();
    let lead = |locale, tenant| texts.say(locale, "page.login.lead", context! { tenant });
    assert_eq!(lead(Locale::En, "Acme"), "With your account at Acme.");
    assert_eq!(lead(Locale::En, "شركة"), "With your account at \u{2068}شركة\u{2069}.");
    assert_eq!(lead(Locale::Ar, "Acme"), "بحسابك لدى \u{2068}Acme\u{2069}.");
    // Neither an override nor an end of our isolate reaches beyond the value.
    let hostile = lead(Locale::En, "a\u{2069}\u{202e}b");
    assert_eq!(hostile, "With your account at \u{2068}a\u{202e}b\u{2069}.");
    let nameless = texts.say(Locale::Ar, "mail.greeting", context! { name => "" });
    assert_eq!(nameless, "مرحبًا،");
}

/// Texts that are the same as in English, since the language has the same word.
const SAME: [(Locale, &[&str]); 4] = [
    (Locale::De, &["page.account.passkey.name", "page.device.label", "page.mfa.code"]),
    (
        Locale::Fr,
        &[
            "page.account.activity.page",
            "page.account.revoke.application",
            "page.account.section.applications",
            "page.device.label",
            "page.mfa.code",
        ],
    ),
    (Locale::Es, &["page.device_confirm.deny", "page.reset_password.error_prefix"]),
    (Locale::Ja, &[]),
];

#[test]
fn no_english_is_left_in_the_other_languages() {
    let english: std::collections::BTreeMap<_, _> = entries(Locale::En).collect();
    for locale in Locale::ALL.into_iter().filter(|it| *it != Locale::En) {
        let same: BTreeSet<String> = entries(locale)
            .filter(|(key, text)| english.get(key) == Some(text))
            .map(|(key, _)| key.to_owned())
            // Names of languages and of the program, numbers, and what is a value alone.
            .filter(|key| !key.starts_with("language.") && key != "page.home.title")
            .filter(|key| !key.starts_with("time.month."))
            .collect();
        let listed = SAME.iter().find(|(of, _)| *of == locale).map_or(&[][..], |(_, keys)| keys);
        let listed: BTreeSet<String> = listed.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(same, listed, "{locale}");
    }
}

#[test]
fn texts_of_a_language_are_in_its_writing() {
    let latin_alone = |text: &str| text.chars().any(char::is_alphabetic) && text.is_ascii();
    for locale in [Locale::Ja, Locale::Ar] {
        for (key, text) in entries(locale) {
            let is_value = key.starts_with("language.")
                || key == "page.home.title"
                || (locale == Locale::Ja && key == "page.mailbox.count");
            assert!(is_value || !latin_alone(text), "{locale}:{key}");
        }
    }
}

#[test]
fn languages_are_called_by_their_own_names_everywhere() {
    let texts = Texts::load();
    for of in Locale::ALL {
        let key = format!("language.{of}");
        let names: BTreeSet<String> =
            Locale::ALL.into_iter().map(|locale| texts.say(locale, &key, context! {})).collect();
        assert_eq!(names.len(), 1, "{key}: {names:?}");
    }
    assert_eq!(texts.say(Locale::En, "language.ar", context! {}), "العربية");
}

#[test]
fn the_languages_are_named_alike_wherever_they_are_listed() {
    let tags = Locale::ALL.map(Locale::as_str);
    assert_eq!(crate::domain::settings::LOCALES, tags);
    let (last, others) = tags.split_last().unwrap();
    assert_eq!(Locale::LIST, format!("{} or {last}", others.join(", ")));
    assert_eq!(
        "tlh".parse::<Locale>().unwrap_err().to_string(),
        format!("must be {}", Locale::LIST)
    );
}
