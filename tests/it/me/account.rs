//! What happened to one's own account, taking everything along, and giving the account up.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::password::Password,
    flows::{account_deletion::delete_due, factors_admin, users},
    store::factors,
};
use serde_json::{Value, json};

use super::{EVE, GRACE, OTHER, delete, enrol, get, grace, is_spared, post, signed_in, trust};
use crate::support::{PASSWORD, START, World, together};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn sign_ins_are_told_with_where_they_came_from() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    // Rows of one millisecond have no order.
    let tick = || world.advance(Duration::from_millis(1));
    tick();
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    tick();
    let mut eve = world.client_at("198.51.100.66");
    eve.agent = "Mozilla/5.0 (Windows NT 10.0) Firefox/143.0".to_owned();
    eve.login("acme", GRACE, "a wrong guess").await.refused(401);
    eve.login("acme", "nobody@example.com", "a wrong guess").await.refused(401);
    world.user(&acme, EVE).await;
    eve.login("acme", EVE, PASSWORD).await.data();
    tick();
    let acme = world.cx("acme").await;
    let password = Password::parse(OTHER).unwrap();
    users::set_password(&acme, &user, &password, false).await.unwrap();
    tick();
    let answer = client.login("acme", GRACE, OTHER).await;
    answer.data();
    let data = get(&mut client, "/activity").await.data();
    let told: Vec<String> = data["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} by {}", it["event"], it["result"], it["by"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "auth.login.password success by you",
            "user.password.set success by operator",
            "auth.login.password failure by somebody",
            "auth.login.password success by you",
            "user.created success by operator",
        ]
    );
    let failed = &data["activity"][2];
    assert_eq!(failed["address"], "198.51.100.66");
    assert_eq!(failed["device"], "Firefox on Windows");
    assert_eq!(
        (&failed["method"], &failed["reason"]),
        (&json!("password"), &json!("wrong_password"))
    );
    let operators = &data["activity"][1];
    assert_eq!((&operators["address"], &operators["device"]), (&Value::Null, &Value::Null));
    assert_eq!(data["has_more"], false);
}

#[tokio::test]
async fn activity_comes_in_pages() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.advance(Duration::from_millis(1));
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    for _ in 0..4 {
        world.advance(Duration::from_millis(1));
        let mut other = client.clone();
        other.cookies.retain(|(name, _)| !name.contains("session"));
        other.login("acme", GRACE, PASSWORD).await.data();
    }
    let first = get(&mut client, "/activity?per_page=4").await.data();
    assert_eq!(
        (first["activity"].as_array().unwrap().len(), &first["has_more"]),
        (4, &json!(true))
    );
    let second = get(&mut client, "/activity?per_page=4&page=2").await.data();
    assert_eq!(
        (second["activity"].as_array().unwrap().len(), &second["has_more"]),
        (2, &json!(false))
    );
    assert_eq!(second["activity"][1]["event"], "user.created");
    for (query, place) in [
        ("per_page=101", "query.per_page"),
        ("per_page=0", "query.per_page"),
        ("page=0", "query.page"),
        ("page=10001", "query.page"),
        ("page=x", "query.page"),
        ("page=99999999999999999999", "query.page"),
    ] {
        let faults = get(&mut client, &format!("/activity?{query}")).await.faults();
        assert_eq!(faults[0].0, place, "{query}");
    }
}

