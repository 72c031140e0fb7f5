//! Looking at a step: what a page can ask for.

use std::time::Duration;

use super::{Named, available, bad_step, find, mailed};
use crate::{
    crypto::opaque::Token,
    domain::factor::{Method, masked_email},
    error::Result,
    flows::Cx,
};

/// What a step can be answered with.
#[derive(Debug)]
pub struct Offer {
    /// The methods, strongest first.
    pub methods: Vec<Method>,
    /// The one to offer first.
    pub default: Method,
    /// Where a code is mailed to, so that only its owner knows which address it is.
    pub destination: String,
    /// Whether a code was mailed.
    pub is_code_sent: bool,
    /// How long the next mailed code has to wait.
    pub next_code_in: Option<Duration>,
}

/// Looks at a step; nothing is counted.
///
/// # Errors
/// `invalid_mfa_token`, `too_many_attempts`, or where the database fails.
pub async fn look(cx: &Cx, named: &Named) -> Result<Offer> {
    let token = Token::parse(named.token.expose()).ok_or_else(bad_step)?;
    let step = find(cx, &token, named, None).await?;
    let methods = available(cx, &step);
    let preferred = step.default_method.filter(|method| methods.contains(method));
    let default = preferred.or_else(|| methods.first().copied()).ok_or_else(bad_step)?;
    Ok(Offer {
        methods,
        default,
        destination: masked_email(&step.user.email),
        is_code_sent: step.email_code.is_some(),
        next_code_in: mailed::wait(cx, &step),
    })
}
