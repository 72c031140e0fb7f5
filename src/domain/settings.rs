//! What holds in a tenant: settings as written in layers, and as they take effect.
//!
//! A layer ([`SettingsLayer`]) says only what somebody decided: the tenant, or its partner. Where
//! no layer speaks, the product's default holds; where both speak on a matter of security, the
//! stricter wins, so that a tenant cannot loosen what its partner demands.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::domain::{factor::Method, password::PasswordPolicy, token::SigningAlgorithm};

/// One layer of settings, as stored and as an operator writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsLayer {
    /// Who may make an account for himself, and how.
    pub registration: RegistrationLayer,
    /// What a password must be.
    pub password_policy: PasswordPolicyLayer,
    /// Second factors.
    pub mfa: MfaLayer,
    /// Passkeys.
    pub passkeys: PasskeyLayer,
    /// What people may do with their own accounts.
    pub account: AccountLayer,
    /// How long a session lives.
    pub session: SessionLayer,
    /// The Authentication API.
    pub auth_api: AuthApiLayer,
    /// Signed tokens.
    pub tokens: TokensLayer,
    /// Addresses that a person may be sent to after a mailed link, compared exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_return_urls: Option<Vec<String>>,
    /// The language where a person has chosen none: `en` or `de`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_locale: Option<String>,
}

macro_rules! layer {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
    };
}

layer! {
    /// Self-registration.
    RegistrationLayer {
        /// Whether people may register themselves. Default: no.
        enabled: bool,
        /// Whether an address must be proved before there is an account. Default: yes.
        email_verification: bool,
        /// Whether an administrator must agree. Default: no.
        approval: bool,
        /// `none` or `proof_of_work`. Default: `none`.
        captcha: Captcha,
        /// Domains that alone are taken; subdomains are domains of their own.
        allowed_email_domains: Vec<String>,
        /// Domains that are never taken.
        blocked_email_domains: Vec<String>,
        /// A JSON Schema that `custom_data` must fit.
        custom_data_schema: Value,
    }
}

layer! {
    /// What a password must be; see [`PasswordPolicy`].
    PasswordPolicyLayer {
        /// Characters at least; never below 8.
        min_length: usize,
        /// A small letter.
        require_lowercase: bool,
        /// A capital letter.
        require_uppercase: bool,
        /// A digit.
        require_digit: bool,
        /// Something that is neither letter nor digit.
        require_symbol: bool,
        /// Not one of the common passwords. Default: yes.
        refuse_common: bool,
        /// Not one of the last so many. Default: 0.
        history: usize,
        /// Days until a new one is due. Default: never.
        max_age_days: u32,
        /// Not one known to the breached-password service. Default: no.
        check_breached: bool,
    }
}

layer! {
    /// Second factors.
    MfaLayer {
        /// Whether everybody needs one. Default: no.
        required: bool,
        /// Whether a mailed code counts as one. Default: yes.
        email_allowed: bool,
        /// Those that count at all. Default: all four.
        methods: Vec<Method>,
        /// Days that a trusted device is not asked for one; 0 turns it off. Default: 30.
        trusted_device_days: u32,
    }
}

layer! {
    /// Passkeys and security keys.
    PasskeyLayer {
        /// Whether one may sign in by passkey alone, or must use one. Default: `allowed`.
        sign_in: PasskeySignIn,
        /// The relying party id: the host of the public address, or a domain above it. Default:
        /// that host.
        rp_id: String,
        /// The origins on which they are used. Default: the public address.
        origins: Vec<String>,
        /// Whether the device must verify its user even as a second factor. Default: no.
        user_verification: bool,
        /// The models of authenticator (AAGUID) that alone are taken. Default: all.
        allowed_aaguids: Vec<Uuid>,
    }
}

layer! {
    /// What people may do with their own accounts.
    AccountLayer {
        /// Whether people may delete their accounts. Default: no.
        self_deletion: bool,
        /// Days until a deleted account is gone, 0 to 90. Default: 14.
        deletion_grace_days: u32,
    }
}

/// Whether a passkey alone signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasskeySignIn {
    /// No; it is a second factor at most.
    Off,
    /// Yes, as one way of several.
    Allowed,
    /// Yes, and nothing gets anybody in without one.
    Required,
}

layer! {
    /// How long a session lives.
    SessionLayer {
        /// Minutes without use. Default: 60.
        idle_minutes: u32,
        /// Minutes in all. Default: 1,440 (24 hours).
        absolute_minutes: u32,
        /// Minutes without use with `remember_me`. Default: 20,160 (14 days).
        remember_idle_minutes: u32,
        /// Minutes in all with `remember_me`. Default: 43,200 (30 days).
        remember_absolute_minutes: u32,
    }
}

