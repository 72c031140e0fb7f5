//! Forgot and reset: who learns what, which links work, and what ends.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::{
        password::Password,
        user::{User, UserStatus},
    },
    error::Error,
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

/// Asks for a reset of an account's password, and gives the token that was mailed.
async fn asked(world: &World, email: &str) -> String {
    forgot(&mut world.client_at("203.0.113.77"), email).await.data();
    tokens(world, email).await.remove(0)
}

/// The reasons of a `password_rejected`.
#[track_caller]
fn reasons(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.refused(400), "password_rejected");
    serde_json::from_value(answer.json()["reasons"].clone()).unwrap()
}

#[tokio::test]
async fn enu_01_enu_16_the_whole_answer_is_the_same_in_every_state_of_an_account() {
    let world = World::new().await;
    let acme = world.acme().await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, "elsewhere@example.com").await;
    world.user(&acme, "often@example.com").await;
    world.user_with(&acme, "nopassword@example.com", None, true).await;
    world.user_with(&acme, "unproved@example.com", None, false).await;
    let gone = world.user(&acme, "deleted@example.com").await;
    users::delete(&acme, &gone).await.unwrap();
    for (email, change) in [
        ("suspended@example.com", "UPDATE users SET status = 'suspended' WHERE id = $1"),
        ("waiting@example.com", "UPDATE users SET status = 'pending_approval' WHERE id = $1"),
        ("fay@example.com", "UPDATE users SET identity_source = 'saml' WHERE id = $1"),
    ] {
        let user = world.user(&acme, email).await;
        assert_eq!(world.execute(sql(change).bind(user.id)).await, 1);
    }
    let pending = json!({"email": "pending@example.com", "password": PASSWORD,
        "first_name": "Grace", "last_name": "Hopper"});
    let mut client = world.client();
    client.api("acme", "register", &pending).await.data();
    for _ in 0..3 {
        forgot(&mut client, "often@example.com").await.data();
    }
    world.deliver().await;
    let before = world.count("SELECT COUNT(*) FROM outbox").await;
    let expected = forgot(&mut client, "nobody@example.com").await.masked();
    for name in [
        "often",
        "nopassword",
        "unproved",
        "deleted",
        "suspended",
        "waiting",
        "fay",
        "pending",
        "elsewhere",
    ] {
        for path in ["forgot-password", "password/forgot"] {
            let body = json!({"email": format!("{name}@example.com")});
            let answer = client.api("acme", path, &body).await;
            assert_eq!(answer.masked(), expected, "{name} {path}");
        }
    }
    // Two mails each to the three who may have one, and nothing to the others.
    assert_eq!(world.count("SELECT COUNT(*) FROM outbox").await, before + 6);
    for name in ["deleted", "suspended", "waiting", "elsewhere", "nobody"] {
        assert!(world.inbox(&format!("{name}@example.com")).await.is_empty(), "{name}");
    }
    assert!(tokens(&world, "pending@example.com").await.is_empty());
}

#[tokio::test]
async fn thr_16_both_paths_and_every_spelling_share_the_three_mails_also_at_once() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let spellings = ["grace@example.com", "GRACE@EXAMPLE.COM", " Grace@Example.com "];
    let answers = together((0..50).map(|number: usize| {
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        let path = ["forgot-password", "password/forgot"][number % 2];
        let body = json!({"email": spellings[number % 3]});
        async move { client.api("acme", path, &body).await.masked() }
    }))
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(answers[0].0, 200);
    assert_eq!(tokens(&world, "grace@example.com").await.len(), 3);
    assert_eq!(world.recorded(&acme, "user.password.reset_requested", "success").await, 3);
    assert_eq!(world.recorded(&acme, "user.password.reset_requested", "failure").await, 47);
}

