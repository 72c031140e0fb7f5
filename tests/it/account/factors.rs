//! Second factors, passkeys and backup codes at the portal.

use serde_json::{Value, json};

use super::{EVE, GRACE, Room, assert_ids, between, signed_in, to};
use crate::support::{
    Answer, PASSWORD,
    applications::encoded,
    authenticator::Authenticator as Device,
    factors::{Authenticator, STEP},
    together,
};

const ORIGIN: &str = "http://localhost:8080";

/// The codes that a page shows.
fn codes(page: &Answer) -> Vec<String> {
    let list = between(page, "id=\"backup-codes\"", "</ul>");
    list.split("<code>").skip(1).map(|it| it.split('<').next().unwrap().to_owned()).collect()
}

/// Begins a ceremony as the page's script does.
async fn begin(room: &mut Room, path: &str) -> Answer {
    let proof = room.world.csrf(&room.acme, &room.browser).await;
    room.browser.headers.insert("x-csrf-token", proof.parse().unwrap());
    let begun = room.browser.post_form(&format!("/t/acme/account{path}"), "").await;
    room.browser.headers.remove("x-csrf-token");
    begun
}

/// Enrols a passkey as the page does.
async fn add_passkey(room: &mut Room, device: &mut Device, name: &str) -> Answer {
    let begun = begin(room, "/passkey/begin").await.data();
    let answer = device.create(&begun["options"], ORIGIN).answer().to_string();
    let ceremony = begun["challenge_id"].as_str().unwrap().to_owned();
    let fields = [("challenge_id", ceremony.as_str()), ("credential", &answer), ("name", name)];
    room.send("/passkey", &fields).await
}

#[tokio::test]
async fn an_authenticator_app_is_set_up_with_backup_codes_shown_once() {
    let mut room = Room::new().await;
    assert_ids(&room.see("/security").await, &["add-totp", "add-email", "add-passkey"]);
    let page = room.see("/authenticator-app").await;
    assert_ids(&page, &["begin"]);
    assert!(!page.text.contains("id=\"secret\""), "a look draws no key");
    let drawn = room.send("/authenticator-app", &[("action", "begin")]).await;
    assert_eq!(drawn.status, 200);
    assert_ids(&drawn, &["secret", "code", "submit"]);
    assert!(!drawn.has("languages"), "the key would be lost with the language");
    assert!(drawn.text.contains("<svg xmlns") || drawn.text.contains("class=\"qr\""));
    let secret = between(&drawn, "id=\"secret\">", "<").replace(' ', "");
    let app = Authenticator::typed(&secret);
    let wrong = app.wrong(&room.world);
    let again = room.send("/authenticator-app", &[("code", &wrong)]).await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("aria-describedby=\"code-fault\""), "{}", again.text);
    assert!(!again.text.contains("id=\"secret\""), "the key is shown once");
    let code = app.code(&room.world);
    let done = room.send("/authenticator-app", &[("code", &code)]).await;
    assert_eq!(done.status, 200);
    assert_eq!(codes(&done).len(), 10);
    assert_ids(&done, &["backup-codes", "copy", "download", "print", "continue"]);
    assert!(!done.has("languages"), "the codes would be lost with the language");
    assert!(done.text.contains("data-file=\"acme-backup-codes.txt\""));
    let page = room.see("/security").await;
    assert_ids(&page, &["remove-totp", "replace-totp", "new-codes"]);
    assert!(page.text.contains("10 codes are left"), "{}", page.text);
    for code in codes(&done) {
        assert!(!page.text.contains(&code));
    }
    // The same form once more finds nothing to complete.
    let again = room.send("/authenticator-app", &[("code", &code)]).await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("id=\"fault\"") && again.text.contains("id=\"begin\""));
}

#[tokio::test]
async fn another_app_takes_the_place_of_the_first_and_brings_no_new_codes() {
    let mut room = Room::new().await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.world.advance(STEP);
    assert!(room.see("/authenticator-app").await.text.contains("takes the place"));
    let drawn = room.send("/authenticator-app", &[("action", "begin")]).await;
    let app = Authenticator::typed(&between(&drawn, "id=\"secret\">", "<").replace(' ', ""));
    let code = app.code(&room.world);
    let done = room.send("/authenticator-app", &[("code", &code)]).await;
    assert_eq!(to(&done), "/t/acme/account/security?note=app_added");
    assert!(room.follow(&done).await.text.contains("authenticator app is set up"));
}

