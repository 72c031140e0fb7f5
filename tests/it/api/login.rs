//! Sign-in with a password: what is told, what is not, and what it leaves behind.

use std::time::Duration;

use countersign::{
    config::Config,
    crypto::{hasher::Class, password::PasswordHash},
    db::sql,
    domain::{
        password::Password,
        user::{User, UserStatus},
    },
    flows::{Cx, session, users},
};
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, World, token_in};

const GRACE: &str = "grace@example.com";
/// A password that is none of anybody.
const WRONG: &str = "wrong horse battery staple";

async fn world_with_grace() -> (World, Cx, User) {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    (world, acme, grace)
}

async fn login(client: &mut Client, password: &str) -> Answer {
    client.login("acme", GRACE, password).await
}

/// The parts of a `Set-Cookie` header after the name and value, sorted.
fn flags(cookie: &str) -> Vec<&str> {
    let mut flags: Vec<&str> = cookie.split("; ").skip(1).collect();
    flags.sort_unstable();
    flags
}

#[tokio::test]
async fn the_right_password_opens_a_session() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, "grace@example.com").await;
    let mut client = world.client();
    let body = json!({"email": "Grace@EXAMPLE.com", "password": PASSWORD});
    let answer = client.api("acme", "login", &body).await;
    let data = answer.data();
    assert_eq!(data["status"], "success");
    assert_eq!(data["user_id"], user.id.to_string());
    assert_eq!(data["mfa_required"], false);
    assert!(data["session_id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(client.cookies.len(), 2);
}

#[tokio::test]
async fn the_answer_has_exactly_the_documented_fields_and_the_session_lives() {
    let (world, acme, grace) = world_with_grace().await;
    let mut client = world.client();
    let data = login(&mut client, PASSWORD).await.data();
    let mut names: Vec<&String> = data.as_object().unwrap().keys().collect();
    names.sort_unstable();
    let documented = [
        "available_methods",
        "default_method",
        "mfa_required",
        "mfa_token",
        "redirect_uri",
        "session_id",
        "status",
        "user_id",
    ];
    assert_eq!(names, documented);
    let (id, secret) = client.session().unwrap();
    assert_eq!(data["session_id"], id.to_string());
    let found = session::find(&acme, id, &secret).await.unwrap().unwrap();
    assert_eq!((found.user, found.address.as_str()), (grace.id, "192.0.2.1"));
    assert!(!data.to_string().contains(secret.expose()), "the secret is in the cookie alone");
}

/// Accounts that a stranger must not tell apart, each with what he may try on it.
async fn strangers_view(world: &World, acme: &Cx) -> Vec<(&'static str, &'static str)> {
    world.user(acme, GRACE).await;
    world.user_with(acme, "nopassword@example.com", None, true).await;
    world.user(acme, "federated@example.com").await;
    let federated = "UPDATE users SET identity_source = 'oidc', identity_provider = 'Corp' \
                     WHERE email_key = 'federated@example.com'";
    world.execute(sql(federated)).await;
    let deleted = world.user(acme, "deleted@example.com").await;
    users::delete(acme, &deleted).await.unwrap();
    let suspended = world.user(acme, "suspended@example.com").await;
    users::set_status(acme, &suspended, UserStatus::Suspended).await.unwrap();
    let body = json!({
        "email": "pending@example.com",
        "password": PASSWORD,
        "first_name": "Per",
        "last_name": "Ding",
    });
    world.client_at("198.51.100.9").api("acme", "register", &body).await.data();
    vec![
        ("nobody@example.com", PASSWORD),
        (GRACE, WRONG),
        ("nopassword@example.com", PASSWORD),
        ("federated@example.com", PASSWORD),
        ("deleted@example.com", PASSWORD),
        ("suspended@example.com", WRONG),
        ("pending@example.com", WRONG),
        ("pending@example.com", PASSWORD),
    ]
}

#[tokio::test]
async fn every_refusal_before_the_right_password_is_the_same() {
    let world = World::new().await;
    let acme = world.acme().await;
    let probes = strangers_view(&world, &acme).await;
    let mut answers = Vec::new();
    for (number, (email, password)) in probes.into_iter().enumerate() {
        let mut client = world.client_at(&format!("192.0.2.{number}"));
        let answer = client.login("acme", email, password).await;
        assert_eq!(answer.refused(401), "invalid_credentials", "{email}");
        assert!(answer.set_cookie("").is_none(), "{email}");
        answers.push((email, answer.masked()));
    }
    for (email, answer) in &answers {
        assert_eq!(*answer, answers[0].1, "{email}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn the_right_password_of_a_pending_registration_sends_its_mail_again() {
    let world = World::new().await;
    let acme = world.acme().await;
    strangers_view(&world, &acme).await;
    assert_eq!(world.inbox("pending@example.com").await.len(), 1);
    let mut client = world.client();
    client.login("acme", "pending@example.com", WRONG).await.refused(401);
    assert_eq!(world.inbox("pending@example.com").await.len(), 1);
    client.login("acme", "pending@example.com", PASSWORD).await.refused(401);
    let mails = world.inbox("pending@example.com").await;
    assert_eq!(mails.len(), 2);
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={}", token_in(&mails[0]));
    assert_eq!(client.get(&path).await.data()["status"], "verified");
    let answer = client.login("acme", "pending@example.com", PASSWORD).await;
    assert_eq!(answer.data()["status"], "success");
}

#[tokio::test]
async fn a_suspended_account_is_told_so_after_the_right_password_only() {
    let (world, acme, grace) = world_with_grace().await;
    let mut client = world.client();
    for status in [UserStatus::Suspended, UserStatus::PendingApproval] {
        users::set_status(&acme, &grace, status).await.unwrap();
        assert_eq!(login(&mut client, WRONG).await.refused(401), "invalid_credentials");
        assert_eq!(login(&mut client, PASSWORD).await.refused(403), "account_suspended");
    }
    users::set_status(&acme, &grace, UserStatus::Active).await.unwrap();
    assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn an_unproved_address_is_told_after_the_right_password_and_mailed_a_working_link() {
    let world = World::new().await;
    let acme = world.acme().await;
    let password = users::Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, GRACE, Some(password), false).await;
    let mut client = world.client();
    assert_eq!(login(&mut client, WRONG).await.refused(401), "invalid_credentials");
    assert!(world.inbox(GRACE).await.is_empty());
    assert_eq!(login(&mut client, PASSWORD).await.refused(403), "email_not_verified");
    assert!(client.cookies.is_empty());
    let mails = world.inbox(GRACE).await;
    let path = format!("/api/v1/auth/tenants/acme/verify-email?token={}", token_in(&mails[0]));
    assert_eq!(client.get(&path).await.data()["status"], "verified");
    assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success");
}

#[tokio::test]
async fn mails_about_an_unproved_address_are_limited() {
    let world = World::new().await;
    let acme = world.acme().await;
    let password = users::Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, GRACE, Some(password), false).await;
    for _ in 0..8 {
        login(&mut world.client(), PASSWORD).await.refused(403);
    }
    assert_eq!(world.inbox(GRACE).await.len(), 3);
    world.advance(Duration::from_hours(1));
    login(&mut world.client(), PASSWORD).await.refused(403);
    assert_eq!(world.inbox(GRACE).await.len(), 4);
}

#[tokio::test]
async fn an_unproved_address_is_no_matter_where_the_tenant_asks_for_no_proof() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"registration": {"email_verification": false}}"#).await;
    let password = users::Credential::Password(Password::parse(PASSWORD).unwrap());
    world.user_with(&acme, GRACE, Some(password), false).await;
    assert_eq!(login(&mut world.client(), PASSWORD).await.data()["status"], "success");
}

