//! What a request must look like, said once: the schema in the API document is the check.
//!
//! A type's schema is compiled to a `Plan` on first use. The values of a request are walked
//! along it, every fault is noted in the order of declaration and in pydantic's vocabulary, and
//! lax values are put right in place (`"yes"` becomes `true`). Only then does serde read them.
//! Reading requests is `http::extract`; rendering faults is `http::error`.
//!
//! A text field holds no U+0000, since neither database keeps one in every column. A `format`
//! says more: `password` allows any character, `single-line` no control character and no line
//! break, `email`, `uuid` and `date-time` what they name.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use utoipa::ToSchema;

use crate::error::{Error, Fault, Loc, Result};

mod check;
mod compile;
mod json_fault;

use compile::Plan;

/// Levels of lists and objects in a JSON body.
pub const MAX_DEPTH: usize = 32;

/// The part of a request that values come from; the first step of a fault's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The body, JSON or form.
    Body,
    /// The query string.
    Query,
    /// The path's parameters.
    Path,
}

impl Part {
    /// As it stands in a fault's place.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Query => "query",
            Self::Path => "path",
        }
    }

    /// A fault of this part as a whole.
    pub(super) fn fault(self, kind: &'static str, message: impl Into<String>) -> Fault {
        Fault { loc: vec![Loc::Name(self.as_str().to_owned())], kind, message: message.into() }
    }

    /// The refusal for one fault of this part as a whole.
    pub(super) fn refusal(self, kind: &'static str, message: impl Into<String>) -> Error {
        Error::Invalid(vec![self.fault(kind, message)])
    }
}

/// Reads JSON text. A repeated key counts by its last value.
///
/// # Errors
/// `json_invalid` at the character where the text goes wrong, or `value_error` where it nests
/// deeper than [`MAX_DEPTH`].
pub fn parse_json(text: &str) -> Result<Value> {
    // Measured on the text, so that no tree is built of what will be refused.
    if json_fault::depth(text) > MAX_DEPTH {
        let message = format!("Value error, JSON may nest at most {MAX_DEPTH} levels");
        return Err(Part::Body.refusal("value_error", message));
    }
    serde_json::from_str(text).map_err(|_| {
        let at = i64::try_from(json_fault::position(text).unwrap_or(0)).unwrap_or(i64::MAX);
        let mut fault = Part::Body.fault("json_invalid", "JSON decode error");
        fault.loc.push(Loc::Index(at));
        Error::Invalid(vec![fault])
    })
}

/// Checks `value` against `T`'s schema and reads it.
///
/// # Errors
/// [`Error::Invalid`] with every fault there is, in the order of declaration;
/// [`Error::Internal`] where the schema itself cannot be followed.
pub fn read<T: DeserializeOwned + ToSchema + 'static>(part: Part, mut value: Value) -> Result<T> {
    let plan = plan_of::<T>()?;
    let faults = check::faults(&plan, part, &mut value);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    serde_path_to_error::deserialize(value).map_err(|refused| backstop(part, &refused))
}

/// The plan of `T`, compiled on first use.
fn plan_of<T: ToSchema + 'static>() -> Result<Arc<Plan>> {
    static PLANS: LazyLock<RwLock<HashMap<TypeId, Arc<Plan>>>> = LazyLock::new(RwLock::default);
    let key = TypeId::of::<T>();
    if let Some(plan) = PLANS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(Arc::clone(plan));
    }
    // `schemas` tells what a type refers to; one that contains itself refers to itself as well.
    let mut named = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut named);
    let plan = compile::compile(&T::schema(), &named.into_iter().collect())
        .map_err(|fault| Error::internal("compiling the schema of a request", fault))?;
    let plan = Arc::new(plan);
    PLANS.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&plan));
    Ok(plan)
}

/// What serde refuses although the schema allowed it: a hand-written `Deserialize`, or a number
/// too large for its type. Serde's own words may hold the value, so they are not used.
fn backstop(part: Part, refused: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let mut fault = part.fault("value_error", "Value error, the value is not one this field takes");
    fault.loc.extend(refused.path().iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(Loc::Index(i64::try_from(*index).unwrap_or(i64::MAX))),
        Segment::Map { key } => Some(Loc::Name(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    }));
    Error::Invalid(vec![fault])
}

#[cfg(test)]
mod tests;
