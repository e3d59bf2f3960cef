//! Watches a completion for the line that closes its first fenced block.

/// Feed it bytes as they come; it never needs to see a byte twice.
#[derive(Debug, Clone, Default)]
pub(super) struct FenceWatch {
    line: Vec<u8>,
    /// Backticks of the opening fence.
    open: Option<usize>,
}

impl FenceWatch {
    /// True once the block is closed. The closing line counts as soon as it has as many backticks as the opening one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().any(|&byte| self.feed_byte(byte))
    }

    fn feed_byte(&mut self, byte: u8) -> bool {
        if byte != b'\n' {
            self.line.push(byte);
            return self.open.is_some_and(|needed| self.line.trim_ascii() == vec![b'`'; needed]);
        }
        let ticks = self.line.trim_ascii_start().iter().take_while(|&&b| b == b'`').count();
        if self.open.is_none() && ticks >= 3 {
            self.open = Some(ticks);
        }
        self.line.clear();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closes_at(text: &str) -> Option<usize> {
        let mut watch = FenceWatch::default();
        text.bytes().position(|byte| watch.feed(&[byte])).map(|at| at + 1)
    }

    #[test]
    fn the_first_block_closes_at_its_last_backtick() {
        let text = "Here:\n```python\nx = '```'\n```";
        assert_eq!(closes_at(&format!("{text}\nmore\n```")), Some(text.len()));
        assert_eq!(closes_at("  ```\n1\n  ```"), Some(13));
        assert_eq!(closes_at("````md\n```\n````"), Some(15));
    }

    #[test]
    fn open_or_inline_fences_do_not_close() {
        assert_eq!(closes_at("```python\nx = 1\n"), None);
        assert_eq!(closes_at("use ``` here\n```"), None);
        assert_eq!(closes_at("def f(): ...\n"), None);
    }
}
