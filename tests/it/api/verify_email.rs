//! Proving an address: the same answer as often as it is asked for, and nothing by accident.

use axum::http::Method;
use countersign::domain::password::Password;
use countersign::flows::users::Credential;
use serde_json::json;

use crate::support::{Answer, Client, PASSWORD, World, together, token_in};

async fn verify(client: &mut Client, tenant: &str, query: &str) -> Answer {
    client.get(&format!("/api/v1/auth/tenants/{tenant}/verify-email{query}")).await
}

/// A tenant with a pending registration, and the token that was mailed.
async fn pending(world: &World) -> String {
    world.acme().await;
    let body = json!({"email": "grace@example.com", "password": PASSWORD,
        "first_name": "Grace", "last_name": "Hopper"});
    world.client().api("acme", "register", &body).await.data();
    token_in(&world.inbox("grace@example.com").await[0])
}

#[tokio::test]
async fn con_02_of_fifty_at_once_all_succeed_and_one_is_recorded() {
    let world = World::new().await;
    let token = pending(&world).await;
    let answers = together((0..50).map(|_| {
        let (mut client, query) = (world.client(), format!("?token={token}"));
        async move { verify(&mut client, "acme", &query).await.data()["status"].clone() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|status| **status == "verified").count(), 1);
    assert_eq!(answers.iter().filter(|status| **status == "already_verified").count(), 49);
    let acme = world.cx("acme").await;
    assert_eq!(world.recorded(&acme, "user.email.verified", "success").await, 1);
}

#[tokio::test]
async fn b03_a_second_click_says_that_all_is_well() {
    let world = World::new().await;
    let query = format!("?token={}", pending(&world).await);
    let mut client = world.client();
    assert_eq!(verify(&mut client, "acme", &query).await.data()["status"], "verified");
    client.login("acme", "grace@example.com", PASSWORD).await.data();
    world.advance(std::time::Duration::from_secs(3600));
    assert_eq!(verify(&mut client, "acme", &query).await.data()["status"], "already_verified");
}

#[tokio::test]
async fn web_08_head_and_post_prove_nothing() {
    let world = World::new().await;
    let token = pending(&world).await;
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    let mut client = world.client();
    for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::PUT] {
        let answer = client.request(method.clone(), &path, None, "").await;
        assert_eq!(answer.status.as_u16(), 405, "{method}");
        assert!(answer.headers["allow"].to_str().unwrap().contains("GET"), "{method}");
    }
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(401),
        "invalid_credentials"
    );
}

#[tokio::test]
async fn rst_09_rst_13_ses_06_odd_tokens_are_wrong_ones() {
    let world = World::new().await;
    let token = pending(&world).await;
    world.tenant("other", "{}").await;
    let mut client = world.client();
    for (query, fault) in
        [("", "missing"), ("?", "missing"), ("?token[]=x", "missing"), ("?Token=x", "missing")]
    {
        let faults = verify(&mut client, "acme", query).await.faults();
        assert_eq!(faults, [("query.token".to_owned(), fault.to_owned())], "{query}");
    }
    let nul = verify(&mut client, "acme", "?token=%00").await.faults();
    assert_eq!(nul[0].1, "value_error");
    let long = "x".repeat(5000);
    assert_eq!(
        verify(&mut client, "acme", &format!("?token={long}")).await.faults()[0].1,
        "string_too_long"
    );
    let swapped: String = token.chars().rev().collect();
    for bad in [
        "",
        "%20",
        "null",
        "%ff",
        "undefined",
        &token[..42],
        &format!("{token}="),
        &format!("{token}A"),
        &format!("%20{token}"),
        &swapped,
        &token.to_uppercase(),
    ] {
        let answer = verify(&mut client, "acme", &format!("?token={bad}")).await;
        assert_eq!(answer.refused(400), "invalid_token", "{bad}");
    }
    assert_eq!(
        verify(&mut client, "other", &format!("?token={token}")).await.refused(400),
        "invalid_token"
    );
    assert_eq!(
        verify(&mut client, "acme", &format!("?token={token}")).await.data()["status"],
        "verified"
    );
}

#[tokio::test]
async fn thr_13_guessing_tokens_ends_for_the_network_and_for_nobody_else() {
    let world = World::new().await;
    let token = pending(&world).await;
    let mut eve = world.client_at("198.51.100.1");
    for _ in 0..30 {
        assert_eq!(verify(&mut eve, "acme", "?token=x").await.refused(400), "invalid_token");
    }
    let refused = verify(&mut eve, "acme", "?token=x").await;
    assert_eq!(refused.refused(429), "too_many_attempts");
    assert_eq!(refused.headers["retry-after"], "900");
    let reset = json!({"token": "x", "new_password": "a perfectly fine phrase"});
    assert_eq!(eve.api("acme", "password/reset", &reset).await.refused(429), "too_many_attempts");
    let query = format!("?token={token}");
    assert_eq!(verify(&mut world.client(), "acme", &query).await.data()["status"], "verified");
    world.advance(std::time::Duration::from_secs(900));
    assert_eq!(verify(&mut eve, "acme", "?token=x").await.refused(400), "invalid_token");
}

#[tokio::test]
async fn rst_08_a_token_of_one_purpose_is_unknown_to_the_other() {
    let world = World::new().await;
    let token = pending(&world).await;
    let mut client = world.client();
    let reset = json!({"token": token, "new_password": "a perfectly fine phrase"});
    assert_eq!(client.api("acme", "password/reset", &reset).await.refused(400), "invalid_token");
    verify(&mut client, "acme", &format!("?token={token}")).await.data();
    client.api("acme", "forgot-password", &json!({"email": "grace@example.com"})).await.data();
    let mails = world.inbox("grace@example.com").await;
    let reset = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
    let answer = verify(&mut client, "acme", &format!("?token={}", token_in(reset))).await;
    assert_eq!(answer.refused(400), "invalid_token");
}

#[tokio::test]
async fn an_account_with_an_unproved_address_proves_it_by_the_mail_that_login_sends() {
    let world = World::new().await;
    let acme = world.acme().await;
    let password = Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, "grace@example.com", Some(password), false).await;
    let mut client = world.client();
    assert_eq!(
        client.login("acme", "grace@example.com", "wrong").await.refused(401),
        "invalid_credentials"
    );
    assert!(world.inbox("grace@example.com").await.is_empty());
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.refused(403),
        "email_not_verified"
    );
    let token = token_in(&world.inbox("grace@example.com").await[0]);
    assert_eq!(
        verify(&mut client, "acme", &format!("?token={token}")).await.data()["status"],
        "verified"
    );
    assert_eq!(
        client.login("acme", "grace@example.com", PASSWORD).await.data()["status"],
        "success"
    );
}