#[tokio::test]
async fn a_fourth_living_link_voids_the_oldest() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let change = "UPDATE users SET must_change_password = TRUE WHERE id = $1";
    world.execute(sql(change).bind(user.id)).await;
    let mut client = world.client();
    for _ in 0..2 {
        world.advance(Duration::from_secs(1));
        forgot(&mut client, "grace@example.com").await.data();
        world.advance(Duration::from_secs(1));
        client.login("acme", "grace@example.com", PASSWORD).await.data();
    }
    let mut tokens = tokens(&world, "grace@example.com").await;
    assert_eq!(tokens.len(), 4);
    let oldest = tokens.pop().unwrap();
    assert_eq!(reset(&mut client, &oldest, NEW).await.refused(400), "invalid_token");
    // The three others are good: their pages show the form, which spends nothing.
    for token in &tokens {
        let page = client.get(&format!("/t/acme/reset-password?token={token}")).await;
        assert_eq!(page.status, 200);
    }
    reset(&mut client, &tokens[2], NEW).await.data();
}

#[tokio::test]
async fn b06_the_wanted_address_is_reached_after_the_reset_and_no_other_is_taken() {
    let world = World::new().await;
    let settings = r#"{"allowed_return_urls": ["https://app.example.com/cb?a=1&b=2"]}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    for email in ["grace@example.com", "nobody@example.com"] {
        for path in ["forgot-password", "password/forgot"] {
            let body = json!({"email": email, "redirect_uri": "https://app.example.com/cb"});
            let answer = client.api("acme", path, &body).await;
            assert_eq!(answer.refused(400), "invalid_redirect_uri", "{email} {path}");
        }
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM outbox").await, 0);
    let body = json!({"email": "grace@example.com",
        "redirect_uri": "https://app.example.com/cb?a=1&b=2"});
    client.api("acme", "password/forgot", &body).await.data();
    let mail = &world.inbox("grace@example.com").await[0];
    assert!(!mail.text.contains("app.example.com"), "the address travels with the token only");
    let form = format!("token={}&password=an+entirely+different+phrase", token_in(mail));
    let page = client.post_form("/t/acme/reset-password", &form).await;
    assert!(page.text.contains("href=\"https://app.example.com/cb?a=1&amp;b=2\""), "{}", page.text);
    assert!(!page.headers.contains_key("location"));
}

#[tokio::test]
async fn rst_18_every_door_that_takes_a_new_password_gives_the_same_verdict() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true},
        "password_policy": {"require_digit": true, "require_uppercase": true}}"#;
    let acme = world.tenant("acme", settings).await;
    let first = Password::parse("Correct horse battery 5").unwrap();
    let credential = Some(users::Credential::Password(first));
    let user = world.user_with(&acme, "grace@example.com", credential, true).await;
    let token = asked(&world, "grace@example.com").await;
    let before = world.stored_hash(&user).await;
    let mut client = world.client();
    for (password, count) in [
        ("password", 4),
        ("passwordpassword", 3),
        ("mail of grace@example.com", 4),
        ("ACME acme 2026 ACME", 1),
        ("Countersign of 2026", 1),
        ("15 characters A", 0),
        ("14 characters!", 2),
    ] {
        let registration = json!({"email": "grace@example.com", "password": password,
            "first_name": "Grace", "last_name": "Hopper"});
        let registered = client.api("acme", "register", &registration).await;
        let parsed = Password::parse(password).unwrap();
        let set = users::set_password(&acme, &user, &parsed, false).await;
        if count == 0 {
            registered.data();
            set.unwrap();
            continue;
        }
        let told = reasons(&registered);
        assert_eq!(told.len(), count, "{password}: {told:?}");
        let Err(Error::Refused(refusal)) = set else { panic!("{password}: {set:?}") };
        assert_eq!(refusal.reasons, told, "{password}: the operator's command");
        if password == "14 characters!" {
            // The operator's good password before it has voided the link.
            continue;
        }
        assert_eq!(reasons(&reset(&mut client, &token, password).await), told, "{password}");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("token", token.as_str()), ("password", password)])
            .finish();
        let page = client.post_form("/t/acme/reset-password", &form).await;
        assert_eq!(page.status, 400);
        for reason in &told {
            let shown = reason.replace('\'', "&#39;");
            assert!(page.text.contains(&format!("<li>{shown}</li>")), "{password}: {}", page.text);
        }
        assert_eq!(world.stored_hash(&user).await, before, "{password}");
    }
}

