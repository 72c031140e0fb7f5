use super::{PasskeySignIn, SelfRegistration, Settings, SettingsLayer};
use crate::domain::factor::Method;

fn layer(text: &str) -> SettingsLayer {
    serde_json::from_str(text).unwrap()
}

fn effective(partner: &str, tenant: &str) -> Settings {
    Settings::effective(&layer(partner), &layer(tenant))
}

#[test]
fn without_a_word_the_products_defaults_hold() {
    let settings = effective("{}", "{}");
    assert!(!settings.registration_enabled);
    assert!(settings.email_verification);
    assert!(!settings.mfa_required);
    assert_eq!(settings.session.idle.as_secs(), 3600);
    assert_eq!(settings.session.absolute.as_secs(), 86_400);
}

#[test]
fn a_tenant_cannot_loosen_what_its_partner_demands() {
    let settings = effective(
        r#"{"registration": {"enabled": false, "email_verification": true},
            "mfa": {"required": true, "email_allowed": false},
            "password_policy": {"min_length": 20, "refuse_common": true},
            "session": {"absolute_minutes": 60}, "auth_api": {"require_client_token": true}}"#,
        r#"{"registration": {"enabled": true, "email_verification": false},
            "mfa": {"required": false, "email_allowed": true},
            "password_policy": {"min_length": 9, "refuse_common": false},
            "session": {"absolute_minutes": 9999}, "auth_api": {"require_client_token": false}}"#,
    );
    assert!(!settings.registration_enabled && settings.email_verification);
    assert!(
        settings.mfa_required
            && !settings.mfa_methods.contains(&Method::Email)
            && settings.require_client_token
    );
    assert_eq!(settings.password_policy.min_length, Some(20));
    assert!(settings.password_policy.refuse_common);
    assert_eq!(settings.session.absolute.as_secs(), 3600);
}

