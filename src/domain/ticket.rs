//! One-time tokens that are mailed: what each is for and how long it lives.

use std::time::Duration;

/// What a mailed token may do. A token of one purpose is unknown to every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Make an account of a pending registration.
    Register,
    /// Prove the address of an account.
    VerifyEmail,
    /// Set a new password.
    ResetPassword,
}

impl Purpose {
    /// The stored spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }

    /// How long the token lives.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Register | Self::VerifyEmail => Duration::from_hours(24),
            Self::ResetPassword => Duration::from_mins(30),
        }
    }
}

/// Reset tokens of one user that may be alive at once; the newest pushes out the oldest.
pub const MAX_RESET_TICKETS: i64 = 3;
