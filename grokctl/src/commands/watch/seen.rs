//! What was shown before: a new stream starts from the beginning, the person who watches does not.
//! Pure.

use std::collections::HashSet;

use groklab_domain::records::ExperimentUpdate;

/// Events, metric lines and iteration lines already shown.
#[derive(Debug, Default)]
pub struct Seen {
    last_event: i64,
    metrics: HashSet<String>,
    iterations: HashSet<String>,
}

impl Seen {
    /// `update` without what an earlier one had.
    pub fn only_new(&mut self, mut update: ExperimentUpdate) -> ExperimentUpdate {
        let before = self.last_event;
        update.events.retain(|event| event.event_id > before);
        for event in &update.events {
            self.last_event = self.last_event.max(event.event_id);
        }
        // Lines have no number, but their text is the same in every stream.
        let (metrics, iterations) = (&mut self.metrics, &mut self.iterations);
        update
            .metrics
            .retain(|line| metrics.insert(line.as_str().to_owned()));
        update
            .iterations
            .retain(|line| iterations.insert(line.as_str().to_owned()));
        update
    }
}

#[cfg(test)]
mod tests {
    use groklab_domain::records::JsonLine;

    use super::*;
    use crate::sample;

    #[test]
    fn shows_everything_once() {
        let update = |ids: &[i64], line: &str| ExperimentUpdate {
            events: ids.iter().copied().map(sample::event).collect(),
            metrics: vec![JsonLine::from_text(line)],
            ..sample::update(sample::experiment("quick"))
        };
        let mut seen = Seen::default();
        let counts = |update: ExperimentUpdate| (update.events.len(), update.metrics.len());
        assert_eq!(counts(seen.only_new(update(&[1, 2], "a"))), (2, 1));
        assert_eq!(counts(seen.only_new(update(&[1, 2, 3], "a"))), (1, 0));
        assert_eq!(counts(seen.only_new(update(&[3], "b"))), (0, 1));
    }
}
