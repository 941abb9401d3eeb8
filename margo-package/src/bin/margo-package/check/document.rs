//! Documents of the specification in files.

use std::path::Path;

use margo_package::lint::lint_description;
use margo_types::AnyDocument;

use super::{Checked, Depth};
use crate::connection::read;
use crate::failure::Failure;

/// Looks for problems in a document of any kind.
pub(super) fn file(path: &Path, depth: Depth) -> Result<Checked, Failure> {
    let name = path.display().to_string();
    let bytes = read(path)?;
    let mut checked = Checked::new(&name, "document");
    match margo_types::read_any(&bytes) {
        Ok(document) => {
            document.kind().as_str().clone_into(&mut checked.kind);
            checked.problems.report(&name, &document.validate());
            if let (Depth::Lint, AnyDocument::ApplicationDescription(description)) =
                (depth, &document)
            {
                checked
                    .problems
                    .report(&name, &lint_description(description));
            }
        }
        Err(error) => checked.problems.unreadable(&name, &error),
    }
    checked.problems.text(&name, bytes);
    Ok(checked)
}