/// A sign-in that leads to a new password and no session, and the mailed token sets it.
async fn changes_password(world: &World, client: &mut Client, password: &str, new: &str) {
    let before = world.inbox(GRACE).await.len();
    let answer = login(client, password).await;
    let data = answer.data();
    assert_eq!(data["status"], "password_change_required");
    assert!(answer.set_cookie("").is_none());
    let told = ["session_id", "mfa_token", "available_methods", "default_method"];
    assert!(told.iter().all(|name| data[name] == Value::Null), "{data}");
    let mails = world.inbox(GRACE).await;
    assert_eq!(mails.len(), before + 1);
    let body = json!({"token": token_in(&mails[0]), "new_password": new});
    assert_eq!(
        client.api("acme", "password/reset", &body).await.data()["status"],
        "password_reset"
    );
    assert_eq!(login(client, new).await.data()["status"], "success");
    assert_eq!(login(client, password).await.refused(401), "invalid_credentials");
}

#[tokio::test]
async fn an_expired_password_opens_nothing_but_the_way_to_a_new_one() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"password_policy": {"max_age_days": 30}}"#).await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    world.advance(Duration::from_hours(30 * 24) - Duration::from_micros(1));
    assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success");
    world.advance(Duration::from_micros(1));
    let mut client = world.client();
    assert_eq!(login(&mut client, WRONG).await.refused(401), "invalid_credentials");
    changes_password(&world, &mut client, PASSWORD, "another horse battery staple").await;
}

