//! Limits on load: per network, tenant, application and endpoint, and what answers tell of them.

use countersign::{
    domain::{
        application::{ApplicationType, Owner},
        limits::Limit,
    },
    flows::Cx,
};
use serde_json::json;

use crate::support::{
    Answer, Client, PASSWORD, World,
    applications::{Made, encoded},
};

const WRONG: &str = "wrong horse battery staple";
const TOKEN: &str = "/api/v1/auth/tenants/acme/oauth/token";

async fn limited(requests_per_minute: u32) -> World {
    World::with(move |config| {
        config.limits.enabled = true;
        config.limits.requests_per_minute = requests_per_minute;
    })
    .await
}

#[track_caller]
fn told(answer: &Answer, name: &str) -> u64 {
    answer.headers[name].to_str().unwrap().parse().unwrap()
}

async fn ask_for_token(client: &mut Client, made: &Made, secret: &str) -> Answer {
    let form = encoded(&[
        ("grant_type", "client_credentials"),
        ("client_id", &made.client_id),
        ("client_secret", secret),
    ]);
    client.post_form(TOKEN, &form).await
}

async fn service(world: &World, acme: &Cx) -> Made {
    let metadata = json!({"allowed_scopes": ["files:read"]});
    let owner = Owner::Tenant(acme.tenant.id);
    world.application(owner, ApplicationType::Service, metadata).await
}

