//! Redeeming codes: once, by whom they were made for; and what comes of one.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    domain::{
        application::{ApplicationType, Owner},
        user::UserStatus,
    },
    flows::{Cx, users},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{CALLBACK, Made, VERIFIER, challenge, encoded, endpoint, request},
    together,
};

const GRACE: &str = "grace@example.com";

pub(super) async fn world() -> (World, Cx, Made, Client) {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    world.advance(Duration::from_secs(1));
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    (world, acme, made, browser)
}

async fn a_code(browser: &mut Client, made: &Made, more: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let mut pairs = request(made, &challenge);
    for (name, value) in more {
        pairs.retain(|(it, _)| it != name);
        pairs.push((name, value));
    }
    Client::code(&browser.authorize("acme", &pairs).await)
}

/// What a token says, whoever signed it.
pub(super) fn said(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn userinfo(client: &mut Client, token: &Value) -> Answer {
    let mut client = client.clone();
    let value = format!("Bearer {}", token.as_str().unwrap());
    client.headers.insert("authorization", value.parse().unwrap());
    client.get(&endpoint("acme", "userinfo")).await
}

#[tokio::test]
async fn a_code_becomes_tokens_that_say_what_they_should() {
    let (world, acme, made, mut browser) = world().await;
    let code = a_code(&mut browser, &made, &[]).await;
    let answer = browser.redeem("acme", &made, &code).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let tokens = answer.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(tokens["scope"], "openid profile email");
    assert!(tokens["refresh_token"].is_string());

    let issuer = format!("http://127.0.0.1:8080/tenants/{}", acme.tenant.id);
    let (session, _) = browser.session().unwrap();
    let access = said(&tokens["access_token"]);
    for (claim, value) in [
        ("iss", json!(issuer)),
        ("aud", json!(made.client_id)),
        ("client_id", json!(made.client_id)),
        ("scope", json!("openid profile email")),
        ("tenant_id", json!(acme.tenant.id.to_string())),
        ("sid", json!(session.to_string())),
        ("amr", json!(["pwd"])),
        ("acr", json!("aal1")),
    ] {
        assert_eq!(access[claim], value, "{claim}");
    }
    assert!(access["sub"].as_str().unwrap().starts_with("usr_"));
    let id = said(&tokens["id_token"]);
    for (claim, value) in [
        ("iss", json!(issuer)),
        ("aud", json!(made.client_id)),
        ("sub", access["sub"].clone()),
        ("nonce", json!("a nonce")),
        ("email", json!(GRACE)),
        ("email_verified", json!(true)),
        ("name", json!("Grace Hopper")),
        ("sid", json!(session.to_string())),
    ] {
        assert_eq!(id[claim], value, "{claim}");
    }
    assert_eq!(id["auth_time"], access["auth_time"]);
    let header: Value = serde_json::from_slice(
        &URL_SAFE_NO_PAD
            .decode(tokens["id_token"].as_str().unwrap().split('.').next().unwrap())
            .unwrap(),
    )
    .unwrap();
    assert_eq!(header["alg"], "RS256");

    let info = userinfo(&mut world.client(), &tokens["access_token"]).await.json();
    assert_eq!(info["sub"], access["sub"]);
    assert_eq!(info["family_name"], "Hopper");
    assert!(info.get("groups").is_none());
}

#[tokio::test]
async fn oau_01_a_code_used_twice_ends_what_came_of_it() {
    let (world, _, made, mut browser) = world().await;
    let code = a_code(&mut browser, &made, &[]).await;
    let tokens = browser.redeem("acme", &made, &code).await.json();
    assert_eq!(userinfo(&mut browser, &tokens["access_token"]).await.status, 200);
    assert_eq!(browser.redeem("acme", &made, &code).await.denied(400), "invalid_grant");
    assert_eq!(userinfo(&mut browser, &tokens["access_token"]).await.status, 401);
    let token = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let refreshed = browser.post_as("acme", "token", &made, &pairs).await;
    assert_eq!(refreshed.denied(400), "invalid_grant");
    // The session itself lives on.
    assert!(a_code(&mut browser, &made, &[]).await.len() == 43);
    let late = a_code(&mut browser, &made, &[]).await;
    world.advance(Duration::from_secs(61));
    assert_eq!(browser.redeem("acme", &made, &late).await.denied(400), "invalid_grant");
}

#[tokio::test]
async fn oau_01_of_fifty_at_once_one_wins() {
    let (world, _, made, mut browser) = world().await;
    let code = a_code(&mut browser, &made, &[]).await;
    let tries = (0..50).map(|_| {
        let (mut client, made, code) = (world.client(), made.clone(), code.clone());
        async move { client.redeem("acme", &made, &code).await }
    });
    let answers = together(tries).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|it| it.status == 200 || it.denied(400) == "invalid_grant"));
    // Of two who show one code, one has no right to it.
    let token = &won[0].json()["access_token"];
    assert_eq!(userinfo(&mut browser, token).await.status, 401);
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
}