#[tokio::test]
async fn a_password_that_an_operator_set_for_once_must_be_changed() {
    let (world, acme, grace) = world_with_grace().await;
    let interim = "interim horse battery staple";
    let password = Password::parse(interim).unwrap();
    users::set_password(&acme, &grace, &password, true).await.unwrap();
    let mut client = world.client();
    assert_eq!(login(&mut client, PASSWORD).await.refused(401), "invalid_credentials");
    changes_password(&world, &mut client, interim, "another horse battery staple").await;
}

#[tokio::test]
async fn mails_about_a_due_password_are_limited() {
    let (world, acme, grace) = world_with_grace().await;
    let password = Password::parse(PASSWORD).unwrap();
    users::set_password(&acme, &grace, &password, true).await.unwrap();
    for _ in 0..6 {
        let data = login(&mut world.client(), PASSWORD).await.data();
        assert_eq!(data["status"], "password_change_required");
    }
    assert_eq!(world.inbox(GRACE).await.len(), 3);
}

#[tokio::test]
async fn cookies_over_http_are_for_scripts_and_other_sites_none() {
    let (world, acme, grace) = world_with_grace().await;
    let answer = login(&mut world.client(), PASSWORD).await;
    assert_eq!(answer.data()["user_id"], grace.id.to_string());
    let session = answer.set_cookie("session").unwrap();
    let tenant = acme.tenant.id.to_string();
    let tenant = tenant.strip_prefix("tnt_").unwrap();
    assert!(session.starts_with(&format!("cs_session_{tenant}=ses_")), "{session}");
    assert_eq!(flags(&session), ["HttpOnly", "Path=/", "SameSite=Lax"]);
    let device = answer.set_cookie("device").unwrap();
    assert!(device.starts_with(&format!("cs_device_{tenant}=")), "{device}");
    assert_eq!(flags(&device), ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax"]);
}

fn over_https(config: &mut Config) {
    config.public_url = "https://id.example.com".parse().unwrap();
}

#[tokio::test]
async fn cookies_over_https_belong_to_this_host_alone() {
    let world = World::with(over_https).await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let mut client = world.client();
    let answer = login(&mut client, PASSWORD).await;
    let session = answer.set_cookie("session").unwrap();
    assert!(session.starts_with("__Host-cs_session_"), "{session}");
    assert_eq!(flags(&session), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    let device = answer.set_cookie("device").unwrap();
    assert!(device.starts_with("__Host-cs_device_"), "{device}");
    assert_eq!(
        flags(&device),
        ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax", "Secure"]
    );
    assert!(answer.headers.contains_key("strict-transport-security"));
    // The device is known by that name again.
    assert!(login(&mut client, PASSWORD).await.set_cookie("device").is_none());
}

#[tokio::test]
async fn remember_me_makes_the_cookie_last_as_long_as_the_session() {
    let (world, acme, _) = world_with_grace().await;
    let mut client = world.client();
    let body = json!({"email": GRACE, "password": PASSWORD, "remember_me": true});
    let answer = client.api("acme", "login", &body).await;
    let cookie = answer.set_cookie("session").unwrap();
    assert_eq!(flags(&cookie), ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax"]);
    let (id, secret) = client.session().unwrap();
    let session = session::find(&acme, id, &secret).await.unwrap().unwrap();
    assert_eq!(session.expiry.absolute.since(acme.now), Duration::from_hours(30 * 24));
    assert_eq!(session.expiry.idle.since(acme.now), Duration::from_hours(14 * 24));
}

#[tokio::test]
async fn a_planted_cookie_is_never_promoted() {
    let (world, acme, _) = world_with_grace().await;
    let mut victim = world.client();
    let tenant = acme.tenant.id.to_string();
    let name = format!("cs_session_{}", tenant.strip_prefix("tnt_").unwrap());
    let planted = "ses_01kds3nr00000000000000000a.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for value in [planted.to_owned(), String::new(), "x".repeat(4000)] {
        victim.cookies = vec![(name.clone(), value.clone())];
        assert_eq!(login(&mut victim, PASSWORD).await.data()["status"], "success");
        let (_, now) = victim.cookies.iter().find(|(known, _)| *known == name).unwrap();
        assert_ne!(*now, value);
        assert!(!now.contains("AAAAAAAAAAAAAAAA"), "{now}");
    }
    let mut again = victim.clone();
    login(&mut again, PASSWORD).await.data();
    let (first, second) = (victim.session().unwrap(), again.session().unwrap());
    assert_ne!(first.0, second.0);
    assert_ne!(first.1.expose(), second.1.expose());
}

#[tokio::test]
async fn odd_cookies_are_no_fault_of_ours() {
    let (world, acme, _) = world_with_grace().await;
    let mut client = world.client();
    login(&mut client, PASSWORD).await.data();
    let (name, value) = client.cookies.iter().find(|(name, _)| name.contains("device")).unwrap();
    let tenant = acme.tenant.id.to_string();
    let twice = format!("{name}={value}; {name}=other");
    let odd = [
        twice.clone(),
        format!("{name}=\"{value}\""),
        format!("{name}={}", "y".repeat(8000)),
        (0..200).map(|n| format!("{name}={n}")).collect::<Vec<_>>().join("; "),
        format!("; ; = ; {name}; {tenant}=;=;"),
        "\u{ff}\u{fe}".to_owned(),
    ];
    for cookies in odd {
        let mut client = world.client();
        client.headers.insert("cookie", cookies.parse().unwrap());
        assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success", "{cookies}");
    }
}

#[tokio::test]
async fn of_two_cookies_of_one_name_one_rule_picks() {
    let (world, _, _) = world_with_grace().await;
    let mut client = world.client();
    login(&mut client, PASSWORD).await.data();
    let (name, value) = client.cookies.iter().find(|(name, _)| name.contains("device")).unwrap();
    let (name, value) = (name.clone(), value.clone());
    let known = async |cookies: String| {
        let mut client = world.client();
        client.headers.insert("cookie", cookies.parse().unwrap());
        login(&mut client, PASSWORD).await.set_cookie("device").is_none()
    };
    assert!(known(format!("{name}=other; {name}={value}")).await, "the last counts");
    assert!(!known(format!("{name}={value}; {name}=other")).await, "the first does not");
}

#[tokio::test]
async fn where_the_tenant_demands_a_second_factor_the_password_opens_no_session() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    let grace = world.user(&acme, GRACE).await;
    let mut client = world.client();
    let answer = login(&mut client, PASSWORD).await;
    let data = answer.data();
    assert_eq!(data["status"], "mfa_required");
    assert_eq!(data["mfa_required"], true);
    assert_eq!(data["user_id"], grace.id.to_string());
    assert_eq!(data["mfa_token"].as_str().unwrap().len(), 43);
    assert_eq!(data["available_methods"], json!(["email"]));
    assert_eq!(data["default_method"], "email");
    assert_eq!((&data["session_id"], &data["redirect_uri"]), (&Value::Null, &Value::Null));
    assert!(answer.set_cookie("").is_none());
    assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
    let lifetimes = "SELECT expires_at - created_at FROM challenges";
    assert_eq!(world.rows::<i64>(sql(lifetimes)).await, [600_000_000]);
    assert_eq!(login(&mut client, WRONG).await.refused(401), "invalid_credentials");
}

#[tokio::test]
async fn a_second_factor_that_cannot_be_mailed_has_to_be_enrolled() {
    let world = World::new().await;
    let settings = r#"{"mfa": {"required": true, "email_allowed": false}}"#;
    let acme = world.tenant("acme", settings).await;
    world.user(&acme, GRACE).await;
    let data = login(&mut world.client(), PASSWORD).await.data();
    assert_eq!(data["status"], "mfa_enrollment_required");
    assert_eq!(data["mfa_required"], true);
    assert_eq!(data["mfa_token"].as_str().unwrap().len(), 43);
    assert_eq!(data["available_methods"], Value::Null);
    let purposes = world.rows::<String>(sql("SELECT purpose FROM challenges")).await;
    assert_eq!(purposes, ["enrol"]);
}

#[tokio::test]
async fn right_passwords_alone_do_not_heap_up_second_factor_steps() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"mfa": {"required": true}}"#).await;
    world.user(&acme, GRACE).await;
    for _ in 0..9 {
        // What began at one moment has no order.
        world.advance(Duration::from_secs(1));
        login(&mut world.client(), PASSWORD).await.data();
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM challenges").await, 5);
}

