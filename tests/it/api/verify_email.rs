//! Proving an address: the same answer as often as it is asked for, and nothing by accident.

use axum::http::Method;
use countersign::{
    db::sql,
    domain::{password::Password, user::UserStatus},
    flows::{
        tenants,
        users::{self, Credential},
    },
};
use serde_json::json;

use crate::support::{Answer, Client, PASSWORD, World, operator, together, token_in};

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

/// A token of an account whose address is not proved, as the sign-in mails it.
async fn unproved(world: &World) -> (countersign::domain::user::User, String) {
    let acme = world.acme().await;
    let password = Credential::Password(Password::parse(PASSWORD).unwrap());
    let user = world.user_with(&acme, "uma@example.com", Some(password), false).await;
    world.client().login("acme", "uma@example.com", PASSWORD).await;
    (user, token_in(&world.inbox("uma@example.com").await[0]))
}

#[tokio::test]
async fn rst_13_no_altered_spelling_of_a_token_is_that_token() {
    let world = World::new().await;
    let token = pending(&world).await;
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut altered: Vec<String> = (0..token.len())
        .map(|place| {
            let other = if &token[place..=place] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &token[..place], &token[place + 1..])
        })
        .collect();
    // The last digit holds bits that stand for nothing: they must be zero.
    altered.extend(digits.chars().map(|last| format!("{}{last}", &token[..token.len() - 1])));
    altered.retain(|other| *other != token);
    assert_eq!(altered.len(), 43 + 63);
    for (number, other) in altered.iter().enumerate() {
        let mut client = world.client_at(&format!("198.51.100.{number}"));
        let answer = verify(&mut client, "acme", &format!("?token={other}")).await;
        assert_eq!(answer.refused(400), "invalid_token", "{other}");
    }
    let answer = verify(&mut world.client(), "acme", &format!("?token={token}")).await;
    assert_eq!(answer.data()["status"], "verified");
}

#[tokio::test]
async fn rst_13_a_token_of_any_length_is_refused_and_not_looked_at() {
    let world = World::new().await;
    pending(&world).await;
    let mut client = world.client();
    for (length, status) in [(1024, 400), (1025, 422), (8192, 422), (60_000, 422)] {
        let answer = verify(&mut client, "acme", &format!("?token={}", "1".repeat(length))).await;
        assert_eq!(answer.status.as_u16(), status, "{length}: {}", answer.text);
        assert!(answer.text.len() < 1000, "the answer repeats nothing");
    }
    for (length, status) in [(1024, 400), (1025, 422), (1024 * 1024, 413)] {
        let body = json!({"token": "1".repeat(length), "new_password": PASSWORD});
        let answer = client.api("acme", "password/reset", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{length}: {}", answer.text);
        assert!(answer.text.len() < 1000, "the answer repeats nothing");
    }
    let many = "&x=1".repeat(100);
    assert_eq!(
        verify(&mut client, "acme", &format!("?token=x{many}")).await.faults()[0].1,
        "value_error"
    );
}

#[tokio::test]
async fn web_08_what_a_scanner_sends_leaves_the_token_as_good_as_it_was() {
    let world = World::new().await;
    let token = pending(&world).await;
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={token}");
    let before = world.dump().await;
    let mut client = world.client();
    for method in ["HEAD", "OPTIONS", "PROPFIND", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            client.headers.clear();
            client.headers.insert(name, "GET".parse().unwrap());
            let answer = client.request(method.clone(), &path, None, "").await;
            assert_eq!(answer.status.as_u16(), 405, "{method}");
            assert!(answer.headers["allow"].to_str().unwrap().starts_with("GET"), "{method}");
            assert!(!answer.headers.contains_key("set-cookie"));
        }
    }
    assert_eq!(world.dump().await, before, "not a row has changed");
    client.headers.clear();
    let answer = verify(&mut client, "acme", &format!("?token={token}")).await;
    assert_eq!(answer.data()["status"], "verified");
}

#[tokio::test]
async fn b03_a_proof_makes_one_account_and_a_second_look_writes_nothing() {
    let world = World::new().await;
    let query = format!("?token={}", pending(&world).await);
    let mut client = world.client();
    let first = verify(&mut client, "acme", &query).await;
    assert_eq!(first.data()["status"], "verified");
    let before = world.dump().await;
    let second = verify(&mut client, "acme", &query).await;
    assert_eq!(second.data()["status"], "already_verified");
    assert!(second.data()["message"].as_str().unwrap().contains("sign in"));
    assert_eq!(world.dump().await, before);
    let acme = world.cx("acme").await;
    assert_eq!(world.recorded(&acme, "user.created", "success").await, 1);
    assert_eq!(world.inbox("grace@example.com").await.len(), 1, "no mail but the first");
}

