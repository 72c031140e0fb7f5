//! What the machine can do, and how much of it the server does. Run by hand; nothing is asserted.
//!
//! `cargo bench -- [hash] [factors] [oauth] [pages] [fairness] [isolation] [tenants] [login] [start] [--users N]…`; all of it, at 1,000 and 1,000,000
//! users, where nothing is said. `growth [--rows N]` is run only where it is named, since it takes
//! long and much of a disk. The unit is work for each second of processor time of the process that
//! does it, since that repeats on a machine that does other things too. The environment is not
//! read, so that the figures are those of the defaults.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and fails by panicking"
)]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request};
use countersign::{
    app::App,
    clock::Clock,
    config::{Config, DatabaseUrl, Mode, load},
    crypto::{
        hasher::{Class, Order, Share},
        kernel::{Argon2, Cost, Variant, Version, tested},
        password::{PasswordHash, Passwords},
    },
    db::sql,
    domain::{password::Password, tenant::Slug},
    entropy::Entropy,
    flows::{self, Caller, fresh_id},
    http,
    id::{TenantId, UserId},
};
use futures_util::future::join_all;
use tower::ServiceExt as _;

mod factors;
mod fairness;
mod growth;
mod oauth;
mod pages;
mod tenants;

const PASSWORD: &str = "correct horse battery staple";
const LOGINS: usize = 600;
const RAW: usize = 100;
const LANES: usize = 16;
const LOGINS_OF_A_LANE: usize = 25;
const ORDER: Order = Order { share: Share::of(1), class: Class::Known };
const SCENARIOS: [&str; 10] = [
    "hash",
    "factors",
    "oauth",
    "pages",
    "fairness",
    "isolation",
    "tenants",
    "growth",
    "login",
    "start",
];
const OWN: &str = "/proc/self/stat";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let named = |name: &str| arguments.iter().any(|it| it == name);
    let all = !SCENARIOS.iter().any(|name| named(name));
    let numbers = |name: &str| -> Vec<usize> {
        let given = arguments.windows(2).filter(|pair| pair[0] == name);
        given.map(|pair| pair[1].parse().expect("a number")).collect()
    };
    let mut users = numbers("--users");
    if users.is_empty() {
        users = vec![1_000, 1_000_000];
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{} hash threads; every share is one of the raw Argon2id rate beside it", threads());
    if all || named("hash") {
        runtime.block_on(pool());
    }
    if all || named("factors") {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(factors::factors(folder.path()));
    }
    if all || named("oauth") {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(oauth::oauth(folder.path()));
    }
    if all || named("pages") {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(pages::pages(folder.path()));
    }
    if all || named("fairness") {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(fairness::fairness(folder.path()));
    }
    if all || named("isolation") {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(fairness::isolation(folder.path()));
    }
    if all || named("tenants") {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(tenants::tenants(folder.path()));
    }
    if named("growth") {
        let folder = tempfile::tempdir().unwrap();
        let rows = numbers("--rows").first().copied().unwrap_or(1_000_000);
        runtime.block_on(growth::growth(folder.path(), rows));
    }
    for count in users {
        let folder = tempfile::tempdir().unwrap();
        if all || named("login") || named("start") {
            runtime.block_on(login(folder.path(), count, all || named("login")));
        }
        if all || named("start") {
            runtime.block_on(start(folder.path(), count));
        }
    }
}

/// Processor seconds of a process so far, in the system's ticks of a hundredth.
fn cpu(stat: &str) -> f64 {
    let text = std::fs::read_to_string(stat).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|it| it.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

fn config(folder: &Path) -> Config {
    let mut config = load::load(&load::Sources::default()).unwrap().config;
    config.mode = Mode::Development;
    folder.clone_into(&mut config.data_dir);
    config.database.url = DatabaseUrl::Sqlite(folder.join("countersign.db"));
    config.limits.enabled = false;
    config
}

/// The same kernel and cost as the server's with nothing around it, on as many threads at once as
/// the server has: threads that share caches and memory slow each other down.
fn raw_rate() -> f64 {
    let config = config(Path::new("."));
    let cost = Cost {
        variant: Variant::Id,
        version: Version::V13,
        memory_kib: config.passwords.memory_kib,
        passes: config.passwords.passes,
        lanes: 1,
    };
    let kernel = config.passwords.kernel;
    let before = cpu(OWN);
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                let mut argon2 = Argon2::new(tested(kernel));
                for _ in 0..RAW {
                    argon2.tag(&cost, PASSWORD.as_bytes(), b"sixteen bytes ..", 32).unwrap();
                }
            });
        }
    });
    to_f64(RAW * threads()) / (cpu(OWN) - before)
}

