//! Lines that open or close a block.

use std::ops::Range;

use super::{
    code::Strings,
    indent::{columns, indent},
};

/// What opened a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    mark: u8,
    count: usize,
    /// White space before it, bytes.
    pub indent: usize,
    pub language: Language,
}

/// What a block says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    /// Text with blocks of its own: its fences are passed over.
    Markdown,
    Other,
    Unmarked,
}

/// What a line outside of blocks does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outside {
    Plain,
    /// A block begins at this byte of the line, or on the next line.
    Opens(Fence, Option<usize>),
    /// Marks and nothing behind them, from this byte on: they open a block, or close one that was
    /// never opened.
    Ambiguous(Fence, usize),
    /// Blocks of one line each: their bytes.
    OneLine(Vec<Range<usize>>),
}

/// What a line within a block does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Content,
    /// The block ended at this byte of the line; nothing else is on it that matters.
    Closes(usize),
    /// The block ended before the line, which opens another one.
    Reopens,
}

/// Fewest marks of a fence.
const MIN_MARKS: usize = 3;
/// Columns by which a closing fence may be indented more than the opening one: beyond it is the
/// block's own, such as a docstring's.
const MAX_EXTRA_INDENT_COLUMNS: usize = 3;

/// Reads a line outside of blocks.
pub(super) fn outside(line: &[u8]) -> Outside {
    // A fence may begin a list's item: its indentation is where the item's text begins.
    let start = indent(line) + list_marker(&line[indent(line)..]);
    match run_at(line, start) {
        Some((mark, count)) => begins_with_fence(
            line,
            Fence {
                mark,
                count,
                indent: start,
                language: Language::Unmarked,
            },
            start + count,
        ),
        None => ends_with_fence(line),
    }
}

/// A line whose first characters are the marks, which end at `behind`.
fn begins_with_fence(line: &[u8], fence: Fence, behind: usize) -> Outside {
    let rest = &line[behind..];
    // As in Markdown, where nothing behind a fence of backticks holds another: these are blocks of
    // one line.
    if fence.mark == b'`' && rest.contains(&b'`') {
        return ends_with_fence(line);
    }
    let (language, code) = info(rest);
    let fence = Fence { language, ..fence };
    match (language, code) {
        (Language::Unmarked, None) => Outside::Ambiguous(fence, fence.indent),
        (_, code) => Outside::Opens(fence, code.map(|at| behind + at)),
    }
}

/// Text, then marks, then nothing or one word: the fence shares the sentence's line, or the last
/// line of code.
fn ends_with_fence(line: &[u8]) -> Outside {
    let all = runs(line);
    // Marks in pairs begin and end on this line; an odd one is left open by it.
    let Some(&(start, count)) = all.last().filter(|_| all.len() % 2 == 1) else {
        return one_line(line, &all);
    };
    let (language, code) = info(&line[start + count..]);
    // A fence within a sentence has prose around it; the block's own indentation is that of its
    // lines.
    let fence = Fence {
        mark: b'`',
        count,
        indent: 0,
        language,
    };
    match (language, code) {
        (Language::Unmarked, None) => Outside::Ambiguous(fence, start),
        // Several words behind the marks are a sentence about them, not a language.
        (Language::Other, _) if line[start + count..].trim_ascii().contains(&b' ') => {
            Outside::Plain
        }
        (_, code) => Outside::Opens(fence, code.map(|at| start + count + at)),
    }
}

/// Marks in pairs.
fn one_line(line: &[u8], runs: &[(usize, usize)]) -> Outside {
    let between = |pair: &[(usize, usize)]| {
        let start = pair[0].0 + pair[0].1;
        start + info(&line[start..pair[1].0]).1.unwrap_or(0)..pair[1].0
    };
    if runs.is_empty() {
        Outside::Plain
    } else {
        Outside::OneLine(runs.chunks_exact(2).map(between).collect())
    }
}

impl Fence {
    /// Reads a whole line of the block that this opened; `strings` are those of the block so far.
    pub(super) fn inside(&self, line: &[u8], strings: Strings) -> Inside {
        let indented = indent(line);
        let marks = run_at(line, indented).filter(|(mark, _)| *mark == self.mark);
        match marks {
            Some((_, count)) if count >= self.count && !self.is_within(line, strings) => {
                let (language, code) = info(&line[indented + count..]);
                let opens = language != Language::Unmarked
                    && code.is_none()
                    && is_one_word(&line[indented + count..]);
                // One word behind the marks is a language: they begin the next block, and this one
                // was never closed.
                if opens {
                    Inside::Reopens
                } else {
                    Inside::Closes(0)
                }
            }
            // In a docstring, marks that did not close the block are the text's own.
            _ if strings.is_open() => Inside::Content,
            // Fewer marks than opened the block; but no line of Python looks so, and it closes all
            // the same.
            Some((_, count))
                if self.language == Language::Python
                    && line[indented + count..].trim_ascii().is_empty() =>
            {
                Inside::Closes(0)
            }
            // An unmarked block around a marked one is a wrapper.
            Some((_, count))
                if self.language == Language::Unmarked
                    && info(&line[indented + count..]).0 == Language::Python =>
            {
                Inside::Reopens
            }
            Some(_) => Inside::Content,
            None => self.closes_behind_code(line),
        }
    }

