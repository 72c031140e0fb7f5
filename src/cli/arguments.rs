//! What the commands on the database's contents take.
//!
//! Definitions only; what they do is in the file of the same name. Passwords and hashes are never
//! arguments: they come by standard input.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `countersign tenant …`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant
    Create {
        /// The name in addresses: letters, digits and hyphens
        slug: String,
        /// What is not as by default.
        #[command(flatten)]
        change: TenantChange,
    },
    /// List the tenants
    List,
    /// Show one tenant with its settings
    Show {
        /// The tenant
        slug: String,
    },
    /// Change a tenant's name, contact, settings or looks
    Update {
        /// The tenant
        slug: String,
        /// What to change.
        #[command(flatten)]
        change: TenantChange,
    },
    /// Refuse everything in a tenant until it is activated
    Suspend {
        /// The tenant
        slug: String,
    },
    /// Take a suspension back
    Activate {
        /// The tenant
        slug: String,
    },
    /// End all sessions and grants of everybody in a tenant
    Lockdown {
        /// The tenant
        slug: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Delete a tenant and all in it, for good
    Delete {
        /// The tenant
        slug: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What is to be changed of a tenant.
#[derive(Debug, Default, Args)]
pub struct TenantChange {
    /// The name people see [default: the slug]
    #[arg(long)]
    pub name: Option<String>,
    /// Whom to write to about the tenant
    #[arg(long, value_name = "ADDRESS")]
    pub contact_email: Option<String>,
    /// A JSON file with all settings of the tenant; replaces those it has
    #[arg(long, value_name = "PATH")]
    pub settings_file: Option<PathBuf>,
    /// One setting, such as registration.enabled=true; the value is JSON, or else a text
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Let one setting be as by default again
    #[arg(long, value_name = "KEY")]
    pub unset: Vec<String>,
    /// Read the secret of the captcha provider from standard input; it is kept sealed
    #[arg(long)]
    pub captcha_secret_stdin: bool,
    /// Looks, such as corners=small or texts.de.title=Willkommen; an empty value takes one away
    #[arg(long, value_name = "KEY=VALUE")]
    pub branding: Vec<String>,
    /// A PNG, JPEG or WebP picture as the logo
    #[arg(long, value_name = "PATH")]
    pub logo: Option<PathBuf>,
    /// The logo by night
    #[arg(long, value_name = "PATH")]
    pub logo_dark: Option<PathBuf>,
    /// A square picture for the browser's tab
    #[arg(long, value_name = "PATH")]
    pub favicon: Option<PathBuf>,
    /// A style sheet for the sign-in pages, of the elements and properties in the documentation
    #[arg(long, value_name = "PATH")]
    pub css: Option<PathBuf>,
}

/// One tenant or all of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Tenants {
    /// The tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: Option<String>,
    /// All tenants
    #[arg(long)]
    pub all: bool,
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
    /// Create a user; without a password the user sets one by mail
    Create(NewUser),
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
        /// Make the user change it at the next sign-in
        #[arg(long)]
        must_change_password: bool,
    },
    /// Refuse a user's sign-ins and end the user's sessions
    Suspend(UserOf),
    /// Take a suspension back, or agree to a registration
    Activate(UserOf),
    /// Forget a user's failed tries, so that the user may try again at once
    Unlock(UserOf),
    /// End at once all that was opened in a user's name, and suspend the user
    Lockdown {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Do not suspend the user, who may sign in anew
        #[arg(long)]
        keep_active: bool,
    },
    /// Look at a user's second factors, or take them away
    #[command(subcommand)]
    Factors(FactorsCommand),
    /// Delete a user, for good
    Delete {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `countersign user factors …`
#[derive(Debug, Subcommand)]
pub enum FactorsCommand {
    /// List a user's second factors
    List(UserOf),
    /// Take all second factors away, end the user's sessions, and tell the user: for somebody who
    /// has lost them
    Reset {
        /// The user
        #[command(flatten)]
        user: UserOf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A user to be made.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct NewUser {
    /// The tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
    /// The address
    pub email: String,
    /// The given name
    #[arg(long, value_name = "NAME")]
    pub first_name: String,
    /// The family name
    #[arg(long, value_name = "NAME")]
    pub last_name: String,
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "password_hash_stdin")]
    pub password_stdin: bool,
    /// Read another system's password hash from the first line of standard input: Argon2, bcrypt,
    /// scrypt or PBKDF2
    #[arg(long)]
    pub password_hash_stdin: bool,
    /// Take the address as not confirmed yet
    #[arg(long)]
    pub unverified: bool,
    /// Make the user change the password at the first sign-in
    #[arg(long)]
    pub must_change_password: bool,
    /// The user's language: en, de, fr, es, ja or ar [default: the tenant's]
    #[arg(long, value_name = "LANGUAGE")]
    pub locale: Option<String>,
}

/// `countersign session …`
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List a user's sessions
    List(UserOf),
    /// End a session, or all sessions of a user
    End {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// The session
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        session: Option<String>,
        /// All sessions of this user, by address or id
        #[arg(long)]
        user: Option<String>,
    },
}

/// `countersign mail …`
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List the newest mails, up to 200 of each tenant
    List {
        /// Of which tenants.
        #[command(flatten)]
        tenants: Tenants,
        /// Only those in this state
        #[arg(long, value_parser = ["waiting", "sent", "dead"])]
        state: Option<String>,
    },
    /// Try again the mails that were given up
    Retry {
        /// Of which tenants.
        #[command(flatten)]
        tenants: Tenants,
    },
}

