//! OAuth 2.0 and OpenID Connect: what a request may say, and what is decided about it.

use std::borrow::Cow;

pub mod claims;
pub mod device;
pub mod interaction;
pub mod parameters;
pub mod pkce;
pub mod registration;
pub mod request;
pub mod scope;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// A registered error code (RFC 6749 §11.4 and the standards that add to it).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The registered spelling.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

error_codes! {
    /// RFC 6749 §5.2.
    InvalidRequest => "invalid_request",
    /// RFC 6749 §5.2.
    InvalidClient => "invalid_client",
    /// RFC 6749 §5.2.
    InvalidGrant => "invalid_grant",
    /// RFC 6749 §5.2.
    UnauthorizedClient => "unauthorized_client",
    /// RFC 6749 §5.2.
    UnsupportedGrantType => "unsupported_grant_type",
    /// RFC 6749 §5.2.
    InvalidScope => "invalid_scope",
    /// RFC 6749 §4.1.2.1.
    AccessDenied => "access_denied",
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType => "unsupported_response_type",
    /// RFC 6749 §4.1.2.1.
    ServerError => "server_error",
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable => "temporarily_unavailable",
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired => "login_required",
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired => "consent_required",
    /// OpenID Connect Core §3.1.2.6.
    InteractionRequired => "interaction_required",
    /// OpenID Connect Core §3.1.2.6.
    AccountSelectionRequired => "account_selection_required",
    /// OpenID Connect Core §3.1.2.6.
    InvalidRequestUri => "invalid_request_uri",
    /// OpenID Connect Core §3.1.2.6.
    InvalidRequestObject => "invalid_request_object",
    /// OpenID Connect Core §3.1.2.6.
    RequestUriNotSupported => "request_uri_not_supported",
    /// OpenID Connect Core §3.1.2.6.
    RegistrationNotSupported => "registration_not_supported",
    /// OpenID Connect Core Unmet Authentication Requirements §2.
    UnmetAuthenticationRequirements => "unmet_authentication_requirements",
    /// RFC 8707 §2.
    InvalidTarget => "invalid_target",
    /// RFC 9449 §12.2.
    InvalidDpopProof => "invalid_dpop_proof",
    /// RFC 9449 §12.2.
    UseDpopNonce => "use_dpop_nonce",
    /// RFC 8628 §3.5.
    AuthorizationPending => "authorization_pending",
    /// RFC 8628 §3.5.
    SlowDown => "slow_down",
    /// RFC 8628 §3.5.
    ExpiredToken => "expired_token",
    /// RFC 6750 §3.1.
    InvalidToken => "invalid_token",
    /// RFC 6750 §3.1.
    InsufficientScope => "insufficient_scope",
    /// RFC 9396 §5.
    InvalidAuthorizationDetails => "invalid_authorization_details",
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri => "invalid_redirect_uri",
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata => "invalid_client_metadata",
}

/// A no, as the protocol says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What a program branches on.
    pub code: ErrorCode,
    /// A sentence for whoever wrote the program. It never repeats the rejected value.
    pub description: Cow<'static, str>,
}

impl Denial {
    /// A no with `code`, explained by `description`.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: description.into() }
    }

    /// `invalid_request`.
    pub fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`.
    pub fn grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// `invalid_client`: one sentence for every reason.
    #[must_use]
    pub fn client() -> Self {
        Self::new(ErrorCode::InvalidClient, "the application is unknown or did not authenticate")
    }
}
