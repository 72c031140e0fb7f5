use super::*;
use crate::domain::application::SubjectType;

fn given(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn taken(value: &Value) -> Described {
    read(&given(value), &["files:read".to_owned()]).unwrap_or_else(|no| panic!("{value}: {no:?}"))
}

fn refused(value: &Value) -> ErrorCode {
    read(&given(value), &[]).expect_err(&value.to_string()).code
}

#[test]
fn the_list_of_fields_is_divided_where_it_says() {
    assert_eq!(TAKEN[PLAIN], "application_type");
    for name in TAKEN.iter().take(PLAIN) {
        assert!(Metadata::FIELDS.contains(name), "{name}");
    }
}

#[test]
fn who_says_little_is_a_web_application_with_a_secret() {
    let it = taken(&json!({"redirect_uris": ["https://a.test/cb"]}));
    assert_eq!((it.kind, it.name.as_str()), (ApplicationType::Web, "a.test"));
    assert_eq!(it.metadata.token_endpoint_auth_method, Some(AuthMethod::ClientSecretBasic));
    assert_eq!(it.metadata.grant_types.unwrap(), [AUTHORIZATION_CODE]);
    let scopes = ["openid", "profile", "email", "offline_access"];
    assert_eq!(it.metadata.allowed_scopes.unwrap(), scopes);
    assert_eq!(it.metadata.allowed_origins, None);
}

#[test]
fn programs_on_peoples_machines_come_as_they_do() {
    let mcp = taken(&json!({
        "client_name": "Some Client",
        "redirect_uris": ["http://localhost:33418/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid files:read admin:write",
        "something_new": {"a": 1},
    }));
    assert_eq!((mcp.kind, mcp.name.as_str()), (ApplicationType::Native, "Some Client"));
    assert_eq!(mcp.metadata.allowed_scopes.unwrap(), ["openid", "files:read"]);
    assert_eq!(mcp.metadata.allowed_origins.unwrap(), ["http://localhost:33418"]);
    let native = json!({
        "application_type": "native", "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"],
    });
    assert_eq!(taken(&native).kind, ApplicationType::Native);
    assert_eq!(taken(&native).metadata.token_endpoint_auth_method, Some(AuthMethod::None));
    let local = json!({"redirect_uris": ["http://localhost:1/cb"]});
    assert_eq!(taken(&local).kind, ApplicationType::Web);
    let page = taken(&json!({
        "redirect_uris": ["https://a.test/cb", "https://a.test/silent"],
        "token_endpoint_auth_method": "none",
    }));
    assert_eq!(page.kind, ApplicationType::Web);
    assert_eq!(page.metadata.allowed_origins.unwrap(), ["https://a.test"]);
}

#[test]
fn oau_16_what_cannot_be_granted_is_refused() {
    let ok = "https://a.test/cb";
    for redirects in [
        json!([]),
        json!(["javascript:alert(1)"]),
        json!(["https://*.a.test/cb"]),
        json!(["http://a.test/cb"]),
        json!(["https://a.test/cb#f"]),
        json!([ok, "data:text/html,x"]),
    ] {
        let code = refused(&json!({"redirect_uris": redirects}));
        assert_eq!(code, ErrorCode::InvalidRedirectUri, "{redirects}");
    }
    assert_eq!(refused(&json!({})), ErrorCode::InvalidRedirectUri);
    for local in ["http://localhost/cb", "http://127.0.0.1/cb", "https://localhost/cb"] {
        let code = refused(&json!({"application_type": "web", "redirect_uris": [local]}));
        assert_eq!(code, ErrorCode::InvalidRedirectUri, "{local}");
    }
    let many: Vec<String> = (0..101).map(|it| format!("https://a.test/{it}")).collect();
    let words = vec!["word"; 100_000].join(" x");
    for (field, value) in [
        ("redirect_uris", json!("https://a.test/cb")),
        ("redirect_uris", json!(many)),
        ("redirect_uris", json!([1])),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["password"])),
        ("response_types", json!(["token"])),
        ("response_types", json!(["code", "code id_token"])),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("token_endpoint_auth_method", json!(5)),
        ("application_type", json!("service")),
        ("scope", json!("admin:write users:read")),
        ("scope", json!(words)),
        ("scope", json!(["openid"])),
        ("client_name", json!("a\u{7}b")),
        ("client_name", json!("a".repeat(257))),
        ("client_uri", json!("javascript:alert(1)")),
        ("logo_uri", json!("file:///etc/passwd")),
        ("jwks_uri", json!("http://169.254.169.254/")),
        ("jwks", json!({"keys": [{"kty": "oct", "k": "x"}]})),
        ("software_statement", json!("a.b.c")),
        ("id_token_encrypted_response_alg", json!("RSA-OAEP")),
        ("request_object_signing_alg", json!("none")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("subject_type", json!("private")),
    ] {
        let mut form = given(&json!({"redirect_uris": [ok]}));
        form.insert(field.to_owned(), value);
        let no = read(&form, &[]).expect_err(field);
        assert_eq!(no.code, ErrorCode::InvalidClientMetadata, "{field}: {}", no.description);
        assert!(no.description.is_ascii() && !no.description.contains('"'), "{no:?}");
    }
    let secret = json!({
        "application_type": "native", "redirect_uris": ["com.example.app:/cb"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    assert_eq!(refused(&secret), ErrorCode::InvalidClientMetadata);
}

#[test]
fn what_is_ours_to_say_is_not_taken_from_a_description() {
    let it = taken(&json!({
        "redirect_uris": ["https://a.test/cb"],
        "first_party": true,
        "require_pkce": false,
        "allowed_scopes": ["admin:write"],
        "allowed_audiences": ["https://bank.test"],
        "allowed_origins": ["https://evil.test"],
        "token_lifetime": 86_400,
        "refresh_token_lifetime": 31_536_000,
        "subject_type": "pairwise",
    }));
    assert_eq!(it.metadata.subject_type, Some(SubjectType::Pairwise));
    let plain = taken(&json!({"redirect_uris": ["https://a.test/cb"], "subject_type": "pairwise"}));
    assert_eq!(it, plain);
}
