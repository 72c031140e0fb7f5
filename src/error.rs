//! What can go wrong, free of any transport.
//!
//! Eight forms and a closed list of codes. Outcomes such as "a second factor is due" are not
//! errors. Statuses and bodies are chosen in `http::error` and nowhere else.

use std::{fmt, panic::Location, time::Duration};

/// The result of anything that can fail for a reason a caller may see.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a fault, before anyone has decided how to say it.
#[derive(Debug)]
pub enum Error {
    /// The request's form is wrong: every fault of it at once.
    Invalid(Vec<Fault>),
    /// The answer is no, and the client may know why.
    Refused(Refusal),
    /// There is no such thing here, or the caller may not know of it.
    NotFound,
    /// The name is in use.
    Taken(Code),
    /// Too much, too often: try again after `retry`.
    Throttled {
        /// How long to wait.
        retry: Duration,
    },
    /// The caller is known and has not the right.
    Forbidden(Code),
    /// We cannot serve it now: a full queue, a lost database, a full disk.
    Busy {
        /// Which of our means is exhausted.
        code: Code,
        /// How long to wait.
        retry: Duration,
    },
    /// A fault of ours. Never shown, always logged.
    Internal(Internal),
}

/// One fault of a request's form, placed where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `body` or `query` or `path`, then field names and list positions.
    pub loc: Vec<Loc>,
    /// The machine-readable kind, such as `missing` or `string_type`.
    pub kind: &'static str,
    /// A sentence for a person. It never repeats the rejected value.
    pub message: String,
}

/// One step of a fault's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loc {
    /// A part of the request, or a field of an object.
    Name(String),
    /// A position in a list, or a character offset in a text.
    Index(i64),
}

impl Fault {
    /// A `value_error` at `body.<field>`, said by `message`.
    pub fn at_field(field: &str, message: impl Into<String>) -> Self {
        Self {
            loc: vec![Loc::Name("body".to_owned()), Loc::Name(field.to_owned())],
            kind: "value_error",
            message: message.into(),
        }
    }
}

