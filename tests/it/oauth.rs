//! OAuth 2.0 and OpenID Connect, through the router.

mod exchange;
mod parties;
