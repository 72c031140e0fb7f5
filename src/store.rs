//! SQL and nothing else: one file per group of tables.
//!
//! Every function on a table that a tenant owns takes the tenant right after the transaction, so
//! that forgetting it does not compile. No function here decides anything or knows the time.

pub mod alarms;
pub mod applications;
pub mod attempts;
pub mod audit;
pub mod authorization_codes;
pub mod authorization_requests;
pub mod captchas;
pub mod challenges;
pub mod consents;
pub mod credentials;
pub mod device_codes;
pub mod devices;
pub mod disavowals;
pub mod email_changes;
pub mod events;
pub mod expiry;
pub mod factors;
pub mod grants;
pub mod instance;
pub mod keys;
pub mod login;
pub mod outbox;
pub mod passkeys;
pub mod pictures;
pub mod portal;
pub mod registration_tokens;
pub mod registrations;
pub mod revisions;
pub mod seen;
pub mod session_clients;
pub mod sessions;
pub mod sign_ins;
pub mod tenants;
pub mod tickets;
pub mod trusted_devices;
pub mod users;
