//! Tokens: what they say, who verifies them, that a refresh token is good once, and what ends it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    app::App,
    crypto::opaque::hex,
    db::sql,
    domain::{
        password::Password,
        session::Persistence,
        tenant::{Slug, Status},
        token::SigningAlgorithm,
        user::{User, UserStatus},
    },
    error::{Code, Error},
    flows::{
        Cx,
        keys::{
            self,
            rotation::{How, rotate},
        },
        me::Me,
        session::{
            self,
            open::{Grounds, Opening, Visitor, is_overtaken, place},
        },
        tenants,
        tokens::{self, Minted, Refreshed},
        users,
    },
    id::Realm,
    jobs,
};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};

use crate::support::{START, World, operator, together};

mod take_back;

const GRACE: &str = "grace@example.com";
const MICRO: Duration = Duration::from_micros(1);
const TENANT_JWKS: &str = "/api/v1/auth/tenants/acme/.well-known/jwks.json";
const PLATFORM_JWKS: &str = "/api/v1/platform/.well-known/jwks.json";

/// A session with tokens that is about to be opened, as by a sign-in.
async fn opening(world: &World, user: &User, persistence: Persistence) -> (Cx, Opening) {
    let slug = sql("SELECT slug FROM tenants WHERE id = $1").bind(user.tenant);
    let cx = world.cx(&world.rows::<String>(slug).await[0]).await;
    let epoch = "SELECT epoch FROM users WHERE tenant_id = $1 AND id = $2";
    let epoch: Vec<i64> = world.rows(sql(epoch).bind(user.tenant).bind(user.id)).await;
    let visitor = Visitor { device: None, place: place(&cx), place_known: true };
    let grounds = Grounds {
        user,
        epoch: epoch[0],
        auth_methods: "pwd".to_owned(),
        persistence,
        checked_hash: None,
        visitor: &visitor,
    };
    let mut opening = Opening::new(&cx, grounds).unwrap();
    opening.mint(&cx, Some("portal")).await.unwrap();
    (cx, opening)
}

/// Opens a session with tokens.
async fn sign_in(world: &World, user: &User, persistence: Persistence) -> Minted {
    let (cx, opening) = opening(world, user, persistence).await;
    *opening.write(&cx).await.unwrap().tokens.unwrap()
}

/// A world in which Grace of `acme` has tokens.
async fn signed_in(settings: &str) -> (World, Cx, User, Minted) {
    let world = World::new().await;
    let acme = world.tenant("acme", settings).await;
    let user = world.user(&acme, GRACE).await;
    let minted = sign_in(&world, &user, Persistence::Browser).await;
    (world, acme, user, minted)
}

async fn refresh(app: &Arc<App>, token: &str) -> Result<Refreshed, Error> {
    let portal = tokens::Party::Own("portal");
    let refreshed = tokens::refresh(app, &operator(), portal, (token, app.clock.now())).await;
    refreshed.map_err(|failure| failure.into_error(Code::InvalidRefreshToken))
}

