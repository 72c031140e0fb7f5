//! Mail for a development server and for tests: kept in memory, shown at `/dev/mailbox`.
//!
//! Never used in production: whoever reads it can follow everybody's links.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use super::compose::Mail;
use crate::view::pages::{MailboxEntry, MailboxPage};

/// How many mails are kept; older ones are dropped.
const CAPACITY: usize = 1000;

/// The mails sent so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<VecDeque<Mail>>>);

/// A mail as `/dev/mailbox.json` tells it.
#[derive(Debug, Clone, Serialize)]
pub struct MailJson {
    /// Its id.
    pub id: String,
    /// Whom it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: String,
    /// Its HTML part.
    pub html: String,
    /// When it was written, RFC 3339.
    pub created_at: String,
}

impl Mailbox {
    /// Puts a mail in.
    pub fn push(&self, mail: Mail) {
        let mut mails = self.lock();
        mails.push_front(mail);
        mails.truncate(CAPACITY);
    }

    /// The mails to `address` in any case of letters, or all of them, newest first.
    #[must_use]
    pub fn to(&self, address: Option<&str>) -> Vec<Mail> {
        let wanted = address.map(str::to_lowercase);
        let fits = |mail: &&Mail| wanted.as_ref().is_none_or(|to| mail.to.to_lowercase() == *to);
        self.lock().iter().filter(fits).cloned().collect()
    }

    /// As [`Mailbox::to`], for `/dev/mailbox.json`.
    #[must_use]
    pub fn json(&self, address: Option<&str>) -> Vec<MailJson> {
        self.to(address).into_iter().map(MailJson::from).collect()
    }

    /// As [`Mailbox::to`], for `/dev/mailbox`. `html_url` gives the address of a mail's HTML part
    /// from its id, where there is one.
    #[must_use]
    pub fn page(
        &self,
        address: Option<&str>,
        html_url: impl Fn(&str) -> Option<String>,
    ) -> MailboxPage {
        let entry = |mail: Mail| {
            let id = mail.id.to_string();
            MailboxEntry {
                link: first_link(&mail.text),
                html_url: html_url(&id),
                id,
                to: mail.to,
                subject: mail.subject,
                text: mail.text,
                created_at: mail.created_at.rfc3339(),
            }
        };
        MailboxPage { mails: self.to(address).into_iter().map(entry).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Mail> for MailJson {
    fn from(mail: Mail) -> Self {
        Self {
            id: mail.id.to_string(),
            to: mail.to,
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            created_at: mail.created_at.rfc3339(),
        }
    }
}

/// The first address that stands on a line of its own above the footer, as the link of a mail does.
fn first_link(text: &str) -> Option<String> {
    let is_link = |line: &&str| line.starts_with("https://") || line.starts_with("http://");
    text.lines().take_while(|line| *line != "--").find(is_link).map(str::to_owned)
}
