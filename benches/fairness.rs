//! What one tenant feels of another's flood, and what everybody else feels of a flood of sign-ins.
//!
//! Through the router, so without connections and limits: what is measured is the queue before the
//! hash threads and the threads themselves.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    app::App,
    clock::Clock,
    crypto::hasher::{Class, Order, Share},
    domain::{password::Password, tenant::Slug},
    entropy::Entropy,
    flows::{Caller, tenants},
    http,
    id::{Id as _, TenantId},
};
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use url::form_urlencoded;

use super::{PASSWORD, config, oauth, percentile, seed, threads, to_f64};

const USERS: usize = 1_000;
/// How often the quiet tenant signs in.
const QUIET: usize = 100;
/// Sign-ins of the flood that wait for their answer at any time.
const FLOOD: usize = 400;
const SPAN: Duration = Duration::from_secs(8);

struct Stage {
    app: Arc<App>,
    router: Router,
}

impl Stage {
    async fn new(folder: &Path) -> Self {
        let app = App::open_with(config(folder), Clock::System, Entropy::Os).await.unwrap();
        for slug in ["quiet", "loud"] {
            let tenant = Self::tenant(&app, slug).await;
            let order = Order { share: Share::of(tenant.uuid().as_u128()), class: Class::Known };
            let password = Password::parse(PASSWORD).unwrap();
            let hash = app.passwords.hash(order, &password).await.unwrap();
            seed(&app, tenant, &hash, USERS).await;
        }
        let router = http::router(Arc::clone(&app));
        Self { app, router }
    }

    async fn tenant(app: &Arc<App>, slug: &str) -> TenantId {
        let caller = Caller::operator("bench".to_owned());
        let slug = Slug::parse(slug).unwrap();
        tenants::create(app, &caller, slug, tenants::Change::default()).await.unwrap().id
    }

    /// Starts a flood of the loud tenant: so many sign-ins at any time, by clients that come back
    /// at once, but after a tenth of a second where they are told to come back later.
    fn flood(&self) -> Flood {
        let (over, counts) = (Arc::new(AtomicBool::new(false)), Arc::<[AtomicUsize; 2]>::default());
        let mut tasks = JoinSet::new();
        for lane in 0..FLOOD {
            let (router, over, counts) =
                (self.router.clone(), Arc::clone(&over), Arc::clone(&counts));
            tasks.spawn(async move {
                let mut user = lane;
                while !over.load(Ordering::Relaxed) {
                    user = (user + 104_729) % USERS;
                    if sign_in(&router, "loud", user).await.0 == StatusCode::OK {
                        counts[0].fetch_add(1, Ordering::Relaxed);
                    } else {
                        counts[1].fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            });
        }
        Flood { over, counts, tasks }
    }

    /// Sign-ins of the quiet tenant, one after the other, 10 to 50 ms apart.
    async fn quiet(&self) -> Vec<Duration> {
        let mut times = Vec::new();
        for number in 0..QUIET {
            let (status, took) = sign_in(&self.router, "quiet", number * 7 % USERS).await;
            assert_eq!(status, StatusCode::OK);
            times.push(took);
            // Now and then at another point of whatever the threads are doing.
            let pause = u64::try_from(number * 7919 % 41).unwrap();
            tokio::time::sleep(Duration::from_millis(10 + pause)).await;
        }
        times
    }
}

struct Flood {
    over: Arc<AtomicBool>,
    counts: Arc<[AtomicUsize; 2]>,
    tasks: JoinSet<()>,
}

impl Flood {
    /// How many were served, and how many told to come back.
    async fn end(self) -> (usize, usize) {
        self.over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        (self.counts[0].load(Ordering::Relaxed), self.counts[1].load(Ordering::Relaxed))
    }
}

async fn sign_in(router: &Router, tenant: &str, user: usize) -> (StatusCode, Duration) {
    let body = format!(r#"{{"email": "user{user}@example.com", "password": "{PASSWORD}"}}"#);
    let request = Request::post(format!("/api/v1/auth/tenants/{tenant}/login"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .unwrap();
    let watch = Instant::now();
    let answer = router.clone().oneshot(request).await.unwrap();
    (answer.status(), watch.elapsed())
}

/// A quiet tenant alone, and beside one that floods.
pub(super) async fn fairness(folder: &Path) {
    let stage = Stage::new(folder).await;
    stage.quiet().await;
    let mut alone = stage.quiet().await;
    println!(
        "quiet tenant alone             p50 {:6.1} p95 {:6.1} ms",
        percentile(&mut alone, 50),
        percentile(&mut alone, 95),
    );
    let flood = stage.flood();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let watch = Instant::now();
    let mut beside = stage.quiet().await;
    let took = watch.elapsed().as_secs_f64();
    let (served, shed) = flood.end().await;
    println!(
        "the same beside a flood        p50 {:6.1} p95 {:6.1} ms; the flood had {:.0}/s and was turned away {:.0}/s, {FLOOD} at once, {} hash threads",
        percentile(&mut beside, 50),
        percentile(&mut beside, 95),
        to_f64(served) / took,
        to_f64(shed) / took,
        threads(),
    );
    stage.app.close().await;
}

/// Cheap requests alone, and while sign-ins flood at more than four times what can be done.
pub(super) async fn isolation(folder: &Path) {
    let stage = Stage::new(folder).await;
    let tenant = tenants::by_slug(&stage.app, &Slug::parse("quiet").unwrap()).await.unwrap();
    let client = oauth::application(&stage.app, tenant.unwrap().id).await;
    let cheap = Cheap { router: stage.router.clone(), client };
    for flooded in [false, true] {
        let flood = flooded.then(|| stage.flood());
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (name, request) in
            [("client_credentials", Cheap::token as fn(&Cheap) -> _), ("JWKS", Cheap::jwks)]
        {
            let (mut times, watch) = (Vec::new(), Instant::now());
            while watch.elapsed() < SPAN {
                let one = Instant::now();
                let answer = cheap.router.clone().oneshot(request(&cheap)).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                times.push(one.elapsed());
                // As between requests that come by a socket.
                tokio::task::yield_now().await;
            }
            println!(
                "{name:<18} {}  {:8.0}/s  p50 {:6.2} p99 {:6.2} ms",
                if flooded { "in a flood " } else { "alone      " },
                to_f64(times.len()) / SPAN.as_secs_f64(),
                percentile(&mut times, 50),
                percentile(&mut times, 99),
            );
        }
        if let Some(flood) = flood {
            let (served, shed) = flood.end().await;
            println!("the flood: {served} signed in, {shed} told to come back");
        }
    }
    stage.app.close().await;
}

struct Cheap {
    router: Router,
    client: (String, String),
}

impl Cheap {
    fn token(&self) -> Request<Body> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client.0)
            .append_pair("client_secret", &self.client.1)
            .finish();
        Request::post("/api/v1/auth/tenants/quiet/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap()
    }

    fn jwks(_: &Self) -> Request<Body> {
        Request::get("/api/v1/auth/tenants/quiet/.well-known/jwks.json")
            .body(Body::empty())
            .unwrap()
    }
}
