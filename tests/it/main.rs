//! The product through its real interface: requests into the real router, on a real database.
//!
//! Every test builds a [`support::World`] of its own. SQLite files by default; PostgreSQL where
//! `COUNTERSIGN_TEST_DATABASE_URL` names a server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "helpers of tests fail a test by panicking, as the tests do"
)]

mod support;

mod abuse;
mod account;
mod api;
mod applications;
mod audit;
mod breached;
mod cli;
mod fairness;
mod faults;
mod fuzzed;
mod guessing;
mod jobs;
mod jose;
mod keys;
mod limits;
mod lockdown;
mod looks;
mod mail;
mod me;
mod mfa;
mod oauth;
mod oauth_pages;
mod openapi;
mod pages;
mod passkeys;
mod plans;
mod portal;
mod races;
mod remembered;
mod round_trips;
mod sessions;
mod sign_in_pages;
mod store;
mod tenants;
mod tidy;
mod tokens;
