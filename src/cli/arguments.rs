//! What the commands on tenants, users, sessions, mail and the audit trail take.
//!
//! Definitions only; what they do is in the file of the same name.

use clap::{Args, Subcommand};

/// `countersign tenant …`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant and print the token of its calling application, which is shown once
    Create {
        /// The name in addresses: small letters, digits and hyphens
        slug: String,
        /// The name people see [default: the slug]
        #[arg(long)]
        name: Option<String>,
    },
    /// List the tenants
    List,
    /// Show one tenant
    Show {
        /// The tenant
        slug: String,
    },
    /// Change settings of a tenant
    Set {
        /// The tenant
        slug: String,
        /// What to change, such as registration=closed
        #[arg(required = true, value_name = "SETTING=VALUE")]
        settings: Vec<String>,
    },
    /// Refuse all sign-ins to a tenant
    Suspend {
        /// The tenant
        slug: String,
    },
    /// Take a suspension back
    Resume {
        /// The tenant
        slug: String,
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

/// `countersign user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user
    Create {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// The address, which counts as confirmed
        email: String,
        /// The first name
        #[arg(long, default_value = "")]
        first_name: String,
        /// The last name
        #[arg(long, default_value = "")]
        last_name: String,
        /// Read the password from the first line of standard input; without it the user has none
        /// and sets one by mail
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users of a tenant
    List {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
    /// Show one user
    Show(UserOf),
    /// Set a user's password and end the user's sessions
    SetPassword {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Read the password from the first line of standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Refuse a user's sign-ins and end the user's sessions
    Suspend(UserOf),
    /// Take a suspension back
    Resume(UserOf),
    /// Forget a user's failed tries
    Unlock(UserOf),
    /// Delete a user for good
    Delete(UserOf),
}

/// `countersign session …`
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List a user's sessions
    List(UserOf),
    /// End a user's sessions
    End {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Only this one
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
}

/// `countersign mail …`
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List the mail that has not left
    List,
    /// Try a mail again now, or all that were given up
    Retry {
        /// The mail [default: all]
        id: Option<String>,
    },
    /// Send a test mail at once and say how it went
    Test {
        /// The recipient
        address: String,
    },
}

/// `countersign audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List the newest events
    List {
        /// Only of this tenant
        #[arg(long, value_name = "SLUG")]
        tenant: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Check that no event was changed or taken out; exit code 0 or 1
    Verify,
}
