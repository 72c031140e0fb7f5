//! The rows RED-01 to RED-08 and RED-11 of the security catalogue, as far as they are about
//! addresses themselves.

use proptest::prelude::*;

use super::{
    super::ApplicationType::{self, Native, Service, Spa, Web},
    check_redirect, document, is_origin, is_web, matches,
};

const KNOWN: &str = "https://app.x.test/cb";

fn is_known(kind: ApplicationType, known: &str, shown: &str) -> bool {
    matches(kind, &[known.to_owned()], shown)
}

fn may_register(text: &str) -> bool {
    ApplicationType::ALL.into_iter().any(|kind| check_redirect(kind, text).is_ok())
}

const RED_01_PREFIX_SUFFIX: &[&str] = &[
    "https://app.x.test.evil.test/cb",
    "https://evilapp.x.test/cb",
    "https://appax.test/cb",
    "https://x.test/cb",
    "https://app.x.test/cb2",
    "https://app.x.test/",
    "https://app.x.test/cb/more",
];
const RED_02_USER_NAMES: &[&str] = &[
    "https://app.x.test@evil.test/cb",
    "https://a@b@evil.test",
    "https://app.x.test:443@evil.test",
    "https://app.x.test%40evil.test",
    "https://@app.x.test/cb",
];
const RED_03_DOTS: &[&str] = &[
    "https://app.x.test/cb/../x",
    "https://app.x.test/cb/..%2fx",
    "https://app.x.test/cb%252f..",
    "https://app.x.test/cb/..;/x",
    "https://app.x.test/x/../cb",
    "https://app.x.test/./cb",
];
const RED_04_BROWSERS: &[&str] = &[
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "\\/evil.test",
    "/%09/evil.test",
    "https:evil.test",
    "https:/\\evil.test",
    " https://app.x.test/cb",
    "https://app.x.test/cb ",
    "\thttps://app.x.test/cb",
    "https://app.x.test/cb\0",
    "https:app.x.test/cb",
    "https:///app.x.test/cb",
];
const RED_07_LINES: &[&str] = &[
    "https://app.x.test/cb%0d%0aSet-Cookie:x=1",
    "https://app.x.test/cb\r\nSet-Cookie: x=1",
    "https://app.x.test/c\nb",
];
const RED_08_SPELLINGS: &[&str] = &[
    "HTTPS://APP.X.TEST/cb",
    "https://APP.x.test/cb",
    "https://app.x.test/CB",
    "https://app.x.test:443/cb",
    "https://app.x.test/cb/",
    "https://app.x.test/cb?x=1",
    "https://app.x.test/cb?",
    "https://app.x.test/cb#f",
    "https://app.x.test./cb",
    "https://äpp.x.test/cb",
];

#[test]
fn what_is_registered_is_found_and_nothing_that_looks_like_it() {
    let all = [
        RED_01_PREFIX_SUFFIX,
        RED_02_USER_NAMES,
        RED_03_DOTS,
        RED_04_BROWSERS,
        RED_07_LINES,
        RED_08_SPELLINGS,
    ];
    for kind in ApplicationType::ALL {
        assert!(is_known(kind, KNOWN, KNOWN));
        for shown in all.iter().copied().flatten() {
            assert!(!is_known(kind, KNOWN, shown), "{kind:?} {shown}");
        }
    }
}

#[test]
fn what_has_two_readings_is_not_registered() {
    for text in [
        "https://app.x.test@evil.test/cb",
        "https://a:b@app.x.test/cb",
        "https://@app.x.test/cb",
        "https://app.x.test%40evil.test/cb",
        "https://app.x.test/cb/../x",
        "https://app.x.test/cb/..%2fx",
        "https://app.x.test/cb/%2E%2E/x",
        "https://app.x.test/cb%252f..",
        "https://app.x.test/cb/..;/x",
        "https://app.x.test/cb%5cx",
        "//evil.test",
        "/\\evil.test",
        "https:evil.test",
        "https:/\\evil.test",
        " https://app.x.test/cb",
        "https://app.x.test/c b",
        "https://app.x.test/cb%0d%0aSet-Cookie:x=1",
        "https://app.x.test/cb?x=%0a",
        "https://app.x.test/c\nb",
        "HTTPS://app.x.test/cb",
        "https://APP.X.TEST/cb",
        "https://app.x.test:443/cb",
        "https://app.x.test/cb#f",
        "https://app.x.test/cb#",
        "https://äpp.x.test/cb",
        "",
        "app",
    ] {
        assert!(!may_register(text), "{text}");
    }
    assert!(!may_register(&format!("https://app.x.test/{}", "a".repeat(2_000))));
    for text in [
        KNOWN,
        "https://app.x.test",
        "https://app.x.test/",
        "https://app.x.test:8443/cb?next=%2Fhome",
        "https://xn--pp-uia.x.test/cb/",
    ] {
        for kind in ApplicationType::ALL {
            assert_eq!(check_redirect(kind, text), Ok(()), "{text}");
        }
    }
}

