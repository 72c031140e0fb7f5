//! Settings as they are written: what somebody decided, layer by layer, and whether it can be
//! meant. What follows from two layers is in [`super`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::domain::{
    factor::Method,
    oauth::scope::{is_for_programs, is_token},
    token::SigningAlgorithm,
};

/// The languages that a tenant may speak by default: those of `text::Locale`, which is above us.
pub const LOCALES: [&str; 6] = ["en", "de", "fr", "es", "ja", "ar"];

/// One layer of settings, as stored and as an operator writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsLayer {
    /// Who may make an account for himself, and how.
    pub registration: RegistrationLayer,
    /// What proves that no machine asks.
    pub captcha: CaptchaLayer,
    /// What a password must be.
    pub password_policy: PasswordPolicyLayer,
    /// The sign-in page.
    pub sign_in: SignInLayer,
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
    /// Applications that come by themselves.
    pub oauth: OauthLayer,
    /// The pages by which people sign in.
    pub pages: PagesLayer,
    /// What people are told of without asking.
    pub notices: NoticesLayer,
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
        /// `none`, or `proof_of_work` for what `captcha.registration = always` says. Default:
        /// `none`, which says nothing.
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
    /// What proves that no machine asks, and when that is wanted.
    CaptchaLayer {
        /// `proof_of_work`, `hcaptcha`, `turnstile` or `recaptcha`. Default: `proof_of_work`, by
        /// which nobody else learns of a visit.
        provider: CaptchaProvider,
        /// The key that the provider knows the pages by.
        site_key: String,
        /// What we prove ourselves by to the provider, sealed; it is set by a command of its own.
        sealed_secret: String,
        /// At sign-in: `off`, `risk` or `always`. Default: `risk`.
        sign_in: CaptchaUse,
        /// At registration: `off`, `risk` or `always`. Default: `risk`.
        registration: CaptchaUse,
        /// Where a link to a new password is asked for: `off`, `risk` or `always`. Default: `risk`.
        recovery: CaptchaUse,
    }
}

layer! {
    /// What a password must be; see [`PasswordPolicy`](crate::domain::password::PasswordPolicy).
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
        /// Not one known to the breached-password service, which is asked. Default: no.
        check_breached: bool,
    }
}

layer! {
    /// The sign-in page.
    SignInLayer {
        /// `both` asks for address and password at once, `email_first` for one after the other.
        /// Default: `both`.
        form: SignInForm,
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
    /// The pages by which people sign in.
    PagesLayer {
        /// Origins whose pages may show the sign-in in a frame. Default: none.
        embed_origins: Vec<String>,
    }
}

layer! {
    /// What people are told of without asking.
    NoticesLayer {
        /// Whether of a sign-in from a network that is new for the account, though the device is
        /// known. Default: no.
        new_place: bool,
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

/// What the sign-in page asks for first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInForm {
    /// Address and password.
    Both,
    /// The address; the password on the next page, whoever's address it is.
    EmailFirst,
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

layer! {
    /// Applications that come by themselves.
    OauthLayer {
        /// Whether applications may register themselves (RFC 7591): `off`, `token` or `open`.
        /// Default: `off`.
        registration: SelfRegistration,
        /// Scopes, besides those of OpenID Connect, that such applications may be allowed.
        registration_scopes: Vec<String>,
        /// Whether the address of a metadata document is a client id. Default: no.
        client_id_metadata_documents: bool,
    }
}

/// Which applications may register themselves; each way lets in what the one before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfRegistration {
    /// None.
    Off,
    /// Those with an initial access token.
    Token,
    /// All, within limits.
    Open,
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

/// Who makes a captcha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptchaProvider {
    /// We do: a puzzle that the browser solves by itself.
    ProofOfWork,
    /// hCaptcha.
    Hcaptcha,
    /// Cloudflare Turnstile.
    Turnstile,
    /// Google reCAPTCHA, version 2.
    Recaptcha,
}

impl CaptchaProvider {
    /// The spelling in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProofOfWork => "proof_of_work",
            Self::Hcaptcha => "hcaptcha",
            Self::Turnstile => "turnstile",
            Self::Recaptcha => "recaptcha",
        }
    }
}

/// When a captcha is wanted; each asks wherever the one before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptchaUse {
    /// Never.
    Off,
    /// Where something looks suspicious.
    Risk,
    /// Always.
    Always,
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
            self.default_locale.as_deref().is_none_or(|locale| LOCALES.contains(&locale)),
            "default_locale: en, de, fr, es, ja or ar",
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
        let scopes = self.oauth.registration_scopes.as_deref().unwrap_or_default();
        check(
            scopes.len() <= 100 && scopes.iter().all(|it| is_token(it) && !is_for_programs(it)),
            "oauth.registration_scopes: at most 100 words of printing ASCII, none that is for \
             programs alone",
        );
        faults.extend(self.captcha_faults());
        faults.extend(self.factor_faults());
        faults
    }

    fn captcha_faults(&self) -> Option<String> {
        let captcha = &self.captcha;
        let is_foreign = captcha.provider.is_some_and(|it| it != CaptchaProvider::ProofOfWork);
        let is_key = |key: &str| {
            (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if is_foreign && captcha.site_key.is_none() {
            return Some("captcha.site_key: set it along with captcha.provider".to_owned());
        }
        if is_foreign && captcha.sealed_secret.is_none() {
            let sentence = "captcha.provider: give its secret with --captcha-secret-stdin";
            return Some(sentence.to_owned());
        }
        let fits = captcha.site_key.as_deref().is_none_or(is_key);
        (!fits).then(|| "captcha.site_key: at most 200 printing characters".to_owned())
    }

    /// The faults of what concerns factors, accounts and pages.
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
        let embedders = self.pages.embed_origins.as_deref().unwrap_or_default();
        check(
            embedders.len() <= 20 && embedders.iter().all(|text| is_origin(text)),
            "pages.embed_origins: at most 20 https addresses (http for localhost) of scheme, host \
             and port alone",
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

/// An origin as browsers spell it, and no pattern of such: `*` may stand in a name, and means more
/// than one where a policy names it. Passkeys work over TLS only, but for the machine itself.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let local = matches!(url.host_str(), Some(host) if host == "localhost" || host.ends_with(".localhost"));
        (url.scheme() == "https" || (url.scheme() == "http" && local))
            && url.origin().ascii_serialization() == text
            && !text.contains('*')
    })
}

fn is_schema(value: &Value) -> bool {
    value.is_object() && jsonschema::validator_for(value).is_ok()
}
