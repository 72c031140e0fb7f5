//! Passkeys as the second step of a sign-in.

use serde_json::json;

use super::{
    Begun, EVE, GRACE, ORIGIN, assert_failed, begin_step, delete, enrol, finish_sign_in,
    forget_failures, grace, hostile, live_session, methods, owner, owner_of, reasons, signed_in,
    step, verification, verify,
};
use crate::support::{
    World,
    authenticator::{Authenticator, BE, BS, UP, UV},
};
use countersign::{db::sql, domain::tenant::Slug, flows::tenants};

const VERIFYING: &str = r#"{"passkeys": {"user_verification": true}}"#;

#[tokio::test]
async fn a_password_and_a_passkey_sign_in() {
    let (world, acme, grace) = grace("{}").await;
    world.advance(std::time::Duration::from_secs(60));
    let mut client = world.client();
    let login = client.login("acme", GRACE, crate::support::PASSWORD).await.data();
    assert_eq!(login["available_methods"], json!(["webauthn", "backup_code"]));
    assert_eq!(login["default_method"], json!("webauthn"));
    assert!(client.session().is_none());
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    assert_eq!(begun.options["rpId"], json!("localhost"));
    assert_eq!(begun.options["userVerification"], json!("preferred"));
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let answered = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
    let data = answered.data();
    assert_eq!(data["status"], "success");
    let session = live_session(&world, "acme", &client).await.unwrap();
    assert_eq!(session.auth_methods, "pwd hwk mfa");
    assert_eq!(data["session_id"], json!(session.id.to_string()));
    let listed = methods(&mut client).await;
    assert_eq!(listed["methods"][0]["last_used_at"], json!("2026-01-01T00:01:00.000000Z"));
    // The step is spent.
    let again = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
    assert_eq!(again.refused(401), "invalid_mfa_token");
    assert_eq!(begin_step(&mut client, "acme", &step).await.refused(401), "invalid_mfa_token");
    assert_eq!(world.recorded(&acme, "auth.login.second_factor", "success").await, 1);
}

#[tokio::test]
async fn every_wrong_answer_to_a_step_fails_and_uses_the_ceremony_up() {
    let (world, acme, grace) = grace("{}").await;
    let mut client = world.client();
    for number in 0..hostile::ASSERTIONS {
        let step = step(&mut client, "acme", GRACE).await;
        let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        let failed = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
        assert_failed(&failed, case);
        let right = grace.device.get(&begun.options, ORIGIN).answer();
        assert_failed(&verify(&mut client, "acme", &step, (&begun.id, &right)).await, case);
        // With a ceremony of its own the device is still good.
        let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
        let right = grace.device.get(&begun.options, ORIGIN).answer();
        let data = verify(&mut client, "acme", &step, (&begun.id, &right)).await.data();
        assert_eq!(data["status"], "success", "{case}");
        forget_failures(&world).await;
        client = world.client();
        world.advance(std::time::Duration::from_secs(1));
    }
    let failed = world.recorded(&acme, "auth.login.second_factor", "failure").await;
    assert_eq!(failed, 2 * hostile::ASSERTIONS);
    assert!(!reasons(&world, &acme, "auth.passkey.refused").await.is_empty());
    assert!(!world.dump().await.contains("evil.example"), "what a stranger sent is not kept");
}

#[tokio::test]
async fn five_wrong_answers_end_a_step_and_opening_others_buys_none() {
    let (world, _, grace) = grace("{}").await;
    let mut client = world.client();
    let first = step(&mut client, "acme", GRACE).await;
    for number in 0..5 {
        let begun = Begun::of(&begin_step(&mut client, "acme", &first).await);
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        let failed = verify(&mut client, "acme", &first, (&begun.id, &answer)).await;
        assert_failed(&failed, case);
    }
    let over = begin_step(&mut client, "acme", &first).await;
    assert_eq!(over.refused(401), "invalid_mfa_token");
    let other = step(&mut client, "acme", GRACE).await;
    let held_back = begin_step(&mut client, "acme", &other).await;
    assert_eq!(held_back.refused(429), "too_many_attempts");
    assert!(held_back.retry_after() > 0);
    // With the passkey alone its owner still gets in: it cannot be guessed.
    let (_, alone) = super::sign_in(&world, "acme", &grace.device).await;
    assert_eq!(alone.data()["status"], "success");
}

