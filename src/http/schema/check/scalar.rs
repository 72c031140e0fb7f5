//! What each kind of single value must be, and what is put right about it.
//!
//! Lists, objects and unions are the walk's business.

use std::borrow::Cow;

use serde_json::{Number, Value};
use uuid::Uuid;

use super::{
    super::compile::{Bounds, Form, Text},
    Refused,
};
use crate::domain::email::Email;

pub(super) const NUL: &str = "Value error, text must not contain the character U+0000";

fn refuse(kind: &'static str, message: impl Into<Cow<'static, str>>) -> Result<(), Refused> {
    Err((kind, message.into()))
}

/// Free data: anything without U+0000, in keys as in texts.
pub(super) fn any(value: &Value) -> Result<(), Refused> {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        let has_nul = match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => {
                left.extend(items);
                false
            }
            Value::Object(fields) => {
                left.extend(fields.values());
                fields.keys().any(|key| key.contains('\0'))
            }
            _ => false,
        };
        if has_nul {
            return refuse("value_error", NUL);
        }
    }
    Ok(())
}

pub(super) fn bool(value: &mut Value) -> Result<(), Refused> {
    let meant = match &*value {
        Value::Bool(_) => return Ok(()),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
            "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            Some(other) if other.fract() == 0.0 => None,
            _ => return refuse("bool_type", "Input should be a valid boolean"),
        },
        _ => return refuse("bool_type", "Input should be a valid boolean"),
    };
    let Some(meant) = meant else {
        let message = "Input should be a valid boolean, unable to interpret input";
        return refuse("bool_parsing", message);
    };
    *value = Value::Bool(meant);
    Ok(())
}

pub(super) fn int(value: &mut Value, limits: &Bounds) -> Result<(), Refused> {
    const SIZE: &str = "Unable to parse input string as an integer, exceeded maximum size";
    let whole: i128 = match &*value {
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => whole.into(),
            (_, Some(whole), _) => whole.into(),
            (.., Some(float)) if float.fract() == 0.0 => match format!("{float:.0}").parse() {
                Ok(whole) => whole,
                Err(_) => return refuse("int_parsing_size", SIZE),
            },
            _ => {
                let message =
                    "Input should be a valid integer, got a number with a fractional part";
                return refuse("int_from_float", message);
            }
        },
        Value::String(text) => {
            const PARSING: &str =
                "Input should be a valid integer, unable to parse string as an integer";
            lax_int(text).ok_or(("int_parsing", PARSING.into()))?
        }
        Value::Bool(yes) => i128::from(*yes),
        _ => return refuse("int_type", "Input should be a valid integer"),
    };
    let Some(number) = Number::from_i128(whole) else {
        return refuse("int_parsing_size", SIZE);
    };
    let size = number.as_f64().unwrap_or(f64::NAN);
    *value = Value::Number(number);
    within(size, limits)
}

pub(super) fn float(value: &mut Value, limits: &Bounds) -> Result<(), Refused> {
    let size = match &*value {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::Bool(yes) => f64::from(u8::from(*yes)),
        Value::String(text) => {
            const PARSING: &str =
                "Input should be a valid number, unable to parse string as a number";
            let size = without_underscores(text.trim()).and_then(|text| text.parse().ok());
            size.ok_or(("float_parsing", PARSING.into()))?
        }
        _ => return refuse("float_type", "Input should be a valid number"),
    };
    let Some(number) = Number::from_f64(size) else {
        return refuse("finite_number", "Input should be a finite number");
    };
    if !value.is_number() {
        *value = Value::Number(number);
    }
    within(size, limits)
}

fn within(size: f64, limits: &Bounds) -> Result<(), Refused> {
    let rules = [
        (limits.at_most.filter(|limit| size > *limit), "less_than_equal", "less than or equal to"),
        (limits.below.filter(|limit| size >= *limit), "less_than", "less than"),
        (
            limits.at_least.filter(|limit| size < *limit),
            "greater_than_equal",
            "greater than or equal to",
        ),
        (limits.above.filter(|limit| size <= *limit), "greater_than", "greater than"),
    ];
    for (broken, kind, words) in rules {
        if let Some(limit) = broken {
            return refuse(kind, format!("Input should be {words} {limit}"));
        }
    }
    Ok(())
}

pub(super) fn text(value: &mut Value, rules: &Text) -> Result<(), Refused> {
    let Value::String(text) = value else {
        return match rules.form {
            Form::Uuid => {
                refuse("uuid_type", "UUID input should be a string, bytes or UUID object")
            }
            Form::DateTime => refuse("datetime_type", "Input should be a valid datetime"),
            _ => refuse("string_type", "Input should be a valid string"),
        };
    };
    length(text, rules)?;
    match rules.form {
        Form::Password => Ok(()),
        Form::Email => {
            let email = Email::parse(text).map_err(|fault| {
                let message = format!("value is not a valid email address: {}", fault.reason());
                ("value_error", message.into())
            })?;
            // As pydantic hands it on: the bare address without blanks around it.
            email.as_str().clone_into(text);
            Ok(())
        }
        _ if text.contains('\0') => refuse("value_error", NUL),
        Form::SingleLine if text.chars().any(breaks_line) => {
            refuse("value_error", "Value error, text must be one line without control characters")
        }
        Form::Uuid if Uuid::parse_str(text).is_err() => {
            refuse("uuid_parsing", "Input should be a valid UUID")
        }
        Form::DateTime if text.parse::<jiff::Timestamp>().is_err() => {
            refuse("datetime_parsing", "Input should be a valid datetime")
        }
        _ => Ok(()),
    }
}

fn length(text: &str, rules: &Text) -> Result<(), Refused> {
    let s = |count| if count == 1 { "" } else { "s" };
    let count = text.chars().count();
    let (min, max) = (rules.min, rules.max);
    if count < min {
        let message = format!("String should have at least {min} character{}", s(min));
        return refuse("string_too_short", message);
    }
    if count > max {
        let message = format!("String should have at most {max} character{}", s(max));
        return refuse("string_too_long", message);
    }
    Ok(())
}

fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

pub(super) fn literal(value: &Value, values: &[Value]) -> Result<(), Refused> {
    if values.contains(value) {
        return Ok(());
    }
    let mut names: Vec<String> = values
        .iter()
        .map(|value| value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'")))
        .collect();
    let last = names.pop().unwrap_or_default();
    let expected = if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) };
    refuse("literal_error", format!("Input should be {expected}"))
}

/// A whole number as pydantic takes it from text: blanks around it, a sign, single underscores
/// between digits, a fraction of zeros.
fn lax_int(text: &str) -> Option<i128> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) => {
            let zero = !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0');
            Some(whole).filter(|_| zero)?
        }
        None => text,
    };
    without_underscores(whole)?.parse().ok()
}

/// The text without the single underscores between its digits; `None` where one stands elsewhere.
fn without_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let placed = |at: usize| at > 0 && digit(at - 1) && digit(at + 1);
    let good = text.match_indices('_').all(|(at, _)| placed(at));
    good.then(|| Cow::Owned(text.replace('_', "")))
}
