//! What comes next in an experiment's life: a pure function of a small snapshot of what is stored.

use groklab_domain::{ExperimentState, experiment::Method};

/// How many jobs of one phase there are, and how many of them are not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phase {
    pub total: u32,
    pub open: u32,
}

impl Phase {
    /// Complete: it has begun, and all its jobs are done.
    pub fn complete(self) -> bool {
        self.total > 0 && self.open == 0
    }
}

/// What is stored about the current iteration, as far as it decides anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub state: ExperimentState,
    pub method: Method,
    /// The current iteration is the last one: it is evaluated and not trained on.
    pub last: bool,
    /// The current iteration's adapter is evaluated.
    pub due: bool,
    /// The iteration's jobs have been made.
    pub planned: bool,
    /// Generate and verify jobs of the evaluation, and of the training rollouts.
    pub evaluation: Phase,
    pub rollouts: Phase,
    pub training: Phase,
    /// The line of metrics.jsonl is stored, and stopping has been decided.
    pub measured: bool,
    /// It has been decided to stop after this evaluation.
    pub stop: bool,
    /// How many rollouts are trained on, once decided.
    pub selected: Option<u32>,
}

/// One step of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From queued to running.
    Start,
    /// Make the iteration's generate jobs: evaluation where due, and rollouts unless it is the last.
    Plan,
    /// Close the evaluation: compute and store its line, decide on stopping.
    Measure,
    /// Close the rollouts: select what is trained on, store the training set.
    Select,
    /// Make the training job.
    Train,
    /// Store the iteration's line, go on to the next iteration.
    Close,
    /// Go on to the next iteration without training.
    Skip,
    /// The experiment is completed.
    Complete,
}

/// The next step; None: wait for jobs, or for ever.
pub fn decide(s: &Snapshot) -> Option<Step> {
    match s.state {
        ExperimentState::Queued => return Some(Step::Start),
        ExperimentState::Running => {}
        _ => return None,
    }
    if !s.planned {
        return Some(Step::Plan);
    }
    if s.due && !s.measured && s.evaluation.complete() {
        return Some(Step::Measure);
    }
    let evaluated = !s.due || s.measured;
    if evaluated && (s.stop || s.last) {
        return Some(Step::Complete);
    }
    if s.last {
        return None;
    }
    if s.method == Method::None {
        return evaluated.then_some(Step::Skip);
    }
    match s.selected {
        None => s.rollouts.complete().then_some(Step::Select),
        Some(_) if !evaluated => None,
        Some(0) => Some(Step::Close),
        Some(_) if s.training.total == 0 => Some(Step::Train),
        Some(_) => s.training.complete().then_some(Step::Close),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Phase = Phase { total: 4, open: 0 };
    const OPEN: Phase = Phase { total: 4, open: 1 };

    fn running() -> Snapshot {
        Snapshot {
            state: ExperimentState::Running,
            method: Method::Rft,
            last: false,
            due: true,
            planned: true,
            evaluation: OPEN,
            rollouts: OPEN,
            training: Phase::default(),
            measured: false,
            stop: false,
            selected: None,
        }
    }

    #[test]
    fn an_iteration_goes_through_its_steps() {
        let s = Snapshot {
            state: ExperimentState::Queued,
            planned: false,
            ..running()
        };
        assert_eq!(decide(&s), Some(Step::Start));
        let s = Snapshot {
            state: ExperimentState::Running,
            ..s
        };
        assert_eq!(decide(&s), Some(Step::Plan));
        assert_eq!(decide(&running()), None);
        let s = Snapshot {
            rollouts: DONE,
            ..running()
        };
        assert_eq!(decide(&s), Some(Step::Select));
        let s = Snapshot {
            selected: Some(3),
            ..s
        };
        assert_eq!(
            decide(&s),
            None,
            "training waits for the evaluation and for the decision to stop"
        );
        let s = Snapshot {
            evaluation: DONE,
            ..s
        };
        assert_eq!(decide(&s), Some(Step::Measure));
        let s = Snapshot {
            measured: true,
            ..s
        };
        assert_eq!(decide(&s), Some(Step::Train));
        let s = Snapshot {
            training: Phase { total: 1, open: 1 },
            ..s
        };
        assert_eq!(decide(&s), None);
        let s = Snapshot {
            training: Phase { total: 1, open: 0 },
            ..s
        };
        assert_eq!(decide(&s), Some(Step::Close));
    }

    #[test]
    fn nothing_to_train_on_closes_without_a_job() {
        let s = Snapshot {
            evaluation: DONE,
            rollouts: DONE,
            measured: true,
            selected: Some(0),
            ..running()
        };
        assert_eq!(decide(&s), Some(Step::Close));
    }

    #[test]
    fn stopping_and_the_last_iteration_complete_after_the_evaluation() {
        let stop = Snapshot {
            evaluation: DONE,
            measured: true,
            stop: true,
            ..running()
        };
        assert_eq!(decide(&stop), Some(Step::Complete));
        let last = Snapshot {
            last: true,
            rollouts: Phase::default(),
            ..running()
        };
        assert_eq!(decide(&last), None);
        assert_eq!(
            decide(&Snapshot {
                evaluation: DONE,
                measured: true,
                ..last
            }),
            Some(Step::Complete)
        );
    }

    #[test]
    fn without_training_iterations_follow_at_once() {
        let none = Snapshot {
            method: Method::None,
            rollouts: Phase::default(),
            ..running()
        };
        assert_eq!(decide(&none), None);
        assert_eq!(
            decide(&Snapshot {
                due: false,
                ..none.clone()
            }),
            Some(Step::Skip)
        );
        assert_eq!(
            decide(&Snapshot {
                measured: true,
                ..none
            }),
            Some(Step::Skip)
        );
    }

    #[test]
    fn what_does_not_run_waits() {
        for state in [
            ExperimentState::Paused,
            ExperimentState::Completed,
            ExperimentState::Cancelled,
            ExperimentState::Failed,
        ] {
            assert_eq!(
                decide(&Snapshot {
                    state,
                    planned: false,
                    ..running()
                }),
                None
            );
        }
    }
}
