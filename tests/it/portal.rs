//! The portal's sign-in: by an address alone, telling nobody who has an account where.

use std::{sync::Arc, time::Duration};

use countersign::{
    db::sql,
    domain::{
        password::Password,
        tenant::{Slug, Status},
        user::UserStatus,
    },
    flows::{tenants, users},
    jobs,
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, factors::Authenticator, operator, together};

const GRACE: &str = "grace@example.com";
const NOBODY: &str = "nobody@example.com";
const WRONG: &str = "wrong horse battery staple";
const OTHER: &str = "another horse battery staple";
const MICRO: Duration = Duration::from_micros(1);

impl Client {
    async fn portal(&mut self, endpoint: &str, body: &Value) -> Answer {
        self.post_json(&format!("/api/v1/auth/{endpoint}"), &body.to_string()).await
    }

    async fn portal_login(&mut self, email: &str, password: &str) -> Answer {
        self.portal("login", &json!({"email": email, "password": password})).await
    }

    /// With an access token, at another path.
    async fn by_token(&mut self, token: &str, method: &str, path: &str) -> Answer {
        let header = format!("Bearer {token}").parse().unwrap();
        self.headers.insert("authorization", header);
        let answer = self.request(method.parse().unwrap(), path, None, "").await;
        self.headers.remove("authorization");
        answer
    }
}

fn text(data: &Value, field: &str) -> String {
    data[field].as_str().unwrap_or_else(|| panic!("{field} in {data}")).to_owned()
}

/// Grace in `acme` with [`PASSWORD`] and in `beta` with `beta`.
async fn two_accounts(beta: &str) -> World {
    let world = World::new().await;
    let acme = world.tenant("acme", "{}").await;
    world.user(&acme, GRACE).await;
    let cx = world.tenant("beta", "{}").await;
    let password = Password::parse(beta).unwrap();
    world.user_with(&cx, GRACE, Some(users::Credential::Password(password)), true).await;
    world
}

async fn world() -> World {
    let world = World::new().await;
    let acme = world.tenant("acme", "{}").await;
    world.user(&acme, GRACE).await;
    world
}

/// The failures that a tenant has counted for its accounts.
async fn failures(world: &World, slug: &str) -> i64 {
    let cx = world.cx(slug).await;
    let text = "SELECT COALESCE(CAST(SUM(failures) AS BIGINT), 0) FROM attempts \
                WHERE tenant_id = $1 AND user_id IS NOT NULL";
    world.rows::<i64>(sql(text).bind(cx.tenant.id)).await[0]
}

#[tokio::test]
async fn two_steps_lead_to_tokens_and_to_no_session_cookie() {
    let world = world().await;
    let mut client = world.client();
    let identified = client.portal("identify", &json!({"email": GRACE})).await.data();
    assert_eq!((&identified["tenants"], &identified["expires_in"]), (&json!([]), &json!(600)));
    let body = json!({"flow_token": identified["flow_token"], "password": PASSWORD});
    let answer = client.portal("authenticate", &body).await;
    let data = answer.data();
    assert_eq!(answer.json()["access_token"], data["access_token"], "no envelope");
    let acme = world.cx("acme").await;
    assert_eq!(data["status"], "success");
    assert_eq!(data["token_type"], "Bearer");
    assert_eq!((&data["expires_in"], &data["scope"]), (&json!(3600), &json!("account")));
    assert_eq!(data["tenant_id"], acme.tenant.id.to_string());
    assert_eq!(data["tenant_slug"], "acme");
    assert!(text(&data, "user_id").starts_with("usr_"));
    assert!(text(&data, "session_id").starts_with("ses_"));
    assert_eq!((&data["mfa_required"], &data["mfa_token"]), (&json!(false), &Value::Null));
    assert!(answer.set_cookie("session").is_none());
    assert!(answer.set_cookie("device").is_some(), "the device is known from now on");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let me = client.by_token(&text(&data, "access_token"), "GET", "/api/v1/me/mfa").await;
    assert_eq!(me.status, 200, "{}", me.text);
    let bad = client.by_token("x", "GET", "/api/v1/me/mfa").await;
    assert_eq!(bad.refused(401), "not_authenticated");
}

