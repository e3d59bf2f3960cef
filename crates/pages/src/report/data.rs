//! What the report shows, read from wherever an experiment's records are. It computes nothing of
//! its own but the comparison of the first with the last iteration, which needs problems one by
//! one.

use std::collections::BTreeMap;

use groklab_domain::{
    Purpose, Split,
    experiment::Experiment,
    metrics::{Comparison, IterationLine, MetricsLine},
    records::{ExperimentSource, Outcomes, ProblemLine, RolloutFilter, RolloutLine},
};

use super::samples::Samples;

/// Everything in the report.
#[derive(Debug)]
pub struct Report {
    pub config: Experiment,
    pub evaluations: Vec<MetricsLine>,
    pub iterations: Vec<IterationLine>,
    /// First against last evaluated iteration, on the test split.
    pub comparison: Option<Comparison>,
    pub samples: Samples,
    /// Prompts of the problems in `samples`, by ordinal.
    pub prompts: BTreeMap<u32, String>,
}

impl Report {
    /// Reads all of it. An experiment that stopped early has a report too.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn read<S: ExperimentSource>(source: &S) -> Result<Self, S::Error> {
        let mut report = Self {
            config: source.config().await?,
            evaluations: source.metrics().await?,
            iterations: source.iterations().await?,
            comparison: None,
            samples: Samples::default(),
            prompts: BTreeMap::new(),
        };
        report.read_rollouts(source).await?;
        report.read_prompts(source).await?;
        Ok(report)
    }

    /// One pass over all rollouts, since there may be more of them than memory holds.
    async fn read_rollouts<S: ExperimentSource>(&mut self, source: &S) -> Result<(), S::Error> {
        let ends = self.evaluations.first().zip(self.evaluations.last());
        let Some((first, last)) = ends else {
            return Ok(());
        };
        let (first, last) = (first.iteration, last.iteration);
        let (mut before, mut after) = (Outcomes::default(), Outcomes::default());
        let samples = &mut self.samples;
        let filter = RolloutFilter {
            purpose: Some(Purpose::Eval),
            split: Some(Split::Test),
            ..RolloutFilter::default()
        };
        let mut visit = |line: RolloutLine| {
            if line.iteration == first {
                before.count_line(&line);
            }
            if line.iteration == last {
                after.count_line(&line);
            }
            if line.iteration == first || line.iteration == last {
                samples.consider(line);
            }
        };
        source.rollouts(&filter, &mut visit).await?;
        // A single evaluation would be compared with itself.
        if first != last {
            self.comparison = before.against(&after);
        }
        Ok(())
    }

    async fn read_prompts<S: ExperimentSource>(&mut self, source: &S) -> Result<(), S::Error> {
        // The other prompts are never shown, and there may be many.
        let (samples, prompts) = (&self.samples, &mut self.prompts);
        let mut visit = |problem: ProblemLine| {
            if samples.has_problem(problem.problem) {
                prompts.insert(problem.problem, problem.prompt);
            }
        };
        source.problems(Split::Test, &mut visit).await
    }
}
