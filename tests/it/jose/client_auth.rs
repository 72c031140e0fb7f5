//! How applications prove who they are.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    config::OAuthConfig,
    crypto::{certificate::Certificate, opaque::Token},
    domain::{
        application::{ApplicationType, Owner},
        oauth::ErrorCode,
    },
    entropy::Entropy,
    flows::{
        Cx,
        oauth::client_auth::{Client, Shown, authenticate},
    },
    secret::Secret,
    store::applications::{ApplicationRow, Secrets, update},
};
use serde_json::{Value, json};

use super::{NOW, at, at_platform, client::register, code, signer::Signer};
use crate::support::{START, World, together};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const EC: &str = include_str!("../../../src/crypto/certificate/tests/ec.pem");
const RSA: &str = include_str!("../../../src/crypto/certificate/tests/rsa.pem");
const OLD: &str = include_str!("../../../src/crypto/certificate/tests/old.pem");

fn signed(assertion: String) -> Shown {
    Shown { assertion: Some((JWT_BEARER.to_owned(), Secret::new(assertion))), ..Shown::default() }
}

/// An application of `acme` that signs.
struct Bench {
    world: World,
    acme: Cx,
    row: ApplicationRow,
    signer: Signer,
}

impl Bench {
    async fn new(alg: &'static str, more: Value) -> Self {
        let world = World::new().await;
        let acme = world.acme().await;
        let signer = Signer::new(alg, "a");
        let mut metadata =
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let owner = (Owner::Tenant(acme.tenant.id), ApplicationType::Service);
        let row = register(&world, owner, &metadata, Secrets::default()).await;
        Self { world, acme, row, signer }
    }