#[tokio::test]
async fn the_first_step_writes_nothing_and_tells_nothing() {
    let world = two_accounts(PASSWORD).await;
    let before = world.dump().await;
    let mut client = world.client();
    let known = client.portal("identify", &json!({"email": GRACE})).await;
    let unknown = client.portal("identify", &json!({"email": NOBODY})).await;
    assert_eq!(world.dump().await, before);
    for answer in [&known, &unknown] {
        let data = answer.data();
        let names: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["flow_token", "tenants", "expires_in"]);
        assert_eq!(data["tenants"], json!([]));
        assert!(!text(&data, "flow_token").contains("example"));
    }
    // An address that is a character longer makes a token that is longer, whoever it is.
    let longer = client.portal("identify", &json!({"email": "gracie@example.com"})).await.data();
    let same = text(&unknown.data(), "flow_token").len();
    assert_eq!(text(&longer, "flow_token").len(), same);
}

#[tokio::test]
async fn only_a_device_that_has_signed_in_is_told_the_tenants_of_its_account() {
    let world = two_accounts(PASSWORD).await;
    let mut graces = world.client();
    graces.login("acme", GRACE, PASSWORD).await.data();
    let named = async |client: &mut Client, email: &str| {
        client.portal("identify", &json!({"email": email})).await.data()["tenants"].clone()
    };
    let acme = world.cx("acme").await;
    let expected = json!([{"id": acme.tenant.id.to_string(), "slug": "acme", "name": "acme"}]);
    assert_eq!(named(&mut graces, GRACE).await, expected);
    assert_eq!(named(&mut graces, "GRACE@EXAMPLE.com").await, expected);
    assert_eq!(named(&mut graces, NOBODY).await, json!([]), "of another address");
    let mallory = world.user(&acme, "mallory@example.com").await;
    let mut client = world.client();
    client.login("acme", &mallory.email, PASSWORD).await.data();
    assert_eq!(named(&mut client, GRACE).await, json!([]), "another user's device");
    for (name, _) in &mut client.cookies {
        let beta = world.cx("beta").await.tenant.id.to_string();
        *name = format!("cs_device_{}", beta.trim_start_matches("tnt_"));
    }
    assert_eq!(named(&mut client, "mallory@example.com").await, json!([]), "another tenant's");
    let slug = Slug::parse("acme").unwrap();
    tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await.unwrap();
    assert_eq!(named(&mut graces, GRACE).await, json!([]), "a suspended tenant");
}

#[tokio::test]
async fn a_flow_token_is_ours_whole_and_ten_minutes_old_at_most() {
    let world = world().await;
    let mut client = world.client();
    let flow = async |client: &mut Client| {
        text(&client.portal("identify", &json!({"email": GRACE})).await.data(), "flow_token")
    };
    let enter = async |client: &mut Client, flow: &str| {
        client.portal("authenticate", &json!({"flow_token": flow, "password": PASSWORD})).await
    };
    let token = flow(&mut client).await;
    world.advance(Duration::from_mins(10) - MICRO);
    enter(&mut client, &token).await.data();
    world.advance(MICRO);
    assert_eq!(enter(&mut client, &token).await.refused(400), "invalid_flow_token");
    let token = flow(&mut client).await;
    let other = World::new().await;
    let foreign = flow(&mut other.client()).await;
    for bad in [
        "",
        "x",
        &foreign,
        &token[1..],
        &token[..token.len() - 1],
        &format!("{token}="),
        &format!("{token}A"),
        &token.to_lowercase(),
        &"A".repeat(1024),
    ] {
        assert_eq!(enter(&mut client, bad).await.refused(400), "invalid_flow_token", "{bad}");
    }
    assert_eq!(failures(&world, "acme").await, 0, "nothing was tried");
    enter(&mut client, &token).await.data();
}

