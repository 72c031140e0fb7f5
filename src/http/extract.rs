//! Reading requests: body, form, query and path, each against the schema of its type.
//!
//! Every refusal is a [`crate::error::Error`], so that one place renders them all. What the
//! schema checks is `http::schema`'s business; how much is read, how long and in which encoding
//! is settled here. Content types are taken as clients of the contract know it: a body of another
//! type is not refused as such, it is a body that holds no fields.

use std::time::Duration;

use axum::{
    body::{Body as HttpBody, Bytes},
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{
        HeaderMap,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::{
    error::{Code, Error, Result},
    http::schema::{self, Part},
};

/// Octets of a body.
pub const MAX_BODY: usize = 64 * 1024;
/// Octets of a query string.
pub const MAX_QUERY: usize = 8 * 1024;
/// Names and values in a query string or a form.
pub const MAX_PAIRS: usize = 100;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);

/// A JSON body, checked against `T`'s schema.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A body of type `application/x-www-form-urlencoded`, as a page's form sends it.
///
/// A field left empty counts as not sent, since a browser sends every field of a form.
#[derive(Debug)]
pub struct Form<T>(pub T);

/// The query string. Of a repeated parameter the last value counts.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// The query string, or a form body where the query string has not all that is asked for: secrets
/// need not stand in an address.
#[derive(Debug)]
pub struct QueryOrForm<T>(pub T);

/// The path's parameters. An empty one means that there is nothing at that path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + ToSchema + 'static> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let json = is_json(request.headers());
        let text = text_of(request).await?;
        if text.is_empty() {
            return Err(Part::Body.refusal("missing", "Field required"));
        }
        let value = if json {
            schema::parse_json(text.strip_prefix('\u{feff}').unwrap_or(&text))?
        } else {
            // Text of another type: it is there, and it has no fields.
            Value::String(String::new())
        };
        schema::read(Part::Body, value).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + ToSchema + 'static> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let form = media_type(request.headers()) == "application/x-www-form-urlencoded";
        let text = text_of(request).await?;
        let mut fields = pairs(Part::Body, if form { &text } else { "" })?;
        fields.retain(|_, value| value != "");
        schema::read(Part::Body, Value::Object(fields)).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + ToSchema + 'static> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        schema::read(Part::Query, Value::Object(query(parts.uri.query())?)).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + ToSchema + 'static> FromRequest<S> for QueryOrForm<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let mut fields = query(request.uri().query())?;
        if media_type(request.headers()) == "application/x-www-form-urlencoded" {
            let form = pairs(Part::Body, &text_of(request).await?)?;
            for (name, value) in form {
                fields.entry(name).or_insert(value);
            }
        }
        schema::read(Part::Query, Value::Object(fields)).map(Self)
    }
}

/// The names and values of a query string that is not too long.
fn query(text: Option<&str>) -> Result<Map<String, Value>> {
    let text = text.unwrap_or_default();
    if text.len() > MAX_QUERY {
        let message = format!("Value error, the query may have at most {MAX_QUERY} bytes");
        return Err(Part::Query.refusal("value_error", message));
    }
    pairs(Part::Query, text)
}

impl<S: Send + Sync, T: DeserializeOwned + ToSchema + 'static> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        // The only bad input here is a parameter that is not text: no such path exists.
        let params =
            RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::NotFound)?;
        let mut fields = Map::new();
        for (name, value) in &params {
            if value.is_empty() {
                return Err(Error::NotFound);
            }
            fields.insert(name.to_owned(), value.into());
        }
        schema::read(Part::Path, Value::Object(fields)).map(Self)
    }
}

/// The text of a form; `None` where the body is of another type.
///
/// # Errors
/// Where it is too long, no text, or does not come in time.
pub async fn form_text(request: Request) -> Result<Option<String>> {
    let is_form = media_type(request.headers()) == "application/x-www-form-urlencoded";
    if is_form { text_of(request).await.map(Some) } else { Ok(None) }
}

/// The text of a body of whatever type.
///
/// # Errors
/// Where it is too long, no text, or does not come in time.
pub async fn body_text(request: Request) -> Result<String> {
    text_of(request).await
}

/// The whole body as text.
async fn text_of(request: Request) -> Result<String> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.and_then(|value| value.parse::<u64>().ok()).is_some_and(|n| n > MAX_BODY as u64) {
        return Err(Error::refused(Code::PayloadTooLarge));
    }
    let bytes = collect(request.into_body(), BODY_TIME).await?;
    String::from_utf8(bytes.into()).map_err(|_| Error::refused(Code::UnreadableBody))
}

/// The body's bytes, counted as they come: a chunked body declares no length.
async fn collect(body: HttpBody, within: Duration) -> Result<Bytes> {
    match tokio::time::timeout(within, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if is_too_long(&*error) => Err(Error::refused(Code::PayloadTooLarge)),
        Ok(Err(_)) => Err(Error::refused(Code::UnreadableBody)),
        Err(_) => Err(Error::refused(Code::RequestTimeout)),
    }
}

/// Whether a limit was hit, ours or one that a layer has put around the body.
fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// The names and values of a query string or a form. Bytes that are no text become U+FFFD.
fn pairs(part: Part, text: &str) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for (count, (name, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if count >= MAX_PAIRS {
            let message = format!("Value error, at most {MAX_PAIRS} parameters are allowed");
            return Err(part.refusal("value_error", message));
        }
        fields.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(fields)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    let subtype = media_type.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// The content type in lower case without its parameters; empty where there is none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