#[tokio::test]
async fn a_proof_of_an_accounts_address_lives_a_day_to_the_microsecond() {
    let world = World::new().await;
    let (_, token) = unproved(&world).await;
    let micro = std::time::Duration::from_micros(1);
    world.advance(std::time::Duration::from_secs(24 * 3600) - micro);
    world.client().login("acme", "uma@example.com", PASSWORD).await;
    let second = token_in(&world.inbox("uma@example.com").await[0]);
    world.advance(micro);
    let mut client = world.client();
    let late = verify(&mut client, "acme", &format!("?token={token}")).await;
    assert_eq!(late.refused(400), "invalid_token");
    let fresh = verify(&mut client, "acme", &format!("?token={second}")).await;
    assert_eq!(fresh.data()["status"], "verified");
}

#[tokio::test]
async fn eml_08_a_token_proves_the_address_it_was_sent_to_and_no_other() {
    let world = World::new().await;
    let (user, token) = unproved(&world).await;
    let change = "UPDATE users SET email = 'new@example.com', email_key = 'new@example.com' \
                  WHERE tenant_id = $1 AND id = $2";
    assert_eq!(world.execute(sql(change).bind(user.tenant).bind(user.id)).await, 1);
    let mut client = world.client();
    let answer = verify(&mut client, "acme", &format!("?token={token}")).await;
    assert_eq!(answer.refused(400), "invalid_token");
    let proved = "SELECT COUNT(*) FROM users WHERE email_verified_at IS NOT NULL";
    assert_eq!(world.count(proved).await, 0);
    assert_eq!(
        client.login("acme", "new@example.com", PASSWORD).await.refused(403),
        "email_not_verified"
    );
}

#[tokio::test]
async fn rst_15_a_proof_lets_no_suspended_and_no_deleted_account_in() {
    let world = World::new().await;
    let (user, token) = unproved(&world).await;
    let acme = world.cx("acme").await;
    let mut client = world.client();
    users::set_status(&acme, &user, UserStatus::Suspended).await.unwrap();
    verify(&mut client, "acme", &format!("?token={token}")).await;
    assert_eq!(
        client.login("acme", "uma@example.com", PASSWORD).await.refused(403),
        "account_suspended"
    );
    users::set_status(&acme, &user, UserStatus::Active).await.unwrap();
    world.execute(sql("UPDATE users SET email_verified_at = NULL")).await;
    client.login("acme", "uma@example.com", PASSWORD).await;
    let token = token_in(&world.inbox("uma@example.com").await[0]);
    users::delete(&acme, &user).await.unwrap();
    let answer = verify(&mut client, "acme", &format!("?token={token}")).await;
    assert_eq!(answer.refused(400), "invalid_token");
}

#[tokio::test]
async fn rst_12_ten_03_a_tenant_made_anew_knows_no_token_of_the_one_before() {
    let world = World::new().await;
    let token = pending(&world).await;
    let acme = world.cx("acme").await;
    world.user(&acme, "alice@example.com").await;
    let mut client = world.client();
    client.api("acme", "forgot-password", &json!({"email": "alice@example.com"})).await.data();
    let reset = token_in(&world.inbox("alice@example.com").await[0]);
    tenants::delete(&world.app, &operator(), &acme.tenant.slug).await.unwrap();
    let query = format!("?token={token}");
    assert_eq!(verify(&mut client, "acme", &query).await.refused(404), "tenant_not_found");
    let acme = world.acme().await;
    world.user(&acme, "alice@example.com").await;
    assert_eq!(verify(&mut client, "acme", &query).await.refused(400), "invalid_token");
    let body = json!({"token": reset, "new_password": "a perfectly fine phrase"});
    assert_eq!(client.api("acme", "password/reset", &body).await.refused(400), "invalid_token");
    client.login("acme", "alice@example.com", PASSWORD).await.data();
}

#[tokio::test]
async fn pre_02_a_proof_by_reset_leaves_no_older_link_that_proves() {
    let world = World::new().await;
    let (_, token) = unproved(&world).await;
    let mut client = world.client();
    client.api("acme", "forgot-password", &json!({"email": "uma@example.com"})).await.data();
    let mails = world.inbox("uma@example.com").await;
    let reset = mails.iter().find(|mail| mail.text.contains("reset-password")).unwrap();
    let body = json!({"token": token_in(reset), "new_password": "a perfectly fine phrase"});
    client.api("acme", "password/reset", &body).await.data();
    let acme = world.cx("acme").await;
    let shown = users::show(&acme, "uma@example.com").await.unwrap();
    let proved_at = shown.email_verified_at.unwrap();
    world.advance(std::time::Duration::from_secs(60));
    verify(&mut client, "acme", &format!("?token={token}")).await;
    let shown = users::show(&acme, "uma@example.com").await.unwrap();
    assert_eq!(shown.email_verified_at.unwrap(), proved_at, "proved once");
    assert!(client.cookies.is_empty());
    let old = client.login("acme", "uma@example.com", PASSWORD).await;
    assert_eq!(old.refused(401), "invalid_credentials");
}
