//! Which limits on load hold for a request, and how an answer tells what is left of them.
//!
//! The headers are those of draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` and
//! `RateLimit`, and the three older ones that most clients read.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::{
    domain::limits::Limit,
    flows::load::{Left, Load, Verdict},
};

use super::frame::Facts;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What every request counts for.
const ALWAYS: [Limit; 2] = [Limit::Requests, Limit::RequestsWide];

/// Counts a request, and notes in its facts where only an application may go on.
pub(super) fn count(load: &Load, facts: &mut Facts, request: Asked<'_>) -> Verdict {
    if !request.is_counted() {
        return Verdict::Unlimited;
    }
    let more = request.more();
    let limits: Vec<Limit> = ALWAYS.into_iter().chain(more).collect();
    match load.network(facts.client, &limits) {
        Verdict::Over { left, retry } if request.may_prove() && load.may_prove(facts.client) => {
            facts.over = Some(retry);
            Verdict::Within(left)
        }
        verdict => verdict,
    }
}

/// What is known of a request before its handler runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) route: &'a str,
    pub(super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// What asks whether the server lives is not load.
    fn is_counted(self) -> bool {
        !self.route.starts_with("/health") && !self.route.starts_with("/static")
    }

    /// The limit that holds for its endpoint besides.
    fn more(self) -> Option<Limit> {
        let end = self.route.rsplit('/').next().unwrap_or_default();
        if *self.method == Method::GET {
            return match end {
                "captcha" => Some(Limit::Puzzles),
                // By its token an address is proved, or what a link was mailed for is shown.
                "verify-email" | "reset-password" | "change-email" | "stop-email-change"
                | "not-me" => Some(Limit::Credentials),
                _ => None,
            };
        }
        match end {
            "login" | "authenticate" | "verify" | "reset" | "mfa" | "reauthenticate"
            | "confirm" | "finish" | "passkey" | "verify-email" | "reset-password" | "device"
            | "change-email" | "stop-email-change" | "not-me" => Some(Limit::Credentials),
            "register" if !self.route.contains("/oauth/") && !self.route.contains("/mfa/") => {
                Some(Limit::NewAccounts)
            }
            "forgot-password" | "forgot" => Some(Limit::MailRequests),
            _ => None,
        }
    }

    /// Whether an application may prove there who it is, before anything else happens.
    fn may_prove(self) -> bool {
        let has_header = self.headers.contains_key(header::AUTHORIZATION);
        let is_post = *self.method == Method::POST;
        let of_tenant = "/api/v1/auth/tenants/{tenant_slug}/";
        let Some((_, endpoint)) = self.route.split_once("/oauth/") else {
            let calls = self.route.starts_with(of_tenant) && is_post;
            let is_own = self.route.starts_with("/api/v1/me");
            return has_header && (calls || is_own);
        };
        match endpoint {
            "token" | "introspect" | "revoke" | "par" | "device_authorization" => is_post,
            "userinfo" => has_header,
            _ => false,
        }
    }
}

/// Tells what is left.
pub(super) fn tell(headers: &mut HeaderMap, left: Left) {
    let Left { limit, amount, remaining, reset } = left;
    let policy = limit.policy();
    let (window, reset) = (policy.window.as_secs(), seconds(reset));
    let lines = [
        (POLICY, format!("\"{}\";q={amount};w={window}", policy.name)),
        (RATE_LIMIT, format!("\"{}\";r={remaining};t={reset}", policy.name)),
    ];
    for (name, text) in lines {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    headers.insert(LIMIT, HeaderValue::from(amount));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(reset));
}

/// Rounded up: who waits that long must not come too early.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
