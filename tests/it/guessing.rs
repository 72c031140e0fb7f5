//! Guessing: what wrong passwords cost, whom they cost it, and whom they never do.

use std::time::Duration;

use countersign::{
    config::Config,
    db::sql,
    domain::{guessing::delay, password::Password},
    flows::{Cx, users},
};
use serde_json::json;

use crate::support::{Answer, Client, PASSWORD, World, together, token_in};

const GRACE: &str = "grace@example.com";
const WRONG: &str = "wrong horse battery staple";
const MICRO: Duration = Duration::from_micros(1);

async fn world_with_grace() -> (World, Cx) {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    (world, acme)
}

async fn login(client: &mut Client, password: &str) -> Answer {
    client.login("acme", GRACE, password).await
}

/// `count` wrong passwords, waiting out every delay.
async fn fail(world: &World, client: &mut Client, email: &str, count: u32) {
    // Nobody's list: the same password from several networks would be suspicious.
    let wrong = format!("{WRONG} at {}", client.address);
    for _ in 0..count {
        let mut answer = client.login("acme", email, &wrong).await;
        if answer.status == 429 {
            world.advance(Duration::from_secs(answer.retry_after()));
            answer = client.login("acme", email, &wrong).await;
        }
        assert_eq!(answer.refused(401), "invalid_credentials");
    }
}

