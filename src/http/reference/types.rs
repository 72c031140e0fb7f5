//! How the reference spells types: `string (email)`, `string | null`, `array of X`.
//!
//! Names of components are links within the page. Bounds and defaults are remarks, in words.

use serde_json::{Map, Value};

use super::{anchor, referred};

/// The type of `schema`; `any` where it says nothing.
pub(super) fn link(schema: &Value) -> String {
    let Some(schema) = schema.as_object() else { return "any".to_owned() };
    if let Some(name) = referred(schema) {
        return format!("[{name}](#{})", anchor(name));
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        if let Some(kinds) = schema.get(union).and_then(Value::as_array) {
            return either(kinds.iter().map(link).collect());
        }
    }
    match schema.get("type") {
        Some(Value::String(kind)) => simple(kind, schema),
        Some(Value::Array(kinds)) => {
            either(kinds.iter().filter_map(Value::as_str).map(|it| simple(it, schema)).collect())
        }
        _ => "any".to_owned(),
    }
}

/// The kinds with `null` last, as one reads them.
fn either(mut kinds: Vec<String>) -> String {
    kinds.sort_by_key(|kind| kind == "null");
    kinds.join(" | ")
}

fn simple(kind: &str, schema: &Map<String, Value>) -> String {
    match (kind, schema.get("format").and_then(Value::as_str)) {
        ("array", _) => format!("array of {}", link(schema.get("items").unwrap_or(&Value::Null))),
        // The format `password` tells a form to hide what is typed; any string is one.
        ("string", Some(format)) if format != "password" => format!("string ({format})"),
        _ => kind.to_owned(),
    }
}

/// The description, what values are allowed, and the default.
pub(super) fn remarks(description: &str, schema: &Value) -> String {
    let mut remarks = Vec::new();
    if !description.is_empty() {
        remarks.push(description.to_owned());
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values = values.iter().map(|value| format!("`{}`", spelt(value)));
        remarks.push(format!("One of {}.", values.collect::<Vec<_>>().join(", ")));
    }
    remarks.extend(bounds(schema, "minLength", "maxLength", "characters"));
    remarks.extend(bounds(schema, "minItems", "maxItems", "items"));
    remarks.extend(bounds(schema, "minimum", "maximum", ""));
    if let Some(default) = schema.get("default") {
        remarks.push(format!("Default: {}", spelt(default)));
    }
    remarks.join(" ")
}

fn bounds(schema: &Value, least: &str, most: &str, unit: &str) -> Option<String> {
    let said = match (schema.get(least), schema.get(most)) {
        (Some(least), Some(most)) => format!("{least} to {most} {unit}"),
        (Some(least), None) => format!("At least {least} {unit}"),
        (None, Some(most)) => format!("At most {most} {unit}"),
        (None, None) => return None,
    };
    Some(said.trim_end().to_owned() + ".")
}

/// A value as the reference spells it: `True` and `False`, texts without quotes.
fn spelt(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
