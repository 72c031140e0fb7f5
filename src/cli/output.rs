//! What commands print, and what they read from standard input.
//!
//! Results go to standard output, as a table for people or as JSON for machines; everything else
//! goes to standard error. A reader that has gone (`countersign user list | head`) ends the
//! printing quietly.

use std::io::{self, BufRead, ErrorKind, Write};

use serde_json::Value;

use crate::{
    error::{Context, Error, Result},
    secret::Secret,
};

/// A password line longer than this is a file piped in by mistake.
const LONGEST_PASSWORD: u64 = 4096;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Tables, for people.
    Human,
    /// JSON, for machines.
    Json,
}

/// A table: a heading for each column, then rows of as many cells.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The headings.
    pub head: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings and no rows yet.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text: columns as wide as their widest cell, two spaces between them.
    #[must_use]
    pub fn render(&self) -> String {
        let head = self.head.iter().map(|title| title.to_uppercase()).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = std::iter::once(head)
            .chain(self.rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()))
            .collect();
        let widest = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> =
            (0..self.head.len()).map(|column| widest(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Prints a result: `table` for people, `json` for machines.
///
/// # Errors
/// Where standard output cannot be written to.
pub fn print(form: Form, table: &Table, json: &Value) -> Result<()> {
    match form {
        Form::Human => text(&table.render()),
        Form::Json => self::json(json),
    }
}

/// Prints one JSON value, indented.
///
/// # Errors
/// Where standard output cannot be written to.
pub fn json(value: &Value) -> Result<()> {
    text(&format!("{value:#}\n"))
}

/// Prints text as it is.
///
/// # Errors
/// Where standard output cannot be written to.
pub fn text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    quietly(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Tells standard error that the command failed, one line for each line of `reason`.
pub fn failure(reason: &str) {
    let mut err = io::stderr().lock();
    for line in reason.lines() {
        // There is nowhere left to tell of a fault here.
        let _ = writeln!(err, "error: {}", printable(line));
    }
}

/// Tells standard error of something that is wrong and stops nothing.
pub fn warning(said: &str) {
    let _ = writeln!(io::stderr().lock(), "warning: {}", printable(said));
}

/// Tells standard error how far something is that takes long.
pub fn progress(said: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(said));
}

/// Reads a password: the first line of standard input without its line end, else untouched, so
/// that a password may begin or end in a space.
///
/// # Errors
/// An empty or overlong line, one that is not UTF-8, or no input at all.
pub fn password() -> Result<Secret<String>> {
    password_from(io::stdin().lock())
}

fn password_from(input: impl BufRead) -> Result<Secret<String>> {
    let mut line = Vec::new();
    let mut limited = io::Read::take(input, LONGEST_PASSWORD + 2);
    limited.read_until(b'\n', &mut line).doing("reading the password from standard input")?;
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    let refuse = |said: &str| Error::invalid_field("password", said);
    let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
    if length == 0 || length > LONGEST_PASSWORD {
        return Err(refuse("the first line of standard input must be the password"));
    }
    let line = String::from_utf8(line).map_err(|_| refuse("the password must be UTF-8"))?;
    Ok(Secret::new(line))
}

/// What users wrote may hold control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn quietly(written: io::Result<()>) -> Result<()> {
    match written {
        Err(fault) if fault.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.doing("writing to standard output"),
    }
}

#[cfg(test)]
mod tests;
