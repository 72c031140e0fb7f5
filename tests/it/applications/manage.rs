//! What becomes of an application and its secrets.

use std::{sync::Arc, time::Duration};

use countersign::{
    crypto::opaque::Token,
    db::sql,
    domain::application::{ApplicationType, Owner},
    error::{Code, Error},
    flows::{
        Cx,
        applications::{
            self,
            manage::{self, By, Change, Issued, New},
        },
        oauth::{Flavour, Ox, client_auth},
    },
    secret::Secret,
    store,
};
use serde_json::{Map, Value, json};

use crate::support::{START, World, operator, together};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn made(world: &World, owner: Owner, kind: ApplicationType, metadata: &Value) -> Issued {
    let new = New { owner, kind, name: "Orders".to_owned(), metadata: object(metadata) };
    manage::create(&world.app, By::operator(&operator()), new).await.unwrap()
}

fn secret(issued: &Issued) -> String {
    issued.secret.as_ref().map(Token::expose).unwrap().to_owned()
}

fn ox(world: &World, cx: &Cx) -> Ox {
    Ox {
        app: Arc::clone(&world.app),
        flavour: Flavour::Tenant(Arc::clone(&cx.tenant)),
        caller: Arc::clone(&cx.caller),
        now: world.app.clock.now(),
    }
}

/// Whether the application may in with a secret, at the tenant's endpoints, now.
async fn gets_in(world: &World, cx: &Cx, client_id: &str, secret: &str) -> bool {
    let shown = client_auth::Shown {
        basic: Some((client_id.to_owned(), Secret::new(secret.to_owned()))),
        ..client_auth::Shown::default()
    };
    client_auth::authenticate(&ox(world, cx), shown).await.is_ok()
}

async fn change(world: &World, of: (Owner, &str), metadata: &Value) -> Result<(), Error> {
    let change = Change { name: None, metadata: object(metadata) };
    manage::update(&world.app, By::operator(&operator()), of, change).await.map(|_| ())
}

#[tokio::test]
async fn a_secret_is_told_once_and_stored_as_a_digest() {
    let world = World::new().await;
    let cx = world.acme().await;
    let owner = Owner::Tenant(cx.tenant.id);
    let issued = made(&world, owner, ApplicationType::Service, &json!({})).await;
    let application = &issued.registered.application;
    assert_eq!(application.client_id, application.id.to_string());
    let secret = secret(&issued);
    assert_eq!(secret.len(), 43, "256 bits");
    assert!(!world.dump().await.contains(&secret));
    assert!(!format!("{issued:?}").contains(&secret));
    assert!(gets_in(&world, &cx, &application.client_id, &secret).await);
    let other = made(&world, owner, ApplicationType::Service, &json!({})).await;
    assert!(!gets_in(&world, &cx, &application.client_id, self::secret(&other).as_str()).await);
    for kind in [ApplicationType::Spa, ApplicationType::Native] {
        assert!(made(&world, owner, kind, &json!({})).await.secret.is_none(), "{kind:?}");
    }
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]});
    let keyed = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks});
    assert!(made(&world, owner, ApplicationType::Web, &keyed).await.secret.is_none());
}