#[test]
fn of_two_lists_of_domains_only_what_both_allow_is_taken() {
    let list = |text: &str| format!(r#"{{"registration": {{"allowed_email_domains": {text}}}}}"#);
    let taken = |p: &str, t: &str| effective(p, t).allowed_email_domains;
    let one = list(r#"["a.example", "b.example"]"#);
    let other = list(r#"["b.example", "c.example"]"#);
    assert_eq!(taken(&one, &other), Some(vec!["b.example".to_owned()]));
    assert_eq!(taken(&one, &list(r#"["c.example"]"#)), Some(Vec::new()));
    assert_eq!(taken("{}", &list(r#"["c.example"]"#)), Some(vec!["c.example".to_owned()]));
    assert_eq!(taken("{}", "{}"), None);
}

#[test]
fn a_tenant_may_be_stricter_than_its_partner() {
    let settings = effective(
        r#"{"password_policy": {"min_length": 10}, "session": {"idle_minutes": 60}}"#,
        r#"{"password_policy": {"min_length": 30}, "session": {"idle_minutes": 5}}"#,
    );
    assert_eq!(settings.password_policy.min_length, Some(30));
    assert_eq!(settings.session.idle.as_secs(), 300);
}

#[test]
fn a_wrong_value_is_named() {
    for (text, name) in [
        (r#"{"password_policy": {"min_length": 7}}"#, "password_policy.min_length"),
        (r#"{"session": {"idle_minutes": 0}}"#, "session.idle_minutes"),
        (r#"{"allowed_return_urls": ["javascript:alert(1)"]}"#, "allowed_return_urls"),
        (r#"{"allowed_return_urls": ["https://*.example.com/"]}"#, "allowed_return_urls"),
        (r#"{"allowed_return_urls": ["https://a@example.com/"]}"#, "allowed_return_urls"),
        (r#"{"default_locale": "xx"}"#, "default_locale"),
        (r#"{"registration": {"allowed_email_domains": ["Example.com"]}}"#, "registration."),
        (r#"{"registration": {"custom_data_schema": {"type": 7}}}"#, "custom_data_schema"),
    ] {
        let faults = layer(text).faults();
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert!(faults[0].contains(name), "{text}: {faults:?}");
    }
    assert!(serde_json::from_str::<SettingsLayer>(r#"{"mfa": {"requird": true}}"#).is_err());
}

#[test]
fn where_a_passkey_is_demanded_nothing_else_is_a_factor() {
    let settings = effective("{}", r#"{"passkeys": {"sign_in": "required"}}"#);
    assert!(settings.mfa_required);
    assert_eq!(settings.mfa_methods, [Method::Webauthn]);
    assert!(settings.trusted_device_lifetime.is_zero());
    let off = effective(
        r#"{"passkeys": {"sign_in": "off"}}"#,
        r#"{"passkeys": {"sign_in": "required"}}"#,
    );
    assert_eq!(off.passkeys.sign_in, PasskeySignIn::Off);
}

#[test]
fn only_methods_that_both_layers_name_count() {
    let settings = effective(
        r#"{"mfa": {"methods": ["totp", "webauthn"]}}"#,
        r#"{"mfa": {"methods": ["email", "totp"], "trusted_device_days": 7}}"#,
    );
    assert_eq!(settings.mfa_methods, [Method::Totp]);
    assert_eq!(settings.trusted_device_lifetime.as_secs(), 7 * 86_400);
    assert_eq!(effective("{}", "{}").mfa_methods, Method::ALL);
}

#[test]
fn two_lists_without_a_factor_in_common_lock_nobody_out() {
    let settings = effective(
        r#"{"mfa": {"methods": ["totp"], "email_allowed": false}}"#,
        r#"{"mfa": {"methods": ["email", "backup_code"]}}"#,
    );
    assert_eq!(settings.mfa_methods, [Method::Webauthn, Method::Totp, Method::BackupCode]);
    let demanded = layer(r#"{"passkeys": {"sign_in": "required"}, "mfa": {"methods": ["totp"]}}"#);
    assert_eq!(demanded.faults().len(), 1, "{:?}", demanded.faults());
}

#[test]
fn an_origin_is_given_as_browsers_spell_it() {
    let faults =
        |text: &str| layer(&format!(r#"{{"passkeys": {{"origins": ["{text}"]}}}}"#)).faults();
    for fine in ["https://login.example.com", "https://a.example:8443", "http://localhost:8080"] {
        assert!(faults(fine).is_empty(), "{fine}");
    }
    for bad in [
        "https://a.example/",
        "http://a.example",
        "https://A.example",
        "https://a.example/x",
        "a.example",
        "*",
    ] {
        assert!(!faults(bad).is_empty(), "{bad}");
    }
}

#[test]
fn applications_come_by_themselves_where_the_tenant_says_so_and_its_partner_does_not_forbid_it() {
    let way = |p: &str, t: &str| effective(p, t).oauth.registration;
    let open = r#"{"oauth": {"registration": "open"}}"#;
    let token = r#"{"oauth": {"registration": "token"}}"#;
    let off = r#"{"oauth": {"registration": "off"}}"#;
    assert_eq!(way("{}", "{}"), SelfRegistration::Off);
    assert_eq!(way(open, "{}"), SelfRegistration::Off);
    assert_eq!(way("{}", open), SelfRegistration::Open);
    assert_eq!(way(token, open), SelfRegistration::Token);
    assert_eq!(way(open, token), SelfRegistration::Token);
    assert_eq!(way(off, open), SelfRegistration::Off);
    let documents = |p: &str, t: &str| effective(p, t).oauth.metadata_documents;
    let yes = r#"{"oauth": {"client_id_metadata_documents": true}}"#;
    let no = r#"{"oauth": {"client_id_metadata_documents": false}}"#;
    assert!(documents("{}", yes) && documents(yes, yes));
    assert!(!documents("{}", "{}") && !documents(yes, "{}") && !documents(no, yes));
    for scope in ["admin:read", "users:read", "two words", ""] {
        let text = serde_json::json!({"oauth": {"registration_scopes": [scope]}}).to_string();
        assert!(layer(&text).faults()[0].starts_with("oauth.registration_scopes: "), "{scope}");
    }
}
