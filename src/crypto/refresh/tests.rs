use uuid::Uuid;

use super::{LENGTH, RefreshToken};
use crate::{crypto::seal::MasterKey, entropy::Entropy};

const TENANT: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
const FAMILY: Uuid = Uuid::from_u128(7);

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).unwrap()
}

fn token() -> RefreshToken {
    RefreshToken::generate(&key(1), &Entropy::seeded(1), (TENANT, FAMILY)).unwrap()
}

fn parsed(text: &str) -> Option<RefreshToken> {
    RefreshToken::parse(&key(1), text).unwrap()
}

#[test]
fn a_token_names_its_tenant_and_family_and_is_read_back() {
    let token = token();
    let text = token.text();
    assert_eq!(text.expose().len(), LENGTH);
    let back = parsed(text.expose()).unwrap();
    assert_eq!((back.tenant(), back.family()), (TENANT, FAMILY));
    assert_eq!(back.digest(), token.digest());
    assert_eq!(format!("{back:?}"), "RefreshToken(Secret(…))");
}

#[test]
fn a_token_has_one_spelling_and_no_other_is_ours() {
    let text = token().text().expose().clone();
    for end in 0..text.len() {
        assert!(parsed(&text[..end]).is_none(), "cut to {end}");
    }
    for more in ["A", "=", " ", "\n"] {
        assert!(parsed(&format!("{text}{more}")).is_none(), "{more:?}");
        assert!(parsed(&format!("{more}{text}")).is_none(), "{more:?}");
    }
    for place in 0..text.len() {
        let old = text.as_bytes()[place];
        for new in [b'A', b'z', b'_', b'=', b'+', old.to_ascii_lowercase(), old ^ 1] {
            let mut other = text.clone().into_bytes();
            other[place] = new;
            if new != old && other.is_ascii() {
                assert!(parsed(std::str::from_utf8(&other).unwrap()).is_none(), "{place} {new}");
            }
        }
    }
}

#[test]
fn a_token_of_another_master_key_is_not_ours() {
    let text = token().text();
    assert!(RefreshToken::parse(&key(2), text.expose()).unwrap().is_none());
}

#[test]
fn a_successor_follows_from_token_and_salt_and_from_nothing_less() {
    let token = token();
    let next = token.successor(&key(1), &[1; 32]).unwrap();
    assert_eq!((next.tenant(), next.family()), (TENANT, FAMILY));
    assert!(parsed(next.text().expose()).is_some());
    assert_eq!(next.digest(), token.successor(&key(1), &[1; 32]).unwrap().digest());
    let other = RefreshToken::generate(&key(1), &Entropy::seeded(2), (TENANT, FAMILY)).unwrap();
    for different in [
        token.clone(),
        token.successor(&key(1), &[2; 32]).unwrap(),
        token.successor(&key(2), &[1; 32]).unwrap(),
        other.successor(&key(1), &[1; 32]).unwrap(),
    ] {
        assert_ne!(next.digest(), different.digest());
    }
}
