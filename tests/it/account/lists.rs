//! Devices and sessions, applications, and what happened.

use countersign::domain::application::Owner;
use serde_json::json;

use super::{EVE, GRACE, Room, assert_ids, between, signed_in, to};
use crate::support::{
    Client, PASSWORD,
    applications::{Made, challenge, encoded, request},
    factors::STEP,
};

#[tokio::test]
async fn sessions_are_listed_with_their_device_and_ended_after_a_question() {
    let mut room = Room::new().await;
    let mut phone = room.world.client_at("198.51.100.7");
    phone.agent = "Mozilla/5.0 (iPhone) <b>Safari/604.1".to_owned();
    phone.login("acme", GRACE, PASSWORD).await.data();
    let page = room.see("/devices").await;
    assert!(page.text.contains("Safari on iPhone") && page.text.contains("198.51.100.7"));
    assert!(page.text.contains("1 January 2026, 00:00 UTC"), "{}", page.text);
    assert_eq!(page.text.matches("this device").count(), 1);
    let id = phone.session().unwrap().0;
    let path = format!("/sessions/{id}");
    let question = room.see(&path).await;
    assert!(
        question.text.contains("Safari on iPhone")
            && question.text.contains("class=\"button danger\"")
    );
    assert_eq!(phone.get("/t/acme/account").await.status, 200, "a question ends nothing");
    let ended = room.send(&path, &[]).await;
    assert_eq!(to(&ended), "/t/acme/account/devices?note=session_ended");
    assert!(!room.follow(&ended).await.text.contains("Safari on iPhone"));
    assert!(to(&phone.get("/t/acme/account").await).starts_with("/t/acme/login"));
    // It is gone, and that is said in place.
    let again = room.send(&path, &[]).await;
    assert_eq!(again.status, 404);
    assert_ids(&again, &["told", "back", "section-devices"]);
}

#[tokio::test]
async fn all_others_are_ended_and_this_one_stays() {
    let mut room = Room::new().await;
    assert!(!room.see("/devices").await.text.contains("end-others"), "there is no other");
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(signed_in(&room.world, "acme", GRACE).await);
    }
    room.world.user(&room.acme, EVE).await;
    let mut eve = signed_in(&room.world, "acme", EVE).await;
    assert_ids(&room.see("/devices").await, &["end-others"]);
    assert_ids(&room.see("/devices/others").await, &["question"]);
    let ended = room.send("/devices/others", &[]).await;
    assert_eq!(room.follow(&ended).await.status, 200);
    for other in &mut others {
        assert_eq!(other.get("/t/acme/account").await.status, 303);
    }
    assert_eq!(eve.get("/t/acme/account").await.status, 200);
}