#[tokio::test]
async fn four_failures_are_free_and_each_further_one_costs_exactly_its_delay() {
    let (world, _) = world_with_grace().await;
    let mut client = world.client();
    for failures in 1..=16 {
        assert_eq!(login(&mut client, WRONG).await.refused(401), "invalid_credentials");
        let wait = delay(failures);
        if wait.is_zero() {
            assert!(failures < 5);
            continue;
        }
        let answer = login(&mut client, PASSWORD).await;
        assert_eq!(answer.refused(429), "too_many_attempts", "after {failures}");
        assert_eq!(answer.retry_after(), wait.as_secs(), "after {failures}");
        world.advance(wait - MICRO);
        let answer = login(&mut client, PASSWORD).await;
        assert_eq!(answer.refused(429), "too_many_attempts", "after {failures}");
        assert_eq!(answer.retry_after(), 1, "rounded up");
        world.advance(MICRO);
    }
    assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_success_begins_the_count_anew() {
    let (world, _) = world_with_grace().await;
    for _ in 0..3 {
        fail(&world, &mut world.client(), GRACE, 4).await;
        assert_eq!(login(&mut world.client(), PASSWORD).await.data()["status"], "success");
    }
}

#[tokio::test]
async fn what_is_refused_unchecked_is_not_counted() {
    let (world, acme) = world_with_grace().await;
    let mut client = world.client();
    fail(&world, &mut client, GRACE, 5).await;
    for _ in 0..20 {
        login(&mut client, WRONG).await.refused(429);
    }
    world.advance(Duration::from_secs(1));
    assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success");
    assert_eq!(world.recorded(&acme, "auth.login.password", "failure").await, 5);
}

#[tokio::test]
async fn every_spelling_of_an_address_has_the_same_count() {
    let (world, _) = world_with_grace().await;
    let mut client = world.client();
    let spellings = [
        "grace@example.com",
        "GRACE@example.com",
        "Grace@EXAMPLE.COM",
        " grace@example.com ",
        "Grace Hopper <grace@example.com>",
    ];
    for spelling in spellings {
        assert_eq!(client.login("acme", spelling, WRONG).await.refused(401), "invalid_credentials");
    }
    for spelling in spellings {
        client.login("acme", spelling, WRONG).await.refused(429);
    }
}

#[tokio::test]
async fn an_address_without_an_account_counts_alike() {
    let (world, _) = world_with_grace().await;
    let (mut one, mut other) = (world.client(), world.client_at("192.0.2.2"));
    for round in 0..30 {
        let known = login(&mut one, WRONG).await;
        let unknown = other.login("acme", "nobody@example.com", WRONG).await;
        assert_eq!(known.masked(), unknown.masked(), "round {round}");
        world.advance(Duration::from_millis(1700));
    }
}

#[tokio::test]
async fn a_lock_is_told_in_the_same_words_whatever_the_password() {
    let (world, _) = world_with_grace().await;
    fail(&world, &mut world.client(), GRACE, 5).await;
    fail(&world, &mut world.client(), "nobody@example.com", 5).await;
    let right = login(&mut world.client(), PASSWORD).await;
    right.refused(429);
    assert_eq!(right.masked(), login(&mut world.client(), WRONG).await.masked());
    let nobody = world.client().login("acme", "nobody@example.com", WRONG).await;
    assert_eq!(right.masked(), nobody.masked());
}

#[tokio::test]
async fn a_stranger_never_locks_out_a_device_that_the_owner_uses() {
    let (world, _) = world_with_grace().await;
    let mut owner = world.client();
    login(&mut owner, PASSWORD).await.data();
    for number in 0..30 {
        fail(&world, &mut world.client_at(&format!("198.51.100.{number}")), GRACE, 1).await;
    }
    login(&mut world.client(), PASSWORD).await.refused(429);
    assert_eq!(login(&mut owner, PASSWORD).await.data()["status"], "success");
    // Elsewhere too: the cookie counts, not the address.
    let mut elsewhere = owner.moved_to("203.0.113.8");
    assert_eq!(login(&mut elsewhere, PASSWORD).await.data()["status"], "success");
    // From a new device it is still possible within a quarter of an hour.
    let answer = login(&mut world.client(), PASSWORD).await;
    assert!(answer.retry_after() <= 900);
    world.advance(Duration::from_mins(15));
    assert_eq!(login(&mut world.client(), PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_known_device_has_a_count_of_its_own() {
    let (world, _) = world_with_grace().await;
    let mut owner = world.client();
    login(&mut owner, PASSWORD).await.data();
    fail(&world, &mut owner, GRACE, 5).await;
    assert_eq!(login(&mut owner, PASSWORD).await.refused(429), "too_many_attempts");
    let mut other = world.client_at("192.0.2.2");
    assert_eq!(login(&mut other, PASSWORD).await.data()["status"], "success");
    login(&mut owner, PASSWORD).await.refused(429);
    world.advance(Duration::from_secs(1));
    assert_eq!(login(&mut owner, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn no_other_cookie_is_a_way_round_the_lock() {
    let (world, acme) = world_with_grace().await;
    world.user(&acme, "eve@example.com").await;
    let mut eve = world.client();
    eve.login("acme", "eve@example.com", PASSWORD).await.data();
    fail(&world, &mut world.client_at("192.0.2.9"), GRACE, 5).await;
    login(&mut eve, PASSWORD).await.refused(429);
    for (_, value) in &mut eve.cookies {
        *value = "A".repeat(43);
    }
    login(&mut eve, PASSWORD).await.refused(429);
}

#[tokio::test]
async fn an_ipv6_host_is_counted_by_its_network_whichever_address_it_takes() {
    let (world, _) = world_with_grace().await;
    for number in 0..60 {
        let mut client = world.client_at(&format!("2001:db8:1:2::{number:x}"));
        let email = format!("nobody{number}@example.com");
        client.login("acme", &email, WRONG).await.refused(401);
    }
    let mut same = world.client_at("2001:db8:1:2:ffff:ffff:ffff:ffff");
    let answer = login(&mut same, PASSWORD).await;
    assert_eq!(answer.refused(429), "too_many_attempts");
    assert_eq!(answer.retry_after(), 900);
    let mut next = world.client_at("2001:db8:1:3::1");
    assert_eq!(login(&mut next, PASSWORD).await.data()["status"], "success");
    // The window ends exactly a quarter of an hour after its first failure.
    world.advance(Duration::from_mins(15) - MICRO);
    login(&mut same, PASSWORD).await.refused(429);
    world.advance(MICRO);
    assert_eq!(login(&mut same, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_known_device_is_not_held_back_by_its_neighbours() {
    let (world, _) = world_with_grace().await;
    let mut owner = world.client();
    login(&mut owner, PASSWORD).await.data();
    for number in 0..60 {
        let email = format!("nobody{number}@example.com");
        world.client().login("acme", &email, WRONG).await.refused(401);
    }
    world.client().login("acme", "other@example.com", WRONG).await.refused(429);
    assert_eq!(login(&mut owner, PASSWORD).await.data()["status"], "success");
}

/// Sixty wrong passwords with a forwarding header that changes each time, from one peer.
async fn spray(world: &World) -> Client {
    let mut client = world.client();
    for number in 0..60 {
        let forwarded = format!("198.51.100.{number}");
        client.headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let email = format!("nobody{number}@example.com");
        client.login("acme", &email, WRONG).await.refused(401);
    }
    client
}

#[tokio::test]
async fn a_forged_forwarding_header_changes_nothing() {
    let (world, _) = world_with_grace().await;
    let mut client = spray(&world).await;
    login(&mut client, PASSWORD).await.refused(429);
    let text = "SELECT DISTINCT address FROM audit WHERE action = 'auth.login.password'";
    assert_eq!(world.rows::<String>(sql(text)).await, ["192.0.2.1"]);
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_as_far_as_it_is_trusted() {
    let trust = |config: &mut Config| {
        config.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
    };
    let world = World::with(trust).await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = spray(&world).await;
    assert_eq!(login(&mut client, WRONG).await.refused(401), "invalid_credentials");
    // The client may write what it likes to the left of what the proxy writes.
    let forged = "10.9.8.7, 203.0.113.5";
    client.headers.insert("x-forwarded-for", forged.parse().unwrap());
    login(&mut client, PASSWORD).await.data();
    let text = "SELECT address FROM sessions";
    assert_eq!(world.rows::<String>(sql(text)).await, ["203.0.113.5"]);
}

#[tokio::test]
async fn somebody_elses_success_changes_no_count() {
    let (world, acme) = world_with_grace().await;
    world.user(&acme, "eve@example.com").await;
    let mut eve = world.client();
    for _ in 0..4 {
        login(&mut eve, WRONG).await.refused(401);
        eve.login("acme", "eve@example.com", PASSWORD).await.data();
        eve.get("/").await;
    }
    login(&mut eve, WRONG).await.refused(401);
    login(&mut eve, PASSWORD).await.refused(429);
    // Nor the network's.
    for number in 0..55 {
        let email = format!("nobody{number}@example.com");
        eve.login("acme", &email, WRONG).await.refused(401);
    }
    eve.login("acme", "nobody@example.com", WRONG).await.refused(429);
}

#[tokio::test]
async fn after_a_hundred_failures_in_a_row_only_a_reset_helps() {
    let (world, _) = world_with_grace().await;
    fail(&world, &mut world.client(), GRACE, 100).await;
    for _ in 0..3 {
        world.advance(Duration::from_hours(24 * 9));
        let answer = login(&mut world.client_at("203.0.113.4"), PASSWORD).await;
        assert_eq!(answer.refused(429), "too_many_attempts");
        assert_eq!(answer.retry_after(), 900);
        while countersign::jobs::purge(&world.app).await.unwrap() {}
    }
    let mut client = world.client();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let mails = world.inbox(GRACE).await;
    let other = "another horse battery staple";
    let body = json!({"token": token_in(&mails[0]), "new_password": other});
    client.api("acme", "password/reset", &body).await.data();
    assert_eq!(login(&mut client, other).await.data()["status"], "success");
}

#[tokio::test]
async fn an_operators_new_password_clears_every_count() {
    let (world, acme) = world_with_grace().await;
    let mut owner = world.client();
    login(&mut owner, PASSWORD).await.data();
    fail(&world, &mut owner, GRACE, 7).await;
    fail(&world, &mut world.client_at("198.51.100.1"), GRACE, 7).await;
    let grace = users::show(&world.cx("acme").await, GRACE).await.unwrap();
    let other = "another horse battery staple";
    let password = Password::parse(other).unwrap();
    users::set_password(&acme, &grace, &password, false).await.unwrap();
    assert_eq!(login(&mut owner, other).await.data()["status"], "success");
    assert_eq!(login(&mut world.client(), other).await.data()["status"], "success");
}

#[tokio::test]
async fn the_count_is_the_same_on_every_node_and_outlives_them() {
    let (world, _) = world_with_grace().await;
    fail(&world, &mut world.client(), GRACE, 4).await;
    let second = world.second_node().await;
    login(&mut second.client(), WRONG).await.refused(401);
    login(&mut world.client(), PASSWORD).await.refused(429);
    login(&mut second.client(), PASSWORD).await.refused(429);
    world.app.close().await;
    login(&mut second.client(), PASSWORD).await.refused(429);
    second.advance(Duration::from_secs(1));
    assert_eq!(login(&mut second.client(), PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn a_tenants_counts_are_its_own() {
    let (world, _) = world_with_grace().await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    for number in 0..70 {
        let email = format!("nobody{number}@example.com");
        world.client().login("acme", &email, WRONG).await;
    }
    fail(&world, &mut world.client_at("192.0.2.2"), GRACE, 5).await;
    login(&mut world.client(), PASSWORD).await.refused(429);
    let answer = world.client().login("other", GRACE, PASSWORD).await;
    assert_eq!(answer.data()["status"], "success");
}

/// Two hundred wrong passwords at once, over all `nodes`; how many were really checked.
async fn storm(nodes: &[&World], acme: &Cx) -> usize {
    let clients = (0..200).map(|number| nodes[number % nodes.len()].client());
    let tries = clients.map(|mut client| async move { login(&mut client, WRONG).await.status });
    let answers = together(tries).await;
    assert!(answers.iter().all(|status| [401, 429, 503].contains(&status.as_u16())));
    let checked = answers.iter().filter(|status| status.as_u16() == 401).count();
    let recorded = nodes[0].recorded(acme, "auth.login.password", "failure").await;
    assert_eq!(recorded, checked, "each check is recorded");
    let stored = "SELECT failures FROM attempts ORDER BY failures";
    let counts = nodes[0].rows::<i64>(sql(stored)).await;
    assert!(counts.iter().all(|count| usize::try_from(*count).unwrap() == checked), "{counts:?}");
    checked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_guesses_at_once_are_five() {
    let (world, acme) = world_with_grace().await;
    assert_eq!(storm(&[&world], &acme).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_guesses_at_once_over_two_nodes_are_six_at_most() {
    let (world, acme) = world_with_grace().await;
    let second = world.second_node().await;
    let checked = storm(&[&world, &second], &acme).await;
    assert!((5..=6).contains(&checked), "{checked}");
}
