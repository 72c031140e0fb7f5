//! The built-in captcha: a puzzle that a browser solves by itself in a second or so, and that a
//! machine which registers thousands has to solve thousands of times.
//!
//! The challenge and its answer have the form that the ALTCHA widget speaks (version 1): find the
//! number whose SHA-256 with the salt is the challenge. No third party takes part.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a challenge may be answered.
pub const LIFETIME: Duration = Duration::from_mins(10);
/// The largest number to be searched for.
pub const MAX_NUMBER: u64 = 100_000;

/// What a browser has to solve.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Challenge {
    /// `SHA-256`.
    pub algorithm: String,
    /// The hash to be met, in hexadecimal.
    pub challenge: String,
    /// The largest number that can be the answer.
    pub maxnumber: u64,
    /// What is hashed before the number; it holds the expiry.
    pub salt: String,
    /// Our mark on the challenge, in hexadecimal.
    pub signature: String,
}

/// What a browser sends back, as Base64 of JSON in `captcha_token`.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// `SHA-256`.
    pub algorithm: String,
    /// The challenge it solves.
    pub challenge: String,
    /// The number found.
    pub number: u64,
    /// The challenge's salt.
    pub salt: String,
    /// Our mark on the challenge.
    pub signature: String,
}

/// The moment until which a salt is good: `<random hex>?expires=<seconds since 1970>`.
#[must_use]
pub fn expires_at(salt: &str) -> Option<i64> {
    salt.split_once("?expires=").and_then(|(_, seconds)| seconds.parse().ok())
}
