//! The context of pages that can do nothing but show a way on.

use serde::Serialize;

use super::{Link, Page};
use crate::text::{Locale, Texts};

/// A way on: a link to press.
#[derive(Debug, Clone, Serialize)]
pub struct Way {
    /// Its stable name.
    pub id: &'static str,
    /// Where it leads.
    pub url: String,
    /// What it is called.
    pub label: String,
}

impl Way {
    /// A way on.
    #[must_use]
    pub fn new(id: &'static str, url: String, label: String) -> Self {
        Self { id, url, label }
    }
}

/// Something is over: what, and the ways on.
#[derive(Debug, Clone, Serialize)]
pub struct LostPage {
    /// The heading.
    pub title: String,
    /// What happened and what to do.
    pub text: String,
    /// The ways on, the best first.
    pub ways: Vec<Way>,
}

impl LostPage {
    /// The page for a mailed link that is unknown, used or too old, with the ways on.
    ///
    /// It is the same for every such link: nothing is told of what it once was.
    #[must_use]
    pub fn dead_link(texts: &Texts, locale: Locale, link: Link, base_path: &str) -> Self {
        let say = |key: &str| texts.say(locale, key, minijinja::context! {});
        let way =
            |id, page: &str, label: &str| Way::new(id, format!("{base_path}/{page}"), say(label));
        let sign_in = way("login", "login", "page.login.title");
        let (text, ways) = match link {
            Link::VerifyEmail => (
                "page.message.dead_verify_link",
                vec![way("again", "verify-email/again", "page.message.new_link"), sign_in],
            ),
            Link::ResetPassword => (
                "page.message.dead_reset_link",
                vec![way("again", "forgot-password", "page.message.new_link"), sign_in],
            ),
            Link::ChangeEmail => ("page.message.dead_change_link", vec![sign_in]),
            Link::StopEmailChange => ("page.message.dead_stop_link", vec![sign_in]),
            Link::NotMe => (
                "page.message.dead_not_me_link",
                vec![
                    way("forgot-password", "forgot-password", "page.message.new_password"),
                    sign_in,
                ],
            ),
        };
        Self { title: say("page.message.title_dead_link"), text: say(text), ways }
    }
}

impl Page for LostPage {
    const TEMPLATE: &'static str = "pages/lost.html";
}
