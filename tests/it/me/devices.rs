//! Trusted devices: seen and revoked by their owner.

use std::time::Duration;

use serde_json::{Value, json};

use super::{EVE, GRACE, delete, enrol, get, grace, is_spared, post, signed_in, trust};
use crate::support::{PASSWORD, START, World};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// DEV-05: a trusted device is visible, and its owner can end the trust.
#[tokio::test]
async fn dev_05_trust_is_seen_and_revoked() {
    let world = World::new().await;
    let (acme, user, mut client) = grace(&world).await;
    enrol(&world, &user).await;
    let (id, token) = trust(&world, &user, START + MONTH).await;
    let (_, second) = trust(&world, &user, START + MONTH).await;
    assert!(is_spared(&world, GRACE, PASSWORD, &token).await);
    let data = get(&mut client, "/trusted-devices").await.data();
    let devices = data["trusted_devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let listed = devices.iter().find(|it| it["id"] == id.to_string()).unwrap();
    assert_eq!(listed["device"], "Firefox on Linux");
    assert_eq!(listed["last_used_at"], "2026-01-01T00:00:00.000000Z");
    assert!(!data.to_string().contains(token.expose()));
    let path = format!("/trusted-devices/{id}");
    assert_eq!(delete(&mut client, &path).await.data()["ended"], 1);
    assert_eq!(delete(&mut client, &path).await.refused(404), "not_found");
    assert!(!is_spared(&world, GRACE, PASSWORD, &token).await);
    assert!(is_spared(&world, GRACE, PASSWORD, &second).await);
    assert_eq!(delete(&mut client, "/trusted-devices").await.data()["ended"], 1);
    assert!(!is_spared(&world, GRACE, PASSWORD, &second).await);
    assert_eq!(delete(&mut client, "/trusted-devices").await.data()["ended"], 0);
    assert_eq!(world.recorded(&acme, "user.device.revoked", "success").await, 2);
}

#[tokio::test]
async fn dev_04_ending_all_other_sessions_ends_the_trust() {
    let world = World::new().await;
    let (_, user, mut client) = grace(&world).await;
    enrol(&world, &user).await;
    let (_, token) = trust(&world, &user, START + MONTH).await;
    post(&mut client, "/sessions/revoke-others", Value::Null).await.data();
    assert!(!is_spared(&world, GRACE, PASSWORD, &token).await);
}

/// DEV-08: trust does not last for ever, and there are no more than twenty.
#[tokio::test]
async fn dev_08_trust_ends_by_itself_and_has_a_cap() {
    let world = World::new().await;
    let (_, user, mut client) = grace(&world).await;
    enrol(&world, &user).await;
    let (first, token) = trust(&world, &user, START + MONTH).await;
    for _ in 0..20 {
        world.advance(Duration::from_millis(1));
        trust(&world, &user, START + MONTH).await;
    }
    let data = get(&mut client, "/trusted-devices").await.data();
    let devices = data["trusted_devices"].as_array().unwrap();
    assert_eq!(devices.len(), 20);
    assert!(devices.iter().all(|it| it["id"] != first.to_string()));
    assert!(!is_spared(&world, GRACE, PASSWORD, &token).await);
    let (_, token) = trust(&world, &user, START + MONTH).await;
    world.advance(MONTH);
    assert!(!is_spared(&world, GRACE, PASSWORD, &token).await);
    while countersign::jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count("SELECT COUNT(*) FROM trusted_devices").await, 0);
}

#[tokio::test]
async fn somebody_elses_device_is_not_there() {
    let world = World::new().await;
    let (acme, user, _) = grace(&world).await;
    world.user(&acme, EVE).await;
    let mut eve = signed_in(&world, "acme", EVE, PASSWORD).await;
    let (id, _) = trust(&world, &user, START + MONTH).await;
    let list = get(&mut eve, "/trusted-devices").await.data();
    assert_eq!(list["trusted_devices"], json!([]));
    for id in [id.to_string(), "tdv_x".to_owned()] {
        let answer = delete(&mut eve, &format!("/trusted-devices/{id}")).await;
        assert_eq!(answer.refused(404), "not_found");
    }
    assert_eq!(delete(&mut eve, "/trusted-devices").await.data()["ended"], 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM trusted_devices").await, 1);
}
