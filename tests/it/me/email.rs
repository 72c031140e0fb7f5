//! Changing one's own address: proved by the new one, stopped or undone by the old one.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::{factor::Method as Factor, password::Password, user::UserStatus},
    flows::users,
    mail::compose::Mail,
    store::factors,
};
use serde_json::{Value, json};

use super::{EVE, GRACE, OTHER, enrol, get, grace, is_spared, post, prove, signed_in, trust};
use crate::support::{Answer, Client, PASSWORD, START, World, together, token_in};

const NEW: &str = "new@example.com";

async fn ask(client: &mut Client, email: &str) -> Answer {
    post(client, "/email", json!({"email": email})).await
}

fn with_link<'m>(mails: &'m [Mail], page: &str) -> Vec<&'m Mail> {
    mails.iter().filter(|mail| mail.text.contains(page)).collect()
}

/// The newest token that was mailed to an address for a page.
async fn token(world: &World, address: &str, page: &str) -> String {
    let mails = world.inbox(address).await;
    let mails = with_link(&mails, page);
    token_in(mails.first().unwrap_or_else(|| panic!("no mail with {page} to {address}")))
}

async fn press(client: &mut Client, page: &str, token: &str) -> Answer {
    client.post_form(&format!("/t/acme/{page}"), &format!("token={token}")).await
}

#[tokio::test]
async fn a_new_address_counts_once_it_is_proved() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    enrol(&world, &user).await;
    let (_, device) = trust(&world, &user, START + Duration::from_secs(86_400)).await;
    let mut other = world.client();
    other.cookies.clone_from(&client.cookies);
    let answer = ask(&mut client, "New@example.com").await;
    assert_eq!(answer.data()["status"], "accepted");
    let data = get(&mut client, "").await.data();
    assert_eq!(data["email"], GRACE);
    assert_eq!(data["pending_email_change"]["email"], "New@example.com");
    assert_eq!(data["pending_email_change"]["expires_at"], "2026-01-02T00:00:00.000000Z");
    let token = token(&world, "New@example.com", "/t/acme/change-email").await;
    // Looking changes nothing, as often as it is done, and by HEAD neither.
    for _ in 0..3 {
        let page = client.get(&format!("/t/acme/change-email?token={token}")).await;
        assert_eq!(page.status.as_u16(), 200);
        assert!(page.text.contains("g***@example.com") && page.text.contains("N***@"));
    }
    assert_eq!(get(&mut client, "").await.data()["email"], GRACE);
    let page = press(&mut client, "change-email", &token).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    let data = get(&mut client, "").await.data();
    assert_eq!(
        (&data["email"], &data["email_verified"]),
        (&json!("New@example.com"), &json!(true))
    );
    assert_eq!(data["pending_email_change"], Value::Null);
    get(&mut other, "").await.data();
    assert!(is_spared(&world, NEW, PASSWORD, &device).await, "trust lives on");
    assert_eq!(
        world.client().login("acme", GRACE, PASSWORD).await.refused(401),
        "invalid_credentials"
    );
    assert_eq!(world.recorded(&acme, "user.email.changed", "success").await, 1);
    // Again: the same answer, and nothing more is done.
    let before = world.dump().await;
    assert_eq!(press(&mut client, "change-email", &token).await.status.as_u16(), 200);
    assert_eq!(world.recorded(&acme, "user.email.changed", "success").await, 1);
    assert!(!before.contains(&token), "no token is in the database");
    let notice = world.inbox(GRACE).await;
    assert!(notice.iter().any(|mail| mail.subject.contains("was changed")));
}

