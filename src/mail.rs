//! Mail: what we tell people, how it is written, how it leaves.
//!
//! Nobody sends from a request. Flows put a [`message::Message`] into the outbox in the
//! transaction of the change it tells of; `flows::outbox` composes and sends it, and tries again.

pub mod compose;
pub mod mailbox;
pub mod message;
pub mod smtp;
#[cfg(test)]
mod tests;

use self::{compose::Mail, mailbox::Mailbox, message::one_line, smtp::Smtp};

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum Mailer {
    /// To a mail server.
    Smtp(Smtp),
    /// Into the memory of a development server or a test.
    Mailbox(Mailbox),
    /// Not at all: no mail server is configured, and mail waits until there is one.
    Held,
}

/// Why a mail did not leave. For the log only: a mail server's words are never shown to a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// Trying again may help.
    #[error("not now: {0}")]
    Later(String),
    /// The mail server will not take this mail, ever.
    #[error("never: {0}")]
    Never(String),
}

impl SendFault {
    /// [`SendFault::Later`], its reason on one line of at most 200 characters.
    #[must_use]
    pub fn later(why: &str) -> Self {
        Self::Later(one_line(why, 200))
    }

    /// [`SendFault::Never`], its reason on one line of at most 200 characters.
    #[must_use]
    pub fn never(why: &str) -> Self {
        Self::Never(one_line(why, 200))
    }
}

impl Mailer {
    /// Whether there is anywhere to send to. While not, mail in the outbox should be left alone.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        !matches!(self, Self::Held)
    }

    /// Hands one mail over.
    ///
    /// Where the connection breaks after the mail was sent but before it was acknowledged, the
    /// answer is `Later` though the mail may have arrived: a second try bears the same
    /// `Message-ID`, by which receivers drop duplicates.
    pub async fn send(&self, mail: &Mail) -> Result<(), SendFault> {
        match self {
            Self::Smtp(smtp) => smtp.send(mail).await,
            Self::Mailbox(mailbox) => {
                mailbox.push(mail.clone());
                Ok(())
            }
            Self::Held => Err(SendFault::later("no mail server is configured")),
        }
    }
}
