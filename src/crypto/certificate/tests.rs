use proptest::prelude::*;

use super::Certificate;

const EC: &str = include_str!("tests/ec.pem");
const EC384: &str = include_str!("tests/ec384.pem");
const RSA: &str = include_str!("tests/rsa.pem");
const WEAK: &str = include_str!("tests/weak.pem");
const ED: &str = include_str!("tests/ed.pem");
const OLD: &str = include_str!("tests/old.pem");

fn of(pem: &str) -> Certificate {
    Certificate::from_pem(pem).unwrap()
}

/// As Python's cryptography computes them.
#[test]
fn keys_and_digests_are_those_that_others_compute() {
    for (pem, key, digest) in [
        (
            EC,
            Some("hMZfr1xGflEKf2RQ77k2G69hw2-VvBxPOyTBh6bzPzI"),
            "_gFtjn-WS1uGywtNmYm4Xnzi-qB8mhG_-t2KbQMpMxg",
        ),
        (
            EC384,
            Some("pdXV0XkJfrGLGeDJwdjhPdNBQpM2QafQdP9WMr3LCNE"),
            "qDoiKHJ89tz0VVbtreARHNcPoJpfL_2pTo4UG6enIQA",
        ),
        (
            RSA,
            Some("d_9JuMFNbDAbUkVkjvTLPUESAZclh9viOQGMjveou-w"),
            "SZPJ5TVFqkaOOaZI3ASYUdOICXWQnN1Y42EGDFYJRpQ",
        ),
        (
            ED,
            Some("B2iT57u01E4ATxlKfL5ggCkJZIUDfZ8BAJWrJmUDMPc"),
            "2S_8GK2S05_7s-NcMIHXke7Abl9BjlAzwkxLkYhtCgk",
        ),
        // 1,024 bits.
        (WEAK, None, "7bImCSMa19ivuxeG-O-Ux_Yb7GEKGBVBBqivePsUN6c"),
    ] {
        assert_eq!(of(pem).key().as_deref(), key);
        assert_eq!(of(pem).digest(), digest);
        assert_eq!(Certificate::from_der(of(pem).der()).unwrap().digest(), digest);
    }
}

#[test]
fn a_subject_is_compared_as_rfc_4514_spells_it() {
    let subject = of(EC);
    for same in [
        "CN=client ü,UID=7+OU=Payments,O=Acme\\, Inc.,C=DE",
        "cn=client \\C3\\BC,ou=Payments+uid=7,o=Acme\\2C Inc.,c=DE",
        "2.5.4.3=client ü,OU=Payments+UID=7,O=Acme\\, Inc.,C=DE",
    ] {
        assert!(subject.has_subject(same), "{same}");
    }
    for other in [
        "",
        "CN=client ü",
        "CN=client ü,UID=7+OU=Payments,O=Acme\\, Inc.",
        "C=DE,O=Acme\\, Inc.,UID=7+OU=Payments,CN=client ü",
        "CN=Client ü,UID=7+OU=Payments,O=Acme\\, Inc.,C=DE",
        "CN=client ü,UID=7,OU=Payments,O=Acme\\, Inc.,C=DE",
        "CN=client ü,UID=7+OU=Payments,O=Acme\\, Inc.,C=DE,C=DE",
        "CN=client ü,UID=7+OU=Payments,O=Acme, Inc.,C=DE",
        "nonsense",
    ] {
        assert!(!subject.has_subject(other), "{other}");
    }
}

#[test]
fn other_names_are_compared_exactly() {
    let it = of(EC);
    assert!(it.has_dns_name("client.example.com") && it.has_dns_name("*.example.org"));
    for other in ["Client.example.com", "www.example.org", "example.com", "", "client ü"] {
        assert!(!it.has_dns_name(other), "{other}");
    }
    assert!(it.has_uri("https://client.example.com/a"));
    assert!(!it.has_uri("https://client.example.com/") && !it.has_uri("client.example.com"));
}

#[test]
fn a_certificate_has_its_time() {
    let (start, end) = (1_735_689_600, 4_102_444_799);
    for (at, is_valid) in [(start - 1, false), (start, true), (end, true), (end + 1, false)] {
        assert_eq!(of(EC).is_valid_at(at), is_valid, "{at}");
    }
    assert!(!of(OLD).is_valid_at(1_767_225_600));
}

#[test]
fn proxies_hand_it_on_in_one_of_three_spellings() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    // As nginx does it, and as somebody does who leaves the plus signs.
    let all = EC.replace('\n', "%0A").replace(' ', "%20");
    let escaped = all.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let base64 = STANDARD.encode(of(EC).der());
    for good in [all, escaped, format!(":{base64}:"), base64] {
        let read = Certificate::from_header(&good).unwrap();
        assert_eq!(read.digest(), of(EC).digest(), "{good}");
    }
    for bad in ["", "x", "-----BEGIN CERTIFICATE-----", ":AAAA:", "AAAA", "%"] {
        assert!(Certificate::from_header(bad).is_none(), "{bad}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let der = of(EC).der().to_vec();
    assert!(Certificate::from_der(&der[..der.len() - 1]).is_none());
    assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_none());
    assert!(Certificate::from_der(&[]).is_none());
    assert!(Certificate::from_pem("").is_none());
    assert!(Certificate::from_pem(&EC.replace("CERTIFICATE", "PRIVATE KEY")).is_none());
    assert!(Certificate::from_der(&vec![0x30; 17 * 1024]).is_none());
}

proptest! {
    #[test]
    fn no_byte_makes_it_fail(at in 0_usize..553, byte in any::<u8>(), name in "\\PC*") {
        let mut der = of(EC).der().to_vec();
        let at = at % der.len();
        der[at] = byte;
        if let Some(it) = Certificate::from_der(&der) {
            let _ = (it.key(), it.has_subject(&name), it.has_dns_name(&name), it.is_valid_at(0));
        }
        let _ = (Certificate::from_pem(&name), Certificate::from_header(&name));
    }
}
