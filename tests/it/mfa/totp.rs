//! Authenticator apps: which codes are taken, and that none is taken twice by whatever door.

use std::time::Duration;

use countersign::{
    db::sql,
    flows::{
        Cx,
        me::Me,
        reauthentication::{self, Proof},
        second_factor::Proof as FactorProof,
    },
};
use serde_json::json;

use crate::support::{
    Client, PASSWORD, World,
    factors::{Authenticator, Enrolled, STEP},
};

const ALICE: &str = "alice@example.com";

async fn with_alice() -> (World, Cx, Enrolled) {
    let world = World::new().await;
    let acme = world.acme().await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    (world, acme, alice)
}

/// Alice, signed in just now.
async fn signed_in(world: &World, alice: &Enrolled) -> Client {
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.code(world)).await.accepted();
    client
}

/// MFA-14: 160 bits, shown once, sealed at rest.
#[tokio::test]
async fn the_key_has_160_bits_and_is_shown_once() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    let offer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    let names: Vec<&str> = offer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["secret", "otpauth_uri", "qr_svg", "qr_png", "expires_in"]);
    let secret = offer["secret"].as_str().unwrap();
    let app = Authenticator::typed(secret);
    assert_eq!(app.strength(), 20);
    let uri = offer["otpauth_uri"].as_str().unwrap();
    assert!(
        uri.starts_with("otpauth://totp/") && uri.contains(&format!("secret={secret}")),
        "{uri}"
    );
    assert!(uri.contains("issuer=acme") && uri.contains("alice"), "{uri}");
    assert!(offer["qr_svg"].as_str().unwrap().contains("<svg"));
    assert!(offer["qr_png"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"));
    assert_eq!(offer["expires_in"], 600);

    let again = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    assert_ne!(again["secret"], offer["secret"], "the first is not shown again");
    let code = json!({"code": app.code(&world)});
    let answer = client.me(&world, &acme, "mfa/totp/confirm", &code).await;
    assert_eq!(answer.refused(400), "invalid_code", "the older key is dead");
    let app = Authenticator::typed(again["secret"].as_str().unwrap());
    let code = json!({"code": app.code(&world)});
    client.me(&world, &acme, "mfa/totp/confirm", &code).await.data();

    let listed = client.get("/api/v1/me/mfa").await;
    let dump = world.dump().await;
    let key = countersign::crypto::opaque::hex(app.key());
    for place in [listed.text.as_str(), dump.as_str()] {
        assert!(!place.contains(again["secret"].as_str().unwrap()) && !place.contains(&key));
    }
}

/// MFA-13: exactly one step of drift each way, at the first, a middle and the last second.
#[tokio::test]
async fn exactly_the_step_before_and_the_step_after_are_taken_too() {
    let (world, _, alice) = with_alice().await;
    world.advance(STEP * 10);
    for second in [0, 1, 29] {
        for steps in -3_i64..=3 {
            // Used codes must not stand in the way: six steps on, to the same second of a step.
            let past = world.app.clock.now().micros() % 30_000_000;
            world.advance(STEP * 6 - Duration::from_micros(past.unsigned_abs()));
            world.advance(Duration::from_secs(second));
            let mut client = world.client();
            let step = client.challenge("acme", ALICE).await;
            let answer = client.verify(&step, "totp", &alice.app.code_in(&world, steps)).await;
            if steps.abs() <= 1 {
                answer.accepted();
            } else {
                assert_eq!(answer.failed(), "invalid_code", "{steps} at second {second}");
            }
            world.execute(sql("DELETE FROM attempts")).await;
        }
    }
}

/// MFA-12: no step twice, and none before one that was used.
#[tokio::test]
async fn no_code_is_taken_twice_and_none_older_than_one_that_was() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    // The one of the next step first: then this one's is too old, although in the window.
    let (early, present) = (alice.app.code_in(&world, 1), alice.app.code(&world));
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &early).await.accepted();
    for code in [&early, &present, &alice.app.code_in(&world, -1)] {
        let step = client.challenge("acme", ALICE).await;
        assert_eq!(client.verify(&step, "totp", code).await.failed(), "invalid_code");
    }
    world.advance(STEP);
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(client.verify(&step, "totp", &early).await.failed(), "invalid_code");
    world.advance(STEP);
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
}