#[test]
fn red_05_a_loopback_port_is_free_for_native_applications_on_a_literal_address_only() {
    let known = "http://127.0.0.1/cb";
    for shown in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
        assert!(is_known(Native, known, shown), "{shown}");
    }
    assert!(is_known(Native, "http://[::1]:7/cb", "http://[::1]:9/cb"));
    assert!(is_known(Native, "http://127.0.0.1", "http://127.0.0.1:9"));
    for shown in [
        "http://127.0.0.1:9/other",
        "http://127.0.0.1:9/cb/",
        "http://127.0.0.1:9/cb?x=1",
        "http://127.0.0.1:9/cb#f",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.2:9/cb",
        "http://localhost:9/cb",
        "http://[::1]:9/cb",
        "http://a@127.0.0.1:9/cb",
        "http://127.1:9/cb",
        "http://0x7f000001/cb",
        "http://2130706433/cb",
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.1:9/x/../cb",
        "https://127.0.0.1:9/cb",
    ] {
        assert!(!is_known(Native, known, shown), "{shown}");
    }
    assert!(!is_known(Native, "http://localhost/cb", "http://localhost:9/cb"));
    assert!(!is_known(Native, "https://127.0.0.1/cb", "https://127.0.0.1:9/cb"));
    for kind in [Web, Spa, Service] {
        for shown in ["http://127.0.0.1/cb", "http://localhost:9/cb", "http://[::1]/cb"] {
            assert!(!is_known(kind, KNOWN, shown), "{shown}");
        }
        assert!(!is_known(kind, known, "http://127.0.0.1:9/cb"));
    }
    for text in ["http://127.0.0.1.evil.test/cb", "http://2130706433/cb", "http://app.x.test/cb"] {
        assert!(!may_register(text), "{text}");
    }
}

#[test]
fn red_06_a_scheme_that_a_browser_acts_on_is_never_registered() {
    for text in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.x.test/1",
        "view-source:https://app.x.test/cb",
        "about:blank",
        "ftp://app.x.test/cb",
        "ws://app.x.test/cb",
        "intent://x",
        "app:/cb",
        "urn:ietf:wg:oauth:2.0:oob",
    ] {
        assert!(!may_register(text), "{text}");
    }
    assert_eq!(check_redirect(Native, "com.example.app:/cb"), Ok(()));
    assert_eq!(check_redirect(Native, "com.example.app://cb"), Ok(()));
    for kind in [Web, Spa, Service] {
        assert!(check_redirect(kind, "com.example.app:/cb").is_err());
    }
}

#[test]
fn red_11_nothing_with_a_wildcard_is_registered() {
    for text in ["https://*.x.test", "*", "https://app.x.test/*", "https://app.x.test:*/cb"] {
        assert!(!may_register(text), "{text}");
        assert!(!is_origin(text) && !is_web(text), "{text}");
    }
}

#[test]
fn an_origin_is_spelt_as_a_browser_sends_it() {
    for text in ["https://app.x.test", "https://app.x.test:8443", "http://localhost:5173"] {
        assert!(is_origin(text), "{text}");
    }
    for text in [
        "null",
        "https://app.x.test/",
        "https://app.x.test:443",
        "HTTPS://app.x.test",
        "https://a@app.x.test",
        "http://app.x.test",
        "file://",
        "com.example.app://x",
        "https://äpp.x.test",
    ] {
        assert!(!is_origin(text), "{text}");
    }
}

#[test]
fn the_address_of_a_document_has_one_spelling() {
    for text in ["https://app.x.test/client.json", "https://app.x.test/a/b?v=1"] {
        assert!(document(text).is_some(), "{text}");
    }
    for text in [
        "https://app.x.test",
        "https://app.x.test/",
        "https://app.x.test/a/../client.json",
        "https://app.x.test/a/%2e%2e/client.json",
        "https://app.x.test/client.json#x",
        "https://app.x.test/client.json#",
        "https://a@app.x.test/client.json",
        "https://app.x.test:443/client.json",
        "http://app.x.test/client.json",
        "app_01kb0000000000000000000000",
    ] {
        assert!(document(text).is_none(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is changed, added or left out of a registered address makes it another one.
    #[test]
    fn one_changed_character_is_another_address(at in 0_usize..21, c in any::<char>()) {
        let mut changed: Vec<char> = KNOWN.chars().collect();
        changed[at] = c;
        let changed: String = changed.into_iter().collect();
        for kind in ApplicationType::ALL {
            prop_assert_eq!(is_known(kind, KNOWN, &changed), changed == KNOWN);
        }
    }

    #[test]
    fn whatever_is_shown_is_found_only_if_it_is_what_was_registered(shown in ".{0,40}") {
        for kind in ApplicationType::ALL {
            prop_assert_eq!(is_known(kind, KNOWN, &shown), shown == KNOWN);
        }
    }

    /// A free port is all that is free.
    #[test]
    fn of_a_loopback_address_only_the_port_is_free(port in any::<u16>(), rest in "[ -~]{0,12}") {
        let shown = format!("http://127.0.0.1:{port}{rest}");
        let expected = rest == "/cb" && port != 80;
        let found = is_known(Native, "http://127.0.0.1/cb", &shown);
        prop_assert_eq!(found, expected, "{}", shown);
    }

    #[test]
    fn what_may_be_registered_is_read_back_as_it_was_written(text in "https?://[ -~]{1,30}") {
        if may_register(&text) {
            let url = url::Url::parse(&text).unwrap();
            let is_as_written = url.as_str().strip_suffix('/').unwrap_or(url.as_str())
                == text.strip_suffix('/').unwrap_or(&text);
            prop_assert!(is_as_written);
            prop_assert!(url.username().is_empty() && url.fragment().is_none());
        }
    }
}