#[tokio::test]
async fn a_network_that_asks_too_often_is_told_to_wait() {
    let world = limited(5).await;
    world.acme().await;
    let mut client = world.client();
    for number in 0..5_u64 {
        let email = format!("nobody{number}@example.com");
        let answer = client.login("acme", &email, WRONG).await;
        answer.refused(401);
        assert_eq!(told(&answer, "ratelimit-limit"), 5);
        assert_eq!(told(&answer, "ratelimit-remaining"), 4 - number);
        assert!((1..=60).contains(&told(&answer, "ratelimit-reset")));
        assert_eq!(answer.headers["ratelimit-policy"], "\"requests\";q=5;w=60");
    }
    for number in 0..3 {
        client.headers.insert("x-forwarded-for", format!("198.51.100.{number}").parse().unwrap());
        let answer = client.login("acme", "nobody@example.com", WRONG).await;
        assert_eq!(answer.refused(429), "too_many_attempts");
        assert!((1..=60).contains(&answer.retry_after()));
        assert_eq!(told(&answer, "ratelimit-remaining"), 0);
        let meta = &answer.json()["meta"];
        assert_eq!(meta["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    }
    assert_eq!(client.get("/health/live").await.status, 200);
    let ready = client.get("/health/ready").await;
    assert_eq!(ready.status, 200);
    assert!(!ready.headers.contains_key("ratelimit-limit"), "it is not counted");
    world.client_at("192.0.2.2").login("acme", "nobody@example.com", WRONG).await.refused(401);
}

/// THR-11: a host of IPv6 has many addresses, and a customer many networks.
#[tokio::test]
async fn the_networks_of_one_customer_are_counted_together_too() {
    let world = limited(3).await;
    world.acme().await;
    let mut answers = Vec::new();
    for number in 0..15 {
        // Another host of another network of 64 bits each time.
        let address = format!("2001:db8:7:{number:x}::{number:x}");
        answers.push(world.client_at(&address).get("/t/acme/login").await.status);
    }
    assert_eq!(answers, [[200; 12].as_slice(), &[429; 3]].concat());
    assert_eq!(world.client_at("2001:db8:8::1").get("/t/acme/login").await.status, 200);
    for number in 0..4 {
        let address = format!("2001:db8:9:1::{number:x}");
        let answer = world.client_at(&address).get("/t/acme/login").await;
        assert_eq!(answer.status, if number < 3 { 200 } else { 429 }, "one network of 64 bits");
    }
}

#[tokio::test]
async fn an_application_that_proves_itself_does_not_count_for_its_network() {
    let world = limited(5).await;
    let made = service(&world, &world.acme().await).await;
    let mut client = world.client();
    let token =
        ask_for_token(&mut client, &made, &made.secret).await.json()["access_token"].clone();
    for _ in 0..4 {
        client.get("/t/acme/login").await;
    }
    assert_eq!(client.get("/t/acme/login").await.status, 429, "the network has had its share");
    for _ in 0..8 {
        assert_eq!(ask_for_token(&mut client, &made, &made.secret).await.status, 200);
    }
    let guess = ask_for_token(&mut client, &made, "wrong").await;
    assert_eq!((guess.status.as_u16(), &guess.json()["error"]), (401, &json!("invalid_client")));
    // What it does for its users with its token goes on, too; what others do there does not.
    let mut bearing = client.clone();
    let value = format!("Bearer {}", token.as_str().unwrap());
    bearing.headers.insert("authorization", value.parse().unwrap());
    bearing.login("acme", "nobody@example.com", WRONG).await.refused(401);
    client.login("acme", "nobody@example.com", WRONG).await.refused(429);
    bearing.headers.insert("authorization", "Bearer junk".parse().unwrap());
    assert_eq!(
        bearing.login("acme", "nobody@example.com", WRONG).await.refused(401),
        "invalid_client_token"
    );
    // Proving is looked at only so often.
    let mut statuses = Vec::new();
    for _ in 0..60 {
        statuses.push(ask_for_token(&mut client, &made, "wrong").await.status.as_u16());
    }
    assert_eq!(statuses.last(), Some(&429));
}

#[tokio::test]
async fn a_public_application_proves_nothing() {
    let world = limited(2).await;
    let acme = world.acme().await;
    let metadata = json!({"redirect_uris": ["https://app.example.com/callback"]});
    let owner = Owner::Tenant(acme.tenant.id);
    let made = world.application(owner, ApplicationType::Spa, metadata).await;
    let form = encoded(&[
        ("grant_type", "authorization_code"),
        ("client_id", &made.client_id),
        ("code", "nothing"),
    ]);
    let mut client = world.client();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.post_form(TOKEN, &form).await.status);
    }
    assert_eq!(statuses, [400, 400, 429, 429]);
}

#[tokio::test]
async fn an_application_has_a_limit_of_its_own() {
    let world = World::with(|config| {
        config.limits.enabled = true;
        config.limits.application_requests_per_minute = 3;
    })
    .await;
    let acme = world.acme().await;
    let (made, other) = (service(&world, &acme).await, service(&world, &acme).await);
    let mut client = world.client();
    for _ in 0..3 {
        assert_eq!(ask_for_token(&mut client, &made, &made.secret).await.status, 200);
    }
    let answer = ask_for_token(&mut client, &made, &made.secret).await;
    assert_eq!(answer.status, 429);
    assert!(answer.retry_after() >= 1);
    assert_eq!(ask_for_token(&mut client, &other, &other.secret).await.status, 200);
}

#[tokio::test]
async fn a_tenant_that_is_flooded_leaves_the_others_alone() {
    let world = World::with(|config| {
        config.limits.enabled = true;
        config.limits.tenant_requests_per_minute = 4;
    })
    .await;
    world.acme().await;
    world.tenant("globex", "{}").await;
    let mut statuses = Vec::new();
    for number in 0..6 {
        let mut client = world.client_at(&format!("192.0.2.{number}"));
        statuses.push(client.get("/t/acme/login").await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    assert_eq!(world.client().get("/t/globex/login").await.status, 200);
}

/// The flood is answered by what strangers have; a device that has signed in before is none.
#[tokio::test]
async fn strangers_cannot_flood_a_known_device_out() {
    let world = World::with(|config| {
        config.limits.enabled = true;
        config.limits.tenant_requests_per_minute = 4;
    })
    .await;
    let acme = world.acme().await;
    let globex = world.tenant("globex", "{}").await;
    world.user(&acme, "grace@example.com").await;
    world.user(&globex, "grace@example.com").await;
    let mut at_home = world.client();
    at_home.login("acme", "grace@example.com", PASSWORD).await.data();
    let mut at_globex = world.client_at("192.0.2.1");
    at_globex.login("globex", "grace@example.com", PASSWORD).await.data();
    for number in 10..20 {
        world.client_at(&format!("192.0.2.{number}")).get("/t/acme/login").await;
    }
    let mut stranger = world.client_at("192.0.2.2");
    let refused = stranger.login("acme", "grace@example.com", PASSWORD).await;
    assert_eq!(refused.refused(429), "too_many_attempts");
    // Made up, and given out by another tenant.
    let name = format!("cs_device_{}", &acme.tenant.id.to_string()[4..]);
    let of_globex = at_globex.cookies.iter().find(|(name, _)| name.starts_with("cs_device_"));
    for value in ["A".repeat(43), of_globex.unwrap().1.clone()] {
        stranger.cookies = vec![(name.clone(), value)];
        assert_eq!(stranger.get("/t/acme/login").await.status, 429);
    }
    for _ in 0..5 {
        at_home.login("acme", "grace@example.com", PASSWORD).await.data();
    }
    // Nor is it free to ask as often as it likes.
    let mut asked = 0;
    while at_home.get("/t/acme/login").await.status != 429 {
        asked += 1;
        assert!(asked < 6_000, "a device may ask for ever");
        at_home.address = format!("198.51.100.{}", asked % 250).parse().unwrap();
    }
    assert!(asked >= 500, "only {asked} times");
}

#[tokio::test]
async fn endpoints_that_cost_more_have_limits_of_their_own() {
    let world = limited(10_000).await;
    world.acme().await;
    let base = "/api/v1/auth/tenants/acme";
    for (path, limit) in [
        ("register", Limit::NewAccounts),
        ("forgot-password", Limit::MailRequests),
        ("login", Limit::Credentials),
    ] {
        let mut client = world.client_at("198.51.100.7");
        let amount = limit.policy().amount;
        for _ in 0..amount {
            assert_eq!(client.post_json(&format!("{base}/{path}"), "{}").await.status, 422);
        }
        let answer = client.post_json(&format!("{base}/{path}"), "{}").await;
        assert_eq!(answer.refused(429), "too_many_attempts", "{path}");
        assert!(answer.headers["ratelimit-policy"].to_str().unwrap().contains(limit.policy().name));
        assert_eq!(client.get("/t/acme/login").await.status, 200, "{path}");
    }
}
