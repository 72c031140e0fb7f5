//! Authorization requests: who gets an answer, where, and after what.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::application::{ApplicationType, Owner},
};
use serde_json::json;

use crate::support::{
    PASSWORD, World,
    applications::{CALLBACK, challenge, encoded, endpoint, request},
};

const GRACE: &str = "grace@example.com";

/// A world with Grace of `acme`.
async fn world() -> (World, countersign::flows::Cx) {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    world.advance(Duration::from_secs(1));
    (world, acme)
}

#[tokio::test]
async fn somebody_unknown_signs_in_first_and_comes_back_with_a_code() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let mut browser = world.client();
    let challenge = challenge();
    let asked = browser.authorize("acme", &request(&made, &challenge)).await;
    assert!(asked.location().path().ends_with("/t/acme/login"), "{}", asked.location());
    assert!(asked.sent("request").is_some());

    let login = browser.login("acme", GRACE, PASSWORD).await.data();
    let next = login["redirect_uri"].as_str().unwrap().to_owned();
    assert!(next.contains("/api/v1/auth/tenants/acme/oauth/authorize/resume"), "{next}");
    let path = next.strip_prefix("http://127.0.0.1:8080").unwrap();
    let answer = browser.get(path).await;
    assert!(answer.location().as_str().starts_with(CALLBACK), "{}", answer.location());
    assert_eq!(answer.sent("state").unwrap(), "a state");
    let issuer = format!("http://127.0.0.1:8080/tenants/{}", acme.tenant.id);
    assert_eq!(answer.sent("iss").unwrap(), issuer, "OAU-09");
    assert_eq!(answer.sent("code").unwrap().len(), 43);

    // The request is over.
    let again = browser.get(path).await;
    assert_eq!(again.status, 400);
    // Without one, nothing is told of any.
    let login = browser.login("acme", GRACE, PASSWORD).await.data();
    assert!(login["redirect_uri"].is_null());
}

#[tokio::test]
async fn a_session_that_is_there_answers_at_once() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let challenge = challenge();
    let mut pairs = request(&made, &challenge);
    pairs.push(("prompt", "none"));
    pairs.push(("an_unknown_parameter", "is ignored"));
    let answer = browser.authorize("acme", &pairs).await;
    assert!(answer.sent("code").is_some(), "{}", answer.location());
}

#[tokio::test]
async fn the_request_of_one_browser_is_nothing_in_another() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let (mut eve, mut grace) = (world.client(), world.client());
    let challenge = challenge();
    let asked = eve.authorize("acme", &request(&made, &challenge)).await;
    let handle = asked.sent("request").unwrap();
    grace.login("acme", GRACE, PASSWORD).await.data();
    let resumed = format!("{}/resume?request={handle}", endpoint("acme", "authorize"));
    assert_eq!(grace.get(&resumed).await.status, 400);
    // Not even with a request of her own under way.
    let mut pairs = request(&made, &challenge);
    pairs.push(("prompt", "login"));
    grace.authorize("acme", &pairs).await.location();
    assert_eq!(grace.get(&resumed).await.status, 400);
    assert_eq!(eve.get(&resumed).await.location().path(), "/t/acme/login");
}

#[tokio::test]
async fn oau_20_prompts_are_obeyed() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let with = |name: &'static str, value: &'static str| {
        let mut pairs = request(&made, &challenge);
        pairs.push((name, value));
        pairs
    };
    let mut browser = world.client();
    let silent = browser.authorize("acme", &with("prompt", "none")).await;
    assert_eq!(silent.sent("error").unwrap(), "login_required");
    assert_eq!(silent.sent("state").unwrap(), "a state");
    assert!(silent.sent("iss").is_some());

    browser.login("acme", GRACE, PASSWORD).await.data();
    world.advance(Duration::from_secs(10));
    for (name, value, page) in [
        ("prompt", "login", "/t/acme/login"),
        ("max_age", "5", "/t/acme/login"),
        ("max_age", "0", "/t/acme/login"),
        ("prompt", "consent", "/t/acme/consent"),
        ("prompt", "select_account", "/t/acme/select-account"),
        ("acr_values", "aal2", "/t/acme/login"),
    ] {
        let asked = browser.authorize("acme", &with(name, value)).await;
        assert_eq!(asked.location().path(), page, "{name}={value}");
    }
    for (name, value) in [("max_age", "10000"), ("acr_values", "aal1 gold"), ("ui_locales", "de")] {
        let asked = browser.authorize("acme", &with(name, value)).await;
        assert!(asked.sent("code").is_some(), "{name}={value}");
    }
    for (name, value) in [("prompt", "none login"), ("prompt", "now"), ("max_age", "-1")] {
        let asked = browser.authorize("acme", &with(name, value)).await;
        assert_eq!(asked.sent("error").unwrap(), "invalid_request", "{name}={value}");
    }
    // A fresh sign-in satisfies what asked for one, and only what was asked before it. The newest
    // request is gone on with; those of one moment have no order.
    world.advance(Duration::from_secs(1));
    browser.authorize("acme", &with("prompt", "login")).await.location();
    world.advance(Duration::from_secs(1));
    let login = browser.login("acme", GRACE, PASSWORD).await.data();
    let path = login["redirect_uri"].as_str().unwrap().replace("http://127.0.0.1:8080", "");
    assert!(browser.get(&path).await.sent("code").is_some());
}

