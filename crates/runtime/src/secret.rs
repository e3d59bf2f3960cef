//! Texts that are never shown: tokens and database URLs. They come from files and from the environment, never from arguments.

use std::{convert::Infallible, env, fmt, fs, io, path::PathBuf, str::FromStr};

/// The fewest characters of a token.
pub const SHORTEST_TOKEN: usize = 32;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Why a token cannot be used. The token itself is never part of the message.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("read the token file `{path}`")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "the token in {place} has {length} characters: a token has at least {SHORTEST_TOKEN}, none of them blank; make one with `openssl rand -hex 32`"
    )]
    Short { place: String, length: usize },
    #[error("the token in {place} holds blanks or characters that are not ASCII; make one with `openssl rand -hex 32`")]
    Characters { place: String },
}

/// A token from `file`, or from the environment variable `variable`; the file comes first. None where there is neither.
pub fn token(file: Option<&PathBuf>, variable: &str) -> Result<Option<Secret>, TokenError> {
    let (place, text) = match (file, env::var(variable)) {
        (Some(path), _) => {
            let text = fs::read_to_string(path).map_err(|source| TokenError::File { path: path.clone(), source })?;
            (format!("`{}`", path.display()), text)
        }
        (None, Ok(text)) => (variable.to_owned(), text),
        (None, Err(_)) => return Ok(None),
    };
    let text = text.trim();
    if text.len() < SHORTEST_TOKEN {
        return Err(TokenError::Short { place, length: text.len() });
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(TokenError::Characters { place });
    }
    Ok(Some(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSET: &str = "GROKLAB_NO_SUCH_VARIABLE";

    #[test]
    fn a_token_comes_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            token(Some(&path), UNSET)
        };
        let whole = "0123456789abcdef".repeat(2);
        assert_eq!(read(&format!("{whole}\n")).unwrap().unwrap().reveal(), whole);
        for (text, expected) in [("", "0 characters"), (&whole[1..], "31 characters"), (&format!("{whole} {whole}"), "blanks")] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(path.to_str().unwrap()), "{message}");
            assert!(text.is_empty() || !message.contains(text));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(token(Some(&path), UNSET), Err(TokenError::File { .. })));
        assert!(token(None, UNSET).unwrap().is_none());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "(redacted) (redacted)");
    }
}
