//! OAuth 2.0 and OpenID Connect, through the endpoints that clients use.

mod authorize;
mod authorized_apps;
mod backchannel;
mod clients;
mod code;
mod conformance;
mod device;
mod direct;
mod discovery;
mod exchange;
mod logout;
mod parties;
mod people;
mod refresh;
mod shown;