layer! {
    /// The Authentication API.
    AuthApiLayer {
        /// Whether every caller must present an application's token. Default: no.
        require_client_token: bool,
    }
}

layer! {
    /// Signed tokens.
    TokensLayer {
        /// `ES256`, `RS256` or `EdDSA`. Default: `ES256`.
        access_token_algorithm: SigningAlgorithm,
    }
}

/// What proves that no machine registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Captcha {
    /// Nothing.
    None,
    /// A puzzle that the browser solves by itself.
    ProofOfWork,
}

/// Settings as they take effect.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Whether people may register themselves.
    pub registration_enabled: bool,
    /// Whether an address must be proved before there is an account.
    pub email_verification: bool,
    /// Whether an administrator must agree to a registration.
    pub approval: bool,
    /// What proves that no machine registers.
    pub captcha: Captcha,
    /// Domains that alone are taken; `None`: all.
    pub allowed_email_domains: Option<Vec<String>>,
    /// Domains that are never taken.
    pub blocked_email_domains: Vec<String>,
    /// What `custom_data` must fit.
    pub custom_data_schema: Option<Value>,
    /// What a password must be.
    pub password_policy: PasswordPolicy,
    /// Whether everybody needs a second factor.
    pub mfa_required: bool,
    /// The second factors that count, strongest first.
    pub mfa_methods: Vec<Method>,
    /// How long a trusted device is not asked for a second factor; zero: there are none.
    pub trusted_device_lifetime: Duration,
    /// Passkeys and security keys.
    pub passkeys: Passkeys,
    /// Whether people may delete their accounts, and how long the account is kept then.
    pub self_deletion: Option<Duration>,
    /// Session lifetimes without and with `remember_me`.
    pub session: SessionLifetimes,
    /// Whether every caller must present an application's token.
    pub require_client_token: bool,
    /// How access tokens are signed.
    pub access_token_algorithm: SigningAlgorithm,
    /// Where a person may be sent after a mailed link.
    pub allowed_return_urls: Vec<String>,
    /// The language where a person has chosen none.
    pub default_locale: String,
}

/// Passkeys and security keys, as they take effect.
#[derive(Debug, Clone)]
pub struct Passkeys {
    /// Whether one alone signs in.
    pub sign_in: PasskeySignIn,
    /// The relying party id; `None`: the host of the public address.
    pub rp_id: Option<String>,
    /// The origins on which they are used; empty: the public address.
    pub origins: Vec<Url>,
    /// Whether the device must verify its user even as a second factor.
    pub user_verification: bool,
    /// The models of authenticator that alone are taken; `None`: all.
    pub allowed_aaguids: Option<Vec<Uuid>>,
}

/// How long a session lives, without and with `remember_me`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Without use.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// Without use, remembered.
    pub remember_idle: Duration,
    /// In all, remembered.
    pub remember_absolute: Duration,
}

impl Settings {
    /// The effect of a partner's and a tenant's layer together.
    #[must_use]
    pub fn effective(partner: &SettingsLayer, tenant: &SettingsLayer) -> Self {
        let (p, t) = (&partner.registration, &tenant.registration);
        let passkeys = passkeys(&partner.passkeys, &tenant.passkeys);
        Self {
            registration_enabled: t.enabled.unwrap_or(false) && p.enabled != Some(false),
            email_verification: demanded(p.email_verification, t.email_verification, true),
            approval: demanded(p.approval, t.approval, false),
            captcha: if [p.captcha, t.captcha].contains(&Some(Captcha::ProofOfWork)) {
                Captcha::ProofOfWork
            } else {
                Captcha::None
            },
            allowed_email_domains: common(
                p.allowed_email_domains.as_ref(),
                t.allowed_email_domains.as_ref(),
            ),
            blocked_email_domains: [&p.blocked_email_domains, &t.blocked_email_domains]
                .into_iter()
                .flatten()
                .flatten()
                .cloned()
                .collect(),
            custom_data_schema: t
                .custom_data_schema
                .clone()
                .or_else(|| p.custom_data_schema.clone()),
            password_policy: policy(&partner.password_policy, &tenant.password_policy),
            mfa_required: demanded(partner.mfa.required, tenant.mfa.required, false)
                || passkeys.sign_in == PasskeySignIn::Required,
            mfa_methods: methods(&partner.mfa, &tenant.mfa, passkeys.sign_in),
            trusted_device_lifetime: trusted_device_lifetime(partner, tenant, passkeys.sign_in),
            passkeys,
            self_deletion: deletion(&partner.account, &tenant.account),
            session: lifetimes(&partner.session, &tenant.session),
            require_client_token: demanded(
                partner.auth_api.require_client_token,
                tenant.auth_api.require_client_token,
                false,
            ),
            // No matter of strictness: each is as safe as the others, so the tenant chooses.
            access_token_algorithm: tenant
                .tokens
                .access_token_algorithm
                .or(partner.tokens.access_token_algorithm)
                .unwrap_or(SigningAlgorithm::Es256),
            allowed_return_urls: tenant.allowed_return_urls.clone().unwrap_or_default(),
            default_locale: tenant
                .default_locale
                .clone()
                .or_else(|| partner.default_locale.clone())
                .unwrap_or_else(|| "en".to_owned()),
        }
    }
}