#[tokio::test]
async fn eight_characters_are_enough_where_a_second_factor_is_demanded() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true}, "mfa": {"required": true}}"#;
    let acme = world.tenant("acme", settings).await;
    let credential = users::Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, "grace@example.com", Some(credential), true).await;
    let token = asked(&world, "grace@example.com").await;
    let mut client = world.client();
    let page = client.get(&format!("/t/acme/reset-password?token={token}")).await;
    assert!(page.text.contains("minlength=\"8\""), "{}", page.text);
    assert_eq!(reset(&mut client, &token, "zq8 vk1").await.faults()[0].1, "string_too_short");
    reset(&mut client, &token, "zq8 vk1x").await.data();
    // Asvs 6.4.3: a reset does not stand in for the second factor.
    let signed_in = client.login("acme", "grace@example.com", "zq8 vk1x").await;
    assert_eq!(signed_in.data()["mfa_required"], true);
    assert!(signed_in.set_cookie("session").is_none());
}

#[tokio::test]
async fn rst_18_a_reset_takes_no_password_that_the_history_forbids_and_keeps_the_link() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"password_policy": {"history": 1}}"#).await;
    let user = world.user(&acme, "grace@example.com").await;
    let before = world.stored_hash(&user).await;
    let token = asked(&world, "grace@example.com").await;
    let mut client = world.client();
    let told = reasons(&reset(&mut client, &token, PASSWORD).await);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("used this password before"), "{told:?}");
    assert_eq!(world.stored_hash(&user).await, before);
    reset(&mut client, &token, NEW).await.data();
    client.login("acme", "grace@example.com", NEW).await.data();
    // Without a history the present password may be set again.
    let free = world.tenant("free", "{}").await;
    world.user(&free, "grace@example.com").await;
    client.api("free", "forgot-password", &json!({"email": "grace@example.com"})).await.data();
    let token = tokens(&world, "grace@example.com").await.remove(0);
    let body = json!({"token": token, "new_password": PASSWORD});
    client.api("free", "password/reset", &body).await.data();
}

#[tokio::test]
async fn rst_07_a_link_is_dead_after_the_address_has_changed() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let token = asked(&world, "grace@example.com").await;
    let change = "UPDATE users SET email = 'new@example.com', email_key = 'new@example.com' \
                  WHERE tenant_id = $1 AND id = $2";
    assert_eq!(world.execute(sql(change).bind(user.tenant).bind(user.id)).await, 1);
    let mut client = world.client();
    assert_eq!(reset(&mut client, &token, NEW).await.refused(400), "invalid_token");
    client.login("acme", "new@example.com", PASSWORD).await.data();
    // Nor does it open the account that has the address now.
    world.user(&acme, "grace@example.com").await;
    assert_eq!(reset(&mut client, &token, NEW).await.refused(400), "invalid_token");
}

#[tokio::test]
async fn rst_08_nothing_but_the_mailed_token_resets() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    let user = world.user(&acme, "grace@example.com").await;
    let token = asked(&world, "grace@example.com").await;
    let before = world.stored_hash(&user).await;
    let mut client = world.client();
    let signed_in = client.login("acme", "grace@example.com", PASSWORD).await;
    let step = signed_in.data()["mfa_token"].as_str().unwrap().to_owned();
    let request = signed_in.headers["x-request-id"].to_str().unwrap().to_owned();
    let stored: Vec<Vec<u8>> = world.rows(sql("SELECT digest FROM tickets")).await;
    let ids: Vec<String> = world.rows(sql("SELECT id FROM tickets")).await;
    for wrong in [
        step,
        request,
        user.id.to_string(),
        ids[0].clone(),
        countersign::crypto::opaque::hex(&stored[0]),
        "' OR '1'='1".to_owned(),
        "null".to_owned(),
        String::new(),
        format!(" {token}"),
        format!("{token}\n"),
    ] {
        let answer = reset(&mut client, &wrong, NEW).await;
        assert_eq!(answer.refused(400), "invalid_token", "{wrong:?}");
    }
    for (body, fault) in [
        (json!({"new_password": NEW}), "missing"),
        (json!({"token": null, "new_password": NEW}), "string_type"),
        (json!({"token": [token], "new_password": NEW}), "string_type"),
        (json!({"token": {"$ne": ""}, "new_password": NEW}), "string_type"),
        (json!({"token": true, "new_password": NEW}), "string_type"),
    ] {
        let answer = client.api("acme", "password/reset", &body).await;
        assert_eq!(answer.faults(), [("body.token".to_owned(), fault.to_owned())], "{body}");
    }
    assert_eq!(world.stored_hash(&user).await, before);
    reset(&mut client, &token, NEW).await.data();
}

