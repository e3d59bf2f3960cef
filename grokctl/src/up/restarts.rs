//! How often and how soon a component that died is started again. Pure.

use std::{collections::VecDeque, time::Duration};

/// Deaths within [`WINDOW`] after which a component is given up.
pub const MOST: usize = 5;
/// What lies further back is forgiven.
pub const WINDOW: Duration = Duration::from_secs(600);

/// The recent deaths of one component.
#[derive(Debug, Default)]
pub struct Restarts(VecDeque<Duration>);

impl Restarts {
    /// Records a death at `now` (since any fixed moment). The pause before the next start, doubling from 1 s, or `None` to give up.
    pub fn after_death(&mut self, now: Duration) -> Option<Duration> {
        while self
            .0
            .front()
            .is_some_and(|&then| now.saturating_sub(then) > WINDOW)
        {
            self.0.pop_front();
        }
        self.0.push_back(now);
        let deaths = self.0.len();
        (deaths <= MOST).then(|| Duration::from_secs(1 << (deaths - 1)))
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
