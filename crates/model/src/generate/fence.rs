//! Watches a completion for the line that closes the block which verification will take. What opens, closes and marks a block
//! must stay the same as in `worker-verify/src/extract.rs`, which does the taking.

/// Feed it bytes as they come; it never needs to see a byte twice.
#[derive(Debug, Clone, Default)]
pub(super) struct FenceWatch {
    line: Vec<u8>,
    open: Option<Fence>,
    /// Whether a block was closed already.
    later: bool,
}

/// An opened block.
#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: u8,
    count: usize,
    indent: usize,
    /// Whether it is the candidate if the text ends behind it: one marked python, or the first if it is not marked at all.
    wanted: bool,
}

impl FenceWatch {
    /// True once the wanted block is closed. Its closing line counts as soon as it has as many marks as the opening one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().any(|&byte| self.feed_byte(byte))
    }

    fn feed_byte(&mut self, byte: u8) -> bool {
        if byte != b'\n' {
            self.line.push(byte);
            return self.open.is_some_and(|fence| fence.wanted && fence.closes(&self.line));
        }
        match self.open {
            None => self.open = Fence::open(&self.line, !self.later),
            Some(fence) if fence.closes(&self.line) => {
                self.open = None;
                self.later = true;
            }
            Some(_) => {}
        }
        self.line.clear();
        false
    }
}

impl Fence {
    /// Three or more backticks or tildes, indented or not, and no backtick after them.
    fn open(line: &[u8], is_first: bool) -> Option<Self> {
        let indent = indent(line);
        let line = line.trim_ascii();
        let mark = *line.first().filter(|&&b| b == b'`' || b == b'~')?;
        let count = line.iter().take_while(|&&b| b == mark).count();
        let info = line[count..].trim_ascii();
        let word: &[u8] = info.split(|b| !b.is_ascii_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
        let is_python = [b"python".as_slice(), b"py", b"python3", b"py3"].iter().any(|name| word.eq_ignore_ascii_case(name));
        (count >= 3 && !info.contains(&b'`')).then_some(Self { mark, count, indent, wanted: is_python || (is_first && info.is_empty()) })
    }

    /// The same mark at least as often, and nothing else; not within what the block indents, such as a docstring.
    fn closes(self, line: &[u8]) -> bool {
        let within = indent(line) > self.indent + 3;
        let line = line.trim_ascii();
        !within && line.len() >= self.count && line.iter().all(|&b| b == self.mark)
    }
}

/// Columns before the first mark; a tab counts as four.
fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|b| b.is_ascii_whitespace()).map(|&b| if b == b'\t' { 4 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closes_at(text: &str) -> Option<usize> {
        let mut watch = FenceWatch::default();
        text.bytes().position(|byte| watch.feed(&[byte])).map(|at| at + 1)
    }

    /// Closes with its last byte, whatever follows.
    #[track_caller]
    fn closes_at_its_end(text: &str) {
        assert_eq!(closes_at(&format!("{text}\nmore\n```")), Some(text.len()), "{text}");
    }

    #[test]
    fn the_first_block_closes_at_its_last_backtick() {
        closes_at_its_end("Here:\n```python\nx = '```'\n```");
        closes_at_its_end("  ```\n1\n  ```");
        closes_at_its_end("````py\n```\n````");
        closes_at_its_end("~~~Python3 title\n```\n~~~");
        closes_at_its_end("```py3\ndef f():\n    '''\n    ```\n    '''\n```");
    }

    #[test]
    fn open_or_inline_fences_do_not_close() {
        assert_eq!(closes_at("```python\nx = 1\n"), None);
        assert_eq!(closes_at("use ``` here\n```"), None);
        assert_eq!(closes_at("def f(): ...\n"), None);
    }

    #[test]
    fn backticks_after_the_marks_open_nothing() {
        closes_at_its_end("```x = 1```\n```python\ny\n```");
    }

    #[test]
    fn blocks_that_are_not_taken_are_passed_over() {
        assert_eq!(closes_at("```bash\npip\n```\n"), None);
        closes_at_its_end("```bash\n```not yet\n```\nthen\n```python\ny\n```");
        assert_eq!(closes_at("```bash\npip\n```\n```\nthe first would be taken\n```\n"), None);
    }
}
