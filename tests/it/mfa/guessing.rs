//! The rule against guessing at the second step: counted for the user over all steps and methods.

use std::time::Duration;

use countersign::{db::sql, flows::Cx};
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, World,
    factors::{Enrolled, STEP},
    together,
};

const ALICE: &str = "alice@example.com";
const MICRO: Duration = Duration::from_micros(1);
const FAILURES: &str = "SELECT COUNT(*) FROM audit WHERE action = 'auth.login.second_factor' \
                        AND result = 'failure'";

async fn with_alice() -> (World, Cx, Enrolled) {
    let world = World::new().await;
    let acme = world.acme().await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    (world, acme, alice)
}

/// A wrong code for a step of its own, after whatever has to be waited.
async fn fail_once(world: &World, client: &mut Client, alice: &Enrolled) {
    let step = client.challenge("acme", ALICE).await;
    let mut answer = client.verify(&step, "totp", &alice.app.wrong(world)).await;
    if answer.status == 429 {
        world.advance(Duration::from_secs(answer.retry_after()));
        let step = client.challenge("acme", ALICE).await;
        answer = client.verify(&step, "totp", &alice.app.wrong(world)).await;
    }
    assert_eq!(answer.failed(), "invalid_code");
}

/// THR-01: five wrong answers end a step, for the right one too.
#[tokio::test]
async fn five_wrong_answers_end_a_step() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    for _ in 0..5 {
        client.verify(&step, "totp", &alice.app.wrong(&world)).await.failed();
    }
    for code in [alice.app.code(&world), alice.app.wrong(&world)] {
        let answer = client.verify(&step, "totp", &code).await;
        assert_eq!(answer.refused(401), "invalid_mfa_token");
    }
    assert_eq!(world.count(FAILURES).await, 5, "what is not looked at is not counted");
}

/// MFA-21: all methods share one allowance.
#[tokio::test]
async fn methods_share_the_allowance_of_a_step_and_of_the_user() {
    let (world, acme, alice) = with_alice().await;
    let mut owner = world.client();
    let step = owner.challenge("acme", ALICE).await;
    owner.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    world.enrol_email(&acme, &mut owner, ALICE).await.data();
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    assert_eq!(step["available_methods"], json!(["totp", "email", "backup_code"]));
    let answers = [
        ("totp", "invalid_code"),
        ("email", "expired_code"),
        ("backup_code", "invalid_code"),
        ("email", "expired_code"),
    ];
    for (method, error) in answers {
        assert_eq!(client.verify(&step, method, "000000").await.failed(), error);
    }
    assert_eq!(client.verify(&step, "backup_code", "000000").await.failed(), "invalid_code");
    client.verify(&step, "totp", &alice.app.next(&world)).await.refused(401);
    // A new step begins with five, and the user's count of five: one second to wait.
    world.advance(STEP);
    for (method, wait) in [("totp", 1), ("email", 2), ("backup_code", 4)] {
        let step = client.challenge("acme", ALICE).await;
        client.verify(&step, method, "000000").await.failed();
        let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
        assert_eq!(answer.refused(429), "too_many_attempts", "{method}");
        assert_eq!(answer.retry_after(), wait * 2, "{method}");
        world.advance(Duration::from_secs(wait * 2));
    }
}

/// THR-02, THR-10: neither a new step nor a right password buys a guess.
#[tokio::test]
async fn the_count_grows_over_steps_and_no_right_password_clears_it() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    for _ in 0..4 {
        fail_once(&world, &mut client, &alice).await;
    }
    for (number, wait) in [1, 2, 4, 8, 16, 60, 120, 240, 480, 900, 900].into_iter().enumerate() {
        fail_once(&world, &mut client, &alice).await;
        // A right password, from the same browser and from a new one, changes nothing.
        for mut client in [client.clone(), world.client(), world.client_at("198.51.100.9")] {
            let step = client.challenge("acme", ALICE).await;
            let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
            assert_eq!(answer.refused(429), "too_many_attempts", "{number}");
            assert_eq!(answer.retry_after(), wait, "{number}");
            assert!(client.session().is_none());
        }
        world.advance(Duration::from_secs(wait) - MICRO);
        let step = client.challenge("acme", ALICE).await;
        client.verify(&step, "totp", &alice.app.code(&world)).await.refused(429);
        world.advance(MICRO);
    }
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    // The right code begins the count anew.
    for _ in 0..4 {
        fail_once(&world, &mut client, &alice).await;
    }
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
}

