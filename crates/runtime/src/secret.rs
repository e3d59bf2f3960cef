//! Texts that are never shown: tokens and database URLs. They come from files and from the
//! environment, never from arguments.

use std::{
    cmp::Reverse,
    convert::Infallible,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The fewest characters of a token.
pub const MIN_TOKEN_CHARS: usize = 32;

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

/// A variable of the environment that may hold a secret.
#[derive(Debug, Clone)]
pub struct Variable {
    pub name: &'static str,
    pub value: Option<Secret>,
}

/// Why a token cannot be used. The token itself is never part of the message.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("read the token file `{path}`")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "the token in {place} has {length} characters: a token has at least {MIN_TOKEN_CHARS}, \
         none of them blank; make one with `openssl rand -hex 32`"
    )]
    Short { place: String, length: usize },
    #[error(
        "the token in {place} holds blanks or characters that are not ASCII; \
         make one with `openssl rand -hex 32`"
    )]
    Characters { place: String },
}

/// A token from `file`, or else from an environment variable. None where there is neither.
pub fn token(file: Option<&Path>, variable: &Variable) -> Result<Option<Secret>, TokenError> {
    match (file, &variable.value) {
        (Some(path), _) => token_from_file(path).map(Some),
        (None, Some(value)) => checked_token(variable.name.to_owned(), value.reveal()).map(Some),
        (None, None) => Ok(None),
    }
}

/// The token that a file holds.
pub fn token_from_file(path: &Path) -> Result<Secret, TokenError> {
    match fs::read_to_string(path) {
        Ok(text) => checked_token(format!("`{}`", path.display()), &text),
        Err(source) => Err(TokenError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn checked_token(place: String, text: &str) -> Result<Secret, TokenError> {
    let text = text.trim();
    if text.len() < MIN_TOKEN_CHARS {
        let length = text.len();
        return Err(TokenError::Short { place, length });
    }
    // It travels in a header, which takes nothing else.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Characters { place });
    }
    Ok(Secret::new(text))
}

/// Whether a text may be a database URL, however badly written: nothing else on a command line
/// holds an `@` and a `:`.
pub fn may_be_url(text: &str) -> bool {
    text.contains('@') && text.contains(':')
}

/// The message without what may be a URL among `given`; none where it holds none.
pub(crate) fn without_urls(message: &str, given: &[OsString]) -> Option<String> {
    let mut urls = Vec::new();
    for text in given {
        let text = text.to_string_lossy().into_owned();
        // clap repeats the value of `--flag=VALUE` also by itself.
        if let Some((_, value)) = text
            .strip_prefix("--")
            .and_then(|flag| flag.split_once('='))
        {
            urls.push(value.to_owned());
        }
        urls.push(text);
    }
    urls.retain(|text| may_be_url(text) && message.contains(text));
    if urls.is_empty() {
        return None;
    }
    // A long one first: a shorter one may be a part of it.
    urls.sort_by_key(|text| Reverse(text.len()));
    let mut shown = message.to_owned();
    for url in urls {
        shown = shown.replace(&url, "(redacted)");
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(value: Option<&str>) -> Variable {
        Variable {
            name: "GROKLAB_TOKEN",
            value: value.map(Secret::new),
        }
    }

    #[test]
    fn a_token_comes_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            token(Some(&path), &variable(None))
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
            token(Some(&path), &variable(None)),
            Err(TokenError::File { .. })
        ));
        assert!(token(None, &variable(None)).unwrap().is_none());
        let given = token(None, &variable(Some(&whole))).unwrap().unwrap();
        assert_eq!(given.reveal(), whole);
        let error = token(None, &variable(Some("short"))).unwrap_err();
        assert!(error.to_string().contains("GROKLAB_TOKEN has 5"), "{error}");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "(redacted) (redacted)");
    }

    #[test]
    fn what_clap_repeats_is_shown_without_urls() {
        let given =
            |texts: &[&str]| -> Vec<OsString> { texts.iter().map(OsString::from).collect() };
        let url = "postgers:/me:hunter2@host";
        let message = format!("error: unexpected argument '{url}' found");
        let shown = without_urls(&message, &given(&["--listen", "1.2.3.4:5", url])).unwrap();
        assert_eq!(shown, "error: unexpected argument '(redacted)' found");
        let joined = format!("--listen={url}");
        let shown = without_urls(
            &format!("error: invalid value '{url}' for '--listen <LISTEN>'"),
            &given(&[&joined]),
        )
        .unwrap();
        assert_eq!(
            shown,
            "error: invalid value '(redacted)' for '--listen <LISTEN>'"
        );
        assert_eq!(
            without_urls(
                "error: unexpected argument '1.2.3.4:5' found",
                &given(&["1.2.3.4:5", url])
            ),
            None
        );
    }
}
