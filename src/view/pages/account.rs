//! The contexts of the account portal: what surrounds each of its pages, the overview, and who one
//! is.
//!
//! Moments are microseconds; the templates write them in the page's language.

use serde::Serialize;

use crate::view::Page;

pub mod factors;
pub mod lists;

/// What surrounds every page of the portal.
#[derive(Clone, Serialize)]
pub struct Portal {
    /// The parts of the portal.
    pub sections: Vec<SectionShown>,
    /// Who is signed in, for people.
    pub name: String,
    /// His address.
    pub email: String,
    /// One or two letters in the place of a picture.
    pub initials: String,
    /// What every form proves itself with.
    pub proof: String,
    /// What is wrong.
    pub fault: Option<String>,
    /// What else there is to say.
    pub note: Option<String>,
    /// What the address of the page says, for the same page in another language.
    pub kept: Vec<(&'static str, String)>,
    /// Where the page can be had in another language, if not at the address that it has.
    pub switch_url: Option<String>,
}

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Portal")
    }
}

/// A part of the portal.
#[derive(Debug, Clone, Serialize)]
pub struct SectionShown {
    /// Its stable name.
    pub id: &'static str,
    /// Its name for people.
    pub label: String,
    /// Its path.
    pub url: String,
    /// `page` for the page that is shown, `true` for the part that it belongs to (WAI-ARIA
    /// `aria-current`).
    pub current: Option<&'static str>,
}

/// A way to another page.
#[derive(Debug, Clone, Serialize)]
pub struct LinkShown {
    /// Its stable name.
    pub id: &'static str,
    /// What it leads to, in words.
    pub label: String,
    /// Its path.
    pub url: String,
}

/// Something that wants to be looked at.
#[derive(Debug, Clone, Serialize)]
pub struct AdviceShown {
    /// What is the matter.
    pub text: String,
    /// Where it can be mended.
    pub link: LinkShown,
}

/// A part of the portal in short.
#[derive(Debug, Clone, Serialize)]
pub struct CardShown {
    /// Its name and its path.
    pub link: LinkShown,
    /// How things stand there.
    pub text: String,
}

/// How things stand.
#[derive(Debug, Clone, Serialize)]
pub struct OverviewPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// What wants to be looked at.
    pub advice: Vec<AdviceShown>,
    /// The parts of the portal.
    pub cards: Vec<CardShown>,
}

impl Page for OverviewPage {
    const TEMPLATE: &'static str = "account/overview.html";
}

/// A language to choose.
#[derive(Debug, Clone, Serialize)]
pub struct LanguageShown {
    /// Its tag (BCP 47).
    pub tag: &'static str,
    /// Its name in itself.
    pub name: String,
    /// Whether it is the chosen one.
    pub is_chosen: bool,
}

/// Names, language and address.
#[derive(Debug, Clone, Serialize)]
pub struct ProfilePage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// As typed, or as it is.
    pub first_name: String,
    /// What is wrong with it.
    pub first_name_fault: Option<String>,
    /// As typed, or as it is.
    pub last_name: String,
    /// What is wrong with it.
    pub last_name_fault: Option<String>,
    /// The languages that pages and mails can have.
    pub locales: Vec<LanguageShown>,
    /// Whether the address was proved.
    pub is_verified: bool,
    /// A new address that waits for its proof.
    pub pending: Option<String>,
    /// Whether the address can be changed here.
    pub can_change_email: bool,
    /// Since when there is the account, in microseconds.
    pub created_at: i64,
}

impl Page for ProfilePage {
    const TEMPLATE: &'static str = "account/profile.html";
}

/// A new password.
#[derive(Debug, Clone, Serialize)]
pub struct PasswordPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// The shortest password the tenant takes, in characters.
    pub min_length: u32,
    /// What is wrong with the present password.
    pub current_fault: Option<String>,
    /// What is wrong with the new one, in plain words.
    pub new_faults: Vec<String>,
    /// Whether this browser is to be signed out, too.
    pub end_all_sessions: bool,
}

impl Page for PasswordPage {
    const TEMPLATE: &'static str = "account/password.html";
}

/// A new address that waits for its proof.
#[derive(Debug, Clone, Serialize)]
pub struct PendingEmailShown {
    /// The address.
    pub email: String,
    /// When it was asked for.
    pub requested_at: i64,
    /// Until when it may be proved.
    pub expires_at: i64,
}

/// Another address.
#[derive(Debug, Clone, Serialize)]
pub struct EmailPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// As typed.
    pub typed: String,
    /// What is wrong with it.
    pub email_fault: Option<String>,
    /// A new address that waits for its proof.
    pub pending: Option<PendingEmailShown>,
}

impl Page for EmailPage {
    const TEMPLATE: &'static str = "account/email.html";
}

/// A way to prove who one is.
#[derive(Debug, Clone, Serialize)]
pub struct WayShown {
    /// Its stable name.
    pub id: &'static str,
    /// Its name for people.
    pub label: String,
    /// The path of the page that asks for it.
    pub url: String,
}

/// Who it is, once more.
#[derive(Debug, Clone, Serialize)]
pub struct ConfirmPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Where it goes on: a name of the portal's own.
    pub to: String,
    /// What is asked for; `None`: there is nothing that could be.
    pub method: Option<&'static str>,
    /// What else could be.
    pub others: Vec<WayShown>,
    /// Where a ceremony begins.
    pub passkey_url: String,
    /// Where to sign in anew.
    pub login_url: String,
}

impl Page for ConfirmPage {
    const TEMPLATE: &'static str = "account/confirm.html";
}

/// A sentence or two, and the way back.
#[derive(Debug, Clone, Serialize)]
pub struct ToldPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// The heading.
    pub title: String,
    /// What happened, and what to do.
    pub text: String,
    /// The way back.
    pub back: LinkShown,
}

impl Page for ToldPage {
    const TEMPLATE: &'static str = "account/told.html";
}

/// Whether something is really meant.
#[derive(Debug, Clone, Serialize)]
pub struct QuestionPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// The question.
    pub title: String,
    /// What it means.
    pub lead: String,
    /// What it is about: names and values.
    pub facts: Vec<(String, String)>,
    /// Where the answer goes.
    pub action: String,
    /// What goes with the answer.
    pub fields: Vec<(&'static str, String)>,
    /// The yes.
    pub submit: String,
    /// Whether something is lost by it.
    pub is_loss: bool,
    /// Where a no leads.
    pub back_url: String,
}

impl Page for QuestionPage {
    const TEMPLATE: &'static str = "account/question.html";
}
