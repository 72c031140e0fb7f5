//! Mail that waits and leaves: through outages, refusals and crashes, once each.

use std::time::Duration;

use countersign::{
    config::{Config, Mode},
    db::sql,
    flows::{Cx, outbox, tenants},
    secret::Secret,
    store,
};
use serde_json::json;

use self::sink::{Sink, free_port};
use crate::support::{PASSWORD, World, operator, together};

mod sink;

const GRACE: &str = "grace@example.com";

fn by_smtp(port: u16) -> impl FnOnce(&mut Config) {
    move |config| {
        let url = format!("smtp://127.0.0.1:{port}?tls=none");
        config.mail.smtp_url = Some(Secret::new(url));
    }
}

/// A world whose mail goes to a server on a port, which may not be there yet.
async fn world_with(port: u16) -> (World, Cx) {
    let world = World::with(by_smtp(port)).await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    (world, acme)
}

async fn forgot(world: &World) {
    world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await.data();
}

async fn states(cx: &Cx) -> Vec<String> {
    outbox::list(cx, None).await.unwrap().into_iter().map(|mail| mail.state).collect()
}

/// Microseconds from now until the mails are tried again.
async fn waits(world: &World) -> Vec<i64> {
    let now = world.app.clock.now().micros();
    let next = world.rows::<i64>(sql("SELECT next_at FROM outbox ORDER BY next_at")).await;
    next.into_iter().map(|at| at - now).collect()
}

#[tokio::test]
async fn without_a_mail_server_everything_else_works_and_the_mail_leaves_later() {
    let port = free_port();
    let (world, acme) = world_with(port).await;
    let mut client = world.client();
    let registration = json!({
        "email": "new@example.com",
        "password": PASSWORD,
        "first_name": "N",
        "last_name": "N",
    });
    let data = client.api("acme", "register", &registration).await.data();
    assert_eq!(data["status"], "pending_verification");
    forgot(&world).await;
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    world.deliver().await;
    assert_eq!(states(&acme).await, ["waiting"; 3]);
    assert_eq!(client.login("acme", GRACE, PASSWORD).await.data()["status"], "success");
    assert_eq!(client.get("/health/ready").await.status, 200);

    let sink = Sink::start(port);
    world.deliver().await;
    assert!(sink.mails().is_empty(), "it is not time yet");
    world.advance(Duration::from_secs(7));
    world.deliver().await;
    let mut to: Vec<String> = sink.mails().into_iter().map(|mail| mail.to).collect();
    to.sort();
    assert_eq!(to, [GRACE, GRACE, "new@example.com"]);
    assert_eq!(states(&acme).await, ["sent"; 3]);
    world.advance(Duration::from_hours(1));
    world.deliver().await;
    assert_eq!(sink.mails().len(), 3, "once each");
}

#[tokio::test]
async fn what_was_sent_is_wiped() {
    let port = free_port();
    let sink = Sink::start(port);
    let (world, _) = world_with(port).await;
    forgot(&world).await;
    let kept = "SELECT COUNT(*) FROM outbox WHERE payload IS NOT NULL";
    assert_eq!(world.count(kept).await, 1);
    world.deliver().await;
    assert_eq!((sink.mails().len(), world.count(kept).await), (1, 0));
}

#[tokio::test]
async fn a_passing_refusal_is_tried_again_after_growing_waits() {
    let port = free_port();
    let sink = Sink::start(port);
    sink.answers("451 4.7.1 greylisted, come again");
    let (world, acme) = world_with(port).await;
    forgot(&world).await;
    let mut usual = 5_000_000;
    for tries in 1..=12_i64 {
        world.deliver().await;
        let listed = outbox::list(&acme, None).await.unwrap().remove(0);
        assert_eq!((listed.state.as_str(), listed.tries), ("waiting", tries));
        assert!(listed.last_error.unwrap().contains("greylisted"));
        let wait = waits(&world).await[0];
        assert!((usual..=usual + usual / 4).contains(&wait), "{wait} after {tries}");
        world.advance(Duration::from_micros(u64::try_from(wait - 1).unwrap()));
        world.deliver().await;
        assert_eq!(outbox::list(&acme, None).await.unwrap()[0].tries, tries, "too early");
        world.advance(Duration::from_micros(1));
        usual = (usual * 2).min(3_600_000_000);
    }
    sink.answers("250 ok");
    world.deliver().await;
    assert_eq!((states(&acme).await, sink.mails().len()), (vec!["sent".to_owned()], 1));
}

