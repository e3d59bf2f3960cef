//! States and the transitions between them, as data.

use enum_map::Enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// An experiment's life.
    pub enum ExperimentState {
        Queued = "queued",
        Running = "running",
        Paused = "paused",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
        /// What was stored of it goes, step by step; nothing of it is read or written any more.
        Deleting = "deleting",
    }
}

words! {
    /// A unit of work's kind, and the kind of worker that does it. `EnumMap<JobKind, _>` holds one
    /// value for each.
    #[derive(Enum)]
    pub enum JobKind {
        Generate = "generate",
        Verify = "verify",
        Train = "train",
    }
}

words! {
    /// What a rollout (and the jobs behind it) is for.
    pub enum Purpose {
        Train = "train",
        Eval = "eval",
    }
}

words! {
    /// Which share of the problems one belongs to. `ood`: rules or families that training never
    /// sees.
    pub enum Split {
        Train = "train",
        Val = "val",
        Test = "test",
        Ood = "ood",
    }
}

words! {
    /// What training never sees of the problems that val and test ask.
    #[derive(JsonSchema)]
    pub enum Holdout {
        /// The inputs alone: every rule is asked in every split.
        Case = "case",
        /// The rules.
        Rule = "rule",
        /// The rules, while each value of their parameters is seen in another combination.
        Composition = "composition",
        /// The rules whose ordered parameter is beyond the range that training sees.
        Extrapolation = "extrapolation",
        /// The families in `held_out`; training asks the other families.
        Family = "family",
    }
}

words! {
    /// Why a model stopped writing.
    pub enum Finish {
        Stop = "stop",
        Length = "length",
    }
}

words! {
    /// Who is at fault for a failed attempt.
    pub enum Fault {
        /// The job cannot be done as it is: retrying will not help.
        Caller = "caller",
        /// The worker, its machine or the connection: another attempt may succeed.
        Infrastructure = "infrastructure",
        /// Nobody's: the worker shuts down and gives the job back; it does not count as an attempt.
        Released = "released",
    }
}

words! {
    /// How an attempt at a job ended.
    pub enum AttemptOutcome {
        Running = "running",
        Done = "done",
        Failed = "failed",
        Lost = "lost",
        Cancelled = "cancelled",
    }
}

impl ExperimentState {
    /// It has ended: all that may still become of it is that it is deleted.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Deleting
        )
    }

    /// Whether the state machine has the step from `self` to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use ExperimentState::{Cancelled, Completed, Deleting, Failed, Paused, Queued, Running};
        match self {
            Queued => matches!(next, Running | Paused | Cancelled | Failed),
            Running => matches!(next, Paused | Completed | Cancelled | Failed),
            Paused => matches!(next, Running | Queued | Cancelled | Failed),
            Completed | Failed | Cancelled => next == Deleting,
            Deleting => false,
        }
    }
}

impl JobKind {
    /// The kind of the job that is made in the same transaction as a job of this kind is done, on
    /// the same rollouts: verification starts as soon as a job is done, not when its phase is. The
    /// plan counts by it, and the coordinator makes jobs by it.
    pub fn followed_by(self) -> Option<Self> {
        match self {
            Self::Generate => Some(Self::Verify),
            Self::Verify | Self::Train => None,
        }
    }

    /// This kind and those that follow it, one after the other.
    pub fn chain(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |kind| kind.followed_by())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_may_only_be_deleted() {
        for &from in ExperimentState::ALL {
            let goes_on = ExperimentState::ALL
                .iter()
                .any(|&to| to != ExperimentState::Deleting && from.may_become(to));
            assert_eq!(from.is_final(), !goes_on, "{from}");
            let may_go = from.is_final() && from != ExperimentState::Deleting;
            assert_eq!(from.may_become(ExperimentState::Deleting), may_go, "{from}");
        }
    }
}
