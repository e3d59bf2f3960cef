//! Whose turn it is: which experiments this coordinator has served last. It only orders what is equally due, so that losing it, or
//! another coordinator's having served others, costs a turn at most.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use groklab_domain::{ExperimentId, JobKind};

/// Experiments that are remembered per kind; who was served before them comes first again.
const REMEMBERED: usize = 256;

/// The experiments served last, by kind of job.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<JobKind, Vec<ExperimentId>>>);

impl Turns {
    /// The latest last.
    pub fn served(&self, kind: JobKind) -> Vec<ExperimentId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned().unwrap_or_default()
    }

    pub fn serve(&self, kind: JobKind, experiment: ExperimentId) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let served = turns.entry(kind).or_default();
        served.retain(|other| *other != experiment);
        served.push(experiment);
        if served.len() > REMEMBERED {
            served.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_last_and_each_is_there_once() {
        let turns = Turns::default();
        let [one, other] = [ExperimentId::new(), ExperimentId::new()];
        for experiment in [one, other, one] {
            turns.serve(JobKind::Generate, experiment);
        }
        assert_eq!(turns.served(JobKind::Generate), [other, one]);
        assert!(turns.served(JobKind::Verify).is_empty());
    }
}
