//! "This was not me": the link in the notice of a sign-in, and whoever may press it.

use std::time::Duration;

use countersign::{db::sql, domain::user::UserStatus, flows::users};
use serde_json::{Value, json};

use super::{EVE, GRACE, OTHER, enrol, get, grace, is_spared, post, signed_in, trust};
use crate::support::{Answer, Client, PASSWORD, START, World, together, token_in};

const DAY: Duration = Duration::from_secs(86_400);

/// The token of the newest notice that an address got.
async fn token(world: &World, address: &str) -> String {
    let mails = world.inbox(address).await;
    token_in(mails.iter().find(|mail| mail.text.contains("/not-me?token=")).expect("a notice"))
}

async fn look(client: &mut Client, token: &str) -> Answer {
    client.get(&format!("/t/acme/not-me?token={token}")).await
}

async fn press(client: &mut Client, token: &str) -> Answer {
    client.post_form("/t/acme/not-me", &format!("token={token}")).await
}

#[track_caller]
fn says(answer: &Answer, text: &str) {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert!(answer.text.contains(text), "{}", answer.text);
}

/// A thief who knows the password of Grace, who is signed in herself.
async fn robbed(
    world: &World,
) -> (countersign::flows::Cx, countersign::domain::user::User, Client) {
    let (acme, user, _) = grace(world).await;
    world.advance(DAY);
    let mut thief = world.client_at("198.51.100.7");
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
    agent.clone_into(&mut thief.agent);
    assert_eq!(thief.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    let session = thief.get("/api/v1/me/session").await.data();
    super::carry(&mut thief, &session);
    (acme, user, thief)
}

#[tokio::test]
async fn looking_changes_nothing_and_shows_what_happened() {
    let world = World::new().await;
    let (_, _, mut thief) = robbed(&world).await;
    let token = token(&world, GRACE).await;
    let mut owner = world.client();
    let before = world.dump().await;
    assert!(!before.contains(&token), "no token is in the database");
    for _ in 0..3 {
        let page = look(&mut owner, &token).await;
        says(&page, "Firefox on Linux");
        assert!(page.text.contains("198.51.100.7") && page.has("submit"), "{}", page.text);
        let head = axum::http::Method::HEAD;
        owner.request(head, &format!("/t/acme/not-me?token={token}"), None, "").await;
    }
    assert_eq!(world.dump().await, before);
    get(&mut thief, "").await.data();
}

#[tokio::test]
async fn the_button_ends_everything_and_mails_the_way_back() {
    let world = World::new().await;
    let (acme, user, mut thief) = robbed(&world).await;
    enrol(&world, &user).await;
    let (_, device) = trust(&world, &user, START + 30 * DAY).await;
    world.execute(sql("UPDATE factors SET created_at = 0")).await;
    assert!(is_spared(&world, GRACE, PASSWORD, &device).await);
    let token = token(&world, GRACE).await;
    let mut owner = world.client();
    says(&press(&mut owner, &token).await, "Everybody is signed out");
    assert_eq!(get(&mut thief, "").await.refused(401), "not_authenticated");
    for table in ["sessions", "grants", "devices", "trusted_devices", "challenges"] {
        let count = sql(format!("SELECT COUNT(*) FROM {table}").leak());
        assert_eq!(world.rows::<i64>(count).await[0], 0, "{table}");
    }
    assert!(owner.session().is_none(), "nobody is signed in by it");
    // The password that the thief has opens nothing any more.
    let answer = thief.login("acme", GRACE, PASSWORD).await.data();
    assert_eq!(answer["status"], "password_change_required");
    let mails = world.inbox(GRACE).await;
    let reset = mails.iter().rev().find(|mail| mail.text.contains("/reset-password?")).unwrap();
    let body = json!({"token": token_in(reset), "new_password": OTHER});
    owner.api("acme", "password/reset", &body).await.data();
    let answer = owner.login("acme", GRACE, OTHER).await.data();
    assert_eq!(answer["status"], "mfa_required", "the factor of before is still asked for");
    assert_eq!(world.recorded(&acme, "auth.sign_in.disowned", "success").await, 1);
    // Twice is told kindly and does nothing: the new password lives.
    let before = world.dump().await;
    for answer in [look(&mut owner, &token).await, press(&mut owner, &token).await] {
        says(&answer, "You have said so already");
    }
    let after = world.dump().await;
    assert_eq!(after.lines().count(), before.lines().count());
    assert_eq!(owner.login("acme", GRACE, OTHER).await.data()["status"], "mfa_required");
}

#[tokio::test]
async fn a_token_is_nothing_elsewhere_or_later() {
    let world = World::new().await;
    let (acme, _, mut thief) = robbed(&world).await;
    world.user(&acme, EVE).await;
    world.tenant("other", "{}").await;
    let token = token(&world, GRACE).await;
    let mut client = world.client();
    let dead = |answer: &Answer| {
        assert_eq!(answer.status.as_u16(), 400, "{}", answer.text);
        assert!(answer.has("forgot-password") && answer.has("login"), "{}", answer.text);
    };
    let body = format!("token={token}");
    dead(&client.post_form("/t/other/not-me", &body).await);
    dead(&client.get(&format!("/t/other/not-me?{body}")).await);
    for nonsense in ["", "x", &token[1..], &format!("{token}A")] {
        dead(&press(&mut client, nonsense).await);
    }
    // It is no token of another purpose, and none of another purpose is one.
    let reset = json!({"token": token, "new_password": OTHER});
    assert_eq!(client.api("acme", "password/reset", &reset).await.refused(400), "invalid_token");
    client.api("acme", "password/forgot", &json!({"email": EVE})).await.data();
    dead(&press(&mut client, &token_in(&world.inbox(EVE).await[0])).await);
    get(&mut thief, "").await.data();
    world.advance(7 * DAY - Duration::from_secs(1));
    says(&look(&mut client, &token).await, "Was this you?");
    world.advance(Duration::from_secs(1));
    dead(&look(&mut client, &token).await);
    dead(&press(&mut client, &token).await);
}

#[tokio::test]
async fn nobody_tries_tokens_without_end() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    let made_up = "A".repeat(43);
    let mut last = 0;
    for _ in 0..32 {
        last = press(&mut client, &made_up).await.status.as_u16();
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn of_twenty_presses_at_once_one_counts() {
    let world = World::new().await;
    let (acme, _, _) = robbed(&world).await;
    let token = token(&world, GRACE).await;
    let presses = (0..20).map(|place| {
        let mut client = world.client_at(&format!("203.0.113.{place}"));
        let token = token.clone();
        async move { press(&mut client, &token).await }
    });
    let answers = together(presses).await;
    let first = answers.iter().filter(|answer| answer.text.contains("opens nothing any more"));
    assert_eq!(first.count(), 1);
    for answer in &answers {
        says(answer, "Everybody is signed out");
    }
    assert_eq!(world.recorded(&acme, "auth.sign_in.disowned", "success").await, 1);
    let mails = world.inbox(GRACE).await;
    assert_eq!(mails.iter().filter(|mail| mail.text.contains("/reset-password?")).count(), 1);
}

/// What the thief does to stay.
async fn dig_in(world: &World, thief: &mut Client, how: &str) {
    let acme = world.cx("acme").await;
    match how {
        "a factor" => drop(world.enrol_totp(&acme, thief).await),
        "the address" => {
            post(thief, "/email", json!({"email": "thief@example.org"})).await.data();
            let mails = world.inbox("thief@example.org").await;
            let body = format!("token={}", token_in(&mails[0]));
            says(&thief.post_form("/t/acme/change-email", &body).await, "Address changed");
        }
        "the password" => {
            let body = json!({"current_password": PASSWORD, "new_password": OTHER});
            post(thief, "/password", body).await.data();
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_changed_password_keeps_no_thief_in() {
    let world = World::new().await;
    let (_, _, mut thief) = robbed(&world).await;
    let token = token(&world, GRACE).await;
    dig_in(&world, &mut thief, "the password").await;
    says(&press(&mut world.client(), &token).await, "opens nothing any more");
    assert_eq!(get(&mut thief, "").await.refused(401), "not_authenticated");
    let answer = thief.login("acme", GRACE, OTHER).await.data();
    assert_eq!(answer["status"], "password_change_required");
}

/// A mailbox alone undoes neither a factor nor an address: nobody gets the account.
#[tokio::test]
async fn where_two_may_claim_it_the_account_is_frozen() {
    for how in ["a factor", "the address"] {
        let world = World::new().await;
        let (acme, user, mut thief) = robbed(&world).await;
        let token = token(&world, GRACE).await;
        dig_in(&world, &mut thief, how).await;
        says(&press(&mut world.client(), &token).await, "two people may claim this account");
        assert_eq!(get(&mut thief, "").await.refused(401), "not_authenticated");
        let email = users::show(&acme, &user.id.to_string()).await.unwrap().email;
        assert_eq!(thief.login("acme", &email, PASSWORD).await.refused(403), "account_suspended");
        let status = users::show(&acme, &user.id.to_string()).await.unwrap().status;
        assert_eq!(status, UserStatus::Suspended, "{how}");
        let mails = world.inbox(&email).await;
        assert!(mails.iter().all(|mail| !mail.text.contains("/reset-password?")), "{how}");
        assert_eq!(world.recorded(&acme, "user.suspended", "success").await, 1);
    }
}

#[tokio::test]
async fn an_account_that_is_suspended_stays_so() {
    let world = World::new().await;
    let (acme, user, _) = robbed(&world).await;
    let token = token(&world, GRACE).await;
    users::set_status(&acme, &user, UserStatus::Suspended).await.unwrap();
    says(&press(&mut world.client(), &token).await, "The account is suspended");
    let status = users::show(&acme, GRACE).await.unwrap().status;
    assert_eq!(status, UserStatus::Suspended);
    let mails = world.inbox(GRACE).await;
    assert!(mails.iter().all(|mail| !mail.text.contains("/reset-password?")));
}

#[tokio::test]
async fn who_has_lost_the_address_again_has_no_say_any_more() {
    let world = World::new().await;
    let (acme, user, mut thief) = robbed(&world).await;
    dig_in(&world, &mut thief, "the address").await;
    // A sign-in of the owner's, of which the thief is told now.
    let mut owner = world.client_at("203.0.113.9");
    "curl/8".clone_into(&mut owner.agent);
    owner.login("acme", "thief@example.org", PASSWORD).await.data();
    let of_thief = token(&world, "thief@example.org").await;
    let mails = world.inbox(GRACE).await;
    let stop = mails.iter().find(|mail| mail.text.contains("stop-email-change")).unwrap();
    let body = format!("token={}", token_in(stop));
    says(&owner.post_form("/t/acme/stop-email-change", &body).await, "stopped");
    assert_eq!(press(&mut thief, &of_thief).await.status.as_u16(), 400);
    let status = users::show(&acme, &user.id.to_string()).await.unwrap().status;
    assert_eq!(status, UserStatus::Active);
}

#[tokio::test]
async fn a_deletion_that_the_thief_asked_for_is_off() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"account": {"self_deletion": true}}"#).await;
    let user = world.user(&acme, GRACE).await;
    let mut thief = signed_in(&world, "acme", GRACE, PASSWORD).await;
    super::delete(&mut thief, "").await.data();
    let token = token(&world, GRACE).await;
    says(&press(&mut world.client(), &token).await, "opens nothing any more");
    world.advance(60 * DAY);
    countersign::flows::account_deletion::delete_due(&world.app).await.unwrap();
    users::show(&acme, &user.id.to_string()).await.unwrap();
}

/// The subjects of the mails to Grace, the newest first.
async fn told(world: &World) -> Vec<String> {
    world.inbox(GRACE).await.into_iter().map(|mail| mail.subject).collect()
}

#[tokio::test]
async fn a_known_device_in_a_new_network_is_told_once_a_day_where_the_tenant_says_so() {
    for is_on in [false, true] {
        let world = World::new().await;
        let settings: Value = json!({"notices": {"new_place": is_on}});
        let acme = world.tenant("acme", &settings.to_string()).await;
        world.user(&acme, GRACE).await;
        let mut home = world.client_at("192.0.2.1");
        let enter = async |client: &mut Client| {
            client.login("acme", GRACE, PASSWORD).await.data();
        };
        enter(&mut home).await;
        assert_eq!(told(&world).await, ["New sign-in to acme"]);
        // The same network, as far as an address of the same provider tells.
        let mut device = home.moved_to("192.0.2.77");
        enter(&mut device).await;
        assert_eq!(told(&world).await.len(), 1);
        let mut away = device.moved_to("198.51.100.1");
        enter(&mut away).await;
        enter(&mut away.moved_to("203.0.113.1")).await;
        let count = if is_on { 2 } else { 1 };
        assert_eq!(told(&world).await.len(), count, "{is_on}");
        world.advance(DAY);
        enter(&mut away).await;
        enter(&mut away.moved_to("203.0.113.1")).await;
        assert_eq!(told(&world).await.len(), count, "what is known is no news");
        enter(&mut away.moved_to("233.252.0.1")).await;
        let told = told(&world).await;
        assert_eq!(told.len(), if is_on { 3 } else { 1 });
        if is_on {
            assert_eq!(told[0], "Sign-in to acme from a new place");
            let link = token(&world, GRACE).await;
            says(&look(&mut home, &link).await, "233.252.0.1");
        }
        let networks = world.count("SELECT COUNT(*) FROM known_networks").await;
        assert_eq!(networks, if is_on { 4 } else { 0 });
    }
}
