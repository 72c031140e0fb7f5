//! What holds in a tenant: settings as written in layers, and as they take effect.
//!
//! A layer ([`SettingsLayer`]) says only what somebody decided: the tenant, or its partner. Where
//! no layer speaks, the product's default holds; where both speak on a matter of security, the
//! stricter wins, so that a tenant cannot loosen what its partner demands.

use std::time::Duration;

use serde_json::Value;
use url::Url;
use uuid::Uuid;

pub use self::layer::{
    AccountLayer, AuthApiLayer, Captcha, CaptchaLayer, CaptchaProvider, CaptchaUse, LOCALES,
    MfaLayer, NoticesLayer, OauthLayer, PagesLayer, PasskeyLayer, PasskeySignIn,
    PasswordPolicyLayer, RegistrationLayer, SelfRegistration, SessionLayer, SettingsLayer,
    SignInForm, SignInLayer, TokensLayer,
};
use crate::domain::{factor::Method, password::PasswordPolicy, token::SigningAlgorithm};

mod layer;

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
    /// What proves that no machine asks.
    pub captchas: Captchas,
    /// Domains that alone are taken; `None`: all.
    pub allowed_email_domains: Option<Vec<String>>,
    /// Domains that are never taken.
    pub blocked_email_domains: Vec<String>,
    /// What `custom_data` must fit.
    pub custom_data_schema: Option<Value>,
    /// What a password must be.
    pub password_policy: PasswordPolicy,
    /// What the sign-in page asks for first.
    pub sign_in_form: SignInForm,
    /// Whether everybody needs a second factor.
    pub mfa_required: bool,
    /// The second factors that count, strongest first.
    pub mfa_methods: Vec<Method>,
    /// How long a trusted device is not asked for a second factor; zero: there are none.
    pub trusted_device_lifetime: Duration,
    /// Passkeys and security keys.
    pub passkeys: Passkeys,
    /// Whether people are told of sign-ins with known devices from networks that are new for them.
    pub notices_of_places: bool,
    /// Whether people may delete their accounts, and how long the account is kept then.
    pub self_deletion: Option<Duration>,
    /// Session lifetimes without and with `remember_me`.
    pub session: SessionLifetimes,
    /// Whether every caller must present an application's token.
    pub require_client_token: bool,
    /// How access tokens are signed.
    pub access_token_algorithm: SigningAlgorithm,
    /// Applications that come by themselves.
    pub oauth: Oauth,
    /// Origins whose pages may show the sign-in in a frame.
    pub embed_origins: Vec<String>,
    /// Where a person may be sent after a mailed link.
    pub allowed_return_urls: Vec<String>,
    /// The language where a person has chosen none.
    pub default_locale: String,
}

/// Applications that come by themselves, as it takes effect.
#[derive(Debug, Clone)]
pub struct Oauth {
    /// Which may register themselves.
    pub registration: SelfRegistration,
    /// Scopes, besides the usual ones, that they may be allowed.
    pub registration_scopes: Vec<String>,
    /// Whether the address of a metadata document is a client id.
    pub metadata_documents: bool,
}

/// What proves that no machine asks, as it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captchas {
    /// Who makes them.
    pub provider: Provider,
    /// At sign-in.
    pub sign_in: CaptchaUse,
    /// At registration.
    pub registration: CaptchaUse,
    /// Where a link to a new password is asked for.
    pub recovery: CaptchaUse,
}

/// Who makes a captcha, and what that takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// We do.
    ProofOfWork,
    /// Somebody else does.
    Foreign {
        /// Who.
        provider: CaptchaProvider,
        /// The key that he knows the pages by.
        site_key: String,
        /// What we prove ourselves by to him, sealed.
        sealed_secret: String,
    },
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
            captchas: captchas(partner, tenant),
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
            embed_origins: common(
                partner.pages.embed_origins.as_ref(),
                tenant.pages.embed_origins.as_ref(),
            )
            .unwrap_or_default(),
            custom_data_schema: t
                .custom_data_schema
                .clone()
                .or_else(|| p.custom_data_schema.clone()),
            password_policy: policy(&partner.password_policy, &tenant.password_policy),
            // How it looks, and nothing more: the tenant chooses.
            sign_in_form: tenant.sign_in.form.or(partner.sign_in.form).unwrap_or(SignInForm::Both),
            mfa_required: demanded(partner.mfa.required, tenant.mfa.required, false)
                || passkeys.sign_in == PasskeySignIn::Required,
            mfa_methods: methods(&partner.mfa, &tenant.mfa, passkeys.sign_in),
            trusted_device_lifetime: trusted_device_lifetime(partner, tenant, passkeys.sign_in),
            passkeys,
            notices_of_places: demanded(partner.notices.new_place, tenant.notices.new_place, false),
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
            oauth: oauth(&partner.oauth, &tenant.oauth),
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

/// The tenant has to say that applications may come; its partner may forbid it.
fn oauth(p: &OauthLayer, t: &OauthLayer) -> Oauth {
    let asked = t.registration.unwrap_or(SelfRegistration::Off);
    let scopes = t.registration_scopes.as_ref();
    Oauth {
        registration: asked.min(p.registration.unwrap_or(SelfRegistration::Open)),
        registration_scopes: scopes
            .and_then(|scopes| common(p.registration_scopes.as_ref(), Some(scopes)))
            .unwrap_or_default(),
        metadata_documents: t.client_id_metadata_documents.unwrap_or(false)
            && p.client_id_metadata_documents != Some(false),
    }
}

/// The tenant chooses who makes them, with a key and a secret of its own; when they are asked for is
/// a matter of strictness.
fn captchas(partner: &SettingsLayer, tenant: &SettingsLayer) -> Captchas {
    let (p, t) = (&partner.captcha, &tenant.captcha);
    let chooser = if t.provider.is_some() { t } else { p };
    let provider = match (chooser.provider, &chooser.site_key, &chooser.sealed_secret) {
        (None | Some(CaptchaProvider::ProofOfWork), ..) => None,
        (Some(provider), Some(site_key), Some(sealed_secret)) => Some(Provider::Foreign {
            provider,
            site_key: site_key.clone(),
            sealed_secret: sealed_secret.clone(),
        }),
        // Without its keys nobody could solve it, so it is ours.
        (Some(_), ..) => None,
    };
    let when = |p: Option<CaptchaUse>, t: Option<CaptchaUse>| p.max(t).unwrap_or(CaptchaUse::Risk);
    let asked = [partner.registration.captcha, tenant.registration.captcha];
    let registration = when(p.registration, t.registration);
    let is_always = asked.contains(&Some(Captcha::ProofOfWork));
    Captchas {
        provider: provider.unwrap_or(Provider::ProofOfWork),
        sign_in: when(p.sign_in, t.sign_in),
        registration: if is_always { CaptchaUse::Always } else { registration },
        recovery: when(p.recovery, t.recovery),
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

#[cfg(test)]
mod tests;
