//! Takes the candidate out of a rollout's text: the first fenced block marked python, else the first fenced block, else the
//! whole text. Works on bytes as the model wrote them; whether bare text is code is decided by the sandbox, never here.
//! `crates/model/src/generate/fence.rs` stops generation behind the block chosen here: what opens, closes and marks a block must
//! stay the same in both.

/// What a rollout offers to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidate<'a> {
    /// The content of a fenced block.
    Fenced(&'a [u8]),
    /// No fence anywhere: the whole text, which counts as no code if it does not compile.
    Bare(&'a [u8]),
    /// Nothing but white space.
    Nothing,
}

/// Finds the candidate. A fence that is never closed runs to the end.
pub fn extract(text: &[u8]) -> Candidate<'_> {
    let mut first = None;
    for block in Blocks::new(text) {
        if block.is_python {
            return Candidate::Fenced(block.content);
        }
        first.get_or_insert(block.content);
    }
    match first {
        Some(content) => Candidate::Fenced(content),
        None if text.trim_ascii().is_empty() => Candidate::Nothing,
        None => Candidate::Bare(text),
    }
}

struct Block<'a> {
    is_python: bool,
    content: &'a [u8],
}

/// The fenced blocks of a text, in order.
struct Blocks<'a> {
    text: &'a [u8],
    at: usize,
}

/// An opening line: what repeats to close it, and the first word after it.
struct Fence<'a> {
    mark: u8,
    count: usize,
    indent: usize,
    info: &'a [u8],
}

impl<'a> Blocks<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next line without its end, and where it began.
    fn line(&mut self) -> Option<(usize, &'a [u8])> {
        let start = self.at;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        self.at = start + length + 1;
        Some((start, &rest[..length]))
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let open = loop {
            let (_, line) = self.line()?;
            if let Some(fence) = Fence::open(line) {
                break fence;
            }
        };
        let start = self.at.min(self.text.len());
        let end = loop {
            match self.line() {
                None => break self.text.len(),
                Some((at, line)) if open.closes(line) => break at,
                Some(_) => {}
            }
        };
        Some(Block { is_python: is_python(open.info), content: &self.text[start..end] })
    }
}

impl<'a> Fence<'a> {
    /// Three or more backticks or tildes, indented or not.
    fn open(line: &'a [u8]) -> Option<Self> {
        let indent = indent(line);
        let line = line.trim_ascii();
        let mark = *line.first().filter(|&&b| b == b'`' || b == b'~')?;
        let count = line.iter().take_while(|&&b| b == mark).count();
        let info = line[count..].trim_ascii();
        (count >= 3 && !info.contains(&b'`')).then_some(Self { mark, count, indent, info })
    }

    /// The same mark at least as often, and nothing else; not within what the block indents, such as a docstring.
    fn closes(&self, line: &[u8]) -> bool {
        let within = indent(line) > self.indent + 3;
        let line = line.trim_ascii();
        !within && line.len() >= self.count && line.iter().all(|&b| b == self.mark)
    }
}

/// Columns before the first mark; a tab counts as four.
fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|b| b.is_ascii_whitespace()).map(|&b| if b == b'\t' { 4 } else { 1 }).sum()
}

fn is_python(info: &[u8]) -> bool {
    let word: &[u8] = info.split(|b| !b.is_ascii_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    [b"python".as_slice(), b"py", b"python3", b"py3"].iter().any(|name| word.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fenced(text: &str) -> String {
        match extract(text.as_bytes()) {
            Candidate::Fenced(code) => String::from_utf8(code.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prefers_the_first_block_marked_python() {
        assert_eq!(fenced("```\na\n```\ntext\n```Python3 title\nb\n```\n```py\nc\n```"), "b\n");
        assert_eq!(fenced("```json\na\n```\n~~~\nb\n~~~"), "a\n");
    }

    #[test]
    fn an_open_fence_runs_to_the_end() {
        assert_eq!(fenced("sure:\n```python\ndef f():\n  pass"), "def f():\n  pass");
        assert_eq!(fenced("```python"), "");
    }

    #[test]
    fn longer_fences_hold_shorter_ones() {
        assert_eq!(fenced("````py\n```\n````\n"), "```\n");
    }

    #[test]
    fn a_fence_in_a_docstring_closes_nothing() {
        let code = "def f():\n    \"\"\"\n    ```\n    f()\n    ```\n    \"\"\"\n";
        assert_eq!(fenced(&format!("```py3\n{code}```\n")), code);
        assert_eq!(fenced("- so:\n    ```python\n    x = 1\n    ```\n"), "    x = 1\n");
    }

    #[test]
    fn inline_code_is_no_fence() {
        assert_eq!(extract(b"```x``` y"), Candidate::Bare(b"```x``` y"));
        assert_eq!(fenced("```x = 1```\n```python\ny\n```"), "y\n");
        assert_eq!(extract(b" \n\t"), Candidate::Nothing);
    }

    #[test]
    fn windows_line_ends() {
        assert_eq!(fenced("```python\r\nx = 1\r\n```\r\n"), "x = 1\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted(text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'`'), Just(b'\n'), Just(b'~')], 0..300)) {
            extract(&text);
        }

        #[test]
        fn code_comes_back_whole(before in "[a-z \n]{0,40}", code in "[a-z0-9 =()\n]{0,80}", after in "[a-z \n]{0,40}") {
            let text = format!("{before}\n```python\n{code}\n```\n{after}");
            let want = format!("{code}\n");
            prop_assert_eq!(extract(text.as_bytes()), Candidate::Fenced(want.as_bytes()));
        }

        /// Whatever is taken out is a piece of the text, begins right after a line that opens a fence, and holds no line that closes it.
        #[test]
        fn a_block_is_a_piece_of_the_text(parts in prop::collection::vec(prop::sample::select(vec![
            "```", "````", "~~~", "python", "py", "\n", "\r\n", " ", "x = 1", "\t", "`", "\u{feff}", "\0", "```python\n", "\n```\n"]), 0..30)) {
            let text = parts.concat();
            if let Candidate::Fenced(code) = extract(text.as_bytes()) {
                let start = code.as_ptr() as usize - text.as_ptr() as usize;
                prop_assert!(start + code.len() <= text.len());
                let opening = text[..start].lines().next_back().unwrap_or_default();
                let fence = Fence::open(opening.as_bytes());
                prop_assert!(fence.is_some(), "{:?}", opening);
                let closes = |line: &[u8]| fence.as_ref().is_some_and(|fence| fence.closes(line));
                prop_assert!(!code.split(|b| *b == b'\n').any(closes));
            }
        }
    }
}