/// A demand holds as soon as one layer makes it.
fn demanded(partner: Option<bool>, tenant: Option<bool>, default: bool) -> bool {
    match (partner, tenant) {
        (None, None) => default,
        (a, b) => a == Some(true) || b == Some(true),
    }
}

/// A permission falls as soon as one layer refuses it.
fn granted(partner: Option<bool>, tenant: Option<bool>, default: bool) -> bool {
    match (partner, tenant) {
        (None, None) => default,
        (a, b) => a != Some(false) && b != Some(false),
    }
}

/// What both allow, where both say something.
fn common<T: Clone + PartialEq>(
    partner: Option<&Vec<T>>,
    tenant: Option<&Vec<T>>,
) -> Option<Vec<T>> {
    match (partner, tenant) {
        (Some(p), Some(t)) => Some(t.iter().filter(|it| p.contains(it)).cloned().collect()),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

/// The methods that both layers allow. Where nothing gets in without a passkey, nothing else
/// stands in for one. Where the layers have no factor in common, all that are not refused by name
/// count, so that nobody is locked out by two lists that do not know of each other.
fn methods(p: &MfaLayer, t: &MfaLayer, passkey: PasskeySignIn) -> Vec<Method> {
    if passkey == PasskeySignIn::Required {
        return vec![Method::Webauthn];
    }
    let named = |layer: &MfaLayer, method| {
        layer.methods.as_ref().is_none_or(|methods| methods.contains(&method))
    };
    let mailed = granted(p.email_allowed, t.email_allowed, true);
    let possible = Method::ALL.into_iter().filter(|method| *method != Method::Email || mailed);
    let both = possible.clone().filter(|method| named(p, *method) && named(t, *method));
    if both.clone().any(|method| method != Method::BackupCode) {
        both.collect()
    } else {
        possible.collect()
    }
}

/// Where nothing gets in without a passkey, no device does.
fn trusted_device_lifetime(
    partner: &SettingsLayer,
    tenant: &SettingsLayer,
    passkey: PasskeySignIn,
) -> Duration {
    let asked = shortest(partner.mfa.trusted_device_days, tenant.mfa.trusted_device_days);
    if passkey == PasskeySignIn::Required { Duration::ZERO } else { days(asked.unwrap_or(30)) }
}

fn passkeys(p: &PasskeyLayer, t: &PasskeyLayer) -> Passkeys {
    let said = [p.sign_in, t.sign_in];
    // What is switched off stays off; a demand beats a mere permission.
    let sign_in = [PasskeySignIn::Off, PasskeySignIn::Required]
        .into_iter()
        .find(|strict| said.contains(&Some(*strict)))
        .unwrap_or(PasskeySignIn::Allowed);
    let origins = t.origins.as_ref().or(p.origins.as_ref());
    Passkeys {
        sign_in,
        rp_id: t.rp_id.clone().or_else(|| p.rp_id.clone()),
        origins: origins.into_iter().flatten().filter_map(|text| Url::parse(text).ok()).collect(),
        user_verification: demanded(p.user_verification, t.user_verification, false),
        allowed_aaguids: common(p.allowed_aaguids.as_ref(), t.allowed_aaguids.as_ref()),
    }
}

fn deletion(p: &AccountLayer, t: &AccountLayer) -> Option<Duration> {
    let allowed = t.self_deletion.unwrap_or(false) && p.self_deletion != Some(false);
    let grace = t.deletion_grace_days.or(p.deletion_grace_days).unwrap_or(14);
    allowed.then(|| days(grace))
}

fn policy(p: &PasswordPolicyLayer, t: &PasswordPolicyLayer) -> PasswordPolicy {
    PasswordPolicy {
        min_length: p.min_length.max(t.min_length),
        require_lowercase: demanded(p.require_lowercase, t.require_lowercase, false),
        require_uppercase: demanded(p.require_uppercase, t.require_uppercase, false),
        require_digit: demanded(p.require_digit, t.require_digit, false),
        require_symbol: demanded(p.require_symbol, t.require_symbol, false),
        refuse_common: demanded(p.refuse_common, t.refuse_common, true),
        history: p.history.max(t.history).unwrap_or(0),
        max_age_days: shortest(p.max_age_days, t.max_age_days),
        check_breached: demanded(p.check_breached, t.check_breached, false),
    }
}

fn shortest(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    [a, b].into_iter().flatten().min()
}

fn lifetimes(p: &SessionLayer, t: &SessionLayer) -> SessionLifetimes {
    let pick = |a: Option<u32>, b: Option<u32>, default: u32| {
        Duration::from_secs(u64::from(shortest(a, b).unwrap_or(default)) * 60)
    };
    SessionLifetimes {
        idle: pick(p.idle_minutes, t.idle_minutes, 60),
        absolute: pick(p.absolute_minutes, t.absolute_minutes, 24 * 60),
        remember_idle: pick(p.remember_idle_minutes, t.remember_idle_minutes, 14 * 24 * 60),
        remember_absolute: pick(
            p.remember_absolute_minutes,
            t.remember_absolute_minutes,
            30 * 24 * 60,
        ),
    }
}

impl SettingsLayer {
    /// The faults of these values, one sentence each, with the setting's name first.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        let policy = &self.password_policy;
        check(
            policy.min_length.is_none_or(|min| (8..=256).contains(&min)),
            "password_policy.min_length: 8 to 256",
        );
        check(policy.history.is_none_or(|n| n <= 24), "password_policy.history: 0 to 24");
        check(policy.max_age_days != Some(0), "password_policy.max_age_days: 1 or more");
        let session = &self.session;
        for (name, minutes) in [
            ("idle_minutes", session.idle_minutes),
            ("absolute_minutes", session.absolute_minutes),
            ("remember_idle_minutes", session.remember_idle_minutes),
            ("remember_absolute_minutes", session.remember_absolute_minutes),
        ] {
            check(
                minutes.is_none_or(|m| (1..=525_600).contains(&m)),
                &format!("session.{name}: 1 to 525600"),
            );
        }
        check(
            self.allowed_return_urls.iter().flatten().all(|url| is_return_url(url)),
            "allowed_return_urls: absolute http or https addresses without user, fragment or '*'",
        );
        check(
            self.default_locale.as_deref().is_none_or(|locale| ["en", "de"].contains(&locale)),
            "default_locale: en or de",
        );
        let registration = &self.registration;
        check(
            [&registration.allowed_email_domains, &registration.blocked_email_domains]
                .into_iter()
                .flatten()
                .flatten()
                .all(|domain| idna::domain_to_ascii(domain).is_ok_and(|ascii| ascii == *domain)),
            "registration.*_email_domains: domains in lower case, international ones as xn--",
        );
        check(
            registration.custom_data_schema.as_ref().is_none_or(is_schema),
            "registration.custom_data_schema: a JSON Schema (draft 2020-12) without remote references",
        );
        faults.extend(self.factor_faults());
        faults
    }

    /// The faults of what concerns factors and accounts.
    fn factor_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        let mfa = &self.mfa;
        check(
            mfa.trusted_device_days.is_none_or(|days| days <= 365),
            "mfa.trusted_device_days: 0 to 365",
        );
        let counts = |methods: &Vec<Method>| methods.iter().any(|it| *it != Method::BackupCode);
        check(
            mfa.methods.as_ref().is_none_or(counts),
            "mfa.methods: at least one of webauthn, totp and email",
        );
        let passkeys = &self.passkeys;
        let demanded = passkeys.sign_in == Some(PasskeySignIn::Required);
        check(
            !demanded || mfa.methods.as_ref().is_none_or(|it| it.contains(&Method::Webauthn)),
            "mfa.methods: webauthn too, since passkeys.sign_in demands it",
        );
        check(
            passkeys.rp_id.as_deref().is_none_or(is_domain),
            "passkeys.rp_id: a domain in lower case",
        );
        check(
            passkeys.origins.iter().flatten().all(|text| is_origin(text)),
            "passkeys.origins: https addresses (http for localhost) of scheme, host and port alone",
        );
        check(
            self.account.deletion_grace_days.is_none_or(|days| days <= 90),
            "account.deletion_grace_days: 0 to 90",
        );
        faults
    }
}

fn is_return_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && !text.contains(['*', '\\'])
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
    })
}

fn is_domain(text: &str) -> bool {
    !text.is_empty() && matches!(url::Host::parse(text), Ok(url::Host::Domain(it)) if it == text)
}

/// An origin as browsers spell it. Passkeys work over TLS only, but for the machine itself.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let local = matches!(url.host_str(), Some(host) if host == "localhost" || host.ends_with(".localhost"));
        (url.scheme() == "https" || (url.scheme() == "http" && local))
            && url.origin().ascii_serialization() == text
    })
}

fn is_schema(value: &Value) -> bool {
    value.is_object() && jsonschema::validator_for(value).is_ok()
}

#[cfg(test)]
mod tests;
