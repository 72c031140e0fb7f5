//! Signing out where an application asks for it: every module of the certification's plans for
//! RP-initiated and front-channel logout, by its name, and what else may go wrong.

use std::time::Duration;

use countersign::{
    domain::application::{ApplicationType, Owner},
    flows::Cx,
};
use serde_json::{Value, json};

use super::parties::{GRACE, at, claims, field, party, platform_tokens, tokens};
use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{Made, encoded, endpoint},
};

const BACK: &str = "https://app.example.com/signed-out";
const WITH_QUERY: &str = "https://app.example.com/signed-out?lang=en";

fn metadata() -> Value {
    json!({"post_logout_redirect_uris": [BACK, WITH_QUERY]})
}

async fn scene(world: &World) -> (Cx, Client, Made, String) {
    let (cx, mut browser, made) = party(world, metadata()).await;
    let had = tokens(&mut browser, "acme", &made, &[]).await;
    (cx, browser, made, had["id_token"].as_str().unwrap().to_owned())
}

async fn leave(browser: &mut Client, pairs: &[(&str, &str)]) -> Answer {
    browser.get(&at("acme", "logout", pairs)).await
}

/// Says yes to the question.
async fn confirm(browser: &mut Client, question: &Answer, pairs: &[(&str, &str)]) -> Answer {
    assert!(is_question(question), "{} {}", question.status, question.text);
    let proof = field(question, "proof");
    let mut form = pairs.to_vec();
    form.push(("proof", &proof));
    browser.post_form(&endpoint("acme", "logout"), &encoded(&form)).await
}

fn is_question(page: &Answer) -> bool {
    page.status.as_u16() == 200 && page.text.contains("id=\"confirm\"")
}

fn is_signed_out(page: &Answer) -> bool {
    page.status.as_u16() == 200 && page.text.contains("id=\"signed-out\"")
}

#[track_caller]
fn refused(page: &Answer) {
    assert_eq!(page.status.as_u16(), 400, "{}", page.text);
    assert!(page.text.contains("id=\"error-code\">invalid_request<"), "{}", page.text);
    goes_nowhere(page);
}

#[track_caller]
fn goes_nowhere(page: &Answer) {
    assert!(!page.headers.contains_key("location") && !page.headers.contains_key("refresh"));
    assert!(!page.text.contains("id=\"continue\""), "{}", page.text);
}

