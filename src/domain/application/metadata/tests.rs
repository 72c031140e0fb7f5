use serde_json::{Map, Value, json};

use super::{
    super::ApplicationType::{self, Native, Service, Spa, Web},
    Metadata,
};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn metadata(value: &Value) -> Metadata {
    Metadata::default().changed(&object(value)).unwrap()
}

/// The fields that are at fault.
fn faults(kind: ApplicationType, value: &Value) -> Vec<String> {
    let faults = metadata(value).faults(kind);
    let mut names: Vec<String> =
        faults.iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
    names.dedup();
    names
}

fn check(cases: &[(ApplicationType, Value, &str)]) {
    for (kind, value, field) in cases {
        assert_eq!(faults(*kind, value), [*field], "{value}");
    }
}

#[test]
fn no_list_holds_what_cannot_be_meant() {
    let many: Vec<String> = (0..101).map(|it| format!("word{it}")).collect();
    let key = json!({"kty": "EC", "crv": "P-256", "x": "a", "y": "b"});
    check(&[
        (Web, json!({"redirect_uris": ["javascript:alert(1)"]}), "redirect_uris"),
        (Web, json!({"redirect_uris": ["com.example.app:/cb"]}), "redirect_uris"),
        (
            Web,
            json!({"post_logout_redirect_uris": ["http://a.test/"]}),
            "post_logout_redirect_uris",
        ),
        (Web, json!({"allowed_origins": ["https://*.a.test"]}), "allowed_origins"),
        (Web, json!({"allowed_scopes": ["two words"]}), "allowed_scopes"),
        (Web, json!({"allowed_scopes": many}), "allowed_scopes"),
        (Web, json!({"allowed_scopes": [""]}), "allowed_scopes"),
        (Web, json!({"allowed_audiences": ["a b"]}), "allowed_audiences"),
        (Web, json!({"grant_types": ["implicit"]}), "grant_types"),
        (Web, json!({"grant_types": ["password"]}), "grant_types"),
        (Spa, json!({"grant_types": ["client_credentials"]}), "grant_types"),
        (
            Spa,
            json!({"token_endpoint_auth_method": "client_secret_post"}),
            "token_endpoint_auth_method",
        ),
        (
            Native,
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}}),
            "token_endpoint_auth_method",
        ),
        (Service, json!({"token_endpoint_auth_method": "none"}), "token_endpoint_auth_method"),
    ]);
}

#[test]
fn no_single_value_is_one_that_cannot_be_meant() {
    let key = json!({"kty": "EC", "crv": "P-256", "x": "a", "y": "b"});
    check(&[
        (Web, json!({"token_lifetime": 29}), "token_lifetime"),
        (Web, json!({"token_lifetime": 86_401}), "token_lifetime"),
        (Web, json!({"id_token_lifetime": 0}), "id_token_lifetime"),
        (Web, json!({"refresh_token_lifetime": 59}), "refresh_token_lifetime"),
        (Web, json!({"jwks": {"keys": []}}), "jwks"),
        (Web, json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}), "jwks"),
        (Web, json!({"jwks": {"keys": [{"kty": "oct"}]}}), "jwks"),
        (Web, json!({"jwks": {"keys": [{"kty": "EC", "d": "c2VjcmV0"}]}}), "jwks"),
        (Web, json!({"jwks": {"keys": [key]}, "jwks_uri": "https://a.test/jwks"}), "jwks"),
        (Web, json!({"token_endpoint_auth_method": "private_key_jwt"}), "jwks"),
        (
            Web,
            json!({"token_endpoint_auth_method": "tls_client_auth"}),
            "tls_client_auth_subject_dn",
        ),
        (Web, json!({"tls_client_auth_san_dns": "a\nb"}), "tls_client_auth_san_dns"),
        (Web, json!({"jwks_uri": "http://a.test/jwks"}), "jwks_uri"),
        (Web, json!({"logo_uri": "javascript:alert(1)"}), "logo_uri"),
        (Web, json!({"client_uri": "https://a.test/#x"}), "client_uri"),
        (Web, json!({"policy_uri": "data:text/html,x"}), "policy_uri"),
        (Web, json!({"tos_uri": "https://a@b.test/"}), "tos_uri"),
        (Web, json!({"sector_identifier_uri": "x"}), "sector_identifier_uri"),
        (Web, json!({"backchannel_logout_uri": "ftp://a.test/"}), "backchannel_logout_uri"),
        (Web, json!({"frontchannel_logout_uri": "/logout"}), "frontchannel_logout_uri"),
        (Web, json!({"request_object_signing_alg": "none"}), "request_object_signing_alg"),
        (Web, json!({"request_object_signing_alg": "HS256"}), "request_object_signing_alg"),
        (Web, json!({"contacts": ["a\r\nb"]}), "contacts"),
        (Web, json!({"software_id": ""}), "software_id"),
        (Web, json!({"default_acr_values": ["a b"]}), "default_acr_values"),
        (Web, json!({"profile": "fapi2"}), "token_endpoint_auth_method"),
        (
            Web,
            json!({"subject_type": "pairwise", "redirect_uris": ["https://a.test/", "https://b.test/"]}),
            "sector_identifier_uri",
        ),
    ]);
}

#[test]
fn what_is_usual_has_no_faults() {
    assert_eq!(Metadata::default().faults(Service), [""; 0]);
    let web = json!({
        "redirect_uris": ["http://localhost:3000/callback", "https://app.example.com/cb"],
        "post_logout_redirect_uris": ["http://localhost:3000/"],
        "allowed_scopes": ["openid", "users:read", "https://api.example.com/read"],
        "allowed_origins": ["https://app.example.com"],
        "allowed_audiences": ["https://api.example.com"],
        "token_endpoint_auth_method": "client_secret_post",
        "token_lifetime": 600,
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://app.example.com/sector.json",
        "contacts": ["admin@example.com"],
    });
    assert_eq!(faults(Web, &web), [""; 0]);
    let native = json!({"redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"]});
    assert_eq!(faults(Native, &native), [""; 0]);
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]});
    let fapi = json!({
        "profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks,
    });
    assert_eq!(faults(Web, &fapi), [""; 0]);
}

#[test]
fn a_change_says_what_it_names_and_null_takes_away() {
    let before = metadata(&json!({"token_lifetime": 600, "allowed_scopes": ["a"]}));
    let change =
        json!({"token_lifetime": null, "allowed_scopes": ["b", "c"], "first_party": false});
    let after = before.changed(&object(&change)).unwrap();
    let expected = json!({"allowed_scopes": ["b", "c"], "first_party": false});
    assert_eq!(serde_json::to_value(&after).unwrap(), expected);
}

#[test]
fn what_is_no_field_or_does_not_fit_is_named_and_not_repeated() {
    let change = json!({
        "token_lifetimes": 5,
        "token_lifetime": "hunter2",
        "redirect_uris": "hunter2",
        "profile": "hunter2",
        "hunter2 <script>": 1,
        "token_endpoint_auth_method": "hunter2",
    });
    let faults = Metadata::default().changed(&object(&change)).unwrap_err();
    let said = faults.join("\n");
    assert!(!said.contains("hunter2"), "{said}");
    for line in [
        "token_lifetimes: there is no such field",
        "token_lifetime: must be a whole number, 0 or more",
        "redirect_uris: must be a list of texts",
        "metadata: there is no such field",
    ] {
        assert!(faults.iter().any(|fault| fault == line), "{line} in {said}");
    }
    assert_eq!(faults.len(), 6, "{said}");
}
