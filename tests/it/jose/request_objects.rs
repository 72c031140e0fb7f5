//! Request objects (RFC 9101), and what FAPI asks of them.

use countersign::{
    domain::{
        application::{Application, ApplicationType, Owner},
        oauth::{ErrorCode, parameters::Parameters},
    },
    flows::oauth::{Failure, Ox, request_object::open},
    store::applications::Secrets,
};
use serde_json::{Value, json};

use super::{NOW, at, client, code, signer::Signer};
use crate::support::World;

struct Bench {
    _world: World,
    ox: Ox,
    application: Application,
    signer: Signer,
}

impl Bench {
    async fn new(alg: &'static str, metadata: Value) -> Self {
        let world = World::new().await;
        let acme = world.acme().await;
        let signer = Signer::new(alg, "a");
        let mut all = json!({"jwks": signer.jwks()});
        all.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let owner = (Owner::Tenant(acme.tenant.id), ApplicationType::Web);
        let row = client::register(&world, owner, &all, Secrets::default()).await;
        let application = client::of(&world, &row).await.unwrap();
        Self { ox: at(&world, &acme), _world: world, application, signer }
    }

    fn claims(&self, change: &Value) -> Value {
        let mut claims = json!({
            "iss": self.application.client_id,
            "aud": self.ox.issuer(),
            "client_id": self.application.client_id,
            "exp": NOW + 300,
            "nbf": NOW,
            "iat": NOW,
            "jti": "1",
            "response_type": "code",
            "state": "s",
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            if *value == json!("REMOVE") {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    async fn open(&self, jwt: &str) -> Result<Parameters, Failure> {
        open(&self.ox, &self.application, jwt).await
    }

    /// Whether an object with changed claims is taken.
    async fn takes(&self, change: Value) -> bool {
        let answer = self.open(&self.signer.token(&self.claims(&change))).await;
        let is_taken = answer.is_ok();
        let code = code(answer);
        assert!(is_taken || code == Some(ErrorCode::InvalidRequestObject), "{change}: {code:?}");
        is_taken
    }
}

fn fapi() -> Value {
    json!({"profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt"})
}

#[tokio::test]
async fn what_an_object_says_becomes_parameters() {
    let bench = Bench::new("RS256", json!({})).await;
    let claims = bench.claims(&json!({
        "max_age": 300,
        "essential": true,
        "claims": {"id_token": {"acr": null}},
        "authorization_details": [{"type": "payment"}],
        "resource": ["https://a.example", "https://b.example"],
        "prompt": "login",
    }));
    let given = bench.open(&bench.signer.token(&claims)).await.unwrap();
    for (name, value) in [
        ("client_id", bench.application.client_id.as_str()),
        ("response_type", "code"),
        ("state", "s"),
        ("max_age", "300"),
        ("essential", "true"),
        ("claims", r#"{"id_token":{"acr":null}}"#),
        ("authorization_details", r#"[{"type":"payment"}]"#),
        ("prompt", "login"),
    ] {
        assert_eq!(given.get(name), Some(value), "{name}");
    }
    let resources: Vec<&str> = given.all("resource").collect();
    assert_eq!(resources, ["https://a.example", "https://b.example"]);
    for of_the_object in ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"] {
        assert_eq!(given.get(of_the_object), None);
    }
}

#[tokio::test]
async fn an_object_is_of_the_application_and_for_us() {
    let bench = Bench::new("ES256", json!({})).await;
    let issuer = bench.ox.issuer();
    assert!(bench.takes(json!({})).await);
    assert!(bench.takes(json!({"aud": ["https://other.example", issuer]})).await);
    for name in ["exp", "nbf", "iat", "jti"] {
        assert!(bench.takes(json!({name: "REMOVE"})).await, "{name} outside FAPI");
    }
    for bad in [
        json!({"iss": "REMOVE"}),
        json!({"iss": "app_other"}),
        json!({"client_id": "REMOVE"}),
        json!({"client_id": "app_other"}),
        json!({"client_id": [bench.application.client_id]}),
        json!({"sub": bench.application.client_id}),
        json!({"aud": "REMOVE"}),
        json!({"aud": "https://other.example"}),
        json!({"aud": []}),
        json!({"aud": format!("{issuer}/")}),
        json!({"aud": issuer.to_uppercase()}),
        json!({"request": "x"}),
        json!({"request_uri": "urn:x"}),
        json!({"exp": NOW}),
        json!({"exp": "never"}),
        json!({"exp": null}),
        json!({"exp": 1.5}),
        json!({"nbf": NOW + 11}),
        json!({"iat": NOW + 11}),
        json!({"nbf": "0"}),
        json!({"state": null}),
        json!({"resource": [1]}),
    ] {
        assert!(!bench.takes(bad.clone()).await, "{bad}");
    }
}

#[tokio::test]
async fn an_object_is_signed_as_the_application_is_registered() {
    let bench = Bench::new("PS256", json!({"request_object_signing_alg": "PS256"})).await;
    assert!(bench.takes(json!({})).await);
    let by = Bench::new("PS256", json!({"request_object_signing_alg": "RS256"})).await;
    assert!(!by.takes(json!({})).await);
    for never in ["none", "HS256", "RS512"] {
        let by = Bench::new("ES256", json!({"request_object_signing_alg": never})).await;
        assert!(!by.takes(json!({})).await, "{never}");
    }
    let claims = bench.claims(&json!({}));
    let with = |header: Value| bench.signer.with_header(&header, &claims);
    assert!(bench.open(&with(json!({"alg": "PS256", "typ": "JWT"}))).await.is_ok());
    let typ = "oauth-authz-req+jwt";
    assert!(bench.open(&with(json!({"alg": "PS256", "typ": typ}))).await.is_ok());
    for typ in ["dpop+jwt", "at+jwt", "logout+jwt"] {
        assert!(bench.open(&with(json!({"alg": "PS256", "typ": typ}))).await.is_err(), "{typ}");
    }
    let none = Bench::new("ES256", json!({"jwks": {"keys": []}})).await;
    assert!(!none.takes(json!({})).await, "no keys");
}

/// `fapi2-security-profile-final-ensure-…`, `oidcc-unsigned-request-object-…`.
#[tokio::test]
async fn fapi_asks_more_of_an_object() {
    let bench = Bench::new("PS256", fapi()).await;
    let issuer = bench.ox.issuer();
    assert!(bench.takes(json!({})).await);
    // request-object-with-multiple-aud-succeeds
    assert!(bench.takes(json!({"aud": [issuer, "https://other.example"]})).await);
    // request-object-with-nbf-8-seconds-in-the-future-is-accepted
    assert!(bench.takes(json!({"nbf": NOW + 8})).await);
    assert!(bench.takes(json!({"nbf": NOW - 3590, "exp": NOW + 10})).await);
    for bad in [
        json!({"exp": "REMOVE"}),
        json!({"nbf": "REMOVE"}),
        // ensure-expired-request-object-fails
        json!({"exp": NOW - 300}),
        // request-object-with-bad-aud-fails
        json!({"aud": "https://other.example"}),
        // request-object-with-exp-over-60-fails
        json!({"exp": NOW + 3601}),
        json!({"exp": NOW + 4200}),
        // request-object-with-nbf-over-60-fails
        json!({"nbf": NOW - 3601, "exp": NOW + 300}),
        json!({"nbf": NOW - 4200, "exp": NOW + 300}),
    ] {
        assert!(!bench.takes(bad.clone()).await, "{bad}");
    }
    // signed-request-object-with-RS256-fails
    let mut by_rs256 = Bench::new("PS256", fapi()).await;
    by_rs256.signer.alg = "RS256";
    assert!(!by_rs256.takes(json!({})).await);
    // request-object-signature-algorithm-is-not-none, with-invalid-signature-fails
    let token = bench.signer.token(&bench.claims(&json!({})));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (_, payload) = message.split_once('.').unwrap();
    assert!(bench.open(&format!("eyJhbGciOiJub25lIn0.{payload}.")).await.is_err());
    let reversed: String = signature.chars().rev().collect();
    assert!(bench.open(&format!("{message}.{reversed}")).await.is_err());
    // ensure-matching-key-in-authorization-request
    let other = Signer::new("PS256", "a");
    assert!(bench.open(&other.token(&bench.claims(&json!({})))).await.is_err());
}