#[tokio::test]
async fn a_tenant_is_named_by_id_or_slug_and_answers_as_at_its_own_door() {
    let world = two_accounts(OTHER).await;
    let acme = world.cx("acme").await;
    let mut client = world.client();
    let enter = async |client: &mut Client, tenant: &str, password: &str| {
        let body = json!({"email": GRACE, "password": password, "tenant_id": tenant});
        client.portal("login", &body).await
    };
    for name in ["acme", "ACME", &acme.tenant.id.to_string()] {
        let data = enter(&mut client, name, PASSWORD).await.data();
        assert_eq!(data["tenant_slug"], "acme");
    }
    assert_eq!(enter(&mut client, "beta", PASSWORD).await.refused(401), "invalid_credentials");
    let none = "tnt_00000000000000000000000000";
    for name in ["nowhere", none, "", "a b"] {
        assert_eq!(enter(&mut client, name, PASSWORD).await.refused(404), "tenant_not_found");
    }
    let slug = Slug::parse("acme").unwrap();
    tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await.unwrap();
    assert_eq!(enter(&mut client, "acme", PASSWORD).await.refused(403), "tenant_suspended");
    let (_, headers, wrong) = world.client().login("beta", GRACE, PASSWORD).await.masked();
    let at_portal = enter(&mut world.client(), "beta", PASSWORD).await.masked();
    assert_eq!(at_portal, (401, headers, wrong));
}

#[tokio::test]
async fn without_a_tenant_the_one_account_that_fits_is_entered() {
    let world = two_accounts(OTHER).await;
    for (password, slug) in [(PASSWORD, "acme"), (OTHER, "beta")] {
        let data = world.client().portal_login(GRACE, password).await.data();
        assert_eq!((&data["status"], &data["tenant_slug"]), (&json!("success"), &json!(slug)));
    }
    // Each was a wrong password in the other tenant, until the right one came there.
    assert_eq!((failures(&world, "acme").await, failures(&world, "beta").await), (1, 0));
}

#[tokio::test]
async fn where_it_fits_several_only_those_are_named() {
    let world = two_accounts(PASSWORD).await;
    let cx = world.tenant("gamma", "{}").await;
    let password = Password::parse(OTHER).unwrap();
    world.user_with(&cx, GRACE, Some(users::Credential::Password(password)), true).await;
    let mut client = world.client();
    let answer = client.portal_login(GRACE, PASSWORD).await;
    assert_eq!(answer.refused(400), "tenant_required");
    let body = answer.json();
    let mut slugs: Vec<String> =
        body["tenants"].as_array().unwrap().iter().map(|it| text(it, "slug")).collect();
    slugs.sort();
    assert_eq!(slugs, ["acme", "beta"]);
    assert!(body["detail"].is_string() && body["meta"]["request_id"].is_string());
    assert!(answer.set_cookie("device").is_none());
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
    assert_eq!(failures(&world, "gamma").await, 1);
    let chosen = text(&body["tenants"][0], "id");
    let flow = client.portal("identify", &json!({"email": GRACE})).await.data();
    let body = json!({
        "flow_token": flow["flow_token"], "password": PASSWORD, "tenant_id": chosen,
    });
    assert_eq!(client.portal("authenticate", &body).await.data()["tenant_id"], chosen);
}

#[tokio::test]
async fn the_account_that_was_used_last_is_tried_among_eight() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for number in 0..10 {
        let cx = world.tenant(&format!("t{number}"), "{}").await;
        world.user(&cx, GRACE).await;
        clients.push(cx.tenant.slug.as_str().to_owned());
    }
    world.advance(Duration::from_mins(1));
    world.client().login("t0", GRACE, PASSWORD).await.data();
    let body = world.client().portal_login(GRACE, PASSWORD).await.json();
    let slugs: Vec<String> =
        body["tenants"].as_array().unwrap().iter().map(|it| text(it, "slug")).collect();
    assert_eq!((slugs.len(), slugs[0].as_str()), (8, "t0"));
}

#[tokio::test]
async fn a_wrong_password_counts_in_each_tenant_and_tells_nothing() {
    let world = two_accounts(OTHER).await;
    let known = world.client().portal_login(GRACE, WRONG).await;
    let unknown = world.client().portal_login(NOBODY, WRONG).await;
    assert_eq!(known.refused(401), "invalid_credentials");
    assert_eq!(known.masked(), unknown.masked());
    assert_eq!((failures(&world, "acme").await, failures(&world, "beta").await), (1, 1));
    for slug in ["acme", "beta"] {
        let cx = world.cx(slug).await;
        assert_eq!(world.recorded(&cx, "auth.login.password", "failure").await, 1, "{slug}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM portal_attempts").await, 3);
}

