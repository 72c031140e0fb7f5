use super::*;

const SHA1: &str = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8";

#[test]
fn a_line_has_forty_digits_a_colon_and_a_count() {
    let line = Line { key: 0x5baa_61e4_c9b9_3f3f, count: 52_256_179 };
    for text in [
        format!("{SHA1}:52256179"),
        format!("{}:52256179", SHA1.to_lowercase()),
        format!("{SHA1}:0052256179"),
    ] {
        assert_eq!(parse(b"", text.as_bytes()), Some(line), "{text}");
    }
    assert_eq!(parse(b"5BAA6", format!("{}:52256179", &SHA1[5..]).as_bytes()), Some(line));
    for text in [
        String::new(),
        SHA1.to_owned(),
        format!("{SHA1}:"),
        format!("{SHA1}:-1"),
        format!("{SHA1}:+1"),
        format!("{SHA1}:1 "),
        format!("{SHA1}:99999999999999999999"),
        format!("{}:1", &SHA1[1..]),
        format!("{SHA1}0:1"),
        format!("{}G:1", &SHA1[1..]),
        format!("{SHA1}:1:2"),
        format!("{}\u{e9}:1", &SHA1[2..]),
    ] {
        assert_eq!(parse(b"", text.as_bytes()), None, "{text}");
    }
}

/// Keeps the keys.
#[derive(Default)]
struct Keys(Vec<u64>);

impl Sink for Keys {
    type Fault = DownloadFault;

    fn take(&mut self, line: Line) -> Result<(), DownloadFault> {
        self.0.push(line.key);
        Ok(())
    }

    fn hear(&mut self, _: u64) {}
}

fn keys(text: &str) -> Result<usize, String> {
    let mut keys = Keys::default();
    let read = read(text.as_bytes(), "hashes.txt", &mut keys, &mut 0);
    read.map(|()| keys.0.len()).map_err(|fault| fault.to_string())
}

#[test]
fn a_text_is_read_line_by_line_and_what_is_wrong_has_its_number() {
    let good = format!("{SHA1}:1");
    assert_eq!(keys(""), Ok(0));
    assert_eq!(keys(&format!("\u{feff}{good}\r\n{good}\r\n\r\n")), Ok(2));
    assert_eq!(keys(&format!("{good}\n{good}")), Ok(2));
    let said = "hashes.txt, line 3: not a SHA-1, a colon and a count";
    for third in ["x", "5BAA6", &"A".repeat(10_000_000), "\u{0}", &format!("{good}{good}")] {
        let told = keys(&format!("{good}\n\n{third}\n{good}\n"));
        assert_eq!(told, Err(said.to_owned()), "{}", &third[..1]);
    }
    // A download that broke off within a line.
    assert!(keys(&format!("{good}\n{}", &good[..20])).unwrap_err().contains("line 2"));
}

#[test]
fn a_folder_is_read_range_by_range() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("5BAA6", &format!("{}:1\r\n{}:0\r\n", &SHA1[5..], "0".repeat(35)));
    write("00fff.txt", &format!("{}:7", "1".repeat(35)));
    write(".listing", "anything");
    let mut found = Keys::default();
    assert_eq!(read_path(folder.path(), &mut found).unwrap(), 3);
    assert_eq!(found.0, [0x00ff_f111_1111_1111, 0x5baa_61e4_c9b9_3f3f, 0x5baa_6000_0000_0000]);
    write("0000A", &format!("{SHA1}:1"));
    let told = read_path(folder.path(), &mut found).unwrap_err().to_string();
    assert!(told.ends_with("0000A, line 1: not a SHA-1, a colon and a count"), "{told}");
    write("readme.md", "");
    let told = read_path(folder.path(), &mut found).unwrap_err().to_string();
    assert!(told.contains("readme.md: not named by the five digits"), "{told}");
    let nowhere = folder.path().join("nowhere");
    let told = read_path(&nowhere, &mut found).unwrap_err().to_string();
    assert!(told.ends_with("nowhere cannot be read"), "{told}");
}
