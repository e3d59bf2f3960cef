//! Paths as people write them. A shell leaves `~` and variables alone within quotes, behind `=`,
//! and in files; here they mean the same everywhere.

use std::{env::VarError, path::PathBuf};

/// `text` with `~` and variables put in.
///
/// # Errors
/// A variable that is not set, by its name, with the fix.
pub fn expanded(text: &str) -> Result<String, String> {
    let home = || std::env::home_dir()?.into_os_string().into_string().ok();
    let variable = |name: &str| std::env::var(name).map(Some);
    match shellexpand::full_with_context(text, home, variable) {
        Ok(text) => Ok(text.into_owned()),
        Err(error) => {
            let state = match error.cause {
                VarError::NotPresent => "not set",
                VarError::NotUnicode(_) => "not UTF-8",
            };
            Err(format!(
                "the variable `{}` is {state}: set it, or write the path without it",
                error.var_name
            ))
        }
    }
}

/// The same for a path.
///
/// # Errors
/// As [`expanded`].
pub fn expanded_path(text: &str) -> Result<PathBuf, String> {
    expanded(text).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_variables_are_put_in_and_an_unset_one_is_named() {
        let home = std::env::home_dir().unwrap().display().to_string();
        assert_eq!(expanded("~/m").unwrap(), format!("{home}/m"));
        for text in ["/a/$HOME/b", "/a/${HOME}/b"] {
            assert_eq!(expanded(text).unwrap(), format!("/a/{home}/b"));
        }
        for text in ["org/name", "a~b", "./~"] {
            assert_eq!(expanded(text).unwrap(), text);
        }
        let message = expanded("$GROKLAB_NEVER_SET/x").unwrap_err();
        assert_eq!(
            message,
            "the variable `GROKLAB_NEVER_SET` is not set: set it, or write the path without it"
        );
    }
}