/// What a row of wrong passwords is answered with, and how long the last has to wait.
async fn guesses(world: &World, email: &str) -> (Vec<u16>, u64) {
    let mut client = world.client_at("198.51.100.7");
    let mut statuses = Vec::new();
    let mut wait = 0;
    for _ in 0..7 {
        let answer = client.portal_login(email, WRONG).await;
        statuses.push(answer.status.as_u16());
        if answer.status == 429 {
            wait = answer.retry_after();
        }
    }
    (statuses, wait)
}

#[tokio::test]
async fn guesses_are_slowed_down_alike_whoever_has_an_account() {
    let world = two_accounts(OTHER).await;
    let expected = (vec![401, 401, 401, 401, 401, 429, 429], 1);
    assert_eq!(guesses(&world, NOBODY).await, expected);
    assert_eq!(guesses(&world, GRACE).await, expected);
    // What the other doors have counted does not show here.
    let (world, mut client) = (two_accounts(OTHER).await, Vec::new());
    for email in [GRACE, NOBODY] {
        for _ in 0..8 {
            world.client().login("acme", email, WRONG).await;
        }
        client.push(guesses(&world, email).await);
    }
    assert_eq!(client, [expected.clone(), expected]);
    assert_eq!(failures(&world, "acme").await, 5, "nobody looked while it had to wait");
}

#[tokio::test]
async fn guesses_never_hold_back_a_device_that_is_known_nor_anybody_for_good() {
    let world = world().await;
    let mut known = world.client();
    known.portal_login(GRACE, PASSWORD).await.data();
    guesses(&world, GRACE).await;
    assert_eq!(world.client().portal_login(GRACE, PASSWORD).await.status, 429);
    known.portal_login(GRACE, PASSWORD).await.data();
    assert_eq!(failures(&world, "acme").await, 5, "a known device clears only its own count");
    guesses(&world, GRACE).await;
    world.execute(sql("UPDATE portal_attempts SET failures = 5000")).await;
    assert_eq!(world.client().portal_login(GRACE, PASSWORD).await.retry_after(), 900);
    world.advance(Duration::from_mins(15));
    world.client().portal_login(GRACE, PASSWORD).await.data();
}

#[tokio::test]
async fn what_the_portal_has_counted_is_dropped_in_time() {
    let world = world().await;
    world.client().portal_login(NOBODY, WRONG).await.refused(401);
    for (after, left) in [(Duration::from_mins(15), 1), (Duration::from_hours(24 * 30), 0)] {
        world.advance(after);
        while jobs::purge(&world.app).await.unwrap() {}
        assert_eq!(world.count("SELECT COUNT(*) FROM portal_attempts").await, left);
    }
}

/// An administrator of `beta` gives his Grace one password after the other, and signs in with it
/// at the portal: each is a guess at the Grace of `acme`.
#[tokio::test]
async fn an_administrator_of_one_tenant_gets_no_free_guesses_at_another() {
    let world = two_accounts(OTHER).await;
    let beta = world.cx("beta").await;
    let user = users::show(&beta, GRACE).await.unwrap();
    for guess in 0..12 {
        let guess = format!("guess number {guess} of many");
        let password = Password::parse(&guess).unwrap();
        users::set_password(&beta, &user, &password, false).await.unwrap();
        let data = world.client().portal_login(GRACE, &guess).await.data();
        assert_eq!(data["tenant_slug"], "beta");
    }
    assert_eq!(failures(&world, "acme").await, 5, "then it had to wait");
    let password = Password::parse(PASSWORD).unwrap();
    users::set_password(&beta, &user, &password, false).await.unwrap();
    let data = world.client().portal_login(GRACE, PASSWORD).await.data();
    assert_eq!(data["tenant_slug"], "beta", "the right one was not looked at in `acme`");
}

