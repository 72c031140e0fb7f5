use super::{
    common::{LIST, is_line},
    *,
};

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

const NOBODY: PasswordContext<'_> =
    PasswordContext { email: "", names: &[], tenant_name: "", product_name: "" };

fn faults_of(text: &str) -> Vec<PasswordFault> {
    faults(&PasswordPolicy::default(), false, &password(text), &NOBODY)
}

#[test]
fn form_is_bounded_and_nothing_is_trimmed() {
    assert_eq!(Password::parse("").unwrap_err(), PasswordFormFault::Empty);
    assert_eq!(password(" \t a\0b ").expose(), " \t a\0b ");
    assert_eq!(password(&"x".repeat(1024)).expose().len(), 1024);
    assert_eq!(Password::parse(&"x".repeat(1025)).unwrap_err(), PasswordFormFault::TooLong);
    assert_eq!(Password::parse(&"x".repeat(1 << 20)).unwrap_err(), PasswordFormFault::TooLong);
}

#[test]
fn length_is_counted_after_nfc() {
    // A Hangul syllable is three characters until it is composed.
    let decomposed = "\u{1112}\u{1161}\u{11ab}";
    assert_eq!(password(&decomposed.repeat(1024)).expose(), "\u{d55c}".repeat(1024));
    assert!(Password::parse(&decomposed.repeat(1025)).is_err());
    assert_eq!(password(&"\u{1f600}".repeat(1024)).expose().len(), 4096);
}

#[test]
fn canonical_forms_are_one_password_and_compatible_ones_are_not() {
    assert_eq!(password("cafe\u{301}").expose(), password("caf\u{e9}").expose());
    assert_ne!(password("\u{ff41}").expose(), password("a").expose());
    assert_ne!(password("\u{fb01}").expose(), password("fi").expose());
}

#[test]
fn debug_shows_nothing() {
    assert!(!format!("{:?}", password("hush-hush")).contains("hush"));
}

#[test]
fn the_shortest_length_depends_on_the_second_factor_and_the_tenant() {
    let of = |min_length, mfa| {
        PasswordPolicy { min_length, ..PasswordPolicy::default() }.effective_min_length(mfa)
    };
    assert_eq!((of(None, false), of(None, true)), (15, 8));
    assert_eq!((of(Some(12), false), of(Some(12), true)), (12, 12));
    assert_eq!((of(Some(3), false), of(Some(usize::MAX), false)), (8, 1024));
    assert_eq!(faults_of("fourteen-chars"), [PasswordFault::TooShort { min: 15 }]);
    assert_eq!(faults_of("fifteen-chars-x"), []);
}

#[test]
fn characters_are_counted_and_not_bytes() {
    let fourteen = "\u{e4}\u{f6}\u{fc}\u{df}\u{e9}\u{e8}\u{e0}\u{f1}\u{e7}\u{f8}\u{e5}\u{e6}xy";
    assert_eq!(faults_of(fourteen), [PasswordFault::TooShort { min: 15 }]);
}