/// THR-02: a hundred in a row and no more, however patient.
#[tokio::test]
async fn after_a_hundred_failures_no_patience_helps() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    for _ in 0..100 {
        fail_once(&world, &mut client, &alice).await;
    }
    for _ in 0..3 {
        world.advance(Duration::from_hours(24));
        let step = client.challenge("acme", ALICE).await;
        let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
        assert_eq!(answer.refused(429), "too_many_attempts");
    }
    assert_eq!(world.count(FAILURES).await, 100);
}

/// The owner is told, once, when somebody who has his password guesses his codes.
#[tokio::test]
async fn the_owner_is_told_after_five_failures_and_not_at_each() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client_at("198.51.100.7");
    let told = async || {
        let mails = world.inbox(ALICE).await;
        mails.iter().filter(|mail| mail.text.contains("wrong second factor several times")).count()
    };
    for number in 1..=19 {
        fail_once(&world, &mut client, &alice).await;
        assert_eq!(told().await, usize::from(number >= 5), "{number}");
    }
    fail_once(&world, &mut client, &alice).await;
    assert_eq!(told().await, 2);
    let mails = world.inbox(ALICE).await;
    let notice = mails.iter().find(|mail| mail.text.contains("wrong second factor")).unwrap();
    assert!(notice.text.contains("198.51.100.7"), "from where");
}

/// THR-08 at the second step: a stranger who has the password does not lock the owner out.
#[tokio::test]
async fn a_known_device_has_a_count_of_its_own() {
    let (world, _, alice) = with_alice().await;
    let mut owner = world.client();
    let step = owner.challenge("acme", ALICE).await;
    owner.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    let mut stranger = world.client_at("198.51.100.7");
    for _ in 0..20 {
        fail_once(&world, &mut stranger, &alice).await;
    }
    let step = stranger.challenge("acme", ALICE).await;
    stranger.verify(&step, "totp", &alice.app.code(&world)).await.refused(429);
    let step = owner.challenge("acme", ALICE).await;
    owner.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
    // That was no pardon for the stranger.
    let step = stranger.challenge("acme", ALICE).await;
    stranger.verify(&step, "totp", &alice.app.next(&world)).await.refused(429);
    // And the device's own failures are counted as strictly.
    for _ in 0..5 {
        fail_once(&world, &mut owner, &alice).await;
    }
    let step = owner.challenge("acme", ALICE).await;
    let answer = owner.verify(&step, "totp", &alice.app.next(&world)).await;
    assert_eq!(answer.status, 200, "one second is over");
    for _ in 0..5 {
        fail_once(&world, &mut owner, &alice).await;
    }
    let step = owner.challenge("acme", ALICE).await;
    let answer = owner.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(429), "too_many_attempts");
}

#[tokio::test]
async fn an_invented_device_is_no_known_one() {
    let (world, acme, alice) = with_alice().await;
    for number in 0..5 {
        let mut client = world.client();
        let name = format!("cs_device_{}", &acme.tenant.id.to_string()[4..]);
        client.cookies.push((name, format!("{number}").repeat(43)));
        fail_once(&world, &mut client, &alice).await;
    }
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.code(&world)).await.refused(429);
}

/// THR-09: a step that waited through the lock is no shorter way.
#[tokio::test]
async fn a_step_used_up_before_the_lock_is_dead_after_it() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    for _ in 0..5 {
        client.verify(&step, "totp", &alice.app.wrong(&world)).await.failed();
    }
    let step_of_before = client.challenge("acme", ALICE).await;
    client.verify(&step_of_before, "totp", &alice.app.code(&world)).await.refused(429);
    world.advance(Duration::from_secs(1));
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert_eq!(answer.refused(401), "invalid_mfa_token");
    client.verify(&step_of_before, "totp", &alice.app.code(&world)).await.accepted();
}

