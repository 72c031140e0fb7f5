//! The API document as Markdown: one page for each group of endpoints, and an index.
//!
//! Everything on a page comes out of the document, so a page is never more right or more wrong
//! than `/openapi.json`. Writing the pages to files is for the command line. The guides that
//! explain the endpoints are written by hand and are not made here.

use std::{
    collections::BTreeSet,
    fmt::{self, Write},
};

use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

mod types;

const MADE: &str = "This page is generated from the API document, which a running server serves at `/openapi.json`.";
const REFERENCES: &str = "#/components/schemas/";
/// Where operations without a tag are.
const UNTAGGED: &str = "Other";

/// The pages as file names and Markdown texts: `README.md`, which lists all endpoints, then a
/// page for each tag, such as `authentication.md`, in the document's order.
///
/// The same document gives the same texts.
#[must_use]
pub fn pages(document: &OpenApi) -> Vec<(String, String)> {
    let document = serde_json::to_value(document).unwrap_or_default();
    let groups = groups(&document);
    let mut pages = vec![("README.md".to_owned(), index(&document, &groups))];
    for group in &groups {
        pages.push((file_name(group.name), page(&document, group)));
    }
    pages
}

/// The endpoints of one tag.
struct Group<'d> {
    name: &'d str,
    description: &'d str,
    endpoints: Vec<Endpoint<'d>>,
}

struct Endpoint<'d> {
    method: String,
    path: &'d str,
    operation: &'d Value,
}

impl Endpoint<'_> {
    fn heading(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The groups that have endpoints: those that the document describes first, in its order.
fn groups(document: &Value) -> Vec<Group<'_>> {
    let described =
        items(document, "tags").filter_map(|tag| Some((name_of(tag)?, text(tag, "description"))));
    let mut groups: Vec<Group<'_>> = described
        .map(|(name, description)| Group { name, description, endpoints: Vec::new() })
        .collect();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let tag = items(operation, "tags").next().and_then(Value::as_str).unwrap_or(UNTAGGED);
            let endpoint = Endpoint { method: method.to_uppercase(), path, operation };
            match groups.iter_mut().find(|group| group.name == tag) {
                Some(group) => group.endpoints.push(endpoint),
                None => {
                    groups.push(Group { name: tag, description: "", endpoints: vec![endpoint] });
                }
            }
        }
    }
    groups.retain(|group| !group.endpoints.is_empty());
    groups
}