#[tokio::test]
async fn a_link_is_good_for_a_day_and_the_last_wish_counts() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    ask(&mut client, "first@example.com").await.data();
    let first = token(&world, "first@example.com", "change-email").await;
    ask(&mut client, NEW).await.data();
    let second = token(&world, NEW, "change-email").await;
    assert_eq!(press(&mut client, "change-email", &first).await.status.as_u16(), 400);
    world.advance(Duration::from_secs(86_400) - Duration::from_micros(1));
    let page = client.get(&format!("/t/acme/change-email?token={second}")).await;
    assert_eq!(page.status.as_u16(), 200);
    world.advance(Duration::from_micros(1));
    assert_eq!(press(&mut client, "change-email", &second).await.status.as_u16(), 400);
    for bad in ["", "x", &first[1..]] {
        assert_eq!(press(&mut client, "change-email", bad).await.status.as_u16(), 400, "{bad}");
        assert_eq!(press(&mut client, "stop-email-change", bad).await.status.as_u16(), 400);
    }
    // Neither link does what the other is for, nor what a reset's is for.
    let stop = token(&world, GRACE, "stop-email-change").await;
    assert_eq!(press(&mut client, "change-email", &stop).await.status.as_u16(), 400);
    assert_eq!(press(&mut client, "stop-email-change", &second).await.status.as_u16(), 400);
    assert_eq!(press(&mut client, "reset-password", &stop).await.status.as_u16(), 400);
    world.tenant("other", "{}").await;
    let foreign = client.post_form("/t/other/stop-email-change", &format!("token={stop}")).await;
    assert_eq!(foreign.status.as_u16(), 400);
}

/// ENU: neither the answer nor the account tells whether the new address has an account.
#[tokio::test]
async fn an_address_that_has_an_account_looks_like_one_that_has_none() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    world.user(&acme, EVE).await;
    let free = ask(&mut client, NEW).await;
    let mut pending = get(&mut client, "").await.data()["pending_email_change"].clone();
    let taken = ask(&mut client, EVE).await;
    assert_eq!(free.masked(), taken.masked());
    let mut other = get(&mut client, "").await.data()["pending_email_change"].clone();
    for it in [&mut pending, &mut other] {
        it.as_object_mut().unwrap().remove("email").unwrap();
    }
    assert_eq!(pending, other);
    assert!(!get(&mut client, "/activity").await.text.contains("taken"));
    let mails = world.inbox(EVE).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject.contains("wants to use"), "{}", mails[0].subject);
    assert!(!mails[0].text.contains("token="), "its owner gets no link");
    // And the old address hears of either in the same words.
    assert_eq!(with_link(&world.inbox(GRACE).await, "stop-email-change").len(), 2);
}

#[tokio::test]
async fn no_mailbox_is_filled() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    world.user(&acme, EVE).await;
    for number in 0..5 {
        let answer = ask(&mut client, NEW).await;
        assert_eq!(answer.status.as_u16(), 200, "{number}: {}", answer.text);
    }
    assert_eq!(world.inbox(NEW).await.len(), 3, "THR-16: to one address");
    assert_eq!(ask(&mut client, NEW).await.refused(429), "too_many_attempts");
    assert_eq!(world.inbox(GRACE).await.len(), 5 + 1, "five notices and a new device");
}

#[tokio::test]
async fn what_cannot_be_ones_address_is_refused() {
    let world = World::new().await;
    let settings = r#"{"registration": {"allowed_email_domains": ["example.com"]}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    for bad in ["GRACE@example.com", "nobody", ""] {
        assert_eq!(ask(&mut client, bad).await.faults()[0].0, "body.email", "{bad}");
    }
    let answer = ask(&mut client, "grace@evil.example").await;
    assert_eq!(answer.refused(400), "email_domain_not_allowed");
    let many = json!({"email": [NEW, EVE]});
    assert_eq!(post(&mut client, "/email", many).await.faults()[0].1, "string_type");
}

#[tokio::test]
async fn the_old_address_stops_a_change_that_is_not_made() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    ask(&mut client, NEW).await.data();
    let confirm = token(&world, NEW, "change-email").await;
    let stop = token(&world, GRACE, "stop-email-change").await;
    let page = client.get(&format!("/t/acme/stop-email-change?token={stop}")).await;
    assert!(page.text.contains("has not been made yet"), "{}", page.text);
    let mut anyone = world.client_at("198.51.100.9");
    let page = press(&mut anyone, "stop-email-change", &stop).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    assert_eq!(press(&mut client, "change-email", &confirm).await.status.as_u16(), 400);
    assert_eq!(get(&mut client, "").await.data()["email"], GRACE);
    assert_eq!(get(&mut client, "").await.data()["pending_email_change"], Value::Null);
    assert_eq!(press(&mut anyone, "stop-email-change", &stop).await.status.as_u16(), 400);
    assert_eq!(world.recorded(&acme, "user.email.change_stopped", "success").await, 1);
}