async fn is_signed_in(browser: &mut Client) -> bool {
    browser.get("/api/v1/me/session").await.status.as_u16() == 200
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    for (path, base) in [
        ("/api/v1/auth/tenants/acme/.well-known/openid-configuration", "auth/tenants/acme"),
        ("/.well-known/openid-configuration", "platform"),
    ] {
        let said = client.get(path).await.json();
        let expected = format!("http://127.0.0.1:8080/api/v1/{base}/oauth/logout");
        assert_eq!(said["end_session_endpoint"], expected);
        assert_eq!(said["frontchannel_logout_supported"], true);
        assert_eq!(said["frontchannel_logout_session_supported"], true);
        assert_eq!(said["backchannel_logout_supported"], true);
        assert_eq!(said["backchannel_logout_session_supported"], true);
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    let world = World::new().await;
    let (cx, mut browser, _, hint) = scene(&world).await;
    let pairs = [
        ("id_token_hint", &*hint),
        ("post_logout_redirect_uri", BACK),
        ("state", "a state & more"),
    ];
    let answer = leave(&mut browser, &pairs).await;
    assert_eq!(answer.location().as_str(), format!("{BACK}?state=a+state+%26+more"));
    let cookie = answer.set_cookie("cs_session_").unwrap();
    assert!(cookie.contains("Max-Age=0") && cookie.contains("=;"), "{cookie}");
    assert_eq!(answer.headers["clear-site-data"], "\"storage\"");
    assert!(!is_signed_in(&mut browser).await);
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
    assert_eq!(world.recorded(&cx, "session.ended", "success").await, 1);
    // Once more: nothing is left to end, and the way back is as open.
    let again = leave(&mut browser, &pairs).await;
    assert!(again.location().as_str().starts_with(BACK));
    assert_eq!(world.recorded(&cx, "session.ended", "success").await, 1);
}

#[tokio::test]
async fn a_hint_may_be_as_old_as_it_likes() {
    let world = World::new().await;
    let (_, mut browser, _, hint) = scene(&world).await;
    world.advance(Duration::from_mins(90));
    // The session was in use meanwhile.
    let lives = countersign::db::sql("UPDATE sessions SET idle_expires_at = expires_at");
    world.execute(lives).await;
    let answer = leave(&mut browser, &[("id_token_hint", &hint)]).await;
    assert!(is_signed_out(&answer), "{} {}", answer.status, answer.text);
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let world = World::new().await;
    let (_, mut browser, made, hint) = scene(&world).await;
    for uri in [
        "https://evil.example.com/",
        "https://app.example.com/signed-out/",
        "https://app.example.com/Signed-Out",
        "https://APP.example.com/signed-out",
        "https://app.example.com:443/signed-out",
        "https://app.example.com/callback",
        "//app.example.com/signed-out",
        "javascript:alert(1)",
    ] {
        let pairs = [("id_token_hint", &*hint), ("post_logout_redirect_uri", uri)];
        refused(&leave(&mut browser, &pairs).await);
        let pairs = [("client_id", &*made.client_id), ("post_logout_redirect_uri", uri)];
        refused(&leave(&mut browser, &pairs).await);
    }
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let world = World::new().await;
    let (_, mut browser, _, hint) = scene(&world).await;
    for uri in [&format!("{BACK}?foo=bar"), &format!("{WITH_QUERY}&foo=bar")] {
        let pairs = [("id_token_hint", &*hint), ("post_logout_redirect_uri", uri)];
        refused(&leave(&mut browser, &pairs).await);
    }
    // One that was registered with a query keeps it.
    let pairs =
        [("id_token_hint", &*hint), ("post_logout_redirect_uri", WITH_QUERY), ("state", "x")];
    let answer = leave(&mut browser, &pairs).await;
    assert_eq!(answer.location().as_str(), format!("{WITH_QUERY}&state=x"));
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let world = World::new().await;
    let (_, mut browser, _, hint) = scene(&world).await;
    let (rest, signature) = hint.rsplit_once('.').unwrap();
    let (head, body) = rest.split_once('.').unwrap();
    let other = if body.starts_with('e') { 'f' } else { 'e' };
    for forged in [
        format!("{head}.{body}."),
        format!("{head}.{body}.{}", &signature[4..]),
        format!("{head}.{other}{}.{signature}", &body[1..]),
        format!("eyJhbGciOiJub25lIn0.{body}."),
        format!("eyJhbGciOiJub25lIn0.{body}.{signature}"),
    ] {
        let pairs = [("id_token_hint", &*forged), ("post_logout_redirect_uri", BACK)];
        refused(&leave(&mut browser, &pairs).await);
    }
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let world = World::new().await;
    let (_, mut browser, made, hint) = scene(&world).await;
    refused(&leave(&mut browser, &[("id_token_hint", "nonsense")]).await);
    // An access token of ours is no ID token.
    let had = tokens(&mut browser, "acme", &made, &[]).await;
    let token = had["access_token"].as_str().unwrap();
    refused(&leave(&mut browser, &[("id_token_hint", token)]).await);
    // Nor does one of another application do.
    let other = world.web(Owner::Platform, metadata()).await;
    let pairs = [("id_token_hint", &*hint), ("client_id", &*other.client_id)];
    refused(&leave(&mut browser, &pairs).await);
    refused(&leave(&mut browser, &[("client_id", "app_none")]).await);
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oau_21_a_hint_of_another_realm_is_none() {
    let world = World::new().await;
    let (_, mut browser, _, _) = scene(&world).await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let mut stranger = world.client();
    stranger.login("other", GRACE, PASSWORD).await.data();
    let theirs = world.web(Owner::Tenant(other.tenant.id), metadata()).await;
    let had = tokens(&mut stranger, "other", &theirs, &[]).await;
    let hint = had["id_token"].as_str().unwrap();
    let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", BACK)];
    refused(&leave(&mut browser, &pairs).await);
    let global = world.web(Owner::Platform, metadata()).await;
    let had = platform_tokens(&mut browser, &global).await;
    let hint = had["id_token"].as_str().unwrap();
    refused(&leave(&mut browser, &[("id_token_hint", hint)]).await);
    assert!(is_signed_in(&mut browser).await);
    // Where it was made, it does.
    let path = format!(
        "/api/v1/platform/oauth/logout?{}",
        encoded(&[("id_token_hint", hint), ("post_logout_redirect_uri", BACK)])
    );
    let answer = browser.get(&path).await;
    assert_eq!(answer.location().as_str(), BACK);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint() {
    let world = World::new().await;
    let (_, mut browser, made, _) = scene(&world).await;
    // Nobody knows whose address it is: the person is asked, and goes nowhere.
    let pairs = [("post_logout_redirect_uri", BACK), ("state", "x")];
    let question = leave(&mut browser, &pairs).await;
    assert!(is_signed_in(&mut browser).await);
    let answer = confirm(&mut browser, &question, &pairs).await;
    assert!(is_signed_out(&answer), "{} {}", answer.status, answer.text);
    goes_nowhere(&answer);
    assert!(!is_signed_in(&mut browser).await);
    // With the application's name the person is asked all the same, and goes back.
    browser.login("acme", GRACE, PASSWORD).await.data();
    let pairs =
        [("client_id", &*made.client_id), ("post_logout_redirect_uri", BACK), ("state", "x\"<b>")];
    let question = leave(&mut browser, &pairs).await;
    assert!(question.text.contains("Test application") && question.text.contains(GRACE));
    assert_eq!(field(&question, "state"), "x&quot;&lt;b&gt;");
    let answer = confirm(&mut browser, &question, &pairs).await;
    assert!(is_signed_out(&answer), "{}", answer.text);
    assert_eq!(answer.headers["refresh"], format!("0; url={BACK}?state=x%22%3Cb%3E"));
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params() {
    let world = World::new().await;
    let (_, mut browser, _, _) = scene(&world).await;
    let question = leave(&mut browser, &[]).await;
    let answer = confirm(&mut browser, &question, &[]).await;
    assert!(is_signed_out(&answer), "{}", answer.text);
    goes_nowhere(&answer);
    assert!(!is_signed_in(&mut browser).await);
    // Where nobody is signed in there is nothing to ask.
    assert!(is_signed_out(&leave(&mut world.client(), &[]).await));
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state() {
    let world = World::new().await;
    let (_, mut browser, _, _) = scene(&world).await;
    let question = leave(&mut browser, &[("state", "x")]).await;
    let answer = confirm(&mut browser, &question, &[("state", "x")]).await;
    assert!(is_signed_out(&answer), "{}", answer.text);
    goes_nowhere(&answer);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let world = World::new().await;
    let (_, mut browser, _, hint) = scene(&world).await;
    let answer = leave(&mut browser, &[("id_token_hint", &hint), ("state", "x")]).await;
    assert!(is_signed_out(&answer), "{}", answer.text);
    goes_nowhere(&answer);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state() {
    let world = World::new().await;
    let (_, mut browser, _, hint) = scene(&world).await;
    let pairs = [("id_token_hint", &*hint), ("post_logout_redirect_uri", BACK)];
    let answer = leave(&mut browser, &pairs).await;
    assert_eq!(answer.location().as_str(), BACK);
}

#[tokio::test]
async fn a_hint_of_another_session_leads_to_a_question() {
    let world = World::new().await;
    let (cx, _, made, hint) = scene(&world).await;
    world.user(&cx, "bob@example.com").await;
    let mut other = world.client();
    other.login("acme", "bob@example.com", PASSWORD).await.data();
    let pairs = [("id_token_hint", &*hint), ("post_logout_redirect_uri", BACK)];
    let question = leave(&mut other, &pairs).await;
    assert!(is_question(&question), "{}", question.text);
    assert!(question.text.contains("bob@example.com") && !question.text.contains(GRACE));
    // The session that the hint names is not this browser's to end.
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 2);
    let answer = confirm(&mut other, &question, &pairs).await;
    assert_eq!(answer.headers["refresh"], format!("0; url={BACK}"));
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 1);
    assert_eq!(made.client_id, claims(&json!(hint))["aud"].as_str().unwrap());
}

#[tokio::test]
async fn only_our_own_page_confirms() {
    let world = World::new().await;
    let (_, mut browser, _, _) = scene(&world).await;
    let question = leave(&mut browser, &[]).await;
    let path = endpoint("acme", "logout");
    // Without proof it is an application's form, which leads to the question.
    let asked = browser.post_form(&path, "state=x").await;
    assert_eq!(asked.location().path(), path);
    assert!(is_question(&browser.follow(&asked).await));
    assert_eq!(browser.post_form(&path, "proof=x").await.status.as_u16(), 403);
    let mut other = world.client();
    other.login("acme", GRACE, PASSWORD).await.data();
    let foreign = field(&leave(&mut other, &[]).await, "proof");
    let form = encoded(&[("proof", &*foreign)]);
    assert_eq!(browser.post_form(&path, &form).await.status.as_u16(), 403);
    let form = encoded(&[("proof", &*field(&question, "proof"))]);
    let mut crossing = browser.clone();
    crossing.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(crossing.post_form(&path, &form).await.status.as_u16(), 403);
    assert!(is_signed_in(&mut browser).await);
    assert!(is_signed_out(&browser.post_form(&path, &form).await));
}

#[tokio::test]
async fn an_applications_form_is_as_good_as_its_address() {
    let world = World::new().await;
    let (_, mut browser, _, hint) = scene(&world).await;
    let pairs = [
        ("id_token_hint", &*hint),
        ("post_logout_redirect_uri", BACK),
        ("state", "x"),
        ("logout_hint", GRACE),
    ];
    let sent = browser.post_form(&endpoint("acme", "logout"), &encoded(&pairs)).await;
    assert_eq!(sent.sent("logout_hint"), None);
    let answer = browser.follow(&sent).await;
    assert_eq!(answer.location().as_str(), format!("{BACK}?state=x"));
}

#[tokio::test]
async fn the_page_speaks_the_language_that_is_asked_for() {
    let world = World::new().await;
    let (_, mut browser, _, _) = scene(&world).await;
    let page = leave(&mut browser, &[("ui_locales", "pt-BR de-AT en")]).await;
    assert!(page.text.contains("<html lang=\"de\""), "{}", page.text);
}

#[tokio::test]
async fn oidcc_frontchannel_rp_initiated_logout() {
    let world = World::new().await;
    let (cx, mut browser, made, hint) = scene(&world).await;
    let owner = Owner::Tenant(cx.tenant.id);
    let hears = |uri: &str, session: bool| {
        json!({
            "frontchannel_logout_uri": uri,
            "frontchannel_logout_session_required": session,
        })
    };
    let with = world.web(owner, hears("https://a.example.com/out?x=1", true)).await;
    let without = world.web(owner, hears("https://b.example.com:8443/out", false)).await;
    let unused = world.web(owner, hears("https://c.example.com/out", false)).await;
    for made in [&with, &without] {
        tokens(&mut browser, "acme", made, &[]).await;
    }
    let pairs = [("id_token_hint", &*hint), ("post_logout_redirect_uri", BACK), ("state", "x")];
    let (session, _) = browser.session().unwrap();
    let answer = leave(&mut browser, &pairs).await;
    assert!(is_signed_out(&answer), "{} {}", answer.status, answer.text);
    let issuer = encoded(&[("iss", &format!("http://127.0.0.1:8080/tenants/{}", cx.tenant.id))]);
    let first = format!("https://a.example.com/out?x=1&amp;{issuer}&amp;sid={session}");
    for frame in [&*first, "https://b.example.com:8443/out"] {
        assert!(answer.text.contains(&format!("<iframe src=\"{frame}\"")), "{}", answer.text);
    }
    assert_eq!(answer.text.matches("<iframe").count(), 2);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let allowed = "; frame-src https://a.example.com https://b.example.com:8443";
    assert!(policy.ends_with(allowed), "{policy}");
    assert_eq!(answer.headers["refresh"], format!("3; url={BACK}?state=x"));
    assert!(answer.text.contains(&format!("href=\"{BACK}?state=x\"")));
    assert!(!is_signed_in(&mut browser).await);
    assert_ne!(unused.client_id, made.client_id);
}

#[tokio::test]
async fn a_session_that_took_the_place_of_another_is_still_the_applications() {
    let world = World::new().await;
    let (_, mut browser, made) = party(
        &world,
        json!({
            "post_logout_redirect_uris": [BACK],
            "frontchannel_logout_uri": "https://app.example.com/out",
            "frontchannel_logout_session_required": true,
        }),
    )
    .await;
    let had = tokens(&mut browser, "acme", &made, &[]).await;
    let (before, _) = browser.session().unwrap();
    world.advance(Duration::from_secs(5));
    browser.login("acme", GRACE, PASSWORD).await.data();
    assert_ne!(browser.session().unwrap().0, before);
    let hint = had["id_token"].as_str().unwrap();
    let answer = leave(&mut browser, &[("id_token_hint", hint)]).await;
    assert!(is_signed_out(&answer), "{}", answer.text);
    assert!(answer.text.contains(&format!("sid={before}\"")), "{}", answer.text);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn what_outlives_the_session_outlives_signing_out() {
    let world = World::new().await;
    let (cx, mut browser, _) = party(&world, json!({})).await;
    let owner = Owner::Tenant(cx.tenant.id);
    let metadata = json!({
        "redirect_uris": [crate::support::applications::CALLBACK],
        "allowed_scopes": ["openid", "offline_access"],
    });
    let made = world.application(owner, ApplicationType::Web, metadata).await;
    for (scope, status) in [("openid offline_access", 200), ("openid", 400)] {
        let had = tokens(&mut browser, "acme", &made, &[("scope", scope)]).await;
        let hint = had["id_token"].as_str().unwrap();
        leave(&mut browser, &[("id_token_hint", hint)]).await;
        let pairs = [
            ("grant_type", "refresh_token"),
            ("refresh_token", had["refresh_token"].as_str().unwrap()),
        ];
        let answer = browser.post_as("acme", "token", &made, &pairs).await;
        assert_eq!(answer.status.as_u16(), status, "{scope} {}", answer.text);
        browser.login("acme", GRACE, PASSWORD).await.data();
    }
}
