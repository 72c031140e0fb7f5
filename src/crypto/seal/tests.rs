use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::crypto::opaque::hex;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).unwrap()
}

#[test]
fn what_was_sealed_opens_in_its_place_only() {
    let master = key(1);
    let sealed = master.seal("totp", &["tnt_1", "usr_1"], b"secret").unwrap();
    assert_eq!(sealed.len(), 6 + 29);
    let opened = master.open("totp", &["tnt_1", "usr_1"], &sealed).unwrap();
    assert_eq!(opened.expose(), b"secret");
    // The same key and value, sealed after a restart.
    assert!(key(1).open("totp", &["tnt_1", "usr_1"], &sealed).is_ok());
    assert!(master.open("totp", &["tnt_1", "usr_2"], &sealed).is_err());
    assert!(master.open("totp", &["tnt_1u", "sr_1"], &sealed).is_err());
    assert!(master.open("totp", &["tnt_1"], &sealed).is_err());
    assert!(master.open("signing", &["tnt_1", "usr_1"], &sealed).is_err());
    assert!(key(2).open("totp", &["tnt_1", "usr_1"], &sealed).is_err());
}

#[test]
fn any_changed_or_missing_byte_is_noticed() {
    let master = key(1);
    let sealed = master.seal("totp", &["a"], b"secret").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(master.open("totp", &["a"], &changed).is_err(), "byte {at} changed");
        assert!(master.open("totp", &["a"], &sealed[..at]).is_err(), "cut to {at} bytes");
    }
}

#[test]
fn sealing_twice_gives_two_texts() {
    let master = key(1);
    let one = master.seal("totp", &[], b"").unwrap();
    let other = master.seal("totp", &[], b"").unwrap();
    assert_ne!(one, other);
    assert!(master.open("totp", &[], &one).unwrap().expose().is_empty());
}

#[test]
fn every_purpose_and_use_has_a_key_of_its_own() {
    let master = key(1);
    let all = [
        *master.derive("a").unwrap().expose(),
        *master.derive("b").unwrap().expose(),
        *master.expand("seal", "a").unwrap().expose(),
        *master.expand("mac", "a").unwrap().expose(),
        *master.expand("check value", "").unwrap().expose(),
        *key(2).derive("a").unwrap().expose(),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

/// Data sealed by one release must open in the next: these values, computed by
/// another program, may never change.
#[test]
fn derivations_are_stable() {
    let master = key(1);
    assert_eq!(
        hex(master.derive("a").unwrap().expose()),
        "55f543a0b02a2e359c30de4263eb3a16aa10344b07ac451a5a5cf5f26a5e0a2b"
    );
    assert_eq!(
        hex(&master.mac("audit", &[b"ab", b"c"]).unwrap()),
        "6b0801a48a9b3775ab1bbcf0481c4bb3866535e72e114df178792d7f65f0eb45"
    );
    assert_eq!(hex(&master.check_value().unwrap()), "259b11a1d95a883aa5f308ca0b03958c");
    let sealed = "01000102030405060708090a0bca662a1623767a3cf7e3dbee11e4e74c597f6052a731";
    let bytes: Vec<u8> = (0..sealed.len() / 2)
        .map(|at| u8::from_str_radix(&sealed[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let opened = master.open("totp", &["tnt_1", "usr_1"], &bytes).unwrap();
    assert_eq!(opened.expose(), b"secret");
}

#[test]
fn a_message_code_depends_on_borders_purpose_and_key() {
    let master = key(1);
    let all = [
        master.mac("audit", &[b"ab", b"c"]).unwrap(),
        master.mac("audit", &[b"a", b"bc"]).unwrap(),
        master.mac("audit", &[b"abc"]).unwrap(),
        master.mac("other", &[b"ab", b"c"]).unwrap(),
        key(2).mac("audit", &[b"ab", b"c"]).unwrap(),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(master.mac("audit", &[b"ab", b"c"]).unwrap(), all[0]);
}

#[test]
fn nodes_with_different_keys_notice() {
    assert_eq!(key(1).check_value().unwrap(), key(1).check_value().unwrap());
    assert_ne!(key(1).check_value().unwrap(), key(2).check_value().unwrap());
}

#[test]
fn only_32_bytes_are_a_key() {
    for wrong in [0, 16, 31, 33, 64] {
        assert!(MasterKey::from_bytes(&vec![1; wrong]).is_err(), "{wrong}");
    }
    assert_eq!(format!("{:?}", key(7)), "MasterKey(…)");
}

#[test]
fn a_key_file_is_made_once_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let made = MasterKey::load_or_create(&path, &Entropy::seeded(1)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Another seed would make another key: it is read, not made.
    let read = MasterKey::load_or_create(&path, &Entropy::seeded(2)).unwrap();
    assert_eq!(made.check_value().unwrap(), read.check_value().unwrap());
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["master.key"]);
}

#[test]
fn processes_that_start_at_once_get_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let values: Vec<_> = std::thread::scope(|scope| {
        let load = |seed| {
            let path = &path;
            scope.spawn(move || {
                let key = MasterKey::load_or_create(path, &Entropy::seeded(seed)).unwrap();
                key.check_value().unwrap()
            })
        };
        let threads: Vec<_> = (0..8).map(load).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
}

#[test]
fn a_file_that_others_can_use_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    MasterKey::load_or_create(&path, &Entropy::Os).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let said = format!("{:?}", MasterKey::load_or_create(&path, &Entropy::Os).unwrap_err());
        assert!(said.contains("0600") && said.contains("master.key"), "{said}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(MasterKey::load_or_create(&path, &Entropy::Os).is_ok());
}

#[test]
fn a_file_holds_hexadecimal_or_base64_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let load = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        MasterKey::load_or_create(&path, &Entropy::Os)
    };
    let base64 = format!("{}AQE=", "AQEB".repeat(10));
    for right in ["01".repeat(32), format!("{}\n", "01".repeat(32)), format!("{base64}\r\n")] {
        let loaded = load(&right).unwrap();
        assert_eq!(loaded.check_value().unwrap(), key(1).check_value().unwrap(), "{right:?}");
    }
    let wrong =
        ["", "01", "zz".repeat(32).as_str(), "+1".repeat(32).as_str(), "é".repeat(32).as_str()]
            .map(str::to_owned);
    for wrong in wrong {
        let said = format!("{:?}", load(&wrong).unwrap_err());
        assert!(said.contains("64 hexadecimal digits"), "{said}");
        assert!(wrong.is_empty() || !said.contains(&wrong) || wrong == "01", "{said}");
    }
    assert!(MasterKey::load_or_create(folder.path(), &Entropy::Os).is_err());
}
