//! The shapes that every endpoint's answers share, under the component names of the contract.
//!
//! The shapes of single endpoints are with their endpoints. Errors of the other statuses are
//! rendered by `http::error`.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema},
};

use crate::{
    clock::Timestamp,
    error::{Fault, Loc},
    flows::tokens::Minted,
};

/// Gives types that hold secrets a `Debug` that tells their names alone.
macro_rules! named_only {
    ($($kind:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($kind))
            }
        }
    )+};
}
pub(super) use named_only;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValidationError {
    /// Where: `body`, `query` or `path`, then field names and positions.
    #[schema(inline)]
    pub loc: Vec<Location>,
    /// A sentence for a person.
    pub msg: String,
    /// The machine-readable kind, such as `missing`.
    pub r#type: String,
}

/// One step of a fault's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Location {
    /// A part of the request, or a field.
    Name(String),
    /// A position.
    Index(i64),
}

impl From<Fault> for ValidationError {
    fn from(fault: Fault) -> Self {
        let step = |step| match step {
            Loc::Name(name) => Location::Name(name),
            Loc::Index(index) => Location::Index(index),
        };
        Self {
            loc: fault.loc.into_iter().map(step).collect(),
            msg: fault.message,
            r#type: fault.kind.to_owned(),
        }
    }
}

/// Every fault of a request, answered with status 422.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HTTPValidationError {
    /// The faults, in the order the fields are declared in.
    #[schema(required = false)]
    pub detail: Vec<ValidationError>,
}

impl From<Vec<Fault>> for HTTPValidationError {
    fn from(faults: Vec<Fault>) -> Self {
        Self { detail: faults.into_iter().map(ValidationError::from).collect() }
    }
}

/// Metadata included in API responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MetaResponse {
    /// The request's id, as in the header `X-Request-Id`.
    pub request_id: Option<String>,
    /// When the answer was made, RFC 3339 in UTC.
    #[schema(required = false, format = DateTime)]
    pub timestamp: String,
}

impl MetaResponse {
    /// The metadata of an answer to `request`, made at `now`.
    #[must_use]
    pub fn new(request: &str, now: Timestamp) -> Self {
        Self { request_id: Some(request.to_owned()), timestamp: now.rfc3339() }
    }
}

/// Tokens, as every answer spells them that hands some out (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
pub struct TokenFields {
    /// A signed token of type `at+jwt`, for an hour at most.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// For how many seconds the access token is good.
    pub expires_in: i64,
    /// What the next access token is had by: opaque, and good once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Who the user is, for an application that asks for `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What the tokens are good for.
    pub scope: String,
}

named_only!(TokenFields);

impl TokenFields {
    /// The fields of tokens just made.
    #[must_use]
    pub fn of(minted: &Minted) -> Self {
        Self {
            access_token: minted.access_token.expose().clone(),
            token_type: minted.token_type,
            expires_in: minted.expires_in,
            refresh_token: minted.refresh_token.as_ref().map(|it| it.expose().clone()),
            id_token: minted.id_token.as_ref().map(|it| it.expose().clone()),
            scope: minted.scope.clone(),
        }
    }
}

/// The name that a type's envelope is called by.
///
/// The contract spells the envelope `ApiResponse_LoginResponse_` although the component inside
/// may carry a longer name, so the short one is said here.
pub trait ClassName {
    /// The class name without any module, such as `LoginResponse`.
    const CLASS_NAME: &'static str;
}

/// A successful answer: the data and the metadata.
///
/// In `#[utoipa::path]` name it by a type alias (`type LoginReply = ApiResponse<LoginResponse>`):
/// where the macro sees a generic it makes up a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiResponse<T> {
    /// What was asked for.
    pub data: T,
    /// About the answer itself.
    pub meta: MetaResponse,
}

impl<T: ToSchema> PartialSchema for ApiResponse<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .property("data", Ref::from_schema_name(T::name()))
            .property("meta", Ref::from_schema_name(MetaResponse::name()))
            .required("data")
            .into()
    }
}

impl<T: ToSchema + ClassName> ToSchema for ApiResponse<T> {
    fn name() -> Cow<'static, str> {
        format!("ApiResponse_{}_", T::CLASS_NAME).into()
    }

    fn schemas(components: &mut Vec<(String, RefOr<Schema>)>) {
        components.push((T::name().into_owned(), T::schema()));
        T::schemas(components);
        components.push((MetaResponse::name().into_owned(), MetaResponse::schema()));
        MetaResponse::schemas(components);
    }
}

#[cfg(test)]
mod tests;