/// Hashes that other systems made, each with its password.
const IMPORTED: [(&str, &str); 3] = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
    ("password", "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
];

#[tokio::test]
async fn an_imported_hash_is_renewed_by_the_right_password_only_and_once() {
    let (world, acme, _) = world_with_grace().await;
    for (number, (password, hash)) in IMPORTED.into_iter().enumerate() {
        let email = format!("import{number}@example.com");
        let credential = users::Credential::Imported(PasswordHash::import(hash).unwrap());
        let user = world.user_with(&acme, &email, Some(credential), true).await;
        let mut client = world.client();
        client.login("acme", &email, WRONG).await.refused(401);
        assert_eq!(world.stored_hash(&user).await, hash, "a wrong password renews nothing");
        assert_eq!(client.login("acme", &email, password).await.data()["status"], "success");
        let renewed = world.stored_hash(&user).await;
        assert!(renewed.starts_with("$argon2id$v=19$m=256,t=1,p=1$"), "{email}");
        client.login("acme", &email, WRONG).await.refused(401);
        assert_eq!(client.login("acme", &email, password).await.data()["status"], "success");
        assert_eq!(world.stored_hash(&user).await, renewed, "renewed once only");
        let renewals = world.recorded(&acme, "user.password.rehashed", "success").await;
        assert_eq!(renewals, number + 1);
    }
}

