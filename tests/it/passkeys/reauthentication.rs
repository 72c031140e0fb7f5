//! Proving again with a passkey whose a session is.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Begun, EVE, GRACE, ORIGIN, begin_enrolment, delete, forget_failures, grace, hostile,
    live_session, owner, reasons, sign_in, signed_in, vouch,
};
use crate::support::{Answer, Client, World, authenticator::Authenticator};

pub(super) async fn begin(client: &mut Client) -> Answer {
    client.post_json("/api/v1/me/reauthenticate/begin", "").await
}

/// Shows the answer of an authenticator.
pub(super) async fn prove(client: &mut Client, ceremony: &str, answer: &Value) -> Answer {
    let body = json!({"method": "webauthn", "challenge_id": ceremony, "credential": answer});
    client.post_json("/api/v1/me/reauthenticate", &body.to_string()).await
}

#[track_caller]
fn assert_wrong(answer: &Answer, case: &str) {
    assert_eq!(answer.refused(400), "invalid_code", "{case}");
    assert!(answer.set_cookie("session").is_none(), "{case}");
}

#[tokio::test]
async fn a_passkey_makes_the_proof_of_a_session_recent_again() {
    let (world, acme, mut grace) = grace("{}").await;
    world.advance(Duration::from_mins(6));
    let code = begin_enrolment(&mut grace.client).await.refused(403);
    assert_eq!(code, "reauthentication_required");
    let old = grace.client.clone();
    let begun = Begun::of(&begin(&mut grace.client).await);
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(begun.options["userVerification"], json!("preferred"));
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let data = prove(&mut grace.client, &begun.id, &answer).await.data();
    assert_eq!(data["recent"], json!(true));
    assert_eq!(grace.client.session().unwrap().0, old.session().unwrap().0);
    assert!(live_session(&world, "acme", &old).await.is_none(), "the secret is a new one");
    let session = live_session(&world, "acme", &grace.client).await.unwrap();
    assert_eq!(session.proved_at, acme.now + Duration::from_mins(6));
    assert_eq!(session.auth_methods, "pwd hwk mfa");
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
        let begun = Begun::of(&begin(&mut grace.client).await);
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        assert_wrong(&prove(&mut grace.client, &begun.id, &answer).await, case);
        let right = grace.device.get(&begun.options, ORIGIN).answer();
        assert_wrong(&prove(&mut grace.client, &begun.id, &right).await, case);
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
    let (world, acme, mut grace) = grace("{}").await;
    let eve = owner(&world, &acme, EVE).await;
    let begun = Begun::of(&begin(&mut grace.client).await);
    let answer = eve.device.get(&begun.options, ORIGIN).answer();
    assert_wrong(&prove(&mut grace.client, &begun.id, &answer).await, "Eve's passkey");
    let begun = Begun::of(&begin(&mut grace.client).await);
    let mut draft = grace.device.get(&begun.options, ORIGIN);
    draft.user_handle.clone_from(&eve.device.handle);
    assert_wrong(&prove(&mut grace.client, &begun.id, &draft.answer()).await, "Eve's handle");
}

#[tokio::test]
async fn a_ceremony_is_its_sessions_alone() {
    let (world, acme, mut grace) = grace("{}").await;
    let mut eve = owner(&world, &acme, EVE).await.client;
    let (mut other, _) = sign_in(&world, "acme", &grace.device).await;
    vouch(&world, "acme", &mut other).await;
    let begun = Begun::of(&begin(&mut grace.client).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    assert_wrong(&prove(&mut other, &begun.id, &answer).await, "another session of the same user");
    assert_wrong(&prove(&mut eve, &begun.id, &answer).await, "the session of another user");
    prove(&mut grace.client, &begun.id, &answer).await.data();
}

#[tokio::test]
async fn a_page_of_ours_has_to_ask() {
    let (world, _, mut grace) = grace("{}").await;
    let begun = Begun::of(&begin(&mut grace.client).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    assert_eq!(begin(&mut world.client()).await.refused(401), "not_authenticated");
    let refused = prove(&mut world.client(), &begun.id, &answer).await;
    assert_eq!(refused.refused(401), "not_authenticated");
    let mut forged = grace.client.clone();
    forged.headers.remove("x-csrf-token");
    assert_eq!(begin(&mut forged).await.refused(403), "invalid_csrf_token");
    let refused = prove(&mut forged, &begun.id, &answer).await;
    assert_eq!(refused.refused(403), "invalid_csrf_token");
    prove(&mut grace.client, &begun.id, &answer).await.data();
}

#[tokio::test]
async fn guesses_count() {
    let (_world, _, mut grace) = grace("{}").await;
    for number in 0..5 {
        let begun = Begun::of(&begin(&mut grace.client).await);
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        assert_wrong(&prove(&mut grace.client, &begun.id, &answer).await, case);
    }
    let begun = Begun::of(&begin(&mut grace.client).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let held_back = prove(&mut grace.client, &begun.id, &answer).await;
    assert_eq!(held_back.refused(429), "too_many_attempts");
    assert!(held_back.retry_after() > 0);
}

#[tokio::test]
async fn without_a_passkey_there_is_nothing_to_prove_with() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    assert_eq!(begin(&mut client).await.refused(400), "method_not_available");
    // One that is gone proves nothing either, though it was asked for.
    let mut eve = owner(&world, &acme, EVE).await;
    let begun = Begun::of(&begin(&mut eve.client).await);
    let answer = eve.device.get(&begun.options, ORIGIN).answer();
    super::enrol(&mut eve.client, &mut Authenticator::new()).await;
    delete(&mut eve.client, &eve.passkey).await.data();
    assert_wrong(&prove(&mut eve.client, &begun.id, &answer).await, "a deleted credential");
}
