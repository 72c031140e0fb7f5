//! Signing in with a passkey alone.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::{
        password::Password,
        tenant::{Slug, Status},
        user::UserStatus,
    },
    flows::{tenants, users},
};
use serde_json::json;

use super::{
    Begun, EVE, GRACE, ORIGIN, begin_sign_in, delete, finish_sign_in, grace, header, hostile,
    live_session, owner, owner_of, reasons, sign_in, signed_in, step,
};
use crate::support::{
    World,
    authenticator::{Authenticator, UP},
    operator,
};

#[tokio::test]
async fn a_passkey_alone_signs_in_and_no_second_factor_is_asked_for() {
    for settings in [
        "{}",
        r#"{"mfa": {"required": true}, "passkeys": {"sign_in": "allowed"}}"#,
        r#"{"passkeys": {"sign_in": "required"}}"#,
    ] {
        let (world, acme, grace) = enrolled(settings).await;
        let mut client = world.client();
        let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
        assert_eq!(begun.options["userVerification"], json!("required"));
        assert_eq!(begun.options["allowCredentials"], json!([]));
        assert_eq!(begun.options["rpId"], json!("localhost"));
        let answer = grace.get(&begun.options, ORIGIN).answer();
        let answered = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
        let data = answered.data();
        assert_eq!((&data["status"], &data["mfa_required"]), (&json!("success"), &json!(false)));
        assert!(data["mfa_token"].is_null());
        let session = live_session(&world, "acme", &client).await.unwrap();
        assert_eq!(session.auth_methods, "hwk user mfa");
        assert_eq!(data["session_id"], json!(session.id.to_string()));
        assert_eq!(data["user_id"], json!(session.user.to_string()));
        let cookie = answered.set_cookie("session").unwrap();
        assert!(cookie.contains("HttpOnly") && !cookie.contains("Max-Age"), "{cookie}");
        assert_eq!(world.recorded(&acme, "auth.login.passkey", "success").await, 1);
    }
}

/// A tenant in which Grace has enrolled in whatever way its settings leave.
async fn enrolled(settings: &str) -> (World, countersign::flows::Cx, Authenticator) {
    let world = World::new().await;
    let acme = world.tenant("acme", "{}").await;
    let grace = owner(&world, &acme, GRACE).await;
    set(&world, settings).await;
    (world, acme, grace.device)
}

async fn set(world: &World, settings: &str) {
    let change = tenants::Change {
        settings: Some(serde_json::from_str(settings).unwrap()),
        ..tenants::Change::default()
    };
    let slug = Slug::parse("acme").unwrap();
    tenants::update(&world.app, &operator(), &slug, change).await.unwrap();
}

#[tokio::test]
async fn the_session_is_new_and_as_long_as_was_asked_for() {
    let (_world, _, grace) = grace("{}").await;
    let mut client = grace.client.clone();
    let before = client.session().unwrap();
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let body = json!({"challenge_id": begun.id, "credential": answer, "remember_me": true});
    let answered = client.api("acme", "passkey/finish", &body).await;
    answered.data();
    assert!(answered.set_cookie("session").unwrap().contains("Max-Age"));
    assert!(answered.set_cookie("device").is_none(), "a device that is known keeps its name");
    let after = client.session().unwrap();
    assert_ne!(before.0, after.0);
    assert_ne!(before.1.expose(), after.1.expose());
}

#[tokio::test]
async fn mfa_08_without_verification_no_passkey_signs_in() {
    let world = World::new().await;
    let acme = world.acme().await;
    let mut plain = Authenticator::new();
    plain.flags = UP;
    let weak = owner_of(&world, &acme, EVE, plain).await;
    let strong = owner(&world, &acme, GRACE).await;
    for (device, case) in [(weak.device, "enrolled without"), (strong.device, "enrolled with")] {
        let mut client = world.client();
        let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
        let mut edited = begun.options.clone();
        edited["userVerification"] = json!("discouraged");
        let mut draft = device.get(&edited, ORIGIN);
        draft.data.flags = UP;
        let refused = finish_sign_in(&mut client, "acme", &begun.id, &draft.answer()).await;
        assert_eq!(refused.refused(401), "invalid_credentials", "{case}");
        assert!(client.session().is_none());
    }
    let why = reasons(&world, &acme, "auth.passkey.refused").await;
    assert_eq!(why, ["the user was not verified"; 2]);
}