/// Whoever has taken an account over changes address and password, and asks for its deletion; the
/// old address takes it all back.
#[tokio::test]
async fn the_old_address_undoes_a_change_whatever_was_done_since() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"account": {"self_deletion": true}}"#).await;
    let user = world.user(&acme, GRACE).await;
    let mut thief = signed_in(&world, "acme", GRACE, PASSWORD).await;
    ask(&mut thief, "thief@example.com").await.data();
    let confirm = token(&world, "thief@example.com", "change-email").await;
    let stop = token(&world, GRACE, "stop-email-change").await;
    press(&mut thief, "change-email", &confirm).await;
    // And on to another one, so that the thief has a link of the same kind.
    ask(&mut thief, "second@example.com").await.data();
    let confirm = token(&world, "second@example.com", "change-email").await;
    let thiefs_stop = token(&world, "thief@example.com", "stop-email-change").await;
    press(&mut thief, "change-email", &confirm).await;
    let body = json!({"current_password": PASSWORD, "new_password": OTHER});
    let data = post(&mut thief, "/password", body).await.data();
    super::carry(&mut thief, &data);
    enrol(&world, &user).await;
    // What the owner enrolled long ago stays; what the thief did goes.
    let long_ago = START - Duration::from_secs(86_400 * 2);
    let old = factors::put(user.tenant, user.id, Factor::Totp, (Some(vec![1]), 0), long_ago);
    world.execute(old).await;
    let (_, device) = trust(&world, &user, START + Duration::from_secs(86_400 * 30)).await;
    super::delete(&mut thief, "").await.data();
    world.advance(Duration::from_secs(86_400 * 7) - Duration::from_micros(1));
    let mut owner = world.client();
    let page = owner.get(&format!("/t/acme/stop-email-change?token={stop}")).await;
    assert!(page.text.contains("You can undo this"), "{}", page.text);
    let page = press(&mut owner, "stop-email-change", &stop).await;
    assert!(page.text.contains("old address again"), "{}", page.text);
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
    let kept: Vec<String> = world.rows(sql("SELECT kind FROM factors")).await;
    assert_eq!(kept, ["totp"]);
    assert_eq!(get(&mut thief, "").await.refused(401), "not_authenticated");
    let shown = users::show(&acme, GRACE).await.unwrap();
    assert_eq!((shown.id, shown.must_change_password), (user.id, true));
    // The thief's link of the later change is dead, and so is what he knows.
    assert_eq!(press(&mut thief, "stop-email-change", &thiefs_stop).await.status.as_u16(), 400);
    let login = json!({"email": GRACE, "password": OTHER, "trusted_device_token": device.expose()});
    let answer = thief.api("acme", "login", &login).await.data();
    assert_ne!(answer["status"], "success");
    assert!(world.inbox("second@example.com").await.iter().all(|m| !m.text.contains("reset")));
    world.advance(Duration::from_secs(86_400 * 30));
    while countersign::flows::account_deletion::delete_due(&world.app).await.unwrap() {}
    assert!(users::show(&acme, GRACE).await.is_ok(), "the deletion was taken back");
}

#[tokio::test]
async fn the_old_address_says_no_for_a_week() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    ask(&mut client, NEW).await.data();
    let stop = token(&world, GRACE, "stop-email-change").await;
    let confirm = token(&world, NEW, "change-email").await;
    press(&mut client, "change-email", &confirm).await;
    world.advance(Duration::from_secs(86_400 * 7));
    assert_eq!(press(&mut client, "stop-email-change", &stop).await.status.as_u16(), 400);
}

#[tokio::test]
async fn an_old_address_that_has_another_account_by_now_gets_the_changed_one_suspended() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    ask(&mut client, NEW).await.data();
    let stop = token(&world, GRACE, "stop-email-change").await;
    let confirm = token(&world, NEW, "change-email").await;
    press(&mut client, "change-email", &confirm).await;
    let second = world.user(&acme, GRACE).await;
    let page = press(&mut client, "stop-email-change", &stop).await;
    assert!(page.text.contains("suspended"), "{}", page.text);
    let changed = users::show(&acme, &user.id.to_string()).await.unwrap();
    assert_eq!((changed.email.as_str(), changed.status), (NEW, UserStatus::Suspended));
    assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
    assert_eq!(users::show(&acme, GRACE).await.unwrap().id, second.id);
}

