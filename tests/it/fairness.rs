//! Many sign-ins at once: who is served, in which order, and who is told to come back.
//!
//! Positions are counted, never times. The one hash thread works slowly enough that what floods is
//! there before it is through.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign::{config::Config, domain::email::Email, flows::login};
use tokio::task::JoinSet;

use crate::support::{Answer, PASSWORD, World};

const GRACE: &str = "grace@example.com";

/// Sign-ins of a flood.
const MANY: usize = 60;

/// One thread, and hashes that take it ten times as long as the rest of a request.
fn slow(config: &mut Config) {
    config.passwords.threads = 1;
    config.passwords.memory_kib = 32 * 1024;
    config.passwords.passes = 2;
}

/// Two tenants, with an account in each.
async fn world(queue: usize) -> World {
    let world = World::with(|config| {
        slow(config);
        config.passwords.queue = queue;
    })
    .await;
    for slug in ["acme", "beta"] {
        let cx = world.tenant(slug, "{}").await;
        world.user(&cx, GRACE).await;
    }
    world
}

/// Sign-ins that are under way, and how many have been answered.
struct Flood {
    tasks: JoinSet<Answer>,
    answered: Arc<AtomicUsize>,
}

impl Flood {
    /// Sends `count` sign-ins to `acme`, each for another address and from another network, and
    /// waits until all of them have been answered, are being hashed, or wait for that.
    async fn of(world: &World, count: usize) -> Self {
        let answered = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let answered = Arc::clone(&answered);
            let mut client = world.client_at(&format!("10.{}.{}.1", number / 256, number % 256));
            tasks.spawn(async move {
                let email = format!("stranger{number}@example.com");
                let answer = client.login("acme", &email, PASSWORD).await;
                answered.fetch_add(1, Ordering::SeqCst);
                answer
            });
        }
        let flood = Self { tasks, answered };
        while flood.answered() + world.app.passwords.depth() + 2 < count {
            tokio::task::yield_now().await;
        }
        flood
    }

    /// How many have been answered.
    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    async fn all(self) -> Vec<Answer> {
        self.tasks.join_all().await
    }
}

/// PWD-04: a flood of one tenant is answered, and costs another one no more than its turn.
#[tokio::test]
async fn who_is_flooded_waits_and_the_neighbour_is_served_in_turn() {
    let world = world(512).await;
    let flood = Flood::of(&world, MANY).await;
    assert!(world.app.passwords.depth() >= MANY / 3, "the flood is through already");
    let before = flood.answered();
    for _ in 0..2 {
        world.client().login("beta", GRACE, PASSWORD).await.data();
    }
    let passed = flood.answered() - before;
    assert!(passed <= 8, "{passed} of the flood were answered before two of the neighbour's");
    let answers = flood.all().await;
    assert!(answers.iter().any(|answer| answer.status == 401), "none of them was served");
}

#[tokio::test]
async fn a_device_that_is_known_is_served_before_strangers_of_its_own_tenant() {
    let world = world(512).await;
    let mut known = world.client();
    known.login("acme", GRACE, PASSWORD).await.data();
    let flood = Flood::of(&world, MANY).await;
    assert!(world.app.passwords.depth() >= MANY / 3, "the flood is through already");
    let before = flood.answered();
    known.login("acme", GRACE, PASSWORD).await.data();
    let passed = flood.answered() - before;
    assert!(passed <= 6, "{passed} strangers were answered first");
    flood.all().await;
}

/// PWD-04: beyond the bound of its own line a tenant is told to come back, at once; nobody else is.
#[tokio::test]
async fn beyond_its_line_a_tenant_is_told_to_come_back_and_the_server_is_well() {
    let world = world(16).await;
    let flood = Flood::of(&world, MANY).await;
    assert!(world.app.passwords.depth() <= 8);
    assert_eq!(world.client().get("/health/live").await.status, 200);
    assert_eq!(world.client().get("/health/ready").await.status, 200);
    world.client().login("beta", GRACE, PASSWORD).await.data();
    let answers = flood.all().await;
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(refused.len() >= MANY / 2, "{} were refused", refused.len());
    for answer in refused {
        assert_eq!(answer.refused(503), "overloaded");
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
    }
}

/// How busy a tenant is must not tell whether an address has an account there.
#[tokio::test]
async fn a_sign_in_that_names_no_tenant_does_not_tell_which_tenant_is_flooded() {
    let world = world(16).await;
    let flood = Flood::of(&world, MANY).await;
    let one = world.tenant_less(GRACE, "wrong horse battery staple").await;
    let other = world.tenant_less("nobody@example.com", "wrong horse battery staple").await;
    assert_eq!(one.refused(401), "invalid_credentials");
    assert_eq!(one.masked(), other.masked());
    flood.all().await;
}

#[tokio::test]
async fn whoever_goes_away_makes_room_at_once() {
    let world = world(16).await;
    let mut flood = Flood::of(&world, MANY).await;
    flood.tasks.abort_all();
    while flood.tasks.join_next().await.is_some() {}
    let answers = Flood::of(&world, 4).await.all().await;
    assert!(answers.iter().all(|answer| answer.status == 401), "somebody was turned away");
}

impl World {
    async fn tenant_less(&self, email: &str, password: &str) -> Answer {
        let body = serde_json::json!({"email": email, "password": password});
        self.client().post_json("/api/v1/auth/login", &body.to_string()).await
    }
}

/// The same address may have an account in many tenants.
#[tokio::test]
async fn whoever_waits_in_one_tenant_holds_up_nobody_of_the_same_address_in_another() {
    let world = world(64).await;
    let acme = world.cx("acme").await;
    let email = Email::parse(GRACE).unwrap();
    let waiting = login::enter(&acme, &email).await.unwrap();
    let mut client = world.client();
    let entered = client.login("beta", GRACE, PASSWORD);
    let entered = tokio::time::timeout(std::time::Duration::from_secs(20), entered).await;
    assert_eq!(entered.expect("held up").data()["status"], "success");
    drop(waiting);
}
