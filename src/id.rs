//! Identifiers: one type for each kind of thing, so that a user's id cannot stand where a
//! tenant's belongs.
//!
//! Spelt as a prefix, an underscore and the 26 base-32 characters of a UUID version 7 (the TypeID
//! spelling), so that they sort by the time they were made. They are names, never secrets.

use std::{fmt, str::FromStr};

use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What every identifier can do.
pub trait Id: Copy + fmt::Display + FromStr<Err = NotAnId> + Send + Sync + 'static {
    /// The letters before the underscore.
    const PREFIX: &'static str;
    /// Wraps the bare number.
    fn from_uuid(uuid: Uuid) -> Self;
    /// The bare number.
    fn uuid(self) -> Uuid;
}

/// The text is not an identifier of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct NotAnId;

fn write(f: &mut fmt::Formatter<'_>, prefix: &str, uuid: Uuid) -> fmt::Result {
    write!(f, "{prefix}_")?;
    let number = uuid.as_u128();
    for place in (0..26).rev() {
        let digit = usize::try_from((number >> (place * 5)) & 31).unwrap_or_default();
        let symbol = ALPHABET.get(digit).copied().unwrap_or(b'0');
        write!(f, "{}", char::from(symbol))?;
    }
    Ok(())
}

fn read(text: &str, prefix: &str) -> Result<Uuid, NotAnId> {
    let digits =
        text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(NotAnId)?;
    if digits.len() != 26 || digits.as_bytes().first().is_none_or(|first| *first > b'7') {
        return Err(NotAnId);
    }
    let mut number: u128 = 0;
    for symbol in digits.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == symbol).ok_or(NotAnId)?;
        number = (number << 5) | u128::try_from(digit).map_err(|_| NotAnId)?;
    }
    Ok(Uuid::from_u128(number))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, $prefix, self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A partner: whoever brings tenants.
    PartnerId "prt",
    /// A tenant: one customer organisation.
    TenantId "tnt",
    /// A user of one tenant.
    UserId "usr",
    /// A session: a public handle, never the secret.
    SessionId "ses",
    /// A pending registration.
    RegistrationId "reg",
    /// A one-time token that was mailed.
    TicketId "tkt",
    /// A second-factor step in progress.
    ChallengeId "chl",
    /// A device that a user has signed in from.
    DeviceId "dev",
    /// A passkey or security key of a user.
    PasskeyId "psk",
    /// A WebAuthn ceremony between its begin and its finish.
    CeremonyId "wac",
    /// A device on which a second factor is not asked for again.
    TrustedDeviceId "tdv",
    /// A change of an address that waits for its proof.
    EmailChangeId "emc",
    /// The link of a notice of a sign-in.
    DisavowalId "dsv",
    /// A family of refresh tokens.
    GrantId "grt",
    /// An application: an OAuth 2.0 client.
    ApplicationId "app",
    /// What somebody registers applications with.
    RegistrationTokenId "rgt",
    /// A mail waiting to leave.
    MailId "msg",
    /// A row of the audit trail.
    AuditId "aud",
    /// A try to sign in, as it is kept for operators.
    SignInId "sgn",
    /// Something that outsiders may be told.
    EventId "evt",
    /// A request, as told in `X-Request-Id`.
    RequestId "req",
}

/// Who issues: a tenant, or the platform itself. What is under way in one realm is nothing in
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Realm {
    /// The platform, of which GLOBAL applications are.
    Platform,
    /// A tenant.
    Tenant(TenantId),
}

const PLATFORM: &str = "platform";

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str(PLATFORM),
            Self::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

impl serde::Serialize for Realm {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Realm {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Realm {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text == PLATFORM { Ok(Self::Platform) } else { text.parse().map(Self::Tenant) }
    }
}
