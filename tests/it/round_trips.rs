//! How often a request waits for PostgreSQL, counted at the socket. On SQLite there is nothing to
//! count.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use countersign::{
    config::{Config, DatabaseUrl},
    domain::application::Owner,
    secret::Secret,
};
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{Made, challenge, endpoint, request},
};

const GRACE: &str = "grace@example.com";

/// What stands between the server and its database and counts how often the one speaks after the
/// other has.
#[derive(Clone, Default)]
struct Wire {
    turns: Arc<AtomicUsize>,
}

impl Wire {
    /// Puts itself before the database of `config`, with one connection; false on SQLite.
    fn tap(&self, config: &mut Config) -> bool {
        let DatabaseUrl::Postgres(url) = &config.database.url else { return false };
        let mut url = Url::parse(url.expose()).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        config.database.url = DatabaseUrl::Postgres(Secret::new(url.to_string()));
        config.database.max_connections = 1;
        let wire = self.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(&server).unwrap();
                wire.join(client.unwrap(), server);
            }
        });
        true
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        // Whether the server was the last to speak.
        let answered = Arc::new(AtomicBool::new(true));
        let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (turns, has_answered) = (Arc::clone(&self.turns), Arc::clone(&answered));
        pump(client, to_server, move || {
            if has_answered.swap(false, Ordering::SeqCst) {
                turns.fetch_add(1, Ordering::SeqCst);
            }
        });
        pump(server, to_client, move || answered.store(true, Ordering::SeqCst));
    }

    /// How often the server has waited while `work` was done.
    async fn count<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let before = self.turns.load(Ordering::SeqCst);
        let value = work.await;
        (value, self.turns.load(Ordering::SeqCst) - before)
    }
}

/// Hands on what comes until nothing more does.
fn pump(mut from: TcpStream, mut to: TcpStream, mut heard: impl FnMut() + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            heard();
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

async fn world() -> Option<(World, Wire)> {
    let wire = Wire::default();
    let mut is_tapped = false;
    let world = World::with(|config| is_tapped = wire.tap(config)).await;
    is_tapped.then_some((world, wire))
}

async fn token(world: &World, made: &Made, pairs: &[(&str, &str)]) -> Value {
    let answer = world.client().post_as("acme", "token", made, pairs).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Signs in, and gets tokens by a code.
async fn by_code(world: &World, made: &Made) -> (Client, Value) {
    let mut browser = world.client();
    browser.login("acme", GRACE, PASSWORD).await.data();
    let challenge = challenge();
    let code = Client::code(&browser.authorize("acme", &request(made, &challenge)).await);
    let tokens = browser.redeem("acme", made, &code).await.json();
    (browser, tokens)
}

#[tokio::test]
async fn a_sign_in_waits_twice_and_a_wrong_password_no_more_often() {
    let Some((world, wire)) = world().await else { return };
    let acme = world.tenant("acme", "{}").await;
    world.user(&acme, GRACE).await;
    let mut known = world.client();
    // Statements are prepared when they are first needed.
    for _ in 0..2 {
        known.login("acme", GRACE, PASSWORD).await.data();
        world.client_at("198.51.100.7").login("acme", GRACE, PASSWORD).await.data();
        world.client().login("acme", GRACE, "wrong horse battery staple").await.refused(401);
    }
    let (answer, turns) = wire.count(known.login("acme", GRACE, PASSWORD)).await;
    answer.data();
    assert_eq!(turns, 2, "from a known device");
    let mut stranger = world.client_at("203.0.113.7");
    let (answer, turns) = wire.count(stranger.login("acme", GRACE, PASSWORD)).await;
    answer.data();
    assert_eq!(turns, 2, "from a device that is not known, with a notice");
    let mut guess = world.client();
    let wrong = guess.login("acme", GRACE, "wrong horse battery staple");
    let (answer, turns) = wire.count(wrong).await;
    answer.refused(401);
    assert_eq!(turns, 2, "with a wrong password");
}

#[tokio::test]
async fn what_applications_come_for_often_waits_once_or_not_at_all() {
    let Some((world, wire)) = world().await else { return };
    let acme = world.tenant("acme", "{}").await;
    world.user(&acme, GRACE).await;
    let made = world.web(Owner::Tenant(acme.tenant.id), json!({})).await;
    let (_, tokens) = by_code(&world, &made).await;
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let mut refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let own = [("grant_type", "client_credentials")];
    for is_counted in [false, false, true] {
        let (_, turns) = wire.count(token(&world, &made, &own)).await;
        assert!(!is_counted || turns == 0, "client_credentials: {turns}");
        let keys = "/api/v1/auth/tenants/acme/.well-known/jwks.json";
        let (answer, turns) = wire.count(async { world.client().get(keys).await }).await;
        assert_eq!(answer.status, 200);
        assert!(!is_counted || turns == 0, "JWKS: {turns}");
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
        let (next, turns) = wire.count(token(&world, &made, &pairs)).await;
        assert!(!is_counted || turns == 1, "refresh: {turns}");
        next["refresh_token"].as_str().unwrap().clone_into(&mut refresh);
        let shown = [("token", &*access)];
        let mut asking = world.client();
        let (answer, turns) = wire.count(asking.post_as("acme", "introspect", &made, &shown)).await;
        assert_eq!(answer.json()["active"], true);
        assert!(!is_counted || turns == 1, "introspection: {turns}");
        let (answer, turns) = wire.count(userinfo(&world, &access)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!is_counted || turns == 1, "userinfo: {turns}");
    }
}

async fn userinfo(world: &World, access: &str) -> Answer {
    let mut client = world.client();
    client.headers.insert("authorization", format!("Bearer {access}").parse().unwrap());
    client.get(&endpoint("acme", "userinfo")).await
}
