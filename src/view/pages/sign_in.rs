//! The contexts of the pages by which people sign in, alone or for an application.
//!
//! Those that hold what nobody else may see have no `Debug`.

use serde::Serialize;

use super::{captcha::CaptchaShown, lost::Way, mails::WaitShown};
use crate::view::{Page, Shown};

/// What a form proves itself with; never printed.
#[derive(Clone, Default, Serialize)]
pub struct FormToken(String);

impl FormToken {
    /// What is shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for FormToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormToken(…)")
    }
}

/// What the pages of one authorization request have in common.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Around {
    /// What the page's form proves itself with.
    pub form_token: FormToken,
    /// The request's handle, for the form.
    pub handle: Option<String>,
    /// The realm of the request, where it is not the page's own.
    pub realm: Option<&'static str>,
    /// Both as a query string with its question mark; empty without a request.
    pub query: String,
    /// Who asks.
    pub application: Option<ApplicationShown>,
}

/// An application.
#[derive(Debug, Clone, Serialize)]
pub struct ApplicationShown {
    /// Its name.
    pub name: String,
    /// Its logo, as we keep it.
    pub logo: Option<Shown>,
}

/// A tenant to choose.
#[derive(Debug, Clone, Serialize)]
pub struct TenantShown {
    /// What it is called in addresses.
    pub slug: String,
    /// What people call it.
    pub name: String,
}

/// Somebody who is signed in already.
#[derive(Debug, Clone, Serialize)]
pub struct PresentShown {
    /// Who: an address.
    pub email: String,
    /// Where to go on as that account.
    pub continue_url: String,
}

/// Address and password, or one after the other.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct LoginPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// What is asked for: `both`, `email` or `password`.
    pub ask: &'static str,
    /// The address, as it was typed or hinted at.
    pub email: String,
    /// Whether the session is to outlive the browser.
    pub remember: bool,
    /// What is wrong.
    pub fault: Option<String>,
    /// The fields in which it is wrong.
    pub wrong: Vec<&'static str>,
    /// What else there is to say.
    pub note: Option<String>,
    /// Where a sign-in by passkey begins; `None`: not here.
    pub passkey_url: Option<String>,
    /// Where to begin with another address; `None`: the address can be typed here.
    pub restart_url: Option<String>,
    /// Whether people may register themselves.
    pub can_register: bool,
    /// Whether a forgotten password can be replaced here.
    pub can_reset: bool,
    /// The tenants of which one has to be chosen.
    pub tenants: Vec<TenantShown>,
    /// Other pages where this device's passkeys are taken.
    pub elsewhere: Vec<Way>,
    /// Whether those can be asked for by an address.
    pub can_look: bool,
    /// Who is signed in already.
    pub present: Option<PresentShown>,
    /// What proves that no machine fills it in.
    pub captcha: Option<CaptchaShown>,
}

impl Page for LoginPage {
    const TEMPLATE: &'static str = "pages/login.html";
    const IS_DRESSED: bool = true;

    fn foreign_sources(&self) -> &'static str {
        self.captcha.as_ref().map_or("", CaptchaShown::sources)
    }
}

/// A way to prove who one is.
#[derive(Debug, Clone, Serialize)]
pub struct MethodShown {
    /// Its stable name.
    pub id: &'static str,
    /// Its name for people.
    pub label: String,
}

/// The second step.
#[derive(Debug, Clone, Serialize)]
pub struct MfaPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// The method that is asked for.
    pub method: &'static str,
    /// The other ones.
    pub others: Vec<MethodShown>,
    /// Where a code is mailed to.
    pub destination: String,
    /// Whether a code is under way.
    pub is_code_sent: bool,
    /// How long the next mailed code has to wait.
    pub wait: Option<WaitShown>,
    /// What is wrong.
    pub fault: Option<String>,
    /// Whether the code is what is wrong.
    pub is_code_wrong: bool,
    /// What else there is to say.
    pub note: Option<String>,
    /// Days that the device can be trusted for; 0: not at all.
    pub trust_days: u64,
    /// Where a ceremony begins.
    pub passkey_url: String,
}

impl Page for MfaPage {
    const TEMPLATE: &'static str = "pages/mfa.html";
    const IS_DRESSED: bool = true;
}

