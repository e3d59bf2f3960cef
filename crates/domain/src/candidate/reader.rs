//! Reads a completion once, line by line, as it comes.

use std::ops::Range;

use super::{
    Candidate, Reason,
    code::{self, Strings},
    fence::{self, Fence, Inside, Language, Outside},
};

const THOUGHT_BEGINS: &[u8] = b"<think>";
const THOUGHT_ENDS: &[u8] = b"</think>";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Follows one completion. It keeps places, not text: every call is given the completion so far.
#[derive(Debug, Clone)]
pub struct Reader {
    entry: String,
    /// Bytes that were looked at.
    seen: usize,
    /// Where the line began that is not finished.
    line: usize,
    in_thought: bool,
    /// Where the answer began: behind the last thought.
    answer: usize,
    /// Where the text behind the last block began.
    beside: usize,
    open: Option<Open>,
    /// Whether the unfinished line was found not to close the block, whatever else comes on it.
    stays_open: bool,
    chosen: Option<Candidate>,
    fallbacks: Fallbacks,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    fence: Fence,
    /// Where its content begins.
    start: usize,
    /// Of its content up to the unfinished line.
    strings: Strings,
}

impl Open {
    /// Its content if it ends at `end`, without a byte-order mark: every question about the block
    /// is asked of this.
    fn content(&self, text: &[u8], end: usize) -> Range<usize> {
        without_mark(text, self.start.min(end)..end)
    }
}

/// Longer beginnings of lines close no block early: they are read once, as a whole.
const MAX_EARLY_BYTES: usize = 64;

/// The first block, or text, of each kind that does for want of one that defines the entry.
#[derive(Debug, Clone, Default)]
struct Fallbacks {
    beside: Option<Candidate>,
    python: Option<Candidate>,
    unmarked: Option<Candidate>,
    other: Option<Candidate>,
}

impl Candidate {
    /// The candidate of a whole completion. Whether its prompt had opened a thought is told from a
    /// `</think>` that nothing opens.
    pub fn of(text: &[u8], entry: &str) -> Self {
        Reader::new(entry, ends_a_foreign_thought(text)).finish(text)
    }
}

impl Reader {
    /// For a completion that should define `entry`; `in_thought` if its prompt ends within a
    /// thought.
    pub fn new(entry: &str, in_thought: bool) -> Self {
        let (entry, fallbacks) = (entry.to_owned(), Fallbacks::default());
        Self {
            entry,
            seen: 0,
            line: 0,
            in_thought,
            answer: 0,
            beside: 0,
            open: None,
            stays_open: false,
            chosen: None,
            fallbacks,
        }
    }

    /// Looks at what was added to `text` since the last call. True once the choice stands, whatever
    /// else may come.
    pub fn advance(&mut self, text: &[u8]) -> bool {
        // Once chosen nothing more is read: what comes later must not change the choice.
        while self.chosen.is_none()
            && let Some(length) = text[self.seen..].iter().position(|&byte| byte == b'\n')
        {
            let end = self.seen + length;
            self.seen = end + 1;
            self.read_line(text, self.line..end);
            (self.line, self.stays_open) = (end + 1, false);
        }
        self.seen = text.len();
        self.close_early(text);
        self.chosen.is_some()
    }

    /// The candidate of a completion that ends here.
    pub fn finish(mut self, text: &[u8]) -> Candidate {
        self.advance(text);
        if self.chosen.is_none() {
            self.read_line(text, self.line..text.len());
        }
        // Behind the last block. An answer without any block is `unfenced`.
        if self.open.is_none() && self.fallbacks.beside.is_none() && self.beside > self.answer {
            self.fallbacks.beside = self.code_beside(text, text.len(), Reason::BesideBlocks);
        }
        if let Some(open) = self.open.take() {
            // The limit of tokens may have cut the closing fence: its first marks are no code.
            let is_cut = self.line >= open.start && open.fence.is_begun_by(&text[self.line..]);
            self.end_block(text, open, if is_cut { self.line } else { text.len() });
        }
        let Fallbacks {
            beside,
            python,
            unmarked,
            other,
        } = self.fallbacks;
        // In this order whatever their places: code that defines the entry goes before any block
        // that does not.
        let chosen = self.chosen.or(beside).or(python).or(unmarked).or(other);
        chosen.unwrap_or_else(|| {
            if self.in_thought {
                nothing(text.len())
            } else {
                unfenced(text, self.answer, &self.entry)
            }
        })
    }

