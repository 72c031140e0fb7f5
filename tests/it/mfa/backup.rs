//! Backup codes: shown once, used once, and dead with the set they came in.

use std::{collections::BTreeSet, time::Duration};

use countersign::{db::sql, flows::Cx};
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, World,
    factors::{Enrolled, STEP, texts},
};

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

async fn with_alice() -> (World, Cx, Enrolled) {
    let world = World::new().await;
    let acme = world.acme().await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    (world, acme, alice)
}

async fn signed_in(world: &World, alice: &Enrolled) -> Client {
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.code(world)).await.accepted();
    client
}

async fn remaining(client: &mut Client) -> Value {
    client.factors().await["backup_codes"]["remaining"].clone()
}

#[tokio::test]
async fn ten_codes_come_with_the_first_factor_and_are_nowhere_else() {
    let (world, _, alice) = with_alice().await;
    let codes: BTreeSet<&String> = alice.backup_codes.iter().collect();
    assert_eq!(codes.len(), 10);
    for code in &codes {
        assert_eq!((code.len(), code.find('-')), (11, Some(5)), "{code}");
    }
    let mut client = signed_in(&world, &alice).await;
    let listed = client.get("/api/v1/me/mfa").await;
    assert_eq!(listed.data()["backup_codes"]["remaining"], 10);
    assert_eq!(listed.data()["backup_codes"]["created_at"], "2026-01-01T00:00:00.000000Z");
    let dump = world.dump().await;
    for code in codes {
        assert!(!listed.text.contains(code.as_str()) && !dump.contains(code.as_str()));
        assert!(!dump.contains(&code.replace('-', "")));
    }
}

/// MFA-11: whatever the spelling, once.
#[tokio::test]
async fn a_code_is_taken_in_any_spelling_and_once_only() {
    let (world, _, alice) = with_alice().await;
    let spellings: [fn(&str) -> String; 6] = [
        |code| code.to_owned(),
        str::to_uppercase,
        |code| code.replace('-', ""),
        |code| code.replace('-', " "),
        |code| format!("\t{}\n", code.replace('-', "\u{2013}")),
        |code| code.chars().flat_map(|c| [c, '-']).collect(),
    ];
    let mut client = world.client();
    for (number, spell) in spellings.into_iter().enumerate() {
        let code = &alice.backup_codes[number];
        let step = client.challenge("acme", ALICE).await;
        client.verify(&step, "backup_code", &spell(code)).await.accepted();
        assert_eq!(remaining(&mut client).await, 9 - number);
        for again in [code.clone(), code.to_uppercase(), code.replace('-', "")] {
            let step = client.challenge("acme", ALICE).await;
            let answer = client.verify(&step, "backup_code", &again).await;
            assert_eq!(answer.failed(), "invalid_code", "{again}");
        }
        world.execute(sql("DELETE FROM attempts")).await;
    }
}

#[tokio::test]
async fn a_code_is_its_owners_only_and_no_code_of_another_method() {
    let (world, acme, alice) = with_alice().await;
    let bob = world.user_with_totp(&acme, BOB).await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let code = bob.backup_codes[0].clone();
    assert_eq!(client.verify(&step, "backup_code", &code).await.failed(), "invalid_code");
    let own = &alice.backup_codes[0];
    assert_eq!(client.verify(&step, "totp", own).await.failed(), "invalid_code");
    let totp = alice.app.code(&world);
    assert_eq!(client.verify(&step, "backup_code", &totp).await.failed(), "invalid_code");
    client.verify(&step, "backup_code", own).await.accepted();
    // The wrong door has spent nobody's code.
    let step = client.challenge("acme", BOB).await;
    client.verify(&step, "backup_code", &code).await.accepted();
}

/// The same account name and the same codes in another tenant are somebody else's.
#[tokio::test]
async fn a_code_is_of_its_tenant_only() {
    let (world, _, alice) = with_alice().await;
    let other = world.tenant("other", "{}").await;
    let there = world.user_with_totp(&other, ALICE).await;
    assert_ne!(there.backup_codes, alice.backup_codes);
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let answer = client.verify(&step, "backup_code", &there.backup_codes[0]).await;
    assert_eq!(answer.failed(), "invalid_code");
}

