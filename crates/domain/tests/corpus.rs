//! What people say is a completion's code, and what is taken: labels were written before, and by somebody who had not read how it is done.
//! Where the two differ the line says why.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use groklab_domain::{
    candidate::{Candidate, Reader, Reason},
    method::normalise,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    id: String,
    entry: String,
    /// The prompt had opened a thought.
    thinking: bool,
    text: String,
    /// None: there is no code.
    code: Option<String>,
    /// Other readings that are as good.
    #[serde(default)]
    or: Vec<String>,
    /// Why something else is taken, where it is.
    #[serde(default)]
    departure: Option<String>,
}

impl Line {
    fn candidate(&self) -> Candidate {
        let text = self.text.as_bytes();
        if self.thinking {
            Reader::new(&self.entry, true).finish(text)
        } else {
            Candidate::of(text, &self.entry)
        }
    }

    /// Whether what is taken is what a reader takes. Text that nothing marks as code is none if it does not compile, which is not asked here.
    fn agrees(&self) -> bool {
        let candidate = self.candidate();
        let taken = normalise(&String::from_utf8_lossy(
            &candidate.code(self.text.as_bytes()),
        ));
        let none =
            matches!(candidate.reason, Reason::Nothing | Reason::WholeText) || taken.is_empty();
        let labelled = self
            .code
            .iter()
            .chain(&self.or)
            .any(|code| normalise(code) == taken);
        labelled || (self.code.is_none() && none)
    }
}

fn corpus() -> Vec<Line> {
    include_str!("fixtures/completions.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_is_taken_is_what_a_reader_takes() {
    let corpus = corpus();
    assert!(corpus.len() >= 250);
    let other: Vec<&Line> = corpus
        .iter()
        .filter(|line| line.agrees() == line.departure.is_some())
        .collect();
    let shown = |line: &&Line| {
        let candidate = line.candidate();
        let taken = candidate.code(line.text.as_bytes()).into_owned();
        let wanted = line.code.as_deref().unwrap_or("(none)");
        format!(
            "{}: {}\n--- taken\n{}\n--- labelled\n{wanted}\n",
            line.id,
            candidate.reason,
            String::from_utf8_lossy(&taken)
        )
    };
    assert!(
        other.is_empty(),
        "{} of {}\n{}",
        other.len(),
        corpus.len(),
        other.iter().map(shown).collect::<String>()
    );
}
