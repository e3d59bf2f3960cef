//! Where models of a user's own may lie when workers see one folder of the machine alone, as in
//! containers.

use std::path::{Component, Path};

/// Whether workers that see models in `folder` alone, at the same path, can open this source: a
/// path within it, or no path at all. The error is for a person and names the fix.
///
/// # Errors
/// The source is a path that lies elsewhere.
pub fn require_in_model_folder(source: &str, folder: &Path) -> Result<(), String> {
    let path = Path::new(source);
    if !path.is_absolute() {
        return Ok(());
    }
    let goes_up = path.components().any(|part| part == Component::ParentDir);
    if path.starts_with(folder) && !goes_up {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!(
        "`model.source` = \"{source}\": the workers see models of your own in `{folder}` alone, \
         which has the same path for them as for you: put the model there, or name a hub id as \
         organisation/name"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_lies_in_the_folder_or_on_the_hub() {
        let folder = Path::new("/srv/models");
        for source in ["org/name", "/srv/models/m.gguf", "/srv/models/a/b"] {
            assert_eq!(require_in_model_folder(source, folder), Ok(()), "{source}");
        }
        for source in ["/home/me/m.gguf", "/srv/models/../m.gguf", "/srv/models2/m"] {
            let error = require_in_model_folder(source, folder).unwrap_err();
            assert!(
                error.contains(source) && error.contains("`/srv/models` alone"),
                "{error}"
            );
        }
    }
}
