//! From a message to a mail: subject, text and HTML in one language and one tenant's look.

use minijinja::{Value, context};

use super::message::{Message, one_line, plain_name};
use crate::{
    clock::Timestamp,
    error::Result,
    id::MailId,
    text::Locale,
    view::{Brand, PageFrame, View},
};

/// A mail, ready to leave.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its id, which also makes its `Message-ID`: a mail sent twice can be told by it.
    pub id: MailId,
    /// The sender as configured: `Name <address>` or an address.
    pub from: String,
    /// The name the reader sees as the sender: the tenant's.
    pub from_name: String,
    /// The one receiver's address.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// The text part, complete by itself.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// When it was written.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for Mail {
    /// The id only: a mail holds addresses and one-time links.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mail({})", self.id)
    }
}

/// What is on the envelope of a mail.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The mail's id.
    pub id: MailId,
    /// The sender as configured.
    pub from: &'a str,
    /// The receiver's address as it is stored.
    pub to: &'a str,
    /// When the mail was written.
    pub created_at: Timestamp,
}

/// The longest subject, in characters: what mail programs show.
const SUBJECT_LENGTH: usize = 150;
/// The longest single value of a mail that somebody else wrote, in characters.
const VALUE_LENGTH: usize = 200;

/// Writes `message` in `locale` and in the look of `brand`.
///
/// # Errors
/// [`Error::Internal`](crate::error::Error::Internal) where a template and the message do not fit.
pub fn compose(
    view: &View,
    locale: Locale,
    brand: &Brand,
    envelope: &Envelope<'_>,
    message: &Message,
) -> Result<Mail> {
    let mut brand = brand.clone();
    brand.tenant_name = one_line(&brand.tenant_name, VALUE_LENGTH);
    let kind = message.kind();
    let subject = view.texts().say(
        locale,
        &format!("mail.{kind}.subject"),
        context! { tenant => brand.tenant_name.as_str() },
    );
    let subject = one_line(&subject, SUBJECT_LENGTH);
    let frame = PageFrame { locale, brand: &brand, nonce: "" };
    let part = |suffix: &str| {
        let values = context! { subject => subject.as_str(), ..values(message) };
        view.render(&format!("mail/{kind}.{suffix}"), frame, values)
    };
    Ok(Mail {
        id: envelope.id,
        from: envelope.from.to_owned(),
        from_name: brand.tenant_name.clone(),
        to: envelope.to.to_owned(),
        text: format!("{}\n", part("txt")?.trim()),
        html: part("html")?,
        subject: subject.clone(),
        created_at: envelope.created_at,
    })
}

/// The variables of a message's templates. What others wrote is cut to one harmless line here, so
/// that no template has to remember to.
fn values(message: &Message) -> Value {
    let line = |text: &str| one_line(text, VALUE_LENGTH);
    match message {
        Message::VerifyEmail { link, first_name, requested_at, expires_hours } => context! {
            link,
            name => plain_name(first_name),
            requested_at => *requested_at,
            hours => *expires_hours,
        },
        Message::AccountExists { requested_at, sign_in_link } => context! {
            requested_at => *requested_at,
            sign_in_link,
        },
        Message::ResetPassword { link, expires_minutes }
        | Message::PasswordExpired { link, expires_minutes } => context! {
            link,
            minutes => *expires_minutes,
        },
        Message::ResetFederated { provider } => context! { provider => line(provider) },
        Message::PasswordChanged { at, others } => context! { at => *at, others => *others },
        Message::ConfirmEmailChange { at, link, expires_hours } => context! {
            at => *at,
            link,
            hours => *expires_hours,
        },
        Message::EmailChangeRequested { at, new_email, stop_link, days } => context! {
            at => *at,
            new_email => line(new_email),
            link => stop_link,
            days => *days,
        },
        Message::EmailChanged { at, new_email } => context! {
            at => *at,
            new_email => line(new_email),
        },
        Message::DeletionScheduled { at, due_at } => context! { at => *at, due_at => *due_at },
        Message::AddressWanted { at }
        | Message::AccountDeleted { at }
        | Message::FactorsReset { at } => context! { at => *at },
        Message::MfaCode { code, expires_minutes } => context! {
            code,
            minutes => *expires_minutes,
        },
        Message::FactorChanged { at, method, added } => context! {
            at => *at,
            method,
            added => *added,
        },
        Message::FactorFailures { at, device, address } => {
            came_from(*at, (device, address), (None, 0))
        }
        Message::NewDevice { at, device, address, link, days }
        | Message::NewPlace { at, device, address, link, days } => {
            came_from(*at, (device, address), (link.as_deref(), *days))
        }
    }
}

/// When somebody came and from where, and the link that says it was somebody else.
fn came_from(at: i64, (device, address): (&str, &str), (link, days): (Option<&str>, u32)) -> Value {
    let (device, address) = (one_line(device, VALUE_LENGTH), one_line(address, VALUE_LENGTH));
    context! { at, device, address, link, days }
}