fn threads() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// Runs `work` between two looks at the raw rate, since a busy machine's rate drifts; what it
/// returns, and the mean of the two.
async fn beside_raw<T>(work: impl Future<Output = T>) -> (T, f64) {
    let before = raw_rate();
    let done = work.await;
    (done, f64::midpoint(before, raw_rate()))
}

/// Verification through the pool of hash threads.
async fn pool() {
    let passwords = Passwords::new(&config(Path::new(".")).passwords, Entropy::Os).unwrap();
    let password = Password::parse(PASSWORD).unwrap();
    let hash = passwords.hash(ORDER, &password).await.unwrap();
    let verified = async {
        let before = cpu(OWN);
        for _ in 0..50 {
            join_all((0..4).map(|_| passwords.verify(ORDER, &password, Some(&hash)))).await;
        }
        200.0 / (cpu(OWN) - before)
    };
    let (rate, raw) = beside_raw(verified).await;
    println!("raw Argon2id                   {raw:8.1} hashes/CPU-s");
    println!("verification through the pool  {rate:8.1} hashes/CPU-s   {}", share(rate, raw));
}

async fn login(folder: &Path, count: usize, measured: bool) {
    let app = App::open_with(config(folder), Clock::System, Entropy::Os).await.unwrap();
    let slug = Slug::parse("acme").unwrap();
    let caller = Caller::operator("bench".to_owned());
    let change = flows::tenants::Change::default();
    let tenant = flows::tenants::create(&app, &caller, slug, change).await.unwrap().id;
    let hash = app.passwords.hash(ORDER, &Password::parse(PASSWORD).unwrap()).await.unwrap();
    seed(&app, tenant, &hash, count).await;
    if !measured {
        return app.close().await;
    }
    let router = http::router(Arc::clone(&app));
    sign_in(&router, 0).await;
    let mut alone: Vec<Duration> = Vec::new();
    for number in 0..100 {
        alone.push(sign_in(&router, (number * 7919) % count).await);
    }
    let loaded = async {
        let (before, watch) = (cpu(OWN), Instant::now());
        let mut times: Vec<Duration> = Vec::new();
        for round in 0..LOGINS / 12 {
            let users = (0..12).map(|lane| ((round * 12 + lane) * 104_729) % count);
            times.extend(join_all(users.map(|user| sign_in(&router, user))).await);
        }
        (times, cpu(OWN) - before, watch.elapsed().as_secs_f64())
    };
    let ((mut loaded, spent, took), raw) = beside_raw(loaded).await;
    let number = to_f64(loaded.len());
    println!(
        "sign-in, {count:>9} users       {:8.1} sign-ins/CPU-s {}; {:.1}/s; alone p50 {:.1} p99 {:.1} ms; 12 at once p50 {:.1} p99 {:.1} ms",
        number / spent,
        share(number / spent, raw),
        number / took,
        percentile(&mut alone, 50),
        percentile(&mut alone, 99),
        percentile(&mut loaded, 50),
        percentile(&mut loaded, 99),
    );
    app.close().await;
}

fn share(rate: f64, raw: f64) -> String {
    format!("{:5.1} % of {raw:.1}", rate / raw * 100.0)
}

fn to_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// In milliseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

