//! Two evaluations held against each other.

use std::collections::HashMap;

use groklab_domain::{
    Digest, Split,
    metrics::MetricsLine,
    records::{ComparisonReport, ComparisonSide, Outcomes, RolloutFilter},
};

use super::{answers::Evaluation, connection::Client};
use crate::failure::Failure;

struct Side {
    name: String,
    iteration: u32,
    outcomes: Outcomes,
    identity: HashMap<u32, Digest>,
}

impl Client {
    /// Compares two evaluations on the problems of a split that they share.
    pub async fn compare(
        &self,
        before: &Evaluation,
        after: &Evaluation,
        split: Split,
    ) -> Result<ComparisonReport, Failure> {
        let before = self.side(before, split).await?;
        let after = self.side(after, split).await?;
        let mut places = HashMap::new();
        for (ordinal, identity) in &before.identity {
            places.insert(*identity, *ordinal);
        }
        let place = |ordinal| places.get(after.identity.get(&ordinal)?).copied();
        let shared = after.outcomes.renumbered(place);
        let both = before.outcomes.shared_with(&shared);
        Ok(ComparisonReport {
            split,
            before: summary(&before),
            after: summary(&after),
            shared: both.len() as u32,
            comparison: both.against(&shared),
        })
    }

    async fn side(&self, named: &Evaluation, split: Split) -> Result<Side, Failure> {
        let experiment = self.get(&named.experiment).await?;
        let id = experiment.experiment_id.to_string();
        let mut evaluated = Vec::new();
        for line in self.metrics(&id).await?.metrics {
            let line: MetricsLine = line
                .read()
                .map_err(|error| Failure::other("read a line of metrics").because(error))?;
            evaluated.push(line.iteration);
        }
        let iteration = named.iteration.or(evaluated.last().copied());
        let iteration = match iteration {
            Some(iteration) if evaluated.contains(&iteration) => iteration,
            _ => {
                return Err(Failure::usage(format!("compare `{named}`"))
                    .because(format!("evaluated are the iterations {evaluated:?}"))
                    .next(format!("grokctl show {}", named.experiment)));
            }
        };
        let filter = RolloutFilter::evaluation(iteration, split);
        let mut rollouts = self.rollouts(&id, &filter, 0).await?;
        let mut outcomes = Outcomes::default();
        while let Some(line) = rollouts.next().await? {
            let line = line
                .read()
                .map_err(|error| Failure::other("read a rollout").because(error))?;
            outcomes.count_line(&line);
        }
        let mut problems = self.problems(&id).await?;
        let mut identity = HashMap::new();
        while let Some(problem) = problems.next().await? {
            identity.insert(problem.problem, problem.identity());
        }
        Ok(Side {
            name: experiment.name,
            iteration,
            outcomes,
            identity,
        })
    }
}

fn summary(side: &Side) -> ComparisonSide {
    ComparisonSide {
        experiment: side.name.clone(),
        iteration: side.iteration,
        problems: side.outcomes.len() as u32,
    }
}
