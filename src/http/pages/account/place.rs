//! The pages of the portal by name, so that a browser can be sent away and come back without an
//! address in a parameter or a cookie.

use std::{fmt, str::FromStr};

use crate::id::PasskeyId;

/// A page of the portal that somebody may be on the way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::pages) enum Place {
    /// How things stand.
    Overview,
    /// Names and language.
    Profile,
    /// Another address.
    Email,
    /// How one signs in.
    Security,
    /// A new password.
    Password,
    /// An authenticator app.
    Totp,
    /// No authenticator app any more.
    RemoveTotp,
    /// Codes by mail.
    MailedCodes,
    /// No codes by mail any more.
    RemoveMailedCodes,
    /// A new passkey.
    Passkey,
    /// One passkey less.
    RemovePasskey(PasskeyId),
    /// New backup codes.
    BackupCodes,
    /// Devices and sessions.
    Devices,
    /// Applications.
    Applications,
    /// What happened.
    Activity,
    /// Taking everything along.
    Data,
    /// Giving the account up.
    Deletion,
}

/// Names, which are also paths, with a dot for each slash.
const NAMED: [(Place, &str); 16] = [
    (Place::Overview, "overview"),
    (Place::Profile, "profile"),
    (Place::Email, "email"),
    (Place::Security, "security"),
    (Place::Password, "password"),
    (Place::Totp, "authenticator-app"),
    (Place::RemoveTotp, "authenticator-app.remove"),
    (Place::MailedCodes, "mailed-codes"),
    (Place::RemoveMailedCodes, "mailed-codes.remove"),
    (Place::Passkey, "passkey"),
    (Place::BackupCodes, "backup-codes"),
    (Place::Devices, "devices"),
    (Place::Applications, "applications"),
    (Place::Activity, "activity"),
    (Place::Data, "data"),
    (Place::Deletion, "delete"),
];

/// The text names no page of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::pages) struct NoPlace;

impl Place {
    /// Its path below the tenant's.
    pub(in crate::http::pages) fn path(self) -> String {
        match self {
            Self::Overview => "/account".to_owned(),
            other => format!("/account/{}", other.to_string().replace('.', "/")),
        }
    }

    /// The part of the portal that it belongs to: one of [`SECTIONS`].
    pub(super) fn section(self) -> Self {
        match self {
            Self::Profile | Self::Email => Self::Profile,
            Self::Security
            | Self::Password
            | Self::Totp
            | Self::RemoveTotp
            | Self::MailedCodes
            | Self::RemoveMailedCodes
            | Self::Passkey
            | Self::RemovePasskey(_)
            | Self::BackupCodes => Self::Security,
            Self::Data | Self::Deletion => Self::Data,
            other => other,
        }
    }
}

/// The parts of the portal: name, and the key of its name for people.
pub(super) const SECTIONS: [(Place, &str, &str); 7] = [
    (Place::Overview, "overview", "page.account.section.overview"),
    (Place::Profile, "profile", "page.account.section.profile"),
    (Place::Security, "security", "page.account.section.security"),
    (Place::Devices, "devices", "page.account.section.devices"),
    (Place::Applications, "applications", "page.account.section.applications"),
    (Place::Activity, "activity", "page.account.section.activity"),
    (Place::Data, "data", "page.account.section.data"),
];

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::RemovePasskey(id) = self {
            return write!(f, "passkeys.{id}.remove");
        }
        let named = NAMED.iter().find(|(place, _)| place == self);
        f.write_str(named.map_or("overview", |(_, name)| name))
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    /// Takes exactly a name.
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let passkey = text.strip_prefix("passkeys.").and_then(|rest| rest.strip_suffix(".remove"));
        if let Some(id) = passkey {
            return id.parse().map(Self::RemovePasskey).map_err(|_| NoPlace);
        }
        NAMED.iter().find(|(_, name)| *name == text).map(|(place, _)| *place).ok_or(NoPlace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_by_its_name_and_lies_in_a_section() {
        let id: PasskeyId = crate::id::Id::from_uuid(uuid::Uuid::from_u128(7));
        let all = NAMED.iter().map(|(place, _)| *place).chain([Place::RemovePasskey(id)]);
        for place in all {
            assert_eq!(place.to_string().parse(), Ok(place));
            assert!(SECTIONS.iter().any(|(section, ..)| *section == place.section()), "{place}");
            assert!(place.path().starts_with("/account"), "{place}");
        }
        assert_eq!(Place::RemoveTotp.path(), "/account/authenticator-app/remove");
        assert_eq!(Place::Overview.path(), "/account");
    }

    /// RED-04: nothing but a name leads anywhere.
    #[test]
    fn addresses_are_no_places() {
        for text in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/",
            "Profile",
            "profile ",
            "../login",
            "passkeys.x.remove",
            "passkeys..//evil.example.remove",
        ] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
    }
}
