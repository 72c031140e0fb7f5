//! The tokens that applications register themselves with (initial access tokens, RFC 7591 §1.2):
//! made and taken back by operators.

use std::time::Duration;

use crate::{
    crypto::opaque::Token,
    domain::{
        audit::{Action, Actor, Event, Target},
        tenant::is_label,
    },
    error::{Error, Result},
    flows::Cx,
    id::RegistrationTokenId,
    store::{
        self,
        registration_tokens::{self, RegistrationToken},
    },
};

/// Applications that one token registers, at most.
pub const MOST_USES: i64 = 1_000;
/// Days that a token lives, at most.
pub const LONGEST_DAYS: u64 = 365;

/// A token about to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// What it is for, for people.
    pub label: String,
    /// How many applications it registers.
    pub uses: i64,
    /// How many days it lives.
    pub days: u64,
}

/// Makes a token, which is told this once.
///
/// # Errors
/// Values that are not allowed, or where the database fails.
pub async fn create(cx: &Cx, new: New) -> Result<(RegistrationToken, Token)> {
    if !is_label(&new.label) {
        let said = "1 to 256 characters without control characters";
        return Err(Error::invalid_field("label", said));
    }
    if !(1..=MOST_USES).contains(&new.uses) {
        return Err(Error::invalid_field("uses", format!("1 to {MOST_USES}")));
    }
    if !(1..=LONGEST_DAYS).contains(&new.days) {
        return Err(Error::invalid_field("expires", format!("1 to {LONGEST_DAYS} days")));
    }
    let secret = Token::generate(&cx.app.entropy)?;
    let token = RegistrationToken {
        id: cx.id()?,
        label: new.label,
        uses_left: new.uses,
        created_at: cx.now,
        expires_at: cx.now + Duration::from_secs(new.days * 86_400),
    };
    let event = event(cx, Action::RegistrationTokenCreated, token.id);
    let queries = vec![
        registration_tokens::insert(cx.tenant.id, &token, *secret.digest().as_bytes()),
        cx.record(event)?,
    ];
    cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    Ok((token, secret))
}

/// The tokens of the tenant.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx) -> Result<Vec<RegistrationToken>> {
    let read = cx
        .app
        .db
        .read(cx.tenant.id, |tx, tenant| Box::pin(registration_tokens::of_tenant(tx, *tenant)));
    read.await
}

/// Takes a token out of use. What was registered with it stays.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn revoke(cx: &Cx, id: RegistrationTokenId) -> Result<()> {
    let audit = cx.record(event(cx, Action::RegistrationTokenRevoked, id))?;
    cx.app
        .db
        .write((cx.tenant.id, id, audit), |tx, (tenant, id, audit)| {
            Box::pin(async move {
                if store::registration_tokens::revoke(*tenant, *id).execute(tx).await? != 1 {
                    return Err(Error::NotFound);
                }
                audit.clone().execute(tx).await?;
                Ok(())
            })
        })
        .await
}

fn event(cx: &Cx, action: Action, id: RegistrationTokenId) -> Event {
    let target = Target::Tenant(cx.tenant.id);
    Event::success(action, Actor::Operator, target).with("registration_token", id.to_string())
}