/// THR-14: one count, whatever the door.
#[tokio::test]
async fn the_portal_and_the_tenants_own_door_count_together() {
    let world = world().await;
    for _ in 0..2 {
        world.client().login("acme", GRACE, WRONG).await.refused(401);
        world.client().portal_login(GRACE, WRONG).await.refused(401);
    }
    let body = json!({"email": GRACE, "password": WRONG, "tenant_id": "acme"});
    world.client().portal("login", &body).await.refused(401);
    assert_eq!(failures(&world, "acme").await, 5);
    assert_eq!(world.client().portal("login", &body).await.status, 429);
    assert_eq!(world.client().login("acme", GRACE, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn parallel_guesses_are_all_counted() {
    let world = Arc::new(world().await);
    let answers = together((0..40).map(|_| {
        let world = Arc::clone(&world);
        async move { world.client().portal_login(GRACE, WRONG).await.status.as_u16() }
    }))
    .await;
    let looked = answers.iter().filter(|status| **status == 401).count();
    assert_eq!((looked, failures(&world, "acme").await), (5, 5));
    assert!(answers.iter().all(|status| [401, 429, 503].contains(status)));
}

#[tokio::test]
async fn what_is_told_after_the_right_password_is_told_here_too() {
    let world = world().await;
    let acme = world.cx("acme").await;
    let user = users::show(&acme, GRACE).await.unwrap();
    users::set_status(&acme, &user, UserStatus::Suspended).await.unwrap();
    let mut client = world.client();
    assert_eq!(client.portal_login(GRACE, PASSWORD).await.refused(403), "account_suspended");
    assert_eq!(client.portal_login(GRACE, WRONG).await.refused(401), "invalid_credentials");
    users::set_status(&acme, &user, UserStatus::Active).await.unwrap();
    let password = Password::parse(OTHER).unwrap();
    users::set_password(&acme, &user, &password, true).await.unwrap();
    let data = client.portal_login(GRACE, OTHER).await.data();
    assert_eq!(data["status"], "password_change_required");
    assert_eq!((&data["access_token"], &data["tenant_slug"]), (&Value::Null, &json!("acme")));
    users::delete(&acme, &user).await.unwrap();
    assert_eq!(client.portal_login(GRACE, OTHER).await.refused(401), "invalid_credentials");
}

#[tokio::test]
async fn the_second_step_is_the_tenants_and_ends_with_the_tokens() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let data = client.portal_login(GRACE, PASSWORD).await.data();
    assert_eq!((&data["status"], &data["mfa_required"]), (&json!("mfa_required"), &json!(true)));
    assert_eq!(data["available_methods"], json!(["email"]));
    assert_eq!((&data["access_token"], &data["session_id"]), (&Value::Null, &Value::Null));
    let (token, user) = (text(&data, "mfa_token"), text(&data, "user_id"));
    let send = format!("mfa/email/send?mfa_token={token}&user_id={user}");
    client.api("acme", &send, &Value::Null).await.data();
    let mail = world.inbox(GRACE).await.remove(0);
    let code: String = mail
        .text
        .split_whitespace()
        .find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))
        .unwrap()
        .to_owned();
    let body = json!({"mfa_token": token, "method": "email", "code": code});
    let answer = client.api("acme", "mfa/verify", &body).await;
    let data = answer.data();
    assert_eq!((&data["status"], &data["token_type"]), (&json!("success"), &json!("Bearer")));
    assert!(answer.set_cookie("session").is_none());
    let body = json!({"refresh_token": data["refresh_token"]});
    assert_eq!(client.portal("refresh", &body).await.data()["scope"], "account");

    // At the tenant's own door there is a cookie and there are no tokens.
    let data = client.login("acme", GRACE, PASSWORD).await.data();
    world.advance(Duration::from_mins(1));
    let (token, user) = (text(&data, "mfa_token"), text(&data, "user_id"));
    let send = format!("mfa/email/send?mfa_token={token}&user_id={user}");
    client.api("acme", &send, &Value::Null).await.data();
    let mail = world.inbox(GRACE).await.remove(0);
    let code: String = mail
        .text
        .split_whitespace()
        .find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))
        .unwrap()
        .to_owned();
    let body = json!({"mfa_token": token, "method": "email", "code": code});
    let answer = client.api("acme", "mfa/verify", &body).await;
    assert!(answer.set_cookie("session").is_some());
    assert!(answer.data().get("access_token").is_none());
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_signing_out_ends_it() {
    let world = world().await;
    let mut client = world.client();
    let first = client.portal_login(GRACE, PASSWORD).await.data();
    let refresh = async |client: &mut Client, token: &Value| {
        client.portal("refresh", &json!({"refresh_token": token})).await
    };
    let second = refresh(&mut client, &first["refresh_token"]).await.data();
    let names: Vec<&str> = second.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "refresh_token", "scope"]);
    let crossed = refresh(&mut client, &first["refresh_token"]).await.data();
    assert_eq!(crossed["refresh_token"], second["refresh_token"]);
    let out = "/api/v1/auth/logout";
    assert_eq!(client.request("POST".parse().unwrap(), out, None, "").await.status, 401);
    for bad in ["x", &text(&second, "refresh_token")] {
        assert_eq!(client.by_token(bad, "POST", out).await.refused(401), "not_authenticated");
    }
    let access = text(&second, "access_token");
    assert_eq!(client.by_token(&access, "POST", out).await.data()["status"], "signed_out");
    let acme = world.cx("acme").await;
    assert_eq!(world.recorded(&acme, "session.ended", "success").await, 1);
    assert_eq!(client.by_token(&access, "POST", out).await.data()["status"], "signed_out");
    assert_eq!(world.recorded(&acme, "session.ended", "success").await, 1, "it was over");
    let me = client.by_token(&access, "GET", "/api/v1/me/mfa").await;
    assert_eq!(me.refused(401), "not_authenticated");
    let gone = refresh(&mut client, &second["refresh_token"]).await;
    assert_eq!(gone.refused(401), "invalid_refresh_token");
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
}