#[tokio::test]
async fn a_factor_goes_only_after_a_question_and_a_recent_proof() {
    let mut room = Room::new().await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.grow_old();
    let asked = room.open("/authenticator-app/remove").await;
    assert_eq!(to(&asked), "/t/acme/account/confirm?to=authenticator-app.remove");
    let late = room.send("/authenticator-app/remove", &[]).await;
    assert_eq!(to(&late), "/t/acme/account/confirm?to=authenticator-app.remove");
    let fields =
        [("to", "authenticator-app.remove"), ("method", "password"), ("password", PASSWORD)];
    let confirmed = room.send("/confirm", &fields).await;
    let page = room.follow(&confirmed).await;
    assert!(page.text.contains("your only second step"), "{}", page.text);
    let gone = room.send("/authenticator-app/remove", &[]).await;
    assert_eq!(to(&gone), "/t/acme/account/security?note=app_removed");
    assert_ids(&room.follow(&gone).await, &["add-totp"]);
    assert_eq!(room.open("/authenticator-app/remove").await.status, 404);
    let again = room.send("/authenticator-app/remove", &[]).await;
    assert_eq!(again.status, 400, "{}", again.text);
    assert_eq!(room.open("/backup-codes").await.status, 404);
}

#[tokio::test]
async fn where_a_factor_is_demanded_the_last_one_stays() {
    let mut room = Room::new().await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.acme = room.world.set_settings(&room.acme, r#"{"mfa": {"required": true}}"#).await;
    let page = room.send("/authenticator-app/remove", &[]).await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("id=\"fault\"") && page.text.contains("only second factor"));
    assert!(page.text.contains("Here one is required"));
    assert_ids(&page, &["remove-totp"]);
}

#[tokio::test]
async fn mailed_codes_are_set_up_by_the_first_one() {
    let mut room = Room::new().await;
    let page = room.see("/mailed-codes").await;
    assert!(page.text.contains("g***@example.com") && !page.text.contains("id=\"code\""));
    let sent = room.send("/mailed-codes", &[("action", "send")]).await;
    assert_eq!(to(&sent), "/t/acme/account/mailed-codes?note=code_sent");
    let page = room.follow(&sent).await;
    assert_ids(&page, &["code", "submit", "send", "note"]);
    let wrong = room.send("/mailed-codes", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text.contains("id=\"code-fault\""));
    let code = room.world.mailed_code(GRACE).await;
    let done = room.send("/mailed-codes", &[("code", &code)]).await;
    assert_eq!(codes(&done).len(), 10);
    room.send("/mailed-codes", &[("code", &code)]).await;
    let page = room.see("/mailed-codes/remove").await;
    assert_ids(&page, &["question", "submit", "back"]);
    let gone = room.send("/mailed-codes/remove", &[]).await;
    assert_eq!(to(&gone), "/t/acme/account/security?note=mail_removed");
}

#[tokio::test]
async fn a_passkey_is_added_named_renamed_and_removed() {
    let mut room = Room::new().await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    let page = room.see("/passkey").await;
    assert_ids(&page, &["name", "submit"]);
    assert!(page.text.contains("data-begin=\"/t/acme/account/passkey/begin\""));
    assert!(page.text.contains("<noscript>"));
    let mut device = Device::new();
    let added = add_passkey(&mut room, &mut device, "Blue key").await;
    assert_eq!(to(&added), "/t/acme/account/security?note=passkey_added");
    let page = room.follow(&added).await;
    assert!(page.text.contains("Blue key"));
    let id = between(&page, "data-passkey-id=\"", "\"").to_owned();
    let name = format!("/passkeys/{id}/name");
    assert!(room.see(&name).await.text.contains("value=\"Blue key\""));
    for bad in ["", " ", &"x".repeat(257)] {
        let page = room.send(&name, &[("name", bad)]).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("aria-describedby=\"name-fault\""));
    }
    room.send(&name, &[("name", "Red key")]).await;
    assert!(room.see("/security").await.text.contains("Red key"));
    // Somebody who has to prove something first comes back to this very one.
    room.grow_old();
    let remove = format!("/passkeys/{id}/remove");
    let asked = room.open(&remove).await;
    let place = format!("passkeys.{id}.remove");
    assert_eq!(to(&asked), format!("/t/acme/account/confirm?to={place}"));
    let fields = [("to", place.as_str()), ("method", "password"), ("password", PASSWORD)];
    let confirmed = room.send("/confirm", &fields).await;
    assert_eq!(to(&confirmed), format!("/t/acme/account{remove}"));
    assert!(room.follow(&confirmed).await.text.contains("Red key"));
    let gone = room.send(&remove, &[]).await;
    assert_eq!(to(&gone), "/t/acme/account/security?note=passkey_removed");
    assert_eq!(room.send(&remove, &[]).await.status, 404);
}

#[tokio::test]
async fn a_passkey_that_answers_nonsense_is_refused_in_place() {
    let mut room = Room::new().await;
    for credential in ["", "nonsense", "{}"] {
        let page = room.send("/passkey", &[("credential", credential), ("name", "Blue")]).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("id=\"fault\"") && page.text.contains("value=\"Blue\""));
    }
    room.grow_old();
    assert_eq!(begin(&mut room, "/passkey/begin").await.refused(403), "reauthentication_required");
}

