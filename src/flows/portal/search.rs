//! Finding the tenant of somebody who names none.
//!
//! The password is tried in every tenant in which the address has an account, by that tenant's own
//! rule against guessing: whoever administers one tenant must not get guesses at an account in
//! another that nobody counts. What is counted here on top is alike for every address.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::{Input, Outcome, Visit};
use crate::{
    crypto::{
        hasher::{Class, Order, Share},
        opaque::digest_text,
    },
    domain::{
        email::Email,
        guessing::{self, Count, MAX_FAILURES},
        limits::Limit,
        tenant::{Slug, Tenant},
    },
    error::{Code, Context, Error, Result},
    flows::{
        Cx,
        login::{self, Looked, account_subject},
        risk::Occasion,
    },
    store::{self, portal::Candidate},
};

/// Tenants that are tried for one address.
const CANDIDATES: i64 = 8;
/// Passwords that are hashed at least, so that an address with no account, one or two costs the
/// same.
const HASHES: usize = 2;
/// Cookies of devices that are looked at.
const DEVICES: usize = 8;

/// The tenants in which the visitor's device is known as one of the address's account.
///
/// # Errors
/// Where the database fails.
pub(super) async fn known(visit: &Visit, email: &Email) -> Result<Vec<Arc<Tenant>>> {
    let found = visit
        .app
        .db
        .read((devices(visit), email.key().to_owned()), |tx, (devices, key)| {
            Box::pin(async move {
                let mut found = Vec::new();
                for (tenant, digest) in devices {
                    found.extend(store::portal::known(tx, *tenant, key, *digest).await?);
                }
                Ok(found)
            })
        })
        .await?;
    found.into_iter().map(|candidate| parsed(visit, candidate)).collect()
}

fn devices(visit: &Visit) -> Vec<(crate::id::TenantId, [u8; 32])> {
    let digests = visit.devices.iter().map(|(id, token)| (*id, *token.digest().as_bytes()));
    digests.take(DEVICES).collect()
}

fn parsed(visit: &Visit, candidate: Candidate) -> Result<Arc<Tenant>> {
    let slug = Slug::parse(&candidate.slug).doing("reading a stored slug")?;
    visit.app.tenants.parsed(&slug, candidate.tenant)
}

/// What is counted for the address and for the client network, over all tenants.
#[derive(Debug, Clone, Copy)]
struct Subjects {
    address: [u8; 32],
    network: [u8; 32],
}

impl Subjects {
    fn of(visit: &Visit, email: &Email) -> Self {
        Self {
            address: account_subject(email.key()),
            network: digest_text(&["network", &visit.caller.address.network()]),
        }
    }
}

/// What is known of an address before its password is looked at.
struct Facts {
    address_count: Option<Count>,
    network_count: Option<Count>,
    candidates: Vec<Candidate>,
}

impl Facts {
    /// As for an account, but never for good: no reset of a password would end that.
    fn wait(&self, visit: &Visit) -> Option<std::time::Duration> {
        let address = self
            .address_count
            .map(|count| Count { failures: count.failures.min(MAX_FAILURES - 1), ..count });
        let network = guessing::window_wait(self.network_count, Limit::WrongPasswords, visit.now);
        guessing::account_wait(address, visit.now).max(network)
    }
}

async fn facts(visit: &Visit, email: &Email, subjects: Subjects) -> Result<Facts> {
    visit
        .app
        .db
        .read((email.key().to_owned(), subjects), |tx, (key, subjects)| {
            Box::pin(async move {
                Ok(Facts {
                    address_count: store::portal::count(tx, subjects.address).await?,
                    network_count: store::portal::count(tx, subjects.network).await?,
                    candidates: store::portal::candidates_all_tenants(tx, key, CANDIDATES).await?,
                })
            })
        })
        .await
}

/// A password that was looked at in one tenant.
struct Tried {
    cx: Cx,
    input: login::Input,
    looked: Looked,
}