#[test]
fn settings_have_defaults_and_no_strangers() {
    let read = serde_json::from_str::<PasswordPolicy>;
    assert_eq!(read("{}").unwrap(), PasswordPolicy::default());
    assert_eq!(read(r#"{"min_length": 20}"#).unwrap().min_length, Some(20));
    assert!(read(r#"{"minlength": 20}"#).is_err());
}

#[test]
fn the_list_is_in_the_form_that_the_search_needs() {
    let lines: Vec<&str> = LIST.lines().collect();
    assert!(lines.len() >= 100_000, "only {} entries", lines.len());
    assert!(LIST.len() < 1_600_000, "{} bytes", LIST.len());
    assert!(LIST.ends_with('\n'));
    assert!(lines.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), "sorted, each once");
    for line in &lines {
        assert!(line.chars().count() >= 6, "{line:?} is short");
        assert_eq!(line.to_lowercase(), **line);
    }
}

#[test]
fn every_line_is_found_and_its_neighbours_are_not() {
    for line in LIST.lines() {
        assert!(is_line(LIST, line), "{line:?} is not found");
    }
    let list = "apple\nbanana\ncherry\n";
    for stranger in ["", "a", "apple\nbanana", "applea", "appl", "banan", "cherryx", "zebra", "\n"]
    {
        assert!(!is_line(list, stranger), "{stranger:?}");
    }
    assert!(!is_line("", "x") && !is_line("", ""));
}

#[test]
fn common_passwords_are_refused_in_any_dress() {
    for text in [
        "password",
        "PassWord",
        "password123!",
        "iloveyou2024",
        "qwertyuiop",
        "111111111111111",
        "passwordpassword",
        "PasswordPasswordPass",
        "passwordpassword1!",
        "abcabcabcabcabcab",
        "basketballbasketball",
        "123456789012345",
        "543210987654321",
        "abcdefghijklmnop",
        "qwertyuiopasdfgh",
        "aaaa1234qwertyui",
        "1qaz2wsx3edc4rfv",
    ] {
        assert!(is_common(text), "{text:?} passes");
    }
    for text in [
        "correct horse battery staple",
        "fifteen-chars-x",
        "zwanzig grüne Äpfel",
        "abc-def-123-xyz-uvw",
        "k3lp-forest-at-dawn",
        // A long unit of its own is no weaker for being said twice.
        "tall-kelp-forest tall-kelp-forest ",
        // The stem is trivial but too short to say so.
        "aaa12!#93847192837",
    ] {
        assert!(!is_common(text), "{text:?} is refused");
    }
    let lax = PasswordPolicy { refuse_common: false, ..PasswordPolicy::default() };
    assert_eq!(faults(&lax, false, &password("passwordpassword"), &NOBODY), []);
}

#[test]
fn what_is_known_of_the_person_is_refused() {
    use PasswordFault::{ContainsEmail, ContainsName, ContainsProductName, ContainsTenantName};
    let context = PasswordContext {
        email: "Marta.Kowal@example.org",
        names: &["Ann", "Van Kowalski", "Łukasz"],
        tenant_name: "Blue Lake",
        product_name: "Countersign",
    };
    let cases: [(&str, &[PasswordFault]); 9] = [
        ("my marta.kowal@example.org", &[ContainsEmail]),
        ("xx-MARTAKOWAL-xx-yy", &[ContainsEmail]),
        ("sunny kowalskI days", &[ContainsName]),
        ("sunny łUKASZ meadow", &[ContainsName]),
        ("van gogh and ann at sea", &[]),
        ("on the blue_lake tonight", &[ContainsTenantName]),
        ("a lake that was blue", &[]),
        ("please counterSIGN it", &[ContainsProductName]),
        ("kowalski at bluelake 1", &[ContainsName, ContainsTenantName]),
    ];
    for (text, expected) in cases {
        let found = faults(&PasswordPolicy::default(), false, &password(text), &context);
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn composition_is_asked_only_where_the_tenant_asks() {
    use PasswordFault::{MissingDigit, MissingLowercase, MissingSymbol, MissingUppercase};
    let strict = PasswordPolicy {
        require_lowercase: true,
        require_uppercase: true,
        require_digit: true,
        require_symbol: true,
        ..PasswordPolicy::default()
    };
    let of = |text| faults(&strict, false, &password(text), &NOBODY);
    assert_eq!(of("tall kelp forest"), [MissingUppercase, MissingDigit]);
    assert_eq!(of("TALLKELPFOREST77"), [MissingLowercase, MissingSymbol]);
    assert_eq!(of("Tall kelp forest 7"), []);
    assert_eq!(faults_of("tall kelp forest"), []);
}

#[test]
fn every_fault_has_its_own_key_and_sentence() {
    use PasswordFault::*;
    let all = [
        TooShort { min: 15 },
        TooCommon,
        ContainsEmail,
        ContainsName,
        ContainsTenantName,
        ContainsProductName,
        MissingLowercase,
        MissingUppercase,
        MissingDigit,
        MissingSymbol,
        Reused,
        Breached,
    ];
    let keys: std::collections::BTreeSet<_> = all.iter().map(|it| it.key()).collect();
    let said: std::collections::BTreeSet<_> = all.iter().map(|it| it.sentence()).collect();
    assert_eq!((keys.len(), said.len()), (all.len(), all.len()));
    assert!(said.iter().all(|it| it.ends_with('.')));
    assert!(TooShort { min: 15 }.sentence().contains("15"));
}
