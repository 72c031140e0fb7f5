//! Proofs of possession: that one counts once, and nonces.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    crypto::{jose::foreign::thumbprint, opaque::sha256},
    domain::{
        application::{ApplicationType, Owner},
        oauth::ErrorCode,
    },
    flows::oauth::{
        Failure, Ox,
        dpop::{Endpoint, check, fresh_nonce},
    },
};
use serde_json::{Value, json};

use super::{NOW, at, at_platform, code, signer::Signer};
use crate::support::{
    Client, PASSWORD, World,
    applications::{CALLBACK, VERIFIER, challenge, encoded, endpoint, request},
    together,
};

const URL: &str = "http://localhost:8080/api/v1/auth/tenants/acme/oauth/token";

fn claims(jti: &str, nonce: Option<&str>) -> Value {
    let mut claims = json!({"jti": jti, "htm": "POST", "htu": URL, "iat": NOW});
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    claims
}

async fn shown(ox: &Ox, proof: &str) -> Result<Option<String>, Failure> {
    check(ox, Some(proof), &Endpoint { method: "POST", url: URL }, None).await
}

/// Whether a nonce was asked for, and which was offered.
fn wanted(answer: Result<Option<String>, Failure>) -> Option<String> {
    match answer {
        Err(Failure::NeedsNonce(nonce)) => Some(nonce),
        _ => None,
    }
}

#[tokio::test]
async fn a_proof_with_a_nonce_of_ours_names_its_key() {
    let world = World::new().await;
    let ox = at(&world, &world.acme().await);
    let signer = Signer::new("ES256", "a");
    let nonce = wanted(shown(&ox, &signer.proof(&claims("1", None))).await).unwrap();
    assert_eq!(nonce, fresh_nonce(&ox).unwrap());
    let jkt = shown(&ox, &signer.proof(&claims("1", Some(&nonce)))).await.unwrap();
    assert_eq!(jkt, thumbprint(&signer.jwk));
    let nothing = check(&ox, None, &Endpoint { method: "POST", url: URL }, None).await;
    assert_eq!(nothing.unwrap(), None, "nobody has to use it");
}

#[tokio::test]
async fn oau_23_a_proof_counts_once_at_all_nodes() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    let (ox, other) = (at(&world, &acme), at(&second, &acme));
    let signer = Signer::new("EdDSA", "a");
    let nonce = fresh_nonce(&ox).unwrap();
    let proof = signer.proof(&claims("1", Some(&nonce)));
    let work = (0..20).map(|it| {
        let (ox, proof) = (if it % 2 == 0 { ox.clone() } else { other.clone() }, proof.clone());
        async move { shown(&ox, &proof).await.map_err(|failure| failure.code()) }
    });
    let all = together(work).await;
    assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 1);
    assert!(all.iter().all(|it| it.is_ok() || *it == Err(ErrorCode::InvalidDpopProof)));
    // The same claims signed anew are the same proof; another name is another, as is another key.
    assert!(shown(&ox, &signer.proof(&claims("1", Some(&nonce)))).await.is_err());
    assert!(shown(&ox, &signer.proof(&claims("2", Some(&nonce)))).await.is_ok());
    assert!(shown(&ox, &Signer::new("EdDSA", "a").proof(&claims("1", Some(&nonce)))).await.is_ok());
}

