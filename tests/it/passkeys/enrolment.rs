//! Enrolling, listing, renaming and deleting passkeys.

use std::time::Duration;

use axum::http::Method;
use countersign::clock::Stopwatch;
use serde_json::{Value, json};

use super::{
    Begun, EVE, GRACE, MFA, ORIGIN, begin_enrolment, delete, enrol, finish_enrolment, grace,
    header, hostile, live_session, methods, owner, reasons, sign_in, signed_in, step, vouch,
};
use crate::support::{
    Answer, Client, PASSWORD, World,
    authenticator::{Authenticator, UP, from_base64url},
};

const DEMANDED: &str = r#"{"mfa": {"required": true, "email_allowed": false}}"#;

async fn rename(client: &mut Client, passkey: &str, name: &str) -> Answer {
    let body = json!({"name": name}).to_string();
    let path = format!("{MFA}/webauthn/{passkey}");
    client.request(Method::PATCH, &path, Some("application/json"), &body).await
}

/// The names of what is enrolled.
async fn names(client: &mut Client) -> Vec<String> {
    let listed = methods(client).await["methods"].as_array().unwrap().clone();
    listed.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_passkey_is_enrolled_listed_renamed_and_deleted() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let elsewhere = signed_in(&world, "acme", GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    let mut device = Authenticator::new();
    let begun = Begun::of(&begin_enrolment(&mut client).await);
    let answer = device.create(&begun.options, ORIGIN).answer();
    let enrolled = finish_enrolment(&mut client, &begun.id, &answer).await;
    let data = enrolled.data();
    assert_eq!((&data["status"], &data["method"]), (&json!("enabled"), &json!("webauthn")));
    assert_eq!(data["backup_codes"].as_array().unwrap().len(), 10);
    assert!(data["session_id"].is_null() && enrolled.set_cookie("").is_none());
    assert!(live_session(&world, "acme", &elsewhere).await.is_none(), "other sessions end");
    let id = data["id"].as_str().unwrap();
    world.advance(Duration::from_secs(60));
    let (_, signed_in_again) = sign_in(&world, "acme", &device).await;
    assert_eq!(signed_in_again.data()["status"], "success");

    let listed = methods(&mut client).await;
    assert_eq!((&listed["enabled"], &listed["required"]), (&json!(true), &json!(false)));
    assert_eq!(
        listed["methods"],
        json!([{
            "method": "webauthn", "id": id, "name": "test",
            "aaguid": "07070707-0707-0707-0707-070707070707",
            "backed_up": false, "user_verified": true,
            "created_at": "2026-01-01T00:00:00.000000Z", "last_used_at": "2026-01-01T00:01:00.000000Z",
        }])
    );
    assert_eq!(rename(&mut client, id, " The \u{e9}cru key ").await.data()["status"], "renamed");
    assert_eq!(names(&mut client).await, ["The \u{e9}cru key"]);

    assert_eq!(delete(&mut client, id).await.data()["status"], "disabled");
    assert_eq!(methods(&mut client).await["methods"], json!([]));
    let (_, refused) = sign_in(&world, "acme", &device).await;
    assert_eq!(refused.refused(401), "invalid_credentials");
    assert_eq!(delete(&mut client, id).await.refused(404), "not_found");
    assert_eq!(rename(&mut client, id, "x").await.refused(404), "not_found");
    let told = world.inbox(GRACE).await;
    let told: Vec<&str> = told.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for action in ["user.mfa.added", "user.mfa.changed", "user.mfa.removed"] {
        assert_eq!(world.recorded(&acme, action, "success").await, 1, "{action}");
    }
}

#[tokio::test]
async fn a_sign_in_that_needs_a_factor_ends_with_the_enrolment_of_one() {
    let world = World::new().await;
    let acme = world.tenant("acme", DEMANDED).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let data = client.login("acme", GRACE, PASSWORD).await.data();
    assert_eq!(data["status"], "mfa_enrollment_required");
    let token = data["mfa_token"].as_str().unwrap();
    assert_eq!(begin_enrolment(&mut client).await.refused(401), "not_authenticated");
    client.headers.insert("x-mfa-token", header(token));
    assert_eq!(begin_enrolment(&mut client).await.refused(401), "invalid_mfa_token");
    client.headers.insert("x-tenant", header("acme"));
    let begun = Begun::of(&begin_enrolment(&mut client).await);
    let mut device = Authenticator::new();
    let answer = device.create(&begun.options, ORIGIN).answer();
    let enrolled = finish_enrolment(&mut client, &begun.id, &answer).await;
    let data = enrolled.data();
    assert_eq!(data["backup_codes"].as_array().unwrap().len(), 10);
    let session = live_session(&world, "acme", &client).await.unwrap();
    assert_eq!(data["session_id"], json!(session.id.to_string()));
    assert_eq!(session.auth_methods, "pwd hwk mfa");
    assert!(enrolled.set_cookie("device").is_some());
    // The step is over; only the session is left.
    assert_eq!(begin_enrolment(&mut client).await.refused(401), "invalid_mfa_token");
    client.headers.remove("x-mfa-token");
    vouch(&world, "acme", &mut client).await;
    assert_eq!(methods(&mut client).await["required"], json!(true));
    let last = delete(&mut client, data["id"].as_str().unwrap()).await;
    assert_eq!(last.refused(409), "last_factor");
    enrol(&mut client, &mut Authenticator::new()).await;
    delete(&mut client, data["id"].as_str().unwrap()).await.data();
    assert_eq!(methods(&mut client).await["methods"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn only_who_may_enrol_can_begin() {
    let (world, _, grace) = grace("{}").await;
    let mut stranger = world.client();
    assert_eq!(begin_enrolment(&mut stranger).await.refused(401), "not_authenticated");
    let mut forged = grace.client.clone();
    forged.headers.remove("x-csrf-token");
    assert_eq!(begin_enrolment(&mut forged).await.refused(403), "invalid_csrf_token");
    forged.headers.insert("x-csrf-token", header("AAAA"));
    assert_eq!(begin_enrolment(&mut forged).await.refused(403), "invalid_csrf_token");
    assert_eq!(delete(&mut forged, &grace.passkey).await.refused(403), "invalid_csrf_token");
    assert_eq!(rename(&mut forged, &grace.passkey, "x").await.refused(403), "invalid_csrf_token");
    let mut framed = grace.client.clone();
    framed.headers.insert("sec-fetch-site", header("cross-site"));
    assert_eq!(begin_enrolment(&mut framed).await.refused(403), "cross_site_request");
    // The step of a user who has a factor already enrols nothing.
    let mut client = world.client();
    let step = step(&mut client, "acme", GRACE).await;
    client.headers.insert("x-mfa-token", header(&step.token));
    client.headers.insert("x-tenant", header("acme"));
    assert_eq!(begin_enrolment(&mut client).await.refused(401), "invalid_mfa_token");
}

#[tokio::test]
async fn a_session_needs_a_recent_proof_to_enrol_and_to_delete() {
    let (world, _, mut grace) = grace("{}").await;
    world.advance(Duration::from_mins(5) - Duration::from_micros(1));
    let begun = Begun::of(&begin_enrolment(&mut grace.client).await);
    world.advance(Duration::from_micros(1));
    let code = begin_enrolment(&mut grace.client).await.refused(403);
    assert_eq!(code, "reauthentication_required");
    let code = delete(&mut grace.client, &grace.passkey).await.refused(403);
    assert_eq!(code, "reauthentication_required");
    // What has begun in time may be finished, within the ceremony's own time.
    let answer = Authenticator::new().create(&begun.options, ORIGIN).answer();
    finish_enrolment(&mut grace.client, &begun.id, &answer).await.data();
}

#[tokio::test]
async fn every_wrong_answer_to_an_enrolment_is_refused() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    for number in 0..hostile::REGISTRATIONS {
        let begun = Begun::of(&begin_enrolment(&mut client).await);
        let (case, answer) = hostile::registration(number, &begun.options);
        let watch = Stopwatch::start();
        let refused = finish_enrolment(&mut client, &begun.id, &answer).await;
        assert_eq!(refused.status.as_u16(), 400, "{case}: {}", refused.text);
        assert_eq!(refused.refused(400), "passkey_rejected", "{case}");
        assert!(watch.elapsed() < Duration::from_secs(5), "{case}");
        // The ceremony is used up, even for an answer that would have been right.
        let right = Authenticator::new().create(&begun.options, ORIGIN).answer();
        let late = finish_enrolment(&mut client, &begun.id, &right).await;
        assert_eq!(late.refused(400), "passkey_rejected", "{case}");
    }
    let listed = methods(&mut client).await;
    assert_eq!((&listed["enabled"], &listed["methods"]), (&json!(false), &json!([])));
    let why = reasons(&world, &acme, "user.mfa.added").await;
    assert_eq!(why.len(), 2 * hostile::REGISTRATIONS);
    let unknown = why.iter().filter(|why| *why == "no such ceremony").count();
    assert_eq!(unknown, hostile::REGISTRATIONS);
    assert!(why.iter().all(|why| !why.is_empty()));
}

#[tokio::test]
async fn an_answer_too_large_or_too_deep_is_not_read_at_all() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    let begun = Begun::of(&begin_enrolment(&mut client).await);
    let mut device = Authenticator::new();
    let right = device.create(&begun.options, ORIGIN).answer();
    let mut large = right.clone();
    large["response"]["attestationObject"] = json!("A".repeat(1024 * 1024));
    let refused = finish_enrolment(&mut client, &begun.id, &large).await;
    assert_eq!(refused.refused(413), "payload_too_large");
    let mut deep = right.clone();
    deep["clientExtensionResults"] = (0..100).fold(json!({}), |inner, _| json!([inner]));
    let refused = finish_enrolment(&mut client, &begun.id, &deep).await;
    assert_eq!(refused.status.as_u16(), 422, "{}", refused.text);
    for credential in [json!(1), json!([]), json!("x"), Value::Null] {
        let refused = finish_enrolment(&mut client, &begun.id, &credential).await;
        assert_eq!(refused.faults()[0].0, "body.credential");
    }
    // WAN-09: members that nobody knows do no harm. None of the above has used the ceremony up.
    let mut extra = right;
    extra["future"] = json!({"a": [1, 2, 3]});
    extra["response"]["future"] = json!("x");
    finish_enrolment(&mut client, &begun.id, &extra).await.data();
}

#[tokio::test]
async fn wan_02_an_enrolment_cannot_be_replayed() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    let begun = Begun::of(&begin_enrolment(&mut client).await);
    let answer = Authenticator::new().create(&begun.options, ORIGIN).answer();
    finish_enrolment(&mut client, &begun.id, &answer).await.data();
    let again = finish_enrolment(&mut client, &begun.id, &answer).await;
    assert_eq!(again.refused(400), "passkey_rejected");
    // Nor in a ceremony of its own.
    let other = Begun::of(&begin_enrolment(&mut client).await);
    let again = finish_enrolment(&mut client, &other.id, &answer).await;
    assert_eq!(again.refused(400), "passkey_rejected");
    assert_eq!(names(&mut client).await.len(), 1);
}

#[tokio::test]
async fn wan_08_a_credential_belongs_to_one_account_of_a_relying_party() {
    let (world, acme, grace) = grace("{}").await;
    world.user(&acme, EVE).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, EVE).await;
    let apart = r#"{"passkeys": {"rp_id": "example.com", "origins": ["https://example.com"]}}"#;
    let apart = world.tenant("apart", apart).await;
    world.user(&apart, EVE).await;
    for slug in ["acme", "other"] {
        let mut eve = signed_in(&world, slug, EVE).await;
        let begun = Begun::of(&begin_enrolment(&mut eve).await);
        let mut hers = Authenticator::new();
        hers.id.clone_from(&grace.device.id);
        let answer = hers.create(&begun.options, ORIGIN).answer();
        let refused = finish_enrolment(&mut eve, &begun.id, &answer).await;
        assert_eq!(refused.refused(409), "credential_in_use", "{slug}");
        assert_eq!(methods(&mut eve).await["enabled"], json!(false), "{slug}");
    }
    let mut eve = signed_in(&world, "apart", EVE).await;
    let begun = Begun::of(&begin_enrolment(&mut eve).await);
    let mut hers = Authenticator::new();
    hers.id.clone_from(&grace.device.id);
    let answer = hers.create(&begun.options, "https://example.com").answer();
    finish_enrolment(&mut eve, &begun.id, &answer).await.data();
    let (_, still) = sign_in(&world, "acme", &grace.device).await;
    assert_eq!(still.data()["user_id"], json!(grace.user.id.to_string()));
}

