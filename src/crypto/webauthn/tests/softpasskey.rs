//! One round with an authenticator that somebody else wrote.

use std::slice;

use webauthn_authenticator_rs::{WebauthnAuthenticator, softpasskey::SoftPasskey};

use super::*;

#[test]
fn an_authenticator_by_somebody_else_registers_and_asserts() {
    let origin = Url::parse(ORIGIN).unwrap();
    let mut party = party();
    // It writes a slash behind the origin, as no browser does.
    party.origins = vec![origin.to_string()];
    let mut authenticator = SoftPasskey::new(true);
    let (options, ceremony) = party.begin_registration(&owner(), &[], &policy()).unwrap();
    let options = serde_json::from_value(json!({"publicKey": options})).unwrap();
    let answer = authenticator.do_registration(origin.clone(), options).unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    let credential = party.finish_registration(&ceremony, &answer, &policy()).unwrap();
    assert!(!credential.user_verified());

    let (options, ceremony) =
        party.begin_assertion(slice::from_ref(&credential), Verification::Required).unwrap();
    let options = serde_json::from_value(json!({"publicKey": options})).unwrap();
    let answer = authenticator.do_authentication(origin, options).unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    let asserted = party.finish_assertion(&ceremony, &answer, &credential).unwrap();
    assert!(asserted.user_verified);
    assert_eq!(asserted.counter, 1);
}