#[tokio::test]
async fn a_nonce_is_good_for_five_to_ten_minutes_in_its_realm() {
    let world = World::new().await;
    let acme = world.acme().await;
    let signer = Signer::new("ES256", "a");
    let first = fresh_nonce(&at(&world, &acme)).unwrap();
    let with = |jti: &str, nonce: &str, iat: i64| {
        let mut claims = claims(jti, Some(nonce));
        claims["iat"] = json!(iat);
        signer.proof(&claims)
    };
    world.advance(Duration::from_secs(599));
    let ox = at(&world, &acme);
    assert!(shown(&ox, &with("1", &first, NOW + 599)).await.is_ok(), "the window before");
    world.advance(Duration::from_secs(1));
    let ox = at(&world, &acme);
    let next = wanted(shown(&ox, &with("2", &first, NOW + 600)).await).unwrap();
    assert_ne!(next, first);
    assert!(shown(&ox, &with("2", &next, NOW + 600)).await.is_ok(), "the refused one was not used");
    let elsewhere = [fresh_nonce(&at_platform(&world)).unwrap(), next.to_uppercase(), "1.x".into()];
    for nonce in elsewhere {
        assert!(wanted(shown(&ox, &with("3", &nonce, NOW + 600)).await).is_some(), "{nonce}");
    }
    let (window, mark) = next.split_once('.').unwrap();
    let later = format!("{}.{mark}", window.parse::<i64>().unwrap() + 1);
    assert!(wanted(shown(&ox, &with("3", &later, NOW + 600)).await).is_some());
}

#[tokio::test]
async fn with_an_access_token_no_nonce_is_demanded_and_a_foreign_one_is_refused() {
    let world = World::new().await;
    let ox = at(&world, &world.acme().await);
    let signer = Signer::new("ES256", "a");
    let endpoint = Endpoint { method: "POST", url: URL };
    let mut claims = claims("1", None);
    claims["ath"] = json!(URL_SAFE_NO_PAD.encode(sha256(b"t")));
    let proof = signer.proof(&claims);
    assert!(check(&ox, Some(&proof), &endpoint, Some("t")).await.unwrap().is_some());
    assert_eq!(
        code(check(&ox, Some(&proof), &endpoint, Some("t")).await),
        Some(ErrorCode::InvalidDpopProof)
    );
    claims["nonce"] = json!("foreign");
    claims["jti"] = json!("2");
    let foreign = check(&ox, Some(&signer.proof(&claims)), &endpoint, Some("t")).await;
    assert_eq!(code(foreign), Some(ErrorCode::UseDpopNonce));
}

/// RFC 9449 §5: of an application that keeps no secret, a refresh token is its key's alone.
#[tokio::test]
async fn a_bound_refresh_token_is_of_no_use_with_another_key_or_none() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let ox = at(&world, &acme);
    let more = json!({"redirect_uris": [CALLBACK], "allowed_scopes": ["openid", "offline_access"]});
    let owner = Owner::Tenant(acme.tenant.id);
    let made = world.application(owner, ApplicationType::Spa, more).await;
    let mut browser = world.client();
    browser.login("acme", "grace@example.com", PASSWORD).await.data();
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs[3].1 = "openid offline_access";
    let code = Client::code(&browser.authorize("acme", &pairs).await);
    let (own, foreign) = (Signer::new("ES256", "a"), Signer::new("ES256", "b"));
    let nonce = fresh_nonce(&ox).unwrap();
    let ask = async |jti: &str, key: Option<&Signer>, pairs: &[(&str, &str)]| {
        let mut client = world.client();
        if let Some(key) = key {
            let mut claims = claims(jti, Some(&nonce));
            claims["htu"] = json!(format!("{}/token", ox.oauth_base()));
            let proof = key.proof(&claims);
            client.headers.insert("dpop", proof.parse().unwrap());
        }
        let mut all = vec![("client_id", made.client_id.as_str())];
        all.extend(pairs);
        client.post_form(&endpoint("acme", "token"), &encoded(&all)).await
    };
    let redeemed = ask(
        "1",
        Some(&own),
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ],
    )
    .await;
    assert_eq!(redeemed.status, 200, "{}", redeemed.text);
    let token = redeemed.json()["refresh_token"].as_str().unwrap().to_owned();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    for key in [Some(&foreign), None] {
        let denied = ask("2", key, &refresh).await.denied(400);
        assert_eq!(denied, "invalid_dpop_proof", "with a foreign key: {}", key.is_some());
    }
    // None of that has used it up.
    let answer = ask("3", Some(&own), &refresh).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["token_type"], "DPoP");
}
