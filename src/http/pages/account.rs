//! The account portal: what people who are signed in do about themselves. Each page calls the flow
//! that self-service under `/api/v1/me` calls; none has rules of its own.
//!
//! A look changes nothing. A form proves itself with a value that is bound to the session, and is
//! answered by sending the browser on, so that neither a reload nor a way back does it again.

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::app::App;

mod activity;
mod applications;
mod backup_codes;
mod confirm;
mod data;
mod deletion;
mod devices;
mod email;
mod mailed_codes;
mod overview;
mod owner;
mod passkeys;
mod password;
pub(super) mod place;
mod profile;
mod security;
mod sign_out;
mod totp;

pub(super) use sign_out::submit as sign_out;

/// The pages, below a tenant's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/account", get(overview::show))
        .route("/account/sign-out", post(sign_out::submit))
        .route("/account/confirm", get(confirm::show).post(confirm::submit))
        .route("/account/confirm/passkey", post(confirm::begin_passkey))
        .route("/account/profile", get(profile::show).post(profile::submit))
        .route("/account/profile/verify-email", post(profile::ask_for_proof))
        .route("/account/email", get(email::show).post(email::submit))
        .merge(sign_in_routes())
        .route("/account/devices", get(devices::show))
        .route("/account/devices/others", get(devices::ask_others).post(devices::end_others))
        .route("/account/sessions/{session_id}", get(devices::ask).post(devices::end))
        .route(
            "/account/trusted-devices",
            get(devices::ask_distrust_all).post(devices::distrust_all),
        )
        .route(
            "/account/trusted-devices/{device_id}",
            get(devices::ask_distrust).post(devices::distrust),
        )
        .route("/account/applications", get(applications::show))
        .route("/account/applications/revoke", get(applications::ask).post(applications::revoke))
        .route("/account/activity", get(activity::show))
        .route("/account/data", get(data::show))
        .route("/account/data/export", post(data::export))
        .route("/account/delete", get(deletion::show).post(deletion::submit))
        .route("/account/delete/cancel", post(deletion::cancel))
}

/// The pages on how one signs in.
fn sign_in_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/account/security", get(security::show))
        .route("/account/security/default", post(security::set_default))
        .route("/account/password", get(password::show).post(password::submit))
        .route("/account/authenticator-app", get(totp::show).post(totp::submit))
        .route("/account/authenticator-app/remove", get(totp::ask).post(totp::remove))
        .route("/account/mailed-codes", get(mailed_codes::show).post(mailed_codes::submit))
        .route("/account/mailed-codes/remove", get(mailed_codes::ask).post(mailed_codes::remove))
        .route("/account/passkey", get(passkeys::show).post(passkeys::submit))
        .route("/account/passkey/begin", post(passkeys::begin))
        .route(
            "/account/passkeys/{passkey_id}/name",
            get(passkeys::show_name).post(passkeys::rename),
        )
        .route("/account/passkeys/{passkey_id}/remove", get(passkeys::ask).post(passkeys::remove))
        .route("/account/backup-codes", get(backup_codes::ask).post(backup_codes::make))
}