#[tokio::test]
async fn a_passkey_shows_who_it_is() {
    let mut room = Room::new().await;
    let mut device = Device::new();
    let first = add_passkey(&mut room, &mut device, "").await;
    assert_eq!(codes(&first).len(), 10, "it is the first factor");
    room.grow_old();
    let page = room.see("/confirm?to=backup-codes&method=webauthn").await;
    assert!(page.text.contains("data-passkey=\"get\""), "{}", page.text);
    let begun: Value = begin(&mut room, "/confirm/passkey").await.data();
    let answer = device.get(&begun["options"], ORIGIN).answer().to_string();
    let ceremony = begun["challenge_id"].as_str().unwrap().to_owned();
    let fields = [
        ("to", "backup-codes"),
        ("method", "webauthn"),
        ("challenge_id", ceremony.as_str()),
        ("credential", answer.as_str()),
    ];
    let done = room.send("/confirm", &fields).await;
    assert_eq!(to(&done), "/t/acme/account/backup-codes");
    room.grow_old();
    let again = room.send("/confirm", &fields).await;
    assert_eq!(again.status, 400, "it is good once");
}

#[tokio::test]
async fn new_backup_codes_end_the_old_ones_and_a_reload_makes_no_third_set() {
    let mut room = Room::new().await;
    let enrolled = room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.world.advance(STEP);
    let page = room.see("/backup-codes").await;
    let replaces = between(&page, "name=\"replaces\" value=\"", "\"").to_owned();
    let made = room.send("/backup-codes", &[("replaces", &replaces)]).await;
    assert_eq!(made.status, 200);
    let new = codes(&made);
    assert!(new.len() == 10 && new.iter().all(|code| !enrolled.backup_codes.contains(code)));
    // The browser sends the form again, as a reload does.
    room.world.advance(STEP);
    let again = room.send("/backup-codes", &[("replaces", &replaces)]).await;
    assert_eq!(to(&again), "/t/acme/account/security?note=codes_made");
    let mut other = room.world.client();
    let step = other.challenge("acme", GRACE).await;
    let old = other.verify(&step, "backup_code", &enrolled.backup_codes[0]).await;
    old.failed();
    other.verify(&step, "backup_code", &new[0]).await.accepted();
}

/// The same form pressed many times at once: one answer has codes, and they are the ones that count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_forms_for_backup_codes_sent_at_once_one_makes_a_set_and_it_stays() {
    let mut room = Room::new().await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.world.advance(STEP);
    let page = room.see("/backup-codes").await;
    let replaces = between(&page, "name=\"replaces\" value=\"", "\"").to_owned();
    let proof = room.world.csrf(&room.acme, &room.browser).await;
    let form = encoded(&[("proof", proof.as_str()), ("replaces", &replaces)]);
    let presses = (0..10).map(|_| {
        let (mut browser, form) = (room.browser.clone(), form.clone());
        async move { browser.post_form("/t/acme/account/backup-codes", &form).await }
    });
    let answers = together(presses).await;
    let (shown, others): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(shown.len(), 1);
    for other in &others {
        assert_eq!(to(other), "/t/acme/account/security?note=codes_made");
    }
    let mut other = room.world.client();
    let step = other.challenge("acme", GRACE).await;
    other.verify(&step, "backup_code", &codes(&shown[0])[0]).await.accepted();
}

#[tokio::test]
async fn the_method_to_be_asked_for_first_is_one_that_is_set_up() {
    let mut room = Room::new().await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    assert!(!room.see("/security").await.text.contains("default-method"), "nothing to choose");
    room.world.enrol_email(&room.acme, &mut room.browser, GRACE).await.data();
    assert_ids(&room.see("/security").await, &["default-method", "set-default"]);
    let set = room.send("/security/default", &[("method", "email")]).await;
    assert_eq!(to(&set), "/t/acme/account/security?note=default_set");
    assert_eq!(room.browser.factors().await["default_method"], "email");
    assert!(room.see("/security").await.text.contains("<option value=\"email\" selected>"));
    for (method, status) in [("webauthn", 400), ("backup_code", 400), ("nonsense", 404)] {
        let answer = room.send("/security/default", &[("method", method)]).await;
        assert_eq!(answer.status.as_u16(), status, "{method}");
    }
    room.send("/security/default", &[("method", "")]).await;
    assert_eq!(room.browser.factors().await["default_method"], json!(null));
}

#[tokio::test]
async fn what_the_tenant_does_not_allow_is_not_offered_and_not_done() {
    let mut room = Room::with(r#"{"mfa": {"methods": ["email"]}}"#).await;
    let page = room.see("/security").await;
    assert_ids(&page, &["add-email"]);
    assert!(!page.text.contains("add-totp") && !page.text.contains("add-passkey"));
    assert_eq!(room.open("/passkey").await.status, 404);
    let refused = room.send("/authenticator-app", &[("action", "begin")]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("id=\"fault\"") && !refused.text.contains("id=\"secret\""));
    // Nobody sees what others have.
    room.world.user(&room.acme, EVE).await;
    let mut eve = signed_in(&room.world, "acme", EVE).await;
    assert!(!eve.get("/t/acme/account/security").await.text.contains(GRACE));
}