#[tokio::test]
async fn an_enrolment_is_its_owners_alone() {
    let (world, acme, mut grace) = grace("{}").await;
    world.user(&acme, EVE).await;
    let mut eve = signed_in(&world, "acme", EVE).await;
    let begun = Begun::of(&begin_enrolment(&mut grace.client).await);
    let answer = Authenticator::new().create(&begun.options, ORIGIN).answer();
    let stolen = finish_enrolment(&mut eve, &begun.id, &answer).await;
    assert_eq!(stolen.refused(400), "passkey_rejected");
    assert_eq!(methods(&mut eve).await["methods"], json!([]));
    // Nor can one touch what is another's, of this tenant or of another.
    let elsewhere = world.tenant("other", "{}").await;
    let other = owner(&world, &elsewhere, GRACE).await;
    for foreign in [&grace.passkey, &other.passkey] {
        assert_eq!(delete(&mut eve, foreign).await.refused(404), "not_found");
        assert_eq!(rename(&mut eve, foreign, "mine").await.refused(404), "not_found");
    }
    for nonsense in ["psk_x", "x"] {
        assert_eq!(delete(&mut eve, nonsense).await.status.as_u16(), 404, "{nonsense}");
    }
    assert_eq!(names(&mut grace.client).await, ["test"]);
    assert_eq!(names(&mut other.client.clone()).await, ["test"]);
}

