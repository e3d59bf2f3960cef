//! Paths in an experiment file: relative to the file that says them, with `~` and variables of the
//! environment filled in.

use std::path::{Path, PathBuf};

use groklab_domain::experiment::{self, Place};
use groklab_runtime::paths;

/// A path as a file or a setting says it.
pub struct Said<'a> {
    pub key: &'static str,
    pub text: &'a str,
    pub place: &'a Place,
    /// What it is relative to.
    pub folder: &'a Path,
}

impl Said<'_> {
    /// A path made absolute, which must exist, or a hub id `organisation/name` as it is. The error
    /// names the fix.
    pub fn resolve(&self, model_folder: Option<&Path>) -> Result<String, String> {
        let source = self.fill_in()?;
        let path = self.folder.join(&source);
        // A folder may have the name of a hub id; what is here goes first.
        if path.exists() {
            let source = self.absolute(&path)?;
            if let Some(model_folder) = model_folder {
                self.require_within(&source, model_folder)?;
            }
            return Ok(source);
        }
        if experiment::is_hub_id(&source) {
            return Ok(source);
        }
        let looked_for = std::path::absolute(&path).unwrap_or(path);
        if let Some(model_folder) = model_folder {
            // In a container what lies elsewhere is not to be seen, so that it may well exist.
            self.require_within(&looked_for.to_string_lossy(), model_folder)?;
        }
        let relative_to = match self.place {
            Place::Line { .. } => "the experiment file",
            Place::Set(_) => "the current folder",
        };
        let setup = if source.contains(".groklab/") {
            "; `make setup` fetches the one of the quickstart"
        } else {
            ""
        };
        Err(self.wrong(format!(
            "there is no `{}`: name a folder or .gguf file relative to {relative_to}, or a hub id \
             as organisation/name{setup}",
            looked_for.display()
        )))
    }

    /// The text of a chat template: that of the file it names, unless it is one itself.
    pub fn template(&self) -> Result<String, String> {
        if experiment::is_template(self.text) {
            return Ok(self.text.to_owned());
        }
        let text = self.read()?;
        if experiment::is_template(&text) {
            Ok(text)
        } else {
            Err(self.wrong("it holds no `{{` or `{%`: it is no jinja template"))
        }
    }

    /// The text of the file that it names.
    pub fn read(&self) -> Result<String, String> {
        let path = self.folder.join(self.fill_in()?);
        std::fs::read_to_string(&path)
            .map_err(|error| self.wrong(format!("read `{}`: {error}", path.display())))
    }

    /// The text with `~` and variables filled in.
    fn fill_in(&self) -> Result<String, String> {
        paths::expanded(self.text).map_err(|why| self.wrong(why))
    }

    fn absolute(&self, path: &Path) -> Result<String, String> {
        let absolute = match path.canonicalize() {
            Ok(absolute) => absolute,
            Err(error) => return Err(self.wrong(format!("open `{}`: {error}", path.display()))),
        };
        absolute.into_os_string().into_string().map_err(|path| {
            let path = PathBuf::from(path);
            self.wrong(format!("`{}` is not UTF-8", path.display()))
        })
    }

    fn require_within(&self, source: &str, model_folder: &Path) -> Result<(), String> {
        experiment::require_in_model_folder(source, model_folder)
            .map_err(|error| format!("{}: {error}", self.place))
    }

    /// The error that it is unusable, with who says it.
    pub fn wrong(&self, why: impl std::fmt::Display) -> String {
        format!("{}: `{}` = \"{}\": {why}", self.place, self.key, self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let said = Said {
            key: "model.source",
            text,
            place: &Place::Line {
                file: None,
                line: 3,
            },
            folder: Path::new(""),
        };
        said.resolve(None)
    }

    #[test]
    fn the_home_folder_and_variables_are_filled_in() {
        let home = env::home_dir().unwrap().canonicalize().unwrap();
        assert_eq!(resolve("~").unwrap(), home.to_str().unwrap());
        // Cargo sets it for every test.
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let manifest = manifest.canonicalize().unwrap();
        for text in [
            "$CARGO_MANIFEST_DIR/Cargo.toml",
            "${CARGO_MANIFEST_DIR}/Cargo.toml",
            "${GROKLAB_NEVER_SET:-Cargo.toml}",
        ] {
            assert_eq!(resolve(text).unwrap(), manifest.to_str().unwrap());
        }
        assert_eq!(resolve("Qwen/${CARGO_PKG_NAME}").unwrap(), "Qwen/grokctl");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        for text in ["$GROKLAB_NEVER_SET/m.gguf", "a/${GROKLAB_NEVER_SET}"] {
            assert_eq!(
                resolve(text).unwrap_err(),
                format!(
                    "line 3: `model.source` = \"{text}\": the variable `GROKLAB_NEVER_SET` is not \
                     set: set it, or write the path without it"
                )
            );
        }
    }
}
