//! A sign-in that goes on with a pending authorization request: what it has to reach, and where
//! the browser goes then.

use std::sync::Arc;

use super::{
    Flavour, Ox, asking,
    pending::{self, Visitor},
};
use crate::{
    crypto::opaque::Token,
    domain::{factor::Method, tenant::Tenant},
    error::Result,
    flows::Cx,
};

fn at_tenant(cx: &Cx) -> Ox {
    Ox {
        app: Arc::clone(&cx.app),
        flavour: Flavour::Tenant(Arc::clone(&cx.tenant)),
        caller: Arc::clone(&cx.caller),
        now: cx.now,
    }
}

fn visitor(browser: Option<&Token>) -> Visitor {
    Visitor { browser: browser.cloned(), sessions: Vec::new() }
}

/// The surroundings of a sign-in by which a browser's newest pending request is to go on: where
/// that wants a second factor, everybody needs one, and no trusted device stands in for it.
///
/// # Errors
/// Where the database fails.
pub async fn demanded(cx: Cx, browser: Option<&Token>) -> Result<Cx> {
    if browser.is_none() {
        return Ok(cx);
    }
    let pending = pending::find(&at_tenant(&cx), None, &visitor(browser)).await?;
    let wants = pending.is_some_and(|pending| pending.wants_second_factor());
    Ok(if wants { with_second_factor(cx) } else { cx })
}

/// The same surroundings, where everybody needs a second factor that is one.
#[must_use]
pub fn with_second_factor(cx: Cx) -> Cx {
    let mut tenant = Tenant::clone(&cx.tenant);
    tenant.settings.mfa_required = true;
    tenant.settings.trusted_device_lifetime = std::time::Duration::ZERO;
    tenant.settings.mfa_methods.retain(|method| *method != Method::Email);
    Cx { tenant: Arc::new(tenant), ..cx }
}

/// Where a browser goes on that has just signed in; `None` where nothing is pending.
///
/// # Errors
/// Where the database fails.
pub async fn redirect_uri(cx: &Cx, browser: Option<&Token>) -> Result<Option<String>> {
    if browser.is_none() {
        return Ok(None);
    }
    let ox = at_tenant(cx);
    let visitor = visitor(browser);
    let Some(pending) = pending::find(&ox, None, &visitor).await? else { return Ok(None) };
    // Whoever was chosen before has been replaced by who has just signed in.
    if pending.chosen_session.is_some() {
        asking::signed_in(&ox, &pending, &visitor, cx.tenant.id).await?;
    }
    Ok(Some(resumption(&ox, None)))
}

/// The address at which a pending request goes on.
#[must_use]
pub fn resumption(ox: &Ox, handle: Option<&Token>) -> String {
    let base = format!("{}/authorize/resume", ox.oauth_base());
    match handle {
        Some(handle) => format!("{base}?request={}", handle.expose()),
        None => base,
    }
}
