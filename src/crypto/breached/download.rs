//! Reads what Have I Been Pwned publishes: one text of lines `SHA1:COUNT`, or a folder with a file
//! for each range, named by the first five digits, of lines `REST:COUNT`.
//!
//! The official downloader makes either. Lines may come in any order, end in CRLF or LF, and have
//! digits of either case; those that count 0 are padding. Everything else is refused with its
//! place, since a download that broke off must not pass for a whole one.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

/// Digits of a SHA-1.
const DIGITS: usize = 40;
/// Digits in the name of a range's file.
const RANGE: usize = 5;
/// No line is longer: 40 digits, a colon, 20 digits, a line end.
const LONGEST_LINE: u64 = 100;
/// Lines between two reports.
const REPORT_EVERY: u64 = 10_000_000;

/// Why a download cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DownloadFault {
    /// A file or folder cannot be read.
    #[error("{place} cannot be read")]
    Unreadable {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of another form.
    #[error("{place}, line {line}: not a SHA-1, a colon and a count")]
    Line {
        /// In which file.
        place: String,
        /// The line's number, from 1.
        line: u64,
    },
    /// A file that is no range.
    #[error("{place}: not named by the five digits of a range, such as 0A1B2 or 0A1B2.txt")]
    Name {
        /// Which.
        place: String,
    },
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The first eight bytes of the SHA-1.
    pub key: u64,
    /// How often the password was seen.
    pub count: u64,
}

/// Reads one line without its line end; `range` are the digits that the whole file shares.
#[must_use]
pub fn parse(range: &[u8], line: &[u8]) -> Option<Line> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (digits, count) = line.split_at_checked(colon)?;
    if range.len() + digits.len() != DIGITS {
        return None;
    }
    let mut key = 0_u64;
    for (place, digit) in range.iter().chain(digits).enumerate() {
        let value = char::from(*digit).to_digit(16)?;
        if place < 16 {
            key = key << 4 | u64::from(value);
        }
    }
    let count = std::str::from_utf8(count.get(1..)?).ok()?;
    // `parse` would take a sign.
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    Some(Line { key, count: is_number.then(|| count.parse().ok())?? })
}

/// Whoever wants the lines, and to know how many were read.
pub trait Sink {
    /// What can go wrong with taking a line.
    type Fault: From<DownloadFault>;

    /// Takes a line.
    ///
    /// # Errors
    /// Where it cannot be kept.
    fn take(&mut self, line: Line) -> Result<(), Self::Fault>;

    /// Hears of so many lines.
    fn hear(&mut self, lines: u64);
}

/// Reads the text or the folder at `from`.
///
/// # Errors
/// Where something cannot be read or is no such line, or the sink fails.
pub fn read_path<S: Sink>(from: &Path, sink: &mut S) -> Result<u64, S::Fault> {
    let unreadable = |path: &Path| {
        let place = path.display().to_string();
        move |source| S::Fault::from(DownloadFault::Unreadable { place, source })
    };
    let mut lines = 0;
    if !fs::metadata(from).map_err(unreadable(from))?.is_dir() {
        let file = File::open(from).map_err(unreadable(from))?;
        read(
            BufReader::with_capacity(1 << 20, file),
            &from.display().to_string(),
            sink,
            &mut lines,
        )?;
        return Ok(lines);
    }
    for (path, range) in ranges(from)? {
        let file = File::open(&path).map_err(unreadable(&path))?;
        let source = Source { place: &path.display().to_string(), range: range.as_bytes() };
        read_lines(BufReader::new(file), &source, sink, &mut lines)?;
    }
    Ok(lines)
}

/// Reads a text of whole lines; `place` names it in faults.
///
/// # Errors
/// As [`read_path`].
pub fn read<S: Sink>(
    text: impl BufRead,
    place: &str,
    sink: &mut S,
    lines: &mut u64,
) -> Result<(), S::Fault> {
    read_lines(text, &Source { place, range: b"" }, sink, lines)
}

/// The files of a folder in the order of their ranges. Hidden ones are somebody else's.
fn ranges(folder: &Path) -> Result<Vec<(PathBuf, String)>, DownloadFault> {
    let unreadable =
        |source| DownloadFault::Unreadable { place: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let range = name.strip_suffix(".txt").unwrap_or(&name);
        if range.len() != RANGE || !range.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(DownloadFault::Name { place: entry.path().display().to_string() });
        }
        found.push((entry.path(), range.to_ascii_uppercase()));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

struct Source<'a> {
    place: &'a str,
    range: &'a [u8],
}

fn read_lines<S: Sink>(
    mut text: impl BufRead,
    source: &Source<'_>,
    sink: &mut S,
    lines: &mut u64,
) -> Result<(), S::Fault> {
    let place = || source.place.to_owned();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = (&mut text).take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.map_err(|fault| DownloadFault::Unreadable { place: place(), source: fault })? == 0 {
            return Ok(());
        }
        number += 1;
        let mut text = line.trim_ascii_end();
        if number == 1 {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        }
        if text.is_empty() && line.ends_with(b"\n") {
            continue;
        }
        let found = parse(source.range, text);
        let found = found.ok_or_else(|| DownloadFault::Line { place: place(), line: number })?;
        sink.take(found)?;
        *lines += 1;
        if lines.is_multiple_of(REPORT_EVERY) {
            sink.hear(*lines);
        }
    }
}

#[cfg(test)]
mod tests;