#[tokio::test]
async fn rst_04_a_spent_token_stays_spent_wherever_it_is_sent() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let token = asked(&world, "grace@example.com").await;
    let mut client = world.client();
    reset(&mut client, &token, NEW).await.data();
    for path in [
        format!("/api/v1/auth/tenants/acme/verify-email?token={token}"),
        format!("/t/acme/verify-email?token={token}"),
        format!("/t/acme/reset-password?token={token}"),
    ] {
        assert_eq!(client.get(&path).await.status, 400, "{path}");
    }
    for page in ["verify-email", "reset-password"] {
        let form = format!("token={token}&password=yet+another+long+phrase");
        assert_eq!(client.post_form(&format!("/t/acme/{page}"), &form).await.status, 400);
    }
    forgot(&mut client, "grace@example.com").await.data();
    let again = reset(&mut client, &token, "yet another long phrase").await;
    assert_eq!(again.refused(400), "invalid_token");
    client.login("acme", "grace@example.com", NEW).await.data();
}

#[tokio::test]
async fn rst_14_a_reset_starts_a_new_epoch_and_leaves_nothing_of_the_old_one() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let neighbour = world.user(&acme, "alice@example.com").await;
    for email in ["grace@example.com", "alice@example.com"] {
        world.client().login("acme", email, PASSWORD).await.data();
    }
    // The tenant wants a second factor from now on: a step of hers is under way as well.
    let slug = countersign::domain::tenant::Slug::parse("acme").unwrap();
    let settings = serde_json::from_value(json!({"mfa": {"required": true}})).unwrap();
    let change = countersign::flows::tenants::Change {
        settings: Some(settings),
        ..countersign::flows::tenants::Change::default()
    };
    let operator = crate::support::operator();
    countersign::flows::tenants::update(&world.app, &operator, &slug, change).await.unwrap();
    for email in ["grace@example.com", "alice@example.com"] {
        let step = world.client().login("acme", email, PASSWORD).await;
        assert_eq!(step.data()["mfa_required"], true);
    }
    let of = async |table: &'static str, user: &User| -> i64 {
        let text = match table {
            "sessions" => "SELECT COUNT(*) FROM sessions WHERE user_id = $1",
            "challenges" => "SELECT COUNT(*) FROM challenges WHERE user_id = $1",
            "devices" => "SELECT COUNT(*) FROM devices WHERE user_id = $1",
            _ => "SELECT epoch FROM users WHERE id = $1",
        };
        world.rows::<i64>(sql(text).bind(user.id)).await[0]
    };
    let epoch = of("epoch", &user).await;
    let token = asked(&world, "grace@example.com").await;
    for table in ["sessions", "challenges", "devices"] {
        assert_eq!(of(table, &user).await, 1, "{table}: asking ends nothing");
    }
    reset(&mut world.client(), &token, NEW).await.data();
    for table in ["sessions", "challenges", "devices"] {
        assert_eq!(of(table, &user).await, 0, "{table}");
        assert_eq!(of(table, &neighbour).await, 1, "{table} of somebody else");
    }
    assert_eq!(of("epoch", &user).await, epoch + 1);
    assert_eq!(of("epoch", &neighbour).await, 0);
}