/// The first second factor.
#[derive(Clone, Serialize)]
pub struct EnrolPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// The method that is enrolled; `None`: there is none that could be.
    pub method: Option<&'static str>,
    /// The other ones.
    pub others: Vec<MethodShown>,
    /// The key of an authenticator app as a person types it, in groups.
    pub secret: Option<String>,
    /// The key as a QR code: SVG of our own making.
    pub qr_svg: Option<String>,
    /// Where a code was mailed to.
    pub destination: Option<String>,
    /// What is wrong.
    pub fault: Option<String>,
    /// What else there is to say.
    pub note: Option<String>,
    /// Where a ceremony begins.
    pub passkey_url: String,
}

impl std::fmt::Debug for EnrolPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolPage")
    }
}

impl Page for EnrolPage {
    const TEMPLATE: &'static str = "pages/enrol.html";
}

/// Backup codes, shown this once.
#[derive(Clone, Serialize)]
pub struct BackupCodesPage {
    /// The codes.
    pub codes: Vec<String>,
    /// Where to go on.
    pub continue_url: String,
}

impl std::fmt::Debug for BackupCodesPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupCodesPage")
    }
}

impl Page for BackupCodesPage {
    const TEMPLATE: &'static str = "pages/backup_codes.html";
}

/// Something that an application asks for.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeShown {
    /// Its stable name.
    pub id: String,
    /// What it means; `None`: it is the application's own.
    pub text: Option<String>,
}

/// A rich authorization detail (RFC 9396).
#[derive(Debug, Clone, Serialize)]
pub struct DetailShown {
    /// Its type.
    pub kind: String,
    /// Its fields, as people can read them.
    pub fields: Vec<(String, String)>,
}

/// Whether an application may have what it asks for.
#[derive(Clone, Serialize)]
pub struct ConsentPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// What the form proves itself with.
    pub proof: String,
    /// Who is asked: an address.
    pub email: String,
    /// What is asked for.
    pub scopes: Vec<ScopeShown>,
    /// What is asked for in detail.
    pub details: Vec<DetailShown>,
    /// Where the answer goes.
    pub destination: String,
    /// What the application does with what it learns.
    pub policy_url: Option<String>,
    /// Its terms.
    pub terms_url: Option<String>,
    /// Whether nobody here has looked at it.
    pub is_unknown: bool,
    /// Where to go for somebody else.
    pub not_you_url: String,
    /// What is wrong.
    pub fault: Option<String>,
}

impl std::fmt::Debug for ConsentPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConsentPage")
    }
}

impl Page for ConsentPage {
    const TEMPLATE: &'static str = "pages/consent.html";
}

/// Somebody who is signed in.
#[derive(Debug, Clone, Serialize)]
pub struct AccountShown {
    /// The public handle of the session.
    pub session: String,
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// The tenant, where there may be several.
    pub tenant: Option<String>,
}

/// Which account is meant.
#[derive(Debug, Clone, Serialize)]
pub struct SelectAccountPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// Who is signed in.
    pub accounts: Vec<AccountShown>,
    /// What is wrong.
    pub fault: Option<String>,
}

impl Page for SelectAccountPage {
    const TEMPLATE: &'static str = "pages/select_account.html";
}

/// Something that is wrong in a form.
#[derive(Debug, Clone, Serialize)]
pub struct FaultShown {
    /// The field; empty where it is none of them.
    pub field: &'static str,
    /// What, in plain words.
    pub text: String,
}

/// A new account.
#[derive(Debug, Clone, Serialize)]
pub struct RegisterPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// As typed.
    pub email: String,
    /// As typed.
    pub first_name: String,
    /// As typed.
    pub last_name: String,
    /// The shortest password the tenant takes, in characters.
    pub min_length: u32,
    /// What is wrong, in plain words.
    pub faults: Vec<FaultShown>,
    /// What proves that no machine fills it in.
    pub captcha: Option<CaptchaShown>,
}

impl Page for RegisterPage {
    const TEMPLATE: &'static str = "pages/register.html";
    const IS_DRESSED: bool = true;

    fn foreign_sources(&self) -> &'static str {
        self.captcha.as_ref().map_or("", CaptchaShown::sources)
    }
}

/// What stands in a frame of another site, where nobody can sign in.
#[derive(Debug, Clone, Serialize)]
pub struct EmbeddedPage {}

impl Page for EmbeddedPage {
    const TEMPLATE: &'static str = "pages/embedded.html";
    const IS_DRESSED: bool = true;
}