/// THR-14: the proof of who a session's owner is counts with the sign-in's codes.
#[tokio::test]
async fn changes_of_factors_share_the_count() {
    let (world, acme, alice) = with_alice().await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.code(&world)).await.accepted();
    // From here on it is a session in strange hands: without the device's cookie.
    client.cookies.retain(|(name, _)| !name.contains("device"));
    for (number, endpoint) in
        ["totp/disable", "backup-codes/regenerate", "email/disable", "totp/disable", "totp/disable"]
            .iter()
            .enumerate()
    {
        let body = json!({"code": alice.app.wrong(&world)});
        let answer = client.me(&world, &acme, &format!("mfa/{endpoint}"), &body).await;
        assert_eq!(answer.refused(400), "invalid_code", "{number}");
    }
    let body = json!({"code": alice.app.code(&world)});
    let answer = client.me(&world, &acme, "mfa/totp/disable", &body).await;
    assert_eq!(answer.refused(429), "too_many_attempts");
    let mut other = world.client();
    let step = other.challenge("acme", ALICE).await;
    other.verify(&step, "totp", &alice.app.next(&world)).await.accepted();
    let told = world.mails_with(ALICE, "wrong second factor").await;
    assert_eq!(told, 1, "the owner is told whichever door it was");
}

/// THR-05: parallel guesses are checked no more often than the rule allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_guesses_are_counted_one_by_one() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    let steps = [client.challenge("acme", ALICE).await, client.challenge("acme", ALICE).await];
    let wrong = alice.app.wrong(&world);
    let guesses = (0..200).map(|number: usize| {
        let (mut client, step, code) = (world.client(), steps[number % 2].clone(), wrong.clone());
        async move { client.verify(&step, "totp", &code).await.status.as_u16() }
    });
    let answers = together(guesses).await;
    let checked = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(checked, 5, "then the user has to wait");
    assert!(answers.iter().all(|status| [200, 401, 429, 503].contains(status)), "{answers:?}");
    assert_eq!(world.count(FAILURES).await, 5);
    let failures =
        world.rows::<i64>(sql("SELECT CAST(SUM(failures) AS BIGINT) FROM challenges")).await;
    assert_eq!(failures, [5]);
}

/// Naming another user, or none, leads to no other gate and no other count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_guesses_under_other_names_are_counted_too() {
    let (world, acme, alice) = with_alice().await;
    let bob = world.user(&acme, "bob@example.com").await;
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    let users = [step["user_id"].clone(), json!(bob.id.to_string()), Value::Null];
    let wrong = alice.app.wrong(&world);
    let guesses = (0..60).map(|number: usize| {
        let (mut client, step) = (world.client(), step.clone());
        let body = json!({"user_id": users[number % 3], "method": "totp", "code": wrong});
        async move {
            let answer = client.verify_with(&step, body).await;
            answer.status == 200
        }
    });
    let checked = together(guesses).await.into_iter().filter(|is_checked| *is_checked).count();
    assert!(checked <= 5, "{checked}");
    let answer = client.verify(&step, "totp", &alice.app.code(&world)).await;
    assert!([401, 429].contains(&answer.status.as_u16()));
}

/// A lock says nothing about the code, and neither does a used-up step.
#[tokio::test]
async fn a_lock_is_told_in_the_same_words_whatever_the_code() {
    let (world, _, alice) = with_alice().await;
    let mut client = world.client();
    for _ in 0..5 {
        fail_once(&world, &mut client, &alice).await;
    }
    let step = client.challenge("acme", ALICE).await;
    let right = client.verify(&step, "totp", &alice.app.code(&world)).await;
    right.refused(429);
    let wrong = client.verify(&step, "totp", &alice.app.wrong(&world)).await;
    assert_eq!(right.masked(), wrong.masked());
    let by_backup = client.verify(&step, "backup_code", &alice.backup_codes[0]).await;
    assert_eq!(right.masked(), by_backup.masked());
    let login = client.login("acme", ALICE, PASSWORD).await;
    assert_eq!(login.data()["status"], "mfa_required", "the password step is open");
}