#[tokio::test]
async fn ones_own_session_by_its_id_is_a_sign_out() {
    let mut room = Room::new().await;
    let id = room.browser.session().unwrap().0;
    let left = room.send(&format!("/sessions/{id}"), &[]).await;
    assert_eq!(to(&left), "/t/acme/login?note=signed_out");
    assert!(left.set_cookie("session").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn trusted_devices_are_listed_and_forgotten_one_by_one_or_all() {
    let mut room = Room::new().await;
    let enrolled = room.world.enrol_totp(&room.acme, &mut room.browser).await;
    assert_ids(&room.see("/devices").await, &["no-devices"]);
    for _ in 0..3 {
        let mut other = room.world.client();
        let step = other.challenge("acme", GRACE).await;
        let code = enrolled.app.next(&room.world);
        let answer = json!({"method": "totp", "code": code, "trust_device": true});
        other.verify_with(&step, answer).await.accepted();
    }
    let page = room.see("/devices").await;
    assert_eq!(page.text.matches("data-device=").count(), 3);
    let id = between(&page, "data-device=\"", "\"").to_owned();
    let path = format!("/trusted-devices/{id}");
    assert_ids(&room.see(&path).await, &["question", "submit"]);
    let forgotten = room.send(&path, &[]).await;
    assert_eq!(to(&forgotten), "/t/acme/account/devices?note=device_forgotten");
    let page = room.follow(&forgotten).await;
    assert_eq!(page.text.matches("data-device=").count(), 2);
    assert_eq!(room.send(&path, &[]).await.status, 404);
    room.see("/trusted-devices").await;
    let all = room.send("/trusted-devices", &[]).await;
    assert_ids(&room.follow(&all).await, &["no-devices"]);
}

/// Lets an application act for Grace.
async fn allow(room: &mut Room, made: &Made) {
    let challenge = challenge();
    let sent = room.browser.authorize("acme", &request(made, &challenge)).await;
    let consent = room.browser.follow(&sent).await;
    let hidden =
        |name: &str| between(&consent, &format!("name=\"{name}\" value=\""), "\"").to_owned();
    let (handle, proof) = (hidden("request"), hidden("proof"));
    let fields = [("request", handle.as_str()), ("proof", &proof), ("action", "allow")];
    let back = room.browser.post_form("/t/acme/consent", &encoded(&fields)).await;
    Client::code(&back);
}

#[tokio::test]
async fn applications_are_shown_with_what_they_may_and_sent_away() {
    let mut room = Room::new().await;
    assert_ids(&room.see("/applications").await, &["no-applications"]);
    let owner = Owner::Tenant(room.acme.tenant.id);
    let logo = json!({"first_party": false, "logo_uri": "https://app.example.com/logo.png"});
    let made = room.world.web(owner, logo).await;
    allow(&mut room, &made).await;
    let page = room.see("/applications").await;
    assert!(page.text.contains("Test application"), "{}", page.text);
    // There is no copy of it yet, and nothing is loaded from elsewhere.
    assert!(!page.text.contains("app.example.com/logo.png"));
    assert!(page.text.contains("see your e-mail address") && page.text.contains("Since 1 January"));
    let question = format!("/applications/revoke?client_id={}", made.client_id);
    assert!(page.text.contains(&question));
    assert!(room.see(&question).await.text.contains("Test application"));
    // Not of somebody else, and not one that is none.
    room.world.user(&room.acme, EVE).await;
    let mut eve = signed_in(&room.world, "acme", EVE).await;
    assert_eq!(eve.get(&format!("/t/acme/account{question}")).await.status, 404);
    assert_eq!(room.open("/applications/revoke?client_id=app_none").await.status, 404);
    assert_eq!(room.send("/applications/revoke", &[("client_id", "app_none")]).await.status, 404);
    let gone = room.send("/applications/revoke", &[("client_id", &made.client_id)]).await;
    assert_eq!(to(&gone), "/t/acme/account/applications?note=application_revoked");
    assert_ids(&room.follow(&gone).await, &["no-applications"]);
    // It has to ask anew.
    let challenge = challenge();
    let sent = room.browser.authorize("acme", &request(&made, &challenge)).await;
    assert_eq!(sent.location().path(), "/t/acme/consent");
}

#[tokio::test]
async fn what_happened_is_told_in_plain_words_page_by_page() {
    let mut room = Room::new().await;
    let mut stranger = room.world.client_at("203.0.113.9");
    stranger.login("acme", GRACE, "wrong password").await;
    let page = room.see("/activity").await;
    assert!(page.text.contains("Sign-in with the password") && page.text.contains("203.0.113.9"));
    assert!(page.text.contains(">failed<") && page.text.contains("not signed in"));
    assert!(!page.text.contains("auth.login"), "{}", page.text);
    assert!(!page.text.contains("id=\"older\"") && !page.text.contains("id=\"newer\""));
    for number in 0..30 {
        room.world.advance(STEP);
        let fields = [("first_name", "Grace"), ("last_name", &format!("Hopper {number}"))];
        room.send("/profile", &fields).await;
    }
    let first = room.see("/activity").await;
    assert_eq!(first.text.matches("Profile changed").count(), 20);
    assert_ids(&first, &["older"]);
    let second = room.see("/activity?page=2").await;
    assert_eq!(second.text.matches("Profile changed").count(), 10);
    assert!(second.text.contains("Sign-in with the password"));
    assert_ids(&second, &["newer"]);
    for page in ["0", "-7", "nonsense", "99999999999999999999"] {
        assert_eq!(room.open(&format!("/activity?page={page}")).await.status, 200, "{page}");
    }
    assert_ids(&room.see("/activity?page=77").await, &["no-activity", "newer"]);
    // Nothing of anybody else.
    room.world.user(&room.acme, EVE).await;
    let mut eve = signed_in(&room.world, "acme", EVE).await;
    assert!(!eve.get("/t/acme/account/activity").await.text.contains("203.0.113.9"));
}
