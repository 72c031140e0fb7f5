//! Two or more requests at the same moment for something that there is once: on one node, and on
//! two nodes of one database.

use countersign::{
    crypto::password::PasswordHash,
    db::sql,
    domain::{password::Password, tenant::Status, user::UserStatus},
    flows::{Cx, session, tenants, users},
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, together, token_in};

const GRACE: &str = "grace@example.com";
const OTHER: &str = "another horse battery staple";

/// Fifty times the same request, spread over the nodes.
async fn fifty(nodes: &[&World], endpoint: &'static str, body: Value) -> Vec<Answer> {
    let requests = (0..50).map(|number: usize| {
        let (mut client, body) = (nodes[number % nodes.len()].client(), body.clone());
        async move { client.api("acme", endpoint, &body).await }
    });
    together(requests).await
}

fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status.as_u16() == status).count()
}

fn registration(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"})
}

async fn register_and_verify(nodes: &[&World], acme: &Cx) {
    let world = nodes[0];
    let requests = (0..50).map(|number: usize| {
        let mut client = nodes[number % nodes.len()].client();
        let email = if number.is_multiple_of(2) { GRACE } else { "GRACE@Example.Com" };
        async move { client.api("acme", "register", &registration(email)).await }
    });
    let answers = together(requests).await;
    assert_eq!(with_status(&answers, 200), 50);
    let ids: std::collections::BTreeSet<String> =
        answers.iter().map(|answer| answer.data()["user_id"].to_string()).collect();
    assert_eq!(ids.len(), 50, "each attempt has an id of its own");
    assert_eq!(world.count("SELECT COUNT(*) FROM users").await, 0);
    assert!(world.count("SELECT COUNT(*) FROM registrations").await <= 3);
    let mails = world.inbox(GRACE).await;
    assert!((1..=3).contains(&mails.len()), "{}", mails.len());
    let tokens: Vec<String> = mails.iter().map(token_in).collect();
    let requests = (0..50).map(|number: usize| {
        let mut client = nodes[number % nodes.len()].client_at(&format!("192.0.2.{number}"));
        let token = &tokens[number % tokens.len()];
        let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
        async move { client.get(&path).await }
    });
    let answers = together(requests).await;
    assert_eq!(with_status(&answers, 200) + with_status(&answers, 400), 50);
    let verified = answers.iter().filter(|it| it.json()["data"]["status"] == "verified").count();
    assert_eq!(verified, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM users").await, 1);
    assert_eq!(world.recorded(acme, "user.created", "success").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_registered_and_proved_fifty_times_at_once_is_one_account() {
    let world = World::new().await;
    let acme = world.acme().await;
    register_and_verify(&[&world], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_registered_and_proved_on_two_nodes_is_one_account() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    register_and_verify(&[&world, &second], &acme).await;
}

async fn verify_one_token(nodes: &[&World], acme: &Cx) {
    let world = nodes[0];
    world.client().api("acme", "register", &registration(GRACE)).await.data();
    let token = token_in(&world.inbox(GRACE).await[0]);
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    let requests = (0..50).map(|number: usize| {
        let (mut client, path) = (nodes[number % nodes.len()].client(), path.clone());
        async move { client.get(&path).await.data()["status"].to_string() }
    });
    let mut answers = together(requests).await;
    answers.sort();
    assert_eq!(answers.pop().unwrap(), "\"verified\"");
    assert!(answers.iter().all(|status| status == "\"already_verified\""), "{answers:?}");
    assert_eq!(world.recorded(acme, "user.created", "success").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_link_followed_fifty_times_at_once_proves_once() {
    let world = World::new().await;
    let acme = world.acme().await;
    verify_one_token(&[&world], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_link_followed_on_two_nodes_proves_once() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    verify_one_token(&[&world, &second], &acme).await;
}

async fn reset_with_one_token(nodes: &[&World], acme: &Cx) {
    let world = nodes[0];
    world.user(acme, GRACE).await;
    world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let token = token_in(&world.inbox(GRACE).await[0]);
    let requests = (0..50).map(|number: usize| {
        let mut client = nodes[number % nodes.len()].client_at(&format!("192.0.2.{number}"));
        let password = format!("horse number {number} battery staple");
        let body = json!({"token": token, "new_password": password});
        async move { (client.api("acme", "password/reset", &body).await, password) }
    });
    let answers = together(requests).await;
    let right: Vec<_> = answers.iter().filter(|(answer, _)| answer.status == 200).collect();
    assert_eq!(right.len(), 1);
    for (answer, _) in &answers {
        assert!(answer.status == 200 || answer.refused(400) == "invalid_token");
    }
    assert_eq!(world.recorded(acme, "user.password.reset", "success").await, 1);
    let answer = world.client().login("acme", GRACE, &right[0].1).await;
    assert_eq!(answer.data()["status"], "success");
    let changed = world.inbox(GRACE).await;
    assert_eq!(changed.iter().filter(|mail| !mail.text.contains("/reset-password?")).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reset_link_used_fifty_times_at_once_sets_one_password() {
    let world = World::new().await;
    let acme = world.acme().await;
    reset_with_one_token(&[&world], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reset_link_used_on_two_nodes_sets_one_password() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    reset_with_one_token(&[&world, &second], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_live_reset_links_used_at_once_set_one_password() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    for _ in 0..3 {
        world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    }
    let tokens: Vec<String> = world.inbox(GRACE).await.iter().map(token_in).collect();
    assert_eq!(tokens.len(), 3);
    let requests = (0..48).map(|number: usize| {
        let mut client = world.client_at(&format!("192.0.2.{number}"));
        let body = json!({"token": tokens[number % 3], "new_password": OTHER});
        async move { client.api("acme", "password/reset", &body).await }
    });
    let answers = together(requests).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 400)), (1, 47));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_made_for_one_address_at_once_are_one() {
    let world = World::new().await;
    let settings = r#"{"registration": {"enabled": true, "email_verification": false}}"#;
    let acme = world.tenant("acme", settings).await;
    let answers = fifty(&[&world], "register", registration(GRACE)).await;
    assert_eq!(with_status(&answers, 200), 50);
    assert_eq!(world.count("SELECT COUNT(*) FROM users").await, 1);
    assert_eq!(world.recorded(&acme, "user.created", "success").await, 1);
}

/// Sign-ins with the password of before, begun together with `change`; the clients with what they
/// were answered.
async fn logins_during<F>(nodes: &[&World], change: F) -> Vec<(Client, Answer)>
where
    F: Future<Output = ()> + Send + 'static,
{
    type Task = std::pin::Pin<Box<dyn Future<Output = Option<(Client, Answer)>> + Send>>;
    let mut tasks: Vec<Task> = Vec::new();
    for number in 0..12 {
        let mut client = nodes[number % nodes.len()].client_at(&format!("192.0.2.{number}"));
        tasks.push(Box::pin(async move {
            let answer = client.login("acme", GRACE, PASSWORD).await;
            Some((client, answer))
        }));
    }
    let change: Task = Box::pin(async move {
        change.await;
        None
    });
    tasks.insert(5, change);
    together(tasks).await.into_iter().flatten().collect()
}

async fn live(cx: &Cx, client: &Client) -> bool {
    let Some((id, secret)) = client.session() else { return false };
    session::find(cx, id, &secret).await.unwrap().is_some()
}

async fn none_lives(cx: &Cx, logins: &[(Client, Answer)]) {
    for (client, answer) in logins {
        assert!(!live(cx, client).await, "{}", answer.text);
    }
}

async fn change_password_during_logins(nodes: &[&World], acme: &Cx) {
    for round in 0..8 {
        let grace = match users::show(acme, GRACE).await {
            Ok(known) => {
                let password = Password::parse(PASSWORD).unwrap();
                users::set_password(acme, &known, &password, false).await.unwrap();
                known
            }
            Err(_) => nodes[0].user(acme, GRACE).await,
        };
        let (cx, user) = (acme.clone(), grace.clone());
        let logins = logins_during(nodes, async move {
            let password = Password::parse(OTHER).unwrap();
            users::set_password(&cx, &user, &password, false).await.unwrap();
        })
        .await;
        none_lives(acme, &logins).await;
        assert!(session::list(acme, grace.id).await.unwrap().is_empty(), "round {round}");
        for (_, answer) in &logins {
            assert!([200, 400, 401, 429].contains(&answer.status.as_u16()), "{}", answer.text);
        }
        let answer = nodes[0].client_at("203.0.113.9").login("acme", GRACE, PASSWORD).await;
        assert!([400, 401, 429].contains(&answer.status.as_u16()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_of_the_old_password_outlives_its_change() {
    let world = World::new().await;
    let acme = world.acme().await;
    change_password_during_logins(&[&world], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_of_the_old_password_outlives_its_change_on_another_node() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    change_password_during_logins(&[&world, &second], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_user_has_no_session_however_close_the_sign_in_was() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    let grace = world.user(&acme, GRACE).await;
    for _ in 0..8 {
        let (cx, user) = (acme.clone(), grace.clone());
        let logins = logins_during(&[&world, &second], async move {
            users::set_status(&cx, &user, UserStatus::Suspended).await.unwrap();
        })
        .await;
        none_lives(&acme, &logins).await;
        for (_, answer) in &logins {
            assert!([200, 403].contains(&answer.status.as_u16()), "{}", answer.text);
        }
        let answer = second.client().login("acme", GRACE, PASSWORD).await;
        assert_eq!(answer.refused(403), "account_suspended");
        users::set_status(&acme, &grace, UserStatus::Active).await.unwrap();
        none_lives(&acme, &logins).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_has_no_session_however_close_the_sign_in_was() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    for _ in 0..8 {
        let grace = world.user(&acme, GRACE).await;
        let (cx, user) = (acme.clone(), grace.clone());
        let logins = logins_during(&[&world, &second], async move {
            users::delete(&cx, &user).await.unwrap();
        })
        .await;
        none_lives(&acme, &logins).await;
        for (_, answer) in &logins {
            assert!([200, 400, 401, 429].contains(&answer.status.as_u16()), "{}", answer.text);
        }
        world.client_at("203.0.113.9").login("acme", GRACE, PASSWORD).await;
        assert!(session::list(&acme, grace.id).await.unwrap().is_empty());
        // The address may be registered again and has nothing of its former owner.
        world.execute(sql("DELETE FROM attempts")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenant_lets_nobody_in_however_close_the_sign_in_was() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    world.user(&acme, GRACE).await;
    for _ in 0..8 {
        let cx = acme.clone();
        let logins = logins_during(&[&world, &second], async move {
            let slug = &cx.tenant.slug;
            tenants::set_status(&cx.app, &cx.caller, slug, Status::Suspended).await.unwrap();
        })
        .await;
        none_lives(&acme, &logins).await;
        for (_, answer) in &logins {
            assert!([200, 403].contains(&answer.status.as_u16()), "{}", answer.text);
        }
        let answer = second.client().login("acme", GRACE, PASSWORD).await;
        assert_eq!(answer.refused(403), "tenant_suspended");
        let slug = &acme.tenant.slug;
        tenants::set_status(&acme.app, &acme.caller, slug, Status::Active).await.unwrap();
    }
}

async fn renew_once(nodes: &[&World], acme: &Cx) {
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for round in 0..5 {
        let email = format!("import{round}@example.com");
        let credential = users::Credential::Imported(PasswordHash::import(hash).unwrap());
        nodes[0].user_with(acme, &email, Some(credential), true).await;
        let logins = (0..8).map(|number: usize| {
            let mut client = nodes[number % nodes.len()].client_at(&format!("192.0.2.{number}"));
            let email = email.clone();
            async move { client.login("acme", &email, "U*U").await.data()["status"].clone() }
        });
        let answers = together(logins).await;
        assert!(answers.iter().all(|status| status == "success"));
        let renewals = nodes[0].recorded(acme, "user.password.rehashed", "success").await;
        assert_eq!(renewals, round + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_hash_is_renewed_once_by_right_passwords_at_once() {
    let world = World::new().await;
    let acme = world.acme().await;
    renew_once(&[&world], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_hash_is_renewed_once_by_two_nodes() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    renew_once(&[&world, &second], &acme).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_used_fifty_times_at_once_is_one_and_lives() {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    let (id, secret) = client.session().unwrap();
    world.advance(std::time::Duration::from_mins(5));
    let cx = world.cx("acme").await;
    let uses = (0..50).map(|_| {
        let (cx, secret) = (cx.clone(), secret.clone());
        async move { session::find(&cx, id, &secret).await.unwrap().is_some() }
    });
    assert!(together(uses).await.into_iter().all(|found| found));
    let sessions = session::list(&cx, grace.id).await.unwrap();
    assert_eq!((sessions.len(), sessions[0].last_seen_at), (1, cx.now));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_while_it_is_used_stays_ended() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    for _ in 0..10 {
        let mut client = world.client();
        client.login("acme", GRACE, PASSWORD).await.data();
        let (id, secret) = client.session().unwrap();
        world.advance(std::time::Duration::from_mins(5));
        let cx = world.cx("acme").await;
        let uses = (0..30).map(|number| {
            let (cx, secret) = (cx.clone(), secret.clone());
            async move {
                if number == 10 {
                    session::end(&cx, id).await.unwrap();
                } else {
                    session::find(&cx, id, &secret).await.unwrap();
                }
            }
        });
        together(uses).await;
        assert!(!live(&cx, &client).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_one_address_followed_at_once_never_wait_in_a_circle() {
    let world = World::new().await;
    let acme = world.acme().await;
    let password = users::Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, GRACE, Some(password), false).await;
    for _ in 0..3 {
        world.client().login("acme", GRACE, PASSWORD).await.refused(403);
    }
    let tokens: Vec<String> = world.inbox(GRACE).await.iter().map(token_in).collect();
    assert_eq!(tokens.len(), 3);
    let requests = (0..48).map(|number: usize| {
        let mut client = world.client_at(&format!("192.0.2.{number}"));
        let token = &tokens[number % 3];
        let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
        async move { client.get(&path).await }
    });
    let answers = together(requests).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 400)), (16, 32));
    assert_eq!(world.recorded(&acme, "user.email.verified", "success").await, 1);
}