#[tokio::test]
async fn the_code_that_confirmed_an_app_opens_nothing() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    let alice = world.enrol_totp(&acme, &mut client).await;
    let step = client.challenge("acme", ALICE).await;
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.failed(), "invalid_code");
    client.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
}

/// The proof of who a session's owner is, by a code of the app.
async fn reauthenticate(world: &World, client: &Client, code: &str) -> bool {
    let (id, secret) = client.session().unwrap();
    let me = Me::by_cookie(world.cx("acme").await, id, &secret).await.unwrap();
    let proof = FactorProof::Code(code.to_owned());
    let proof = Proof::Factor(countersign::domain::factor::Method::Totp, proof);
    reauthentication::prove(&me, &proof, None).await.is_ok()
}

/// MFA-12: a code is used up for all doors at once.
#[tokio::test]
async fn a_code_used_at_one_door_is_used_at_every_other() {
    let (world, acme, alice) = with_alice().await;
    let mut client = signed_in(&world, &alice).await;
    let code = alice.app.code(&world);
    assert!(!reauthenticate(&world, &client, &code).await, "used at the sign-in");
    let body = json!({"code": code});
    for endpoint in ["mfa/totp/disable", "mfa/backup-codes/regenerate", "mfa/email/disable"] {
        let answer = client.me(&world, &acme, endpoint, &body).await;
        assert_eq!(answer.refused(400), "invalid_code", "{endpoint}");
    }
    world.execute(sql("DELETE FROM attempts")).await;

    // Used at a change of factors: then at no sign-in.
    let code = alice.app.next(&world);
    client.me(&world, &acme, "mfa/backup-codes/regenerate", &json!({"code": code})).await.data();
    let mut other = world.client();
    let step = other.challenge("acme", ALICE).await;
    assert_eq!(other.verify(&step, "totp", &code).await.failed(), "invalid_code");

    // Used at a proof: then neither at a sign-in nor at a change.
    let code = alice.app.next(&world);
    assert!(reauthenticate(&world, &client, &code).await);
    assert_eq!(other.verify(&step, "totp", &code).await.failed(), "invalid_code");
}

/// THR-03: one canonical form before the count and before the check for replay.
#[tokio::test]
async fn odd_spellings_of_a_code_are_no_way_round_the_count_or_the_replay() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let code = alice.app.code(&world);
    let step = client.challenge("acme", ALICE).await;
    let wide: String =
        code.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
    let odd = [format!("+{code}"), format!("{code}.0"), wide, format!("0{code}"), String::new()];
    for text in &odd {
        assert_eq!(client.verify(&step, "totp", text).await.failed(), "invalid_code", "{text}");
    }
    client.verify(&step, "totp", &code).await.refused(401);
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "failure").await, odd.len());
    world.advance(Duration::from_secs(5));
    let code = alice.app.code(&world);
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &code).await.accepted();
    world.execute(sql("DELETE FROM attempts")).await;
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    for text in [format!(" {code}"), format!("{code} "), spaced] {
        let step = client.challenge("acme", ALICE).await;
        assert_eq!(client.verify(&step, "totp", &text).await.failed(), "invalid_code", "{text}");
    }
}

/// A new app takes the place of the old one only with its first code, and ends what the old proved.
#[tokio::test]
async fn a_new_app_replaces_the_old_one_when_it_is_confirmed() {
    let (world, acme, alice) = with_alice().await;
    let mut client = signed_in(&world, &alice).await;
    let offer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    let new = Authenticator::typed(offer["secret"].as_str().unwrap());
    let mut other = world.client();
    let step = other.challenge("acme", ALICE).await;
    assert_eq!(other.verify(&step, "totp", &new.code(&world)).await.failed(), "invalid_code");
    other.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
    let pending = other.challenge("acme", ALICE).await;
    let code = json!({"code": new.code(&world)});
    let enabled = client.me(&world, &acme, "mfa/totp/confirm", &code).await.data();
    assert!(enabled.get("backup_codes").is_none(), "it is not the first factor");
    assert_eq!(other.get("/api/v1/me/mfa").await.status, 401, "the other session is over");
    let answer = other.verify(&pending, "totp", &new.next(&world)).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token", "so is the step under way");
    let step = other.challenge("acme", ALICE).await;
    let old = other.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(old.failed(), "invalid_code");
    other.verify(&step, "totp", &new.code(&world)).await.accepted();
    assert_eq!(client.factors().await["methods"].as_array().unwrap().len(), 1);
}