    /// A block that defines the entry is chosen as soon as the marks that close it are there; one
    /// that ends in prose only with the rest of their line, which may open the next block.
    fn close_early(&mut self, text: &[u8]) {
        let is_asked =
            self.chosen.is_none() && !self.stays_open && text.len() - self.line <= MAX_EARLY_BYTES;
        let Some(open) = self.open.filter(|_| is_asked) else {
            return;
        };
        if !open.fence.is_closed_by(&text[self.line..], open.strings) {
            return;
        }
        // What is asked here must be what is asked of the block once it has ended.
        let content = &text[open.content(text, self.line)];
        let is_code = code::beside_prose(content).is_some_and(|code| code.end == content.len());
        // Remembered for the rest of the line: to ask is to read the whole block, and it would be
        // asked at every token.
        self.stays_open = !is_code || !code::defines(content, &self.entry, open.fence.indent);
        if !self.stays_open {
            self.open = None;
            self.end_block(text, open, self.line);
        }
    }

    fn read_line(&mut self, text: &[u8], mut line: Range<usize>) {
        if line.start == 0 && text.starts_with(BYTE_ORDER_MARK) {
            line.start = BYTE_ORDER_MARK.len().min(line.end);
        }
        // Within a block the word is the program's own, such as a text that it returns. A line may
        // end one thought and begin another.
        while self.open.is_none()
            && (self.in_thought
                || text[line.clone()]
                    .trim_ascii_start()
                    .starts_with(THOUGHT_BEGINS))
        {
            self.in_thought = true;
            let Some(end) = find(&text[line.clone()], THOUGHT_ENDS) else {
                return;
            };
            line.start += end + THOUGHT_ENDS.len();
            (self.in_thought, self.answer, self.beside) = (false, line.start, line.start);
        }
        match self.open {
            Some(open) => self.read_inside(text, line, open),
            None => self.read_outside(text, line),
        }
    }

    fn read_outside(&mut self, text: &[u8], line: Range<usize>) {
        match fence::outside(&text[line.clone()]) {
            Outside::Plain => {}
            Outside::OneLine(blocks) => self.choose_one_line(text, line.start, &blocks),
            Outside::Ambiguous(fence, at) => {
                // Bare marks close the code before them if that is the answer; else they open a
                // block.
                match self.code_beside(text, line.start + at, Reason::BeforeFence) {
                    Some(candidate) => self.chosen = Some(candidate),
                    None => self.open(fence, text, line.start + at, next_line(text, line.end)),
                }
            }
            // The wrapper is passed over: the blocks within it are read as if it were not there.
            Outside::Opens(
                Fence {
                    language: Language::Markdown,
                    ..
                },
                _,
            ) => self.beside = next_line(text, line.end),
            Outside::Opens(fence, code) => {
                let start = code.map_or_else(|| next_line(text, line.end), |at| line.start + at);
                self.open(fence, text, line.start, start);
            }
        }
    }

    fn read_inside(&mut self, text: &[u8], line: Range<usize>, open: Open) {
        let end = match open.fence.inside(&text[line.clone()], open.strings) {
            Inside::Content => {
                self.open
                    .iter_mut()
                    .for_each(|open| open.strings.read_line(&text[line.clone()]));
                return;
            }
            Inside::Closes(at) => line.start + at,
            Inside::Reopens => return self.read_reopening(text, line, open),
        };
        self.open = None;
        self.end_block(text, open, end);
        self.beside = next_line(text, line.end);
    }

    /// A block that was never closed ends where the next one begins: prose between the two is not
    /// its own.
    fn read_reopening(&mut self, text: &[u8], line: Range<usize>, open: Open) {
        let content = open.content(text, line.start);
        let end = code::beside_prose(&text[content.clone()])
            .map_or(line.start, |code| content.start + code.end);
        self.open = None;
        self.end_block(text, open, end);
        self.beside = line.start;
        if self.chosen.is_none() {
            self.read_outside(text, line);
        }
    }

    /// Opens a block whose content begins at `start`; the text before its fence ends at `fence_at`.
    fn open(&mut self, fence: Fence, text: &[u8], fence_at: usize, start: usize) {
        // The first such text: a later one may be an example.
        if self.fallbacks.beside.is_none() {
            self.fallbacks.beside = self.code_beside(text, fence_at, Reason::BesideBlocks);
        }
        let mut strings = Strings::default();
        // Code on the fence's own line.
        if let Some(line) = text[start..]
            .split(|&byte| byte == b'\n')
            .next()
            .filter(|_| start < self.seen)
        {
            strings.read_line(line);
        }
        self.open = Some(Open {
            fence,
            start,
            strings,
        });
    }