#[tokio::test]
async fn a_new_password_lets_no_earlier_wish_come_true() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    ask(&mut client, NEW).await.data();
    let confirm = token(&world, NEW, "change-email").await;
    let password = Password::parse(OTHER).unwrap();
    users::set_password(&acme, &user, &password, false).await.unwrap();
    assert_eq!(press(&mut client, "change-email", &confirm).await.status.as_u16(), 400);
    assert_eq!(users::show(&acme, GRACE).await.unwrap().id, user.id);
}

/// EML-08: links for the old address are dead with it.
#[tokio::test]
async fn links_of_the_old_address_are_void_once_there_is_a_new_one() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let reset = token(&world, GRACE, "reset-password").await;
    ask(&mut client, NEW).await.data();
    let confirm = token(&world, NEW, "change-email").await;
    press(&mut client, "change-email", &confirm).await;
    let body = json!({"token": reset, "new_password": OTHER});
    assert_eq!(client.api("acme", "password/reset", &body).await.refused(400), "invalid_token");
    // A registration that waits for the address makes no second account of it.
    let users = "SELECT COUNT(*) FROM users WHERE deleted_at IS NULL";
    assert_eq!(world.count(users).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_proofs_at_once_all_succeed_and_one_is_recorded() {
    let world = World::new().await;
    let (acme, _, mut client) = grace(&world).await;
    ask(&mut client, NEW).await.data();
    let confirm = token(&world, NEW, "change-email").await;
    let second = world.second_node().await;
    let answers = together((0..50).map(|number: usize| {
        let node = if number.is_multiple_of(2) { &world } else { &second };
        let (mut client, confirm) = (node.client(), confirm.clone());
        async move { press(&mut client, "change-email", &confirm).await.status.as_u16() }
    }))
    .await;
    assert_eq!(answers, [200; 50]);
    assert_eq!(world.recorded(&acme, "user.email.changed", "success").await, 1);
    assert_eq!(get(&mut client, "").await.data()["email"], NEW);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_accounts_that_want_one_address_at_once_one_gets_it() {
    let world = World::new().await;
    let (acme, _, mut grace) = grace(&world).await;
    world.user(&acme, EVE).await;
    let mut eve = signed_in(&world, "acme", EVE, PASSWORD).await;
    let mut tokens = Vec::new();
    for client in [&mut grace, &mut eve] {
        ask(client, NEW).await.data();
        tokens.push(token(&world, NEW, "change-email").await);
        world.advance(Duration::from_secs(1));
    }
    let second = world.second_node().await;
    let answers = together((0..20).map(|number: usize| {
        let node = if number.is_multiple_of(4) { &world } else { &second };
        let mut client = node.client_at(&format!("192.0.2.{number}"));
        let token = tokens[number % 2].clone();
        async move { press(&mut client, "change-email", &token).await.status.as_u16() }
    }))
    .await;
    let good = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(good, 10, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 400].contains(status)), "{answers:?}");
    assert_eq!(world.recorded(&acme, "user.email.changed", "success").await, 1);
    let emails = [
        get(&mut grace, "").await.data()["email"].clone(),
        get(&mut eve, "").await.data()["email"].clone(),
    ];
    assert!(emails == [json!(NEW), json!(EVE)] || emails == [json!(GRACE), json!(NEW)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_and_a_no_at_once_end_with_the_old_address() {
    for _ in 0..5 {
        let world = World::new().await;
        let (_, user, mut client) = grace(&world).await;
        ask(&mut client, NEW).await.data();
        let confirm = token(&world, NEW, "change-email").await;
        let stop = token(&world, GRACE, "stop-email-change").await;
        let statuses = together((0..6).map(|number: usize| {
            let mut client = world.client();
            let (page, token) = if number.is_multiple_of(2) {
                ("change-email", confirm.clone())
            } else {
                ("stop-email-change", stop.clone())
            };
            async move { press(&mut client, page, &token).await.status.as_u16() }
        }))
        .await;
        assert!(statuses.iter().all(|status| [200, 400].contains(status)), "{statuses:?}");
        let acme = world.cx("acme").await;
        let shown = users::show(&acme, &user.id.to_string()).await.unwrap();
        assert_eq!(shown.email, GRACE);
    }
}

#[tokio::test]
async fn a_stale_session_asks_for_nothing() {
    let world = World::new().await;
    let (_, _, mut client) = grace(&world).await;
    world.advance(Duration::from_secs(300));
    assert_eq!(ask(&mut client, NEW).await.refused(403), "reauthentication_required");
    prove(&mut client).await;
    ask(&mut client, NEW).await.data();
}