#[tokio::test]
async fn oau_04_pkce_cannot_be_left_out_or_weakened() {
    let (world, acme) = world().await;
    let owner = Owner::Tenant(acme.tenant.id);
    let made = world.web(owner, json!({})).await;
    let metadata = json!({"redirect_uris": [CALLBACK], "allowed_scopes": ["openid"]});
    let spa = world.application(owner, ApplicationType::Spa, metadata.clone()).await;
    let mut loose = metadata;
    loose["require_pkce"] = json!(false);
    let loose_spa = world.application(owner, ApplicationType::Spa, loose.clone()).await;
    let loose_web = world.application(owner, ApplicationType::Web, loose).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    for (application, is_demanded) in
        [(&made, true), (&spa, true), (&loose_spa, true), (&loose_web, false)]
    {
        let all = request(application, &challenge);
        let without: Vec<_> =
            all.iter().copied().filter(|(name, _)| !name.starts_with("code_ch")).collect();
        let answer = browser.authorize("acme", &without).await;
        assert_eq!(answer.sent("error").is_some(), is_demanded);
        let plain: Vec<_> =
            all.iter()
                .map(|(name, value)| {
                    if *name == "code_challenge_method" {
                        (*name, "plain")
                    } else {
                        (*name, *value)
                    }
                })
                .collect();
        let answer = browser.authorize("acme", &plain).await;
        assert_eq!(answer.sent("error").unwrap(), "invalid_request");
        let unnamed: Vec<_> =
            all.iter().copied().filter(|(name, _)| *name != "code_challenge_method").collect();
        let answer = browser.authorize("acme", &unnamed).await;
        assert_eq!(answer.sent("error").unwrap(), "invalid_request");
    }
}

/// Addresses that are not the registered one, whatever a browser or a parser makes of them.
const FOREIGN: &[&str] = &[
    "",
    "https://evil.test/callback",
    // RED-01
    "https://app.example.com.evil.test/callback",
    "https://evilapp.example.com/callback",
    "https://example.com/callback",
    // RED-02
    "https://app.example.com@evil.test/callback",
    "https://app.example.com:443@evil.test/callback",
    "https://app.example.com%40evil.test/callback",
    // RED-03
    "https://app.example.com/callback/../x",
    "https://app.example.com/callback/..%2fx",
    "https://app.example.com/callback%252f..",
    "https://app.example.com/callback/..;/x",
    // RED-04
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "https:evil.test",
    "https:/\\evil.test",
    " https://app.example.com/callback",
    "https://app.example.com/callback\0",
    // RED-05
    "http://127.0.0.1/callback",
    "http://localhost:9/callback",
    "http://[::1]/callback",
    // RED-06
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    // RED-07
    "https://app.example.com/callback\r\nSet-Cookie:x=1",
    // RED-08
    "HTTPS://APP.EXAMPLE.COM/callback",
    "https://app.example.com/CALLBACK",
    "https://app.example.com:443/callback",
    "https://app.example.com/callback/",
    "https://app.example.com/callback?x=1",
    "https://app.example.com/callback#f",
];

