//! One thing used many times at the same moment, on one node and on two of one database.

use countersign::{
    db::sql,
    domain::{email::Email, password::Password, session::Persistence},
    flows::{Cx, login, risk::Occasion},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, PASSWORD, World,
    factors::{Authenticator, Enrolled, STEP, texts},
    together,
};

/// A request that is about to be sent.
type Work = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

const ALICE: &str = "alice@example.com";
/// Everybody needs a factor, and a mailed code is none.
const REQUIRED: &str =
    r#"{"mfa": {"required": true, "methods": ["webauthn", "totp", "backup_code"]}}"#;

/// Two nodes of one database, with Alice and her app.
async fn with_alice() -> (World, World, Cx, Enrolled) {
    let world = World::new().await;
    let acme = world.acme().await;
    let alice = world.user_with_totp(&acme, ALICE).await;
    let second = world.second_node().await;
    (world, second, acme, alice)
}

/// Alice, signed in just now.
async fn signed_in(world: &World, alice: &Enrolled) -> Client {
    let mut client = world.client();
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "totp", &alice.app.code(world)).await.accepted();
    client
}

/// The same answer to one or several steps `count` times at once, spread over both nodes.
async fn answers(nodes: [&World; 2], count: usize, steps: &[Value], fields: &Value) -> Vec<Answer> {
    let requests = (0..count).map(|number| {
        let mut client = nodes[number % 2].client();
        let (step, fields) = (steps[number % steps.len()].clone(), fields.clone());
        async move { client.verify_with(&step, fields).await }
    });
    together(requests).await
}

/// How many of the answers are right; all others are refusals without a session.
fn right(answers: &[Answer]) -> usize {
    let is_right = |answer: &&Answer| answer.status == 200 && answer.data()["status"] == "success";
    for answer in answers.iter().filter(|answer| !is_right(answer)) {
        assert!([200, 401, 429].contains(&answer.status.as_u16()), "{}", answer.text);
        assert!(answer.set_cookie("session").is_none());
    }
    answers.iter().filter(is_right).count()
}

async fn sessions(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM sessions").await
}

/// MFA-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_and_one_step_open_one_session() {
    let (world, second, acme, alice) = with_alice().await;
    let step = world.client().challenge("acme", ALICE).await;
    let before = sessions(&world).await;
    let fields = json!({"method": "totp", "code": alice.app.code(&world)});
    let all = answers([&world, &second], 50, &[step], &fields).await;
    assert_eq!(right(&all), 1);
    for answer in all.iter().filter(|answer| answer.status == 401) {
        assert_eq!(answer.refused(401), "invalid_mfa_token");
    }
    assert_eq!(sessions(&world).await, before + 1);
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "success").await, 1);
}

/// MFA-10, MFA-12: nor does one code answer several steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_and_several_steps_open_one_session() {
    for method in ["totp", "backup_code"] {
        let (world, second, acme, alice) = with_alice().await;
        let mut steps = Vec::new();
        for _ in 0..5 {
            steps.push(world.client().challenge("acme", ALICE).await);
        }
        let code = match method {
            "totp" => alice.app.code(&world),
            _ => alice.backup_codes[3].clone(),
        };
        let before = sessions(&world).await;
        let fields = json!({"method": method, "code": code});
        let all = answers([&world, &second], 50, &steps, &fields).await;
        assert_eq!(right(&all), 1, "{method}");
        assert_eq!(sessions(&world).await, before + 1, "{method}");
        assert_eq!(world.recorded(&acme, "auth.login.second_factor", "success").await, 1);
        if method == "backup_code" {
            let used = "SELECT COUNT(*) FROM backup_codes WHERE used_at IS NOT NULL";
            assert_eq!(world.count(used).await, 1, "MFA-11");
        }
    }
}

