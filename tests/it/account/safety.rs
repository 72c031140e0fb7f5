//! What holds for every page: a look changes nothing, a form proves itself, what people wrote stays
//! text.

use axum::http::Method;
use serde_json::json;

use super::{EVE, GRACE, Room, signed_in, to};
use crate::support::{PASSWORD, applications::encoded, authenticator::Authenticator};

/// Every address that can be looked at, and those that take a form. `{…}` stand for ids.
const PAGES: [&str; 25] = [
    "",
    "/profile",
    "/email",
    "/security",
    "/password",
    "/confirm",
    "/confirm?to=delete&method=totp",
    "/authenticator-app",
    "/authenticator-app/remove",
    "/mailed-codes",
    "/mailed-codes/remove",
    "/passkey",
    "/passkeys/{passkey}/name",
    "/passkeys/{passkey}/remove",
    "/backup-codes",
    "/devices",
    "/devices/others",
    "/sessions/{session}",
    "/trusted-devices",
    "/applications",
    "/applications/revoke",
    "/activity",
    "/activity?page=2",
    "/data",
    "/delete",
];

const FORMS: [&str; 23] = [
    "/profile",
    "/profile/verify-email",
    "/email",
    "/security/default",
    "/password",
    "/confirm",
    "/authenticator-app",
    "/authenticator-app/remove",
    "/mailed-codes",
    "/mailed-codes/remove",
    "/passkey",
    "/passkeys/{passkey}/name",
    "/passkeys/{passkey}/remove",
    "/backup-codes",
    "/devices/others",
    "/sessions/{session}",
    "/trusted-devices",
    "/trusted-devices/{session}",
    "/applications/revoke",
    "/data/export",
    "/delete",
    "/delete/cancel",
    "/sign-out",
];

/// Everything that any form holds, so that each would do something.
fn everything() -> Vec<(&'static str, &'static str)> {
    vec![
        ("first_name", "Eve"),
        ("last_name", "Eve"),
        ("locale", "de"),
        ("email", "eve@example.net"),
        ("current_password", PASSWORD),
        ("new_password", "an entirely different phrase"),
        ("password", PASSWORD),
        ("method", "password"),
        ("action", "begin"),
        ("name", "Eve"),
        ("is_sure", "true"),
    ]
}

/// Grace with everything that there can be, and the ids of a passkey and of another session.
async fn furnished() -> (Room, String, String) {
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 14}}"#;
    let mut room = Room::with(settings).await;
    room.world.enrol_totp(&room.acme, &mut room.browser).await;
    room.world.enrol_email(&room.acme, &mut room.browser, GRACE).await.data();
    let world = &room.world;
    let begun = room.browser.me(world, &room.acme, "mfa/webauthn/register/begin", &json!({})).await;
    let begun = begun.data();
    let mut device = Authenticator::new();
    let answer = device.create(&begun["options"], "http://localhost:8080").answer();
    let body = json!({"challenge_id": begun["challenge_id"], "credential": answer, "name": "Blue"});
    let made = room.browser.me(world, &room.acme, "mfa/webauthn/register/finish", &body).await;
    let passkey = made.data()["id"].as_str().unwrap().to_owned();
    let session = room.browser.session().unwrap().0.to_string();
    (room, passkey, session)
}

fn filled(path: &str, passkey: &str, session: &str) -> String {
    path.replace("{passkey}", passkey).replace("{session}", session)
}

/// WEB-08, WEB-09: crawl every GET with a valid cookie, and HEAD: nothing changes.
#[tokio::test]
async fn web_09_a_look_changes_nothing() {
    let (mut room, passkey, session) = furnished().await;
    let before = room.world.dump().await;
    for path in PAGES {
        let path = filled(path, &passkey, &session);
        for method in [Method::GET, Method::HEAD] {
            let page =
                room.browser.request(method, &format!("/t/acme/account{path}"), None, "").await;
            let is_there = !path.contains("revoke");
            assert!(page.status == 200 || page.status == 303 || !is_there, "{path} {}", page.text);
            assert!(page.set_cookie("session").is_none(), "{path}");
        }
    }
    assert_eq!(room.world.dump().await, before);
    // What only takes a form has no look.
    for path in ["/sign-out", "/delete/cancel", "/data/export", "/profile/verify-email"] {
        assert_eq!(room.open(path).await.status, 405, "{path}");
    }
    for path in ["/confirm/passkey", "/passkey/begin"] {
        assert_eq!(room.open(path).await.status, 405, "{path}");
    }
}

