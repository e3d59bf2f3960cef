//! The texts that an experiment is put together from, laid end to end: a place in that one text is
//! a line of a file, or a `--set`.

use std::{borrow::Cow, fmt, ops::Range};

use super::setting;

/// A text that says values of an experiment.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The text of a file, and its name for a person.
    File { name: &'a str, text: &'a str },
    /// `KEY=VALUE`, as `--set` takes it.
    Set(&'a str),
}

/// Where a value is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line, counted from 1; the file is named where there are several.
    Line { file: Option<String>, line: usize },
    /// The text of a `--set`.
    Set(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file: None, line } => write!(f, "line {line}"),
            Self::Line {
                file: Some(file),
                line,
            } => write!(f, "`{file}` line {line}"),
            Self::Set(text) => write!(f, "--set {text}"),
        }
    }
}

/// Sources in their order.
pub(super) struct Sources<'a> {
    sources: &'a [Source<'a>],
    /// As TOML.
    texts: Vec<Cow<'a, str>>,
}

impl<'a> Sources<'a> {
    /// # Errors
    /// A `--set` is no `KEY=VALUE`: its place, and what to write instead.
    pub fn new(sources: &'a [Source<'a>]) -> Result<Self, (Place, String)> {
        let mut texts = Vec::new();
        for source in sources {
            texts.push(match source {
                // A byte order mark is legal at the beginning alone.
                Source::File { text, .. } => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
                Source::Set(text) => setting::as_toml(text)
                    .map_err(|message| (Place::Set((*text).to_owned()), message))?,
            });
        }
        Ok(Self { sources, texts })
    }

    /// Each text behind as many blanks as the texts before it take, so that a parser's offsets are
    /// those in the whole.
    pub fn padded(&self) -> Vec<String> {
        let mut start = 0;
        let mut padded = Vec::new();
        for text in &self.texts {
            padded.push(" ".repeat(start) + text);
            start += room(text);
        }
        padded
    }

    /// What is written at `span` of the whole.
    pub fn written(&self, span: Range<usize>) -> &str {
        let (index, start) = self.find(span.start);
        let text = self.texts.get(index).map_or("", |text| text);
        let end = span.end.saturating_sub(start);
        text.get(span.start - start..end).unwrap_or_default()
    }

    /// Which source the place at `offset` of the whole is in.
    pub fn index(&self, offset: usize) -> usize {
        self.find(offset).0
    }

    pub fn place(&self, offset: usize) -> Place {
        let (index, start) = self.find(offset);
        let named = self.files() > 1;
        match self.sources.get(index) {
            Some(Source::Set(text)) => Place::Set((*text).to_owned()),
            Some(Source::File { name, .. }) => Place::Line {
                file: named.then(|| (*name).to_owned()),
                line: line_at(&self.texts[index], offset - start),
            },
            None => Place::Line {
                file: None,
                line: 1,
            },
        }
    }

    fn files(&self) -> usize {
        let is_file = |source: &&Source<'_>| matches!(source, Source::File { .. });
        self.sources.iter().filter(is_file).count()
    }

    /// The source that `offset` of the whole is in, and where its text begins.
    fn find(&self, offset: usize) -> (usize, usize) {
        let mut start = 0;
        for (index, text) in self.texts.iter().enumerate() {
            if offset < start + room(text) {
                return (index, start);
            }
            start += room(text);
        }
        (self.texts.len(), offset)
    }
}

/// Bytes that a text takes in the whole: one more, for the place behind its end.
fn room(text: &str) -> usize {
    text.len() + 1
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}