/// Several backup codes at once for one step: one of them is spent, the others stay good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_step_spends_one_backup_code() {
    let (world, second, _, alice) = with_alice().await;
    let step = world.client().challenge("acme", ALICE).await;
    let requests = (0..10).map(|number: usize| {
        let mut client = [&world, &second][number % 2].client();
        let (step, code) = (step.clone(), alice.backup_codes[number].clone());
        async move { client.verify(&step, "backup_code", &code).await }
    });
    assert_eq!(right(&together(requests).await), 1);
    let used = "SELECT COUNT(*) FROM backup_codes WHERE used_at IS NOT NULL";
    assert_eq!(world.count(used).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_mailed_code_opens_one_session_and_one_is_mailed() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    world.user(&acme, ALICE).await;
    let second = world.second_node().await;
    let step = world.client().challenge("acme", ALICE).await;
    let requests = (0..50).map(|number: usize| {
        let (mut client, step) = ([&world, &second][number % 2].client(), step.clone());
        async move { client.ask_for_code(&step).await.status.as_u16() }
    });
    let sent = together(requests).await;
    assert_eq!(sent.iter().filter(|status| **status == 200).count(), 1, "{sent:?}");
    assert!(sent.iter().all(|status| [200, 429].contains(status)), "{sent:?}");
    let codes = world.mailed_codes(ALICE).await;
    assert_eq!(codes.len(), 1);
    let fields = json!({"method": "email", "code": codes[0]});
    assert_eq!(right(&answers([&world, &second], 50, &[step], &fields).await), 1);
    assert_eq!(sessions(&world).await, 1);
}

/// DEV-07.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_sent_often_trusts_one_device() {
    let (world, second, acme, alice) = with_alice().await;
    let step = world.client().challenge("acme", ALICE).await;
    let fields = json!({"method": "totp", "code": alice.app.code(&world), "trust_device": true,
                        "remember_device": true, "device_fingerprint": "laptop"});
    let all = answers([&world, &second], 20, &[step], &fields).await;
    assert_eq!(right(&all), 1);
    let tokens = all.iter().filter(|answer| answer.status == 200);
    let tokens = tokens.filter(|answer| answer.data()["trusted_device_token"].is_string());
    assert_eq!(tokens.count(), 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM trusted_devices").await, 1);
    assert_eq!(world.recorded(&acme, "user.device.trusted", "success").await, 1);
}

/// One device that is trusted by several steps at once is one entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_device_trusted_by_several_steps_at_once_is_one_entry() {
    let (world, second, _, alice) = with_alice().await;
    let mut steps = Vec::new();
    for _ in 0..5 {
        steps.push(world.client().challenge("acme", ALICE).await);
    }
    let requests = (0..5).map(|number: usize| {
        let mut client = [&world, &second][number % 2].client();
        let (step, code) = (steps[number].clone(), alice.backup_codes[number].clone());
        let fields = json!({"method": "backup_code", "code": code, "trust_device": true,
                            "device_fingerprint": "laptop"});
        async move { client.verify_with(&step, fields).await }
    });
    assert_eq!(right(&together(requests).await), 5);
    assert_eq!(world.count("SELECT COUNT(*) FROM trusted_devices").await, 1);
}

/// DEV-04, SES-03: a device or session of the same moment does not outlive a change of factors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_trusted_while_a_factor_is_removed_is_trusted_no_more() {
    let (world, second, acme, alice) = with_alice().await;
    let mut owner = signed_in(&world, &alice).await;
    let csrf = async |owner: &Client| world.csrf(&acme, owner).await;
    for round in 0..9 {
        world.advance(std::time::Duration::from_mins(4));
        let body = json!({"code": alice.app.next(&world)});
        owner.me(&world, &acme, "mfa/backup-codes/regenerate", &body).await.data();
        world.execute(sql("DELETE FROM outbox")).await;
        world.enrol_email(&acme, &mut owner, ALICE).await.data();
        let step = world.client().challenge("acme", ALICE).await;
        let proof = csrf(&owner).await;
        let code = alice.app.next(&world);
        let (mut one, mut other) = (owner.clone(), second.client());
        one.headers.insert("x-csrf-token", proof.parse().unwrap());
        let removal: Work =
            Box::pin(async move { one.post_json("/api/v1/me/mfa/email/disable", "{}").await });
        let fields = json!({"method": "totp", "code": code, "trust_device": true});
        let answer: Work = Box::pin(async move { other.verify_with(&step, fields).await });
        let all = together([removal, answer]).await;
        all[0].data();
        right(&all[1..]);
        assert_eq!(world.count("SELECT COUNT(*) FROM trusted_devices").await, 0, "{round}");
        assert_eq!(sessions(&world).await, 1, "{round}");
    }
}

