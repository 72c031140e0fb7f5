//! `countersign config`: the effective settings, where each comes from, and no secrets.

use super::{
    Failure,
    output::{self, Form},
};
use crate::config::load::{Loaded, shown, to_json, to_toml};

/// Prints the settings: a settings file for people, JSON for machines. Warnings come as comments.
///
/// # Errors
/// Where standard output cannot be written to.
pub(super) fn run(loaded: &Loaded, form: Form) -> Result<(), Failure> {
    let shown = shown(loaded);
    match form {
        Form::Json => output::json(&to_json(&shown))?,
        Form::Human => {
            let warnings = loaded.warnings.iter().map(|it| format!("# Warning: {it}.\n"));
            output::text(&format!("{}{}", warnings.collect::<String>(), to_toml(&shown)))?;
        }
    }
    Ok(())
}