    fn claims(&self, jti: &str, change: &Value) -> Value {
        let mut claims = json!({
            "iss": self.row.client_id,
            "sub": self.row.client_id,
            "aud": at(&self.world, &self.acme).issuer(),
            "exp": NOW + 60,
            "iat": NOW,
            "jti": jti,
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

    /// Whether whatever was shown is taken; what is not, is always refused the same way.
    async fn takes(&self, shown: Shown) -> bool {
        let answer = authenticate(&at(&self.world, &self.acme), shown).await;
        let is_taken = answer.is_ok();
        let code = code(answer);
        assert!(is_taken || code == Some(ErrorCode::InvalidClient), "{code:?}");
        is_taken
    }

    async fn takes_claims(&self, jti: &str, change: Value) -> bool {
        self.takes(signed(self.signer.token(&self.claims(jti, &change)))).await
    }
}

#[tokio::test]
async fn a_signed_statement_authenticates_by_each_algorithm() {
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"] {
        let bench = Bench::new(alg, json!({})).await;
        assert!(bench.takes_claims("1", json!({})).await, "{alg}, named by the statement alone");
        let mut both = signed(bench.signer.token(&bench.claims("2", &json!({}))));
        both.client_id = Some(bench.row.client_id.clone());
        assert!(bench.takes(both).await, "{alg}, named beside");
    }
}

#[tokio::test]
async fn fapi_takes_three_algorithms_and_the_issuer_alone() {
    let fapi = json!({"profile": "fapi2"});
    for (alg, is_taken) in
        [("RS256", false), ("PS256", true), ("ES256", true), ("ES384", false), ("EdDSA", true)]
    {
        let bench = Bench::new(alg, fapi.clone()).await;
        assert_eq!(bench.takes_claims("1", json!({})).await, is_taken, "{alg}");
    }
    let bench = Bench::new("ES256", fapi).await;
    let ox = at(&bench.world, &bench.acme);
    let (issuer, token) = (ox.issuer(), format!("{}/token", ox.oauth_base()));
    assert!(!bench.takes_claims("1", json!({"aud": token})).await);
    assert!(!bench.takes_claims("2", json!({"aud": [issuer]})).await);
    assert!(bench.takes_claims("3", json!({"aud": issuer})).await);
}

#[tokio::test]
async fn jwt_01_to_05_a_statement_that_no_registered_key_has_signed() {
    let bench = Bench::new("RS256", json!({})).await;
    let claims = bench.claims("1", &json!({}));
    let evil = Signer::new("RS256", "a");
    let good = bench.signer.token(&claims);
    let (message, _) = good.rsplit_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let (_, payload) = message.split_once('.').unwrap();
    for bad in [
        evil.token(&claims),
        evil.with_header(&json!({"alg": "RS256", "kid": "a", "jwk": evil.jwk}), &claims),
        evil.with_header(
            &json!({"alg": "RS256", "kid": "a", "jku": "https://evil.example/jwks"}),
            &claims,
        ),
        bench.signer.with_header(&json!({"alg": "RS256", "kid": "../a"}), &claims),
        bench.signer.with_header(&json!({"alg": "HS256", "kid": "a"}), &claims),
        format!("{message}."),
        format!("{none}.{payload}."),
        String::new(),
        "x".repeat(20_000),
    ] {
        assert!(!bench.takes(signed(bad.clone())).await, "{bad}");
    }
    assert!(bench.takes(signed(good)).await, "nothing of that used it up");
}

#[tokio::test]
async fn jwt_06_and_10_times_are_numbers_and_near() {
    let bench = Bench::new("EdDSA", json!({})).await;
    for bad in [
        json!({"exp": "REMOVE"}),
        json!({"exp": "soon"}),
        json!({"exp": null}),
        json!({"exp": -1}),
        json!({"exp": 1.5}),
        json!({"exp": u64::MAX}),
        json!({"exp": NOW}),
        json!({"exp": NOW + 301}),
        json!({"exp": NOW + 100 * 365 * 86_400}),
        json!({"nbf": "0"}),
        json!({"nbf": NOW + 61}),
        json!({"iat": NOW + 61}),
        json!({"iat": null}),
        json!({"iat": [NOW]}),
    ] {
        assert!(!bench.takes_claims("1", bad.clone()).await, "{bad}");
    }
    let good = [
        json!({"exp": NOW + 1}),
        json!({"exp": NOW + 300}),
        json!({"nbf": NOW + 10, "iat": NOW + 10}),
        json!({"nbf": NOW - 9, "iat": "REMOVE"}),
    ];
    for (jti, good) in good.into_iter().enumerate() {
        assert!(bench.takes_claims(&jti.to_string(), good.clone()).await, "{good}");
    }
}

#[tokio::test]
async fn jwt_07_a_statement_is_for_us_by_the_application() {
    let bench = Bench::new("EdDSA", json!({})).await;
    let ox = at(&bench.world, &bench.acme);
    let issuer = ox.issuer();
    for bad in [
        json!({"aud": "REMOVE"}),
        json!({"aud": "https://other.example"}),
        json!({"aud": ["https://other.example"]}),
        json!({"aud": []}),
        json!({"aud": issuer.to_uppercase()}),
        json!({"aud": format!("{issuer}/")}),
        json!({"aud": issuer[..issuer.len() - 1]}),
        json!({"aud": at_platform(&bench.world).issuer()}),
        json!({"aud": format!("{}/authorize", ox.oauth_base())}),
        json!({"iss": "REMOVE"}),
        json!({"iss": "https://other.example"}),
        json!({"sub": "app_00000000000000000000000000"}),
        json!({"sub": "REMOVE"}),
        json!({"jti": "REMOVE"}),
        json!({"jti": ""}),
        json!({"jti": 1}),
        json!({"jti": "x".repeat(257)}),
    ] {
        assert!(!bench.takes_claims("1", bad.clone()).await, "{bad}");
    }
    let good = [
        json!({"aud": [issuer, "https://other.example"]}),
        json!({"aud": format!("{}/token", ox.oauth_base())}),
        json!({"aud": format!("{}/par", ox.oauth_base())}),
    ];
    for (jti, good) in good.into_iter().enumerate() {
        assert!(bench.takes_claims(&jti.to_string(), good.clone()).await, "{good}");
    }
}

#[tokio::test]
async fn jwt_08_a_statement_counts_once_even_at_two_nodes() {
    let bench = Bench::new("ES256", json!({})).await;
    let second = bench.world.second_node().await;
    let nodes = [at(&bench.world, &bench.acme), at(&second, &bench.acme)];
    let token = bench.signer.token(&bench.claims("1", &json!({})));
    let work = (0..20).map(|it| {
        let (ox, shown) = (nodes[it % 2].clone(), signed(token.clone()));
        async move { authenticate(&ox, shown).await.is_ok() }
    });
    assert_eq!(together(work).await.into_iter().filter(|it| *it).count(), 1);
    assert!(!bench.takes_claims("1", json!({"exp": NOW + 100})).await, "the name counts");
    assert!(bench.takes_claims("2", json!({})).await);
}

#[tokio::test]
async fn jwt_09_tokens_of_another_kind_are_no_statements() {
    let bench = Bench::new("ES256", json!({})).await;
    let claims = bench.claims("1", &json!({}));
    let with = |typ: &str| {
        signed(bench.signer.with_header(&json!({"alg": "ES256", "kid": "a", "typ": typ}), &claims))
    };
    for typ in ["at+jwt", "dpop+jwt", "oauth-authz-req+jwt", "logout+jwt", "x"] {
        assert!(!bench.takes(with(typ)).await, "{typ}");
    }
    assert!(bench.takes(with("client-authentication+jwt")).await);
    let mut shown = signed(bench.signer.token(&bench.claims("2", &json!({}))));
    shown.assertion.as_mut().unwrap().0 =
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer".into();
    assert!(!bench.takes(shown).await);
}

#[tokio::test]
async fn jwt_12_a_statement_has_one_spelling() {
    let bench = Bench::new("ES256", json!({})).await;
    let claims = bench.claims("1", &json!({})).to_string();
    let header = r#"{"alg":"ES256","kid":"a"}"#;
    let twice = claims.replacen('{', r#"{"iss":"other","#, 1);
    for bad in [
        bench.signer.raw(header, &twice),
        bench.signer.raw(r#"{"alg":"ES256","kid":"a","kid":"a"}"#, &claims),
        bench.signer.raw(r#"{"alg":"ES256","kid":"a","b64":false}"#, &claims),
        bench.signer.raw(r#"{"alg":"ES256","kid":"a","crit":["exp"]}"#, &claims),
        format!("{}=", bench.signer.raw(header, &claims)),
        format!(" {}", bench.signer.raw(header, &claims)),
    ] {
        assert!(!bench.takes(signed(bad)).await);
    }
}

fn secret(seed: u64) -> Token {
    Token::generate(&Entropy::seeded(seed)).unwrap()
}

fn basic(name: &str, secret: &str) -> Shown {
    Shown { basic: Some((name.to_owned(), Secret::new(secret.to_owned()))), ..Shown::default() }
}

#[tokio::test]
async fn oau_10_and_11_a_secret_counts_while_it_lives_and_alone() {
    let world = World::new().await;
    let acme = world.acme().await;
    let (new, old, other) = (secret(7), secret(8), secret(9));
    let secrets = Secrets {
        present: Some((*new.digest().as_bytes(), START)),
        previous: Some((*old.digest().as_bytes(), START + Duration::from_secs(60))),
    };
    let owner = (Owner::Tenant(acme.tenant.id), ApplicationType::Web);
    let row = register(&world, owner, &json!({}), secrets).await;
    let name = row.client_id.as_str();
    let bench = Bench { world, acme, row: row.clone(), signer: Signer::new("EdDSA", "a") };
    let post = |secret: &str| Shown {
        client_id: Some(name.to_owned()),
        client_secret: Some(Secret::new(secret.to_owned())),
        ..Shown::default()
    };
    for good in [basic(name, new.expose()), basic(name, old.expose()), post(new.expose())] {
        assert!(bench.takes(good).await);
    }
    let two_ways =
        Shown { client_secret: post(new.expose()).client_secret, ..basic(name, new.expose()) };
    let and_signed = Shown {
        assertion: signed(bench.signer.token(&bench.claims("1", &json!({})))).assertion,
        ..basic(name, new.expose())
    };
    let two_names = Shown { client_id: Some("app_x".to_owned()), ..basic(name, new.expose()) };
    let bare = Shown { client_id: Some(name.to_owned()), ..Shown::default() };
    for bad in [
        basic(name, ""),
        basic(name, other.expose()),
        basic(name, &new.expose()[1..]),
        basic("app_00000000000000000000000000", new.expose()),
        basic(&name.to_uppercase(), new.expose()),
        two_ways,
        and_signed,
        two_names,
        bare,
        Shown::default(),
    ] {
        assert!(!bench.takes(bad).await);
    }
    bench.world.advance(Duration::from_secs(60));
    assert!(!bench.takes(basic(name, old.expose())).await, "the time of the old one is over");
    assert!(bench.takes(basic(name, new.expose())).await);
    let elsewhere = authenticate(&at_platform(&bench.world), basic(name, new.expose())).await;
    assert_eq!(code(elsewhere), Some(ErrorCode::InvalidClient), "ten: another realm");
    let off = ApplicationRow { is_active: false, ..row.clone() };
    assert_eq!(bench.world.execute(update(&off, START)).await, 1);
    assert!(!bench.takes(basic(name, new.expose())).await, "disabled");
}

#[tokio::test]
async fn who_keeps_no_secret_says_a_name_and_nothing_else() {
    let world = World::new().await;
    let acme = world.acme().await;
    let owner = (Owner::Tenant(acme.tenant.id), ApplicationType::Spa);
    let row = register(&world, owner, &json!({}), Secrets::default()).await;
    let name = row.client_id.clone();
    let signer = Signer::new("EdDSA", "a");
    let bench = Bench { world, acme, row, signer };
    let bare = Shown { client_id: Some(name.clone()), ..Shown::default() };
    assert!(bench.takes(bare).await);
    assert!(!bench.takes(basic(&name, "")).await);
    // JWT-05: no key, so that nothing is signed with it.
    assert!(!bench.takes_claims("1", json!({})).await);
}

fn der(pem: &str) -> Vec<u8> {
    Certificate::from_pem(pem).unwrap().der().to_vec()
}

async fn with_certificates(verified: bool, metadata: Value) -> Bench {
    let world = World::with(|config| {
        config.oauth =
            OAuthConfig { client_certificates_verified: verified, ..config.oauth.clone() };
    })
    .await;
    let acme = world.acme().await;
    let owner = (Owner::Tenant(acme.tenant.id), ApplicationType::Service);
    let row = register(&world, owner, &metadata, Secrets::default()).await;
    Bench { world, acme, row, signer: Signer::new("EdDSA", "a") }
}

fn certified(bench: &Bench, pem: &str) -> Shown {
    Shown {
        client_id: Some(bench.row.client_id.clone()),
        certificate: Some(der(pem)),
        ..Shown::default()
    }
}

#[tokio::test]
async fn a_certificate_of_an_authority_has_the_registered_name() {
    let named = |name: Value| {
        let mut metadata = json!({"token_endpoint_auth_method": "tls_client_auth"});
        metadata.as_object_mut().unwrap().extend(name.as_object().unwrap().clone());
        metadata
    };
    for (name, is_taken) in [
        (
            json!({"tls_client_auth_subject_dn": "CN=client ü,UID=7+OU=Payments,O=Acme\\, Inc.,C=DE"}),
            true,
        ),
        (json!({"tls_client_auth_subject_dn": "CN=client ü"}), false),
        (json!({"tls_client_auth_san_dns": "client.example.com"}), true),
        (json!({"tls_client_auth_san_dns": "www.example.org"}), false),
        (json!({"tls_client_auth_san_uri": "https://client.example.com/a"}), true),
        (json!({"tls_client_auth_san_uri": "https://client.example.com/b"}), false),
        (json!({}), false),
    ] {
        let bench = with_certificates(true, named(name.clone())).await;
        assert_eq!(bench.takes(certified(&bench, EC)).await, is_taken, "{name}");
        let bench = with_certificates(false, named(name)).await;
        assert!(!bench.takes(certified(&bench, EC)).await, "nobody has verified it");
    }
    let metadata = named(json!({"tls_client_auth_san_dns": "client.example.com"}));
    let bench = with_certificates(true, metadata).await;
    assert!(!bench.takes(certified(&bench, OLD)).await, "its time is over");
    let none = Shown { certificate: None, ..certified(&bench, EC) };
    assert!(!bench.takes(none).await);
    let broken = Shown { certificate: Some(vec![1]), ..certified(&bench, EC) };
    assert!(!bench.takes(broken).await);
    let and_secret =
        Shown { client_secret: Some(Secret::new("x".to_owned())), ..certified(&bench, EC) };
    assert!(!bench.takes(and_secret).await);
    let ox = at(&bench.world, &bench.acme);
    let Client { certificate, .. } = authenticate(&ox, certified(&bench, EC)).await.unwrap();
    assert_eq!(certificate.as_deref(), Some("_gFtjn-WS1uGywtNmYm4Xnzi-qB8mhG_-t2KbQMpMxg"));
}

#[tokio::test]
async fn a_certificate_of_its_own_making_has_a_registered_key() {
    let x5c = |pem: &str| {
        use base64::engine::general_purpose::STANDARD;
        json!([STANDARD.encode(der(pem))])
    };
    let key = json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "khLG1SqWI-cj0bpja5RtUFVnOlNDBguGUSsbwOPu5ZM",
        "y": "VFfXAcNJnSUFLXaEVFsjGb-AG1-ocgrnk_vkAuXN_30",
    });
    for (change, is_taken) in [
        (json!({}), true),
        (json!({"x5c": x5c(EC)}), true),
        (json!({"x5c": x5c(RSA)}), false),
        (json!({"x": "VFfXAcNJnSUFLXaEVFsjGb-AG1-ocgrnk_vkAuXN_30"}), false),
    ] {
        let mut key = key.clone();
        key.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let metadata = json!({
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "jwks": {"keys": [key]},
        });
        let bench = with_certificates(false, metadata).await;
        assert_eq!(bench.takes(certified(&bench, EC)).await, is_taken, "{change}");
        assert!(!bench.takes(certified(&bench, RSA)).await);
        assert!(!bench.takes(certified(&bench, OLD)).await);
    }
}