/// A password that was checked while the first factor was enrolled opens nothing by itself.
#[tokio::test]
async fn a_password_checked_during_an_enrolment_is_asked_for_the_factor() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, ALICE).await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    let input = login::Input {
        email: Email::parse(ALICE).unwrap(),
        password: Password::parse(PASSWORD).unwrap(),
        persistence: Persistence::Browser,
        device: None,
        trusted_device: None,
        client_id: None,
    };
    let looked = login::look(&acme, &input, Occasion::SignIn).await.unwrap();
    assert!(looked.is_right());
    world.enrol_totp(&acme, &mut client).await;
    let outcome = login::conclude(&acme, &input, looked).await.unwrap();
    assert!(matches!(outcome, login::Outcome::Challenge { .. }), "{outcome:?}");
    assert_eq!(sessions(&world).await, 1);
    assert_eq!(client.factors().await["enabled"], true, "its own session lives on");
}

/// One enrolment, confirmed by a session fifty times at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_confirmation_enrols_one_factor_with_one_set_of_codes() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, ALICE).await;
    let second = world.second_node().await;
    let mut client = world.client();
    client.login("acme", ALICE, PASSWORD).await.data();
    let offer = client.me(&world, &acme, "mfa/totp/setup", &json!({})).await.data();
    let app = Authenticator::typed(offer["secret"].as_str().unwrap());
    let (code, csrf) = (app.code(&world), world.csrf(&acme, &client).await);
    let requests = (0..50).map(|number: usize| {
        let mut one = [&world, &second][number % 2].client();
        one.cookies.clone_from(&client.cookies);
        one.headers.insert("x-csrf-token", csrf.parse().unwrap());
        let body = json!({"code": code}).to_string();
        async move { one.post_json("/api/v1/me/mfa/totp/confirm", &body).await }
    });
    let all = together(requests).await;
    let (done, refused): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1);
    assert!(refused.iter().all(|answer| answer.refused(400) == "setup_not_found"));
    assert_eq!(world.count("SELECT COUNT(*) FROM factors").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM backup_codes").await, 10);
    assert_eq!(world.recorded(&acme, "user.mfa.added", "success").await, 1);
    let codes = texts(&done[0].data()["backup_codes"]);
    let step = client.challenge("acme", ALICE).await;
    client.verify(&step, "backup_code", &codes[9]).await.accepted();
}

/// The same at the end of an enrolment step, and of two steps of one user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enrolment_steps_of_one_user_end_in_one_factor_and_one_session() {
    for count in [1, 2] {
        let world = World::new().await;
        let acme = world.tenant("acme", REQUIRED).await;
        world.user(&acme, ALICE).await;
        let second = world.second_node().await;
        let mut tokens = Vec::new();
        for _ in 0..count {
            let step = world.client().login("acme", ALICE, PASSWORD).await.data();
            assert_eq!(step["status"], "mfa_enrollment_required");
            tokens.push(step["mfa_token"].as_str().unwrap().to_owned());
        }
        let mut client = world.client();
        let offer = client.enrolling(&tokens[0], "mfa/totp/setup", &json!({})).await.data();
        let app = Authenticator::typed(offer["secret"].as_str().unwrap());
        let body = json!({"code": app.code(&world)});
        let requests = (0..50).map(|number: usize| {
            let mut one = [&world, &second][number % 2].client();
            let (token, body) = (tokens[number % tokens.len()].clone(), body.clone());
            async move { one.enrolling(&token, "mfa/totp/confirm", &body).await }
        });
        let all = together(requests).await;
        assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1, "{count}");
        for answer in all.iter().filter(|answer| answer.status != 200) {
            assert!([400, 401].contains(&answer.status.as_u16()), "{}", answer.text);
            assert!(answer.set_cookie("session").is_none());
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM factors").await, 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM backup_codes").await, 10);
        assert_eq!(sessions(&world).await, 1);
        let step = world.client().challenge("acme", ALICE).await;
        world.client().verify(&step, "totp", &app.next(&world)).await.accepted();
    }
}

