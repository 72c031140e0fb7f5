//! Which texts are addresses, and what becomes of them.

use proptest::prelude::*;

use super::Email;

fn address(text: &str) -> String {
    Email::parse(text).map_or_else(|fault| fault.reason(), |email| email.as_str().to_owned())
}

fn key(text: &str) -> String {
    Email::parse(text).unwrap().key().to_owned()
}

#[test]
fn takes_what_is_an_address_and_hands_on_its_bare_form() {
    for (text, expected) in [
        ("ada@example.com", "ada@example.com"),
        ("Ada+Tag@EXAMPLE.com", "Ada+Tag@example.com"),
        (" \tada@example.com\u{3000}\n", "ada@example.com"),
        ("Ada <ada@example.com>", "ada@example.com"),
        ("<ada@example.com>", "ada@example.com"),
        ("Dr. Ada L. < ada@example.com >", "ada@example.com"),
        ("\"Lovelace, Ada <x@y.org>\" <ada@example.com>", "ada@example.com"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("a@example.c0m", "a@example.c0m"),
        ("用户@例え.jp", "用户@例え.jp"),
        ("a\u{301}@example.com", "\u{e1}@example.com"),
        ("a@B\u{dc}cher.example", "a@b\u{fc}cher.example"),
        ("a@ex\u{3002}com", "a@ex.com"),
        ("a@l\u{b7}l.com", "a@l\u{b7}l.com"),
        ("😀@example.com", "😀@example.com"),
    ] {
        assert_eq!(address(text), expected, "{text:?}");
    }
}

/// Holds the reasons against the starts of the expected ones.
fn refused(cases: &[(&str, &str)]) {
    for (text, reason) in cases {
        let found = Email::parse(text).expect_err(text).reason();
        assert!(found.starts_with(reason), "{text:?}: {found}");
    }
}

#[test]
fn refuses_what_cannot_stand_before_the_at_sign() {
    const LOCAL: &str = "The email address contains invalid characters before the @-sign";
    const QUOTED: &str = "Quoting the part before the @-sign is not allowed here.";
    refused(&[
        ("", "An email address must have an @-sign."),
        ("ada", "An email address must have an @-sign."),
        ("\"ada@example.com", "An email address must have an @-sign."),
        ("ada\u{ff20}example.com", "The email address has the \"full-width\" at-sign"),
        ("@example.com", "There must be something before the @-sign."),
        ("\"\"@example.com", "There must be something before the @-sign."),
        ("ada@", "There must be something after the @-sign."),
        ("\"a b\"@example.com", QUOTED),
        ("\"a@x.org\"@example.com", QUOTED),
        ("a b@example.com", &format!("{LOCAL}: SPACE.")),
        ("a(c)@example.com", &format!("{LOCAL}: '(', ')'.")),
        ("ada\0@example.com", &format!("{LOCAL}: U+0000.")),
        (".a@example.com", "An email address cannot start with a period."),
        ("a.@example.com", "An email address cannot have a period immediately before the @-sign."),
        ("a..b@example.com", "An email address cannot have two periods in a row."),
    ]);
}

#[test]
fn refuses_what_is_no_domain() {
    const DOMAIN: &str = "The part after the @-sign contains invalid characters";
    const RESERVED: &str = "The part after the @-sign is a special-use or reserved name";
    const IDNA: &str = "The part after the @-sign is not a valid internationalized domain name.";
    refused(&[
        ("ada@example.com\0", &format!("{DOMAIN}: U+0000.")),
        ("a@@example.com", &format!("{DOMAIN}: '@'.")),
        ("a@b.com, c@d.com", &format!("{DOMAIN}: ',', '@', SPACE.")),
        ("a@ex_ample.com", &format!("{DOMAIN}: '_'.")),
        ("a@.example.com", "An email address cannot have a period immediately after the @-sign."),
        ("a@example..com", "An email address cannot have two periods in a row."),
        ("a@example.com.", "An email address cannot end with a period."),
        ("a@-example.com", "An email address cannot have a hyphen immediately after the @-sign."),
        ("a@example.com-", "An email address cannot end with a hyphen."),
        (
            "a@example-.com",
            "An email address cannot have a period and a hyphen next to each other.",
        ),
        ("a@xn--example-.org", "An email address cannot have a period and a hyphen next to"),
        ("a@ab--cd.com", "An email address cannot have two letters followed by two dashes"),
        ("a@[127.0.0.1]", "A bracketed IP address after the @-sign is not allowed here."),
        (
            "a@127.0.0.1",
            "The part after the @-sign is not valid. It is not within a valid top-level",
        ),
        ("a@localhost", "The part after the @-sign is not valid. It should have a period."),
        ("a@example.test", RESERVED),
        ("a@sub.LOCALHOST", RESERVED),
        ("a@xn--a.com", IDNA),
        ("a@xn--0.com", IDNA),
        ("a@\u{2603}.com", IDNA),
        ("a@xn--ls8h.com", IDNA),
        ("a@a\u{b7}b.com", IDNA),
        ("a@\u{627}a.com", IDNA),
        ("a@\u{2100}.com", IDNA),
    ]);
}

#[test]
fn refuses_what_cannot_be_seen_or_breaks_a_line() {
    const UNSAFE: &str = "The email address contains unsafe characters";
    const LOCAL: &str = "The email address contains invalid characters before the @-sign";
    const BREAK: &str = "Carriage return and line feed characters are not allowed";
    refused(&[
        ("a@exam\u{ad}ple.com", UNSAFE),
        ("a\u{a0}b@example.com", UNSAFE),
        ("a\u{202e}@example.com", UNSAFE),
        ("a\u{e000}@example.com", UNSAFE),
        ("a\u{378}@example.com", UNSAFE),
        ("a\u{ff20}b@example.com", UNSAFE),
        ("\u{301}a@example.com", UNSAFE),
        ("a\nb@example.com", BREAK),
        ("a@example.com\r\nBcc: b@example.com", BREAK),
        ("Ada\n <a@example.com>", BREAK),
        ("a@example.com\u{85}", UNSAFE),
        ("a@example.com\u{2028}", UNSAFE),
        ("Ada\u{2028} <a@example.com>", UNSAFE),
        ("Ada <a@example.com\u{85}>", UNSAFE),
        ("Ada\u{1} <a@example.com>", LOCAL),
        ("\"Ada\u{1}\" <a@example.com>", "Quoting the part before the @-sign"),
        ("Bob <<a@example.com>>", LOCAL),
        ("(c) <a@example.com>", LOCAL),
    ]);
}

#[test]
fn lengths_are_limited() {
    let local = |octets: usize| address(&format!("{}@example.com", "a".repeat(octets)));
    assert_eq!(local(242).len(), 254);
    assert_eq!(local(243), "The email address is too long (1 character too many).");
    assert_eq!(local(244), "The email address is too long (2 characters too many).");
    // Counted in octets, as mail servers count.
    assert!(address(&format!("{}@example.com", "é".repeat(122))).starts_with("The email address"));
    let label = |octets: usize| address(&format!("a@{}.com", "b".repeat(octets)));
    assert_eq!(label(63).len(), 69);
    assert_eq!(
        label(64),
        "After the @-sign, periods cannot be separated by so many characters (1 character too many)."
    );
    let many = format!("a@{}com", "b.".repeat(126));
    assert!(address(&many).starts_with("The email address is too long after the @-sign"));
    let endless = format!("a@{}com", "b.".repeat(10_000));
    assert_eq!(address(&endless), "Length must not exceed 2048 characters");
}

#[test]
fn the_key_joins_spellings_of_one_mailbox_only() {
    assert_eq!(key("Alice+News@Example.COM"), "alice+news@example.com");
    assert_eq!(key("\u{c9}va@B\u{fc}cher.example"), "\u{e9}va@xn--bcher-kva.example");
    assert_eq!(key("E\u{301}va@XN--BCHER-KVA.example"), "\u{e9}va@xn--bcher-kva.example");
    // Look-alikes stay apart: dotless i, long s, Kelvin sign excepted, which NFC makes a K.
    for (left, right) in [
        ("m\u{131}ke@example.com", "mike@example.com"),
        ("\u{17f}am@example.com", "sam@example.com"),
        ("\u{ff41}da@example.com", "ada@example.com"),
        ("\u{430}da@example.com", "ada@example.com"),
        ("ada@ex\u{430}mple.com", "ada@example.com"),
        ("ada+x@example.com", "ada@example.com"),
    ] {
        assert_ne!(key(left), key(right), "{left}");
    }
}

#[test]
fn parts_and_masks() {
    let email = Email::parse("\u{c9}va@B\u{fc}cher.example").unwrap();
    assert_eq!(email.local(), "\u{c9}va");
    assert_eq!(email.domain(), "xn--bcher-kva.example");
    assert_eq!(email.envelope(), "\u{c9}va@xn--bcher-kva.example");
    assert_eq!(email.masked(), "\u{c9}***@b\u{fc}cher.example");
    assert_eq!(format!("{email:?}"), "Email(\u{c9}***@b\u{fc}cher.example)");
}

/// Texts that are often addresses: ASCII and not, with what tends to break parsers.
fn near_addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9.+_'\\-]{1,12}@[a-zA-Z0-9\\-]{1,9}(\\.[a-zA-Z\\-]{1,5}){1,3}",
        "[\\w\\PC]{1,8}@[\\w\\-]{1,8}\\.[\\w]{2,5}",
        "[ \\n\"<]{0,2}[\\PC\"]{0,6}[<\"]?[\\PC]{1,6}@[\\PC]{1,8}\\.[a-z]{2,4}[>\\r\\n \u{85}]{0,2}",
        "\\PC{0,20}",
        any::<String>(),
    ]
}