/// One sign-in through the real router, with everything it writes.
async fn sign_in(router: &Router, user: usize) -> Duration {
    let body = format!(r#"{{"email": "user{user}@example.com", "password": "{PASSWORD}"}}"#);
    let request = Request::post("/api/v1/auth/tenants/acme/login")
        .header("content-type", "application/json")
        .header("user-agent", "bench/1.0")
        .body(Body::from(body))
        .unwrap();
    let watch = Instant::now();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    watch.elapsed()
}

/// Fills the tables; all users share one hash.
async fn seed(app: &Arc<App>, tenant: TenantId, hash: &PasswordHash, count: usize) {
    let text = hash.expose().to_owned();
    for first in (0..count).step_by(5_000) {
        let range = first..(first + 5_000).min(count);
        let entropy = app.entropy.clone();
        let input = (tenant, text.clone(), range, entropy, app.clock.now());
        app.db
            .write(input, |tx, (tenant, hash, range, entropy, now)| {
                Box::pin(async move {
                    for number in range.clone() {
                        let user: UserId = fresh_id(entropy, *now)?;
                        let email = format!("user{number}@example.com");
                        sql("INSERT INTO users (tenant_id, id, email, email_key, email_verified_at, \
                                status, first_name, last_name, identity_source, custom_data, \
                                must_change_password, epoch, created_at, updated_at) \
                             VALUES ($1, $2, $3, $3, $4, 'active', 'Grace', 'Hopper', 'local', \
                                '{}', FALSE, 0, $4, $4)")
                            .bind(*tenant)
                            .bind(user)
                            .bind(email)
                            .bind(*now)
                            .execute(tx)
                            .await?;
                        sql("INSERT INTO passwords (tenant_id, user_id, hash, changed_at) \
                             VALUES ($1, $2, $3, $4)")
                            .bind(*tenant)
                            .bind(user)
                            .bind(hash.as_str())
                            .bind(*now)
                            .execute(tx)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}

/// Cold starts of the built program on the filled database, what it holds at rest, and what it
/// does and holds while many sign in over loopback HTTP.
async fn start(folder: &Path, count: usize) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..11 {
        drop(last.take());
        let port = free_port();
        let watch = Instant::now();
        let server = Server::spawn(folder, port);
        while !server.is_live() {
            std::thread::yield_now();
        }
        times.push(watch.elapsed());
        last = Some(server);
    }
    println!(
        "cold start, {count:>9} users    {:8.1} ms to the first 200, median of 11; slowest {:.1} ms",
        percentile(&mut times, 50),
        percentile(&mut times, 100),
    );
    let server = last.unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let rest = server.mebibytes("VmRSS");
    println!("at rest, {count:>9} users       {rest:8.1} MiB resident after 5 s");
    let flood = async {
        let (before, watch) = (cpu(&server.stat()), Instant::now());
        std::thread::scope(|scope| {
            for lane in 0..LANES {
                let server = &server;
                scope.spawn(move || server.sign_in_often(lane, count));
            }
        });
        (cpu(&server.stat()) - before, watch.elapsed().as_secs_f64())
    };
    let ((spent, took), raw) = beside_raw(flood).await;
    let number = to_f64(LANES * LOGINS_OF_A_LANE);
    println!(
        "over HTTP, {count:>9} users     {:8.1} sign-ins/CPU-s {}; {:.1}/s; {LANES} at once; peak {:.1} MiB",
        number / spent,
        share(number / spent, raw),
        number / took,
        server.mebibytes("VmHWM"),
    );
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The built program, without settings but for the limit of requests of a network.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn spawn(folder: &Path, port: u16) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder)
            .env_clear()
            .env("COUNTERSIGN_LIMITS__ENABLED", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port }
    }

    fn is_live(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.write_all(request).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Signs one user after another in, each over a connection of its own.
    fn sign_in_often(&self, lane: usize, count: usize) {
        for number in 0..LOGINS_OF_A_LANE {
            let user = ((lane * LOGINS_OF_A_LANE + number) * 104_729) % count;
            let body =
                format!(r#"{{"email": "user{user}@example.com", "password": "{PASSWORD}"}}"#);
            let request = format!(
                "POST /api/v1/auth/tenants/acme/login HTTP/1.1\r\nHost: localhost\r\n\
                 Connection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }

    fn stat(&self) -> String {
        format!("/proc/{}/stat", self.process.id())
    }

    /// One of the figures of memory that the system keeps of the process.
    fn mebibytes(&self, name: &str) -> f64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
