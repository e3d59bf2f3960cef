//! Whose turn it is: how jobs are divided among experiments, and which of them this coordinator has served last. The memory only orders
//! what is equally due, so that losing it, or another coordinator's having served others, costs a turn at most.

use std::sync::{Mutex, PoisonError};

use groklab_domain::ExperimentId;

use crate::store::lease::Open;

/// Experiments that are remembered; who was served before them comes first again.
const REMEMBERED: usize = 256;

/// The experiments served last, the latest last.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Vec<ExperimentId>>);

impl Turns {
    /// Divides `jobs` among experiments, one after the other: always to the one with the fewest leased jobs, of those to the one not served
    /// for the longest, of those to the first of `open`. Fewer where there are not so many.
    pub fn share(&self, open: &[Open], jobs: usize) -> Vec<(ExperimentId, u32)> {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // None, not served lately, comes before any place.
        let mut turns: Vec<Option<usize>> = open
            .iter()
            .map(|one| served.iter().position(|id| *id == one.experiment))
            .collect();
        let mut given = vec![0; open.len()];
        for turn in (served.len()..).take(jobs) {
            let ready = (0..open.len()).filter(|&i| given[i] < open[i].ready);
            let Some(next) = ready.min_by_key(|&i| (open[i].leased + given[i], turns[i])) else {
                break;
            };
            given[next] += 1;
            turns[next] = Some(turn);
        }
        let mut shares: Vec<_> = (0..open.len()).filter(|&i| given[i] > 0).collect();
        shares.sort_unstable_by_key(|&i| turns[i]);
        served.retain(|id| shares.iter().all(|&i| open[i].experiment != *id));
        served.extend(shares.iter().map(|&i| open[i].experiment));
        let forgotten = served.len().saturating_sub(REMEMBERED);
        served.drain(..forgotten);
        shares
            .into_iter()
            .map(|i| (open[i].experiment, given[i]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open<const N: usize>(counts: [(u32, u32); N]) -> [Open; N] {
        counts.map(|(leased, ready)| Open {
            experiment: ExperimentId::new(),
            leased,
            ready,
        })
    }

    /// What each got, in the order of `open`.
    fn shared<const N: usize>(turns: &Turns, open: &[Open; N], jobs: usize) -> [u32; N] {
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
        let turns = Turns::default();
        assert_eq!(shared(&turns, &open([(5, 9), (0, 9)]), 4), [0, 4]);
        assert_eq!(shared(&turns, &open([(5, 9), (0, 9)]), 9), [2, 7]);
        assert_eq!(
            shared(&turns, &open([(5, 9), (0, 3)]), 9),
            [6, 3],
            "there are no more of the second"
        );
        assert_eq!(shared(&turns, &open([(0, 2), (0, 1)]), 9), [2, 1]);
        assert!(turns.share(&[], 3).is_empty());
    }

    #[test]
    fn equals_take_turns() {
        let (turns, open) = (Turns::default(), open([(0, 100), (0, 100), (0, 100)]));
        let one_by_one: Vec<_> = (0..6).map(|_| shared(&turns, &open, 1)).collect();
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
        assert_eq!(shared(&turns, &open, 4), [2, 1, 1]);
        assert_eq!(
            shared(&turns, &open, 1),
            [0, 1, 0],
            "the second has waited for the longest"
        );
    }

    #[test]
    fn the_memory_is_limited() {
        let turns = Turns::default();
        for _ in 0..300 {
            turns.share(&open([(0, 1)]), 1);
        }
        assert_eq!(turns.0.lock().unwrap().len(), REMEMBERED);
    }
}