#[test]
fn what_normalises_to_a_mark_is_that_mark() {
    for text in ["a\u{37e}b@example.com", "\u{37e}@example.com"] {
        assert!(Email::parse(text).is_err(), "U+037E is a semicolon in NFC");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parsing_never_panics_and_settles_at_once(text in near_addresses()) {
        let Ok(email) = Email::parse(&text) else { return Ok(()) };
        prop_assert_eq!(&Email::parse(email.as_str()).expect("its own form"), &email);
        let again = Email::parse(email.key()).expect("its own key");
        prop_assert_eq!(again.key(), email.key());
        prop_assert_eq!(again.as_str(), email.key());
        let envelope = Email::parse(&email.envelope()).expect("its own envelope");
        prop_assert_eq!(envelope.key(), email.key());
    }

    #[test]
    fn what_is_taken_has_one_at_sign_and_no_blank(text in near_addresses()) {
        let Ok(email) = Email::parse(&text) else { return Ok(()) };
        for form in [email.as_str(), email.key(), &email.envelope()] {
            prop_assert_eq!(form.matches('@').count(), 1);
            prop_assert!(!form.contains(|c: char| c.is_whitespace() || c.is_control()));
            prop_assert!(!form.contains(['"', '<', '>', ',']));
            prop_assert!(form.len() <= 254);
        }
        prop_assert!(email.domain().is_ascii());
    }

    #[test]
    fn case_makes_no_other_identity(text in near_addresses()) {
        let Ok(email) = Email::parse(&text) else { return Ok(()) };
        let text = email.as_str();
        for variant in [text.to_lowercase(), text.to_ascii_uppercase()] {
            let variant = Email::parse(&variant).expect("a case variant");
            prop_assert_eq!(variant.key(), email.key());
        }
    }
}
