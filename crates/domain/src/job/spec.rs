//! What makes a job this job. Everything in it follows from the configuration and the iteration,
//! never from time or from workers.

use crate::{ExperimentId, Fence, JobId, JobKind, Purpose, WorkerId};

/// Which rollouts a job is about: every problem times the samples from `first_sample` on. Empty for
/// training.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Ordinals, ascending.
    pub problems: Vec<u32>,
    pub first_sample: u32,
    pub samples: u32,
}

impl Batch {
    /// One rollout alone.
    pub fn single(problem: u32, sample: u32) -> Self {
        Self {
            problems: vec![problem],
            first_sample: sample,
            samples: 1,
        }
    }

    pub fn sample_range(&self) -> std::ops::Range<u32> {
        self.first_sample..self.first_sample + self.samples
    }

    /// (problem, sample) in order.
    pub fn rollouts(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.problems
            .iter()
            .flat_map(|&problem| self.sample_range().map(move |sample| (problem, sample)))
    }

    pub fn len(&self) -> usize {
        self.problems.len() * self.samples as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A job's place in its experiment, and what it is about. No two jobs of an experiment share
/// iteration, purpose, kind, chunk and part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub iteration: u32,
    pub purpose: Purpose,
    pub kind: JobKind,
    pub chunk: u32,
    /// 0: the whole chunk; from 1 on a single rollout of a chunk that was split.
    pub part: u32,
    pub batch: Batch,
}

impl Spec {
    /// The job that follows this one on the same rollouts, if one does.
    pub fn follower(&self) -> Option<Self> {
        let kind = self.kind.followed_by()?;
        Some(Self {
            kind,
            ..self.clone()
        })
    }

    /// The jobs that together do what this one would, a rollout each.
    pub fn split(&self) -> impl Iterator<Item = Self> + '_ {
        // From 1 on: 0 is the whole chunk, which keeps its row.
        (1..)
            .zip(self.batch.rollouts())
            .map(|(part, (problem, sample))| Self {
                part,
                batch: Batch::single(problem, sample),
                ..self.clone()
            })
    }
}

/// A job that a worker has claimed, or had.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub experiment: ExperimentId,
    pub spec: Spec,
    pub fence: Fence,
    /// None once it has been given up.
    pub worker: Option<WorkerId>,
    /// W3C trace context of what made the job; may be empty.
    pub traceparent: String,
}
