//! The audit trail: complete, in step with what it tells of, free of secrets, and tamper-evident.

use std::time::Duration;

use countersign::{
    crypto::opaque::{Token, hex},
    db::sql,
    domain::{password::Password, tenant::Slug, tenant::Status, user::UserStatus},
    flows::{
        Cx,
        audit::{self, Kept},
        session, tenants, users,
    },
};
use serde_json::json;

use crate::support::{PASSWORD, World, operator, together, token_in};

const GRACE: &str = "grace@example.com";
const WRONG: &str = "wrong horse battery staple";
const OTHER: &str = "another horse battery staple";

/// What a journey has handed out or taken in that must be stored nowhere.
type Secrets = Vec<String>;

/// Everything that can be done so far, once, right and wrong.
async fn journey(world: &World, acme: &Cx) -> Secrets {
    let mut secrets = vec![PASSWORD.to_owned(), WRONG.to_owned(), OTHER.to_owned()];
    let mut client = world.client();
    let registration = json!({
        "email": GRACE,
        "password": PASSWORD,
        "first_name": "Grace",
        "last_name": "Hopper",
    });
    client.api("acme", "register", &registration).await.data();
    let verify = token_in(&world.inbox(GRACE).await[0]);
    client.login("acme", GRACE, PASSWORD).await.refused(401);
    client.get(&format!("/api/v1/auth/tenants/acme/verify-email?token={verify}")).await.data();
    client.api("acme", "register", &registration).await.data();
    client.login("acme", GRACE, WRONG).await.refused(401);
    client.login("acme", "nobody@example.com", WRONG).await.refused(401);
    client.login("acme", GRACE, PASSWORD).await.data();
    let (id, secret) = client.session().unwrap();
    secrets.extend(client.cookies.iter().map(|(_, value)| value.clone()));
    secrets.push(secret.expose().to_owned());
    session::end(acme, id).await.unwrap();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    client.api("acme", "password/forgot", &json!({"email": "nobody@example.com"})).await.data();
    let mails = world.inbox(GRACE).await;
    let reset = token_in(mails.iter().find(|mail| mail.text.contains("/reset-password?")).unwrap());
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    let body = json!({"token": reset, "new_password": OTHER});
    client.api("acme", "password/reset", &body).await.data();
    client.api("acme", "password/reset", &body).await.refused(400);
    secrets.extend([verify, reset]);
    let grace = users::show(acme, GRACE).await.unwrap();
    users::set_status(acme, &grace, UserStatus::Suspended).await.unwrap();
    client.login("acme", GRACE, OTHER).await.refused(403);
    users::set_status(acme, &grace, UserStatus::Active).await.unwrap();
    let interim = Password::parse("interim horse battery staple").unwrap();
    users::set_password(acme, &grace, &interim, true).await.unwrap();
    secrets.push(interim.expose().to_owned());
    client.login("acme", GRACE, interim.expose()).await.data();
    client.api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
    secrets
}

#[tokio::test]
async fn what_happens_is_recorded_once_with_its_outcome() {
    let world = World::new().await;
    let acme = world.acme().await;
    journey(&world, &acme).await;
    let mut trail: Vec<String> = world
        .trail(&acme)
        .await
        .into_iter()
        .map(|(action, result, detail)| {
            let detail: serde_json::Value = serde_json::from_str(&detail).unwrap();
            let reason = detail["reason"].as_str().unwrap_or_default();
            format!("{action} {result} {reason}").trim_end().to_owned()
        })
        .collect();
    trail.sort();
    let expected = [
        "auth.login.password failure account_suspended",
        "auth.login.password failure registration_pending",
        "auth.login.password failure wrong_password",
        "auth.login.password failure wrong_password",
        "auth.login.password success",
        "auth.login.password_change_required success",
        "session.ended success",
        "tenant.created success",
        "user.activated success",
        "user.created success",
        "user.email.verified success",
        "user.password.reset success",
        "user.password.reset_requested failure no_account",
        "user.password.reset_requested success",
        "user.password.reset_requested success",
        "user.password.reset_requested success",
        "user.password.set success",
        "user.registration.requested failure account_exists",
        "user.registration.requested success",
        "user.suspended success",
    ];
    assert_eq!(trail, expected);
}

#[tokio::test]
async fn a_row_says_who_from_where_and_in_which_request() {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    let mut client = world.client_at("2001:db8::7");
    client.agent = "Curious/1.0\u{a0}x".replace('\u{a0}', " ");
    client.headers.insert("x-request-id", "my-request-0815".parse().unwrap());
    // Rows of one moment have no order.
    world.advance(Duration::from_secs(1));
    client.login("acme", GRACE, PASSWORD).await.data();
    let row = audit::newest(&world.app, acme.tenant.id, 1).await.unwrap().remove(0);
    assert_eq!(row.action, "auth.login.password");
    assert_eq!((row.actor_type.as_str(), row.actor_id), ("user", Some(grace.id.to_string())));
    assert_eq!((row.target_type.as_str(), row.target_id), ("user", Some(grace.id.to_string())));
    assert_eq!((row.address.as_str(), row.agent.as_str()), ("2001:db8::7", "Curious/1.0 x"));
    assert_eq!((row.request_id.as_str(), row.at), ("my-request-0815", world.app.clock.now()));
    let session = client.session().unwrap().0;
    assert!(row.detail.contains(&session.to_string()), "{}", row.detail);
}