#[tokio::test]
async fn the_browser_is_asked_for_what_the_tenant_wants() {
    let (world, _, mut known) = grace("{}").await;
    let options = Begun::of(&begin_enrolment(&mut known.client).await).options;
    assert_eq!(options["rp"], json!({"id": "localhost", "name": "acme"}));
    let user = &options["user"];
    assert_eq!((&user["name"], &user["displayName"]), (&json!(GRACE), &json!("Grace Hopper")));
    assert_eq!(from_base64url(user["id"].as_str().unwrap()).len(), 16);
    assert_eq!(from_base64url(options["challenge"].as_str().unwrap()).len(), 32);
    assert_eq!(options["attestation"], json!("none"));
    let excluded = options["excludeCredentials"].as_array().unwrap();
    let id = from_base64url(excluded[0]["id"].as_str().unwrap());
    assert_eq!((excluded.len(), &id), (1, &known.device.id));
    let selection = &options["authenticatorSelection"];
    assert_eq!(selection["residentKey"], json!("preferred"));
    assert_eq!(selection["userVerification"], json!("preferred"));
    let strict = r#"{"passkeys": {"sign_in": "required", "user_verification": false,
        "allowed_aaguids": ["07070707-0707-0707-0707-070707070707"]}}"#;
    let strict = world.tenant("strict", strict).await;
    world.user(&strict, GRACE).await;
    let mut client = world.client();
    let data = client.login("strict", GRACE, PASSWORD).await.data();
    client.headers.insert("x-mfa-token", header(data["mfa_token"].as_str().unwrap()));
    client.headers.insert("x-tenant", header("strict"));
    let options = Begun::of(&begin_enrolment(&mut client).await).options;
    let selection = &options["authenticatorSelection"];
    assert_eq!(selection["residentKey"], json!("required"));
    assert_eq!(selection["requireResidentKey"], json!(true));
    assert_eq!(selection["userVerification"], json!("required"));
    assert_eq!(options["attestation"], json!("direct"));
}

