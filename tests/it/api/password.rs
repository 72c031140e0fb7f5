//! Forgot and reset: who learns what, which links work, and what ends.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::{password::Password, user::UserStatus},
    flows::{session, users},
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, together, token_in};

const NEW: &str = "an entirely different phrase";
const HALF_HOUR: Duration = Duration::from_secs(1800);

async fn forgot(client: &mut Client, email: &str) -> Answer {
    client.api("acme", "forgot-password", &json!({"email": email})).await
}

async fn reset(client: &mut Client, token: &str, password: &str) -> Answer {
    client.api("acme", "password/reset", &json!({"token": token, "new_password": password})).await
}

/// The tokens of the reset mails to an address, newest first.
async fn tokens(world: &World, email: &str) -> Vec<String> {
    let mails = world.inbox(email).await;
    mails.iter().filter(|mail| mail.text.contains("reset-password")).map(token_in).collect()
}

#[tokio::test]
async fn enu_01_the_answer_is_the_same_for_everybody_on_both_paths() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "alice@example.com").await;
    let dora = world.user(&acme, "dora@example.com").await;
    users::set_status(&acme, &dora, UserStatus::Suspended).await.unwrap();
    let fay = world.user_with(&acme, "fay@example.com", None, true).await;
    let federate =
        sql("UPDATE users SET identity_source = 'oidc', identity_provider = 'Example Corp' \
                        WHERE tenant_id = $1 AND id = $2");
    world.execute(federate.bind(acme.tenant.id).bind(fay.id)).await;
    let mut client = world.client();
    let mut answers = Vec::new();
    for email in ["alice@example.com", "dora@example.com", "fay@example.com", "nia@example.com"] {
        for path in ["forgot-password", "password/forgot"] {
            let answer = client.api("acme", path, &json!({"email": email})).await;
            let mut body = answer.json();
            body["meta"] = Value::Null;
            let names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            answers.push((answer.status, names, body));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].2["data"]["status"], "accepted");
    assert_eq!(tokens(&world, "alice@example.com").await.len(), 2);
    assert!(world.inbox("dora@example.com").await.is_empty());
    assert!(world.inbox("nia@example.com").await.is_empty());
    let mails = world.inbox("fay@example.com").await;
    assert!(mails[0].text.contains("Example Corp") && !mails[0].text.contains("token="));
}

#[tokio::test]
async fn b12_the_mail_goes_to_the_stored_address_however_it_is_asked_for() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "Sam@example.com").await;
    let mut client = world.client();
    forgot(&mut client, " SAM@EXAMPLE.com ").await.data();
    world.deliver().await;
    assert_eq!(world.inbox("sam@example.com").await[0].to, "Sam@example.com");
    // EML-01: letters that only look alike are other letters.
    for other in ["s\u{251}m@example.com", "ſam@example.com", "ｓam@example.com"] {
        client.api("acme", "forgot-password", &json!({"email": other})).await;
    }
    assert_eq!(world.inbox("sam@example.com").await.len(), 1);
}

#[tokio::test]
async fn three_mails_an_hour_and_no_more() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    for _ in 0..10 {
        forgot(&mut client, "grace@example.com").await.data();
    }
    assert_eq!(tokens(&world, "grace@example.com").await.len(), 3);
    assert_eq!(world.recorded(&acme, "user.password.reset_requested", "failure").await, 7);
    world.advance(2 * HALF_HOUR);
    forgot(&mut client, "grace@example.com").await.data();
    assert_eq!(tokens(&world, "grace@example.com").await.len(), 4);
}

#[tokio::test]
async fn any_of_three_links_works_and_one_success_voids_the_rest() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    for _ in 0..3 {
        world.advance(Duration::from_secs(60));
        forgot(&mut client, "grace@example.com").await.data();
    }
    let tokens = tokens(&world, "grace@example.com").await;
    assert_eq!(reset(&mut client, &tokens[2], NEW).await.data()["status"], "password_reset");
    for token in &tokens {
        assert_eq!(
            reset(&mut client, token, "yet another phrase").await.refused(400),
            "invalid_token"
        );
    }
    assert!(client.cookies.is_empty(), "a reset signs nobody in");
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(401),
        "invalid_credentials"
    );
    assert_eq!(client.login("acme", "grace@example.com", NEW).await.data()["status"], "success");
}

#[tokio::test]
async fn a_link_lives_half_an_hour_to_the_microsecond() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    forgot(&mut client, "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    world.advance(HALF_HOUR);
    assert_eq!(reset(&mut client, &token, NEW).await.refused(400), "invalid_token");
    forgot(&mut client, "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    world.advance(HALF_HOUR.checked_sub(Duration::from_micros(1)).unwrap());
    reset(&mut client, &token, NEW).await.data();
}

#[tokio::test]
async fn rst_17_rst_18_a_refused_password_does_not_spend_the_link() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    forgot(&mut client, "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    for bad in ["password", "passwordpassword", "grace@example.com", "acme acme acme acme"] {
        let answer = reset(&mut client, &token, bad).await;
        assert_eq!(answer.refused(400), "password_rejected", "{bad}");
        assert!(!answer.json()["reasons"].as_array().unwrap().is_empty());
    }
    assert_eq!(reset(&mut client, &token, "short").await.faults()[0].1, "string_too_short");
    reset(&mut client, &token, NEW).await.data();
}

