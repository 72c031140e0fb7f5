//! Request objects (RFC 9101).

use super::{Answered, Ox};
use crate::domain::{
    application::Application,
    oauth::{Denial, ErrorCode, parameters::Parameters},
};

/// Opens a request object.
pub async fn open(_ox: &Ox, _application: &Application, _jwt: &str) -> Answered<Parameters> {
    Err(Denial::new(ErrorCode::InvalidRequestObject, "not taken").into())
}
