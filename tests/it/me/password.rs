//! Changing one's own password.

use countersign::{db::sql, domain::password::Password, flows::users};
use serde_json::{Value, json};

use super::{GRACE, OTHER, carry, enrol, get, grace, is_spared, post, signed_in, trust};
use crate::support::{PASSWORD, START, World, together, token_in};

fn change(current: &str, new: &str) -> Value {
    json!({"current_password": current, "new_password": new})
}

/// SES-02: the own session lives on with a new secret; every other one ends.
#[tokio::test]
async fn ses_02_a_new_password_ends_what_rested_on_the_old_one() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    let mut other = signed_in(&world, "acme", GRACE, PASSWORD).await;
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let mails = world.inbox(GRACE).await;
    let reset = token_in(mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap());
    let mut copy = client.clone();
    let answer = post(&mut client, "/password", change(PASSWORD, OTHER)).await;
    let data = answer.data();
    assert_eq!(data["status"], "password_changed");
    assert!(answer.set_cookie("cs_session").is_some());
    carry(&mut client, &data);
    get(&mut client, "").await.data();
    assert_eq!(get(&mut client, "/session").await.data()["csrf_token"], data["csrf_token"]);
    for client in [&mut other, &mut copy] {
        assert_eq!(get(client, "").await.refused(401), "not_authenticated");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 1);
    let body = json!({"token": reset, "new_password": "yet another long phrase"});
    let answer = client.api("acme", "password/reset", &body).await;
    assert_eq!(answer.refused(400), "invalid_token", "a reset link of before is dead");
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.refused(401), "invalid_credentials");
    client.login("acme", GRACE, OTHER).await.data();
    assert_eq!(world.recorded(&acme, "user.password.changed", "success").await, 1);
    let mails = world.inbox(GRACE).await;
    let notice = mails.iter().find(|mail| mail.subject.contains("was changed")).unwrap();
    assert!(notice.text.contains("All other devices have been signed out."), "{}", notice.text);
    // The device stays known: no notice of a sign-in from a new one.
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("New sign-in")).count(), 2);
}

#[tokio::test]
async fn the_own_session_ends_too_where_that_is_asked_for() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let mut body = change(PASSWORD, OTHER);
    body["end_all_sessions"] = json!(true);
    let answer = post(&mut client, "/password", body).await;
    assert_eq!(answer.data()["csrf_token"], Value::Null);
    assert!(answer.set_cookie("cs_session").unwrap().contains("Max-Age=0"));
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn the_policy_holds_and_the_present_password_is_no_new_one() {
    let world = World::new().await;
    let (_, user, mut client) = grace(&world).await;
    for (new, reason) in [
        ("passwordpassword", "common"),
        ("grace@example.com", "e-mail"),
        ("short one", "at least 15"),
        (PASSWORD, "before"),
    ] {
        let answer = post(&mut client, "/password", change(PASSWORD, new)).await;
        assert_eq!(answer.refused(400), "password_rejected", "{new}");
        assert!(answer.text.contains(reason), "{new}: {}", answer.text);
    }
    let faults = post(&mut client, "/password", change(PASSWORD, "short")).await.faults();
    assert_eq!(faults[0].0, "body.new_password");
    let faults = post(&mut client, "/password", json!({"new_password": OTHER})).await.faults();
    assert_eq!(faults, [("body.current_password".to_owned(), "missing".to_owned())]);
    get(&mut client, "").await.data();
    let hash = world.stored_hash(&user).await;
    assert!(hash.starts_with("$argon2id$"));
    client.login("acme", GRACE, PASSWORD).await.data();
}

/// THR-14: guessing here counts with guessing at the sign-in.
#[tokio::test]
async fn thr_14_guesses_of_the_present_password_share_one_count() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    let mut wrong = 0;
    loop {
        let answer = match wrong % 3 {
            0 => post(&mut client, "/password", change("a wrong guess", OTHER)).await,
            1 => post(&mut client, "/reauthenticate", json!({"password": "wrong guess"})).await,
            _ => client.clone().login("acme", GRACE, "a wrong guess").await,
        };
        if answer.status.as_u16() == 429 {
            break;
        }
        assert_eq!(answer.refused(401), "invalid_credentials");
        wrong += 1;
        assert!(wrong < 20, "no end of guessing");
    }
    let answer = post(&mut client, "/password", change(PASSWORD, OTHER)).await;
    assert_eq!(answer.refused(429), "too_many_attempts", "the right one, too");
    let answer = post(&mut client, "/reauthenticate", json!({"password": PASSWORD})).await;
    assert_eq!(answer.refused(429), "too_many_attempts");
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.refused(429), "too_many_attempts");
}

