//! Proving again with a passkey whose a session is.

use std::time::Duration;

use countersign::{
    domain::factor::Method,
    error::{Code, Error, Result},
    flows::{
        me::Me,
        reauthentication::{self, Proof},
        second_factor,
        session::Opened,
    },
};
use serde_json::Value;

use super::{
    Begun, EVE, GRACE, ORIGIN, begin_enrolment, delete, forget_failures, grace, hostile,
    live_session, me, owner, reasons, sign_in, vouch,
};
use crate::support::{Client, World, authenticator::Authenticator};

/// Begins a proof for the session of a client.
async fn begin(world: &World, client: &Client) -> Begun {
    let begun = reauthentication::begin(&me(world, "acme", client).await).await.unwrap();
    Begun { id: begun.id.to_string(), options: begun.options }
}

/// Shows the answer of an authenticator.
pub(super) async fn prove(me: &Me, ceremony: &str, answer: &Value) -> Result<Option<Opened>> {
    let assertion = second_factor::Proof::Assertion {
        ceremony: ceremony.parse().ok(),
        credential: answer.clone(),
    };
    reauthentication::prove(me, &Proof::Factor(Method::Webauthn, assertion), None).await
}

#[track_caller]
fn assert_wrong(outcome: &Result<Option<Opened>>, case: &str) {
    match outcome {
        Err(Error::Refused(no)) => assert_eq!(no.code, Code::InvalidCode, "{case}"),
        other => panic!("{case}: {other:?}"),
    }
}

/// Gives a client the cookie of a session that has got another secret.
fn keep(client: &mut Client, opened: &Opened) {
    let cookie = client.cookies.iter_mut().find(|(name, _)| name.contains("session")).unwrap();
    cookie.1 = format!("{}.{}", opened.id, opened.secret.expose());
}

#[tokio::test]
async fn a_passkey_makes_the_proof_of_a_session_recent_again() {
    let (world, acme, mut grace) = grace("{}").await;
    world.advance(Duration::from_mins(6));
    let code = begin_enrolment(&mut grace.client).await.refused(403);
    assert_eq!(code, "reauthentication_required");
    let old = grace.client.clone();
    let begun = begin(&world, &grace.client).await;
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let me = me(&world, "acme", &grace.client).await;
    let opened = prove(&me, &begun.id, &answer).await.unwrap().unwrap();
    assert_eq!(opened.id, me.session.id, "the session stays, its secret does not");
    assert!(live_session(&world, "acme", &old).await.is_none());
    keep(&mut grace.client, &opened);
    let session = live_session(&world, "acme", &grace.client).await.unwrap();
    assert_eq!(
        (session.proved_at, session.auth_methods.as_str()),
        (acme.now + Duration::from_mins(6), "pwd hwk mfa")
    );
    // What a page showed before belongs to the old secret.
    let code = begin_enrolment(&mut grace.client).await.refused(403);
    assert_eq!(code, "invalid_csrf_token");
    vouch(&world, "acme", &mut grace.client).await;
    begin_enrolment(&mut grace.client).await.data();
    assert_eq!(world.recorded(&acme, "auth.reauthenticated", "success").await, 1);
}

#[tokio::test]
async fn every_wrong_answer_leaves_the_proof_as_old_as_it_is() {
    let (world, acme, mut grace) = grace("{}").await;
    world.advance(Duration::from_mins(6));
    for number in 0..hostile::ASSERTIONS {
        let me = me(&world, "acme", &grace.client).await;
        let begun = begin(&world, &grace.client).await;
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        assert_wrong(&prove(&me, &begun.id, &answer).await, case);
        let right = grace.device.get(&begun.options, ORIGIN).answer();
        assert_wrong(&prove(&me, &begun.id, &right).await, case);
        forget_failures(&world).await;
    }
    let code = begin_enrolment(&mut grace.client).await.refused(403);
    assert_eq!(code, "reauthentication_required");
    assert!(live_session(&world, "acme", &grace.client).await.is_some());
    let failed = world.recorded(&acme, "auth.reauthenticated", "failure").await;
    assert_eq!(failed, 2 * hostile::ASSERTIONS);
    assert!(!reasons(&world, &acme, "auth.passkey.refused").await.is_empty());
}

#[tokio::test]
async fn only_the_users_own_passkeys_prove_a_session() {
    let (world, acme, grace) = grace("{}").await;
    let eve = owner(&world, &acme, EVE).await;
    let hers = me(&world, "acme", &grace.client).await;
    let begun = begin(&world, &grace.client).await;
    let answer = eve.device.get(&begun.options, ORIGIN).answer();
    assert_wrong(&prove(&hers, &begun.id, &answer).await, "Eve's passkey");
    let mut draft = grace.device.get(&begun.options, ORIGIN);
    draft.user_handle.clone_from(&eve.device.handle);
    assert_wrong(&prove(&hers, &begun.id, &draft.answer()).await, "Eve's handle");
}

#[tokio::test]
async fn a_ceremony_is_its_sessions_alone() {
    let (world, _, grace) = grace("{}").await;
    let (other, _) = sign_in(&world, "acme", &grace.device).await;
    let begun = begin(&world, &grace.client).await;
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let elsewhere = me(&world, "acme", &other).await;
    assert_wrong(&prove(&elsewhere, &begun.id, &answer).await, "another session of the same user");
    let own = me(&world, "acme", &grace.client).await;
    assert!(prove(&own, &begun.id, &answer).await.is_ok());
}

#[tokio::test]
async fn guesses_count_and_a_right_answer_clears_them() {
    let (world, _, grace) = grace("{}").await;
    let me = me(&world, "acme", &grace.client).await;
    for number in 0..5 {
        let begun = begin(&world, &grace.client).await;
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        assert_wrong(&prove(&me, &begun.id, &answer).await, case);
    }
    let begun = begin(&world, &grace.client).await;
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let held_back = prove(&me, &begun.id, &answer).await;
    assert!(matches!(held_back, Err(Error::Throttled { .. })), "{held_back:?}");
}

#[tokio::test]
async fn without_a_passkey_there_is_nothing_to_prove_with() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let client = super::signed_in(&world, "acme", GRACE).await;
    let refused = reauthentication::begin(&me(&world, "acme", &client).await).await;
    assert!(
        matches!(&refused, Err(Error::Refused(no)) if no.code == Code::MethodNotAvailable),
        "{refused:?}"
    );
    // One that is gone proves nothing either, though it was asked for.
    let mut grace = owner(&world, &acme, EVE).await;
    let begun = begin(&world, &grace.client).await;
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let mine = me(&world, "acme", &grace.client).await;
    super::enrol(&mut grace.client, &mut Authenticator::new()).await;
    delete(&mut grace.client, &grace.passkey).await.data();
    assert_wrong(&prove(&mine, &begun.id, &answer).await, "a deleted credential");
}
