//! `countersign breached-passwords …`: an operator's own filter of passwords known from breaches.
//!
//! Building needs neither settings nor a database, only the download and room beside the filter.

use std::{io, path::Path};

use serde_json::{Value, json};

use super::{
    Failure,
    operator::facts,
    output::{self, Form},
};
use crate::{
    config::Config,
    crypto::breached::{
        Breached, Sources,
        build::{BuildFault, Builder},
        download,
        filter::{Filter, FilterFault, Header},
    },
    domain::password::Password,
    error::Error,
};

/// Builds the filter `to` of the download `from`; `-` is standard input.
///
/// # Errors
/// Where the download is not as published, or a file cannot be read or written.
pub(super) fn build(from: &Path, to: &Path, min_count: u64, form: Form) -> Result<(), Failure> {
    let hear = |lines| output::progress(&format!("{} lines read", grouped(lines)));
    let mut builder = Builder::new(to, min_count, hear);
    let read = if from == Path::new("-") {
        let mut lines = 0;
        let input = io::BufReader::with_capacity(1 << 20, io::stdin().lock());
        download::read(input, "standard input", &mut builder, &mut lines).map(|()| lines)
    } else {
        download::read_path(from, &mut builder)
    };
    let lines = read.map_err(|fault| told(&fault))?;
    output::progress(&format!("{} lines read; writing the filter", grouped(lines)));
    let header = builder.finish().map_err(|fault: BuildFault| told(&fault))?;
    show(to, &header, form)
}

/// Reads the whole filter at `path`, or the one that the settings name.
///
/// # Errors
/// Where there is none, or it is not as it was built.
pub(super) fn verify(path: Option<&Path>, config: &Config, form: Form) -> Result<(), Failure> {
    let path = path.or(config.passwords.breach_filter.as_deref());
    let Some(path) = path else {
        return Err(Failure::No("give a file, or set passwords.breach_filter".to_owned()));
    };
    let filter = Filter::open(path).map_err(|fault: FilterFault| told(&fault))?;
    filter.verify().map_err(|fault| told(&fault))?;
    show(path, filter.header(), form)
}

/// Reads a password from standard input and tells which of the sources that are there know it.
///
/// # Errors
/// Where there is no password, or a source gives no answer.
pub(super) async fn check(config: &Config, form: Form) -> Result<(), Failure> {
    let password = Password::parse(output::password()?.expose())
        .map_err(|fault| Error::invalid_field("password", fault.to_string()))?;
    let Sources { list, filter, service } =
        Breached::new(&config.passwords)?.sources(&password).await?;
    let said = |known: Option<bool>| match known {
        None => "not configured",
        Some(true) => "known",
        Some(false) => "not known",
    };
    let table = facts([
        ("list", said(Some(list)).to_owned()),
        ("filter", said(filter).to_owned()),
        ("service", said(service).to_owned()),
    ]);
    let json = json!({ "list": list, "filter": filter, "service": service });
    Ok(output::print(form, &table, &json)?)
}

fn show(path: &Path, header: &Header, form: Form) -> Result<(), Failure> {
    let table = facts([
        ("file", path.display().to_string()),
        ("entries", header.entries.to_string()),
        ("min_count", header.min_count.to_string()),
    ]);
    let json: Value = json!({
        "file": path.display().to_string(),
        "entries": header.entries,
        "min_count": header.min_count,
    });
    Ok(output::print(form, &table, &json)?)
}

/// What went wrong, with what lies beneath it.
fn told(fault: &dyn std::error::Error) -> Failure {
    let mut text = fault.to_string();
    let mut next = fault.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    Failure::No(text)
}

/// `10,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
