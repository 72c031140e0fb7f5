use std::time::Duration;

use super::{Account, Decision, Facts, Method, Proof, decide};
use crate::{
    clock::Timestamp,
    domain::{
        settings::{Settings, SettingsLayer},
        user::UserStatus,
    },
};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn settings(text: &str) -> Settings {
    let tenant: SettingsLayer = serde_json::from_str(text).unwrap();
    Settings::effective(&SettingsLayer::default(), &tenant)
}

fn account() -> Account {
    Account {
        status: UserStatus::Active,
        email_verified: true,
        must_change_password: false,
        password_changed_at: NOW - Duration::from_secs(86_400),
        methods: Vec::new(),
        default_method: None,
        device_trusted: false,
    }
}

fn decided(text: &str, account: Account) -> Decision {
    let facts = Facts { proof: Proof::Account, account: Some(account) };
    decide(&settings(text), &facts, NOW)
}

#[test]
fn nothing_about_an_account_is_told_without_its_password() {
    for status in [UserStatus::Active, UserStatus::Suspended, UserStatus::PendingApproval] {
        let known =
            Account { status, email_verified: false, must_change_password: true, ..account() };
        for account in [Some(known), None] {
            let facts = Facts { proof: Proof::Wrong, account };
            assert_eq!(decide(&settings("{}"), &facts, NOW), Decision::Refuse);
        }
    }
}

#[test]
fn a_pending_registration_is_never_let_in() {
    for account in [Some(account()), None] {
        let facts = Facts { proof: Proof::Pending, account };
        assert_eq!(decide(&settings("{}"), &facts, NOW), Decision::RefusePending);
    }
}

#[test]
fn the_right_password_tells_what_stands_in_the_way_in_this_order() {
    let worst = Account {
        status: UserStatus::Suspended,
        email_verified: false,
        must_change_password: true,
        methods: vec![Method::Totp],
        ..account()
    };
    assert_eq!(decided("{}", worst.clone()), Decision::Suspended);
    let active = Account { status: UserStatus::Active, ..worst };
    assert_eq!(decided("{}", active.clone()), Decision::EmailNotVerified);
    let verified = Account { email_verified: true, ..active };
    assert_eq!(decided("{}", verified.clone()), Decision::ChangePassword);
    let fresh = Account { must_change_password: false, ..verified };
    let challenge = Decision::Challenge { methods: vec![Method::Totp], default: Method::Totp };
    assert_eq!(decided("{}", fresh.clone()), challenge);
    assert_eq!(decided("{}", Account { methods: Vec::new(), ..fresh }), Decision::Grant);
}

#[test]
fn an_unproved_address_is_fine_where_the_tenant_asks_for_no_proof() {
    let unproved = Account { email_verified: false, ..account() };
    let text = r#"{"registration": {"email_verification": false}}"#;
    assert_eq!(decided(text, unproved), Decision::Grant);
}

#[test]
fn a_password_expires_on_the_day() {
    let text = r#"{"password_policy": {"max_age_days": 30}}"#;
    let set =
        |ago: u64| Account { password_changed_at: NOW - Duration::from_secs(ago), ..account() };
    assert_eq!(decided(text, set(30 * 86_400 - 1)), Decision::Grant);
    assert_eq!(decided(text, set(30 * 86_400)), Decision::ChangePassword);
}

#[test]
fn a_demanded_factor_is_offered_by_mail_or_has_to_be_enrolled() {
    let email = Decision::Challenge { methods: vec![Method::Email], default: Method::Email };
    assert_eq!(decided(r#"{"mfa": {"required": true}}"#, account()), email);
    let no_mail = r#"{"mfa": {"required": true, "email_allowed": false}}"#;
    assert_eq!(decided(no_mail, account()), Decision::Enrol);
    let unproved = r#"{"mfa": {"required": true}, "registration": {"email_verification": false}}"#;
    assert_eq!(decided(unproved, Account { email_verified: false, ..account() }), Decision::Enrol);
}

#[test]
fn the_users_choice_comes_first_else_the_strongest() {
    let all = vec![Method::BackupCode, Method::Email, Method::Totp, Method::Webauthn];
    let strongest = Decision::Challenge {
        methods: vec![Method::Webauthn, Method::Totp, Method::Email, Method::BackupCode],
        default: Method::Webauthn,
    };
    assert_eq!(decided("{}", Account { methods: all.clone(), ..account() }), strongest);
    let chosen = Account { methods: all, default_method: Some(Method::Totp), ..account() };
    assert!(matches!(decided("{}", chosen), Decision::Challenge { default: Method::Totp, .. }));
}

#[test]
fn a_method_the_tenant_switched_off_is_not_offered_even_when_enrolled() {
    let text = r#"{"mfa": {"email_allowed": false}}"#;
    let enrolled = Account { methods: vec![Method::Email, Method::BackupCode], ..account() };
    assert_eq!(decided(text, enrolled), Decision::Enrol);
}

#[test]
fn a_trusted_device_skips_the_factor_and_nothing_else() {
    let trusted = Account { methods: vec![Method::Totp], device_trusted: true, ..account() };
    assert_eq!(decided("{}", trusted.clone()), Decision::Grant);
    let challenge = Decision::Challenge { methods: vec![Method::Totp], default: Method::Totp };
    let given_up = r#"{"mfa": {"trusted_device_days": 0}}"#;
    assert_eq!(decided(given_up, trusted.clone()), challenge);
    let demanded = r#"{"passkeys": {"sign_in": "required"}}"#;
    assert_eq!(decided(demanded, trusted.clone()), Decision::Enrol);
    let suspended = Account { status: UserStatus::Suspended, ..trusted };
    assert_eq!(decided("{}", suspended), Decision::Suspended);
}

#[test]
fn backup_codes_alone_are_no_second_factor() {
    let codes = Account { methods: vec![Method::BackupCode], ..account() };
    assert_eq!(decided("{}", codes), Decision::Grant);
}

#[test]
fn a_trusted_device_does_not_stand_in_for_a_passkey_that_is_demanded() {
    let account = Account { methods: vec![Method::Webauthn], device_trusted: true, ..account() };
    assert_eq!(decided("{}", account.clone()), Decision::Grant);
    let demanded = decided(r#"{"passkeys": {"sign_in": "required"}}"#, account);
    assert!(matches!(demanded, Decision::Challenge { .. }), "{demanded:?}");
}