#[tokio::test]
async fn who_signs_in_elsewhere_has_no_password_here() {
    let world = World::new().await;
    let (_, user, mut client) = grace(&world).await;
    let federated = "UPDATE users SET identity_source = 'oidc', identity_provider = 'Example' \
                     WHERE tenant_id = $1 AND id = $2";
    world.execute(sql(federated).bind(user.tenant).bind(user.id)).await;
    let answer = post(&mut client, "/password", change(PASSWORD, OTHER)).await;
    assert_eq!(answer.refused(400), "method_not_available");
    let answer = post(&mut client, "/email", json!({"email": "new@example.com"})).await;
    assert_eq!(answer.refused(400), "method_not_available");
}

/// DEV-04: whatever ends the credentials ends the trust in devices.
#[tokio::test]
async fn dev_04_no_new_password_leaves_a_device_trusted() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    enrol(&world, &user).await;
    let later = START + std::time::Duration::from_secs(86_400);
    let (_, token) = trust(&world, &user, later).await;
    assert!(is_spared(&world, GRACE, PASSWORD, &token).await);
    let data = post(&mut client, "/password", change(PASSWORD, OTHER)).await.data();
    carry(&mut client, &data);
    assert!(!is_spared(&world, GRACE, OTHER, &token).await, "changed by the owner");

    let (_, token) = trust(&world, &user, later).await;
    assert!(is_spared(&world, GRACE, OTHER, &token).await);
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let mails = world.inbox(GRACE).await;
    let mail = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
    let body = json!({"token": token_in(mail), "new_password": PASSWORD});
    client.api("acme", "password/reset", &body).await.data();
    assert!(!is_spared(&world, GRACE, PASSWORD, &token).await, "reset by mail");

    let (_, token) = trust(&world, &user, later).await;
    assert!(is_spared(&world, GRACE, PASSWORD, &token).await);
    let password = Password::parse(OTHER).unwrap();
    users::set_password(&acme, &user, &password, false).await.unwrap();
    assert!(!is_spared(&world, GRACE, OTHER, &token).await, "set by an operator");
    assert_eq!(world.count("SELECT COUNT(*) FROM trusted_devices").await, 0);
}

#[tokio::test]
async fn a_reset_ends_factors_that_wait_for_their_first_code() {
    use countersign::{domain::factor::Method, store::factors};
    let world = World::new().await;
    let (_, user, mut client) = grace(&world).await;
    let setup = factors::Setup { secret: None, code: None };
    let until = (START, START + std::time::Duration::from_secs(600));
    let begin = factors::begin_setup(user.tenant, user.id, Method::Totp, setup, until);
    world.execute(begin).await;
    post(&mut client, "/email", json!({"email": "new@example.com"})).await.data();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let mails = world.inbox(GRACE).await;
    let mail = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
    let body = json!({"token": token_in(mail), "new_password": OTHER});
    client.api("acme", "password/reset", &body).await.data();
    assert_eq!(world.count("SELECT COUNT(*) FROM setups").await, 0);
    let link = token_in(&world.inbox("new@example.com").await[0]);
    let answer = client.post_form("/t/acme/change-email", &format!("token={link}")).await;
    assert_eq!(answer.status.as_u16(), 400, "nor is a new address proved any more");
    client.login("acme", GRACE, OTHER).await.data();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_changes_at_once_one_is_made() {
    let world = World::new().await;
    let (acme, _, client) = grace(&world).await;
    let answers = together((0..10).map(|number| {
        let mut client = client.clone();
        let new = format!("a brand new phrase, number {number}");
        async move { (post(&mut client, "/password", change(PASSWORD, &new)).await.status, new) }
    }))
    .await;
    let made: Vec<_> = answers.iter().filter(|(status, _)| status.as_u16() == 200).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, _)| [200, 401, 429].contains(&status.as_u16())));
    world.client().login("acme", GRACE, &made[0].1).await.data();
    assert_eq!(world.count("SELECT COUNT(*) FROM former_passwords").await, 0);
    assert_eq!(world.recorded(&acme, "user.password.changed", "success").await, 1);
}