#[tokio::test]
async fn every_wrong_answer_to_a_sign_in_is_the_same_refusal() {
    let (world, acme, grace) = grace("{}").await;
    let mut client = world.client();
    let mut refusals = Vec::new();
    for number in 0..hostile::ASSERTIONS {
        let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
        let (case, answer) = hostile::assertion(number, &grace.device, &begun.options);
        let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
        assert_eq!(refused.refused(401), "invalid_credentials", "{case}");
        assert!(client.session().is_none(), "{case}");
        refusals.push(refused.masked());
        let right = grace.device.get(&begun.options, ORIGIN).answer();
        let late = finish_sign_in(&mut client, "acme", &begun.id, &right).await;
        assert_eq!(late.refused(401), "invalid_credentials", "{case}");
        refusals.push(late.masked());
    }
    // A passkey that nobody has enrolled, a sign-in that nobody has begun.
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    let mut stranger = Authenticator::new();
    stranger.handle.clone_from(&grace.device.handle);
    let answer = stranger.get(&begun.options, ORIGIN).answer();
    refusals.push(finish_sign_in(&mut client, "acme", &begun.id, &answer).await.masked());
    for nonsense in ["cer_00000000000000000000000000", "x", ""] {
        refusals.push(finish_sign_in(&mut client, "acme", nonsense, &answer).await.masked());
    }
    assert!(refusals.iter().all(|it| *it == refusals[0]));
    assert_eq!(world.recorded(&acme, "auth.login.passkey", "success").await, 0);
    // An account's own door is not shut by any of it.
    assert_eq!(sign_in(&world, "acme", &grace.device).await.1.data()["status"], "success");
}

#[tokio::test]
async fn a_passkey_has_to_name_its_user() {
    let (world, acme, grace) = grace("{}").await;
    let eve = owner(&world, &acme, EVE).await;
    for handle in [None, Some(vec![]), eve.device.handle.clone(), Some(vec![1; 65])] {
        let mut client = world.client();
        let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
        let mut draft = grace.device.get(&begun.options, ORIGIN);
        draft.user_handle.clone_from(&handle);
        let refused = finish_sign_in(&mut client, "acme", &begun.id, &draft.answer()).await;
        assert_eq!(refused.refused(401), "invalid_credentials", "{handle:?}");
    }
}