#[tokio::test]
async fn rst_05_of_fifty_parallel_resets_one_wins_and_only_its_password_works() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    forgot(&mut world.client(), "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    let statuses = together((0..50).map(|number| {
        let (mut client, token) = (world.client(), token.clone());
        async move {
            reset(&mut client, &token, &format!("phrase that is number {number}"))
                .await
                .status
                .as_u16()
        }
    }))
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 200).unwrap();
    let mut client = world.client_at("203.0.113.1");
    let password = format!("phrase that is number {winner}");
    assert_eq!(
        client.login("acme", "grace@example.com", &password).await.data()["status"],
        "success"
    );
    let other = format!("phrase that is number {}", (winner + 1) % 50);
    assert_eq!(
        client.login("acme", "grace@example.com", &other).await.refused(401),
        "invalid_credentials"
    );
    assert_eq!(world.recorded(&acme, "user.password.reset", "success").await, 1);
}

#[tokio::test]
async fn rst_14_a_reset_ends_every_session_and_tells_the_owner() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let mut browsers = vec![world.client(), world.client_at("198.51.100.9")];
    for browser in &mut browsers {
        browser.login("acme", "grace@example.com", PASSWORD).await.data();
    }
    assert_eq!(session::list(&acme, user.id).await.unwrap().len(), 2);
    forgot(&mut world.client(), "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    reset(&mut world.client(), &token, NEW).await.data();
    for browser in &browsers {
        let (id, secret) = browser.session().unwrap();
        assert!(session::find(&acme, id, &secret).await.unwrap().is_none());
    }
    let newest = &world.inbox("grace@example.com").await;
    assert!(
        newest.iter().any(|mail| !mail.text.contains("token=")
            && mail.subject.to_lowercase().contains("password"))
    );
}

#[tokio::test]
async fn rst_06_an_older_link_is_dead_after_any_change_of_the_password() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    forgot(&mut client, "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    let set = Password::parse("what the operator chose").unwrap();
    users::set_password(&acme, &user, &set, false).await.unwrap();
    assert_eq!(reset(&mut client, &token, NEW).await.refused(400), "invalid_token");
}

#[tokio::test]
async fn rst_15_a_reset_revives_nobody() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "dora@example.com").await;
    let mut client = world.client();
    forgot(&mut client, "dora@example.com").await.data();
    let token = tokens(&world, "dora@example.com").await.remove(0);
    users::set_status(&acme, &user, UserStatus::Suspended).await.unwrap();
    assert_eq!(reset(&mut client, &token, NEW).await.refused(400), "invalid_token");
    users::delete(&acme, &user).await.unwrap();
    assert_eq!(reset(&mut client, &token, NEW).await.refused(400), "invalid_token");
}

#[tokio::test]
async fn rst_20_a_reset_proves_the_address_and_leaves_no_older_secret() {
    let world = World::new().await;
    let acme = world.acme().await;
    let password = users::Credential::Password(Password::parse(PASSWORD).unwrap());
    let user = world.user_with(&acme, "uma@example.com", Some(password), false).await;
    let mut client = world.client();
    assert_eq!(
        client.login("acme", "uma@example.com", PASSWORD).await.refused(403),
        "email_not_verified"
    );
    forgot(&mut client, "uma@example.com").await.data();
    let token = tokens(&world, "uma@example.com").await.remove(0);
    reset(&mut client, &token, NEW).await.data();
    let signed_in = client.login("acme", "uma@example.com", NEW).await.data();
    assert_eq!(signed_in["user_id"], user.id.to_string());
}

#[tokio::test]
async fn b11_a_reset_by_mail_clears_the_guessing_count() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    for _ in 0..5 {
        client.login("acme", "grace@example.com", "wrong").await;
    }
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(429),
        "too_many_attempts"
    );
    forgot(&mut client, "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    reset(&mut client, &token, NEW).await.data();
    assert_eq!(client.login("acme", "grace@example.com", NEW).await.data()["status"], "success");
}

#[tokio::test]
async fn the_last_passwords_are_not_taken_again_where_the_tenant_says_so() {
    let world = World::new().await;
    let settings = r#"{"password_policy": {"history": 2}}"#;
    let acme = world.tenant("acme", settings).await;
    let user = world.user(&acme, "grace@example.com").await;
    let set = async |text: &str| {
        let cx = world.cx("acme").await;
        world.advance(Duration::from_secs(1));
        users::set_password(&cx, &user, &Password::parse(text).unwrap(), false).await.is_ok()
    };
    assert!(!set(PASSWORD).await, "the present one");
    assert!(set("the second good phrase").await);
    assert!(!set(PASSWORD).await, "the one before");
    assert!(set("the third good phrase").await);
    assert!(set(PASSWORD).await, "two changes later");
    assert_eq!(world.count("SELECT COUNT(*) FROM former_passwords").await, 1);
}

#[tokio::test]
async fn rst_12_a_link_of_one_tenant_is_unknown_in_another() {
    let world = World::new().await;
    let acme = world.acme().await;
    let other = world.tenant("other", "{}").await;
    world.user(&acme, "grace@example.com").await;
    world.user(&other, "grace@example.com").await;
    let mut client = world.client();
    forgot(&mut client, "grace@example.com").await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    let body = json!({"token": token, "new_password": NEW});
    assert_eq!(client.api("other", "password/reset", &body).await.refused(400), "invalid_token");
    client.api("acme", "password/reset", &body).await.data();
    assert_eq!(
        client.login("other", "grace@example.com", PASSWORD).await.data()["status"],
        "success"
    );
}
