//! Where Hugging Face software keeps what it fetched, and its token: the variables that
//! huggingface_hub reads, in its order (compared with 2.4). Beside it one thing differs: a
//! variable that is set to nothing is not set.

use std::path::PathBuf;

/// Folders and files of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// Repositories, as `models--organisation--name`.
    pub cache: PathBuf,
    pub token_file: PathBuf,
}

impl Places {
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        // What Python's expanduser and expandvars make of it: an unset variable stays as it is.
        let expanded = |text: String| {
            let home = || set("HOME").or_else(home);
            let text = shellexpand::full_with_context_no_errors(&text, home, |name| set(name));
            PathBuf::from(text.into_owned())
        };
        let home = set("HF_HOME").unwrap_or_else(|| {
            let cache = set("XDG_CACHE_HOME").unwrap_or_else(|| "~/.cache".to_owned());
            format!("{cache}/huggingface")
        });
        let cache = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE"));
        let token_file = set("HF_TOKEN_PATH");
        Self {
            cache: expanded(cache.unwrap_or_else(|| format!("{home}/hub"))),
            token_file: expanded(token_file.unwrap_or_else(|| format!("{home}/token"))),
        }
    }
}

/// The home that the system knows where no variable says it.
fn home() -> Option<String> {
    Some(std::env::home_dir()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_where_huggingface_hub_has_them() {
        // Each as huggingface_hub 2.4 says it with these variables.
        let (home, xdg) = (("HOME", "/home/a"), ("XDG_CACHE_HOME", "/x"));
        let (hf, old) = (
            ("HF_HOME", "~/hf"),
            ("HUGGINGFACE_HUB_CACHE", "$HOME/old/hub"),
        );
        for (variables, cache, token) in [
            (
                &[home][..],
                "/home/a/.cache/huggingface/hub",
                "/home/a/.cache/huggingface/token",
            ),
            (&[home, xdg], "/x/huggingface/hub", "/x/huggingface/token"),
            (&[home, xdg, hf], "/home/a/hf/hub", "/home/a/hf/token"),
            (&[home, hf, old], "/home/a/old/hub", "/home/a/hf/token"),
            (
                &[home, hf, old, ("HF_HUB_CACHE", "${HOME}/c/$UNSET")],
                "/home/a/c/$UNSET",
                "/home/a/hf/token",
            ),
            (
                &[home, ("HF_TOKEN_PATH", "~/t")],
                "/home/a/.cache/huggingface/hub",
                "/home/a/t",
            ),
            (
                &[home, ("HF_HOME", " ")],
                "/home/a/.cache/huggingface/hub",
                "/home/a/.cache/huggingface/token",
            ),
        ] {
            let read = Places::read(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            let expected = Places {
                cache: cache.into(),
                token_file: token.into(),
            };
            assert_eq!(read, expected, "{variables:?}");
        }
    }
}
