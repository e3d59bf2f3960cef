//! What was shown before: a new stream starts from the beginning, the person who watches does not. Pure.

use std::collections::HashSet;

use groklab_proto::v1::WatchUpdate;

/// Events, metric lines and iteration lines already shown.
#[derive(Debug, Default)]
pub struct Seen {
    event: i64,
    metrics: HashSet<String>,
    iterations: HashSet<String>,
}

impl Seen {
    /// `update` without what an earlier one had.
    pub fn only_new(&mut self, mut update: WatchUpdate) -> WatchUpdate {
        let before = self.event;
        update.events.retain(|event| event.event_id > before);
        self.event = update
            .events
            .iter()
            .map(|event| event.event_id)
            .fold(before, i64::max);
        update
            .metrics_json
            .retain(|line| self.metrics.insert(line.clone()));
        update
            .iterations_json
            .retain(|line| self.iterations.insert(line.clone()));
        update
    }
}

#[cfg(test)]
mod tests {
    use groklab_proto::v1::Event;

    use super::*;

    #[test]
    fn shows_everything_once() {
        let event = |id| Event {
            event_id: id,
            ..Event::default()
        };
        let update = |ids: &[i64], line: &str| WatchUpdate {
            events: ids.iter().copied().map(event).collect(),
            metrics_json: vec![line.into()],
            ..WatchUpdate::default()
        };
        let mut seen = Seen::default();
        let counts = |u: WatchUpdate| (u.events.len(), u.metrics_json.len());
        assert_eq!(counts(seen.only_new(update(&[1, 2], "a"))), (2, 1));
        assert_eq!(counts(seen.only_new(update(&[1, 2, 3], "a"))), (1, 0));
        assert_eq!(counts(seen.only_new(update(&[3], "b"))), (0, 1));
    }
}