#[tokio::test]
async fn only_models_on_the_list_are_taken() {
    let listed = r#"{"passkeys": {"allowed_aaguids": ["07070707-0707-0707-0707-070707070707"]}}"#;
    let (world, acme, mut grace) = grace(listed).await;
    for aaguid in [[8; 16], [0; 16]] {
        let begun = Begun::of(&begin_enrolment(&mut grace.client).await);
        let mut device = Authenticator::new();
        device.aaguid = aaguid;
        let answer = device.create(&begun.options, ORIGIN).answer();
        let refused = finish_enrolment(&mut grace.client, &begun.id, &answer).await;
        assert_eq!(refused.refused(400), "passkey_rejected");
    }
    let why = reasons(&world, &acme, "user.mfa.added").await;
    assert_eq!(why, ["this model of authenticator is not allowed"; 2]);
    assert_eq!(names(&mut grace.client).await.len(), 1);
}

#[tokio::test]
async fn a_tenant_that_wants_verified_users_enrols_no_other() {
    for settings in [
        r#"{"passkeys": {"user_verification": true}}"#,
        r#"{"passkeys": {"sign_in": "required"}, "mfa": {"required": false}}"#,
    ] {
        let (_world, _, mut grace) = grace_enrolling(settings).await;
        let begun = Begun::of(&begin_enrolment(&mut grace).await);
        let mut device = Authenticator::new();
        device.flags = UP;
        let answer = device.create(&begun.options, ORIGIN).answer();
        let refused = finish_enrolment(&mut grace, &begun.id, &answer).await;
        assert_eq!(refused.refused(400), "passkey_rejected", "{settings}");
        // A credential that cannot be found without a name does not sign in alone.
        let begun = Begun::of(&begin_enrolment(&mut grace).await);
        let mut draft = Authenticator::new().create(&begun.options, ORIGIN);
        draft.extensions = json!({"credProps": {"rk": false}});
        let answer = finish_enrolment(&mut grace, &begun.id, &draft.answer()).await;
        let expected = if settings.contains("required\"") { 400 } else { 200 };
        assert_eq!(answer.status.as_u16(), expected, "{settings} {}", answer.text);
    }
}