#[tokio::test]
async fn renewing_a_hash_does_not_make_the_password_younger() {
    let world = World::new().await;
    let acme = world.tenant("acme", r#"{"password_policy": {"max_age_days": 30}}"#).await;
    let (password, hash) = IMPORTED[0];
    let credential = users::Credential::Imported(PasswordHash::import(hash).unwrap());
    world.user_with(&acme, GRACE, Some(credential), true).await;
    world.advance(Duration::from_hours(20 * 24));
    assert_eq!(login(&mut world.client(), password).await.data()["status"], "success");
    world.advance(Duration::from_hours(10 * 24));
    let data = login(&mut world.client(), password).await.data();
    assert_eq!(data["status"], "password_change_required");
}

#[tokio::test]
async fn a_damaged_stored_hash_fits_nothing_and_harms_nobody_else() {
    let (world, acme, _) = world_with_grace().await;
    let other = world.user(&acme, "other@example.com").await;
    let odd = ["", "x", "$2b$05$\u{e9}\u{e9}", "$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAA"];
    for text in odd {
        let change = sql("UPDATE passwords SET hash = $1 WHERE user_id = $2");
        world.execute(change.bind(text).bind(other.id)).await;
        let mut client = world.client();
        let answer = client.login("acme", "other@example.com", PASSWORD).await;
        assert_eq!(answer.refused(401), "invalid_credentials");
        assert_eq!(login(&mut client, PASSWORD).await.data()["status"], "success");
    }
}

/// Gives Grace `password` and tells whether `typed` opens her account.
async fn opens(password: &str, typed: &str) -> bool {
    let (world, acme, grace) = world_with_grace().await;
    let password = Password::parse(password).unwrap();
    users::set_password(&acme, &grace, &password, false).await.unwrap();
    let answer = login(&mut world.client(), typed).await;
    if answer.status == 200 {
        return true;
    }
    assert_eq!(answer.refused(401), "invalid_credentials");
    false
}

#[tokio::test]
async fn composed_and_decomposed_spellings_are_one_password_and_look_alikes_are_not() {
    assert!(
        opens("zwölf böse Käuze fliegen", "zwo\u{308}lf bo\u{308}se Ka\u{308}uze fliegen").await
    );
    assert!(opens("zwo\u{308}lf bo\u{308}se Kauze", "zwölf böse Kauze").await);
    assert!(!opens("finely tuned instruments", "\u{fb01}nely tuned instruments").await);
    assert!(!opens("aaaa finely tuned things", "ａａａａ finely tuned things").await);
    assert!(
        opens("seventeen waving \u{1f44b}\u{1f3fd}", "seventeen waving \u{1f44b}\u{1f3fd}").await
    );
    assert!(!opens("seventeen waving \u{1f44b}\u{1f3fd}", "seventeen waving \u{1f44b}").await);
}

#[tokio::test]
async fn every_character_of_a_password_counts() {
    let long = |end: char| format!("{}{end}", "ab c".repeat(18));
    assert!(!opens(&long('X'), &long('Y')).await, "the 73rd byte counts");
    let wide = |end: char| format!("{}{end}", "\u{20ac}bcd".repeat(12));
    assert!(!opens(&wide('X'), &wide('Y')).await);
    assert!(!opens("with a NUL\0in the middle", "with a NUL").await);
    assert!(!opens("with a NUL\0in the middle", "with a NUL\0in the muddle").await);
    assert!(opens("with a NUL\0in the middle", "with a NUL\0in the middle").await);
}

#[tokio::test]
async fn blanks_are_part_of_a_password() {
    let password = " \tblanks on both sides\t ";
    assert!(opens(password, password).await);
    assert!(!opens(password, password.trim()).await);
    assert!(!opens(password.trim(), password).await);
    assert!(!opens("no blank behind it", "no blank behind it\n").await);
}

#[tokio::test]
async fn the_longest_password_is_1024_characters() {
    let longest: String =
        (0..1024_u32).map(|n| char::from_u32(0x4e00 + n * n % 7919).unwrap()).collect();
    assert!(opens(&longest, &longest).await);
    let (world, acme, grace) = world_with_grace().await;
    // 1,025 characters as typed, 1,024 after NFC.
    let kept: String = longest.chars().take(1023).collect();
    let password = Password::parse(&format!("{kept}o\u{308}")).unwrap();
    users::set_password(&acme, &grace, &password, false).await.unwrap();
    let composed = format!("{kept}\u{f6}");
    assert_eq!(login(&mut world.client(), &composed).await.data()["status"], "success");
    let too_long = format!("{longest}x");
    for email in [GRACE, "nobody@example.com"] {
        let answer = world.client().login("acme", email, &too_long).await;
        let faults = answer.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, "body.password");
    }
    let huge = "x".repeat(1_000_000);
    let answer = login(&mut world.client(), &huge).await;
    assert_eq!(answer.refused(413), "payload_too_large");
}

