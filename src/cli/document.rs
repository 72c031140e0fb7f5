//! `countersign openapi` and `countersign api-reference`: the API document, and its pages.
//!
//! Neither needs settings or a database: both are made from the code.

use std::path::Path;

use super::{Failure, output};
use crate::{
    error::Context,
    http::{openapi, reference},
};

/// Prints the API document, the same text that `/openapi.json` answers.
///
/// # Errors
/// Where standard output cannot be written to.
pub(super) fn openapi() -> Result<(), Failure> {
    let text = openapi::text(&openapi::document()).doing("writing the API document")?;
    Ok(output::text(&text)?)
}

/// Writes the API reference to the folder `out`, one file a page, and prints which.
///
/// # Errors
/// Where the folder or a file cannot be written.
pub(super) fn reference(out: &Path) -> Result<(), Failure> {
    let cannot = |path: &Path, fault: std::io::Error| {
        Failure::No(format!("cannot write {}: {fault}", path.display()))
    };
    std::fs::create_dir_all(out).map_err(|fault| cannot(out, fault))?;
    for (name, markdown) in reference::pages(&openapi::document()) {
        let path = out.join(name);
        std::fs::write(&path, markdown).map_err(|fault| cannot(&path, fault))?;
        output::text(&format!("{}\n", path.display()))?;
    }
    Ok(())
}
