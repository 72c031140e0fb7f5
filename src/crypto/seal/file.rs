//! The file that the master key lies in.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    crypto::opaque::hex,
    entropy::Entropy,
    error::{Context, Error, Result},
};

/// More than any spelling of 32 bytes needs.
const LONGEST: u64 = 256;

/// The bytes of the key at `path`, which is made where there is none.
pub(super) fn load_or_create(path: &Path, entropy: &Entropy) -> Result<Zeroizing<Vec<u8>>> {
    match File::open(path) {
        Ok(file) => load(file, path),
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            create(path, entropy)?;
            load(File::open(path).doing("opening the new master key file")?, path)
        }
        Err(fault) => Err(fault).doing("opening the master key file"),
    }
}

fn load(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let facts = file.metadata().doing("looking at the master key file")?;
    if !facts.is_file() {
        return Err(refused(path, "is not a plain file"));
    }
    refuse_readable_by_others(&facts, path)?;
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).doing("reading the master key file")?;
    decoded(text.trim())
        .ok_or_else(|| refused(path, "must hold 32 bytes as 64 hexadecimal digits or as base64"))
}

#[cfg(unix)]
fn refuse_readable_by_others(facts: &fs::Metadata, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if facts.permissions().mode() & 0o077 != 0 {
        let why = "can be used by others than its owner: change its mode to 0600, and replace \
                   the key if others may have read it";
        return Err(refused(path, why));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &fs::Metadata, _: &Path) -> Result<()> {
    Ok(())
}

fn refused(path: &Path, why: &str) -> Error {
    Error::internal("reading the master key", format!("{} {why}", path.display()))
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = if text.len() == 64 {
        let pairs = text.as_bytes().chunks_exact(2);
        let byte = |pair| {
            // `from_str_radix` alone would take a sign.
            let digits = std::str::from_utf8(pair).ok()?;
            let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
        };
        pairs.map(byte).collect::<Option<Vec<u8>>>()?
    } else {
        STANDARD.decode(text).ok()?
    };
    (bytes.len() == 32).then(|| Zeroizing::new(bytes))
}

/// Writes a fresh key beside `path` and links it there, which fails where another process was
/// first. So the file is whole from the moment it can be seen, and is never replaced.
fn create(path: &Path, entropy: &Entropy) -> Result<()> {
    let bytes = Zeroizing::new(entropy.bytes::<32>()?);
    let suffix = u64::from_be_bytes(Entropy::Os.bytes()?);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix:016x}.new"));
    let beside = PathBuf::from(name);
    let text = Zeroizing::new(hex(&*bytes));
    let written = write_private(&beside, &text).and_then(|()| fs::hard_link(&beside, path));
    // Where the file was never made there is nothing to remove; a left-over does no harm.
    drop(fs::remove_file(&beside));
    match written {
        Err(fault) if fault.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(fault) => Err(fault).doing("writing the master key file"),
        Ok(()) => sync_directory(path).doing("writing the master key file"),
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The name of a new file survives a crash only once its directory is on disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