#[tokio::test]
async fn a_final_refusal_ends_a_mail_at_once_and_an_operator_can_revive_it() {
    let port = free_port();
    let sink = Sink::start(port);
    sink.answers("550 5.1.1 a-secret-text no such user");
    let (world, acme) = world_with(port).await;
    forgot(&world).await;
    world.deliver().await;
    let listed = outbox::list(&acme, Some("dead".to_owned())).await.unwrap();
    assert_eq!((listed.len(), listed[0].tries, listed[0].kind.as_str()), (1, 1, "reset_password"));
    assert!(listed[0].last_error.as_ref().unwrap().contains("a-secret-text"));
    // The server's words are for the operator alone.
    let answer = world.client().api("acme", "password/forgot", &json!({"email": GRACE})).await;
    assert!(!answer.text.contains("a-secret-text"));
    world.advance(Duration::from_hours(10));
    world.deliver().await;
    assert_eq!(outbox::list(&acme, Some("dead".to_owned())).await.unwrap().len(), 2);
    assert!(sink.mails().is_empty());

    sink.answers("250 ok");
    assert_eq!(outbox::revive(&world.cx("acme").await).await.unwrap(), 2);
    world.deliver().await;
    assert_eq!((states(&acme).await, sink.mails().len()), (vec!["sent".to_owned(); 2], 2));
}

#[tokio::test]
async fn a_mail_that_nobody_takes_is_given_up_after_its_time() {
    let port = free_port();
    let sink = Sink::start(port);
    sink.answers("451 not now");
    let (world, acme) = world_with(port).await;
    let patience = world.app.config.mail.give_up_after;
    forgot(&world).await;
    let mut spent = Duration::ZERO;
    while states(&acme).await == ["waiting"] {
        assert!(spent < patience, "it waits for ever");
        world.deliver().await;
        if states(&acme).await == ["waiting"] {
            let wait = Duration::from_micros(u64::try_from(waits(&world).await[0]).unwrap());
            world.advance(wait);
            spent += wait;
        }
    }
    assert_eq!(states(&acme).await, ["dead"]);
    assert!(spent + Duration::from_mins(75) >= patience, "given up after {spent:?}");
    // A dead one is kept a month and then dropped.
    world.advance(Duration::from_hours(24 * 30) - Duration::from_micros(1));
    while countersign::jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(states(&acme).await, ["dead"]);
    world.advance(Duration::from_micros(1));
    while countersign::jobs::purge(&world.app).await.unwrap() {}
    assert!(states(&acme).await.is_empty());
}

#[tokio::test]
async fn a_node_that_dies_with_a_mail_in_hand_only_delays_it() {
    let port = free_port();
    let sink = Sink::start(port);
    let (world, acme) = world_with(port).await;
    forgot(&world).await;
    let claim = Duration::from_mins(3);
    let now = world.app.clock.now();
    let claimed = world.app.db.write((now, claim), |tx, (now, claim)| {
        Box::pin(store::outbox::claim_all_tenants(tx, 20, *now + *claim, *now))
    });
    assert_eq!(claimed.await.unwrap().len(), 1);
    let second = world.second_node().await;
    world.advance(claim - Duration::from_micros(1));
    assert_eq!(outbox::send_due(&second.app).await.unwrap(), 0);
    world.advance(Duration::from_micros(1));
    second.deliver().await;
    assert_eq!((states(&acme).await, sink.mails().len()), (vec!["sent".to_owned()], 1));
}