#[tokio::test]
async fn shape_comes_before_the_account() {
    let (world, _, _) = world_with_grace().await;
    for password in ["", "x", &"y".repeat(1024), &"z".repeat(1025)] {
        let one = world.client().login("acme", GRACE, password).await;
        let other = world.client().login("acme", "nobody@example.com", password).await;
        assert_eq!(one.masked(), other.masked(), "{} characters", password.len());
    }
}

#[tokio::test]
async fn a_password_is_a_string_and_nothing_else() {
    let (world, acme, _) = world_with_grace().await;
    let digits = Password::parse("123456789012345678").unwrap();
    let order = acme.hashing(Class::Known);
    let numeric =
        users::Credential::Imported(world.app.passwords.hash(order, &digits).await.unwrap());
    world.user_with(&acme, "digits@example.com", Some(numeric), true).await;
    let tricks = [
        json!(0),
        json!(true),
        json!(null),
        json!([]),
        json!([PASSWORD]),
        json!({"$gt": ""}),
        json!(123_456_789_012_345_678_u64),
    ];
    for password in tricks {
        for email in [json!("digits@example.com"), json!([GRACE]), json!({"$ne": null})] {
            let body = json!({"email": email, "password": password});
            let answer = world.client().api("acme", "login", &body).await;
            let faults = answer.faults();
            assert!(faults.iter().any(|(place, _)| place == "body.password"), "{faults:?}");
            assert!(!answer.text.contains("123456789012345678"), "the value is echoed");
        }
    }
}

