//! What the hosted pages of an authorization request ask, and of whom.

use super::{
    Failure, Ox, authorize,
    pending::{self, Pending, Visitor},
};
use crate::{
    error::{Code, Error, Result},
    flows::me::Me,
    id::TenantId,
    secret::Secret,
};

/// What the keyed digests are for that a consent page proves itself with.
const CONSENT: &str = "consent page";

/// A question that waits for its answer.
#[derive(Debug)]
pub struct Question {
    /// Who is asked.
    pub me: Me,
    /// What the page proves itself with beside its cookies: bound to the request, to the browser
    /// that brought it, and to the session.
    pub proof: Secret<String>,
}

impl Question {
    /// Refuses an answer that does not come from the page.
    ///
    /// # Errors
    /// `invalid_csrf_token`.
    pub fn check(&self, shown: &str) -> Result<()> {
        if self.proof == Secret::new(shown.to_owned()) {
            return Ok(());
        }
        Err(Error::refused(Code::InvalidCsrfToken))
    }
}

/// The question whether a pending request is allowed; `None` where it is not clear whom to ask.
///
/// # Errors
/// Where the database fails.
pub async fn question(ox: &Ox, pending: &Pending, visitor: &Visitor) -> Result<Option<Question>> {
    use base64::Engine as _;
    let Some(present) = authorize::chosen(ox, pending, visitor).await? else { return Ok(None) };
    let Some(me) = person(ox, visitor, &present).await? else { return Ok(None) };
    let names = [ox.realm().to_string(), me.session.id.to_string()];
    let [realm, session] = names.each_ref().map(String::as_bytes);
    let (digest, browser) = &pending.key;
    let parts: [&[u8]; 5] = [realm, digest, browser, session, &me.secret_digest];
    let mac = ox.app.master_key.mac(CONSENT, &parts)?;
    let proof = Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac));
    Ok(Some(Question { me, proof }))
}

/// Everybody who is signed in at a browser.
///
/// # Errors
/// Where the database fails.
pub async fn people(ox: &Ox, visitor: &Visitor) -> Result<Vec<Me>> {
    let mut all = Vec::new();
    for present in pending::present(ox, visitor, None).await? {
        all.extend(person(ox, visitor, &present).await?);
    }
    Ok(all)
}

async fn person(ox: &Ox, visitor: &Visitor, present: &pending::Present) -> Result<Option<Me>> {
    let mut held = visitor.sessions.iter();
    let held =
        held.find(|(tenant, id, _)| *tenant == present.tenant.id && *id == present.session.id);
    let Some((_, id, secret)) = held else { return Ok(None) };
    match Me::by_cookie(ox.within(present.tenant.clone()), *id, secret).await {
        Ok(me) => Ok(Some(me)),
        Err(Error::Refused(no)) if no.code == Code::NotAuthenticated => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Notes in which tenant somebody has just signed in for a pending request. Whatever session was
/// chosen for it before, the new one is meant.
///
/// # Errors
/// Where the database fails.
pub async fn signed_in(
    ox: &Ox,
    pending: &Pending,
    visitor: &Visitor,
    tenant: TenantId,
) -> Result<()> {
    match pending::choose(ox, pending, visitor, (tenant, None)).await {
        Ok(()) => Ok(()),
        Err(Failure::Fault(fault)) => Err(fault),
        Err(other) => Err(Error::internal("noting a sign-in", other.code().as_str())),
    }
}