#[tokio::test]
async fn red_10_nothing_is_sent_where_the_application_or_its_address_is_in_doubt() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let other = world.tenant("other", "{}").await;
    let foreign = world.web(Owner::Tenant(other.tenant.id), json!({})).await;
    let global = world.web(Owner::Platform, json!({})).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    for client_id in
        ["", "app_01h455vb4pex5vsknk084sn02q", "x", &foreign.client_id, &global.client_id]
    {
        let mut pairs = request(&made, &challenge);
        pairs[1].1 = client_id;
        let answer = browser.authorize("acme", &pairs).await;
        assert_eq!(answer.status, 400, "{client_id}");
        assert!(!answer.headers.contains_key("location"));
        assert!(answer.text.contains("<html"), "{}", answer.text);
    }
    for uri in FOREIGN {
        let mut pairs = request(&made, &challenge);
        pairs[2].1 = uri;
        let answer = browser.authorize("acme", &pairs).await;
        assert_eq!(answer.status, 400, "{uri}");
        assert!(!answer.headers.contains_key("location"), "{uri}");
        assert!(!answer.text.contains("evil.test"), "{uri}");
    }
    // The response type is told to the application, since the address is its own.
    for (place, value, error) in [
        (0, "token", "unsupported_response_type"),
        (0, "code id_token", "unsupported_response_type"),
        (0, "", "invalid_request"),
        (3, "never-heard-of", "invalid_scope"),
    ] {
        let mut pairs = request(&made, &challenge);
        pairs[place].1 = value;
        let answer = browser.authorize("acme", &pairs).await;
        assert!(answer.location().as_str().starts_with(CALLBACK));
        assert_eq!(answer.sent("error").unwrap(), error);
    }
}

#[tokio::test]
async fn red_05_only_a_native_application_may_choose_a_port() {
    let (world, acme) = world().await;
    let owner = Owner::Tenant(acme.tenant.id);
    let metadata = json!({
        "redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"],
        "allowed_scopes": ["openid", "profile", "email"],
    });
    let native = world.application(owner, ApplicationType::Native, metadata.clone()).await;
    let web = world.application(owner, ApplicationType::Web, metadata).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let uris = [
        ("http://127.0.0.1/cb", true, true),
        ("http://127.0.0.1:49152/cb", true, false),
        ("http://[::1]:1024/cb", true, false),
        ("com.example.app:/cb", true, true),
        ("http://localhost:49152/cb", false, false),
        ("http://127.0.0.1:49152/other", false, false),
        ("http://127.0.0.2:49152/cb", false, false),
        ("http://127.0.0.1:49152@evil.test/cb", false, false),
        ("http://127.0.0.1.evil.test/cb", false, false),
        ("http://2130706433:49152/cb", false, false),
        ("https://127.0.0.1:49152/cb", false, false),
        ("com.example.app:/other", false, false),
    ];
    for (uri, by_native, by_web) in uris {
        for (made, goes) in [(&native, by_native), (&web, by_web)] {
            let mut pairs = request(made, &challenge);
            pairs[2].1 = uri;
            let answer = browser.authorize("acme", &pairs).await;
            assert_eq!(answer.status.is_redirection(), goes, "{uri}");
        }
    }
}

#[tokio::test]
async fn oau_24_a_parameter_comes_once() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let pairs = request(&made, &challenge);
    for twice in &pairs {
        let mut pairs = pairs.clone();
        pairs.push(*twice);
        let answer = browser.authorize("acme", &pairs).await;
        assert_eq!(answer.status, 400, "{twice:?}");
    }
}

#[tokio::test]
async fn oau_19_a_request_without_measure_is_refused() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let mut browser = world.client();
    let many: String =
        (0..2_000).fold(String::new(), |all, number| all + "s" + &number.to_string() + " ");
    let mut pairs = request(&made, &challenge);
    pairs[3].1 = &many;
    let answer = browser.authorize("acme", &pairs).await;
    assert_eq!(answer.sent("error").unwrap(), "invalid_scope");
    let huge = "a ".repeat(20_000);
    pairs[3].1 = &huge;
    assert_eq!(browser.authorize("acme", &pairs).await.status, 400);
    let claims = format!("{{\"id_token\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let mut pairs = request(&made, &challenge);
    pairs.push(("claims", &claims));
    let answer = browser.authorize("acme", &pairs).await;
    assert_eq!(answer.sent("error").unwrap(), "invalid_request");
}