/// Every form in which a secret might have been written down.
fn forms(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD;
    let mut forms =
        vec![secret.to_owned(), hex(secret.as_bytes()), standard.encode(secret.as_bytes())];
    if Token::parse(secret).is_some() {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(secret).unwrap();
        forms.push(hex(&bytes));
        forms.push(standard.encode(bytes));
    }
    forms
}

#[tokio::test]
async fn no_table_holds_a_password_or_a_token_in_clear() {
    let world = World::new().await;
    let acme = world.acme().await;
    let mut secrets = journey(&world, &acme).await;
    audit::chain(&world.app).await.unwrap();
    let text = world.dump().await;
    // The mail that still waits holds a token too; it shows when it is sent.
    assert!(world.count("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await > 0);
    for mail in world.inbox(GRACE).await {
        if mail.text.contains("token=") {
            secrets.push(token_in(&mail));
        }
    }
    secrets.push(hex(&std::fs::read(world.app.config.data_dir.join("master.key")).unwrap()));
    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() > 10);
    assert!(text.contains(GRACE) && text.contains("auth.login.password"), "the dump is one");
    for secret in &secrets {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{secret} is stored");
        }
    }
    // The dump finds what is there: the digests of tokens that are still good.
    let mut tokens = secrets.iter().filter_map(|secret| Token::parse(secret));
    assert!(tokens.any(|token| text.contains(&hex(token.digest().as_bytes()))));
}

/// A tenant with a chain of a few rows, in order.
async fn chained() -> (World, Cx) {
    let world = World::new().await;
    let acme = world.acme().await;
    journey(&world, &acme).await;
    while audit::chain(&world.app).await.unwrap() > 0 {}
    let verdict = audit::verify(&world.app, acme.tenant.id, None).await.unwrap();
    assert_eq!((verdict.rows, verdict.broken), (20, None));
    (world, acme)
}

async fn broken(world: &World, cx: &Cx) -> Option<(i64, &'static str)> {
    audit::verify(&world.app, cx.tenant.id, None).await.unwrap().broken
}

#[tokio::test]
async fn an_altered_row_is_found_whichever_column_it_is() {
    for column in [
        "at = at + 1",
        "action = 'user.created.not'",
        "actor_type = 'operator.not'",
        "actor_id = 'usr_other'",
        "target_type = 'none'",
        "target_id = 'usr_other'",
        "address = '203.0.113.99'",
        "agent = 'other/9'",
        "result = CASE result WHEN 'success' THEN 'failure' ELSE 'success' END",
        "request_id = 'req_other'",
        "detail = '{\"x\":1}'",
        "id = 'aud_01kdvdna00fqvt9a9cgxmb05hy'",
    ] {
        let (world, acme) = chained().await;
        let text = format!("UPDATE audit SET {column} WHERE seq = 7").leak();
        assert_eq!(world.execute(sql(text)).await, 1);
        assert_eq!(broken(&world, &acme).await, Some((7, "the row was altered")), "{column}");
    }
}

#[tokio::test]
async fn a_removed_row_a_removed_tail_and_swapped_rows_are_found() {
    let (world, acme) = chained().await;
    world.execute(sql("DELETE FROM audit WHERE seq = 9")).await;
    assert_eq!(broken(&world, &acme).await, Some((9, "the row is missing")));

    let (world, acme) = chained().await;
    world.execute(sql("DELETE FROM audit WHERE seq > 15")).await;
    assert_eq!(broken(&world, &acme).await, Some((16, "the last rows are missing")));

    let (world, acme) = chained().await;
    world.execute(sql("DELETE FROM audit")).await;
    assert_eq!(broken(&world, &acme).await, Some((1, "the last rows are missing")));

    let (world, acme) = chained().await;
    for change in [
        "UPDATE audit SET seq = 1000 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 1000",
    ] {
        assert_eq!(world.execute(sql(change)).await, 1);
    }
    assert_eq!(broken(&world, &acme).await, Some((4, "the row was altered")));

    let (world, acme) = chained().await;
    world.execute(sql("UPDATE audit SET seq = seq + 1000 WHERE seq > 10")).await;
    assert_eq!(broken(&world, &acme).await, Some((11, "the row is missing")));
}

