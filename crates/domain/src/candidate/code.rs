//! Code in a text: whether it defines a function, where it begins and ends beside prose, and its
//! indentation.

use std::{borrow::Cow, ops::Range};

use super::indent::indent;

/// Whether the block defines `entry` at its outermost level: by `def`, or by assigning a function
/// to it. An import defines nothing: tests import what they test.
pub(super) fn defines(code: &[u8], entry: &str, fence_indent: usize) -> bool {
    let outer = indent_within(code, fence_indent);
    let mut strings = Strings::default();
    lines(code).any(|(_, line)| {
        let (within, indented) = (strings.is_open(), indent(line));
        strings.read_line(line);
        // A method, an inner function or a line of a docstring defines nothing that can be called.
        !within && indented == outer && line_defines(&line[indented..], entry.as_bytes())
    })
}

fn line_defines(line: &[u8], entry: &[u8]) -> bool {
    let line = line.strip_prefix(b"async ").unwrap_or(line).trim_ascii();
    match line.strip_prefix(b"def ") {
        Some(rest) => rest
            .trim_ascii_start()
            .strip_prefix(entry)
            .is_some_and(is_signature),
        None => line.strip_prefix(entry).is_some_and(assigns_function),
    }
}

/// Follows the texts in three quotes of Python code, line by line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Strings {
    open: Option<u8>,
}

impl Strings {
    pub(super) fn is_open(self) -> bool {
        self.open.is_some()
    }

    pub(super) fn read_line(&mut self, line: &[u8]) {
        let mut at = 0;
        while at < line.len() {
            let is_triple = |quote: u8| line[at..].starts_with(&[quote; 3]);
            match (self.open, line[at]) {
                // Quotes in a comment open nothing.
                (None, b'#') => return,
                (None, quote @ (b'"' | b'\'')) if is_triple(quote) => {
                    (self.open, at) = (Some(quote), at + 3)
                }
                (None, quote @ (b'"' | b'\'')) => at = behind_text(line, at, quote),
                (Some(quote), byte) if byte == quote && is_triple(quote) => {
                    (self.open, at) = (None, at + 3)
                }
                (_, b'\\') => at += 2,
                _ => at += 1,
            }
        }
    }
}