#[tokio::test]
async fn oau_25_a_form_takes_the_answer_and_nothing_breaks_out_of_it() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let mut pairs = request(&made, &challenge);
    pairs.push(("response_mode", "form_post"));
    pairs[4].1 = "\"><script>alert(1)</script>";
    let page = browser.authorize("acme", &pairs).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    assert!(page.text.contains(&format!("action=\"{CALLBACK}\"")), "{}", page.text);
    assert!(page.text.contains("name=\"code\""));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action https://app.example.com;"), "{policy}");
    // An error goes the same way.
    pairs.push(("prompt", "none login"));
    let page = browser.authorize("acme", &pairs).await;
    assert!(page.text.contains("name=\"error\""), "{}", page.text);
    assert!(!page.text.contains("<script>alert"));
}

#[tokio::test]
async fn a_request_may_come_as_a_form_from_another_site() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let mut foreign = browser.clone();
    foreign.cookies.clear();
    foreign.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let form = encoded(&request(&made, &challenge));
    let sent_on = foreign.post_form(&endpoint("acme", "authorize"), &form).await;
    assert_eq!(sent_on.status, 303);
    assert!(browser.follow(&sent_on).await.sent("code").is_some());
}

#[tokio::test]
async fn tenants_share_no_requests_and_no_sessions() {
    let (world, acme) = world().await;
    let other = world.tenant("other", "{}").await;
    world.user(&other, GRACE).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let theirs = world.web(Owner::Tenant(other.tenant.id), json!({})).await;
    let asked = browser.authorize("other", &request(&theirs, &challenge)).await;
    assert_eq!(asked.location().path(), "/t/other/login");
    let handle = asked.sent("request").unwrap();
    let elsewhere = format!("{}/resume?request={handle}", endpoint("acme", "authorize"));
    assert_eq!(browser.get(&elsewhere).await.status, 400);
    // An application of the partner is used in each of its tenants.
    let shared = world.web(Owner::Partner(acme.tenant.partner_id), json!({})).await;
    let answer = browser.authorize("acme", &request(&shared, &challenge)).await;
    assert!(answer.sent("code").is_some());
}

#[tokio::test]
async fn a_tenant_or_application_out_of_use_answers_nobody() {
    let (world, acme) = world().await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    world.advance(Duration::from_secs(1));
    let pairs = request(&made, &challenge);
    let asked =
        browser.authorize("acme", &[pairs.clone(), vec![("prompt", "login")]].concat()).await;
    let disable = sql("UPDATE applications SET status = 'disabled' WHERE id = $1").bind(made.id);
    world.execute(disable).await;
    assert_eq!(browser.authorize("acme", &pairs).await.status, 400);
    let resumed = format!(
        "{}/resume?request={}",
        endpoint("acme", "authorize"),
        asked.sent("request").unwrap()
    );
    assert_eq!(browser.get(&resumed).await.status, 400, "OAU-11");
    world.execute(sql("UPDATE tenants SET status = 'suspended'")).await;
    assert_eq!(browser.authorize("acme", &pairs).await.status, 403, "TEN-07");
    assert_eq!(browser.authorize("nope", &pairs).await.status, 404, "TEN-02");
}

#[tokio::test]
async fn a_hint_of_somebody_else_is_not_answered_for_whoever_is_there() {
    let (world, acme) = world().await;
    world.user(&acme, "bob@example.com").await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let challenge = challenge();
    let mut bob = world.client();
    bob.login("acme", "bob@example.com", PASSWORD).await.data();
    let answer = bob.authorize("acme", &request(&made, &challenge)).await;
    let code = crate::support::Client::code(&answer);
    let of_bob =
        bob.redeem("acme", &made, &code).await.json()["id_token"].as_str().unwrap().to_owned();

    let mut grace = world.client();
    grace.login("acme", GRACE, PASSWORD).await.data();
    world.advance(Duration::from_secs(1));
    let mut pairs = request(&made, &challenge);
    pairs.push(("id_token_hint", &of_bob));
    let asked = grace.authorize("acme", &pairs).await;
    assert_eq!(asked.location().path(), "/t/acme/login");
    pairs.push(("prompt", "none"));
    let silent = grace.authorize("acme", &pairs).await;
    assert_eq!(silent.sent("error").unwrap(), "login_required", "OAU-20");
    assert!(bob.authorize("acme", &pairs).await.sent("code").is_some());
    // What is no ID token of ours is told.
    let forged = format!("{of_bob}x");
    let last = pairs.len() - 2;
    pairs[last].1 = &forged;
    assert_eq!(bob.authorize("acme", &pairs).await.sent("error").unwrap(), "invalid_request");
}
