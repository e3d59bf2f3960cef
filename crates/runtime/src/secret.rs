//! Texts that are never shown: tokens and database URLs. They come from files and from the environment, never from arguments.

use std::{convert::Infallible, env, ffi::OsString, fmt, fs, io, path::PathBuf, str::FromStr};

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
    #[error(
        "the token in {place} holds blanks or characters that are not ASCII; make one with `openssl rand -hex 32`"
    )]
    Characters { place: String },
}

/// A token from `file`, or from the environment variable `variable`; the file comes first. None where there is neither.
pub fn token(file: Option<&PathBuf>, variable: &str) -> Result<Option<Secret>, TokenError> {
    let (place, text) = match (file, env::var(variable)) {
        (Some(path), _) => {
            let text = fs::read_to_string(path).map_err(|source| TokenError::File {
                path: path.clone(),
                source,
            })?;
            (format!("`{}`", path.display()), text)
        }
        (None, Ok(text)) => (variable.to_owned(), text),
        (None, Err(_)) => return Ok(None),
    };
    let text = text.trim();
    if text.len() < SHORTEST_TOKEN {
        return Err(TokenError::Short {
            place,
            length: text.len(),
        });
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(TokenError::Characters { place });
    }
    Ok(Some(Secret::new(text)))
}

/// Whether a text may be a database URL, however badly written: nothing else on a command line holds an `@` and a `:`.
pub fn may_be_url(text: &str) -> bool {
    text.contains('@') && text.contains(':')
}

/// Ends the process as clap does, but shows none of the arguments and variables that may be a database URL: clap repeats what it does not
/// expect.
pub fn refuse(error: &clap::Error) -> ! {
    let variables = env::vars_os().map(|(_, value)| value);
    match without_urls(
        &error.render().to_string(),
        env::args_os().skip(1).chain(variables),
    ) {
        None => error.exit(),
        Some(message) => {
            crate::output::complain(message.trim_end());
            std::process::exit(error.exit_code())
        }
    }
}

/// The message without what may be a URL among `given`; none where it holds none.
fn without_urls(message: &str, given: impl Iterator<Item = OsString>) -> Option<String> {
    let given: Vec<String> = given
        .map(|text| text.to_string_lossy().into_owned())
        .filter(|text| may_be_url(text))
        .collect();
    let values = given
        .iter()
        .filter_map(|text| text.strip_prefix("--")?.split_once('='))
        .map(|(_, value)| value);
    let mut texts: Vec<&str> = values
        .chain(given.iter().map(String::as_str))
        .filter(|text| message.contains(text))
        .collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let hidden = texts.iter().fold(message.to_owned(), |message, text| {
        message.replace(text, "(redacted)")
    });
    (!texts.is_empty()).then_some(hidden)
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
        assert_eq!(
            read(&format!("{whole}\n")).unwrap().unwrap().reveal(),
            whole
        );
        for (text, expected) in [
            ("", "0 characters"),
            (&whole[1..], "31 characters"),
            (&format!("{whole} {whole}"), "blanks"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(
                message.contains(expected) && message.contains(path.to_str().unwrap()),
                "{message}"
            );
            assert!(text.is_empty() || !message.contains(text));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            token(Some(&path), UNSET),
            Err(TokenError::File { .. })
        ));
        assert!(token(None, UNSET).unwrap().is_none());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "(redacted) (redacted)");
    }

    #[test]
    fn what_clap_repeats_is_shown_without_urls() {
        let given = |texts: &[&str]| {
            texts
                .iter()
                .map(OsString::from)
                .collect::<Vec<_>>()
                .into_iter()
        };
        let url = "postgers:/me:hunter2@host";
        let message = format!("error: unexpected argument '{url}' found");
        let shown = without_urls(&message, given(&["--listen", "1.2.3.4:5", url])).unwrap();
        assert_eq!(shown, "error: unexpected argument '(redacted)' found");
        let joined = format!("--listen={url}");
        let shown = without_urls(
            &format!("error: invalid value '{url}' for '--listen <LISTEN>'"),
            given(&[&joined]),
        )
        .unwrap();
        assert_eq!(
            shown,
            "error: invalid value '(redacted)' for '--listen <LISTEN>'"
        );
        assert_eq!(
            without_urls(
                "error: unexpected argument '1.2.3.4:5' found",
                given(&["1.2.3.4:5", url])
            ),
            None
        );
    }
}
