//! What an operator does in an emergency: letting an owner try again, and throwing everybody out.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::user::UserStatus,
    flows::{
        lockdown::{self, Afterwards, Ended},
        users,
    },
    store::consents,
};
use serde_json::json;

use crate::support::{Client, PASSWORD, World, token_in};

const GRACE: &str = "grace@example.com";
const WRONG: &str = "wrong horse battery staple";

/// So many wrong passwords that the next one has to wait.
async fn guess(world: &World, client: &mut Client) {
    while client.login("acme", GRACE, WRONG).await.status != 429 {
        world.advance(Duration::from_micros(1));
    }
}

#[tokio::test]
async fn an_unlocked_owner_tries_again_at_once_from_each_device() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let mut known = world.client();
    known.login("acme", GRACE, PASSWORD).await.data();
    let enrolled = world.enrol_totp(&acme, &mut known).await;
    // Failures of the second factor, of the account, and of a device that is known.
    for _ in 0..3 {
        let step = known.login("acme", GRACE, PASSWORD).await.data();
        let body = json!({
            "mfa_token": step["mfa_token"], "user_id": step["user_id"], "method": "totp",
            "code": enrolled.app.wrong(&world),
        });
        known.api("acme", "mfa/verify", &body).await;
    }
    guess(&world, &mut known).await;
    let mut stranger = world.client_at("198.51.100.1");
    guess(&world, &mut stranger).await;
    let counts = "SELECT COUNT(*) FROM attempts WHERE user_id IS NOT NULL";
    assert!(world.count(counts).await >= 2);
    let forgotten = lockdown::unlock(&acme, &user).await.unwrap();
    assert!(forgotten >= 2, "{forgotten}");
    assert_eq!(world.count(counts).await, 0);
    for client in [&mut known, &mut stranger] {
        assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "mfa_required");
    }
    assert_eq!(world.recorded(&acme, "user.unlocked", "success").await, 1);
    assert_eq!(lockdown::unlock(&acme, &user).await.unwrap(), 0);
}

#[tokio::test]
async fn another_account_and_another_tenant_keep_their_counts() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    world.user(&acme, "eve@example.com").await;
    let mut client = world.client();
    for (tenant, email) in [("acme", "eve@example.com"), ("other", GRACE), ("acme", GRACE)] {
        client.login(tenant, email, WRONG).await.refused(401);
    }
    let accounts = "SELECT COUNT(*) FROM attempts WHERE user_id IS NOT NULL";
    assert_eq!(world.count(accounts).await, 3);
    lockdown::unlock(&acme, &user).await.unwrap();
    assert_eq!(world.count(accounts).await, 2);
}

/// Tables that hold what was opened or begun in somebody's name.
const OPENED: [&str; 7] =
    ["sessions", "grants", "devices", "trusted_devices", "challenges", "setups", "disavowals"];

