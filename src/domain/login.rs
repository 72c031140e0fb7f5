//! The decision of a sign-in: facts in, one answer out.
//!
//! Every branch that follows a password is on this page and nowhere else; whoever takes a
//! password (the API, a page, a portal) asks here.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    domain::{
        factor::Method,
        settings::Settings,
        user::{User, UserStatus},
    },
};

/// What the password turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The account's password.
    Account,
    /// The password of the newest registration that is still pending for the address.
    Pending,
    /// Wrong, or nothing to compare it with.
    Wrong,
}

/// What is known when the password has been checked.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What the password turned out to be.
    pub proof: Proof,
    /// The account, where there is one.
    pub account: Option<Account>,
}

/// What is known of the account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Whether it may be used.
    pub status: UserStatus,
    /// Whether its address is proved.
    pub email_verified: bool,
    /// Whether an administrator wants a new password.
    pub must_change_password: bool,
    /// When the password was set.
    pub password_changed_at: Timestamp,
    /// The second factors that are enrolled, in any order.
    pub methods: Vec<Method>,
    /// The one the user prefers.
    pub default_method: Option<Method>,
    /// Whether a trusted-device token for this very user was shown.
    pub device_trusted: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No, and nothing more is told.
    Refuse,
    /// The same no, and the mail that proves a pending registration goes out once more.
    RefusePending,
    /// The account is suspended, or not yet approved.
    Suspended,
    /// The address has to be proved first.
    EmailNotVerified,
    /// A new password is due.
    ChangePassword,
    /// A second factor is due.
    Challenge {
        /// What the user may use, strongest first.
        methods: Vec<Method>,
        /// What to offer first.
        default: Method,
    },
    /// A second factor is due and the user has none to show.
    Enrol,
    /// In.
    Grant,
}

/// Decides what follows a password.
#[must_use]
pub fn decide(settings: &Settings, facts: &Facts, now: Timestamp) -> Decision {
    let account = match (facts.proof, &facts.account) {
        (Proof::Account, Some(account)) => account,
        (Proof::Pending, _) => return Decision::RefusePending,
        _ => return Decision::Refuse,
    };
    if account.status != UserStatus::Active {
        return Decision::Suspended;
    }
    if settings.email_verification && !account.email_verified {
        return Decision::EmailNotVerified;
    }
    if account.must_change_password || is_expired(settings, account, now) {
        return Decision::ChangePassword;
    }
    // A device that was trusted before the tenant gave that up is trusted no longer.
    let trusted = account.device_trusted && !settings.trusted_device_lifetime.is_zero();
    if trusted || !(settings.mfa_required || has_factor(&account.methods)) {
        return Decision::Grant;
    }
    challenge(settings, account)
}

/// What happens after a passkey that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyDecision {
    /// The account is suspended, or not yet approved.
    Suspended,
    /// The address has to be proved first.
    EmailNotVerified,
    /// A new password is due: somebody else may have changed what this account is opened by.
    ChangePassword,
    /// In.
    Grant,
}

/// Decides what follows a passkey whose user was verified. A password that is merely old is none
/// of its business.
#[must_use]
pub fn decide_passkey(settings: &Settings, user: &User) -> PasskeyDecision {
    if user.status != UserStatus::Active {
        return PasskeyDecision::Suspended;
    }
    if settings.email_verification && user.email_verified_at.is_none() {
        return PasskeyDecision::EmailNotVerified;
    }
    if user.must_change_password { PasskeyDecision::ChangePassword } else { PasskeyDecision::Grant }
}

fn is_expired(settings: &Settings, account: &Account, now: Timestamp) -> bool {
    settings.password_policy.max_age_days.is_some_and(|days| {
        now.since(account.password_changed_at) >= Duration::from_secs(u64::from(days) * 86_400)
    })
}

/// Backup codes alone are no factor: they stand in for one.
fn has_factor(methods: &[Method]) -> bool {
    methods.iter().any(|method| *method != Method::BackupCode)
}

/// Whether one of the methods is a factor that the tenant counts.
#[must_use]
pub fn counts(settings: &Settings, methods: &[Method]) -> bool {
    let counted = |method: &Method| settings.mfa_methods.contains(method);
    methods.iter().any(|method| *method != Method::BackupCode && counted(method))
}

/// What the account may show as a second factor, strongest first: what it has enrolled and the
/// tenant allows; a mailed code also where nothing of that counts and the address is proved.
#[must_use]
pub fn offered(settings: &Settings, account: &Account) -> Vec<Method> {
    let unasked = !counts(settings, &account.methods) && account.email_verified;
    let has =
        |method: &Method| account.methods.contains(method) || (unasked && *method == Method::Email);
    settings.mfa_methods.iter().copied().filter(has).collect()
}

fn challenge(settings: &Settings, account: &Account) -> Decision {
    let methods = offered(settings, account);
    let preferred = account.default_method.filter(|method| methods.contains(method));
    match preferred.or_else(|| methods.first().copied()) {
        Some(default) if has_factor(&methods) => Decision::Challenge { methods, default },
        _ => Decision::Enrol,
    }
}

#[cfg(test)]
mod tests;
