//! The table by which a page's language is chosen, and what is read of hostile wishes.

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_599_000_500_000);
const EARLIER: Timestamp = Timestamp::from_micros(1_795_598_000_000_000);

fn nothing() -> Wishes<'static> {
    Wishes {
        address: None,
        request: None,
        account: None,
        switched: None,
        accepted: None,
        fallback: Locale::De,
    }
}

fn at(locale: Locale, moment: Timestamp) -> Switched {
    Switched { locale, at: seconds(moment) }
}

#[test]
fn the_language_is_what_was_said_most_expressly_and_last() {
    let all = Wishes {
        address: Some("ar"),
        request: Some(("ja", NOW)),
        account: Some(("es", NOW)),
        switched: Some(at(Locale::Fr, EARLIER)),
        accepted: Some("en"),
        fallback: Locale::De,
    };
    let cases = [
        ("the address", all, Locale::Ar),
        ("the application", Wishes { address: None, ..all }, Locale::Ja),
        ("the account", Wishes { address: None, request: None, ..all }, Locale::Es),
        ("the footer", Wishes { switched: Some(at(Locale::Fr, NOW)), ..nothing() }, Locale::Fr),
        (
            "the footer before the browser",
            Wishes { switched: Some(at(Locale::Fr, EARLIER)), accepted: Some("en"), ..nothing() },
            Locale::Fr,
        ),
        ("the browser", Wishes { accepted: Some("xx, ar-EG;q=0.5"), ..nothing() }, Locale::Ar),
        ("the tenant", nothing(), Locale::De),
        (
            "the footer, since the application asked",
            Wishes { address: None, switched: Some(at(Locale::Fr, NOW)), ..all },
            Locale::Fr,
        ),
        (
            "the footer, since the sign-in",
            Wishes {
                account: Some(("es", EARLIER)),
                switched: Some(at(Locale::Fr, NOW)),
                ..nothing()
            },
            Locale::Fr,
        ),
    ];
    for (who, wishes, expected) in cases {
        assert_eq!(wishes.choose(), expected, "{who}");
    }
}

#[test]
fn an_unknown_language_leaves_the_choice_to_whoever_comes_next() {
    let footer = Some(at(Locale::Fr, EARLIER));
    let unknown = Wishes {
        address: Some("zh tlh-Latn"),
        request: Some(("zh-Hant", NOW)),
        account: Some(("xx", NOW)),
        switched: footer,
        ..nothing()
    };
    assert_eq!(unknown.choose(), Locale::Fr);
    let region = Wishes { address: Some("zh ar-EG en"), ..unknown };
    assert_eq!(region.choose(), Locale::Ar);
}

/// WEB-06, DOS-08.
#[test]
fn a_hostile_wish_is_no_wish() {
    let long = format!("{}fr", "x ".repeat(300));
    for hostile in ["<script>", "fr\0", "\"fr\"", "fr'>", "%66r", long.as_str(), "", "\u{202e}fr"] {
        let wishes = Wishes { address: Some(hostile), ..nothing() };
        assert_eq!(wishes.choose(), Locale::De, "{hostile:?}");
    }
}

#[test]
fn a_cookie_that_we_did_not_write_says_little_or_nothing() {
    let fr = |at| Some(Switched { locale: Locale::Fr, at });
    let cases = [
        ("fr.1795599000", fr(1_795_599_000)),
        ("fr", fr(0)),
        ("fr.", fr(0)),
        ("fr.x", fr(0)),
        ("fr.1795599001", fr(0)),
        ("fr-CA.1", None),
        ("FR.1", None),
        ("", None),
        (".1", None),
        ("<b>.1", None),
    ];
    for (value, expected) in cases {
        assert_eq!(Switched::parse(value, NOW), expected, "{value}");
    }
    let written = Switched { locale: Locale::Ar, at: 7 };
    assert_eq!(Switched::parse(&written.text(), NOW), Some(written));
}
