//! The typed contexts of the pages: what each one needs to be drawn, and nothing else.
//!
//! Times and addresses come as text, made by whoever builds the page; the templates escape it.

use minijinja::context;
use serde::Serialize;

use super::Page;
use crate::{
    error::Code,
    text::{Locale, Texts},
};

pub mod account;
pub mod captcha;
pub mod leaving;
pub mod lost;
pub mod mails;
pub mod sign_in;

/// The page a verification mail leads to. Its button confirms; looking at it does nothing, so that
/// a mail scanner's look verifies nobody.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyEmailPage {
    /// The mailed token, for the form.
    pub token: String,
    /// The address, masked: `a***@example.com`.
    pub email_masked: String,
    /// Who is said to have registered.
    pub name: Option<String>,
    /// When, as people write it ([`super::moment`]).
    pub registered_at: Option<String>,
}

impl Page for VerifyEmailPage {
    const TEMPLATE: &'static str = "pages/verify_email.html";
    const IS_DRESSED: bool = true;
}

/// The address is confirmed.
#[derive(Debug, Clone, Serialize)]
pub struct VerifiedPage {
    /// Whether it had been before.
    pub already: bool,
    /// Where to go on: an address checked against the tenant's list.
    pub continue_url: Option<String>,
}

impl Page for VerifiedPage {
    const TEMPLATE: &'static str = "pages/verified.html";
    const IS_DRESSED: bool = true;
}

/// The page a reset mail leads to.
#[derive(Debug, Clone, Serialize)]
pub struct ResetPasswordPage {
    /// The mailed token, for the form.
    pub token: String,
    /// The address, masked: `a***@example.com`.
    pub email_masked: String,
    /// The shortest password the tenant takes, in characters.
    pub min_length: u32,
    /// What is wrong with the password just sent, in plain words.
    pub faults: Vec<String>,
}

impl Page for ResetPasswordPage {
    const TEMPLATE: &'static str = "pages/reset_password.html";
    const IS_DRESSED: bool = true;
}

/// The new password is set.
#[derive(Debug, Clone, Serialize)]
pub struct ResetDonePage {
    /// Where to go on: an address checked against the tenant's list.
    pub continue_url: Option<String>,
}

impl Page for ResetDonePage {
    const TEMPLATE: &'static str = "pages/reset_done.html";
    const IS_DRESSED: bool = true;
}

/// The page a mail to a new address leads to. Its button makes the change.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeEmailPage {
    /// The mailed token, for the form.
    pub token: String,
    /// The address the account has, masked.
    pub old_email_masked: String,
    /// The address it is to have, masked.
    pub new_email_masked: String,
}

impl Page for ChangeEmailPage {
    const TEMPLATE: &'static str = "pages/change_email.html";
}

/// The page a mail to an old address leads to. Its button stops the change, or undoes it.
#[derive(Debug, Clone, Serialize)]
pub struct StopEmailChangePage {
    /// The mailed token, for the form.
    pub token: String,
    /// The address the account had when the change was asked for, masked.
    pub old_email_masked: String,
    /// The address it is to have, masked.
    pub new_email_masked: String,
    /// Whether the change has been made.
    pub is_made: bool,
}

impl Page for StopEmailChangePage {
    const TEMPLATE: &'static str = "pages/stop_email_change.html";
}

/// The page behind the link in the notice of a sign-in. Its button ends what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct NotMePage {
    /// The mailed token, for the form.
    pub token: String,
    /// When, as people write it ([`super::moment`]).
    pub at: String,
    /// What was signed in from.
    pub device: String,
    /// From which network address.
    pub address: String,
}

impl Page for NotMePage {
    const TEMPLATE: &'static str = "pages/not_me.html";
}

/// Something is done: a title, and what that means.
#[derive(Debug, Clone, Serialize)]
pub struct DonePage {
    /// The heading.
    pub title: String,
    /// What it means, and what to do next.
    pub text: String,
}

impl Page for DonePage {
    const TEMPLATE: &'static str = "pages/done.html";
}

/// An answer on its way to an application, in a form that sends itself.
#[derive(Clone, Serialize)]
pub struct FormPostPage {
    /// Where to: an address that the application has registered.
    pub action: String,
    /// Names and values; one may be a code.
    pub fields: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for FormPostPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormPostPage")
    }
}

impl Page for FormPostPage {
    const TEMPLATE: &'static str = "pages/form_post.html";
}

/// An application has sent somebody here with a request that cannot be answered to it.
#[derive(Debug, Clone, Serialize)]
pub struct ProtocolErrorPage {
    /// The protocol's code.
    pub code: &'static str,
    /// What is wrong, for whoever runs the application.
    pub description: String,
    /// The id to name when asking for help.
    pub request_id: String,
}

impl Page for ProtocolErrorPage {
    const TEMPLATE: &'static str = "pages/protocol_error.html";
}

/// A title and a sentence or two: every error, and whatever else needs no form.
#[derive(Debug, Clone, Serialize)]
pub struct MessagePage {
    /// The heading.
    pub title: String,
    /// What happened and what to do.
    pub text: String,
    /// The id to name when asking for help.
    pub request_id: Option<String>,
}

impl Page for MessagePage {
    const TEMPLATE: &'static str = "pages/message.html";
}

/// Which mailed link does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The one that confirms an address.
    VerifyEmail,
    /// The one that sets a new password.
    ResetPassword,
    /// The one that proves a new address.
    ChangeEmail,
    /// The one that stops the change of an address.
    StopEmailChange,
    /// That a sign-in was not the owner's.
    NotMe,
}

impl MessagePage {
    /// The page for a refusal or fault with `code`.
    #[must_use]
    pub fn error(texts: &Texts, locale: Locale, code: Code, request_id: Option<String>) -> Self {
        let title = match code {
            Code::NotFound | Code::TenantNotFound => "page.message.title_not_found",
            Code::TooManyAttempts => "page.message.title_wait",
            Code::Overloaded | Code::DatabaseUnavailable | Code::StorageFull => {
                "page.message.title_busy"
            }
            _ => "page.message.title_error",
        };
        // What programs are told of these would help no person.
        let text = match code {
            Code::InvalidCsrfToken => "page.error.invalid_csrf_token".to_owned(),
            Code::InvalidRequest => "page.error.invalid_request".to_owned(),
            Code::MethodNotAllowed => "page.error.method_not_allowed".to_owned(),
            Code::NotFound => "page.error.not_found".to_owned(),
            Code::PayloadTooLarge => "page.error.payload_too_large".to_owned(),
            Code::TooManyAttempts => "page.error.too_many_attempts".to_owned(),
            Code::UnreadableBody => "page.error.unreadable_body".to_owned(),
            _ => format!("error.{}", code.as_str()),
        };
        let text = texts.say(locale, &text, context! {});
        Self { title: texts.say(locale, title, context! {}), text, request_id }
    }
}

/// The mails a development server has sent, newest first.
#[derive(Debug, Clone, Serialize)]
pub struct MailboxPage {
    /// The mails.
    pub mails: Vec<MailboxEntry>,
}

/// One mail of [`MailboxPage`].
#[derive(Debug, Clone, Serialize)]
pub struct MailboxEntry {
    /// Its id.
    pub id: String,
    /// Whom it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: String,
    /// The link it asks to follow, to be clicked in place.
    pub link: Option<String>,
    /// Where its HTML part can be looked at; `None`: nowhere.
    pub html_url: Option<String>,
    /// When it was written, RFC 3339.
    pub created_at: String,
}

impl Page for MailboxPage {
    const TEMPLATE: &'static str = "pages/mailbox.html";
}