#[tokio::test]
async fn a_refusal_never_repeats_the_password() {
    let (world, _, _) = world_with_grace().await;
    for password in ["only-here-once-0815", &"only-here-once-0815".repeat(80)] {
        let answer = login(&mut world.client(), password).await;
        assert!(!answer.text.contains("only-here-once-0815"));
    }
}

#[tokio::test]
async fn a_first_sign_in_from_a_device_is_told_and_a_second_is_not() {
    let (world, _, _) = world_with_grace().await;
    let mut client = world.client();
    client.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0".into();
    let first = login(&mut client, PASSWORD).await;
    assert!(first.set_cookie("device").is_some());
    let mails = world.inbox(GRACE).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].text.contains("Firefox on Linux"), "{}", mails[0].text);
    assert!(mails[0].text.contains("192.0.2.1"), "{}", mails[0].text);
    let second = login(&mut client, PASSWORD).await;
    assert!(second.set_cookie("device").is_none(), "the device is known");
    // The cookie knows it elsewhere too, and under another name.
    let mut elsewhere = client.moved_to("203.0.113.77");
    elsewhere.agent = "Something/2.0".into();
    login(&mut elsewhere, PASSWORD).await.data();
    assert_eq!(world.inbox(GRACE).await.len(), 1);
}

#[tokio::test]
async fn without_its_cookie_the_same_kind_of_device_in_the_same_network_is_not_told_again() {
    let (world, _, _) = world_with_grace().await;
    login(&mut world.client(), PASSWORD).await.data();
    assert_eq!(world.inbox(GRACE).await.len(), 1);
    login(&mut world.client(), PASSWORD).await.data();
    assert_eq!(world.inbox(GRACE).await.len(), 1, "same agent, same network");
    login(&mut world.client_at("192.0.2.200"), PASSWORD).await.data();
    assert_eq!(world.inbox(GRACE).await.len(), 2, "another network");
    let mut other = world.client();
    other.agent = "other/1.0".into();
    login(&mut other, PASSWORD).await.data();
    assert_eq!(world.inbox(GRACE).await.len(), 3, "another agent");
}

#[tokio::test]
async fn a_refused_sign_in_is_no_notice_and_no_device() {
    let (world, _, _) = world_with_grace().await;
    login(&mut world.client(), WRONG).await.refused(401);
    assert!(world.inbox(GRACE).await.is_empty());
    assert_eq!(world.count("SELECT COUNT(*) FROM devices").await, 0);
}

#[tokio::test]
async fn a_password_change_makes_every_device_a_stranger() {
    let (world, acme, grace) = world_with_grace().await;
    let mut client = world.client();
    login(&mut client, PASSWORD).await.data();
    let other = "another horse battery staple";
    let password = Password::parse(other).unwrap();
    users::set_password(&acme, &grace, &password, false).await.unwrap();
    assert!(login(&mut client, other).await.set_cookie("device").is_some());
}

#[tokio::test]
async fn a_device_is_known_to_the_user_who_signed_in_only() {
    let (world, acme, _) = world_with_grace().await;
    world.user(&acme, "other@example.com").await;
    let mut client = world.client();
    login(&mut client, PASSWORD).await.data();
    let answer = client.login("acme", "other@example.com", PASSWORD).await;
    assert!(answer.set_cookie("device").is_some());
    assert_eq!(world.inbox("other@example.com").await.len(), 1);
}

#[tokio::test]
async fn a_bad_bearer_token_is_refused_and_not_ignored() {
    let (world, _, _) = world_with_grace().await;
    for value in ["Bearer x", "bearer", "BEARER a.b.c"] {
        let mut client = world.client();
        client.headers.insert("authorization", value.parse().unwrap());
        let answer = login(&mut client, PASSWORD).await;
        assert_eq!(answer.refused(401), "invalid_client_token", "{value}");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
}

#[tokio::test]
async fn a_foreign_page_signs_nobody_in() {
    let (world, _, _) = world_with_grace().await;
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let mut client = world.client();
        client.headers.insert(name, value.parse().unwrap());
        assert_eq!(login(&mut client, PASSWORD).await.refused(403), "cross_site_request");
        assert!(client.cookies.is_empty());
    }
}
