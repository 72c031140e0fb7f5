//! Second factors for tests: an authenticator app of the tests' own, people who have enrolled one,
//! and the requests that a second step is made of.

use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::Method;
use countersign::{
    clock::Timestamp,
    flows::{Cx, me::Me},
};
use serde_json::{Value, json};

use super::{Answer, Client, PASSWORD, World};

/// One step of an authenticator app.
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// An authenticator app (RFC 6238: HMAC-SHA-1, six digits, 30 seconds), written from the standard.
#[derive(Clone)]
pub(crate) struct Authenticator {
    key: Vec<u8>,
}

impl Authenticator {
    /// From the key as a person types it: base 32 without padding.
    pub(crate) fn typed(secret: &str) -> Self {
        let (mut bits, mut count, mut key) = (0_u32, 0, Vec::new());
        for symbol in secret.bytes() {
            let value = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'2'..=b'7' => symbol - b'2' + 26,
                other => panic!("no base 32: {other}"),
            };
            bits = (bits << 5) | u32::from(value);
            count += 5;
            if count >= 8 {
                count -= 8;
                key.push(u8::try_from((bits >> count) & 0xff).unwrap());
            }
        }
        Self { key }
    }

    /// Octets of the key.
    pub(crate) fn strength(&self) -> usize {
        self.key.len()
    }

    /// The key itself.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The code that the app shows `steps` steps from now.
    pub(crate) fn code_in(&self, world: &World, steps: i64) -> String {
        self.code_of(world.app.clock.now().micros().div_euclid(30_000_000) + steps)
    }

    /// The code that the app shows at a moment.
    pub(crate) fn code_at(&self, now: Timestamp) -> String {
        self.code_of(now.micros().div_euclid(30_000_000))
    }

    fn code_of(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.key);
        let mac = hmac::sign(&key, &step.to_be_bytes());
        let bytes = mac.as_ref();
        let offset = usize::from(bytes[19] & 15);
        let four: [u8; 4] = bytes[offset..offset + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }

    /// The code that the app shows now.
    pub(crate) fn code(&self, world: &World) -> String {
        self.code_in(world, 0)
    }

    /// The code of the next step: the clock moves on, so that no code of before is asked for again.
    pub(crate) fn next(&self, world: &World) -> String {
        world.advance(STEP);
        self.code(world)
    }

    /// Six digits that are the code of no step near now.
    pub(crate) fn wrong(&self, world: &World) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code_in(world, steps)).collect();
        (0..10).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

/// Somebody with an authenticator app and backup codes.
#[derive(Clone)]
pub(crate) struct Enrolled {
    pub(crate) app: Authenticator,
    pub(crate) backup_codes: Vec<String>,
}

impl World {
    /// The proof that a request by the client's session cookie has to carry.
    pub(crate) async fn csrf(&self, cx: &Cx, client: &Client) -> String {
        let (id, secret) = client.session().expect("a session");
        let cx = self.cx(cx.tenant.slug.as_str()).await;
        Me::by_cookie(cx, id, &secret).await.unwrap().csrf_token().unwrap()
    }

    /// Enrols an authenticator app of the client, which has signed in lately.
    pub(crate) async fn enrol_totp(&self, cx: &Cx, client: &mut Client) -> Enrolled {
        let offer = client.me(self, cx, "mfa/totp/setup", &json!({})).await.data();
        let app = Authenticator::typed(offer["secret"].as_str().unwrap());
        let confirm = json!({"code": app.code(self)});
        let enabled = client.me(self, cx, "mfa/totp/confirm", &confirm).await.data();
        assert_eq!(enabled["status"], "enabled");
        Enrolled { app, backup_codes: texts(&enabled["backup_codes"]) }
    }

    /// Enrols mailed codes of the client, which has signed in lately.
    pub(crate) async fn enrol_email(&self, cx: &Cx, client: &mut Client, email: &str) -> Answer {
        client.me(self, cx, "mfa/email/enable", &json!({})).await.data();
        let code = self.mailed_code(email).await;
        client.me(self, cx, "mfa/email/confirm", &json!({"code": code})).await
    }

    /// An account with an authenticator app whose codes of now and before are used up.
    pub(crate) async fn user_with_totp(&self, cx: &Cx, email: &str) -> Enrolled {
        self.user(cx, email).await;
        let mut client = self.client();
        client.login(cx.tenant.slug.as_str(), email, PASSWORD).await.data();
        let enrolled = self.enrol_totp(cx, &mut client).await;
        self.advance(STEP);
        enrolled
    }

    /// The code in the newest mail to an address that has one.
    pub(crate) async fn mailed_code(&self, address: &str) -> String {
        self.mailed_codes(address).await.remove(0)
    }

    /// All codes that were mailed to an address, newest first.
    pub(crate) async fn mailed_codes(&self, address: &str) -> Vec<String> {
        let mails = self.inbox(address).await;
        mails.iter().filter_map(|mail| code_in(&mail.text)).collect()
    }

