//! Whose turn it is: how jobs are divided among experiments, and which of them were served last.
//! The memory only orders what is equally due, so that losing it, or another coordinator's having
//! served others, costs a turn at most.

use std::collections::VecDeque;

use crate::ExperimentId;

/// Experiments that are remembered; one that was served before all of them comes first again.
const REMEMBERED_EXPERIMENTS: usize = 256;

/// A running experiment that has ready jobs of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub experiment: ExperimentId,
    pub leased: u32,
    /// Jobs that may be claimed now, counted up to what was asked for.
    pub ready: u32,
}

/// The experiments served last, the latest last.
#[derive(Debug, Default)]
pub struct Turns(VecDeque<ExperimentId>);

impl Turns {
    /// Divides `jobs` among experiments, one after the other: always to the one with the fewest
    /// leased jobs, of those to the one not served for the longest, of those to the first of
    /// `waiting`. Fewer where there are not so many.
    pub fn share(&mut self, waiting: &[Waiting], jobs: usize) -> Vec<(ExperimentId, u32)> {
        // None, not served lately, comes before any place.
        let mut last_turns: Vec<Option<usize>> = Vec::with_capacity(waiting.len());
        for one in waiting {
            last_turns.push(self.0.iter().position(|id| *id == one.experiment));
        }
        let mut given = vec![0; waiting.len()];
        // Numbers behind every remembered place, so that who is served now comes last.
        for turn in (self.0.len()..).take(jobs) {
            let Some(next) = next_turn(waiting, &given, &last_turns) else {
                break;
            };
            given[next] += 1;
            last_turns[next] = Some(turn);
        }
        let mut served: Vec<usize> = (0..waiting.len()).filter(|&i| given[i] > 0).collect();
        served.sort_unstable_by_key(|&i| last_turns[i]);
        let mut shares = Vec::with_capacity(served.len());
        for i in served {
            self.remember(waiting[i].experiment);
            shares.push((waiting[i].experiment, given[i]));
        }
        shares
    }

    fn remember(&mut self, experiment: ExperimentId) {
        self.0.retain(|id| *id != experiment);
        self.0.push_back(experiment);
        if self.0.len() > REMEMBERED_EXPERIMENTS {
            self.0.pop_front();
        }
    }
}

/// Which of those that have a job left is served next.
fn next_turn(waiting: &[Waiting], given: &[u32], last_turns: &[Option<usize>]) -> Option<usize> {
    (0..waiting.len())
        .filter(|&i| given[i] < waiting[i].ready)
        // Of equals `min_by_key` takes the first, which is the oldest experiment.
        .min_by_key(|&i| (waiting[i].leased + given[i], last_turns[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open<const N: usize>(counts: [(u32, u32); N]) -> [Waiting; N] {
        counts.map(|(leased, ready)| Waiting {
            experiment: ExperimentId::new(),
            leased,
            ready,
        })
    }

    /// What each got, in the order of `open`.
    fn shared<const N: usize>(turns: &mut Turns, open: &[Waiting; N], jobs: usize) -> [u32; N] {
        let shares = turns.share(open, jobs);
        open.map(|one| {
            shares
                .iter()
                .find(|(id, _)| *id == one.experiment)
                .map_or(0, |(_, jobs)| *jobs)
        })
    }

    #[test]
    fn who_has_the_fewest_leased_jobs_comes_first() {
        let mut turns = Turns::default();
        assert_eq!(shared(&mut turns, &open([(5, 9), (0, 9)]), 4), [0, 4]);
        assert_eq!(shared(&mut turns, &open([(5, 9), (0, 9)]), 9), [2, 7]);
        assert_eq!(
            shared(&mut turns, &open([(5, 9), (0, 3)]), 9),
            [6, 3],
            "there are no more of the second"
        );
        assert_eq!(shared(&mut turns, &open([(0, 2), (0, 1)]), 9), [2, 1]);
        assert!(turns.share(&[], 3).is_empty());
    }

    #[test]
    fn equals_take_turns() {
        let (mut turns, open) = (Turns::default(), open([(0, 100), (0, 100), (0, 100)]));
        let one_by_one: Vec<_> = (0..6).map(|_| shared(&mut turns, &open, 1)).collect();
        assert_eq!(
            one_by_one,
            [
                [1, 0, 0],
                [0, 1, 0],
                [0, 0, 1],
                [1, 0, 0],
                [0, 1, 0],
                [0, 0, 1]
            ]
        );
        assert_eq!(shared(&mut turns, &open, 4), [2, 1, 1]);
        assert_eq!(
            shared(&mut turns, &open, 1),
            [0, 1, 0],
            "the second has waited for the longest"
        );
    }

    #[test]
    fn the_memory_is_limited() {
        let mut turns = Turns::default();
        for _ in 0..300 {
            turns.share(&open([(0, 1)]), 1);
        }
        assert_eq!(turns.0.len(), REMEMBERED_EXPERIMENTS);
    }
}