/// Signs in wherever address and password fit.
///
/// # Errors
/// `too_many_attempts`, `invalid_credentials`; what the one account that fits has to say; or where
/// the database or the hash queue fails.
pub(super) async fn sign_in(visit: &Visit, input: &Input) -> Result<Outcome> {
    let _turn = visit.app.gates.enter(account_subject(input.email.key())).await?;
    let subjects = Subjects::of(visit, &input.email);
    let facts = facts(visit, &input.email, subjects).await?;
    // A stranger's guesses never hold back a device that the person has signed in from.
    if let Some(retry) = facts.wait(visit)
        && known(visit, &input.email).await?.is_empty()
    {
        metrics::counter!("countersign_throttled_total", "verdict" => "throttled").increment(1);
        return Err(Error::Throttled { retry });
    }
    let counted = facts.address_count.is_some();
    let tried = look(visit, input, facts.candidates).await?;
    let (mut right, wrong): (Vec<Tried>, Vec<Tried>) =
        tried.into_iter().partition(|tried| tried.looked.is_right());
    let failures = try_join_all(wrong.into_iter().map(fail));
    if right.is_empty() {
        let (counted, failed) = tokio::join!(count(visit, subjects), failures);
        counted.and(failed)?;
        return Err(Error::refused(Code::InvalidCredentials));
    }
    failures.await?;
    if right.len() > 1 {
        return Ok(Outcome::Choose(right.into_iter().map(|tried| tried.cx.tenant).collect()));
    }
    let Some(Tried { cx, input, looked }) = right.pop() else {
        return Err(Error::refused(Code::InvalidCredentials));
    };
    let outcome = login::conclude(&cx, &input, looked).await?;
    if counted {
        let clear = store::portal::clear(subjects.address);
        visit.app.db.write(clear, |tx, clear| Box::pin(clear.clone().execute(tx))).await?;
    }
    Ok(Outcome::Entered(cx, outcome))
}

/// Looks at the password in each tenant where the account need not wait. What is not looked at is
/// made up for by work that leads nowhere. All of it is at the expense of those who name no tenant:
/// how busy a tenant is must not tell whether an address has an account there.
async fn look(visit: &Visit, input: &Input, candidates: Vec<Candidate>) -> Result<Vec<Tried>> {
    let hashes = candidates.len().max(HASHES);
    let mut tried = Vec::new();
    for candidate in candidates {
        let cx = visit.cx(parsed(visit, candidate)?);
        let input = input.in_tenant(visit, cx.tenant.id);
        match login::look_for(&cx, &input, Occasion::SignIn, Share::NO_TENANT).await {
            Ok(looked) => tried.push(Tried { cx, input, looked }),
            // Nor where that tenant wants a captcha, which is not asked for before it is known whose.
            Err(Error::Throttled { .. }) => {}
            Err(Error::Refused(no))
                if matches!(no.code, Code::CaptchaRequired | Code::CaptchaFailed) => {}
            Err(fault) => return Err(fault),
        }
    }
    for _ in tried.len()..hashes {
        let order = Order { share: Share::NO_TENANT, class: Class::Stranger };
        visit.app.passwords.verify(order, &input.password, None).await?;
    }
    Ok(tried)
}

/// Counts a wrong password in its tenant.
async fn fail(tried: Tried) -> Result<()> {
    let Tried { cx, input, looked } = tried;
    match login::conclude(&cx, &input, looked).await {
        Ok(_) => Err(Error::internal("counting a wrong password", "it was right")),
        Err(Error::Refused(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Counts a try that fits no account.
async fn count(visit: &Visit, subjects: Subjects) -> Result<()> {
    let queries = vec![
        store::portal::add(subjects.address, visit.now),
        store::portal::add_in_window(
            subjects.network,
            Limit::WrongPasswords.policy().window,
            visit.now,
        ),
    ];
    visit.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    Ok(())
}