    /// Code between the last block and `end` that defines the entry.
    fn code_beside(&self, text: &[u8], end: usize, reason: Reason) -> Option<Candidate> {
        let region = without_mark(text, self.beside.min(end)..end);
        let found = code::beside_prose(&text[region.clone()])?;
        // With prose between the two the fence opens a block of its own.
        if reason == Reason::BeforeFence
            && !text[region.start + found.end..region.end]
                .trim_ascii()
                .is_empty()
        {
            return None;
        }
        let range = region.start + found.start..region.start + found.end;
        code::defines(&text[range.clone()], &self.entry, 0)
            .then(|| candidate(text, range, 0, reason))
    }

    fn choose_one_line(&mut self, text: &[u8], line: usize, blocks: &[Range<usize>]) {
        let mut blocks = blocks
            .iter()
            .map(|block| line + block.start..line + block.end);
        let defining = blocks.find(|block| code::defines(&text[block.clone()], &self.entry, 0));
        self.chosen = defining.map(|block| candidate(text, block, 0, Reason::DefinesEntry));
    }

    /// Takes note of a block that ends at `end`.
    fn end_block(&mut self, text: &[u8], open: Open, end: usize) {
        let (fence, range) = (open.fence, open.content(text, end));
        let content = &text[range.clone()];
        // An empty block is often followed by the real one.
        if content.trim_ascii().is_empty() || self.chosen.is_some() {
            return;
        }
        let defines = code::defines(content, &self.entry, fence.indent);
        let (place, reason) = match fence.language {
            _ if defines => (&mut self.chosen, Reason::DefinesEntry),
            Language::Python => (&mut self.fallbacks.python, Reason::PythonBlock),
            Language::Unmarked => (&mut self.fallbacks.unmarked, Reason::FirstBlock),
            Language::Markdown | Language::Other => (&mut self.fallbacks.other, Reason::FirstBlock),
        };
        place.get_or_insert_with(|| candidate(text, range, fence.indent, reason));
    }
}

/// Whether a thought ends in `text` that began before it: in its prompt.
pub(super) fn ends_a_foreign_thought(text: &[u8]) -> bool {
    for line in text.split(|&byte| byte == b'\n') {
        if line.trim_ascii_start().starts_with(THOUGHT_BEGINS) {
            return false;
        }
        let Some(end) = find(line, THOUGHT_ENDS) else {
            continue;
        };
        // One in quotes is a text about thoughts.
        let beside = [
            end.checked_sub(1).map(|at| line[at]),
            line.get(end + THOUGHT_ENDS.len()).copied(),
        ];
        if !beside
            .into_iter()
            .flatten()
            .any(|byte| b"\"'`".contains(&byte))
        {
            return true;
        }
    }
    false
}

fn candidate(text: &[u8], range: Range<usize>, fence_indent: usize, reason: Reason) -> Candidate {
    let indent = code::indent_within(&text[range.clone()], fence_indent);
    Candidate {
        start: range.start,
        end: range.end,
        indent,
        reason,
    }
}

/// Of an answer without fences, which begins at `start`: a block that is indented, else all.
fn unfenced(text: &[u8], start: usize, entry: &str) -> Candidate {
    let range = without_mark(text, start..text.len());
    if text[range.clone()].trim_ascii().is_empty() {
        return nothing(text.len());
    }
    match code::indented_block(&text[range.clone()], entry) {
        Some(block) => candidate(
            text,
            range.start + block.start..range.start + block.end,
            0,
            Reason::DefinesEntry,
        ),
        None => candidate(text, range, 0, Reason::WholeText),
    }
}

fn nothing(length: usize) -> Candidate {
    Candidate {
        start: length,
        end: length,
        indent: 0,
        reason: Reason::Nothing,
    }
}

/// The range without a byte-order mark at its beginning.
fn without_mark(text: &[u8], range: Range<usize>) -> Range<usize> {
    let marked = text[range.clone()].starts_with(BYTE_ORDER_MARK);
    range.start + if marked { BYTE_ORDER_MARK.len() } else { 0 }..range.end
}

/// Where the line behind one that ends at `end` begins.
fn next_line(text: &[u8], end: usize) -> usize {
    (end + 1).min(text.len())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
