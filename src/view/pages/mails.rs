//! The contexts of the pages that promise a mail with a link, and of those that ask for one.

use serde::Serialize;

use super::{Page, captcha::CaptchaShown, sign_in::Around};

/// How long something has to wait.
#[derive(Debug, Clone, Serialize)]
pub struct WaitShown {
    /// In seconds, for the script that counts them down.
    pub seconds: u64,
    /// As people read it: `0:42`.
    pub clock: String,
}

impl WaitShown {
    /// So many seconds.
    #[must_use]
    pub fn new(seconds: u64) -> Self {
        Self { seconds, clock: format!("{}:{:02}", seconds / 60, seconds % 60) }
    }
}

/// How a mail is asked for once more.
#[derive(Clone, Serialize)]
pub struct AgainShown {
    /// Where the form goes: below the tenant's pages.
    pub action: &'static str,
    /// Who asks, sealed.
    pub wish: String,
    /// How long that has to wait.
    pub wait: Option<WaitShown>,
}

impl std::fmt::Debug for AgainShown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgainShown")
    }
}

/// A mail with a link is under way.
#[derive(Debug, Clone, Serialize)]
pub struct CheckMailPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// The heading.
    pub title: String,
    /// What to do.
    pub text: String,
    /// The address as it was typed, masked.
    pub destination: Option<String>,
    /// How to ask once more; `None`: no mail has been promised.
    pub again: Option<AgainShown>,
    /// Where another address is given, below the tenant's pages; empty: nowhere.
    pub change: &'static str,
    /// What is wrong.
    pub fault: Option<String>,
    /// What else there is to say.
    pub note: Option<String>,
}

impl Page for CheckMailPage {
    const TEMPLATE: &'static str = "pages/check_mail.html";
    const IS_DRESSED: bool = true;
}

/// Whom a mail is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct AskMailPage {
    /// The request.
    #[serde(flatten)]
    pub around: Around,
    /// The heading.
    pub title: String,
    /// What to do.
    pub lead: String,
    /// Where the form goes: below the tenant's pages.
    pub action: &'static str,
    /// As typed.
    pub email: String,
    /// What is wrong.
    pub fault: Option<String>,
    /// What proves that no machine fills it in.
    pub captcha: Option<CaptchaShown>,
}

impl Page for AskMailPage {
    const TEMPLATE: &'static str = "pages/ask_mail.html";
    const IS_DRESSED: bool = true;

    fn foreign_sources(&self) -> &'static str {
        self.captcha.as_ref().map_or("", CaptchaShown::sources)
    }
}