#[tokio::test]
async fn oau_11_two_secrets_are_good_while_one_takes_over_and_no_third_one() {
    let world = World::new().await;
    let cx = world.acme().await;
    let owner = Owner::Tenant(cx.tenant.id);
    let issued = made(&world, owner, ApplicationType::Web, &json!({})).await;
    let id = issued.registered.application.client_id.clone();
    let caller = operator();
    let (of, by) = ((owner, id.as_str()), By::operator(&caller));
    let rotate = async |seconds| {
        let overlap = Duration::from_secs(seconds);
        secret(&manage::rotate_secret(&world.app, by, of, overlap).await.unwrap())
    };
    let first = secret(&issued);
    let second = rotate(100).await;
    world.advance(Duration::from_secs(99));
    assert!(gets_in(&world, &cx, &id, &first).await && gets_in(&world, &cx, &id, &second).await);
    world.advance(Duration::from_secs(2));
    assert!(!gets_in(&world, &cx, &id, &first).await, "its time is over");
    assert!(gets_in(&world, &cx, &id, &second).await);

    let third = rotate(100).await;
    let fourth = rotate(100).await;
    assert!(!gets_in(&world, &cx, &id, &second).await, "two are live at most");
    assert!(gets_in(&world, &cx, &id, &third).await && gets_in(&world, &cx, &id, &fourth).await);
    manage::revoke_previous_secret(&world.app, by, of).await.unwrap();
    assert!(!gets_in(&world, &cx, &id, &third).await);
    assert!(gets_in(&world, &cx, &id, &fourth).await);
    let fifth = rotate(0).await;
    assert!(!gets_in(&world, &cx, &id, &fourth).await, "no overlap was asked for");

    manage::set_active(&world.app, by, of, false).await.unwrap();
    assert!(!gets_in(&world, &cx, &id, &fifth).await, "it is out of use");
    manage::set_active(&world.app, by, of, true).await.unwrap();
    assert!(gets_in(&world, &cx, &id, &fifth).await);
    change(&world, of, &json!({"token_endpoint_auth_method": "none"})).await.unwrap();
    assert!(!gets_in(&world, &cx, &id, &fifth).await, "it has no secret now");
    let no_secret = manage::rotate_secret(&world.app, by, of, Duration::ZERO).await;
    assert!(matches!(no_secret, Err(Error::Invalid(_))));
    change(&world, of, &json!({"token_endpoint_auth_method": null})).await.unwrap();
    assert!(!gets_in(&world, &cx, &id, &fifth).await, "what is gone does not come back");
    let long = manage::rotate_secret(&world.app, by, of, Duration::from_hours(24 * 31)).await;
    assert!(matches!(long, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn every_change_of_a_tenants_application_is_in_its_trail() {
    let world = World::new().await;
    let cx = world.acme().await;
    let owner = Owner::Tenant(cx.tenant.id);
    let before = world.trail(&cx).await.len();
    let issued = made(&world, owner, ApplicationType::Web, &json!({})).await;
    let id = issued.registered.application.client_id.clone();
    let caller = operator();
    let (of, by) = ((owner, id.as_str()), By::operator(&caller));
    // The rows are told in the order of their ids, which have milliseconds.
    let tick = || world.advance(Duration::from_millis(1));
    tick();
    change(&world, of, &json!({"token_lifetime": 60})).await.unwrap();
    tick();
    manage::rotate_secret(&world.app, by, of, manage::OVERLAP).await.unwrap();
    tick();
    manage::revoke_previous_secret(&world.app, by, of).await.unwrap();
    tick();
    manage::set_active(&world.app, by, of, false).await.unwrap();
    tick();
    manage::set_active(&world.app, by, of, true).await.unwrap();
    tick();
    manage::delete(&world.app, by, of).await.unwrap();
    assert!(change(&world, of, &json!({})).await.is_err());
    let trail = world.trail(&cx).await;
    let actions: Vec<&str> =
        trail[..trail.len() - before].iter().rev().map(|row| row.0.as_str()).collect();
    let expected = [
        "application.created",
        "application.updated",
        "application.secret_rotated",
        "application.secret_revoked",
        "application.disabled",
        "application.enabled",
        "application.deleted",
    ];
    assert_eq!(actions, expected);
    // No tenant's trail tells of the platform's.
    made(&world, Owner::Platform, ApplicationType::Service, &json!({})).await;
    assert_eq!(world.trail(&cx).await.len(), trail.len());
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let world = World::new().await;
    let cx = world.acme().await;
    let owner = Owner::Tenant(cx.tenant.id);
    let issued = made(&world, owner, ApplicationType::Web, &json!({"token_lifetime": 60})).await;
    let id = issued.registered.application.client_id.clone();
    let before = world.dump().await;
    for bad in [
        json!({"token_lifetime": 1}),
        json!({"redirect_uris": ["https://*.x.test"]}),
        json!({"no_such_field": 1}),
        json!({"token_lifetime": 90, "grant_types": ["implicit"]}),
    ] {
        let refused = change(&world, (owner, &id), &bad).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{bad}");
    }
    let name = Change { name: Some("\u{7}".to_owned()), ..Change::default() };
    let caller = operator();
    let by = By::operator(&caller);
    assert!(manage::update(&world.app, by, (owner, &id), name).await.is_err());
    // Nor is it found among another owner's.
    let other = world.tenant("other", "{}").await;
    for stranger in
        [Owner::Platform, Owner::Tenant(other.tenant.id), Owner::Partner(cx.tenant.partner_id)]
    {
        let found = manage::show(&world.app, stranger, &id).await;
        assert!(matches!(found, Err(Error::Refused(no)) if no.code == Code::ApplicationNotFound));
        assert!(manage::delete(&world.app, by, (stranger, &id)).await.is_err());
    }
    let other_rows = |dump: &str| dump.lines().filter(|it| it.contains("app_")).count();
    assert_eq!(other_rows(&world.dump().await), other_rows(&before));
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let world = World::new().await;
    let cx = world.acme().await;
    let owner = Owner::Tenant(cx.tenant.id);
    let issued = made(&world, owner, ApplicationType::Web, &json!({})).await;
    let id = issued.registered.application.client_id.clone();
    let fields = ["token_lifetime", "id_token_lifetime", "default_max_age"];
    let app = &world.app;
    let done = together(fields.map(|field| {
        let (app, id) = (Arc::clone(app), id.clone());
        async move {
            let change = Change { name: None, metadata: object(&json!({ field: 77 })) };
            manage::update(&app, By::operator(&operator()), (owner, &id), change).await.is_ok()
        }
    }))
    .await;
    assert_eq!(done, [true; 3]);
    let found = manage::show(&world.app, owner, &id).await.unwrap().application;
    let metadata = serde_json::to_value(&found.metadata).unwrap();
    for field in fields {
        assert_eq!(metadata[field], json!(77), "{field}");
    }
}

async fn knows(world: &World, cx: &Cx, origin: &str) -> bool {
    let input = (origin.to_owned(), applications::owners_in(&cx.tenant));
    let read = world.app.db.read(input, |tx, (origin, owners)| {
        Box::pin(store::applications::knows_origin(tx, origin, *owners))
    });
    read.await.unwrap()
}

#[tokio::test]
async fn origins_follow_the_metadata_and_end_with_the_application() {
    let world = World::new().await;
    let cx = world.acme().await;
    let other = world.tenant("other", "{}").await;
    let owner = Owner::Tenant(cx.tenant.id);
    let metadata = json!({"allowed_origins": ["https://a.test", "https://b.test"]});
    let issued = made(&world, owner, ApplicationType::Spa, &metadata).await;
    let id = issued.registered.application.client_id.clone();
    let caller = operator();
    let (of, by) = ((owner, id.as_str()), By::operator(&caller));
    assert!(knows(&world, &cx, "https://a.test").await);
    assert!(!knows(&world, &other, "https://a.test").await);
    change(&world, of, &json!({"allowed_origins": ["https://c.test"]})).await.unwrap();
    assert!(!knows(&world, &cx, "https://a.test").await);
    assert!(knows(&world, &cx, "https://c.test").await);
    manage::set_active(&world.app, by, of, false).await.unwrap();
    assert!(!knows(&world, &cx, "https://c.test").await);
    manage::set_active(&world.app, by, of, true).await.unwrap();
    manage::delete(&world.app, by, of).await.unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM application_origins").await, 0);
    // A partner's reach all its tenants.
    let partner = Owner::Partner(cx.tenant.partner_id);
    made(&world, partner, ApplicationType::Spa, &json!({"allowed_origins": ["https://p.test"]}))
        .await;
    assert!(knows(&world, &cx, "https://p.test").await);
    assert!(knows(&world, &other, "https://p.test").await);
}

#[tokio::test]
async fn what_people_allowed_an_application_ends_with_it() {
    let world = World::new().await;
    let cx = world.acme().await;
    let user = world.user(&cx, "grace@example.com").await;
    let owner = Owner::Tenant(cx.tenant.id);
    let [gone, kept] = [
        made(&world, owner, ApplicationType::Spa, &json!({})).await,
        made(&world, owner, ApplicationType::Spa, &json!({})).await,
    ]
    .map(|issued| issued.registered.application);
    for application in [&gone, &kept] {
        let consent = store::consents::Consent {
            application: application.id,
            scope: "openid".to_owned(),
            details: "[]".to_owned(),
            granted_at: START,
            updated_at: START,
        };
        world.execute(store::consents::put(cx.tenant.id, user.id, &consent)).await;
        let grant = "INSERT INTO grants (tenant_id, id, user_id, client_id, scope, epoch, \
                     auth_methods, authenticated_at, digest, created_at, expires_at, application_id) \
                     VALUES ($1, $2, $3, $4, 'openid', 0, 'pwd', 0, $5, 0, 9, $6)";
        let family: countersign::id::GrantId = cx.id().unwrap();
        let grant = sql(grant)
            .bind(cx.tenant.id)
            .bind(family)
            .bind(user.id)
            .bind(application.client_id.as_str())
            .bind([7_u8; 32])
            .bind(application.id);
        assert_eq!(world.execute(grant).await, 1);
    }
    let caller = operator();
    manage::delete(&world.app, By::operator(&caller), (owner, &gone.client_id)).await.unwrap();
    for table in ["consents", "grants"] {
        let text = format!("SELECT application_id FROM {table}").leak();
        let left: Vec<String> = world.rows(sql(text)).await;
        assert_eq!(left, [kept.id.to_string()], "{table}");
    }
    assert!(applications::by_id(&world.app, gone.id).await.unwrap().is_none());
}
