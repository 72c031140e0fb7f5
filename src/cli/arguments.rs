//! What the commands on tenants, users, sessions, mail and the audit trail take.
//!
//! Definitions only; what they do is in the file of the same name.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What may be said of a tenant when it is made or changed.
#[derive(Debug, Default, Args)]
pub struct TenantValues {
    /// The name people see
    #[arg(long)]
    pub name: Option<String>,
    /// Whom to write to about the tenant
    #[arg(long, value_name = "ADDRESS")]
    pub contact_email: Option<String>,
    /// Change a setting, such as registration.enabled=true; may be repeated
    #[arg(long, value_name = "SETTING=VALUE")]
    pub set: Vec<String>,
    /// Take a setting back, so that the default holds; may be repeated
    #[arg(long, value_name = "SETTING")]
    pub unset: Vec<String>,
    /// Replace all settings by those of a JSON file
    #[arg(long, value_name = "PATH")]
    pub settings_file: Option<PathBuf>,
    /// Change the looks: a display name, a logo's address, a colour; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub branding: Vec<String>,
}

/// `countersign tenant …`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant
    Create {
        /// The name in addresses: letters, digits and hyphens
        slug: String,
        /// Its name, settings and looks
        #[command(flatten)]
        values: TenantValues,
    },
    /// List the tenants
    List {
        /// Only those whose slug follows this one (200 are listed at once)
        #[arg(long, default_value = "", value_name = "SLUG")]
        after: String,
    },
    /// Show one tenant with its own settings
    Show {
        /// The tenant
        slug: String,
    },
    /// Change the name, settings or looks of a tenant
    Update {
        /// The tenant
        slug: String,
        /// What to change
        #[command(flatten)]
        values: TenantValues,
    },
    /// Refuse everything to a tenant, from now on
    Suspend {
        /// The tenant
        slug: String,
    },
    /// Take a suspension back
    Activate {
        /// The tenant
        slug: String,
    },
    /// Delete a tenant for good
    Delete {
        /// The tenant
        slug: String,
        /// Yes, for good
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// A user of a tenant.
#[derive(Debug, Args)]
pub struct UserOf {
    /// The tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
    /// The user's address or id
    pub user: String,
}

/// An account to be made.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct NewUser {
    /// The tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
    /// The address
    pub email: String,
    /// Given name
    #[arg(long)]
    pub first_name: String,
    /// Family name
    #[arg(long)]
    pub last_name: String,
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "password_hash_stdin")]
    pub password_stdin: bool,
    /// Read a hash of another system (bcrypt, scrypt, PBKDF2, Argon2) from standard input
    #[arg(long)]
    pub password_hash_stdin: bool,
    /// The address has yet to be confirmed
    #[arg(long)]
    pub unverified: bool,
    /// Ask for a new password at the first sign-in
    #[arg(long)]
    pub must_change_password: bool,
    /// The language of the user's mail: en or de [default: the tenant's]
    #[arg(long)]
    pub locale: Option<crate::text::Locale>,
}

/// `countersign user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user; without a password, one is set by "forgot password"
    Create(NewUser),
    /// List the users of a tenant in the order they were made
    List {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Only those whose id follows this one (200 are listed at once)
        #[arg(long, default_value = "", value_name = "ID")]
        after: String,
    },
    /// Show one user
    Show(UserOf),
    /// Set a user's password; ends the user's sessions
    SetPassword {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Read the password from the first line of standard input
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Ask for a new one at the next sign-in
        #[arg(long)]
        must_change: bool,
    },
    /// Refuse a user's sign-ins and end the user's sessions
    Suspend(UserOf),
    /// Take a suspension back, or agree to a registration
    Activate(UserOf),
    /// Delete a user for good
    Delete {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Yes, for good
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// `countersign session …`
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List a user's live sessions
    List(UserOf),
    /// End a session
    End {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// The session's id
        session: String,
    },
}

/// `countersign mail …`
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List a tenant's newest mails
    List {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Only of this state: waiting, sent or dead
        #[arg(long, value_parser = ["waiting", "sent", "dead"])]
        state: Option<String>,
    },
    /// Try a tenant's dead mails again
    Retry {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
}

/// `countersign audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List a tenant's newest events
    List {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Check that no event was changed or taken out; exit code 1 where one was
    Verify {
        /// The tenant
        #[arg(long, value_name = "SLUG", required_unless_present = "all")]
        tenant: Option<String>,
        /// All tenants
        #[arg(long, conflicts_with = "tenant")]
        all: bool,
        /// A mark that an earlier check printed: it must still be in the chain
        #[arg(long, value_name = "ROWS:MARK", conflicts_with = "all")]
        expect: Option<String>,
    },
}