#[tokio::test]
async fn passkeys_of_one_tenant_are_unknown_in_another_of_the_same_party() {
    let (world, _, grace) = grace("{}").await;
    let other = world.tenant("other", "{}").await;
    owner(&world, &other, GRACE).await;
    let mut client = world.client();
    let begun = Begun::of(&begin_sign_in(&mut client, "other").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let refused = finish_sign_in(&mut client, "other", &begun.id, &answer).await;
    assert_eq!(refused.refused(401), "invalid_credentials");
    // Nor is a ceremony that one tenant has begun known to the other.
    let begun = Begun::of(&begin_sign_in(&mut client, "other").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
    assert_eq!(refused.refused(401), "invalid_credentials");
}

#[tokio::test]
async fn where_it_is_off_no_passkey_signs_in() {
    for off in [r#"{"passkeys": {"sign_in": "off"}}"#, r#"{"mfa": {"methods": ["totp"]}}"#] {
        let (world, _, grace) = grace("{}").await;
        let mut client = world.client();
        let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
        let answer = grace.device.get(&begun.options, ORIGIN).answer();
        set(&world, off).await;
        let code = begin_sign_in(&mut client, "acme").await.refused(403);
        assert_eq!(code, "passkey_sign_in_disabled", "{off}");
        let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
        assert_eq!(refused.refused(403), "passkey_sign_in_disabled", "{off}");
    }
    // It stays a second factor.
    let (world, _, _) = grace(r#"{"passkeys": {"sign_in": "off"}}"#).await;
    step(&mut world.client(), "acme", GRACE).await;
}

#[tokio::test]
async fn a_suspended_account_or_tenant_is_told_so_after_the_proof() {
    let (world, acme, grace) = grace("{}").await;
    users::set_status(&acme, &grace.user, UserStatus::Suspended).await.unwrap();
    let (client, refused) = sign_in(&world, "acme", &grace.device).await;
    assert_eq!(refused.refused(403), "account_suspended");
    assert!(client.session().is_none());
    assert_eq!(reasons(&world, &acme, "auth.login.passkey").await, ["account_suspended"]);
    users::set_status(&acme, &grace.user, UserStatus::Active).await.unwrap();
    assert_eq!(sign_in(&world, "acme", &grace.device).await.1.data()["status"], "success");
    let mut client = world.client();
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    let slug = Slug::parse("acme").unwrap();
    tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await.unwrap();
    assert_eq!(begin_sign_in(&mut client, "acme").await.refused(403), "tenant_suspended");
    let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
    assert_eq!(refused.refused(403), "tenant_suspended");
    let missing = begin_sign_in(&mut client, "nowhere").await;
    assert_eq!(missing.refused(404), "tenant_not_found");
}

#[tokio::test]
async fn a_right_answer_that_led_nowhere_is_used_up_too() {
    for case in ["suspended", "unverified", "password due"] {
        let (world, acme, grace) = grace("{}").await;
        match case {
            "suspended" => {
                users::set_status(&acme, &grace.user, UserStatus::Suspended).await.unwrap();
            }
            "unverified" => {
                world.execute(sql("UPDATE users SET email_verified_at = NULL")).await;
            }
            _ => {
                world.execute(sql("UPDATE users SET must_change_password = TRUE")).await;
            }
        }
        let mut client = world.client();
        let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
        let answer = grace.device.get(&begun.options, ORIGIN).answer();
        let first = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
        assert!(first.set_cookie("session").is_none(), "{case}");
        let free = "UPDATE users SET status = 'active', email_verified_at = 0, \
                    must_change_password = FALSE";
        world.execute(sql(free)).await;
        let again = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
        assert_eq!(again.refused(401), "invalid_credentials", "{case}");
        assert_eq!(sign_in(&world, "acme", &grace.device).await.1.data()["status"], "success");
    }
}

#[tokio::test]
async fn where_a_new_password_is_due_a_passkey_does_not_spare_it() {
    let (world, acme, grace) = grace("{}").await;
    let new = Password::parse("an entirely different phrase").unwrap();
    users::set_password(&acme, &grace.user, &new, true).await.unwrap();
    for _ in 0..5 {
        let (client, answer) = sign_in(&world, "acme", &grace.device).await;
        let data = answer.data();
        assert_eq!(data["status"], "password_change_required");
        assert!(data["session_id"].is_null() && client.session().is_none());
    }
    let links = world.inbox(GRACE).await;
    let links = links.iter().filter(|mail| mail.text.contains("reset-password")).count();
    assert_eq!(links, 3, "mailed at most three times in an hour");
}

#[tokio::test]
async fn an_address_has_to_be_proved_for_a_passkey_too() {
    let (world, acme, grace) = grace("{}").await;
    world.inbox(GRACE).await;
    world.execute(sql("UPDATE users SET email_verified_at = NULL")).await;
    let before = world.inbox(GRACE).await.len();
    let (client, refused) = sign_in(&world, "acme", &grace.device).await;
    assert_eq!(refused.refused(403), "email_not_verified");
    assert!(client.session().is_none());
    assert_eq!(world.inbox(GRACE).await.len(), before + 1, "the proof is mailed again");
    assert_eq!(reasons(&world, &acme, "auth.login.passkey").await, ["email_not_verified"]);
}

#[tokio::test]
async fn what_is_gone_signs_nobody_in() {
    let (world, acme, mut grace) = grace("{}").await;
    let mut eve = owner(&world, &acme, EVE).await;
    let mut client = world.client();
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    delete(&mut grace.client, &grace.passkey).await.data();
    let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
    assert_eq!(refused.refused(401), "invalid_credentials", "a deleted credential");
    assert_eq!(sign_in(&world, "acme", &eve.device).await.1.data()["status"], "success");
    users::delete(&acme, &eve.user).await.unwrap();
    let refused = sign_in(&world, "acme", &eve.device).await.1;
    assert_eq!(refused.refused(401), "invalid_credentials", "a deleted account");
    assert_eq!(world.count("SELECT COUNT(*) FROM passkeys").await, 0);
    // The device may be enrolled anew, by whoever comes next.
    let again = world.user(&acme, EVE).await;
    let mut client = signed_in(&world, "acme", EVE).await;
    super::enrol(&mut client, &mut eve.device).await;
    let answer = sign_in(&world, "acme", &eve.device).await.1.data();
    assert_eq!(answer["user_id"], json!(again.id.to_string()));
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_and_recorded() {
    let (world, acme, mut grace) = grace("{}").await;
    grace.device.counter = 5;
    assert_eq!(sign_in(&world, "acme", &grace.device).await.1.data()["status"], "success");
    for count in [5, 4, 0] {
        grace.device.counter = count;
        let refused = sign_in(&world, "acme", &grace.device).await.1;
        assert_eq!(refused.refused(401), "invalid_credentials", "{count}");
    }
    grace.device.counter = 6;
    assert_eq!(sign_in(&world, "acme", &grace.device).await.1.data()["status"], "success");
    let why = reasons(&world, &acme, "auth.passkey.counter_went_back").await;
    assert_eq!(why, ["the counter went back"; 3]);
}

#[tokio::test]
async fn a_session_of_a_passkey_ends_as_every_other_does() {
    let (world, acme, grace) = grace("{}").await;
    let (client, _) = sign_in(&world, "acme", &grace.device).await;
    let new = Password::parse("an entirely different phrase").unwrap();
    users::set_password(&acme, &grace.user, &new, false).await.unwrap();
    assert!(live_session(&world, "acme", &client).await.is_none());
    let (client, _) = sign_in(&world, "acme", &grace.device).await;
    world.advance(Duration::from_mins(60));
    assert!(live_session(&world, "acme", &client).await.is_none());
}

#[tokio::test]
async fn no_other_site_begins_or_ends_a_sign_in() {
    let (world, _, grace) = grace("{}").await;
    let begun = Begun::of(&begin_sign_in(&mut world.client(), "acme").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let mut client = world.client();
        client.headers.insert(name, header(value));
        assert_eq!(begin_sign_in(&mut client, "acme").await.refused(403), "cross_site_request");
        let refused = finish_sign_in(&mut client, "acme", &begun.id, &answer).await;
        assert_eq!(refused.refused(403), "cross_site_request");
    }
    let mut client = world.client();
    client.headers.insert("authorization", header("Bearer x"));
    assert_eq!(begin_sign_in(&mut client, "acme").await.refused(401), "invalid_client_token");
}

#[tokio::test]
async fn a_sign_in_from_a_new_place_is_told_to_the_owner() {
    let (world, _, grace) = grace("{}").await;
    let before = world.inbox(GRACE).await.len();
    let mut client = world.client_at("198.51.100.7");
    client.agent = "Mozilla/5.0 (Macintosh; Mac OS X) Firefox/130.0".to_owned();
    let begun = Begun::of(&begin_sign_in(&mut client, "acme").await);
    let answer = grace.device.get(&begun.options, ORIGIN).answer();
    finish_sign_in(&mut client, "acme", &begun.id, &answer).await.data();
    let mails = world.inbox(GRACE).await;
    assert_eq!(mails.len(), before + 1);
    assert!(mails[0].text.contains("Firefox on macOS"), "{}", mails[0].text);
}