/// That a refresh token is refused, as every bad one is.
async fn refused(app: &Arc<App>, token: &str) -> bool {
    match refresh(app, token).await {
        Ok(_) => false,
        Err(Error::Refused(no)) => {
            assert_eq!((no.code, no.reasons.len()), (Code::InvalidRefreshToken, 0));
            true
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn text(minted: &Minted) -> String {
    minted.refresh_token.as_ref().unwrap().expose().clone()
}

async fn verify(world: &World, minted: &Minted) -> Option<tokens::Claims> {
    let now = world.app.clock.now();
    match tokens::verify(&world.app, minted.access_token.expose(), now).await {
        Ok(claims) => Some(claims),
        Err(Error::Refused(no)) => {
            assert_eq!(no.code, Code::NotAuthenticated);
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// What a client that knows nothing but the published keys reads in a token.
async fn read_by_a_stranger(world: &World, minted: &Minted) -> (Value, Value) {
    let set: JwkSet = serde_json::from_str(&world.client().get(TENANT_JWKS).await.text).unwrap();
    let header = decode_header(minted.access_token.expose()).unwrap();
    let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = Validation::new(header.alg);
    rules.validate_exp = false;
    rules.set_audience(&["portal"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let read = decode::<Value>(minted.access_token.expose(), &key, &rules).unwrap();
    (serde_json::to_value(read.header).unwrap(), read.claims)
}

#[tokio::test]
async fn an_access_token_says_what_is_documented() {
    let (world, acme, user, minted) = signed_in("{}").await;
    let (header, mut claims) = read_by_a_stranger(&world, &minted).await;
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    let session = world.rows::<String>(sql("SELECT id FROM sessions")).await.remove(0);
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert!(jti.as_str().unwrap().len() >= 32);
    let now = START.micros() / 1_000_000;
    let issuer = format!(
        "{}/tenants/{}",
        world.app.config.public_url.as_str().trim_end_matches('/'),
        acme.tenant.id
    );
    let expected = json!({
        "iss": issuer,
        "aud": "portal",
        "sub": user.id.to_string(),
        "client_id": "portal",
        "scope": "account",
        "tenant_id": acme.tenant.id.to_string(),
        "iat": now,
        "exp": now + 3600,
        "sid": session,
        "auth_time": now,
        "amr": ["pwd"],
        "acr": "aal1",
    });
    assert_eq!(claims, expected);
    assert_eq!((minted.expires_in, minted.scope.as_str()), (3600, "account"));
    let verified = verify(&world, &minted).await.unwrap();
    assert_eq!(verified.person(), Some((acme.tenant.id, user.id)));
    assert_eq!(verified.session().map(|it| it.to_string()), Some(session));
    let me = Me::by_token(acme, verified.session().unwrap()).await.unwrap();
    assert_eq!(me.user().id, user.id);
    assert!(verified.allows("account") && !verified.allows("acc") && !verified.allows(""));
}

#[tokio::test]
async fn a_tenant_chooses_how_its_tokens_are_signed() {
    for algorithm in SigningAlgorithm::ALL {
        let name = algorithm.as_str();
        let settings = json!({"tokens": {"access_token_algorithm": name}}).to_string();
        let (world, _, _, minted) = signed_in(&settings).await;
        let (header, _) = read_by_a_stranger(&world, &minted).await;
        assert_eq!(header["alg"], json!(name));
        assert!(verify(&world, &minted).await.is_some());
    }
}

#[tokio::test]
async fn an_access_token_ends_to_the_second_by_our_clock() {
    let (world, _, _, minted) = signed_in("{}").await;
    world.advance(Duration::from_secs(3600) - MICRO);
    assert!(verify(&world, &minted).await.is_some());
    world.advance(MICRO);
    assert!(verify(&world, &minted).await.is_none());
}

#[tokio::test]
async fn a_token_that_was_verified_before_is_no_better_for_that() {
    let (world, acme, user, minted) = signed_in("{}").await;
    assert!(verify(&world, &minted).await.is_some());
    // Its text with another signature.
    let text = minted.access_token.expose();
    let (body, signature) = text.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[0] ^= 1;
    let forged = format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(tokens::verify(&world.app, &forged, START).await.is_err());
    assert!(verify(&world, &minted).await.is_some());
    // Its key is the realm's no longer.
    let (realm, asked) =
        (Realm::Tenant(acme.tenant.id), (Some(SigningAlgorithm::Es256), How::Compromised));
    rotate(&world.app, &operator(), realm, asked).await.unwrap();
    assert!(verify(&world, &minted).await.is_none());
    // Its time is over.
    let minted = sign_in(&world, &user, Persistence::Browser).await;
    assert!(verify(&world, &minted).await.is_some());
    world.advance(Duration::from_secs(minted.expires_in.unsigned_abs()));
    assert!(verify(&world, &minted).await.is_none());
}

#[tokio::test]
async fn an_access_token_of_another_instance_or_kind_is_refused() {
    let (world, acme, _, minted) = signed_in("{}").await;
    let (other, ..) = signed_in("{}").await;
    let now = other.app.clock.now();
    let foreign = tokens::verify(&other.app, minted.access_token.expose(), now).await;
    assert!(foreign.is_err(), "another instance's keys");
    let realm = Realm::Tenant(acme.tenant.id);
    let key = keys::signing(&world.app, realm, SigningAlgorithm::Es256).await.unwrap();
    let payload = minted.access_token.expose().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let verifies = async |typ: &str, change: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let token = key.sign(typ, &claims).unwrap();
        tokens::verify(&world.app, token.expose(), START).await.is_ok()
    };
    assert!(verifies("at+jwt", json!({})).await);
    assert!(!verifies("JWT", json!({})).await, "an ID token is no access token");
    for change in [
        json!({"iss": "https://elsewhere.example/tenants/x"}),
        json!({"tenant_id": "tnt_00000000000000000000000000"}),
        json!({"tenant_id": "x"}),
        json!({"sid": "usr_00000000000000000000000000"}),
        json!({"exp": START.micros() / 1_000_000}),
        json!({"exp": "never"}),
        json!({"exp": i64::MAX}),
    ] {
        assert!(!verifies("at+jwt", change.clone()).await, "{change}");
    }
}

#[tokio::test]
async fn the_published_keys_are_three_public_ones_that_may_be_kept() {
    let world = World::new().await;
    world.acme().await;
    let mut client = world.client();
    client.headers.insert("authorization", "Bearer whatever".parse().unwrap());
    let answer = client.get(TENANT_JWKS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let platform = client.get(PLATFORM_JWKS).await;
    assert_eq!(platform.headers["cache-control"], "public, max-age=300");
    for key in platform.json()["keys"].as_array().unwrap() {
        assert!(!answer.text.contains(key["kid"].as_str().unwrap()), "keys of its own");
    }
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    let mut algorithms: Vec<&str> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ES256", "EdDSA", "RS256"]);
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    let missing = client.get("/api/v1/auth/tenants/nobody/.well-known/jwks.json").await;
    assert_eq!(missing.refused(404), "tenant_not_found");
    assert_eq!(missing.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn nodes_agree_on_the_keys_and_find_new_ones() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let second = world.second_node().await;
    let realm = Realm::Tenant(acme.tenant.id);
    // Both know an empty table, then both need a key at the same time.
    let apps = [Arc::clone(&world.app), Arc::clone(&second.app)];
    let work = (0..16).map(|it| Arc::clone(&apps[it % 2]));
    let kids = together(work.map(|app| async move {
        let key = keys::signing(&app, realm, SigningAlgorithm::Es256).await.unwrap();
        key.public().kid.clone()
    }));
    let mut kids = kids.await;
    kids.dedup();
    assert_eq!(kids.len(), 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM signing_keys").await, 1);
    // A key that only the first node has seen yet.
    world.execute(sql("UPDATE signing_keys SET state = 'retired'")).await;
    world.advance(Duration::from_mins(1));
    keys::published(&second.app, realm).await.unwrap();
    world.execute(sql("UPDATE signing_keys SET state = 'retired'")).await;
    world.advance(Duration::from_mins(1) - MICRO);
    let minted = sign_in(&world, &user, Persistence::Browser).await;
    let now = world.app.clock.now();
    let claims = tokens::verify(&second.app, minted.access_token.expose(), now).await;
    assert!(claims.is_ok(), "an unknown key is looked for");
}

#[tokio::test]
async fn tokens_that_name_made_up_keys_cost_one_look_in_five_seconds() {
    let (world, _, _, minted) = signed_in("{}").await;
    let rest = minted.access_token.expose().split_once('.').unwrap().1;
    let naming = |kid: &str| {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}).to_string();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    };
    let forged = naming(&"m".repeat(43));
    let now = world.app.clock.now();
    assert!(tokens::verify(&world.app, &forged, now).await.is_err());
    // From here on the table could not be read.
    world.execute(sql("ALTER TABLE signing_keys RENAME TO hidden")).await;
    for _ in 0..3 {
        assert!(matches!(tokens::verify(&world.app, &forged, now).await, Err(Error::Refused(_))));
    }
    assert!(verify(&world, &minted).await.is_some(), "known keys are at hand");
    world.advance(Duration::from_secs(5));
    let looked = tokens::verify(&world.app, &forged, now).await;
    assert!(matches!(looked, Err(Error::Internal(_))));
    // What is no name of a key at all is never looked for; nor are more than a thousand.
    let odd = tokens::verify(&world.app, &naming("made-up"), now).await;
    assert!(matches!(odd, Err(Error::Refused(_))));
    for number in 1..1_000 {
        let forged = naming(&format!("{number:043}"));
        assert!(matches!(tokens::verify(&world.app, &forged, now).await, Err(Error::Internal(_))));
    }
    let over = tokens::verify(&world.app, &naming(&"o".repeat(43)), now).await;
    assert!(matches!(over, Err(Error::Refused(_))));
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_one() {
    let (world, acme, user, minted) = signed_in("{}").await;
    let mut last = minted;
    for round in 0..5 {
        world.advance(Duration::from_mins(30));
        let next =
            refresh(&world.app, last.refresh_token.as_ref().unwrap().expose()).await.unwrap();
        assert_eq!((next.tenant, next.user), (acme.tenant.id, user.id));
        assert_ne!(text(&next.minted), text(&last), "{round}");
        let claims = verify(&world, &next.minted).await.unwrap();
        assert_eq!(claims.session(), next.session);
        assert_eq!(claims.authenticated_at, Some(START), "a refresh proves nothing anew");
        assert_eq!(next.minted.expires_in, 3600);
        last = next.minted;
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 1, "one row for the family");
}

/// Whether the session and the family are gone, with one row in the audit trail.
async fn has_ended(world: &World, acme: &Cx) -> bool {
    let rows = world.count("SELECT COUNT(*) FROM sessions").await
        + world.count("SELECT COUNT(*) FROM grants").await;
    let told = world.recorded(acme, "auth.refresh_token.reused", "failure").await;
    assert_eq!(told, usize::from(rows == 0));
    rows == 0
}

#[tokio::test]
async fn a_token_used_again_after_the_grace_ends_the_family_and_its_session() {
    let (world, acme, _, minted) = signed_in("{}").await;
    let next = refresh(&world.app, &text(&minted)).await.unwrap();
    world.advance(Duration::from_secs(10) - MICRO);
    let again = refresh(&world.app, &text(&minted)).await.unwrap();
    assert_eq!(text(&again.minted), text(&next.minted), "within the grace, the same successor");
    assert!(!has_ended(&world, &acme).await);
    world.advance(MICRO);
    assert!(refused(&world.app, &text(&minted)).await);
    assert!(has_ended(&world, &acme).await);
    assert!(refused(&world.app, &text(&next.minted)).await, "the thief's or the owner's");
    assert!(refused(&world.app, &text(&minted)).await);
    assert!(has_ended(&world, &acme).await, "told once");
    let claims = verify(&world, &next.minted).await.unwrap();
    let cx = world.cx("acme").await;
    assert!(Me::by_token(cx, claims.session().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_token_two_exchanges_old_has_no_grace() {
    let (world, acme, _, first) = signed_in("{}").await;
    let second = refresh(&world.app, &text(&first)).await.unwrap().minted;
    refresh(&world.app, &text(&second)).await.unwrap();
    assert!(refused(&world.app, &text(&first)).await);
    assert!(has_ended(&world, &acme).await);
}

#[tokio::test]
async fn of_fifty_at_the_same_time_one_exchanges_and_all_get_the_same_successor() {
    for nodes in [1, 2] {
        let (world, _, _, minted) = signed_in("{}").await;
        let second = world.second_node().await;
        let apps = [&world.app, if nodes == 2 { &second.app } else { &world.app }];
        let work = (0..50).map(|it| (Arc::clone(apps[it % 2]), text(&minted)));
        let all = together(work.map(|(app, token)| async move { refresh(&app, &token).await }));
        let mut successors: Vec<String> =
            all.await.into_iter().map(|it| text(&it.unwrap().minted)).collect();
        successors.sort();
        successors.dedup();
        assert_eq!(successors.len(), 1);
        assert_ne!(successors[0], text(&minted));
        refresh(&second.app, &successors[0]).await.unwrap();
    }
}

#[tokio::test]
async fn fifty_reuses_at_the_same_time_end_the_family_once() {
    let (world, acme, _, minted) = signed_in("{}").await;
    refresh(&world.app, &text(&minted)).await.unwrap();
    world.advance(Duration::from_secs(10));
    let work = (0..50).map(|_| (Arc::clone(&world.app), text(&minted)));
    let all = together(work.map(|(app, token)| async move { refused(&app, &token).await })).await;
    assert!(all.into_iter().all(|it| it));
    assert!(has_ended(&world, &acme).await);
}

#[tokio::test]
async fn a_refresh_never_brings_back_what_is_being_ended() {
    for _ in 0..5 {
        let (world, acme, user, minted) = signed_in("{}").await;
        let ends = async |app: Arc<App>, cx: Cx, user: User| {
            let _ = &app;
            users::set_status(&cx, &user, UserStatus::Suspended).await.unwrap();
        };
        let app = Arc::clone(&world.app);
        let ((), outcomes) = tokio::join!(
            ends(Arc::clone(&app), acme.clone(), user.clone()),
            together((0..20).map(|_| (Arc::clone(&app), text(&minted))).map(
                |(app, token)| async move { refresh(&app, &token).await.map(|it| text(&it.minted)) }
            ))
        );
        for token in outcomes.into_iter().flatten() {
            assert!(refused(&world.app, &token).await);
        }
        assert!(refused(&world.app, &text(&minted)).await);
        assert_eq!(world.count("SELECT COUNT(*) FROM sessions").await, 0);
        assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
    }
}

/// SES-05: whatever bars a sign-in bars a refresh.
#[tokio::test]
async fn what_a_refresh_token_rests_on_is_looked_at_each_time() {
    let slug = Slug::parse("acme").unwrap();
    let (world, ..) = signed_in("{}").await;
    let acme = world.cx("acme").await;
    let grace = users::show(&acme, GRACE).await.unwrap();
    let fresh = async || text(&sign_in(&world, &grace, Persistence::Browser).await);
    let set = async |status| {
        tenants::set_status(&world.app, &operator(), &slug, status).await.unwrap();
    };

    // What can come back lets the token rest, and ends nothing.
    let token = fresh().await;
    set(Status::Suspended).await;
    assert!(refused(&world.app, &token).await, "a suspended tenant");
    set(Status::Active).await;
    world.execute(sql("UPDATE partners SET status = 'suspended'")).await;
    assert!(refused(&world.app, &token).await, "a suspended partner");
    world.execute(sql("UPDATE partners SET status = 'active'")).await;
    let token = text(&refresh(&world.app, &token).await.unwrap().minted);

    users::set_status(&acme, &grace, UserStatus::Suspended).await.unwrap();
    assert!(refused(&world.app, &token).await, "a suspended user");
    users::set_status(&acme, &grace, UserStatus::Active).await.unwrap();
    assert!(refused(&world.app, &token).await, "for good");

    let token = fresh().await;
    let password = Password::parse("another horse battery staple").unwrap();
    users::set_password(&acme, &grace, &password, false).await.unwrap();
    assert!(refused(&world.app, &token).await, "a new password");

    // Whatever else raises the epoch, even where it left the session.
    let token = fresh().await;
    world.execute(sql("UPDATE users SET epoch = epoch + 1")).await;
    assert!(refused(&world.app, &token).await, "newer credentials than the session's");
    world.execute(sql("UPDATE sessions SET epoch = epoch + 1")).await;
    assert!(refused(&world.app, &token).await, "newer credentials than the family's");
    world.execute(sql("DELETE FROM sessions")).await;

    let token = fresh().await;
    let id: Vec<String> = world.rows(sql("SELECT id FROM sessions")).await;
    session::end(&acme, id[0].parse().unwrap()).await.unwrap();
    assert!(refused(&world.app, &token).await, "an ended session");

    let token = fresh().await;
    users::delete(&acme, &grace).await.unwrap();
    assert!(refused(&world.app, &token).await, "a deleted user");
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
}

#[tokio::test]
async fn a_deleted_tenants_tokens_are_dead() {
    let (world, acme, _, minted) = signed_in("{}").await;
    tenants::delete(&world.app, &operator(), &acme.tenant.slug).await.unwrap();
    assert!(refused(&world.app, &text(&minted)).await);
}

/// SES-06: a token has one spelling.
#[tokio::test]
async fn a_token_that_was_cut_or_changed_is_refused_and_ends_nothing() {
    let (world, acme, _, minted) = signed_in("{}").await;
    let (refresh_token, access_token) = (text(&minted), minted.access_token.expose().clone());
    let now = world.app.clock.now();
    for token in [refresh_token.clone(), access_token.clone()] {
        let mut spellings: Vec<String> =
            (1..=6).map(|cut| token[..token.len() - cut].to_owned()).collect();
        spellings.extend(["=", "==", "A", " ", "\n", "."].map(|more| format!("{token}{more}")));
        spellings.push(token.to_uppercase());
        spellings.push(token.to_lowercase());
        spellings.push(token.replace('-', "+").replace('_', "/") + "=");
        spellings.push(format!(" {token}"));
        spellings.push(String::new());
        for spelling in spellings {
            assert!(refused(&world.app, &spelling).await, "{spelling}");
            let read = tokens::verify(&world.app, &spelling, now).await;
            assert!(matches!(read, Err(Error::Refused(_))), "{spelling}");
        }
    }
    assert!(!has_ended(&world, &acme).await);
    refresh(&world.app, &refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_made_up_refresh_token_costs_no_look_up() {
    let (world, _, _, minted) = signed_in("{}").await;
    let mut bytes = URL_SAFE_NO_PAD.decode(text(&minted)).unwrap();
    bytes[40] ^= 1;
    world.app.close().await;
    assert!(refused(&world.app, &URL_SAFE_NO_PAD.encode(&bytes)).await);
    bytes[40] ^= 1;
    assert!(matches!(
        refresh(&world.app, &URL_SAFE_NO_PAD.encode(&bytes)).await,
        Err(Error::Busy { .. })
    ));
}

#[tokio::test]
async fn a_refresh_prolongs_the_session_but_never_past_its_absolute_limit() {
    let short = r#"{"session": {"idle_minutes": 10, "absolute_minutes": 60}}"#;
    let (world, _, _, minted) = signed_in(short).await;
    assert_eq!(minted.expires_in, 600, "no longer than the session may go unused");
    let mut token = text(&minted);
    for _ in 0..5 {
        world.advance(Duration::from_mins(10));
        let next = refresh(&world.app, &token).await.unwrap().minted;
        assert!(next.expires_in <= 600);
        token = text(&next);
    }
    world.advance(Duration::from_mins(9));
    let last = refresh(&world.app, &token).await.unwrap().minted;
    assert_eq!(last.expires_in, 60, "no longer than the session");
    world.advance(Duration::from_mins(1));
    assert!(refused(&world.app, &text(&last)).await);
    let limits = "SELECT MAX(idle_expires_at - expires_at) FROM sessions";
    assert!(world.rows::<i64>(sql(limits)).await[0] <= 0);
}

#[tokio::test]
async fn an_unused_token_ends_with_the_idle_limit_of_its_session() {
    let short = r#"{"session": {"idle_minutes": 10, "absolute_minutes": 60}}"#;
    // The slack is for a client that comes when its access token has just ended.
    for (wait, works) in [(15, false), (14, true)] {
        let (world, _, _, minted) = signed_in(short).await;
        world.advance(Duration::from_mins(wait));
        assert_eq!(refresh(&world.app, &text(&minted)).await.is_ok(), works, "{wait}");
    }
}

#[tokio::test]
async fn families_are_dropped_when_they_end() {
    let (world, _, _, minted) = signed_in("{}").await;
    world.advance(Duration::from_hours(24) - MICRO);
    world.execute(sql("UPDATE sessions SET idle_expires_at = expires_at")).await;
    while jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 1);
    // One that is bound to no session ends by itself.
    world.execute(sql("UPDATE grants SET session_id = NULL")).await;
    world.advance(MICRO);
    assert!(refused(&world.app, &text(&minted)).await);
    while jobs::purge(&world.app).await.unwrap() {}
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
}

#[tokio::test]
async fn a_dump_of_the_tables_holds_no_key_and_no_token() {
    let (world, acme, _, minted) = signed_in("{}").await;
    keys::published(&world.app, Realm::Tenant(acme.tenant.id)).await.unwrap();
    let next = refresh(&world.app, &text(&minted)).await.unwrap().minted;
    let dump = world.dump().await;
    assert!(dump.contains("signing_keys ") && dump.contains("grants "));
    for token in [text(&minted), text(&next)] {
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        assert!(!dump.contains(&token) && !dump.contains(&hex(&bytes)));
        assert!(!dump.contains(&hex(&bytes[32..64])), "nor the secret in it");
    }
    for token in [&minted, &next] {
        assert!(!dump.contains(token.access_token.expose().as_str()));
    }
    // PKCS#8 begins with a sequence of version 0 or 1, which no sealed value does.
    let sealed: Vec<Vec<u8>> = world.rows(sql("SELECT private_key FROM signing_keys")).await;
    assert_eq!(sealed.len(), 3);
    for key in sealed {
        assert_ne!(key[0], 0x30);
        for algorithm in SigningAlgorithm::ALL {
            use countersign::crypto::jose::SigningKey;
            assert!(SigningKey::from_pkcs8(algorithm, &key).is_err());
            assert!(SigningKey::from_pkcs8(algorithm, &key[13..]).is_err());
        }
    }
    assert!(!format!("{minted:?} {next:?}").contains(&text(&next)));
}

#[tokio::test]
async fn a_key_moved_to_another_row_does_not_open() {
    let world = World::new().await;
    keys::published(&world.app, Realm::Platform).await.unwrap();
    world.execute(sql("DELETE FROM signing_keys WHERE algorithm = 'RS256'")).await;
    let swap = "UPDATE signing_keys SET private_key = (SELECT private_key FROM signing_keys o \
                WHERE o.algorithm = 'ES256') WHERE algorithm = 'EdDSA'";
    assert_eq!(world.execute(sql(swap)).await, 1);
    let second = world.second_node().await;
    let opened = keys::signing(&second.app, Realm::Platform, SigningAlgorithm::EdDsa).await;
    assert!(matches!(opened, Err(Error::Internal(_))));
    // Nor does one that is given to another realm.
    let acme = world.acme().await;
    let realm = Realm::Tenant(acme.tenant.id);
    let moved = sql("UPDATE signing_keys SET realm = $1 WHERE algorithm = 'ES256'").bind(realm);
    assert_eq!(world.execute(moved).await, 1);
    let opened = keys::signing(&second.app, realm, SigningAlgorithm::Es256).await;
    assert!(matches!(opened, Err(Error::Internal(_))));
}

/// Who can write to the database, but has not the master key, signs nothing.
#[tokio::test]
async fn a_public_key_that_somebody_put_into_the_table_verifies_nothing() {
    use countersign::crypto::jose::SigningKey;
    let (world, acme, _, minted) = signed_in("{}").await;
    let realm = Realm::Tenant(acme.tenant.id);
    let payload = minted.access_token.expose().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let (mine, document) = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let forged = mine.sign("at+jwt", &claims).unwrap();
    let add = "INSERT INTO signing_keys (kid, algorithm, state, private_key, public_key, created_at, \
                                          realm) VALUES ($1, 'ES256', $2, $3, $4, 1, $5)";
    let kid = mine.public().kid.as_str();
    let of_ours = world.rows::<Vec<u8>>(sql("SELECT private_key FROM signing_keys")).await;
    let ours: Vec<String> = world.rows(sql("SELECT kid FROM signing_keys")).await;
    for sealed in [document.expose().clone(), of_ours[0].clone(), Vec::new()] {
        for state in ["next", "retired"] {
            let row = sql(add).bind(kid).bind(state).bind(sealed.clone());
            world.execute(row.bind(mine.public().json.as_str()).bind(realm)).await;
            for app in [&world.app, &world.second_node().await.app] {
                world.advance(Duration::from_mins(1));
                let now = START;
                assert!(tokens::verify(app, forged.expose(), now).await.is_err());
                assert!(!keys::published(app, realm).await.unwrap().contains(kid));
                assert!(tokens::verify(app, minted.access_token.expose(), now).await.is_ok());
            }
            world.execute(sql("DELETE FROM signing_keys WHERE kid = $1").bind(kid)).await;
        }
    }
    // Under the name of a key of ours, its private half in place.
    let change = "UPDATE signing_keys SET public_key = $2 WHERE kid = $1";
    let public = mine.public().json.replace(kid, &ours[0]);
    world.execute(sql(change).bind(ours[0].as_str()).bind(public)).await;
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(ours[0].clone());
    let key = jsonwebtoken::EncodingKey::from_ec_der(document.expose());
    let named = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    world.advance(Duration::from_mins(1));
    assert!(tokens::verify(&world.app, &named, START).await.is_err());
    assert!(!keys::published(&world.app, realm).await.unwrap().contains(&ours[0]));
}

#[tokio::test]
async fn without_its_session_a_sign_in_leaves_no_family() {
    let world = World::new().await;
    let acme = world.acme().await;
    let user = world.user(&acme, GRACE).await;
    let (cx, opening) = opening(&world, &user, Persistence::Browser).await;
    users::set_status(&acme, &user, UserStatus::Suspended).await.unwrap();
    let Err(error) = opening.write(&cx).await else { panic!("it was opened") };
    assert!(is_overtaken(&error));
    assert_eq!(world.count("SELECT COUNT(*) FROM grants").await, 0);
}