#[tokio::test]
async fn an_export_holds_everything_and_no_secret() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    world
        .execute(factors::put(
            user.tenant,
            user.id,
            countersign::domain::factor::Method::Totp,
            (Some(b"sealed-totp-key".to_vec()), 0),
            START,
        ))
        .await;
    for query in factors::put_backup_codes(user.tenant, user.id, &[[7; 32], [8; 32]], START) {
        world.execute(query).await;
    }
    let (_, device) = trust(&world, &user, START + DAY).await;
    world.user(&acme, EVE).await;
    post(&mut client, "/email", json!({"email": "new@example.com"})).await.data();
    // What happened at one moment has no order.
    world.advance(Duration::from_secs(1));
    let answer = get(&mut client, "/export").await;
    let data = answer.data();
    let disposition = answer.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, format!("attachment; filename=\"{}.json\"", user.id));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(data["profile"]["email"], GRACE);
    assert_eq!(data["profile"]["pending_email_change"]["email"], "new@example.com");
    assert_eq!(data["factors"][0]["method"], "totp");
    assert_eq!(data["backup_codes_left"], 2);
    assert_eq!(data["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(data["trusted_devices"].as_array().unwrap().len(), 1);
    assert_eq!(data["devices"].as_array().unwrap().len(), 1);
    assert_eq!(data["activity"][0]["event"], "user.data_exported");
    let (_, secret) = client.session().unwrap();
    let hash = world.stored_hash(&user).await;
    for secret in [secret.expose(), device.expose(), hash.as_str(), "sealed-totp", EVE] {
        assert!(!answer.text.contains(secret));
    }
    assert_eq!(world.recorded(&acme, "user.data_exported", "success").await, 1);
}

#[tokio::test]
async fn an_account_is_given_up_only_where_the_tenant_lets_people() {
    let world = World::new().await;
    let (_, user, mut client) = grace(&world).await;
    assert_eq!(delete(&mut client, "").await.refused(403), "deletion_not_allowed");
    let acme = world.cx("acme").await;
    assert!(users::show(&acme, &user.id.to_string()).await.is_ok());
}

#[tokio::test]
async fn an_account_that_was_given_up_is_kept_for_a_time() {
    let world = World::new().await;
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 14}}"#;
    let acme = world.tenant("acme", settings).await;
    let user = world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    let mut other = signed_in(&world, "acme", GRACE, PASSWORD).await;
    let answer = delete(&mut client, "").await.data();
    assert_eq!(answer["status"], "deletion_scheduled");
    assert_eq!(answer["deletion_due_at"], "2026-01-15T00:00:00.000000Z");
    assert_eq!(get(&mut other, "").await.refused(401), "not_authenticated");
    assert_eq!(get(&mut client, "").await.data()["deletion_due_at"], answer["deletion_due_at"]);
    // A second wish puts nothing off, and tells nobody again.
    world.advance(Duration::from_secs(60));
    let again = delete(&mut client, "").await.data();
    assert_eq!(again["deletion_due_at"], answer["deletion_due_at"]);
    let mails = world.inbox(GRACE).await;
    let notices: Vec<_> =
        mails.iter().filter(|it| it.subject.contains("will be deleted")).collect();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].text.contains("15 January 2026"), "{}", notices[0].text);
    assert_eq!(world.recorded(&acme, "user.deletion.requested", "success").await, 1);
    let kept = post(&mut client, "/deletion/cancel", Value::Null).await.data();
    assert_eq!(kept["status"], "active");
    post(&mut client, "/deletion/cancel", Value::Null).await.data();
    assert_eq!(world.recorded(&acme, "user.deletion.cancelled", "success").await, 1);
    world.advance(DAY * 30);
    while delete_due(&world.app).await.unwrap() {}
    assert!(users::show(&acme, &user.id.to_string()).await.is_ok());
}

