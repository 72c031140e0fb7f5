//! What a reader finds on the pages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{anchor, file_name, pages, types};
use crate::http::openapi;

fn real() -> BTreeMap<String, String> {
    pages(&openapi::document()).into_iter().collect()
}

/// The part of `page` from `heading` to the next heading of any level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let part = &page[start + heading.len()..];
    part.find("\n#").map_or(part, |end| &part[..end])
}

#[test]
fn the_login_endpoint_is_there_with_its_facts() {
    let pages = real();
    let page = &pages["authentication.md"];
    let login = section(page, "### `POST /api/v1/auth/tenants/{tenant_slug}/login`");
    for fact in [
        "**Login**",
        "Direct login endpoint for hosted login page.",
        "| `tenant_slug` | path | yes | string |",
        "Request body (required): `application/json` → [scaikey__schemas__auth__LoginRequest]\
         (#scaikey__schemas__auth__loginrequest)",
        "| `200` | `application/json` → [ApiResponse_LoginResponse_](#apiresponse_loginresponse_) |",
        "| `422` | `application/json` → [HTTPValidationError](#httpvalidationerror) |",
    ] {
        assert!(login.contains(fact), "{fact} is not in {login}");
    }
    let request = section(page, "### `scaikey__schemas__auth__LoginRequest`");
    for fact in ["| `email` | string (email) | yes |", "| `password` | string | yes |"] {
        assert!(request.contains(fact), "{fact} is not in {request}");
    }
    let remember = request.lines().find(|line| line.contains("remember_me")).unwrap();
    assert!(remember.starts_with("| `remember_me` | boolean | no |"), "{remember}");
    assert!(remember.ends_with(" Default: False |"), "{remember}");
    let trusted = "| `trusted_device_token` | string \\| null | no |";
    assert!(request.contains(trusted), "{request}");
}

#[test]
fn lists_of_references_are_spelt_and_linked() {
    let pages = real();
    let error = section(&pages["authentication.md"], "### `HTTPValidationError`");
    assert!(error.contains("| `detail` | array of [ValidationError](#validationerror) | no |"));
    let fault = section(&pages["authentication.md"], "### `ValidationError`");
    assert!(fault.contains("| `loc` | array of string \\| integer | yes |"), "{fault}");
}

#[test]
fn every_link_leads_somewhere() {
    let pages = real();
    let mut links = 0;
    for (name, page) in &pages {
        for link in page.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() { page } else { &pages[file] };
            let headings = there.lines().filter_map(|line| line.strip_prefix("### "));
            let found = place.is_empty() || headings.map(anchor).any(|it| it == place);
            assert!(found, "{target} in {name}");
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}

#[test]
fn every_endpoint_is_on_one_page_and_in_the_index() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let pages = real();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let heading = format!("### `{} {path}`\n", method.to_uppercase());
            let on = pages.values().filter(|page| page.contains(&heading)).count();
            assert_eq!(on, 1, "{heading}");
            let entry = format!("[`{} {path}`](", method.to_uppercase());
            assert!(pages["README.md"].contains(&entry), "{entry}");
        }
    }
}

#[test]
fn components_of_components_have_a_section_once() {
    let schema = |to: &str| {
        json!({ "type": "object", "properties": {
            "next": { "$ref": format!("#/components/schemas/{to}") },
        }})
    };
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "T", "version": "1" },
        "paths": { "/a": { "get": { "summary": "A", "tags": ["Two Words"], "responses": { "200": {
            "description": "Fine",
            "content": { "application/json": { "schema": {
                "type": "array", "items": { "$ref": "#/components/schemas/B" },
            }}},
        }}}}},
        "components": { "schemas": { "C": schema("B"), "B": schema("C"), "Unused": schema("B") } },
    });
    let pages: BTreeMap<_, _> =
        pages(&serde_json::from_value(document).unwrap()).into_iter().collect();
    let page = &pages["two-words.md"];
    let headings: Vec<_> = page.lines().filter(|line| line.starts_with("### ")).collect();
    assert_eq!(headings, ["### `GET /a`", "### `B`", "### `C`"]);
    assert!(page.contains("1 endpoint."), "{page}");
}

#[test]
fn types_are_spelt_as_one_reads_them() {
    let cases: [(Value, &str); 9] = [
        (json!({}), "any"),
        (Value::Null, "any"),
        (json!({"type": "string", "format": "email"}), "string (email)"),
        (json!({"type": "string", "format": "password"}), "string"),
        (json!({"type": "integer", "format": "int64"}), "integer"),
        (json!({"type": ["null", "string"]}), "string | null"),
        (json!({"oneOf": [{"type": "null"}, {"type": "object"}]}), "object | null"),
        (json!({"type": ["array", "null"], "items": {"type": "string"}}), "array of string | null"),
        (json!({"$ref": "#/components/schemas/A_b"}), "[A_b](#a_b)"),
    ];
    for (schema, spelt) in cases {
        assert_eq!(types::link(&schema), spelt, "{schema}");
    }
}

#[test]
fn bounds_and_defaults_are_remarks() {
    let cases: [(Value, &str); 5] = [
        (json!({"minLength": 8, "maxLength": 1024}), "It. 8 to 1024 characters."),
        (json!({"minimum": 1}), "It. At least 1."),
        (json!({"maxItems": 3}), "It. At most 3 items."),
        (json!({"enum": ["a", "b"], "default": "a"}), "It. One of `a`, `b`. Default: a"),
        (json!({"default": true}), "It. Default: True"),
    ];
    for (schema, spelt) in cases {
        assert_eq!(types::remarks("It.", &schema), spelt, "{schema}");
    }
}

#[test]
fn names_of_files_and_places() {
    assert_eq!(file_name("Authentication"), "authentication.md");
    assert_eq!(file_name("OAuth / Tokens"), "oauth-tokens.md");
    assert_eq!(anchor("`POST /a/{tenant_slug}/b-c`"), "post-atenant_slugb-c");
}

#[test]
fn the_same_document_gives_the_same_pages() {
    assert_eq!(real(), real());
}