#[tokio::test]
async fn a_mail_sent_twice_is_known_by_its_message_id() {
    let port = free_port();
    let sink = Sink::start(port);
    let (world, _) = world_with(port).await;
    forgot(&world).await;
    let payload = world.rows::<Vec<u8>>(sql("SELECT payload FROM outbox")).await.remove(0);
    world.deliver().await;
    // As if the node had died between the sending and the note of it.
    let back = "UPDATE outbox SET state = 'waiting', payload = $1, done_at = NULL";
    world.execute(sql(back).bind(payload)).await;
    world.advance(Duration::from_mins(3));
    world.deliver().await;
    let mails = sink.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_send_each_mail_once() {
    let port = free_port();
    let sink = Sink::start(port);
    let (world, acme) = world_with(port).await;
    let second = world.second_node().await;
    for number in 0..60 {
        let registration = json!({
            "email": format!("new{number}@example.com"),
            "password": PASSWORD,
            "first_name": "N",
            "last_name": "N",
        });
        world.client().api("acme", "register", &registration).await.data();
    }
    let work = (0..4).map(|number| {
        let app = std::sync::Arc::clone(if number % 2 == 0 { &world.app } else { &second.app });
        async move { while outbox::send_due(&app).await.unwrap() > 0 {} }
    });
    together(work).await;
    let mut to: Vec<String> = sink.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to.len(), 60);
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 60);
    assert_eq!(states(&acme).await, ["sent"; 60]);
}

#[tokio::test]
async fn a_silent_mail_server_holds_up_no_request() {
    let port = free_port();
    let sink = Sink::start(port);
    sink.answers("");
    let (world, _) = world_with(port).await;
    forgot(&world).await;
    let mut client = world.client();
    let mut sending = Box::pin(outbox::send_due(&world.app));
    for _ in 0..5 {
        tokio::select! {
            biased;
            _ = &mut sending => panic!("the server says nothing"),
            answer = client.login("acme", GRACE, PASSWORD) => {
                assert_eq!(answer.data()["status"], "success");
            }
        }
    }
}

#[tokio::test]
async fn a_sealed_mail_fits_its_own_row_only() {
    let port = free_port();
    let sink = Sink::start(port);
    let (world, acme) = world_with(port).await;
    world.user(&acme, "other@example.com").await;
    forgot(&world).await;
    let body = json!({"email": "other@example.com"});
    world.client().api("acme", "password/forgot", &body).await.data();
    let rows = "SELECT id, payload FROM outbox ORDER BY id";
    let rows: Vec<(String, Vec<u8>)> = world.rows(sql(rows)).await;
    for ((id, _), (_, payload)) in [(&rows[0], &rows[1]), (&rows[1], &rows[0])] {
        let swap = sql("UPDATE outbox SET payload = $1 WHERE id = $2");
        world.execute(swap.bind(payload.clone()).bind(id.as_str())).await;
    }
    world.deliver().await;
    assert!(sink.mails().is_empty());
    for mail in outbox::list(&acme, None).await.unwrap() {
        assert_eq!((mail.state.as_str(), mail.tries), ("waiting", 1));
        assert!(mail.last_error.unwrap().contains("cannot be composed"));
    }
    // Nothing was lost: put right, both leave.
    for (id, payload) in rows {
        let back = sql("UPDATE outbox SET payload = $1 WHERE id = $2");
        world.execute(back.bind(payload).bind(id)).await;
    }
    world.advance(Duration::from_secs(7));
    world.deliver().await;
    assert_eq!(sink.mails().len(), 2);
}

#[tokio::test]
async fn mail_of_a_deleted_tenant_does_not_leave() {
    let port = free_port();
    let sink = Sink::start(port);
    let (world, acme) = world_with(port).await;
    forgot(&world).await;
    tenants::delete(&world.app, &operator(), &acme.tenant.slug).await.unwrap();
    world.deliver().await;
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn in_production_without_a_mail_server_mail_waits_untouched() {
    let world = World::with(|config| config.mode = Mode::Production).await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    forgot(&world).await;
    world.deliver().await;
    let mail = outbox::list(&acme, None).await.unwrap().remove(0);
    assert_eq!((mail.state.as_str(), mail.tries), ("waiting", 0));
    assert_eq!(world.client().get("/dev/mailbox").await.status, 404);
    let ready = world.client().get("/health/ready").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["checks"]["mail"]),
        (200, &json!("not configured"))
    );
}
