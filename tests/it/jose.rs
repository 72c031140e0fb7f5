//! Tokens that others sign: proofs of possession, assertions and request objects.

pub(crate) mod client;
mod client_auth;
mod dpop;
mod request_objects;

use std::sync::Arc;

use countersign::{
    domain::oauth::ErrorCode,
    flows::{
        Cx,
        oauth::{Failure, Flavour, Ox},
    },
};

#[path = "../../src/crypto/jose/foreign/tests/signer.rs"]
pub(crate) mod signer;

use crate::support::{World, operator};

/// Seconds since 1970 at the start of every test.
pub(crate) const NOW: i64 = 1_767_225_600;

/// A protocol request at a tenant's endpoints, at this moment.
pub(crate) fn at(world: &World, cx: &Cx) -> Ox {
    Ox {
        app: Arc::clone(&world.app),
        flavour: Flavour::Tenant(Arc::clone(&cx.tenant)),
        caller: Arc::new(operator()),
        now: world.app.clock.now(),
    }
}

/// A protocol request at the platform's endpoints, at this moment.
pub(crate) fn at_platform(world: &World) -> Ox {
    Ox {
        app: Arc::clone(&world.app),
        flavour: Flavour::Platform,
        caller: Arc::new(operator()),
        now: world.app.clock.now(),
    }
}

/// The protocol's code for a failure.
pub(crate) fn code<T>(answer: Result<T, Failure>) -> Option<ErrorCode> {
    answer.err().map(|failure| failure.code())
}