#[tokio::test]
async fn a_lockdown_ends_all_that_was_opened_and_counts_at_once_on_every_node() {
    for (afterwards, answer) in
        [(Afterwards::Suspended, "account_suspended"), (Afterwards::AsBefore, "success")]
    {
        let world = World::new().await;
        let node = world.second_node().await;
        let acme = world.acme().await;
        let user = world.user(&acme, GRACE).await;
        world.user(&acme, "eve@example.com").await;
        let mut eve = node.client();
        eve.login("acme", "eve@example.com", PASSWORD).await.data();
        let mut client = node.client();
        client.login("acme", GRACE, PASSWORD).await.data();
        let portal = json!({"email": GRACE, "password": PASSWORD, "tenant_slug": "acme"});
        let tokens = client.post_json("/api/v1/auth/login", &portal.to_string()).await;
        client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
        let reset = token_in(&world.inbox(GRACE).await[0]);
        let owner = countersign::domain::application::Owner::Tenant(acme.tenant.id);
        let made = world.web(owner, json!({})).await;
        let consent = consents::Consent {
            application: made.id,
            scope: "openid".to_owned(),
            details: "[]".to_owned(),
            granted_at: world.app.clock.now(),
            updated_at: world.app.clock.now(),
        };
        world.execute(consents::put(acme.tenant.id, user.id, &consent)).await;
        let Ended { sessions, .. } = lockdown::account(&acme, &user, afterwards).await.unwrap();
        assert!(sessions >= 1, "{} {}", tokens.status, tokens.text);
        assert_eq!(client.get("/api/v1/me").await.refused(401), "not_authenticated");
        eve.get("/api/v1/me").await.data();
        for table in OPENED {
            let text = format!("SELECT COUNT(*) FROM {table} WHERE user_id = $1").leak();
            let count = world.rows::<i64>(sql(text).bind(user.id)).await[0];
            assert_eq!(count, 0, "{table}");
        }
        let body = json!({"token": reset, "new_password": "another horse battery staple"});
        let refused = client.api("acme", "password/reset", &body).await;
        assert_eq!(refused.refused(400), "invalid_token");
        assert_eq!(world.count("SELECT COUNT(*) FROM consents").await, 1, "consents stay");
        let login = client.login("acme", GRACE, PASSWORD).await;
        let said = login.json();
        let found = said.pointer("/data/status").or_else(|| said.get("code"));
        assert_eq!(found, Some(&json!(answer)), "{said}");
        let status = users::show(&acme, GRACE).await.unwrap().status;
        assert_eq!(status == UserStatus::Suspended, afterwards == Afterwards::Suspended);
        assert_eq!(world.recorded(&acme, "user.locked_down", "success").await, 1);
    }
}

#[tokio::test]
async fn a_sign_in_that_is_under_way_does_not_survive_a_lockdown() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    let user = world.user(&acme, GRACE).await;
    let mut client = world.client();
    let step = client.login("acme", GRACE, PASSWORD).await.data();
    lockdown::account(&acme, &user, Afterwards::AsBefore).await.unwrap();
    let path = format!(
        "mfa/email/send?mfa_token={}&user_id={}",
        step["mfa_token"].as_str().unwrap(),
        step["user_id"].as_str().unwrap()
    );
    assert_eq!(client.api("acme", &path, &json!({})).await.refused(401), "invalid_mfa_token");
}

#[tokio::test]
async fn a_tenant_is_locked_down_in_batches_and_no_other_with_it() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let mut elsewhere = world.client();
    elsewhere.login("other", GRACE, PASSWORD).await.data();
    let mut client = world.client();
    client.login("acme", GRACE, PASSWORD).await.data();
    // More than fit into two transactions.
    for number in 0..1_200 {
        let copy =
            sql("INSERT INTO sessions (tenant_id, id, user_id, secret_digest, epoch, remember, \
                            auth_methods, proved_at, address, agent, created_at, last_seen_at, \
                            idle_expires_at, expires_at) \
                        SELECT tenant_id, $2, user_id, secret_digest, epoch, remember, \
                            auth_methods, proved_at, address, agent, created_at, last_seen_at, \
                            idle_expires_at, expires_at FROM sessions \
                        WHERE user_id = $1 AND id NOT LIKE 'ses_copy%' LIMIT 1")
            .bind(user.id)
            .bind(format!("ses_copy{number}"));
        assert_eq!(world.execute_unnoticed(copy).await, 1);
    }
    world.advance(Duration::from_secs(1));
    let late = world.cx("acme").await;
    let ended = lockdown::tenant(&late).await.unwrap();
    assert_eq!(ended.sessions, 1_201);
    assert_eq!(client.get("/api/v1/me").await.refused(401), "not_authenticated");
    elsewhere.get("/api/v1/me").await.data();
    let trail = world.trail(&acme).await;
    let (_, _, detail) = trail.iter().find(|row| row.0 == "tenant.locked_down").unwrap();
    assert!(detail.contains("1201"), "{detail}");
    // Whoever signs in afterwards stays.
    client.login("acme", GRACE, PASSWORD).await.data();
    client.get("/api/v1/me").await.data();
}