#[tokio::test]
async fn who_signs_out_late_means_it_no_less() {
    let world = world().await;
    let mut client = world.client();
    let data = client.portal_login(GRACE, PASSWORD).await.data();
    world.advance(Duration::from_hours(1));
    let access = text(&data, "access_token");
    let me = client.by_token(&access, "GET", "/api/v1/me/mfa").await;
    assert_eq!(me.refused(401), "not_authenticated");
    client.by_token(&access, "POST", "/api/v1/auth/logout").await.data();
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn a_token_of_another_client_is_refused_and_no_harm_done() {
    let world = world().await;
    let mut client = world.client();
    let data = client.portal_login(GRACE, PASSWORD).await.data();
    world.execute(sql("UPDATE grants SET client_id = 'another'")).await;
    let body = json!({"refresh_token": data["refresh_token"]});
    assert_eq!(client.portal("refresh", &body).await.refused(401), "invalid_refresh_token");
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 1);
    world.execute(sql("UPDATE grants SET client_id = 'portal'")).await;
    client.portal("refresh", &body).await.data();
}

#[tokio::test]
async fn a_token_without_the_scope_is_good_for_nothing_here() {
    let world = world().await;
    let mut client = world.client();
    let data = client.portal_login(GRACE, PASSWORD).await.data();
    world.execute(sql("UPDATE grants SET scope = 'openid accounts'")).await;
    let body = json!({"refresh_token": data["refresh_token"]});
    let data = client.portal("refresh", &body).await.data();
    let me = client.by_token(&text(&data, "access_token"), "GET", "/api/v1/me/mfa").await;
    assert_eq!(me.refused(403), "insufficient_scope");
}

