//! Applications for tests, and the way through an authorization request.

use countersign::{
    crypto::opaque::{Token, s256},
    domain::application::{ApplicationType, Origin, Owner},
    flows::fresh_id,
    id::ApplicationId,
    store::{
        self,
        applications::{ApplicationRow, Secrets},
    },
};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{Answer, Client, World};

/// An application, and the secret that it was handed.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) id: ApplicationId,
    pub(crate) client_id: String,
    pub(crate) secret: String,
}

/// Where the applications of tests get their answers.
pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
/// A verifier; its challenge is [`challenge`].
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0123456789";

/// The challenge of [`VERIFIER`].
pub(crate) fn challenge() -> String {
    s256(VERIFIER)
}

/// Names and values as a form or a query.
pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl World {
    /// An application with `metadata` (JSON).
    pub(crate) async fn application(
        &self,
        owner: Owner,
        kind: ApplicationType,
        metadata: Value,
    ) -> Made {
        let now = self.app.clock.now();
        let id: ApplicationId = fresh_id(&self.app.entropy, now).unwrap();
        let secret = Token::generate(&self.app.entropy).unwrap();
        let row = ApplicationRow {
            id,
            client_id: id.to_string(),
            owner,
            kind,
            name: "Test application".to_owned(),
            is_active: true,
            origin: Origin::Operator,
            metadata: metadata.to_string(),
            secrets: Secrets { present: Some((*secret.digest().as_bytes(), now)), previous: None },
            registration_digest: None,
            read_at: None,
            created_at: now,
            updated_at: now,
        };
        assert_eq!(self.execute(store::applications::insert(&row)).await, 1);
        Made { id, client_id: id.to_string(), secret: secret.expose().to_owned() }
    }

    /// A WEB application of a tenant that may ask for everything, with more `metadata` on top.
    pub(crate) async fn web(&self, owner: Owner, more: Value) -> Made {
        let mut metadata = serde_json::json!({
            "redirect_uris": [CALLBACK],
            "allowed_scopes": ["openid", "profile", "email", "address", "phone", "groups",
                               "offline_access", "files:read"],
        });
        for (name, value) in more.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        self.application(owner, ApplicationType::Web, metadata).await
    }
}

/// The endpoint of a tenant's realm.
pub(crate) fn endpoint(tenant: &str, name: &str) -> String {
    format!("/api/v1/auth/tenants/{tenant}/oauth/{name}")
}

/// The parameters of an ordinary authorization request.
pub(crate) fn request<'a>(made: &'a Made, challenge: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", &made.client_id),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("state", "a state"),
        ("nonce", "a nonce"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

impl Answer {
    /// Where the browser is sent.
    #[track_caller]
    pub(crate) fn location(&self) -> Url {
        assert!(self.status.is_redirection(), "{} {}", self.status, self.text);
        let text = self.headers["location"].to_str().unwrap();
        Url::parse("http://127.0.0.1:8080").unwrap().join(text).unwrap()
    }

    /// A parameter of where the browser is sent.
    #[track_caller]
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        let url = self.location();
        url.query_pairs().find(|(it, _)| it == name).map(|(_, value)| value.into_owned())
    }

    /// The `error` of a protocol answer with `status`.
    #[track_caller]
    pub(crate) fn denied(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    /// A GET of wherever an answer sends the browser, on this server.
    pub(crate) async fn follow(&mut self, answer: &Answer) -> Answer {
        let url = answer.location();
        let path = url
            .query()
            .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        self.get(&path).await
    }

    /// Sends an authorization request.
    pub(crate) async fn authorize(&mut self, tenant: &str, pairs: &[(&str, &str)]) -> Answer {
        self.get(&format!("{}?{}", endpoint(tenant, "authorize"), encoded(pairs))).await
    }

    /// A POST to an endpoint of a tenant's realm, as an application that shows its secret.
    pub(crate) async fn post_as(
        &mut self,
        tenant: &str,
        name: &str,
        made: &Made,
        pairs: &[(&str, &str)],
    ) -> Answer {
        let mut all = pairs.to_vec();
        all.push(("client_id", &made.client_id));
        all.push(("client_secret", &made.secret));
        self.post_form(&endpoint(tenant, name), &encoded(&all)).await
    }

    /// Redeems a code with everything that [`request`] asks for.
    pub(crate) async fn redeem(&mut self, tenant: &str, made: &Made, code: &str) -> Answer {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post_as(tenant, "token", made, &pairs).await
    }

    /// A code for an application, in the session that the client has.
    #[track_caller]
    pub(crate) fn code(answer: &Answer) -> String {
        assert!(answer.location().as_str().starts_with(CALLBACK), "{}", answer.location());
        answer.sent("code").unwrap_or_else(|| panic!("no code: {}", answer.location()))
    }
}
