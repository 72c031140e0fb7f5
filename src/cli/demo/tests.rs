use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::domain::password::{PasswordContext, PasswordPolicy, faults};

#[test]
fn the_password_can_be_read_aloud_and_passes_the_policy() {
    for seed in 0..500 {
        let text = password(&Entropy::seeded(seed)).unwrap();
        assert_eq!(text.len(), 35, "{text}");
        assert!(text.chars().all(|c| "bdfghjklmnprstvzaiou-".contains(c)), "{text}");
        let context = PasswordContext {
            email: EMAIL,
            names: &["Ada", "Lovelace"],
            tenant_name: "Acme",
            product_name: "Countersign",
        };
        let password = Password::parse(&text).unwrap();
        assert_eq!(faults(&PasswordPolicy::default(), false, &password, &context), []);
    }
}

#[test]
fn two_demos_have_two_passwords() {
    assert_ne!(password(&Entropy::Os).unwrap(), password(&Entropy::Os).unwrap());
}

#[test]
fn the_facts_are_for_the_owners_eyes_only_whatever_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.path().join("demo.json.new"), "left by a run that was killed").unwrap();
    write(&path, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