    /// The token in the link of the one mail to an address that has one, but for notices of
    /// sign-ins.
    pub(crate) async fn mailed_token(&self, address: &str) -> String {
        let mails = self.inbox(address).await;
        let is_asked_for = |text: &str| text.contains("token=") && !text.contains("/not-me?");
        let mut linked = mails.iter().filter(|mail| is_asked_for(&mail.text));
        let token = super::token_in(linked.next().expect("a mail with a link"));
        assert!(linked.next().is_none(), "one mail with a link");
        token
    }

    /// How many mails an address got that hold `text`.
    pub(crate) async fn mails_with(&self, address: &str, text: &str) -> usize {
        self.inbox(address).await.iter().filter(|mail| mail.text.contains(text)).count()
    }
}

/// The strings of an array.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    let array = value.as_array().into_iter().flatten();
    array.map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// The first word of a text that is six digits.
fn code_in(text: &str) -> Option<String> {
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
    text.split(|c: char| !c.is_alphanumeric()).find(is_code).map(str::to_owned)
}

impl Client {
    /// A POST under `/api/v1/me` by the session's cookie, with its proof.
    pub(crate) async fn me(
        &mut self,
        world: &World,
        cx: &Cx,
        endpoint: &str,
        body: &Value,
    ) -> Answer {
        self.me_by(world, cx, (Method::POST, endpoint), body).await
    }

    /// Any request under `/api/v1/me` by the session's cookie, with its proof.
    pub(crate) async fn me_by(
        &mut self,
        world: &World,
        cx: &Cx,
        (method, endpoint): (Method, &str),
        body: &Value,
    ) -> Answer {
        let csrf = world.csrf(cx, self).await;
        self.headers.insert("x-csrf-token", csrf.parse().unwrap());
        let path = format!("/api/v1/me/{endpoint}");
        let answer = self.request(method, &path, Some("application/json"), &body.to_string()).await;
        self.headers.remove("x-csrf-token");
        answer
    }

    /// What is enrolled, as self-service lists it.
    pub(crate) async fn factors(&mut self) -> Value {
        self.get("/api/v1/me/mfa").await.data()
    }

    /// A right password that is answered by a second step.
    pub(crate) async fn challenge(&mut self, tenant: &str, email: &str) -> Value {
        let data = self.login(tenant, email, PASSWORD).await.data();
        assert_eq!(data["status"], "mfa_required", "{data}");
        data
    }

    /// An answer to a step of `acme` by a code.
    pub(crate) async fn verify(&mut self, step: &Value, method: &str, code: &str) -> Answer {
        self.verify_with(step, json!({"method": method, "code": code})).await
    }

    /// An answer to a step of `acme`; what `fields` say beside token and user, or in their place.
    pub(crate) async fn verify_with(&mut self, step: &Value, fields: Value) -> Answer {
        self.api("acme", "mfa/verify", &answer_to(step, fields)).await
    }

    /// Asks for a mailed code for a step of `acme`.
    pub(crate) async fn ask_for_code(&mut self, step: &Value) -> Answer {
        self.post_form(&step_path("mfa/email/send", step), "").await
    }

    /// A request of an enrolment step of `acme`.
    pub(crate) async fn enrolling(&mut self, token: &str, endpoint: &str, body: &Value) -> Answer {
        self.headers.insert("x-mfa-token", token.parse().unwrap());
        self.headers.insert("x-tenant", "acme".parse().unwrap());
        let answer = self.post_json(&format!("/api/v1/me/{endpoint}"), &body.to_string()).await;
        self.headers.remove("x-mfa-token");
        self.headers.remove("x-tenant");
        answer
    }
}

/// The body of an answer to a step.
pub(crate) fn answer_to(step: &Value, fields: Value) -> Value {
    let mut body = json!({"mfa_token": step["mfa_token"], "user_id": step["user_id"]});
    let Value::Object(fields) = fields else { panic!("no fields") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// An endpoint of `acme` that takes a step in the query.
pub(crate) fn step_path(endpoint: &str, step: &Value) -> String {
    let (token, user) = (&step["mfa_token"], &step["user_id"]);
    let (token, user) = (token.as_str().unwrap(), user.as_str().unwrap());
    format!("/api/v1/auth/tenants/acme/{endpoint}?mfa_token={token}&user_id={user}")
}

impl Answer {
    /// That an answer to a step was right.
    #[track_caller]
    pub(crate) fn accepted(&self) -> Value {
        let data = self.data();
        assert_eq!(data["status"], "success", "{data}");
        data
    }

    /// That an answer to a step was wrong, and what is said of it.
    #[track_caller]
    pub(crate) fn failed(&self) -> String {
        let data = self.data();
        assert_eq!(data["status"], "failed", "{data}");
        assert!(self.set_cookie("session").is_none(), "no session for a wrong answer");
        data["error"].as_str().unwrap().to_owned()
    }
}

impl World {
    /// Changes a tenant's settings (JSON of a settings layer).
    pub(crate) async fn set_settings(&self, cx: &Cx, settings: &str) -> Cx {
        let change = countersign::flows::tenants::Change {
            settings: Some(serde_json::from_str(settings).unwrap()),
            ..countersign::flows::tenants::Change::default()
        };
        let slug = cx.tenant.slug.clone();
        let operator = super::operator();
        countersign::flows::tenants::update(&self.app, &operator, &slug, change).await.unwrap();
        self.cx(slug.as_str()).await
    }
}