/// WEB-01: without the proof of this very session no form does anything.
#[tokio::test]
async fn web_01_a_form_without_the_sessions_proof_does_nothing() {
    let (mut room, passkey, session) = furnished().await;
    room.world.user(&room.acme, EVE).await;
    let eve = signed_in(&room.world, "acme", EVE).await;
    let foreign = room.world.csrf(&room.acme, &eve).await;
    let before = room.world.dump().await;
    for path in FORMS {
        let path = format!("/t/acme/account{}", filled(path, &passkey, &session));
        for proof in [None, Some(foreign.as_str()), Some("nonsense")] {
            let mut fields = everything();
            fields.extend(proof.map(|proof| ("proof", proof)));
            let answer = room.browser.post_form(&path, &encoded(&fields)).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.text);
            assert!(answer.text.starts_with("<!doctype html>"), "{path}");
        }
        // The right one does not help a foreign page, nor does a form of another type.
        let proof = room.world.csrf(&room.acme, &room.browser).await;
        let mut fields = everything();
        fields.push(("proof", &proof));
        let body = encoded(&fields);
        let plain = room.browser.request(Method::POST, &path, Some("text/plain"), &body).await;
        assert_eq!(plain.status, 403, "{path}");
        for site in ["cross-site", "same-site"] {
            let mut foreign = room.browser.clone();
            foreign.headers.insert("sec-fetch-site", site.parse().unwrap());
            assert_eq!(foreign.post_form(&path, &body).await.status, 403, "{path}");
        }
    }
    for path in ["/t/acme/account/confirm/passkey", "/t/acme/account/passkey/begin"] {
        assert_eq!(room.browser.post_form(path, "").await.refused(403), "invalid_csrf_token");
        let nobody = room.world.client().post_form(path, "").await;
        assert_eq!(nobody.refused(401), "not_authenticated");
    }
    assert_eq!(room.world.dump().await, before);
    assert_eq!(room.see("").await.status, 200, "the session lives on");
}

/// WEB-06: names stay text wherever they stand.
#[tokio::test]
async fn web_06_what_people_wrote_stays_text() {
    let (mut room, passkey, session) = furnished().await;
    let hostile = "\"><script>alert(1)</script><img src=x onerror=y>";
    let fields = [("first_name", hostile), ("last_name", hostile), ("locale", hostile)];
    assert_eq!(
        to(&room.send("/profile", &fields).await),
        "/t/acme/account/profile?note=profile_saved"
    );
    let path = format!("/passkeys/{passkey}/name");
    let renamed = room.send(&path, &[("name", hostile)]).await;
    assert_eq!(to(&renamed), "/t/acme/account/security?note=passkey_renamed");
    let query = encoded(&[("note", hostile), ("method", hostile), ("to", hostile)]);
    for path in PAGES {
        let path = filled(path, &passkey, &session);
        let mark = if path.contains('?') { '&' } else { '?' };
        let page = room.open(&format!("{path}{mark}{query}")).await;
        assert!(!page.text.contains("<script>") && !page.text.contains("<img src=x"), "{path}");
        assert!(page.status != 200 || page.text.contains("&lt;script&gt;"), "{path}");
    }
    let page = room.see("/security").await;
    assert!(page.text.matches("&lt;script&gt;").count() > 2, "the passkey's name is shown");
}

/// What belongs to somebody else is not there, and stays.
#[tokio::test]
async fn ids_of_others_lead_nowhere() {
    let (mut room, passkey, session) = furnished().await;
    let other = room.world.tenant("other", "{}").await;
    for cx in [&room.acme, &other] {
        room.world.user(cx, EVE).await;
        let slug = cx.tenant.slug.as_str();
        let mut eve = signed_in(&room.world, slug, EVE).await;
        let proof = room.world.csrf(cx, &eve).await;
        let before = room.world.dump().await;
        for path in [
            format!("/passkeys/{passkey}/name"),
            format!("/passkeys/{passkey}/remove"),
            format!("/sessions/{session}"),
            "/trusted-devices/tdv_none".to_owned(),
            "/sessions/nonsense".to_owned(),
            "/passkeys/%00/name".to_owned(),
        ] {
            let path = format!("/t/{slug}/account{path}");
            let page = eve.get(&path).await;
            assert_eq!(page.status, 404, "{path}: {}", page.text);
            assert!(!page.text.contains("Blue") && !page.text.contains(GRACE), "{path}");
            let fields = encoded(&[("proof", &proof), ("name", "Mine")]);
            assert_eq!(eve.post_form(&path, &fields).await.status, 404, "{path}");
        }
        assert_eq!(room.world.dump().await, before);
    }
    assert!(room.see("/security").await.text.contains("Blue"));
}