/// MFA-11: new codes end the old ones.
#[tokio::test]
async fn a_new_set_ends_the_old_one() {
    let (world, acme, alice) = with_alice().await;
    let mut client = signed_in(&world, &alice).await;
    let empty = json!({});
    let data = client.me(&world, &acme, "mfa/backup-codes/regenerate", &empty).await.data();
    assert_eq!(data["remaining"], 10);
    let new = texts(&data["backup_codes"]);
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| !alice.backup_codes.contains(code)));
    let mut other = world.client();
    let step = other.challenge("acme", ALICE).await;
    let old = other.verify(&step, "backup_code", &alice.backup_codes[0]).await;
    assert_eq!(old.failed(), "invalid_code");
    other.verify(&step, "backup_code", &new[0]).await.accepted();
    assert_eq!(remaining(&mut client).await, 9);
    assert_eq!(world.count("SELECT COUNT(*) FROM backup_codes").await, 10);
    let told = "SELECT COUNT(*) FROM outbox WHERE kind = 'factor_changed'";
    assert_eq!(world.count(told).await, 2, "the app, and the new codes");
    assert_eq!(world.recorded(&acme, "user.mfa.backup_codes_made", "success").await, 2);
}

/// MFA-18: new codes are a change of factors.
#[tokio::test]
async fn new_codes_need_a_recent_proof_or_a_code_of_the_app() {
    let (world, acme, alice) = with_alice().await;
    let mut client = signed_in(&world, &alice).await;
    world.advance(Duration::from_mins(5));
    let endpoint = "mfa/backup-codes/regenerate";
    let answer = client.me(&world, &acme, endpoint, &json!({})).await;
    assert_eq!(answer.refused(403), "reauthentication_required");
    let wrong = json!({"code": alice.app.wrong(&world)});
    assert_eq!(client.me(&world, &acme, endpoint, &wrong).await.refused(400), "invalid_code");
    let backup = json!({"code": alice.backup_codes[0]});
    assert_eq!(client.me(&world, &acme, endpoint, &backup).await.refused(400), "invalid_code");
    let old = client.session().unwrap();
    let answer = client.me(&world, &acme, endpoint, &json!({"code": alice.app.code(&world)})).await;
    answer.data();
    let new = client.session().unwrap();
    assert_eq!(old.0, new.0, "the handle stays");
    assert_ne!(old.1.expose(), new.1.expose(), "SES-02: the secret does not");
    assert_eq!(remaining(&mut client).await, 10);
}

#[tokio::test]
async fn without_a_factor_there_are_no_codes_and_with_the_last_one_they_go() {
    let (world, acme, alice) = with_alice().await;
    world.user(&acme, BOB).await;
    let mut bob = world.client();
    bob.login("acme", BOB, PASSWORD).await.data();
    let answer = bob.me(&world, &acme, "mfa/backup-codes/regenerate", &json!({})).await;
    assert_eq!(answer.refused(400), "method_not_available");

    let mut client = signed_in(&world, &alice).await;
    client.me(&world, &acme, "mfa/totp/disable", &json!({})).await.data();
    let listed = client.factors().await;
    assert_eq!(listed["enabled"], false);
    assert_eq!(listed["backup_codes"], json!({"remaining": 0, "created_at": null}));
    assert_eq!(world.client().login("acme", ALICE, PASSWORD).await.data()["status"], "success");
    // Those of the next factor are new.
    world.advance(STEP);
    let next = world.enrol_totp(&acme, &mut client).await;
    assert_eq!(next.backup_codes.len(), 10);
    assert!(next.backup_codes.iter().all(|code| !alice.backup_codes.contains(code)));
}

/// A tenant that does not count them hands none out.
#[tokio::test]
async fn a_tenant_may_do_without_backup_codes() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"methods": ["totp", "email"]}}"#).await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    assert!(alice.backup_codes.is_empty());
    let mut client = signed_in(&world, &alice).await;
    let answer = client.me(&world, &acme, "mfa/backup-codes/regenerate", &json!({})).await;
    assert_eq!(answer.refused(400), "method_not_available");
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["totp"]));
    let answer = client.verify(&step, "backup_code", "abcde-fghjk").await;
    assert_eq!(answer.refused(400), "method_not_available");
}

#[tokio::test]
async fn used_up_codes_are_offered_no_more() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    for code in &alice.backup_codes {
        let step = client.challenge("acme", ALICE).await;
        assert_eq!(step["available_methods"], json!(["totp", "backup_code"]));
        client.verify(&step, "backup_code", code).await.accepted();
    }
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["totp"]));
    let answer = client.verify(&step, "backup_code", &alice.backup_codes[0]).await;
    assert_eq!(answer.refused(400), "method_not_available");
}
