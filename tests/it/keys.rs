//! Keys that sign tokens: each realm's own, and one following another.

use std::{sync::Arc, time::Duration};

use countersign::{
    app::App,
    clock::Timestamp,
    crypto::jose::claimed_kid,
    db::sql,
    domain::token::{KeyState, SigningAlgorithm},
    flows::keys::{
        self,
        rotation::{How, Standing, due, page, rotate, standing},
    },
    id::Realm,
};
use serde_json::{Value, json};

use crate::support::{World, operator, together};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

async fn token(app: &App, realm: Realm) -> String {
    let key = keys::signing(app, realm, ES256).await.unwrap();
    key.sign("at+jwt", &json!({"n": 1})).unwrap().expose().clone()
}

/// Whose token it is found to be.
async fn whose(app: &App, token: &str) -> Option<Realm> {
    let (realm, key) = keys::verifying(app, token).await.unwrap()?;
    key.verify::<Value>("at+jwt", token).map(|_| realm)
}

async fn kids(app: &App, realm: Realm) -> Vec<String> {
    let set: Value = serde_json::from_str(&keys::published(app, realm).await.unwrap()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Runs the job until it has nothing more to do.
async fn job(app: &App) {
    while due(app).await.unwrap() {}
}

async fn of_es256(app: &App, realm: Realm) -> Vec<Standing> {
    let mut all = standing(app, realm).await.unwrap();
    all.retain(|key| key.algorithm == ES256);
    all
}

fn states(all: &[Standing]) -> Vec<KeyState> {
    all.iter().map(|key| key.state).collect()
}

async fn acme(world: &World) -> Realm {
    Realm::Tenant(world.acme().await.tenant.id)
}

/// TEN.
#[tokio::test]
async fn each_realm_has_keys_of_its_own_made_when_they_are_needed() {
    let world = World::new().await;
    let one = acme(&world).await;
    let other = Realm::Tenant(world.tenant("other", "{}").await.tenant.id);
    assert_eq!(world.count("SELECT COUNT(*) FROM signing_keys").await, 0);
    let tokens = [token(&world.app, one).await, token(&world.app, other).await];
    assert_eq!(world.count("SELECT COUNT(*) FROM signing_keys").await, 2);
    assert_ne!(claimed_kid(&tokens[0]), claimed_kid(&tokens[1]));
    let second = world.second_node().await;
    for app in [&world.app, &second.app] {
        assert_eq!(whose(app, &tokens[0]).await, Some(one));
        assert_eq!(whose(app, &tokens[1]).await, Some(other));
    }
    let sets = [kids(&world.app, one).await, kids(&world.app, other).await];
    assert_eq!((sets[0].len(), sets[1].len()), (3, 3));
    assert!(sets[0].iter().all(|kid| !sets[1].contains(kid)));
    let path = |slug: &str| format!("/api/v1/auth/tenants/{slug}/.well-known/jwks.json");
    for (slug, set) in [("acme", &sets[0]), ("other", &sets[1])] {
        let published = world.client().get(&path(slug)).await.text;
        assert!(set.iter().all(|kid| published.contains(kid)), "{slug}");
    }
}

#[tokio::test]
async fn jwt_14_a_key_follows_another_and_every_token_stays_good_until_its_end() {
    let world = World::with(|config| config.oauth.key_rotation_days = 90).await;
    let realm = acme(&world).await;
    let first = token(&world.app, realm).await;
    let second = world.second_node().await;
    job(&world.app).await;
    assert_eq!(states(&of_es256(&world.app, realm).await), [KeyState::Active]);

    world.advance(83 * DAY);
    job(&world.app).await;
    let all = of_es256(&world.app, realm).await;
    assert_eq!(states(&all), [KeyState::Active, KeyState::Next]);
    let next = all[1].kid.clone();
    assert!(kids(&second.app, realm).await.contains(&next), "published a week before its use");
    assert_eq!(claimed_kid(&token(&world.app, realm).await), claimed_kid(&first));

    world.advance(7 * DAY);
    job(&second.app).await;
    job(&world.app).await;
    let all = of_es256(&world.app, realm).await;
    assert_eq!(states(&all), [KeyState::Retired, KeyState::Active]);
    assert_eq!(all[0].expires_at, Some(world.app.clock.now() + 25 * HOUR));
    world.advance(Duration::from_mins(1));
    for app in [&world.app, &second.app] {
        let new = token(app, realm).await;
        assert_eq!(claimed_kid(&new).as_ref(), Some(&next));
        assert_eq!(whose(app, &first).await, Some(realm), "until the last token has ended");
        assert_eq!(whose(app, &new).await, Some(realm));
        assert!(kids(app, realm).await.contains(&claimed_kid(&first).unwrap()));
    }
    let told = world.recorded(&world.cx("acme").await, "tenant.key.rotated", "success").await;
    assert_eq!(told, 1, "once, by whichever node");

    world.advance(25 * HOUR);
    assert_eq!(whose(&world.app, &first).await, None, "then refused, job or no job");
    assert!(!kids(&second.app, realm).await.contains(&claimed_kid(&first).unwrap()));
    job(&world.app).await;
    assert_eq!(states(&of_es256(&world.app, realm).await), [KeyState::Active]);
    for key in keys::published(&world.app, realm).await.unwrap().split('{') {
        assert!(!key.contains("\"d\""), "no private member");
    }
}

#[tokio::test]
async fn a_late_job_still_publishes_before_use() {
    let world = World::with(|config| config.oauth.key_rotation_days = 2).await;
    let realm = acme(&world).await;
    token(&world.app, realm).await;
    // Nobody ran for ten days.
    world.advance(10 * DAY);
    job(&world.app).await;
    let next = of_es256(&world.app, realm).await.remove(1);
    assert_eq!(next.activates_at, Some(world.app.clock.now() + DAY), "half of the time");
    world.advance(DAY - Duration::from_micros(1));
    job(&world.app).await;
    assert_eq!(of_es256(&world.app, realm).await[1].state, KeyState::Next);
    world.advance(Duration::from_micros(1));
    job(&world.app).await;
    assert_eq!(of_es256(&world.app, realm).await[1].state, KeyState::Active);
}

#[tokio::test]
async fn without_a_schedule_nothing_is_rotated_by_itself() {
    let world = World::with(|config| config.oauth.key_rotation_days = 0).await;
    let realm = acme(&world).await;
    token(&world.app, realm).await;
    world.advance(4_000 * DAY);
    job(&world.app).await;
    assert_eq!(states(&of_es256(&world.app, realm).await), [KeyState::Active]);
}

#[tokio::test]
async fn nodes_that_rotate_at_the_same_time_agree() {
    let world = World::with(|config| config.oauth.key_rotation_days = 90).await;
    let realm = acme(&world).await;
    let first = token(&world.app, realm).await;
    let second = world.second_node().await;
    let both = || {
        let apps = [Arc::clone(&world.app), Arc::clone(&second.app)];
        together((0..8).map(move |it| {
            let app = Arc::clone(&apps[it % 2]);
            async move { due(&app).await.map(drop).map_err(|error| format!("{error:?}")) }
        }))
    };
    world.advance(83 * DAY);
    assert!(both().await.into_iter().all(|it| it == Ok(())));
    assert_eq!(states(&of_es256(&world.app, realm).await), [KeyState::Active, KeyState::Next]);
    world.advance(7 * DAY);
    assert!(both().await.into_iter().all(|it| it == Ok(())));
    assert_eq!(states(&of_es256(&world.app, realm).await), [KeyState::Retired, KeyState::Active]);
    world.advance(Duration::from_mins(1));
    let tokens = [token(&world.app, realm).await, token(&second.app, realm).await];
    assert_eq!(claimed_kid(&tokens[0]), claimed_kid(&tokens[1]));
    assert_eq!(whose(&second.app, &first).await, Some(realm));
}

#[tokio::test]
async fn an_operator_announces_a_key_or_does_not_wait() {
    let world = World::new().await;
    let realm = acme(&world).await;
    let first = token(&world.app, realm).await;
    world.advance(Duration::from_secs(1));
    let caller = operator();
    let by = |how| rotate(&world.app, &caller, realm, (None, how));
    let all = by(How::Announced).await.unwrap();
    assert_eq!(states(&all), [KeyState::Active, KeyState::Next]);
    assert_eq!(all[1].activates_at, Some(world.app.clock.now() + HOUR));
    assert_eq!(by(How::Announced).await.unwrap(), all, "said twice, done once");
    // The announced key is the one that is put to use.
    let all = by(How::AtOnce).await.unwrap();
    assert_eq!(states(&all), [KeyState::Retired, KeyState::Active]);
    let new = token(&world.app, realm).await;
    assert_eq!(claimed_kid(&new), Some(all[1].kid.clone()), "at once, here");
    assert_eq!(whose(&world.app, &first).await, Some(realm));
    world.advance(Duration::from_secs(1));
    let all = by(How::AtOnce).await.unwrap();
    assert_eq!(states(&all), [KeyState::Retired, KeyState::Retired, KeyState::Active]);
    assert_eq!(world.recorded(&world.cx("acme").await, "tenant.key.rotated", "success").await, 2);
}

#[tokio::test]
async fn a_planned_key_is_hastened_by_an_operator() {
    let world = World::new().await;
    let realm = acme(&world).await;
    token(&world.app, realm).await;
    world.advance(84 * DAY);
    job(&world.app).await;
    let soon = Some(world.app.clock.now() + HOUR);
    let planned = of_es256(&world.app, realm).await.remove(1);
    assert!(planned.activates_at > soon);
    let asked = (Some(ES256), How::Announced);
    let all = rotate(&world.app, &operator(), realm, asked).await.unwrap();
    assert_eq!((all[1].kid.as_str(), all[1].activates_at), (planned.kid.as_str(), soon));
}

#[tokio::test]
async fn what_a_compromised_key_signed_is_refused() {
    let world = World::new().await;
    let realm = acme(&world).await;
    let other = Realm::Tenant(world.tenant("other", "{}").await.tenant.id);
    let (first, foreign) = (token(&world.app, realm).await, token(&world.app, other).await);
    rotate(&world.app, &operator(), realm, (None, How::AtOnce)).await.unwrap();
    let third = token(&world.app, realm).await;
    let asked = (Some(ES256), How::Compromised);
    let all = rotate(&world.app, &operator(), realm, asked).await.unwrap();
    assert_eq!(states(&all), [KeyState::Active]);
    for gone in [first, third] {
        assert_eq!(whose(&world.app, &gone).await, None);
    }
    assert_eq!(whose(&world.app, &foreign).await, Some(other), "nobody else's");
    let new = token(&world.app, realm).await;
    assert_eq!(whose(&world.app, &new).await, Some(realm));
    let cx = world.cx("acme").await;
    assert_eq!(world.recorded(&cx, "tenant.key.compromised", "success").await, 1);
}

#[tokio::test]
async fn an_algorithm_that_a_realm_has_no_key_of_gets_one() {
    let world = World::new().await;
    let asked = (Some(SigningAlgorithm::EdDsa), How::AtOnce);
    let all = rotate(&world.app, &operator(), Realm::Platform, asked).await.unwrap();
    assert_eq!(states(&all), [KeyState::Active]);
    let none = rotate(&world.app, &operator(), acme(&world).await, (None, How::AtOnce)).await;
    assert!(none.unwrap().is_empty());
}

#[tokio::test]
async fn keys_of_a_deleted_tenant_go_with_it() {
    let world = World::new().await;
    let realm = acme(&world).await;
    token(&world.app, realm).await;
    token(&world.app, Realm::Platform).await;
    world.execute(sql("UPDATE tenants SET deleted_at = 1")).await;
    job(&world.app).await;
    let left: Vec<String> = world.rows(sql("SELECT realm FROM signing_keys")).await;
    assert_eq!(left, ["platform"]);
}

#[tokio::test]
async fn all_keys_are_listed_page_by_page() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for realm in [acme(&world).await, Realm::Platform] {
        token(&world.app, realm).await;
        expected.push(realm.to_string());
    }
    expected.sort();
    let first = page(&world.app, None).await.unwrap();
    let realms: Vec<String> = first.iter().map(|key| key.realm.to_string()).collect();
    assert_eq!(realms, expected);
    assert_eq!(page(&world.app, first.first()).await.unwrap(), first[1..]);
    assert!(page(&world.app, first.last()).await.unwrap().is_empty());
}

/// Keys from before each realm had its own are the platform's, and open still.
#[tokio::test]
async fn a_key_of_the_whole_instance_is_the_platforms() {
    use countersign::crypto::jose::SigningKey;
    let world = World::new().await;
    let (key, document) = SigningKey::generate(ES256).unwrap();
    let public = key.public();
    let aad = [public.kid.as_str(), "ES256"];
    let sealed = world.app.master_key.seal("signing key", &aad, document.expose()).unwrap();
    let add = "INSERT INTO signing_keys (kid, algorithm, state, private_key, public_key, \
                   created_at, activated_at) VALUES ($1, 'ES256', 'active', $2, $3, 1, 1)";
    let row = sql(add).bind(public.kid.as_str()).bind(sealed).bind(public.json.as_str());
    world.execute(row).await;
    let used = keys::signing(&world.app, Realm::Platform, ES256).await.unwrap();
    assert_eq!(used.public(), public);
    let at: Timestamp = of_es256(&world.app, Realm::Platform).await[0].created_at;
    assert_eq!(at, Timestamp::from_micros(1));
}
