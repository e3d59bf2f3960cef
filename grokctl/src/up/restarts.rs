//! How often and how soon a component that died is started again. Pure.

use std::{collections::VecDeque, time::Duration};

/// Restarts within [`RESTART_WINDOW`] after which a component is given up at its next death.
pub const MAX_RESTARTS: usize = 5;
/// Deaths that lie further back are forgiven.
pub const RESTART_WINDOW: Duration = Duration::from_secs(600);

/// The recent deaths of one component.
#[derive(Debug, Default)]
pub struct Restarts(VecDeque<Duration>);

impl Restarts {
    /// Records a death at `now` (since any fixed moment). The pause before the next start, doubling
    /// from 1 s, or `None` to give up.
    pub fn after_death(&mut self, now: Duration) -> Option<Duration> {
        while let Some(&oldest) = self.0.front()
            && now.saturating_sub(oldest) > RESTART_WINDOW
        {
            self.0.pop_front();
        }
        // The pause grows with the deaths before this one.
        let recent = self.0.len();
        self.0.push_back(now);
        if recent < MAX_RESTARTS {
            Some(Duration::from_secs(1 << recent))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut restarts = Restarts::default();
        let at = |s| Duration::from_secs(s);
        let pauses: Vec<_> = (0..6).map(|i| restarts.after_death(at(i))).collect();
        assert_eq!(
            pauses,
            [
                Some(at(1)),
                Some(at(2)),
                Some(at(4)),
                Some(at(8)),
                Some(at(16)),
                None
            ]
        );
        assert_eq!(restarts.after_death(at(5 + 601)), Some(at(1)), "forgiven");
    }
}
