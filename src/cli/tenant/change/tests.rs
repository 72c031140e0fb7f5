use super::*;
use crate::domain::settings::Captcha;

fn flags(set: &[&str], unset: &[&str], branding: &[&str]) -> TenantChange {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    TenantChange {
        set: owned(set),
        unset: owned(unset),
        branding: owned(branding),
        ..TenantChange::default()
    }
}

fn layer(text: &str) -> SettingsLayer {
    serde_json::from_str(text).unwrap()
}

fn changed(old: &str, set: &[&str], unset: &[&str]) -> SettingsLayer {
    let mut faults = Vec::new();
    let made = settings(&flags(set, unset, &[]), Some(&layer(old)), &mut faults).unwrap();
    assert_eq!(faults, []);
    made.unwrap()
}

/// What is said of flags that are refused.
fn said(set: &[&str], unset: &[&str], branding: &[&str]) -> String {
    let Err(Error::Invalid(faults)) = read(&flags(set, unset, branding), None) else {
        panic!("{set:?} {unset:?} {branding:?} pass")
    };
    let lines = faults.iter().map(|fault| {
        let [Loc::Name(name)] = fault.loc.as_slice() else { panic!("{fault:?}") };
        format!("{name}: {}", fault.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn one_setting_changes_and_the_others_stay() {
    let old = r#"{"registration": {"approval": true}, "session": {"idle_minutes": 5}}"#;
    let made = changed(old, &["registration.enabled=true", "default_locale=de"], &[]);
    let wanted = r#"{"registration": {"approval": true, "enabled": true},
                     "session": {"idle_minutes": 5}, "default_locale": "de"}"#;
    assert_eq!(made, layer(wanted));
}

#[test]
fn a_value_is_json_or_else_a_text() {
    let set = [
        "registration.captcha=proof_of_work",
        r#"allowed_return_urls=["https://a.example/?x=y"]"#,
        r#"registration.custom_data_schema={"type":"object"}"#,
        "registration.custom_data_schema.title=T",
    ];
    let made = changed("{}", &set, &[]);
    assert_eq!(made.registration.captcha, Some(Captcha::ProofOfWork));
    assert_eq!(made.allowed_return_urls.unwrap(), ["https://a.example/?x=y"]);
    let schema = serde_json::json!({"type": "object", "title": "T"});
    assert_eq!(made.registration.custom_data_schema, Some(schema));
}

#[test]
fn a_setting_or_a_group_can_be_as_by_default_again() {
    let old = r#"{"registration": {"enabled": true, "approval": true},
                  "session": {"idle_minutes": 5}, "default_locale": "de"}"#;
    let unset = ["registration.approval", "session", "default_locale", "mfa.required"];
    assert_eq!(changed(old, &[], &unset), layer(r#"{"registration": {"enabled": true}}"#));
}

#[test]
fn without_flags_nothing_changes() {
    assert!(is_empty(&read(&flags(&[], &[], &[]), None).unwrap()));
}

#[test]
fn every_wrong_name_and_value_is_told_with_what_is_allowed_and_without_the_value() {
    let set = [
        "registration.enabeld=true",
        "registration.enabled=hunter2",
        "registration.captcha=hunter2, expected hunter3",
        "session.idle_minutes=-7",
        "allowed_return_urls=https://hunter2.example",
        "registration.enabled.more=1",
        "default_locale.a.b=1",
        "auth_api=hunter2",
        "nonsense",
    ];
    let told = said(&set, &["nothing.here"], &["logo=x", "logo_url"]);
    expect_test::expect![[r#"
        nothing.here: there is no such setting; here there are: registration, captcha, password_policy, sign_in, mfa, passkeys, account, session, auth_api, tokens, oauth, pages, notices, allowed_return_urls, default_locale
        registration.enabeld: there is no such setting; here there are: enabled, email_verification, approval, captcha, allowed_email_domains, blocked_email_domains, custom_data_schema
        registration.enabled: must be a boolean
        registration.captcha: must be none or proof_of_work
        session.idle_minutes: must be a whole number, 0 or more
        allowed_return_urls: must be a list, such as ["one", "two"]
        registration.enabled.more: must be a boolean
        default_locale.a.b: must be a string
        auth_api: must be a group of settings
        nonsense: give it as KEY=VALUE
        branding.logo: must be a group of settings
        branding.logo_url: give it as KEY=VALUE"#]]
    .assert_eq(&told);
}

#[test]
fn looks_are_texts_and_an_empty_one_goes_away() {
    let old =
        Branding { logo_url: Some("https://a.example/l.png".to_owned()), ..Branding::default() };
    let flags = flags(&[], &[], &["display_name=2020", "logo_url="]);
    let made = branding(&flags, Some(&old), &mut Vec::new()).unwrap().0.unwrap();
    assert_eq!(made, Branding { display_name: Some("2020".to_owned()), ..Branding::default() });
}

#[test]
fn a_settings_file_replaces_all_settings_and_its_faults_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let of = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let flags = TenantChange {
            settings_file: Some(path.clone()),
            set: vec!["mfa.required=true".to_owned()],
            ..TenantChange::default()
        };
        let old = layer(r#"{"default_locale": "de"}"#);
        settings(&flags, Some(&old), &mut Vec::new())
    };
    let made = of(r#"{"session": {"idle_minutes": 5}}"#).unwrap().unwrap();
    let wanted = r#"{"session": {"idle_minutes": 5}, "mfa": {"required": true}}"#;
    assert_eq!(made, layer(wanted));
    for (wrong, place) in [
        (r#"{"session": {"idle_minutes": "hunter2"}}"#, "session.idle_minutes"),
        (r#"{"session": {"idle": 5}}"#, "session"),
        ("{", "--settings-file"),
    ] {
        let Err(Error::Invalid(faults)) = of(wrong) else { panic!("{wrong}") };
        let [Loc::Name(name)] = faults[0].loc.as_slice() else { panic!("{faults:?}") };
        assert!(name.starts_with(place), "{faults:?}");
        assert!(!faults[0].message.contains("hunter2"), "{faults:?}");
    }
}

#[test]
fn pictures_and_a_style_sheet_are_read_from_files_and_a_fault_names_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Some(path)
    };
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x20\0\0\0\x20\x08\x06\0\0\0\0\0\0\0";
    let flags = TenantChange {
        logo: file("logo.svg", png),
        favicon: file("icon.png", png),
        css: file("a.css", b"h1 { color: red }"),
        ..TenantChange::default()
    };
    let mut faults = Vec::new();
    let (looks, kept) = branding(&flags, None, &mut faults).unwrap();
    let looks = looks.unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(looks.css.as_deref(), Some("h1{color:red;}\n"));
    assert_eq!((looks.logo.clone(), looks.logo_dark.clone()), (looks.favicon.clone(), None));
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].digest, looks.logo.unwrap().digest);
    let flags = TenantChange {
        logo: file("logo.png", b"<svg onload='hunter2'/>"),
        favicon: Some(folder.path().join("absent.png")),
        css: file("b.css", b"h1 { color: red }\n\nh1 { position: hunter2 }"),
        ..TenantChange::default()
    };
    let mut faults = Vec::new();
    branding(&flags, None, &mut faults).unwrap();
    let told: Vec<String> =
        faults.iter().map(|it| format!("{:?}: {}", it.loc, it.message)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("--logo") && told[0].contains("PNG, JPEG or WebP"), "{told:?}");
    assert!(told[1].contains("--favicon") && told[1].contains("cannot be read"), "{told:?}");
    assert!(told[2].contains("--css") && told[2].contains("line 3"), "{told:?}");
    assert!(!told.concat().contains("hunter2"), "{told:?}");
}