/// Grace in an enrolment step or with a session, as the tenant's settings have it.
async fn grace_enrolling(settings: &str) -> (World, countersign::flows::Cx, Client) {
    let world = World::new().await;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let data = client.login("acme", GRACE, PASSWORD).await.data();
    match data["mfa_token"].as_str() {
        Some(token) => {
            client.headers.insert("x-mfa-token", header(token));
            client.headers.insert("x-tenant", header("acme"));
        }
        None => vouch(&world, "acme", &mut client).await,
    }
    (world, acme, client)
}

#[tokio::test]
async fn a_user_has_at_most_twenty() {
    let (_world, _, mut grace) = grace("{}").await;
    // One that has begun before the last place is taken finds none at its end.
    let late = Begun::of(&begin_enrolment(&mut grace.client).await);
    for _ in 1..20 {
        enrol(&mut grace.client, &mut Authenticator::new()).await;
    }
    assert_eq!(begin_enrolment(&mut grace.client).await.refused(409), "too_many_factors");
    let answer = Authenticator::new().create(&late.options, ORIGIN).answer();
    let refused = finish_enrolment(&mut grace.client, &late.id, &answer).await;
    assert_eq!(refused.refused(409), "too_many_factors");
    assert_eq!(names(&mut grace.client).await.len(), 20);
}

#[tokio::test]
async fn a_name_is_the_owners_or_the_devices() {
    let (world, _, mut grace) = grace("{}").await;
    world.advance(Duration::from_secs(1));
    grace.client.agent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0".to_owned();
    enrol(&mut grace.client, &mut Authenticator::new()).await;
    world.advance(Duration::from_secs(1));
    let begun = Begun::of(&begin_enrolment(&mut grace.client).await);
    let answer = Authenticator::new().create(&begun.options, ORIGIN).answer();
    let path = format!("{MFA}/webauthn/register/finish");
    for bad in ["", " ", "\u{7}", &"x".repeat(257)] {
        let body = json!({"challenge_id": begun.id, "credential": answer, "name": bad});
        let refused = grace.client.post_json(&path, &body.to_string()).await;
        assert_eq!(refused.faults()[0].0, "body.name", "{bad:?}");
        assert_eq!(rename(&mut grace.client, &grace.passkey, bad).await.faults()[0].0, "body.name");
    }
    let body = json!({"challenge_id": begun.id, "credential": answer, "name": "Blue <key>"});
    grace.client.post_json(&path, &body.to_string()).await.data();
    assert_eq!(names(&mut grace.client).await, ["test", "Chrome on Linux", "Blue <key>"]);
}

#[tokio::test]
async fn where_passkeys_do_not_count_none_is_enrolled() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"methods": ["totp"]}}"#).await;
    world.user(&acme, GRACE).await;
    let mut client = signed_in(&world, "acme", GRACE).await;
    assert_eq!(begin_enrolment(&mut client).await.refused(400), "method_not_available");
    let mut far = signed_in(&world, "acme", GRACE).await;
    far.headers.insert("x-tenant", header("nowhere"));
    assert_eq!(begin_enrolment(&mut far).await.refused(404), "tenant_not_found");
}
