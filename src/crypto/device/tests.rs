use proptest::prelude::*;

use super::*;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).unwrap()
}

#[test]
fn a_token_is_known_to_its_tenant_and_its_key_alone() {
    let tenant = Uuid::from_u128(1);
    let token = token(&key(1), &Entropy::Os, tenant).unwrap();
    let again = Token::parse(token.expose()).unwrap();
    assert!(is_of(&key(1), &again, tenant));
    assert!(!is_of(&key(1), &again, Uuid::from_u128(2)));
    assert!(!is_of(&key(2), &again, tenant));
}

#[test]
fn two_tokens_differ() {
    let made = || token(&key(1), &Entropy::Os, Uuid::from_u128(1)).unwrap();
    assert_ne!(made().expose(), made().expose());
}

proptest! {
    #[test]
    fn what_was_not_given_out_is_not_known(bytes: [u8; 32], place in 0_usize..32, bit in 0_u32..8) {
        let tenant = Uuid::from_u128(1);
        prop_assert!(!is_of(&key(1), &Token::of(&bytes), tenant));
        let token = token(&key(1), &Entropy::Os, tenant).unwrap();
        let mut changed = *token.bytes();
        changed[place] ^= 1 << bit;
        prop_assert!(!is_of(&key(1), &Token::of(&changed), tenant));
    }
}