/// A no that the client may branch on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What to branch on.
    pub code: Code,
    /// Reasons in plain words, for the few codes that have them (`password_rejected`).
    pub reasons: Vec<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// What a client may branch on. The spelling is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable spelling, `snake_case`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The account is suspended; told only after the right password.
    AccountSuspended => "account_suspended",
    /// There is no such application.
    ApplicationNotFound => "application_not_found",
    /// The captcha's answer is wrong, used or too old.
    CaptchaFailed => "captcha_failed",
    /// Whoever makes the tenant's captchas does not answer.
    CaptchaUnavailable => "captcha_unavailable",
    /// The tenant asks for a captcha and none came.
    CaptchaRequired => "captcha_required",
    /// The passkey is registered already.
    CredentialInUse => "credential_in_use",
    /// A browser sent this from another site.
    CrossSiteRequest => "cross_site_request",
    /// The database cannot be reached.
    DatabaseUnavailable => "database_unavailable",
    /// The tenant does not let people delete their own accounts.
    DeletionNotAllowed => "deletion_not_allowed",
    /// The tenant does not take addresses of this domain.
    EmailDomainNotAllowed => "email_domain_not_allowed",
    /// The address has yet to be confirmed; told only after the right password.
    EmailNotVerified => "email_not_verified",
    /// The access token is good, but not for this.
    InsufficientScope => "insufficient_scope",
    /// A fault of ours.
    InternalError => "internal_error",
    /// The Bearer token of the calling application is missing or not good.
    InvalidClientToken => "invalid_client_token",
    /// The code that was to complete something is wrong or used.
    InvalidCode => "invalid_code",
    /// Wrong address or password, or no such account: never told apart.
    InvalidCredentials => "invalid_credentials",
    /// A request by session cookie without the proof that it comes from our own page.
    InvalidCsrfToken => "invalid_csrf_token",
    /// The first step's token is not ours or too old.
    InvalidFlowToken => "invalid_flow_token",
    /// The second step is unknown, over, used, or of somebody else: never told apart.
    InvalidMfaToken => "invalid_mfa_token",
    /// A refresh token that is unknown, used, or whose session has ended.
    InvalidRefreshToken => "invalid_refresh_token",
    /// The return address is not one the tenant allows.
    InvalidRedirectUri => "invalid_redirect_uri",
    /// A form that no page of ours sends.
    InvalidRequest => "invalid_request",
    /// A mailed token that is unknown, used, too old or of another tenant.
    InvalidToken => "invalid_token",
    /// The tenant demands a second factor, and this is the only one.
    LastFactor => "last_factor",
    /// The path is known, the method is not.
    MethodNotAllowed => "method_not_allowed",
    /// The method is known, but not one that this user may use.
    MethodNotAvailable => "method_not_available",
    /// Neither a good access token nor a live session came with the request.
    NotAuthenticated => "not_authenticated",
    /// Nothing here.
    NotFound => "not_found",
    /// More work waits than can be done in time.
    Overloaded => "overloaded",
    /// The answer of a passkey or security key does not hold.
    PasskeyRejected => "passkey_rejected",
    /// The tenant does not let people sign in by passkey alone.
    PasskeySignInDisabled => "passkey_sign_in_disabled",
    /// The password breaks the tenant's policy; `reasons` say how.
    PasswordRejected => "password_rejected",
    /// The body is larger than it may be.
    PayloadTooLarge => "payload_too_large",
    /// The last proof of who the user is lies too far back for this.
    ReauthenticationRequired => "reauthentication_required",
    /// The tenant does not let people register themselves.
    RegistrationDisabled => "registration_disabled",
    /// The request took longer to arrive than it may.
    RequestTimeout => "request_timeout",
    /// Nothing of this kind waits to be completed, or its time is over.
    SetupNotFound => "setup_not_found",
    /// The slug is in use by another tenant.
    SlugTaken => "slug_taken",
    /// The disk of the database is full.
    StorageFull => "storage_full",
    /// There is no such tenant.
    TenantNotFound => "tenant_not_found",
    /// The password is that of accounts in several tenants, and none was named.
    TenantRequired => "tenant_required",
    /// The tenant, or its partner, is suspended.
    TenantSuspended => "tenant_suspended",
    /// Too many tries.
    TooManyAttempts => "too_many_attempts",
    /// No more factors of this kind fit.
    TooManyFactors => "too_many_factors",
    /// There is no such method.
    UnknownMethod => "unknown_method",
    /// The body is not text.
    UnreadableBody => "unreadable_body",
    /// The address has an account in this tenant.
    UserExists => "user_exists",
}

impl Error {
    /// A plain no with `code`.
    #[must_use]
    pub fn refused(code: Code) -> Self {
        Self::Refused(Refusal { code, reasons: Vec::new() })
    }

    /// A `password_rejected` with its reasons in plain words.
    #[must_use]
    pub fn password_rejected(reasons: Vec<String>) -> Self {
        Self::Refused(Refusal { code: Code::PasswordRejected, reasons })
    }

    /// One fault at one body field.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::at_field(field, message)])
    }

    /// A fault of ours while `doing` something.
    #[track_caller]
    pub fn internal(
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal(Internal { doing, source: source.into(), at: Location::caller() })
    }
}

/// A fault of ours: what was being done, why it failed, and where in the code.
///
/// It has no `Display`, so that it cannot end up in an answer by accident.
pub struct Internal {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
    at: &'static Location<'static>,
}

impl Internal {
    /// The whole chain of causes, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = format!("{}: {}", self.doing, self.source);
        let mut next = self.source.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text + &format!(" ({}:{})", self.at.file(), self.at.line())
    }
}

impl fmt::Debug for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

/// For the many calls that fail only through a fault of ours.
pub trait Context<T> {
    /// Turns a foreign error into [`Error::Internal`] that says what was being done.
    fn doing(self, doing: &'static str) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T>
    for std::result::Result<T, E>
{
    #[track_caller]
    fn doing(self, doing: &'static str) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(source) => Err(Error::internal(doing, source)),
        }
    }
}