#[tokio::test]
async fn asvs_6_3_7_the_owner_is_told_once_and_only_of_a_change_that_was_made() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"default_locale": "de"}"#).await;
    world.user(&acme, "Grace@example.com").await;
    let token = asked(&world, "grace@example.com").await;
    let mut client = world.client();
    let notices = async || {
        let mails = world.inbox("grace@example.com").await;
        mails.into_iter().filter(|mail| !mail.text.contains("token=")).collect::<Vec<_>>()
    };
    reset(&mut client, &token, "password").await;
    reset(&mut client, "nonsense", NEW).await;
    assert!(notices().await.is_empty());
    reset(&mut client, &token, NEW).await.data();
    reset(&mut client, &token, NEW).await;
    let told = notices().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to, "Grace@example.com");
    assert!(told[0].text.contains("1. Januar 2026") && told[0].subject.contains("Passwort"));
    for text in [&told[0].text, &told[0].html] {
        assert!(!text.contains(NEW) && !text.contains(&token));
    }
}

#[tokio::test]
async fn pwd_05_pwd_06_a_password_is_the_same_text_at_every_door() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    // Blanks at both ends and a tab belong to it; both spellings of the accent are one.
    let composed = " caf\u{e9} and\tmore words+%41 ";
    let decomposed = " cafe\u{301} and\tmore words+%41 ";
    let others = [
        composed.trim(),
        composed.trim_start(),
        &composed.replace('\t', " "),
        &composed.replace('+', " "),
    ];
    for door in ["register", "reset", "page", "operator"] {
        world.advance(HALF_HOUR);
        let mut email = "grace@example.com";
        match door {
            "register" => {
                email = "new@example.com";
                let body = json!({"email": email, "password": composed, "first_name": "G",
                    "last_name": "H"});
                client.api("acme", "register", &body).await.data();
                let token = token_in(&world.inbox(email).await[0]);
                let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
                client.get(&path).await.data();
            }
            "reset" => {
                let token = asked(&world, email).await;
                reset(&mut client, &token, composed).await.data();
            }
            "page" => {
                let token = asked(&world, email).await;
                let form = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("token", token.as_str()), ("password", composed)])
                    .finish();
                let page = client.post_form("/t/acme/reset-password", &form).await;
                assert_eq!(page.status, 200, "{}", page.text);
            }
            _ => {
                let cx = world.cx("acme").await;
                let password = Password::parse(composed).unwrap();
                users::set_password(&cx, &user, &password, false).await.unwrap();
            }
        }
        client.login("acme", email, composed).await.data();
        client.login("acme", email, decomposed).await.data();
        for other in &others {
            let answer = client.login("acme", email, other).await;
            assert_eq!(answer.refused(401), "invalid_credentials", "{door} {other:?}");
        }
        client.login("acme", email, composed).await.data();
    }
}

#[tokio::test]
async fn pwd_03_the_limits_of_a_new_password_are_those_of_a_password() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let token = asked(&world, "grace@example.com").await;
    let mut client = world.client();
    let phrase = |count: usize| -> String {
        let words: Vec<String> = (0..count).map(|number| format!("{number}\u{e9} ")).collect();
        words.concat().chars().take(count).collect()
    };
    for (password, fault) in [
        (json!(""), "string_too_short"),
        (json!(phrase(7)), "string_too_short"),
        (json!(phrase(1025)), "string_too_long"),
        (json!(null), "string_type"),
        (json!(12_345_678), "string_type"),
        (json!([NEW]), "string_type"),
    ] {
        let body = json!({"token": token, "new_password": password});
        let answer = client.api("acme", "password/reset", &body).await;
        let expected = [("body.new_password".to_owned(), fault.to_owned())];
        assert_eq!(answer.faults(), expected, "{}", answer.text);
    }
    let longest = phrase(1024);
    reset(&mut client, &token, &longest).await.data();
    client.login("acme", "grace@example.com", &longest).await.data();
    let cut: String = longest.chars().take(1023).collect();
    let answer = client.login("acme", "grace@example.com", &cut).await;
    assert_eq!(answer.refused(401), "invalid_credentials");
}