#[tokio::test]
async fn wan_06_a_step_is_answered_by_the_users_own_credential() {
    let (world, acme, grace) = grace("{}").await;
    let eve = owner(&world, &acme, EVE).await;
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let answer = eve.device.get(&begun.options, ORIGIN).answer();
    let failed = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
    assert_failed(&failed, "Eve's passkey");
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let mut draft = grace.device.get(&begun.options, ORIGIN);
    draft.user_handle.clone_from(&eve.device.handle);
    let failed = verify(&mut client, "acme", &step, (&begun.id, &draft.answer())).await;
    assert_failed(&failed, "Eve's handle");
    // Eve's key under the id of Grace's.
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let mut draft = eve.device.get(&begun.options, ORIGIN);
    draft.id.clone_from(&grace.device.id);
    draft.user_handle.clone_from(&grace.device.handle);
    let failed = verify(&mut client, "acme", &step, (&begun.id, &draft.answer())).await;
    assert_failed(&failed, "Grace's id");
    // One that Grace has enrolled only after the ceremony began was not asked for.
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let stored = "UPDATE passkeys SET user_id = $1 WHERE user_id = $2";
    world.execute(sql(stored).bind(grace.user.id).bind(eve.user.id)).await;
    let mut draft = eve.device.get(&begun.options, ORIGIN);
    draft.user_handle.clone_from(&grace.device.handle);
    let failed = verify(&mut client, "acme", &step, (&begun.id, &draft.answer())).await;
    assert_failed(&failed, "not asked for");
}

#[tokio::test]
async fn wan_07_a_counter_only_goes_up() {
    let (world, acme, mut grace) = grace("{}").await;
    let counts: [(u32, bool); 8] = [
        (0, true),
        (0, true),
        (5, true),
        (6, true),
        (6, false),
        (5, false),
        (0, false),
        (u32::MAX, true),
    ];
    for (count, good) in counts {
        let mut client = world.client();
        let step = step(&mut client, "acme", GRACE).await;
        let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
        grace.device.counter = count;
        let answer = grace.device.get(&begun.options, ORIGIN).answer();
        let answered = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
        if good {
            assert_eq!(answered.data()["status"], "success", "{count}");
        } else {
            assert_failed(&answered, "a counter that went back");
        }
    }
    assert_eq!(world.recorded(&acme, "auth.passkey.counter_went_back", "failure").await, 3);
    let trail = world.trail(&acme).await;
    let event = trail.iter().find(|row| row.0 == "auth.passkey.counter_went_back").unwrap();
    assert!(event.2.contains(&grace.passkey), "{}", event.2);
}