/// `countersign abuse …`
#[derive(Debug, Subcommand)]
pub enum AbuseCommand {
    /// List the newest tries to sign in with a password, and why each was asked what it was asked
    SignIns {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Only those with this address, whether it has an account
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
        /// Only those from this network, as the list shows it
        #[arg(long)]
        network: Option<String>,
        /// Only that of this request, by the id that its answer told
        #[arg(long, value_name = "ID")]
        request: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// List the newest alarms of a tenant
    Alarms {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
    /// End the alarms of a tenant; they are raised again where what raised them goes on
    Calm {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
}

/// Whose keys.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub struct RealmOf {
    /// Of this tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: Option<String>,
    /// Of the platform
    #[arg(long)]
    pub platform: bool,
}

/// `countersign keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys that sign tokens, of one tenant, of the platform, or all
    List {
        /// Whose.
        #[command(flatten)]
        realm: RealmOf,
    },
    /// Have the next key take over: published now, it signs in an hour
    Rotate {
        /// Whose.
        #[command(flatten)]
        realm: RealmOf,
        /// Only the key of this algorithm [default: each that there is]
        #[arg(long, ignore_case = true, value_parser = ["ES256", "RS256", "EdDSA"])]
        algorithm: Option<String>,
        /// Let it sign at once; the old key stays published until its tokens have ended
        #[arg(long)]
        now: bool,
        /// Let it sign at once, and refuse whatever the old keys signed
        #[arg(long)]
        compromised: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `countersign audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List the newest events of a tenant
    List {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Check that no event was changed or taken out; exit code 0 or 1
    Verify {
        /// Of which tenants.
        #[command(flatten)]
        tenants: Tenants,
        /// What an earlier check found: its number of rows and its mark. Shows a trail that was
        /// cut off since
        #[arg(long, value_name = "ROWS:MARK", conflicts_with = "all")]
        expect: Option<String>,
    },
}

/// `countersign breached-passwords …`
#[derive(Debug, Subcommand)]
pub enum BreachedCommand {
    /// Build the filter from what Have I Been Pwned publishes
    Build {
        /// The text of lines SHA1:COUNT, the folder of its ranges, or - for standard input
        #[arg(long, value_name = "PATH")]
        from: PathBuf,
        /// The filter; takes the place of an older one
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Only passwords that were seen so often
        #[arg(long, value_name = "N", default_value_t = 1)]
        min_count: u64,
    },
    /// Read a whole filter and tell whether it is as it was built; exit code 0 or 1
    Verify {
        /// The filter [default: that of `passwords.breach_filter`]
        file: Option<PathBuf>,
    },
    /// Read a password from the first line of standard input and tell which sources know it
    Check,
}

/// Whose an application is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct OwnerOf {
    /// A tenant's: its users sign in to it
    #[arg(long, value_name = "SLUG")]
    pub tenant: Option<String>,
    /// A partner's: the users of all its tenants sign in to it
    #[arg(long, value_name = "SLUG")]
    pub partner: Option<String>,
    /// The platform's: it reaches every tenant
    #[arg(long)]
    pub global: bool,
}

/// An application.
#[derive(Debug, Args)]
pub struct AppOf {
    /// Whose it is.
    #[command(flatten)]
    pub owner: OwnerOf,
    /// The application's client id
    #[arg(value_name = "CLIENT_ID")]
    pub client_id: String,
}

/// `countersign app …`
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Create an application; its secret is shown this once
    Create {
        /// Whose it is.
        #[command(flatten)]
        owner: OwnerOf,
        /// web and service keep a secret, spa and native do not
        #[arg(long = "type", value_name = "TYPE", value_parser = ["web", "service", "spa", "native"])]
        kind: String,
        /// What is known of it.
        #[command(flatten)]
        change: AppChange,
    },
    /// List applications
    List {
        /// Whose.
        #[command(flatten)]
        owner: OwnerOf,
    },
    /// Show one application
    Show(AppOf),
    /// Change an application's name or metadata; a list that is given replaces the one it has
    Update {
        /// Which.
        #[command(flatten)]
        app: AppOf,
        /// What to change.
        #[command(flatten)]
        change: AppChange,
    },
    /// Make a new secret, shown this once; the one before it stays good for a while
    RotateSecret {
        /// Which.
        #[command(flatten)]
        app: AppOf,
        /// Seconds that the secret before it stays good
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap: u64,
        /// Make none, and end the secret before the present one
        #[arg(long, conflicts_with = "overlap")]
        revoke_previous: bool,
    },
    /// Look after the tokens that applications register themselves with
    #[command(subcommand)]
    RegistrationToken(RegistrationTokenCommand),
    /// Take an application into use again
    Enable(AppOf),
    /// Take an application out of use until it is enabled
    Disable(AppOf),
    /// Delete an application with all that people have allowed it, for good
    Delete {
        /// Which.
        #[command(flatten)]
        app: AppOf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What is to be known of an application.
#[derive(Debug, Default, Args)]
pub struct AppChange {
    /// The name people see
    #[arg(long)]
    pub name: Option<String>,
    /// Where answers may be sent, compared exactly
    #[arg(long, value_name = "URI")]
    pub redirect_uri: Vec<String>,
    /// Where people may be sent after signing out, compared exactly
    #[arg(long, value_name = "URI")]
    pub post_logout_redirect_uri: Vec<String>,
    /// A scope that it may ask for
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// An origin whose pages may call us (CORS), such as <https://app.example.com>
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Vec<String>,
    /// A grant that it may use
    #[arg(long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// How it authenticates, such as `client_secret_basic` or `private_key_jwt`
    #[arg(long, value_name = "METHOD")]
    pub auth_method: Option<String>,
    /// Seconds that its access tokens live
    #[arg(long, value_name = "SECONDS")]
    pub token_lifetime: Option<u32>,
    /// A JSON file with any fields of its metadata, or - for standard input; null takes one away
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
}

/// `countersign app registration-token …`
#[derive(Debug, Subcommand)]
pub enum RegistrationTokenCommand {
    /// Make a token, shown this once
    Create {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// What it is for
        #[arg(long, default_value = "Registration")]
        label: String,
        /// How many applications it registers
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: i64,
        /// How many days it lives
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        expires: u64,
    },
    /// List the tokens of a tenant
    List {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
    /// Take a token out of use; what was registered with it stays
    Revoke {
        /// The tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// The token's id
        id: String,
    },
}
