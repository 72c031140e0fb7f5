//! The API document and the pages made of it: as committed, and as the contract wants them.

use countersign::http::{openapi, reference};
use expect_test::expect_file;
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

#[test]
fn the_committed_document_is_the_one_the_code_makes() {
    let text = openapi::text(&openapi::document()).unwrap();
    expect_file!["../../openapi.json"].assert_eq(&text);
}

#[test]
fn the_committed_reference_pages_are_those_of_the_document() {
    let pages = reference::pages(&openapi::document());
    let mut names: Vec<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    for (name, text) in &pages {
        expect_file![format!("../../docs/api/{name}")].assert_eq(text);
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api");
    let there = std::fs::read_dir(folder).unwrap();
    let mut there: Vec<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    there.sort();
    assert_eq!(there, names);
}

#[tokio::test]
async fn the_server_serves_the_committed_document() {
    let world = crate::support::World::new().await;
    let answer = world.client().get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    expect_file!["../../openapi.json"].assert_eq(&answer.text);
}

/// A type as the contract writes it: `string (email)`, `array of X`, `X | null`.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(forms) = schema[key].as_array() {
            let mut names: Vec<String> = forms.iter().map(type_of).collect();
            names.sort_by_key(|name| name == "null");
            return names.join(" | ");
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any"],
    };
    let name = |kind: &&str| match (*kind, schema["format"].as_str()) {
        ("array", _) => format!("array of {}", type_of(&schema["items"])),
        (kind, Some(format @ ("email" | "date-time"))) => format!("{kind} ({format})"),
        (kind, _) => kind.to_owned(),
    };
    let mut names: Vec<String> = kinds.iter().filter(|kind| **kind != "null").map(name).collect();
    names.extend(kinds.contains(&"null").then(|| "null".to_owned()));
    names.join(" | ")
}

/// The fields of a schema: name, type, and `!` where it is required or its default.
fn fields(document: &Value, schema: &str) -> Vec<String> {
    let schema = &document["components"]["schemas"][schema];
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().unwrap();
    properties
        .iter()
        .map(|(name, field)| {
            let mark = if required.contains(&name.as_str()) { "!" } else { "" };
            let default = field.get("default").map(|it| format!(" = {it}")).unwrap_or_default();
            format!("{name}{mark}: {}{default}", type_of(field))
        })
        .collect()
}

/// The schemas that the contract fixes, field by field.
const SCHEMAS: [(&str, &[&str]); 11] = [
    (
        "ApiResponse_LoginResponse_",
        &["data!: scaikey__schemas__auth__LoginResponse", "meta: MetaResponse"],
    ),
    ("ApiResponse_RegisterResponse_", &["data!: RegisterResponse", "meta: MetaResponse"]),
    ("ForgotPasswordRequest", &["email!: string (email)", "redirect_uri: string | null"]),
    ("HTTPValidationError", &["detail: array of ValidationError"]),
    ("MetaResponse", &["request_id: string | null", "timestamp: string (date-time)"]),
    (
        "RegisterRequest",
        &[
            "email!: string (email)",
            "password!: string",
            "first_name!: string",
            "last_name!: string",
            "captcha_token: string | null",
            "redirect_uri: string | null",
            "custom_data: object | null",
        ],
    ),
    ("RegisterResponse", &["user_id!: string", "status!: string", "message!: string"]),
    ("ResetPasswordRequest", &["token!: string", "new_password!: string"]),
    ("ValidationError", &["loc!: array of string | integer", "msg!: string", "type!: string"]),
    (
        "scaikey__schemas__auth__LoginRequest",
        &[
            "email!: string (email)",
            "password!: string",
            "remember_me: boolean = false",
            "trusted_device_token: string | null",
        ],
    ),
    (
        "scaikey__schemas__auth__LoginResponse",
        &[
            "status!: string",
            "user_id: string | null",
            "mfa_required: boolean = false",
            "mfa_token: string | null",
            "available_methods: array of string | null",
            "default_method: string | null",
            "session_id: string | null",
            "redirect_uri: string | null",
        ],
    ),
];

#[test]
fn the_schemas_are_those_of_the_contract() {
    let document = document();
    for (name, expected) in SCHEMAS {
        assert_eq!(fields(&document, name), expected, "{name}");
    }
}

/// Method, path after the tenant, request and response schema; `any`: any JSON.
const ENDPOINTS: [[&str; 4]; 6] = [
    ["post", "forgot-password", "ForgotPasswordRequest", "any"],
    ["post", "login", "scaikey__schemas__auth__LoginRequest", "ApiResponse_LoginResponse_"],
    ["post", "password/forgot", "ForgotPasswordRequest", "any"],
    ["post", "password/reset", "ResetPasswordRequest", "any"],
    ["post", "register", "RegisterRequest", "ApiResponse_RegisterResponse_"],
    ["get", "verify-email", "", "any"],
];

#[test]
fn the_endpoints_are_those_of_the_contract() {
    let document = document();
    for [method, path, request, response] in ENDPOINTS {
        let path = format!("/api/v1/auth/tenants/{{tenant_slug}}/{path}");
        let operation = &document["paths"][&path][method];
        let json = |part: &Value| part["content"]["application/json"]["schema"].clone();
        let body = &operation["requestBody"];
        assert_eq!(body["required"] == json!(true), !request.is_empty(), "{path}");
        if !request.is_empty() {
            assert_eq!(type_of(&json(body)), request, "{path}");
        }
        let answers = &operation["responses"];
        assert_eq!(type_of(&json(&answers["422"])), "HTTPValidationError", "{path}");
        assert!(answers["200"]["content"]["application/json"].is_object(), "{path}");
        if response != "any" {
            assert_eq!(type_of(&json(&answers["200"])), response, "{path}");
        }
        let parameters = operation["parameters"].as_array().unwrap();
        let parameter = |name: &str| {
            let found = parameters.iter().find(|it| it["name"] == name).unwrap();
            (found["in"].clone(), found["required"].clone(), type_of(&found["schema"]))
        };
        let string = || "string".to_owned();
        assert_eq!(parameter("tenant_slug"), (json!("path"), json!(true), string()), "{path}");
        if method == "get" {
            assert_eq!(parameter("token"), (json!("query"), json!(true), string()), "{path}");
        }
        assert_eq!(parameters.len(), if method == "get" { 2 } else { 1 }, "{path}");
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
