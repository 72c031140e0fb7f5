//! `countersign openapi` and `countersign api-reference`: the API document, as JSON and as pages.

use std::path::Path;

use super::{Failure, output};
use crate::{
    error::Context,
    http::{openapi, reference},
};

/// Prints the OpenAPI document.
pub(super) fn openapi() -> Result<(), Failure> {
    let text = openapi::text(&openapi::document()).doing("writing the document")?;
    Ok(output::text(&text)?)
}

/// Writes the pages of the API reference into `folder`, and nothing else.
pub(super) fn reference(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).doing("making the folder of the reference")?;
    for (name, text) in reference::pages(&openapi::document()) {
        std::fs::write(folder.join(&name), text).doing("writing a page of the reference")?;
    }
    Ok(())
}