fn index(document: &Value, groups: &[Group<'_>]) -> String {
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or("API");
    let version = document.pointer("/info/version").and_then(Value::as_str).unwrap_or("0");
    let mut out = Page::default();
    out.paragraph(format_args!("# {title} API reference"));
    out.paragraph(format_args!("Version {version}.\n{MADE}"));
    for group in groups {
        let file = file_name(group.name);
        out.paragraph(format_args!("## [{}]({file})", group.name));
        out.prose(group.description);
        out.paragraph(format_args!("{}:", endpoints_counted(group)));
        for endpoint in &group.endpoints {
            let heading = endpoint.heading();
            let summary = text(endpoint.operation, "summary");
            out.line(format_args!("- [`{heading}`]({file}#{}): {summary}", anchor(&heading)));
        }
        out.line(format_args!(""));
    }
    out.finish()
}

fn page(document: &Value, group: &Group<'_>) -> String {
    let mut out = Page::default();
    out.paragraph(format_args!("# {} API", group.name));
    out.paragraph(format_args!(
        "Reference of the {} group: {}.\n{MADE}",
        group.name,
        endpoints_counted(group)
    ));
    out.prose(group.description);
    out.paragraph(format_args!("## Endpoints"));
    for endpoint in &group.endpoints {
        write_endpoint(&mut out, endpoint);
    }
    let mut wanted = BTreeSet::new();
    for endpoint in &group.endpoints {
        references(document, endpoint.operation, &mut wanted);
    }
    if !wanted.is_empty() {
        out.paragraph(format_args!("## Schemas"));
        out.paragraph(format_args!("Every type that the endpoints above refer to."));
    }
    for name in wanted {
        if let Some(schema) = component(document, name) {
            write_schema(&mut out, name, schema);
        }
    }
    out.finish()
}

fn endpoints_counted(group: &Group<'_>) -> String {
    match group.endpoints.len() {
        1 => "1 endpoint".to_owned(),
        many => format!("{many} endpoints"),
    }
}

fn write_endpoint(out: &mut Page, endpoint: &Endpoint<'_>) {
    let operation = endpoint.operation;
    out.paragraph(format_args!("### `{}`", endpoint.heading()));
    out.paragraph(format_args!("**{}**", text(operation, "summary")));
    out.prose(text(operation, "description"));
    let mut parameters = items(operation, "parameters").peekable();
    if parameters.peek().is_some() {
        out.paragraph(format_args!("Parameters:"));
        out.table(&["Name", "In", "Required", "Type", "Description"]);
        for parameter in parameters {
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            out.row(&[
                code(name_of(parameter).unwrap_or_default()),
                text(parameter, "in").to_owned(),
                yes_or_no(parameter.get("required") == Some(&Value::Bool(true))),
                types::link(schema),
                types::remarks(text(parameter, "description"), schema),
            ]);
        }
        out.line(format_args!(""));
    }
    if let Some(body) = operation.get("requestBody") {
        let need =
            if body.get("required") == Some(&Value::Bool(true)) { "required" } else { "optional" };
        out.paragraph(format_args!("Request body ({need}): {}", content(body)));
    }
    out.paragraph(format_args!("Responses:"));
    out.table(&["Status", "Body", "Description"]);
    for (status, response) in
        operation.get("responses").and_then(Value::as_object).into_iter().flatten()
    {
        out.row(&[code(status), content(response), text(response, "description").to_owned()]);
    }
    out.line(format_args!(""));
}

/// The media types of a body with the type of each.
fn content(body: &Value) -> String {
    let kinds = body.get("content").and_then(Value::as_object).into_iter().flatten();
    let each = kinds.map(|(media, content)| {
        let schema = content.get("schema").unwrap_or(&Value::Null);
        format!("`{media}` → {}", types::link(schema))
    });
    let all = each.collect::<Vec<_>>().join(", ");
    if all.is_empty() { "none".to_owned() } else { all }
}

fn write_schema(out: &mut Page, name: &str, schema: &Value) {
    out.paragraph(format_args!("### `{name}`"));
    out.prose(text(schema, "description"));
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
        out.paragraph(format_args!("Type: {}", types::link(schema)));
        return;
    };
    let required: Vec<_> = items(schema, "required").filter_map(Value::as_str).collect();
    out.table(&["Field", "Type", "Required", "Description"]);
    for (field, schema) in fields {
        out.row(&[
            code(field),
            types::link(schema),
            yes_or_no(required.contains(&field.as_str())),
            types::remarks(text(schema, "description"), schema),
        ]);
    }
    out.line(format_args!(""));
}

/// Adds the components that `value` refers to, and those that they refer to.
fn references<'d>(document: &'d Value, value: &'d Value, wanted: &mut BTreeSet<&'d str>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = referred(fields)
                && wanted.insert(name)
                && let Some(schema) = component(document, name)
            {
                references(document, schema, wanted);
            }
            fields.values().for_each(|field| references(document, field, wanted));
        }
        Value::Array(items) => items.iter().for_each(|item| references(document, item, wanted)),
        _ => {}
    }
}

/// The component that a schema is a reference to.
fn referred(schema: &Map<String, Value>) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(REFERENCES)
}

fn component<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    document.get("components")?.get("schemas")?.get(name)
}

fn items<'d>(value: &'d Value, field: &str) -> impl Iterator<Item = &'d Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'d>(value: &'d Value, field: &str) -> &'d str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn name_of(value: &Value) -> Option<&str> {
    value.get("name").and_then(Value::as_str)
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// The tag in kebab-case, as a file.
fn file_name(tag: &str) -> String {
    let words = tag.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase() + ".md"
}

/// The anchor that Markdown renderers give a heading: letters, digits, `_` and `-` in lower case,
/// spaces as `-`, and nothing else.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// A Markdown text under way. Writing into a `String` cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{text}");
    }

    fn paragraph(&mut self, text: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{text}\n");
    }

    /// A paragraph out of the document, where there is one.
    fn prose(&mut self, text: &str) {
        if !text.is_empty() {
            self.paragraph(format_args!("{text}"));
        }
    }

    fn table(&mut self, heads: &[&str]) {
        self.line(format_args!("| {} |", heads.join(" | ")));
        self.line(format_args!("|{}", "---|".repeat(heads.len())));
    }

    /// A row. A `|` in a cell would end it, a line break the table.
    fn row(&mut self, cells: &[String]) {
        let cells = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        self.line(format_args!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
    }

    fn finish(self) -> String {
        self.0.trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests;