#[tokio::test]
async fn no_other_site_sends_a_browser_here() {
    let world = world().await;
    let mut client = world.client();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://elsewhere.example"),
    ] {
        client.headers.clear();
        client.headers.insert(name, value.parse().unwrap());
        for endpoint in ["identify", "authenticate", "login", "logout", "refresh"] {
            let answer = client.portal(endpoint, &json!({})).await;
            assert_eq!(answer.refused(403), "cross_site_request", "{endpoint} {value}");
        }
    }
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_told_all_at_once() {
    let world = world().await;
    let mut client = world.client();
    let fault = |field: &str, kind: &str| (format!("body.{field}"), kind.to_owned());
    for (endpoint, body, faults) in [
        ("identify", json!({}), vec![fault("email", "missing")]),
        ("identify", json!({"email": "x"}), vec![fault("email", "value_error")]),
        (
            "authenticate",
            json!({}),
            vec![fault("flow_token", "missing"), fault("password", "missing")],
        ),
        ("login", json!({}), vec![fault("email", "missing"), fault("password", "missing")]),
        (
            "login",
            json!({"email": "x", "password": "x".repeat(1025)}),
            vec![fault("email", "value_error"), fault("password", "string_too_long")],
        ),
        ("refresh", json!({}), vec![fault("refresh_token", "missing")]),
        (
            "refresh",
            json!({"refresh_token": "x".repeat(1025)}),
            vec![fault("refresh_token", "string_too_long")],
        ),
    ] {
        assert_eq!(client.portal(endpoint, &body).await.faults(), faults, "{endpoint} {body}");
    }
}

#[tokio::test]
async fn two_nodes_share_what_a_visitor_has() {
    let world = world().await;
    let second = world.second_node().await;
    let flow = world.client().portal("identify", &json!({"email": GRACE})).await.data();
    let body = json!({"flow_token": flow["flow_token"], "password": PASSWORD});
    let data = second.client().portal("authenticate", &body).await.data();
    let me = world.client().by_token(&text(&data, "access_token"), "GET", "/api/v1/me/mfa").await;
    assert_eq!(me.status, 200, "{}", me.text);
    let body = json!({"refresh_token": data["refresh_token"]});
    world.client().portal("refresh", &body).await.data();
}

/// POSTs as somebody in the middle of a sign-in that waits for a first factor.
async fn enrolling(client: &mut Client, token: &str, path: &str, body: &Value) -> Value {
    client.headers.insert("x-mfa-token", token.parse().unwrap());
    client.headers.insert("x-tenant", "acme".parse().unwrap());
    let answer = client.post_json(&format!("/api/v1/me/mfa/{path}"), &body.to_string()).await;
    client.headers.clear();
    assert!(answer.set_cookie("session").is_none());
    answer.data()
}

#[tokio::test]
async fn a_sign_in_that_waits_for_a_first_factor_ends_with_the_tokens() {
    let world = World::new().await;
    let settings = r#"{"mfa": {"required": true, "email_allowed": false}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let data = client.portal_login(GRACE, PASSWORD).await.data();
    assert_eq!(data["status"], "mfa_enrollment_required");
    let token = text(&data, "mfa_token");
    let offer = enrolling(&mut client, &token, "totp/setup", &Value::Null).await;
    let code = Authenticator::typed(&text(&offer, "secret")).code(&world);
    let data = enrolling(&mut client, &token, "totp/confirm", &json!({"code": code})).await;
    assert_eq!((&data["status"], &data["token_type"]), (&json!("enabled"), &json!("Bearer")));
    let me = client.by_token(&text(&data, "access_token"), "GET", "/api/v1/me/mfa").await;
    assert_eq!(me.data()["enabled"], true);
}

/// Names of the components that others' clients know.
#[test]
fn the_schemas_have_the_documented_names() {
    let document = serde_json::to_value(countersign::http::openapi::document()).unwrap();
    let login = "scaikey__api__v1__me__auth__LoginRequest";
    for (endpoint, request, data) in [
        ("identify", "IdentifyRequest", "IdentifyResponse"),
        ("authenticate", "AuthenticateRequest", "AuthenticateResponse"),
        ("login", login, "scaikey__api__v1__me__auth__LoginResponse"),
        ("refresh", "RefreshRequest", "scaikey__api__v1__me__auth__RefreshResponse"),
    ] {
        let operation = &document["paths"][format!("/api/v1/auth/{endpoint}")]["post"];
        let name = |part: &Value| {
            let schema = &part["content"]["application/json"]["schema"];
            text(schema, "$ref").rsplit('/').next().unwrap().to_owned()
        };
        assert_eq!(name(&operation["requestBody"]), request);
        assert_eq!(name(&operation["responses"]["200"]), data);
    }
}