    /// Whether a line that is not finished yet closes the block, whatever else comes.
    pub(super) fn is_closed_by(&self, partial: &[u8], strings: Strings) -> bool {
        let closing = |(mark, count): (u8, usize)| mark == self.mark && count >= self.count;
        run_at(partial, indent(partial)).is_some_and(closing) && !self.is_within(partial, strings)
    }

    /// Whether an unfinished last line is the beginning of what would close the block.
    pub(super) fn is_begun_by(&self, line: &[u8]) -> bool {
        let text = line.trim_ascii();
        !text.is_empty() && text.iter().all(|&byte| byte == self.mark)
    }

    /// Whether the line belongs to what the block indents, such as a docstring.
    fn is_within(&self, line: &[u8], strings: Strings) -> bool {
        let columns = columns(line);
        columns > self.indent + MAX_EXTRA_INDENT_COLUMNS
            || (columns > self.indent && strings.is_open())
    }

    /// Marks behind code: backticks have no meaning in Python outside of texts and comments.
    fn closes_behind_code(&self, line: &[u8]) -> Inside {
        let all = runs(line);
        let odd = self.mark == b'`' && all.len() % 2 == 1;
        let Some(&(last, count)) = all.last().filter(|_| odd) else {
            return Inside::Content;
        };
        let start = if line[last + count..].trim_ascii().is_empty() {
            last
        } else {
            all[0].0
        };
        let quoted =
            |quote: u8| line[..start].iter().filter(|&&byte| byte == quote).count() % 2 == 1;
        // Within a comment or a text in quotes the marks are the program's.
        let is_text = line[..start].contains(&b'#') || quoted(b'"') || quoted(b'\'');
        if is_text || count < self.count {
            Inside::Content
        } else {
            Inside::Closes(start)
        }
    }
}

/// What stands behind the marks: the language, and where code begins if it does on this line.
fn info(rest: &[u8]) -> (Language, Option<usize>) {
    let text = rest.trim_ascii_start();
    let before = rest.len() - text.len();
    if begins_code(text) {
        return (Language::Unmarked, Some(before));
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"+#-_".contains(byte);
    // Pandoc writes the language as `{.python}`.
    let brace = usize::from(text.starts_with(b"{")) + usize::from(text.starts_with(b"{."));
    let word = text[brace..]
        .split(|byte| !is_name(byte))
        .next()
        .unwrap_or_default();
    let code = brace + word.len();
    let gap = text[code..]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let code =
        (brace == 0 && gap > 0 && begins_code(&text[code + gap..])).then_some(before + code + gap);
    (language(word, text), code)
}

fn language(word: &[u8], text: &[u8]) -> Language {
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    if is(&[
        "python", "py", "python3", "py3", "python2", "ipython", "python-3",
    ]) {
        Language::Python
    } else if is(&["markdown", "md"]) {
        Language::Markdown
    } else if text.trim_ascii().is_empty() {
        Language::Unmarked
    } else {
        Language::Other
    }
}

/// Whether code rather than a title or an attribute begins here.
fn begins_code(text: &[u8]) -> bool {
    ["def ", "async def ", "class ", "import ", "from ", "@"]
        .iter()
        .any(|word| text.starts_with(word.as_bytes()))
}

fn is_one_word(rest: &[u8]) -> bool {
    !rest.trim_ascii().contains(&b' ')
}

/// The marks at `start`, three or more of one kind.
fn run_at(line: &[u8], start: usize) -> Option<(u8, usize)> {
    let mark = *line
        .get(start)
        .filter(|&&byte| byte == b'`' || byte == b'~')?;
    let count = line[start..]
        .iter()
        .take_while(|&&byte| byte == mark)
        .count();
    (count >= MIN_MARKS).then_some((mark, count))
}

/// Start and length of every run of three or more backticks.
fn runs(line: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < line.len() {
        let count = line[at..].iter().take_while(|&&byte| byte == b'`').count();
        if count >= MIN_MARKS {
            found.push((at, count));
        }
        at += count.max(1);
    }
    found
}

/// Bytes of a list item's marker and what separates it from its text: `- `, `* `, `+ `, `1. `, `2)
/// `; 0 where there is none.
fn list_marker(text: &[u8]) -> usize {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let marker = match text.get(digits) {
        Some(b'.' | b')') if digits > 0 => digits + 1,
        Some(b'-' | b'*' | b'+') if digits == 0 => 1,
        _ => return 0,
    };
    let gap = indent(&text[marker..]);
    // Without white space behind it `-` is a sign and `1.` a number.
    if gap > 0 { marker + gap } else { 0 }
}