/// Two apps set up at once by two enrolment steps: one is in use, and its owner's codes are good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_apps_enrolled_at_once_are_one() {
    for _ in 0..5 {
        let world = World::new().await;
        let acme = world.tenant("acme", REQUIRED).await;
        world.user(&acme, ALICE).await;
        let second = world.second_node().await;
        let requests = (0..2).map(|number: usize| {
            let mut one = [&world, &second][number].client();
            let now = world.app.clock.now();
            async move {
                let step = one.login("acme", ALICE, PASSWORD).await.data();
                let token = step["mfa_token"].as_str().unwrap_or_default().to_owned();
                let offer = one.enrolling(&token, "mfa/totp/setup", &json!({})).await;
                // The other may be done by now.
                let secret = offer.json()["data"]["secret"].as_str()?.to_owned();
                let body = json!({"code": Authenticator::typed(&secret).code_at(now)});
                let answer = one.enrolling(&token, "mfa/totp/confirm", &body).await;
                (answer.status == 200).then_some(secret)
            }
        });
        let done: Vec<String> = together(requests).await.into_iter().flatten().collect();
        assert!(done.len() <= 1, "{done:?}");
        let Some(secret) = done.first() else { continue };
        let app = Authenticator::typed(secret);
        let step = world.client().challenge("acme", ALICE).await;
        world.client().verify(&step, "totp", &app.next(&world)).await.accepted();
        assert_eq!(world.count("SELECT COUNT(*) FROM backup_codes").await, 10);
    }
}

/// Sets of backup codes made at once do not mix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_of_backup_codes_made_at_once_do_not_mix() {
    let (world, second, acme, alice) = with_alice().await;
    let client = signed_in(&world, &alice).await;
    let csrf = world.csrf(&acme, &client).await;
    let requests = (0..20).map(|number: usize| {
        let mut one = [&world, &second][number % 2].client();
        one.cookies.clone_from(&client.cookies);
        one.headers.insert("x-csrf-token", csrf.parse().unwrap());
        async move { one.post_json("/api/v1/me/mfa/backup-codes/regenerate", "{}").await.data() }
    });
    let sets: Vec<Vec<String>> =
        together(requests).await.iter().map(|data| texts(&data["backup_codes"])).collect();
    assert_eq!(world.count("SELECT COUNT(*) FROM backup_codes").await, 10);
    let mut good = 0;
    for set in &sets {
        world.execute(sql("DELETE FROM attempts")).await;
        let step = world.client().challenge("acme", ALICE).await;
        let answer = world.client().verify(&step, "backup_code", &set[0]).await;
        good += right(&[answer]);
    }
    assert_eq!(good, 1, "one set is in use, whole");
}

/// One code of the app as proof for fifty changes at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_is_a_proof_once() {
    let (world, second, acme, alice) = with_alice().await;
    let client = signed_in(&world, &alice).await;
    let csrf = world.csrf(&acme, &client).await;
    world.advance(STEP);
    let body = json!({"code": alice.app.code(&world)}).to_string();
    let requests = (0..50).map(|number: usize| {
        let mut one = [&world, &second][number % 2].client();
        one.cookies.clone_from(&client.cookies);
        one.headers.insert("x-csrf-token", csrf.parse().unwrap());
        let body = body.clone();
        async move { one.post_json("/api/v1/me/mfa/backup-codes/regenerate", &body).await }
    });
    let all = together(requests).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in all.iter().filter(|answer| answer.status != 200) {
        assert!([400, 401, 403, 429].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    assert_eq!(world.recorded(&acme, "auth.reauthenticated", "success").await, 1);
}