#[tokio::test]
async fn oau_02_a_code_is_one_applications_and_one_tenants() {
    let (world, acme, made, mut browser) = world().await;
    let other = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let code = a_code(&mut browser, &made, &[]).await;
    assert_eq!(browser.redeem("acme", &other, &code).await.denied(400), "invalid_grant");
    // Whoever that was had the code: it is burnt.
    assert_eq!(browser.redeem("acme", &made, &code).await.denied(400), "invalid_grant");
    // TEN-01: at another tenant it is nothing, and stays good where it is.
    let elsewhere = world.tenant("other", "{}").await;
    let theirs = world.web(Owner::Tenant(elsewhere.tenant.id), json!({})).await;
    let code = a_code(&mut browser, &made, &[]).await;
    assert_eq!(browser.redeem("other", &theirs, &code).await.denied(400), "invalid_grant");
    assert_eq!(browser.redeem("acme", &made, &code).await.status, 200);
    for cut in [1, 2, 42] {
        let code = a_code(&mut browser, &made, &[]).await;
        let short = &code[..code.len() - cut];
        assert_eq!(browser.redeem("acme", &made, short).await.denied(400), "invalid_grant");
    }
}

#[tokio::test]
async fn oau_03_oau_04_what_was_said_at_first_has_to_be_said_again() {
    let (world, acme, made, mut browser) = world().await;
    let second = "https://app.example.com/second";
    let two = json!({"redirect_uris": [CALLBACK, second]});
    let two = world.web(Owner::Tenant(acme.tenant.id), two).await;
    let good = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let other_verifier = VERIFIER.to_uppercase();
    let long = "a".repeat(129);
    let bad: [(&str, Option<&str>); 7] = [
        ("redirect_uri", None),
        ("redirect_uri", Some(second)),
        ("code_verifier", None),
        ("code_verifier", Some(&other_verifier)),
        ("code_verifier", Some(&VERIFIER[..42])),
        ("code_verifier", Some(&long)),
        ("code_verifier", Some("not a verifier, by its blanks alone, is it not so?")),
    ];
    for (name, value) in bad {
        let code = a_code(&mut browser, &two, &[]).await;
        let mut pairs: Vec<_> = good.iter().copied().filter(|(it, _)| *it != name).collect();
        pairs.extend(value.map(|value| (name, value)));
        pairs.push(("code", &code));
        let answer = browser.post_as("acme", "token", &two, &pairs).await;
        assert_eq!(answer.denied(400), "invalid_grant", "{name} {value:?}");
    }
    // A verifier for a request without a challenge is somebody's mistake, or worse.
    let loose = world.web(Owner::Tenant(acme.tenant.id), json!({"require_pkce": false})).await;
    let pairs: Vec<_> =
        request(&loose, "").into_iter().filter(|(name, _)| !name.starts_with("code_ch")).collect();
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    assert_eq!(browser.redeem("acme", &loose, &code).await.denied(400), "invalid_grant");
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let plain =
        [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", &*code)];
    assert_eq!(browser.post_as("acme", "token", &loose, &plain).await.status, 200);
    drop(made);
}

#[tokio::test]
async fn a_code_dies_with_what_it_rests_on() {
    let (world, acme, made, mut browser) = world().await;
    let code = a_code(&mut browser, &made, &[]).await;
    let grace = users::show(&acme, GRACE).await.unwrap();
    users::set_status(&acme, &grace, UserStatus::Suspended).await.unwrap();
    assert_eq!(browser.redeem("acme", &made, &code).await.denied(400), "invalid_grant");
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
}

#[tokio::test]
async fn who_has_no_secret_gets_tokens_by_pkce_alone() {
    let (world, acme, _, mut browser) = world().await;
    let metadata = json!({"redirect_uris": [CALLBACK], "allowed_scopes":
        ["openid", "profile", "email", "offline_access"]});
    let owner = Owner::Tenant(acme.tenant.id);
    let spa = world.application(owner, ApplicationType::Spa, metadata.clone()).await;
    let native = world.application(owner, ApplicationType::Native, metadata).await;
    for (made, scope, refreshes) in
        [(&spa, "openid", false), (&spa, "openid offline_access", true), (&native, "openid", true)]
    {
        let code = a_code(&mut browser, made, &[("scope", scope)]).await;
        let form = encoded(&[
            ("grant_type", "authorization_code"),
            ("client_id", &made.client_id),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        let answer = browser.post_form(&endpoint("acme", "token"), &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["refresh_token"].is_string(), refreshes, "{scope}");
        // A secret that it should not have is not taken for one.
        let code = a_code(&mut browser, made, &[("scope", scope)]).await;
        assert_eq!(browser.redeem("acme", made, &code).await.denied(401), "invalid_client");
    }
}

#[tokio::test]
async fn people_are_known_by_another_name_in_each_sector() {
    let (world, acme, made, mut browser) = world().await;
    let pairwise = json!({"subject_type": "pairwise"});
    let owner = Owner::Tenant(acme.tenant.id);
    let one = world.web(owner, pairwise.clone()).await;
    let same = world.web(owner, pairwise).await;
    let elsewhere = json!({
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://other.example/sector.json",
    });
    let other = world.web(owner, elsewhere).await;
    let mut names = Vec::new();
    for made in [&made, &one, &same, &other] {
        let code = a_code(&mut browser, made, &[]).await;
        let tokens = browser.redeem("acme", made, &code).await.json();
        let sub = said(&tokens["id_token"])["sub"].clone();
        assert_eq!(said(&tokens["access_token"])["sub"], sub);
        let info = userinfo(&mut browser, &tokens["access_token"]).await.json();
        assert_eq!((&info["sub"], &info["email"]), (&sub, &json!(GRACE)));
        names.push(sub.as_str().unwrap().to_owned());
    }
    assert!(names[0].starts_with("usr_"));
    assert_eq!(names[1], names[2]);
    assert_ne!(names[1], names[3]);
    assert!(!names[1].contains("usr_"));
}

#[tokio::test]
async fn single_claims_come_where_they_were_asked_for() {
    let (_world, _, made, mut browser) = world().await;
    let claims = json!({
        "userinfo": {"given_name": {"essential": true}, "email": null},
        "id_token": {"family_name": null, "auth_time": {"essential": true}},
    })
    .to_string();
    let code = a_code(&mut browser, &made, &[("scope", "openid"), ("claims", &claims)]).await;
    let tokens = browser.redeem("acme", &made, &code).await.json();
    let id = said(&tokens["id_token"]);
    assert_eq!(id["family_name"], "Hopper");
    assert!(id.get("email").is_none() && id.get("given_name").is_none());
    let info = userinfo(&mut browser, &tokens["access_token"]).await.json();
    assert_eq!((&info["given_name"], &info["email"]), (&json!("Grace"), &json!(GRACE)));
    assert!(info.get("family_name").is_none());
}

#[tokio::test]
async fn a_token_is_for_the_resources_that_were_asked_for() {
    let (world, acme, _, mut browser) = world().await;
    let resources = json!({"allowed_audiences": ["https://files.example", "https://mail.example"]});
    let made = world.web(Owner::Tenant(acme.tenant.id), resources).await;
    let (files, mail) = ("https://files.example", "https://mail.example");
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs.extend([("resource", files), ("resource", mail)]);
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let tokens = browser.redeem("acme", &made, &code).await.json();
    assert_eq!(said(&tokens["access_token"])["aud"], json!([files, mail]));
    let token = tokens["refresh_token"].as_str().unwrap();
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", token), ("resource", files)];
    let narrowed = browser.post_as("acme", "token", &made, &narrow).await.json();
    assert_eq!(said(&narrowed["access_token"])["aud"], files);
    pairs.push(("resource", "https://evil.test"));
    let refused = browser.authorize("acme", &pairs).await;
    assert_eq!(refused.sent("error").unwrap(), "invalid_target");
}

#[tokio::test]
async fn an_application_says_how_its_tokens_are_signed_and_how_long_they_live() {
    let (world, acme, _, mut browser) = world().await;
    let own = json!({
        "id_token_signed_response_alg": "EdDSA",
        "access_token_signed_response_alg": "RS256",
        "userinfo_signed_response_alg": "ES256",
        "token_lifetime": 300,
        "id_token_lifetime": 120,
    });
    let made = world.web(Owner::Tenant(acme.tenant.id), own).await;
    let code = a_code(&mut browser, &made, &[]).await;
    let tokens = browser.redeem("acme", &made, &code).await.json();
    let header = |token: &Value| -> Value {
        let part = token.as_str().unwrap().split('.').next().unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(header(&tokens["id_token"])["alg"], "EdDSA");
    assert_eq!(header(&tokens["access_token"])["alg"], "RS256");
    assert_eq!(tokens["expires_in"], 300);
    let id = said(&tokens["id_token"]);
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 120);
    let info = userinfo(&mut browser, &tokens["access_token"]).await;
    assert_eq!(info.headers["content-type"], "application/jwt");
    let info = said(&json!(info.text));
    assert_eq!((&info["aud"], &info["email"]), (&json!(made.client_id), &json!(GRACE)));
}

#[tokio::test]
async fn nothing_secret_is_kept_in_clear() {
    let (world, _, made, mut browser) = world().await;
    let code = a_code(&mut browser, &made, &[]).await;
    let unused = a_code(&mut browser, &made, &[]).await;
    let tokens = browser.redeem("acme", &made, &code).await.json();
    world.advance(Duration::from_secs(1));
    let asked = browser
        .authorize("acme", &[request(&made, &challenge()), vec![("prompt", "login")]].concat())
        .await;
    let dump = world.dump().await;
    let cookie = browser.cookies.iter().find(|(name, _)| name.contains("request")).unwrap();
    for secret in [
        &made.secret,
        &code,
        &unused,
        tokens["refresh_token"].as_str().unwrap(),
        tokens["access_token"].as_str().unwrap(),
        tokens["id_token"].as_str().unwrap(),
        &asked.sent("request").unwrap(),
        &cookie.1,
    ] {
        assert!(!dump.contains(secret));
    }
}