#[tokio::test]
async fn an_end_kept_elsewhere_shows_a_tail_that_was_cut_off_with_care() {
    let (world, acme) = chained().await;
    let verify =
        async |kept: Option<&Kept>| audit::verify(&world.app, acme.tenant.id, kept).await.unwrap();
    let whole = verify(None).await;
    let kept = Kept { rows: whole.rows, mark: whole.head };
    assert_eq!(verify(Some(&kept)).await.broken, None);
    let cut = "UPDATE audit_heads SET seq = 15, hash = (SELECT hash FROM audit WHERE seq = 15)";
    world.execute(sql(cut)).await;
    world.execute(sql("DELETE FROM audit WHERE seq > 15")).await;
    assert_eq!(verify(None).await.broken, None, "the database alone cannot tell");
    assert_eq!(verify(Some(&kept)).await.broken, Some((16, "the last rows are missing")));
    // Filled up with other rows, the place that was kept tells.
    for _ in 0..9 {
        world.client().login("acme", "nobody@example.com", WRONG).await;
        world.advance(Duration::from_secs(1000));
    }
    while audit::chain(&world.app).await.unwrap() > 0 {}
    assert_eq!(verify(None).await.broken, None);
    assert_eq!(verify(Some(&kept)).await.broken, Some((20, "it is not the row that was kept")));
}

#[tokio::test]
async fn a_row_of_another_tenant_does_not_fit_into_a_chain() {
    let (world, acme) = chained().await;
    let other = world.tenant("other", "{}").await;
    while audit::chain(&world.app).await.unwrap() > 0 {}
    let graft = "UPDATE audit SET seq = 21 WHERE tenant_id = $1";
    world.execute(sql(graft).bind(other.tenant.id)).await;
    let found = audit::verify(&world.app, other.tenant.id, None).await.unwrap();
    assert_eq!(found.broken, Some((1, "the row is missing")));
    assert_eq!(broken(&world, &acme).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_chain_at_once_make_one_chain() {
    let world = World::new().await;
    let acme = world.acme().await;
    let second = world.second_node().await;
    world.user(&acme, GRACE).await;
    for round in 0..6 {
        for _ in 0..10 {
            world.client().login("acme", "nobody@example.com", WRONG).await;
            world.advance(Duration::from_secs(1000));
        }
        let work = (0..8).map(|number| {
            let app = if number % 2 == 0 { &world.app } else { &second.app };
            let app = std::sync::Arc::clone(app);
            // One that comes too late undoes its part, and the next round has what is left.
            async move { audit::chain(&app).await.is_ok() }
        });
        assert!(together(work).await.contains(&true));
        while audit::chain(&world.app).await.unwrap() > 0 {}
        let verdict = audit::verify(&second.app, acme.tenant.id, None).await.unwrap();
        assert_eq!((verdict.rows, verdict.broken), (12 + round * 10, None));
    }
}

#[tokio::test]
async fn what_is_refused_before_anything_is_decided_leaves_no_row() {
    let world = World::new().await;
    let acme = world.acme().await;
    let before = world.trail(&acme).await.len();
    let mut client = world.client();
    client.post_json("/api/v1/auth/tenants/acme/login", "{").await;
    client.api("acme", "login", &json!({"email": "x", "password": 1})).await.faults();
    client.get("/api/v1/auth/tenants/acme/login").await.refused(405);
    let bad = json!({"email": GRACE, "redirect_uri": "https://evil.example/"});
    client.api("acme", "password/forgot", &bad).await.refused(400);
    assert_eq!(world.trail(&acme).await.len(), before);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_does_not_happen() {
    let world = World::new().await;
    let acme = world.acme().await;
    let grace = world.user(&acme, GRACE).await;
    world.execute(sql("ALTER TABLE audit RENAME TO audit_gone")).await;
    let password = Password::parse(OTHER).unwrap();
    assert!(users::set_password(&acme, &grace, &password, false).await.is_err());
    assert!(users::set_status(&acme, &grace, UserStatus::Suspended).await.is_err());
    assert!(users::delete(&acme, &grace).await.is_err());
    let slug = Slug::parse("acme").unwrap();
    let suspended = tenants::set_status(&world.app, &operator(), &slug, Status::Suspended).await;
    assert!(suspended.is_err());
    let mut client = world.client();
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.refused(500), "internal_error");
    assert!(client.cookies.is_empty());
    let mail = client.api("acme", "password/forgot", &json!({"email": GRACE})).await;
    assert_eq!(mail.refused(500), "internal_error");
    world.execute(sql("ALTER TABLE audit_gone RENAME TO audit")).await;
    assert!(world.inbox(GRACE).await.is_empty());
    for table in ["sessions", "tickets", "devices"] {
        let text = format!("SELECT COUNT(*) FROM {table}").leak();
        assert_eq!(world.count(text).await, 0, "{table}");
    }
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
}