#[tokio::test]
async fn wan_12_a_ceremony_is_good_for_its_own_step_alone() {
    let (world, _, grace) = grace("{}").await;
    let mut client = world.client();
    let (one, two) =
        (step(&mut client, "acme", GRACE).await, step(&mut client, "acme", GRACE).await);
    let begun = Begun::of(&begin_step(&mut client, "acme", &one).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let failed = verify(&mut client, "acme", &two, (&begun.id, &answer)).await;
    assert_failed(&failed, "of another step");
    for nonsense in ["cer_00000000000000000000000000", "x", ""] {
        let failed = verify(&mut client, "acme", &two, (nonsense, &answer)).await;
        assert_failed(&failed, nonsense);
    }
    let data = verify(&mut client, "acme", &one, (&begun.id, &answer)).await.data();
    assert_eq!(data["status"], "success");
}

#[tokio::test]
async fn what_a_step_lacks_is_said_and_does_not_count() {
    let (world, _, grace) = grace("{}").await;
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let whole = verification(&step, &begun.id, &answer);
    for (missing, places) in [
        (vec!["challenge_id"], vec!["body.challenge_id"]),
        (vec!["credential"], vec!["body.credential"]),
        (vec!["challenge_id", "credential"], vec!["body.challenge_id", "body.credential"]),
    ] {
        let mut body = whole.clone();
        for name in missing {
            body.as_object_mut().unwrap().remove(name);
        }
        let faults = client.api("acme", "mfa/verify", &body).await.faults();
        let found: Vec<&str> = faults.iter().map(|fault| fault.0.as_str()).collect();
        assert_eq!(found, places);
    }
    for unknown in ["WebAuthn", "passkey", ""] {
        let mut body = whole.clone();
        body["method"] = json!(unknown);
        let refused = client.api("acme", "mfa/verify", &body).await;
        assert_eq!(refused.refused(400), "unknown_method");
    }
    assert_eq!(client.api("acme", "mfa/verify", &whole).await.data()["status"], "success");
}

#[tokio::test]
async fn wan_04_verification_is_what_the_server_asked_for() {
    // An enrolment with verification binds every later use to it, whatever the options said.
    let (world, acme, mut verified) = grace("{}").await;
    let mut plain = Authenticator::new();
    plain.flags = UP;
    let mut weak = owner_of(&world, &acme, EVE, plain).await;
    let mut client = world.client();
    for (email, device, good) in
        [(GRACE, &mut verified.device, false), (EVE, &mut weak.device, true)]
    {
        device.flags = UP;
        let step = step(&mut client, "acme", email).await;
        let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
        let answer = device.get(&begun.options, ORIGIN).answer();
        let answered = verify(&mut client, "acme", &step, (&begun.id, &answer)).await.data();
        assert_eq!(answered["status"] == "success", good, "{email}");
    }
    // Where the tenant demands it, no credential goes without.
    set(&world, VERIFYING).await;
    for (flags, good) in [(UP, false), (UP | UV, true)] {
        weak.device.flags = flags;
        let step = step(&mut client, "acme", EVE).await;
        let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
        assert_eq!(begun.options["userVerification"], json!("required"));
        // The page edits its options; the server does not ask it.
        let mut edited = begun.options.clone();
        edited["userVerification"] = json!("discouraged");
        let answer = weak.device.get(&edited, ORIGIN).answer();
        let answered = verify(&mut client, "acme", &step, (&begun.id, &answer)).await.data();
        assert_eq!(answered["status"] == "success", good, "{flags}");
    }
    let why = reasons(&world, &acme, "auth.passkey.refused").await;
    assert_eq!(why, ["the user was not verified"; 2]);
}

/// Gives `acme` other settings.
async fn set(world: &World, settings: &str) {
    let change = tenants::Change {
        settings: Some(serde_json::from_str(settings).unwrap()),
        ..tenants::Change::default()
    };
    let slug = Slug::parse("acme").unwrap();
    tenants::update(&world.app, &crate::support::operator(), &slug, change).await.unwrap();
}

#[tokio::test]
async fn wan_14_backup_flags_stay_consistent() {
    let world = World::new().await;
    let acme = world.acme().await;
    let mut synced = Authenticator::new();
    synced.flags |= BE;
    let mut grace = owner_of(&world, &acme, GRACE, synced).await;
    // Backed up since, and no longer: both may be. Eligibility stays what it was.
    for (flags, good) in [(UP | UV | BE | BS, true), (UP | UV | BE, true), (UP | UV, false)] {
        grace.device.flags = flags;
        let (_, answer) = super::sign_in(&world, "acme", &grace.device).await;
        assert_eq!(answer.status.is_success(), good, "{flags:#x}");
        if good {
            let backed_up = methods(&mut grace.client).await["methods"][0]["backed_up"].clone();
            assert_eq!(backed_up, json!(flags & BS != 0));
        }
    }
}

#[tokio::test]
async fn mfa_22_where_a_passkey_is_demanded_nothing_weaker_is_taken() {
    let (world, _, mut grace) = grace("{}").await;
    let setup = grace.client.post_json("/api/v1/me/mfa/totp/setup", "").await.data();
    assert!(setup["secret"].is_string());
    let rows = "INSERT INTO factors (tenant_id, user_id, kind, last_step, created_at) \
                VALUES ($1, $2, 'email', 0, 0)";
    world.execute(sql(rows).bind(grace.user.tenant).bind(grace.user.id)).await;
    let rows = "INSERT INTO factors (tenant_id, user_id, kind, secret, last_step, created_at) \
                SELECT tenant_id, user_id, 'totp', secret, 0, 0 FROM setups";
    assert_eq!(world.execute(sql(rows)).await, 1);
    let mut client = world.client();
    let before = client.login("acme", GRACE, crate::support::PASSWORD).await.data();
    let all = json!(["webauthn", "totp", "email", "backup_code"]);
    assert_eq!(before["available_methods"], all);
    let old_step = step(&mut client, "acme", GRACE).await;
    set(&world, r#"{"passkeys": {"sign_in": "required"}}"#).await;
    let login = client.login("acme", GRACE, crate::support::PASSWORD).await.data();
    assert_eq!(login["available_methods"], json!(["webauthn"]));
    let new_step = step(&mut client, "acme", GRACE).await;
    for step in [&old_step, &new_step] {
        for method in ["totp", "email", "backup_code"] {
            let body = json!({
                "mfa_token": step.token, "user_id": step.user, "method": method, "code": "123456",
            });
            let refused = client.api("acme", "mfa/verify", &body).await;
            assert_eq!(refused.refused(400), "method_not_available", "{method}");
        }
        let path = format!("mfa/email/send?mfa_token={}&user_id={}", step.token, step.user);
        let refused = client.api("acme", &path, &json!({})).await;
        assert_eq!(refused.refused(400), "method_not_available");
    }
    for path in ["totp/setup", "email/enable"] {
        let refused = grace.client.post_json(&format!("{}/{path}", super::MFA), "").await;
        assert_eq!(refused.refused(400), "method_not_available", "{path}");
    }
    let begun = Begun::of(&begin_step(&mut client, "acme", &new_step).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let data = verify(&mut client, "acme", &new_step, (&begun.id, &answer)).await.data();
    assert_eq!(data["status"], "success");
}

#[tokio::test]
async fn a_device_trusted_before_does_not_stand_in_for_a_demanded_passkey() {
    let (world, _, grace) = grace("{}").await;
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let mut body = verification(&step, &begun.id, &answer);
    body["trust_device"] = json!(true);
    let data = client.api("acme", "mfa/verify", &body).await.data();
    let login = json!({
        "email": GRACE, "password": crate::support::PASSWORD,
        "trusted_device_token": data["trusted_device_token"],
    });
    assert_eq!(client.api("acme", "login", &login).await.data()["status"], "success");
    set(&world, r#"{"passkeys": {"sign_in": "required"}}"#).await;
    assert_eq!(client.api("acme", "login", &login).await.data()["status"], "mfa_required");
}

#[tokio::test]
async fn a_credential_that_was_deleted_answers_no_step() {
    let (world, _, mut grace) = grace("{}").await;
    let mut spare = Authenticator::new();
    enrol(&mut grace.client, &mut spare).await;
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    delete(&mut grace.client, &grace.passkey).await.data();
    let gone = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
    assert_eq!(gone.refused(401), "invalid_mfa_token", "a removal ends the steps under way");
    let step = super::step(&mut client, "acme", GRACE).await;
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let failed = verify(&mut client, "acme", &step, (&begun.id, &answer)).await;
    assert_failed(&failed, "a deleted credential");
}

#[tokio::test]
async fn a_step_of_one_tenant_is_unknown_in_another() {
    let (world, _, grace) = grace("{}").await;
    let other = world.tenant("other", "{}").await;
    owner(&world, &other, GRACE).await;
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    assert_eq!(begin_step(&mut client, "other", &step).await.refused(401), "invalid_mfa_token");
    let begun = Begun::of(&begin_step(&mut client, "acme", &step).await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let refused = verify(&mut client, "other", &step, (&begun.id, &answer)).await;
    assert_eq!(refused.refused(401), "invalid_mfa_token");
    // Nor is its ceremony good for a sign-in there or here.
    for slug in ["other", "acme"] {
        let refused = finish_sign_in(&mut client, slug, &begun.id, &answer).await;
        assert_eq!(refused.refused(401), "invalid_credentials", "{slug}");
    }
    // A step whose user is said to be another does not begin.
    let mut named = step.clone();
    named.user = "usr_00000000000000000000000000".to_owned();
    assert_eq!(begin_step(&mut client, "acme", &named).await.refused(401), "invalid_mfa_token");
    let eve = world.user(&world.cx("acme").await, EVE).await;
    named.user = eve.id.to_string();
    assert_eq!(begin_step(&mut client, "acme", &named).await.refused(401), "invalid_mfa_token");
    // Somebody without a passkey has nothing to begin with.
    let mut hers = signed_in(&world, "acme", EVE).await;
    let setup = "INSERT INTO factors (tenant_id, user_id, kind, last_step, created_at) \
                 VALUES ($1, $2, 'email', 0, 0)";
    world.execute(sql(setup).bind(eve.tenant).bind(eve.id)).await;
    let step = super::step(&mut hers, "acme", EVE).await;
    assert_eq!(begin_step(&mut hers, "acme", &step).await.refused(400), "method_not_available");
}