/// Behind the text in quotes that begins at `start`; behind its quote alone where the line does not
/// close it.
fn behind_text(line: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < line.len() {
        match line[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    // Python refuses such a line; an apostrophe in prose must not swallow the rest of it.
    start + 1
}

/// What follows the name in `def name(…):`, so that a sentence which begins with `def name(x)` is
/// none. A signature may go on below.
fn is_signature(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    // A type parameter: `def add[T](a: T)`.
    if rest.starts_with(b"[") {
        return true;
    }
    let Some(arguments) = rest.strip_prefix(b"(") else {
        return false;
    };
    // The arguments go on below this line.
    let Some(close) = closing_bracket(arguments) else {
        return true;
    };
    let behind = arguments[close + 1..].trim_ascii_start();
    behind.starts_with(b":") || behind.starts_with(b"->")
}

/// Where the bracket closes that was opened before `arguments`; none on this line. Brackets in
/// texts and comments are none.
fn closing_bracket(arguments: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (1, 0);
    while at < arguments.len() {
        match arguments[at] {
            b'#' => return None,
            quote @ (b'"' | b'\'') => {
                at = behind_text(arguments, at, quote);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// ` = lambda …`, ` = other_function`, ` = partial(…)`, with or without an annotation; not the
/// result of a call.
fn assigns_function(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    let value = match rest.strip_prefix(b":") {
        Some(annotated) => annotated
            .iter()
            .position(|&byte| byte == b'=')
            .map(|at| &annotated[at + 1..]),
        None => rest.strip_prefix(b"="),
    };
    let Some(value) = value.map(<[u8]>::trim_ascii_start) else {
        return false;
    };
    let value = &value[..value
        .iter()
        .position(|&byte| byte == b'#')
        .unwrap_or(value.len())]
        .trim_ascii_end();
    let is_name = value
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(byte));
    let is_constant = [&b"True"[..], b"False", b"None"].contains(value);
    // The name of another function, as in `add = sum`. `add = add(1, 2)` is a result.
    (is_name && !is_constant)
        || [&b"lambda"[..], b"partial(", b"functools."]
            .iter()
            .any(|start| value.starts_with(start))
}

/// A block as Markdown has it without fences: lines indented by four columns behind a blank line
/// and prose.
pub(super) fn indented_block(text: &[u8], entry: &str) -> Option<Range<usize>> {
    let (mut block, mut above): (Option<Range<usize>>, &[u8]) = (None, b"");
    for (start, line) in lines(text) {
        let blank = line.trim_ascii().is_empty();
        let deep = !blank && (line.starts_with(b"    ") || line.starts_with(b"\t"));
        match &mut block {
            Some(range) if deep => range.end = start + line.len(),
            Some(_) if blank => {}
            Some(range) if defines(&text[range.clone()], entry, 0) => return block,
            // Indented lines below a line of code are its body and no block of Markdown's.
            _ => block = (deep && !looks_like_code(above)).then_some(start..start + line.len()),
        }
        if !blank && !deep {
            above = line;
        }
    }
    block.filter(|range| defines(&text[range.clone()], entry, 0))
}

/// The part of `text` from its first line that looks like code to the last before prose goes on;
/// none if no line does.
pub(super) fn beside_prose(text: &[u8]) -> Option<Range<usize>> {
    let (mut code, mut strings): (Option<Range<usize>>, _) = (None, Strings::default());
    for (start, line) in lines(text) {
        let end = (start + line.len() + 1).min(text.len());
        match &mut code {
            Some(_) if !strings.is_open() && is_prose(line) => break,
            Some(range) => range.end = end,
            None if looks_like_code(line) => code = Some(start..end),
            None => continue,
        }
        strings.read_line(line);
    }
    code
}

/// Whether a line behind code goes on in words: `Example usage:`, `This adds two numbers.`
fn is_prose(line: &[u8]) -> bool {
    let text = line.trim_ascii_end();
    if text.is_empty() || indent(line) > 0 || looks_like_code(line) {
        return false;
    }
    let ends = text.last().is_some_and(|byte| b":.!?".contains(byte));
    let words = text.split(|&byte| byte == b' ').count();
    ends || (words > 1 && !text.iter().any(|byte| b"=()[]{}\"'".contains(byte)))
}

/// Whether a line that is not indented can be one of Python's, as models write it beside prose.
fn looks_like_code(line: &[u8]) -> bool {
    const STARTS: [&str; 23] = [
        "def ",
        "async def ",
        "class ",
        "import ",
        "from ",
        "@",
        "#",
        "if ",
        "elif ",
        "else:",
        "for ",
        "while ",
        "try:",
        "except",
        "finally:",
        "with ",
        "assert ",
        "print(",
        "return ",
        ")",
        "]",
        "}",
        ">>>",
    ];
    let line = line.trim_ascii_end();
    STARTS
        .iter()
        .any(|start| line.starts_with(start.as_bytes()))
        && !is_sentence(line)
        || is_plain_assignment(line)
}

/// `from the examples we see that`, `# Solution`: words that begin like code and are none.
fn is_sentence(line: &[u8]) -> bool {
    let opens = [
        &b"if "[..],
        b"for ",
        b"while ",
        b"with ",
        b"elif ",
        b"class ",
    ]
    .iter()
    .any(|word| line.starts_with(word));
    let header = opens && !line.ends_with(b":") && !line.contains(&b':');
    let import = line.starts_with(b"from ") && !line.windows(8).any(|window| window == b" import ");
    let heading = line.starts_with(b"##");
    let ends = line.ends_with(b".") && !line.starts_with(b"#");
    header || import || heading || ends
}

fn is_plain_assignment(line: &[u8]) -> bool {
    let name = line
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    name > 0
        && line[name..].trim_ascii_start().starts_with(b"=")
        && !line[name..].trim_ascii_start().starts_with(b"==")
}

/// White space that code between fences loses, bytes: what every line has; else, where the fence is
/// indented, as much as the first line has.
pub(super) fn indent_within(code: &[u8], fence_indent: usize) -> usize {
    let common = common_indent(code);
    // All lines lose what they share. Where some have less, as comments and texts in three quotes
    // may, the fence's own indentation is what the list added.
    if common > 0 {
        common
    } else {
        first_indent(code).min(fence_indent)
    }
}

/// White space at the beginning of the first line that is not blank, bytes.
fn first_indent(code: &[u8]) -> usize {
    lines(code)
        .find(|(_, line)| !line.trim_ascii().is_empty())
        .map_or(0, |(_, line)| indent(line))
}

/// White space at the beginning of every line that is not blank, bytes.
pub(super) fn common_indent(code: &[u8]) -> usize {
    lines(code)
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(_, line)| indent(line))
        .min()
        .unwrap_or(0)
}

/// The code without up to `indent` bytes of white space at the beginning of each line.
pub(super) fn unindented(code: &[u8], most: usize) -> Cow<'_, [u8]> {
    if most == 0 {
        return Cow::Borrowed(code);
    }
    let kept: Vec<&[u8]> = code
        .split(|&byte| byte == b'\n')
        .map(|line| &line[indent(line).min(most)..])
        .collect();
    Cow::Owned(kept.join(&b'\n'))
}

/// Where each line begins, and the line without its end.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    text.split(|&byte| byte == b'\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    })
}
