//! What comes next in an experiment's life: a pure function of a small snapshot of what is stored.

use crate::ExperimentState;

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
    /// Iterations roll out and train.
    pub trains: bool,
    /// What is trained on may be part of the evaluation, so selecting waits for that.
    pub learns_from_evaluation: bool,
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
    /// Make the iteration's generate jobs: evaluation where due, and rollouts unless it is the
    /// last.
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

/// The next step. None: a job must be done first, or the experiment is over or paused.
pub fn decide(now: &Snapshot) -> Option<Step> {
    match now.state {
        ExperimentState::Queued => return Some(Step::Start),
        ExperimentState::Running => {}
        _ => return None,
    }
    if !now.planned {
        return Some(Step::Plan);
    }
    // Before the selection: stopping is decided with it, and makes selecting needless.
    if now.due && !now.measured && now.evaluation.complete() {
        return Some(Step::Measure);
    }
    let evaluated = !now.due || now.measured;
    // Rollouts that are still open are not waited for: nothing will be trained on them.
    if evaluated && (now.stop || now.last) {
        return Some(Step::Complete);
    }
    if now.last {
        return None;
    }
    if !now.trains {
        return evaluated.then_some(Step::Skip);
    }
    match now.selected {
        None if now.learns_from_evaluation && !evaluated => None,
        None => now.rollouts.complete().then_some(Step::Select),
        // Training does not begin while the evaluation may still end the experiment.
        Some(_) if !evaluated => None,
        // Nothing correct is no error: the iteration keeps its adapter and counts towards
        // `patience`.
        Some(0) => Some(Step::Close),
        Some(_) if now.training.total == 0 => Some(Step::Train),
        Some(_) => now.training.complete().then_some(Step::Close),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DONE: Phase = Phase { total: 4, open: 0 };
    const OPEN: Phase = Phase { total: 4, open: 1 };

    fn running() -> Snapshot {
        Snapshot {
            state: ExperimentState::Running,
            trains: true,
            learns_from_evaluation: false,
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
    fn what_is_learned_from_an_evaluation_waits_for_it() {
        let s = Snapshot {
            learns_from_evaluation: true,
            rollouts: DONE,
            ..running()
        };
        assert_eq!(decide(&s), None);
        let s = Snapshot {
            evaluation: DONE,
            measured: true,
            ..s
        };
        assert_eq!(decide(&s), Some(Step::Select));
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
            trains: false,
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
            ExperimentState::Deleting,
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

    fn phase() -> impl Strategy<Value = Phase> {
        (0u32..5)
            .prop_flat_map(|total| (Just(total), 0..=total))
            .prop_map(|(total, open)| Phase { total, open })
    }

    prop_compose! {
        fn snapshot()(
            state in prop::sample::select(ExperimentState::ALL),
            flags in prop::array::uniform7(any::<bool>()),
            evaluation in phase(),
            rollouts in phase(),
            training in phase(),
            selected in prop::option::of(0u32..3),
        ) -> Snapshot {
            let [trains, learns_from_evaluation, last, due, planned, measured, stop] = flags;
            Snapshot {
                state, trains, learns_from_evaluation, last, due, planned, evaluation, rollouts, training, measured,
                stop, selected,
            }
        }
    }

    /// Stored after a step, as the scheduler stores it; the jobs that it makes are done at once.
    fn after(now: &Snapshot, step: Step) -> Option<Snapshot> {
        let mut next = now.clone();
        match step {
            Step::Start => next.state = ExperimentState::Running,
            Step::Plan => {
                next.planned = true;
                next.evaluation = Phase {
                    total: u32::from(now.due),
                    open: 0,
                };
                next.rollouts = Phase {
                    total: u32::from(now.trains && !now.last),
                    open: 0,
                };
            }
            Step::Measure => next.measured = true,
            Step::Select => next.selected = Some(1),
            Step::Train => next.training = Phase { total: 1, open: 0 },
            Step::Close | Step::Skip | Step::Complete => return None,
        }
        Some(next)
    }

    proptest! {
        #[test]
        fn nothing_is_decided_on_what_is_not_complete(now in snapshot()) {
            match decide(&now) {
                Some(Step::Measure) => prop_assert!(now.due && now.evaluation.complete() && !now.measured),
                Some(Step::Select) => {
                    prop_assert!(now.trains && now.rollouts.complete() && now.selected.is_none());
                    prop_assert!(!now.learns_from_evaluation || !now.due || now.measured);
                }
                Some(Step::Train) => prop_assert!(now.trains && !now.last && !now.stop && now.training.total == 0),
                Some(Step::Close) => prop_assert!(now.selected == Some(0) || now.training.complete()),
                Some(Step::Skip) => prop_assert!(!now.trains && (!now.due || now.measured)),
                Some(Step::Complete) => prop_assert!((now.last || now.stop) && (!now.due || now.measured)),
                Some(Step::Plan) => prop_assert!(!now.planned),
                Some(Step::Start) => prop_assert_eq!(now.state, ExperimentState::Queued),
                None => {}
            }
            let live = matches!(now.state, ExperimentState::Queued | ExperimentState::Running);
            prop_assert!(live || decide(&now).is_none());
        }

        /// From any beginning of an iteration the loop comes to its end, with each step taken once
        /// at most.
        #[test]
        fn every_iteration_comes_to_its_end(mut now in snapshot()) {
            // The last iteration is always evaluated.
            let due = now.due || now.last;
            now = Snapshot { state: ExperimentState::Queued, due, planned: false, measured: false, stop: false, selected: None, training: Phase::default(), ..now };
            let mut steps = Vec::new();
            loop {
                let step = decide(&now);
                prop_assert!(step.is_some(), "stuck after {steps:?} at {now:?}");
                let step = step.unwrap();
                prop_assert!(!steps.contains(&step), "{step:?} twice: {steps:?}");
                steps.push(step);
                match after(&now, step) {
                    Some(next) => now = next,
                    None => break,
                }
            }
        }
    }
}
