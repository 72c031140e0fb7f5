//! What is handed to a program in the place of a cookie: how long it lives, how it is signed, and
//! what becomes of a refresh token that is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        session::{Expiry, Persistence, expiry},
        settings::SessionLifetimes,
    },
};

/// How long an access token lives, unless its session ends before.
pub const ACCESS_LIFETIME: Duration = Duration::from_hours(1);

/// How long a refresh token that was just exchanged still leads to its successor, for the same
/// client's second request that crossed the first, or whose answer was lost.
pub const GRACE: Duration = Duration::from_secs(10);

/// How much longer than its access token a session waits to be used, so that a client which
/// refreshes when its token ends is not too late.
const SLACK: Duration = Duration::from_mins(5);

/// How a token is signed (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, under a key of 2,048 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// Every algorithm, the default of access tokens first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// From the registered name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// Where a key that signs tokens stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and will sign.
    Next,
    /// It signs.
    Active,
    /// It has signed, and is published until the last token of it has ended.
    Retired,
}

impl KeyState {
    /// The stable spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// From the spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Retired].into_iter().find(|it| it.as_str() == name)
    }
}

/// The `client_id` of the user portal.
pub const PORTAL: &str = "portal";
/// The scope of what a person may do to his own account.
pub const ACCOUNT: &str = "account";

/// Whom tokens are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// What the tokens are good for, space separated.
    pub scope: String,
}

impl Client {
    /// The user portal: a person's own account, and nothing else.
    #[must_use]
    pub fn portal() -> Self {
        Self { id: PORTAL.to_owned(), scope: ACCOUNT.to_owned() }
    }

    /// The client of an id.
    #[must_use]
    pub fn named(id: &str) -> Option<Self> {
        (id == PORTAL).then(Self::portal)
    }
}

/// When an access token ends that is made at `now` in a session: never after the session, and
/// never later than the session may go without use.
#[must_use]
pub fn access_expiry(lifetimes: &SessionLifetimes, session: Use, now: Timestamp) -> Timestamp {
    access_expiry_of(ACCESS_LIFETIME, lifetimes, session, now)
}

/// As [`access_expiry`], of a token that is to live for `lifetime`.
#[must_use]
pub fn access_expiry_of(
    lifetime: Duration,
    lifetimes: &SessionLifetimes,
    session: Use,
    now: Timestamp,
) -> Timestamp {
    let idle = match session.persistence {
        Persistence::Browser => lifetimes.idle,
        Persistence::Remembered => lifetimes.remember_idle,
    };
    (now + lifetime.min(idle)).min(session.absolute)
}

/// The idle limit of a session that hands out an access token at `now`: as after any use, but with
/// some slack behind the token, and never past the absolute limit.
#[must_use]
pub fn idle_limit(lifetimes: &SessionLifetimes, session: Use, now: Timestamp) -> Timestamp {
    let Expiry { idle, .. } = expiry(lifetimes, session.persistence, now);
    idle.max(access_expiry(lifetimes, session, now) + SLACK).min(session.absolute)
}

/// What a session's limits are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Which of the lifetimes apply.
    pub persistence: Persistence,
    /// When it ends whatever happens.
    pub absolute: Timestamp,
}

/// The authentication context class that methods amount to (RFC 9068 §2.2.1): `aal2` where more
/// than one factor was shown, in the sense of NIST SP 800-63B, else `aal1`. A mailed code is no
/// factor of its own and is not called `mfa`.
#[must_use]
pub fn context_class(methods: &str) -> &'static str {
    if methods.split(' ').any(|method| method == "mfa") { "aal2" } else { "aal1" }
}

/// What is known of the family that a refresh token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The digest of the token that is good now.
    pub current: [u8; 32],
    /// The digest of the one before it, and when it was exchanged.
    pub previous: Option<([u8; 32], Timestamp)>,
    /// Whether everything it rests on still holds: user, credentials, session, tenant, partner.
    pub is_live: bool,
}

/// What becomes of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is exchanged for a new one.
    Rotate,
    /// It was exchanged a moment ago: the same successor is handed out again.
    Repeat,
    /// It was exchanged before: somebody has a copy, and the family ends.
    Reused,
    /// What it rests on has ended.
    Dead,
}

/// Judges a token of the family, by its digest. That it was made by us is known already.
#[must_use]
pub fn judge(family: &Family, shown: [u8; 32], now: Timestamp) -> Verdict {
    let is_current = family.current == shown;
    let is_fresh = |(digest, at): ([u8; 32], Timestamp)| digest == shown && now.since(at) < GRACE;
    if !is_current && !family.previous.is_some_and(is_fresh) {
        return Verdict::Reused;
    }
    match (family.is_live, is_current) {
        (false, _) => Verdict::Dead,
        (true, true) => Verdict::Rotate,
        (true, false) => Verdict::Repeat,
    }
}

#[cfg(test)]
mod tests;
