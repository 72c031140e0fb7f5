//! The table of limits: who may do what how often, wherever somebody asks.
//!
//! What guards secrets and mailboxes is counted in the database, so that every node and a restart
//! see it. What guards the machine is counted in the memory of each node, where it costs next to
//! nothing. How failures in a row are answered is in [`super::guessing`].

use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const QUARTER: Duration = Duration::from_mins(15);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A client network: an IPv4 address, or 64 bits of an IPv6 address.
    Network,
    /// 48 bits of an IPv6 address; IPv4 addresses have nothing of that kind.
    WideNetwork,
    /// A tenant.
    Tenant,
    /// An application that has proved who it is.
    Application,
    /// A device that somebody has signed in from.
    Device,
    /// An account, or an address that may have one.
    Account,
    /// An address that mail goes to.
    Recipient,
    /// An address that mail goes to, for each client network that asks for it.
    RecipientAndNetwork,
}

/// What a limit guards, and with it where it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guards {
    /// Passwords, codes, tokens and mailboxes: counted in the database.
    Secrets,
    /// The machine: counted in the memory of each node.
    Load,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its stable name, as in `RateLimit-Policy`.
    pub name: &'static str,
    /// Whom it counts.
    pub per: Per,
    /// How many are borne within the window.
    pub amount: u32,
    /// The window.
    pub window: Duration,
    /// What it guards.
    pub guards: Guards,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $per:ident, $amount:literal in $window:ident, $guards:ident;)*) => {
        /// Something that is limited.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Limit { $($(#[$doc])* $name,)* }

        impl Limit {
            /// Every limit there is.
            pub const ALL: &'static [Limit] = &[$(Limit::$name,)*];

            /// Its line of the table.
            #[must_use]
            pub const fn policy(self) -> Policy {
                match self {
                    $(Limit::$name => Policy {
                        name: $text,
                        per: Per::$per,
                        amount: $amount,
                        window: $window,
                        guards: Guards::$guards,
                    },)*
                }
            }
        }
    };
}

limits! {
    /// Requests; the amount is a setting.
    Requests => "requests", Network, 600 in MINUTE, Load;
    /// Requests of all hosts of one customer of a provider; the amount follows that of
    /// [`Limit::Requests`].
    RequestsWide => "requests-wide", WideNetwork, 2_400 in MINUTE, Load;
    /// Requests to a tenant; the amount is a setting.
    TenantRequests => "tenant", Tenant, 60_000 in MINUTE, Load;
    /// Requests of a device that somebody has signed in from, which do not count for the tenant.
    DeviceRequests => "device", Device, 600 in MINUTE, Load;
    /// Requests of an application that has proved who it is, which count for no network; the amount
    /// is a setting.
    ApplicationRequests => "application", Application, 60_000 in MINUTE, Load;
    /// Passwords, codes and mailed tokens that are shown.
    Credentials => "credentials", Network, 120 in MINUTE, Load;
    /// Accounts that are asked for.
    NewAccounts => "new-accounts", Network, 30 in HOUR, Load;
    /// Mails that are asked for.
    MailRequests => "mail-requests", Network, 30 in HOUR, Load;
    /// Puzzles that are asked for.
    Puzzles => "puzzles", Network, 120 in MINUTE, Load;

    /// Wrong passwords.
    WrongPasswords => "wrong-passwords", Network, 60 in QUARTER, Secrets;
    /// Wrong passwords of all hosts of one customer of a provider.
    WrongPasswordsWide => "wrong-passwords-wide", WideNetwork, 240 in QUARTER, Secrets;
    /// Wrong passwords that an application hands on for its users, over all of them.
    WrongPasswordsOfApplication => "wrong-passwords-application", Application, 6_000 in QUARTER, Secrets;
    /// Wrong mailed tokens.
    WrongTokens => "wrong-tokens", Network, 30 in QUARTER, Secrets;
    /// Codes of devices that a user types in, right ones included, so that right ones of one's own
    /// buy no guesses.
    DeviceCodes => "device-codes", Account, 20 in QUARTER, Secrets;
    /// Applications that register themselves without a token.
    SelfRegistrations => "self-registrations", Network, 60 in HOUR, Secrets;

    /// Links to a new password.
    ResetMails => "reset_password", Recipient, 3 in HOUR, Secrets;
    /// Links to a new password that is due.
    ExpiredPasswordMails => "password_expired", Recipient, 3 in HOUR, Secrets;
    /// Links that prove an address.
    VerificationMails => "verify_email", Recipient, 10 in HOUR, Secrets;
    /// The same, that one network asks for.
    VerificationMailsFromNetwork => "verify_email_network", RecipientAndNetwork, 3 in HOUR, Secrets;
    /// Times that a link is asked for once more, whether there is anything to prove.
    VerificationAgain => "verify_again", Recipient, 10 in HOUR, Secrets;
    /// Notices that somebody wants an account with an address that has one.
    AccountExistsMails => "account_exists", Recipient, 1 in HOUR, Secrets;
    /// Notices of sign-ins from a new device.
    NewDeviceMails => "new_device", Recipient, 5 in HOUR, Secrets;
    /// Notices of sign-ins from a new network.
    NewPlaceMails => "new_place", Recipient, 1 in DAY, Secrets;
    /// Codes for a second factor.
    SecondFactorMails => "mfa_code", Recipient, 10 in HOUR, Secrets;
    /// Changes of an address that a user asks for.
    AddressChanges => "email_change", Account, 5 in HOUR, Secrets;
    /// Mails to the address that an account is to have.
    AddressChangeMails => "email_change_to", Recipient, 3 in HOUR, Secrets;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Guards, Limit, Per};

    #[test]
    fn names_are_told_apart_and_every_limit_lets_something_through() {
        let names: HashSet<&str> = Limit::ALL.iter().map(|limit| limit.policy().name).collect();
        assert_eq!(names.len(), Limit::ALL.len());
        for limit in Limit::ALL {
            let policy = limit.policy();
            assert!(policy.amount > 0 && !policy.window.is_zero(), "{limit:?}");
        }
    }

    #[test]
    fn whatever_guards_a_mailbox_is_shared_by_all_nodes() {
        for limit in Limit::ALL {
            let policy = limit.policy();
            if matches!(policy.per, Per::Recipient | Per::RecipientAndNetwork | Per::Account) {
                assert_eq!(policy.guards, Guards::Secrets, "{limit:?}");
            }
        }
    }
}
