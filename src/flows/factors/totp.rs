//! Enrolling an authenticator app.

use std::time::Duration;

use super::{Enrolled, Enrolment, check_allowed, enrol, overview};
use crate::{
    crypto::totp::Key,
    domain::factor::{Method, SETUP_LIFETIME, STEP_FAILURES, canonical_code},
    error::{Code, Error, Result},
    flows::{
        me::Enroller,
        second_factor::{open_key, seal_key},
    },
    secret::Secret,
    store::{self, factors::Setup},
    view::qr::Qr,
};

/// What an authenticator app needs to know; shown only this once.
#[derive(Debug)]
pub struct Offer {
    /// The key as a person types it.
    pub secret: Secret<String>,
    /// The address that apps read.
    pub uri: Secret<String>,
    /// The address as a QR code.
    pub qr: Qr,
    /// How long the first code may take.
    pub expires_in: Duration,
}

/// Draws a key and waits for its first code. An app in use stays in use until then.
///
/// # Errors
/// `reauthentication_required`, `method_not_available`, or where the database fails.
pub async fn setup(by: &Enroller) -> Result<Offer> {
    by.check_recent()?;
    let (cx, user) = (&by.person.cx, &by.person.user);
    check_allowed(cx, Method::Totp)?;
    let key = Key::generate(&cx.app.entropy)?;
    let name = cx.tenant.branding.display_name.as_deref().unwrap_or(&cx.tenant.name);
    let uri = key.uri(name, &user.email)?;
    let qr = Qr::new(uri.expose())?;
    let setup = Setup { secret: Some(seal_key(cx, user.id, &key)?), code: None };
    let times = (cx.now, cx.now + SETUP_LIFETIME);
    let query = store::factors::begin_setup(cx.tenant.id, user.id, Method::Totp, setup, times);
    cx.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await?;
    Ok(Offer { secret: key.base32()?, uri, qr, expires_in: SETUP_LIFETIME })
}

/// Takes the app into use by its first right code, which no sign-in accepts again.
///
/// # Errors
/// `setup_not_found` where none waits or too many codes were wrong, `invalid_code`, or where the
/// database fails.
pub async fn confirm(by: &Enroller, code: &str) -> Result<Enrolled> {
    let (cx, user) = (&by.person.cx, by.person.user.id);
    check_allowed(cx, Method::Totp)?;
    let tenant = cx.tenant.id;
    let setup = cx
        .app
        .db
        .write((tenant, user, cx.now), |tx, (tenant, user, now)| {
            let limit = (STEP_FAILURES, *now);
            Box::pin(store::factors::try_setup(tx, *tenant, *user, Method::Totp, limit))
        })
        .await?;
    let sealed = setup.and_then(|setup| setup.secret);
    let sealed = sealed.ok_or_else(|| Error::refused(Code::SetupNotFound))?;
    let step = open_key(cx, user, &sealed)?.check(&canonical_code(code), cx.now)?;
    let step = step.ok_or_else(|| Error::refused(Code::InvalidCode))?;
    let before = overview(&by.person).await?;
    let new = Enrolment {
        method: Method::Totp,
        replaces: before.factor(Method::Totp).is_some(),
        must: vec![
            store::factors::end_setup(
                tenant,
                user,
                Method::Totp,
                &Setup { secret: Some(sealed.clone()), code: None },
            ),
            store::factors::put(tenant, user, Method::Totp, (Some(sealed), step), cx.now),
        ],
    };
    enrol(by, &before, new).await
}