#[tokio::test]
async fn an_account_whose_time_is_over_is_deleted_with_everything() {
    let world = World::new().await;
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 14}}"#;
    let acme = world.tenant("acme", settings).await;
    let user = world.user(&acme, GRACE).await;
    let eve = world.user(&acme, EVE).await;
    enrol(&world, &eve).await;
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    post(&mut client, "/email", json!({"email": "new@example.com"})).await.data();
    delete(&mut client, "").await.data();
    enrol(&world, &user).await;
    for query in factors::put_backup_codes(user.tenant, user.id, &[[7; 32]], START) {
        world.execute(query).await;
    }
    trust(&world, &user, START + DAY * 30).await;
    world.advance(DAY * 14 - Duration::from_micros(1));
    while delete_due(&world.app).await.unwrap() {}
    assert!(users::show(&acme, GRACE).await.is_ok(), "too early");
    world.advance(Duration::from_micros(1));
    while delete_due(&world.app).await.unwrap() {}
    assert!(users::show(&acme, GRACE).await.is_err());
    assert!(users::show(&acme, EVE).await.is_ok());
    let id = user.id.to_string();
    let left: Vec<String> = world
        .dump()
        .await
        .lines()
        .filter(|line| line.contains(&id) && !line.starts_with("audit "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .filter(|table| table != "tickets")
        .collect();
    assert_eq!(left, ["users"], "only its name that is never given again");
    let row = "SELECT email || email_key || first_name || last_name || custom_data FROM users \
               WHERE id = $1";
    assert_eq!(world.rows::<String>(sql(row).bind(user.id)).await, ["{}"]);
    let mails = world.inbox(GRACE).await;
    assert!(mails.iter().any(|mail| mail.subject.contains("was deleted")), "{mails:?}");
    assert_eq!(world.recorded(&acme, "user.deleted", "success").await, 1);
    // The address is free.
    world.user(&acme, GRACE).await;
}

#[tokio::test]
async fn without_a_time_to_think_the_account_is_gone_at_once() {
    let world = World::new().await;
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 0}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    let answer = delete(&mut client, "").await;
    assert_eq!(answer.data()["status"], "deleted");
    assert!(answer.set_cookie("cs_session").unwrap().contains("Max-Age=0"));
    assert!(users::show(&acme, GRACE).await.is_err());
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.refused(401), "invalid_credentials");
    assert_eq!(world.recorded(&acme, "user.deleted", "success").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_delete_what_is_due_once_and_keep_what_is_kept() {
    let world = World::new().await;
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 1}}"#;
    let acme = world.tenant("acme", settings).await;
    for number in 0..6 {
        let email = format!("user{number}@example.com");
        world.user(&acme, &email).await;
        let mut client = signed_in(&world, "acme", &email, PASSWORD).await;
        delete(&mut client, "").await.data();
    }
    world.advance(DAY);
    let second = world.second_node().await;
    let apps = [&world, &second, &world, &second].map(|it| std::sync::Arc::clone(&it.app));
    let work = apps.map(|app| async move { delete_due(&app).await.is_ok() });
    assert_eq!(together(work).await, [true; 4]);
    assert_eq!(world.count("SELECT COUNT(*) FROM users WHERE deleted_at IS NULL").await, 0);
    assert_eq!(world.recorded(&acme, "user.deleted", "success").await, 6);
}

#[tokio::test]
async fn a_deleted_tenants_accounts_are_left_alone() {
    let world = World::new().await;
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 1}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE, PASSWORD).await;
    delete(&mut client, "").await.data();
    let slug = &acme.tenant.slug;
    countersign::flows::tenants::delete(&world.app, &crate::support::operator(), slug)
        .await
        .unwrap();
    world.advance(DAY);
    assert!(!delete_due(&world.app).await.unwrap());
    assert_eq!(world.count("SELECT COUNT(*) FROM users WHERE deleted_at IS NULL").await, 1);
}

#[tokio::test]
async fn an_operator_helps_somebody_who_has_lost_his_factors() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    enrol(&world, &user).await;
    let (_, token) = trust(&world, &user, START + DAY).await;
    let found = factors_admin::list(&acme, &user).await.unwrap();
    assert_eq!((found.factors.len(), found.passkeys.len()), (1, 0));
    let status = world.client().login("acme", GRACE, PASSWORD).await.data()["status"].clone();
    assert_eq!(status, "mfa_required");
    assert!(is_spared(&world, GRACE, PASSWORD, &token).await);
    factors_admin::reset(&acme, &user).await.unwrap();
    assert_eq!(get(&mut client, "").await.refused(401), "not_authenticated");
    for table in ["factors", "trusted_devices", "challenges", "sessions"] {
        let text: &'static str = format!("SELECT COUNT(*) FROM {table}").leak();
        assert_eq!(world.count(text).await, 0, "{table}");
    }
    let answer = world.client().login("acme", GRACE, PASSWORD).await.data();
    assert_eq!(answer["status"], "success");
    let mails = world.inbox(GRACE).await;
    assert!(mails.iter().any(|mail| mail.subject.contains("second factors")));
    assert_eq!(world.recorded(&acme, "user.mfa.removed", "success").await, 1);
}
